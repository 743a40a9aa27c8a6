// Signs the messages with the published library for JavaScript; see README.md.
import { readFileSync, writeFileSync } from "node:fs";
import { createRequire } from "node:module";

const { Webhook } = createRequire(process.cwd() + "/")("standardwebhooks");
const here = (name) => new URL(name, import.meta.url);
const messages = JSON.parse(readFileSync(here("messages.json"), "utf8"));
const signed = messages.map((m) => new Webhook(m.secret).sign(m.id, new Date(m.timestamp * 1000), m.body));
writeFileSync(here("javascript.json"), JSON.stringify(signed, null, 2) + "\n");
