//! Dunning: the policy, holds, and looking at what is overdue.

use std::collections::BTreeMap;

use jiff::Timestamp;
use jiff::civil::Date;
use kit::{Caller, Checks, Fault, Id};
use proto::billing::v1 as wire;
use proto::billing::v1::dunning_service_server::DunningService;
use rust_decimal::Decimal;
use tenantdb::TenantTx;
use tonic::{Request, Response, Status};

use super::credits::shown;
use super::refusals::unbalanced;
use super::{Api, answer, money, number, user_out};
use crate::domain::dunning::{Age, Allocation, Closing, Interest, Level, OpenCharge, Policy, ageing, check};
use crate::domain::ids::{ChargeId, EntryId, HoldId, InvoiceId};
use crate::domain::ledger;
use crate::domain::money::{Currency, parse_decimal};
use crate::domain::period::{days_between, local_date, parse_date, parse_zone};
use crate::store;
use crate::store::charge::{self, Charge};
use crate::store::dunning::{Hold, HoldKey, Notice, NoticeKey, Overdue, OverdueKey, Version};
use crate::store::invoice::Head;

impl Api {
    async fn keep_dunning_policy(
        &self,
        caller: &Caller,
        request: wire::SaveDunningPolicyRequest,
    ) -> Result<wire::SaveDunningPolicyResponse, Fault> {
        let given = request.policy.clone().ok_or_else(|| Fault::invalid("policy", "is required"))?;
        let mut checks = Checks::new();
        checks.request_id(&request.request_id);
        let policy = policy_in(&mut checks, &given);
        for (field, problem) in check(&policy) {
            checks.refuse(field, problem);
        }
        checks.finish()?;
        let expected = kit::wire::version(&given.etag)?;
        let mut tx = self.deps.db.begin(&caller.of_provider()).await?;
        if let Some(answer) = tx.replayed(caller, "SaveDunningPolicy", &request.request_id, &request).await? {
            return Ok(answer);
        }
        let before = store::dunning::policy(&mut tx, None).await?.map(|v| v.version);
        if expected.is_some() && expected != before {
            return Err(Fault::Stale);
        }
        let version = Version {
            version: before.unwrap_or(0) + 1,
            policy,
            saved_at: self.deps.clock.now(),
            saved_by: caller.subject(),
        };
        if !store::dunning::save(&mut tx, &version).await? {
            return Err(Fault::Stale);
        }
        let response = wire::SaveDunningPolicyResponse { policy: Some(policy_out(&version)) };
        tx.commit_with(&response).await?;
        Ok(response)
    }

    async fn dunning_policy(
        &self,
        caller: &Caller,
        request: wire::GetDunningPolicyRequest,
    ) -> Result<wire::GetDunningPolicyResponse, Fault> {
        let wanted = (request.version != 0).then_some(request.version);
        let mut tx = self.deps.db.begin(&caller.of_provider()).await?;
        let found = store::dunning::policy(&mut tx, wanted).await?.ok_or(Fault::NotFound("dunning policy"))?;
        Ok(wire::GetDunningPolicyResponse { policy: Some(policy_out(&found)) })
    }

    async fn keep_hold(
        &self,
        caller: &Caller,
        request: wire::HoldDunningRequest,
    ) -> Result<wire::HoldDunningResponse, Fault> {
        let mut checks = Checks::new();
        checks.request_id(&request.request_id);
        let reason = checks.text("reason", &request.reason, 1..=500);
        let until = (!request.hold_until.is_empty()).then(|| checks.date("hold_until", &request.hold_until));
        let invoice: Option<InvoiceId> =
            (!request.invoice_id.is_empty()).then(|| checks.id("invoice_id", &request.invoice_id));
        checks.finish()?;
        let one = self.writing(caller, &request.seller_id).await?;
        let now = self.deps.clock.now();
        let mut tx = self.deps.db.begin(&one.scope).await?;
        if let Some(answer) = tx.replayed(caller, "HoldDunning", &request.request_id, &request).await? {
            return Ok(answer);
        }
        store::account::ensure(&mut tx, super::intake::default_zone(&one.terms)).await?;
        if let Some(invoice) = invoice {
            store::invoice::lock(&mut tx, invoice).await?.ok_or(Fault::NotFound("invoice"))?;
        }
        let hold = Hold {
            seller: one.seller,
            hold_id: self.deps.clock.new_id::<HoldId>(),
            invoice,
            reason,
            until,
            set_at: now,
            set_by: caller.subject(),
            released: None,
        };
        store::dunning::hold(&mut tx, &hold).await?;
        let response = wire::HoldDunningResponse { hold: Some(hold_out(&hold)) };
        tx.commit_with(&response).await?;
        Ok(response)
    }

