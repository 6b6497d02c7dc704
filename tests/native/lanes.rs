//! The scheduler of outbound requests, with a clock that advances only while it waits.

use std::collections::BTreeMap;
use std::time::Duration;

use pagerelay::http::Url;
use pagerelay::runtime::lanes::{self, IN_FLIGHT_MAX, Wire};
use pagerelay::runtime::{HttpRequest, HttpResponse, Next, SendError};

/// A wire with scripted durations per path. The default is ten milliseconds.
#[derive(Default)]
struct Script {
    now: Duration,
    takes: BTreeMap<String, Duration>,
    /// The paths whose requests cannot be started.
    fails: Vec<&'static str>,
    /// The started requests, in order, with their times.
    started: Vec<(String, Duration)>,
    in_flight: usize,
    most_in_flight: usize,
    waits: usize,
}

struct Running {
    ready: Duration,
}

impl Wire for Script {
    type Exchange = Running;

    fn elapsed(&self) -> Duration {
        self.now
    }

    fn start(&mut self, outbound: HttpRequest, left: Duration) -> Result<Running, SendError> {
        assert!(left > Duration::ZERO, "nothing is started without time");
        let path = outbound.url.path;
        self.started.push((path.clone(), self.now));
        if self.fails.contains(&path.as_str()) {
            return Err(SendError::Denied);
        }
        self.in_flight += 1;
        self.most_in_flight = self.most_in_flight.max(self.in_flight);
        let takes = self.takes.get(&path).copied().unwrap_or(Duration::from_millis(10));
        Ok(Running { ready: self.now + takes })
    }

    fn advance(&mut self, exchange: &mut Running) -> Option<Result<HttpResponse, SendError>> {
        (exchange.ready <= self.now).then(|| {
            self.in_flight -= 1;
            Ok(HttpResponse { status: 202, retry_after: None, body: Vec::new() })
        })
    }

    fn wait(&mut self, running: &[&Running], until: Duration) {
        self.waits += 1;
        let soonest = running.iter().map(|exchange| exchange.ready).min().unwrap_or(until).min(until);
        assert!(soonest > self.now, "waiting makes time pass, or the scheduler would spin");
        self.now = soonest;
    }
}

fn millis(millis: u64) -> Duration {
    Duration::from_millis(millis)
}

fn get(path: &str, not_before: Duration) -> Option<Next> {
    let url = Url { https: true, authority: "events.pagerduty.com".to_owned(), path: path.to_owned() };
    Some(Next { outbound: HttpRequest::get(url), not_before, until: None })
}

const DEADLINE: Duration = Duration::from_secs(10);

#[test]
fn no_more_than_the_cap_are_under_way_and_every_lane_is_answered() {
    let mut script = Script::default();
    let mut answered = [false; 200];
    lanes::exchange(&mut script, 200, DEADLINE, &mut |lane, _, answer| match answer {
        None => get(&lane.to_string(), Duration::ZERO),
        Some(answer) => {
            assert_eq!(answer.map(|answer| answer.status), Ok(202));
            answered[lane] = true;
            None
        }
    });
    assert_eq!(script.most_in_flight, IN_FLIGHT_MAX);
    assert!(answered.iter().all(|answered| *answered));
}

#[test]
fn lanes_start_in_order_when_not_all_fit() {
    let mut script = Script::default();
    lanes::exchange(&mut script, 150, DEADLINE, &mut |lane, _, answer| {
        if answer.is_none() { get(&format!("{lane:03}"), Duration::ZERO) } else { None }
    });
    let paths: Vec<&String> = script.started.iter().map(|(path, _)| path).collect();
    assert_eq!(paths.len(), 150);
    assert!(paths.is_sorted(), "{paths:?}");
}

#[test]
fn the_requests_of_a_lane_go_one_after_the_other_while_lanes_go_together() {
    let mut script = Script::default();
    let mut sent = [0; 2];
    lanes::exchange(&mut script, 2, DEADLINE, &mut |lane, _, _| {
        sent[lane] += 1;
        if sent[lane] <= 3 { get(&format!("{lane}-{}", sent[lane]), Duration::ZERO) } else { None }
    });
    let at = |path: &str| script.started.iter().find(|(started, _)| started == path).map(|(_, at)| *at);
    for lane in 0..2 {
        assert_eq!(at(&format!("{lane}-1")), Some(millis(0)));
        assert_eq!(at(&format!("{lane}-2")), Some(millis(10)));
        assert_eq!(at(&format!("{lane}-3")), Some(millis(20)));
    }
}

#[test]
fn a_pause_is_kept_and_holds_no_other_lane() {
    let mut script = Script::default();
    lanes::exchange(&mut script, 2, DEADLINE, &mut |lane, elapsed, answer| match (lane, answer) {
        (0, None) => get("patient", millis(500)),
        (1, None) => get("prompt", elapsed),
        _ => None,
    });
    assert_eq!(script.started, [("prompt".to_owned(), millis(0)), ("patient".to_owned(), millis(500))]);
}

