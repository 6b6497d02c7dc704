//! The component under wasmtime, with exactly the interfaces that a runtime provides.
//!
//! It links the interfaces of the `wasi:http/proxy` world and the variable store, like `wasmtime serve` without
//! `-Scli`. Each request gets its own instance, as on Spin.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::net::SocketAddr;
use std::path::Path;
use std::pin::Pin;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, OnceLock};
use std::time::Duration;

use bytes::Bytes;
use http_body_util::{BodyExt, Full};
use hyper::body::Body;
use wasmtime::component::{Component, ComponentType, Linker, Lower, ResourceTable};
use wasmtime::{Config, Engine, InstanceAllocationStrategy, ResourceLimiter, Result, Store};
use wasmtime_wasi::p2::pipe::MemoryOutputPipe;
use wasmtime_wasi::{HostMonotonicClock, HostWallClock, WasiCtx, WasiCtxView, WasiView};
use wasmtime_wasi_config::{WasiConfig, WasiConfigVariables};
use wasmtime_wasi_http::p2::bindings::http::types::Scheme;
use wasmtime_wasi_http::p2::bindings::{Proxy, ProxyPre};
use wasmtime_wasi_http::{
    Error as HttpError, RequestOptions, WasiBody, WasiHttpCtx, WasiHttpCtxView, WasiHttpHooks, WasiHttpView,
    default_send_request,
};

use crate::build::{self, Flavour};
use crate::fixtures::{self, Fixture};
use crate::keyvalue::{self, KeyValue};
use crate::{ROUTING_KEY, SECRET, credentials, own_secrets, secret_for};

/// The component, loaded once.
pub struct Relay {
    pre: ProxyPre<Context>,
    engine: Engine,
    /// Whether the instructions of each request are counted.
    counts: bool,
}

/// The environment of one request.
#[derive(Clone, Debug, Default)]
pub struct World {
    pub variables: BTreeMap<String, String>,
    /// Variables whose provider is down.
    pub broken: BTreeSet<String>,
    pub egress: Egress,
    /// The wall clock, since the Unix epoch. `None` for the real time.
    pub now: Option<Duration>,
    /// Another clock for both of WASI's clocks.
    pub clock: Option<Clock>,
    /// The key-value store that the component is granted. Only for Spin.
    pub store: Option<KeyValue>,
}

/// A clock that follows that of tokio, which a test may pause, and that a test may set forward.
#[derive(Clone, Debug)]
pub struct Clock {
    began: tokio::time::Instant,
    /// The time at which it began, since the Unix epoch.
    epoch: Duration,
    /// How many seconds it was set forward.
    forward: Arc<AtomicU64>,
}

impl Clock {
    /// A clock that shows this time now, since the Unix epoch.
    pub fn at(epoch: Duration) -> Clock {
        Clock { began: tokio::time::Instant::now(), epoch, forward: Arc::default() }
    }

    /// Sets the wall clock forward.
    pub fn forward(&self, seconds: u64) {
        self.forward.fetch_add(seconds, Ordering::SeqCst);
    }

    /// The time since it began, without what it was set forward.
    pub fn elapsed(&self) -> Duration {
        self.began.elapsed()
    }
}

impl HostWallClock for Clock {
    fn resolution(&self) -> Duration {
        Duration::from_nanos(1)
    }

    fn now(&self) -> Duration {
        self.epoch + self.elapsed() + Duration::from_secs(self.forward.load(Ordering::SeqCst))
    }
}

impl HostMonotonicClock for Clock {
    fn resolution(&self) -> u64 {
        1
    }

    fn now(&self) -> u64 {
        u64::try_from(self.elapsed().as_nanos()).expect("a short test")
    }
}

/// The status for a body.
pub type StatusOf = dyn Fn(&[u8]) -> u16 + Send + Sync;

/// An Events API in this process.
#[derive(Clone)]
pub struct Script {
    /// How long it takes.
    pub takes: Duration,
    /// The status for a body, which is asked for when that time is over. 0 for no answer at all.
    pub status: Arc<StatusOf>,
}

impl std::fmt::Debug for Script {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Script").field("takes", &self.takes).finish_non_exhaustive()
    }
}

