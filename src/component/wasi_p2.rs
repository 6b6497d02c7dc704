//! WASI 0.2: takes a request, implements [`Host`] with WASI, and sends the reply. Only this file names the bindings.
//!
//! Every wait for a sender's body or for PagerDuty has a timeout: both are read without blocking, and each poll
//! includes a clock. Two writes have only the runtime's own timeout: the log, and a reply that is too large for the
//! runtime's buffer.

use std::cell::OnceCell;
use std::time::Duration;

use self::bindings::exports::wasi::http::incoming_handler::{Guest, IncomingRequest, ResponseOutparam};
use self::bindings::wasi::cli::stderr::get_stderr;
use self::bindings::wasi::clocks::{monotonic_clock, wall_clock};
#[cfg(not(feature = "wasmtime"))]
use self::bindings::wasi::config0_2_0_draft_2024_09_27::store;
#[cfg(feature = "wasmtime")]
use self::bindings::wasi::config0_2_0_rc_1::store;
use self::bindings::wasi::http::outgoing_handler;
use self::bindings::wasi::http::types::{
    ErrorCode, Fields, FutureIncomingResponse, IncomingBody, IncomingResponse, Method as WasiMethod, OutgoingBody,
    OutgoingRequest, OutgoingResponse, RequestOptions, Scheme,
};
use self::bindings::wasi::io::poll::{Pollable, poll};
use self::bindings::wasi::io::streams::{InputStream, OutputStream, StreamError};
use self::keyvalue::KeyValue;
use crate::http::{BODY_MAX_BYTES, Headers, Method, ReadError, Reply, Request};
use crate::pipeline;
use crate::runtime::lanes::{self, Wire};
use crate::runtime::{Host, HttpRequest, HttpResponse, SendError, Step, StoreError, VariableError};

mod keyvalue;

#[expect(unsafe_code, reason = "generated from wit/world.wit")]
mod bindings {
    #[cfg(not(feature = "wasmtime"))]
    wit_bindgen::generate!({ path: "wit", world: "spin", generate_all });
    #[cfg(feature = "wasmtime")]
    wit_bindgen::generate!({ path: "wit", world: "wasmtime", generate_all });

    export!(Component with_types_in self);
    use super::Component;
}

/// Timeout for opening a connection.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(3);

/// The longest pause inside a response.
const BETWEEN_BYTES_TIMEOUT: Duration = Duration::from_secs(5);

/// How much is read in one call, in bytes.
const CHUNK: u64 = 64 * 1024;

/// The most that `blocking-write-and-flush` accepts, in bytes. More causes a trap.
const BLOCKING_WRITE_MAX: usize = 4096;

/// The value of header `user-agent` of outbound requests.
const USER_AGENT: &str = concat!("pagerelay/", env!("CARGO_PKG_VERSION"), "+", env!("PAGERELAY_REVISION"));

struct Component;

impl Guest for Component {
    fn handle(request: IncomingRequest, response_out: ResponseOutparam) {
        let arrived = monotonic_clock::now();
        let head = read_head(&request);
        let mut host = Wasi { arrived, incoming: Some(request), store: KeyValue::default() };
        let mut out = Some(response_out);
        let reply = &mut |reply| {
            if let Some(out) = out.take() {
                answer(out, reply);
            }
        };
        pipeline::serve(&mut host, &head, reply, &mut |line| log(&line));
    }
}

/// The host of one request.
struct Wasi {
    /// When the request arrived, by the monotonic clock.
    arrived: u64,
    /// The request, until its body is read.
    incoming: Option<IncomingRequest>,
    /// The key-value store.
    store: KeyValue,
}

impl Wasi {
    /// The instant `after` this duration from the arrival.
    fn at(&self, after: Duration) -> u64 {
        self.arrived.saturating_add(nanos(after))
    }
}

fn nanos(duration: Duration) -> u64 {
    u64::try_from(duration.as_nanos()).unwrap_or(u64::MAX)
}

impl Host for Wasi {
    fn now(&self) -> Duration {
        let now = wall_clock::now();
        Duration::new(now.seconds, now.nanoseconds)
    }

    fn elapsed(&self) -> Duration {
        Duration::from_nanos(monotonic_clock::now().saturating_sub(self.arrived))
    }

    fn variable(&self, name: &str) -> Result<Option<String>, VariableError> {
        store::get(name).map_err(|_| VariableError)
    }

    fn variables(&self) -> Result<Vec<String>, VariableError> {
        let pairs = store::get_all().map_err(|_| VariableError)?;
        Ok(pairs.into_iter().map(|(name, _)| name).collect())
    }

