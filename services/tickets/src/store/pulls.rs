//! How far the mail of channel accounts was fetched, and who fetches it.

use courier::Trouble;
use jiff::Timestamp;
use tenantdb::{At, Failure, TenantTx, ToSqlx};

use super::read::sellers;
use crate::domain::connection::{Cursor, Pull};
use crate::domain::ids::{ChannelAccountId, Uuid};

/// Has an account's mail fetched from now on; one that moved to another mailbox begins anew. Whoever
/// fetches it now stops.
pub async fn begin(tx: &mut TenantTx, account: ChannelAccountId, anew: bool) -> Result<(), Failure> {
    let (provider, seller, now) = (tx.provider().0, tx.seller()?.0, tx.now());
    sqlx::query!(
        "insert into tickets.mail_pull
             (provider_id, seller_id, channel_account_id, due_at, since, last_uid, stuck_times, failures, reason, said,
              taken, skipped)
         values ($1, $2, $3, $4, $4, 0, 0, 0, '', '', 0, 0)
         on conflict on constraint mail_pull_pk do update
            set due_at = excluded.due_at, holder = null, failures = 0,
                since = case when $5 then excluded.since else mail_pull.since end,
                uid_validity = case when $5 then null else mail_pull.uid_validity end,
                last_uid = case when $5 then 0 else mail_pull.last_uid end",
        provider,
        seller,
        account.0,
        now.to_sqlx() as _,
        anew,
    )
    .execute(tx.conn())
    .await?;
    Ok(())
}

/// Has an account's mail fetched no more.
pub async fn end(tx: &mut TenantTx, account: ChannelAccountId) -> Result<(), Failure> {
    let (provider, seller) = (tx.provider().0, tx.seller()?.0);
    sqlx::query!(
        "delete from tickets.mail_pull where provider_id = $1 and seller_id = $2 and channel_account_id = $3",
        provider,
        seller,
        account.0,
    )
    .execute(tx.conn())
    .await?;
    Ok(())
}

/// How far accounts of the readable sellers are.
pub async fn of(tx: &mut TenantTx, accounts: &[ChannelAccountId]) -> Result<Vec<Pull>, Failure> {
    let (provider, sellers) = (tx.provider().0, sellers(tx));
    let accounts: Vec<Uuid> = accounts.iter().map(|account| account.0).collect();
    let rows = sqlx::query!(
        r#"select channel_account_id, looked_at as "looked_at: At", reason, said, taken, skipped
             from tickets.mail_pull
            where provider_id = $1 and seller_id = any ($2) and channel_account_id = any ($3)"#,
        provider,
        &sellers,
        &accounts,
    )
    .fetch_all(tx.conn())
    .await?;
    let pulls = rows.into_iter().map(|row| Pull {
        account: ChannelAccountId(row.channel_account_id),
        looked_at: row.looked_at.map(At::to_jiff),
        reason: row.reason,
        said: row.said,
        taken: row.taken,
        skipped: row.skipped,
    });
    Ok(pulls.collect())
}

/// Begins to fetch, unless it is not due or somebody else does: how far it is, and how often it failed.
pub async fn claim(
    tx: &mut TenantTx,
    account: ChannelAccountId,
    holder: Uuid,
    until: Timestamp,
) -> Result<Option<(Cursor, i32)>, Failure> {
    let (provider, seller, now) = (tx.provider().0, tx.seller()?.0, tx.now());
    let row = sqlx::query!(
        r#"with free as (
               select x.channel_account_id from tickets.mail_pull x
                where x.provider_id = $1 and x.seller_id = $2 and x.channel_account_id = $3 and x.due_at <= $4
                  for update skip locked)
           update tickets.mail_pull p set holder = $5, due_at = $6
             from free
            where p.provider_id = $1 and p.seller_id = $2 and p.channel_account_id = free.channel_account_id
           returning p.since as "since: At", p.uid_validity, p.last_uid, p.failures"#,
        provider,
        seller,
        account.0,
        now.to_sqlx() as _,
        holder,
        until.to_sqlx() as _,
    )
    .fetch_optional(tx.conn())
    .await?;
    Ok(row.map(|row| {
        let number = |value: i64| u32::try_from(value).unwrap_or(u32::MAX);
        let cursor = Cursor {
            since: row.since.to_jiff(),
            uid_validity: row.uid_validity.map(number),
            last_uid: number(row.last_uid),
        };
        (cursor, row.failures)
    }))
}

