//! An outcome drawn: as SVG, and with characters for a terminal.

use std::fmt::Write;

use crate::outcome::{Figures, Outcome, Row};
use crate::student::Figure;

/// Colors that people who see few of them tell apart (Okabe and Ito).
const COLORS: [&str; 8] = ["#0072b2", "#d55e00", "#009e73", "#cc79a7", "#56b4e9", "#e69f00", "#000000", "#b3a400"];
/// Types that get a line of their own; more would tell nobody anything.
const LINES_MAX: usize = 8;

const WIDTH: f64 = 900.0;
const PANEL: f64 = 170.0;
const LEFT: f64 = 70.0;
const RIGHT: f64 = 150.0;
const TOP: f64 = 50.0;
const GAP: f64 = 46.0;

fn escape(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;").replace('"', "&quot;")
}

/// Lines of one panel: name, color, and a figure for each column.
type Series<'a> = (String, &'a str, Vec<Option<Figure>>);

/// The outcome as a picture: offered contacts, service level, mean wait and
/// occupancy; by interval where there are any, and by type otherwise.
#[must_use]
pub fn svg(outcome: &Outcome) -> String {
    let by_time = !outcome.intervals.is_empty();
    let rows: Vec<&Row> = if by_time { outcome.intervals.iter().collect() } else { vec![&outcome.whole] };
    let panels = panels(&rows, by_time);
    let labels: Vec<String> = if by_time {
        rows.iter().map(|row| row.label.clone()).collect()
    } else {
        outcome.whole.types.keys().cloned().collect()
    };
    let height = TOP + panels.len() as f64 * (PANEL + GAP) + 20.0;
    let mut out = String::new();
    let _ = write!(
        out,
        "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"{WIDTH}\" height=\"{height}\" viewBox=\"0 0 {WIDTH} {height}\" \
         font-family=\"sans-serif\" font-size=\"12\">\n<rect width=\"100%\" height=\"100%\" fill=\"white\"/>\n\
         <text x=\"{LEFT}\" y=\"24\" font-size=\"16\">{}</text>\n<text x=\"{LEFT}\" y=\"40\" fill=\"#555\">{} observations, {:.0} % intervals</text>\n",
        escape(&outcome.name),
        outcome.observations,
        outcome.confidence * 100.0
    );
    for (i, (title, percent, series)) in panels.iter().enumerate() {
        panel(&mut out, TOP + i as f64 * (PANEL + GAP) + 20.0, title, *percent, series, &labels, by_time);
    }
    out.push_str("</svg>\n");
    out
}

fn panels<'a>(rows: &[&Row], by_time: bool) -> Vec<(&'static str, bool, Vec<Series<'a>>)> {
    let what = [
        ("offered contacts", "offered", false),
        ("service level", "service_level", true),
        ("mean wait, s", "wait", false),
        ("occupancy", "occupancy", true),
    ];
    what.into_iter()
        .map(|(title, name, percent)| {
            let of_agents = name == "occupancy";
            let kept = |of: &Figures| of.get(name).copied();
            let series = if !by_time {
                let row = rows[0];
                let sets = if of_agents { &row.groups } else { &row.types };
                vec![(String::new(), COLORS[0], sets.values().map(kept).collect())]
            } else if of_agents {
                vec![("all agents".to_owned(), COLORS[6], rows.iter().map(|row| kept(&row.agents)).collect())]
            } else {
                let mut series: Vec<Series<'a>> =
                    vec![("all".to_owned(), COLORS[6], rows.iter().map(|row| kept(&row.all)).collect())];
                let types = &rows[0].types;
                if types.len() > 1 && types.len() <= LINES_MAX {
                    for (i, name) in types.keys().enumerate() {
                        let line = rows.iter().map(|row| row.types.get(name).and_then(kept)).collect();
                        series.push((name.clone(), COLORS[if i < 6 { i } else { 7 }], line));
                    }
                }
                series
            };
            (title, percent, series)
        })
        .collect()
}

/// A round number at or above the greatest.
fn ceiling(most: f64) -> f64 {
    if most <= 0.0 {
        return 1.0;
    }
    let power = 10f64.powf(most.log10().floor());
    [1.0, 2.0, 2.5, 5.0, 10.0].into_iter().map(|n| n * power).find(|n| *n >= most * 0.999_999).unwrap_or(most)
}

