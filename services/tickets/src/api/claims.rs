//! Claims at marketplaces.

use jiff::{SignedDuration, Timestamp};
use kit::wire::timestamp;
use kit::{Caller, Checks, Fault, SellerId};
use proto::Role;
use proto::tickets::v1 as pb;
use tenantdb::{Failure, TenantTx};

use super::concessions::{amount, money};
use super::held::{CaseFile, Held, held, named};
use super::opened::{asked, now};
use super::reads::{Key, place};
use super::{Api, fields, sees_all, wire};
use crate::domain::claim::{
    self, Claim, Event, Evidence, File, Kind, Reason, Refusal, State, Step, Waiver, may_be_due,
};
use crate::domain::deadline::{self, Deadline, Standing};
use crate::domain::ids::{AttachmentId, ClaimId, EvidenceId, ReturnId, TicketId, Uuid};
use crate::domain::notice::About;
use crate::domain::ticket;
use crate::store;
use crate::store::cases::{CaseKind, Of};
use crate::store::claims::Listed;
use crate::store::rows::OfSeller;
use crate::work::claims::{ground, tell};

/// The span of a report where none is asked for.
const USUAL_SPAN: SignedDuration = SignedDuration::from_hours(30 * 24);
const LONGEST_SPAN: SignedDuration = SignedDuration::from_hours(400 * 24);
/// What does not stand on a checklist.
const OTHER_ITEM: &str = "other";

impl Api {
    pub(super) async fn get_claim_transition_table(
        &self,
        caller: &Caller,
        request: pb::GetClaimTransitionTableRequest,
    ) -> Result<pb::GetClaimTransitionTableResponse, Fault> {
        caller.view(&request.seller_id)?;
        let transitions = State::ALL.into_iter().flat_map(|from| {
            Step::ALL.into_iter().map(move |step| pb::ClaimTransition {
                from: shown_state(from).into(),
                step: shown_step(step).into(),
                to: claim::next(from, step).map_or(pb::ClaimState::Unspecified, shown_state).into(),
            })
        });
        Ok(pb::GetClaimTransitionTableResponse { transitions: transitions.collect() })
    }

    pub(super) async fn open_claim(
        &self,
        caller: &Caller,
        request: pb::OpenClaimRequest,
    ) -> Result<pb::OpenClaimResponse, Fault> {
        let now = self.desk.deps.clock.now();
        let mut checks = Checks::new();
        checks.request_id(&request.request_id);
        let marketplace = checks.line("marketplace", &request.marketplace, 0..=40).to_lowercase();
        let kind = Kind::ALL.into_iter().find(|kind| shown_kind(*kind) == request.kind());
        checks.require(kind.is_some(), "kind", "must be given");
        let reason = Reason::ALL.into_iter().find(|reason| shown_reason(*reason) == request.reason());
        let order_id = checks.line("order_id", &request.order_id, 0..=64);
        let external_id = checks.line("external_id", &request.external_id, 0..=64);
        let at_stake = request.amount.as_ref().map(|money| amount(&mut checks, "amount", Some(money)));
        let opened_at = request.opened_at.as_ref().map(|at| checks.instant("opened_at", Some(at)));
        checks.require(opened_at.is_none_or(|at| at <= now), "opened_at", "must not lie in the future");
        let respond_by = request.respond_by.as_ref().map(|at| due_at(&mut checks, "respond_by", Some(at), now));
        let mut open = now!(self.open(checks, asked!(caller, "OpenClaim", request, "")).await?);
        let ticket = &open.case.dossier.ticket;
        let or_else = |given: String, own: &str| if given.is_empty() { own.to_owned() } else { given };
        let claim = Claim {
            id: self.desk.deps.clock.new_id(),
            ticket: ticket.id,
            marketplace: or_else(marketplace, &ticket.marketplace),
            country: ticket.country.clone(),
            kind: kind.unwrap_or(Kind::Mediation),
            reason: reason.unwrap_or(Reason::Unknown),
            order_id: or_else(order_id, ticket.order_id.as_deref().unwrap_or_default()),
            external_id,
            amount: at_stake,
            state: State::Opened,
            appeals: 0,
            opened_at: opened_at.unwrap_or(open.act.at),
            noticed: false,
            has_news: false,
            ended_at: None,
            updated_at: open.act.at,
            event_count: 0,
            version: 1,
        };
        let kind = Some(claim.kind);
        let known = store::claims::named(&mut open.tx, &claim.marketplace, kind, &claim.order_id, &claim.external_id);
        if let Some(known) = known.await? {
            return Err(Refusal::Known(known).into());
        }
        let mut file = File::open(claim, ground(&open.settings), respond_by, open.act, None);
        // One whose time was over when it was entered is missed from the beginning; the worker tells of it.
        if !store::claims::insert(&mut open.tx, &file).await? {
            return Err(Fault::Contended("the same claim is being opened".into()));
        }
        let detail = format!("{} opened", file.claim.id);
        tell(&mut open.case.dossier, open.act, ticket::Kind::CaseMoved, &detail);
        let _ = open.case.dossier.prioritize(open.act, ticket::Priority::Urgent, false);
        self.write(caller, &mut open).await?;
        file.new_events.clear();
        let seller = open.tx.seller()?;
        let response = pb::OpenClaimResponse {
            claim: Some(shown(seller, &listed(&file))),
            deadlines: deadlines_of(seller, &file),
        };
        open.tx.commit_with(&response).await?;
        Ok(response)
    }

