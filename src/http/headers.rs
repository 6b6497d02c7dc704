//! The headers of a request.

/// The headers of a request, in the order they came.
///
/// A plain list: the map of the `http` crate costs tens of kilobytes of component, and this is read a few times only.
#[derive(Clone, Default)]
pub struct Headers(Vec<(String, Vec<u8>)>);

impl Headers {
    /// Takes names, in any case, and values as they came.
    pub fn new(headers: impl IntoIterator<Item = (String, Vec<u8>)>) -> Self {
        let lower = |(name, value): (String, Vec<u8>)| (name.to_ascii_lowercase(), value);
        Headers(headers.into_iter().map(lower).collect())
    }

    /// Whether a header (its name in lower case) came at all.
    pub fn has(&self, name: &str) -> bool {
        self.0.iter().any(|(given, _)| given == name)
    }

    /// The names of the headers, in lower case.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.0.iter().map(|(name, _)| name.as_str())
    }

    /// The same headers but for those of this name, in lower case.
    #[must_use]
    pub fn without(&self, name: &str) -> Headers {
        Headers(self.0.iter().filter(|(given, _)| given != name).cloned().collect())
    }

    /// The value of a header (its name in lower case) that came exactly once.
    pub fn once(&self, name: &str) -> Option<&[u8]> {
        let mut values = self.0.iter().filter(|(given, _)| given == name);
        let (_, value) = values.next()?;
        values.next().is_none().then_some(value.as_slice())
    }
}