    fn body(&mut self, until: Duration) -> Option<Result<Vec<u8>, ReadError>> {
        let end = self.at(until);
        Some(self.incoming.take().map_or(Err(ReadError::Broken), |request| read_body(&request, end)))
    }

    fn exchange(&mut self, lanes: usize, deadline: Duration, step: Step<'_>) {
        lanes::exchange(self, lanes, deadline, step);
    }

    fn stored(&mut self, key: &str) -> Result<Option<Vec<u8>>, StoreError> {
        self.store.get(key)
    }

    fn store(&mut self, key: &str, value: &[u8]) -> Result<(), StoreError> {
        self.store.set(key, value)
    }

    fn forget(&mut self, key: &str) -> Result<(), StoreError> {
        self.store.delete(key)
    }

    fn keys(&mut self) -> Result<Vec<String>, StoreError> {
        self.store.keys()
    }

    fn pause(&mut self, until: Duration) {
        poll(&[&monotonic_clock::subscribe_instant(self.at(until))]);
    }
}

impl Wire for Wasi {
    type Exchange = Exchange;

    fn elapsed(&self) -> Duration {
        Host::elapsed(self)
    }

    fn start(&mut self, outbound: HttpRequest, left: Duration) -> Result<Exchange, SendError> {
        Exchange::start(outbound, nanos(left))
    }

    fn advance(&mut self, exchange: &mut Exchange) -> Option<Result<HttpResponse, SendError>> {
        exchange.step()
    }

    fn wait(&mut self, running: &[&Exchange], until: Duration) {
        let clock = monotonic_clock::subscribe_instant(self.at(until));
        let mut awaited: Vec<&Pollable> = vec![&clock];
        for exchange in running {
            exchange.awaited(&mut awaited);
        }
        poll(&awaited);
    }
}

fn log(line: &str) {
    let stderr = get_stderr();
    for piece in format!("{line}\n").as_bytes().chunks(BLOCKING_WRITE_MAX) {
        // A failure to write the log cannot be reported anywhere.
        if stderr.blocking_write_and_flush(piece).is_err() {
            return;
        }
    }
}

/// One running outbound request. The fields drop in this order, children before their parents, as WASI requires.
struct Exchange {
    upload: Option<Upload>,
    download: Option<Download>,
    /// Ready when the response begins. Like the others it is made at the first wait, and kept: a delivery waits once for
    /// each of many requests, and for all that run at each time.
    begun: OnceCell<Pollable>,
    response: FutureIncomingResponse,
    read_max: usize,
}

/// A request body that is being sent.
struct Upload {
    /// Ready when the stream has room.
    room: OnceCell<Pollable>,
    stream: OutputStream,
    body: OutgoingBody,
    bytes: Vec<u8>,
    sent: usize,
}

/// A response body that is being read.
struct Download {
    /// Ready when there is more to read.
    more: OnceCell<Pollable>,
    stream: InputStream,
    _body: IncomingBody,
    _response: IncomingResponse,
    status: u16,
    retry_after: Option<u64>,
    bytes: Vec<u8>,
    read_max: usize,
}

impl Exchange {
    /// Starts a request with a timeout of `left` nanoseconds, which is never zero.
    fn start(outbound: HttpRequest, left: u64) -> Result<Exchange, SendError> {
        let malformed = |()| SendError::Protocol;
        let mut headers: Vec<(String, Vec<u8>)> = Vec::new();
        let mut header = |name: &str, value: &str| headers.push((name.to_owned(), value.as_bytes().to_vec()));
        header("user-agent", USER_AGENT);
        for (name, value) in &outbound.headers {
            header(name, value);
        }
        if let Some(body) = &outbound.body {
            header("content-type", "application/json");
            if !outbound.headers.iter().any(|(name, _)| *name == "accept") {
                header("accept", "application/json");
            }
            header("content-length", &body.len().to_string());
        } else if outbound.method != Method::Get {
            header("content-length", "0");
        }
        let request = OutgoingRequest::new(Fields::from_list(&headers).map_err(|_| SendError::Protocol)?);
        let url = &outbound.url;
        let scheme = if url.https { Scheme::Https } else { Scheme::Http };
        let method = match outbound.method {
            Method::Delete => WasiMethod::Delete,
            Method::Get => WasiMethod::Get,
            Method::Patch => WasiMethod::Patch,
            Method::Post => WasiMethod::Post,
            Method::Put => WasiMethod::Put,
            // No code sends these.
            Method::Head | Method::Options | Method::Other => return Err(SendError::Protocol),
        };
        request.set_method(&method).map_err(malformed)?;
        request.set_scheme(Some(&scheme)).map_err(malformed)?;
        request.set_authority(Some(&url.authority)).map_err(malformed)?;
        request.set_path_with_query(Some(&url.path)).map_err(malformed)?;
        let body = request.body().map_err(malformed)?;

        let options = RequestOptions::new();
        // A runtime that does not support one of these uses its own. The deadline still applies.
        let _ = options.set_connect_timeout(Some(left.min(nanos(CONNECT_TIMEOUT))));
        let _ = options.set_first_byte_timeout(Some(left));
        let _ = options.set_between_bytes_timeout(Some(left.min(nanos(BETWEEN_BYTES_TIMEOUT))));

        // As much of the body as the stream has room for is written before `handle`, so that head and body leave together.
        // Otherwise a second small packet waits for the acknowledgement of the first one, which takes up to 40 ms.
        let stream = body.write().map_err(malformed)?;
        let bytes = outbound.body.unwrap_or_default();
        let upload = Upload { room: OnceCell::new(), stream, body, bytes, sent: 0 }.step();
        let response = outgoing_handler::handle(request, Some(options)).map_err(send_error)?;
        Ok(Exchange { upload, download: None, begun: OnceCell::new(), response, read_max: outbound.read_max })
    }