/// Goes on fetching; false if somebody else does now, or nobody shall.
pub async fn hold(
    tx: &mut TenantTx,
    account: ChannelAccountId,
    holder: Uuid,
    until: Timestamp,
) -> Result<bool, Failure> {
    let (provider, seller) = (tx.provider().0, tx.seller()?.0);
    let done = sqlx::query!(
        "update tickets.mail_pull set due_at = $5
          where provider_id = $1 and seller_id = $2 and channel_account_id = $3 and holder = $4",
        provider,
        seller,
        account.0,
        holder,
        until.to_sqlx() as _,
    )
    .execute(tx.conn())
    .await?;
    Ok(done.rows_affected() == 1)
}

/// What was fetched.
#[derive(Clone, Copy, Default)]
pub struct Fetched {
    pub taken: i64,
    pub skipped: i64,
}

/// Notes how far it is; false if somebody else fetches now, or nobody shall.
pub async fn advance(
    tx: &mut TenantTx,
    account: ChannelAccountId,
    holder: Uuid,
    cursor: &Cursor,
    fetched: Fetched,
) -> Result<bool, Failure> {
    let (provider, seller, now) = (tx.provider().0, tx.seller()?.0, tx.now());
    let done = sqlx::query!(
        "update tickets.mail_pull
            set uid_validity = $5, last_uid = $6, since = $7, taken = taken + $8, skipped = skipped + $9, looked_at = $10,
                failures = 0, reason = '', said = '', stuck_uid = null, stuck_times = 0
          where provider_id = $1 and seller_id = $2 and channel_account_id = $3 and holder = $4",
        provider,
        seller,
        account.0,
        holder,
        cursor.uid_validity.map(i64::from),
        i64::from(cursor.last_uid),
        cursor.since.to_sqlx() as _,
        fetched.taken,
        fetched.skipped,
        now.to_sqlx() as _,
    )
    .execute(tx.conn())
    .await?;
    Ok(done.rows_affected() == 1)
}

/// Counts that a mail could not be taken in; how often that was now.
pub async fn stuck(tx: &mut TenantTx, account: ChannelAccountId, uid: u32) -> Result<i32, Failure> {
    let (provider, seller) = (tx.provider().0, tx.seller()?.0);
    Ok(sqlx::query_scalar!(
        "update tickets.mail_pull
            set stuck_times = case when stuck_uid = $4 then stuck_times + 1 else 1 end, stuck_uid = $4
          where provider_id = $1 and seller_id = $2 and channel_account_id = $3
         returning stuck_times",
        provider,
        seller,
        account.0,
        i64::from(uid),
    )
    .fetch_optional(tx.conn())
    .await?
    .unwrap_or_default())
}

/// Lets go, to be begun again at an instant; with what stopped it, if something did.
pub async fn release(
    tx: &mut TenantTx,
    account: ChannelAccountId,
    holder: Uuid,
    due: Timestamp,
    trouble: Option<&Trouble>,
) -> Result<(), Failure> {
    let (provider, seller) = (tx.provider().0, tx.seller()?.0);
    let (reason, said) = trouble.map_or(("", ""), |trouble| (trouble.reason.name(), trouble.said.as_str()));
    sqlx::query!(
        "update tickets.mail_pull
            set holder = null, due_at = $5, reason = $6, said = $7,
                failures = case when $6 = '' then 0 else failures + 1 end
          where provider_id = $1 and seller_id = $2 and channel_account_id = $3 and holder = $4",
        provider,
        seller,
        account.0,
        holder,
        due.to_sqlx() as _,
        reason,
        said,
    )
    .execute(tx.conn())
    .await?;
    Ok(())
}
