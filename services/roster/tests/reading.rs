//! What is wrong with a file is said with its line, and nothing wrong is solved.

use std::sync::atomic::AtomicBool;
use std::time::Duration;

use roster::command::{Failure, How, run};
use roster::daily::Daily;
use roster::engine::solve::{Options, solve};
use roster::formats::{Format, curtois, detect, multi};
use roster::model::OFF;

const SHIFTS: &str = "\
SECTION_HORIZON
7
SECTION_SHIFTS
E,480,
L,480,E
SECTION_STAFF
A,E=7|L=7,2400,960,5,2,2,1
B,E=7|L=0,2400,960,5,2,2,1
SECTION_DAYS_OFF
A,0
SECTION_SHIFT_ON_REQUESTS
A,2,E,3
SECTION_SHIFT_OFF_REQUESTS
B,2,E,3
SECTION_COVER
0,E,1,100,1
1,L,1,100,1
";

const ACTIVITIES: &str = "\
SECTION_HORIZON
1
SECTION_TASKS
2
SECTION_STAFF
1,360,600
SECTION_COVER
1,06:00-06:15,1,1,1
2,05:45-06:00,2,0,1
";

#[test]
fn every_mistake_is_told_with_its_line() {
    assert!(curtois::read(SHIFTS).is_ok());
    for (from, to, line, said) in [
        ("7\nSECTION_SHIFTS", "0\nSECTION_SHIFTS", 2, "outside 1 to 1100"),
        ("7\nSECTION_SHIFTS", "seven\nSECTION_SHIFTS", 2, "whole number"),
        ("E,480,\n", "E,480\n", 4, "2 fields where there are 3"),
        ("E,480,\n", "E,-480,\n", 4, "whole number"),
        ("L,480,E\n", "L,480,X\n", 5, "no shift \"X\""),
        ("L,480,E\n", "E,480,E\n", 5, "a second shift"),
        ("A,E=7|L=7,2400,960", "A,E=7|L=7,960,2400", 7, "at least 2400 minutes and at most 960"),
        ("A,E=7|L=7,", "A,E=7|L,", 7, "where a shift=number stands"),
        ("E,480,\n", "E,480,,L\n", 4, "4 fields where there are 3"),
        ("A,0\n", "A#1,0\n", 10, "no person \"A#1\""),
        ("A,E=7|L=7,", "A,E=7|E=2|L=7,", 7, "twice"),
        ("960,5,2,2,1\nB", "960,1,2,2,1\nB", 7, "at least 2 shifts in a row and at most 1"),
        ("B,E=7|L=0", "A,E=7|L=0", 8, "a second person"),
        ("A,0\n", "A,7\n", 10, "outside 0 to 6"),
        ("A,2,E,3", "C,2,E,3", 12, "no person \"C\""),
        ("A,2,E,3", "A,2,E,-3", 12, "outside"),
        ("1,L,1,100,1", "0,E,1,100,1", 17, "already"),
        ("1,L,1,100,1", "1,L,99999999999,100,1", 17, "whole number"),
        ("SECTION_COVER", "SECTION_COVERS", 15, "no section"),
        ("SECTION_DAYS_OFF", "SECTION_SHIFTS", 9, "a second SECTION_SHIFTS"),
        ("SECTION_HORIZON\n7\n", "", 15, "SECTION_HORIZON is missing"),
    ] {
        let text = SHIFTS.replacen(from, to, 1);
        assert_ne!(text, SHIFTS);
        let wrong = curtois::read(&text).expect_err(said);
        assert!(wrong.line == line && wrong.problem.contains(said), "{wrong} instead of {said} on {line}");
    }
    assert!(multi::read(ACTIVITIES).is_ok());
    for (from, to, line, said) in [
        ("1,360,600", "1,600,360", 6, "at least 600 minutes and at most 360"),
        ("06:00-06:15,1,1,1", "06:00-06:10,1,1,1", 8, "no quarter"),
        ("06:00-06:15,1,1,1", "06:00-06:15,3,1,1", 8, "outside 1 to 2"),
        ("06:00-06:15,1,1,1", "06:00-06:15,1,2,1", 8, "at least 2 and at most 1"),
        ("2,05:45-06:00", "2,06:00-06:15", 9, "outside the horizon"),
        ("1,06:00", "1,05:00", 8, "no quarter"),
        ("06:00-06:15", "24:00-24:15", 8, "no quarter"),
        ("06:00-06:15", "23:45-25:00", 8, "no quarter"),
        ("1,360,600\n", "", 5, "nobody"),
    ] {
        let wrong = multi::read(&ACTIVITIES.replacen(from, to, 1)).expect_err(said);
        assert!(wrong.line == line && wrong.problem.contains(said), "{wrong} instead of {said} on {line}");
    }
}

#[test]
fn rules_of_more_memory_than_there_is_are_refused() {
    // Each of a thousand kinds bars another, for runs of up to a thousand days.
    let shifts: String = (0..1_000).map(|kind| format!("S{kind},10,S{kind}\n")).collect();
    let text = |run: usize| {
        format!(
            "SECTION_HORIZON\n1100\nSECTION_SHIFTS\n{shifts}SECTION_STAFF\nA,,400000,0,{run},1,1,99\nSECTION_COVER\n0,S0,1,1,1\n"
        )
    };
    assert!(curtois::read(&text(20)).is_ok());
    let wrong = curtois::read(&text(1_000)).unwrap_err();
    assert!(wrong.line == 1_005 && wrong.problem.contains("1000 shifts in a row"), "{wrong}");
}

