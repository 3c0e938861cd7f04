//! The read copy of those who take contacts, and their sessions.

use jiff_sqlx::Timestamp;
use kit::SellerId;
use sqlx::FromRow;
use tenantdb::{Failure, TenantTx};
use uuid::Uuid;

use super::{get, put, word};
use engine::agent::{Activity, Presence, Profile, Session};
use engine::ids::AgentId;
use engine::needs::{Channel, Channels, FULL_UNITS, Language, Level};

#[derive(FromRow)]
struct Row {
    agent_id: Uuid,
    revision: i64,
    name: String,
    active: bool,
    granted: Vec<Uuid>,
    languages: Vec<String>,
    levels: Vec<String>,
    certified: Vec<Uuid>,
    certified_until: Vec<Option<Timestamp>>,
    skills: Vec<String>,
    site: String,
    channels: Vec<String>,
    capacity: i32,
}

impl TryFrom<Row> for Profile {
    type Error = Failure;

    fn try_from(row: Row) -> Result<Profile, Failure> {
        let spoken = row.languages.iter().zip(&row.levels).map(|(language, level)| {
            let language = Language::parse(language).map_err(|e| Failure::Inconsistent(e.to_string()))?;
            Ok((language, word(&Level::ALL, Level::word, level)?))
        });
        let mut channels = Channels::NONE;
        for channel in &row.channels {
            channels = channels.with(word(&Channel::ALL, Channel::word, channel)?);
        }
        Ok(Profile {
            agent: AgentId(row.agent_id),
            name: row.name,
            revision: row.revision,
            active: row.active,
            sellers: row.granted.into_iter().map(SellerId).collect(),
            languages: spoken.collect::<Result<_, Failure>>()?,
            certifications: row
                .certified
                .into_iter()
                .zip(row.certified_until)
                .map(|(seller, until)| (SellerId(seller), until.map(get)))
                .collect(),
            skills: row.skills.into_iter().collect(),
            channels: if row.channels.is_empty() { Channels::ALL } else { channels },
            capacity: u32::try_from(row.capacity).unwrap_or(FULL_UNITS),
            site: row.site,
        })
    }
}

/// Keeps a profile if it is newer than what is stored; says whether it was.
pub async fn keep(tx: &mut TenantTx, profile: &Profile, time_zone: &str) -> Result<bool, Failure> {
    let provider = tx.provider();
    let granted: Vec<Uuid> = profile.sellers.iter().map(|s| s.0).collect();
    let languages: Vec<&str> = profile.languages.keys().map(Language::as_str).collect();
    let levels: Vec<&str> = profile.languages.values().map(|level| level.word()).collect();
    let certified: Vec<Uuid> = profile.certifications.keys().map(|s| s.0).collect();
    let until: Vec<Option<Timestamp>> = profile.certifications.values().map(|end| end.map(put)).collect();
    let skills: Vec<&str> = profile.skills.iter().map(String::as_str).collect();
    let channels: Vec<&str> = profile.channels.iter().map(Channel::word).collect();
    let kept = sqlx::query(
        "insert into routing.agent (provider_id, agent_id, revision, name, active, granted, languages, levels, certified,
             certified_until, skills, time_zone, site, channels, capacity)
         values ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15)
         on conflict on constraint agent_pk do update
            set revision = excluded.revision, name = excluded.name, active = excluded.active, granted = excluded.granted,
                languages = excluded.languages, levels = excluded.levels, certified = excluded.certified,
                certified_until = excluded.certified_until, skills = excluded.skills, time_zone = excluded.time_zone,
                site = excluded.site, channels = excluded.channels, capacity = excluded.capacity
          where agent.revision < excluded.revision",
    )
    .bind(provider.0)
    .bind(profile.agent.0)
    .bind(profile.revision)
    .bind(&profile.name)
    .bind(profile.active)
    .bind(granted)
    .bind(languages)
    .bind(levels)
    .bind(certified)
    .bind(until)
    .bind(skills)
    .bind(time_zone)
    .bind(&profile.site)
    .bind(channels)
    .bind(i32::try_from(profile.capacity).unwrap_or(i32::MAX))
    .execute(tx.conn())
    .await?;
    Ok(kept.rows_affected() == 1)
}

/// Profiles: these, or all.
pub async fn profiles(tx: &mut TenantTx, only: Option<&[AgentId]>) -> Result<Vec<Profile>, Failure> {
    let provider = tx.provider();
    let only: Option<Vec<Uuid>> = only.map(|agents| agents.iter().map(|a| a.0).collect());
    let rows: Vec<Row> = sqlx::query_as(
        "select agent_id, revision, name, active, granted, languages, levels, certified, certified_until, skills, site,
                channels, capacity
           from routing.agent
          where provider_id = $1 and ($2::uuid[] is null or agent_id = any($2))
          order by agent_id",
    )
    .bind(provider.0)
    .bind(only)
    .fetch_all(tx.conn())
    .await?;
    rows.into_iter().map(Profile::try_from).collect()
}

/// Every session.
pub async fn sessions(tx: &mut TenantTx) -> Result<Vec<Session>, Failure> {
    let provider = tx.provider();
    let rows = sqlx::query!(
        "select agent_id, epoch, presence, reason, since, channels, activity, activity_since
           from routing.agent_session where provider_id = $1",
        provider.0
    )
    .fetch_all(tx.conn())
    .await?;
    rows.into_iter()
        .map(|row| {
            let mut channels = Channels::NONE;
            for channel in &row.channels {
                channels = channels.with(word(&Channel::ALL, Channel::word, channel)?);
            }
            Ok(Session {
                agent: AgentId(row.agent_id),
                epoch: row.epoch,
                presence: word(&Presence::ALL, Presence::word, &row.presence)?,
                reason: row.reason,
                since: get(row.since),
                channels,
                activity: word(&Activity::ALL, Activity::word, &row.activity)?,
                activity_since: get(row.activity_since),
                seen_at: get(row.since),
            })
        })
        .collect()
}
