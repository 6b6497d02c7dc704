//! Notices of Auto Scaling over SNS.

use super::Via;
use super::verdict::HARMLESS;
use crate::json::Node;
use crate::mapping::{MapError, Mapped};
use crate::pagerduty::event::{Action, Event, Severity};

/// Maps a notice. A success resolves the alert of the last failure of the same kind.
///
/// # Errors
/// Returns [`MapError`] if the notice names neither a group nor an event.
pub(super) fn map(notice: Node<'_>, via: &Via<'_>) -> Result<Mapped, MapError> {
    let kind = notice.get("Event").text().unwrap_or_default();
    if kind == "autoscaling:TEST_NOTIFICATION" {
        return Ok(Mapped::nothing("a test notification"));
    }
    if kind.is_empty() && notice.get("LifecycleTransition").value().is_some() {
        return Ok(Mapped::nothing(HARMLESS));
    }
    let well = kind.strip_suffix("_ERROR");
    let action = if well.is_some() { Action::Trigger } else { Action::Resolve };
    let group = notice.get("AutoScalingGroupName").text().unwrap_or_default();
    let id = notice.pick(&["AutoScalingGroupARN", "AutoScalingGroupName"]).unwrap_or_default();
    let what = notice.pick(&["Description", "Event"]).unwrap_or_default();
    let key = via.known_key(&[&id, well.unwrap_or(&kind)]);
    let key = key.ok_or(MapError::NoIdentity { item: "Message".to_owned(), fields: "`AutoScalingGroupName`" })?;
    let event = Event::new(action, key, Severity::Error, &format!("Auto Scaling group {group}: {what}"), &group);
    let shown = &["Event", "Description", "Cause", "StatusMessage", "EC2InstanceId", "Details", "AccountId"];
    Ok(Mapped::one(event.timestamp(notice.get("Time").text()).details(notice, shown)))
}
