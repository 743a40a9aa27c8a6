#!/usr/bin/env python3
"""The provider's signature and the verdict on a payload, written from the provider's documentation alone: a second opinion
on what the gateway says. Standard library only.

    reference.py make SEED COUNT      prints COUNT random payloads, signed, tampered with or merged
    reference.py unsigned SEED COUNT  prints COUNT random payloads without a signature
    reference.py judge                reads payloads from standard input, and prints what is to be said of each

A payload is a line of hexadecimal digits. What is said of it is one word: `refused`, `quarantined` or `accepted`.
`make` prints that word before each payload. The key is `test-hmac-key`.
"""

import hashlib
import hmac
import json
import random
import re
import sys

KEY = b"test-hmac-key"

SIGNED = """
    amount currency_code customer_address_city customer_address_country customer_address_line1
    customer_address_line2 customer_address_postal_code customer_address_state customer_email
    customer_first_name customer_last_name customer_phone gateway_account gateway_name
    order_no reference_number result state
""".split()

MAY_BE_INTEGERS = {"order_no", "customer_phone", "customer_address_postal_code"}


class Object(list):
    """The members of an object in their order, duplicates included."""

    def last(self, name):
        return next((value for key, value in reversed(self) if key == name), None)


# --- The reference -----------------------------------------------------------------------------------------------------


def text_of(value):
    """What a value is in the message: None where it is left out. Raises TypeError where no text is defined."""
    if value is None or value is False or value == "" or value == 0 or value == []:
        return None
    if isinstance(value, (list, Object)):
        raise TypeError("no text is defined for it")
    return value if isinstance(value, str) else str(value)


def message_of(members):
    texts = [(name, text_of(members.last(name))) for name in sorted(SIGNED)]
    return "".join(name + text for name, text in texts if text is not None)


def signature_of(members):
    return hmac.new(KEY, message_of(members).encode(), hashlib.sha256).hexdigest()


def judge(body):
    members = json.loads(body, object_pairs_hook=Object)
    given = members.last("signature")
    if not isinstance(given, str) or not re.fullmatch(r"[0-9a-fA-F]{64}", given):
        return "refused"
    try:
        genuine = signature_of(members)
    except TypeError:
        return "refused"
    if not hmac.compare_digest(genuine, given.lower()):
        return "refused"
    return "quarantined" if is_odd(members) else "accepted"


def is_odd(members):
    texts = {name: text_of(members.last(name)) for name in SIGNED}
    present = {name: text for name, text in texts.items() if text is not None}
    if not present:
        return True
    txn = members.last("txn")
    if has_twins(members) or (isinstance(txn, Object) and has_twins(txn)):
        return True
    for name in SIGNED:
        value = members.last(name)
        is_text = value is None or isinstance(value, str)
        is_integer = isinstance(value, int) and not isinstance(value, bool) and name in MAY_BE_INTEGERS
        if not is_text and not is_integer:
            return True
    for name, text in present.items():
        allowed = "" if not name.startswith("customer_") else "".join(map(chr, [*range(1, 32), *range(127, 160)]))
        if any((ord(char) < 32 or 127 <= ord(char) < 160) and char not in allowed for char in text):
            return True
    amount = present.get("amount")
    plain = r"-?\d+(\.\d+)?|-?\d{1,3}(,\d{3})+(\.\d+)?"
    if amount is not None and not re.fullmatch(plain, amount, re.ASCII) and not (amount == "None" and is_operation(members)):
        return True
    if not re.fullmatch(r"[A-Za-z]{3}", present.get("currency_code", "KWD")):
        return True
    if any(not re.fullmatch(r"[A-Za-z0-9 _.-]{1,64}", present.get(name, "x")) for name in ("state", "result")):
        return True
    return is_ambiguous(present)


def has_twins(members):
    names = [name.casefold() for name, _ in members]
    return len(set(names)) < len(names)


