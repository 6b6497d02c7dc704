//! The methods of HTTP, as far as some path takes them.

/// The methods that some path takes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Method {
    /// `GET`.
    Get,
    /// `HEAD`.
    Head,
    /// `OPTIONS`.
    Options,
    /// Any method that no path takes.
    Other,
    /// `POST`.
    Post,
    /// `PUT`.
    Put,
}
