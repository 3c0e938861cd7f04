//! Why a schedule is as it is.

use std::collections::{BTreeMap, BTreeSet};

use jiff::Timestamp;
use jiff::civil::Date;
use kit::{Caller, Checks, Fault, Id, SellerId, UserId};
use planner::agent::{Agent, Duty, Level};
use planner::conflict::{self, Nobody};
use planner::model::{Grid, Model, Need};
use planner::path::OFF;
use planner::record::{Known, Schedule, ScheduleId, ScheduleState, Shortfall, Staff};
use planner::why::{self, Reason};
use planner::{civil, words};
use proto::types::v1::TimeRange;
use proto::workforce::v1 as wire;
use proto::workforce::v1::schedule_reasons_service_server::ScheduleReasonsService;
use tenantdb::{Failure, TenantTx};
use tonic::{Request, Response, Status};

use super::people::read_employment;
use super::{Api, convert, unary_service};
use crate::changing;
use crate::domain::refusal::Refusal;
use crate::inputs;
use crate::seating::{self, Seating, Without};
use crate::store::{people, schedule};

/// People named in one answer.
const MOST_NAMED: usize = 200;
/// Kinds of people who are tried unasked.
const MOST_KINDS: usize = 8;
/// Conflicts in one answer, of all kinds and of each.
const MOST_CONFLICTS: usize = 500;
const MOST_OF_A_KIND: usize = 150;

unary_service! { ScheduleReasonsService:
    explain_shortage => why_short, ExplainShortageRequest, ExplainShortageResponse;
    value_one_more => value, ValueOneMoreRequest, ValueOneMoreResponse;
    list_schedule_conflicts => conflicts, ListScheduleConflictsRequest, ListScheduleConflictsResponse;
}

impl Api {
    async fn why_short(
        &self,
        caller: &Caller,
        request: wire::ExplainShortageRequest,
    ) -> Result<wire::ExplainShortageResponse, Fault> {
        let mut checks = Checks::new();
        let id: ScheduleId = checks.id("schedule_id", &request.schedule_id);
        let seller: SellerId = checks.id("seller_id", &request.seller_id);
        let language = checks.line("language", &request.language, 1..=35);
        let at = checks.instant("time", request.time.as_ref());
        checks.finish()?;
        let mut tx = self.deps.db.begin(&caller.of_provider()).await?;
        let board = Board::read(&mut tx, id).await?;
        let visible = tx.readable().contains(&seller);
        drop(tx);
        let need = board.needs.iter().position(|need| need.seller == seller && need.language == language);
        let need = need.filter(|_| visible).ok_or(Fault::NotFound("need"))?;
        let grid = board.grid();
        let interval = grid.index(at.as_second()).ok_or_else(|| Fault::invalid("time", "must be in the schedule"))?;
        let computed = tokio::task::spawn_blocking(move || explain(&board, need, interval));
        computed.await.map_err(|e| Fault::Internal(Box::new(e)))?
    }

    async fn value(
        &self,
        caller: &Caller,
        request: wire::ValueOneMoreRequest,
    ) -> Result<wire::ValueOneMoreResponse, Fault> {
        let mut checks = Checks::new();
        let id: ScheduleId = checks.id("schedule_id", &request.schedule_id);
        checks.count("people", request.people.len(), 1..=20);
        let given: Vec<Given> = request
            .people
            .iter()
            .take(20)
            .enumerate()
            .map(|(index, one)| Given::read(&mut checks, index, one))
            .collect();
        checks.finish()?;
        let mut tx = self.deps.db.begin(&caller.of_provider()).await?;
        let board = Board::read(&mut tx, id).await?;
        drop(tx);
        let mut candidates = Vec::with_capacity(given.len());
        for (index, one) in given.into_iter().enumerate() {
            candidates.push(one.candidate(&board, index)?);
        }
        let computed = tokio::task::spawn_blocking(move || {
            let tried = tried(&board, &candidates, None)?;
            Ok(wire::ValueOneMoreResponse {
                cost: tried.cost,
                uncovered_seconds: tried.uncovered_seconds,
                people: tried.people,
            })
        });
        computed.await.map_err(|e| Fault::Internal(Box::new(e)))?
    }

