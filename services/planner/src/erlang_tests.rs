//! Erlang against exact tables, and what must hold for every queue.

use std::path::PathBuf;

use proptest::prelude::*;

use super::*;

/// Rows of a shared table as numbers; none, loudly, when it is absent.
fn table(name: &str) -> Option<Vec<Vec<f64>>> {
    let path = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../../shared/data/erlang").join(name);
    let Ok(text) = std::fs::read_to_string(&path) else {
        eprintln!("SKIPPED: {} is absent", path.display());
        return None;
    };
    let row = |line: &str| line.split(',').map(|x| x.trim().parse::<f64>().expect("a number")).collect();
    Some(text.lines().skip(1).filter(|line| !line.trim().is_empty()).map(row).collect())
}

#[track_caller]
fn near(found: f64, exact: f64, what: &str) {
    let error = if exact == 0.0 { found.abs() } else { ((found - exact) / exact).abs() };
    assert!(error <= 1e-9, "{what}: {found} is not {exact} (off by {error:e})");
}

fn load(contacts: f64, interval: f64, handle: f64, patience: Option<f64>) -> Load {
    Load { contacts, interval_seconds: interval, handle_seconds: handle, patience_seconds: patience }
}

fn target(within: f64, level: f64, occupancy: f64) -> Target {
    Target {
        within_seconds: within,
        service_level: level,
        definition: Definition::OfOffered,
        max_occupancy: occupancy,
        max_mean_wait: None,
        max_abandonment: None,
        concurrency: 1,
    }
}

#[test]
fn erlang_c_equals_the_exact_table() {
    let Some(rows) = table("erlang_c.csv") else { return };
    assert!(60 <= rows.len());
    for row in rows {
        let found = figures(&load(row[0], row[1], row[2], None), row[4] as u32, row[3]).expect("in range");
        let what = format!("{row:?}");
        near(found.erlangs, row[5], &what);
        near(found.blocking, row[6], &what);
        near(found.p_wait, row[7], &what);
        near(found.answered_in_time, row[8], &what);
        near(found.mean_wait, row[9], &what);
        near(found.occupancy, row[10], &what);
    }
}

#[test]
fn every_sizing_row_is_equal() {
    let Some(rows) = table("erlang_c_sizing.csv") else { return };
    assert!(200 <= rows.len());
    for row in rows {
        let found = agents_needed(&load(row[0], row[1], row[2], None), &target(row[3], row[4], row[5]));
        assert_eq!(found, Ok(row[6] as u32), "{row:?}");
    }
}

#[test]
fn erlang_a_equals_the_exact_table() {
    let Some(rows) = table("erlang_a.csv") else { return };
    assert!(60 <= rows.len());
    for row in rows {
        let found = figures(&load(row[0], row[1], row[2], Some(row[3])), row[5] as u32, row[4]).expect("in range");
        let what = format!("{row:?}");
        near(found.p_wait, row[6], &what);
        near(found.p_abandon, row[7], &what);
        near(found.mean_wait, row[8], &what);
        near(found.occupancy, row[9], &what);
        near(found.answered_in_time, row[10], &what);
    }
}

#[test]
fn erlang_a_tells_the_answered_and_the_abandoned_apart() {
    // lam, mu, theta per minute, agents, target s, mean wait of the answered s, level without early abandoners
    let cases = [
        (48.0, 1.0, 0.5, 50, 20.0, 3.6159, 0.972030),
        (4.2, 0.5, 1.0, 12, 20.0, 1.4436, 0.967872),
        (48.0, 1.0, 0.5, 45, 20.0, 10.0705, 0.826230),
        (48.0, 1.0, 0.5, 40, 20.0, 21.6012, 0.445128),
        (8.4, 0.1, 0.2, 84, 30.0, 14.5438, 0.783903),
        (8.4, 0.1, 0.2, 90, 30.0, 6.2283, 0.909536),
    ];
    for (lam, mu, theta, agents, within, asa, level) in cases {
        let found = figures(&load(lam, 60.0, 60.0 / mu, Some(60.0 / theta)), agents, within).expect("in range");
        assert!((found.mean_wait_answered - asa).abs() < 6e-5, "{found:?}");
        let without = found.service_level(Definition::AbandonedInTimeLeftOut);
        assert!((without - level).abs() < 6e-7, "{found:?} {without}");
        assert!(found.service_level(Definition::OfOffered) < without);
        assert!(without < found.service_level(Definition::AbandonedInTimeKept));
    }
}

