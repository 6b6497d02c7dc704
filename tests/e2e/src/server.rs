//! The component behind a socket, for senders that are separate programs.

use std::net::SocketAddr;
use std::sync::Arc;

use bytes::Bytes;
use http_body_util::{BodyExt, Full};
use hyper::service::service_fn;
use hyper::{Request, Response};
use hyper_util::rt::TokioIo;
use tokio::net::TcpListener;

use crate::runtime::{Relay, Reply, World};

/// A callback for each reply, to show it in a terminal.
pub type Show = Arc<dyn Fn(&Reply) + Send + Sync>;

/// A listening server. It stops when it is dropped.
pub struct Server {
    pub address: SocketAddr,
    task: tokio::task::JoinHandle<()>,
}

impl Server {
    /// Serves the component on localhost. If `port` is 0, the system picks a port.
    pub async fn start(relay: &'static Relay, world: World, port: u16, show: Option<Show>) -> std::io::Result<Server> {
        let listener = TcpListener::bind(("127.0.0.1", port)).await?;
        let address = listener.local_addr()?;
        let task = tokio::spawn(accept(listener, relay, world, show));
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

async fn accept(listener: TcpListener, relay: &'static Relay, world: World, show: Option<Show>) {
    let world = Arc::new(world);
    while let Ok((stream, _)) = listener.accept().await {
        let (world, show) = (Arc::clone(&world), show.clone());
        tokio::spawn(async move {
            let service = service_fn(move |request| {
                let (world, show) = (Arc::clone(&world), show.clone());
                async move { Ok::<_, std::convert::Infallible>(answer(relay, &world, request, show).await) }
            });
            // A broken connection is the client's problem.
            let _ = hyper::server::conn::http1::Builder::new().serve_connection(TokioIo::new(stream), service).await;
        });
    }
}

async fn answer(
    relay: &Relay,
    world: &World,
    request: Request<hyper::body::Incoming>,
    show: Option<Show>,
) -> Response<Full<Bytes>> {
    let request = request.map(|body| body.map_err(wasmtime_wasi_http::Error::Hyper));
    let (status, headers, body) = match relay.handle(world, request).await {
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
