//! The scheduler of outbound requests: which lane sends when.
//!
//! It knows neither WASI nor PagerDuty. What carries a request is a [`Wire`]: the component's is WASI, the tests' a script
//! with a clock of its own.

use std::time::Duration;

use super::{HttpRequest, HttpResponse, Next, SendError, Step};

/// How many requests are under way at the same time.
pub const IN_FLIGHT_MAX: usize = 64;

/// What carries requests, and a clock.
pub trait Wire {
    /// A request under way.
    type Exchange;

    /// The time since our own request arrived.
    fn elapsed(&self) -> Duration;

    /// Starts a request that may take as long as `left`, which is not zero.
    ///
    /// # Errors
    /// Returns [`SendError`] if the request cannot be started; that is then its answer.
    fn start(&mut self, outbound: HttpRequest, left: Duration) -> Result<Self::Exchange, SendError>;

    /// Takes a request as far as it goes without waiting; its answer, once that is there.
    fn advance(&mut self, exchange: &mut Self::Exchange) -> Option<Result<HttpResponse, SendError>>;

    /// Waits until one of `running` can go on, or until the clock shows `until`.
    fn wait(&mut self, running: &[&Self::Exchange], until: Duration);
}

/// Runs rows of requests as [`Host::exchange`](super::Host::exchange) says.
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
        if scheduler.has_more_to_ask() {
            continue;
        }
        if scheduler.running.is_empty() && scheduler.paused.is_empty() {
            return;
        }
        let running: Vec<&W::Exchange> = scheduler.running.iter().map(|(_, exchange)| exchange).collect();
        wire.wait(&running, scheduler.next_start().unwrap_or(deadline).min(deadline));
    }
    scheduler.end(deadline, step);
}

/// An answer for a lane; none for its first request.
type Answer = Option<Result<HttpResponse, SendError>>;

struct Scheduler<E> {
    /// The lanes that have not begun.
    waiting: std::ops::Range<usize>,
    running: Vec<(usize, E)>,
    /// The lanes whose next request is known and not yet started, in their order.
    paused: Vec<(usize, Next)>,
    /// What the lanes have not been told yet.
    answers: Vec<(usize, Answer)>,
}

impl<E> Scheduler<E> {
    /// Tells the lanes their answers, and asks what follows.
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

    /// Starts what is due, in the order of the lanes: the most severe are first.
    fn start(&mut self, wire: &mut impl Wire<Exchange = E>, elapsed: Duration, deadline: Duration) {
        let mut later = Vec::new();
        for (lane, next) in std::mem::take(&mut self.paused) {
            if next.not_before > elapsed || !self.has_room() {
                later.push((lane, next));
                continue;
            }
            match wire.start(next.outbound, deadline.saturating_sub(elapsed)) {
                Ok(exchange) => self.running.push((lane, exchange)),
                Err(error) => self.answers.push((lane, Some(Err(error)))),
            }
        }
        self.paused = later;
    }

    fn advance(&mut self, wire: &mut impl Wire<Exchange = E>) {
        let answers = &mut self.answers;
        self.running.retain_mut(|(lane, exchange)| match wire.advance(exchange) {
            Some(answer) => {
                answers.push((*lane, Some(answer)));
                false
            }
            None => true,
        });
    }

    fn has_room(&self) -> bool {
        self.running.len() < IN_FLIGHT_MAX
    }

    /// Whether a lane is to be asked at once.
    fn has_more_to_ask(&self) -> bool {
        !self.answers.is_empty() || self.has_room() && !self.waiting.is_empty()
    }

    /// When the next pause ends. Without room for it, a lane whose pause is over waits for another to end, not for its
    /// time.
    fn next_start(&self) -> Option<Duration> {
        self.paused.iter().filter(|_| self.has_room()).map(|(_, next)| next.not_before).min()
    }

    /// The deadline has come: what is still running is dropped with its answer not known, and nothing follows.
    fn end(self, deadline: Duration, step: Step<'_>) {
        let late = self.running.into_iter().map(|(lane, _)| (lane, Some(Err(SendError::Deadline))));
        for (lane, answer) in self.answers.into_iter().chain(late) {
            step(lane, deadline, answer);
        }
    }
}
