//! Queues beside the table of cases, each against an answer that shares nothing
//! with the simulator: a formula, or the chain of states solved. Every figure
//! lies in the simulator's own 99 % interval.

use simulator::{Control, Outcome, plan};

fn run(text: &str) -> Outcome {
    let plan = plan::read(text).unwrap_or_else(|wrong| panic!("{wrong}\n{text}"));
    simulator::simulate(&plan, 2, &Control::default()).unwrap_or_else(|broken| panic!("{broken}"))
}

/// A scenario of so many minutes, replications and this content.
fn scenario(minutes: u32, warm_up: u32, replications: u32, rest: &str) -> String {
    format!(
        "seed = 2\nconfidence = 0.99\nreplications = {replications}\n{}\n[horizon]\nlength = \"{minutes} min\"\nwarm_up = \"{warm_up} min\"\n{}",
        rest.split_once("---").map_or("", |(top, _)| top),
        rest.split_once("---").map_or(rest, |(_, rest)| rest)
    )
}

fn check(outcome: &Outcome, expected: &[(&str, &str, f64)]) {
    for (of, name, value) in expected {
        let figure = outcome.figure(of, name).unwrap_or_else(|| panic!("no {name} of {of}"));
        assert!(figure.holds(*value), "{name} of {of} is {value}, and not in {figure:?}");
    }
}

/// Erlang's probability of waiting.
fn erlang_c(load: f64, agents: u32) -> f64 {
    let mut blocked = 1.0;
    for n in 1..=agents {
        blocked = load * blocked / (f64::from(n) + load * blocked);
    }
    let n = f64::from(agents);
    n * blocked / (n - load * (1.0 - blocked))
}

/// The shares of time that a chain spends in its states, from its rates
/// (from, to, rate): Gauss and Seidel's sweeps until nothing moves.
fn stationary(states: usize, rates: &[(usize, usize, f64)]) -> Vec<f64> {
    let mut into: Vec<Vec<(usize, f64)>> = vec![Vec::new(); states];
    let mut out = vec![0.0; states];
    for (from, to, rate) in rates {
        into[*to].push((*from, *rate));
        out[*from] += rate;
    }
    let mut p = vec![1.0 / states as f64; states];
    for _ in 0..200_000 {
        let mut moved = 0.0_f64;
        for state in 0..states {
            let next = into[state].iter().map(|(from, rate)| p[*from] * rate).sum::<f64>() / out[state];
            moved = moved.max((next - p[state]).abs());
            p[state] = next;
        }
        let sum: f64 = p.iter().sum();
        p.iter_mut().for_each(|share| *share /= sum);
        if moved < 1e-15 {
            break;
        }
    }
    p
}

#[test]
fn two_priorities_wait_as_cobham_says() {
    let (rho1, rho, agents, mu) = (0.3, 0.85, 4, 1.0);
    let load = rho * f64::from(agents);
    let first = erlang_c(load, agents) / (f64::from(agents) * mu * (1.0 - rho1));
    let second = first / (1.0 - rho);
    let outcome = run(&scenario(
        6_000,
        200,
        16,
        &format!(
            r#"
        [[contact]]
        name = "first"
        arrivals.rate = "{}/min"
        handling = {{ exponential = "1 min" }}
        promise = "1 h"
        [[contact]]
        name = "second"
        arrivals.rate = "{}/min"
        handling = {{ exponential = "1 min" }}
        promise = "1000 h"
        [[group]]
        name = "agents"
        agents = {agents}
        "#,
            rho1 * f64::from(agents),
            (rho - rho1) * f64::from(agents)
        ),
    ));
    check(
        &outcome,
        &[
            ("first", "wait", first * 60.0),
            ("second", "wait", second * 60.0),
            ("all", "p_wait", erlang_c(load, agents)),
            ("all", "occupancy", rho),
        ],
    );
}

#[test]
fn one_agent_with_any_handling_makes_wait_as_pollaczek_and_khinchine_say() {
    let rho: f64 = 0.7;
    for (handling, squared_cv) in [
        ("{ erlang = { k = 3, mean = \"1 min\" } }", 1.0 / 3.0),
        ("{ lognormal = { mean = \"1 min\", cv = 1.2 } }", 1.44),
        ("{ deterministic = \"1 min\" }", 0.0),
        ("{ uniform = { from = \"0 s\", to = \"2 min\" } }", 1.0 / 3.0),
        ("{ gamma = { mean = \"1 min\", cv = 0.8 } }", 0.64),
        (
            "{ mixture = [{ weight = 1, of = { exponential = \"0.5 min\" } }, { weight = 1, of = { exponential = \"1.5 min\" } }] }",
            1.5,
        ),
        ("{ empirical = { values = [\"0.5 min\", \"2.5 min\"], weights = [3, 1] } }", 0.75),
    ] {
        let outcome = run(&scenario(
            12_000,
            400,
            12,
            &format!(
                r#"
            [[contact]]
            name = "calls"
            arrivals.rate = "{rho}/min"
            handling = {handling}
            [[group]]
            name = "agents"
            agents = 1
            "#
            ),
        ));
        let wait = rho * (1.0 + squared_cv) / (2.0 * (1.0 - rho));
        check(&outcome, &[("all", "wait", wait * 60.0), ("all", "p_wait", rho), ("all", "queue_length", wait * rho)]);
    }
}

