//! Rows of a CSV file, with their places. A row that is broken - a quote that is not closed, too many or
//! too few columns - costs itself and no other: reading goes on with the next line.

use std::collections::VecDeque;
use std::io::BufRead;

/// Longest row, in bytes.
const ROW_LIMIT: usize = 1024 * 1024;
/// Most lines of a row: a text in quotes may have several.
const LINES_LIMIT: usize = 20_000;

/// A row.
#[derive(Debug, PartialEq, Eq)]
pub struct Row {
    /// Its first line, from 1.
    pub line: u64,
    /// The byte behind it, and the line that begins there.
    pub ends: u64,
    pub next_line: u64,
    pub fields: Result<Vec<String>, String>,
}

/// A line of the file.
struct Line {
    number: u64,
    ends: u64,
    /// None if it is longer than a row may be.
    text: Option<Vec<u8>>,
}

/// Reads rows one after the other.
pub struct Rows<R> {
    input: R,
    position: u64,
    number: u64,
    /// Lines that were read ahead for a row that was broken.
    back: VecDeque<Line>,
    delimiter: u8,
    /// Columns of each row; 0 while the first was not read.
    width: usize,
}

impl<R: BufRead> Rows<R> {
    /// From the first line, which names the columns.
    pub fn new(input: R) -> Rows<R> {
        Rows { input, position: 0, number: 1, back: VecDeque::new(), delimiter: b',', width: 0 }
    }

    /// The names of the columns. What parts them is seen.
    pub fn header(&mut self) -> std::io::Result<Option<Row>> {
        let Some(mut first) = self.line()? else { return Ok(None) };
        if let Some(text) = &mut first.text {
            if text.starts_with(b"\xef\xbb\xbf") {
                text.drain(..3);
            }
            let count = |mark: u8| text.iter().filter(|byte| **byte == mark).count();
            let marks = [b',', b';', b'\t'];
            self.delimiter = marks.into_iter().rev().max_by_key(|mark| count(*mark)).unwrap_or(b',');
        }
        self.back.push_front(first);
        let row = self.next()?;
        self.width = row.as_ref().and_then(|row| row.fields.as_ref().ok()).map_or(0, Vec::len);
        Ok(row)
    }

    /// Goes on at a place where a row begins; the input stands there already.
    pub fn go_on(&mut self, position: u64, line: u64) {
        self.back.clear();
        (self.position, self.number) = (position, line);
    }

    /// The input.
    pub fn input(&mut self) -> &mut R {
        &mut self.input
    }

    pub fn next(&mut self) -> std::io::Result<Option<Row>> {
        let mut lines = VecDeque::new();
        loop {
            match self.line()? {
                None => return Ok(None),
                Some(line) if line.text.as_ref().is_some_and(|text| text.iter().all(u8::is_ascii_whitespace)) => {}
                Some(line) => {
                    lines.push_back(line);
                    break;
                }
            }
        }
        let (mut text, mut quotes) = (Vec::new(), 0);
        loop {
            let Some(line) = lines.back().and_then(|line| line.text.as_ref()) else {
                return Ok(self.broken(lines, "the row is longer than 1 MiB"));
            };
            quotes += line.iter().filter(|byte| **byte == b'"').count();
            text.extend_from_slice(line);
            if quotes % 2 == 0 {
                break;
            }
            if ROW_LIMIT < text.len() || LINES_LIMIT < lines.len() {
                return Ok(self.broken(lines, "a quote is not closed"));
            }
            match self.line()? {
                Some(line) => lines.push_back(line),
                None => return Ok(self.broken(lines, "a quote is not closed")),
            }
        }
        match self.fields(&text) {
            Ok(fields) => Ok(row(&lines, Ok(fields))),
            Err(reason) => Ok(self.broken(lines, &reason)),
        }
    }

    fn fields(&self, text: &[u8]) -> Result<Vec<String>, String> {
        let mut reader =
            csv::ReaderBuilder::new().has_headers(false).flexible(true).delimiter(self.delimiter).from_reader(text);
        let mut record = csv::StringRecord::new();
        let read = reader.read_record(&mut record);
        if !read.map_err(|_| "the row is not UTF-8".to_owned())? {
            return Err("the row is empty".to_owned());
        }
        if 0 < self.width && record.len() != self.width {
            return Err(format!("the row has {} columns instead of {}", record.len(), self.width));
        }
        Ok(record.iter().map(str::to_owned).collect())
    }

    /// A broken row is its first line; the others are read again.
    fn broken(&mut self, mut lines: VecDeque<Line>, reason: &str) -> Option<Row> {
        let first = lines.pop_front()?;
        while let Some(line) = lines.pop_back() {
            self.back.push_front(line);
        }
        Some(Row { line: first.number, ends: first.ends, next_line: first.number + 1, fields: Err(reason.to_owned()) })
    }

