//! A schedule held against a simulation: its people under the routing engine, with the forecast's contacts.
//!
//! Everybody at work is there but for the shrinkage that the requirement reckoned with, by intervals and kinds of skills.
//! Contacts come as a Poisson process with the forecast's rates; handling times are log-normal with the
//! spread that the seller's own had, or exponential, as patience is and as Erlang's formulas have them, where too few are
//! known; so what differs from what a planner was shown comes of that spread, of sharing people between languages and channels, of
//! queues that last from one interval to the next, and of the engine's order: who can still be answered in time mostly
//! goes before who is late. Deferred work is there as well: it stands still while somebody
//! is served at once, and nobody does more of it in an hour than by hand.

use std::collections::BTreeMap;
use std::fmt::Write;
use std::sync::atomic::Ordering;

use kit::SellerId;
use simulator::{Control, plan};
use thiserror::Error;

use super::agent::{Agent, Duty};
use super::civil;
use super::erlang::{Definition, Target};
use super::model::{Grid, Need};

/// Contacts of one proof, in all replications.
const MOST_CONTACTS: f64 = 400_000.0;
/// The fewest and the most replications.
const REPLICATIONS: (f64, f64) = (4.0, 40.0);
/// Mails that the engine gives to one agent at once, each of which takes so many times as long.
const AT_ONCE: f64 = 10.0;
/// Fewer handling times than these do not tell how far they spread; and what they are held to.
const FEWEST: i64 = 200;
const VARIATIONS: (f64, f64) = (0.1, 3.0);
/// Waiting contacts of one replication.
const MOST_INSIDE: u32 = 200_000;

/// What comes in on one channel of a seller in one language.
#[derive(Debug, Clone)]
pub struct Stream {
    /// Whose.
    pub seller: SellerId,
    /// Language and channel.
    pub language: String,
    pub channel: String,
    /// Contacts and mean handling seconds by interval of the grid.
    pub contacts: Vec<f64>,
    pub handle_seconds: Vec<f64>,
    /// How it is promised.
    pub work: Work,
    /// Share of the people scheduled for it who do not work contacts.
    pub shrinkage: f64,
    /// Standard deviation of its handling times over their mean; none = not known.
    pub variation: Option<f64>,
}

/// How far handling times spread.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Spread {
    /// Contacts with a known time.
    pub count: i64,
    /// The sum of their seconds, and of the squares.
    pub seconds: f64,
    pub squares: f64,
}

impl Spread {
    /// Standard deviation over the mean, where there are contacts enough to tell. What lies outside of what people do is
    /// a fault of the clock that took the times.
    pub fn variation(&self) -> Option<f64> {
        if self.count < FEWEST || self.seconds <= 0.0 {
            return None;
        }
        let mean = self.seconds / self.count as f64;
        let square = (self.squares / self.count as f64 / (mean * mean) - 1.0).max(0.0);
        Some(square.sqrt().clamp(VARIATIONS.0, VARIATIONS.1))
    }
}

/// How work is promised.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Work {
    /// At once, with the patience of those who wait.
    RealTime { target: Target, patience: Option<f64> },
    /// Within so many seconds.
    Deferred { seconds: i64 },
}

/// A figure with the ends of its interval.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Figure {
    /// Its value.
    pub value: f64,
    /// Its ends, where there were observations enough.
    pub ends: Option<(f64, f64)>,
}

/// A real-time channel of a seller, simulated.
#[derive(Debug, Clone, PartialEq)]
pub struct Line {
    /// Which.
    pub seller: SellerId,
    pub channel: String,
    /// Contacts of the forecast.
    pub contacts: f64,
    /// Answered in time, by the seller's definition.
    pub service_level: Option<Figure>,
    /// Mean wait of those answered.
    pub mean_wait: Option<Figure>,
    /// Left before they were answered.
    pub abandonment: Option<Figure>,
}

/// What came of it.
#[derive(Debug, Clone, PartialEq)]
pub struct Proof {
    /// How often the days were simulated.
    pub replications: u32,
    /// Confidence of the intervals.
    pub confidence: f64,
    /// By seller and channel.
    pub lines: Vec<Line>,
    /// Share of the time of people at work.
    pub occupancy: Option<Figure>,
}

