//! Swaps, offers and bids.

use jiff::Timestamp;
use kit::UserId;
use kit::ids::Uuid;
use planner::agent::Duty;
use planner::record::{BidState, Offer, OfferId, OfferKind, ScheduleId, ShiftId, Swap, SwapId, SwapState};
use tenantdb::{At, Failure, TenantTx, ToSqlx};

use super::inconsistent;
use super::inside;
use super::planning::NewestKey;

fn stamp(second: i64) -> At {
    Timestamp::from_second(second).unwrap_or(Timestamp::MAX).to_sqlx()
}

/// What needs no planner: swaps, and seconds of notice; with its version.
pub async fn policy(tx: &mut TenantTx) -> Result<Option<(bool, i64, i64)>, Failure> {
    let provider = tx.provider();
    let row = sqlx::query!(
        "select approve_swaps, notice_seconds, version from workforce.exchange_policy where provider_id = $1",
        provider.0,
    )
    .fetch_optional(tx.conn())
    .await?;
    Ok(row.map(|row| (row.approve_swaps, row.notice_seconds, row.version)))
}

/// Keeps the policy; none when `seen` is not the current version.
pub async fn keep_policy(
    tx: &mut TenantTx,
    approve_swaps: bool,
    notice_seconds: i64,
    seen: Option<i64>,
    now: Timestamp,
) -> Result<Option<i64>, Failure> {
    let provider = tx.provider();
    let version = sqlx::query_scalar!(
        "insert into workforce.exchange_policy as p (provider_id, approve_swaps, notice_seconds, updated_at)
         values ($1, $2, $3, $4)
         on conflict on constraint exchange_policy_pk do update
            set version = p.version + 1, approve_swaps = excluded.approve_swaps,
                notice_seconds = excluded.notice_seconds, updated_at = excluded.updated_at
          where $5::bigint is null or p.version = $5
         returning version",
        provider.0,
        approve_swaps,
        notice_seconds,
        now.to_sqlx() as _,
        seen,
    )
    .fetch_optional(tx.conn())
    .await?;
    Ok(version)
}

/// Keeps a new swap.
pub async fn insert_swap(tx: &mut TenantTx, swap: &Swap) -> Result<(), Failure> {
    let provider = tx.provider();
    sqlx::query!(
        "insert into workforce.shift_swap
                (provider_id, swap_id, schedule_id, from_user_id, from_shift_id, from_starts_at, from_ends_at,
                 to_user_id, to_shift_id, to_starts_at, to_ends_at, state, created_at)
         values ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13)",
        provider.0,
        swap.id.0,
        swap.schedule.0,
        swap.from.0.0,
        swap.from.1.0,
        stamp(swap.from.2.0) as _,
        stamp(swap.from.2.1) as _,
        swap.to_user.0,
        swap.to.map(|(shift, _)| shift.0),
        swap.to.map(|(_, range)| stamp(range.0)) as _,
        swap.to.map(|(_, range)| stamp(range.1)) as _,
        swap.state.word(),
        swap.created_at.to_sqlx() as _,
    )
    .execute(tx.conn())
    .await?;
    Ok(())
}

