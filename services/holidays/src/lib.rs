//! Public holidays by country and region: a table that is made from a maintained source
//! (`tests/tools/make_holidays.py`, which also checks it), and the way to look into it.

use std::collections::HashMap;
use std::ops::RangeInclusive;
use std::sync::LazyLock;

use jiff::civil::Date;

const TABLE: &str = include_str!("../data/holidays.tsv");

/// The years that the table covers.
pub const YEARS: RangeInclusive<i16> = 2015..=2035;

/// A day on which a country or a region of it rests.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Holiday {
    pub date: Date,
    /// In English where the source has it, else in the country's language.
    pub name: &'static str,
}

/// A country's part of the table.
struct Country {
    regions: Vec<&'static str>,
    lines: &'static str,
}

static COUNTRIES: LazyLock<HashMap<&'static str, Country>> = LazyLock::new(|| {
    TABLE
        .split("\n[")
        .skip(1)
        .filter_map(|part| {
            let (head, lines) = part.split_once('\n')?;
            let (code, regions) = head.split_once("]\t")?;
            Some((code, Country { regions: regions.split_whitespace().collect(), lines }))
        })
        .collect()
});

/// Whether the table knows a country (`DE`) or a region of it (`DE-BY`).
pub fn knows(region: &str) -> bool {
    find(region).is_some()
}

/// The holidays of a country (`DE`), or of one of its regions (`DE-BY`: the country's and its own), in order.
/// None for a place that the table does not know.
pub fn of(region: &str) -> Option<Vec<Holiday>> {
    let (country, region) = find(region)?;
    Some(country.lines.lines().filter_map(|line| holiday(line, region)).collect())
}

/// Whether a country or region rests on a day; nowhere where the table does not know it.
pub fn rests(region: &str, day: Date) -> bool {
    let Some((country, region)) = find(region) else { return false };
    let written = day.to_string();
    country.lines.lines().filter(|line| line.starts_with(&written)).any(|line| holiday(line, region).is_some())
}

/// The days from one to another on which a country or region rests, in order; none where the table does not know it.
pub fn between(region: &str, first: Date, last: Date) -> Vec<Date> {
    let days = of(region).unwrap_or_default().into_iter().map(|holiday| holiday.date);
    days.filter(|day| first <= *day && *day <= last).collect()
}

fn find(region: &str) -> Option<(&'static Country, Option<&str>)> {
    let (country, region) = region.split_once('-').map_or((region, None), |(country, region)| (country, Some(region)));
    let country = COUNTRIES.get(country)?;
    region.is_none_or(|region| country.regions.contains(&region)).then_some((country, region))
}

/// The holiday of a line, if it is one in the region, or with none in the whole country.
fn holiday(line: &'static str, region: Option<&str>) -> Option<Holiday> {
    let mut fields = line.split('\t');
    let (date, regions, name) = (fields.next()?, fields.next()?, fields.next()?);
    let named = |list: &str| region.is_some_and(|region| list.split(' ').any(|word| word == region));
    let holds = match regions.strip_prefix('!') {
        Some(lacking) => !named(lacking),
        None => regions.is_empty() || named(regions),
    };
    holds.then_some(())?;
    Some(Holiday { date: date.parse().ok()?, name })
}

#[cfg(test)]
mod tests {
    use jiff::civil::date;

    use super::*;

    fn has(region: &str, day: Date) -> bool {
        of(region).expect("a known region").iter().any(|holiday| holiday.date == day)
    }

    #[test]
    fn regions_have_their_own_days_beside_the_countrys() {
        let epiphany = date(2026, 1, 6);
        assert!(has("DE-BY", epiphany) && !has("DE", epiphany) && !has("DE-HH", epiphany));
        let unity = date(2026, 10, 3);
        assert!(has("DE", unity) && has("DE-BY", unity));
        // Scotland does not rest on Easter Monday, the rest of the kingdom does.
        assert!(has("GB-ENG", date(2026, 4, 6)) && !has("GB-SCT", date(2026, 4, 6)));
        // In Australia a date may be a holiday everywhere but in one state.
        assert!(has("AU", date(2021, 12, 25)) && !has("AU-SA", date(2021, 12, 25)));
        assert!(!has("SE", date(2026, 1, 11)), "a Swedish Sunday is none for a contract");
        for (region, day) in [("DE-BY", epiphany), ("DE-HH", epiphany), ("DE", unity), ("XX", unity), ("", unity)] {
            let is_one = of(region).unwrap_or_default().iter().any(|holiday| holiday.date == day);
            assert_eq!(rests(region, day), is_one, "{region} {day}");
            assert_eq!(between(region, day, day).len(), usize::from(is_one));
        }
        assert_eq!(between("DE", date(2026, 4, 1), date(2026, 5, 1)).len(), 3);
    }

    #[test]
    fn unknown_places_are_not_taken_for_places_without_holidays() {
        for unknown in ["", "XX", "DE-XX", "DE-", "de", "BY", "DE-BY-AU"] {
            assert!(!knows(unknown) && of(unknown).is_none(), "{unknown}");
        }
    }

    #[test]
    fn every_line_of_the_table_is_read_and_every_year_has_days_in_every_country() {
        let written = TABLE.lines().filter(|line| line.starts_with(|c: char| c.is_ascii_digit())).count();
        let mut read = 0;
        for (code, country) in COUNTRIES.iter() {
            for line in country.lines.lines() {
                let regions = line.split('\t').nth(1).expect("three fields").trim_start_matches('!');
                let all: Vec<&str> = regions.split(' ').filter(|word| !word.is_empty()).collect();
                assert!(all.iter().all(|region| country.regions.contains(region)), "{code}: {line}");
                let somewhere = country.regions.iter().map(|r| Some(*r)).chain([None]);
                assert!(somewhere.into_iter().any(|region| holiday(line, region).is_some()), "{code}: {line}");
                read += 1;
            }
            let days = of(code).expect("a known country");
            assert!(days.windows(2).all(|pair| pair[0].date < pair[1].date), "{code}");
            for year in YEARS {
                assert!(days.iter().any(|day| day.date.year() == year), "{code} in {year}");
            }
        }
        assert_eq!(read, written);
    }
}
