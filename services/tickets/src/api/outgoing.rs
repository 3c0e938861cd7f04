//! Answers on their way out: lists and shows them, queues again what was given up, gives up what waits.

use kit::wire::timestamp;
use kit::{Caller, Checks, Explain, Fault, SellerId};
use proto::tickets::v1 as pb;
use proto::tickets::v1::outgoing_mails_service_server::OutgoingMailsService;
use tonic::{Code, Request, Response, Status};

use super::reads::{Key, place};
use super::{Api, fields, wire};
use crate::domain::ids::{MessageId, TicketId};
use crate::domain::intake::Direction;
use crate::domain::intake::mail::report::Action;
use crate::domain::outgoing::{self, NotDecided, NotSent, Outgoing, State};
use crate::store;
use crate::store::rows::OfSeller;

impl Explain for NotDecided {
    fn code(&self) -> Code {
        Code::FailedPrecondition
    }

    fn reason(&self) -> &'static str {
        match self {
            NotDecided::State(_) => "OUTGOING_MAIL_STATE",
            NotDecided::NotSent(_) => "MAIL_NOT_SENDABLE",
        }
    }

    fn metadata(&self) -> Vec<(&'static str, String)> {
        match self {
            NotDecided::State(state) => vec![("state", state.name().into())],
            NotDecided::NotSent(why) => vec![("why", why.name().into())],
        }
    }
}

#[tonic::async_trait]
impl OutgoingMailsService for Api {
    async fn list_outgoing_mails(
        &self,
        request: Request<pb::ListOutgoingMailsRequest>,
    ) -> Result<Response<pb::ListOutgoingMailsResponse>, Status> {
        let (caller, request) = kit::admitted(request)?;
        Ok(Response::new(self.outgoing_mails(&caller, request).await?))
    }

    async fn get_outgoing_mail(
        &self,
        request: Request<pb::GetOutgoingMailRequest>,
    ) -> Result<Response<pb::GetOutgoingMailResponse>, Status> {
        let (caller, request) = kit::admitted(request)?;
        Ok(Response::new(self.outgoing_mail(&caller, request).await?))
    }

    async fn retry_outgoing_mail(
        &self,
        request: Request<pb::RetryOutgoingMailRequest>,
    ) -> Result<Response<pb::RetryOutgoingMailResponse>, Status> {
        let (caller, request) = kit::admitted(request)?;
        Ok(Response::new(self.retry_outgoing(&caller, request).await?))
    }

    async fn discard_outgoing_mail(
        &self,
        request: Request<pb::DiscardOutgoingMailRequest>,
    ) -> Result<Response<pb::DiscardOutgoingMailResponse>, Status> {
        let (caller, request) = kit::admitted(request)?;
        Ok(Response::new(self.discard_outgoing(&caller, request).await?))
    }
}

impl Api {
    async fn outgoing_mails(
        &self,
        caller: &Caller,
        request: pb::ListOutgoingMailsRequest,
    ) -> Result<pb::ListOutgoingMailsResponse, Fault> {
        let mut checks = Checks::new();
        let ticket: Option<TicketId> = fields::optional_id(&mut checks, "ticket_id", &request.ticket_id);
        let state = match pb::OutgoingMailState::try_from(request.state) {
            Ok(pb::OutgoingMailState::Unspecified) => None,
            Ok(pb::OutgoingMailState::Bounced) => Some(State::Sent),
            Ok(wanted) => State::ALL.into_iter().find(|known| state(*known) == wanted),
            Err(_) => {
                checks.refuse("state", "must be a known state");
                None
            }
        };
        checks.finish()?;
        let shape = (&request.seller_id, request.state, &request.ticket_id);
        let pager = &self.desk.deps.pager;
        let page = pager.read::<Key>(caller, "ListOutgoingMails", &shape, request.page_size, &request.page_token)?;
        let after = page.after.map(place).transpose()?;
        let mut tx = self.desk.deps.db.begin(&caller.view(&request.seller_id)?).await?;
        let mut found = store::outgoing::list(&mut tx, state, ticket, after, page.size + 1).await?;
        let next_page_token =
            pager.cut(&page, &mut found, |of| -> Key { (of.value.queued_at.as_microsecond(), of.value.message.0) })?;
        let mails = found.iter().map(|of| mail(of.seller, &of.value)).collect();
        Ok(pb::ListOutgoingMailsResponse { mails, next_page_token })
    }

    async fn outgoing_mail(
        &self,
        caller: &Caller,
        request: pb::GetOutgoingMailRequest,
    ) -> Result<pb::GetOutgoingMailResponse, Fault> {
        let mut checks = Checks::new();
        let id: MessageId = checks.id("message_id", &request.message_id);
        checks.finish()?;
        let mut tx = self.desk.deps.db.begin(&caller.view(&request.seller_id)?).await?;
        let found = match store::outgoing::mail(&mut tx, id).await? {
            Some(found) => found,
            None => {
                let message = store::read::message(&mut tx, id).await?.ok_or(Fault::NotFound("message"))?;
                never_queued(message).ok_or(Fault::NotFound("message"))?
            }
        };
        Ok(pb::GetOutgoingMailResponse { mail: Some(mail(found.seller, &found.value)) })
    }