#[test]
fn what_can_mean_one_thing_only_is_read() {
    let problem = curtois::read(SHIFTS).expect("a problem");
    for (from, to) in [
        ("SECTION_HORIZON\n7\n", "\u{feff}# a file\r\nSECTION_HORIZON,,\r\n 7 ,,, # days\r\n"),
        ("E,480,\n", "E,480,, # early\n"),
        ("SECTION_SHIFTS\n", "SECTION_SHIFTS # of a day\n"),
        ("A,2,E,3\n", "A,2,E,3,\n"),
        ("0,E,1,100,1\n", "0,E,1,100,1,,\t# a comment, with a comma\n"),
        ("A,0\n", "A,0,,\n"),
    ] {
        let text = SHIFTS.replacen(from, to, 1);
        assert_ne!(text, SHIFTS);
        assert_eq!(curtois::read(&text), Ok(problem.clone()), "{to}");
        assert_eq!(detect(&text), Ok(Format::Shifts), "{to}");
    }
    // Names may have a # in them.
    assert!(curtois::read(&SHIFTS.replace("E,", "E#,").replace("E=", "E#=").replace(",E\n", ",E#\n")).is_ok());

    // A shift of which no most is given has none: she may work it every day.
    for most in ["A,E=7,", "A,,"] {
        let mut free = curtois::read(&SHIFTS.replacen("A,E=7|L=7,", most, 1)).expect("a problem");
        free.people[0].longest_run = 7;
        free.people[0].minutes = (0, 7 * 480);
        free.people[0].weekends = 1;
        assert_eq!(free.breach(0, &[0, 2, 2, 2, 2, 2, 2]), None, "{most}");
        assert!(free.breach(1, &[0, 2, 2, 0, 0, 0, 0]).is_some(), "0 is none at all");
    }

    let problem = multi::read(ACTIVITIES).expect("a problem");
    let late = |to: &str| multi::read(&ACTIVITIES.replacen("06:00-06:15", to, 1));
    assert_eq!(late("23:45-24:00"), late("23:45-00:00"));
    assert_ne!(late("23:45-24:00"), Ok(problem.clone()));
    for (from, to) in [("SECTION_TASKS\n2\n", "SECTION_TASKS,,\n2,,\n"), ("1,360,600\n", "1,360,600, # one\n")] {
        assert_eq!(multi::read(&ACTIVITIES.replacen(from, to, 1)), Ok(problem.clone()), "{to}");
    }
}

fn fails(text: &str) -> Failure {
    let folder = tempfile::tempdir().expect("a folder");
    let (file, out) = (folder.path().join("problem"), folder.path().join("roster"));
    std::fs::write(&file, text).expect("a file");
    let cancel = AtomicBool::new(false);
    let time = Duration::from_secs(5);
    let how = How { time, clock: &|| Duration::ZERO, cancel: &cancel, seed: 1, threads: 1, rounds: Some(300) };
    let failure = run(&file, &out, &how, &mut |_| {}).expect_err("no roster");
    assert!(!out.exists(), "nothing is written where nothing was found");
    failure
}

#[test]
fn what_nobody_can_do_is_refused() {
    // A must work on seven days of seven, and is off on the first.
    let text = SHIFTS.replacen("2400,960,5", "3360,3360,7", 1);
    assert!(matches!(fails(&text), Failure::Impossible { person } if person == "A"));
    // Two at six in the morning, and one is there.
    let text = ACTIVITIES.replacen("1,1,1\n", "1,2,2\n", 1);
    assert!(matches!(fails(&text), Failure::Short { missing: 1 }));
    assert!(matches!(fails("what is this?"), Failure::Wrong { .. }));
}

#[test]
fn what_is_fixed_stays_and_what_is_given_is_a_start() {
    let mut problem = curtois::read(SHIFTS).expect("a problem");
    // B is fixed to be off on the second day and to work early on the sixth.
    for code in 0..problem.codes() as u16 {
        let (second, sixth) = (problem.at(1, code), problem.at(5, code));
        problem.may[1][second] &= code == OFF;
        problem.may[1][sixth] &= code == 1;
    }
    let given = Daily::column(&problem, 0, vec![0, 1, 1, 1, 1, 0, 0]);
    let cancel = AtomicBool::new(false);
    let mut options = Options {
        seed: 1,
        until: None,
        clock: &|| Duration::ZERO,
        rounds: Some(0),
        threads: 1,
        cancel: &cancel,
        start: vec![Some(given.clone()), None],
    };
    let space = Daily::new(&problem);
    let first = solve(&space, &options, &mut |_| {}).expect("a roster");
    assert_eq!(first.columns[0], given, "with no round left, what was given stands");
    options.rounds = Some(500);
    let later = solve(&space, &options, &mut |_| {}).expect("a roster");
    assert!(later.cost <= first.cost);
    for outcome in [&first, &later] {
        assert_eq!(problem.breach(1, &outcome.columns[1].plan), None);
        assert_eq!((outcome.columns[1].plan[1], outcome.columns[1].plan[5]), (OFF, 1));
    }
    // Cancelled before it began, it still has an answer.
    cancel.store(true, std::sync::atomic::Ordering::Relaxed);
    options.rounds = None;
    let cancelled = solve(&space, &options, &mut |_| {}).expect("a roster");
    assert_eq!(problem.breach(0, &cancelled.columns[0].plan), None);
}
