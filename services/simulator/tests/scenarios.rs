//! How scenarios are read, and what holds of every simulation.

use std::fs;
use std::path::Path;
use std::sync::atomic::Ordering;

use simulator::{Broken, Control, Outcome, plan, plot, report};

fn run(text: &str, threads: usize) -> Outcome {
    let plan = plan::read(text).unwrap_or_else(|wrong| panic!("{wrong}\n{text}"));
    simulator::simulate(&plan, threads, &Control::default()).unwrap_or_else(|broken| panic!("{broken}"))
}

/// Everything at once: two channels, retrials, balking, shifts, finite lines, policies.
const BUSY: &str = r#"
name = "a busy shop <&>"
replications = 7
waiting_places = 12
lines = 40
day_factor = { gamma = { mean = 1, cv = 0.2 } }
service_level = "answered_or_late"

[horizon]
start = "08:00"
length = "6 h"
interval = "1 h"

[[window]]
name = "noon"
from = "11:30"
to = "12:30"

[policy]
agent_order = "longest_idle"
maximum_wait = "10 min"

[seller.red]
promise = "30 s"
floor = 2
idle_reserve = 1

[seller.blue]
promise = "10 min"
ceiling = 30
primary_first = true

[[contact]]
name = "red, calls"
seller = "red"
language = "it"
arrivals = { rates = ["30/h", "60/h", "40/h"], every = "2 h", surges = [{ from = "11:00", to = "12:00", factor = 2 }] }
handling = { lognormal = { mean = "4 min", cv = 1.1 } }
patience = { weibull = { shape = 0.8, scale = "3 min" } }
balk = 0.1
retry = { probability = 0.6, after = { exponential = "10 min" } }

[[contact]]
name = "blue chats"
seller = "blue"
language = "de"
channel = "chat"
skills = ["returns"]
arrivals = { rate = "50/h", batch = { uniform = { from = 0.5, to = 2.5 } } }
handling = { erlang = { k = 2, mean = "6 min" } }
patience = { mixture = [{ weight = 1, of = { exponential = "2 min" } }, { weight = 1, of = "never" }] }
waiting_places = 6

[[contact]]
name = "blue mails"
seller = "blue"
language = "de"
channel = "email"
preferred_skills = ["returns"]
arrivals.rate = "20/h"
handling = { gamma = { mean = "8 min", cv = 0.7 } }
answer_within = "15 min"

[[group]]
name = "Milan"
shifts = [{ agents = 5, from = "08:00", to = "12:00" }, { agents = 3, from = "10:00", to = "15:00" }]
languages = { it = "native", de = "b2" }
accept_after = { exponential = "4 s" }

[[group]]
name = "Graz"
counts = [3, 5, 2]
every = "2 h"
languages = { de = "native" }
skills = ["returns"]
sellers = ["blue"]
speed = 1.2
"#;

#[test]
fn the_figures_are_the_same_with_any_number_of_threads() {
    let text = |threads| serde_json::to_string(&run(BUSY, threads)).expect("json");
    let one = text(1);
    assert_eq!(one, text(2));
    assert_eq!(one, text(5));
    let other = run(&BUSY.replace("replications = 7", "seed = 2\nreplications = 7"), 2);
    assert_ne!(one, serde_json::to_string(&other).expect("json"));
}

/// A call at ten to nine. Lisbon, whose seller it is, opens at nine; Manila is there.
const TWO_SITES: &str = r#"
name = "two sites"
replications = 2

[horizon]
length = "2 h"
start = "08:00"

[[contact]]
name = "calls"
arrivals.at = ["08:50", "09:30"]
handling = { deterministic = "3 min" }
promise = "1 h"

[[group]]
name = "Lisbon"
site = "lisbon"
shifts = [{ agents = 1, from = "09:00", to = "10:00" }]

[[group]]
name = "Manila"
site = "manila"
agents = 1

[site.lisbon]
open = [{ from = "09:00", to = "18:00" }]

[policy]
home_sites = ["lisbon"]
"#;

