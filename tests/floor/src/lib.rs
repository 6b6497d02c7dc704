//! The floor of the benchmarks: a component that maps nothing.
//!
//! It reads the body, sends an event that is always the same to PagerDuty, reads the response and answers 200. The query
//! `calls=<number>` sends that many events at once instead of one. It authenticates nobody and reads no variable. The
//! difference between the relay and this component is the relay's own work.

#![cfg(target_arch = "wasm32")]

use self::bindings::exports::wasi::http::incoming_handler::{Guest, IncomingRequest, ResponseOutparam};
use self::bindings::wasi::http::outgoing_handler;
use self::bindings::wasi::http::types::{
    Fields, FutureIncomingResponse, IncomingBody, Method, OutgoingBody, OutgoingRequest, OutgoingResponse, Scheme,
};
use self::bindings::wasi::io::poll::poll;
use self::bindings::wasi::io::streams::{OutputStream, StreamError};

#[expect(unsafe_code, reason = "generated from wit/world.wit")]
mod bindings {
    wit_bindgen::generate!({ path: "../../wit", world: "edge", generate_all });

    export!(Floor with_types_in self);
    use super::Floor;
}

/// The most that is read in one call, in bytes.
const CHUNK: u64 = 64 * 1024;

/// An event of the usual size, as the relay sends it for one alert of Alertmanager.
const EVENT: &str = include_str!("event.json");

/// The reply.
const REPLY: &[u8] = br#"{"status":"success"}"#;

struct Floor;

impl Guest for Floor {
    fn handle(request: IncomingRequest, out: ResponseOutparam) {
        let target = request.path_with_query().unwrap_or_default();
        let calls = target.split_once("?calls=").and_then(|(_, calls)| calls.parse().ok()).unwrap_or(1);
        let read = request.consume().ok().and_then(read_all).is_some();
        let sent: Vec<_> = (0..calls).map(|_| send()).collect();
        let accepted = sent.into_iter().all(|sent| sent.and_then(receive) == Some(202));
        answer(out, if read && accepted { 200 } else { 502 });
    }
}

/// Reads a body, and returns its bytes. Returns `None` if it breaks off.
fn read_all(body: IncomingBody) -> Option<Vec<u8>> {
    let stream = body.stream().ok()?;
    let mut bytes = Vec::new();
    loop {
        match stream.read(CHUNK) {
            Ok(piece) if piece.is_empty() => drop(poll(&[&stream.subscribe()])),
            Ok(piece) => bytes.extend(piece),
            Err(StreamError::Closed) => return Some(bytes),
            Err(StreamError::LastOperationFailed(_)) => return None,
        }
    }
}

/// Starts a request to PagerDuty. Returns `None` if the host refuses it.
fn send() -> Option<FutureIncomingResponse> {
    let headers = [("content-type", "application/json"), ("content-length", &*EVENT.len().to_string())];
    let headers = headers.map(|(name, value)| (name.to_owned(), value.as_bytes().to_vec()));
    let request = OutgoingRequest::new(Fields::from_list(&headers).ok()?);
    request.set_method(&Method::Post).ok()?;
    request.set_scheme(Some(&Scheme::Https)).ok()?;
    request.set_authority(Some("events.pagerduty.com")).ok()?;
    request.set_path_with_query(Some("/v2/enqueue")).ok()?;
    let body = request.body().ok()?;
    // Before `handle`, as in the relay: head and body leave together.
    write(&body.write().ok()?, EVENT.as_bytes())?;
    OutgoingBody::finish(body, None).ok()?;
    outgoing_handler::handle(request, None).ok()
}

/// Writes all bytes if the stream has room for them, as it has for an event.
fn write(stream: &OutputStream, bytes: &[u8]) -> Option<()> {
    let room = stream.check_write().ok()?;
    if room < bytes.len() as u64 {
        return None;
    }
    stream.write(bytes).ok()
}

/// Waits for a response and reads it. Returns its status, or `None` if it fails.
fn receive(response: FutureIncomingResponse) -> Option<u16> {
    let response = loop {
        match response.get() {
            Some(response) => break response.ok()?.ok()?,
            None => drop(poll(&[&response.subscribe()])),
        }
    };
    read_all(response.consume().ok()?)?;
    Some(response.status())
}

fn answer(out: ResponseOutparam, status: u16) {
    let headers = [("content-type", "application/json"), ("content-length", &*REPLY.len().to_string())];
    let headers = headers.map(|(name, value)| (name.to_owned(), value.as_bytes().to_vec()));
    let Ok(fields) = Fields::from_list(&headers) else { return };
    let response = OutgoingResponse::new(fields);
    let written = response.body().is_ok_and(|body| {
        body.write().is_ok_and(|stream| write(&stream, REPLY).is_some()) && OutgoingBody::finish(body, None).is_ok()
    });
    if written && response.set_status_code(status).is_ok() {
        ResponseOutparam::set(out, Ok(response));
    }
}
