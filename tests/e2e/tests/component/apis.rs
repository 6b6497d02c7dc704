//! The APIs of others that the component speaks, as their clients see them: where the credential is, and what a success
//! is.

use pagerelay_e2e::runtime::{Call, Reply};
use pagerelay_e2e::{OPSGENIE_SECRET, OWN_SECRET};
use serde_json::json;

/// An API of another product.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Api {
    /// PagerDuty's Events API, version 2.
    EventsV2,
    /// PagerDuty's Events API, version 1.
    EventsV1,
    /// Opsgenie's Alert API.
    Alerts,
}

impl Api {
    pub(crate) const ALL: [Api; 3] = [Api::EventsV2, Api::EventsV1, Api::Alerts];

    /// The call that opens or closes the alert with this key.
    pub(crate) fn call(self, key: &str, opens: bool) -> Call {
        let action = if opens { "trigger" } else { "resolve" };
        let genie = |path: &str, body: serde_json::Value| {
            let call = Call::stranger("POST", path, body.to_string());
            call.header("authorization", &format!("GenieKey {OPSGENIE_SECRET}"))
        };
        match self {
            Api::EventsV2 => {
                let payload = json!({"summary": "An alert", "source": "db-1", "severity": "error"});
                let event =
                    json!({"routing_key": OWN_SECRET, "event_action": action, "dedup_key": key, "payload": payload});
                Call::stranger("POST", "/v2/enqueue", event.to_string())
            }
            Api::EventsV1 => {
                let event = json!({
                    "service_key": OWN_SECRET, "event_type": action, "incident_key": key, "description": "An alert",
                });
                Call::stranger("POST", "/events/generic/2010-04-15/create_event.json", event.to_string())
            }
            Api::Alerts if opens => genie("/opsgenie/v2/alerts", json!({"message": "An alert", "alias": key})),
            Api::Alerts => genie(&format!("/opsgenie/v2/alerts/{key}/close?identifierType=alias"), json!({})),
        }
    }

    /// The status of a success. Clients ask for exactly this one.
    pub(crate) fn success(self) -> u16 {
        match self {
            Api::EventsV1 => 200,
            Api::EventsV2 | Api::Alerts => 202,
        }
    }

    /// Whether a reply is a success for the strictest client.
    pub(crate) fn accepts(self, reply: &Reply) -> bool {
        let said = reply.json();
        let has = |name: &str| said[name].as_str().is_some_and(|text| !text.is_empty());
        reply.status == self.success()
            && match self {
                Api::EventsV2 => said["status"] == "success" && has("dedup_key"),
                Api::EventsV1 => said["status"] == "success" && has("incident_key"),
                Api::Alerts => has("result") && has("requestId") && said["took"].is_number(),
            }
    }

    /// What a reply that is an error says to a person. `None` if a client of this API could not read it.
    pub(crate) fn error(self, reply: &Reply) -> Option<String> {
        let said = reply.json();
        let readable = match self {
            Api::EventsV2 | Api::EventsV1 => said["status"].is_string() && said["message"].is_string(),
            Api::Alerts => said["requestId"].is_string() && said["took"].is_number(),
        };
        let words = match self {
            Api::EventsV2 | Api::EventsV1 => &said["errors"][0],
            Api::Alerts => &said["message"],
        };
        words.as_str().filter(|_| readable && reply.status >= 400 && said["status"] != "success").map(str::to_owned)
    }
}