#[test]
fn a_contact_is_kept_for_the_site_that_opens_soon_or_overflows_by_the_policy() {
    let busy = |policy: &str| {
        let outcome = run(&format!("{TWO_SITES}{policy}"), 1);
        let figure = |of: &str, name: &str| outcome.figure(of, name).expect("a figure").value;
        let at_work = |group: &str| figure(group, "busy") > 0.0;
        (figure("all", "wait_longest").round(), at_work("Lisbon"), at_work("Manila"))
    };
    assert_eq!(busy(""), (0.0, true, true), "the first call goes to Manila at once");
    assert_eq!(busy("opening_hold = \"15 min\""), (600.0, true, false), "the first call waits for Lisbon");
    let pressing = "opening_hold = \"15 min\"\noverflow_before_due = \"59 min\"";
    assert_eq!(busy(pressing), (0.0, true, true), "at nine it would be too late: it is not kept at all");
}

#[test]
fn what_is_not_enough_for_two_is_divided_by_their_weights() {
    let text = include_str!("../scenarios/weights-3-to-1.toml").replace("replications = 20", "replications = 4");
    let served = |text: &str| {
        let outcome = run(text, 1);
        ["A", "B"].map(|of| outcome.figure(of, "served").expect("a figure").value)
    };
    let [a, b] = served(&text);
    assert!((2.7..3.3).contains(&(a / b)), "{a} to {b}");
    let [one, other] = served(&text.replace("weight = 3", "weight = 0").replace("weight = 1", "weight = 0"));
    assert!((0.9..1.1).contains(&(one / other)), "{one} to {other} without weights");
    assert!((a + b) / (one + other) > 0.97, "nobody is idle for weights: {a} + {b}, {one} + {other}");
}

#[test]
fn everybody_who_came_is_served_or_gone() {
    for end in ["drain", "stop", "flow"] {
        let outcome = run(&BUSY.replace("interval = \"1 h\"", &format!("interval = \"1 h\"\nend = \"{end}\"")), 2);
        for row in outcome.rows() {
            for (what, name, figures) in row.sets().filter(|(what, ..)| !matches!(*what, "agents" | "group")) {
                let sum =
                    |names: &[&str]| names.iter().map(|name| figures.get(name).map_or(0.0, |f| f.value)).sum::<f64>();
                let came = sum(&["offered"]);
                let gone = sum(&["served", "abandoned", "blocked", "balked", "unfinished"]);
                assert!((came - gone).abs() < 1e-9, "{end} {} {what} {name}: {came} came, {gone} gone", row.label);
            }
        }
        let parts: f64 = outcome.intervals.iter().map(|row| row.figure("all", "offered").expect("a count").value).sum();
        assert!((parts - outcome.figure("all", "offered").expect("a count").value).abs() < 1e-9);
        assert_eq!(outcome.figure("all", "unfinished").expect("a count").value > 0.0, end == "stop");
    }
}

#[test]
fn the_busy_shop_does_everything_that_is_written() {
    let outcome = run(BUSY, 2);
    for name in ["retried", "abandoned", "blocked", "balked"] {
        assert!(outcome.figure("all", name).expect("a count").value > 0.0, "{name}");
    }
    assert_eq!(outcome.windows[0].label, "noon");
    assert_eq!((outcome.windows[0].from, outcome.windows[0].to), (12_600.0, 16_200.0));
    let there: Vec<f64> =
        outcome.intervals.iter().map(|row| row.figure("Milan", "agents").expect("agents").value).collect();
    for (seen, wanted) in there.iter().zip([5.0, 5.0, 8.0, 8.0, 3.0, 3.0]) {
        // Who is to leave finishes first.
        assert!((wanted..wanted + 0.9).contains(&(seen + 1e-9)), "{there:?}");
    }
    let csv = report::csv(&outcome);
    assert!(csv.lines().all(|line| line.matches(',').count() >= 8) && csv.contains("\"red, calls\",sl_offered,"));
    assert!(report::table(&outcome).contains("noon"));
    let svg = plot::svg(&outcome);
    assert!(svg.starts_with("<svg") && svg.trim_end().ends_with("</svg>"));
    assert!(svg.contains("a busy shop &lt;&amp;&gt;") && !svg.contains("NaN"));
    assert_eq!(plot::terminal(&outcome).lines().count(), 7);
}

