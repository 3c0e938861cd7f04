//! Money for customers: limits, requests, decisions.

use kit::{Caller, Checks, Fault};
use proto::Role;
use proto::tickets::v1 as pb;
use proto::types::v1::Money;
use tenantdb::TenantTx;

use super::opened::{asked, now};
use super::reads::{Key, place};
use super::{Api, fields, sees_all};
use crate::domain::concession::{Amount, Authority, BadAmount, Concession, Kind, State};
use crate::domain::dossier::Act;
use crate::domain::ids::{ConcessionId, TicketId};
use crate::domain::ticket;
use crate::store;
use crate::store::concessions::Limit;
use crate::store::rows::OfSeller;

impl Api {
    pub(super) async fn put_authority_limit(
        &self,
        caller: &Caller,
        request: pb::PutAuthorityLimitRequest,
    ) -> Result<pb::PutAuthorityLimitResponse, Fault> {
        let mut checks = Checks::new();
        fields::optional_request_id(&mut checks, &request.request_id);
        let given = request.limit.clone().unwrap_or_default();
        let role = checks.one_of("limit.role", &given.role, &["agent", "supervisor"]);
        let kind = kind_of(&mut checks, "limit.kind", given.kind());
        let amount = amount(&mut checks, "limit.amount", given.amount.as_ref());
        checks.finish()?;
        kit::wire::version(&given.etag)?;
        let (_, mut tx) = self.act_for(caller, &request.seller_id).await?;
        if let Some(answer) = tx.replayed(caller, "PutAuthorityLimit", &request.request_id, &request).await? {
            return Ok(answer);
        }
        let seller = tx.seller()?.0;
        let all = store::concessions::limits(&mut tx, seller).await?;
        let before = all
            .iter()
            .find(|limit| limit.role == role && limit.kind == kind && limit.amount.currency == amount.currency);
        fields::matches(&given.etag, before.map_or(0, |before| before.version))?;
        let version = before.map_or(1, |before| before.version + 1);
        let limit = Limit { role, kind, amount, version };
        store::concessions::keep_limit(&mut tx, &limit, caller.user()).await?;
        let response = pb::PutAuthorityLimitResponse { limit: Some(shown_limit(&limit)) };
        tx.commit_with(&response).await?;
        Ok(response)
    }

    pub(super) async fn list_authority_limits(
        &self,
        caller: &Caller,
        request: pb::ListAuthorityLimitsRequest,
    ) -> Result<pb::ListAuthorityLimitsResponse, Fault> {
        let mut tx = self.look_at(caller, &request.seller_id).await?;
        let seller = tx.seller()?.0;
        let limits = store::concessions::limits(&mut tx, seller).await?;
        Ok(pb::ListAuthorityLimitsResponse { limits: limits.iter().map(shown_limit).collect() })
    }

    pub(super) async fn request_concession(
        &self,
        caller: &Caller,
        request: pb::RequestConcessionRequest,
    ) -> Result<pb::RequestConcessionResponse, Fault> {
        let mut checks = Checks::new();
        checks.request_id(&request.request_id);
        let kind = kind_of(&mut checks, "kind", request.kind());
        let amount = amount(&mut checks, "amount", request.amount.as_ref());
        checks.require(!amount.value.is_zero(), "amount.amount", "must be above 0");
        let order_id = checks.line("order_id", &request.order_id, 0..=64);
        let reason = checks.text("reason", &request.reason, 1..=1_000);
        let mut open = now!(self.open(checks, asked!(caller, "RequestConcession", request, "")).await?);
        let ticket = open.case.dossier.ticket.id;
        // Under the ticket's lock, so that two requests at once do not each look small.
        let covered = covered(&mut open.tx, caller, ticket, kind, &amount).await?;
        let order_id = match order_id.is_empty() {
            true => open.case.dossier.ticket.order_id.clone().unwrap_or_default(),
            false => order_id,
        };
        let detail = format!("{} {amount}", kind.name());
        let concession = Concession {
            id: self.desk.deps.clock.new_id(),
            ticket,
            kind,
            amount,
            order_id,
            reason,
            state: if covered { State::Approved } else { State::Requested },
            within_limit: covered,
            requested_by: caller.user(),
            requested_at: open.act.at,
            decided_by: caller.user().filter(|_| covered),
            decided_at: covered.then_some(open.act.at),
            note: String::new(),
            version: 1,
        };
        let entry = if covered { ticket::Kind::Approved } else { ticket::Kind::ApprovalRequested };
        open.case.dossier.mark(open.act, entry, false, &detail)?;
        store::concessions::keep(&mut open.tx, &concession).await?;
        self.write(caller, &mut open).await?;
        let of = OfSeller { seller: open.tx.seller()?, value: concession };
        let response = pb::RequestConcessionResponse { concession: Some(shown(&of, sees_all(caller))) };
        open.tx.commit_with(&response).await?;
        Ok(response)
    }