    pub(super) async fn get_claim(
        &self,
        caller: &Caller,
        request: pb::GetClaimRequest,
    ) -> Result<pb::GetClaimResponse, Fault> {
        let mut checks = Checks::new();
        let id: ClaimId = checks.id("claim_id", &request.claim_id);
        checks.finish()?;
        let mut tx = self.desk.deps.db.begin(&caller.view(&request.seller_id)?).await?;
        let of = store::claims::find(&mut tx, id).await?.ok_or(Fault::NotFound("claim"))?;
        let evidence = store::claims::evidence(&mut tx, id).await?;
        let deadlines = store::cases::deadlines(&mut tx, id.0).await?;
        let all = sees_all(caller);
        let file = File {
            claim: of.value.claim.clone(),
            deadlines: deadlines.into_iter().map(|listed| listed.deadline).collect(),
            evidence,
            new_events: Vec::new(),
        };
        let checklist = file.checklist().into_iter().map(|item| pb::ClaimChecklistItem {
            item: item.key.into(),
            name: item.name.into(),
            required: item.required,
            filled: file.evidence.iter().any(|evidence| evidence.item == item.key),
            source: item.source.into(),
        });
        Ok(pb::GetClaimResponse {
            checklist: checklist.collect(),
            evidence: file.evidence.iter().map(|evidence| shown_evidence(evidence, all)).collect(),
            deadlines: deadlines_of(of.seller, &file),
            claim: Some(shown(of.seller, &of.value)),
        })
    }

    pub(super) async fn update_claim(
        &self,
        caller: &Caller,
        request: pb::UpdateClaimRequest,
    ) -> Result<pb::UpdateClaimResponse, Fault> {
        let mut checks = Checks::new();
        let id: ClaimId = checks.id("claim_id", &request.claim_id);
        let reason = Reason::ALL.into_iter().find(|reason| shown_reason(*reason) == request.reason());
        let external_id = checks.line("external_id", &request.external_id, 0..=64);
        let at_stake = request.amount.as_ref().map(|money| amount(&mut checks, "amount", Some(money)));
        let named = named!(caller, "UpdateClaim", request);
        let mut held: Held<File> = held!(self.hold(checks, named, id, &request.etag).await?);
        let claim = &mut held.file.claim;
        if !external_id.is_empty() && external_id != claim.external_id {
            let known = store::claims::named(&mut held.tx, &claim.marketplace, None, "", &external_id).await?;
            if let Some(known) = known {
                return Err(Refusal::Known(known).into());
            }
            claim.external_id = external_id;
        }
        claim.reason = reason.unwrap_or(claim.reason);
        claim.amount = at_stake.or(claim.amount.take());
        held.file.changed(held.act, "");
        let claim = self.keep_case(&mut held, "changed").await?;
        let response = pb::UpdateClaimResponse { claim: Some(claim) };
        held.tx.commit_with(&response).await?;
        Ok(response)
    }

