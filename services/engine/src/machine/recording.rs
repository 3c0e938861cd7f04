//! Keeps what the engine is told, until somebody takes it, and tells it again.

use super::{Changes, Engine, Event};
use crate::ids::At;
use crate::journal::{Entry, Round, nameless_event};

impl Engine {
    /// Keeps what it is told from now on.
    pub fn record(&mut self) {
        self.recorded = Some(Vec::new());
    }

    /// What it was told since the last call.
    pub fn take_recorded(&mut self) -> Vec<Round> {
        self.recorded.as_mut().map(std::mem::take).unwrap_or_default()
    }

    /// Whether the time alone would change anything: something is due, or an
    /// engine that has just begun has not settled yet.
    pub(super) fn stirs(&self, at: At) -> bool {
        self.next_due().is_some_and(|due| due <= at.max(self.now))
            || !(self.to_place.is_empty() && self.to_feed.is_empty() && self.to_retry.is_empty())
    }

    /// Notes an event that was told now; of one that was refused, only what it
    /// may have stirred. A tick that stirs nothing is none.
    pub(super) fn note_event(&mut self, event: &Event, stirred: bool, refused: bool) {
        let alive = match event {
            Event::Heartbeat { agent, .. } => self.agent_index.get(agent).copied().filter(|_| !refused),
            _ => None,
        };
        let idle = matches!(event, Event::Tick | Event::Heartbeat { .. }) && alive.is_none();
        if idle && !stirred {
            return;
        }
        let Some(round) = self.recorded_round() else { return };
        match (alive, round.entries.last_mut()) {
            (Some(agent), Some(Entry::Alive(agents))) => agents.push(agent),
            (Some(agent), _) => round.entries.push(Entry::Alive(vec![agent])),
            (None, _) if idle => round.entries.push(Entry::Event(Event::Tick)),
            (None, _) => round.entries.push(Entry::Event(nameless_event(event))),
        }
    }

    /// The round that what is told now belongs to.
    fn recorded_round(&mut self) -> Option<&mut Round> {
        let (at, together) = (self.now, self.deferred);
        let rounds = self.recorded.as_mut()?;
        let goes_on = rounds.last().is_some_and(|last| last.at == at && last.together == together);
        if !goes_on || together && !self.gathers {
            rounds.push(Round { at, together, entries: Vec::new() });
        }
        self.gathers = together;
        rounds.last_mut()
    }

    /// Notes that work is given out at the end of several events.
    pub(super) fn note_giving(&mut self, at: At) {
        if self.recorded.is_some() && !self.gathers && self.stirs(at) {
            self.now = self.now.max(at);
            self.recorded_round();
        }
        self.gathers = false;
    }

    /// Is told again what was recorded; what changes is taken as ever.
    pub fn play(&mut self, round: Round) {
        if round.together {
            self.gather();
        }
        for entry in round.entries {
            match entry {
                // what was refused then is refused again
                Entry::Event(event) => drop(self.apply(round.at, event)),
                Entry::Alive(agents) => {
                    self.advance(round.at);
                    for agent in agents {
                        if let Some(slot) = self.agents.get_mut(agent as usize) {
                            slot.session.seen_at = self.now;
                        }
                    }
                }
            }
        }
        if round.together {
            self.give_out(round.at);
        }
    }

    /// Is told again what was recorded; answers what changed.
    pub fn replay(&mut self, rounds: Vec<Round>) -> Changes {
        rounds.into_iter().for_each(|round| self.play(round));
        self.take_changes()
    }
}
