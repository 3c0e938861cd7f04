//! Where the intervals of a civil day lie. Days of 23 and 25 hours have two or four half-hours less or more; every
//! interval belongs to the slot of the civil time at which it starts, so a repeated hour gives its slots two intervals.

use jiff::civil::Date;
use jiff::tz::TimeZone;
use jiff::{Timestamp, ToSpan};

use crate::Refusal;

/// The grid of a zone and an interval length.
#[derive(Debug, Clone)]
pub struct Clock {
    zone: TimeZone,
    minutes: u32,
}

impl Clock {
    /// A clock for an IANA zone and intervals of 5 to 60 minutes that divide a day.
    pub fn new(zone: &str, minutes: u32) -> Result<Self, Refusal> {
        let zone = TimeZone::get(zone).map_err(|_| Refusal::UnknownZone(zone.chars().take(80).collect()))?;
        if !(5..=60).contains(&minutes) || 1440 % minutes != 0 {
            return Err(Refusal::Step(minutes));
        }
        Ok(Self { zone, minutes })
    }

    /// Minutes of an interval.
    pub fn minutes(&self) -> u32 {
        self.minutes
    }

    /// Slots of a day of 24 hours.
    pub fn slots(&self) -> usize {
        (1440 / self.minutes) as usize
    }

    /// The civil date on which an instant lies.
    pub fn date(&self, at: Timestamp) -> Date {
        self.zone.to_datetime(at).date()
    }

    /// Where a civil day starts.
    pub fn midnight(&self, date: Date) -> Result<Timestamp, Refusal> {
        self.zone.to_zoned(date.at(0, 0, 0, 0)).map(|zoned| zoned.timestamp()).map_err(|_| Refusal::Date(date))
    }

    /// The intervals of a civil day in order: where each starts and its slot.
    pub fn intervals(&self, date: Date) -> Result<Vec<(Timestamp, usize)>, Refusal> {
        let start = self.midnight(date)?;
        let tomorrow = date.checked_add(1.day()).map_err(|_| Refusal::Date(date))?;
        let seconds = self.midnight(tomorrow)?.as_second() - start.as_second();
        let step = i64::from(self.minutes) * 60;
        if seconds % step != 0 {
            return Err(Refusal::StepAcrossShift { minutes: self.minutes, date, length: seconds / 60 });
        }
        let usual = seconds == 86_400;
        (0..seconds / step)
            .map(|index| {
                let at = Timestamp::from_second(start.as_second() + index * step).map_err(|_| Refusal::Date(date))?;
                let slot = if usual { index as usize } else { self.slot(at) };
                Ok((at, slot))
            })
            .collect()
    }

    fn slot(&self, at: Timestamp) -> usize {
        let civil = self.zone.to_datetime(at);
        (civil.hour() as usize * 60 + civil.minute() as usize) / self.minutes as usize
    }
}

#[cfg(test)]
mod tests {
    use jiff::civil::date;

    use super::*;

    #[test]
    fn the_clocks_make_days_shorter_and_longer() {
        let rome = Clock::new("Europe/Rome", 30).expect("known");
        let slots = |day| -> Vec<usize> { rome.intervals(day).expect("exists").iter().map(|i| i.1).collect() };
        assert_eq!(slots(date(2026, 3, 28)), (0..48).collect::<Vec<_>>());
        let spring = slots(date(2026, 3, 29));
        assert_eq!((spring.len(), spring[3], spring[4]), (46, 3, 6));
        let autumn = slots(date(2026, 10, 25));
        assert_eq!((autumn.len(), &autumn[4..8]), (50, &[4, 5, 4, 5][..]));
    }

    #[test]
    fn a_half_hours_shift_takes_half_hours_only() {
        let shift = date(2026, 10, 4);
        let hour = Clock::new("Australia/Lord_Howe", 60).expect("known").intervals(shift);
        assert_eq!(hour, Err(Refusal::StepAcrossShift { minutes: 60, date: shift, length: 1410 }));
        assert_eq!(Clock::new("Australia/Lord_Howe", 30).expect("known").intervals(shift).expect("fits").len(), 47);
    }

    #[test]
    fn unknown_zones_and_odd_steps_are_refused() {
        assert_eq!(Clock::new("Europe/Atlantis", 30).err(), Some(Refusal::UnknownZone("Europe/Atlantis".into())));
        for minutes in [0, 1, 7, 50, 61, 90] {
            assert_eq!(Clock::new("UTC", minutes).err(), Some(Refusal::Step(minutes)));
        }
    }
}