/// Where the component may send requests.
#[derive(Clone, Debug, Default)]
pub enum Egress {
    /// Anywhere.
    #[default]
    Open,
    /// Nowhere, like an empty `allowed_outbound_hosts`.
    Denied,
    /// Every request is answered at once, in this process, as PagerDuty answers an accepted event. The instructions of a
    /// delivery are then always the same.
    Accepted,
    /// Every request is answered in this process as the script says.
    Script(Script),
    /// This address answers for the hosts of PagerDuty and Amazon SNS.
    Double(SocketAddr),
    /// Each of these hosts is answered by its address, or fails like this. All other hosts are blocked.
    Hosts(Vec<(String, Result<SocketAddr, Trouble>)>),
}

/// How a host fails.
#[derive(Clone, Copy, Debug)]
pub enum Trouble {
    Connect,
    Dns,
    Silence,
    Tls,
}

/// A request for the component.
#[derive(Clone, Debug)]
pub struct Call {
    pub method: &'static str,
    pub path: String,
    pub headers: Vec<(String, Vec<u8>)>,
    pub body: Bytes,
}

/// The result of a call.
#[derive(Clone, Debug)]
pub struct Reply {
    pub status: u16,
    pub headers: BTreeMap<String, String>,
    pub body: Bytes,
    /// The component's log output.
    pub log: String,
    /// The variables that the component read, in order. Only for Spin's store.
    pub asked: Vec<String>,
    /// The number of instructions, or 0 if they are not counted.
    pub fuel: u64,
    /// The most memory that the instance had, in bytes. Memory of an instance never shrinks.
    pub memory: usize,
    /// The outbound requests: their destinations and timeouts.
    pub sent: Vec<Sent>,
}

/// An outbound request, as the runtime received it.
#[derive(Clone, Debug)]
pub struct Sent {
    pub url: String,
    pub timeouts: [Option<Duration>; 3],
    /// How many bytes of its body were there when it was handed over, and whether that was all.
    pub ready: (usize, bool),
}

impl World {
    /// Variables that make every source work: the secrets, a routing key, and PagerDuty at `events_url`.
    pub fn new(events_url: &str) -> World {
        let world = World::default().with("webhook_secret", SECRET).with("routing_key", ROUTING_KEY);
        let world = own_secrets().fold(world, |world, (name, secret)| world.with(&name, secret));
        world.with("events_url", events_url)
    }

    #[must_use]
    pub fn with(mut self, name: &str, value: &str) -> World {
        self.variables.insert(name.to_owned(), value.to_owned());
        self
    }

    #[must_use]
    pub fn without(mut self, name: &str) -> World {
        self.variables.remove(name);
        self
    }
}

impl Call {
    /// A webhook with the right secret.
    pub fn post(path: &str, body: impl Into<Bytes>) -> Call {
        Call::stranger("POST", path, body).header("authorization", &format!("Bearer {}", secret_for(path)))
    }

    /// A fixture, as its source's sender would send it with this secret.
    pub fn fixture(fixture: &Fixture, path: &str, secret: &str) -> Call {
        let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).expect("after 1970").as_secs();
        let credentials = credentials::of(fixture.source, secret, &fixture.body, now);
        let pseudo = |name: &str| fixtures::pseudo(&fixture.headers, name);
        let query = [credentials.query.clone(), pseudo(":query").unwrap_or_default().to_owned()];
        let query = query.into_iter().filter(|part| !part.is_empty()).collect::<Vec<_>>().join("&");
        let path = fixtures::path_below(path, fixture.source, &fixture.headers);
        let path = if query.is_empty() { path } else { format!("{path}?{query}") };
        let known = ["DELETE", "GET", "PATCH", "PUT"];
        let method = known.into_iter().find(|known| pseudo(":method") == Some(known)).unwrap_or("POST");
        let own = fixture.headers.iter().filter(|(name, _)| !name.starts_with(':'));
        let mut call = Call { method, path, headers: Vec::new(), body: fixture.body.clone().into() };
        for (name, value) in credentials.headers.iter().chain(own) {
            call = call.header(name, value);
        }
        if !call.headers.iter().any(|(name, _)| name.eq_ignore_ascii_case("content-type")) {
            call = call.header("content-type", "application/json");
        }
        call
    }

    /// A request without credentials.
    pub fn stranger(method: &'static str, path: &str, body: impl Into<Bytes>) -> Call {
        let headers = vec![("content-type".to_owned(), b"application/json".to_vec())];
        Call { method, path: path.to_owned(), headers, body: body.into() }
    }

    /// The request itself.
    pub fn request(self) -> Result<hyper::Request<impl Body<Data = Bytes, Error = HttpError> + Send + 'static>> {
        let mut request = hyper::Request::builder().method(self.method).uri(format!("http://relay.test{}", self.path));
        for (name, value) in &self.headers {
            request = request.header(name.as_str(), value.as_slice());
        }
        Ok(request.body(Full::new(self.body).map_err(|never| match never {}))?)
    }

    #[must_use]
    pub fn header(mut self, name: &str, value: &str) -> Call {
        self.headers.push((name.to_owned(), value.as_bytes().to_vec()));
        self
    }
}