    async fn conflicts(
        &self,
        caller: &Caller,
        request: wire::ListScheduleConflictsRequest,
    ) -> Result<wire::ListScheduleConflictsResponse, Fault> {
        let id = ScheduleId::parse("schedule_id", &request.schedule_id)?;
        let mut tx = self.deps.db.begin(&caller.of_provider()).await?;
        let found = schedule::get(&mut tx, id).await?.ok_or(Fault::NotFound("schedule"))?;
        let shortfalls = schedule::shortfalls(&mut tx, id).await?;
        let (workers, needs, _) = changing::board(&mut tx, &found).await?;
        let mut agents: Vec<(Agent, Vec<Duty>)> = workers.into_iter().map(|w| (w.agent, w.duties)).collect();
        if found.users.is_empty() && agents.is_empty() {
            // Nobody was named: everybody who can be planned.
            let all = inputs::agents(&mut tx, &[], found.first_day, found.last_day(), &[]).await?;
            agents = all.into_iter().map(|agent| (agent, Vec::new())).collect();
        }
        for (agent, duties) in &mut agents {
            // What is asked is whether the schedule can be, not whether it can be a second time.
            inputs::give_way(agent, found.first_day, found.last_day());
            agent.published.retain(|duty| !duties.contains(duty));
        }
        let missing = unplannable(&mut tx, &found, &agents).await?;
        let users: Vec<UserId> = agents.iter().map(|(agent, _)| agent.user).collect();
        let staff = people::staff_of(&mut tx, &users).await?;
        let names: BTreeMap<String, String> =
            staff.into_iter().map(|staff| (staff.user.to_string(), staff.display_name)).collect();
        let visible = tx.readable().to_vec();
        drop(tx);
        let computed = tokio::task::spawn_blocking(move || {
            let mut list = missing;
            list.extend(broken_shifts(&found, &agents));
            list.extend(owed_hours(&agents, &shortfalls));
            list.extend(unserved(&found, needs, &agents, &visible));
            for one in &mut list {
                if let Some(name) = names.get(&one.user_id) {
                    one.display_name.clone_from(name);
                    one.explanation = format!("{name}: {}", one.explanation);
                }
            }
            let more = MOST_CONFLICTS < list.len();
            list.truncate(MOST_CONFLICTS);
            wire::ListScheduleConflictsResponse { conflicts: list, more }
        });
        computed.await.map_err(|e| Fault::Internal(Box::new(e)))
    }
}

/// A model with the rows of a plan and its agents.
type Modelled = (Model, Vec<Vec<u32>>, Vec<Agent>);

/// A plan as it stands, with the people and their facts of now.
pub(super) struct Board {
    pub(super) schedule: Schedule,
    pub(super) needs: Vec<Need>,
    pub(super) agents: Vec<Agent>,
    pub(super) duties: Vec<Vec<Duty>>,
    staff: Vec<Staff>,
    seating: Option<Seating>,
}

impl Board {
    /// The days whose public holidays matter.
    fn around(&self) -> (Date, Date) {
        (civil::later(self.schedule.first_day, -7), civil::later(self.schedule.last_day(), 7))
    }

    pub(super) async fn read(tx: &mut TenantTx, id: ScheduleId) -> Result<Board, Fault> {
        let schedule = schedule::get(tx, id).await?.ok_or(Fault::NotFound("schedule"))?;
        match schedule.state {
            ScheduleState::Draft | ScheduleState::Published | ScheduleState::Superseded => {}
            state => return Err(Refusal::State { state, wanted: "explained" }.into()),
        }
        let (workers, needs, _) = changing::board(tx, &schedule).await?;
        let (mut agents, mut duties) = (Vec::new(), Vec::new());
        for worker in workers {
            let mut agent = worker.agent;
            inputs::give_way(&mut agent, schedule.first_day, schedule.last_day());
            agents.push(agent);
            duties.push(worker.duties);
        }
        let users: Vec<UserId> = agents.iter().map(|agent| agent.user).collect();
        let staff = people::staff_of(tx, &users).await?;
        let mut giving_way = users;
        giving_way.sort_unstable();
        let days = (schedule.first_day, schedule.last_day());
        let without = Without { agents: Some((&giving_way, days.0, days.1)), ..Without::default() };
        let seating = seating::read(tx, days, &giving_way, without).await?;
        Ok(Board { schedule, needs, agents, duties, staff, seating })
    }