    async fn retry_outgoing(
        &self,
        caller: &Caller,
        request: pb::RetryOutgoingMailRequest,
    ) -> Result<pb::RetryOutgoingMailResponse, Fault> {
        let mut checks = Checks::new();
        fields::optional_request_id(&mut checks, &request.request_id);
        let id: MessageId = checks.id("message_id", &request.message_id);
        checks.finish()?;
        let scope = caller.act_for(&request.seller_id)?;
        let mut tx = self.desk.deps.db.begin(&scope).await?;
        if let Some(answer) = tx.replayed(caller, "RetryOutgoingMail", &request.request_id, &request).await? {
            return Ok(answer);
        }
        let found = store::outgoing::locked(&mut tx, id).await?.ok_or(Fault::NotFound("message"))?;
        if !found.state.may_be_retried() {
            return Err(NotDecided::State(found.state).into());
        }
        let ticket = store::read::ticket(&mut tx, found.ticket).await?.ok_or(Fault::NotFound("message"))?;
        // What was addressed once stays as it is: it may have arrived.
        let addressed = match self.desk.addressed(&mut tx, &ticket.value).await? {
            Ok(_) if !found.addressed.recipient.is_empty() => found.addressed,
            Ok(addressed) => addressed,
            Err(why) => return Err(NotDecided::NotSent(why).into()),
        };
        store::outgoing::requeue(&mut tx, id, &addressed).await?;
        let after = store::outgoing::mail(&mut tx, id).await?;
        let response = pb::RetryOutgoingMailResponse { mail: after.map(|of| mail(of.seller, &of.value)) };
        tx.commit_with(&response).await?;
        Ok(response)
    }

    async fn discard_outgoing(
        &self,
        caller: &Caller,
        request: pb::DiscardOutgoingMailRequest,
    ) -> Result<pb::DiscardOutgoingMailResponse, Fault> {
        let mut checks = Checks::new();
        fields::optional_request_id(&mut checks, &request.request_id);
        let id: MessageId = checks.id("message_id", &request.message_id);
        checks.finish()?;
        let scope = caller.act_for(&request.seller_id)?;
        let mut tx = self.desk.deps.db.begin(&scope).await?;
        let found = store::outgoing::locked(&mut tx, id).await?.ok_or(Fault::NotFound("message"))?;
        match found.state {
            State::Discarded => {}
            state if state.may_be_discarded() => store::outgoing::discard(&mut tx, id, caller.user()).await?,
            state => return Err(NotDecided::State(state).into()),
        }
        let after = store::outgoing::mail(&mut tx, id).await?;
        tx.commit().await?;
        Ok(pb::DiscardOutgoingMailResponse { mail: after.map(|of| mail(of.seller, &of.value)) })
    }
}

/// An answer that was never to leave as a mail, with the reason.
fn never_queued(message: OfSeller<crate::domain::dossier::Message>) -> Option<OfSeller<Outgoing>> {
    let OfSeller { seller, value: message } = message;
    let account = message.account.filter(|_| message.direction == Direction::Outbound)?;
    let imported = message.user.is_none() || outgoing::is_mail(&message.channel, &message.author_address);
    let mut mail = Outgoing::queued(&message, account, message.stored_at);
    mail.is_not_sent(if imported { NotSent::Imported } else { NotSent::OtherChannel });
    Some(OfSeller { seller, value: mail })
}

fn mail(seller: SellerId, mail: &Outgoing) -> pb::OutgoingMail {
    let action = mail.delivery.as_ref().map(|(action, _)| *action);
    let bounced = mail.state == State::Sent && action == Some(Action::Failed);
    let state = if bounced { pb::OutgoingMailState::Bounced } else { state(mail.state) };
    pb::OutgoingMail {
        message_id: mail.message.to_string(),
        seller_id: seller.to_string(),
        ticket_id: mail.ticket.to_string(),
        channel_account_id: mail.account.to_string(),
        state: state.into(),
        reason: mail.reason.clone(),
        server_reply: mail.server_reply.clone(),
        attempts: mail.attempts,
        queued_at: Some(timestamp(mail.queued_at)),
        next_attempt_at: mail.due_at.filter(|_| mail.state == State::Queued).map(timestamp),
        sent_at: mail.sent_at.map(timestamp),
        ended_at: mail.ended_at.map(timestamp),
        decided_by_user_id: mail.decided_by.map(|user| user.to_string()).unwrap_or_default(),
        may_be_twice: mail.may_be_twice,
        recipient: mail.addressed.recipient.clone(),
        internet_message_id: mail.message_id.clone(),
        delivery: wire::delivery(action).into(),
        delivery_status: mail.delivery.as_ref().map(|(_, status)| status.clone()).unwrap_or_default(),
    }
}

fn state(state: State) -> pb::OutgoingMailState {
    match state {
        State::Queued => pb::OutgoingMailState::Queued,
        State::Sending => pb::OutgoingMailState::Sending,
        State::Sent => pb::OutgoingMailState::Sent,
        State::Failed => pb::OutgoingMailState::Failed,
        State::NotSent => pb::OutgoingMailState::NotSent,
        State::Discarded => pb::OutgoingMailState::Discarded,
    }
}