    /// Adds the pollables to wait for before the next step.
    fn awaited<'a>(&'a self, pollables: &mut Vec<&'a Pollable>) {
        if let Some(upload) = &self.upload {
            pollables.push(upload.room.get_or_init(|| upload.stream.subscribe()));
        }
        pollables.push(match &self.download {
            Some(download) => download.more.get_or_init(|| download.stream.subscribe()),
            None => self.begun.get_or_init(|| self.response.subscribe()),
        });
    }

    /// Advances as far as possible without waiting. Returns the result once it is complete.
    fn step(&mut self) -> Option<Result<HttpResponse, SendError>> {
        if let Some(upload) = self.upload.take() {
            self.upload = upload.step();
        }
        if self.download.is_none() {
            match self.response.get()? {
                Ok(Ok(response)) => match Download::start(response, self.read_max) {
                    Ok(download) => self.download = Some(download),
                    Err(error) => return Some(Err(error)),
                },
                Ok(Err(code)) => return Some(Err(send_error(code))),
                Err(()) => return Some(Err(SendError::Protocol)),
            }
        }
        self.download.as_mut()?.step()
    }
}

impl Upload {
    /// Sends as much as possible without waiting. Returns `None` once everything is sent.
    ///
    /// A server may respond before it has read the body and then close the connection. So a failed write decides
    /// nothing: the response decides, or its failure if none arrives.
    fn step(mut self) -> Option<Upload> {
        loop {
            let Some(rest) = self.bytes.get(self.sent..).filter(|rest| !rest.is_empty()) else {
                drop((self.room, self.stream));
                let _ = OutgoingBody::finish(self.body, None);
                return None;
            };
            let room = match self.stream.check_write() {
                Ok(0) => return Some(self),
                Ok(room) => usize::try_from(room).unwrap_or(usize::MAX),
                Err(_) => return None,
            };
            let piece = rest.get(..room).unwrap_or(rest);
            if self.stream.write(piece).is_err() {
                return None;
            }
            self.sent += piece.len();
        }
    }
}

impl Download {
    fn start(response: IncomingResponse, read_max: usize) -> Result<Download, SendError> {
        let status = response.status();
        // Only an error says when to come again.
        let retry_after = if status < 400 { None } else { retry_after(&response) };
        let body = response.consume().map_err(|()| SendError::Protocol)?;
        let stream = body.stream().map_err(|()| SendError::Protocol)?;
        Ok(Download {
            more: OnceCell::new(),
            stream,
            _body: body,
            _response: response,
            status,
            retry_after,
            bytes: Vec::new(),
            read_max,
        })
    }

    fn step(&mut self) -> Option<Result<HttpResponse, SendError>> {
        let ended = loop {
            match self.stream.read(CHUNK) {
                Ok(piece) if piece.is_empty() => return None,
                Ok(piece) => self.bytes.extend(piece),
                Err(StreamError::Closed) => break Ok(()),
                Err(StreamError::LastOperationFailed(_)) => break Err(SendError::Protocol),
            }
            if self.bytes.len() >= self.read_max {
                self.bytes.truncate(self.read_max);
                break Ok(());
            }
        };
        let bytes = std::mem::take(&mut self.bytes);
        Some(ended.map(|()| HttpResponse { status: self.status, retry_after: self.retry_after, body: bytes }))
    }
}

