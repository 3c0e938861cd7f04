//! Plans a made-up contact center and says how near to the best the plan is:
//!
//!     cargo run --release -p planner --example schedule -- PEOPLE SECONDS [LOAD [SEED [PROBLEM.json ANSWER.json]]]
//!
//! With the word `breaks` everybody has a lunch and two paid breaks a day, with the word `activities` a training and
//! weekly meetings. LOAD is what is required as percent of the hours that contracts owe (96). Four weeks in half hours, three sites in
//! three zones, six languages, over the end of summer time. The problem and the answer are written as JSON where files
//! are named, for other solvers to read. Two threads.

use std::sync::atomic::AtomicBool;
use std::time::{Duration, Instant};

use planner::activity;
use planner::check;
use planner::civil;
use planner::model::Model;
use planner::sample::{DAYS, STEP, activities, breaks, sample};
use planner::solve::{Effort, solve};
use serde_json::json;

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let mut arguments: Vec<String> = std::env::args().skip(1).collect();
    let has_breaks = arguments.iter().any(|text| text == "breaks");
    let has_activities = arguments.iter().any(|text| text == "activities");
    arguments.retain(|text| text != "breaks" && text != "activities");
    let number = |index: usize, usual: u64| arguments.get(index).map_or(Ok(usual), |text| text.parse::<u64>());
    let (people, seconds) = (number(0, 200)? as usize, number(1, 300)? as f64);
    let (load, seed) = (number(2, 96)? as u32, number(3, 1)?);
    let mut sample = sample(people, load, seed);
    if has_breaks {
        sample.agents.iter_mut().for_each(|agent| agent.break_plan = breaks());
    }
    let started = Instant::now();
    let mut model = Model::build(sample.first, DAYS, STEP, sample.needs, &sample.agents)?;
    let activities = if has_activities { activities(&sample.agents, sample.first) } else { Vec::new() };
    model.gather(&sample.agents, &activities);
    let owed: i64 = model.people.iter().flat_map(|person| &person.owed).sum();
    println!(
        "{} people, {} needs, {} sets of skills, {} shapes; {} hours required of {} owed; {:.1} s to build",
        people,
        model.needs.len(),
        model.groups.len(),
        model.shapes.len(),
        model.seconds(model.required()) / 3_600,
        owed / 3_600,
        started.elapsed().as_secs_f64(),
    );
    if let Some(path) = arguments.get(4) {
        std::fs::write(path, problem(&model).to_string())?;
    }

    let started = Instant::now();
    let mut next = Duration::from_secs(1);
    println!("  seconds       moves         cost        bound     gap  uncovered h  at least     idle h");
    let hours = |hundredths: u64| model.seconds(hundredths) as f64 / 3_600.0;
    let effort = Effort { seed, threads: 2, steady: false };
    let (plan, progress) = solve(&model, effort, None, &AtomicBool::new(false), &mut |progress| {
        if next <= started.elapsed() {
            next = started.elapsed() * 5 / 4;
            println!(
                "{:9.1} {:11} {:12} {:12} {:6.2}% {:12.1} {:9.1} {:10.1}",
                started.elapsed().as_secs_f64(),
                progress.moves,
                progress.cost,
                progress.cost_bound,
                100.0 * progress.gap(),
                hours(progress.uncovered),
                hours(progress.bound),
                hours(progress.idle),
            );
        }
        let used = started.elapsed().as_secs_f64() / seconds;
        (used < 1.0).then_some(used)
    });
    let elapsed = started.elapsed().as_secs_f64();

    let last = civil::later(model.first, DAYS as i64 - 1);
    let mut broken = 0;
    let mut roster = Vec::new();
    for (index, person) in model.people.iter().enumerate() {
        let duties = plan.duties(&model, index);
        broken += check::broken(&sample.agents[person.agent], &duties, model.first, last).len();
        roster.push((sample.agents[person.agent].user, duties));
    }
    println!(
        "cost {} bound {} gap {:.2}% uncovered {:.1} h of {:.1} h (at least {:.1} h) idle {:.1} h; {} rules broken",
        progress.cost,
        progress.cost_bound,
        100.0 * progress.gap(),
        hours(progress.uncovered),
        hours(progress.required),
        hours(progress.bound),
        hours(progress.idle),
        broken,
    );
    let roster: Vec<_> = roster.iter().map(|(user, duties)| (*user, &duties[..])).collect();
    let unheld = activity::unheld(&activities, &roster);
    let (missing, misplaced) = (unheld.iter().map(|one| one.missing.len()), unheld.iter().filter(|one| one.misplaced));
    println!(
        "{} activities, {} do not attend one, {} misplaced",
        activities.len(),
        missing.sum::<usize>(),
        misplaced.count()
    );
    println!("{elapsed:.1} s on the clock, {} at most, {}", memory(), processor());
    if let Some(path) = arguments.get(5) {
        let answer =
            json!({ "rows": plan.rows(), "cost": progress.cost, "bound": progress.cost_bound, "seconds": elapsed });
        std::fs::write(path, answer.to_string())?;
    }
    Ok(())
}

/// The problem for other solvers: indices into tables, instants in seconds since the epoch.
fn problem(model: &Model) -> serde_json::Value {
    let shapes = model.shapes.iter().map(|shape| {
        json!([shape.duty.start, shape.duty.end, shape.work, shape.first, shape.cover.len(), shape.holes])
    });
    let choices = model
        .choices
        .iter()
        .map(|places| places.iter().map(|place| [place.shapes.start, place.shapes.end]).collect::<Vec<_>>());
    let people = model.people.iter().map(|person| {
        json!({
            "options": person.options,
            "group": person.group,
            "owed": person.owed,
            "max_week": person.max_week,
            "max_days_in_row": person.max_days_in_row,
            "daily_rest": person.daily_rest,
            "weekly_rest": person.weekly_rest.0,
        })
    });
    json!({
        "step": model.grid.step,
        "intervals": model.grid.count,
        "days": model.days,
        "needs": model.needs.iter().map(|need| &need.people).collect::<Vec<_>>(),
        "groups": model.groups,
        "shapes": shapes.collect::<Vec<_>>(),
        "choices": choices.collect::<Vec<_>>(),
        "people": people.collect::<Vec<_>>(),
    })
}

/// The most memory that was held at once, as far as the system says.
fn memory() -> String {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find(|line| line.starts_with("VmHWM:"));
    line.map_or_else(|| "memory unknown".to_owned(), |line| line["VmHWM:".len()..].trim().to_owned())
}

/// Processor time used, as far as the system says.
fn processor() -> String {
    let stat = std::fs::read_to_string("/proc/self/stat").unwrap_or_default();
    let fields: Vec<&str> = stat.rsplit(')').next().unwrap_or_default().split_whitespace().collect();
    let ticks = |index: usize| fields.get(index).and_then(|text| text.parse::<f64>().ok());
    match (ticks(11), ticks(12)) {
        (Some(user), Some(system)) => format!("{:.1} s of processor time", (user + system) / 100.0),
        _ => "processor time unknown".to_owned(),
    }
}
