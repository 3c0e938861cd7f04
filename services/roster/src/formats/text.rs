//! Sections, lines and fields. Every complaint names its line.

use std::fmt::Display;
use std::ops::RangeInclusive;
use std::str::FromStr;

/// What is wrong with a file, and where.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("line {line}: {problem}")]
pub struct Wrong {
    pub line: usize,
    pub problem: String,
}

impl Wrong {
    pub fn new(line: usize, problem: impl Display) -> Wrong {
        Wrong { line, problem: problem.to_string() }
    }
}

/// A line with its number, counted from one.
pub type Line<'a> = (usize, &'a str);

/// The lines of each named section; comments and empty lines are gone. All of `wanted` are there, nothing else, each
/// once; those of `optional` may be missing.
pub struct Sections<'a> {
    found: Vec<(&'static str, usize, Vec<Line<'a>>)>,
}

impl<'a> Sections<'a> {
    pub fn read(text: &'a str, wanted: &[&'static str], optional: &[&'static str]) -> Result<Sections<'a>, Wrong> {
        let mut found: Vec<(&'static str, usize, Vec<Line<'a>>)> = Vec::new();
        let mut last = 1;
        for (index, raw) in text.lines().enumerate() {
            let (number, line) = (index + 1, bare(raw));
            last = number;
            if line.is_empty() {
                continue;
            }
            if line.starts_with("SECTION_") {
                let line = unpadded(line);
                let Some(name) = wanted.iter().chain(optional).find(|name| **name == line) else {
                    return Err(Wrong::new(number, format!("there is no section {}", shown(line))));
                };
                if found.iter().any(|(other, ..)| other == name) {
                    return Err(Wrong::new(number, format!("a second {name}")));
                }
                found.push((name, number, Vec::new()));
            } else if let Some((_, _, lines)) = found.last_mut() {
                lines.push((number, line));
            } else {
                return Err(Wrong::new(number, format!("{} stands before any section", shown(line))));
            }
        }
        if let Some(missing) = wanted.iter().find(|name| !found.iter().any(|(other, ..)| other == *name)) {
            return Err(Wrong::new(last, format!("{missing} is missing")));
        }
        Ok(Sections { found })
    }

    pub fn lines(&self, name: &str) -> &[Line<'a>] {
        self.found.iter().find(|(other, ..)| *other == name).map_or(&[], |(_, _, lines)| lines)
    }

    /// The line a section's name stands on.
    pub fn line(&self, name: &str) -> usize {
        self.found.iter().find(|(other, ..)| *other == name).map_or(1, |(_, line, _)| *line)
    }

    /// The only line of a section, a number.
    pub fn number(&self, name: &str, within: RangeInclusive<u32>) -> Result<(usize, u32), Wrong> {
        match self.lines(name) {
            [(line, text)] => Ok((*line, number(*line, "the number", unpadded(text), within)?)),
            [] => Err(Wrong::new(self.line(name), format!("{name} has no number"))),
            [_, (line, text), ..] => {
                Err(Wrong::new(*line, format!("{name} has one number; {} is too much", shown(text))))
            }
        }
    }
}

/// A line without its comment: what follows a `#` at its start or after a blank.
pub fn bare(raw: &str) -> &str {
    let line = raw.trim_start_matches('\u{feff}');
    let mut before = ' ';
    let comment = line.char_indices().find(|&(_, letter)| {
        let starts = letter == '#' && before.is_whitespace();
        before = letter;
        starts
    });
    line[..comment.map_or(line.len(), |(at, _)| at)].trim()
}

/// A line of one field without the commas that spreadsheets put behind it.
pub fn unpadded(line: &str) -> &str {
    line.trim_end_matches(|letter: char| letter == ',' || letter.is_whitespace())
}

/// The fields of a line, exactly as many as there are names for them. Empty ones behind the last are nothing.
pub fn fields<'a, const N: usize>((line, text): Line<'a>, names: [&str; N]) -> Result<[&'a str; N], Wrong> {
    let mut parts: Vec<&str> = text.split(',').map(str::trim).collect();
    while N < parts.len() && parts.last().is_some_and(|last| last.is_empty()) {
        parts.pop();
    }
    <[&str; N]>::try_from(parts)
        .map_err(|parts| Wrong::new(line, format!("{} fields where there are {N}: {}", parts.len(), names.join(", "))))
}

pub fn number<T>(line: usize, what: &str, text: &str, within: RangeInclusive<T>) -> Result<T, Wrong>
where
    T: FromStr + PartialOrd + Display,
{
    let value: T =
        text.parse().map_err(|_| Wrong::new(line, format!("{what} is a whole number, not {}", shown(text))))?;
    if within.contains(&value) {
        Ok(value)
    } else {
        Err(Wrong::new(line, format!("{what} is {value}, outside {} to {}", within.start(), within.end())))
    }
}

/// A piece of somebody's text, short enough for a message.
pub fn shown(text: &str) -> String {
    let mut short: String = text.chars().take(40).collect();
    if text.chars().nth(40).is_some() {
        short.push('…');
    }
    format!("{short:?}")
}