/// Swaps (one, those of one agent, those that wait for a planner), newest first.
pub async fn swaps(
    tx: &mut TenantTx,
    id: Option<SwapId>,
    user: Option<UserId>,
    open: bool,
    after: Option<NewestKey>,
    limit: i64,
) -> Result<Vec<Swap>, Failure> {
    let provider = tx.provider();
    let rows = sqlx::query!(
        "select swap_id, version, schedule_id, from_user_id, from_shift_id, from_starts_at, from_ends_at, to_user_id,
                to_shift_id, to_starts_at, to_ends_at, state, reason, decided_by, created_at
           from workforce.shift_swap
          where provider_id = $1 and ($2::uuid is null or swap_id = $2)
            and ($3::uuid is null or from_user_id = $3 or to_user_id = $3) and (not $4 or state = 'agreed')
            and ($5::timestamptz is null or (created_at, swap_id) < ($5, $6::uuid))
          order by created_at desc, swap_id desc limit $7",
        provider.0,
        id.map(|id| id.0),
        user.map(|user| user.0),
        open,
        after.map(|(at, _)| at.to_sqlx()) as _,
        after.map(|(_, id)| id),
        limit,
    )
    .fetch_all(tx.conn())
    .await?;
    let second = |at: At| at.to_jiff().as_second();
    let mut list = Vec::with_capacity(rows.len());
    for row in rows {
        let times = row.to_starts_at.map(second).zip(row.to_ends_at.map(second));
        list.push(Swap {
            id: SwapId(row.swap_id),
            version: row.version,
            schedule: ScheduleId(row.schedule_id),
            from: (
                UserId(row.from_user_id),
                ShiftId(row.from_shift_id),
                (second(row.from_starts_at), second(row.from_ends_at)),
            ),
            to_user: UserId(row.to_user_id),
            to: row.to_shift_id.map(ShiftId).zip(times),
            state: SwapState::of(&row.state).ok_or_else(|| inconsistent("state of a swap"))?,
            reason: row.reason,
            decided_by: row.decided_by,
            created_at: row.created_at.to_jiff(),
        });
    }
    Ok(list)
}

/// Moves a swap of a version on; false when it is another version by now.
pub async fn move_swap(
    tx: &mut TenantTx,
    id: SwapId,
    seen: i64,
    state: SwapState,
    reason: &str,
    by: Option<Uuid>,
) -> Result<bool, Failure> {
    let provider = tx.provider();
    let done = sqlx::query!(
        "update workforce.shift_swap set state = $4, version = version + 1, reason = $5, decided_by = $6
          where provider_id = $1 and swap_id = $2 and version = $3",
        provider.0,
        id.0,
        seen,
        state.word(),
        reason,
        by,
    )
    .execute(tx.conn())
    .await?;
    Ok(done.rows_affected() == 1)
}

/// Keeps a new offer.
pub async fn insert_offer(tx: &mut TenantTx, offer: &Offer) -> Result<(), Failure> {
    let provider = tx.provider();
    let users: Vec<Uuid> = offer.users.iter().map(|user| user.0).collect();
    let pause = offer.time.breaks.first();
    sqlx::query!(
        "insert into workforce.shift_offer
                (provider_id, offer_id, schedule_id, kind, starts_at, ends_at, break_starts_at, break_ends_at, places,
                 user_ids, auto_award, created_at, inside)
         values ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13)",
        provider.0,
        offer.id.0,
        offer.schedule.0,
        offer.kind.word(),
        stamp(offer.time.start) as _,
        stamp(offer.time.end) as _,
        pause.map(|range| stamp(range.0)) as _,
        pause.map(|range| stamp(range.1)) as _,
        offer.places,
        &users,
        offer.auto_award,
        offer.created_at.to_sqlx() as _,
        inside::of(&offer.time),
    )
    .execute(tx.conn())
    .await?;
    Ok(())
}

/// Offers (one, those open to one agent), newest first.
pub async fn offers(
    tx: &mut TenantTx,
    id: Option<OfferId>,
    user: Option<UserId>,
    after: Option<NewestKey>,
    limit: i64,
) -> Result<Vec<Offer>, Failure> {
    let provider = tx.provider();
    let rows = sqlx::query!(
        "select offer_id, schedule_id, kind, starts_at, ends_at, break_starts_at, break_ends_at, places, taken, user_ids,
                auto_award, open, created_at, inside
           from workforce.shift_offer
          where provider_id = $1 and ($2::uuid is null or offer_id = $2)
            and ($3::uuid is null or user_ids = '{}' or $3 = any (user_ids))
            and ($4::timestamptz is null or (created_at, offer_id) < ($4, $5::uuid))
          order by created_at desc, offer_id desc limit $6",
        provider.0,
        id.map(|id| id.0),
        user.map(|user| user.0),
        after.map(|(at, _)| at.to_sqlx()) as _,
        after.map(|(_, id)| id),
        limit,
    )
    .fetch_all(tx.conn())
    .await?;
    let second = |at: At| at.to_jiff().as_second();
    let mut list = Vec::with_capacity(rows.len());
    for row in rows {
        let pause = row.break_starts_at.map(second).zip(row.break_ends_at.map(second));
        let (start, end) = (second(row.starts_at), second(row.ends_at));
        let time = Duty { start, end, breaks: pause.into_iter().collect(), ..Duty::default() };
        list.push(Offer {
            id: OfferId(row.offer_id),
            schedule: ScheduleId(row.schedule_id),
            kind: OfferKind::of(&row.kind).ok_or_else(|| inconsistent("kind of an offer"))?,
            time: inside::laid(Some(time), row.inside)?.unwrap_or_default(),
            places: row.places,
            taken: row.taken,
            users: row.user_ids.into_iter().map(UserId).collect(),
            auto_award: row.auto_award,
            open: row.open,
            created_at: row.created_at.to_jiff(),
        });
    }
    Ok(list)
}

