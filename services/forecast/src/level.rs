//! The level of days: a structural model of the logarithm of a day's contacts, run as a Kalman filter.
//!
//! Level (a random walk) + damped slope + passing disturbance (dies away within days) + weekday + holidays, closures
//! and events + position in the month + week of the year. Every part but the level starts at none with a prior width,
//! so what was seen once moves a forecast a little and what was seen often moves it all the way. One pass gives the
//! forecasts of every origin on its way. All widths are relative to the noise of the series: nothing depends on the
//! unit in which it counts.

use crate::days::{Day, Days, MONTH, Names, State, YEAR, prior};
use crate::direct::median;

/// How long a passing disturbance lives: what is left of it the next day.
const PASSING: f64 = 0.6;
/// What is left of a slope the next day: it ends after about a month.
const DAMPED: f64 = 0.97;
/// A day's step of the slope over that of the level.
const SLOPING: f64 = 0.1;
/// A deviation of so many standard deviations is not learnt from in full,
const DOUBTFUL: f64 = 2.5;
/// and of so many it is an outlier.
const OUTLIER: f64 = 4.0;
/// So many outliers to one side in a row are a new level.
const SHIFT: usize = 3;
/// Days that scatter by more than this share are few contacts.
const FAINT: f64 = 0.25;
/// No day has more: a filter gone wrong must not end in infinity.
const MOST: f64 = 30.0;
/// The unexplained part of days with less contacts than usual is larger, within these bounds: an evening's opening
/// says little of the level of whole days.
const THIN: (f64, f64) = (0.25, 40.0);

/// The noise of a series too short to tell.
const UNKNOWN_NOISE: f64 = 0.15;

const LEVEL: usize = 0;
const SLOPE: usize = 1;
const PASS: usize = 2;
const WEEKDAY: usize = 3;
const EFFECTS: usize = WEEKDAY + 7;

/// One model of the family.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Spec {
    /// Variance of a day's step of the level over that of the noise.
    pub wander: f64,
    pub trend: bool,
    pub month: bool,
    pub year: bool,
}

/// A day's contacts, and the share of its usual volume that was recorded.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Sample {
    pub contacts: f64,
    pub share: f64,
}

/// What a pass gives.
#[derive(Debug, Clone)]
pub(crate) struct Pass {
    /// By origin from the first asked: contacts of the following days, were they open all their hours.
    pub ahead: Vec<Vec<f64>>,
    /// By origin likewise: what holidays, closures and events do to each day, as a factor.
    pub lifts: Vec<Vec<f64>>,
    /// Days that were nothing like expected.
    pub outliers: Vec<bool>,
    /// What was expected of each day the evening before.
    pub expected: Vec<f64>,
}

/// The noise of a series: how far a day's change since a week before lies from that of the days around it, as a share.
/// What moves a whole week is no noise but level. Robust, and of no unit.
pub(crate) fn noise(samples: &[Option<Sample>]) -> f64 {
    let changes: Vec<(usize, f64)> = samples
        .iter()
        .zip(samples.iter().skip(7))
        .enumerate()
        .filter_map(|(index, (before, after))| {
            let (before, after) = (before.as_ref()?, after.as_ref()?);
            let (before, after) = (before.contacts / before.share, after.contacts / after.share);
            (0.0 < before + after).then(|| (index, 2.0 * (after - before) / (before + after)))
        })
        .collect();
    if changes.len() < 4 {
        return UNKNOWN_NOISE;
    }
    let mut around = Vec::with_capacity(7);
    let mut apart: Vec<f64> = (0..changes.len())
        .map(|place| {
            let week = place.saturating_sub(3)..(place + 4).min(changes.len());
            around.clear();
            around.extend(changes[week].iter().map(|change| change.1));
            (changes[place].1 - median(&mut around)).abs()
        })
        .collect();
    // From the median of deviations to a standard deviation, of one day instead of two, the week's median not known.
    (1.4826 * median(&mut apart) / 2.0_f64.sqrt() * (7.0_f64 / 6.0).sqrt()).clamp(0.002, 1.5)
}

