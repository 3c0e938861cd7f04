//! Business time with pauses: open time minus the intervals during which a clock stood.
//!
//! Pauses are instants, never local times. A pause is treated like closed hours: a target used up
//! exactly where a pause begins falls due there.

use super::calendar::{Calendar, Span, joined};

/// The end of a pause that still lasts.
pub const OPEN_END: i64 = i64::MAX;

/// When `seconds` of counted time have passed since `start`; None while a pause without end or an
/// exhausted calendar keeps it from ever happening.
pub fn add(calendar: &Calendar, start: i64, seconds: i64, pauses: &[Span]) -> Option<i64> {
    let mut left = seconds.max(0);
    for stretch in stretches(start, OPEN_END, pauses) {
        if let Some(due) = calendar.add(stretch.start, left)
            && (due < stretch.end || (due == stretch.end && 0 < left))
        {
            return Some(due);
        }
        if stretch.end == OPEN_END {
            return None;
        }
        left -= calendar.elapsed(stretch.start, stretch.end);
    }
    None
}

/// Since when `seconds` of counted time have passed at `end`; None if the calendar held less.
pub fn subtract(calendar: &Calendar, end: i64, seconds: i64, pauses: &[Span]) -> Option<i64> {
    let mut left = seconds.max(0);
    for stretch in stretches(i64::MIN, end, pauses).into_iter().rev() {
        if let Some(since) = calendar.subtract(stretch.end, left)
            && (stretch.start < since || (since == stretch.start && 0 < left))
        {
            return Some(since);
        }
        if stretch.start == i64::MIN {
            return None;
        }
        left -= calendar.elapsed(stretch.start, stretch.end);
    }
    None
}

/// Counted seconds between two instants; 0 for a reversed range.
pub fn elapsed(calendar: &Calendar, start: i64, end: i64, pauses: &[Span]) -> i64 {
    stretches(start, end, pauses).into_iter().map(|s| calendar.elapsed(s.start, s.end)).sum()
}

/// What lies between `start` and `end` outside the pauses, in order.
pub fn stretches(start: i64, end: i64, pauses: &[Span]) -> Vec<Span> {
    let mut out = Vec::with_capacity(pauses.len() + 1);
    let mut from = start;
    for pause in joined(pauses.to_vec()) {
        if from < pause.start.min(end) {
            out.push(Span { start: from, end: pause.start.min(end) });
        }
        from = from.max(pause.end);
    }
    if from < end {
        out.push(Span { start: from, end });
    }
    out
}
