//! Solves one file from the command line: `roster FILE SECONDS [OUT]`.

use std::path::PathBuf;
use std::sync::atomic::AtomicBool;
use std::time::Instant;

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let mut arguments = std::env::args().skip(1);
    let (Some(file), Some(seconds)) = (arguments.next(), arguments.next()) else {
        return Err("roster FILE SECONDS [OUT]".into());
    };
    let out = arguments.next();
    let problem = roster::formats::curtois::read(&std::fs::read_to_string(file)?)?;
    let started = Instant::now();
    let clock = || started.elapsed();
    let space = roster::daily::Daily::new(&problem);
    let options = roster::engine::solve::Options {
        seed: 1,
        until: Some(std::time::Duration::from_secs_f64(seconds.parse()?)),
        clock: &clock,
        rounds: None,
        threads: arguments.next().map_or(Ok(2), |text| text.parse())?,
        cancel: &AtomicBool::new(false),
        start: Vec::new(),
    };
    let outcome = roster::engine::solve::solve(&space, &options, &mut |p| eprintln!("{:8.2} {} {:?}", p.elapsed.as_secs_f64(), p.cost, p.bound))
        .map_err(|who| format!("nobody can do what {} must", problem.people[who.0].name))?;
    let roster: Vec<_> = outcome.columns.iter().map(|column| column.plan.clone()).collect();
    for (person, plan) in roster.iter().enumerate() {
        if let Some(breach) = problem.breach(person, plan) {
            println!("BREACH {breach}");
        }
    }
    if let Some(out) = out {
        std::fs::write(PathBuf::from(out), roster::formats::curtois::write(&problem, &roster))?;
    }
    println!("penalty {} bound {:?} recomputed {}", outcome.cost, outcome.bound, problem.cost(&roster));
    Ok(())
}
