//! A report as CSV: RFC 4180, written line by line, in pieces. Words that a spreadsheet would take for a formula
//! begin with an apostrophe; numbers are ours and stay what they are.

use std::collections::{BTreeSet, HashMap};
use std::vec::IntoIter;

use kit::Fault;
use tonic::Status;

use crate::domain::ids::Uuid;
use crate::domain::report::ask::{Ask, Dimension, Line};
use crate::domain::report::count::WALL;
use crate::domain::report::tally::{COLUMN_NAMES, Count, Stand, Waited, date_of};
use crate::domain::sla::policy::{Family, Metric};

/// About how large a piece is; a line is far shorter than what is left to 64 KiB.
const PIECE: usize = 48 * 1024;
const PERCENTILES: [i64; 4] = [50, 75, 90, 95];

/// The lines still to be written.
pub struct File {
    ask: Ask,
    sellers: HashMap<Uuid, (String, String)>,
    lines: IntoIter<Line>,
    /// The waits and promises that occur, each some columns.
    waits: Vec<Waited>,
    promises: Vec<(Family, Metric)>,
    begun: bool,
    byte_order_mark: bool,
}

impl File {
    pub fn new(ask: Ask, sellers: HashMap<Uuid, (String, String)>, lines: Vec<Line>, byte_order_mark: bool) -> File {
        let figures = || lines.iter().map(|line| &line.tally.figures);
        let mut waits: BTreeSet<Waited> = figures().flat_map(|figures| figures.waits.keys().copied()).collect();
        waits.extend(WALL.map(|metric| (metric, false)));
        let promises: BTreeSet<_> = figures().flat_map(|figures| figures.promises.keys().copied()).collect();
        File {
            ask,
            sellers,
            waits: waits.into_iter().collect(),
            promises: promises.into_iter().collect(),
            lines: lines.into_iter(),
            begun: false,
            byte_order_mark,
        }
    }

    fn head(&self) -> Vec<String> {
        let mut head: Vec<String> = Vec::new();
        let mut put = |dimension, names: &[&str]| {
            if self.ask.has(dimension) {
                head.extend(names.iter().map(|name| (*name).to_owned()));
            }
        };
        put(Dimension::Seller, &["seller", "seller_name"]);
        put(Dimension::Day, &["day"]);
        put(Dimension::Week, &["week"]);
        put(Dimension::Month, &["month"]);
        put(Dimension::Weekday, &["weekday"]);
        put(Dimension::Hour, &["hour"]);
        put(Dimension::Channel, &["channel"]);
        put(Dimension::Country, &["country"]);
        put(Dimension::Marketplace, &["marketplace"]);
        put(Dimension::Language, &["language"]);
        head.extend(COLUMN_NAMES.iter().take(Count::ALL.len()).map(|name| (*name).to_owned()));
        if self.ask.has_backlog() {
            let ages = ["open", "open_today", "open_days_1_to_2", "open_days_3_to_6", "open_days_7_to_29"];
            head.extend(ages.map(str::to_owned));
            head.push("open_days_30_and_more".to_owned());
        }
        for (metric, business) in &self.waits {
            let of = format!("{}_{}", metric.name(), if *business { "business" } else { "wall" });
            head.push(format!("{of}_count"));
            head.extend(PERCENTILES.map(|percent| format!("{of}_p{percent}_seconds")));
        }
        for (family, metric) in &self.promises {
            let of = format!("{}_{}", family.name(), metric.name());
            head.extend(["kept", "missed", "running", "overdue", "kept_percent"].map(|word| format!("{of}_{word}")));
        }
        head
    }

    fn cells(&self, line: &Line) -> Vec<String> {
        let about = &line.about;
        let mut cells = Vec::new();
        if let Some(seller) = about.seller {
            let (handle, name) = self.sellers.get(&seller).cloned().unwrap_or_default();
            cells.extend([safe(&handle), safe(&name)]);
        }
        cells.extend(about.day.map(|day| date_of(day).to_string()));
        cells.extend(about.weekday.map(|weekday| weekday.to_string()));
        cells.extend(about.hour.map(|hour| hour.to_string()));
        let sort = &about.sort;
        let sorts = [
            (Dimension::Channel, &sort.channel),
            (Dimension::Country, &sort.country),
            (Dimension::Marketplace, &sort.marketplace),
            (Dimension::Language, &sort.language),
        ];
        cells.extend(sorts.into_iter().filter(|(sort, _)| self.ask.has(*sort)).map(|(_, word)| safe(word)));
        cells.extend(Count::ALL.map(|count| line.tally.count(count).to_string()));
        if let Some(open) = line.open {
            cells.push(open.iter().sum::<i64>().to_string());
            cells.extend(open.map(|open| open.to_string()));
        }
        for waited in &self.waits {
            let waits = line.tally.figures.waits.get(waited);
            cells.push(waits.map_or(0, |waits| waits.count()).to_string());
            let seconds = |percent| waits.and_then(|waits| waits.percentile(percent));
            cells.extend(PERCENTILES.map(|percent| seconds(percent).map(|s| s.to_string()).unwrap_or_default()));
        }
        for promise in &self.promises {
            let Stand { kept, missed, running, overdue } =
                line.tally.figures.promises.get(promise).copied().unwrap_or_default();
            cells.extend([kept, missed, running, overdue].map(|figure| figure.to_string()));
            let percent = super::sla::percent(kept, kept + missed + overdue);
            cells.push(percent.map(|percent| format!("{percent:.2}")).unwrap_or_default());
        }
        cells
    }

