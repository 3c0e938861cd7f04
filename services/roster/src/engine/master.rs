//! The master program: from the columns known, one for each of some people, so that cover and wishes cost least. As a
//! linear program it gives prices, as an integer one an answer. The only file that knows the solver.

use std::collections::HashSet;
use std::num::NonZeroU32;
use std::time::Duration;

use highs::{Col, ColProblem, HighsModelStatus, Model, Row, Sense};

use super::shared::Shared;
use super::space::Column;
use super::state::{cheapest, value};
use crate::model::Cover;

/// The solver gave up on a program that has an answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the linear program could not be solved")]
pub struct Unsolved;

pub struct Held {
    /// Which of the master's people.
    pub slot: usize,
    pub column: Column,
    col: Col,
    barred: bool,
}

impl Held {
    pub fn barred(&self) -> bool {
        self.barred
    }
}

pub struct Master<'a> {
    covers: &'a [Cover],
    /// What others serve already.
    base: Vec<u32>,
    pub people: Vec<usize>,
    pub held: Vec<Held>,
    /// By the columns held, all together.
    pub served: usize,
    seen: HashSet<(usize, Vec<u16>)>,
    model: Option<Model>,
    /// On solving the model.
    spent: Duration,
    slot_rows: Vec<Row>,
    cover_rows: Vec<Row>,
}

pub struct Relaxed {
    pub cost: f64,
    /// By column held.
    pub shares: Vec<f64>,
    /// What serving a cover costs at the optimum.
    pub prices: Vec<f64>,
    /// By slot: a column cheaper than this improves the program.
    pub worth: Vec<f64>,
}

/// Surplus whose cost is squared costs 1, 3, 5 … times its weight more; beyond so many steps, always the last.
const STEPS: u32 = 8;

struct Frame {
    program: ColProblem,
    slot_rows: Vec<Row>,
    cover_rows: Vec<Row>,
    slacks: usize,
}

fn frame(covers: &[Cover], base: &[u32], people: usize) -> Frame {
    let mut program = ColProblem::new();
    let slot_rows: Vec<Row> = (0..people).map(|_| program.add_row(1.0..=1.0)).collect();
    let mut cover_rows = Vec::with_capacity(covers.len());
    let mut slacks = 0;
    for (cover, &base) in covers.iter().zip(base) {
        let base = f64::from(base);
        let row = program.add_row(f64::from(cover.low) - base..=f64::from(cover.high) - base);
        program.add_column(cover.under as f64, 0.0.., [(row, 1.0)]);
        slacks += 1;
        if cover.squared {
            for step in 0..STEPS {
                let weight = cover.over as f64 * f64::from(2 * step + 1);
                let most = if step + 1 < STEPS { 1.0 } else { f64::INFINITY };
                program.add_column(weight, 0.0..=most, [(row, -1.0)]);
                slacks += 1;
            }
        } else {
            program.add_column(cover.over as f64, 0.0.., [(row, -1.0)]);
            slacks += 1;
        }
        cover_rows.push(row);
    }
    Frame { program, slot_rows, cover_rows, slacks }
}

fn quiet(model: &mut Model) {
    model.make_quiet();
    model.set_threads(NonZeroU32::MIN);
    model.set_option("parallel", "off");
}

impl<'a> Master<'a> {
    pub fn new(covers: &'a [Cover], base: Vec<u32>, people: Vec<usize>) -> Master<'a> {
        let frame = frame(covers, &base, people.len());
        let mut model = frame.program.optimise(Sense::Minimise);
        quiet(&mut model);
        model.set_option("presolve", "off");
        // Columns come in between two solutions: the old one stays feasible, so the primal method goes on from it.
        model.set_option("simplex_strategy", 4);
        Master {
            covers,
            base,
            people,
            held: Vec::new(),
            served: 0,
            seen: HashSet::new(),
            model: Some(model),
            spent: Duration::ZERO,
            slot_rows: frame.slot_rows,
            cover_rows: frame.cover_rows,
        }
    }

    pub fn covers(&self) -> &'a [Cover] {
        self.covers
    }

    /// False where it is held already.
    pub fn add(&mut self, slot: usize, column: Column) -> bool {
        if !self.seen.insert((slot, column.plan.clone())) {
            return false;
        }
        let Some(model) = &mut self.model else { return false };
        let factors = column.serves.iter().map(|&cover| (self.cover_rows[cover as usize], 1.0));
        let factors: Vec<_> = factors.chain([(self.slot_rows[slot], 1.0)]).collect();
        let Ok(col) = model.try_add_column(column.cost as f64, 0.0.., factors) else { return false };
        self.served += column.serves.len();
        self.held.push(Held { slot, column, col, barred: false });
        true
    }