    pub(super) async fn decide_concession(
        &self,
        caller: &Caller,
        request: pb::DecideConcessionRequest,
    ) -> Result<pb::DecideConcessionResponse, Fault> {
        let mut checks = Checks::new();
        fields::optional_request_id(&mut checks, &request.request_id);
        let id: ConcessionId = checks.id("concession_id", &request.concession_id);
        let note = checks.text("note", &request.note, 0..=1_000);
        checks.finish()?;
        kit::wire::version(&request.etag)?;
        let (scope, mut tx) = self.act_for(caller, &request.seller_id).await?;
        let settings = self.desk.settings(Some(caller), &scope).await?;
        if let Some(answer) = tx.replayed(caller, "DecideConcession", &request.request_id, &request).await? {
            return Ok(answer);
        }
        let missing = || Fault::NotFound("concession");
        let ticket = store::concessions::find(&mut tx, id).await?.ok_or_else(missing)?.ticket;
        // The ticket's lock first, then what it holds, as it is now.
        let mut dossier = store::load::dossier(&mut tx, ticket).await?.ok_or_else(missing)?;
        let mut concession = store::concessions::find(&mut tx, id).await?.ok_or_else(missing)?;
        fields::matches(&request.etag, concession.version)?;
        let covered = covered(&mut tx, caller, ticket, concession.kind, &concession.amount).await?;
        let act = Act { user: caller.user(), at: tx.now() };
        concession.decide(act.user, act.at, request.approve, covered, &note)?;
        concession.version += 1;
        store::concessions::keep(&mut tx, &concession).await?;
        let entry = if request.approve { ticket::Kind::Approved } else { ticket::Kind::Rejected };
        let detail = format!("{} {}", concession.kind.name(), concession.amount);
        dossier.mark(act, entry, false, &detail)?;
        dossier.settle(&settings, act.at);
        self.desk.keep(&mut tx, &mut dossier).await?;
        let of = OfSeller { seller: tx.seller()?, value: concession };
        let response = pb::DecideConcessionResponse { concession: Some(shown(&of, sees_all(caller))) };
        tx.commit_with(&response).await?;
        Ok(response)
    }

    pub(super) async fn list_concessions(
        &self,
        caller: &Caller,
        request: pb::ListConcessionsRequest,
    ) -> Result<pb::ListConcessionsResponse, Fault> {
        let mut checks = Checks::new();
        let ticket: Option<TicketId> = fields::optional_id(&mut checks, "ticket_id", &request.ticket_id);
        let state = match request.state() {
            pb::ConcessionState::Unspecified => None,
            pb::ConcessionState::Requested => Some(State::Requested),
            pb::ConcessionState::Approved => Some(State::Approved),
            pb::ConcessionState::Rejected => Some(State::Rejected),
        };
        checks.finish()?;
        let shape = (&request.seller_id, &request.ticket_id, request.state);
        let pager = &self.desk.deps.pager;
        let page = pager.read::<Key>(caller, "ListConcessions", &shape, request.page_size, &request.page_token)?;
        let after = page.after.map(place).transpose()?;
        let mut tx = self.desk.deps.db.begin(&caller.view(&request.seller_id)?).await?;
        let mut found = store::concessions::list(&mut tx, ticket, state, after, page.size + 1).await?;
        let next_page_token =
            pager.cut(&page, &mut found, |of| (of.value.requested_at.as_microsecond(), of.value.id.0))?;
        let all = sees_all(caller);
        let concessions = found.iter().map(|of| shown(of, all)).collect();
        Ok(pb::ListConcessionsResponse { concessions, next_page_token })
    }
}