def is_operation(members):
    """No state at top level, but one of the three fields of an operation."""
    if members.last("state") not in (None, ""):
        return False
    return any(members.last(name) not in (None, "") for name in ("operation", "txn", "success"))


def is_ambiguous(present):
    order = sorted(SIGNED)
    for own, text in present.items():
        later = [name for name in order if name > own]
        reach = next((place for place, name in enumerate(later) if name in present), len(later) - 1)
        if any(name in text for name in later[: reach + 1]):
            return True
        if any(name in text for name in order if "_" in name):
            return True
        if own in ("state", "result"):
            words = [name for name in order if "_" not in name]
            if any(name in text and name not in present or re.search(name + "[A-Za-z]", text) for name in words):
                return True
        if any(text.endswith(head) or (name == own and tail and text.startswith(tail)) for name, head, tail in OVERLAPS):
            return True
    return False


# Where one name ends with what another begins with, a name can reach across the border of a value and the name beside it.
OVERLAPS = [
    (name, name[:cut], other[len(name) - cut :])
    for name in SIGNED
    for other in SIGNED
    for cut in range(1, len(name))
    if other.startswith(name[cut:])
]


# --- Random payloads ---------------------------------------------------------------------------------------------------

WORDS = """paid failed refunded success KWD kwd SAR 10.000 1,234.500 1,23 -5 007 None 48G8SS شركة محمد Ω 𝄞 😀 é ß ſ İ
    visa knet kuwait 12 State street, order 5 result amount state order_no reference_number gateway_name order_n rder_no reference_numbe esult customer_address_""".split()
LETTERS = "abcXYZ019 _.,-+@/\\\"'{}[]:\n\t\r\u0001\u007f\u0085\u00a0é\u0627\u2028\u20ac\uffff\U0001d11e\U0001f600"


def text(random):
    kind = random.random()
    if kind < 0.5:
        return random.choice(WORDS)
    if kind < 0.7:
        return " ".join(random.choices(WORDS, k=random.randint(2, 4)))
    return "".join(random.choices(LETTERS, k=random.randint(0, 12)))


def usual(random, name):
    """What the field usually says, so that not every payload is odd in some way."""
    if name == "amount":
        return random.choice(["10.000", "0.750", "1,234.500", "86", "-3.5"])
    if name == "currency_code":
        return random.choice(["KWD", "SAR", "usd"])
    if name == "state":
        return random.choice(["paid", "failed", "refund_queued", "a state unknown"])
    if name == "result":
        return random.choice(["success", "failed", "queued"])
    if name == "customer_last_name":
        return random.choice(["12 State street, order 5 result", "order_n", "x reference_numbe", "customer_address_", "O'Neil"])
    return random.choice(["Muhammad", "محمد", "12 State street,\norder 5", "+96512345678", "48G8SS", "a@b.example", "O'Neil \"Q\""])


def value(random, name, oddness):
    kind = random.random()
    if kind > oddness:
        return usual(random, name)
    if kind < oddness / 2:
        return text(random)
    return random.choice([None, "", 0, 7, -12, 96512345678, 10**25, 2.5, 1e-7, 1e22, 0.0, True, False, Object(), [], [1], Object([("a", 1)])])


def payload(random):
    oddness = random.choice([0, 0, 0.1, 0.3])
    members = Object((name, value(random, name, oddness)) for name in SIGNED if random.random() < 0.6)
    for name in ("operation", "success", "session_id", "is_sandbox", "timestamp_utc", "message"):
        if random.random() < 0.3:
            members.append((name, random.choice([None, "", "void", "refund", True, False, 5, text(random)])))
    if random.random() < 0.3:
        members.append(("txn", Object((name, text(random)) for name in ("state", "amount", "session_id"))))
    if random.random() < 0.04:
        members.append(random.choice(members or [("state", "paid")]))
    if random.random() < 0.04:
        members.append((random.choice(["STATE", "Amount", "order_No", "ſtate", "SIGNATURE"]), text(random)))
    random.shuffle(members)
    return members


