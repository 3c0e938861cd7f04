//! The floor of one provider, as its leader keeps it beside the engine: counts
//! of what happened lately, the last picture, and the alerts that are open.

use std::collections::{BTreeSet, HashMap};
use std::sync::Arc;
use std::time::Duration;

use jiff::tz::TimeZone;
use kit::{ProviderId, SellerId};
use prost::Message;
use proto::events::v1::envelope::Body;
use proto::events::v1::{RoutingAlert, SellerTerms as WireTerms};
use tenantdb::service::Deps;
use tenantdb::{Failure, TenantTx};
use tokio::time::Instant;

use crate::store::alerts::{self, AlertId};
use crate::store::intake::Note;
use crate::store::intake::Told;
use crate::store::{decisions, sellers, snapshot};
use crate::wire;
use engine::agent::Activity;
use engine::floor::{AlertPolicy, Alerts, Counts, Happened, Open, Picture, Turn};
use engine::ids::At;
use engine::{Changes, Engine};

/// The longest that a picture is shown before it is taken anew, and how often
/// it is looked at for alerts.
const FRESH: Duration = Duration::from_secs(1);
/// Decisions that are counted again at most after a change of leader.
const COUNTED_AGAIN: u64 = 200_000;
/// What happened before is counted by nothing.
const COUNTED_SECONDS: i64 = 3_600;

/// What a look at the floor shows.
#[derive(Clone)]
pub struct Shown {
    /// Queues, service levels and pauses of all sellers.
    pub picture: Arc<Picture>,
    /// Agents of the sellers asked for, by activity.
    pub agents: [u32; Activity::ALL.len()],
}

/// Sellers by what the floor needs of them.
#[derive(Default)]
struct Rules {
    zones: HashMap<SellerId, TimeZone>,
    alerts: HashMap<SellerId, AlertPolicy>,
}

impl Rules {
    async fn read(tx: &mut TenantTx) -> Result<Rules, Failure> {
        let mut rules = Rules { zones: HashMap::new(), alerts: alerts::policies(tx).await?.into_iter().collect() };
        for (seller, encoded) in sellers::terms(tx).await? {
            let terms =
                WireTerms::decode(encoded.as_slice()).map_err(|e| Failure::Inconsistent(format!("terms: {e}")))?;
            // a zone that is not known counts as none: UTC
            if let Ok(zone) = TimeZone::get(&terms.time_zone) {
                rules.zones.insert(seller, zone);
            }
        }
        Ok(rules)
    }
}

/// The floor beside an engine. It is read from what is stored a moment after its
/// engine leads, so that nobody waits for it who wants work.
pub struct Floor {
    begun: Instant,
    read: bool,
    counts: Counts,
    alerts: Alerts,
    rules: Rules,
    /// Whether a seller's terms or policies may have changed since they were read.
    stale: bool,
    picture: Option<(Instant, Arc<Picture>)>,
    looked: Option<Instant>,
}

/// Alerts that begin or end, to be kept and told in the commit of a round.
#[derive(Default)]
pub struct Turns(Vec<(AlertId, Turn)>);

impl Floor {
    /// The floor of an engine that begins to lead.
    pub fn new() -> Floor {
        Floor {
            begun: Instant::now(),
            read: false,
            counts: Counts::default(),
            alerts: Alerts::default(),
            rules: Rules::default(),
            stale: false,
            picture: None,
            looked: None,
        }
    }

    /// Reads what is stored, once it is time to or somebody wants to see it. What
    /// the engine has decided since its last commit is not among it.
    pub async fn ready(
        &mut self,
        deps: &Deps,
        provider: ProviderId,
        decisions_stored: u64,
        now: At,
        wanted: bool,
    ) -> Result<(), Failure> {
        if self.read || !(wanted || FRESH <= self.begun.elapsed()) {
            return Ok(());
        }
        let scope = snapshot::scope(&deps.db, provider).await?;
        let mut tx = deps.db.begin(&scope).await?;
        let after = decisions_stored.saturating_sub(COUNTED_AGAIN);
        for happened in decisions::lately(&mut tx, after, now.plus_seconds(-COUNTED_SECONDS)).await? {
            self.counts.note(&happened);
        }
        self.alerts = Alerts::resume(alerts::open(&mut tx).await?);
        self.rules = Rules::read(&mut tx).await?;
        (self.read, self.stale) = (true, false);
        Ok(())
    }