    async fn end_hold(
        &self,
        caller: &Caller,
        request: wire::ReleaseDunningRequest,
    ) -> Result<wire::ReleaseDunningResponse, Fault> {
        let mut checks = Checks::new();
        checks.request_id(&request.request_id);
        let id: HoldId = checks.id("hold_id", &request.hold_id);
        checks.finish()?;
        let one = self.writing(caller, &request.seller_id).await?;
        let now = self.deps.clock.now();
        let mut tx = self.deps.db.begin(&one.scope).await?;
        if let Some(answer) = tx.replayed(caller, "ReleaseDunning", &request.request_id, &request).await? {
            return Ok(answer);
        }
        let released = store::dunning::release(&mut tx, id, now, caller.subject()).await?;
        let found = store::dunning::holds(&mut tx, Some(one.seller.0), Some(id), None, 1).await?.pop();
        let hold = found.ok_or(Fault::NotFound("dunning hold"))?;
        if released {
            store::dunning::wake(&mut tx, hold.invoice, now).await?;
        }
        let response = wire::ReleaseDunningResponse { hold: Some(hold_out(&hold)) };
        tx.commit_with(&response).await?;
        Ok(response)
    }

    async fn dunning_holds(
        &self,
        caller: &Caller,
        request: wire::ListDunningHoldsRequest,
    ) -> Result<wire::ListDunningHoldsResponse, Fault> {
        let shape = &request.seller_id;
        let page = self.deps.pager.read(caller, "ListDunningHolds", shape, request.page_size, &request.page_token)?;
        let scope = caller.view(&request.seller_id)?;
        let mut tx = self.deps.db.begin(&scope).await?;
        let mut rows = store::dunning::holds(&mut tx, scope.single_reader(), None, page.after, page.size + 1).await?;
        let next_page_token =
            self.deps.pager.cut(&page, &mut rows, |r| HoldKey { set_at: r.set_at, hold_id: r.hold_id.0 })?;
        Ok(wire::ListDunningHoldsResponse { holds: rows.iter().map(hold_out).collect(), next_page_token })
    }

    async fn dunning_notices(
        &self,
        caller: &Caller,
        request: wire::ListDunningNoticesRequest,
    ) -> Result<wire::ListDunningNoticesResponse, Fault> {
        let invoice: Option<InvoiceId> = Id::parse_optional("invoice_id", &request.invoice_id)?;
        let shape = (&request.seller_id, &request.invoice_id);
        let page =
            self.deps.pager.read(caller, "ListDunningNotices", &shape, request.page_size, &request.page_token)?;
        let scope = caller.view(&request.seller_id)?;
        let mut tx = self.deps.db.begin(&scope).await?;
        let one = scope.single_reader();
        let mut rows = store::dunning::notices(&mut tx, one, invoice, page.after, page.size + 1).await?;
        let next_page_token = self.deps.pager.cut(&page, &mut rows, |r| NoticeKey {
            raised_at: r.raised_at,
            invoice_id: r.invoice_id.0,
            level: r.level,
        })?;
        Ok(wire::ListDunningNoticesResponse { notices: rows.iter().map(notice_out).collect(), next_page_token })
    }

    async fn overdue_invoices(
        &self,
        caller: &Caller,
        request: wire::ListOverdueInvoicesRequest,
    ) -> Result<wire::ListOverdueInvoicesResponse, Fault> {
        let as_of = self.as_of(&request.as_of)?;
        let shape = (&request.seller_id, &request.as_of);
        let page =
            self.deps.pager.read(caller, "ListOverdueInvoices", &shape, request.page_size, &request.page_token)?;
        let scope = caller.view(&request.seller_id)?;
        let mut tx = self.deps.db.begin(&scope).await?;
        let mut rows =
            store::dunning::overdue(&mut tx, scope.single_reader(), as_of, page.after, page.size + 1).await?;
        let next_page_token = self
            .deps
            .pager
            .cut(&page, &mut rows, |r| OverdueKey { due_date: r.due_date, invoice_id: r.invoice_id.0 })?;
        let invoices = rows.iter().map(|row| overdue_out(row, as_of)).collect();
        Ok(wire::ListOverdueInvoicesResponse { invoices, next_page_token })
    }

