//! Queues whose figures are known: exact ones lie in the simulator's own 99 %
//! intervals, published simulations in the joint interval of theirs and ours.
//! A scenario file for each lies in `scenarios/`.
//!
//! The usual run takes few replications; with `MANYDESK_ALL_REPLICATIONS` set,
//! these very tests take all that the files ask for (minutes).

use std::path::Path;

use simulator::{Control, Outcome, plan};

/// So many replications in the usual run; all where they are asked for.
#[allow(clippy::disallowed_methods, reason = "no setting of the platform")]
fn usually(few: u32) -> Option<u32> {
    std::env::var_os("MANYDESK_ALL_REPLICATIONS").is_none().then_some(few)
}

/// Runs a scenario file: with few replications, or with all it asks for.
fn run(file: &str, few: Option<u32>, change: &[(&str, &str)]) -> Outcome {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join(format!("scenarios/{file}.toml"));
    let mut text = std::fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    for (from, to) in change {
        assert!(text.contains(from), "{file} has {from}");
        text = text.replace(from, to);
    }
    let plan =
        plan::read(&text).and_then(|plan| plan.with(few, None)).unwrap_or_else(|wrong| panic!("{file}: {wrong}"));
    simulator::simulate(&plan, 2, &Control::default()).unwrap_or_else(|broken| panic!("{file}: {broken}"))
}

/// A figure: of what, its name, what it must be, and the digits it is told with.
type Expected<'a> = (&'a str, &'a str, f64);

