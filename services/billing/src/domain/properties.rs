//! Properties that hold for every plan and every usage.

use std::collections::BTreeMap;

use jiff::Timestamp;
use jiff::civil::{Date, date};
use proptest::prelude::*;
use rust_decimal::Decimal;

use super::definition::{Definition, Merged, Reopened, Rule};
use super::invoice::{assemble, open};
use super::ledger::{self, Open};
use super::money::{Currency, Rounding, allocate};
use super::over_time::History;
use super::period::{Dates, Interval, plus_days};
use super::plan::{BlockTier, Charge, Model, Percentage, Plan, Tier};
use super::plan_check::faults;
use super::rating::{Billed, Line, Part, Rated, late, rate};
use super::tax::Treatment;
use super::tickets::{Fact, Tickets, Turn};
use super::usage::{Meter, Properties, Row, Single};

const MAY: Dates = Dates { from: date(2024, 5, 1), until: date(2024, 5, 31) };

fn cents(range: std::ops::Range<i64>) -> impl Strategy<Value = Decimal> {
    range.prop_map(|n| Decimal::new(n, 3))
}

fn tiers() -> impl Strategy<Value = Vec<Tier>> {
    proptest::collection::vec((1_i64..50_000, cents(0..20_000), cents(0..50_000)), 1..5).prop_map(|parts| {
        let mut end = Decimal::ZERO;
        let last = parts.len() - 1;
        let tier = |(index, (width, unit, flat)): (usize, (i64, Decimal, Decimal))| {
            end += Decimal::new(width, 2);
            Tier { up_to: (index < last).then_some(end), unit, flat }
        };
        parts.into_iter().enumerate().map(tier).collect()
    })
}

fn model() -> impl Strategy<Value = Model> {
    let percentage = (0_i64..5_000, 0_u64..4, 0_i64..9_000).prop_map(|(rate, free, minimum)| {
        Model::Percentage(Percentage {
            rate: Decimal::new(rate, 2),
            fixed: Decimal::new(25, 2),
            free_events: Some(free),
            free_amount: None,
            minimum: Some(Decimal::new(minimum, 3)),
            maximum: None,
        })
    });
    prop_oneof![
        cents(0..20_000).prop_map(|unit| Model::PerUnit { unit }),
        (tiers(), any::<bool>()).prop_map(|(tiers, flat_at_zero)| Model::Graduated { tiers, flat_at_zero }),
        (tiers(), any::<bool>()).prop_map(|(tiers, flat_at_zero)| Model::Volume { tiers, flat_at_zero }),
        (cents(0..20_000), 1_i64..100, 0_i64..30).prop_map(|(amount, size, free)| Model::Package {
            amount,
            size: Decimal::from(size),
            free: Decimal::from(free)
        }),
        (1_i64..20, cents(0..5_000), cents(0..5_000)).prop_map(|(size, low, high)| Model::BlocksAllTiers {
            tiers: vec![
                BlockTier { size: Decimal::from(size), max_blocks: Some(Decimal::from(7)), price: low },
                BlockTier { size: Decimal::from(size), max_blocks: None, price: high },
            ]
        }),
        percentage,
    ]
}

fn plan() -> impl Strategy<Value = Plan> {
    (proptest::collection::vec(model(), 1..4), proptest::option::of(cents(0..500_000)), 0_i32..30, any::<bool>())
        .prop_map(|(models, minimum_commitment, hours, even)| {
            let meters = [Meter::Contact, Meter::Message, Meter::Turnover];
            let charge = |(index, model)| Charge::plain(&format!("c{index}"), Some(meters[index]), model);
            Plan {
                name: "Any".into(),
                currency: Currency::parse("EUR").expect("EUR"),
                interval: Interval::Months(1),
                charges: models.into_iter().enumerate().map(charge).collect(),
                contact: Definition {
                    rule: if hours == 0 { Rule::Each } else { Rule::Window { hours } },
                    ..Definition::default()
                },
                minimum_commitment,
                rounding: if even { Rounding::HalfEven } else { Rounding::HalfUp },
                service_levels: Vec::new(),
                service_level_cap: None,
                yearly_commitment: None,
                indexations: Vec::new(),
                late_usage: Default::default(),
                coupons: Vec::new(),
            }
        })
}