    fn piece(&mut self) -> Result<Vec<u8>, csv::Error> {
        let mut bytes = Vec::with_capacity(PIECE + 4_096);
        if !self.begun && self.byte_order_mark {
            bytes.extend_from_slice("\u{feff}".as_bytes());
        }
        let mut writer =
            csv::WriterBuilder::new().terminator(csv::Terminator::CRLF).buffer_capacity(4_096).from_writer(bytes);
        if !self.begun {
            writer.write_record(self.head())?;
            self.begun = true;
        }
        loop {
            writer.flush()?;
            if PIECE <= writer.get_ref().len() {
                break;
            }
            let Some(line) = self.lines.next() else { break };
            writer.write_record(self.cells(&line))?;
        }
        writer.into_inner().map_err(|failed| csv::Error::from(failed.into_error()))
    }
}

impl Iterator for File {
    type Item = Result<Vec<u8>, Status>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.begun && self.lines.len() == 0 {
            return None;
        }
        Some(self.piece().map_err(|failed| Fault::Internal(Box::new(failed)).into()))
    }
}

/// A word as a spreadsheet leaves it alone.
fn safe(word: &str) -> String {
    match word.chars().next() {
        Some('=' | '+' | '-' | '@' | '\t' | '\r') => format!("'{word}"),
        _ => word.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::report::ask::{About, Filter};
    use crate::domain::report::tally::{Sort, Tally};

    fn line(day: i32, language: &str) -> Line {
        let mut tally = Tally::default();
        tally.add(Count::Opened);
        tally.figures.waits.entry((Metric::FirstResponse, false)).or_default().add(60, 1);
        let stand = Stand { kept: 2, missed: 1, ..Stand::default() };
        tally.figures.promises.insert((Family::Contract, Metric::FirstResponse), stand);
        let sort = Sort { language: language.into(), ..Sort::default() };
        Line {
            about: About { seller: Some(Uuid::nil()), day: Some(day), sort, ..About::default() },
            tally,
            open: Some([1, 0, 0, 0, 2]),
        }
    }

    fn text(lines: Vec<Line>, mark: bool) -> String {
        let by = [Dimension::Seller, Dimension::Day, Dimension::Language].into();
        let ask = Ask { first: 0, end: 10_000, by, filter: Filter::default() };
        let names = [(Uuid::nil(), ("masque".to_owned(), "=cmd(\"x\"), Masque\nNoir".to_owned()))].into();
        let file = File::new(ask, names, lines, mark);
        String::from_utf8(file.flat_map(|piece| piece.unwrap()).collect()).unwrap()
    }

    #[test]
    fn it_is_read_back_and_no_formula() {
        let text = text(vec![line(0, "-1+1"), line(1, "it")], true);
        assert!(text.starts_with("\u{feff}seller,seller_name,day,language,opened,"), "{text}");
        assert!(text.contains("\r\nmasque,\"'=cmd(\"\"x\"\"), Masque\nNoir\",1970-01-01,'-1+1,1,0,"), "{text}");
        let mut reader = csv::Reader::from_reader(text.trim_start_matches('\u{feff}').as_bytes());
        let head = reader.headers().unwrap().clone();
        let rows: Vec<_> = reader.records().map(|row| row.unwrap()).collect();
        let of = |name: &str| rows[1].get(head.iter().position(|column| column == name).unwrap()).unwrap();
        assert_eq!((of("open"), of("open_days_30_and_more")), ("3", "2"));
        assert_eq!((of("first_response_wall_p50_seconds"), of("resolution_wall_p50_seconds")), ("60", ""));
        assert_eq!(of("contract_first_response_kept_percent"), "66.66");
    }

    #[test]
    fn a_long_one_comes_in_pieces_and_an_empty_one_has_a_head() {
        let long = text((0..5_000).map(|day| line(day, "it")).collect(), false);
        // Each line holds one line break in the seller's name.
        assert_eq!(long.matches("\r\n").count(), 5_001);
        assert_eq!(text(Vec::new(), false).matches("\r\n").count(), 1);
    }
}