/// Runs the model over the recorded days; forecasts `horizon` days from every origin of `from..=samples.len()`.
/// `week` is what siblings say of the weekdays, as logarithms.
pub(crate) fn pass(
    spec: Spec,
    days: &Days,
    samples: &[Option<Sample>],
    from: usize,
    horizon: usize,
    week: Option<[f64; 7]>,
) -> Pass {
    let noise = noise(samples);
    let mut filter = Filter::new(spec, days.names, noise, start(samples));
    if let (Some(week), true) = (week, FAINT <= noise) {
        // Siblings tell the week's shape where the series itself hardly can.
        filter.state[WEEKDAY..EFFECTS].copy_from_slice(&week);
        (WEEKDAY..EFFECTS).for_each(|weekday| filter.set(weekday, 0.3_f64.powi(2)));
    }
    let mut pass = Pass {
        ahead: Vec::new(),
        lifts: Vec::new(),
        outliers: vec![false; samples.len()],
        expected: vec![0.0; samples.len()],
    };
    let mut run = 0_i32;
    for (index, sample) in samples.iter().enumerate() {
        if from <= index {
            pass.ahead.push(filter.ahead(&days.days[index..], horizon));
            pass.lifts.push(filter.lifts(&days.days[index..], horizon));
        }
        let day = &days.days[index];
        pass.expected[index] = filter.expected(day) * day.factor;
        if let Some(sample) = sample {
            let far = filter.learn(day, *sample);
            let side = if far < -OUTLIER { -1 } else { i32::from(OUTLIER < far) };
            pass.outliers[index] = side != 0;
            run = if side == 0 || (run != 0 && run.signum() != side) { side } else { run + side };
            if SHIFT <= run.unsigned_abs() as usize {
                // Not a strange day but a new level: open up for it, and take the days before for what they were.
                filter.open_up();
                pass.outliers[index + 1 - SHIFT.min(index + 1)..=index].fill(false);
                run = 0;
            }
        }
        filter.step();
    }
    pass.ahead.push(filter.ahead(&days.days[samples.len()..], horizon));
    pass.lifts.push(filter.lifts(&days.days[samples.len()..], horizon));
    pass
}

/// Where the level starts: the mean of the first four weeks with contacts.
fn start(samples: &[Option<Sample>]) -> f64 {
    let first = samples.iter().flatten().skip_while(|sample| sample.contacts == 0.0).take(28);
    let (contacts, share) = first.fold((0.0, 0.0), |sum, s| (sum.0 + s.contacts, sum.1 + s.share));
    if 0.0 < contacts { (contacts / share).ln() } else { 0.0 }
}

struct Filter {
    spec: Spec,
    size: usize,
    month: usize,
    year: usize,
    noise: f64,
    state: Vec<f64>,
    /// Covariance, by rows.
    cover: Vec<f64>,
    /// How a day looks at the state.
    look: Vec<(usize, f64)>,
    gain: Vec<f64>,
}

impl Filter {
    fn new(spec: Spec, names: Names, noise: f64, level: f64) -> Self {
        let month = EFFECTS + names.effects();
        let year = month + if spec.month { MONTH } else { 0 };
        let size = year + if spec.year { YEAR } else { 0 };
        let mut filter = Self {
            spec,
            size,
            month,
            year,
            noise,
            state: vec![0.0; size],
            cover: vec![0.0; size * size],
            look: Vec::with_capacity(16),
            gain: vec![0.0; size],
        };
        filter.state[LEVEL] = level;
        filter.set(LEVEL, 0.5_f64.powi(2));
        if spec.trend {
            filter.set(SLOPE, (3.0 * SLOPING).powi(2) * spec.wander * noise * noise);
        }
        filter.set(PASS, 0.5 * noise * noise);
        for weekday in 0..7 {
            filter.set(WEEKDAY + weekday, 0.8_f64.powi(2));
        }
        for index in 0..names.effects() {
            filter.set(EFFECTS + index, prior(index, &names).powi(2));
        }
        if spec.month {
            filter.round(month, MONTH, noise.min(0.08), 2.5);
        }
        if spec.year {
            filter.round(year, YEAR, 0.2, 3.0);
        }
        filter
    }

    fn set(&mut self, index: usize, variance: f64) {
        self.cover[index * self.size + index] = variance;
    }

    /// A ring of effects of which neighbours are alike.
    fn round(&mut self, from: usize, count: usize, deviation: f64, reach: f64) {
        for i in 0..count {
            for j in 0..count {
                let apart = i.abs_diff(j);
                let apart = apart.min(count - apart) as f64;
                self.cover[(from + i) * self.size + from + j] = deviation * deviation * (-apart / reach).exp();
            }
        }
    }

    fn look(&mut self, day: &Day) {
        self.look.clear();
        self.look.extend([(LEVEL, 1.0), (PASS, 1.0), (WEEKDAY + usize::from(day.weekday), 1.0)]);
        self.look.extend(day.bears.iter().map(|&(index, much)| (EFFECTS + index, much)));
        if self.spec.month {
            self.look.push((self.month + day.month, 1.0));
        }
        if self.spec.year {
            let (week, next, share) = day.year;
            self.look.extend([(self.year + week, 1.0 - share), (self.year + next, share)]);
        }
    }

