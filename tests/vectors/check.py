"""The vectors against the vendors' own libraries, both ways: what those make of ours, and what they sign for us to judge.

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


class Slack:
    package = "slack-sdk"
    scheme = {
        "type": "hmac",
        "header": "x-slack-signature",
        "hash": "sha256",
        "encoding": "hex",
        "prefix": "v0=",
        "list": False,
        "timestamp": {
            "header": "x-slack-request-timestamp",
            "required": True,
            "signed": "v0:{timestamp}:{body}",
        },
    }
    otherwise = {}

    def covers(self, case):
        return case["scheme"] == self.scheme

    def verify(self, case, body, headers):
        clock = SimpleNamespace(now=lambda: case["now"])
        return SignatureVerifier(case["secret"], clock).is_valid_request(body, headers)

    def sign(self, number, timestamp, body):
        secret = f"cross-check secret {number}, größer"
        signature = SignatureVerifier(secret).generate_signature(timestamp=str(timestamp), body=body)
        return secret, [["X-Slack-Request-Timestamp", str(timestamp)], ["X-Slack-Signature", signature]]


class StandardWebhooks:
    package = "standardwebhooks"
    scheme = {"type": "standard-webhooks"}
    otherwise = {}

    def covers(self, case):
        # It knows v1 only, and would take a secret without the prefix for a key.
        return case["scheme"] == self.scheme and case["secret"].startswith("whsec_")

    def verify(self, case, body, headers):
        Clock.seconds = case["now"]
        # It raises where it refuses.
        webhooks.Webhook(case["secret"]).verify(body, headers, json_parse=False)
        return True

    def sign(self, number, timestamp, body):
        secret = "whsec_" + base64.b64encode(bytes(range(number, 2 * number + 24))).decode()
        moment = datetime.fromtimestamp(timestamp, timezone.utc)
        signature = webhooks.Webhook(secret).sign(f"msg_{number}", moment, body)
        headers = {"webhook-id": f"msg_{number}", "webhook-timestamp": str(timestamp), "webhook-signature": signature}
        return secret, list(headers.items())


def body_of(number):
    kinds = [
        lambda: json.dumps({"number": number, "state": "firing"}),
        lambda: json.dumps({"number": number, "title": "Überlast auf db-ø1 — 日本語 🔥 e\u0301"}, ensure_ascii=False),
        lambda: f'{{\r\n  "number": {number},\r\n  "state": "firing"\r\n}}\r\n',
        lambda: "\ufeffnot JSON, \0 and {timestamp}:{body} " + "long " * number * 1000,
    ]
    return kinds[number % len(kinds)]() if number > 0 else ""


def headers_of(case):
    """As WSGI hands them to a library: repeats joined, and bytes as Latin-1."""
    headers = {}
    for name, value in case["headers"]:
        headers.setdefault(name.lower(), []).append(value.encode().decode("latin-1"))
    return {name: ",".join(values) for name, values in headers.items()}


def verdict_of(library, case, body):
    try:
        return "accept" if library.verify(case, body, headers_of(case)) else "refuse"
    # They raise what comes, ValueError and TypeError too, and no service would let that in.
    except Exception:
        return "refuse"


def ours_there(library, cases):
    alike, skipped, wrong, seen = 0, 0, [], set()
    for case in filter(library.covers, cases):
        try:
            body = base64.b64decode(case["body_base64"]).decode()
        except UnicodeDecodeError:
            # They take text only.
            skipped += 1
            continue
        seen.add(case["name"])
        verdict = verdict_of(library, case, body)
        known = library.otherwise.get(case["name"])
        if verdict == case["verdict"] and not known:
            alike += 1
        elif (verdict == case["verdict"]) == bool(known):
            wrong.append(f"{case['name']}: {verdict} there, and here: {case['reason']} {known or ''}")
    wrong += [f"{name}: no such case" for name in library.otherwise if name not in seen]
    return alike, skipped, wrong


def theirs_here(library):
    for number in range(BODIES):
        body = body_of(number)
        # From one end of the window to the other.
        secret, headers = library.sign(number, NOW + (number - 12) * 25, body)
        changed = bytearray(body.encode() or b" ")
        changed[number % len(changed)] ^= 1
        name = f"{library.package}-{number}"
        for name, sent, verdict, reason in [
            (name, body.encode(), "accept", "Signed by the library."),
            (f"{name}-changed", changed, "refuse", "One byte of the body changed after signing."),
        ]:
            yield {
                "name": name,
                "scheme": library.scheme,
                "secret": secret,
                "headers": headers,
                "body_base64": base64.b64encode(sent).decode(),
                "now": NOW,
                "verdict": verdict,
                "reason": reason,
            }


def main(output):
    cases = json.loads(Path(__file__).with_name("auth.json").read_text())["cases"]
    signed, failed = [], False
    for library in [Slack(), StandardWebhooks()]:
        alike, skipped, wrong = ours_there(library, cases)
        signed += theirs_here(library)
        print(
            f"cross-check: {library.package} {version(library.package)}: "
            f"{alike} of ours judged alike there, {BODIES} signed there, {skipped} skipped"
        )
        for line in wrong:
            print(f"cross-check: {library.package}: {line}", file=sys.stderr)
        failed = failed or bool(wrong)
    Path(output).write_text(json.dumps({"cases": signed}, indent=1))
    return 1 if failed else 0


sys.exit(main(sys.argv[1]))
