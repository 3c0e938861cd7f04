//! Rules of rating, each paid for by a bug in another system.

use jiff::civil::{Date, date};

use super::*;
use crate::domain::definition::Definition;
use crate::domain::money::{Currency, Rounding};
use crate::domain::period::Interval;
use crate::domain::plan::{Filter, Surcharge, Tier};
use crate::domain::usage::{Properties, Property};

fn d(text: &str) -> Decimal {
    text.parse().unwrap()
}

fn may() -> Dates {
    Dates { from: date(2024, 5, 1), until: date(2024, 5, 31) }
}

fn plan(charges: Vec<Charge>) -> Plan {
    Plan {
        name: "Test".into(),
        currency: Currency::parse("EUR").unwrap(),
        interval: Interval::Months(1),
        charges,
        contact: Definition::default(),
        minimum_commitment: None,
        rounding: Rounding::HalfUp,
    }
}

fn per_unit(unit: &str) -> Charge {
    Charge::plain("contacts", Some(Meter::Contact), Model::PerUnit { unit: d(unit) })
}

fn row(on: Date, quantity: &str, language: &str) -> Row {
    Row {
        meter: Meter::Contact,
        properties: Properties { language: language.into(), ..Properties::default() },
        date: on,
        quantity: d(quantity),
        events: 1,
        peak: d(quantity),
        historical: false,
        duration_seconds: 0,
        single: None,
    }
}

fn whole<'a>(plan: &'a Plan) -> Vec<Part<'a>> {
    vec![Part { contract: 0, plan, dates: may() }]
}

fn amounts(rated: &Rated) -> Vec<String> {
    rated.lines.iter().map(|l| l.amount.to_string()).collect()
}

#[test]
fn proration_divides_by_the_whole_period_also_when_the_contract_starts_inside() {
    let mut fee = Charge::plain("team", None, Model::Flat { amount: d("3100") });
    fee.prorate = true;
    let plan = plan(vec![fee]);
    let parts = [Part { contract: 0, plan: &plan, dates: Dates { from: date(2024, 5, 22), until: may().until } }];
    let rated = rate(&parts, may(), &[]).unwrap();
    assert_eq!(amounts(&rated), ["1000.00"]);
}

#[test]
fn the_order_is_convert_round_included_tiers_surcharge_discount_limits() {
    let mut charge = per_unit("10");
    charge.divide_by = d("100");
    charge.quantity_rounding = QuantityRounding::Ceil;
    charge.included = d("1");
    charge.surcharges =
        vec![Surcharge { on: Filter { property: Property::Language, values: vec!["da".into()] }, percent: d("50") }];
    charge.discount_percent = d("10");
    charge.maximum = Some(d("30"));
    let plan = plan(vec![charge]);
    // 350 → 3.5 → 4 → 3 paid → 30; half of it Danish: + 7.50 = 37.50; − 10 % = 33.75; capped at 30.
    let rows = [row(date(2024, 5, 2), "175", "da"), row(date(2024, 5, 3), "175", "de")];
    let rated = rate(&whole(&plan), may(), &rows).unwrap();
    assert_eq!(amounts(&rated), ["30.00"]);
    let steps: Decimal = rated.lines[0].steps.iter().map(|s| s.amount).sum();
    assert_eq!(steps, d("30"));
}

#[test]
fn a_line_is_rounded_once_half_away_from_zero_unless_the_contract_says_even() {
    let rows = [row(date(2024, 5, 2), "1", ""), row(date(2024, 5, 3), "1", ""), row(date(2024, 5, 4), "1", "")];
    let mut up = plan(vec![per_unit("0.335")]);
    assert_eq!(amounts(&rate(&whole(&up), may(), &rows).unwrap()), ["1.01"]);
    up.rounding = Rounding::HalfEven;
    assert_eq!(amounts(&rate(&whole(&up), may(), &rows).unwrap()), ["1.00"]);
}

