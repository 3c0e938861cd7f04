//! What is done with tickets beside answering them.

use std::collections::BTreeMap;

use kit::{Caller, Checks, Fault};
use proto::tickets::v1 as pb;

use super::actions::{self, By, refused};
use super::opened::{asked, now};
use super::reads::{Key, place};
use super::{Api, fields, sees_all, wire};
use crate::domain::case::{Case, Extras, Hands};
use crate::domain::dossier::Act;
use crate::domain::duplicates::{Subject, likeness};
use crate::domain::field::{Definition, FIELDS_LIMIT, Type, is_key, is_tag};
use crate::domain::ids::TicketId;
use crate::domain::ticket::{self, Kind, State, Step};
use crate::store;
use crate::store::extras::Link;

/// Links of a ticket.
const LINKS_LIMIT: usize = 200;
/// Duplicates suggested.
const SUGGESTED: usize = 10;

/// Why a change is refused, beside what the ticket itself refuses.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    #[error("the type of a field never changes")]
    FieldType,
    #[error("a seller has at most {FIELDS_LIMIT} fields")]
    TooManyFields,
    #[error("an incident belongs to one problem")]
    HasProblem,
    #[error("the two tickets are linked already")]
    Linked,
    #[error("a ticket has at most {LINKS_LIMIT} links")]
    TooManyLinks,
}

impl Api {
    pub(super) async fn get_transition_table(
        &self,
        caller: &Caller,
        request: pb::GetTransitionTableRequest,
    ) -> Result<pb::GetTransitionTableResponse, Fault> {
        caller.view(&request.seller_id)?;
        let transitions = State::ALL
            .into_iter()
            .flat_map(|from| {
                Step::PUBLISHED.into_iter().map(move |(word, step)| pb::Transition {
                    from: wire::state(from).into(),
                    step: word.into(),
                    to: ticket::next(from, step).map_or(pb::TicketState::Unspecified, wire::state).into(),
                })
            })
            .collect();
        Ok(pb::GetTransitionTableResponse { transitions })
    }

    pub(super) async fn get_ticket_extras(
        &self,
        caller: &Caller,
        request: pb::GetTicketExtrasRequest,
    ) -> Result<pb::GetTicketExtrasResponse, Fault> {
        let mut checks = Checks::new();
        let id: TicketId = checks.id("ticket_id", &request.ticket_id);
        checks.finish()?;
        let mut tx = self.desk.deps.db.begin(&caller.view(&request.seller_id)?).await?;
        store::read::ticket(&mut tx, id).await?.ok_or(Fault::NotFound("ticket"))?;
        let extras = store::extras::of(&mut tx, id).await?;
        let links = store::extras::links(&mut tx, id).await?;
        Ok(pb::GetTicketExtrasResponse { extras: Some(shown(&extras, links)) })
    }

    pub(super) async fn tag_ticket(
        &self,
        caller: &Caller,
        request: pb::TagTicketRequest,
    ) -> Result<pb::TagTicketResponse, Fault> {
        let mut checks = Checks::new();
        for (field, tags) in [("add", &request.add), ("remove", &request.remove)] {
            checks.count(field, tags.len(), 0..=50);
            for (index, tag) in tags.iter().enumerate().take(50) {
                let right = "must have 1 to 40 of a-z, 0-9, - and _, beginning with a letter or digit";
                checks.require(is_tag(tag), format!("{field}[{index}]"), right);
            }
        }
        let mut open = now!(self.open(checks, asked!(caller, "TagTicket", request)).await?);
        for tag in &request.remove {
            open.case.untag(open.act, tag, false).map_err(refused)?;
        }
        for tag in &request.add {
            open.case.tag(open.act, tag, false).map_err(refused)?;
        }
        let ticket = self.write(caller, &mut open).await?;
        let response = pb::TagTicketResponse { ticket: Some(ticket), extras: Some(whole(&mut open).await?) };
        open.tx.commit_with(&response).await?;
        Ok(response)
    }

