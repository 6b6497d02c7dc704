//! HTTP methods.

/// The HTTP methods that some path accepts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Method {
    /// `GET`.
    Get,
    /// `HEAD`.
    Head,
    /// `OPTIONS`.
    Options,
    /// Any method that no path accepts.
    Other,
    /// `POST`.
    Post,
    /// `PUT`.
    Put,
}
