//! Rules of rating, each paid for by a bug in another system.

use jiff::civil::{Date, date};

use super::*;
use crate::domain::definition::Definition;
use crate::domain::forecast::ForecastBand;
use crate::domain::money::{Currency, Rounding};
use crate::domain::over_time::History;
use crate::domain::period::Interval;
use crate::domain::plan::{Coupon, Filter, Percentage, Surcharge, Tier};
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
        service_levels: Vec::new(),
        service_level_cap: None,
        yearly_commitment: None,
        indexations: Vec::new(),
        late_usage: Default::default(),
        coupons: Vec::new(),
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
    vec![Part { contract: 0, plan, dates: may(), measured: Vec::new(), history: History::default() }]
}

fn amounts(rated: &Rated) -> Vec<String> {
    rated.lines.iter().map(|l| l.amount.to_string()).collect()
}

#[test]
fn setup_fees_are_due_once_and_a_year_is_trued_up_with_its_last_period() {
    let mut setup = Charge::plain("setup", None, Model::Flat { amount: d("500") });
    setup.once = true;
    let mut contacts = per_unit("2");
    contacts.included = d("10");
    contacts.roll_over_periods = 1;
    let mut plan = plan(vec![setup, contacts]);
    plan.yearly_commitment = Some(d("1000"));
    let rated = |history: History| {
        let parts = [Part { contract: 0, plan: &plan, dates: may(), measured: Vec::new(), history }];
        amounts(&rate(&parts, may(), &[row(may().from, "30", "it")]).unwrap())
    };
    assert_eq!(rated(History::default()), ["40.00"]);
    assert_eq!(rated(History { begins: true, ..History::default() }), ["500.00", "40.00"]);
    let carried = [("contacts".to_string(), d("7"))].into();
    assert_eq!(rated(History { carried, ..History::default() }), ["26.00"]);
    let year = |billed: &str| History { year_billed: Some(d(billed)), ..History::default() };
    assert_eq!(rated(year("700")), ["40.00", "260.00"]);
    assert_eq!(rated(year("960")), ["40.00"]);
}

