//! Solves one file: `roster FILE SECONDS OUT [THREADS]`.

use std::path::Path;
use std::sync::atomic::AtomicBool;
use std::time::{Duration, Instant};

use roster::command::{How, run};

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [file, seconds, out, rest @ ..] = &arguments[..] else {
        return Err("roster FILE SECONDS OUT [THREADS]".into());
    };
    let started = Instant::now();
    let how = How {
        time: Duration::from_secs_f64(seconds.parse()?),
        clock: &|| started.elapsed(),
        cancel: &AtomicBool::new(false),
        seed: 1,
        threads: rest.first().map_or(Ok(2), |text| text.parse())?,
        rounds: None,
    };
    let answer = run(Path::new(file), Path::new(out), &how, &mut |progress| {
        let seconds = progress.elapsed.as_secs_f64();
        eprintln!("{seconds:8.2} {} {:?}", progress.cost, progress.bound);
    })?;
    println!("{answer}");
    Ok(())
}