def merged(random, members):
    """Another payload of the same message: a field's name and value go to the tail of the one before it."""
    try:
        present = [name for name in sorted(SIGNED) if text_of(members.last(name)) is not None]
        if len(present) < 2:
            return members
        at = random.randrange(len(present) - 1)
        first, second = present[at], present[at + 1]
        joined = text_of(members.last(first)) + second + text_of(members.last(second))
    except TypeError:
        return members
    return Object((name, joined if name == first else value) for name, value in members if name != second)


def tampered(random, members):
    """Something else than what was signed, or at least something that looks so."""
    members = Object(members)
    kind = random.randrange(5)
    if kind == 0:
        members = Object((name, "0" * 64 if name == "signature" else value) for name, value in members)
    elif kind == 1:
        flip = lambda digits: digits[:-1] + ("0" if digits[-1] != "0" else "1")
        members = Object((name, flip(value) if name == "signature" else value) for name, value in members)
    elif kind == 2:
        cut = random.choice([None, "", 12, "x" * 64, "a" * 63, "b" * 65, Object()])
        members = Object((name, cut if name == "signature" else value) for name, value in members)
    elif kind == 3 and members:
        place = random.randrange(len(members))
        if members[place][0] != "signature":
            members[place] = (members[place][0], text(random))
    elif members:
        place = random.randrange(len(members))
        if members[place][0] != "signature":
            del members[place]
    return members


def signed(random, members):
    try:
        signature = signature_of(members)
    except TypeError:
        signature = "c" * 64
    if random.random() < 0.1:
        signature = signature.upper()
    members = Object(members)
    members.insert(random.randint(0, len(members)), ("signature", signature))
    return members


def written(random, value):
    """JSON with the same meaning, laid out and escaped at random."""
    space = lambda: "" if random.random() < 0.7 else random.choice([" ", "\n", "\t", "\r\n"])
    if isinstance(value, Object):
        members = [f"{space()}{quoted(random, key)}{space()}:{space()}{written(random, inner)}{space()}" for key, inner in value]
        return "{" + ",".join(members or [space()]) + "}"
    if isinstance(value, list):
        return "[" + ",".join(written(random, inner) for inner in value) + "]"
    if isinstance(value, str):
        return quoted(random, value)
    return json.dumps(value)


def quoted(random, text):
    eager = random.random()
    if eager < 0.75:
        return json.dumps(text, ensure_ascii=False)
    if eager < 0.85:
        digits = text.encode("utf-16-be").hex()
        return '"' + "".join("\\u" + digits[at : at + 4] for at in range(0, len(digits), 4)) + '"'
    short = {"\n": "\\n", "\t": "\\t", "\r": "\\r", '"': '\\"', "\\": "\\\\", "/": "\\/"}
    letters = []
    for letter in text:
        needs = letter in '"\\' or ord(letter) < 32
        if letter in short and (needs or random.random() < 0.3):
            letters.append(short[letter])
        elif needs or random.random() < 0.3:
            digits = letter.encode("utf-16-be").hex()
            digits = digits if random.random() < 0.5 else digits.upper()
            letters.extend("\\u" + digits[at : at + 4] for at in range(0, len(digits), 4))
        else:
            letters.append(letter)
    return '"' + "".join(letters) + '"'


def main(arguments):
    if arguments == ["judge"]:
        for line in sys.stdin:
            print(judge(bytes.fromhex(line)))
        return
    task, seed, count = arguments[0], int(arguments[1]), int(arguments[2])
    source = random.Random(seed)
    for _ in range(count):
        members = payload(source)
        if task == "unsigned":
            print(written(source, members).encode().hex())
            continue
        if task != "make":
            sys.exit(__doc__)
        signature = signed(source, members)
        change = source.random()
        if change < 0.15:
            signature = merged(source, signature)
        elif change < 0.4:
            signature = tampered(source, signature)
        body = written(source, signature).encode()
        print(judge(body), body.hex())


if __name__ == "__main__":
    main(sys.argv[1:])
