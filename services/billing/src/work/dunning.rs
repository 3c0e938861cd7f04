//! Looks at invoices that are due to be looked at, and raises the levels of the
//! provider's policy. When to look is an indexed instant; replicas share the work,
//! since an invoice that somebody holds is left to them. A level and where its
//! invoice stands are one transaction, with the fees and interest that it books: it is
//! raised once or not at all.

use jiff::Timestamp;
use kit::Fault;
use rust_decimal::Decimal;
use tenantdb::service::Deps;
use tenantdb::{Due, TenantTx};
use tokio_util::sync::CancellationToken;

use crate::api::queue;
use crate::domain::dunning::{OpenCharge, Standing, Step, accrued, fee, step, text};
use crate::domain::ids::{ChargeId, EntryId, InvoiceId, MailId};
use crate::domain::invoice::State;
use crate::domain::ledger;
use crate::domain::period::{days_between, local_date, parse_zone, plus_days, start_of};
use crate::domain::profile::language_of;
use crate::store;
use crate::store::charge::Charge;
use crate::store::dunning::Notice;
use crate::work::rounds::{self, Watch};

/// Invoices that wait for their next level.
struct Dunning;

impl Watch for Dunning {
    const WHAT: &'static str = "dunning";
    const QUERY: &'static str = "select provider_id, seller_id, invoice_id from billing.dunning
                                  where look_at <= $1 order by look_at limit $2";

    async fn look(&self, deps: &Deps, due: &Due) -> Result<bool, Fault> {
        look(deps, due).await
    }

    async fn look_at(tx: &mut TenantTx, due: &Due, at: Timestamp) -> Result<(), Fault> {
        Ok(store::dunning::look_at(tx, InvoiceId(due.id), Some(at)).await?)
    }
}

/// Looks until told to stop.
pub async fn run(deps: Deps, stop: CancellationToken) {
    rounds::run(Dunning, deps, stop).await;
}

async fn look(deps: &Deps, due: &Due) -> Result<bool, Fault> {
    let (invoice, now) = (InvoiceId(due.id), deps.clock.now());
    let mut tx = deps.db.begin(&due.scope()).await?;
    let Some(watched) = store::dunning::claim(&mut tx, invoice, now).await? else { return Ok(false) };
    let seller = tx.seller()?;
    let head = store::invoice::read(&mut tx, Some(seller.0), invoice).await?;
    let head = head.ok_or_else(|| Fault::internal("an invoice that is watched is not there"))?;
    let issuer = store::profile::issuer(&mut tx, head.issuer_id).await?;
    let issuer = issuer.ok_or_else(|| Fault::internal("an invoice without its issuer"))?;
    let zone = parse_zone(&issuer.time_zone)?;
    let today = local_date(now, &zone);
    let policy = store::dunning::policy(&mut tx, None).await?;
    let living = matches!(head.state, State::Finalized | State::Sent);
    let standing = Standing {
        due_date: head.due_date,
        due: if living { head.total - head.paid - head.credited - head.disputed } else { 0.into() },
        currency: head.currency,
        raised: watched.raised.filter(|(level, _)| *level > 0),
        held: store::dunning::held(&mut tx, invoice).await?,
        covered: living && store::credit::covers(&mut tx, invoice).await?,
    };
    let level = match step(policy.as_ref().map(|p| &p.policy), &standing, today)? {
        Step::Rest => {
            store::dunning::look_at(&mut tx, invoice, None).await?;
            tx.commit().await?;
            return Ok(true);
        }
        Step::Wait(date) => {
            store::dunning::look_at(&mut tx, invoice, Some(start_of(date, &zone))).await?;
            tx.commit().await?;
            return Ok(true);
        }
        Step::Raise(level) => level,
    };
    let known = policy.as_ref().and_then(|p| Some((p, p.policy.levels.get(level.checked_sub(1)?)?)));
    let (version, rules) = known.ok_or_else(|| Fault::internal("a level without a policy"))?;
    let charges = store::charge::of_invoice(&mut tx, invoice).await?;
    let payments = store::payment::of_principal(&mut tx, invoice).await?;
    let principal = head.total - head.credited - head.disputed;
    let so_far = accrued(&version.policy, principal, &payments, head.due_date, today, head.currency)?;
    let booked: Decimal = charges.iter().map(|charge| charge.interest).sum();
    // What was booked stays, also where a credit or a dispute came after it.
    let charged =
        OpenCharge { fee: fee(&version.policy, level, head.currency), interest: (so_far - booked).max(Decimal::ZERO) };
    let open =
        |of: fn(OpenCharge) -> Decimal| charges.iter().map(|charge| of(charge.open())).sum::<Decimal>() + of(charged);
    let (language, text_key) = text(rules, language_of(&head.buyer.country));
    let notice = Notice {
        seller,
        invoice_id: invoice,
        number: head.number.clone(),
        level: i32::try_from(level).map_err(|e| Fault::Internal(Box::new(e)))?,
        policy_version: version.version,
        raised_at: now,
        raised_on: today,
        days_overdue: i32::try_from(days_between(head.due_date, today)).unwrap_or(i32::MAX),
        currency: head.currency,
        due: standing.due,
        fee: open(|charge| charge.fee),
        interest: open(|charge| charge.interest),
        language: language.to_owned(),
        text_key: text_key.to_owned(),
        mail: None,
    };
    store::dunning::raise(&mut tx, &notice, start_of(plus_days(today, 1)?, &zone)).await?;
    if charged != OpenCharge::default() {
        let charge = Charge::of(&notice, deps.clock.new_id::<ChargeId>(), charged);
        store::charge::insert(&mut tx, &charge).await?;
        let entry = ledger::dunning_charge(charge.currency, charged.fee, charged.interest);
        let entry = entry.map_err(|error| Fault::Internal(Box::new(error)))?;
        let source = (head.issuer_id, charge.charge_id.0);
        store::ledger::post(&mut tx, deps.clock.new_id::<EntryId>(), source, &entry, today, now).await?;
    }
    let delivery = store::mail::delivery(&mut tx, seller).await?.filter(|delivery| delivery.dunning_notices);
    // Without a mail server the notice stands, and leaves by hand.
    let sender = store::mail::sender(&mut tx, head.issuer_id).await?;
    if let (Some(delivery), Some(_)) = (delivery, sender) {
        queue(&mut tx, deps.clock.new_id::<MailId>(), &head, notice.level, &delivery).await?;
    }
    tx.commit().await?;
    Ok(true)
}