/// Takes a place of an open offer; false when there is none left.
pub async fn take_place(tx: &mut TenantTx, id: OfferId) -> Result<bool, Failure> {
    let provider = tx.provider();
    let done = sqlx::query!(
        "update workforce.shift_offer set taken = taken + 1, open = open and taken + 1 < places
          where provider_id = $1 and offer_id = $2 and open and taken < places",
        provider.0,
        id.0,
    )
    .execute(tx.conn())
    .await?;
    Ok(done.rows_affected() == 1)
}

/// Closes an offer and declines the bids that wait.
pub async fn close_offer(tx: &mut TenantTx, id: OfferId) -> Result<(), Failure> {
    let provider = tx.provider();
    sqlx::query!(
        "with closed as (
             update workforce.shift_offer set open = false where provider_id = $1 and offer_id = $2
         )
         update workforce.shift_bid set state = 'declined'
          where provider_id = $1 and offer_id = $2 and state = 'bid'",
        provider.0,
        id.0,
    )
    .execute(tx.conn())
    .await?;
    Ok(())
}

/// A bid: whose, its state, when.
pub type Bid = (UserId, BidState, Timestamp);

/// Bids of offers, the earliest first.
pub async fn bids(tx: &mut TenantTx, offers: &[OfferId], user: Option<UserId>) -> Result<Vec<(OfferId, Bid)>, Failure> {
    let provider = tx.provider();
    let offers: Vec<Uuid> = offers.iter().map(|id| id.0).collect();
    let rows = sqlx::query!(
        "select offer_id, user_id, state, created_at from workforce.shift_bid
          where provider_id = $1 and offer_id = any ($2) and ($3::uuid is null or user_id = $3)
          order by offer_id, created_at, user_id limit 20000",
        provider.0,
        &offers,
        user.map(|user| user.0),
    )
    .fetch_all(tx.conn())
    .await?;
    let mut list = Vec::with_capacity(rows.len());
    for row in rows {
        let state = BidState::of(&row.state).ok_or_else(|| inconsistent("state of a bid"))?;
        list.push((OfferId(row.offer_id), (UserId(row.user_id), state, row.created_at.to_jiff())));
    }
    Ok(list)
}

/// Keeps the state of a bid; a bid that is made again counts from now on.
pub async fn keep_bid(
    tx: &mut TenantTx,
    offer: OfferId,
    user: UserId,
    state: BidState,
    now: Timestamp,
) -> Result<(), Failure> {
    let provider = tx.provider();
    sqlx::query!(
        "insert into workforce.shift_bid (provider_id, offer_id, user_id, state, created_at)
         values ($1, $2, $3, $4, $5)
         on conflict on constraint shift_bid_pk do update
            set state = excluded.state,
                created_at = case when excluded.state = 'bid' then excluded.created_at else shift_bid.created_at end",
        provider.0,
        offer.0,
        user.0,
        state.word(),
        now.to_sqlx() as _,
    )
    .execute(tx.conn())
    .await?;
    Ok(())
}