#[test]
fn even_gaps_make_wait_as_the_root_of_the_gi_m_1_queue_says() {
    let rho: f64 = 0.8;
    let mut root: f64 = 0.5;
    for _ in 0..1_000 {
        root = (-(1.0 - root) / rho).exp();
    }
    let outcome = run(&scenario(
        12_000,
        400,
        12,
        &format!(
            r#"
        [[contact]]
        name = "calls"
        arrivals.gaps = {{ deterministic = "{} min" }}
        handling = {{ exponential = "1 min" }}
        [[group]]
        name = "agents"
        agents = 1
        "#,
            1.0 / rho
        ),
    ));
    check(&outcome, &[("all", "p_wait", root), ("all", "wait", 60.0 * root / (1.0 - root))]);
}

#[test]
fn pairs_that_come_together_wait_for_one_another() {
    // M^X/M/1 with X = 2: L = ρ (X + 1) / 2 (1 - ρ).
    let rho: f64 = 0.6;
    let here = rho * 3.0 / (2.0 * (1.0 - rho));
    let outcome = run(&scenario(
        16_000,
        400,
        12,
        &format!(
            r#"
        [[contact]]
        name = "calls"
        arrivals = {{ rate = "{}/min", batch = {{ deterministic = 2 }} }}
        handling = {{ exponential = "1 min" }}
        [[group]]
        name = "agents"
        agents = 1
        "#,
            rho / 2.0
        ),
    ));
    check(&outcome, &[("all", "wait", 60.0 * (here / rho - 1.0)), ("all", "occupancy", rho)]);
}

/// M/M/c with patience of any kind, by Zeltyn and Mandelbaum's integrals: the
/// shares that wait, abandon, and are answered within `target`, and E[W], per
/// minute; `lasts` is the share whose patience lasts longer.
fn impatient(lam: f64, mu: f64, agents: u32, target: f64, lasts: impl Fn(f64) -> f64) -> [f64; 4] {
    let n = f64::from(agents);
    // Time with an agent free, in arrivals at the last of those states.
    let mut term = 1.0;
    let mut epsilon = 0.0;
    for j in (0..agents).rev() {
        epsilon += term;
        term *= f64::from(j) * mu / lam;
    }
    let step = 1e-4;
    let (mut h, mut j, mut jh, mut jg, mut good) = (0.0, 0.0, 0.0, 0.0, 0.0);
    for i in 0..600_000 {
        let x = (f64::from(i) + 0.5) * step;
        let left = lasts(x);
        let density = (lam * (h + left * step / 2.0) - n * mu * x).exp();
        h += left * step;
        j += density * step;
        jh += h * density * step;
        jg += left * density * step;
        if x <= target {
            good += left * density * step;
        }
    }
    let all = epsilon + lam * j;
    [lam * j / all, lam * (j - jg) / all, (epsilon + lam * good) / all, lam * jh / all]
}

#[test]
fn customers_with_any_patience_leave_as_the_integrals_say() {
    let (lam, mu, agents, target) = (11.0, 1.0, 10, 1.0 / 3.0);
    type Lasts = fn(f64) -> f64;
    let cases: [(&str, Lasts); 3] = [
        ("{ deterministic = \"30 s\" }", |x| if x < 0.5 { 1.0 } else { 0.0 }),
        ("{ uniform = { from = \"0 s\", to = \"2 min\" } }", |x| (1.0 - x / 2.0).max(0.0)),
        (
            "{ mixture = [{ weight = 3, of = { exponential = \"1 min\" } }, { weight = 1, of = { exponential = \"3 min\" } }] }",
            |x| 0.75 * (-x).exp() + 0.25 * (-x / 3.0).exp(),
        ),
    ];
    for (patience, lasts) in cases {
        let [p_wait, p_abandon, good, wait] = impatient(lam, mu, agents, target, lasts);
        let outcome = run(&scenario(
            1_500,
            50,
            12,
            &format!(
                r#"
            [[contact]]
            name = "calls"
            arrivals.rate = "{lam}/min"
            handling = {{ exponential = "1 min" }}
            patience = {patience}
            [[group]]
            name = "agents"
            agents = {agents}
            "#
            ),
        ));
        check(
            &outcome,
            &[
                ("all", "p_wait", p_wait),
                ("all", "p_abandon", p_abandon),
                ("all", "wait", wait * 60.0),
                ("all", "sl_offered", good),
            ],
        );
    }
}