fn panel(
    out: &mut String,
    top: f64,
    title: &str,
    percent: bool,
    series: &[Series<'_>],
    labels: &[String],
    by_time: bool,
) {
    let figures = || series.iter().flat_map(|(_, _, line)| line.iter().flatten());
    let most = figures().map(|f| f.high.unwrap_or(f.value)).fold(0.0, f64::max);
    let most = if percent { 1.0_f64.max(ceiling(most.min(1.0))) } else { ceiling(most) };
    let width = WIDTH - LEFT - RIGHT;
    let count = series.iter().map(|(_, _, line)| line.len()).max().unwrap_or(1).max(1);
    let x = |i: usize| LEFT + width * (i as f64 + 0.5) / count as f64;
    let y = |n: f64| top + PANEL * (1.0 - (n / most).clamp(0.0, 1.0));
    let _ = writeln!(out, "<text x=\"{LEFT}\" y=\"{}\" font-weight=\"bold\">{}</text>", top - 6.0, escape(title));
    for step in 0..=4 {
        let n = most * f64::from(step) / 4.0;
        let told = if percent { format!("{:.0} %", n * 100.0) } else { format!("{}", (n * 100.0).round() / 100.0) };
        let _ = writeln!(
            out,
            "<line x1=\"{LEFT}\" x2=\"{:.1}\" y1=\"{1:.1}\" y2=\"{1:.1}\" stroke=\"#ddd\"/><text x=\"{2:.1}\" y=\"{3:.1}\" text-anchor=\"end\" fill=\"#555\">{told}</text>",
            LEFT + width,
            y(n),
            LEFT - 6.0,
            y(n) + 4.0
        );
    }
    let every = count.div_ceil(14);
    for (i, label) in labels.iter().take(count).enumerate().filter(|(i, _)| i % every == 0) {
        let _ = writeln!(
            out,
            "<text x=\"{:.1}\" y=\"{:.1}\" text-anchor=\"middle\" fill=\"#555\">{}</text>",
            x(i),
            top + PANEL + 15.0,
            escape(label)
        );
    }
    for (n, (name, color, line)) in series.iter().enumerate() {
        if by_time {
            curve(out, line, color, &x, &y);
        } else {
            bars(out, line, color, width / count as f64 * 0.6, &x, &y, top + PANEL);
        }
        let row = top + 12.0 + n as f64 * 16.0;
        if !name.is_empty() {
            let _ = writeln!(
                out,
                "<rect x=\"{0:.1}\" y=\"{1:.1}\" width=\"10\" height=\"10\" fill=\"{color}\"/><text x=\"{2:.1}\" y=\"{row:.1}\">{3}</text>",
                LEFT + width + 14.0,
                row - 9.0,
                LEFT + width + 30.0,
                escape(name)
            );
        }
    }
}

fn curve(out: &mut String, line: &[Option<Figure>], color: &str, x: &dyn Fn(usize) -> f64, y: &dyn Fn(f64) -> f64) {
    let known: Vec<(usize, Figure)> = line.iter().enumerate().filter_map(|(i, f)| f.map(|f| (i, f))).collect();
    let points = |end: &dyn Fn(&Figure) -> f64| -> Vec<String> {
        known.iter().map(|(i, f)| format!("{:.1},{:.1}", x(*i), y(end(f)))).collect()
    };
    let mut band = points(&|f| f.high.unwrap_or(f.value));
    band.extend(points(&|f| f.low.unwrap_or(f.value)).into_iter().rev());
    let _ = writeln!(out, "<polygon points=\"{}\" fill=\"{color}\" opacity=\"0.15\"/>", band.join(" "));
    let middle = points(&|f| f.value).join(" ");
    let _ = writeln!(out, "<polyline points=\"{middle}\" fill=\"none\" stroke=\"{color}\" stroke-width=\"2\"/>");
}

fn bars(
    out: &mut String,
    line: &[Option<Figure>],
    color: &str,
    width: f64,
    x: &dyn Fn(usize) -> f64,
    y: &dyn Fn(f64) -> f64,
    bottom: f64,
) {
    for (i, figure) in line.iter().enumerate() {
        let Some(figure) = figure else { continue };
        let (left, top) = (x(i) - width / 2.0, y(figure.value));
        let _ = writeln!(
            out,
            "<rect x=\"{left:.1}\" y=\"{top:.1}\" width=\"{width:.1}\" height=\"{:.1}\" fill=\"{color}\" opacity=\"0.7\"/>",
            (bottom - top).max(0.0)
        );
        if let (Some(low), Some(high)) = (figure.low, figure.high) {
            let _ = writeln!(
                out,
                "<line x1=\"{0:.1}\" x2=\"{0:.1}\" y1=\"{1:.1}\" y2=\"{2:.1}\" stroke=\"black\" stroke-width=\"1.5\"/>",
                x(i),
                y(low),
                y(high)
            );
        }
    }
}

/// The outcome drawn with characters: a bar for each interval, or each type.
#[must_use]
pub fn terminal(outcome: &Outcome) -> String {
    const BAR: usize = 50;
    let rows: Vec<(String, &Figures)> = if outcome.intervals.is_empty() {
        outcome.whole.types.iter().map(|(name, figures)| (name.clone(), figures)).collect()
    } else {
        outcome.intervals.iter().map(|row| (row.label.clone(), &row.all)).collect()
    };
    let width = rows.iter().map(|(label, _)| label.chars().count()).max().unwrap_or(0);
    let mut out = "service level\n".to_owned();
    for (label, figures) in rows {
        let Some(figure) = figures.get("service_level") else { continue };
        let at = |n: f64| (n.clamp(0.0, 1.0) * BAR as f64).round() as usize;
        let (low, high) = (at(figure.low.unwrap_or(figure.value)), at(figure.high.unwrap_or(figure.value)));
        let bar: String = (0..BAR)
            .map(|i| match i {
                i if i < low => '█',
                i if i < at(figure.value) => '▓',
                i if i < high => '░',
                _ => '·',
            })
            .collect();
        let gap = " ".repeat(width - label.chars().count());
        let _ = writeln!(out, "{label}{gap} {bar} {:.1} %", figure.value * 100.0);
    }
    out
}
