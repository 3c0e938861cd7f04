//! An outcome for people and programs: a table, CSV, and a plot.

use std::fmt::Write;

use crate::outcome::{Figures, Outcome, Row};
use crate::student::Figure;

/// What the table tells of contacts: heading, figure, and how it is written.
const COLUMNS: [(&str, &str, Form); 10] = [
    ("offered", "offered", Form::Count),
    ("served", "served", Form::Count),
    ("abandoned", "p_abandon", Form::Share),
    ("blocked", "p_block", Form::Share),
    ("balked", "p_balk", Form::Share),
    ("service level", "service_level", Form::Share),
    ("waits", "p_wait", Form::Share),
    ("answer s", "asa", Form::Seconds),
    ("wait s", "wait", Form::Seconds),
    ("queue", "queue_length", Form::Seconds),
];

const AGENTS: [(&str, &str, Form); 3] =
    [("agents", "agents", Form::Seconds), ("occupancy", "occupancy", Form::Share), ("busy", "busy", Form::Share)];

#[derive(Clone, Copy)]
enum Form {
    Count,
    Share,
    Seconds,
}

fn written(figure: Option<&Figure>, form: Form) -> String {
    let Some(figure) = figure else { return "-".to_owned() };
    let digits = |n: f64| match form {
        Form::Share => format!("{:.2} %", n * 100.0),
        Form::Count if n >= 1_000.0 => format!("{n:.0}"),
        Form::Count | Form::Seconds => format!("{n:.2}"),
    };
    match figure.half_width() {
        Some(half) if half > 0.0 => {
            let half = digits(half);
            format!("{} ±{}", digits(figure.value).trim_end_matches(" %"), half)
        }
        _ => digits(figure.value),
    }
}

fn line(cells: &[String], widths: &[usize], out: &mut String) {
    for (i, (cell, width)) in cells.iter().zip(widths).enumerate() {
        let gap = " ".repeat(width.saturating_sub(cell.chars().count()));
        let _ = if i == 0 { write!(out, "{cell}{gap}") } else { write!(out, "  {gap}{cell}") };
    }
    while out.ends_with(' ') {
        out.pop();
    }
    out.push('\n');
}

fn grid(head: Vec<String>, rows: Vec<Vec<String>>, out: &mut String) {
    let widths: Vec<usize> = (0..head.len())
        .map(|i| rows.iter().chain([&head]).map(|row| row[i].chars().count()).max().unwrap_or(0))
        .collect();
    line(&head, &widths, out);
    for row in rows {
        line(&row, &widths, out);
    }
    out.push('\n');
}

/// The outcome as tables to be read in a terminal.
#[must_use]
pub fn table(outcome: &Outcome) -> String {
    let mut out = String::new();
    let _ = writeln!(
        out,
        "{}{} replications, {} observations, seed {}, {} contacts, {:.0} % intervals\n",
        if outcome.name.is_empty() { String::new() } else { format!("{}: ", outcome.name) },
        outcome.replications,
        outcome.observations,
        outcome.seed,
        outcome.contacts,
        outcome.confidence * 100.0
    );
    contacts(&outcome.whole, &mut out);
    agents(&outcome.whole, &mut out);
    for (title, rows) in [("interval", &outcome.intervals), ("window", &outcome.windows)] {
        if rows.is_empty() {
            continue;
        }
        let mut head: Vec<String> = vec![title.to_owned()];
        head.extend(COLUMNS.iter().map(|(title, ..)| (*title).to_owned()));
        head.push("occupancy".to_owned());
        let cells = |label: String, row: &Row, figures: &Figures, whole: bool| {
            let mut cells = vec![label];
            cells.extend(COLUMNS.iter().map(|(_, name, form)| written(figures.get(name), *form)));
            cells.push(if whole { written(row.agents.get("occupancy"), Form::Share) } else { String::new() });
            cells
        };
        let mut lines = Vec::new();
        for row in rows {
            lines.push(cells(row.label.clone(), row, &row.all, true));
            if row.types.len() > 1 {
                lines.extend(row.types.iter().map(|(name, figures)| cells(format!("  {name}"), row, figures, false)));
            }
        }
        grid(head, lines, &mut out);
    }
    out.truncate(out.trim_end().len());
    out.push('\n');
    out
}

fn contacts(row: &Row, out: &mut String) {
    let mut sets: Vec<(&'static str, &str, &Figures)> =
        row.sets().filter(|(what, ..)| matches!(*what, "all" | "type" | "seller" | "language")).collect();
    // What only repeats the types is left out.
    let repeats = |what: &str, count: usize| match what {
        "type" => count == 1,
        "seller" | "language" => count == row.types.len() || count == 1,
        _ => false,
    };
    sets.retain(|(what, ..)| {
        let count = match *what {
            "type" => row.types.len(),
            "seller" => row.sellers.len(),
            _ => row.languages.len(),
        };
        !repeats(what, count)
    });
    let mut head = vec!["contacts".to_owned()];
    head.extend(COLUMNS.iter().map(|(title, ..)| (*title).to_owned()));
    let rows = sets
        .into_iter()
        .map(|(what, name, figures)| {
            let mut cells = vec![format!("{what} {name}").trim().to_owned()];
            cells.extend(COLUMNS.iter().map(|(_, name, form)| written(figures.get(name), *form)));
            cells
        })
        .collect();
    grid(head, rows, out);
    if let Some(p99) = row.all.get("wait_p99") {
        let shares = ["wait_p50", "wait_p90", "wait_p95"].map(|name| row.all.get(name).map_or(0.0, |f| f.value));
        let _ = writeln!(
            out,
            "waits of the served: half {:.1} s, 90 % {:.1} s, 95 % {:.1} s, 99 % {:.1} s at most\n",
            shares[0], shares[1], shares[2], p99.value
        );
    }
}

fn agents(row: &Row, out: &mut String) {
    let mut head = vec!["group".to_owned()];
    head.extend(AGENTS.iter().map(|(title, ..)| (*title).to_owned()));
    let all = ("all".to_owned(), &row.agents);
    let groups = row.groups.iter().map(|(name, figures)| (name.clone(), figures)).filter(|_| row.groups.len() > 1);
    let rows = std::iter::once(all)
        .chain(groups)
        .map(|(name, figures)| {
            let mut cells = vec![name];
            cells.extend(AGENTS.iter().map(|(_, name, form)| written(figures.get(name), *form)));
            cells
        })
        .collect();
    grid(head, rows, out);
}

fn field(text: &str) -> String {
    if text.contains([',', '"', '\n', '\r']) { format!("\"{}\"", text.replace('"', "\"\"")) } else { text.to_owned() }
}

/// The outcome as CSV: one figure a line.
#[must_use]
pub fn csv(outcome: &Outcome) -> String {
    let mut out = "stretch,from_s,to_s,of,name,figure,value,low,high\n".to_owned();
    let end = |end: Option<f64>| end.map(|n| n.to_string()).unwrap_or_default();
    for row in outcome.rows() {
        for (of, name, figures) in row.sets() {
            for (figure, Figure { value, low, high }) in figures {
                let _ = writeln!(
                    out,
                    "{},{},{},{of},{},{figure},{value},{},{}",
                    field(&row.label),
                    row.from,
                    row.to,
                    field(name),
                    end(*low),
                    end(*high)
                );
            }
        }
    }
    out
}
