//! Contracts: which plan version a seller signed, from when.

use jiff::civil::Date;
use jiff_sqlx::ToSqlx;
use kit::SellerId;
use serde::{Deserialize, Serialize};
use tenantdb::{Failure, TenantTx};
use uuid::Uuid;

use super::{day, json};
use crate::domain::ids::{ContractId, PlanId};
use crate::domain::plan::Plan;
use crate::domain::profile::Contract;

/// Contracts of one seller with their plans, oldest first.
pub async fn with_plans(tx: &mut TenantTx, seller: SellerId) -> Result<Vec<(Contract, Plan)>, Failure> {
    let provider = tx.provider().0;
    let rows = sqlx::query!(
        "select c.contract_id, c.plan_id, c.plan_version, c.effective_from, c.effective_until, c.signed_at,
                c.signed_by, v.content
           from billing.contract c
           join billing.rate_plan_version v
             on v.provider_id = c.provider_id and v.plan_id = c.plan_id and v.version = c.plan_version
          where c.provider_id = $1 and c.seller_id = $2
          order by c.effective_from",
        provider,
        seller.0,
    )
    .fetch_all(tx.conn())
    .await?;
    rows.into_iter()
        .map(|r| {
            let contract = Contract {
                contract_id: ContractId(r.contract_id),
                plan_id: PlanId(r.plan_id),
                plan_version: r.plan_version,
                effective_from: r.effective_from.to_jiff(),
                effective_until: r.effective_until.map(jiff_sqlx::Date::to_jiff),
                signed_at: r.signed_at.to_jiff(),
                signed_by: r.signed_by,
            };
            Ok((contract, json("plan", r.content)?))
        })
        .collect()
}

/// Stores a contract; the one before it ends the day before.
pub async fn sign(tx: &mut TenantTx, contract: &Contract) -> Result<(), Failure> {
    let (provider, seller) = (tx.provider().0, tx.seller()?.0);
    sqlx::query!(
        "update billing.contract set effective_until = $3::date - 1
          where provider_id = $1 and seller_id = $2 and (effective_until is null or effective_until >= $3)",
        provider,
        seller,
        day(contract.effective_from),
    )
    .execute(tx.conn())
    .await?;
    sqlx::query!(
        "insert into billing.contract
            (provider_id, seller_id, contract_id, plan_id, plan_version, effective_from, signed_at, signed_by)
         values ($1, $2, $3, $4, $5, $6, $7, $8)",
        provider,
        seller,
        contract.contract_id.0,
        contract.plan_id.0,
        contract.plan_version,
        day(contract.effective_from),
        contract.signed_at.to_sqlx(),
        contract.signed_by,
    )
    .execute(tx.conn())
    .await?;
    Ok(())
}

/// Where a page of contracts ends.
#[derive(Debug, Clone, Copy, Serialize, Deserialize)]
pub struct Key {
    pub effective_from: Date,
    pub contract_id: Uuid,
}

/// A listed contract: its seller and the account's zone and anchor.
#[derive(Debug, Clone)]
pub struct Listed {
    pub seller: SellerId,
    pub contract: Contract,
    pub time_zone: String,
    pub anchor: Option<Date>,
}

/// A page of the readable sellers' contracts, newest first; `contract` narrows
/// it to one.
pub async fn list(
    tx: &mut TenantTx,
    one: Option<Uuid>,
    contract: Option<ContractId>,
    after: Option<Key>,
    limit: i64,
) -> Result<Vec<Listed>, Failure> {
    let provider = tx.provider().0;
    let rows = sqlx::query!(
        "select c.seller_id, c.contract_id, c.plan_id, c.plan_version, c.effective_from, c.effective_until,
                c.signed_at, c.signed_by, a.time_zone, a.anchor_date
           from billing.contract c
           join billing.account a on a.provider_id = c.provider_id and a.seller_id = c.seller_id
          where c.provider_id = $1 and ($2::uuid is null or c.seller_id = $2)
            and ($3::uuid is null or c.contract_id = $3)
            and ($4::date is null or (c.effective_from, c.contract_id) < ($4, $5::uuid))
          order by c.effective_from desc, c.contract_id desc limit $6",
        provider,
        one,
        contract.map(|c| c.0),
        after.map(|k| day(k.effective_from)) as _,
        after.map(|k| k.contract_id),
        limit,
    )
    .fetch_all(tx.conn())
    .await?;
    Ok(rows
        .into_iter()
        .map(|r| Listed {
            seller: SellerId(r.seller_id),
            contract: Contract {
                contract_id: ContractId(r.contract_id),
                plan_id: PlanId(r.plan_id),
                plan_version: r.plan_version,
                effective_from: r.effective_from.to_jiff(),
                effective_until: r.effective_until.map(jiff_sqlx::Date::to_jiff),
                signed_at: r.signed_at.to_jiff(),
                signed_by: r.signed_by,
            },
            time_zone: r.time_zone,
            anchor: r.anchor_date.map(jiff_sqlx::Date::to_jiff),
        })
        .collect())
}
