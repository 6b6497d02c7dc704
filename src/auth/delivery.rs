//! A delivery from an authenticated sender.

use std::fmt;

use percent_encoding::percent_decode_str;

use super::Scheme;
use super::body::{self, Members};
use crate::http::{Method, ReadError, Request, encoding, form};
use crate::secret::Secret;
use crate::text;

/// A delivery from an authenticated sender. Only [`verify`](super::verify) and
/// [`verify_body`](super::verify_body) create one, so nothing can be mapped without authentication.
#[derive(Clone)]
pub struct Authenticated<'a> {
    request: &'a Request,
    /// The part of the body that the signature covers, or the body decompressed and without keys. `None` if the body is
    /// as sent.
    proven: Option<Vec<u8>>,
    /// Whether the body may still contain a key, because it is not a JSON object.
    opaque: bool,
    /// The path below that of the source.
    path: &'a str,
    by: AuthenticatedBy<'a>,
    /// The schemes of the source. The headers and parameters that they name hold credentials, whatever their names are.
    schemes: &'a [Scheme<'a>],
}

/// A header or a parameter may hold a credential if its name contains one of these words.
const CREDENTIALS: &[&str] = &["auth", "cookie", "key", "password", "secret", "signature", "token"];

/// The shortest value of the query that is looked for elsewhere, in bytes. No secret is shorter.
const CREDENTIAL_MIN_BYTES: usize = 16;

/// How many values of the query are looked for in a header. No sender has so many credentials in its URL.
const CREDENTIALS_MAX: usize = 8;

fn is_credential(name: &str) -> bool {
    let name = name.to_ascii_lowercase();
    CREDENTIALS.iter().any(|word| name.contains(word))
}

/// How a sender authenticated.
#[derive(Clone, Copy, Debug)]
pub struct AuthenticatedBy<'a> {
    /// The scheme that succeeded.
    pub scheme: Scheme<'a>,
    /// Whether it succeeded with the previous secret.
    pub previous: bool,
    /// The service whose secret it is, if it is not that of the whole source.
    pub service: Option<&'a str>,
}

impl fmt::Display for AuthenticatedBy<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let name = self.scheme.name();
        match self.scheme {
            Scheme::Certified(_) => return write!(f, "{name}, certificate"),
            _ if self.previous => write!(f, "{name}, previous secret")?,
            _ => write!(f, "{name}, current secret")?,
        }
        self.service.map_or(Ok(()), |service| write!(f, " of service {service}"))
    }
}

