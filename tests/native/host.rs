//! The host of the tests that run the pipeline natively.

/// [`pagerelay_support::host::Accepting`], with variables whose values are in the code.
pub(crate) type Accepting = pagerelay_support::host::Accepting<'static>;
