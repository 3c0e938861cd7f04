//! The worked cases: `sla/cases.json` of the shared data, or the file named by `SLA_CASES`.

use std::collections::BTreeMap;
use std::path::PathBuf;

use jiff::Timestamp;
use jiff::civil::Date;
use serde_json::{Map, Value};

use super::calendar::{Calendar, Hours, Plan, Span};
use super::paused;

/// The file, or None with a loud note.
pub fn load() -> Option<Value> {
    let given = std::env::var_os("SLA_CASES").map(PathBuf::from);
    let shared = PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/../../../shared/data/sla/cases.json"));
    let path = given.clone().unwrap_or(shared);
    match std::fs::read_to_string(&path) {
        Ok(text) => Some(serde_json::from_str(&text).expect("the cases are JSON")),
        Err(error) if given.is_none() => {
            eprintln!("SKIPPED: {} is not there ({error}); the SLA cases were NOT checked", path.display());
            None
        }
        Err(error) => panic!("SLA_CASES={}: {error}", path.display()),
    }
}

/// The calendar of a case with its pauses, or why there is none.
pub fn calendar_of(file: &Value, case: &Value) -> (Result<Calendar, super::calendar::BadCalendar>, Vec<Span>) {
    let name = case["calendar"].as_str().expect("a calendar's name");
    let mut keys: Map<String, Value> = file["calendars"][name].as_object().expect("a known calendar").clone();
    for (key, value) in case["override"].as_object().into_iter().flatten() {
        keys.insert(key.clone(), value.clone());
    }
    let mut plan = Plan { zone: keys["tz"].as_str().expect("a zone").into(), ..Plan::default() };
    for (index, day) in ["mon", "tue", "wed", "thu", "fri", "sat", "sun"].iter().enumerate() {
        plan.week[index] = keys["hours"].get(*day).map(hours).unwrap_or_default();
    }
    plan.shifts = dated(keys.get("shifts"));
    plan.breaks = dated(keys.get("breaks"));
    plan.holidays = list(keys.get("holidays")).map(|date| date.as_str().unwrap().parse().unwrap()).collect();
    let pauses = list(keys.get("pauses")).map(|p| Span { start: instant(&p[0]), end: instant(&p[1]) }).collect();
    (Calendar::new(plan), pauses)
}

fn list(value: Option<&Value>) -> impl Iterator<Item = &Value> {
    value.and_then(Value::as_array).into_iter().flatten()
}

fn hours(value: &Value) -> Vec<Hours> {
    let text = |v: &Value| v.as_str().expect("a time").to_owned();
    list(Some(value)).map(|pair| Hours::parse(&text(&pair[0]), &text(&pair[1])).expect("hours")).collect()
}

fn dated(value: Option<&Value>) -> BTreeMap<Date, Vec<Hours>> {
    let entries = value.and_then(Value::as_object).into_iter().flatten();
    entries.map(|(date, pairs)| (date.parse().expect("a date"), hours(pairs))).collect()
}

fn instant(value: &Value) -> i64 {
    value.as_str().expect("an instant").parse::<Timestamp>().expect("RFC 3339").as_second()
}

fn check(file: &Value, case: &Value) -> Result<(), String> {
    let (calendar, pauses) = calendar_of(file, case);
    let calendar = calendar.map_err(|error| error.to_string())?;
    let start = instant(&case["start"]);
    let seconds = || case["seconds"].as_i64().expect("seconds");
    let show = |at: Option<i64>| at.and_then(|s| Timestamp::from_second(s).ok()).map(|t| t.to_string());
    match case["op"].as_str() {
        Some("add") => {
            let got = paused::add(&calendar, start, seconds(), &pauses);
            same(show(got), show(Some(instant(&case["expect"]))))
        }
        Some("subtract") => {
            let got = paused::subtract(&calendar, start, seconds(), &pauses);
            same(show(got), show(Some(instant(&case["expect"]))))
        }
        Some("elapsed") => {
            let got = paused::elapsed(&calendar, start, instant(&case["end"]), &pauses);
            same(Some(got), case["expect_seconds"].as_i64())
        }
        Some("periods") => {
            let want: Vec<Span> =
                list(case.get("expect")).map(|p| Span { start: instant(&p[0]), end: instant(&p[1]) }).collect();
            let end = want.last().map_or(start, |span| span.end) + 86_400 * 400;
            let got: Vec<Span> = calendar.periods(start, end, want.len() + 1).into_iter().take(want.len()).collect();
            same(got, want)
        }
        other => Err(format!("unknown op {other:?}")),
    }
}

fn same<T: PartialEq + std::fmt::Debug>(got: T, want: T) -> Result<(), String> {
    if got == want { Ok(()) } else { Err(format!("got {got:?}, want {want:?}")) }
}

#[test]
fn every_worked_case_comes_out_to_the_second() {
    let Some(file) = load() else { return };
    let cases = file["cases"].as_array().expect("cases");
    let wrong: Vec<String> =
        cases.iter().filter_map(|case| check(&file, case).err().map(|why| format!("{}: {why}", case["id"]))).collect();
    assert!(wrong.is_empty(), "{} of {} cases are wrong:\n{}", wrong.len(), cases.len(), wrong.join("\n"));
    assert!(!cases.is_empty(), "the file holds no case");
}