    /// Gives up when the time is over.
    pub fn relax(&mut self, shared: &Shared<'_>) -> Result<Relaxed, Unsolved> {
        let mut model = self.model.take().ok_or(Unsolved)?;
        let begun = shared.elapsed();
        if shared.timed() {
            // The solver counts the time of all its runs.
            model.set_option("time_limit", (self.spent.as_secs_f64() + shared.remaining()).max(1e-3));
        }
        let solved = model.try_solve().map_err(|_| Unsolved)?;
        self.spent += shared.elapsed().saturating_sub(begun);
        let status = solved.status();
        let (cost, solution) = (solved.objective_value(), solved.get_solution());
        self.model = Some(solved.into());
        if status != HighsModelStatus::Optimal {
            return Err(Unsolved);
        }
        let duals = solution.dual_rows();
        let slots = self.people.len();
        Ok(Relaxed {
            cost,
            shares: self.held.iter().map(|held| solution[held.col]).collect(),
            prices: duals[slots..].iter().map(|dual| -dual).collect(),
            worth: duals[..slots].to_vec(),
        })
    }

    /// Only these columns from now on for their people; the others' bars fall where `bar` is false.
    pub fn bar(&mut self, mut bar: impl FnMut(&Held) -> bool) {
        let Some(model) = &mut self.model else { return };
        for held in &mut self.held {
            let barred = bar(held);
            if barred != held.barred {
                let most = if barred { 0.0 } else { f64::INFINITY };
                model.change_column_bounds(held.col, 0.0..=most);
                held.barred = barred;
            }
        }
    }

    /// What nobody can go below at these prices, given what each of the people costs at least.
    pub fn floor(&self, prices: &[f64], people: impl Iterator<Item = f64>) -> f64 {
        let most = self.people.len() as u32;
        let covers = self.covers.iter().zip(&self.base).zip(prices);
        let covers = covers.map(|((cover, &base), &price)| cheapest(cover, base, most, price).1);
        covers.sum::<f64>() + people.sum::<f64>()
    }

    /// The best of the columns named, as far as so many nodes and seconds go: one index for each of the people. It
    /// starts from the columns in `known`.
    pub fn integer(
        &self,
        chosen: &[usize],
        known: &[usize],
        nodes: i32,
        seconds: f64,
        seed: i32,
    ) -> Option<Vec<usize>> {
        let Frame { mut program, slot_rows, cover_rows, slacks } = frame(self.covers, &self.base, self.people.len());
        for &index in chosen {
            let Held { slot, column, .. } = &self.held[index];
            let factors = column.serves.iter().map(|&cover| (cover_rows[cover as usize], 1.0));
            let factors: Vec<_> = factors.chain([(slot_rows[*slot], 1.0)]).collect();
            program.add_integer_column(column.cost as f64, 0.0..=1.0, factors);
        }
        let mut model = program.try_optimise(Sense::Minimise).ok()?;
        quiet(&mut model);
        model.set_option("mip_max_nodes", nodes);
        model.set_option("time_limit", seconds.max(0.01));
        model.set_option("mip_rel_gap", 0.0);
        // Costs are whole numbers.
        model.set_option("mip_abs_gap", 0.99);
        model.set_option("random_seed", seed);
        if !known.is_empty() {
            let mut start = self.slack_values(known);
            start.extend(chosen.iter().map(|index| f64::from(u8::from(known.contains(index)))));
            model.try_set_solution(Some(&start), None, None, None).ok()?;
        }
        let solved = model.try_solve().ok()?;
        let solution = solved.get_solution();
        let shares = solution.columns().get(slacks..)?;
        let mut picked = vec![None; self.people.len()];
        for (&index, &share) in chosen.iter().zip(shares) {
            if share > 0.5 {
                picked[self.held[index].slot] = Some(index);
            }
        }
        picked.into_iter().collect()
    }

    fn slack_values(&self, known: &[usize]) -> Vec<f64> {
        let mut counts = self.base.clone();
        for &index in known {
            self.held[index].column.serves.iter().for_each(|&cover| counts[cover as usize] += 1);
        }
        let mut values = Vec::new();
        for (cover, &count) in self.covers.iter().zip(&counts) {
            values.push(f64::from(cover.low.saturating_sub(count)));
            let mut surplus = count.saturating_sub(cover.high);
            if cover.squared {
                for step in 0..STEPS {
                    let here = if step + 1 < STEPS { surplus.min(1) } else { surplus };
                    values.push(f64::from(here));
                    surplus -= here;
                }
            } else {
                values.push(f64::from(surplus));
            }
        }
        values
    }

    /// What a column held would take off the optimum of the relaxed program, if less than nothing.
    pub fn reduced(&self, index: usize, relaxed: &Relaxed) -> f64 {
        let held = &self.held[index];
        value(&held.column, &relaxed.prices) - relaxed.worth[held.slot]
    }

    pub fn find(&self, slot: usize, column: &Column) -> Option<usize> {
        self.held.iter().position(|held| held.slot == slot && held.column.plan == column.plan)
    }
}