#[test]
fn what_the_first_pool_has_no_room_for_overflows_to_the_second() {
    let (first, second, lam_a, lam_b) = (3_usize, 4_usize, 3.0, 2.0);
    let at = |a: usize, b: usize| a * (second + 1) + b;
    let mut rates = Vec::new();
    for a in 0..=first {
        for b in 0..=second {
            if a < first {
                rates.push((at(a, b), at(a + 1, b), lam_a));
            } else if b < second {
                rates.push((at(a, b), at(a, b + 1), lam_a));
            }
            if b < second {
                rates.push((at(a, b), at(a, b + 1), lam_b));
            }
            if a > 0 {
                rates.push((at(a, b), at(a - 1, b), a as f64));
            }
            if b > 0 {
                rates.push((at(a, b), at(a, b - 1), b as f64));
            }
        }
    }
    let p = stationary((first + 1) * (second + 1), &rates);
    let full = p[at(first, second)];
    let b_full: f64 = (0..=first).map(|a| p[at(a, second)]).sum();
    let busy: f64 =
        (0..=first).flat_map(|a| (0..=second).map(move |b| (a, b))).map(|(a, b)| a as f64 * p[at(a, b)]).sum();
    let outcome = run(&scenario(
        6_000,
        50,
        12,
        &format!(
            r#"
        waiting_places = 0
        ---
        [[contact]]
        name = "A"
        arrivals.rate = "{lam_a}/min"
        handling = {{ exponential = "1 min" }}
        [[contact]]
        name = "B"
        arrivals.rate = "{lam_b}/min"
        handling = {{ exponential = "1 min" }}
        [[group]]
        name = "first"
        agents = {first}
        serves = ["A"]
        [[group]]
        name = "second"
        agents = {second}
        serves = ["A", "B"]
        "#
        ),
    ));
    check(&outcome, &[("A", "p_block", full), ("B", "p_block", b_full), ("first", "occupancy", busy / first as f64)]);
}

#[test]
fn those_who_were_turned_away_come_again() {
    // One agent, no place to wait; whoever is blocked comes again after 2 minutes on average, until served.
    let (lam, again, most) = (0.5, 0.5, 400_usize);
    let at = |busy: usize, away: usize| away * 2 + busy;
    let mut rates = Vec::new();
    for away in 0..=most {
        rates.push((at(0, away), at(1, away), lam));
        rates.push((at(1, away), at(0, away), 1.0));
        if away < most {
            rates.push((at(1, away), at(1, away + 1), lam));
        }
        if away > 0 {
            rates.push((at(0, away), at(1, away - 1), again * away as f64));
        }
    }
    let p = stationary(2 * (most + 1), &rates);
    let mean = |busy: usize| (0..=most).map(|away| away as f64 * p[at(busy, away)]).sum::<f64>();
    let busy: f64 = (0..=most).map(|away| p[at(1, away)]).sum();
    let tries = lam + again * (mean(0) + mean(1));
    let blocked = (lam * busy + again * mean(1)) / tries;
    let outcome = run(&scenario(
        20_000,
        400,
        12,
        &format!(
            r#"
        waiting_places = 0
        ---
        [[contact]]
        name = "calls"
        arrivals.rate = "{lam}/min"
        handling = {{ exponential = "1 min" }}
        retry = {{ probability = 1, after = {{ exponential = "2 min" }}, when = ["blocked"], most = 1000000 }}
        [[group]]
        name = "agents"
        agents = 1
        "#
        ),
    ));
    let minutes = 19_600.0;
    check(&outcome, &[("all", "p_block", blocked), ("all", "occupancy", lam), ("all", "offered", tries * minutes)]);
}