/// Why there is none.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum Refusal {
    /// Nothing comes in.
    #[error("the forecast has no contacts on these days")]
    NoContacts,
    /// Nobody is at work.
    #[error("nobody is at work on these days")]
    Nobody,
    /// More than can be simulated.
    #[error("too large to simulate: {0}")]
    TooLarge(String),
}

/// Simulates a plan, shifts by agent.
pub fn prove(
    grid: &Grid,
    needs: &[Need],
    people: &[(Agent, Vec<Duty>)],
    streams: &[Stream],
    seed: u64,
    control: &Control,
) -> Result<Proof, Refusal> {
    within(MOST_CONTACTS, grid, needs, people, streams, seed, control)
}

/// The same for an answer within seconds.
pub fn try_out(
    grid: &Grid,
    needs: &[Need],
    people: &[(Agent, Vec<Duty>)],
    streams: &[Stream],
    seed: u64,
    control: &Control,
) -> Result<Proof, Refusal> {
    within(MOST_CONTACTS / 4.0, grid, needs, people, streams, seed, control)
}

fn within(
    most: f64,
    grid: &Grid,
    needs: &[Need],
    people: &[(Agent, Vec<Duty>)],
    streams: &[Stream],
    seed: u64,
    control: &Control,
) -> Result<Proof, Refusal> {
    let contacts: f64 = streams.iter().flat_map(|stream| &stream.contacts).sum();
    if contacts <= 0.0 {
        return Err(Refusal::NoContacts);
    }
    let groups = groups(grid, needs, people, streams);
    if groups.iter().all(|(_, counts)| counts.iter().all(|count| *count == 0)) {
        return Err(Refusal::Nobody);
    }
    let replications = (most / contacts).floor();
    if replications < REPLICATIONS.0 {
        let problem = format!("{contacts:.0} contacts, at most {:.0}", most / REPLICATIONS.0);
        return Err(Refusal::TooLarge(problem));
    }
    let text = scenario(grid, streams, &groups, replications.min(REPLICATIONS.1), seed);
    let plan = plan::read(&text).map_err(|wrong| Refusal::TooLarge(wrong.to_string()))?;
    let outcome = simulator::simulate(&plan, 1, control).map_err(|broken| Refusal::TooLarge(broken.to_string()))?;
    let mut lines: BTreeMap<(SellerId, &str), Line> = BTreeMap::new();
    for stream in streams {
        let Work::RealTime { target, .. } = stream.work else { continue };
        let key = (stream.seller, stream.channel.as_str());
        let sum: f64 = stream.contacts.iter().sum();
        if let Some(line) = lines.get_mut(&key) {
            line.contacts += sum;
            continue;
        }
        let figures = outcome.whole.sellers.get(&party(stream));
        let figure = |name: &str| {
            let figure = figures?.get(name)?;
            Some(Figure { value: figure.value, ends: figure.low.zip(figure.high) })
        };
        let line = Line {
            seller: stream.seller,
            channel: stream.channel.clone(),
            contacts: sum,
            service_level: figure(level(target.definition)),
            mean_wait: figure("asa"),
            abandonment: figure("p_abandon"),
        };
        lines.insert(key, line);
    }
    let occupancy = outcome.whole.agents.get("occupancy");
    Ok(Proof {
        replications: outcome.replications,
        confidence: outcome.confidence,
        lines: lines.into_values().collect(),
        occupancy: occupancy.map(|figure| Figure { value: figure.value, ends: figure.low.zip(figure.high) }),
    })
}

/// A control with room for one proof.
pub fn control() -> Control {
    Control { contacts_most: 4 * MOST_CONTACTS as u64, inside_most: MOST_INSIDE, ..Control::default() }
}

/// Stops a simulation.
pub fn stop(control: &Control) {
    control.stop.store(true, Ordering::Relaxed);
}

/// The figure that a definition of the service level names.
fn level(definition: Definition) -> &'static str {
    match definition {
        Definition::OfOffered => "sl_offered",
        Definition::OfAnswered => "sl_answered",
        Definition::AbandonedInTimeKept => "sl_offered_early_good",
        Definition::AbandonedInTimeLeftOut => "sl_answered_or_late",
    }
}

/// A seller's channel as the simulator's seller: that is how its figures are summed.
fn party(stream: &Stream) -> String {
    format!("{} {}", stream.seller, stream.channel)
}

