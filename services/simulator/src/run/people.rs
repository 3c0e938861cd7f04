//! Agents take what they are offered, work, finish, come and go.

use engine::agent::Presence;
use engine::ids::{ContactId, OfferId};
use engine::needs::{Channel, Channels};
use engine::{Completion, Event};
use uuid::Uuid;

use super::{Broken, Live, Person, Stands, What, World, micros, seconds};
use crate::chance::{Purpose, stream};
use crate::tally::Sum;

impl World<'_> {
    /// A slow agent takes what she is offered.
    pub(super) fn take(&mut self, slot: u32, serial: u64, offer: OfferId) -> Result<(), Broken> {
        let slot = slot as usize;
        let Some(live) = self.live[slot].filter(|live| live.serial == serial) else { return Ok(()) };
        // It may have been taken back and offered anew meanwhile: that offer has its own time.
        let Stands::Ringing(person, rings) = live.stands else { return Ok(()) };
        if rings != offer || self.engine.offer(offer).is_none() {
            return Ok(());
        }
        self.accept(slot, person as usize, offer)?;
        self.tell(Event::Tick)
    }

    /// An agent takes an offer and begins.
    pub(super) fn accept(&mut self, slot: usize, person: usize, offer: OfferId) -> Result<(), Broken> {
        let agent = self.people[person].id;
        self.apply(Event::Accept { agent, epoch: None, offer })?;
        let Some(live) = self.live[slot] else { return Ok(()) };
        let kind = live.kind as usize;
        let team = self.people[person].team;
        let waited = seconds(self.now - live.came);
        let good = waited <= self.plan.types[kind].answer_within;
        self.waits_no_more(&live);
        let handling = self.handling_of(&live, team);
        let had_to_wait = live.waited || self.now > live.came;
        self.ledger.count(
            kind,
            seconds(live.came),
            &[
                (Sum::Served, 1.0),
                (Sum::Good, if good { 1.0 } else { 0.0 }),
                (Sum::Waited, if had_to_wait { 1.0 } else { 0.0 }),
                (Sum::WaitServed, waited),
                (Sum::WaitEntered, waited),
                (Sum::Handling, handling),
            ],
        );
        self.ledger.wait(kind, seconds(live.came), waited);
        self.clock(person);
        self.people[person].ringing = false;
        self.people[person].jobs.push(slot as u32);
        if let Some(live) = &mut self.live[slot] {
            live.stands = Stands::Working(person as u32);
            live.left = micros(handling).max(1);
        }
        self.go_on(person);
        Ok(())
    }

    pub(super) fn handling_of(&mut self, live: &Live, team: u32) -> f64 {
        let group = &self.plan.groups[team as usize];
        let Some(own) = group.handling.get(&(live.kind as usize)) else { return live.handling / group.speed };
        let (seed, replication) = (self.plan.seed, self.replication);
        let subject = (u64::from(team) + 1) << 32 | u64::from(live.kind);
        let stream = self
            .special
            .entry((team, live.kind))
            .or_insert_with(|| stream(seed, replication, Purpose::Handling, subject));
        own.draw(stream)
    }

    /// Books an agent's time up to now.
    pub(super) fn clock(&mut self, person: usize) {
        let who = &self.people[person];
        if who.here && self.now > who.since {
            let capacity = f64::from(self.plan.groups[who.team as usize].capacity);
            let units: u32 = who.jobs.iter().filter_map(|slot| self.channel(*slot)).map(Channel::units).sum();
            let used = (f64::from(units) / capacity).min(1.0);
            let (team, since) = (who.team as usize, who.since);
            let busy = !who.jobs.is_empty();
            self.ledger.worked(team, seconds(since), seconds(self.now), busy, used);
        }
        self.people[person].since = self.now;
    }

    pub(super) fn channel(&self, slot: u32) -> Option<Channel> {
        self.live[slot as usize].map(|live| self.plan.types[live.kind as usize].channel)
    }

    /// Lets an agent's work go on or stand still: work that can wait gives way
    /// to live work where both do not fit.
    pub(super) fn go_on(&mut self, person: usize) {
        let who = &self.people[person];
        let capacity = self.plan.groups[who.team as usize].capacity;
        let units: u32 = who.jobs.iter().filter_map(|slot| self.channel(*slot)).map(Channel::units).sum();
        let crowded = units > capacity;
        for i in 0..self.people[person].jobs.len() {
            let slot = self.people[person].jobs[i];
            let stands_still = crowded && self.channel(slot).is_some_and(|channel| !channel.is_live());
            let now = self.now;
            let Some(live) = self.live[slot as usize].as_mut() else { continue };
            match (stands_still, live.since) {
                (true, Some(since)) => {
                    live.left -= now - since;
                    live.since = None;
                    live.turn += 1;
                }
                (false, None) => {
                    live.since = Some(now);
                    live.turn += 1;
                    let (at, what) = (now.saturating_add(live.left), What::Finish(slot, live.serial, live.turn));
                    self.plan_at(at, what);
                }
                _ => {}
            }
        }
    }

    /// Work on a contact ends.
    pub(super) fn finish(&mut self, slot: u32, serial: u64, turn: u32) -> Result<(), Broken> {
        let current = self.live[slot as usize].filter(|live| live.serial == serial && live.turn == turn);
        let Some(Stands::Working(person)) = current.map(|live| live.stands) else { return Ok(()) };
        let person = person as usize;
        self.clock(person);
        self.people[person].jobs.retain(|other| *other != slot);
        self.forget(slot as usize);
        let contact = ContactId(Uuid::from_u64_pair(serial, u64::from(slot)));
        let agent = self.people[person].id;
        if self.people[person].leaving && self.people[person].jobs.is_empty() {
            self.people[person].here = false;
            self.people[person].leaving = false;
        }
        self.go_on(person);
        self.tell(Event::Complete { agent, epoch: None, contact, completion: Completion::Done })
    }

    /// The agents of a group are so many from now on.
    pub(super) fn staff(&mut self, group: u32, wanted: u32) -> Result<(), Broken> {
        let range = self.teams[group as usize].clone();
        let stays = |who: &Person| who.here && !who.leaving;
        let there = self.people[range.clone()].iter().filter(|who| stays(who)).count();
        let wanted = wanted as usize;
        for _ in there..wanted {
            let away = range.clone().find(|n| !self.people[*n].here);
            if let Some(person) = away {
                self.clock(person);
                self.people[person].here = true;
                let agent = self.people[person].id;
                let presence = Some(Presence::Available);
                self.tell(Event::Hello { agent, resume: 0, presence, reason: String::new(), channels: Channels::ALL })?;
            } else if let Some(person) = range.clone().find(|n| self.people[*n].leaving) {
                self.people[person].leaving = false;
                self.be(person, Presence::Available)?;
            }
        }
        for _ in wanted..there {
            let idle = |who: &Person| stays(who) && who.jobs.is_empty();
            let person = range.clone().rev().find(|n| idle(&self.people[*n]) && !self.people[*n].ringing);
            if let Some(person) = person {
                self.clock(person);
                self.people[person].here = false;
                self.be(person, Presence::Offline)?;
            } else if let Some(person) = range.clone().rev().find(|n| stays(&self.people[*n])) {
                self.people[person].leaving = true;
                self.be(person, Presence::Draining)?;
                if self.people[person].jobs.is_empty() {
                    // What rang was taken back, and the engine let her go at once.
                    self.clock(person);
                    self.people[person].here = false;
                    self.people[person].leaving = false;
                }
            }
        }
        Ok(())
    }

    pub(super) fn be(&mut self, person: usize, presence: Presence) -> Result<(), Broken> {
        let agent = self.people[person].id;
        self.tell(Event::Presence { agent, epoch: None, presence, reason: String::new() })
    }
}
