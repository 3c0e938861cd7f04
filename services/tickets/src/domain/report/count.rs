//! What a ticket adds to the reports: a pure function of its history and its clocks, so that it can be taken off
//! and counted again whenever the ticket changed, and so that anybody can check the sums against the raw rows.
//!
//! What happened is counted in the local hour in which it happened; waits and promises in that in which they
//! began, so that a month's promises are those of its customers, as the report of clocks has it too.

use jiff::tz::TimeZone;

use super::tally::{AGES, Count, Day, Share, Sort, Stand, stamp};
use crate::domain::dossier::Clock;
use crate::domain::sla::clock::{self, Hand, Verdict};
use crate::domain::sla::policy::{Family, Metric};
use crate::domain::ticket::{Fact, Kind};

/// Waits by the wall clock, which are measured whether or not something was promised.
pub const WALL: [Metric; 3] = [Metric::FirstResponse, Metric::NextResponse, Metric::Resolution];

/// Counts a ticket.
pub fn count(sort: Sort, history: &[Fact], clocks: &[Clock], zone: &TimeZone) -> Share {
    let mut share = Share { sort, ..Share::default() };
    for past in history.iter().filter(|fact| fact.kind.is_past()) {
        let (day, hour) = stamp(zone, past.at);
        let count = if past.kind == Kind::PastWritten { Count::MessagesIn } else { Count::MessagesOut };
        share.cell(day, Some(hour)).add(count);
    }
    let history = clock::told(history);
    steps(&mut share, &history, zone);
    backlog(&mut share, &history, zone);
    for metric in WALL {
        for (start, stop) in clock::waits(&history, metric) {
            let (day, hour) = stamp(zone, start);
            let waits = &mut share.cell(day, Some(hour)).figures.waits;
            waits.entry((metric, false)).or_default().add(stop - start, 1);
        }
    }
    clocks.iter().for_each(|clock| promise(&mut share, clock, zone));
    share
}

fn steps(share: &mut Share, history: &[Fact], zone: &TimeZone) {
    let (mut waiting, mut done) = (false, false);
    for (place, fact) in history.iter().enumerate() {
        let (day, hour) = stamp(zone, fact.at);
        let tally = share.cell(day, Some(hour));
        if place == 0 {
            tally.add(Count::Opened);
        }
        let by_a_person = !fact.automatic;
        match fact.kind {
            Kind::CustomerWrote => {
                tally.add(Count::MessagesIn);
                if by_a_person && !waiting {
                    tally.add(Count::Received);
                    waiting = true;
                }
            }
            Kind::Answered => {
                tally.add(Count::MessagesOut);
                if by_a_person && waiting {
                    tally.add(Count::Handled);
                    waiting = false;
                }
            }
            // What waits here waited there before, or is taken up again without a word of the customer.
            Kind::Joined => waiting |= by_a_person,
            Kind::Reopened | Kind::Woken => waiting = true,
            Kind::SellerAnswered | Kind::QuestionWithdrawn => waiting |= !fact.state.is_done(),
            Kind::Merged => tally.add(Count::Merged),
            _ => {}
        }
        match (done, fact.state.is_done()) {
            (false, true) => {
                if fact.kind != Kind::Merged {
                    tally.add(Count::Solved);
                }
                (waiting, done) = (false, true);
            }
            (true, false) => {
                tally.add(Count::Reopened);
                done = false;
            }
            _ => {}
        }
    }
}

/// The days at whose end it was open, from and before.
fn open_days(history: &[Fact], zone: &TimeZone) -> Vec<(Day, Option<Day>)> {
    let mut days: Vec<(Day, Option<Day>)> = Vec::new();
    let mut last: Option<Day> = None;
    for fact in history {
        // A zone that goes back over midnight does not begin the day before again.
        let day = last.map_or(Day::MIN, |last| last).max(stamp(zone, fact.at).0);
        last = Some(day);
        let is_open = days.last().is_some_and(|(_, end)| end.is_none());
        match (is_open, fact.state.is_done()) {
            (false, false) => match days.last_mut().filter(|(_, end)| *end == Some(day)) {
                // Ended and taken up again on one day: at its end nothing had happened.
                Some((_, end)) => *end = None,
                None => days.push((day, None)),
            },
            (true, true) => {
                if let Some((_, end)) = days.last_mut() {
                    *end = Some(day);
                }
            }
            _ => {}
        }
    }
    days.retain(|(start, end)| end.is_none_or(|end| *start < end));
    days
}

/// Notes on which day it comes into which class of age, and when it leaves. So the open tickets of any day by age
/// are the sum of what was noted up to it; what is noted for days to come is not read before they come, and is
/// taken off when the ticket ends before.
fn backlog(share: &mut Share, history: &[Fact], zone: &TimeZone) {
    let Some(first) = history.first() else { return };
    let born = stamp(zone, first.at).0;
    for (start, end) in open_days(history, zone) {
        for (class, least) in AGES.iter().enumerate() {
            let until = AGES.get(class + 1).map(|next| born + next);
            let from = start.max(born + least);
            let until = [until, end].into_iter().flatten().min();
            if until.is_none_or(|until| from < until) {
                *share.cell(from, None).age(class) += 1;
                if let Some(until) = until {
                    *share.cell(until, None).age(class) -= 1;
                }
            }
        }
    }
    share.cells.retain(|_, tally| !tally.is_empty());
}

fn promise(share: &mut Share, clock: &Clock, zone: &TimeZone) {
    let (day, hour) = stamp(zone, clock.started_at);
    let stand = match (clock.hand, clock.verdict) {
        (Hand::Stopped, Verdict::Kept) => Stand { kept: 1, ..Stand::default() },
        (Hand::Stopped, Verdict::Missed) => Stand { missed: 1, ..Stand::default() },
        // It stopped because the ticket was merged: what was promised goes on there.
        (Hand::Stopped, Verdict::Open) => return,
        (_, Verdict::Missed) => Stand { overdue: 1, ..Stand::default() },
        (_, Verdict::Open | Verdict::Kept) => Stand { running: 1, ..Stand::default() },
    };
    let figures = &mut share.cell(day, Some(hour)).figures;
    let sum = figures.promises.entry((clock.family, clock.metric)).or_default();
    sum.kept += stand.kept;
    sum.missed += stand.missed;
    sum.running += stand.running;
    sum.overdue += stand.overdue;
    if clock.family == Family::Contract && clock.hand == Hand::Stopped {
        figures.waits.entry((clock.metric, true)).or_default().add(clock.elapsed, 1);
    }
}