#[test]
fn a_lane_whose_pause_is_over_waits_for_room_without_spinning() {
    let mut script = Script::default();
    for lane in 0..IN_FLIGHT_MAX {
        script.takes.insert(lane.to_string(), millis(1000));
    }
    // The first answer asks to wait, and by then the maximum number of requests is running again.
    script.takes.insert("0".to_owned(), millis(1));
    let mut told = 0;
    lanes::exchange(&mut script, IN_FLIGHT_MAX + 1, DEADLINE, &mut |lane, elapsed, answer| match (lane, answer) {
        (lane, None) => get(&lane.to_string(), Duration::ZERO),
        (0, Some(_)) if told == 0 => {
            told += 1;
            get("0 again", elapsed + millis(5))
        }
        _ => None,
    });
    assert!(script.started.iter().any(|(path, _)| path == "0 again"));
    assert_eq!(script.most_in_flight, IN_FLIGHT_MAX);
    assert!(script.waits < 20, "{} waits", script.waits);
}

#[test]
fn what_is_under_way_at_the_deadline_is_answered_so_and_nothing_follows() {
    let mut script = Script::default();
    script.takes.insert("slow".to_owned(), millis(60_000));
    let mut told = Vec::new();
    lanes::exchange(&mut script, 2, millis(300), &mut |lane, elapsed, answer| match answer {
        None => get(if lane == 0 { "slow" } else { "quick" }, Duration::ZERO),
        Some(answer) => {
            told.push((lane, elapsed, answer.map(|answer| answer.status)));
            // Requested in vain after the deadline.
            if lane == 0 { get("more", Duration::ZERO) } else { None }
        }
    });
    assert_eq!(told, [(1, millis(10), Ok(202)), (0, millis(300), Err(SendError::Deadline))]);
    assert_eq!(script.started.len(), 2);
    assert_eq!(script.now, millis(300), "it does not wait any longer");
}

#[test]
fn an_answer_that_comes_with_the_deadline_is_still_told() {
    let mut script = Script::default();
    script.takes.insert("late".to_owned(), millis(299));
    let mut told = Vec::new();
    lanes::exchange(&mut script, 1, millis(300), &mut |_, elapsed, answer| match answer {
        None => get("late", Duration::ZERO),
        Some(answer) => {
            told.push((elapsed, answer.is_ok()));
            None
        }
    });
    assert_eq!(told, [(millis(299), true)]);
}

#[test]
fn a_pause_beyond_the_deadline_ends_with_it() {
    let mut script = Script::default();
    let mut asked = 0;
    lanes::exchange(&mut script, 1, millis(300), &mut |_, _, _| {
        asked += 1;
        get("never", millis(301))
    });
    assert_eq!((asked, script.started.len(), script.now), (1, 0, millis(300)));
}

#[test]
fn a_request_that_cannot_be_started_is_an_answer_and_its_lane_goes_on() {
    let mut script = Script { fails: vec!["denied"], ..Script::default() };
    let mut told = Vec::new();
    lanes::exchange(&mut script, 1, DEADLINE, &mut |_, _, answer| match answer {
        None => get("denied", Duration::ZERO),
        Some(Err(error)) => {
            told.push(error);
            get("allowed", Duration::ZERO)
        }
        Some(Ok(_)) => None,
    });
    assert_eq!(told, [SendError::Denied]);
    assert_eq!(script.started.len(), 2);
}

#[test]
fn a_request_with_its_own_end_is_given_up_then_and_holds_no_other_lane() {
    for (takes, not_before, elapsed) in [(5000, 0, 2000), (5000, 1999, 2000), (10, 3000, 2000)] {
        let mut script = Script::default();
        script.takes.insert("copy".to_owned(), millis(takes));
        script.takes.insert("event".to_owned(), millis(50));
        let mut told = Vec::new();
        lanes::exchange(&mut script, 2, DEADLINE, &mut |lane, elapsed, answer| match answer {
            None if lane == 0 => get("event", elapsed),
            None => get("copy", millis(not_before)).map(|next| Next { until: Some(millis(2000)), ..next }),
            Some(answer) => {
                told.push((lane, elapsed, answer.map(|answer| answer.status)));
                None
            }
        });
        assert_eq!(told, [(0, millis(50), Ok(202)), (1, millis(elapsed), Err(SendError::Deadline))]);
        assert_eq!(script.now, millis(elapsed), "it does not wait any longer");
    }
}

#[test]
fn an_own_end_that_is_over_or_behind_the_deadline_is_no_special_case() {
    let mut script = Script::default();
    script.takes.insert("slow".to_owned(), millis(60_000));
    let mut told = Vec::new();
    lanes::exchange(&mut script, 2, millis(300), &mut |lane, elapsed, answer| match answer {
        None if lane == 0 => get("slow", elapsed).map(|next| Next { until: Some(millis(400)), ..next }),
        None => get("never", elapsed).map(|next| Next { until: Some(Duration::ZERO), ..next }),
        Some(answer) => {
            told.push((lane, elapsed, answer.map(|answer| answer.status)));
            None
        }
    });
    assert_eq!(told, [(1, millis(0), Err(SendError::Deadline)), (0, millis(300), Err(SendError::Deadline))]);
    assert_eq!(script.started.len(), 1);
}

#[test]
fn no_lanes_and_no_time_are_no_work() {
    let mut script = Script::default();
    lanes::exchange(&mut script, 0, DEADLINE, &mut |_, _, _| panic!("nobody to ask"));
    lanes::exchange(&mut script, 3, Duration::ZERO, &mut |_, _, _| panic!("no time to ask in"));
    assert_eq!((script.started.len(), script.waits), (0, 0));
}
