//! How finely minutes are told apart where the days to come are looked at. One place for every minute of a year is more
//! than there is memory for, or time, if the shifts' lengths have nothing in common. Then a place stands for many
//! minutes, and only what is certain all the same is claimed; an unfinished plan counts its own minutes exactly.

use super::ends::Ends;
use super::track::{State, Track};

/// No more values are held for a question.
pub const PLACES: usize = 1 << 26;
/// As a rule so many are enough.
const USUAL: usize = 1 << 24;
/// Where a rough answer will do, or a question is asked of everybody again and again.
const ROUGH: usize = 1 << 22;
/// And where only a part of a plan is searched.
const PART: usize = 1 << 20;

/// How much work a question is worth.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Care {
    Part,
    Rough,
    Usual,
}

pub struct Grain {
    /// How many places a shift of each group takes.
    pub of: Vec<usize>,
    /// The least and the most places of a plan.
    pub window: (usize, usize),
    /// A place is a unit.
    pub exact: bool,
}

/// What the places of coarse minutes have to be good for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Aim {
    /// No plan that keeps the rules is left out.
    Proof,
    /// As near as can be, with nothing proved.
    Guess,
}

impl Grain {
    pub fn of(track: &Track, ends: &Ends, care: Care, aim: Aim) -> Grain {
        let fine = |held: usize| Grain::within(track, ends, held, aim);
        let (usual, more) = match (care, aim) {
            (Care::Part, _) => return fine(PART),
            // Without places a rough plan is found as well, while a proof is worth little.
            (Care::Rough, Aim::Guess) => return fine(ROUGH),
            (Care::Rough, Aim::Proof) if fine(USUAL).exact => return fine(USUAL),
            (Care::Rough, Aim::Proof) => (ROUGH, USUAL),
            (Care::Usual, _) => (USUAL, PLACES),
        };
        let grain = fine(usual);
        if grain.tells() { grain } else { fine(more) }
    }

    /// Whether there are places for minutes at all.
    fn tells(&self) -> bool {
        self.exact || self.window.1 > 0
    }

    fn within(track: &Track, ends: &Ends, held: usize, aim: Aim) -> Grain {
        let steps = ends.days.len();
        let units: Vec<usize> = track.groups.iter().map(|group| group.units).collect();
        let longest = units.iter().copied().max().unwrap_or(0);
        let (least, most) = ends.units;
        // More units than the days can hold need no place.
        let span = most.min(longest * steps) + 1;
        let room = held / ((steps + 1) * track.states()).max(1);
        if span <= room {
            return Grain { of: units, window: (least, span - 1), exact: true };
        }
        // A plan of short shifts only may take a place for each of its days.
        if room <= steps {
            return Grain { of: vec![0; units.len()], window: (0, 0), exact: false };
        }
        let finest = span.div_ceil(room - steps);
        let stride = finest.div_ceil(64);
        let spread = |unit: usize| {
            let (low, high) = extremes(&units, unit);
            ratio(high) / ratio(low)
        };
        let unit = (finest..=finest * 2).step_by(stride).min_by(|a, b| spread(*a).total_cmp(&spread(*b)));
        let unit = unit.unwrap_or(finest);
        let of: Vec<usize> = units.iter().map(|&units| places(units, unit)).collect();
        let (low, high) = match aim {
            Aim::Proof => extremes(&units, unit),
            Aim::Guess => {
                let all = (units.iter().sum::<usize>(), of.iter().sum::<usize>());
                (all, all)
            }
        };
        // So many units make a place at least, and so many at most.
        let fewest = (least * high.1).div_ceil(high.0.max(1));
        let largest = of.iter().copied().max().unwrap_or(0) * steps;
        let furthest = most * low.1 / low.0.max(1);
        // A guess is a place off in either direction as easily as not.
        let slack = usize::from(aim == Aim::Guess);
        let window = (fewest.saturating_sub(slack), (furthest + slack).min(largest));
        Grain { of, window, exact: false }
    }

    pub fn places(&self) -> usize {
        self.window.1 + 1
    }
}