    pub(super) async fn advance_claim(
        &self,
        caller: &Caller,
        request: pb::AdvanceClaimRequest,
    ) -> Result<pb::AdvanceClaimResponse, Fault> {
        let mut checks = Checks::new();
        let id: ClaimId = checks.id("claim_id", &request.claim_id);
        let step = Step::ALL.into_iter().find(|step| shown_step(*step) == request.step());
        checks.require(step.is_some(), "step", "must be given");
        let note = checks.text("note", &request.note, 0..=1_000);
        let reason = checks.text("waive_reason", &request.waive_reason, 0..=1_000);
        let named = named!(caller, "AdvanceClaim", request);
        let mut held: Held<File> = held!(self.hold(checks, named, id, &request.etag).await?);
        let step = step.unwrap_or(Step::Begin);
        let leads = caller.has(Role::Supervisor) || caller.has(Role::ProviderAdmin);
        let waiver = Waiver { reason: &reason, leads };
        held.file.advance(held.act, step, ground(&held.settings), waiver, &note)?;
        let claim = self.keep_case(&mut held, step.name()).await?;
        let seller = held.tx.seller()?;
        let response = pb::AdvanceClaimResponse { claim: Some(claim), deadlines: deadlines_of(seller, &held.file) };
        held.tx.commit_with(&response).await?;
        Ok(response)
    }

    pub(super) async fn set_claim_deadline(
        &self,
        caller: &Caller,
        request: pb::SetClaimDeadlineRequest,
    ) -> Result<pb::SetClaimDeadlineResponse, Fault> {
        let now = self.desk.deps.clock.now();
        let mut checks = Checks::new();
        let id: ClaimId = checks.id("claim_id", &request.claim_id);
        let kind = deadline_kind(&mut checks, request.kind());
        let due_at = due_at(&mut checks, "due_at", request.due_at.as_ref(), now);
        let note = checks.text("note", &request.note, 1..=300);
        let named = named!(caller, "SetClaimDeadline", request);
        let mut held: Held<File> = held!(self.hold(checks, named, id, &request.etag).await?);
        held.file.set_deadline(held.act, kind, due_at, &note)?;
        let claim = self.keep_case(&mut held, "deadline_set").await?;
        let seller = held.tx.seller()?;
        let response = pb::SetClaimDeadlineResponse { claim: Some(claim), deadlines: deadlines_of(seller, &held.file) };
        held.tx.commit_with(&response).await?;
        Ok(response)
    }

