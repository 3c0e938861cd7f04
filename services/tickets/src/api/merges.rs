//! Joins tickets, and gives a message a ticket of its own.

use std::sync::Arc;

use kit::{Caller, Checks, Fault};
use proto::tickets::v1 as pb;

use super::received::{TRIES, Tried};
use super::{Api, fields, sees_all, wire};
use crate::domain::dossier::{Act, Message};
use crate::domain::ids::{ContactId, MessageId, TicketId};
use crate::domain::intake::relay::Relayed;
use crate::domain::intake::{Author, Direction, Incoming, OfMail};
use crate::domain::ticket::Refusal;
use crate::store;

impl Api {
    pub(super) async fn merge_ticket(
        &self,
        caller: &Caller,
        request: pb::MergeTicketRequest,
    ) -> Result<pb::MergeTicketResponse, Fault> {
        let mut checks = Checks::new();
        fields::optional_request_id(&mut checks, &request.request_id);
        let source: TicketId = checks.id("ticket_id", &request.ticket_id);
        let target: TicketId = checks.id("target_ticket_id", &request.target_ticket_id);
        checks.finish()?;
        kit::wire::version(&request.etag)?;
        let scope = caller.act_for(&request.seller_id)?;
        let settings = self.desk.settings(Some(caller), &scope).await?;
        let mut tx = self.desk.deps.db.begin(&scope).await?;
        if let Some(answer) = tx.replayed(caller, "MergeTicket", &request.request_id, &request).await? {
            return Ok(answer);
        }
        let end = store::load::end_of_merges(&mut tx, target).await?;
        if end == source {
            store::read::ticket(&mut tx, source).await?.ok_or(Fault::NotFound("ticket"))?;
            return Err(Refusal::IntoItself.into());
        }
        let pair = store::load::pair(&mut tx, source, end).await?;
        let (mut source, mut target) = pair.ok_or(Fault::NotFound("ticket"))?;
        if target.ticket.merged_into.is_some() {
            return Err(Fault::Contended("the target was merged at the same time".into()));
        }
        fields::matches(&request.etag, source.ticket.version)?;
        let act = Act { user: caller.user(), at: tx.now() };
        let contact: ContactId = self.desk.deps.clock.new_id();
        source.merge_into(act, &mut target, contact)?;
        for dossier in [&mut source, &mut target] {
            dossier.settle(&settings, act.at);
            self.desk.keep(&mut tx, dossier).await?;
        }
        let (seller, all) = (tx.seller()?, sees_all(caller));
        let response = pb::MergeTicketResponse {
            ticket: Some(wire::ticket(seller, &source.ticket, all)),
            target: Some(wire::ticket(seller, &target.ticket, all)),
        };
        tx.commit_with(&response).await?;
        Ok(response)
    }

    pub(super) async fn split_message(
        &self,
        caller: &Caller,
        request: pb::SplitMessageRequest,
    ) -> Result<pb::SplitMessageResponse, Fault> {
        let mut checks = Checks::new();
        fields::optional_request_id(&mut checks, &request.request_id);
        let id: MessageId = checks.id("message_id", &request.message_id);
        checks.finish()?;
        for _ in 1..TRIES {
            match self.try_split(caller, &request, id).await {
                Err(Tried::Twin) => {}
                done => return done.map_err(Tried::into_fault),
            }
        }
        self.try_split(caller, &request, id).await.map_err(Tried::into_fault)
    }

    async fn try_split(
        &self,
        caller: &Caller,
        request: &pb::SplitMessageRequest,
        id: MessageId,
    ) -> Result<pb::SplitMessageResponse, Tried> {
        let scope = caller.act_for(&request.seller_id)?;
        let settings = self.desk.settings(Some(caller), &scope).await?;
        let mut tx = self.desk.deps.db.begin(&scope).await?;
        if let Some(answer) = tx.replayed(caller, "SplitMessage", &request.request_id, request).await? {
            return Ok(answer);
        }
        let found = store::read::message(&mut tx, id).await?.ok_or(Fault::NotFound("message"))?;
        let clock = &self.desk.deps.clock;
        let copy = copy_of(&found.value, clock.new_uuid()).map_err(Fault::from)?;
        let mut book = store::load::book(&mut tx, &settings, std::slice::from_ref(&copy)).await?;
        let mut source = store::load::dossier(&mut tx, found.value.ticket).await?.ok_or(Fault::NotFound("ticket"))?;
        let now = tx.now();
        let outcome = book
            .receive(&settings, copy, now, &mut || clock.new_uuid())
            .map_err(|why| super::faults::not_taken(why, ""))?;
        if !outcome.duplicate {
            source.split_off(Act { user: caller.user(), at: now }, id);
            source.settle(&settings, now);
            self.desk.keep(&mut tx, &mut source).await?;
        }
        self.desk.keep_book(&mut tx, &settings, &mut book).await?;
        let (seller, all) = (tx.seller()?, sees_all(caller));
        let message = store::read::message(&mut tx, outcome.message).await?;
        let ticket = store::read::ticket(&mut tx, outcome.ticket).await?;
        let response = pb::SplitMessageResponse {
            message: message.map(|of| wire::message(seller, &of.value, all)),
            ticket: ticket.map(|of| wire::ticket(seller, &of.value, all)),
        };
        tx.commit_with(&response).await?;
        Ok(response)
    }
}

/// The first message of a ticket of its own. Its external id and thread say what it is a copy of, so
/// that a second one finds the first, and nothing else leads it anywhere.
fn copy_of(message: &Message, id: kit::ids::Uuid) -> Result<Incoming, Refusal> {
    let account = message.account.ok_or(Refusal::NotToBeSplit)?;
    if message.direction != Direction::Inbound || message.automatic {
        return Err(Refusal::NotToBeSplit);
    }
    let matter = &message.matter;
    let order_id = message.order_id.clone().unwrap_or_default();
    let relayed = matter.verified.zip(matter.kind).map(|(verified, kind)| Relayed {
        marketplace: matter.marketplace.clone(),
        country: matter.country.clone(),
        order_id: order_id.clone(),
        kind,
        verified,
    });
    Ok(Incoming {
        direction: Direction::Inbound,
        account,
        external_id: format!("split:{}", message.id),
        external_thread_id: format!("split:{}", message.id),
        references: Vec::new(),
        recipients: Vec::new(),
        author: Author { address: message.author_address.clone(), name: message.author_name.clone() },
        subject: message.subject.clone(),
        text: message.text.clone(),
        order_id,
        automatic: None,
        occurred_at: message.occurred_at.as_microsecond(),
        historical: false,
        raw: None,
        mail: Some(Arc::new(OfMail { relayed, split_of: Some(message.id), ..OfMail::default() })),
        message_id: id,
    })
}