    pub(super) fn grid(&self) -> Grid {
        Grid::around(self.schedule.first_day, i64::from(self.schedule.days), self.schedule.step_seconds)
    }

    fn staff(&self, user: UserId) -> Option<&Staff> {
        self.staff.iter().find(|staff| staff.user == user)
    }

    /// The model of these people and some who are not there yet, with the rows of the plan.
    fn model(&self, extra: &[Candidate]) -> Result<Modelled, Fault> {
        let all: Vec<Agent> = self.agents.iter().chain(extra.iter().map(|one| &one.agent)).cloned().collect();
        let (days, step) = (usize::try_from(self.schedule.days).unwrap_or(0), self.schedule.step_seconds);
        let built = Model::build(self.schedule.first_day, days, step, self.needs.clone(), &all);
        let mut model = built.map_err(|refusal| Fault::invalid("schedule_id", refusal.to_string()))?;
        model.owe_nothing(self.agents.len());
        if let Some(seating) = &self.seating {
            let sites = extra.iter().enumerate().map(|(index, one)| (self.agents.len() + index, one.site.clone()));
            seating.seat(&mut model, &all, &sites.collect());
        }
        let mut duties = self.duties.clone();
        duties.resize(all.len(), Vec::new());
        let rows = model.rows(&all, &duties);
        Ok((model, rows, all))
    }
}

fn explain(board: &Board, need: usize, interval: usize) -> Result<wire::ExplainShortageResponse, Fault> {
    let (model, rows, agents) = board.model(&[])?;
    let why = why::why(&model, &agents, &rows, need, interval);
    let named = why.people.iter().take(MOST_NAMED).map(|found| {
        let agent = &agents[model.people[found.person].agent];
        wire::AbsentAgent {
            user_id: agent.user.to_string(),
            display_name: board.staff(agent.user).map(|staff| staff.display_name.clone()).unwrap_or_default(),
            reason: reason(found.reason).into(),
            limit: words::limit(found.reason, agent),
            shift: found.shift.map(range),
            explanation: words::reason(found.reason, agent, found.shift),
        }
    });
    let counts = why
        .reasons
        .iter()
        .map(|(of, people)| wire::AbsenceCount { reason: reason(*of).into(), people: count(*people) });
    let who: Vec<usize> = why.people.iter().map(|found| model.people[found.person].agent).collect();
    let mut one_more = tried(board, &kinds(board, &who), Some((need, interval)))?.people;
    one_more.sort_by_key(|more| (-more.saved_cost, more.like_user_id.clone()));
    one_more.iter_mut().for_each(|more| more.index = -1);
    let from = model.grid.start + interval as i64 * model.grid.step;
    Ok(wire::ExplainShortageResponse {
        interval: Some(range((from, from + model.grid.step))),
        required: f64::from(why.wanted) / 100.0,
        covered: f64::from(why.covered) / 100.0,
        counts: counts.collect(),
        agents: named.collect(),
        one_more,
    })
}

/// Somebody to try.
struct Candidate {
    agent: Agent,
    like: Option<UserId>,
    site: String,
}

/// One of each kind among some agents: site, contract, languages; those kinds of whom there are most.
fn kinds(board: &Board, who: &[usize]) -> Vec<Candidate> {
    type Kind = (String, String, i64, i64, Vec<String>);
    let mut kinds: BTreeMap<Kind, (usize, usize)> = BTreeMap::new();
    for index in who {
        let agent = &board.agents[*index];
        let site = board.staff(agent.user).map(|staff| staff.site.clone()).unwrap_or_default();
        let contract = &agent.contract;
        let kind = (site, agent.zone_name.clone(), contract.min_week, contract.max_week, spoken(agent));
        kinds.entry(kind).or_insert((*index, 0)).1 += 1;
    }
    let mut kinds: Vec<(Kind, (usize, usize))> = kinds.into_iter().collect();
    kinds.sort_by_key(|(_, (_, count))| std::cmp::Reverse(*count));
    let one = |((site, ..), (index, _)): (Kind, (usize, usize))| {
        let like = &board.agents[index];
        Candidate { agent: why::like(like), like: Some(like.user), site }
    };
    kinds.into_iter().take(MOST_KINDS).map(one).collect()
}

