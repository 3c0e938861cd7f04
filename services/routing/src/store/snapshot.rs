//! Everything stored that a new leader's engine is built from.

use jiff::Timestamp;
use kit::scope::Scope;
use kit::{ProviderId, SellerId};
use sqlx::FromRow;
use tenantdb::{Failure, TenantDb, TenantTx};
use uuid::Uuid;

use super::{agents, contacts, credits, get, pauses, policies, sites, word};
use engine::ids::{AgentId, At, ContactId, OfferId};
use engine::offer::{Offer, OfferState};
use engine::{Rule, Snapshot};

/// More sellers, or sites, than any installation has.
pub const MOST: i64 = 1_000_000;
/// Refusals older than the longest that a policy can make them count.
const REFUSALS_SECONDS: i64 = 86_400;

/// The providers that have sellers or notes: those that an engine is led for. From one to the next by the index: it
/// costs by the providers, not by what they have.
pub async fn providers(db: &TenantDb) -> Result<Vec<ProviderId>, Failure> {
    let now = db.clock().now();
    let sellers = "with recursive p (id) as (
                       (select provider_id from routing.seller order by provider_id limit 1)
                       union all
                       select (select s.provider_id from routing.seller s where s.provider_id > p.id
                                order by s.provider_id limit 1)
                         from p where p.id is not null)
                   select id, null::uuid, id from p where id is not null and $1::timestamptz is not null limit $2";
    let notes = "with recursive p (id) as (
                     (select provider_id from routing.intake where not failed order by provider_id limit 1)
                     union all
                     select (select i.provider_id from routing.intake i where not failed and i.provider_id > p.id
                              order by i.provider_id limit 1)
                       from p where p.id is not null)
                 select id, null::uuid, id from p where id is not null and $1::timestamptz is not null limit $2";
    let mut found: Vec<ProviderId> = Vec::new();
    for query in [sellers, notes] {
        found.extend(db.due(query, now, MOST).await?.into_iter().map(|row| row.provider));
    }
    found.sort_unstable();
    found.dedup();
    Ok(found)
}

/// The scope of all sellers of a provider, spelled out: a leader reads each of them.
pub async fn scope(db: &TenantDb, provider: ProviderId) -> Result<Scope, Failure> {
    let query =
        "select provider_id, seller_id, seller_id from routing.seller where provider_id = $1 order by seller_id";
    let rows = db.rows_of(query, provider.0).await?;
    let sellers: Vec<SellerId> = rows.iter().filter_map(|row| row.seller).collect();
    Ok(of_sellers(provider, &sellers))
}

/// The scope of some sellers, or of the provider's own rows where there are none.
pub fn of_sellers(provider: ProviderId, sellers: &[SellerId]) -> Scope {
    let scopes: Vec<Scope> = sellers.iter().map(|seller| Scope::of_event(provider, Some(*seller))).collect();
    Scope::group(&scopes).unwrap_or_else(|| Scope::provider(provider))
}

/// Reads everything but the sellers' terms.
pub async fn read(tx: &mut TenantTx, clock: Timestamp) -> Result<Snapshot, Failure> {
    let now = At::of(clock);
    let policies = policies::newest(tx).await?.into_iter().map(|(seller, stored)| (seller, stored.policy)).collect();
    let mut snapshot = Snapshot {
        sellers: Vec::new(),
        policies,
        agents: agents::profiles(tx, None).await?,
        sessions: agents::sessions(tx).await?,
        contacts: contacts::open(tx).await?,
        offers: Vec::new(),
        pauses: pauses::all(tx).await?,
        sites: Vec::new(),
        credits: credits::all(tx).await?,
        refusals: Vec::new(),
    };
    snapshot.sites = sites::list(tx, None, MOST).await?.iter().map(|site| site.hours(clock)).collect();
    snapshot.offers = pending(tx).await?;
    snapshot.refusals = refusals(tx, now, &snapshot).await?;
    Ok(snapshot)
}

#[derive(FromRow)]
struct Row {
    seller_id: Uuid,
    offer_id: Uuid,
    contact_id: Uuid,
    agent_id: Uuid,
    rule: String,
    offered_at: jiff_sqlx::Timestamp,
    expires_at: jiff_sqlx::Timestamp,
}

async fn pending(tx: &mut TenantTx) -> Result<Vec<Offer>, Failure> {
    let provider = tx.provider();
    let rows: Vec<Row> = sqlx::query_as(
        "select seller_id, offer_id, contact_id, agent_id, rule, offered_at, expires_at
           from routing.offer where provider_id = $1 and state = 'pending'",
    )
    .bind(provider.0)
    .fetch_all(tx.conn())
    .await?;
    rows.into_iter()
        .map(|row| {
            Ok(Offer {
                id: OfferId(row.offer_id),
                seller: SellerId(row.seller_id),
                contact: ContactId(row.contact_id),
                agent: AgentId(row.agent_id),
                state: OfferState::Pending,
                rule: word(&Rule::ALL, Rule::word, &row.rule)?,
                offered_at: get(row.offered_at),
                expires_at: get(row.expires_at),
                ended_at: None,
                reason: String::new(),
            })
        })
        .collect()
}

async fn refusals(tx: &mut TenantTx, now: At, snapshot: &Snapshot) -> Result<Vec<(ContactId, AgentId, At)>, Failure> {
    let provider = tx.provider();
    let rows = sqlx::query!(
        r#"select o.seller_id, o.contact_id, o.agent_id, o.ended_at as "ended_at!"
             from routing.offer o
             join routing.contact c on c.provider_id = o.provider_id and c.seller_id = o.seller_id and c.contact_id = o.contact_id
            where o.provider_id = $1 and o.state = 'rejected' and c.ended_at is null and o.ended_at > $2"#,
        provider.0,
        super::put(now.plus_seconds(-REFUSALS_SECONDS)) as _,
    )
    .fetch_all(tx.conn())
    .await?;
    let refusals = rows.into_iter().map(|row| {
        let policy = snapshot.policies.iter().find(|(seller, _)| seller.0 == row.seller_id).map(|(_, policy)| policy);
        let seconds = policy.map_or_else(|| engine::policy::Policy::default().refusal_seconds, |p| p.refusal_seconds);
        (ContactId(row.contact_id), AgentId(row.agent_id), get(row.ended_at).plus_seconds(seconds))
    });
    Ok(refusals.filter(|(_, _, until)| *until > now).collect())
}
