//! The component behind a socket, for senders that are separate programs.

use std::net::SocketAddr;
use std::sync::{Arc, Mutex, PoisonError};

use bytes::Bytes;
use http_body_util::{BodyExt, Full};
use hyper::service::service_fn;
use hyper::{Request, Response};
use hyper_util::rt::TokioIo;
use tokio::net::TcpListener;

use crate::runtime::{Instance, Relay, Reply, World};

/// A callback for each reply, to show it in a terminal.
pub type Show = Arc<dyn Fn(&Reply) + Send + Sync>;

/// Idle instances, if the server reuses them.
type Pool = Option<Arc<Mutex<Vec<Instance<'static>>>>>;

/// A listening server. It stops when it is dropped.
pub struct Server {
    pub address: SocketAddr,
    task: tokio::task::JoinHandle<()>,
}

impl Server {
    /// Serves the component on localhost. If `port` is 0, the system picks a port.
    pub async fn start(relay: &'static Relay, world: World, port: u16, show: Option<Show>) -> std::io::Result<Server> {
        Server::with_pool(relay, world, port, show, None).await
    }

    /// Like [`Server::start`], with instances that serve one request after the other.
    pub async fn reusing(relay: &'static Relay, world: World) -> std::io::Result<Server> {
        Server::with_pool(relay, world, 0, None, Some(Arc::default())).await
    }

    async fn with_pool(
        relay: &'static Relay,
        world: World,
        port: u16,
        show: Option<Show>,
        pool: Pool,
    ) -> std::io::Result<Server> {
        let listener = TcpListener::bind(("127.0.0.1", port)).await?;
        let address = listener.local_addr()?;
        let task = tokio::spawn(accept(listener, relay, world, show, pool));
        Ok(Server { address, task })
    }

    /// The URL of a path.
    pub fn url(&self, path: &str) -> String {
        format!("http://{}{path}", self.address)
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.task.abort();
    }
}

async fn accept(listener: TcpListener, relay: &'static Relay, world: World, show: Option<Show>, pool: Pool) {
    let world = Arc::new(world);
    while let Ok((stream, _)) = listener.accept().await {
        let (world, show, pool) = (Arc::clone(&world), show.clone(), pool.clone());
        tokio::spawn(async move {
            let service = service_fn(move |request| {
                let (world, show, pool) = (Arc::clone(&world), show.clone(), pool.clone());
                async move { Ok::<_, std::convert::Infallible>(answer(relay, &world, request, show, pool).await) }
            });
            // A broken connection is the client's problem.
            let _ = hyper::server::conn::http1::Builder::new().serve_connection(TokioIo::new(stream), service).await;
        });
    }
}

async fn answer(
    relay: &'static Relay,
    world: &World,
    request: Request<hyper::body::Incoming>,
    show: Option<Show>,
    pool: Pool,
) -> Response<Full<Bytes>> {
    let request = request.map(|body| body.map_err(wasmtime_wasi_http::Error::Hyper));
    let idle = |pool: &Pool| pool.as_ref()?.lock().unwrap_or_else(PoisonError::into_inner).pop();
    let mut instance = idle(&pool).unwrap_or_else(|| relay.instance());
    let replied = instance.handle(world, request).await;
    if let Some(pool) = pool {
        pool.lock().unwrap_or_else(PoisonError::into_inner).push(instance);
    }
    let (status, headers, body) = match replied {
        Ok(reply) => {
            if let Some(show) = show {
                show(&reply);
            }
            (reply.status, reply.headers, reply.body)
        }
        // Spin does the same if a component traps.
        Err(error) => {
            eprintln!("the component failed: {error:?}");
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