#[test]
fn huge_queues_are_exact_enough_and_quick() {
    // Ten thousand agents at 99.9 % and at 200 %; the recursion of Erlang B as oracle.
    let recursion = |n: u32, a: f64| (1..=n).fold(1.0, |b, k| a * b / (f64::from(k) + a * b));
    for (n, a) in [(10_000_u32, 9_990.0), (10_000, 20_000.0), (10_000, 100.0), (9_999, 9_998.5)] {
        let (found, exact) = (erlang_b(n, a), recursion(n, a));
        assert!((found - exact).abs() <= 1e-11 * exact.max(1e-300), "{n} {a} {found} {exact}");
    }
    let overload = figures(&load(60_000.0, 1_800.0, 600.0, Some(7_200.0)), 10_000, 20.0).expect("in range");
    near(overload.p_abandon, 0.5, "half leave when twice the capacity comes");
    near(overload.occupancy, 1.0, "nobody rests");
    for (patience, within) in [(1.0, 86_400.0), (60.0, 3_600.0), (20.0, 700.0), (86_400.0, 20.0)] {
        for agents in [1, 20, 200] {
            let odd = figures(&load(500.0, 1_800.0, 300.0, Some(patience)), agents, within).expect("in range");
            let (late, left) = (odd.abandoned_in_time + odd.answered_in_time, 1.0 - (-within / patience).exp());
            assert!(left - 1e-9 <= late && late <= 1.0 + 1e-9, "{odd:?}");
        }
    }
    let beyond = figures(&load(60_000.0, 1_800.0, 600.0, None), 10_000, 20.0).expect("in range");
    assert_eq!((beyond.p_wait, beyond.answered_in_time, beyond.mean_wait), (1.0, 0.0, f64::INFINITY));
    let needed = agents_needed(&load(1e6, 1_800.0, 600.0, None), &target(20.0, 0.8, 1.0)).expect("reachable");
    assert!((333_334..335_000).contains(&needed), "{needed}");
}

#[test]
fn what_cannot_be_is_refused() {
    let good = load(10.0, 1_800.0, 300.0, None);
    let wants = target(20.0, 0.8, 1.0);
    let field = |load: Load, target: Target| match agents_needed(&load, &target) {
        Err(Refusal::Range { field, .. }) => field,
        other => panic!("{other:?}"),
    };
    assert_eq!(field(Load { contacts: -1.0, ..good }, wants), "contacts");
    assert_eq!(field(Load { contacts: f64::NAN, ..good }, wants), "contacts");
    assert_eq!(field(Load { handle_seconds: 0.0, ..good }, wants), "handle_seconds");
    assert_eq!(field(Load { patience_seconds: Some(0.5), ..good }, wants), "patience_seconds");
    assert_eq!(field(good, Target { service_level: 1.0 + f64::EPSILON, ..wants }), "service_level");
    assert_eq!(field(good, Target { service_level: 0.0, ..wants }), "service_level");
    assert_eq!(field(good, Target { max_occupancy: 0.0, ..wants }), "max_occupancy");
    assert_eq!(field(good, Target { max_abandonment: Some(0.03), ..wants }), "max_abandonment");
    assert_eq!(field(good, Target { concurrency: 0, ..wants }), "concurrency");
    let vast = load(1e7, 60.0, 86_400.0, None);
    assert!(matches!(agents_needed(&vast, &wants), Err(Refusal::Unreachable { .. })));
    assert_eq!(agents_needed(&load(0.0, 1_800.0, 300.0, None), &wants), Ok(0));
}

#[test]
fn nothing_to_do_needs_nobody() {
    let nothing = load(0.0, 1_800.0, 0.0, None);
    assert_eq!(agents_needed(&nothing, &target(0.0, 1.0, 1.0)), Ok(0));
    let found = figures(&nothing, 3, 20.0).expect("in range");
    assert_eq!((found.erlangs, found.answered_in_time, found.mean_wait, found.occupancy), (0.0, 1.0, 0.0, 0.0));
    assert_eq!(agents_needed(&load(0.0, 1_800.0, 0.0, Some(0.0)), &target(20.0, 0.8, 0.8)), Ok(0));
}

#[test]
fn all_of_them_are_all_but_what_rounds_to_nothing() {
    for patience in [None, Some(0.0), Some(120.0)] {
        let base = load(100.0, 1_800.0, 180.0, patience);
        let needed = agents_needed(&base, &target(20.0, 1.0, 1.0)).expect("reachable");
        let nearly = agents_needed(&base, &target(20.0, 0.999_999, 1.0)).expect("reachable");
        let level = |agents| figures(&base, agents, 20.0).expect("in range").answered_in_time;
        assert!(nearly < needed && needed < 60, "{patience:?}: {nearly} {needed}");
        assert!(1.0 - 2.0 * f64::EPSILON < level(needed) && level(needed - 1) < 1.0 - f64::EPSILON / 2.0);
    }
}