    async fn ageing(&self, caller: &Caller, request: wire::GetAgeingRequest) -> Result<wire::GetAgeingResponse, Fault> {
        let as_of = self.as_of(&request.as_of)?;
        let scope = caller.view(&request.seller_id)?;
        let mut tx = self.deps.db.begin(&scope).await?;
        let due = store::dunning::due(&mut tx, scope.single_reader()).await?;
        let amounts = ageing(&due, as_of)?
            .into_iter()
            .filter(|(_, amount)| !amount.is_zero())
            .map(|((currency, age), amount)| wire::AgedAmount {
                amount: shown(&currency, amount),
                currency,
                age: age_out(age).into(),
            })
            .collect();
        Ok(wire::GetAgeingResponse { amounts })
    }

    async fn charges(
        &self,
        caller: &Caller,
        request: wire::ListDunningChargesRequest,
    ) -> Result<wire::ListDunningChargesResponse, Fault> {
        let invoice: Option<InvoiceId> = Id::parse_optional("invoice_id", &request.invoice_id)?;
        let shape = (&request.seller_id, &request.invoice_id, request.open_only);
        let page =
            self.deps.pager.read(caller, "ListDunningCharges", &shape, request.page_size, &request.page_token)?;
        let scope = caller.view(&request.seller_id)?;
        let mut tx = self.deps.db.begin(&scope).await?;
        let filter = charge::Filter { charge: None, invoice, open_only: request.open_only };
        let mut rows = charge::list(&mut tx, scope.single_reader(), filter, page.after, page.size + 1).await?;
        let next_page_token = self
            .deps
            .pager
            .cut(&page, &mut rows, |r| charge::Key { charged_at: r.charged_at, charge_id: r.charge_id.0 })?;
        Ok(wire::ListDunningChargesResponse { charges: rows.iter().map(charge_out).collect(), next_page_token })
    }

    async fn close_one(
        &self,
        caller: &Caller,
        request: wire::CloseDunningChargeRequest,
    ) -> Result<wire::CloseDunningChargeResponse, Fault> {
        let mut checks = Checks::new();
        checks.request_id(&request.request_id);
        let id: ChargeId = checks.id("charge_id", &request.charge_id);
        let reason = checks.text("reason", &request.reason, 1..=500);
        let closing = match wire::DunningClosing::try_from(request.closing) {
            Ok(wire::DunningClosing::WrittenOff) => Closing::WrittenOff,
            Ok(wire::DunningClosing::Void) => Closing::Void,
            Ok(wire::DunningClosing::Unspecified) | Err(_) => {
                checks.refuse("closing", "must be void or written off");
                Closing::Void
            }
        };
        checks.finish()?;
        let one = self.writing(caller, &request.seller_id).await?;
        let now = self.deps.clock.now();
        let mut tx = self.deps.db.begin(&one.scope).await?;
        if let Some(answer) = tx.replayed(caller, "CloseDunningCharge", &request.request_id, &request).await? {
            return Ok(answer);
        }
        let missing = || Fault::NotFound("dunning charge");
        let wanted = charge::Filter { charge: Some(id), ..charge::Filter::default() };
        let found = charge::list(&mut tx, Some(one.seller.0), wanted, None, 1).await?.pop().ok_or_else(missing)?;
        let head = store::invoice::lock(&mut tx, found.invoice_id).await?.ok_or_else(missing)?;
        // Charges change under their invoice's lock only.
        let found = charge::list(&mut tx, Some(one.seller.0), wanted, None, 1).await?.pop().ok_or_else(missing)?;
        self.close_charge(&mut tx, &head, &found, (closing, &reason, Some(caller.subject())), now).await?;
        let closed = charge::list(&mut tx, Some(one.seller.0), wanted, None, 1).await?.pop().ok_or_else(missing)?;
        let response = wire::CloseDunningChargeResponse { charge: Some(charge_out(&closed)) };
        tx.commit_with(&response).await?;
        Ok(response)
    }