    pub(super) async fn add_claim_evidence(
        &self,
        caller: &Caller,
        request: pb::AddClaimEvidenceRequest,
    ) -> Result<pb::AddClaimEvidenceResponse, Fault> {
        let mut checks = Checks::new();
        let id: ClaimId = checks.id("claim_id", &request.claim_id);
        let item = checks.line("item", &request.item, 1..=60);
        let note = checks.text("note", &request.note, 0..=4_000);
        let link = checks.line("link", &request.link, 0..=1_000);
        let is_link = link.is_empty() || (link.starts_with("https://") && !link.contains(char::is_whitespace));
        checks.require(is_link, "link", "must be an https address");
        let attachment: Option<AttachmentId> =
            fields::optional_id(&mut checks, "attachment_id", &request.attachment_id);
        let says = !note.is_empty() || !link.is_empty() || attachment.is_some();
        checks.require(says, "note", "a note, a link or a file must be given");
        let named = named!(caller, "AddClaimEvidence", request);
        let mut held: Held<File> = held!(self.hold(checks, named, id, "").await?);
        // What was erased takes no words about anybody; the claim itself goes on.
        if store::privacy::is_erased(&mut held.tx, held.file.claim.ticket).await? {
            return Err(Fault::NotFound("ticket"));
        }
        let known = item == OTHER_ITEM || held.file.checklist().iter().any(|wanted| wanted.key == item);
        if !known {
            return Err(Fault::invalid("item", "must be an item of the claim's checklist, or other"));
        }
        if let Some(attachment) = attachment
            && !store::claims::is_file_of(&mut held.tx, attachment, held.file.claim.ticket).await?
        {
            return Err(Fault::NotFound("attachment"));
        }
        let evidence = Evidence {
            id: self.desk.deps.clock.new_id(),
            item,
            note,
            link,
            attachment,
            added_at: held.act.at,
            added_by: held.act.user,
        };
        held.file.prove(held.act, evidence.clone())?;
        store::claims::prove(&mut held.tx, &held.file.claim, &evidence).await?;
        let claim = self.keep_case(&mut held, "evidence_added").await?;
        let evidence = shown_evidence(&evidence, sees_all(caller));
        let response = pb::AddClaimEvidenceResponse { evidence: Some(evidence), claim: Some(claim) };
        held.tx.commit_with(&response).await?;
        Ok(response)
    }

    pub(super) async fn remove_claim_evidence(
        &self,
        caller: &Caller,
        request: pb::RemoveClaimEvidenceRequest,
    ) -> Result<pb::RemoveClaimEvidenceResponse, Fault> {
        let mut checks = Checks::new();
        let id: ClaimId = checks.id("claim_id", &request.claim_id);
        let evidence: EvidenceId = checks.id("evidence_id", &request.evidence_id);
        let named = named!(caller, "RemoveClaimEvidence", request);
        let mut held: Held<File> = held!(self.hold(checks, named, id, "").await?);
        if !held.file.take_back(held.act, evidence)? {
            return Err(Fault::NotFound("evidence"));
        }
        store::claims::take_back(&mut held.tx, evidence).await?;
        let claim = self.keep_case(&mut held, "evidence_removed").await?;
        let response = pb::RemoveClaimEvidenceResponse { claim: Some(claim) };
        held.tx.commit_with(&response).await?;
        Ok(response)
    }

    pub(super) async fn list_claims(
        &self,
        caller: &Caller,
        request: pb::ListClaimsRequest,
    ) -> Result<pb::ListClaimsResponse, Fault> {
        let mut checks = Checks::new();
        let ticket: Option<TicketId> = fields::optional_id(&mut checks, "ticket_id", &request.ticket_id);
        checks.finish()?;
        let state = State::ALL.into_iter().find(|state| shown_state(*state) == request.state());
        let shape = (&request.seller_id, &request.ticket_id, request.state);
        let pager = &self.desk.deps.pager;
        let page = pager.read::<Key>(caller, "ListClaims", &shape, request.page_size, &request.page_token)?;
        let after = page.after.map(place).transpose()?;
        let mut tx = self.desk.deps.db.begin(&caller.view(&request.seller_id)?).await?;
        let mut found = store::claims::list(&mut tx, ticket, state, after, page.size + 1).await?;
        let next_page_token = pager.cut(&page, &mut found, |of| -> Key {
            (store::cases::place_of(of.value.due_at).as_microsecond(), of.value.claim.id.0)
        })?;
        let claims = found.iter().map(|of| shown(of.seller, &of.value)).collect();
        Ok(pb::ListClaimsResponse { claims, next_page_token })
    }