#[test]
fn intervals_may_be_those_of_the_day_over_many_days() {
    let text = r#"
        replications = 3
        [horizon]
        length = "5 d"
        interval = "6 h"
        fold = "24 h"
        [[contact]]
        name = "calls"
        arrivals = { rates = ["10/h", "20/h"], every = "12 h" }
        handling = { exponential = "3 min" }
        [[group]]
        name = "agents"
        agents = 4
        "#;
    let outcome = run(text, 1);
    let labels: Vec<&str> = outcome.intervals.iter().map(|row| row.label.as_str()).collect();
    assert_eq!(labels, ["00:00", "06:00", "12:00", "18:00"]);
    let of = |i: usize, name: &str| outcome.intervals[i].figure("all", name).expect("a figure").value;
    assert!((of(0, "offered") / 300.0 - 1.0).abs() < 0.2 && (of(3, "offered") / 600.0 - 1.0).abs() < 0.2);
    assert!((of(1, "agents") - 4.0).abs() < 1e-9, "{}", of(1, "agents"));
    let whole = outcome.figure("all", "occupancy").expect("a share").value;
    let parts = (0..4).map(|i| of(i, "occupancy")).sum::<f64>() / 4.0;
    assert!((whole - parts).abs() < 1e-9, "{whole} {parts}");
}

#[test]
fn a_simulation_can_be_stopped() {
    let plan = plan::read(BUSY).and_then(|plan| plan.with(Some(5_000), None)).expect("a plan");
    let control = Control::default();
    control.stop.store(true, Ordering::Relaxed);
    assert_eq!(simulator::simulate(&plan, 2, &control).err(), Some(Broken::Stopped));
}

#[test]
fn what_cannot_be_is_refused_with_its_place() {
    for (from, to, place) in [
        ("balk = 0.1", "balk = 0.1\nbalks = 0.1", "unknown field `balks`"),
        ("length = \"6 h\"", "length = \"6 hours long\"", "a length of time"),
        ("length = \"6 h\"", "length = \"6 h\"\nhours = 3", "line 12, column 1"),
        ("exponential = \"10 min\"", "exponentially = \"10 min\"", "unknown variant `exponentially`"),
        ("balk = 0.1", "balk = 1.1", "contact \"red, calls\".balk: must be between 0 and 1"),
        ("channel = \"chat\"", "channel = \"fax\"", "contact \"blue chats\".channel: \"fax\" is none of email"),
        ("name = \"Graz\"", "name = \"Milan\"", "group \"Milan\": there are two"),
        ("sellers = [\"blue\"]", "sellers = [\"green\"]", "group \"Graz\".sellers: there is no seller \"green\""),
        ("[seller.red]", "[seller.pink]", "seller.pink: no [[contact]] is of this seller"),
        ("floor = 2", "floor = 2\nceiling = 1", "seller.red.ceiling: must not be below the floor"),
        ("every = \"2 h\"\nlanguages", "languages", "group \"Graz\".every: stands beside counts"),
        ("arrivals.rate = \"20/h\"", "arrivals = {}", "contact \"blue mails\".arrivals: there must be exactly one of"),
        ("k = 2", "k = 0", "contact \"blue chats\".handling: k must be more than 0"),
        ("to = \"12:30\"", "to = \"11:30\"", "window \"noon\": must end after it begins"),
        ("replications = 7", "replications = 0", "replications: must be between 1 and"),
        ("interval = \"1 h\"", "interval = \"1 ms\"", "horizon.interval: must divide"),
    ] {
        assert!(BUSY.contains(from), "{from}");
        let wrong = plan::read(&BUSY.replacen(from, to, 1)).expect_err(to).to_string();
        assert!(wrong.contains(place), "{to}: {wrong}");
    }
    for text in ["", "[horizon]\nlength = \"1 h\"", "replications = 3"] {
        assert!(plan::read(text).is_err(), "{text}");
    }
}

