//! The account of a seller: the row whose lock orders intake and finalisation.

use jiff::civil::Date;
use jiff_sqlx::ToSqlx;
use tenantdb::{Failure, TenantTx};

use super::{day, word};
use crate::domain::period::{Cycle, Interval};
use crate::domain::profile::Account;

struct Row {
    time_zone: String,
    holidays: Vec<jiff_sqlx::Date>,
    billing_interval: Option<String>,
    anchor_date: Option<jiff_sqlx::Date>,
    closed_through: Option<jiff_sqlx::Date>,
    summed: bool,
}

impl Row {
    fn account(self) -> Result<Account, Failure> {
        let cycle = match (self.billing_interval, self.anchor_date) {
            (Some(name), Some(anchor)) => {
                Some(Cycle { anchor: anchor.to_jiff(), interval: word("interval", &name, Interval::parse)? })
            }
            _ => None,
        };
        Ok(Account {
            time_zone: self.time_zone,
            holidays: self.holidays.into_iter().map(jiff_sqlx::Date::to_jiff).collect(),
            cycle,
            closed_through: self.closed_through.map(jiff_sqlx::Date::to_jiff),
            summed: self.summed,
        })
    }
}

/// Makes the account of the transaction's seller if there is none.
pub async fn ensure(tx: &mut TenantTx, time_zone: &str) -> Result<(), Failure> {
    let (provider, seller) = (tx.provider().0, tx.seller()?.0);
    sqlx::query!(
        "with made as (
             insert into billing.account (provider_id, seller_id, time_zone, holidays, summed)
             values ($1, $2, $3, '{}', true)
             on conflict on constraint account_pk do nothing
             returning provider_id, seller_id)
         insert into billing.usage_watch (provider_id, seller_id, look_at)
         select provider_id, seller_id, '2026-01-01Z' from made",
        provider,
        seller,
        time_zone,
    )
    .execute(tx.conn())
    .await?;
    Ok(())
}

/// Reads the account of one seller.
pub async fn read(tx: &mut TenantTx, seller: kit::SellerId) -> Result<Option<Account>, Failure> {
    let provider = tx.provider().0;
    sqlx::query_as!(
        Row,
        r#"select time_zone, holidays as "holidays: Vec<jiff_sqlx::Date>", billing_interval, anchor_date, closed_through,
                  summed
             from billing.account where provider_id = $1 and seller_id = $2"#,
        provider,
        seller.0,
    )
    .fetch_optional(tx.conn())
    .await?
    .map(Row::account)
    .transpose()
}

/// Locks the account against closing a period: intake holds it for the length
/// of its transaction.
pub async fn hold(tx: &mut TenantTx) -> Result<Option<Account>, Failure> {
    let (provider, seller) = (tx.provider().0, tx.seller()?.0);
    sqlx::query_as!(
        Row,
        r#"select time_zone, holidays as "holidays: Vec<jiff_sqlx::Date>", billing_interval, anchor_date, closed_through,
                  summed
             from billing.account where provider_id = $1 and seller_id = $2 for key share"#,
        provider,
        seller,
    )
    .fetch_optional(tx.conn())
    .await?
    .map(Row::account)
    .transpose()
}

/// Locks the account alone: nothing is taken in and nothing else is finalized
/// for this seller until the transaction ends.
pub async fn lock(tx: &mut TenantTx) -> Result<Option<Account>, Failure> {
    let (provider, seller) = (tx.provider().0, tx.seller()?.0);
    sqlx::query_as!(
        Row,
        r#"select time_zone, holidays as "holidays: Vec<jiff_sqlx::Date>", billing_interval, anchor_date, closed_through,
                  summed
             from billing.account where provider_id = $1 and seller_id = $2 for update"#,
        provider,
        seller,
    )
    .fetch_optional(tx.conn())
    .await?
    .map(Row::account)
    .transpose()
}

/// Sets how usage is cut.
pub async fn set_cut(tx: &mut TenantTx, time_zone: &str, holidays: &[Date]) -> Result<(), Failure> {
    let (provider, seller) = (tx.provider().0, tx.seller()?.0);
    let holidays: Vec<jiff_sqlx::Date> = holidays.iter().map(|d| d.to_sqlx()).collect();
    sqlx::query!(
        "update billing.account set time_zone = $3, holidays = $4 where provider_id = $1 and seller_id = $2",
        provider,
        seller,
        time_zone,
        &holidays as _,
    )
    .execute(tx.conn())
    .await?;
    Ok(())
}

/// Fixes the cycle, with the first contract.
pub async fn set_cycle(tx: &mut TenantTx, cycle: Cycle) -> Result<(), Failure> {
    let (provider, seller) = (tx.provider().0, tx.seller()?.0);
    sqlx::query!(
        "update billing.account set billing_interval = $3, anchor_date = $4 where provider_id = $1 and seller_id = $2",
        provider,
        seller,
        cycle.interval.name(),
        day(cycle.anchor),
    )
    .execute(tx.conn())
    .await?;
    Ok(())
}

/// Notes that the sums of the account's usage are kept.
pub async fn set_summed(tx: &mut TenantTx) -> Result<(), Failure> {
    let (provider, seller) = (tx.provider().0, tx.seller()?.0);
    sqlx::query!(
        "update billing.account set summed = true where provider_id = $1 and seller_id = $2",
        provider,
        seller,
    )
    .execute(tx.conn())
    .await?;
    Ok(())
}

/// Closes dates; later usage of them is billed after them.
pub async fn close_through(tx: &mut TenantTx, until: Date) -> Result<(), Failure> {
    let (provider, seller) = (tx.provider().0, tx.seller()?.0);
    sqlx::query!(
        "update billing.account set closed_through = greatest(closed_through, $3)
          where provider_id = $1 and seller_id = $2",
        provider,
        seller,
        day(until),
    )
    .execute(tx.conn())
    .await?;
    Ok(())
}
