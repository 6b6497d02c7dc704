//! A sign of life.

use serde_json::Value;

use crate::config;
use crate::error::Error;
use crate::mapping;
use crate::outbox::beats;
use crate::report::Report;
use crate::runtime::Host;

/// The message for a sign of life.
pub(super) const NOTED: &str = "heartbeat noted";

/// Notes a sign of life of the heartbeat with this name. `service` is paged when the next one is missing.
pub(super) fn noted(
    host: &mut dyn Host,
    body: &[u8],
    name: &str,
    service: Option<&str>,
    report: &mut Report,
) -> Result<(), Error> {
    let variable = config::heartbeat_variable(name).ok_or(Error::UnknownHeartbeat(None))?;
    let heartbeat = config::heartbeat(host, &variable)?;
    let heartbeat = heartbeat.ok_or_else(|| Error::UnknownHeartbeat(Some(variable.clone())))?;
    if says_resolved(body) {
        report
            .warnings
            .push("not noted: a body with `status` `resolved` is no sign of life; turn `send_resolved` off".to_owned());
        return Ok(());
    }
    let noted = beats::beat(host, &variable, service, &heartbeat);
    report.ended("store", host);
    noted.map_err(|problem| Error::Heartbeat { variable, problem })?;
    // The trigger needs it when the next sign of life is missing.
    report
        .warnings
        .extend(config::target(host, service).err().map(|error| format!("{error}; a missing heartbeat cannot page")));
    Ok(())
}

/// Whether the body of a sign of life says that a problem is over: Alertmanager says so when its Watchdog stops.
fn says_resolved(body: &[u8]) -> bool {
    let body = mapping::parse(body).unwrap_or_default();
    body.get("status").and_then(Value::as_str).is_some_and(|status| status.eq_ignore_ascii_case("resolved"))
}
