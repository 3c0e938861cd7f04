//! Levels: what is held rather than used up, such as seats. Events move the level; a
//! unit is paid for on every local date on which it was held for any part of it.

use std::collections::BTreeMap;

use jiff::civil::Date;
use rust_decimal::Decimal;

use super::models::PriceError;
use super::period::{Dates, days_between, plus_days};
use super::usage::Row;

/// Unit-days of a range: the level of every date, added up. What joins counts from its
/// date on; what leaves counts on its date for the last time. A correction of the same
/// instant as what it corrects is as if neither had been.
pub fn unit_days<'a>(rows: impl IntoIterator<Item = &'a Row>, dates: Dates) -> Result<Decimal, PriceError> {
    let rows: Vec<&Row> = rows.into_iter().collect();
    let mut level = Decimal::ZERO;
    let mut moves: BTreeMap<Date, Decimal> = BTreeMap::new();
    for row in &rows {
        // What was added up before the range is a level by itself.
        let leaves = row.quantity.is_sign_negative() && row.single.is_some() && !takes_back(row, &rows);
        let from = if leaves { plus_days(row.date, 1).map_err(|_| PriceError::TooLarge)? } else { row.date };
        if from <= dates.from {
            level = level.checked_add(row.quantity).ok_or(PriceError::TooLarge)?;
        } else if from <= dates.until {
            *moves.entry(from).or_default() += row.quantity;
        }
    }
    let (mut at, mut sum) = (dates.from, Decimal::ZERO);
    let mut held = |from: Date, to: Date, level: Decimal| {
        let days = Decimal::from(days_between(from, to));
        // Nobody holds less than nothing: what left before it came is not paid back.
        let more = level.max(Decimal::ZERO).checked_mul(days).ok_or(PriceError::TooLarge)?;
        sum = sum.checked_add(more).ok_or(PriceError::TooLarge)?;
        Ok::<_, PriceError>(())
    };
    for (date, change) in moves {
        held(at, date, level)?;
        level += change;
        at = date;
    }
    held(at, plus_days(dates.until, 1).map_err(|_| PriceError::TooLarge)?, level)?;
    Ok(sum)
}

fn takes_back(row: &Row, rows: &[&Row]) -> bool {
    let Some(single) = &row.single else { return false };
    let same = |other: &&&Row| {
        other.single.as_ref().is_some_and(|o| Some(&o.key) == single.corrects.as_ref() && o.at == single.at)
    };
    rows.iter().any(|other| same(&other))
}

#[cfg(test)]
mod tests {
    use jiff::Timestamp;
    use jiff::civil::date;
    use proptest::prelude::*;

    use super::*;
    use crate::domain::usage::{Meter, Properties, Single};

    const MAY: Dates = Dates { from: date(2024, 5, 1), until: date(2024, 5, 31) };

    fn seat(on: Date, quantity: i64, key: &str, corrects: Option<&str>) -> Row {
        Row {
            meter: Meter::Seat,
            properties: Properties::default(),
            date: on,
            quantity: Decimal::from(quantity),
            events: 1,
            peak: Decimal::from(quantity),
            historical: false,
            duration_seconds: 0,
            single: Some(Single {
                at: Timestamp::from_second(1_714_557_600 + i64::from(on.day()) * 86_400).unwrap(),
                key: key.into(),
                subject: String::new(),
                corrects: corrects.map(str::to_owned),
            }),
        }
    }

    fn days(rows: &[Row], dates: Dates) -> i64 {
        i64::try_from(unit_days(rows, dates).unwrap()).unwrap()
    }

    #[test]
    fn a_seat_is_paid_for_on_the_days_on_which_it_was_taken() {
        // ten from before, two join on the 11th, one of them leaves on the 20th
        let rows = [
            seat(date(2024, 4, 3), 10, "base", None),
            seat(date(2024, 5, 11), 2, "join", None),
            seat(date(2024, 5, 20), -1, "leave", Some("join")),
        ];
        assert_eq!(days(&rows, MAY), 10 * 31 + 2 * 10 + 11);
        // whoever leaves on the last day is gone on the first of the next month
        let last = [seat(date(2024, 5, 2), 1, "join", None), seat(date(2024, 5, 31), -1, "leave", Some("join"))];
        assert_eq!(days(&last, MAY), 30);
        assert_eq!(days(&last, Dates { from: date(2024, 6, 1), until: date(2024, 6, 30) }), 0);
        // one day is one day
        let day = [seat(date(2024, 5, 9), 1, "join", None), seat(date(2024, 5, 9), -1, "leave", None)];
        assert_eq!(days(&day, MAY), 1);
        let mistake = [seat(date(2024, 5, 9), 1, "join", None), seat(date(2024, 5, 9), -1, "fix", Some("join"))];
        assert_eq!(days(&mistake, MAY), 0);
    }

    proptest! {
        #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

        #[test]
        fn cutting_a_range_loses_and_doubles_no_day(
            moves in proptest::collection::vec((1_i8..31, 1_i64..5, 0_i8..20), 0..20), cut in 1_i8..31,
        ) {
            let mut rows = Vec::new();
            for (n, (day, many, stays)) in moves.into_iter().enumerate() {
                let joined = date(2024, 5, day);
                rows.push(seat(joined, many, &format!("j{n}"), None));
                let left = plus_days(joined, i64::from(stays)).unwrap();
                rows.push(seat(left, -many, &format!("l{n}"), None));
            }
            let (first, second) = (Dates { until: date(2024, 5, cut), ..MAY }, Dates { from: date(2024, 5, cut), ..MAY });
            let second = Dates { from: plus_days(second.from, 1).unwrap(), ..second };
            let both = days(&rows, first) + if cut < 31 { days(&rows, second) } else { 0 };
            prop_assert_eq!(both, days(&rows, MAY));
            rows.reverse();
            prop_assert_eq!(both, days(&rows, MAY));
        }
    }
}
