"""Says which secrets verify a delivery, by what the standard says and Python's own library alone.

Reads {"secrets": […], "headers": {…}, "body": base64} and prints the secrets that hold, one a line.
"""

import base64
import hashlib
import hmac
import json
import sys

request = json.load(sys.stdin)
headers = request["headers"]
body = base64.b64decode(request["body"])
message = f"{headers['webhook-id']}.{headers['webhook-timestamp']}.".encode() + body
signatures = headers["webhook-signature"].split(" ")
for secret in request["secrets"]:
    key = base64.b64decode(secret.removeprefix("whsec_"))
    wanted = "v1," + base64.b64encode(hmac.new(key, message, hashlib.sha256).digest()).decode()
    if any(hmac.compare_digest(wanted, signature) for signature in signatures):
        print(secret)
