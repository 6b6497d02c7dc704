"""The Python clients of PagerDuty's Events API and Opsgenie's Alert API, unchanged but for URL and key.

Usage: python drive.py <client> <settings as JSON: url, key, wrong_key, ca, services> <step>...

For each step it writes one line of JSON: what the client returned to its caller, or the error that it raised. Waits
before a second attempt are made short with the client's own settings; what is sent again, and after which answers, is
the client's own decision.
"""

import json
import logging
import ssl
import sys

SUMMARY = "The disk of db-1 is full"
SOURCE = "db-1"
WAIT = 0.02


class Pagerduty:
    """PyPI `pagerduty`: a base URL with https. Its caller lets the API choose the dedup key."""

    def __init__(self, url, key, ca):
        from pagerduty import EventsApiV2Client

        trusted = ssl.create_default_context(cafile=ca) if ca else True
        self.client = EventsApiV2Client(key, base_url=url, verify=trusted)
        self.client.sleep_timer, self.client.sleep_timer_base = WAIT, 1

    def trigger(self, _):
        return self.client.trigger(SUMMARY, SOURCE, severity="error", custom_details={"used": {"percent": 97}})

    def acknowledge(self, key):
        return self.client.acknowledge(key)

    def resolve(self, key):
        return self.client.resolve(key)

    def change(self, _):
        return self.client.send_change_event(payload={"summary": "Version 7 is out", "source": "deployer"})


class Pdpyras:
    """PyPI `pdpyras`: a base URL. Its caller chooses the dedup key."""

    def __init__(self, url, key, _):
        from pdpyras import ChangeEventsAPISession, EventsAPISession

        self.events, self.changes = EventsAPISession(key), ChangeEventsAPISession(key)
        for session in (self.events, self.changes):
            session.url = url
            session.sleep_timer, session.sleep_timer_base = WAIT, 1

    def trigger(self, _):
        return self.events.trigger(SUMMARY, SOURCE, dedup_key="db-1/the disk is full", severity="warning")

    def acknowledge(self, key):
        return self.events.acknowledge(key)

    def resolve(self, key):
        return self.events.resolve(key)

    def change(self, _):
        return self.changes.submit("Version 7 is out", source="deployer")


class Pypd:
    """PyPI `pypd`, Events API v2: a whole URL. It never sends again."""

    def __init__(self, url, key, _):
        import pypd

        self.event, self.key = pypd.EventV2, key
        self.event.base_url = url + "/v2/enqueue"

    def send(self, action, **members):
        payload = {"summary": SUMMARY, "source": SOURCE, "severity": "info"}
        return self.event.create(data={"routing_key": self.key, "event_action": action, "payload": payload, **members})

    def trigger(self, _):
        return self.send("trigger")["dedup_key"]

    def acknowledge(self, key):
        return self.send("acknowledge", dedup_key=key)["dedup_key"]

    def resolve(self, key):
        return self.send("resolve", dedup_key=key)["dedup_key"]


class PypdV1:
    """PyPI `pypd`, Events API v1: a whole URL. It never sends again."""

    def __init__(self, url, key, _):
        import pypd

        self.event, self.key = pypd.Event, key
        self.event.base_url = url + "/generic/2010-04-15/create_event.json"

    def send(self, action, **members):
        return self.event.create(data={"service_key": self.key, "event_type": action, **members})["incident_key"]

    def trigger(self, _):
        return self.send("trigger", description=SUMMARY, client=SOURCE, details={"used": "97 %"})

    def acknowledge(self, key):
        return self.send("acknowledge", incident_key=key)

    def resolve(self, key):
        return self.send("resolve", incident_key=key, description="There is room again")


class Pygerduty:
    """PyPI `pygerduty`, Events API v1: a whole URL. It never sends again."""

    def __init__(self, url, key, _):
        from pygerduty import events

        events.INTEGRATION_API_URL = url + "/generic/2010-04-15/create_event.json"
        self.client = events.Events(key)

    def trigger(self, _):
        context = {"type": "link", "href": "https://runbooks.shop.example/disk", "text": "Runbook"}
        return self.client.trigger_incident(SUMMARY, client=SOURCE, contexts=[context])

    def acknowledge(self, key):
        return self.client.acknowledge_incident(key)

    def resolve(self, key):
        return self.client.resolve_incident(key)


class OpsgenieSdk:
    """PyPI `opsgenie-sdk`: a host with a path. It asks for the result of each request, as its documentation shows."""

    def __init__(self, url, key, _):
        import opsgenie_sdk

        self.sdk = opsgenie_sdk
        configuration = opsgenie_sdk.Configuration()
        configuration.host = url
        configuration.api_key["Authorization"] = key
        configuration.back_off, configuration.retry_delay = WAIT, WAIT
        self.alerts = opsgenie_sdk.AlertApi(opsgenie_sdk.ApiClient(configuration))

    def result(self, response):
        """The result of an accepted request, in the caller's terms."""
        data = response.retrieve_result().data
        told = {"requestId": response.request_id, "result": response.result}
        return {**told, "success": data.is_success, "alertId": data.alert_id, "alias": data.alias}

    def create(self, _):
        body = self.sdk.CreateAlertPayload(
            message=SUMMARY, alias="db-1/the disk is full", entity=SOURCE, priority="P2", tags=["disk"],
            details={"used": "97 %"},
        )
        return self.result(self.alerts.create_alert(create_alert_payload=body))

    def acknowledge(self, created):
        body = self.sdk.AcknowledgeAlertPayload(user="ada", note="I look at it")
        response = self.alerts.acknowledge_alert(
            created["alias"], identifier_type="alias", acknowledge_alert_payload=body
        )
        return self.result(response)

    def note(self, created):
        body = self.sdk.AddNoteToAlertPayload(note="The log is the largest")
        response = self.alerts.add_note(created["alias"], body, identifier_type="alias")
        return {"requestId": response.request_id, "result": response.result}

    def close(self, created):
        """By the id that the answer to the status gave; `id` is the type of identifiers by default."""
        body = self.sdk.CloseAlertPayload(note="There is room again")
        return self.result(self.alerts.close_alert(created["alertId"], close_alert_payload=body))


CLIENTS = {
    "pagerduty": Pagerduty,
    "pdpyras": Pdpyras,
    "pypd": Pypd,
    "pypd_v1": PypdV1,
    "pygerduty": Pygerduty,
    "opsgenie-sdk": OpsgenieSdk,
}


def main(name, settings, *steps):
    logging.disable()
    first = None
    for step in steps:
        # With a key that is not the relay's, the first step must be an error for its caller.
        wrong = step == "wrong_key"
        client = CLIENTS[name](settings["url"], settings["wrong_key" if wrong else "key"], settings["ca"])
        action = steps[0] if wrong else step
        try:
            said = {"returned": getattr(client, action)(first)}
            first = first or said["returned"]
        except Exception as error:
            said = {"error": f"{type(error).__module__}.{type(error).__name__}: {error}"}
        print(json.dumps({"step": step, **said}), flush=True)


main(sys.argv[1], json.loads(sys.argv[2]), *sys.argv[3:])