    pub(super) async fn list_tags(
        &self,
        caller: &Caller,
        request: pb::ListTagsRequest,
    ) -> Result<pb::ListTagsResponse, Fault> {
        let mut checks = Checks::new();
        checks.require(request.prefix.is_empty() || is_tag(&request.prefix), "prefix", "must begin as a tag does");
        checks.finish()?;
        let shape = (&request.seller_id, &request.prefix);
        let page =
            self.desk.deps.pager.read::<String>(caller, "ListTags", &shape, request.page_size, &request.page_token)?;
        let mut tx = self.look_at(caller, &request.seller_id).await?;
        let seller = tx.seller()?.0;
        let mut tags =
            store::extras::list_tags(&mut tx, seller, &request.prefix, page.after.clone(), page.size + 1).await?;
        let next_page_token = self.desk.deps.pager.cut(&page, &mut tags, |(tag, _)| tag.clone())?;
        let tags = tags.into_iter().map(|(name, tickets)| pb::Tag { name, tickets }).collect();
        Ok(pb::ListTagsResponse { tags, next_page_token })
    }

    pub(super) async fn list_tagged_tickets(
        &self,
        caller: &Caller,
        request: pb::ListTaggedTicketsRequest,
    ) -> Result<pb::ListTaggedTicketsResponse, Fault> {
        let mut checks = Checks::new();
        checks.require(is_tag(&request.tag), "tag", "must be a tag");
        checks.finish()?;
        let shape = (&request.seller_id, &request.tag);
        let pager = &self.desk.deps.pager;
        let page = pager.read::<Key>(caller, "ListTaggedTickets", &shape, request.page_size, &request.page_token)?;
        let after = page.after.map(place).transpose()?;
        let mut tx = self.look_at(caller, &request.seller_id).await?;
        let seller = tx.seller()?.0;
        let mut found = store::extras::tagged(&mut tx, seller, &request.tag, after, page.size + 1).await?;
        let next_page_token = pager.cut(&page, &mut found, |(at, of)| (at.as_microsecond(), of.value.id.0))?;
        let all = sees_all(caller);
        let tickets = found.iter().map(|(_, of)| wire::ticket(of.seller, &of.value, all)).collect();
        Ok(pb::ListTaggedTicketsResponse { tickets, next_page_token })
    }

    pub(super) async fn set_ticket_priority(
        &self,
        caller: &Caller,
        request: pb::SetTicketPriorityRequest,
    ) -> Result<pb::SetTicketPriorityResponse, Fault> {
        let priority = wire::priority_of(request.priority)
            .ok_or_else(|| Fault::invalid("priority", "must be low, normal, high or urgent"))?;
        let mut open = now!(self.open(Checks::new(), asked!(caller, "SetTicketPriority", request)).await?);
        open.case.dossier.prioritize(open.act, priority, false)?;
        let ticket = self.write(caller, &mut open).await?;
        let response = pb::SetTicketPriorityResponse { ticket: Some(ticket) };
        open.tx.commit_with(&response).await?;
        Ok(response)
    }