/// Whether the exact figures lie in the intervals; says which do not.
fn exact(file: &str, few: Option<u32>, expected: &[Expected<'_>]) -> Vec<String> {
    let outcome = run(file, few, &[]);
    assert!((outcome.confidence - 0.99).abs() < 1e-9, "{file} has intervals of 99 %");
    let mut missed = Vec::new();
    for (of, name, value) in expected {
        let figure = outcome.figure(of, name).unwrap_or_else(|| panic!("{file}: no {name} of {of}"));
        // What the table rounds away.
        let slack = value.abs() * 5e-6 + 5e-7;
        let (low, high) = (figure.low.expect("an interval") - slack, figure.high.expect("an interval") + slack);
        if !(low..=high).contains(value) {
            missed.push(format!("{file}: {name} of {of} is {value}, and not in {low}..{high}"));
        }
    }
    missed
}

/// Whether published figures (value and half of their interval) agree with
/// ours; a figure published without its interval has one as wide as ours, and
/// the digits that rounding took.
fn published(outcome: &Outcome, expected: &[(&str, &str, f64, Option<f64>)]) -> Vec<String> {
    let mut missed = Vec::new();
    for (of, name, value, half) in expected {
        let figure = outcome.figure(of, name).unwrap_or_else(|| panic!("{}: no {name} of {of}", outcome.name));
        let ours = figure.half_width().expect("an interval");
        let joint = ours.hypot(half.unwrap_or(ours));
        if (figure.value - value).abs() > joint {
            missed.push(format!("{}: {name} of {of} is {value}, and not in {} ± {joint}", outcome.name, figure.value));
        }
    }
    missed
}

fn nothing(missed: Vec<String>) {
    assert!(missed.is_empty(), "{}", missed.join("\n"));
}

/// Erlang C: P(wait), ASA s, SL, Lq, occupancy.
const ERLANG_C: [[f64; 5]; 6] = [
    [0.694456, 20.8337, 0.643455, 16.66693, 0.9600],
    [0.183889, 6.1296, 0.899080, 0.42907, 0.7000],
    [0.384547, 23.0728, 0.724460, 3.84547, 0.909091],
    [0.348265, 69.6530, 0.684877, 1.62524, 0.823529],
    [0.411957, 41.1957, 0.694815, 5.76740, 0.933333],
    [0.324150, 29.1735, 0.740441, 0.81037, 0.714286],
];

fn erlang_c(few: Option<u32>) {
    let mut missed = Vec::new();
    for (i, row) in ERLANG_C.iter().enumerate() {
        let names = ["p_wait", "asa", "sl_offered", "queue_length", "occupancy"];
        let expected: Vec<Expected<'_>> = names.iter().zip(row).map(|(name, value)| ("all", *name, *value)).collect();
        missed.extend(exact(&format!("erlang-c-{}", i + 1), few, &expected));
    }
    nothing(missed);
}

/// Erlang A: P(wait), P(abandon), ASA of the served s, E[W] of all s, SL of
/// all, SL without early abandons, occupancy, Lq.
const ERLANG_A: [[f64; 8]; 6] = [
    [0.467774, 0.030912, 3.6159, 3.7095, 0.943019, 0.972030, 0.930324, 2.96758],
    [0.127372, 0.029679, 1.4436, 1.7807, 0.945270, 0.967872, 0.679225, 0.12465],
    [0.786867, 0.083602, 10.0705, 10.0323, 0.764747, 0.826230, 0.977491, 8.02584],
    [0.962356, 0.169468, 21.6012, 20.3362, 0.389505, 0.445128, 0.996638, 16.26896],
    [0.431457, 0.050924, 14.5438, 15.2772, 0.759307, 0.783903, 0.949076, 2.13881],
    [0.229938, 0.022110, 6.2283, 6.6329, 0.895699, 0.909536, 0.912698, 0.92860],
];

fn erlang_a(few: Option<u32>) {
    let mut missed = Vec::new();
    for (i, row) in ERLANG_A.iter().enumerate() {
        let names =
            ["p_wait", "p_abandon", "asa", "wait", "sl_offered", "sl_answered_or_late", "occupancy", "queue_length"];
        let expected: Vec<Expected<'_>> = names.iter().zip(row).map(|(name, value)| ("all", *name, *value)).collect();
        missed.extend(exact(&format!("erlang-a-{}", i + 1), few, &expected));
    }
    nothing(missed);
}

/// M/M/90 with 30 waiting places: P(block), P(wait), E[W] of those who got in
/// s, SL of all, occupancy.
const FINITE_LINES: [[f64; 5]; 3] = [
    [0.003643, 0.378322, 27.0014, 0.730252, 0.929933],
    [0.000168, 0.109300, 4.9661, 0.942180, 0.859856],
    [0.023492, 0.704766, 74.5778, 0.377457, 0.976508],
];

fn finite_lines(few: Option<u32>) {
    let mut missed = Vec::new();
    for (i, row) in FINITE_LINES.iter().enumerate() {
        let names = ["p_block", "p_wait", "wait", "sl_offered", "occupancy"];
        let expected: Vec<Expected<'_>> = names.iter().zip(row).map(|(name, value)| ("all", *name, *value)).collect();
        missed.extend(exact(&format!("finite-line-{}", i + 1), few, &expected));
    }
    nothing(missed);
}

/// Skill graphs, first come first served and longest idle agent first: P(wait)
/// and E[W] in minutes per type, share busy per agent.
fn skill_graphs(few: Option<u32>) {
    let same = |n: usize, value: f64| vec![value; n];
    let cases = [
        ("n-model", vec![0.320614, 0.810442], vec![0.267179, 2.159693], vec![0.525204, 0.525204, 0.874796, 0.874796]),
        ("chain-3", same(3, 0.685714), same(3, 1.248677), same(3, 0.8)),
        ("full-3", same(3, 0.647191), same(3, 1.078652), same(3, 0.8)),
        ("dedicated-3", same(3, 0.8), same(3, 4.0), same(3, 0.8)),
    ];
    let mut missed = Vec::new();
    for (file, p_wait, wait, busy) in cases {
        let types: Vec<String> = (0..p_wait.len()).map(|i| format!("type {i}")).collect();
        let agents: Vec<String> = (0..busy.len()).map(|i| format!("agent {i}")).collect();
        let mut expected: Vec<Expected<'_>> = Vec::new();
        for (i, name) in types.iter().enumerate() {
            expected.push((name, "p_wait", p_wait[i]));
            expected.push((name, "wait", wait[i] * 60.0));
        }
        expected.extend(agents.iter().zip(busy).map(|(name, busy)| (name.as_str(), "occupancy", busy)));
        missed.extend(exact(&format!("skills-{file}"), few, &expected));
    }
    nothing(missed);
}

/// Reserved capacity: P(wait), P(abandon), E[W] in minutes of A and of B, occupancy.
const RESERVES: [[f64; 7]; 4] = [
    [0.468942, 0.468942, 0.029857, 0.085589, 0.059713, 0.171178, 0.839689],
    [0.179602, 0.610110, 0.011435, 0.133459, 0.022870, 0.266917, 0.816494],
    [0.071016, 0.751922, 0.004521, 0.205568, 0.009043, 0.411137, 0.775303],
    [0.850385, 0.850385, 0.054143, 0.242827, 0.108285, 0.485654, 0.965213],
];

fn reserves(few: Option<u32>) {
    let mut missed = Vec::new();
    for (i, row) in RESERVES.iter().enumerate() {
        let expected = [
            ("A", "p_wait", row[0]),
            ("B", "p_wait", row[1]),
            ("A", "p_abandon", row[2]),
            ("B", "p_abandon", row[3]),
            ("A", "wait", row[4] * 60.0),
            ("B", "wait", row[5] * 60.0),
            ("all", "occupancy", row[6]),
        ];
        missed.extend(exact(&format!("reserve-{}", i + 1), few, &expected));
    }
    nothing(missed);
}

/// Buist and L'Ecuyer's examples, 1000 replications each: a value with half of
/// its interval, where it was published.
fn days(few: Option<u32>) {
    let minute = 60.0;
    let mut missed = published(
        &run("cc-1", few, &[]),
        &[
            ("all", "sl_offered", 0.902, Some(0.002)),
            ("all", "asa", 0.099 * minute, Some(0.0025 * minute)),
            ("all", "good", 1816.16, Some(3.55)),
            ("all", "occupancy", 0.695, None),
        ],
    );
    missed.extend(published(
        &run("cc-2", few, &[]),
        &[
            ("all", "abandoned", 58.609, Some(0.949)),
            ("all", "good", 1906.0, Some(2.2)),
            ("all", "service_level", 0.968, Some(0.001)),
            ("all", "asa", 0.024 * minute, None),
            ("all", "occupancy", 0.675, None),
        ],
    ));
    missed.extend(published(
        &run("cc-3", few, &[]),
        &[
            ("all", "blocked", 18.655, Some(0.61)),
            ("all", "good", 1854.3, Some(2.6)),
            ("all", "service_level", 0.920, Some(0.0015)),
            ("all", "asa", 0.060 * minute, None),
        ],
    ));
    nothing(missed);
}

/// The same authors' day of thirteen hours; by the hour no intervals were published.
fn thirteen_hours(few: Option<u32>) {
    const BY_HOUR: [f64; 13] = [78.1, 85.9, 97.5, 93.7, 90.1, 93.0, 97.4, 97.3, 93.5, 97.0, 87.3, 91.8, 94.7];
    let outcome = run("cc-6", few, &[]);
    let mut missed = published(
        &outcome,
        &[("all", "service_level", 0.925, Some(0.0025)), ("all", "occupancy", 0.558, Some(0.0015))],
    );
    for (row, percent) in outcome.intervals.iter().zip(BY_HOUR) {
        let figure = row.figure("all", "service_level").expect("a service level");
        let joint = figure.half_width().expect("an interval") * 2f64.sqrt() + 0.0005;
        // Thirteen looks at once: a wider net for each.
        if (figure.value - percent / 100.0).abs() > joint * 1.5 {
            missed.push(format!("{}: {percent} % is not in {} ± {joint}", row.label, figure.value));
        }
    }
    let longer = run("cc-6", few, &[("answer_within = \"20 s\"", "answer_within = \"30 s\"")]);
    missed.extend(published(&longer, &[("all", "service_level", 0.944, Some(0.002))]));
    nothing(missed);
}

/// Six types, 90 agents with some of the six skills, 30 waiting places (the
/// setting of Wallace and Whitt): blocked, P(wait), E[W] in minutes and
/// P(W ≤ 30 s) of those who got in, with half of their intervals.
fn skill_counts(few: Option<u32>) {
    let full = |file: &str, row: [f64; 4], half: [f64; 4]| -> Vec<String> {
        let names = [("p_block", 1.0), ("p_wait", 1.0), ("wait", 60.0), ("sl_entered", 1.0)];
        let expected: Vec<_> =
            (0..4).map(|i| ("all", names[i].0, row[i] * names[i].1, Some(half[i] * names[i].1))).collect();
        published(&run(&format!("skill-count-{file}"), few, &[]), &expected)
    };
    let usual = [0.0002, 0.005, 0.012, 0.0045];
    let mut missed = full("84-1-fcfs", [0.0387, 0.5342, 2.4545, 0.4971], [0.0005, 0.0012, 0.009, 0.0012]);
    missed.extend(full("84-2-primary", [0.0042, 0.4241, 0.5947, 0.7153], [0.0002, 0.0049, 0.0115, 0.0043]));
    missed.extend(full("84-2-fcfs", [0.0043, 0.4277, 0.5705, 0.6818], [0.0002, 0.0045, 0.0111, 0.0046]));
    missed.extend(full("84-3-primary", [0.0038, 0.3911, 0.4852, 0.7631], usual));
    missed.extend(full("84-3-fcfs", [0.0037, 0.3922, 0.4757, 0.7204], usual));
    missed.extend(full("84-6-primary", [0.0035, 0.3740, 0.4436, 0.7852], usual));
    missed.extend(full("84-6-fcfs", [0.0035, 0.3740, 0.4436, 0.7367], usual));
    for (file, blocked, wait) in [
        ("77.4-1-fcfs", 0.0098, 1.711),
        ("77.4-2-primary", 0.0002, 0.1457),
        ("77.4-6-primary", 0.0002, 0.0840),
        ("90-1-fcfs", 0.0781, 2.833),
        ("90-2-primary", 0.0259, 1.405),
        ("90-6-primary", 0.0237, 1.244),
    ] {
        let outcome = run(&format!("skill-count-{file}"), few, &[]);
        let mut found = published(&outcome, &[("all", "wait", wait * 60.0, None)]);
        let figure = outcome.figure("all", "p_block").expect("a share of blocked");
        if (figure.value - blocked).abs() > figure.half_width().expect("an interval") * 2f64.sqrt() + 0.00005 {
            found.push(format!("{file}: blocked {blocked} is not in {figure:?}"));
        }
        missed.extend(found);
    }
    nothing(missed);
}

/// A noisy neighbour: while A is three times as loud, B and C keep what they
/// were promised, A gets what is left, and no more than usual give up.
fn noisy_neighbour(few: Option<u32>) {
    let seen = |outcome: &Outcome, of: &str| {
        let window = outcome.windows.first().expect("the surge");
        window.figure(of, "sl_offered").expect("a service level")
    };
    let outcome = run("noisy-neighbour", few, &[]);
    for (of, least) in [("A", 0.54), ("B", 0.90), ("C", 0.90)] {
        let found = seen(&outcome, of).value;
        assert!(found >= least, "{of}: {found}");
    }
    let abandoned = outcome.figure("all", "p_abandon").expect("a share").value;
    assert!(abandoned <= 0.08, "{abandoned}");
    // With the floors of the table: its figures, within the joint interval.
    let outcome = run("noisy-neighbour-16-20-18", few, &[]);
    for (of, theirs) in [("A", 0.546), ("B", 0.901), ("C", 0.904)] {
        let ours = seen(&outcome, of);
        let joint = ours.half_width().expect("an interval").hypot(0.02);
        assert!((ours.value - theirs).abs() < joint, "{of}: {theirs} is not in {ours:?}");
    }
}

#[test]
fn erlang_c_is_met() {
    erlang_c(usually(10));
}

#[test]
fn erlang_a_is_met() {
    erlang_a(usually(6));
}

#[test]
fn finite_lines_are_met() {
    finite_lines(usually(12));
}

#[test]
fn skill_graphs_are_met() {
    skill_graphs(usually(6));
}

#[test]
fn reserved_capacity_is_met() {
    reserves(usually(6));
}

#[test]
fn published_days_are_met() {
    days(usually(40));
}

#[test]
fn a_published_day_of_changing_hours_is_met() {
    thirteen_hours(usually(60));
}

#[test]
fn skill_counts_are_met() {
    skill_counts(usually(6));
}

#[test]
fn a_noisy_neighbour_harms_nobody() {
    noisy_neighbour(None);
}