    pub(super) async fn list_case_events(
        &self,
        caller: &Caller,
        request: pb::ListCaseEventsRequest,
    ) -> Result<pb::ListCaseEventsResponse, Fault> {
        let of = |prefix: &str| kit::ids::decode(prefix, &request.case_id);
        let (claim, goods) = (of("claim").map(ClaimId), of("return").map(ReturnId));
        let id: Uuid = match (claim, goods) {
            (Some(claim), _) => claim.0,
            (None, Some(goods)) => goods.0,
            (None, None) => return Err(Fault::invalid("case_id", "must be the id of a claim or a return")),
        };
        let shape = (&request.seller_id, &request.case_id);
        let pager = &self.desk.deps.pager;
        let page = pager.read::<i32>(caller, "ListCaseEvents", &shape, request.page_size, &request.page_token)?;
        let mut tx = self.desk.deps.db.begin(&caller.view(&request.seller_id)?).await?;
        let is_there = match (claim, goods) {
            (Some(claim), _) => store::claims::find(&mut tx, claim).await?.is_some(),
            (None, Some(goods)) => store::returns::find(&mut tx, goods).await?.is_some(),
            (None, None) => false,
        };
        if !is_there {
            return Err(Fault::NotFound("case"));
        }
        let mut found = store::cases::events(&mut tx, id, page.after.unwrap_or(0), page.size + 1).await?;
        let next_page_token = pager.cut(&page, &mut found, |event| event.sequence)?;
        let all = sees_all(caller);
        let events = found.iter().map(|event| shown_event(event, all)).collect();
        Ok(pb::ListCaseEventsResponse { events, next_page_token })
    }

    pub(super) async fn list_case_deadlines(
        &self,
        caller: &Caller,
        request: pb::ListCaseDeadlinesRequest,
    ) -> Result<pb::ListCaseDeadlinesResponse, Fault> {
        type Token = (i64, Uuid, String);
        let pager = &self.desk.deps.pager;
        let (size, token) = (request.page_size, &request.page_token);
        let page = pager.read::<Token>(caller, "ListCaseDeadlines", &request.seller_id, size, token)?;
        let after = match page.after.clone() {
            Some((micros, id, kind)) => {
                let (at, id) = place((micros, id))?;
                Some((at, id, kind))
            }
            None => None,
        };
        let mut tx = self.desk.deps.db.begin(&caller.view(&request.seller_id)?).await?;
        let mut found = store::cases::open_deadlines(&mut tx, after, page.size + 1).await?;
        let next_page_token = pager.cut(&page, &mut found, |of| -> Token {
            let deadline = &of.value.deadline;
            (deadline.due_at.as_microsecond(), of.value.of.id, deadline.kind.name().to_owned())
        })?;
        let deadlines = found.iter().map(|of| shown_deadline(of.seller, of.value.of, &of.value.deadline)).collect();
        Ok(pb::ListCaseDeadlinesResponse { deadlines, next_page_token })
    }

    pub(super) async fn list_case_alerts(
        &self,
        caller: &Caller,
        request: pb::ListCaseAlertsRequest,
    ) -> Result<pb::ListCaseAlertsResponse, Fault> {
        type Token = (i64, Uuid, String, i32);
        let pager = &self.desk.deps.pager;
        let (size, token) = (request.page_size, &request.page_token);
        let page = pager.read::<Token>(caller, "ListCaseAlerts", &request.seller_id, size, token)?;
        let after = match page.after.clone() {
            Some((micros, id, kind, percent)) => {
                let (at, id) = place((micros, id))?;
                Some((at, id, kind, percent))
            }
            None => None,
        };
        let mut tx = self.desk.deps.db.begin(&caller.view(&request.seller_id)?).await?;
        let mut found = store::cases::told(&mut tx, after, page.size + 1).await?;
        let next_page_token = pager.cut(&page, &mut found, |of| -> Token {
            let told = &of.value;
            (told.told_at.as_microsecond(), told.of.id, told.alert.kind.name().to_owned(), told.alert.percent)
        })?;
        let notices = store::notices::of(&mut tx, &found.iter().map(told).collect::<Vec<_>>()).await?;
        let alerts = found.iter().map(|of| pb::CaseAlert {
            case_kind: shown_case_kind(of.value.of.kind).into(),
            case_id: case_id(of.value.of),
            seller_id: of.seller.to_string(),
            ticket_id: of.value.of.ticket.to_string(),
            kind: shown_deadline_kind(of.value.alert.kind).into(),
            round: of.value.alert.round,
            percent: of.value.alert.percent,
            due_at: Some(timestamp(of.value.alert.due_at)),
            told_at: Some(timestamp(of.value.told_at)),
            notices: wire::notices(notices.get(&told(of))),
        });
        Ok(pb::ListCaseAlertsResponse { alerts: alerts.collect(), next_page_token })
    }

