//! Requests per second of one-alert deliveries, beside the floor with one outbound call, in one run.
//!
//! `cargo test --profile host --bench throughput` builds an optimised host first, which takes some minutes.
//! `cargo test --bench throughput` has the host of the tests, where each call between guest and host takes longer.
//!
//! Eight connections on loopback send a delivery as soon as the last one is answered. The host makes an instance for each
//! request, or reuses instances. PagerDuty is the mock on loopback, or is answered in the host's process. Senders, host
//! and mock share this machine. The rounds alternate, so that a disturbance affects both components.
//!
//! The last three columns are requests per second of this process's CPU time, where `/proc` has it: senders, host, mock and
//! guest together, without the time in which a core is idle.

use std::time::{Duration, Instant};

use bytes::Bytes;
use http_body_util::{BodyExt, Full};
use hyper::client::conn::http1;
use hyper_util::rt::TokioIo;
use pagerelay_e2e::build::{self, Flavour};
use pagerelay_e2e::pagerduty::{Answer, PagerDuty};
use pagerelay_e2e::runtime::{Call, Egress, Relay, World, relay};
use pagerelay_e2e::server::Server;
use pagerelay_e2e::{group, run};
use tokio::net::TcpStream;
use tokio::task::JoinSet;

/// How many connections send at the same time.
const CONNECTIONS: usize = 8;

/// How many deliveries each connection sends in a round.
const DELIVERIES: usize = 50;

/// How many rounds each component has.
const ROUNDS: usize = 9;

fn main() {
    let floor: &'static Relay =
        Box::leak(Box::new(Relay::from_file(build::floor(), Flavour::Spin).expect("the floor loads")));
    let relay = relay(Flavour::Spin);
    println!(
        "{:40} {:>8} {:>9} {:>6} {:>8} {:>9} {:>6}",
        "requests/s, median of the rounds", "floor", "pagerelay", "ratio", "floor", "pagerelay", "of CPU"
    );
    run(async {
        let pagerduty = PagerDuty::start().await;
        pagerduty.fault(None, Answer::say(202, r#"{"status":"success"}"#));
        for (egress, what) in [
            (Egress::Double(pagerduty.address()), "the mock on loopback"),
            (Egress::Accepted, "answered in the host's process"),
        ] {
            let world = World { egress, ..World::new("https://events.pagerduty.com/v2/enqueue") };
            for reuses in [false, true] {
                let mut rates: [[Vec<f64>; 2]; 2] = Default::default();
                let mut servers = Vec::new();
                for component in [floor, relay] {
                    servers.push(if reuses {
                        Server::reusing(component, world.clone()).await.expect("a free port")
                    } else {
                        Server::start(component, world.clone(), 0, None).await.expect("a free port")
                    });
                }
                // The first round is a warm-up.
                for round in 0..=ROUNDS {
                    for (server, rates) in servers.iter().zip(&mut rates) {
                        let before = cpu();
                        let took = [deliver(server).await.as_secs_f64(), cpu() - before];
                        // The mock keeps what it received.
                        pagerduty.take_received();
                        if round > 0 {
                            for (rates, took) in rates.iter_mut().zip(took) {
                                rates.push((CONNECTIONS * DELIVERIES) as f64 / took);
                            }
                        }
                    }
                }
                let [[floor, cpu_floor], [relay, cpu_relay]] = rates.map(|rates| rates.map(median));
                let what = format!("{what}, {}", if reuses { "reused" } else { "fresh" });
                println!(
                    "{what:40} {floor:8.0} {relay:9.0} {:6.2} {cpu_floor:8.0} {cpu_relay:9.0} {:6.2}",
                    relay / floor,
                    cpu_relay / cpu_floor
                );
            }
        }
    });
}

fn median(mut rates: Vec<f64>) -> f64 {
    rates.sort_unstable_by(f64::total_cmp);
    rates[rates.len() / 2]
}

/// The CPU time of this process so far, in seconds (proc_pid_stat(5), fields 14 and 15, in hundredths).
fn cpu() -> f64 {
    let stat = std::fs::read_to_string("/proc/self/stat").unwrap_or_default();
    // The second field, in parentheses, may contain spaces.
    let rest = stat.rsplit_once(')').map_or("", |(_, rest)| rest);
    let ticks = rest.split_whitespace().skip(11).take(2).filter_map(|ticks| ticks.parse::<f64>().ok());
    ticks.sum::<f64>() / 100.0
}

/// Sends a round of deliveries. Returns how long it took.
async fn deliver(server: &Server) -> Duration {
    let started = Instant::now();
    let mut senders = JoinSet::new();
    for _ in 0..CONNECTIONS {
        let address = server.address;
        senders.spawn(async move {
            let stream = TcpStream::connect(address).await.expect("the server listens");
            stream.set_nodelay(true).expect("a connected socket");
            let (mut sender, connection) = http1::handshake(TokioIo::new(stream)).await.expect("it speaks http");
            let connection = tokio::spawn(connection);
            let call = Call::post("/alertmanager", group(1));
            for _ in 0..DELIVERIES {
                let mut request = hyper::Request::post(&call.path).header("host", "relay.test");
                for (name, value) in &call.headers {
                    request = request.header(name, value.as_slice());
                }
                let request = request.body(Full::new(Bytes::clone(&call.body))).expect("a request");
                let response = sender.send_request(request).await.expect("the server answers");
                assert_eq!(response.status(), 200);
                response.collect().await.expect("a whole response");
            }
            drop(sender);
            connection.await.expect("the connection ends").expect("without an error");
        });
    }
    senders.join_all().await;
    started.elapsed()
}