#[test]
fn proration_divides_by_the_whole_period_also_when_the_contract_starts_inside() {
    let mut fee = Charge::plain("team", None, Model::Flat { amount: d("3100") });
    fee.prorate = true;
    let plan = plan(vec![fee]);
    let parts = [Part {
        contract: 0,
        plan: &plan,
        dates: Dates { from: date(2024, 5, 22), until: may().until },
        measured: Vec::new(),
        history: History::default(),
    }];
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
fn a_corrected_event_is_priced_as_what_is_left_of_it() {
    let terms = Percentage { rate: d("2"), fixed: d("0.30"), free_events: Some(1), ..Percentage::default() };
    let charge = Charge::plain("turnover", Some(Meter::Turnover), Model::Percentage(terms));
    let event = |at: i64, key: &str, quantity: &str, corrects: Option<&str>| Row {
        meter: Meter::Turnover,
        single: Some(crate::domain::usage::Single {
            at: jiff::Timestamp::from_second(1_714_600_000 + at).unwrap(),
            key: key.into(),
            subject: String::new(),
            corrects: corrects.map(str::to_owned),
        }),
        ..row(date(2024, 5, 2), quantity, "")
    };
    let plan = plan(vec![charge]);
    let billed = |rows: &[Row]| amounts(&rate(&whole(&plan), may(), rows).unwrap());
    // the first is free; 2 % of 100 and the fee of the second
    let sold = [event(0, "a", "50", None), event(1, "b", "100", None)];
    assert_eq!(billed(&sold), ["2.30"]);
    let with = |more: &[Row]| billed(&[sold.to_vec(), more.to_vec()].concat());
    // a part of it back: 2 % of 40 and one fee, at the same instant and in any order
    assert_eq!(with(&[event(1, "back", "-60", Some("b"))]), ["1.10"]);
    assert_eq!(billed(&[event(1, "a-back", "-60", Some("b")), sold[1].clone(), sold[0].clone()]), ["1.10"]);
    // all of it back, and a correction of the correction
    assert_eq!(with(&[event(2, "back", "-100", Some("b"))]), ["0.00"]);
    assert_eq!(with(&[event(2, "back", "-100", Some("b")), event(3, "again", "100", Some("back"))]), ["2.30"]);
    // the free one back leaves its place to the next
    assert_eq!(with(&[event(2, "back", "-50", Some("a"))]), ["0.00"]);
    // of an earlier period: by the rate alone
    assert_eq!(with(&[event(2, "back", "-30", Some("april"))]), ["1.70"]);
}

#[test]
fn a_correction_is_no_event_to_count_and_lowers_the_highest() {
    let of = |aggregation| Charge { aggregation, ..per_unit("1") };
    let event = |at: i64, key: &str, quantity: &str, corrects: Option<&str>| Row {
        peak: d(quantity),
        single: Some(crate::domain::usage::Single {
            at: jiff::Timestamp::from_second(1_714_600_000 + at).unwrap(),
            key: key.into(),
            subject: String::new(),
            corrects: corrects.map(str::to_owned),
        }),
        ..row(date(2024, 5, 2), quantity, "")
    };
    let rows = [
        event(0, "a", "7", None),
        event(1, "b", "9", None),
        event(2, "b-less", "-5", Some("b")),
        event(3, "c", "8", None),
        event(4, "c-none", "-8", Some("c")),
        event(5, "april-less", "-1", Some("april")),
    ];
    for (aggregation, amount) in
        [(Aggregation::Count, "2.00"), (Aggregation::Peak, "7.00"), (Aggregation::Sum, "10.00")]
    {
        let plan = plan(vec![of(aggregation)]);
        assert_eq!(plan.needs_singles(Meter::Contact), aggregation != Aggregation::Sum);
        assert_eq!(amounts(&rate(&whole(&plan), may(), &rows).unwrap()), [amount], "{aggregation:?}");
    }
    // What was added up before counts as it was told.
    let summed = Row { events: 3, peak: d("4"), ..row(date(2024, 5, 2), "6", "") };
    for (aggregation, amount) in [(Aggregation::Count, "3.00"), (Aggregation::Peak, "4.00")] {
        let plan = plan(vec![of(aggregation)]);
        assert_eq!(amounts(&rate(&whole(&plan), may(), std::slice::from_ref(&summed)).unwrap()), [amount]);
    }
}

#[test]
fn a_quantity_is_rounded_to_the_places_that_the_charge_keeps() {
    let mut charge = per_unit("1");
    let rounded = |charge: &Charge, quantity: &str| convert_quantity(charge, d(quantity)).unwrap();
    for (rounding, places, quantity, expected) in [
        (QuantityRounding::HalfUp, 0, "123.5", "124"),
        (QuantityRounding::HalfUp, 0, "-2.5", "-3"),
        (QuantityRounding::HalfUp, 1, "2.45", "2.5"),
        (QuantityRounding::HalfUp, -2, "150", "200"),
        (QuantityRounding::Ceil, 2, "1.247", "1.25"),
        (QuantityRounding::Ceil, -2, "123.456", "200"),
        (QuantityRounding::Ceil, -2, "200", "200"),
        (QuantityRounding::Floor, 2, "123.456", "123.45"),
        (QuantityRounding::Floor, -2, "199.99", "100"),
        (QuantityRounding::None, 2, "123.456", "123.456"),
    ] {
        (charge.quantity_rounding, charge.quantity_rounding_places) = (rounding, places);
        assert_eq!(rounded(&charge, quantity), d(expected), "{rounding:?} of {quantity} to {places}");
    }
    // Seconds into minutes, a tenth begun is a tenth paid: 61 s are 1.1 minutes.
    charge.divide_by = d("60");
    (charge.quantity_rounding, charge.quantity_rounding_places) = (QuantityRounding::Ceil, 1);
    assert_eq!(rounded(&charge, "61"), d("1.1"));
    assert_eq!(rounded(&charge, "66"), d("1.1"));
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
        Part {
            contract: 0,
            plan: &old,
            dates: Dates { from: may().from, until: cut.yesterday().unwrap() },
            measured: Vec::new(),
            history: History::default(),
        },
        Part {
            contract: 1,
            plan: &new,
            dates: Dates { from: cut, until: may().until },
            measured: Vec::new(),
            history: History::default(),
        },
    ];
    let rows = [row(cut.yesterday().unwrap(), "10", ""), row(cut, "10", "")];
    assert_eq!(amounts(&rate(&parts, may(), &rows).unwrap()), ["10.00", "20.00"]);
}