#[test]
fn those_who_see_a_queue_may_balk() {
    let (lam, agents, balk, most) = (5.0, 5_usize, 0.4, 300_usize);
    let rates: Vec<_> = (0..most)
        .flat_map(|n| {
            let come = if n < agents { lam } else { lam * (1.0 - balk) };
            [(n, n + 1, come), (n + 1, n, (n + 1).min(agents) as f64)]
        })
        .collect();
    let p = stationary(most + 1, &rates);
    let delayed: f64 = p[agents..].iter().sum();
    let queue: f64 = (agents..=most).map(|n| (n - agents) as f64 * p[n]).sum();
    let outcome = run(&scenario(
        4_000,
        100,
        12,
        &format!(
            r#"
        [[contact]]
        name = "calls"
        arrivals.rate = "{lam}/min"
        handling = {{ exponential = "1 min" }}
        balk = {balk}
        [[group]]
        name = "agents"
        agents = {agents}
        "#
        ),
    ));
    check(
        &outcome,
        &[("all", "p_balk", balk * delayed), ("all", "p_wait", (1.0 - balk) * delayed), ("all", "queue_length", queue)],
    );
}

#[test]
fn a_quick_agent_and_a_slow_one_take_turns() {
    // Longest idle first. States: nobody busy with the quick one idle longer,
    // with the slow one idle longer, only the quick busy, only the slow busy, n ≥ 2.
    let (lam, quick, slow, most) = (1.2, 1.5, 0.75, 400_usize);
    let mut rates = vec![
        (0, 2, lam),
        (1, 3, lam),
        (2, 1, quick), // the slow one has been idle longer
        (3, 0, slow),
        (2, 4, lam),
        (3, 4, lam),
        (4, 3, quick),
        (4, 2, slow),
    ];
    for n in 4..most {
        rates.push((n, n + 1, lam));
        rates.push((n + 1, n, quick + slow));
    }
    let p = stationary(most + 1, &rates);
    let waits: f64 = p[4..].iter().sum();
    let queue: f64 = (4..=most).map(|n| (n - 4) as f64 * p[n]).sum();
    let outcome = run(&scenario(
        12_000,
        200,
        12,
        &format!(
            r#"
        [policy]
        agent_order = "longest_idle"
        [[contact]]
        name = "calls"
        arrivals.rate = "{lam}/min"
        handling = {{ exponential = "1 min" }}
        [[group]]
        name = "quick"
        agents = 1
        speed = {quick}
        [[group]]
        name = "slow"
        agents = 1
        handling.calls = {{ exponential = "{} min" }}
        "#,
            1.0 / slow
        ),
    ));
    check(
        &outcome,
        &[
            ("all", "p_wait", waits),
            ("all", "queue_length", queue),
            ("quick", "occupancy", p[2] + waits),
            ("slow", "occupancy", p[3] + waits),
        ],
    );
}

#[test]
fn three_chats_or_ten_mails_fill_an_agent() {
    for (channel, places, lam) in [("chat", 12, 10.0), ("email", 40, 36.0)] {
        let outcome = run(&scenario(
            1_500,
            100,
            12,
            &format!(
                r#"
            [[contact]]
            name = "talk"
            channel = "{channel}"
            arrivals.rate = "{lam}/min"
            handling = {{ exponential = "1 min" }}
            [[group]]
            name = "agents"
            agents = 4
            "#
            ),
        ));
        let waits = erlang_c(lam, places);
        let wait = waits / (f64::from(places) - lam);
        check(&outcome, &[("talk", "p_wait", waits), ("talk", "wait", 60.0 * wait)]);
        check(&outcome, &[("all", "occupancy", lam / f64::from(places))]);
    }
}

#[test]
fn mails_give_way_to_calls() {
    // An agent with room for one mail: calls are an M/M/1 that mails do not
    // touch, mails wait as those of lower priority whose work is interrupted.
    let (calls, mails) = (0.4, 0.3);
    let outcome = run(&scenario(
        20_000,
        400,
        12,
        &format!(
            r#"
        [[contact]]
        name = "call"
        arrivals.rate = "{calls}/min"
        handling = {{ exponential = "1 min" }}
        [[contact]]
        name = "mail"
        channel = "email"
        arrivals.rate = "{mails}/min"
        handling = {{ exponential = "1 min" }}
        [[group]]
        name = "agents"
        agents = 1
        "#
        ),
    ));
    let wait = calls / (1.0 - calls);
    check(&outcome, &[("call", "p_wait", calls), ("call", "wait", 60.0 * wait)]);
}

#[test]
fn a_ceiling_is_as_many_agents_as_it_lets_work() {
    let outcome = run(&scenario(
        6_000,
        200,
        12,
        r#"
        [seller.loud]
        ceiling = 3
        [[contact]]
        name = "loud"
        arrivals.rate = "2.4/min"
        handling = { exponential = "1 min" }
        [[group]]
        name = "agents"
        agents = 10
        "#,
    ));
    let waits = erlang_c(2.4, 3);
    check(&outcome, &[("loud", "p_wait", waits), ("loud", "wait", 60.0 * waits / 0.6)]);
}