impl Reply {
    /// The body as JSON.
    pub fn json(&self) -> serde_json::Value {
        serde_json::from_slice(&self.body).unwrap_or_default()
    }

    /// The first line of the log, which is about the reply, as JSON.
    pub fn log_json(&self) -> serde_json::Value {
        self.log.lines().next().and_then(|line| serde_json::from_str(line).ok()).unwrap_or_default()
    }
}

/// The released component, or the one with the other variable store.
pub fn relay(flavour: Flavour) -> &'static Relay {
    static SPIN: OnceLock<Relay> = OnceLock::new();
    static WASMTIME: OnceLock<Relay> = OnceLock::new();
    let relay = match flavour {
        Flavour::Spin => &SPIN,
        Flavour::Wasmtime => &WASMTIME,
    };
    relay.get_or_init(|| Relay::load(flavour).expect("the component loads"))
}

impl Relay {
    fn load(flavour: Flavour) -> Result<Relay> {
        Relay::open(build::component(flavour), flavour, false)
    }

    /// Loads another build of the component, or another component.
    ///
    /// # Errors
    /// Returns an error if the file is not a component of this flavour.
    pub fn from_file(component: &Path, flavour: Flavour) -> Result<Relay> {
        Relay::open(component, flavour, false)
    }

    /// Loads a component and counts the instructions of each request in [`Reply::fuel`].
    ///
    /// # Errors
    /// Returns an error if the file is not a component of this flavour.
    pub fn counting(component: &Path, flavour: Flavour) -> Result<Relay> {
        Relay::open(component, flavour, true)
    }

    fn open(component: &Path, flavour: Flavour, counts: bool) -> Result<Relay> {
        // The other flavour may have installed it already.
        let _ = rustls::crypto::ring::default_provider().install_default();
        let mut config = Config::new();
        config.consume_fuel(counts);
        let engine = pooled(&mut config)?;
        let component = Component::from_file(&engine, component)?;
        let mut linker = Linker::<Context>::new(&engine);
        wasmtime_wasi_http::p2::add_to_linker_async(&mut linker)?;
        match flavour {
            Flavour::Spin => {
                add_spin_config(&mut linker)?;
                keyvalue::add_to_linker(&mut linker, |context: &mut Context| keyvalue::View {
                    table: &mut context.table,
                    store: context.scene.world.store.clone(),
                })?;
            }
            Flavour::Wasmtime => {
                wasmtime_wasi_config::add_to_linker(&mut linker, |context: &mut Context| {
                    WasiConfig::from(&context.scene.variables)
                })?;
            }
        }
        let pre = ProxyPre::new(linker.instantiate_pre(&component)?)?;
        Ok(Relay { pre, engine, counts })
    }

    /// Sends a request through the component.
    pub async fn call(&self, world: &World, call: Call) -> Result<Reply> {
        self.instance().call(world, call).await
    }

    /// Like [`Relay::call`], with any body, such as one that never ends.
    pub async fn handle<B>(&self, world: &World, request: hyper::Request<B>) -> Result<Reply>
    where
        B: Body<Data = Bytes, Error = HttpError> + Send + 'static,
    {
        self.instance().handle(world, request).await
    }

    /// An instance that serves one request after the other, as hosts that reuse instances do.
    pub fn instance(&self) -> Instance<'_> {
        Instance { relay: self, kept: None }
    }
}

/// An engine that takes the memory of instances from a pool, as Spin and `wasmtime serve` do. If the machine does not
/// let it reserve the addresses, each instance maps its own memory: that is slower, and nothing else.
fn pooled(config: &mut Config) -> Result<Engine> {
    config.allocation_strategy(InstanceAllocationStrategy::pooling());
    Engine::new(config).or_else(|_| Engine::new(config.allocation_strategy(InstanceAllocationStrategy::OnDemand)))
}

