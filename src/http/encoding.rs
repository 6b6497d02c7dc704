//! Compressed bodies.

use std::io::Read;

use flate2::bufread::GzDecoder;
use flate2::{Decompress, FlushDecompress, Status};

use super::{BODY_MAX_BYTES, Headers, ReadError};

/// How much is decompressed at once, in bytes.
const STEP_BYTES: usize = 32 * 1024;

/// Decompresses a body as its `Content-Encoding` says. Returns `None` if the body is not compressed.
///
/// It stops at [`BODY_MAX_BYTES`], so a small body that decompresses to a huge one takes no memory.
///
/// # Errors
/// Returns [`ReadError`] if the encoding is not supported, the compressed data is damaged, or the result is too large.
pub fn decode(headers: &Headers, body: &[u8]) -> Result<Option<Vec<u8>>, ReadError> {
    let is_coding = |coding: &&str| !coding.is_empty() && !coding.eq_ignore_ascii_case("identity");
    let mut codings = headers.elements("content-encoding").filter(is_coding);
    match (codings.next(), codings.next()) {
        (None, _) => Ok(None),
        _ if body.is_empty() => Ok(None),
        (Some(coding), None) if coding.eq_ignore_ascii_case("gzip") || coding.eq_ignore_ascii_case("x-gzip") => {
            gzip(body).map(Some)
        }
        (Some(coding), None) if coding.eq_ignore_ascii_case("deflate") => deflate(body).map(Some),
        _ => Err(ReadError::Encoding),
    }
}

/// Only one gzip member is accepted: a body of thousands of tiny ones would take long.
fn gzip(body: &[u8]) -> Result<Vec<u8>, ReadError> {
    let mut whole = Vec::new();
    let max = u64::try_from(BODY_MAX_BYTES).unwrap_or_default();
    let mut decoder = GzDecoder::new(body);
    match decoder.by_ref().take(max + 1).read_to_end(&mut whole) {
        Ok(_) if whole.len() > BODY_MAX_BYTES => Err(ReadError::TooLarge),
        Ok(_) if decoder.get_ref().is_empty() => Ok(whole),
        _ => Err(ReadError::Damaged),
    }
}

/// `deflate` means the zlib format (RFC 9110, section 8.4.1.2). Some senders omit its header and its checksum.
fn deflate(body: &[u8]) -> Result<Vec<u8>, ReadError> {
    // The method and a check of the first two bytes (RFC 1950, section 2.2).
    let zlib =
        matches!(body, [method, flags, ..] if method % 16 == 8 && u16::from_be_bytes([*method, *flags]) % 31 == 0);
    let mut state = Decompress::new(zlib);
    let mut whole = Vec::new();
    loop {
        let before = (state.total_in(), state.total_out());
        let rest = usize::try_from(state.total_in()).ok().and_then(|read| body.get(read..)).unwrap_or_default();
        whole.reserve(STEP_BYTES);
        let status = state.decompress_vec(rest, &mut whole, FlushDecompress::None).map_err(|_| ReadError::Damaged)?;
        if whole.len() > BODY_MAX_BYTES {
            return Err(ReadError::TooLarge);
        }
        match status {
            Status::StreamEnd if usize::try_from(state.total_in()) == Ok(body.len()) => return Ok(whole),
            Status::StreamEnd => return Err(ReadError::Damaged),
            // The data ends early.
            _ if before == (state.total_in(), state.total_out()) => return Err(ReadError::Damaged),
            _ => {}
        }
    }
}
