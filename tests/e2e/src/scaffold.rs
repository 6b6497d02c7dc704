//! A new source.