    pub(super) async fn get_claim_report(
        &self,
        caller: &Caller,
        request: pb::GetClaimReportRequest,
    ) -> Result<pb::GetClaimReportResponse, Fault> {
        let now = self.desk.deps.clock.now();
        let (from, before) = span(request.from.as_ref(), request.before.as_ref(), now)?;
        let mut tx = self.desk.deps.db.begin(&caller.view(&request.seller_id)?).await?;
        let counts = store::claims::counts(&mut tx, from, before).await?.into_iter().map(|count| pb::ClaimCount {
            seller_id: count.seller.to_string(),
            marketplace: count.marketplace,
            kind: shown_kind(count.kind).into(),
            state: shown_state(count.state).into(),
            claims: count.claims,
            missed: count.missed,
            amount: count.amount.as_ref().map(money),
        });
        Ok(pb::GetClaimReportResponse { counts: counts.collect() })
    }
}

impl CaseFile for File {
    type Id = ClaimId;
    type Shown = pb::Claim;
    const NAME: &'static str = "claim";

    async fn ticket(tx: &mut TenantTx, id: ClaimId) -> Result<Option<TicketId>, Failure> {
        Ok(store::claims::find(tx, id).await?.map(|of| of.value.claim.ticket))
    }

    async fn hold(tx: &mut TenantTx, id: ClaimId) -> Result<Option<File>, Failure> {
        store::claims::hold(tx, id).await
    }

    async fn write(&mut self, tx: &mut TenantTx) -> Result<(), Failure> {
        store::claims::update(tx, self).await
    }

    fn version(&self) -> i64 {
        self.claim.version
    }

    fn stands(&self) -> (String, &'static str) {
        (self.claim.id.to_string(), self.claim.state.name())
    }

    fn shown(&self, seller: SellerId) -> pb::Claim {
        shown(seller, &listed(self))
    }
}

/// A deadline that somebody enters: in the future, and not farther than anybody plans.
pub(super) fn due_at(
    checks: &mut Checks,
    field: &str,
    value: Option<&prost_types::Timestamp>,
    now: Timestamp,
) -> Timestamp {
    let due = checks.instant(field, value);
    if due != Timestamp::UNIX_EPOCH {
        checks.require(may_be_due(now, due), field, "must lie in the future, at most two years ahead");
    }
    due
}

pub(super) fn deadline_kind(checks: &mut Checks, kind: pb::DeadlineKind) -> deadline::Kind {
    let known = deadline::Kind::ALL.into_iter().find(|known| shown_deadline_kind(*known) == kind);
    checks.require(known.is_some(), "kind", "must be given");
    known.unwrap_or(deadline::Kind::Respond)
}

/// The span of a report.
pub(super) fn span(
    from: Option<&prost_types::Timestamp>,
    before: Option<&prost_types::Timestamp>,
    now: Timestamp,
) -> Result<(Timestamp, Timestamp), Fault> {
    let mut checks = Checks::new();
    let before = before.map_or(now, |at| checks.instant("before", Some(at)));
    let usual = before.checked_sub(USUAL_SPAN).unwrap_or(Timestamp::MIN);
    let from = from.map_or(usual, |at| checks.instant("from", Some(at)));
    let span = before.duration_since(from);
    checks.require(span.is_positive() && span <= LONGEST_SPAN, "from", "must lie at most 400 days before `before`");
    checks.finish()?;
    Ok((from, before))
}

