"""Signs the messages with the published library for Python; see README.md."""

import datetime
import json
import pathlib

from standardwebhooks import Webhook

folder = pathlib.Path(__file__).parent
messages = json.loads((folder / "messages.json").read_text())
moment = lambda seconds: datetime.datetime.fromtimestamp(seconds, datetime.timezone.utc)
signed = [Webhook(m["secret"]).sign(m["id"], moment(m["timestamp"]), m["body"]) for m in messages]
(folder / "python.json").write_text(json.dumps(signed, indent=2) + "\n")
