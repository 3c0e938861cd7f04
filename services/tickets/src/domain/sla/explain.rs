//! Why a clock says what it says: the spans of time it counted and skipped.

use super::calendar::Span;
use super::clock::Reading;
use super::paused;

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