    fn expected(&mut self, day: &Day) -> f64 {
        self.look(day);
        self.sight().exp()
    }

    fn sight(&self) -> f64 {
        self.look.iter().map(|&(index, much)| self.state[index] * much).sum::<f64>().clamp(-MOST, MOST)
    }

    /// Learns from a day; answers how many standard deviations it was off.
    fn learn(&mut self, day: &Day, sample: Sample) -> f64 {
        self.look(day);
        let sight = self.sight();
        let ratio = sample.contacts / (sample.share * sight.exp());
        // Logarithms where a day is a good measure of its level; few contacts are taken as they are, zeros included.
        let off = if self.noise < FAINT && 0.0 < ratio { ratio.ln() } else { ratio - 1.0 };
        let size = self.size;
        let mut width = 0.0;
        for (row, gain) in self.gain.iter_mut().enumerate() {
            let cover = &self.cover[row * size..(row + 1) * size];
            *gain = self.look.iter().map(|&(index, much)| cover[index] * much).sum();
        }
        for &(index, much) in &self.look {
            width += self.gain[index] * much;
        }
        let thin = ((self.state[LEVEL] - sight).exp() / sample.share).powf(1.5).clamp(THIN.0, THIN.1);
        let noise = 0.5 * self.noise * self.noise * thin;
        let deviation = (width + noise).sqrt();
        let far = off / deviation;
        // A doubtful day counts as one that was measured worse.
        let doubt = (far.abs() / DOUBTFUL).max(1.0);
        let doubt = if OUTLIER < far.abs() { doubt * doubt * 4.0 } else { doubt };
        let total = width + noise * doubt + (doubt - 1.0) * width;
        for row in 0..size {
            let pull = self.gain[row] / total;
            if pull == 0.0 {
                continue;
            }
            self.state[row] += pull * off;
            let cover = &mut self.cover[row * size..(row + 1) * size];
            for (entry, gain) in cover.iter_mut().zip(&self.gain) {
                *entry -= pull * gain;
            }
        }
        far
    }

    /// A night passes.
    fn step(&mut self) {
        let size = self.size;
        if self.spec.trend {
            // level += slope; slope is damped.
            self.state[LEVEL] += self.state[SLOPE];
            self.state[SLOPE] *= DAMPED;
            for column in 0..size {
                self.cover[LEVEL * size + column] += self.cover[SLOPE * size + column];
            }
            for row in 0..size {
                self.cover[row * size + LEVEL] += self.cover[row * size + SLOPE];
            }
            self.scale(SLOPE, DAMPED);
            self.cover[SLOPE * size + SLOPE] += SLOPING * SLOPING * self.spec.wander * self.noise * self.noise;
        }
        self.state[PASS] *= PASSING;
        self.scale(PASS, PASSING);
        let noise = self.noise * self.noise;
        self.cover[PASS * size + PASS] += 0.5 * noise * (1.0 - PASSING * PASSING);
        self.cover[LEVEL * size + LEVEL] += self.spec.wander * noise;
        for weekday in WEEKDAY..EFFECTS {
            self.cover[weekday * size + weekday] += 0.1 * self.spec.wander * noise;
        }
    }

    fn scale(&mut self, index: usize, by: f64) {
        for other in 0..self.size {
            self.cover[index * self.size + other] *= by;
        }
        for other in 0..self.size {
            self.cover[other * self.size + index] *= by;
        }
    }

    fn open_up(&mut self) {
        self.cover[LEVEL * self.size + LEVEL] += 0.3_f64.powi(2);
    }

    /// What bears on each of the days to come beside its weekday, month and year.
    fn lifts(&self, days: &[Day], horizon: usize) -> Vec<f64> {
        let lift = |day: &Day| {
            let logs: f64 = day.bears.iter().map(|&(index, much)| self.state[EFFECTS + index] * much).sum();
            logs.clamp(-MOST, MOST).exp()
        };
        days.iter().take(horizon).map(lift).collect()
    }

    /// The contacts of the days to come, closed ones none.
    fn ahead(&mut self, days: &[Day], horizon: usize) -> Vec<f64> {
        let kept = (self.state[LEVEL], self.state[SLOPE], self.state[PASS]);
        let ahead = days
            .iter()
            .take(horizon)
            .map(|day| {
                let open = day.state != State::Closed;
                let expected = if open { self.expected(day) * day.factor } else { 0.0 };
                self.state[LEVEL] += self.state[SLOPE];
                self.state[SLOPE] *= DAMPED;
                self.state[PASS] *= PASSING;
                expected
            })
            .collect();
        (self.state[LEVEL], self.state[SLOPE], self.state[PASS]) = kept;
        ahead
    }
}
