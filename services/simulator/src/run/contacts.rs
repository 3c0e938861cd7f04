//! Customers come, wait, are turned away, leave, and come again.

use engine::Event;
use engine::contact::{ContactState, NewContact};
use engine::ids::{At, ContactId};
use uuid::Uuid;

use super::{Broken, Caller, Live, Stands, What, World, micros, seconds};
use crate::chance::uniform;
use crate::tally::Sum;

impl World<'_> {
    /// A contact comes for the first time.
    pub(super) fn come(&mut self, kind: u32) -> Result<(), Broken> {
        let number = kind as usize;
        for _ in 0..self.sources[number].batch() {
            let handling = self.plan.types[number].handling.draw(&mut self.handling[number]);
            self.enter(Caller { kind, tries: 0, handling })?;
        }
        self.plan_next(number, seconds(self.now));
        Ok(())
    }

    pub(super) fn again(&mut self, caller: u32) -> Result<(), Broken> {
        let Some(caller) = self.callers[caller as usize].take().inspect(|_| self.free_callers.push(caller)) else {
            return Ok(());
        };
        self.enter(caller)
    }

    /// A contact comes: it is taken at once, waits, or is turned away.
    pub(super) fn enter(&mut self, caller: Caller) -> Result<(), Broken> {
        let number = caller.kind as usize;
        let plan = self.plan;
        let kind = &plan.types[number];
        self.serial += 1;
        let fresh = caller.tries == 0;
        // Drawn whether or not they are needed, so that every policy meets the same customers.
        let patience = kind.patience.as_ref().map(|patience| {
            let stream = if fresh { &mut self.patience[number] } else { &mut self.retrials[number] };
            patience.draw(stream)
        });
        let balks = kind.balk > 0.0 && {
            let stream = if fresh { &mut self.balking[number] } else { &mut self.retrials[number] };
            uniform(stream) < kind.balk
        };
        let came = seconds(self.now);
        self.ledger.count(number, came, &[(Sum::Offered, 1.0), (Sum::Retried, if fresh { 0.0 } else { 1.0 })]);
        if self.inside >= plan.lines {
            self.ledger.count(number, came, &[(Sum::Blocked, 1.0)]);
            self.comes_again(caller, kind.retry.as_ref().is_some_and(|retry| retry.blocked));
            return Ok(());
        }
        let live = Live {
            kind: caller.kind,
            serial: self.serial,
            came: self.now,
            tries: caller.tries,
            handling: caller.handling,
            stands: Stands::Waiting,
            waited: false,
            left: 0,
            since: None,
            turn: 0,
        };
        let slot = match self.free.pop() {
            Some(slot) => {
                self.live[slot as usize] = Some(live);
                slot
            }
            None => {
                self.live.push(Some(live));
                (self.live.len() - 1) as u32
            }
        };
        self.inside += 1;
        self.waiting[number] += 1;
        self.waiting_all += 1;
        if self.ledger.observation(came).is_some() {
            self.watched += 1;
        }
        let serial = live.serial;
        let at = At(self.now);
        let id = ContactId(Uuid::from_u64_pair(serial, u64::from(slot)));
        let new = NewContact {
            id,
            seller: self.sellers[kind.seller],
            ticket: None,
            number: String::new(),
            needs: self.needs[number].clone(),
            priority: kind.priority,
            waiting_since: at,
            due_at: At(self.now + micros(kind.promise)),
            preferred: None,
        };
        self.tell(Event::Enqueue(Box::new(new)))?;
        let Some(live) = self.live[slot as usize].as_mut().filter(|live| live.serial == serial) else { return Ok(()) };
        if live.stands == Stands::Waiting {
            live.waited = true;
            let full = self.waiting[number] > kind.waiting_places || self.waiting_all > plan.waiting_places;
            if full || balks {
                let (sum, end) = match full {
                    true => (Sum::Blocked, ContactState::Overflowed),
                    false => (Sum::Balked, ContactState::Abandoned),
                };
                self.ledger.count(number, came, &[(sum, 1.0)]);
                self.forget(slot as usize);
                self.tell(Event::Withdraw { contact: id, end, reason: String::new() })?;
                let again = kind.retry.as_ref().is_some_and(|r| if full { r.blocked } else { r.balked });
                self.comes_again(caller, again);
                return Ok(());
            }
        }
        if !matches!(live.stands, Stands::Working(_))
            && let Some(patience) = patience.filter(|patience| patience.is_finite())
        {
            self.plan_at(self.now.saturating_add(micros(patience)), What::Leave(slot, serial));
        }
        Ok(())
    }

    /// Somebody who was turned away may come again later.
    pub(super) fn comes_again(&mut self, caller: Caller, may: bool) {
        let plan = self.plan;
        let Some(retry) = plan.types[caller.kind as usize].retry.as_ref().filter(|_| may) else { return };
        let stream = &mut self.retrials[caller.kind as usize];
        if caller.tries >= retry.most || uniform(stream) >= retry.probability {
            return;
        }
        let at = self.now.saturating_add(micros(retry.after.draw(stream)));
        if seconds(at) >= self.limit() {
            return;
        }
        let caller = Caller { tries: caller.tries + 1, ..caller };
        let place = match self.free_callers.pop() {
            Some(place) => {
                self.callers[place as usize] = Some(caller);
                place
            }
            None => {
                self.callers.push(Some(caller));
                (self.callers.len() - 1) as u32
            }
        };
        self.plan_at(at, What::Again(place));
    }

    /// Takes a contact that waits out of the books.
    pub(super) fn forget(&mut self, slot: usize) -> Option<Live> {
        let live = self.live[slot].take()?;
        self.free.push(slot as u32);
        self.inside -= 1;
        if !matches!(live.stands, Stands::Working(_)) {
            self.waits_no_more(&live);
        }
        if let Stands::Ringing(person, _) = live.stands {
            self.people[person as usize].ringing = false;
        }
        if self.ledger.observation(seconds(live.came)).is_some() {
            self.watched -= 1;
        }
        Some(live)
    }

    pub(super) fn waits_no_more(&mut self, live: &Live) {
        self.waiting[live.kind as usize] -= 1;
        self.waiting_all -= 1;
        if self.now > live.came {
            self.ledger.queued(live.kind as usize, seconds(live.came), seconds(self.now));
        }
    }

    /// The customer has waited long enough.
    pub(super) fn leave(&mut self, slot: u32, serial: u64) -> Result<(), Broken> {
        let slot = slot as usize;
        // What the engine does by itself at this very moment happens first: it may have expired.
        if self.live[slot].is_some_and(|live| live.serial == serial)
            && self.engine.next_due().is_some_and(|due| due.0 <= self.now)
        {
            self.tell(Event::Tick)?;
        }
        let Some(live) = self.live[slot].filter(|live| live.serial == serial) else { return Ok(()) };
        if matches!(live.stands, Stands::Working(_)) {
            return Ok(());
        }
        let contact = ContactId(Uuid::from_u64_pair(serial, slot as u64));
        self.gave_up(slot);
        self.tell(Event::Withdraw { contact, end: ContactState::Abandoned, reason: String::new() })
    }

    pub(super) fn gave_up(&mut self, slot: usize) {
        let Some(live) = self.forget(slot) else { return };
        let kind = live.kind as usize;
        let waited = seconds(self.now - live.came);
        let late = waited > self.plan.types[kind].answer_within;
        self.ledger.count(
            kind,
            seconds(live.came),
            &[
                (Sum::Abandoned, 1.0),
                (Sum::AbandonedLate, if late { 1.0 } else { 0.0 }),
                (Sum::Waited, 1.0),
                (Sum::WaitEntered, waited),
            ],
        );
        let again = self.plan.types[kind].retry.as_ref().is_some_and(|retry| retry.abandoned);
        self.comes_again(Caller { kind: live.kind, tries: live.tries, handling: live.handling }, again);
    }
}
