"""Makes the golden requests of this folder; see README.md."""

import base64
import datetime
import hashlib
import json
import pathlib

from standardwebhooks import Webhook

FOLDER = pathlib.Path(__file__).parent
# The secret and the request that the libraries of Standard Webhooks are tested with.
SECRET = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"
PUBLISHED = "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE="
TIME = 1614265330
OTHER = "whsec_" + base64.b64encode(b"another key of thirty-two bytes.").decode()
FIELDS = {
    "state": "data.status",
    "operation": "type",
    "result": "data.outcome",
    "amount": "data.lines.0.amount",
    "currency_code": "data.currency",
    "reference_number": "data.id",
    "is_sandbox": "data.\"is.test\"",
}
requests = []


def sign(secret, id, time, body):
    moment = datetime.datetime.fromtimestamp(time, datetime.timezone.utc)
    return Webhook(secret).sign(id, moment, body)


def event_id(source, id, body):
    """`evt_` and Crockford's base32 of 64 bits of each hash."""
    halves = [hashlib.sha256(text).digest()[:8] for text in (source + b"\0" + id, body)]
    number = int.from_bytes(b"".join(halves), "big")
    return "evt_" + "".join("0123456789abcdefghjkmnpqrstvwxyz"[number >> shift & 31] for shift in range(125, -1, -5))


def request(name, id, body, signature, time=TIME, secrets=(SECRET,), received=None, **expected):
    headers = {"content-type": "application/json", "webhook-id": id, "webhook-timestamp": str(time), "webhook-signature": signature}
    lines = "".join(f"{key}: {value}\n" for key, value in headers.items())
    (FOLDER / f"{name}.http").write_bytes(f"{lines}\n{body}".encode())
    source = {"provider": "standard-webhooks", "secret": list(secrets), "fields": FIELDS}
    wanted = {"event": event_id(b"golden", id.encode(), body.encode()), "kind": "other", "fields": {}} | expected
    requests.append({"file": f"{name}.http", "source": source, "received": received or time, **wanted})


body = '{"test": 2432232314}'
assert sign(SECRET, "msg_p5jXN8AQM9LWM0D4loKWxJek", TIME, body) == PUBLISHED
request("published", "msg_p5jXN8AQM9LWM0D4loKWxJek", body, PUBLISHED)
request("published-at-the-end-of-the-tolerance", "msg_p5jXN8AQM9LWM0D4loKWxJek", body, PUBLISHED, received=TIME + 300)
request("published-before-its-time", "msg_p5jXN8AQM9LWM0D4loKWxJek", body, PUBLISHED, received=TIME - 300)

payment = json.dumps(
    {
        "type": "payment.updated",
        "data": {"id": "R-1", "status": "paid", "outcome": None, "lines": [{"amount": 10.500}], "currency": "KWD", "is.test": True, "name": "فاطمة"},
    },
    ensure_ascii=False,
).replace("10.5", "10.500")
mapped = {
    "kind": "payment",
    "fields": {"state": "paid", "operation": "payment.updated", "amount": "10.500", "currency_code": "KWD", "reference_number": "R-1", "is_sandbox": "true"},
}
request("payment", "msg_1", payment, sign(SECRET, "msg_1", TIME, payment), **mapped)
request("payment-sent-again", "msg_1", payment, sign(SECRET, "msg_1", TIME + 4000, payment), time=TIME + 4000, **mapped)
request("by-the-old-key", "msg_2", payment, sign(OTHER, "msg_2", TIME, payment), secrets=(SECRET, OTHER), **mapped)
several = " ".join(["v1a,AAAA", sign(OTHER, "msg_3", TIME, payment), sign(SECRET, "msg_3", TIME, payment)])
request("several-signatures", "msg_3", payment, several, **mapped)
operation = '{"type":"refund","data":{"status":""}}'
request("operation", "msg_4", operation, sign(SECRET, "msg_4", TIME, operation), kind="operation", fields={"operation": "refund"})
request("no-json", "msg_5", "type=refund&x=é", sign(SECRET, "msg_5", TIME, "type=refund&x=é"))
request("a-list", "msg_6", '[{"type":"refund"}]', sign(SECRET, "msg_6", TIME, '[{"type":"refund"}]'))
request("empty", "msg_7", "", sign(SECRET, "msg_7", TIME, ""))
request("full-stop-in-the-id", "msg.8", payment, sign(SECRET, "msg.8", TIME, payment), quarantined="ambiguous", **mapped)

(FOLDER / "requests.json").write_text(json.dumps(requests, indent=2, ensure_ascii=False) + "\n")