fn spoken(agent: &Agent) -> Vec<String> {
    let enough = agent.skills.languages.iter().filter(|(_, level)| Level::B2 <= *level);
    let languages: BTreeSet<String> = enough.map(|(tag, _)| tag.clone()).collect();
    languages.into_iter().collect()
}

/// What came of trying.
struct Tried {
    cost: i64,
    uncovered_seconds: i64,
    people: Vec<wire::OneMore>,
}

fn tried(board: &Board, candidates: &[Candidate], asked: Option<(usize, usize)>) -> Result<Tried, Fault> {
    let (model, rows, all) = board.model(candidates)?;
    let step = model.grid.step;
    let points = |hundredths: i64| hundredths * step / 100;
    let (cost, uncovered) = why::cost(&model, &rows);
    let brought = why::bring(&model, &rows, board.agents.len()..all.len(), asked);
    let people = candidates.iter().zip(brought).enumerate().map(|(index, (candidate, more))| {
        let agent = &candidate.agent;
        let worked = more.row.iter().filter(|shape| **shape != OFF).map(|shape| &model.shapes[*shape as usize]);
        wire::OneMore {
            index: count(index),
            like_user_id: candidate.like.map(|user| user.to_string()).unwrap_or_default(),
            languages: spoken(agent),
            site: candidate.site.clone(),
            zone: agent.zone_name.clone(),
            min_week_seconds: agent.contract.min_week,
            max_week_seconds: agent.contract.max_week,
            saved_cost: points(more.saved),
            covered_seconds: model.seconds(more.covered),
            covered_there: f64::from(more.there) / 100.0,
            shifts: worked.clone().map(|shape| range((shape.duty.start, shape.duty.end))).collect(),
            work_seconds: worked.map(|shape| shape.work).sum(),
        }
    });
    Ok(Tried { cost: points(cost), uncovered_seconds: model.seconds(uncovered), people: people.collect() })
}

/// Somebody who is not there, as a request tells of her.
struct Given {
    like: Option<UserId>,
    languages: Vec<String>,
    sellers: Vec<SellerId>,
    contract: Option<planner::record::Employment>,
    site: String,
}

impl Given {
    fn read(checks: &mut Checks, index: usize, one: &wire::NewPerson) -> Given {
        let field = |name: &str| format!("people[{index}].{name}");
        let like = (!one.like_user_id.is_empty()).then(|| checks.id::<UserId>("like_user_id", &one.like_user_id));
        let least = usize::from(like.is_none());
        checks.count(field("languages"), one.languages.len(), least..=20);
        checks.count(field("seller_ids"), one.seller_ids.len(), least..=50);
        let languages = one.languages.iter().take(20).map(|tag| checks.language(field("languages"), tag)).collect();
        let sellers = one.seller_ids.iter().take(50).map(|id| checks.id("seller_ids", id)).collect();
        checks.require(like.is_some() || one.employment.is_some(), field("employment"), "must be given");
        let nobody = UserId(kit::ids::Uuid::nil());
        let contract = one.employment.as_ref().map(|given| {
            let given = wire::Employment { starts_on: "2000-01-01".into(), ends_on: String::new(), ..given.clone() };
            read_employment(checks, nobody, &given)
        });
        Given { like, languages, sellers, contract, site: checks.line(field("site"), &one.site, 0..=100) }
    }

    fn candidate(self, board: &Board, index: usize) -> Result<Candidate, Fault> {
        let wrong = |name: &str, problem: &str| Fault::invalid(format!("people[{index}].{name}"), problem);
        let like = match self.like {
            None => None,
            Some(user) => {
                let found = board.agents.iter().find(|agent| agent.user == user);
                Some(found.ok_or_else(|| wrong("like_user_id", "must be an agent of the schedule"))?)
            }
        };
        let mut skills = like.map(|agent| why::like(agent).skills).unwrap_or_default();
        if !self.languages.is_empty() {
            skills.languages = self.languages.into_iter().map(|tag| (tag, Level::C1)).collect();
        }
        if !self.sellers.is_empty() {
            skills.certifications = self.sellers.iter().map(|seller| (*seller, None)).collect();
            skills.sellers = self.sellers;
        }
        let site = match (self.site.is_empty(), like) {
            (true, Some(like)) => board.staff(like.user).map(|staff| staff.site.clone()).unwrap_or_default(),
            _ => self.site,
        };
        let mut agent = match (self.contract, like) {
            (Some(contract), _) => contract
                .planned(board.around(), Known::default())
                .ok_or_else(|| wrong("employment", "must name a known zone"))?,
            (None, Some(like)) => why::like(like),
            (None, None) => return Err(wrong("employment", "must be given")),
        };
        agent.skills = skills;
        Ok(Candidate { agent, like: like.map(|agent| agent.user), site })
    }
}

