//! Falco: its HTTP output, and the output Webhook of Falcosidekick.
//!
//! # Wire format
//!
//! <https://falco.org/docs/concepts/outputs/channels/>, read 2026-11, and Falcosidekick's `README.md` and
//! `outputs/webhook.go`. One delivery is one alert: `{output, priority, rule, time, output_fields, source, hostname,
//! tags}`, from Falcosidekick also `uuid` and custom fields. Falco sends this JSON only with `json_output: true`. Its
//! HTTP output can set no header, so the secret is in the URL; Falcosidekick can. Neither retries. Falcosidekick
//! accepts 200, 201, 202 and 204. Alerts in CloudEvents are for `/cloudevents`, which maps them in the same way.
//!
//! # Mapping
//!
//! | event | from |
//! |---|---|
//! | action | always trigger |
//! | severity | `priority`: `Emergency`, `Alert`, `Critical` critical, `Error` error, `Warning` warning, `Notice`, `Informational`, `Debug` info, else error |
//! | summary | the rule, on the host or pod, the output without its time |
//! | source | `hostname`, else the pod |
//! | component | `container.name`, else `k8s.ns.name` |
//! | group, class | `source` (`syscall`, `k8s_audit`, …), the rule |
//! | timestamp | `time` |
//! | client | Falco |
//! | details | output, priority, tags, output fields |
//!
//! Falcosidekick's own PagerDuty output makes all alerts critical and gives them no key, so each match of a rule is an
//! alert of its own.
//!
//! # Dedup key
//!
//! `falco:<rule>:<hostname>:<k8s.ns.name>:<k8s.pod.name>:<container.id>`: the matches of a rule in one container are
//! one alert. The fields `k8smeta.…` of the plugin replace those of Falco, and for Kubernetes' audit log namespace and
//! name of the target are in place of namespace and pod. `<NA>` counts as absent. `uuid` and `output` are new for each
//! match. A `:` inside a part becomes `%3A`.
//!
//! # Not mapped
//!
//! * Falco never reports the end of a problem, so nothing resolves. Give its service an auto-resolve time in PagerDuty,
//!   or resolve the alerts there; until then further matches only update the alert.
//! * The user, the process and the file are in the details only. A second intruder in the same container does not page
//!   again while the alert is open.
//! * The test of Falcosidekick (`/test`) is an alert of `Test rule` with priority `Debug`.
//! * Falco's own drops and metrics (`Falco internal: …`) are alerts of the rule of this name.
//! * A body without `rule`, or text without `json_output`, is rejected.

use super::{Setup, Source};
use crate::auth::{Authenticated, Scheme};
use crate::json::Node;
use crate::mapping::{MapError, Mapped, falco_rule, json};

/// Falco.
pub const SOURCE: Source = Source {
    slug: "falco",
    name: "Falco",
    docs: "https://falco.org/docs/concepts/outputs/channels/",
    schemes: &[Scheme::BEARER, Scheme::Basic, Scheme::Header("x-webhook-secret"), Scheme::Query("token")],
    setup: Setup {
        triggers: "every match of a rule",
        resolves: "never: set an auto-resolve time in PagerDuty",
        steps: "Falcosidekick: set `webhook.address` to {url}, and `webhook.customHeaders` to `X-Webhook-Secret:<the secret>`; `webhook.minimumpriority` leaves out the rest.\n\
                Falco alone: set `json_output: true`, and under `http_output` set `enabled: true` and `url: {url}?token=<the secret>`. Only this form needs the secret in the URL.\n\
                In PagerDuty, give the service an auto-resolve time, because Falco does not report the end of a problem.",
        template: None,
    },
    map,
    states: &["Emergency", "Alert", "Critical", "Error", "Warning", "Notice", "Informational", "Debug"],
    ..Source::DEFAULT
};

fn map(delivery: &Authenticated<'_>) -> Result<Mapped, MapError> {
    let payload = json(delivery)?;
    let payload = Node::root(&payload);
    payload.members().ok_or(MapError::Shape { expected: "an object with `rule` and `output`" })?;
    Ok(Mapped::one(falco_rule::alert((SOURCE.slug, &[]), payload, payload, "")?))
}
