"""Makes the golden requests of this folder; see README.md."""

import base64
import hashlib
import hmac
import json
import pathlib

FOLDER = pathlib.Path(__file__).parent
TIME = 1700000000
requests = []


def mac(algorithm, key, message):
    return hmac.new(key.encode(), message.encode(), getattr(hashlib, algorithm)).digest()


def event_id(identity, body):
    """`evt_` and Crockford's base32 of 64 bits of each hash."""
    halves = [hashlib.sha256(text).digest()[:8] for text in (identity, body)]
    number = int.from_bytes(b"".join(halves), "big")
    return "evt_" + "".join("0123456789abcdefghjkmnpqrstvwxyz"[number >> shift & 31] for shift in range(125, -1, -5))


def request(name, secret, body, headers, signature, identity, received=TIME, mapping=None, **expected):
    lines = "".join(f"{key}: {value}\n" for key, value in headers.items())
    (FOLDER / f"{name}.http").write_bytes(f"{lines}\n{body}".encode())
    source = {"provider": "hmac", "secret": secret, "signature": signature} | ({"fields": mapping} if mapping else {})
    wanted = {"event": event_id(identity, body.encode()), "kind": "other", "fields": {}} | expected
    requests.append({"file": f"{name}.http", "source": source, "received": received, **wanted})


# The example of GitHub's documentation: "Validating webhook deliveries".
secret, body = "It's a Secret to Everybody", "Hello, World!"
published = "757107ea0eb2509fc211221cce984b8a37570b6d7586c22c46f4379c8b043e17"
assert mac("sha256", secret, body).hex() == published
form = {"header": "x-hub-signature-256", "algorithm": "sha256", "encoding": "hex", "prefix": "sha256="}
request("github", secret, body, {"x-hub-signature-256": f"sha256={published}"}, form, published.encode())
request("github-in-upper-case", secret, body, {"X-Hub-Signature-256": f"sha256={published.upper()}"}, form, published.encode())

# The older header of the same sender, as in PubSubHubbub.
old = mac("sha1", secret, body).hex()
form = {"header": "x-hub-signature", "algorithm": "sha1", "prefix": "sha1="}
request("hub-sha1", secret, body, {"x-hub-signature": f"sha1={old}"}, form, old.encode())

# Test case 2 of RFC 2202 and RFC 4231, in every form.
key, data = "Jefe", "what do ya want for nothing?"
PUBLISHED = {
    "sha1": "effcdf6ae5eb2fa2d27416d5f184df9c259a7c79",
    "sha256": "5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843",
    "sha512": "164b7a7bfcf819e2e395fbe73b56e0a387bd64222e831fd610270cd7ea2505549758bf75c05a994a6d034f65f8f0e6fdcaeab1a34d4a6b4b636e070a38bce737",
}
for algorithm, published in PUBLISHED.items():
    for encoding, text in (("hex", published), ("base64", base64.b64encode(bytes.fromhex(published)).decode())):
        form = {"header": "x-signature", "algorithm": algorithm, "encoding": encoding}
        request(f"rfc-{algorithm}-{encoding}", key, data, {"x-signature": text}, form, published.encode())
unpadded = base64.b64encode(bytes.fromhex(PUBLISHED["sha256"])).decode().rstrip("=")
form = {"header": "x-signature", "encoding": "base64"}
request("rfc-sha256-base64-without-padding", key, data, {"x-signature": unpadded}, form, PUBLISHED["sha256"].encode())

# With a time: signed as `<time>.<body>`, known again by its body.
body = '{"event":"charge","object":{"state":"settled","amount":"1,250.00","order":{"no":7}}}'
mapping = {"state": "object.state", "operation": "event", "amount": "object.amount", "order_no": "object.order.no"}
mapped = {"kind": "payment", "fields": {"state": "settled", "operation": "charge", "amount": "1,250.00", "order_no": "7"}}
form = {"header": "x-signature", "prefix": "v1=", "timestamp_header": "x-timestamp", "tolerance": "90s"}
identity = b"golden\0" + body.encode()
for name, time, received in (("with-a-time", TIME, TIME + 90), ("with-a-time-sent-again", TIME + 60, TIME + 61)):
    text = mac("sha256", "k1", f"{time}.{body}").hex()
    headers = {"content-type": "application/json", "x-timestamp": time, "x-signature": f"v1={text}"}
    request(name, ["k2", "k1"], body, headers, form, identity, received=received, mapping=mapping, **mapped)

(FOLDER / "requests.json").write_text(json.dumps(requests, indent=2, ensure_ascii=False) + "\n")