    pub(super) async fn put_field_definition(
        &self,
        caller: &Caller,
        request: pb::PutFieldDefinitionRequest,
    ) -> Result<pb::PutFieldDefinitionResponse, Fault> {
        let mut checks = Checks::new();
        fields::optional_request_id(&mut checks, &request.request_id);
        let given = request.definition.clone().unwrap_or_default();
        checks.require(request.definition.is_some(), "definition", "must be given");
        let right = "must have 1 to 40 of a-z, 0-9 and _, beginning with a letter";
        checks.require(is_key(&given.key), "definition.key", right);
        let name = checks.line("definition.name", &given.name, 1..=100);
        let kind = kind_of(given.r#type());
        checks.require(kind.is_some(), "definition.type", "must be a known type");
        let choices = if given.r#type() == pb::FieldType::Choice { 1..=100 } else { 0..=0 };
        checks.count("definition.choices", given.choices.len(), choices);
        let choices: Vec<String> = given
            .choices
            .iter()
            .take(100)
            .enumerate()
            .map(|(index, choice)| checks.line(format!("definition.choices[{index}]"), choice, 1..=100))
            .collect();
        let distinct = choices.iter().collect::<std::collections::BTreeSet<_>>().len() == choices.len();
        checks.require(distinct, "definition.choices", "must be different");
        checks.finish()?;
        let Some(kind) = kind else { return Err(Fault::invalid("definition.type", "must be a known type")) };
        kit::wire::version(&given.etag)?;
        let (_, mut tx) = self.act_for(caller, &request.seller_id).await?;
        if let Some(answer) = tx.replayed(caller, "PutFieldDefinition", &request.request_id, &request).await? {
            return Ok(answer);
        }
        let seller = tx.seller()?.0;
        let all = store::extras::definitions(&mut tx, seller).await?;
        let before = all.iter().find(|field| field.key == given.key);
        match before {
            Some(before) if before.kind != kind => return Err(Refusal::FieldType.into()),
            None if FIELDS_LIMIT <= all.len() => return Err(Refusal::TooManyFields.into()),
            _ => {}
        }
        fields::matches(&given.etag, before.map_or(0, |before| before.version))?;
        let version = before.map_or(1, |before| before.version + 1);
        let field = Definition { key: given.key, name, kind, choices, active: given.active, version };
        store::extras::keep_definition(&mut tx, &field).await?;
        let response = pb::PutFieldDefinitionResponse { definition: Some(definition(&field)) };
        tx.commit_with(&response).await?;
        Ok(response)
    }

    pub(super) async fn list_field_definitions(
        &self,
        caller: &Caller,
        request: pb::ListFieldDefinitionsRequest,
    ) -> Result<pb::ListFieldDefinitionsResponse, Fault> {
        let mut tx = self.look_at(caller, &request.seller_id).await?;
        let seller = tx.seller()?.0;
        let all = store::extras::definitions(&mut tx, seller).await?;
        Ok(pb::ListFieldDefinitionsResponse { definitions: all.iter().map(definition).collect() })
    }

    pub(super) async fn set_ticket_fields(
        &self,
        caller: &Caller,
        request: pb::SetTicketFieldsRequest,
    ) -> Result<pb::SetTicketFieldsResponse, Fault> {
        let mut checks = Checks::new();
        checks.count("fields", request.fields.len(), 1..=50);
        let mut open = now!(self.open(checks, asked!(caller, "SetTicketFields", request)).await?);
        let seller = open.tx.seller()?.0;
        let definitions = store::extras::definitions(&mut open.tx, seller).await?;
        for field in &request.fields {
            open.case.set_field(open.act, &definitions, &field.key, &field.value, false).map_err(refused)?;
        }
        let ticket = self.write(caller, &mut open).await?;
        let response = pb::SetTicketFieldsResponse { ticket: Some(ticket), extras: Some(whole(&mut open).await?) };
        open.tx.commit_with(&response).await?;
        Ok(response)
    }

    pub(super) async fn snooze_ticket(
        &self,
        caller: &Caller,
        request: pb::SnoozeTicketRequest,
    ) -> Result<pb::SnoozeTicketResponse, Fault> {
        let mut checks = Checks::new();
        let until = checks.instant("until", request.until.as_ref());
        let state = match request.state() {
            pb::TicketState::Unspecified => Some(State::OnHold),
            _ => wire::state_of(request.state),
        };
        checks.require(state.is_some(), "state", "must be pending_customer, pending_seller or on_hold");
        let mut open = now!(self.open(checks, asked!(caller, "SnoozeTicket", request)).await?);
        open.case.snooze(open.act, state.unwrap_or(State::OnHold), until, false).map_err(refused)?;
        let ticket = self.write(caller, &mut open).await?;
        let response = pb::SnoozeTicketResponse { ticket: Some(ticket), extras: Some(whole(&mut open).await?) };
        open.tx.commit_with(&response).await?;
        Ok(response)
    }

    pub(super) async fn link_tickets(
        &self,
        caller: &Caller,
        request: pb::LinkTicketsRequest,
    ) -> Result<pb::LinkTicketsResponse, Fault> {
        let mut checks = Checks::new();
        fields::optional_request_id(&mut checks, &request.request_id);
        let one: TicketId = checks.id("ticket_id", &request.ticket_id);
        let other: TicketId = checks.id("target_ticket_id", &request.target_ticket_id);
        checks.require(one != other, "target_ticket_id", "must be another ticket");
        let kind = request.kind();
        checks.require(kind != pb::LinkKind::Unspecified, "kind", "must be a known kind");
        checks.finish()?;
        let (scope, mut tx) = self.act_for(caller, &request.seller_id).await?;
        let settings = self.desk.settings(Some(caller), &scope).await?;
        if let Some(answer) = tx.replayed(caller, "LinkTickets", &request.request_id, &request).await? {
            return Ok(answer);
        }
        let pair = store::load::pair(&mut tx, one, other).await?.ok_or(Fault::NotFound("ticket"))?;
        let links = store::extras::links(&mut tx, one).await?;
        let others = store::extras::links(&mut tx, other).await?;
        if links.iter().any(|link| link.ticket == other) {
            return Err(Refusal::Linked.into());
        }
        if LINKS_LIMIT <= links.len() || LINKS_LIMIT <= others.len() {
            return Err(Refusal::TooManyLinks.into());
        }
        let has_problem = |links: &[Link]| links.iter().any(|link| link.kind == "incident");
        let (first, second, word, refused) = match kind {
            pb::LinkKind::IncidentOf => (one, other, "incident", has_problem(&links)),
            pb::LinkKind::ProblemOf => (other, one, "incident", has_problem(&others)),
            _ => (one.min(other), one.max(other), "related", false),
        };
        if refused {
            return Err(Refusal::HasProblem.into());
        }
        store::extras::link(&mut tx, first, second, word).await?;
        let act = Act { user: caller.user(), at: tx.now() };
        let (mut here, mut there) = pair;
        let (said, said_there) = match kind {
            pb::LinkKind::IncidentOf => ("incident of", "problem of"),
            pb::LinkKind::ProblemOf => ("problem of", "incident of"),
            _ => ("related to", "related to"),
        };
        here.mark(act, Kind::Linked, false, &format!("{said} {}", there.ticket.number))?;
        there.mark(act, Kind::Linked, false, &format!("{said_there} {}", here.ticket.number))?;
        for dossier in [&mut here, &mut there] {
            dossier.settle(&settings, act.at);
            self.desk.keep(&mut tx, dossier).await?;
        }
        let links = store::extras::links(&mut tx, one).await?;
        let response = pb::LinkTicketsResponse { links: links.iter().map(link).collect() };
        tx.commit_with(&response).await?;
        Ok(response)
    }

    pub(super) async fn unlink_tickets(
        &self,
        caller: &Caller,
        request: pb::UnlinkTicketsRequest,
    ) -> Result<pb::UnlinkTicketsResponse, Fault> {
        let mut checks = Checks::new();
        fields::optional_request_id(&mut checks, &request.request_id);
        let one: TicketId = checks.id("ticket_id", &request.ticket_id);
        let other: TicketId = checks.id("target_ticket_id", &request.target_ticket_id);
        checks.finish()?;
        let (scope, mut tx) = self.act_for(caller, &request.seller_id).await?;
        let settings = self.desk.settings(Some(caller), &scope).await?;
        if let Some(answer) = tx.replayed(caller, "UnlinkTickets", &request.request_id, &request).await? {
            return Ok(answer);
        }
        let pair = store::load::pair(&mut tx, one, other).await?.ok_or(Fault::NotFound("ticket"))?;
        if !store::extras::unlink(&mut tx, one, other).await? {
            return Err(Fault::NotFound("link"));
        }
        let act = Act { user: caller.user(), at: tx.now() };
        let (mut here, mut there) = pair;
        let numbers = (here.ticket.number.clone(), there.ticket.number.clone());
        for (dossier, number) in [(&mut here, numbers.1), (&mut there, numbers.0)] {
            // A closed ticket's history has ended; the link goes all the same.
            if dossier.mark(act, Kind::Unlinked, false, &number).is_ok() {
                dossier.settle(&settings, act.at);
                self.desk.keep(&mut tx, dossier).await?;
            }
        }
        let links = store::extras::links(&mut tx, one).await?;
        let response = pb::UnlinkTicketsResponse { links: links.iter().map(link).collect() };
        tx.commit_with(&response).await?;
        Ok(response)
    }

    pub(super) async fn bulk_edit_tickets(
        &self,
        caller: &Caller,
        request: pb::BulkEditTicketsRequest,
    ) -> Result<pb::BulkEditTicketsResponse, Fault> {
        let mut checks = Checks::new();
        checks.request_id(&request.request_id);
        checks.count("ticket_ids", request.ticket_ids.len(), 1..=100);
        let ids: Vec<TicketId> = request.ticket_ids.iter().take(100).map(|id| checks.id("ticket_ids", id)).collect();
        let distinct = ids.iter().collect::<std::collections::BTreeSet<_>>().len() == ids.len();
        checks.require(distinct, "ticket_ids", "must be different");
        checks.count("actions", request.actions.len(), 1..=10);
        let actions = actions::read(&mut checks, "actions", &request.actions, By::People);
        checks.finish()?;
        let (scope, mut tx) = self.act_for(caller, &request.seller_id).await?;
        let settings = self.desk.settings(Some(caller), &scope).await?;
        if let Some(answer) = tx.replayed(caller, "BulkEditTickets", &request.request_id, &request).await? {
            return Ok(answer);
        }
        let seller = tx.seller()?.0;
        let definitions = store::extras::definitions(&mut tx, seller).await?;
        let bare: Vec<_> = ids.iter().map(|id| id.0).collect();
        let dossiers = store::load::several(&mut tx, &ids).await?;
        let mut extras = store::extras::of_all(&mut tx, &bare).await?;
        let act = Act { user: caller.user(), at: tx.now() };
        let clock = &self.desk.deps.clock;
        let mut cases: BTreeMap<TicketId, Case> = dossiers
            .into_iter()
            .map(|dossier| {
                let id = dossier.ticket.id;
                (id, Case::new(dossier, extras.remove(&id.0).unwrap_or_default()))
            })
            .collect();
        let mut results = Vec::with_capacity(ids.len());
        for id in ids {
            let refused_with = |reason: &str| pb::BulkResult {
                ticket_id: id.to_string(),
                done: false,
                reason: reason.to_owned(),
                etag: String::new(),
            };
            let Some(case) = cases.get_mut(&id) else {
                results.push(refused_with("NOT_FOUND"));
                continue;
            };
            let before = case.clone();
            let mut hands = Hands {
                act,
                automatic: false,
                settings: &settings,
                definitions: &definitions,
                replies: &BTreeMap::new(),
                new_uuid: &mut || clock.new_uuid(),
            };
            let done: Result<(), _> = actions.iter().try_for_each(|action| case.apply(&mut hands, action).map(drop));
            if let Err(refusal) = done {
                *case = before;
                results.push(refused_with(refused(refusal).reason()));
                continue;
            }
            self.desk.keep_case(&mut tx, &settings, case).await?;
            results.push(pb::BulkResult {
                ticket_id: id.to_string(),
                done: true,
                reason: String::new(),
                etag: kit::wire::etag(case.dossier.ticket.version),
            });
        }
        let response = pb::BulkEditTicketsResponse { results };
        tx.commit_with(&response).await?;
        Ok(response)
    }

    pub(super) async fn suggest_duplicates(
        &self,
        caller: &Caller,
        request: pb::SuggestDuplicatesRequest,
    ) -> Result<pb::SuggestDuplicatesResponse, Fault> {
        let mut checks = Checks::new();
        let id: TicketId = checks.id("ticket_id", &request.ticket_id);
        checks.finish()?;
        let mut tx = self.desk.deps.db.begin(&caller.view(&request.seller_id)?).await?;
        let this = store::read::ticket(&mut tx, id).await?.ok_or(Fault::NotFound("ticket"))?;
        let others = store::extras::look_alikes(&mut tx, &this).await?;
        let mut likely: Vec<_> = others
            .iter()
            .filter_map(|other| {
                let (score, reasons) = likeness(&subject(&this.value), &subject(&other.value))?;
                Some((score, reasons, other))
            })
            .collect();
        likely.sort_by(|a, b| b.0.total_cmp(&a.0).then(b.2.value.id.cmp(&a.2.value.id)));
        let all = sees_all(caller);
        let duplicates = likely
            .into_iter()
            .take(SUGGESTED)
            .map(|(score, reasons, other)| pb::Duplicate {
                ticket: Some(wire::ticket(other.seller, &other.value, all)),
                score,
                reasons: reasons.into_iter().map(str::to_owned).collect(),
            })
            .collect();
        Ok(pb::SuggestDuplicatesResponse { duplicates })
    }
}

fn subject(ticket: &crate::domain::dossier::Ticket) -> Subject<'_> {
    Subject {
        customer: ticket.customer.0.as_u128(),
        order: ticket.order_id.as_deref(),
        subject: &ticket.subject,
        created_at: ticket.created_at,
    }
}

