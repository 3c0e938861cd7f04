//! The public instances, solved in seconds and judged by the checkers.

mod check;

use std::fs;
use std::path::Path;
use std::sync::atomic::AtomicBool;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use roster::command::{Answer, How, run};

/// One at a time: each uses both cores.
static TURN: Mutex<()> = Mutex::new(());

fn solved(file: &Path, seconds: u64) -> (Answer, String) {
    let (answer, roster, costs) = watched(file, seconds);
    assert!(costs.is_sorted_by(|a, b| a >= b), "the best never gets worse");
    assert_eq!(costs.last(), Some(&answer.penalty));
    (answer, roster)
}

fn watched(file: &Path, seconds: u64) -> (Answer, String, Vec<i64>) {
    let _turn = TURN.lock().unwrap_or_else(PoisonError::into_inner);
    let out = tempfile::NamedTempFile::new().expect("a file");
    let started = Instant::now();
    let clock = || started.elapsed();
    let cancel = AtomicBool::new(false);
    let time = Duration::from_secs(seconds);
    let how = How { time, clock: &clock, cancel: &cancel, seed: 1, threads: 2, rounds: None };
    let mut costs = Vec::new();
    let answer = run(file, out.path(), &how, &mut |progress| costs.push(progress.cost)).expect("a roster");
    (answer, fs::read_to_string(out.path()).expect("the roster"), costs)
}

#[test]
fn every_minimum_is_met_also_where_it_is_cheaper_not_to() {
    // Ten for a quarter of an hour are ten for six hours: that costs more than nine who are missing.
    let staff: String = (1..=10).map(|n| format!("{n},0,600\n")).collect();
    let text =
        format!("SECTION_HORIZON\n1\nSECTION_TASKS\n1\nSECTION_STAFF\n{staff}SECTION_COVER\n1,12:00-12:15,1,10,10\n");
    let file = tempfile::NamedTempFile::new().expect("a file");
    fs::write(file.path(), &text).expect("written");
    let (answer, roster, _) = watched(file.path(), 10);
    assert_eq!(check::activities(&text, &roster), Ok(answer.penalty));
    assert!(answer.bound <= answer.penalty);
}

#[test]
fn small_instances_are_solved_to_the_optimum() {
    let Some(folder) = check::shared("shift-scheduling") else { return };
    // The first one's bound stays below its optimum, so it takes all the time it gets.
    for (instance, seconds, best) in [(1, 3, 607), (2, 60, 828), (3, 60, 1001), (4, 60, 1716)] {
        let file = folder.join(format!("Instance{instance}.txt"));
        let (answer, roster) = solved(&file, seconds);
        let text = fs::read_to_string(file).expect("an instance");
        assert_eq!(check::shifts(&text, &roster), Ok(answer.penalty), "instance {instance}");
        assert_eq!(answer.penalty, best, "instance {instance}");
        assert!(answer.bound <= best, "instance {instance}");
    }
}

#[test]
fn larger_instances_have_an_answer_within_seconds() {
    let Some(folder) = check::shared("shift-scheduling") else { return };
    for (instance, best) in [(5, 1143), (6, 1950), (7, 1056), (8, 1300), (9, 439), (10, 4631), (11, 3443), (12, 4040)] {
        let file = folder.join(format!("Instance{instance}.txt"));
        let (answer, roster) = solved(&file, 2);
        let text = fs::read_to_string(file).expect("an instance");
        assert_eq!(check::shifts(&text, &roster), Ok(answer.penalty), "instance {instance}");
        assert!(answer.bound <= best && best <= answer.penalty, "instance {instance}: {answer}");
    }
}

#[test]
fn activities_are_covered_within_seconds() {
    let Some(folder) = check::shared("multi-activity") else { return };
    for name in ["1_7_10_1", "5_7_10_2", "10_7_20_3", "15_7_30_4"] {
        let file = folder.join(format!("{name}.txt"));
        let (answer, roster) = solved(&file, 15);
        let text = fs::read_to_string(file).expect("an instance");
        assert_eq!(check::activities(&text, &roster), Ok(answer.penalty), "instance {name}");
        assert!(answer.bound <= answer.penalty);
    }
}

#[test]
fn the_same_rounds_give_the_same_roster() {
    let Some(folder) = check::shared("shift-scheduling") else { return };
    let text = fs::read_to_string(folder.join("Instance5.txt")).expect("an instance");
    let problem = roster::formats::curtois::read(&text).expect("a problem");
    let solve = || {
        let cancel = AtomicBool::new(false);
        let options = roster::engine::solve::Options {
            seed: 7,
            until: None,
            clock: &|| Duration::ZERO,
            rounds: Some(600),
            threads: 1,
            cancel: &cancel,
            start: Vec::new(),
        };
        let outcome = roster::engine::solve::solve(&roster::daily::Daily::new(&problem), &options, &mut |_| {});
        let outcome = outcome.expect("a roster");
        (outcome.cost, outcome.bound, outcome.columns)
    };
    assert!(solve() == solve());
}