#[test]
fn every_scenario_that_is_shipped_can_be_run() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("scenarios");
    let mut seen = 0;
    for entry in fs::read_dir(folder).expect("a folder") {
        let path = entry.expect("a file").path();
        let text = fs::read_to_string(&path).expect("a text");
        plan::read(&text).unwrap_or_else(|wrong| panic!("{}: {wrong}", path.display()));
        seen += 1;
    }
    assert!(seen > 40, "{seen}");
}

#[test]
fn the_description_tells_every_key_and_its_example_runs() {
    let description = include_str!("../SCENARIO.md");
    let example = description.split("```toml").nth(1).and_then(|rest| rest.split("```").next()).expect("an example");
    run(&example.replace("replications = 200", "replications = 2"), 1);
    let format = include_str!("../src/scenario.rs");
    for line in format.lines() {
        let Some(key) = line.trim().strip_prefix("pub ").and_then(|rest| rest.split_once(':')).map(|(key, _)| key)
        else {
            continue;
        };
        let told = [
            format!("`{key}`"),
            format!("`{key} ="),
            format!("{key},"),
            format!(" {key} "),
            format!("`{key}."),
            format!("[[{key}]]"),
            format!("[{key}"),
        ];
        assert!(told.iter().any(|told| description.contains(told.as_str())), "SCENARIO.md does not tell `{key}`");
    }
}

#[test]
fn patience_may_end_at_the_very_moment_at_which_a_contact_expires() {
    let outcome = run(
        r#"
        replications = 2
        horizon = { length = "1 h" }
        policy.expire = "60 s"
        [[contact]]
        name = "calls"
        arrivals.gaps = { deterministic = "10 s" }
        handling = { deterministic = "2 h" }
        patience = { deterministic = "60 s" }
        [[group]]
        name = "one"
        agents = 1
        "#,
        1,
    );
    let figure = |name| outcome.figure("all", name).expect("a figure").value;
    assert_eq!((figure("offered"), figure("served"), figure("abandoned")), (359.0, 1.0, 358.0), "each left once");
    assert_eq!(figure("wait_abandoned"), 60.0);
}

/// A line that is always full: five agents at work and three customers who wait, whatever is looked at.
fn always_the_same(horizon: &str, windows: &str) -> Outcome {
    run(
        &format!(
            r#"
            horizon = {{ {horizon}, end = "stop" }}
            waiting_places = 3
            {windows}
            [[contact]]
            name = "calls"
            arrivals.gaps = {{ deterministic = "1 s" }}
            handling = {{ deterministic = "30 d" }}
            [[group]]
            name = "five"
            agents = 5
            "#
        ),
        1,
    )
}