fn places(units: usize, unit: usize) -> usize {
    if units == 0 { 0 } else { ((units + unit / 2) / unit).max(1) }
}

/// The fewest and the most units in a place, each as units and places of a shift.
fn extremes(units: &[usize], unit: usize) -> ((usize, usize), (usize, usize)) {
    let pairs = units.iter().filter(|units| **units > 0).map(|&units| (units, places(units, unit)));
    let mut pairs = pairs.collect::<Vec<_>>();
    pairs.sort_by(|a, b| (a.0 * b.1).cmp(&(b.0 * a.1)));
    (pairs.first().copied().unwrap_or((1, 1)), pairs.last().copied().unwrap_or((1, 1)))
}

fn ratio((units, places): (usize, usize)) -> f64 {
    units as f64 / places as f64
}

/// The fewest and the most units still to come from each state, if anything may come: what places do not tell is looked
/// up here.
#[derive(Default)]
pub struct Reach {
    ahead: Vec<Option<(u32, u32)>>,
    states: usize,
}

impl Reach {
    pub fn start(&mut self, steps: usize, states: usize, ends: &Ends) {
        self.states = states;
        self.ahead.clear();
        self.ahead.resize((steps + 1) * states, None);
        for (place, end) in self.ahead[steps * states..].iter_mut().zip(&ends.end) {
            *place = end.map(|_| (0, 0));
        }
    }

    /// An option from a state that leads on.
    pub fn note(&mut self, step: usize, state: State, next: State, units: usize) {
        let Some((fewest, most)) = self.ahead[(step + 1) * self.states + next as usize] else { return };
        let new = (fewest + units as u32, most + units as u32);
        let place = &mut self.ahead[step * self.states + state as usize];
        *place = Some(place.map_or(new, |(fewest, most)| (fewest.min(new.0), most.max(new.1))));
    }

    /// Whether so many units used may still become as many as there must be and no more than there may.
    pub fn may(&self, step: usize, state: State, units: usize, (least, most): (usize, usize)) -> bool {
        self.ahead[step * self.states + state as usize]
            .is_some_and(|(fewest, more)| units + fewest as usize <= most && least <= units + more as usize)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::formats::curtois;

    /// Whatever a plan consists of: if it keeps the minutes, then its places lie in the window of a proof.
    #[test]
    fn no_plan_that_keeps_its_minutes_is_left_out() {
        let lengths = [437usize, 451, 463, 719, 353];
        let shifts: String = lengths.iter().enumerate().map(|(n, minutes)| format!("S{n},{minutes},\n")).collect();
        let text = format!(
            "SECTION_HORIZON\n364\nSECTION_SHIFTS\n{shifts}SECTION_STAFF\nA,,110000,105000,5,2,2,52\nSECTION_COVER\n0,S0,1,1,1\n"
        );
        let problem = curtois::read(&text).expect("a problem");
        let track = Track::of(&problem, 0);
        let ends = Ends::of(&problem, 0, &track, None).expect("ends");
        let mut random = 1u64;
        for held in [1 << 24, 1 << 22, 3_000_000, 40_000] {
            let grain = Grain::within(&track, &ends, held, Aim::Proof);
            assert!(!grain.exact && grain.places() * track.states() * 365 <= held, "{held}");
            let mut kept = 0;
            for _ in 0..20_000 {
                let (mut minutes, mut places) = (0, 0);
                for _ in 0..180 + random % 120 {
                    random = random.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
                    let group = &track.groups[(random >> 33) as usize % track.groups.len()];
                    minutes += group.units;
                    places += grain.of[track.group(group.codes[0]).expect("a group")];
                }
                if (ends.units.0..=ends.units.1).contains(&minutes) {
                    kept += 1;
                    assert!((grain.window.0..=grain.window.1).contains(&places), "{held}: {minutes} in {places}");
                }
            }
            assert!(kept > 100, "{kept}");
        }
        assert!(Grain::within(&track, &ends, usize::MAX, Aim::Proof).exact);
    }
}
