"""The vectors against the vendors' own libraries, both ways: what those make of ours, and what they sign for ours.

Usage: python tests/vectors/check.py <output file>
"""

import base64
import json
import sys
from datetime import datetime, timezone
from importlib.metadata import version
from pathlib import Path
from types import SimpleNamespace

from slack_sdk.signature import SignatureVerifier
from standardwebhooks import webhooks

NOW = 1700000000
BODIES = 25


class Clock(datetime):
    """The only clock that standardwebhooks reads."""

    seconds = NOW

    @classmethod
    def now(cls, tz=None):
        return cls.fromtimestamp(cls.seconds, tz)


webhooks.datetime = Clock


# In `otherwise` stand the cases that a library is known to judge otherwise, each with the reason.
class Slack:
    package = "slack-sdk"
    scheme = {
        "type": "hmac",
        "header": "x-slack-signature",
        "hash": "sha256",
        "encoding": "hex",
        "prefix": "v0=",
        "list": False,
        "timestamp": {"header": "x-slack-request-timestamp", "required": True, "signed": "v0:{timestamp}:{body}"},
    }
    otherwise = {
        "slack-timestamp-20-digits-leading-zeros": "It takes any number of digits.",
        "slack-timestamp-leading-space": "It takes a number with spaces around it.",
        "slack-timestamp-negative": "It takes a number with a sign.",
        "slack-timestamp-plus-sign": "It takes a number with a sign.",
    }

    def knows(self, secret):
        return True

    def verify(self, case, body, headers):
        clock = SimpleNamespace(now=lambda: case["now"])
        return SignatureVerifier(case["secret"], clock).is_valid_request(body, headers)

    def sign(self, number, timestamp, body):
        secret = f"cross-check secret {number}, größer"
        signature = SignatureVerifier(secret).generate_signature(timestamp=str(timestamp), body=body)
        return secret, {"X-Slack-Request-Timestamp": str(timestamp), "X-Slack-Signature": signature}


class StandardWebhooks:
    package = "standardwebhooks"
    scheme = {"type": "standard-webhooks"}
    otherwise = {
        "sw-hmac-4097-bytes": "It takes a value of any length.",
        "sw-hmac-accept-timestamp-19-digits-leading-zeros": "Stricter: it signs the number anew, not the text as sent.",
        "sw-hmac-base64-spare-bits-set": "It decodes base64 without checking the spare bits.",
        "sw-hmac-signature-non-ascii": "It ignores what follows the right entry.",
        "sw-hmac-signature-trailing-space": "It ignores what follows the right entry.",
        "sw-hmac-timestamp-negative": "It takes a number with a sign.",
    }

    def knows(self, secret):
        # It has no v1a, and takes a secret without the prefix as well.
        return secret.startswith("whsec_")

    def verify(self, case, body, headers):
        Clock.seconds = case["now"]
        # It raises where it refuses.
        webhooks.Webhook(case["secret"]).verify(body, headers, json_parse=False)
        return True

    def sign(self, number, timestamp, body):
        secret = "whsec_" + base64.b64encode(bytes(range(number, 2 * number + 24))).decode()
        message = f"msg_{number}"
        signature = webhooks.Webhook(secret).sign(message, datetime.fromtimestamp(timestamp, timezone.utc), body)
        headers = {"webhook-id": message, "webhook-timestamp": str(timestamp), "webhook-signature": signature}
        return secret, headers


def headers_of(case):
    """As WSGI hands them to a library: repeats joined, bytes as Latin-1."""
    headers = {}
    for name, value in case["headers"]:
        headers.setdefault(name.lower(), []).append(value.encode().decode("latin-1"))
    return {name: ",".join(values) for name, values in headers.items()}


def verdict_of(library, case, body):
    try:
        return "accept" if library.verify(case, body, headers_of(case)) else "refuse"
    # They let through whatever Python raises, such as the ValueError of a text that is no number.
    except Exception:
        return "refuse"


def ours_there(library, cases):
    alike, skipped, wrong, known = 0, 0, [], set(library.otherwise)
    for case in cases:
        if case["scheme"] != library.scheme or not library.knows(case["secret"]):
            continue
        try:
            body = base64.b64decode(case["body_base64"]).decode()
        except UnicodeDecodeError:
            # They take text only.
            skipped += 1
            continue
        name, here, there = case["name"], case["verdict"], verdict_of(library, case, body)
        if there != here and name not in known:
            wrong.append(f"{name}: {there} there, {here} here")
        if there == here and name in known:
            wrong.append(f"{name}: listed as judged otherwise, and is not")
        alike += there == here
        known.discard(name)
    return alike, skipped, wrong + [f"{name}: listed, but not judged" for name in sorted(known)]


def body_of(number):
    if number == 0:
        return ""
    return [
        json.dumps({"number": number, "state": "firing"}),
        json.dumps({"number": number, "title": "Überlast auf db-ø1 — 日本語 🔥 e\u0301"}, ensure_ascii=False),
        f'{{\r\n  "number": {number},\r\n  "state": "firing"\r\n}}\r\n',
        "\ufeffNot JSON, \0 and {timestamp}:{body} " + "long " * number * 100,
    ][number % 4]


def theirs_here(library):
    for number in range(BODIES):
        body = body_of(number)
        # From one end of the window to the other.
        secret, headers = library.sign(number, NOW + (number - 12) * 25, body)
        # Where there is no byte to change, there is one more.
        changed = bytearray((body or " ").encode())
        changed[number % len(changed)] ^= 1
        for suffix, sent, verdict, reason in [
            ("", body.encode(), "accept", "Signed by the library."),
            ("-changed", changed, "refuse", "Changed after signing."),
        ]:
            yield {
                "name": f"{library.package}-{number}{suffix}",
                "scheme": library.scheme,
                "secret": secret,
                "headers": list(headers.items()),
                "body_base64": base64.b64encode(sent).decode(),
                "now": NOW,
                "verdict": verdict,
                "reason": reason,
            }


cases = json.loads(Path(__file__).with_name("auth.json").read_bytes())["cases"]
signed, failed = [], False
for library in [Slack(), StandardWebhooks()]:
    alike, skipped, wrong = ours_there(library, cases)
    signed += theirs_here(library)
    counts = f"{alike} of ours judged alike there, {BODIES} signed there, {skipped} skipped"
    print(f"cross-check: {library.package} {version(library.package)}: {counts}")
    for line in wrong:
        print(f"cross-check: {library.package}: {line}", file=sys.stderr)
    failed = failed or bool(wrong)
Path(sys.argv[1]).write_text(json.dumps({"cases": signed}, indent=1))
sys.exit(failed)