#[test]
fn a_minimum_commitment_tops_up_and_shrinks_with_the_days() {
    let mut plan = plan(vec![per_unit("1")]);
    plan.minimum_commitment = Some(d("310"));
    let dates = Dates { from: date(2024, 5, 22), until: may().until };
    let parts = [Part { contract: 0, plan: &plan, dates, measured: Vec::new(), history: History::default() }];
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

#[test]
fn a_coupon_lasts_for_its_periods_and_takes_off_no_more_than_there_is() {
    let coupon = |code: &str, percent: &str, amount: &str, periods: i32| Coupon {
        code: code.into(),
        name: code.into(),
        charge_codes: Vec::new(),
        percent: d(percent),
        amount: d(amount),
        first_period: 1,
        periods,
    };
    let mut plan = plan(vec![per_unit("2")]);
    plan.coupons = vec![coupon("welcome", "10", "0", 3), coupon("gift", "0", "30", 1)];
    plan.minimum_commitment = Some(d("50"));
    let rated = |period_number: i32, quantity: &str| {
        let history = History { period_number, ..History::default() };
        let parts = [Part { contract: 0, plan: &plan, dates: may(), measured: Vec::new(), history }];
        amounts(&rate(&parts, may(), &[row(may().from, quantity, "it")]).unwrap())
    };
    // what coupons leave is held against the minimum
    assert_eq!(rated(1, "40"), ["80.00", "-8.00", "-30.00", "8.00"]);
    assert_eq!(rated(1, "10"), ["20.00", "-2.00", "-18.00", "50.00"]);
    assert_eq!(rated(3, "40"), ["80.00", "-8.00"]);
    assert_eq!(rated(4, "40"), ["80.00"]);
    for coupon in &plan.coupons {
        assert!(!coupon.holds_in(0) && coupon.holds_in(1));
    }
}

#[test]
fn seats_are_prorated_by_the_day_over_joins_leaves_and_plans() {
    let seats = |unit: &str| {
        let model = Model::PerUnit { unit: d(unit) };
        Charge { aggregation: Aggregation::DailyLevel, ..Charge::plain("seats", Some(Meter::Seat), model) }
    };
    let moved = |on: Date, quantity: &str, key: &str| Row {
        meter: Meter::Seat,
        single: Some(crate::domain::usage::Single {
            at: on.at(9, 0, 0, 0).to_zoned(jiff::tz::TimeZone::UTC).unwrap().timestamp(),
            key: key.into(),
            subject: String::new(),
            corrects: None,
        }),
        ..row(on, quantity, "")
    };
    let before = Row { meter: Meter::Seat, ..row(date(2024, 4, 30), "10", "") };
    let rows = [moved(date(2024, 5, 11), "2", "a"), moved(date(2024, 5, 20), "-1", "b")];
    let levels = std::sync::Arc::new([vec![before], rows.to_vec()].concat());
    let history = History { levels, ..History::default() };
    let of = |plan, contract, from: i8, until: i8| Part {
        contract,
        plan,
        dates: Dates { from: date(2024, 5, from), until: date(2024, 5, until) },
        measured: Vec::new(),
        history: history.clone(),
    };
    let (old, new) = (plan(vec![seats("31")]), plan(vec![seats("62")]));
    // 310 seat-days, 20 of the first and 11 of the second who joined
    let whole = rate(&[of(&old, 0, 1, 31)], may(), &rows).unwrap();
    assert_eq!(amounts(&whole), ["341.00"]);
    assert_eq!((whole.lines[0].quantity, whole.lines[0].events), (d("11"), 2));
    // a dearer plan from the 16th on: ten seats on 15 days and two on 5; ten on 16, two on 5, one on 12
    let split = rate(&[of(&old, 0, 1, 15), of(&new, 1, 16, 31)], may(), &rows).unwrap();
    assert_eq!(amounts(&split), ["160.00", "362.00"]);
}

#[test]
fn the_sellers_own_forecast_sets_a_floor_and_makes_more_dearer() {
    let mut charge = per_unit("2");
    charge.forecast_band = Some(ForecastBand {
        minimum_percent: Some(d("80")),
        above_percent: Some(d("120")),
        surcharge_percent: d("25"),
    });
    let plan = plan(vec![charge]);
    let rated = |quantity: &str, locked: bool| {
        let forecast =
            Locked { version: 1, quantity: d("100"), locked_on: date(2024, 4, 20), reference: String::new() };
        let forecasts = if locked { [(Meter::Contact, forecast)].into() } else { Default::default() };
        let history = History { forecasts, ..History::default() };
        let parts = [Part { contract: 0, plan: &plan, dates: may(), measured: Vec::new(), history }];
        rate(&parts, may(), &[row(may().from, quantity, "it")]).unwrap()
    };
    // 80 at 2; 100 at 2; 150 at 2 and 30 of them at 0.50 more
    for (quantity, amount) in [("10", "160.00"), ("100", "200.00"), ("150", "315.00")] {
        let rated = rated(quantity, true);
        assert_eq!(amounts(&rated), [amount], "{quantity}");
        let steps: Decimal = rated.lines[0].steps.iter().map(|s| s.amount).sum();
        assert_eq!((steps, rated.lines[0].quantity), (d(amount), d(quantity)));
    }
    assert_eq!(amounts(&rated("10", false)), ["20.00"]);
}
