//! What agents can do: profiles and certifications.

use jiff_sqlx::ToSqlx;
use kit::{SellerId, UserId};
use tenantdb::{Failure, TenantTx};
use uuid::Uuid;

use super::unknown;
use crate::domain::identity::agent::{Certification, Level, Profile};

/// A user's profile, empty if it was never written.
pub async fn find(tx: &mut TenantTx, user: UserId) -> Result<Profile, Failure> {
    Ok(of(tx, &[user]).await?.pop().map(|(_, profile)| profile).unwrap_or_default())
}

/// The profiles of some users; those never written are left out.
pub async fn of(tx: &mut TenantTx, users: &[UserId]) -> Result<Vec<(UserId, Profile)>, Failure> {
    let users: Vec<Uuid> = users.iter().map(|user| user.0).collect();
    let rows = sqlx::query!(
        "select user_id, languages, levels, skills, site, time_zone, channels, capacity_units
           from tenants.agent_profile where provider_id = $1 and user_id = any ($2)",
        tx.provider().0,
        &users
    )
    .fetch_all(tx.conn())
    .await?;
    rows.into_iter()
        .map(|row| {
            let levels = row.levels.iter().map(|level| Level::parse(level).ok_or_else(|| unknown("level")));
            let profile = Profile {
                languages: row.languages.into_iter().zip(levels.collect::<Result<Vec<_>, _>>()?).collect(),
                skills: row.skills,
                site: row.site,
                zone: row.time_zone,
                channels: row.channels,
                capacity_units: row.capacity_units,
            };
            Ok((UserId(row.user_id), profile))
        })
        .collect()
}

/// Keeps a user's profile.
pub async fn put(tx: &mut TenantTx, user: UserId, profile: &Profile) -> Result<(), Failure> {
    let languages: Vec<String> = profile.languages.iter().map(|(tag, _)| tag.clone()).collect();
    let levels: Vec<String> = profile.languages.iter().map(|(_, level)| level.as_str().to_owned()).collect();
    sqlx::query!(
        "insert into tenants.agent_profile (provider_id, user_id, languages, levels, skills, site, time_zone, channels, capacity_units)
         values ($1, $2, $3, $4, $5, $6, $7, $8, $9)
         on conflict on constraint agent_profile_pk do update
            set languages = excluded.languages, levels = excluded.levels, skills = excluded.skills,
                site = excluded.site, time_zone = excluded.time_zone, channels = excluded.channels,
                capacity_units = excluded.capacity_units",
        tx.provider().0,
        user.0,
        &languages,
        &levels,
        &profile.skills,
        profile.site,
        profile.zone,
        &profile.channels,
        profile.capacity_units
    )
    .execute(tx.conn())
    .await?;
    Ok(())
}

/// The certifications of some users, by user and seller.
pub async fn certifications_of(tx: &mut TenantTx, users: &[UserId]) -> Result<Vec<Certification>, Failure> {
    let users: Vec<Uuid> = users.iter().map(|user| user.0).collect();
    let rows = sqlx::query_as!(
        Row,
        "select user_id, for_seller_id, certified_at, valid_until from tenants.certification
          where provider_id = $1 and user_id = any ($2) order by user_id, for_seller_id",
        tx.provider().0,
        &users
    )
    .fetch_all(tx.conn())
    .await?;
    Ok(rows.into_iter().map(Certification::from).collect())
}

/// A page of the certifications for a seller, by user; only those that hold at an instant if one is given.
pub async fn certifications_for(
    tx: &mut TenantTx,
    seller: SellerId,
    holding_at: Option<jiff::Timestamp>,
    after: Option<UserId>,
    most: i64,
) -> Result<Vec<Certification>, Failure> {
    let rows = sqlx::query_as!(
        Row,
        "select user_id, for_seller_id, certified_at, valid_until from tenants.certification
          where provider_id = $1 and for_seller_id = $2
            and ($3::timestamptz is null or valid_until is null or valid_until > $3)
            and ($4::uuid is null or user_id > $4)
          order by user_id limit $5",
        tx.provider().0,
        seller.0,
        holding_at.map(ToSqlx::to_sqlx) as _,
        after.map(|user| user.0),
        most
    )
    .fetch_all(tx.conn())
    .await?;
    Ok(rows.into_iter().map(Certification::from).collect())
}

/// Keeps a certification in place of an earlier one for the same seller.
pub async fn certify(tx: &mut TenantTx, certification: &Certification) -> Result<(), Failure> {
    sqlx::query!(
        "insert into tenants.certification (provider_id, user_id, for_seller_id, certified_at, valid_until)
         values ($1, $2, $3, $4, $5)
         on conflict on constraint certification_pk
         do update set certified_at = excluded.certified_at, valid_until = excluded.valid_until",
        tx.provider().0,
        certification.user.0,
        certification.seller.0,
        certification.certified_at.to_sqlx() as _,
        certification.valid_until.map(ToSqlx::to_sqlx) as _
    )
    .execute(tx.conn())
    .await?;
    Ok(())
}

/// Takes a certification away; says whether there was one.
pub async fn withdraw(tx: &mut TenantTx, user: UserId, seller: SellerId) -> Result<bool, Failure> {
    let done = sqlx::query!(
        "delete from tenants.certification where provider_id = $1 and user_id = $2 and for_seller_id = $3",
        tx.provider().0,
        user.0,
        seller.0
    )
    .execute(tx.conn())
    .await?;
    Ok(done.rows_affected() > 0)
}

struct Row {
    user_id: Uuid,
    for_seller_id: Uuid,
    certified_at: jiff_sqlx::Timestamp,
    valid_until: Option<jiff_sqlx::Timestamp>,
}

impl From<Row> for Certification {
    fn from(row: Row) -> Certification {
        Certification {
            seller: SellerId(row.for_seller_id),
            user: UserId(row.user_id),
            certified_at: row.certified_at.to_jiff(),
            valid_until: row.valid_until.map(|until| until.to_jiff()),
        }
    }
}