#[test]
fn the_first_matching_charge_prices_and_the_rest_is_shown_as_unrated() {
    let mut german = per_unit("2");
    german.filters = vec![Filter { property: Property::Language, values: vec!["de".into()] }];
    let plan = plan(vec![german]);
    let rows = [row(date(2024, 5, 2), "1", "de"), row(date(2024, 5, 2), "3", "it"), row(date(2024, 6, 2), "1", "de")];
    let rated = rate(&whole(&plan), may(), &rows).unwrap();
    assert_eq!(amounts(&rated), ["2.00"]);
    assert_eq!(rated.unrated[&Meter::Contact], (2, d("4")));
}

#[test]
fn a_new_price_holds_from_its_date() {
    let (old, new) = (plan(vec![per_unit("1")]), plan(vec![per_unit("2")]));
    let cut = date(2024, 5, 16);
    let parts = [
        Part { contract: 0, plan: &old, dates: Dates { from: may().from, until: cut.yesterday().unwrap() } },
        Part { contract: 1, plan: &new, dates: Dates { from: cut, until: may().until } },
    ];
    let rows = [row(cut.yesterday().unwrap(), "10", ""), row(cut, "10", "")];
    assert_eq!(amounts(&rate(&parts, may(), &rows).unwrap()), ["10.00", "20.00"]);
}

#[test]
fn a_minimum_commitment_tops_up_and_shrinks_with_the_days() {
    let mut plan = plan(vec![per_unit("1")]);
    plan.minimum_commitment = Some(d("310"));
    let dates = Dates { from: date(2024, 5, 22), until: may().until };
    let parts = [Part { contract: 0, plan: &plan, dates }];
    let rated = rate(&parts, may(), &[row(date(2024, 5, 23), "40", "")]).unwrap();
    assert_eq!(amounts(&rated), ["40.00", "60.00"]);
    assert_eq!(rated.lines[1].kind, LineKind::Commitment);
}

fn billed(lines: &[Line]) -> Vec<Billed> {
    lines
        .iter()
        .map(|l| Billed {
            contract: l.contract,
            charge_code: l.charge_code.clone(),
            description: l.description.clone(),
            amount: l.amount,
            events: l.events,
            quantity: l.quantity,
            service: l.service,
        })
        .collect()
}

#[test]
fn splitting_a_period_never_changes_its_total() {
    let tiers = vec![
        Tier { up_to: Some(d("5")), unit: d("0"), flat: d("100") },
        Tier { up_to: None, unit: d("7.335"), flat: d("0") },
    ];
    let graduated = Model::Graduated { tiers, flat_at_zero: true };
    let mut plan = plan(vec![Charge::plain("contacts", Some(Meter::Contact), graduated)]);
    plan.minimum_commitment = Some(d("120"));
    let first = [row(date(2024, 5, 2), "6", "")];
    let all = [row(date(2024, 5, 2), "6", ""), row(date(2024, 5, 30), "9", "")];
    let on_time = rate(&whole(&plan), may(), &first).unwrap();
    let full = rate(&whole(&plan), may(), &all).unwrap();
    let late_lines = late(full.clone(), &billed(&on_time.lines));
    let late_sum: Decimal = late_lines.iter().map(|l| l.amount).sum();
    assert_eq!(on_time.total().unwrap() + late_sum, full.total().unwrap());
    // The commitment that late usage reached is taken back.
    assert!(late_lines.iter().any(|l| l.charge_code.is_empty() && l.amount < Decimal::ZERO));
    assert!(late(full.clone(), &billed(&full.lines)).is_empty());
}

#[test]
fn a_void_invoice_opens_its_share_of_the_minimum_again() {
    let mut plan = plan(vec![per_unit("1")]);
    plan.minimum_commitment = Some(d("50"));
    let rows = [row(date(2024, 5, 2), "20", "")];
    let full = rate(&whole(&plan), may(), &rows).unwrap();
    // Nothing counts as billed once its invoice is void: everything is due again.
    let again: Decimal = late(full.clone(), &[]).iter().map(|l| l.amount).sum();
    assert_eq!(again, full.total().unwrap());
}