#[test]
fn agents_and_queues_are_those_who_are_there_wherever_intervals_and_windows_begin_and_end() {
    let window =
        |name: &str, from: &str, to: &str| format!("[[window]]\nname = \"{name}\"\nfrom = \"{from}\"\nto = \"{to}\"\n");
    let windows = window("early", "10 min", "50 min") + &window("late", "2 h", "9 h");
    for (horizon, missing) in [
        (r#"length = "3 h", warm_up = "30 min", interval = "1 h""#, 0),
        (r#"length = "170 min", warm_up = "90 min", interval = "1 h""#, 1),
        (r#"length = "9 h", warm_up = "150 min", interval = "30 min", fold = "2 h""#, 0),
        (r#"length = "230 min", warm_up = "40 min", interval = "30 min", fold = "1 h""#, 0),
        (r#"length = "2 h", warm_up = "30 min", interval = "30 min", fold = "4 h""#, 1),
    ] {
        let some = if horizon.contains("length = \"2 h\"") || horizon.contains("90 min") || horizon.contains("150 min")
        {
            String::new()
        } else {
            windows.clone()
        };
        let outcome = always_the_same(horizon, &some);
        let mut unseen = 0;
        for row in outcome.rows() {
            let figure = |name| row.figure("all", name).map(|figure| (figure.value * 1e3).round() / 1e3);
            match figure("agents") {
                None => unseen += 1,
                agents => {
                    assert_eq!((agents, figure("queue_length")), (Some(5.0), Some(3.0)), "{horizon}: {}", row.label)
                }
            }
        }
        assert_eq!(unseen, missing, "{horizon}: intervals of which nothing is looked at");
    }
}

#[test]
fn a_window_outside_of_what_is_looked_at_is_refused() {
    let text = |from: &str, to: &str| {
        format!(
            r#"
            horizon = {{ length = "3 h", warm_up = "1 h" }}
            [[window]]
            name = "w"
            from = "{from}"
            to = "{to}"
            [[contact]]
            name = "calls"
            arrivals.rate = "1/h"
            handling = {{ deterministic = "1 s" }}
            [[group]]
            name = "five"
            agents = 5
            "#
        )
    };
    for (from, to, fits) in
        [("0 s", "1 h", false), ("3 h", "4 h", false), ("0 s", "61 min", true), ("2 h", "4 h", true)]
    {
        match plan::read(&text(from, to)) {
            Ok(_) => assert!(fits, "{from} to {to}"),
            Err(wrong) => {
                assert!(!fits, "{from} to {to}: {wrong}");
                assert!(wrong.to_string().starts_with("window \"w\": lies outside"), "{wrong}");
            }
        }
    }
}

#[test]
fn an_offer_that_was_taken_back_is_not_the_next_ones_beginning() {
    let outcome = run(
        r#"
        replications = 2
        horizon = { length = "1 h" }
        [[contact]]
        name = "call"
        arrivals.at = ["1 s"]
        handling = { deterministic = "1 min" }
        [[group]]
        name = "goes soon"
        shifts = [{ agents = 1, from = "0 s", to = "5 s" }]
        accept_after = { deterministic = "20 s" }
        [[group]]
        name = "comes soon"
        shifts = [{ agents = 1, from = "3 s", to = "1 h" }]
        accept_after = { deterministic = "20 s" }
        "#,
        1,
    );
    let asa = outcome.figure("all", "asa").expect("it was served").value;
    assert_eq!(asa, 24.0, "four seconds with the first, and then the twenty of the second");
}

#[test]
fn stretches_that_never_come_and_gaps_of_nothing_are_refused() {
    let text = |arrivals: &str| {
        format!(
            r#"
            horizon = {{ start = "00:00", length = "1 d" }}
            [[contact]]
            name = "c"
            arrivals = {{ {arrivals} }}
            handling = {{ deterministic = "1 s" }}
            [[group]]
            name = "g"
            agents = 1
            "#
        )
    };
    let surge =
        |from: &str, to: &str| format!(r#"rate = "1/h", surges = [{{ from = "{from}", to = "{to}", factor = 2 }}]"#);
    let place = "contact \"c\".arrivals";
    for (arrivals, problem) in [
        (surge("22:00", "02:00"), Some(".surges: must end after it begins")),
        (surge("2 h", "2 h"), Some(".surges: must end after it begins")),
        (surge("22 h", "26 h"), None),
        (surge("22:00", "24:00"), None),
        (r#"rate = "1/h", from = "10:00", until = "09:00""#.to_owned(), Some(".until: must end after it begins")),
        (r#"rate = "1/h", until = "0 s""#.to_owned(), Some(".until: must end after it begins")),
        (r#"rate = "1/h", from = "09:00", until = "10:00""#.to_owned(), None),
        ("gaps = { uniform = { from = 0, to = 0 } }".to_owned(), Some(".gaps: must be more than 0")),
        ("gaps = { uniform = { from = 0, to = 9 } }".to_owned(), None),
        ("gaps = { empirical = { values = [0, 5], weights = [1, 0] } }".to_owned(), Some(".gaps: must be more than 0")),
        ("gaps = { empirical = { values = [0, 5] } }".to_owned(), None),
        (
            "gaps = { mixture = [{ weight = 1, of = { deterministic = 0 } }, { weight = 0, of = { exponential = 1 } }] }"
                .to_owned(),
            Some(".gaps: must be more than 0"),
        ),
    ] {
        match (plan::read(&text(&arrivals)), problem) {
            (Ok(_), None) => {}
            (Err(wrong), Some(problem)) => {
                assert!(wrong.to_string().contains(&format!("{place}{problem}")), "{arrivals}: {wrong}");
            }
            (outcome, _) => panic!("{arrivals}: {:?}", outcome.err()),
        }
    }
}