/// An instance of the component.
pub struct Instance<'a> {
    relay: &'a Relay,
    /// `None` before the first request, and after a trap.
    kept: Option<(Store<Context>, Proxy)>,
}

impl Instance<'_> {
    /// Sends a request through this instance.
    pub async fn call(&mut self, world: &World, call: Call) -> Result<Reply> {
        let request = call.request()?;
        self.handle(world, request).await
    }

    /// Like [`Instance::call`], with any body.
    pub async fn handle<B>(&mut self, world: &World, request: hyper::Request<B>) -> Result<Reply>
    where
        B: Body<Data = Bytes, Error = HttpError> + Send + 'static,
    {
        self.begin(world, request).await?.end(self).await
    }

    /// Sends a request through this instance, and returns as soon as it has answered. The instance goes on by itself, even
    /// if nobody waits for its end.
    pub async fn begin<B>(&mut self, world: &World, request: hyper::Request<B>) -> Result<Answered>
    where
        B: Body<Data = Bytes, Error = HttpError> + Send + 'static,
    {
        let (scene, log) = Scene::new(world);
        let (sent, asked) = (Arc::clone(&scene.hooks.sent), Arc::clone(&scene.asked));
        let (mut store, proxy) = match self.kept.take() {
            Some((mut store, proxy)) => {
                store.data_mut().scene = scene;
                (store, Some(proxy))
            }
            None => {
                let context =
                    Context { table: ResourceTable::new(), http: WasiHttpCtx::new(), scene, memory: Memory(0) };
                let mut store = Store::new(&self.relay.engine, context);
                store.limiter(|context| &mut context.memory);
                (store, None)
            }
        };
        let (sender, receiver) = tokio::sync::oneshot::channel();
        let request = store.data_mut().http().new_incoming_request(Scheme::Http, request)?;
        let out = store.data_mut().http().new_response_outparam(sender)?;
        if self.relay.counts {
            store.set_fuel(u64::MAX)?;
        }
        let pre = self.relay.pre.clone();
        let task = tokio::spawn(async move {
            let proxy = match proxy {
                Some(proxy) => proxy,
                None => pre.instantiate_async(&mut store).await?,
            };
            proxy.wasi_http_incoming_handler().call_handle(&mut store, request, out).await?;
            Ok::<_, wasmtime::Error>((store, proxy))
        });
        let response = match receiver.await {
            Ok(response) => response?,
            Err(_) => {
                task.await??;
                return Err(wasmtime::Error::msg("the component did not answer"));
            }
        };
        let (head, body) = response.into_parts();
        let body = body.collect().await?.to_bytes();
        let text = |value: &hyper::header::HeaderValue| String::from_utf8_lossy(value.as_bytes()).into_owned();
        let headers = head.headers.iter().map(|(name, value)| (name.to_string(), text(value))).collect();
        Ok(Answered { status: head.status.as_u16(), headers, body, task, log, sent, asked })
    }
}

/// An instance that has answered, and may still run.
pub struct Answered {
    pub status: u16,
    pub headers: BTreeMap<String, String>,
    pub body: Bytes,
    task: tokio::task::JoinHandle<Result<(Store<Context>, Proxy)>>,
    log: MemoryOutputPipe,
    sent: Arc<Mutex<Vec<Sent>>>,
    asked: Arc<Mutex<Vec<String>>>,
}

impl Answered {
    /// Waits until the instance has ended, and gives it back for the next request.
    pub async fn end(self, instance: &mut Instance<'_>) -> Result<Reply> {
        let Answered { status, headers, body, task, log, sent, asked } = self;
        let (store, proxy) = task.await??;
        let fuel = if instance.relay.counts { u64::MAX - store.get_fuel()? } else { 0 };
        let memory = store.data().memory.0;
        instance.kept = Some((store, proxy));
        let log = String::from_utf8_lossy(&log.contents()).into_owned();
        let (asked, sent) = (asked.lock().unwrap().clone(), sent.lock().unwrap().clone());
        Ok(Reply { status, headers, body, log, asked, sent, fuel, memory })
    }
}

/// How much memory an instance has, in bytes.
struct Memory(usize);

impl ResourceLimiter for Memory {
    fn memory_growing(&mut self, _: usize, desired: usize, _: Option<usize>) -> Result<bool> {
        self.0 = self.0.max(desired);
        Ok(true)
    }

    fn table_growing(&mut self, _: usize, _: usize, _: Option<usize>) -> Result<bool> {
        Ok(true)
    }
}

