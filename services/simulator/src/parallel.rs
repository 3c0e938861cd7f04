//! Many replications at once. Each is a pure function of the plan and its
//! number, and they are put together in the order of their numbers: how many
//! threads there are changes nothing.

use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, AtomicU32, AtomicU64, Ordering};

use crate::outcome::{self, Outcome};
use crate::plan::Plan;
use crate::run::{Broken, Ran, replicate};

/// How a simulation is watched, bounded and stopped.
#[derive(Debug)]
pub struct Control {
    /// Set to stop it.
    pub stop: AtomicBool,
    /// Replications that are done.
    pub done: AtomicU32,
    /// Contacts that came so far, in all replications.
    pub contacts: AtomicU64,
    /// How many may come, in all replications.
    pub contacts_most: u64,
    /// How many may be there at once, in one replication.
    pub inside_most: u32,
}

impl Default for Control {
    fn default() -> Control {
        Control {
            stop: AtomicBool::default(),
            done: AtomicU32::default(),
            contacts: AtomicU64::default(),
            contacts_most: 20_000_000_000,
            inside_most: 5_000_000,
        }
    }
}

/// Runs all replications of a plan on so many threads.
pub fn simulate(plan: &Plan, threads: usize, control: &Control) -> Result<Outcome, Broken> {
    let next = AtomicU32::new(0);
    let ran: Mutex<Vec<Option<Ran>>> = Mutex::new((0..plan.replications).map(|_| None).collect());
    let broken: Mutex<Option<Broken>> = Mutex::new(None);
    std::thread::scope(|scope| {
        for _ in 0..threads.clamp(1, plan.replications as usize) {
            scope.spawn(|| {
                loop {
                    let number = next.fetch_add(1, Ordering::Relaxed);
                    if number >= plan.replications {
                        return;
                    }
                    match replicate(plan, u64::from(number), control) {
                        Ok(done) => {
                            lock(&ran)[number as usize] = Some(done);
                            control.done.fetch_add(1, Ordering::Relaxed);
                        }
                        Err(error) => {
                            // The first error is told; that others were stopped by it is none.
                            let mut broken = lock(&broken);
                            if broken.is_none() || *broken == Some(Broken::Stopped) {
                                *broken = Some(error);
                            }
                            control.stop.store(true, Ordering::Relaxed);
                            return;
                        }
                    }
                }
            });
        }
    });
    if let Some(error) = lock(&broken).take() {
        return Err(error);
    }
    let ran = std::mem::take(&mut *lock(&ran)).into_iter().flatten().collect();
    Ok(outcome::of(plan, ran))
}

fn lock<T>(of: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    of.lock().unwrap_or_else(std::sync::PoisonError::into_inner)
}
