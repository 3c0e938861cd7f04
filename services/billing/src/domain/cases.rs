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

use params::Params;

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

/// Numbers are compared as decimals, quotients to the places of the expectation.
fn same(key: &str, expected: &Value, got: &Value) -> bool {
    match (expected, got) {
        (Value::Array(a), Value::Array(b)) => a.len() == b.len() && a.iter().zip(b).all(|(a, b)| same(key, a, b)),
        (Value::Object(a), Value::Object(b)) => {
            a.len() == b.len() && a.iter().all(|(k, v)| b.get(k).is_some_and(|w| same(key, v, w)))
        }
        _ => match (decimal(expected), decimal(got)) {
            (Some(a), Some(b)) if matches!(key, "cycles" | "value") => {
                crate::domain::money::Rounding::HalfUp.apply(b, a.scale()) == a
            }
            (Some(a), Some(b)) => a == b,
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
    let null = Value::Null;
    let part = |name: &str| Params(case.get(name).unwrap_or(&null));
    let got = compute(text("model"), &part("params"), &part("usage"))?;
    let expected = case.get("expected").and_then(Value::as_object).ok_or("`expected` is not an object")?;
    for (key, value) in expected {
        if key.ends_with("_WRONG") {
            continue;
        }
        let found = match got.get(key) {
            Some(found) => found.clone(),
            None if key == "amount_rounded" => {
                let exact = got.get("amount").and_then(decimal).ok_or("no amount to round")?;
                Value::String(crate::domain::money::Rounding::HalfUp.apply(exact, 2).to_string())
            }
            None => return Err(format!("`{key}` was not computed; got {got:?}")),
        };
        if !same(key, value, &found) {
            return Err(format!("`{key}` is {found}, expected {value}"));
        }
    }
    Ok(())
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
