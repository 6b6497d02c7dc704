//! The scheduler of outbound requests: it decides when each lane sends.
//!
//! It knows neither WASI nor PagerDuty. A [`Wire`] carries the requests: the component's wire is WASI, and the tests
//! use a script with its own clock.

use std::time::Duration;

use super::{HttpRequest, HttpResponse, Next, SendError, Step};

/// The largest number of concurrent requests.
pub const IN_FLIGHT_MAX: usize = 64;

/// The transport of requests, and a clock.
pub trait Wire {
    /// A running request.
    type Exchange;

    /// The time since our own request arrived.
    fn elapsed(&self) -> Duration;

    /// Starts a request with a timeout of `left`, which is never zero.
    ///
    /// # Errors
    /// Returns [`SendError`] if the request cannot be started. The lane gets it as its answer.
    fn start(&mut self, outbound: HttpRequest, left: Duration) -> Result<Self::Exchange, SendError>;

    /// Advances a request as far as possible without waiting. Returns its answer once it is complete.
    fn advance(&mut self, exchange: &mut Self::Exchange) -> Option<Result<HttpResponse, SendError>>;

    /// Waits until one of `running` can advance, or until the clock reaches `until`.
    fn wait(&mut self, running: &[&Self::Exchange], until: Duration);
}

/// Runs lanes of requests as [`Host::exchange`](super::Host::exchange) documents.
pub fn exchange<W: Wire>(wire: &mut W, lanes: usize, deadline: Duration, step: Step<'_>) {
    let mut scheduler = Scheduler { waiting: 0..lanes, running: Vec::new(), paused: Vec::new(), answers: Vec::new() };
    loop {
        let elapsed = wire.elapsed();
        if elapsed >= deadline {
            break;
        }
        scheduler.ask(elapsed, &mut *step);
        scheduler.start(wire, elapsed, deadline);
        scheduler.advance(wire);
        scheduler.give_up(elapsed);
        if scheduler.has_more_to_ask() {
            continue;
        }
        if scheduler.running.is_empty() && scheduler.paused.is_empty() {
            return;
        }
        let running: Vec<&W::Exchange> = scheduler.running.iter().map(|running| &running.exchange).collect();
        let next = [scheduler.next_start(), scheduler.next_end()].into_iter().flatten().min();
        wire.wait(&running, next.unwrap_or(deadline).min(deadline));
    }
    scheduler.end(deadline, step);
}

/// The last answer of a lane, or `None` before its first request.
type Answer = Option<Result<HttpResponse, SendError>>;

/// A running request of a lane.
struct Running<E> {
    lane: usize,
    exchange: E,
    /// When to give it up, if that is before the deadline.
    until: Option<Duration>,
}

struct Scheduler<E> {
    /// The lanes that have not started.
    waiting: std::ops::Range<usize>,
    running: Vec<Running<E>>,
    /// The lanes whose next request is known and not yet started, in order.
    paused: Vec<(usize, Next)>,
    /// The answers that `step` has not seen yet.
    answers: Vec<(usize, Answer)>,
}

impl<E> Scheduler<E> {
    /// Passes the answers to `step` and collects the next requests.
    fn ask(&mut self, elapsed: Duration, step: Step<'_>) {
        while self.running.len() + self.answers.len() < IN_FLIGHT_MAX {
            let Some(lane) = self.waiting.next() else { break };
            self.answers.push((lane, None));
        }
        for (lane, answer) in std::mem::take(&mut self.answers) {
            if let Some(next) = step(lane, elapsed, answer) {
                self.paused.push((lane, next));
            }
        }
    }

    /// Starts the requests that are due, in the order of the lanes: the most severe events are first.
    fn start(&mut self, wire: &mut impl Wire<Exchange = E>, elapsed: Duration, deadline: Duration) {
        let mut later = Vec::new();
        for (lane, next) in std::mem::take(&mut self.paused) {
            if next.not_before > elapsed || !self.has_room() {
                later.push((lane, next));
                continue;
            }
            let end = next.until.unwrap_or(deadline).min(deadline);
            if end <= elapsed {
                self.answers.push((lane, Some(Err(SendError::Deadline))));
                continue;
            }
            match wire.start(next.outbound, end.saturating_sub(elapsed)) {
                Ok(exchange) => self.running.push(Running { lane, exchange, until: next.until }),
                Err(error) => self.answers.push((lane, Some(Err(error)))),
            }
        }
        self.paused = later;
    }

    fn advance(&mut self, wire: &mut impl Wire<Exchange = E>) {
        let answers = &mut self.answers;
        self.running.retain_mut(|running| match wire.advance(&mut running.exchange) {
            Some(answer) => {
                answers.push((running.lane, Some(answer)));
                false
            }
            None => true,
        });
    }

    /// Drops the requests whose own time is over. Their results stay unknown.
    fn give_up(&mut self, elapsed: Duration) {
        let answers = &mut self.answers;
        let mut is_over = |lane: usize, until: Option<Duration>| {
            let over = until.is_some_and(|until| until <= elapsed);
            if over {
                answers.push((lane, Some(Err(SendError::Deadline))));
            }
            over
        };
        self.running.retain(|running| !is_over(running.lane, running.until));
        self.paused.retain(|(lane, next)| !is_over(*lane, next.until));
    }

    fn has_room(&self) -> bool {
        self.running.len() < IN_FLIGHT_MAX
    }

    /// Whether `step` can be called for some lane at once.
    fn has_more_to_ask(&self) -> bool {
        !self.answers.is_empty() || self.has_room() && !self.waiting.is_empty()
    }

    /// When the next pause ends. If the limit of concurrent requests is reached, a paused lane waits for another
    /// request to end, so its pause does not count.
    fn next_start(&self) -> Option<Duration> {
        self.paused.iter().filter(|_| self.has_room()).map(|(_, next)| next.not_before).min()
    }

    /// When the next request has to be given up.
    fn next_end(&self) -> Option<Duration> {
        let paused = self.paused.iter().map(|(_, next)| next.until);
        self.running.iter().map(|running| running.until).chain(paused).flatten().min()
    }

    /// Ends the exchange at the deadline: drops the running requests, whose results stay unknown, and starts no others.
    fn end(self, deadline: Duration, step: Step<'_>) {
        let late = self.running.into_iter().map(|running| (running.lane, Some(Err(SendError::Deadline))));
        for (lane, answer) in self.answers.into_iter().chain(late) {
            step(lane, deadline, answer);
        }
    }
}
