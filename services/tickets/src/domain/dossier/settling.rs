//! The clocks of a ticket, read anew from its history, and what follows from them.

use jiff::Timestamp;
use jiff::civil::Date;

use super::{Act, Clock, Dossier, Needs, Told};
use crate::domain::settings::Settings;
use crate::domain::sla::alert;
use crate::domain::sla::clock::{self, Hand, Reading, Verdict};
use crate::domain::sla::explain;
use crate::domain::sla::policy::{About, Family};
use crate::domain::ticket::{Kind, Priority};

impl Dossier {
    /// The seller's date at a second since 1970.
    pub fn local_date(&self, second: i64) -> Date {
        let at = Timestamp::from_second(second).unwrap_or(Timestamp::MAX);
        self.zone.to_datetime(at).date()
    }

    /// What decides the promises about it.
    pub fn about(&self) -> About<'_> {
        About {
            channel: &self.ticket.channel,
            priority: self.ticket.priority,
            marketplace: &self.ticket.marketplace,
            country: &self.ticket.country,
            language: self.ticket.language.as_deref(),
            tier: &self.ticket.tier,
            begun: self.ticket.created_at.as_second(),
        }
    }

    /// Reads the clocks at a moment and writes down what changed. A clock that was settled stays as it
    /// is; one that the policy no longer knows goes, unless it was settled.
    pub fn settle(&mut self, settings: &Settings, now: Timestamp) {
        self.zone = settings.zone.clone();
        self.settle_once(settings, now);
        // A share that is used up may raise the priority, and another priority may have other promises; each
        // share is warned of once, so this ends.
        while self.raise(now) {
            self.settle_once(settings, now);
        }
        self.tell_of_work(now);
    }

    /// Raises the priority as the newest alerts ask; says whether it was lower. What runs keeps the target it
    /// began with: a warning that made a target shorter would cause the miss it warns of.
    fn raise(&mut self, now: Timestamp) -> bool {
        let asked = self.alerts.iter().filter_map(|alert| alert.priority).max();
        let Some(priority) = asked.filter(|asked| self.ticket.priority < *asked) else { return false };
        let before = self.ticket.priority;
        self.ticket.priority = priority;
        let written = self.mark(Act { user: None, at: now }, Kind::Prioritized, true, priority.name()).is_ok();
        if !written {
            self.ticket.priority = before;
        }
        written
    }

    /// Tells routing what it does not know of the open work, once for all that happened since it was read.
    fn tell_of_work(&mut self, now: Timestamp) {
        let Some(open) = self.ticket.contact.filter(|_| !self.ticket.historical) else { return };
        let needs = Needs::of(&self.ticket);
        let changed = needs != self.known;
        let told = self.told.iter_mut().find_map(|told| match told {
            Told::NeedsWork { contact, due_at, wrote_again, changed, .. } if contact.id == open.id => {
                Some((contact, due_at, wrote_again, changed))
            }
            _ => None,
        });
        match told {
            Some((contact, due_at, wrote_again, told_changed)) => {
                (*contact, *due_at) = (open, needs.due_at);
                // of work that has only just begun there is nothing more to say
                if *wrote_again || *told_changed {
                    *wrote_again |= self.has_news;
                    *told_changed |= changed;
                }
            }
            None if self.has_news || changed => {
                let (due_at, wrote_again) = (needs.due_at, self.has_news);
                self.told.push(Told::NeedsWork { contact: open, due_at, wrote_again, changed, at: now });
            }
            None => {}
        }
        (self.known, self.has_news) = (needs, false);
    }

    /// Every clock at a moment: of each the target that the priority it goes by has.
    pub fn readings(&self, settings: &Settings, now: Timestamp) -> Vec<Reading> {
        let own = |reading: &Reading| {
            let key = (reading.family, reading.metric, reading.cycle);
            let stored = self.clocks.iter().find(|c| (c.family, c.metric, c.cycle) == key);
            stored.and_then(|clock| clock.priority).unwrap_or(self.ticket.priority)
        };
        let mut priorities: Vec<Priority> = self.clocks.iter().filter_map(|clock| clock.priority).collect();
        priorities.push(self.ticket.priority);
        priorities.sort_unstable();
        priorities.dedup();
        let mut readings: Vec<Reading> = priorities
            .into_iter()
            .flat_map(|priority| {
                let promises = settings.promises(&About { priority, ..self.about() });
                let mut readings = clock::read(&promises, &self.facts, now.as_second());
                readings.retain(|reading| own(reading) == priority);
                readings
            })
            .collect();
        self.read_on_what_was_missed(settings, now, &mut readings);
        readings.sort_by_key(|reading| (reading.family, reading.metric, reading.cycle));
        readings
    }

    /// What was told to be missed is read on by the promise that it missed, whatever another language, tier or
    /// priority promises now. Another version of the policy takes back what it promises no longer.
    fn read_on_what_was_missed(&self, settings: &Settings, now: Timestamp, readings: &mut Vec<Reading>) {
        let runs = |clock: &&Clock| {
            clock.family == Family::Contract && clock.hand != Hand::Stopped && clock.is_missed_for_good()
        };
        for missed in self.clocks.iter().filter(runs).filter(|_| !self.ticket.historical) {
            let is_it = |r: &Reading| (r.family, r.metric, r.cycle) == (missed.family, missed.metric, missed.cycle);
            let same_policy = missed.version == settings.policy.version;
            if !same_policy && !readings.iter().any(is_it) {
                continue;
            }
            let Some(calendar) = explain::calendar_of(missed, &settings.policy) else { continue };
            let promise = explain::promised(missed, calendar, same_policy.then_some(&settings.policy));
            let mut read = clock::read(std::slice::from_ref(&promise), &self.facts, now.as_second());
            read.retain(is_it);
            if !read.is_empty() {
                readings.retain(|reading| !is_it(reading));
                readings.extend(read);
            }
        }
    }

    fn settle_once(&mut self, settings: &Settings, now: Timestamp) {
        let readings = self.readings(settings, now);
        let key = |r: &Reading| (r.family, r.metric, r.cycle);
        let dropped = &mut self.dropped;
        self.clocks.retain(|clock| {
            let id = (clock.family, clock.metric, clock.cycle);
            let stays = clock.hand == Hand::Stopped || readings.iter().any(|reading| key(reading) == id);
            if !stays {
                dropped.push(id);
            }
            stays
        });
        self.is_changed |= !self.dropped.is_empty();
        for reading in &readings {
            self.write_down(reading, now);
        }
        let next_mark = self.warn(settings, &readings, now);
        let due = self.clocks.iter().filter(|c| c.hand == Hand::Running).filter_map(|c| c.due_at).min();
        // A clock due this very second is not late yet.
        let open = self.clocks.iter().filter(|c| c.hand == Hand::Running && c.verdict == Verdict::Open);
        let late = open.filter_map(|c| c.due_at).map(|due| due.saturating_add(1)).min();
        let look = [next_mark, late].into_iter().flatten().min();
        let moment = |second: Option<i64>| second.and_then(|second| Timestamp::from_second(second).ok());
        let (due, look) = (moment(due), moment(look));
        self.is_changed |= self.ticket.due_at != due || self.ticket.look_at != look;
        (self.ticket.due_at, self.ticket.look_at) = (due, look);
    }

    /// Warns of clocks that have used a share of their target or all of it, each share once; answers when
    /// the next share will be used. Nobody is warned of the past.
    fn warn(&mut self, settings: &Settings, readings: &[Reading], now: Timestamp) -> Option<i64> {
        if self.ticket.historical {
            return None;
        }
        let mut next: Option<i64> = None;
        for reading in readings {
            let key = (reading.family, reading.metric, reading.cycle);
            let Some(clock) = self.clocks.iter_mut().find(|c| (c.family, c.metric, c.cycle) == key) else { continue };
            let news = alert::news(&settings.policy, reading, clock.warned, now.as_second());
            next = next.into_iter().chain(news.next_at).min();
            clock.warned = news.warned;
            self.is_changed |= !news.alerts.is_empty();
            self.told.extend(news.alerts.iter().map(|alert| Told::Warned { alert: alert.clone() }));
            self.alerts.extend(news.alerts);
        }
        next
    }

    fn write_down(&mut self, reading: &Reading, now: Timestamp) {
        let key = (reading.family, reading.metric, reading.cycle);
        let place = self.clocks.iter().position(|c| (c.family, c.metric, c.cycle) == key);
        if let Some(stored) = place.map(|place| &self.clocks[place])
            && stored.hand == Hand::Stopped
            && !self.ticket.historical
            && (!reading.metric.spans_the_ticket() || stored.stopped_at == reading.stopped_at)
        {
            return;
        }
        let mut clock = Clock {
            family: reading.family,
            metric: reading.metric,
            cycle: reading.cycle,
            hand: reading.hand,
            verdict: reading.verdict,
            target: reading.target,
            elapsed: reading.elapsed,
            started_at: reading.started_at,
            stopped_at: reading.stopped_at,
            due_at: reading.due_at,
            version: reading.version,
            calendar: reading.calendar_name.clone(),
            source: reading.source.clone(),
            told: place.and_then(|place| self.clocks[place].told),
            warned: place.map_or(0, |place| self.clocks[place].warned),
            priority: place.and_then(|place| self.clocks[place].priority).or(Some(self.ticket.priority)),
            stands_in: Some(reading.stands_in.clone()),
        };
        if let Some(missed) = place.map(|place| &self.clocks[place]).filter(|clock| clock.is_missed_for_good())
            && !self.ticket.historical
        {
            let moved =
                Clock { hand: clock.hand, elapsed: clock.elapsed, stopped_at: clock.stopped_at, ..missed.clone() };
            clock = moved;
        }
        if clock.verdict != Verdict::Open && clock.told != Some(clock.verdict) {
            clock.told = Some(clock.verdict);
            let reached = reading.stopped_at.and_then(|s| Timestamp::from_second(s).ok()).unwrap_or(now);
            self.verdicts.push((clock.clone(), reached));
            self.told.push(Told::Reached { clock: clock.clone(), historical: self.ticket.historical, at: reached });
        }
        match place {
            Some(place) if self.clocks[place] == clock => {}
            Some(place) => {
                self.clocks[place] = clock;
                self.is_changed = true;
            }
            None => {
                self.clocks.push(clock);
                self.renewed |= !self.is_new;
                self.is_changed = true;
            }
        }
    }
}
