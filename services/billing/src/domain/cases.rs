//! The table test: amounts known from other systems. Reads `data/billing/cases.json`
//! or the file named by `BILLING_CASES`; every model of the format has one general
//! rule here, made of the domain's own functions.

mod charges;
mod money_rules;
mod params;
mod time_rules;

use std::collections::BTreeMap;
use std::path::PathBuf;

use rust_decimal::Decimal;
use serde_json::Value;

use money_rules::currency;
use params::{Params, Read};

use super::money::Rounding;

/// What a case computed: amounts by the names of the file.
type Outcome = BTreeMap<String, Value>;

fn outcome(fields: &[(&str, Decimal)]) -> Outcome {
    fields.iter().map(|(k, v)| ((*k).to_string(), Value::String(v.to_string()))).collect()
}

fn compute(model: &str, p: &Params<'_>, u: &Params<'_>) -> Result<Outcome, String> {
    let model = known_as(model);
    if let Some(found) = charges::compute(model, p, u) {
        return found;
    }
    if let Some(found) = money_rules::compute(model, p, u) {
        return found;
    }
    time_rules::compute(model, p, u).unwrap_or_else(|| Err(format!("no rule for the model `{model}`")))
}

/// Other systems' names of the same models.
fn known_as(model: &str) -> &str {
    match model {
        "per_unit" | "unit" | "usage" => "standard",
        "tiered" | "tiered_graduated" | "slab" => "graduated",
        "bulk" | "tiered_volume" | "stairstep" | "tiered_flat" => "volume",
        "packaged" | "block" => "package",
        "flat_fee_prorated" | "seat_prorated" => "flat_prorated",
        "tiered_percentage" => "graduated_percentage",
        other => other,
    }
}

/// Numbers are compared as decimals, quotients to the places of the expectation. No text is told as null or as empty.
fn same(key: &str, expected: &Value, got: &Value) -> bool {
    match (expected, got) {
        (Value::Array(a), Value::Array(b)) => a.len() == b.len() && a.iter().zip(b).all(|(a, b)| same(key, a, b)),
        (Value::Object(a), Value::Object(b)) => {
            a.len() == b.len() && a.iter().all(|(k, v)| b.get(k).is_some_and(|w| same(key, v, w)))
        }
        _ => match (decimal(expected), decimal(got)) {
            // A sum of quotients, each told to as many places: the last one may be off by the sum's rounding.
            (Some(a), Some(b)) if key == "cycles" && a.scale() > 6 => (a - b).abs() <= Decimal::new(1, a.scale()),
            (Some(a), Some(b)) if matches!(key, "cycles" | "value") => Rounding::HalfUp.apply(b, a.scale()) == a,
            (Some(a), Some(b)) => a == b,
            _ if expected.is_null() => got.is_null() || got.as_str() == Some(""),
            _ => expected == got,
        },
    }
}

fn decimal(value: &Value) -> Option<Decimal> {
    match value {
        Value::String(text) => text.parse().ok(),
        Value::Number(number) => number.to_string().parse().ok(),
        _ => None,
    }
}

fn check(case: &Value) -> Result<(), String> {
    let text = |name: &str| case.get(name).and_then(Value::as_str).unwrap_or_default();
    let (null, read) = (Value::Null, Read::default());
    let part = |name: &str| case.get(name).unwrap_or(&null);
    let (params, usage) = (Params::new(part("params"), &read), Params::new(part("usage"), &read));
    let digits = currency(&params)?.minor_digits();
    let got = compute(text("model"), &params, &usage)?;
    let expected = case.get("expected").and_then(Value::as_object).ok_or("`expected` is not an object")?;
    let mut differs = Vec::new();
    for (key, value) in expected {
        if key.ends_with("_WRONG") {
            continue;
        }
        let found = match got.get(key) {
            Some(found) => found.clone(),
            None if value.is_null() => Value::Null,
            None if key == "amount_rounded" => {
                let exact = got.get("amount").and_then(decimal).ok_or("no amount to round")?;
                Value::String(Rounding::HalfUp.apply(exact, digits).to_string())
            }
            None => return Err(format!("`{key}` was not computed; got {got:?}")),
        };
        if !same(key, value, &found) {
            differs.push(format!("`{key}` is {found}, expected {value}"));
        }
    }
    let unread = [read.unread(part("params")), read.unread(part("usage"))].concat();
    if !unread.is_empty() {
        differs.push(format!("no rule reads `{}`", unread.join("`, `")));
    }
    if differs.is_empty() { Ok(()) } else { Err(differs.join("; ")) }
}

fn file() -> PathBuf {
    #[allow(clippy::disallowed_methods)] // a test may name its table by a variable
    std::env::var_os("BILLING_CASES").map_or_else(
        || PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../../shared/data/billing/cases.json"),
        PathBuf::from,
    )
}

#[test]
fn every_case_of_the_table_comes_out() {
    let path = file();
    let Ok(text) = std::fs::read_to_string(&path) else {
        eprintln!("SKIPPED: no billing cases at {} - nothing was compared", path.display());
        return;
    };
    let cases: Vec<Value> = serde_json::from_str(&text).expect("cases.json is an array of objects");
    let mut failed = Vec::new();
    let (mut compared, mut peers) = (0, 0);
    for case in &cases {
        if case.get("peer_specific").and_then(Value::as_bool) == Some(true) {
            peers += 1;
            continue;
        }
        compared += 1;
        // A case whose numbers no rule foresees is told with the others, and does not end the table.
        let checked = std::panic::catch_unwind(|| check(case));
        if let Err(problem) = checked.unwrap_or_else(|_| Err("its numbers cannot be computed with".into())) {
            failed.push(format!("{}: {problem}", case.get("id").and_then(Value::as_str).unwrap_or("?")));
        }
    }
    println!("{compared} cases compared, {peers} peer-specific ones passed over");
    assert!(failed.is_empty(), "{} of {compared} differ:\n{}", failed.len(), failed.join("\n"));
}

#[test]
fn a_term_that_no_rule_reads_is_told() {
    let case = |params: &str, usage: &str| {
        let case =
            format!(r#"{{"model": "standard", "params": {params}, "usage": {usage}, "expected": {{"amount": "20"}}}}"#);
        check(&serde_json::from_str(&case).expect("a case"))
    };
    assert_eq!(case(r#"{"unit": "10", "minimum": null}"#, r#"{"units": "2", "note": "two"}"#), Ok(()));
    let unread = case(r#"{"unit": "10", "waived": "1"}"#, r#"{"units": "2", "seats": {"day": "1"}}"#);
    assert_eq!(unread, Err("no rule reads `waived`, `seats`".into()));
    let differs = case(r#"{"unit": "11", "waived": "1"}"#, r#"{"units": "2"}"#);
    assert_eq!(differs, Err("`amount` is \"22\", expected \"20\"; no rule reads `waived`".into()));
    let inner = Value::from(vec![serde_json::json!({"up_to": null, "unit": "1", "cap": "3"})]);
    let read = Read::default();
    let params = serde_json::json!({ "tiers": inner });
    assert!(Params::new(&params, &read).tiers().is_ok());
    assert_eq!(read.unread(&params), ["tiers.cap"]);
}
