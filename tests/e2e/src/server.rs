//! The component behind a socket, for senders that are separate programs.

use std::net::SocketAddr;
use std::sync::{Arc, Mutex, PoisonError};

use bytes::Bytes;
use http_body_util::{BodyExt, Full};
use hyper::service::service_fn;
use hyper::{Request, Response};
use hyper_util::rt::TokioIo;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpListener;
use tokio_rustls::TlsAcceptor;

use crate::runtime::{Answered, Instance, Relay, Reply, World};

/// A callback for each reply, to show it in a terminal. The sender gets the answer after it, and so after the instance has
/// ended. Without a callback, it gets the answer at once.
pub type Show = Arc<dyn Fn(&Reply) + Send + Sync>;

/// The environment of the next request.
pub type Ask = Arc<dyn Fn() -> World + Send + Sync>;

fn always(world: World) -> Ask {
    Arc::new(move || world.clone())
}

/// Idle instances, if the server reuses them.
type Pool = Option<Arc<Mutex<Vec<Instance<'static>>>>>;

/// A listening server. It stops when it is dropped.
pub struct Server {
    pub address: SocketAddr,
    scheme: &'static str,
    task: tokio::task::JoinHandle<()>,
}

impl Server {
    /// Serves the component on localhost. If `port` is 0, the system picks a port.
    pub async fn start(relay: &'static Relay, world: World, port: u16, show: Option<Show>) -> std::io::Result<Server> {
        Server::listen(port, Served { relay, world: always(world), show, pool: None, tls: None }).await
    }

    /// Like [`Server::start`], with an environment that is asked for anew for each request.
    pub async fn asking(relay: &'static Relay, world: Ask) -> std::io::Result<Server> {
        Server::listen(0, Served { relay, world, show: None, pool: None, tls: None }).await
    }

    /// Like [`Server::start`], with instances that serve one request after the other.
    pub async fn reusing(relay: &'static Relay, world: World) -> std::io::Result<Server> {
        Server::listen(0, Served { relay, world: always(world), show: None, pool: Some(Arc::default()), tls: None })
            .await
    }

    /// Like [`Server::start`], by https.
    pub async fn secure(
        relay: &'static Relay,
        world: World,
        show: Option<Show>,
        tls: TlsAcceptor,
    ) -> std::io::Result<Server> {
        Server::listen(0, Served { relay, world: always(world), show, pool: None, tls: Some(tls) }).await
    }

    async fn listen(port: u16, served: Served) -> std::io::Result<Server> {
        let listener = TcpListener::bind(("127.0.0.1", port)).await?;
        let address = listener.local_addr()?;
        let scheme = if served.tls.is_some() { "https" } else { "http" };
        let task = tokio::spawn(accept(listener, Arc::new(served)));
        Ok(Server { address, scheme, task })
    }

    /// The URL of a path.
    pub fn url(&self, path: &str) -> String {
        format!("{}://{}{path}", self.scheme, self.address)
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.task.abort();
    }
}

/// What a server serves, and how.
struct Served {
    relay: &'static Relay,
    world: Ask,
    show: Option<Show>,
    pool: Pool,
    tls: Option<TlsAcceptor>,
}

async fn accept(listener: TcpListener, served: Arc<Served>) {
    while let Ok((stream, _)) = listener.accept().await {
        let served = Arc::clone(&served);
        tokio::spawn(async move {
            match &served.tls {
                None => serve(stream, &served).await,
                Some(tls) => {
                    // A client that does not trust the certificate has gone.
                    if let Ok(stream) = tls.accept(stream).await {
                        serve(stream, &served).await;
                    }
                }
            }
        });
    }
}

async fn serve(stream: impl AsyncRead + AsyncWrite + Unpin, served: &Arc<Served>) {
    let service = service_fn(|request| {
        let served = Arc::clone(served);
        async move { Ok::<_, std::convert::Infallible>(answer(&served, request).await) }
    });
    // A broken connection is the client's problem.
    let _ = hyper::server::conn::http1::Builder::new().serve_connection(TokioIo::new(stream), service).await;
}

async fn answer(served: &Arc<Served>, request: Request<hyper::body::Incoming>) -> Response<Full<Bytes>> {
    let request = request.map(|body| body.map_err(wasmtime_wasi_http::Error::Hyper));
    let idle = |pool: &Pool| pool.as_ref()?.lock().unwrap_or_else(PoisonError::into_inner).pop();
    let mut instance = idle(&served.pool).unwrap_or_else(|| served.relay.instance());
    let (status, headers, body) = match instance.begin(&(served.world)(), request).await {
        Ok(answered) => {
            let answer = (answered.status, answered.headers.clone(), answered.body.clone());
            // As on Spin and on `wasmtime serve`, the sender does not wait for the end of the instance.
            let ended = tokio::spawn(end(Arc::clone(served), instance, answered));
            if served.show.is_some() {
                // It reports a panic by itself.
                let _ = ended.await;
            }
            answer
        }
        Err(error) => {
            failed(&error);
            (500, Default::default(), Bytes::new())
        }
    };
    let mut response = Response::new(Full::new(body));
    *response.status_mut() = hyper::StatusCode::from_u16(status).unwrap_or_default();
    for (name, value) in headers {
        if let (Ok(name), Ok(value)) = (hyper::header::HeaderName::try_from(name), value.parse()) {
            response.headers_mut().insert(name, value);
        }
    }
    response
}

/// Waits for the end of an instance that has answered.
async fn end(served: Arc<Served>, mut instance: Instance<'static>, answered: Answered) {
    match answered.end(&mut instance).await {
        Ok(reply) => {
            if let Some(show) = &served.show {
                show(&reply);
            }
        }
        Err(error) => failed(&error),
    }
    if let Some(pool) = &served.pool {
        pool.lock().unwrap_or_else(PoisonError::into_inner).push(instance);
    }
}

/// Reports a component that trapped. Spin answers 500 if that was before its answer.
fn failed(error: &wasmtime::Error) {
    eprintln!("the component failed: {error:?}");
}
