//! The item of a payload that an event was made of.

use std::borrow::Cow;

use super::Event;

/// The path of a list and a number, or nothing. It is not part of the event, so it does not count if events are compared:
/// an explanation compares events of payloads that have fewer items.
#[derive(Clone, Debug, Default)]
pub(super) struct ItemOf(Option<(Cow<'static, str>, usize)>);

impl PartialEq for ItemOf {
    fn eq(&self, _: &ItemOf) -> bool {
        true
    }
}

impl Event {
    /// Notes that the event was made of one item of a list in the payload: the path of the list, such as `data.alerts`,
    /// and the item's number from 0. The path of the whole payload is empty.
    #[must_use]
    pub fn of_item(mut self, list: impl Into<Cow<'static, str>>, index: usize) -> Event {
        self.0.item = ItemOf(Some((list.into(), index)));
        self
    }

    /// The list and the number of the item that the event was made of. Returns `None` if it was made of the whole payload.
    pub fn item(&self) -> Option<(&str, usize)> {
        self.0.item.0.as_ref().map(|(list, index)| (list.as_ref(), *index))
    }
}
