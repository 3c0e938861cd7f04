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
    let (answer, roster, costs) = watched(file, seconds, 2);
    assert!(costs.is_sorted_by(|a, b| a >= b), "the best never gets worse");
    assert_eq!(costs.last(), Some(&answer.penalty));
    (answer, roster)
}

fn watched(file: &Path, seconds: u64, threads: usize) -> (Answer, String, Vec<i64>) {
    let _turn = TURN.lock().unwrap_or_else(PoisonError::into_inner);
    let out = tempfile::NamedTempFile::new().expect("a file");
    let started = Instant::now();
    let clock = || started.elapsed();
    let cancel = AtomicBool::new(false);
    let time = Duration::from_secs(seconds);
    let how = How { time, clock: &clock, cancel: &cancel, seed: 1, threads, rounds: None };
    let mut costs = Vec::new();
    let answer = run(file, out.path(), &how, &mut |progress| costs.push(progress.cost)).expect("a roster");
    // A search that misses the clock goes on for minutes; a busy machine alone does not double the time.
    assert!(clock() < 2 * time, "{:?} of {time:?} with {threads} threads", clock());
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
    let (answer, roster, _) = watched(file.path(), 10, 2);
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

/// A year of so many people, a tenth short of them; everybody wishes for some shifts that clash with what is needed.
fn year(people: usize, kinds: usize) -> String {
    let shifts: String = (0..kinds).map(|kind| format!("S{kind},{},\n", [480, 600, 360][kind % 3])).collect();
    let most: Vec<String> =
        (0..kinds).map(|kind| format!("S{kind}={}", if kind % 4 == 3 { 70 } else { 364 })).collect();
    let most = most.join("|");
    let staff: String =
        (0..people).map(|n| format!("P{n},{most},109200,{},{},2,2,26\n", 240 * 364, 4 + n % 3)).collect();
    let wishes = |every: usize| {
        let wish = move |n: usize, day: usize| format!("P{n},{day},S{},{}\n", (n + day / 7) % kinds, 1 + n % 3);
        (0..people).flat_map(move |n| (n % 5..364).step_by(every).map(move |day| wish(n, day))).collect::<String>()
    };
    let need = |day: usize, kind: usize| people * (5 + (day + kind) % 3) / (10 * kinds);
    let cover: String = (0..364)
        .flat_map(|day| (0..kinds).map(move |kind| format!("{day},S{kind},{},100,1\n", need(day, kind))))
        .collect();
    format!(
        "SECTION_HORIZON\n364\nSECTION_SHIFTS\n{shifts}SECTION_STAFF\n{staff}SECTION_SHIFT_ON_REQUESTS\n{}\
         SECTION_SHIFT_OFF_REQUESTS\n{}SECTION_COVER\n{cover}",
        wishes(6),
        wishes(15)
    )
}

#[test]
fn a_year_gets_better_and_a_bound_in_the_time_there_is() {
    let text = year(50, 10);
    let file = tempfile::NamedTempFile::new().expect("a file");
    fs::write(file.path(), &text).expect("written");
    for threads in [1, 2] {
        let (answer, roster, costs) = watched(file.path(), 8, threads);
        assert_eq!(check::shifts(&text, &roster), Ok(answer.penalty));
        assert!(answer.bound > 0, "{answer} with {threads} threads");
        assert!(answer.penalty < costs[0] / 2, "{} and then {answer} with {threads} threads", costs[0]);
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