    /// Notes that tell of sellers may change the rules.
    pub fn hear(&mut self, notes: &[Note]) {
        self.stale |=
            notes.iter().any(|note| matches!(note.told, Told::Seller(_) | Told::Policy(_) | Told::Erasure { .. }));
    }

    /// Counts what was decided.
    pub fn count(&mut self, changes: &Changes) {
        if changes.decisions.is_empty() || !self.read {
            return;
        }
        let contacts: HashMap<_, _> = changes.contacts.iter().map(|contact| (contact.id, contact)).collect();
        for decision in &changes.decisions {
            if let Some(contact) = contacts.get(&decision.contact) {
                self.counts.note(&Happened::of(decision, contact));
            }
        }
    }

    /// Looks for alerts, if it is time to.
    pub async fn look(
        &mut self,
        deps: &Deps,
        provider: ProviderId,
        engine: &Engine,
        now: At,
    ) -> Result<Turns, Failure> {
        if !self.read || self.looked.is_some_and(|at| at.elapsed() < FRESH) {
            return Ok(Turns::default());
        }
        self.looked = Some(Instant::now());
        self.counts.forget(now);
        if std::mem::take(&mut self.stale) {
            let scope = snapshot::scope(&deps.db, provider).await?;
            let mut tx = deps.db.begin(&scope).await?;
            self.rules = Rules::read(&mut tx).await?;
        }
        self.picture = None;
        let picture = self.picture(engine, now);
        let rules = &self.rules.alerts;
        let turns = self.alerts.look(
            &picture,
            |seller| rules.get(&seller).copied().unwrap_or_default(),
            |seller| engine.policy(seller),
        );
        Ok(Turns(turns.into_iter().map(|turn| (deps.clock.new_id(), turn)).collect()))
    }

    /// The floor for somebody who sees some sellers; all of them for none.
    pub fn show(&mut self, engine: &Engine, now: At, mine: Option<&BTreeSet<SellerId>>) -> Shown {
        Shown { picture: self.picture(engine, now), agents: engine.activities(mine) }
    }

    fn picture(&mut self, engine: &Engine, now: At) -> Arc<Picture> {
        if let Some((at, picture)) = &self.picture
            && at.elapsed() < FRESH
        {
            return picture.clone();
        }
        let picture = Arc::new(Picture::take(engine, &self.counts, &self.rules.zones, now));
        self.picture = Some((Instant::now(), picture.clone()));
        picture
    }
}

impl Turns {
    /// Whether nothing begins or ends.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The sellers that they are about.
    pub fn sellers(&self) -> impl Iterator<Item = SellerId> {
        self.0.iter().map(|(_, turn)| match turn {
            Turn::Raised(open) => open.cause.seller,
            Turn::Ended(cause) => cause.seller,
        })
    }

    /// Keeps and tells them, but for sellers that are erased with this.
    pub async fn keep(&self, tx: &mut TenantTx, at: At, erased: &[(SellerId, String)]) -> Result<(), Failure> {
        for (id, turn) in &self.0 {
            let told = match turn {
                Turn::Raised(open) if erased.iter().all(|(seller, _)| *seller != open.cause.seller) => {
                    alerts::raise(tx, *id, open, at).await?;
                    Some((*id, open.clone(), true))
                }
                Turn::Raised(_) => None,
                Turn::Ended(cause) => alerts::end(tx, cause, at).await?.map(|ended| (ended.id, ended.open, false)),
            };
            if let Some((id, open, raised)) = told {
                tx.emit_of(open.cause.seller, id, event(id, &open, raised, at), at.timestamp())?;
            }
        }
        Ok(())
    }
}

fn event(id: AlertId, open: &Open, raised: bool, at: At) -> Body {
    let cause = &open.cause;
    Body::RoutingAlert(RoutingAlert {
        alert_id: id.to_string(),
        kind: cause.kind.word().to_owned(),
        raised,
        channel: cause.channel.word().to_owned(),
        language: cause.language.as_ref().map(ToString::to_string).unwrap_or_default(),
        reason: cause.block.map(|block| block.word().to_owned()).unwrap_or_default(),
        contact_id: open.contact.map(|contact| contact.to_string()).unwrap_or_default(),
        measured: open.measured,
        threshold: open.threshold,
        at: Some(wire::at(at)),
        roles: vec!["supervisor".to_owned(), "planner".to_owned()],
    })
}