/// Single events, each with its own second, so that their order is defined.
fn events() -> impl Strategy<Value = Vec<Row>> {
    proptest::collection::vec((0_usize..3, 0_i64..31 * 86_400, 1_i64..40_000, 0_u8..6), 0..60).prop_map(|parts| {
        let row = |(index, (meter, second, milli, subject)): (usize, (usize, i64, i64, u8))| {
            let meter = [Meter::Contact, Meter::Message, Meter::Turnover][meter];
            let quantity = if meter == Meter::Contact { Decimal::ONE } else { Decimal::new(milli, 3) };
            let on: Date = plus_days(MAY.from, second / 86_400).expect("in range");
            Row {
                meter,
                properties: Properties {
                    language: ["de", "it", "fr"][usize::from(subject) % 3].into(),
                    ..Properties::default()
                },
                date: on,
                quantity,
                events: 1,
                peak: quantity,
                historical: false,
                duration_seconds: 0,
                single: Some(Single {
                    at: Timestamp::from_second(1_714_521_600 + second).expect("in range"),
                    key: format!("{index}"),
                    subject: format!("s{subject}"),
                    corrects: None,
                }),
            }
        };
        parts.into_iter().enumerate().map(row).collect()
    })
}

/// The same usage as a database would sum it, where the plan allows it.
fn batched(plan: &Plan, rows: &[Row], split: usize) -> Vec<Row> {
    let mut out: Vec<Row> = Vec::new();
    for (index, row) in rows.iter().enumerate() {
        if plan.needs_singles(row.meter) {
            out.push(row.clone());
            continue;
        }
        let fits = |r: &&mut Row| {
            r.single.is_none() && r.meter == row.meter && r.date == row.date && r.properties == row.properties
        };
        match out.iter_mut().find(fits).filter(|_| !index.is_multiple_of(split)) {
            Some(sum) => {
                sum.quantity += row.quantity;
                sum.events += row.events;
                sum.peak = sum.peak.max(row.peak);
            }
            None => out.push(Row { single: None, ..row.clone() }),
        }
    }
    out
}