/// How long a response asks to wait, in seconds. A date (allowed by RFC 9110 section 10.2.3) is ignored.
/// `ratelimit-reset` can be in any response, so it counts only if the rate limit was exceeded.
fn retry_after(response: &IncomingResponse) -> Option<u64> {
    let headers = response.headers().entries();
    let value = |wanted: &str| {
        let (_, value) = headers.iter().find(|(name, _)| name.eq_ignore_ascii_case(wanted))?;
        str::from_utf8(value).ok()?.trim().parse().ok()
    };
    let reset = || if response.status() == 429 { value("ratelimit-reset") } else { None };
    value("retry-after").or_else(reset)
}

fn send_error(code: ErrorCode) -> SendError {
    match code {
        ErrorCode::ConnectionRefused
        | ErrorCode::ConnectionLimitReached
        | ErrorCode::ConnectionTimeout
        | ErrorCode::DestinationNotFound
        | ErrorCode::DestinationUnavailable
        | ErrorCode::DestinationIpUnroutable => SendError::Connect,
        ErrorCode::ConnectionReadTimeout | ErrorCode::ConnectionWriteTimeout | ErrorCode::HttpResponseTimeout => {
            SendError::Deadline
        }
        ErrorCode::HttpRequestDenied | ErrorCode::DestinationIpProhibited => SendError::Denied,
        ErrorCode::DnsTimeout | ErrorCode::DnsError(_) => SendError::Dns,
        ErrorCode::TlsProtocolError | ErrorCode::TlsCertificateError | ErrorCode::TlsAlertReceived(_) => SendError::Tls,
        _ => SendError::Protocol,
    }
}

/// Reads a request without its body.
fn read_head(request: &IncomingRequest) -> Request {
    let method = match request.method() {
        WasiMethod::Delete => Method::Delete,
        WasiMethod::Get => Method::Get,
        WasiMethod::Head => Method::Head,
        WasiMethod::Options => Method::Options,
        WasiMethod::Patch => Method::Patch,
        WasiMethod::Post => Method::Post,
        WasiMethod::Put => Method::Put,
        _ => Method::Other,
    };
    let target = request.path_with_query().unwrap_or_default();
    let (path, query) = target.split_once('?').unwrap_or((&target, ""));
    let (path, query) = (path.to_owned(), query.to_owned());
    let headers = Headers::new(request.headers().entries());
    Request { method, path, query, headers, body: Vec::new(), problem: None }
}

fn read_body(request: &IncomingRequest, end: u64) -> Result<Vec<u8>, ReadError> {
    let body = request.consume().map_err(|()| ReadError::Broken)?;
    let stream = body.stream().map_err(|()| ReadError::Broken)?;
    let clock = monotonic_clock::subscribe_instant(end);
    let mut bytes = Vec::new();
    loop {
        match stream.read(CHUNK) {
            Ok(piece) if piece.is_empty() => {
                if monotonic_clock::now() >= end {
                    return Err(ReadError::Timeout);
                }
                poll(&[&stream.subscribe(), &clock]);
            }
            Ok(piece) => bytes.extend(piece),
            Err(StreamError::Closed) => return Ok(bytes),
            Err(StreamError::LastOperationFailed(_)) => return Err(ReadError::Broken),
        }
        if bytes.len() > BODY_MAX_BYTES {
            return Err(ReadError::TooLarge);
        }
    }
}

/// Sends a reply: first the whole body, then the head.
///
/// On Spin this saves 40 ms per request, and a trap after the head cannot look like a complete reply. A body that does
/// not fit into the runtime's buffer has to be sent after the head.
fn answer(out: ResponseOutparam, reply: Reply) {
    let mut headers: Vec<(String, Vec<u8>)> =
        reply.headers.iter().map(|(name, value)| ((*name).to_owned(), value.as_bytes().to_vec())).collect();
    headers.push(("content-length".to_owned(), reply.body.len().to_string().into_bytes()));
    // Header names and values were checked when they were created, and the status is a valid one.
    let Ok(fields) = Fields::from_list(&headers) else { return };
    let response = OutgoingResponse::new(fields);
    if response.set_status_code(reply.status.as_u16()).is_err() {
        return;
    }
    let Ok(body) = response.body() else { return };
    let Ok(stream) = body.write() else { return };
    let fits = stream.check_write().is_ok_and(|room| room >= reply.body.len() as u64);
    if fits && stream.write(&reply.body).is_ok() {
        drop(stream);
        if OutgoingBody::finish(body, None).is_ok() {
            ResponseOutparam::set(out, Ok(response));
        }
        return;
    }
    ResponseOutparam::set(out, Ok(response));
    for piece in reply.body.chunks(BLOCKING_WRITE_MAX) {
        if stream.blocking_write_and_flush(piece).is_err() {
            return;
        }
    }
    drop(stream);
    let _ = OutgoingBody::finish(body, None);
}