/// Whether the caller may grant so much alone, beside what was granted on the ticket before.
async fn covered(
    tx: &mut TenantTx,
    caller: &Caller,
    ticket: TicketId,
    kind: Kind,
    amount: &Amount,
) -> Result<bool, Fault> {
    if caller.has(Role::ProviderAdmin) {
        return Ok(Authority::Unlimited.covers(rust_decimal::Decimal::ZERO, amount.value));
    }
    let seller = tx.seller()?.0;
    let limits = store::concessions::limits(tx, seller).await?;
    let mine = |limit: &&Limit| {
        let role = if limit.role == "supervisor" { Role::Supervisor } else { Role::Agent };
        caller.has(role) && limit.kind == kind && limit.amount.currency == amount.currency
    };
    let most = limits.iter().filter(mine).map(|limit| limit.amount.value).max().unwrap_or_default();
    let granted = store::concessions::granted(tx, ticket, kind, &amount.currency).await?;
    Ok(Authority::UpTo(most).covers(granted, amount.value))
}

fn kind_of(checks: &mut Checks, field: &str, kind: pb::ConcessionKind) -> Kind {
    match kind {
        pb::ConcessionKind::Refund => Kind::Refund,
        pb::ConcessionKind::Discount => Kind::Discount,
        pb::ConcessionKind::Unspecified => {
            checks.refuse(field, "must be refund or discount");
            Kind::Refund
        }
    }
}

pub(super) fn amount(checks: &mut Checks, field: &str, money: Option<&Money>) -> Amount {
    let none = Amount { currency: String::new(), value: rust_decimal::Decimal::ONE };
    let Some(money) = money else {
        checks.refuse(field, "must be given");
        return none;
    };
    Amount::parse(&money.currency, &money.amount).unwrap_or_else(|bad| {
        let part = if bad == BadAmount::Currency { "currency" } else { "amount" };
        checks.refuse(format!("{field}.{part}"), bad.to_string());
        none
    })
}

pub(super) fn money(amount: &Amount) -> Money {
    Money { currency: amount.currency.clone(), amount: amount.value.to_string() }
}

fn shown_kind(kind: Kind) -> pb::ConcessionKind {
    match kind {
        Kind::Refund => pb::ConcessionKind::Refund,
        Kind::Discount => pb::ConcessionKind::Discount,
    }
}

fn shown_limit(limit: &Limit) -> pb::AuthorityLimit {
    pb::AuthorityLimit {
        role: limit.role.clone(),
        kind: shown_kind(limit.kind).into(),
        amount: Some(money(&limit.amount)),
        etag: kit::wire::etag(limit.version),
    }
}

fn shown(of: &OfSeller<Concession>, all: bool) -> pb::Concession {
    let concession = &of.value;
    let state = match concession.state {
        State::Requested => pb::ConcessionState::Requested,
        State::Approved => pb::ConcessionState::Approved,
        State::Rejected => pb::ConcessionState::Rejected,
    };
    let person = |user: Option<kit::UserId>| user.filter(|_| all).map(|user| user.to_string()).unwrap_or_default();
    pb::Concession {
        id: concession.id.to_string(),
        seller_id: of.seller.to_string(),
        ticket_id: concession.ticket.to_string(),
        kind: shown_kind(concession.kind).into(),
        amount: Some(money(&concession.amount)),
        order_id: concession.order_id.clone(),
        reason: concession.reason.clone(),
        state: state.into(),
        within_limit: concession.within_limit,
        requested_by_user_id: person(concession.requested_by),
        requested_at: Some(kit::wire::timestamp(concession.requested_at)),
        decided_by_user_id: person(concession.decided_by),
        decided_at: concession.decided_at.map(kit::wire::timestamp),
        decision_note: concession.note.clone(),
        etag: kit::wire::etag(concession.version),
    }
}