/// A stopped wall clock.
struct Stopped(Duration);

impl HostWallClock for Stopped {
    fn resolution(&self) -> Duration {
        Duration::from_secs(1)
    }

    fn now(&self) -> Duration {
        self.0
    }
}

/// The runtime's state for one instance.
struct Context {
    table: ResourceTable,
    http: WasiHttpCtx,
    scene: Scene,
    memory: Memory,
}

/// What an instance sees and does during one request.
struct Scene {
    wasi: WasiCtx,
    hooks: Outside,
    variables: WasiConfigVariables,
    world: World,
    asked: Arc<Mutex<Vec<String>>>,
}

impl Scene {
    /// The environment, and its log.
    fn new(world: &World) -> (Scene, MemoryOutputPipe) {
        let log = MemoryOutputPipe::new(16 << 20);
        let mut wasi = WasiCtx::builder();
        if let Some(now) = world.now {
            wasi.wall_clock(Stopped(now));
        }
        if let Some(clock) = &world.clock {
            wasi.wall_clock(clock.clone()).monotonic_clock(clock.clone());
        }
        let scene = Scene {
            wasi: wasi.stderr(log.clone()).build(),
            hooks: Outside { egress: world.egress.clone(), sent: Arc::default() },
            variables: WasiConfigVariables::from_iter(world.variables.clone()),
            world: world.clone(),
            asked: Arc::default(),
        };
        (scene, log)
    }
}

impl WasiView for Context {
    fn ctx(&mut self) -> WasiCtxView<'_> {
        WasiCtxView { ctx: &mut self.scene.wasi, table: &mut self.table }
    }
}

impl WasiHttpView for Context {
    fn http(&mut self) -> WasiHttpCtxView<'_> {
        WasiHttpCtxView { ctx: &mut self.http, table: &mut self.table, hooks: &mut self.scene.hooks }
    }
}

/// The error of Spin's variable store.
#[derive(ComponentType, Lower)]
#[component(variant)]
enum StoreError {
    #[component(name = "upstream")]
    Upstream(String),
    #[component(name = "io")]
    #[expect(dead_code, reason = "a part of the interface that nothing here needs")]
    Io(String),
}

/// The variable store of Spin: an undeclared variable is `None`, and a provider that is down is an error.
fn add_spin_config(linker: &mut Linker<Context>) -> Result<()> {
    let mut store = linker.instance("wasi:config/store@0.2.0-draft-2024-09-27")?;
    store.func_wrap("get", |context: wasmtime::StoreContextMut<'_, Context>, (name,): (String,)| {
        let world = &context.data().scene.world;
        context.data().scene.asked.lock().unwrap().push(name.clone());
        let value = if world.broken.contains(&name) {
            Err(StoreError::Upstream("the provider is down".to_owned()))
        } else {
            Ok(world.variables.get(&name).cloned())
        };
        Ok((value,))
    })?;
    store.func_wrap("get-all", |context: wasmtime::StoreContextMut<'_, Context>, (): ()| {
        let world = &context.data().scene.world;
        // The store resolves all variables, so one unavailable provider is enough.
        let all = if world.broken.is_empty() {
            Ok(world.variables.iter().map(|(name, value)| (name.clone(), value.clone())).collect::<Vec<_>>())
        } else {
            Err(StoreError::Upstream("a provider is down".to_owned()))
        };
        Ok((all,))
    })
}

/// The network, as the runtime provides it.
struct Outside {
    egress: Egress,
    sent: Arc<Mutex<Vec<Sent>>>,
}

/// How much of a request's body can be read without waiting, and whether that is all; the request still has all of it.
fn with_ready(request: hyper::Request<WasiBody>) -> (hyper::Request<WasiBody>, (usize, bool)) {
    let (head, mut body) = request.into_parts();
    let mut context = std::task::Context::from_waker(std::task::Waker::noop());
    let (mut frames, mut bytes, mut whole) = (Vec::new(), 0, false);
    loop {
        match Pin::new(&mut body).poll_frame(&mut context) {
            std::task::Poll::Ready(Some(frame)) => {
                bytes += frame.as_ref().ok().and_then(|frame| frame.data_ref()).map_or(0, Bytes::len);
                frames.push(frame);
            }
            std::task::Poll::Ready(None) => {
                whole = true;
                break;
            }
            std::task::Poll::Pending => break,
        }
    }
    let rest = (!whole).then_some(body);
    let body = Replayed { frames: frames.into(), rest };
    (hyper::Request::from_parts(head, body.boxed_unsync()), (bytes, whole))
}