    /// Closes what is open of a charge, and books that. What was paid of one that was not
    /// owed becomes the seller's credit. Nothing where there is nothing to close.
    pub(super) async fn close_charge(
        &self,
        tx: &mut TenantTx,
        head: &Head,
        charge: &Charge,
        (closing, reason, by): (Closing, &str, Option<uuid::Uuid>),
        now: Timestamp,
    ) -> Result<(), Fault> {
        let nothing = OpenCharge::default();
        let open = charge.open();
        let paid = if closing == Closing::Void { charge.paid() } else { nothing };
        if open == nothing && paid == nothing {
            return Ok(());
        }
        let issuer = store::profile::issuer(tx, head.issuer_id).await?.ok_or(Fault::NotFound("issuer"))?;
        let today = local_date(now, &parse_zone(&issuer.time_zone)?);
        let source = (head.issuer_id, charge.charge_id.0);
        if open != nothing {
            let written_off = closing == Closing::WrittenOff;
            let entry = ledger::dunning_closing(charge.currency, open.fee, open.interest, written_off);
            let entry = entry.map_err(unbalanced)?;
            store::ledger::post(tx, self.deps.clock.new_id::<EntryId>(), source, &entry, today, now).await?;
            charge::close(tx, charge.charge_id, open, closing, reason, (now, by)).await?;
        }
        if paid != nothing {
            let entry = ledger::dunning_return(charge.currency, paid.fee, paid.interest).map_err(unbalanced)?;
            store::ledger::post(tx, self.deps.clock.new_id::<EntryId>(), source, &entry, today, now).await?;
            charge::give_back(tx, charge.charge_id, reason, (now, by)).await?;
        }
        Ok(())
    }

    fn as_of(&self, text: &str) -> Result<Date, Fault> {
        if text.is_empty() {
            return Ok(local_date(self.deps.clock.now(), &jiff::tz::TimeZone::UTC));
        }
        parse_date(text).map_err(|e| Fault::invalid("as_of", e.to_string()))
    }
}

fn decimal(checks: &mut Checks, field: impl Into<String>, text: &str) -> Decimal {
    parse_decimal(text, 6).unwrap_or_else(|_| {
        checks.refuse(field, "must be a decimal such as 9.5");
        Decimal::ZERO
    })
}

fn policy_in(checks: &mut Checks, given: &wire::DunningPolicy) -> Policy {
    let levels = given.levels.iter().take(10).enumerate().map(|(index, level)| {
        let mut fees = BTreeMap::new();
        checks.count(format!("policy.levels[{index}].fees"), level.fees.len(), 0..=50);
        for (place, fee) in level.fees.iter().take(50).enumerate() {
            let field = format!("policy.levels[{index}].fees[{place}]");
            let amount = decimal(checks, format!("{field}.amount"), &fee.amount);
            match Currency::parse(&fee.currency) {
                Ok(currency) if fees.insert(currency, amount).is_none() => {}
                Ok(_) => checks.refuse(format!("{field}.currency"), "is named twice"),
                Err(_) => checks.refuse(format!("{field}.currency"), "must be an ISO 4217 currency"),
            }
        }
        let mut texts = BTreeMap::new();
        checks.count(format!("policy.levels[{index}].texts"), level.texts.len(), 1..=50);
        for (place, text) in level.texts.iter().take(50).enumerate() {
            let field = format!("policy.levels[{index}].texts[{place}]");
            let language = checks.language(format!("{field}.language"), &text.language);
            let key = checks.line(format!("{field}.text_key"), &text.text_key, 1..=100);
            if texts.insert(language, key).is_some() {
                checks.refuse(format!("{field}.language"), "is named twice");
            }
        }
        Level { days_after_due: level.days_after_due, fees, texts }
    });
    let levels = levels.collect();
    let interest = given.interest.as_ref().map_or(Interest::None, |given| interest_in(checks, given));
    let allocation = match wire::DunningAllocation::try_from(given.allocation) {
        Ok(wire::DunningAllocation::Unspecified | wire::DunningAllocation::PrincipalFirst) => {
            Allocation::PrincipalFirst
        }
        Ok(wire::DunningAllocation::CostsFirst) => Allocation::CostsFirst,
        Err(_) => {
            checks.refuse("policy.allocation", "is unknown");
            Allocation::default()
        }
    };
    Policy { levels, interest, allocation }
}

