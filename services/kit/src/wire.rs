//! Small translations between wire and domain values that every service needs.

use jiff::Timestamp;

/// An instant of the wire; none if it is out of range.
pub fn instant(at: &prost_types::Timestamp) -> Option<Timestamp> {
    if !(0..1_000_000_000).contains(&at.nanos) {
        return None;
    }
    Timestamp::new(at.seconds, at.nanos).ok()
}

/// An instant for the wire.
pub fn timestamp(at: Timestamp) -> prost_types::Timestamp {
    let mut seconds = at.as_second();
    let mut nanos = at.subsec_nanosecond();
    if nanos < 0 {
        seconds -= 1;
        nanos += 1_000_000_000;
    }
    prost_types::Timestamp { seconds, nanos }
}

/// The etag of a row version.
pub fn etag(version: i64) -> String {
    format!("v{version}")
}

/// The row version of an etag; none for an empty one ("whatever it is").
pub fn version(etag: &str) -> Result<Option<i64>, crate::Fault> {
    if etag.is_empty() {
        return Ok(None);
    }
    match etag.strip_prefix('v').and_then(|n| n.parse::<i64>().ok()) {
        Some(n) if n > 0 => Ok(Some(n)),
        _ => Err(crate::Fault::invalid("etag", "must be an etag that was read before")),
    }
}