/// A body whose first frames were read already.
struct Replayed {
    frames: VecDeque<Result<hyper::body::Frame<Bytes>, HttpError>>,
    rest: Option<WasiBody>,
}

impl Body for Replayed {
    type Data = Bytes;
    type Error = HttpError;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut std::task::Context<'_>,
    ) -> std::task::Poll<Option<Result<hyper::body::Frame<Bytes>, HttpError>>> {
        match (self.frames.pop_front(), &mut self.rest) {
            (Some(frame), _) => std::task::Poll::Ready(Some(frame)),
            (None, Some(rest)) => Pin::new(rest).poll_frame(context),
            (None, None) => std::task::Poll::Ready(None),
        }
    }
}

/// PagerDuty's answer with this status.
fn answered(status: u16) -> (hyper::Response<WasiBody>, Finished) {
    let body: &[u8] = if status == 202 { br#"{"status":"success","message":"Event processed"}"# } else { b"" };
    let body = Full::new(Bytes::from_static(body));
    let body = body.map_err(|never| match never {}).boxed_unsync();
    let response = hyper::Response::builder().status(status).body(body).expect("a status and a body make a response");
    (response, Box::new(std::future::ready(Ok(()))))
}

type Finished = Box<dyn Future<Output = Result<(), HttpError>> + Send>;
type Received = Result<(hyper::Response<WasiBody>, Finished), HttpError>;

impl WasiHttpHooks for Outside {
    fn send_request(
        &mut self,
        request: hyper::Request<WasiBody>,
        options: Option<RequestOptions>,
        _finished: Finished,
    ) -> Box<dyn Future<Output = Received> + Send> {
        let timeouts = options.map_or([None; 3], |options| {
            [options.connect_timeout, options.first_byte_timeout, options.between_bytes_timeout]
        });
        let (request, ready) = with_ready(request);
        let mut request = request;
        self.sent.lock().unwrap().push(Sent { url: request.uri().to_string(), timeouts, ready });
        match &self.egress {
            Egress::Open => {}
            Egress::Denied => return Box::new(async { Err(HttpError::HttpRequestDenied) }),
            Egress::Accepted => return Box::new(async { Ok(answered(202)) }),
            Egress::Script(script) => {
                let script = script.clone();
                return Box::new(async move {
                    let body = request.into_body().collect().await?.to_bytes();
                    tokio::time::sleep(script.takes).await;
                    match (script.status)(&body) {
                        0 => std::future::pending().await,
                        status => Ok(answered(status)),
                    }
                });
            }
            Egress::Double(address) => {
                let known = [".pagerduty.com", ".amazonaws.com", ".amazonaws.com.cn"];
                if request.uri().host().is_some_and(|host| known.iter().any(|end| host.ends_with(end))) {
                    let path = request.uri().path_and_query().map_or("/", |path| path.as_str());
                    let uri = format!("http://{address}{path}");
                    *request.uri_mut() = uri.parse().expect("an address and a path make a uri");
                }
            }
            Egress::Hosts(hosts) => {
                let host = request.uri().authority().map(ToString::to_string).unwrap_or_default();
                match hosts.iter().find(|(known, _)| *known == host) {
                    None => return Box::new(async { Err(HttpError::HttpRequestDenied) }),
                    Some((_, Err(Trouble::Silence))) => return Box::new(std::future::pending()),
                    Some((_, Err(trouble))) => {
                        let error = match trouble {
                            Trouble::Connect => HttpError::ConnectionRefused,
                            Trouble::Dns => HttpError::DnsError { rcode: Some("NXDOMAIN".to_owned()), info_code: None },
                            Trouble::Silence | Trouble::Tls => HttpError::TlsCertificateError,
                        };
                        return Box::new(async { Err(error) });
                    }
                    Some((_, Ok(address))) => {
                        let path = request.uri().path_and_query().map_or("/", |path| path.as_str());
                        let uri = format!("http://{address}{path}");
                        *request.uri_mut() = uri.parse().expect("an address and a path make a uri");
                    }
                }
            }
        }
        Box::new(async move {
            let (response, finished) = default_send_request(request, options).await?;
            Ok((response.map(BodyExt::boxed_unsync), Box::new(finished) as Finished))
        })
    }
}