/// Who serves the same streams, and how many of them work contacts in each interval.
fn groups(
    grid: &Grid,
    needs: &[Need],
    people: &[(Agent, Vec<Duty>)],
    streams: &[Stream],
) -> Vec<(Vec<usize>, Vec<u32>)> {
    let mut there: BTreeMap<Vec<usize>, Vec<u32>> = BTreeMap::new();
    let certified = |seller: SellerId| needs.iter().any(|need| need.seller == seller && need.certification_required);
    for (agent, duties) in people {
        for duty in duties {
            let until = civil::midnight(civil::later(agent.day_of(duty.start), 2), &agent.zone);
            let serves = |(_, stream): &(usize, &Stream)| {
                agent.skills.serves(stream.seller, certified(stream.seller), &stream.language, until)
            };
            let served: Vec<usize> = streams.iter().enumerate().filter(serves).map(|(index, _)| index).collect();
            if !served.is_empty() {
                let units = there.entry(served).or_insert_with(|| vec![0; grid.count]);
                duty.cover(grid).for_each(|(interval, share)| units[interval] += share);
            }
        }
    }
    let counted = |(served, units): (Vec<usize>, Vec<u32>)| {
        let work = |index: &usize| workload(&streams[*index]);
        let all: f64 = served.iter().map(work).sum();
        let away: f64 = served.iter().map(|index| work(index) * streams[*index].shrinkage).sum();
        let here = if 0.0 < all { 1.0 - away / all } else { 1.0 };
        // What rounding takes in one interval it gives back in the next.
        let mut carry = 0.0;
        let counts = units.iter().map(|units| {
            let exact = f64::from(*units) / 100.0 * here;
            if exact == 0.0 {
                carry = 0.0;
                return 0;
            }
            let count = (exact + carry).round().max(0.0);
            carry += exact - count;
            count as u32
        });
        (served, counts.collect())
    };
    there.into_iter().map(counted).collect()
}

fn workload(stream: &Stream) -> f64 {
    stream.contacts.iter().zip(&stream.handle_seconds).map(|(contacts, seconds)| contacts * seconds).sum()
}

/// The scenario as the simulator reads it.
fn scenario(
    grid: &Grid,
    streams: &[Stream],
    groups: &[(Vec<usize>, Vec<u32>)],
    replications: f64,
    seed: u64,
) -> String {
    let length = grid.count as i64 * grid.step;
    let mut text = String::new();
    // Writing to a string does not fail.
    let _ = write!(
        text,
        "name = \"A schedule\"\nseed = {}\nreplications = {replications:.0}\n\n[horizon]\nlength = \"{length} s\"\nday = \"{length} s\"\nend = \"stop\"\n",
        seed % (1 << 62)
    );
    for (index, stream) in streams.iter().enumerate() {
        let contacts: f64 = stream.contacts.iter().sum();
        if contacts <= 0.0 {
            continue;
        }
        let mean = (workload(stream) / contacts).max(1.0);
        let rates: Vec<String> =
            stream.contacts.iter().map(|contacts| format!("{:.9}", contacts.max(0.0) / grid.step as f64)).collect();
        let (channel, handling, rest) = match stream.work {
            Work::RealTime { target, patience } => {
                let patience = patience.map(|mean| format!("patience = {{ exponential = \"{mean:.3} s\" }}\n"));
                let within = target.within_seconds;
                // Whoever serves several at once is a chat's agent.
                let channel = if target.concurrency < 2 { "phone" } else { "chat" };
                (
                    channel,
                    mean,
                    format!(
                        "answer_within = \"{within:.3} s\"\npromise = \"{:.0} s\"\n{}",
                        within.max(1.0),
                        patience.unwrap_or_default()
                    ),
                )
            }
            Work::Deferred { seconds } => {
                ("email", mean * AT_ONCE, format!("answer_within = \"{seconds} s\"\npromise = \"{seconds} s\"\n"))
            }
        };
        let handling = match stream.variation {
            None => format!("exponential = \"{handling:.3} s\""),
            Some(cv) => format!("lognormal = {{ mean = \"{handling:.3} s\", cv = {cv:.3} }}"),
        };
        let _ = write!(
            text,
            "\n[[contact]]\nname = \"s{index}\"\nseller = \"{}\"\nchannel = \"{channel}\"\narrivals = {{ rates = [{}], every = \"{} s\" }}\nhandling = {{ {handling} }}\n{rest}",
            party(stream),
            rates.join(", "),
            grid.step,
        );
    }
    for (index, (served, counts)) in groups.iter().enumerate() {
        let busy = |index: &&usize| 0.0 < streams[**index].contacts.iter().sum::<f64>();
        let served: Vec<String> = served.iter().filter(busy).map(|index| format!("\"s{index}\"")).collect();
        if served.is_empty() {
            continue;
        }
        let counts: Vec<String> = counts.iter().map(ToString::to_string).collect();
        let _ = write!(
            text,
            "\n[[group]]\nname = \"g{index}\"\ncounts = [{}]\nevery = \"{} s\"\nserves = [{}]\n",
            counts.join(", "),
            grid.step,
            served.join(", "),
        );
    }
    text
}