/// Those who were asked for and cannot be planned.
async fn unplannable(
    tx: &mut TenantTx,
    schedule: &Schedule,
    agents: &[(Agent, Vec<Duty>)],
) -> Result<Vec<wire::ScheduleConflict>, Failure> {
    let gone: Vec<UserId> = schedule
        .users
        .iter()
        .copied()
        .filter(|user| !agents.iter().any(|(agent, _)| agent.user == *user))
        .take(MOST_OF_A_KIND)
        .collect();
    if schedule.users.is_empty() && agents.is_empty() {
        let words = "no active agent has a contract on any of these days".to_owned();
        return Ok(vec![wire::ScheduleConflict {
            kind: wire::ConflictKind::NotPlannable.into(),
            causes: vec![cause("nobody", words.clone())],
            explanation: words,
            ..wire::ScheduleConflict::default()
        }]);
    }
    if gone.is_empty() {
        return Ok(Vec::new());
    }
    let staff = people::staff_of(tx, &gone).await?;
    let contracts = people::employments(tx, &gone, None, gone.len() as i64).await?;
    let list = gone.iter().map(|user| {
        let known = staff.iter().find(|staff| staff.user == *user);
        let contract = contracts.iter().find(|contract| contract.user == *user);
        let cause = match (known, contract) {
            (Some(known), _) if !known.active => cause("inactive", "no longer works here".to_owned()),
            (Some(known), _) if !known.is_agent => cause("not_an_agent", "is not an agent any more".to_owned()),
            (_, None) => cause("no_contract", "has no contract".to_owned()),
            (_, Some(contract)) => {
                let end = contract.ends_on.map(|end| format!(" to {end}")).unwrap_or_default();
                cause("employment", format!("the contract runs from {}{end}", contract.starts_on))
            }
        };
        wire::ScheduleConflict {
            kind: wire::ConflictKind::NotPlannable.into(),
            user_id: user.to_string(),
            display_name: known.map(|known| known.display_name.clone()).unwrap_or_default(),
            explanation: format!("cannot be planned: {}", cause.words),
            causes: vec![cause],
            ..wire::ScheduleConflict::default()
        }
    });
    Ok(list.collect())
}

/// Shifts of the plan that break a rule by now.
fn broken_shifts(schedule: &Schedule, agents: &[(Agent, Vec<Duty>)]) -> Vec<wire::ScheduleConflict> {
    let (first, last) = (schedule.first_day, schedule.last_day());
    let mut list = Vec::new();
    for (agent, duties) in agents {
        for (broken, set) in conflict::shifts(agent, duties, first, last) {
            if MOST_OF_A_KIND <= list.len() {
                return list;
            }
            let times: Vec<String> = set.iter().map(|duty| words::stretch(agent, (duty.start, duty.end))).collect();
            let rule = words::rule(broken.rule, agent);
            let mut causes = vec![cause(broken.rule.name(), rule.clone())];
            causes.extend(set.iter().zip(&times).map(|(duty, words)| wire::ConflictCause {
                shift: Some(range((duty.start, duty.end))),
                ..cause("shift", words.clone())
            }));
            list.push(wire::ScheduleConflict {
                kind: wire::ConflictKind::Shifts.into(),
                user_id: agent.user.to_string(),
                day: broken.day.to_string(),
                explanation: format!("{rule}; against it stand {}", times.join(" and ")),
                causes,
                ..wire::ScheduleConflict::default()
            });
        }
    }
    list
}