fn rated(plan: &Plan, rows: &[Row]) -> Rated {
    rate(&[Part { contract: 0, plan, dates: MAY, measured: Vec::new(), history: History::default() }], MAY, rows)
        .expect("rates")
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

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn rating_does_not_depend_on_order_or_batching(plan in plan(), rows in events(), split in 2_usize..9, seed in any::<u64>()) {
        prop_assert!(faults(&plan).is_empty());
        let whole = rated(&plan, &rows);
        let mut shuffled = rows.clone();
        shuffled.sort_by_key(|r| (r.events as u64).wrapping_mul(seed) ^ r.single.as_ref().map_or(0, |s| s.at.as_second() as u64).wrapping_mul(seed | 1));
        prop_assert_eq!(&rated(&plan, &shuffled), &whole);
        prop_assert_eq!(&rated(&plan, &batched(&plan, &rows, split)), &whole);
    }

    #[test]
    fn incremental_rating_equals_full_rating(plan in plan(), rows in events(), cut in 0_usize..60, cut2 in 0_usize..60) {
        let (a, b) = (cut.min(cut2).min(rows.len()), cut.max(cut2).min(rows.len()));
        let mut lines = rated(&plan, &rows[..a]).lines;
        for end in [b, rows.len()] {
            let more = late(rated(&plan, &rows[..end]), &billed(&lines));
            lines.extend(more);
        }
        let total: Decimal = lines.iter().map(|l| l.amount).sum();
        prop_assert_eq!(total, rated(&plan, &rows).total().expect("small"));
    }

    #[test]
    fn what_becomes_of_tickets_later_is_settled_to_the_cent(
        plan in plan(), rows in events(), facts in proptest::collection::vec((0_u8..6, 1_i64..20, 0_u8..4), 0..12),
        cut in 0_usize..60, told in 0_usize..12,
    ) {
        let ignored_tags = vec!["spam".to_string()];
        let contact = Definition { ignored_tags, merged: Merged::Together, reopened: Reopened::New, ..plan.contact.clone() };
        let plan = Plan { contact, ..plan };
        let fact = |(subject, sequence, turn): (u8, i64, u8)| Fact {
            ticket: format!("s{subject}"),
            sequence,
            turn: match turn {
                0 => Turn::Tagged("spam".into()),
                1 => Turn::Untagged("spam".into()),
                2 => Turn::Reopened,
                _ => Turn::Merged(format!("s{}", subject + 1)),
            },
            at: Timestamp::from_second(1_714_521_600 + sequence * 86_400).expect("in range"),
            historical: false,
        };
        let facts: Vec<Fact> = facts.into_iter().map(fact).collect();
        let rated = |rows: &[Row], facts: &[Fact]| {
            let history = History { tickets: Tickets::of(facts.to_vec()).into(), ..History::default() };
            rate(&[Part { contract: 0, plan: &plan, dates: MAY, measured: Vec::new(), history }], MAY, rows).expect("rates")
        };
        let mut lines = rated(&rows[..cut.min(rows.len())], &[]).lines;
        for facts in [&facts[..told.min(facts.len())], &facts[..]] {
            let more = late(rated(&rows, facts), &billed(&lines));
            lines.extend(more);
        }
        let total: Decimal = lines.iter().map(|l| l.amount).sum();
        prop_assert_eq!(total, rated(&rows, &facts).total().expect("small"));
    }

    #[test]
    fn the_lines_add_up_to_the_total_and_the_ledger_balances(plan in plan(), rows in events(), rate in 0_i64..30, pay in 0_i64..100_000) {
        let eur = plan.currency;
        let draft = assemble(rated(&plan, &rows).lines, &Treatment::standard(Decimal::from(rate)), eur).expect("small");
        let net: Decimal = draft.lines.iter().map(|(l, _)| l.amount).sum();
        prop_assert_eq!(draft.net, net);
        prop_assert_eq!(draft.total, draft.net + draft.tax);
        let payment = Decimal::new(pay, 2);
        let zero = Decimal::ZERO;
        let opened = |paid, credited| open(draft.total, paid, credited);
        let change = Open { before: opened(payment, zero), after: opened(payment, draft.total) };
        let again = ledger::Reopened { owed: opened(zero, draft.total) - change.after, lost: zero };
        let mut sums: BTreeMap<ledger::Account, Decimal> = BTreeMap::new();
        for (entry, owed) in [
            (ledger::invoice(eur, draft.net, draft.tax), opened(zero, zero)),
            (ledger::payment(eur, payment, opened(zero, zero)), opened(payment, zero)),
            (ledger::credit_note(eur, draft.net, draft.tax, change), change.after),
            (ledger::payment_reversal(eur, payment, again, false), zero),
        ] {
            let entry = entry.expect("balanced");
            prop_assert!(entry.postings().iter().map(|(_, a)| *a).sum::<Decimal>().is_zero());
            for (account, amount) in entry.postings() {
                *sums.entry(*account).or_default() += *amount;
            }
            // receivables are what is open, whatever came before
            prop_assert_eq!(sums.get(&ledger::Account::Receivable).copied().unwrap_or_default(), owed);
        }
        prop_assert!(sums.values().all(Decimal::is_zero), "{:?}", sums);
    }

    #[test]
    fn an_allocation_keeps_the_total_and_stays_within_a_cent(total in -1_000_000_i64..1_000_000, weights in proptest::collection::vec(0_i64..1_000, 1..20)) {
        let total = Decimal::new(total, 2);
        let weights: Vec<_> = weights.into_iter().map(Decimal::from).collect();
        let shares = allocate(total, &weights, 2).expect("small");
        prop_assert_eq!(shares.iter().sum::<Decimal>(), total);
        let sum: Decimal = weights.iter().sum();
        if !sum.is_zero() {
            for (share, weight) in shares.iter().zip(&weights) {
                prop_assert!((*share - total * *weight / sum).abs() <= Decimal::new(1, 2));
            }
        }
    }
}