#[cfg(test)]
mod tests {
    use kit::UserId;
    use kit::ids::Uuid;

    use super::*;
    use crate::erlang;
    use crate::sample;

    const HOUR: i64 = 3_600;

    fn target() -> Target {
        Target {
            within_seconds: 20.0,
            service_level: 0.8,
            definition: Definition::OfOffered,
            max_occupancy: 1.0,
            max_mean_wait: None,
            max_abandonment: None,
            concurrency: 1,
        }
    }

    fn seller() -> SellerId {
        SellerId(Uuid::from_u128(1))
    }

    fn stream(language: &str, contacts: Vec<f64>, work: Work) -> Stream {
        let handle_seconds = vec![240.0; contacts.len()];
        Stream {
            seller: seller(),
            language: language.into(),
            channel: if matches!(work, Work::Deferred { .. }) { "email" } else { "phone" }.into(),
            contacts,
            handle_seconds,
            work,
            shrinkage: 0.0,
            variation: None,
        }
    }

    /// So many agents of a language for ten hours.
    fn people(count: u128, languages: &[&str], grid: &Grid) -> Vec<(Agent, Vec<Duty>)> {
        let like = sample::sample(1, 90, 1).agents.remove(0);
        let one = |number| {
            let mut agent = like.clone();
            agent.user = UserId(Uuid::from_u128(number));
            agent.skills.languages = languages.iter().map(|tag| ((*tag).to_owned(), crate::agent::Level::C1)).collect();
            agent.skills.sellers = vec![seller()];
            agent.skills.certifications = Vec::new();
            (agent, vec![Duty { start: grid.start, end: grid.start + 10 * HOUR, ..Duty::default() }])
        };
        (1..=count).map(one).collect()
    }

    #[test]
    fn one_queue_is_as_the_formula_says_and_two_do_better_together() {
        let grid = Grid { start: 1_767_571_200, step: 1_800, count: 20 };
        // Ten Erlang on thirteen people.
        let work = Work::RealTime { target: target(), patience: None };
        let calls = stream("it", vec![75.0; 20], work);
        let found = prove(&grid, &[], &people(13, &["it"], &grid), std::slice::from_ref(&calls), 1, &control());
        let found = found.expect("simulated");
        let load =
            erlang::Load { contacts: 75.0, interval_seconds: 1_800.0, handle_seconds: 240.0, patience_seconds: None };
        let exact = erlang::figures(&load, 13, 20.0).expect("figures");
        // The engine's order makes more of them answered in time; how long all wait together it does not change. The day
        // starts without a queue, so that it is a little shorter than for ever.
        let level = found.lines[0].service_level.expect("a level");
        assert!(exact.service_level(Definition::OfOffered) - 0.01 < level.value, "{level:?} {exact:?}");
        let (low, high) = found.lines[0].mean_wait.expect("a wait").ends.expect("ends");
        assert!(low - 1.0 < exact.mean_wait && exact.mean_wait < high + 3.0, "{low} {high} {exact:?}");
        assert!((found.occupancy.expect("occupancy").value - 10.0 / 13.0).abs() < 0.03, "{found:?}");
        assert_eq!((found.lines[0].contacts, found.lines.len()), (1_500.0, 1));
        // Two languages of half the calls each: the same people, but all speak both, against half speaking each.
        let half = |language: &str| stream(language, vec![37.5; 20], work);
        let both = [half("it"), half("fr")];
        let pooled = prove(&grid, &[], &people(13, &["it", "fr"], &grid), &both, 1, &control()).expect("simulated");
        let mut split = people(6, &["it"], &grid);
        split.extend(people(7, &["fr"], &grid));
        let apart = prove(&grid, &[], &split, &both, 1, &control()).expect("simulated");
        let level = |proof: &Proof| proof.lines[0].service_level.expect("a level").value;
        assert!(level(&apart) + 0.05 < level(&pooled), "{} {}", level(&apart), level(&pooled));
        assert!((level(&pooled) - level(&found)).abs() < 0.05);
    }