impl<'a> Authenticated<'a> {
    /// A delivery with this body, or with that of the request.
    pub(super) fn new(
        request: &'a Request,
        schemes: &'a [Scheme<'a>],
        by: AuthenticatedBy<'a>,
        proven: Option<Vec<u8>>,
    ) -> Self {
        Authenticated { request, proven, opaque: false, path: "", by, schemes }
    }

    /// The bytes of the body. If the signature covers only part of it, that part. After [`Authenticated::decoded`],
    /// decompressed.
    pub fn body(&self) -> &[u8] {
        self.proven.as_deref().unwrap_or(&self.request.body)
    }

    /// Decompresses the body, as its `Content-Encoding` says. Signatures cover the bytes as sent. If that fails, the
    /// body is empty, and the second value says why.
    ///
    /// If a client of the source may put its key into the body, the values of all such members become blank text.
    pub fn decoded(mut self) -> (Self, Option<ReadError>) {
        if self.proven.is_some() {
            return (self, None);
        }
        let decoded = encoding::decode(&self.request.headers, &self.request.body);
        let (proven, problem) = match decoded {
            Ok(body) => (body, None),
            Err(problem) => (Some(Vec::new()), Some(problem)),
        };
        self.proven = proven;
        let names = body::members(self.schemes);
        if !names.is_empty() {
            let found = Members::find(self.body(), &names);
            self.opaque = found.is_none();
            self.proven = found.map(|found| found.blanked(self.body().to_vec())).or(self.proven);
        }
        (self, problem)
    }

    /// The same delivery without this secret in its body. A client may repeat its key in any member, and every member may
    /// be shown. The characters of the key may be escaped there.
    #[must_use]
    pub fn without(self, secret: &Secret) -> Self {
        // Text in another encoding may be read as well, with replacement characters.
        let body = String::from_utf8_lossy(self.body());
        let redacted = secret.redact(&body);
        let redacted = (redacted != body).then(|| redacted.into_bytes());
        Authenticated { proven: redacted.or(self.proven), ..self }
    }

    /// Whether the body may contain a key, so that nobody may see any part of it. That is so if a client of the source
    /// may put its key into the body, and the body is not a JSON object.
    pub fn is_opaque(&self) -> bool {
        self.opaque
    }

    /// The value of a header (its name in lower case). Returns `None` if the header is absent, occurs more than once,
    /// or may hold a credential. A header that repeats the URL of the request may hold one.
    pub fn header(&self, name: &str) -> Option<&str> {
        let value = self.request.headers.once(name).filter(|_| !self.hides(name))?;
        let value = str::from_utf8(value).ok().map(str::trim)?;
        (!value.is_empty() && !self.repeats_credential(value)).then_some(value)
    }

    /// Whether a text contains a credential of the query. Runtimes and proxies repeat the URL in headers such as
    /// `spin-full-url` and `x-original-url`, perhaps with other escapes. If there are more than [`CREDENTIALS_MAX`], every
    /// text counts as one that does: the work would be in proportion to the query times the headers.
    fn repeats_credential(&self, text: &str) -> bool {
        let pairs = self.request.query.split('&').filter_map(|pair| pair.split_once('='));
        let credentials = pairs.filter(|(name, value)| {
            value.len() >= CREDENTIAL_MIN_BYTES && self.hides(&percent_decode_str(name).decode_utf8_lossy())
        });
        credentials.enumerate().any(|(index, (_, value))| {
            let is_in = || text::redact_escaped(text, &percent_decode_str(value).decode_utf8_lossy()) != text;
            index >= CREDENTIALS_MAX || is_in()
        })
    }

    /// The headers whose names begin with `prefix`, by the rest of their names. [`Authenticated::header`] decides which
    /// are visible.
    pub fn headers(&self, prefix: &str) -> Vec<(&str, &str)> {
        let names = self.request.headers.names().filter_map(|name| name.strip_prefix(prefix));
        names.filter_map(|name| Some((name, self.header(&format!("{prefix}{name}"))?))).collect()
    }

    /// The decoded parameters of the query, except those that may hold a credential.
    pub fn query(&self) -> Vec<(String, String)> {
        let pairs = form::pairs(&self.request.query).into_iter();
        pairs.filter(|(name, _)| !self.hides(name)).collect()
    }

    /// The decoded value of a parameter of the query that holds no credential, although its name may look like it. Returns
    /// `None` if the parameter is absent or occurs more than once, or if a scheme of the source has this name.
    pub fn parameter(&self, name: &str) -> Option<String> {
        if self.schemes.iter().any(|scheme| matches!(scheme, Scheme::Query(own) if *own == name)) {
            return None;
        }
        let mut values = form::pairs(&self.request.query).into_iter().filter(|(given, _)| given == name);
        let (_, value) = values.next()?;
        values.next().is_none().then_some(value)
    }

    /// The names of the headers whose names are not those of credentials, in lower case. [`Authenticated::header`] may still
    /// hide one because of its value.
    pub fn header_names(&self) -> impl Iterator<Item = &str> {
        self.request.headers.names().filter(|name| !self.hides(name))
    }

    /// Whether a header or a parameter of this name may hold a credential.
    fn hides(&self, name: &str) -> bool {
        let names = |scheme: &Scheme<'_>| match scheme {
            Scheme::Header(own) | Scheme::Query(own) => own.eq_ignore_ascii_case(name),
            Scheme::Hmac(hmac) => hmac.header == name,
            _ => false,
        };
        is_credential(name) || self.schemes.iter().any(names)
    }

    /// The same delivery with the body of `request`, which arrived after its headers had authenticated the sender. A
    /// signature covers the body that it was verified with, so nothing changes for one.
    #[must_use]
    pub fn with_body_of(self, request: &'a Request) -> Self {
        if self.by.scheme.is_signature() { self } else { Authenticated { request, ..self } }
    }

    /// The same delivery with the message that its body contains as its body.
    #[must_use]
    pub fn opened(&self, message: Vec<u8>) -> Self {
        Authenticated { proven: Some(message), ..self.clone() }
    }

    /// Calls `ask` with a delivery of the same sender that has another body, and no headers of the names `without` (in
    /// lower case). This explains a mapping by re-running it. Nothing of it is ever sent.
    pub fn with_altered_body<T>(
        &self,
        body: Vec<u8>,
        without: &[String],
        ask: impl FnOnce(&Authenticated<'_>) -> T,
    ) -> T {
        let headers = self.request.headers.without(without);
        let Request { method, path, query, problem, .. } = self.request;
        let (method, problem) = (*method, *problem);
        let request = Request { method, path: path.clone(), query: query.clone(), headers, body: Vec::new(), problem };
        ask(&Authenticated { request: &request, proven: Some(body), ..self.clone() })
    }

    /// Whether a browser sent the request for a page of another site.
    pub fn is_cross_site(&self) -> bool {
        self.request.is_cross_site()
    }

    /// The same delivery, to this path below that of the source.
    #[must_use]
    pub fn at(self, path: &'a str) -> Self {
        Authenticated { path, ..self }
    }

    /// The path below that of the source and the service, still percent-encoded, without a slash at either end. It is
    /// one of the source's [`Api`](crate::http::api::Api), or empty.
    pub fn path(&self) -> &str {
        self.path
    }

    /// The method of the request.
    pub fn method(&self) -> Method {
        self.request.method
    }

    /// How the sender authenticated.
    pub fn authenticated_by(&self) -> AuthenticatedBy<'_> {
        self.by
    }
}