#[test]
fn quantiles_of_waits_are_those_of_the_formula() {
    let outcome = run(&scenario(
        3_000,
        200,
        12,
        r#"
        [[contact]]
        name = "calls"
        arrivals.rate = "9/min"
        handling = { exponential = "1 min" }
        [[group]]
        name = "agents"
        agents = 10
        "#,
    ));
    for (share, name) in [(0.5, "wait_p50"), (0.9, "wait_p90"), (0.95, "wait_p95"), (0.99, "wait_p99")] {
        let exact = 60.0 * (erlang_c(9.0, 10) / (1.0 - share)).ln().max(0.0);
        let figure = outcome.figure("all", name).expect("a quantile");
        let (low, high) = (figure.low.expect("an end") * 0.98, figure.high.expect("an end") * 1.02);
        assert!((low..=high).contains(&exact), "{name} is {exact}, and not in {low}..{high}");
    }
}

#[test]
fn a_day_of_changing_rates_and_growing_staff_follows_kolmogorov() {
    // Three hours from empty; the chain of how many are there is integrated in small steps.
    let (rates, agents, leave, most) = ([2.0, 6.0, 4.0], [3.0, 4.0, 6.0], 0.5, 120_usize);
    let mut p = vec![0.0; most + 1];
    p[0] = 1.0;
    let step = 0.0005;
    let mut expected = Vec::new();
    for (lam, c) in rates.into_iter().zip(agents) {
        let (mut queue, mut busy) = (0.0, 0.0);
        for _ in 0..(60.0 / step) as usize {
            let before = p.clone();
            for n in 0..=most {
                let gone = |n: usize| (n as f64).min(c) + leave * (n as f64 - c).max(0.0);
                let come = if n < most { lam } else { 0.0 };
                let mut change = -(come + gone(n)) * before[n];
                change += if n > 0 { lam * before[n - 1] } else { 0.0 };
                change += if n < most { gone(n + 1) * before[n + 1] } else { 0.0 };
                p[n] += step * change;
                queue += step * (n as f64 - c).max(0.0) * before[n];
                busy += step * (n as f64).min(c) * before[n];
            }
        }
        expected.push((queue / 60.0, busy / 60.0 / c));
    }
    let outcome = run(r#"
        confidence = 0.99
        replications = 200
        [horizon]
        start = "09:00"
        length = "3 h"
        interval = "1 h"
        [[contact]]
        name = "calls"
        arrivals = { rates = ["2/min", "6/min", "4/min"], every = "1 h" }
        handling = { exponential = "1 min" }
        patience = { exponential = "2 min" }
        [[group]]
        name = "agents"
        shifts = [
            { agents = 3, from = "09:00", to = "13:00" },
            { agents = 1, from = "10:00", to = "13:00" },
            { agents = 2, from = "11:00", to = "13:00" },
        ]
        "#);
    for (row, (queue, busy)) in outcome.intervals.iter().zip(expected) {
        let (found, work) = (row.figure("all", "queue_length"), row.figure("all", "occupancy"));
        assert!(found.is_some_and(|f| f.holds(queue)), "{}: queue {queue}, not {found:?}", row.label);
        assert!(work.is_some_and(|f| f.holds(busy)), "{}: occupancy {busy}, not {work:?}", row.label);
    }
    assert_eq!(outcome.intervals[1].label, "10:00");
}

#[test]
fn factors_of_the_day_move_what_comes() {
    let text = |factor: &str| {
        format!(
            r#"
            confidence = 0.99
            replications = 400
            {factor}
            [horizon]
            length = "10 h"
            [[contact]]
            name = "calls"
            arrivals.rate = "10/h"
            handling = {{ exponential = "1 min" }}
            [[group]]
            name = "agents"
            agents = 5
            "#
        )
    };
    // The half width tells the deviation: 100 Poisson contacts alone, and with a factor of deviation 0.3.
    for (factor, variance) in [("", 100.0), ("day_factor = { gamma = { mean = 1, cv = 0.3 } }", 100.0 + 900.0)] {
        let figure = run(&text(factor)).figure("calls", "offered").expect("a count");
        assert!(figure.holds(100.0), "{figure:?}");
        let seen = figure.half_width().expect("an interval") / 2.588 * 400f64.sqrt();
        assert!((seen / f64::sqrt(variance) - 1.0).abs() < 0.12, "{seen} {variance}");
    }
    let doubled = run(&text("day_factors = [2]")).figure("calls", "offered").expect("a count");
    assert!(doubled.holds(200.0), "{doubled:?}");
}