    #[test]
    fn deferred_work_takes_the_time_that_is_left_and_shrinkage_takes_people() {
        let grid = Grid { start: 1_767_571_200, step: 1_800, count: 20 };
        let calls = stream("it", vec![30.0; 20], Work::RealTime { target: target(), patience: Some(120.0) });
        let mails = stream("it", vec![15.0; 20], Work::Deferred { seconds: 86_400 });
        let ten = people(10, &["it"], &grid);
        let alone = prove(&grid, &[], &ten, std::slice::from_ref(&calls), 3, &control()).expect("simulated");
        let both = prove(&grid, &[], &ten, &[calls.clone(), mails], 3, &control()).expect("simulated");
        let occupancy = |proof: &Proof| proof.occupancy.expect("occupancy").value;
        assert!(
            (occupancy(&both) - occupancy(&alone) - 0.2).abs() < 0.05,
            "{} {}",
            occupancy(&both),
            occupancy(&alone)
        );
        let level = |proof: &Proof| proof.lines[0].service_level.expect("a level").value;
        assert!(level(&alone) - 0.02 < level(&both), "{} {}", level(&alone), level(&both));
        let fewer = Stream { shrinkage: 0.5, ..calls };
        let fewer = prove(&grid, &[], &ten, &[fewer], 3, &control()).expect("simulated");
        assert!(level(&fewer) + 0.1 < level(&alone));
        assert!(fewer.lines[0].abandonment.expect("some leave").value > 0.0);
    }

    #[test]
    fn times_that_spread_further_make_people_wait_longer() {
        let grid = Grid { start: 1_767_571_200, step: 1_800, count: 20 };
        let calls = stream("it", vec![75.0; 20], Work::RealTime { target: target(), patience: None });
        let wait = |variation: Option<f64>| {
            let of = Stream { variation, ..calls.clone() };
            let found = prove(&grid, &[], &people(12, &["it"], &grid), &[of], 1, &control()).expect("simulated");
            found.lines[0].mean_wait.expect("a wait").value
        };
        // As far as exponential ones, and by the rule of thumb (1 + cv²) / 2 less and more.
        let (even, usual, wide) = (wait(Some(0.2)), wait(None), wait(Some(2.0)));
        assert!(even < 0.8 * usual && 1.2 * usual < wide, "{even} {usual} {wide}");
        assert!((wait(Some(1.0)) / usual - 1.0).abs() < 0.25);
    }

    #[test]
    fn a_spread_is_told_by_its_sums() {
        // Half of them a minute, half three: the mean is two, the deviation one.
        let of = |count: i64| {
            let half = count as f64 / 2.0;
            Spread { count, seconds: half * 240.0, squares: half * (60.0 * 60.0 + 180.0 * 180.0) }
        };
        assert!((of(400).variation().expect("enough") - 0.5).abs() < 1e-12);
        assert_eq!(of(100).variation(), None);
        assert_eq!(Spread { count: 400, seconds: 4_000.0, squares: 40_000.0 }.variation(), Some(0.1));
        assert_eq!(Spread { count: 400, seconds: 400.0, squares: 4e9 }.variation(), Some(3.0));
    }

    #[test]
    fn what_cannot_be_simulated_says_why() {
        let grid = Grid { start: 1_767_571_200, step: 1_800, count: 20 };
        let work = Work::RealTime { target: target(), patience: None };
        let of = |contacts: f64, count: u128| {
            let streams = [stream("it", vec![contacts; 20], work)];
            prove(&grid, &[], &people(count, &["it"], &grid), &streams, 1, &control())
        };
        assert_eq!(of(0.0, 3), Err(Refusal::NoContacts));
        assert_eq!(of(5.0, 0), Err(Refusal::Nobody));
        assert!(matches!(of(1e7, 3), Err(Refusal::TooLarge(_))));
    }
}