fn listed(file: &File) -> Listed {
    Listed { claim: file.claim.clone(), due_at: file.next_due() }
}

fn deadlines_of(seller: SellerId, file: &File) -> Vec<pb::CaseDeadline> {
    let of = store::claims::of(&file.claim);
    file.deadlines.iter().map(|deadline| shown_deadline(seller, of, deadline)).collect()
}

/// An alert as its notices know it.
fn told(of: &OfSeller<store::cases::Told>) -> (SellerId, store::notices::Alert) {
    let alert = &of.value.alert;
    let about = About::Deadline(alert.kind);
    let of_id = of.value.of.id;
    (of.seller, store::notices::Alert { of: of_id, about, cycle: alert.round, percent: alert.percent })
}

fn case_id(of: Of) -> String {
    match of.kind {
        CaseKind::Claim => ClaimId(of.id).to_string(),
        CaseKind::Return => ReturnId(of.id).to_string(),
    }
}

pub(super) fn shown_deadline(seller: SellerId, of: Of, deadline: &Deadline) -> pb::CaseDeadline {
    let standing = match deadline.standing {
        Standing::Running => pb::DeadlineStanding::Running,
        Standing::PutOff => pb::DeadlineStanding::PutOff,
        Standing::Met => pb::DeadlineStanding::Met,
        Standing::Missed => pb::DeadlineStanding::Missed,
        Standing::Void => pb::DeadlineStanding::Void,
    };
    pb::CaseDeadline {
        kind: shown_deadline_kind(deadline.kind).into(),
        round: deadline.round,
        case_kind: shown_case_kind(of.kind).into(),
        case_id: case_id(of),
        ticket_id: of.ticket.to_string(),
        seller_id: seller.to_string(),
        started_at: Some(timestamp(deadline.started_at)),
        due_at: Some(timestamp(deadline.due_at)),
        standing: standing.into(),
        ended_at: deadline.ended_at.map(timestamp),
        by_hand: deadline.by_hand,
        rule: deadline.rule.clone(),
        source: deadline.source.clone(),
        rules_version: deadline.version,
        warned_percent: deadline.warned,
    }
}

fn shown_case_kind(kind: CaseKind) -> pb::CaseKind {
    match kind {
        CaseKind::Claim => pb::CaseKind::Claim,
        CaseKind::Return => pb::CaseKind::Return,
    }
}

fn shown_deadline_kind(kind: deadline::Kind) -> pb::DeadlineKind {
    match kind {
        deadline::Kind::Respond => pb::DeadlineKind::Respond,
        deadline::Kind::Inform => pb::DeadlineKind::Inform,
        deadline::Kind::Appeal => pb::DeadlineKind::Appeal,
        deadline::Kind::Decide => pb::DeadlineKind::Decide,
        deadline::Kind::SendBack => pb::DeadlineKind::SendBack,
        deadline::Kind::Refund => pb::DeadlineKind::Refund,
    }
}

fn shown_kind(kind: Kind) -> pb::ClaimKind {
    match kind {
        Kind::AToZ => pb::ClaimKind::AToZ,
        Kind::ItemNotReceived => pb::ClaimKind::ItemNotReceived,
        Kind::NotAsDescribed => pb::ClaimKind::NotAsDescribed,
        Kind::ReturnDispute => pb::ClaimKind::ReturnDispute,
        Kind::PaymentDispute => pb::ClaimKind::PaymentDispute,
        Kind::Chargeback => pb::ClaimKind::Chargeback,
        Kind::Mediation => pb::ClaimKind::Mediation,
    }
}