/// Hours owed that rules and facts keep from being worked.
fn owed_hours(agents: &[(Agent, Vec<Duty>)], shortfalls: &[Shortfall]) -> Vec<wire::ScheduleConflict> {
    let mut list = Vec::new();
    for short in shortfalls {
        if MOST_OF_A_KIND <= list.len() {
            break;
        }
        let Some((agent, _)) = agents.iter().find(|(agent, _)| agent.user == short.user) else { continue };
        let Some(terms) = conflict::conflict(agent, short.week) else { continue };
        let owed = agent.owed_in_week(short.week);
        let causes: Vec<wire::ConflictCause> =
            terms.iter().map(|term| cause(words::term_name(*term), words::term(*term, agent, short.week))).collect();
        let all: Vec<&str> = causes.iter().map(|cause| cause.words.as_str()).collect();
        list.push(wire::ScheduleConflict {
            kind: wire::ConflictKind::ContractHours.into(),
            user_id: agent.user.to_string(),
            day: short.week.to_string(),
            owed_seconds: owed,
            explanation: format!(
                "is owed {} in the week of {}, which cannot be with {}",
                words::length(owed),
                short.week,
                all.join(" and ")
            ),
            causes,
            ..wire::ScheduleConflict::default()
        });
    }
    list
}

/// Needs that nobody can serve, of the sellers that the planner sees.
fn unserved(
    schedule: &Schedule,
    needs: Vec<Need>,
    agents: &[(Agent, Vec<Duty>)],
    visible: &[SellerId],
) -> Vec<wire::ScheduleConflict> {
    let needs: Vec<Need> = needs.into_iter().filter(|need| visible.contains(&need.seller)).collect();
    let agents: Vec<Agent> = agents.iter().map(|(agent, _)| agent.clone()).collect();
    let (days, step) = (usize::try_from(schedule.days).unwrap_or(0), schedule.step_seconds);
    let Ok(model) = Model::build(schedule.first_day, days, step, needs, &agents) else { return Vec::new() };
    let conflict = |one: Nobody| {
        let need = &model.needs[one.need];
        let causes: Vec<wire::ConflictCause> =
            one.lacks.iter().map(|lack| cause(words::lack_name(*lack), words::lack(*lack, &need.language))).collect();
        let all: Vec<&str> = causes.iter().map(|cause| cause.words.as_str()).collect();
        wire::ScheduleConflict {
            kind: wire::ConflictKind::NobodyCan.into(),
            seller_id: need.seller.to_string(),
            language: need.language.clone(),
            time: Some(range(one.time)),
            explanation: format!("from {} to {} nobody {}", stamp(one.time.0), stamp(one.time.1), all.join(" and ")),
            causes,
            ..wire::ScheduleConflict::default()
        }
    };
    conflict::nobody(&model, &agents, MOST_OF_A_KIND).into_iter().map(conflict).collect()
}

fn cause(name: &str, words: String) -> wire::ConflictCause {
    wire::ConflictCause { name: name.to_owned(), words, shift: None }
}

fn stamp(second: i64) -> Timestamp {
    Timestamp::from_second(second).unwrap_or(Timestamp::MAX)
}

fn range((from, to): (i64, i64)) -> TimeRange {
    TimeRange { start: Some(convert::second(from)), end: Some(convert::second(to)) }
}

fn count(number: usize) -> i32 {
    i32::try_from(number).unwrap_or(i32::MAX)
}

fn reason(of: Reason) -> wire::AbsenceReason {
    match of {
        Reason::AtWork => wire::AbsenceReason::AtWork,
        Reason::Break => wire::AbsenceReason::Break,
        Reason::Attends => wire::AbsenceReason::Activity,
        Reason::TimeOff => wire::AbsenceReason::TimeOff,
        Reason::NoContract => wire::AbsenceReason::NoContract,
        Reason::Unavailable => wire::AbsenceReason::Unavailable,
        Reason::NotCertified => wire::AbsenceReason::NotCertified,
        Reason::NoShift => wire::AbsenceReason::NoShift,
        Reason::Week => wire::AbsenceReason::WeekHours,
        Reason::DailyRest => wire::AbsenceReason::DailyRest,
        Reason::WeeklyRest => wire::AbsenceReason::WeeklyRest,
        Reason::DaysInRow => wire::AbsenceReason::DaysInRow,
        Reason::DaysInWeek => wire::AbsenceReason::DaysInWeek,
        Reason::FreeSundays => wire::AbsenceReason::FreeSundays,
        Reason::Free => wire::AbsenceReason::Free,
    }
}