/// The extras of an open ticket with its links.
pub(super) async fn whole(open: &mut super::opened::Open) -> Result<pb::TicketExtras, Fault> {
    let links = store::extras::links(&mut open.tx, open.case.dossier.ticket.id).await?;
    Ok(shown(&open.case.extras, links))
}

fn shown(extras: &Extras, links: Vec<Link>) -> pb::TicketExtras {
    let field = |(key, value): (&String, &String)| pb::FieldValue { key: key.clone(), value: value.clone() };
    pb::TicketExtras {
        tags: extras.tags.iter().cloned().collect(),
        fields: extras.fields.iter().map(field).collect(),
        links: links.iter().map(link).collect(),
        wakes_at: extras.wakes_at.map(kit::wire::timestamp),
    }
}

fn link(link: &Link) -> pb::TicketLink {
    let kind = match link.kind {
        "incident" => pb::LinkKind::IncidentOf,
        "problem" => pb::LinkKind::ProblemOf,
        _ => pb::LinkKind::Related,
    };
    pb::TicketLink {
        kind: kind.into(),
        ticket_id: link.ticket.to_string(),
        number: link.number.clone(),
        state: wire::state(link.state).into(),
    }
}

fn kind_of(kind: pb::FieldType) -> Option<Type> {
    Some(match kind {
        pb::FieldType::Unspecified => return None,
        pb::FieldType::Text => Type::Text,
        pb::FieldType::Integer => Type::Integer,
        pb::FieldType::Decimal => Type::Decimal,
        pb::FieldType::Date => Type::Date,
        pb::FieldType::Boolean => Type::Boolean,
        pb::FieldType::Choice => Type::Choice,
    })
}

fn definition(field: &Definition) -> pb::FieldDefinition {
    let kind = match field.kind {
        Type::Text => pb::FieldType::Text,
        Type::Integer => pb::FieldType::Integer,
        Type::Decimal => pb::FieldType::Decimal,
        Type::Date => pb::FieldType::Date,
        Type::Boolean => pb::FieldType::Boolean,
        Type::Choice => pb::FieldType::Choice,
    };
    pb::FieldDefinition {
        key: field.key.clone(),
        name: field.name.clone(),
        r#type: kind.into(),
        choices: field.choices.clone(),
        active: field.active,
        etag: kit::wire::etag(field.version),
    }
}