fn interest_in(checks: &mut Checks, given: &wire::DunningInterest) -> Interest {
    match (given.annual_percent.is_empty(), given.points_above_base.is_empty()) {
        (false, true) => {
            checks.count("policy.interest.base_rates", given.base_rates.len(), 0..=0);
            Interest::Rate(decimal(checks, "policy.interest.annual_percent", &given.annual_percent))
        }
        (true, false) => {
            let mut rates = BTreeMap::new();
            for (place, rate) in given.base_rates.iter().take(201).enumerate() {
                let field = format!("policy.interest.base_rates[{place}]");
                let from = checks.date(format!("{field}.valid_from"), &rate.valid_from);
                let percent = decimal(checks, format!("{field}.percent"), &rate.percent);
                if rates.insert(from, percent).is_some() {
                    checks.refuse(format!("{field}.valid_from"), "is named twice");
                }
            }
            let points_above = decimal(checks, "policy.interest.points_above", &given.points_above_base);
            Interest::Base { points_above, rates }
        }
        _ => {
            checks.refuse("policy.interest", "must give either a fixed rate or points above the base");
            Interest::None
        }
    }
}

fn policy_out(version: &Version) -> wire::DunningPolicy {
    let interest = match &version.policy.interest {
        Interest::None => None,
        Interest::Rate(percent) => {
            Some(wire::DunningInterest { annual_percent: number(*percent), ..wire::DunningInterest::default() })
        }
        Interest::Base { points_above, rates } => Some(wire::DunningInterest {
            annual_percent: String::new(),
            points_above_base: number(*points_above),
            base_rates: rates
                .iter()
                .map(|(from, percent)| wire::BaseRate { valid_from: from.to_string(), percent: number(*percent) })
                .collect(),
        }),
    };
    let fee = |(currency, amount): (&Currency, &Decimal)| wire::DunningFee {
        currency: currency.to_string(),
        amount: money(*currency, *amount),
    };
    let text =
        |(language, key): (&String, &String)| wire::DunningText { language: language.clone(), text_key: key.clone() };
    wire::DunningPolicy {
        version: version.version,
        levels: version
            .policy
            .levels
            .iter()
            .map(|level| wire::DunningLevel {
                days_after_due: level.days_after_due,
                fees: level.fees.iter().map(fee).collect(),
                texts: level.texts.iter().map(text).collect(),
            })
            .collect(),
        interest,
        save_time: Some(kit::wire::timestamp(version.saved_at)),
        saved_by: user_out(version.saved_by),
        etag: kit::wire::etag(version.version),
        allocation: match version.policy.allocation {
            Allocation::PrincipalFirst => wire::DunningAllocation::PrincipalFirst.into(),
            Allocation::CostsFirst => wire::DunningAllocation::CostsFirst.into(),
        },
    }
}

fn charge_out(charge: &Charge) -> wire::DunningCharge {
    let shown = |amount| money(charge.currency, amount);
    let open = charge.open();
    wire::DunningCharge {
        charge_id: charge.charge_id.to_string(),
        seller_id: charge.seller.to_string(),
        invoice_id: charge.invoice_id.to_string(),
        number: charge.number.clone(),
        level: charge.level,
        charge_date: charge.charged_on.to_string(),
        currency: charge.currency.to_string(),
        fee_amount: shown(charge.fee),
        interest_amount: shown(charge.interest),
        paid_amount: shown(charge.fee_paid + charge.interest_paid),
        closed_amount: shown(charge.fee_closed + charge.interest_closed),
        open_amount: shown(open.fee + open.interest),
        closing: match charge.closing {
            None => wire::DunningClosing::Unspecified.into(),
            Some(Closing::Void) => wire::DunningClosing::Void.into(),
            Some(Closing::WrittenOff) => wire::DunningClosing::WrittenOff.into(),
        },
        reason: charge.reason.clone(),
        close_time: charge.closed_at.map(kit::wire::timestamp),
        closed_by: charge.closed_by.map(user_out).unwrap_or_default(),
    }
}

fn hold_out(hold: &Hold) -> wire::DunningHold {
    wire::DunningHold {
        hold_id: hold.hold_id.to_string(),
        seller_id: hold.seller.to_string(),
        invoice_id: hold.invoice.map(|id| id.to_string()).unwrap_or_default(),
        reason: hold.reason.clone(),
        hold_until: hold.until.map(|date| date.to_string()).unwrap_or_default(),
        set_time: Some(kit::wire::timestamp(hold.set_at)),
        set_by: user_out(hold.set_by),
        release_time: hold.released.map(|(at, _)| kit::wire::timestamp(at)),
        released_by: hold.released.map(|(_, by)| user_out(by)).unwrap_or_default(),
    }
}