fn shown_reason(reason: Reason) -> pb::ClaimReason {
    match reason {
        Reason::Unknown => pb::ClaimReason::Unknown,
        Reason::NotReceived => pb::ClaimReason::NotReceived,
        Reason::NotAsDescribed => pb::ClaimReason::NotAsDescribed,
        Reason::ReturnRefund => pb::ClaimReason::ReturnRefund,
        Reason::Unauthorized => pb::ClaimReason::Unauthorized,
        Reason::Other => pb::ClaimReason::Other,
    }
}

fn shown_state(state: State) -> pb::ClaimState {
    match state {
        State::Opened => pb::ClaimState::Opened,
        State::Gathering => pb::ClaimState::Gathering,
        State::Responded => pb::ClaimState::Responded,
        State::Won => pb::ClaimState::Won,
        State::Lost => pb::ClaimState::Lost,
        State::Withdrawn => pb::ClaimState::Withdrawn,
        State::Accepted => pb::ClaimState::Accepted,
        State::Appealing => pb::ClaimState::Appealing,
        State::Appealed => pb::ClaimState::Appealed,
        State::Closed => pb::ClaimState::Closed,
    }
}

fn shown_step(step: Step) -> pb::ClaimStep {
    match step {
        Step::Begin => pb::ClaimStep::Begin,
        Step::Respond => pb::ClaimStep::Respond,
        Step::AskMore => pb::ClaimStep::AskMore,
        Step::Win => pb::ClaimStep::Win,
        Step::Lose => pb::ClaimStep::Lose,
        Step::Accept => pb::ClaimStep::Accept,
        Step::Withdraw => pb::ClaimStep::Withdraw,
        Step::PrepareAppeal => pb::ClaimStep::PrepareAppeal,
        Step::Appeal => pb::ClaimStep::Appeal,
        Step::Reopen => pb::ClaimStep::Reopen,
        Step::Close => pb::ClaimStep::Close,
    }
}

fn shown_evidence(evidence: &Evidence, all: bool) -> pb::ClaimEvidence {
    pb::ClaimEvidence {
        id: evidence.id.to_string(),
        item: evidence.item.clone(),
        note: evidence.note.clone(),
        link: evidence.link.clone(),
        attachment_id: evidence.attachment.map(|id| id.to_string()).unwrap_or_default(),
        added_at: Some(timestamp(evidence.added_at)),
        added_by_user_id: evidence.added_by.filter(|_| all).map(|user| user.to_string()).unwrap_or_default(),
    }
}

fn shown_event(event: &Event, all: bool) -> pb::CaseEvent {
    pb::CaseEvent {
        sequence: event.sequence,
        at: Some(timestamp(event.at)),
        step: event.step.clone(),
        state: event.state.clone(),
        detail: event.detail.clone(),
        user_id: event.user.filter(|_| all).map(|user| user.to_string()).unwrap_or_default(),
        message_id: event.message.map(|message| message.to_string()).unwrap_or_default(),
    }
}

fn shown(seller: SellerId, listed: &Listed) -> pb::Claim {
    let claim = &listed.claim;
    pb::Claim {
        id: claim.id.to_string(),
        seller_id: seller.to_string(),
        ticket_id: claim.ticket.to_string(),
        marketplace: claim.marketplace.clone(),
        country: claim.country.clone(),
        kind: shown_kind(claim.kind).into(),
        reason: shown_reason(claim.reason).into(),
        order_id: claim.order_id.clone(),
        external_id: claim.external_id.clone(),
        amount: claim.amount.as_ref().map(money),
        state: shown_state(claim.state).into(),
        appeals: claim.appeals,
        opened_at: Some(timestamp(claim.opened_at)),
        noticed: claim.noticed,
        has_news: claim.has_news,
        ended_at: claim.ended_at.map(timestamp),
        next_due_at: listed.due_at.map(timestamp),
        updated_at: Some(timestamp(claim.updated_at)),
        etag: kit::wire::etag(claim.version),
    }
}