    fn line(&mut self) -> std::io::Result<Option<Line>> {
        if let Some(line) = self.back.pop_front() {
            return Ok(Some(line));
        }
        let (mut text, mut read) = (Vec::new(), 0);
        loop {
            let chunk = self.input.fill_buf()?;
            let end = chunk.iter().position(|byte| *byte == b'\n').map(|at| at + 1);
            let taken = end.unwrap_or(chunk.len());
            let room = (ROW_LIMIT + 1).saturating_sub(text.len());
            text.extend_from_slice(&chunk[..taken.min(room)]);
            self.input.consume(taken);
            read += taken as u64;
            if end.is_some() || taken == 0 {
                break;
            }
        }
        if read == 0 {
            return Ok(None);
        }
        self.position += read;
        let number = self.number;
        self.number += 1;
        Ok(Some(Line { number, ends: self.position, text: (text.len() <= ROW_LIMIT).then_some(text) }))
    }
}

fn row(lines: &VecDeque<Line>, fields: Result<Vec<String>, String>) -> Option<Row> {
    let (first, last) = (lines.front()?, lines.back()?);
    Some(Row { line: first.number, ends: last.ends, next_line: last.number + 1, fields })
}

#[cfg(test)]
mod tests {
    use super::*;

    type Read = Vec<(u64, Result<Vec<String>, String>)>;

    fn read(text: &[u8]) -> Read {
        let mut rows = Rows::new(text);
        rows.header().unwrap();
        std::iter::from_fn(|| rows.next().unwrap()).map(|row| (row.line, row.fields)).collect()
    }

    fn fine(line: u64, fields: &[&str]) -> (u64, Result<Vec<String>, String>) {
        (line, Ok(fields.iter().map(|field| (*field).to_owned()).collect()))
    }

    #[test]
    fn a_broken_row_in_the_middle_costs_no_other() {
        let text = b"id,subject,state\n1,one,open\n2,\"an open quote,open\n3,\"a text\nof two lines\",open\n\n4,too,many,columns\n\
                     5,\"say \"\"hi\"\"\",open\n6,bad \xff,open\n7,last,\"open\"";
        let found = read(text);
        let lines: Vec<u64> = found.iter().map(|(line, _)| *line).collect();
        assert_eq!(lines, [2, 3, 4, 7, 8, 9, 10]);
        assert_eq!(found[0], fine(2, &["1", "one", "open"]));
        assert!(found[1].1.is_err());
        assert_eq!(found[2], fine(4, &["3", "a text\nof two lines", "open"]));
        assert_eq!(found[3].1, Err("the row has 4 columns instead of 3".into()));
        assert_eq!(found[4], fine(8, &["5", "say \"hi\"", "open"]));
        assert_eq!(found[5].1, Err("the row is not UTF-8".into()));
        assert_eq!(found[6], fine(10, &["7", "last", "open"]));
    }

    #[test]
    fn what_parts_the_columns_is_seen_and_a_mark_of_order_is_no_name() {
        let mut rows = Rows::new(&b"\xef\xbb\xbfid;subject\r\n1;a, b\r\n"[..]);
        assert_eq!(rows.header().unwrap().unwrap().fields.unwrap(), ["id", "subject"]);
        assert_eq!(rows.next().unwrap().unwrap().fields.unwrap(), ["1", "a, b"]);
        assert_eq!(rows.next().unwrap(), None);
    }

    #[test]
    fn a_quote_that_is_never_closed_ends_nothing() {
        let mut text = b"a,b\n1,\"x\n".to_vec();
        for n in 2..100 {
            text.extend_from_slice(format!("{n},y\n").as_bytes());
        }
        let found = read(&text);
        assert_eq!(found.len(), 99);
        assert_eq!(found.iter().filter(|(_, fields)| fields.is_err()).count(), 1);
    }

    #[test]
    fn reading_goes_on_where_it_ended() {
        let text = b"a,b\n1,\"x\ny\"\n2,z\n";
        let mut rows = Rows::new(&text[..]);
        rows.header().unwrap();
        let first = rows.next().unwrap().unwrap();
        assert_eq!((first.line, first.ends, first.next_line), (2, 12, 4));
        let mut again = Rows::new(&text[..]);
        again.header().unwrap();
        *again.input() = &text[12..];
        again.go_on(12, 4);
        let second = again.next().unwrap().unwrap();
        assert_eq!((second.line, second.ends, second.fields.unwrap()), (4, 16, vec!["2".to_owned(), "z".into()]));
    }
}