fn notice_out(notice: &Notice) -> wire::DunningNotice {
    let shown = |amount| money(notice.currency, amount);
    wire::DunningNotice {
        seller_id: notice.seller.to_string(),
        invoice_id: notice.invoice_id.to_string(),
        number: notice.number.clone(),
        level: notice.level,
        policy_version: notice.policy_version,
        raise_time: Some(kit::wire::timestamp(notice.raised_at)),
        days_overdue: notice.days_overdue,
        currency: notice.currency.to_string(),
        due_amount: shown(notice.due),
        fee_amount: shown(notice.fee),
        interest_amount: shown(notice.interest),
        claimed_amount: shown(notice.due + notice.fee + notice.interest),
        language: notice.language.clone(),
        text_key: notice.text_key.clone(),
        mail_state: super::mails::state_out(notice.mail.as_ref().map(|(state, _)| *state)).into(),
        mail_problem: notice.mail.as_ref().map(|(_, reason)| reason.clone()).unwrap_or_default(),
    }
}

fn overdue_out(row: &Overdue, as_of: Date) -> wire::OverdueInvoice {
    let days = days_between(row.due_date, as_of);
    wire::OverdueInvoice {
        seller_id: row.seller.to_string(),
        invoice_id: row.invoice_id.to_string(),
        number: row.number.clone(),
        currency: row.currency.to_string(),
        due_date: row.due_date.to_string(),
        days_overdue: i32::try_from(days).unwrap_or(i32::MAX),
        age: age_out(Age::of(days)).into(),
        due_amount: money(row.currency, row.due),
        disputed_amount: money(row.currency, row.disputed),
        level: row.level,
        held: row.held,
        charge_amount: money(row.currency, row.charges),
    }
}

fn age_out(age: Age) -> wire::AgeBucket {
    match age {
        Age::NotDue => wire::AgeBucket::NotDue,
        Age::UpTo30 => wire::AgeBucket::AgeBucket1To30,
        Age::UpTo60 => wire::AgeBucket::AgeBucket31To60,
        Age::UpTo90 => wire::AgeBucket::AgeBucket61To90,
        Age::Over90 => wire::AgeBucket::Over90,
    }
}

#[tonic::async_trait]
impl DunningService for Api {
    async fn save_dunning_policy(
        &self,
        request: Request<wire::SaveDunningPolicyRequest>,
    ) -> Result<Response<wire::SaveDunningPolicyResponse>, Status> {
        answer!(self, request, keep_dunning_policy)
    }

    async fn get_dunning_policy(
        &self,
        request: Request<wire::GetDunningPolicyRequest>,
    ) -> Result<Response<wire::GetDunningPolicyResponse>, Status> {
        answer!(self, request, dunning_policy)
    }

    async fn hold_dunning(
        &self,
        request: Request<wire::HoldDunningRequest>,
    ) -> Result<Response<wire::HoldDunningResponse>, Status> {
        answer!(self, request, keep_hold)
    }

    async fn release_dunning(
        &self,
        request: Request<wire::ReleaseDunningRequest>,
    ) -> Result<Response<wire::ReleaseDunningResponse>, Status> {
        answer!(self, request, end_hold)
    }

    async fn list_dunning_holds(
        &self,
        request: Request<wire::ListDunningHoldsRequest>,
    ) -> Result<Response<wire::ListDunningHoldsResponse>, Status> {
        answer!(self, request, dunning_holds)
    }

    async fn list_dunning_notices(
        &self,
        request: Request<wire::ListDunningNoticesRequest>,
    ) -> Result<Response<wire::ListDunningNoticesResponse>, Status> {
        answer!(self, request, dunning_notices)
    }

    async fn list_dunning_charges(
        &self,
        request: Request<wire::ListDunningChargesRequest>,
    ) -> Result<Response<wire::ListDunningChargesResponse>, Status> {
        answer!(self, request, charges)
    }

    async fn close_dunning_charge(
        &self,
        request: Request<wire::CloseDunningChargeRequest>,
    ) -> Result<Response<wire::CloseDunningChargeResponse>, Status> {
        answer!(self, request, close_one)
    }

    async fn list_overdue_invoices(
        &self,
        request: Request<wire::ListOverdueInvoicesRequest>,
    ) -> Result<Response<wire::ListOverdueInvoicesResponse>, Status> {
        answer!(self, request, overdue_invoices)
    }

    async fn get_ageing(
        &self,
        request: Request<wire::GetAgeingRequest>,
    ) -> Result<Response<wire::GetAgeingResponse>, Status> {
        answer!(self, request, ageing)
    }
}
