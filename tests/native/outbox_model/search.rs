//! The search through every state that can be reached, nearest first.

use std::collections::HashSet;
use std::fmt::Write;

use super::invariants::{INVARIANTS, Transition};
use super::state::State;
use super::steps::{self, Step};
use super::world::World;

/// What a search has found.
#[derive(Debug, Default)]
pub(super) struct Found {
    pub(super) states: usize,
    /// The states in which everybody has ended.
    pub(super) ends: usize,
    /// The ends in which the alert is not as its newest event says, or was closed wrongly on the way.
    pub(super) bad_ends: usize,
    /// For each invariant, the shortest way to break it.
    pub(super) broken: [Option<String>; INVARIANTS.len()],
}

impl Found {
    /// The numbers of the invariants that do not hold.
    pub(super) fn numbers(&self) -> Vec<u8> {
        let broken = INVARIANTS.iter().zip(&self.broken).filter(|(_, path)| path.is_some());
        let mut numbers: Vec<u8> = broken.map(|(invariant, _)| invariant.number).collect();
        numbers.dedup();
        numbers
    }

    /// The shortest ways to break invariants, for people.
    pub(super) fn told(&self) -> String {
        let broken = INVARIANTS.iter().zip(&self.broken);
        let lines = broken.filter_map(|(invariant, path)| {
            Some(format!("invariant {}, {}:\n{}", invariant.number, invariant.name, path.as_ref()?))
        });
        lines.collect()
    }
}

/// Visits every state that can be reached.
pub(super) fn search(world: &World) -> Found {
    let mut found = Found::default();
    let first = State::first(world);
    // Each state in the order in which it was found, with its predecessor and the step from there.
    let mut states: Vec<(State, Option<(usize, Step)>)> = vec![(first, None)];
    let mut known = HashSet::from([first.in_order()]);
    let mut at = 0;
    while at < states.len() {
        let before = states[at].0;
        for (step, after) in steps::next(world, &before) {
            let transition = Transition { world, before: &before, step, after: &after };
            for (broken, invariant) in found.broken.iter_mut().zip(&INVARIANTS) {
                if broken.is_none() && !(invariant.holds)(&transition) {
                    *broken = Some(path(&states, at, step));
                }
            }
            if !known.insert(after.in_order()) {
                continue;
            }
            states.push((after, Some((at, step))));
            if after.is_end() {
                found.ends += 1;
                let of_alert = INVARIANTS.iter().filter(|invariant| invariant.number == 3);
                found.bad_ends += usize::from(!of_alert.into_iter().all(|invariant| (invariant.holds)(&transition)));
            }
        }
        at += 1;
    }
    found.states = states.len();
    found
}

/// The steps to a state, and one more, a line each.
fn path(states: &[(State, Option<(usize, Step)>)], mut at: usize, last: Step) -> String {
    let mut steps = vec![last];
    while let (_, Some((before, step))) = states[at] {
        steps.push(step);
        at = before;
    }
    let mut told = String::new();
    for Step { who, what, sent } in steps.into_iter().rev() {
        let event = sent.map(|event| format!(" ({event})")).unwrap_or_default();
        writeln!(told, "  {who:?} {what}{event}").expect("memory");
    }
    told
}