#[test]
fn without_patience_who_finds_nobody_free_is_lost() {
    // Erlang's tables: 10 Erlangs, 1 % lost with 18 lines, 2 % with 17.
    let base = load(100.0, 1_800.0, 180.0, Some(0.0));
    for (lost, lines) in [(0.01, 18), (0.02, 17), (0.1, 13)] {
        let wants = Target { max_abandonment: Some(lost), ..target(20.0, 0.01, 1.0) };
        assert_eq!(agents_needed(&base, &wants), Ok(lines), "{lost}");
        assert_eq!(agents_needed(&base, &target(20.0, 1.0 - lost, 1.0)), Ok(lines), "{lost}");
    }
    let found = figures(&base, 10, 20.0).expect("in range");
    assert_eq!((found.p_abandon, found.p_wait), (found.blocking, found.blocking));
    assert!((found.blocking - 0.214_582_343_107_347_33).abs() < 1e-14, "{found:?}");
    assert!((found.occupancy - (1.0 - found.blocking)).abs() < 1e-15);
    assert_eq!((found.mean_wait, found.mean_wait_answered), (0.0, 0.0));
    assert_eq!(found.service_level(Definition::OfAnswered), 1.0);
    assert_eq!(found.service_level(Definition::AbandonedInTimeKept), 1.0);
    // Hardly any patience comes near none.
    let hardly = figures(&load(100.0, 1_800.0, 36_000.0, Some(1.0)), 2_000, 20.0).expect("in range");
    let none = figures(&load(100.0, 1_800.0, 36_000.0, Some(0.0)), 2_000, 20.0).expect("in range");
    assert!((hardly.p_abandon - none.p_abandon).abs() < 2e-3, "{hardly:?} {none:?}");
    let nobody = figures(&base, 0, 20.0).expect("in range");
    assert_eq!((nobody.p_abandon, nobody.answered_in_time, nobody.occupancy), (1.0, 0.0, 1.0));
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(200))]

    #[test]
    fn more_agents_and_less_load_only_help(
        contacts in 0.1_f64..3_000.0, handle in 5.0_f64..2_000.0, agents in 1_u32..400,
        within in 0.0_f64..600.0, patience in proptest::option::of(5.0_f64..5_000.0),
    ) {
        let base = load(contacts, 1_800.0, handle, patience);
        let here = figures(&base, agents, within).unwrap();
        let more = figures(&base, agents + 1, within).unwrap();
        let less = figures(&load(contacts * 0.97, 1_800.0, handle, patience), agents, within).unwrap();
        for better in [more, less] {
            prop_assert!(better.p_wait <= here.p_wait + 1e-12);
            prop_assert!(better.p_abandon <= here.p_abandon + 1e-12);
            prop_assert!(here.answered_in_time <= better.answered_in_time + 1e-12);
            prop_assert!(better.mean_wait <= here.mean_wait * (1.0 + 1e-12) + 1e-12);
        }
        // beyond capacity both are 1 but for the accuracy of the figures
        prop_assert!(more.occupancy <= here.occupancy + 1e-9, "{} {}", more.occupancy, here.occupancy);
        for figure in [here.p_wait, here.p_abandon, here.answered_in_time, here.abandoned_in_time, here.occupancy] {
            prop_assert!((0.0..=1.0).contains(&figure), "{here:?}");
        }
    }

    #[test]
    fn the_answer_is_the_smallest(
        contacts in 0.1_f64..2_000.0, handle in 5.0_f64..900.0, level in 0.3_f64..0.99,
        within in 0.0_f64..300.0, occupancy in 0.5_f64..1.0, patience in proptest::option::of(20.0_f64..2_000.0),
        concurrency in 1_u32..4,
    ) {
        let base = load(contacts, 1_800.0, handle, patience);
        let wants = Target { concurrency, ..target(within, level, occupancy) };
        let agents = agents_needed(&base, &wants).unwrap();
        prop_assert!(keeps(&base, &wants, agents * concurrency));
        prop_assert!(agents == 1 || !keeps(&base, &wants, (agents - 1) * concurrency));
    }

    #[test]
    fn endless_patience_is_erlang_c(contacts in 1.0_f64..300.0, spare in 1_u32..20) {
        let a = contacts * 180.0 / 1_800.0;
        let agents = a.ceil() as u32 + spare;
        let c = figures(&load(contacts, 1_800.0, 180.0, None), agents, 20.0).unwrap();
        let patient = figures(&load(contacts, 1_800.0, 180.0, Some(2_592_000.0)), agents, 20.0).unwrap();
        prop_assert!((c.answered_in_time - patient.answered_in_time).abs() < 1e-2);
        prop_assert!(c.answered_in_time <= patient.answered_in_time + 1e-9);
    }
}
