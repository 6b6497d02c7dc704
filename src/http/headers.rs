//! The headers of a request.

/// The headers of a request, in the order of arrival.
///
/// A plain list: a request has few headers, and [`Headers::once`] must notice a header that occurs twice.
#[derive(Clone, Default)]
pub struct Headers(Vec<(String, Vec<u8>)>);

impl Headers {
    /// Takes names, in any case, with their raw values.
    pub fn new(headers: impl IntoIterator<Item = (String, Vec<u8>)>) -> Self {
        let lower = |(name, value): (String, Vec<u8>)| (name.to_ascii_lowercase(), value);
        Headers(headers.into_iter().map(lower).collect())
    }

    /// Whether the request has a header. The name is in lower case.
    pub fn has(&self, name: &str) -> bool {
        self.0.iter().any(|(given, _)| given == name)
    }

    /// The names of the headers, in lower case.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.0.iter().map(|(name, _)| name.as_str())
    }

    /// The same headers, except those with these names (in lower case).
    #[must_use]
    pub fn without(&self, names: &[String]) -> Headers {
        Headers(self.0.iter().filter(|(given, _)| !names.contains(given)).cloned().collect())
    }

    /// All values of a header (its name in lower case), in the order of arrival.
    pub fn all(&self, name: &str) -> impl Iterator<Item = &[u8]> {
        self.0.iter().filter(move |(given, _)| given == name).map(|(_, value)| value.as_slice())
    }

    /// The elements of a header whose value is a list (its name in lower case), trimmed. An element that is not text is
    /// U+FFFD.
    pub fn elements(&self, name: &str) -> impl Iterator<Item = &str> {
        let texts = self.all(name).map(|value| str::from_utf8(value).unwrap_or("\u{fffd}"));
        texts.flat_map(|text| text.split(',')).map(str::trim)
    }

    /// The value of a header (its name in lower case). Returns `None` if the header is absent or occurs more than once.
    pub fn once(&self, name: &str) -> Option<&[u8]> {
        let mut values = self.0.iter().filter(|(given, _)| given == name);
        let (_, value) = values.next()?;
        values.next().is_none().then_some(value.as_slice())
    }
}
