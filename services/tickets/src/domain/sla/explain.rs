//! Why a clock says what it says: the spans of time it counted and skipped.

use std::collections::BTreeMap;
use std::sync::Arc;

use jiff::Timestamp;

use super::calendar::{Calendar, Span};
use super::clock::{self, Reading};
use super::paused;
use super::policy::{Family, Policy, Promise, contract_pauses};
use crate::domain::dossier::{Clock, Dossier};
use crate::domain::settings::Settings;

/// Every clock of a ticket: what runs by the promises of now, what was judged by that by which it was judged.
/// `earlier` are the policies of the versions that judged.
pub fn readings(
    dossier: &Dossier,
    settings: &Settings,
    earlier: &BTreeMap<i64, Policy>,
    now: Timestamp,
) -> Vec<Reading> {
    let mut out = dossier.readings(settings, now);
    for judged in dossier.clocks.iter().filter(|clock| clock.is_judged()) {
        let key = (judged.family, judged.metric, judged.cycle);
        let of_now = out.iter().find(|r| (r.family, r.metric, r.cycle) == key);
        let calendar = match judged.family {
            Family::Contract => calendar_of(judged, earlier.get(&judged.version).unwrap_or(&settings.policy)),
            Family::Marketplace => {
                of_now.filter(|r| r.calendar_name == judged.calendar).map(|r| Arc::clone(&r.calendar))
            }
        };
        let Some(calendar) = calendar else { continue };
        let promise = promised(judged, calendar, earlier.get(&judged.version));
        let mut read = clock::read(std::slice::from_ref(&promise), &dossier.facts, now.as_second()).into_iter();
        let Some(mut reading) = read.find(|reading| reading.cycle == judged.cycle) else { continue };
        (reading.verdict, reading.due_at) = (judged.verdict, judged.due_at);
        out.retain(|r| (r.family, r.metric, r.cycle) != key);
        out.push(reading);
    }
    out.sort_by_key(|r| (r.family, r.metric, r.cycle));
    out
}

pub(in crate::domain) fn calendar_of(judged: &Clock, policy: &Policy) -> Option<Arc<Calendar>> {
    match judged.calendar.as_str() {
        "" => Some(Arc::new(Calendar::around_the_clock())),
        name => policy.calendars.get(name).map(Arc::clone),
    }
}

/// The promise that judged a clock, as its row has it. In which states it stood was not always kept: the first
/// target of its policy that is the same tells.
pub(in crate::domain) fn promised(judged: &Clock, calendar: Arc<Calendar>, policy: Option<&Policy>) -> Promise {
    let of_policy = || {
        let mut targets = policy.into_iter().flat_map(|policy| &policy.targets);
        let same = targets
            .find(|t| t.metric == judged.metric && t.seconds == judged.target && t.calendar == judged.calendar)
            .and_then(|target| target.pauses.clone());
        match judged.family {
            Family::Contract => same.unwrap_or_else(|| contract_pauses(judged.metric).to_vec()),
            Family::Marketplace => Vec::new(),
        }
    };
    Promise {
        family: judged.family,
        metric: judged.metric,
        seconds: judged.target,
        calendar,
        calendar_name: judged.calendar.clone(),
        pauses: judged.stands_in.clone().unwrap_or_else(of_policy),
        version: judged.version,
        source: judged.source.clone(),
    }
}

/// Whether a span counted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Why {
    Counted,
    /// Outside the calendar's hours.
    Closed,
    /// Outside the calendar's hours, and it begins on a holiday.
    Holiday,
    /// Open hours, but the ticket's state paused the clock.
    Paused,
}

/// A span and why it counted or did not.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Piece {
    pub span: Span,
    pub why: Why,
}

/// The pieces of a clock from its start to its stop (or `now`), in order and without gaps, at most
/// `limit`; the flag says whether there would have been more.
pub fn pieces(reading: &Reading, now: i64, limit: usize) -> (Vec<Piece>, bool) {
    let (start, end) = (reading.started_at, reading.stopped_at.unwrap_or(now));
    let open = reading.calendar.periods(start, end, limit + 1);
    let mut out = Vec::new();
    let mut at = start;
    let closed = |from: i64, until: i64| {
        let why = if reading.calendar.is_holiday(from) { Why::Holiday } else { Why::Closed };
        Piece { span: Span { start: from, end: until }, why }
    };
    let known_until = if open.len() <= limit { end } else { open.last().map_or(end, |span| span.end) };
    for span in open {
        if at < span.start {
            out.push(closed(at, span.start));
        }
        let mut from = span.start;
        for counted in paused::stretches(span.start, span.end, &reading.pauses) {
            if from < counted.start {
                out.push(Piece { span: Span { start: from, end: counted.start }, why: Why::Paused });
            }
            out.push(Piece { span: counted, why: Why::Counted });
            from = counted.end;
        }
        if from < span.end {
            out.push(Piece { span: Span { start: from, end: span.end }, why: Why::Paused });
        }
        at = span.end;
    }
    if at < known_until {
        out.push(closed(at, known_until));
    }
    let more = limit < out.len() || known_until < end;
    out.truncate(limit);
    (out, more)
}
