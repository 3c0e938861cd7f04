//! Answers questions about tickets, messages, histories, customers and imports.

use jiff::Timestamp;
use kit::{Caller, Checks, Fault, UserId};
use proto::tickets::v1 as pb;
use tenantdb::TenantTx;

use super::{Api, fields, sees_all, wire};
use crate::domain::dossier::Message;
use crate::domain::ids::{CustomerId, MessageId, TicketId, Uuid};
use crate::domain::intake::Direction;
use crate::store;
use crate::store::list::{Filter, Order};

/// States in a filter.
const STATES_LIMIT: usize = 7;

/// The place in a list as it stands in a page token: microseconds and the id.
pub(super) type Key = (i64, Uuid);

impl Api {
    pub(super) async fn get_ticket(
        &self,
        caller: &Caller,
        request: pb::GetTicketRequest,
    ) -> Result<pb::GetTicketResponse, Fault> {
        let mut checks = Checks::new();
        let id: TicketId = checks.id("ticket_id", &request.ticket_id);
        checks.finish()?;
        let mut tx = self.desk.deps.db.begin(&caller.view(&request.seller_id)?).await?;
        let found = store::read::ticket(&mut tx, id).await?.ok_or(Fault::NotFound("ticket"))?;
        Ok(pb::GetTicketResponse { ticket: Some(wire::ticket(found.seller, &found.value, sees_all(caller))) })
    }

    pub(super) async fn list_tickets(
        &self,
        caller: &Caller,
        request: pb::ListTicketsRequest,
    ) -> Result<pb::ListTicketsResponse, Fault> {
        let mut checks = Checks::new();
        let filter = filter(&mut checks, &request);
        let order = pb::TicketOrder::try_from(request.order).unwrap_or_else(|_| {
            checks.refuse("order", "must be a known order");
            pb::TicketOrder::Unspecified
        });
        checks.finish()?;
        let shape = (
            &request.seller_id,
            &request.states,
            &request.assignee_id,
            request.unassigned,
            &request.customer_id,
            &request.number,
            request.order,
        );
        let page =
            self.desk.deps.pager.read::<Key>(caller, "ListTickets", &shape, request.page_size, &request.page_token)?;
        let after = page.after.map(place).transpose()?;
        let mut tx = self.desk.deps.db.begin(&caller.view(&request.seller_id)?).await?;
        let order = match order {
            pb::TicketOrder::Due => Order::Due,
            pb::TicketOrder::Newest | pb::TicketOrder::Unspecified => Order::Newest,
        };
        let mut found = store::list::tickets(&mut tx, order, &filter, after, page.size + 1).await?;
        let next_page_token = self.desk.deps.pager.cut(&page, &mut found, |of| -> Key {
            let at = if order == Order::Due { of.value.due_at } else { Some(of.value.created_at) };
            (at.map_or(0, Timestamp::as_microsecond), of.value.id.0)
        })?;
        let all = sees_all(caller);
        let tickets = found.iter().map(|of| wire::ticket(of.seller, &of.value, all)).collect();
        Ok(pb::ListTicketsResponse { tickets, next_page_token })
    }

    pub(super) async fn list_messages(
        &self,
        caller: &Caller,
        request: pb::ListMessagesRequest,
    ) -> Result<pb::ListMessagesResponse, Fault> {
        let mut checks = Checks::new();
        let id: TicketId = checks.id("ticket_id", &request.ticket_id);
        checks.finish()?;
        let shape = (&request.seller_id, &request.ticket_id);
        let page =
            self.desk.deps.pager.read::<i32>(caller, "ListMessages", &shape, request.page_size, &request.page_token)?;
        let mut tx = self.desk.deps.db.begin(&caller.view(&request.seller_id)?).await?;
        must_exist(&mut tx, id).await?;
        let all = sees_all(caller);
        let after = page.after.unwrap_or(0);
        let mut found = store::read::messages(&mut tx, id, all, after, page.size + 1).await?;
        let next_page_token = self.desk.deps.pager.cut(&page, &mut found, |of| of.value.position)?;
        let messages = found.iter().map(|of| wire::message(of.seller, &of.value, all)).collect();
        Ok(pb::ListMessagesResponse { messages, next_page_token })
    }

    pub(super) async fn get_raw_message(
        &self,
        caller: &Caller,
        request: pb::GetRawMessageRequest,
    ) -> Result<pb::GetRawMessageResponse, Fault> {
        let mut checks = Checks::new();
        let id: MessageId = checks.id("message_id", &request.message_id);
        checks.finish()?;
        let mut tx = self.desk.deps.db.begin(&caller.view(&request.seller_id)?).await?;
        let found = store::read::message(&mut tx, id).await?.ok_or(Fault::NotFound("message"))?;
        if found.value.direction == Direction::Note && !sees_all(caller) {
            return Err(Fault::NotFound("message"));
        }
        let (content_type, raw) = match store::read::raw(&mut tx, id).await? {
            Some(raw) => raw,
            None => ("application/json".to_owned(), original(&found.value)?),
        };
        Ok(pb::GetRawMessageResponse { raw: raw.into(), content_type })
    }

    pub(super) async fn list_ticket_events(
        &self,
        caller: &Caller,
        request: pb::ListTicketEventsRequest,
    ) -> Result<pb::ListTicketEventsResponse, Fault> {
        let mut checks = Checks::new();
        let id: TicketId = checks.id("ticket_id", &request.ticket_id);
        checks.finish()?;
        let shape = (&request.seller_id, &request.ticket_id);
        let page = self.desk.deps.pager.read::<i64>(
            caller,
            "ListTicketEvents",
            &shape,
            request.page_size,
            &request.page_token,
        )?;
        let mut tx = self.desk.deps.db.begin(&caller.view(&request.seller_id)?).await?;
        must_exist(&mut tx, id).await?;
        let mut found = store::read::events(&mut tx, id, page.after.unwrap_or(0), page.size + 1).await?;
        let next_page_token = self.desk.deps.pager.cut(&page, &mut found, |event| event.sequence)?;
        let all = sees_all(caller);
        let events = found.iter().map(|event| wire::event(event, all)).collect();
        Ok(pb::ListTicketEventsResponse { events, next_page_token })
    }

    pub(super) async fn get_customer(
        &self,
        caller: &Caller,
        request: pb::GetCustomerRequest,
    ) -> Result<pb::GetCustomerResponse, Fault> {
        let mut checks = Checks::new();
        let id: CustomerId = checks.id("customer_id", &request.customer_id);
        checks.finish()?;
        let mut tx = self.desk.deps.db.begin(&caller.view(&request.seller_id)?).await?;
        let found = store::customers::find(&mut tx, id).await?.ok_or(Fault::NotFound("customer"))?;
        Ok(pb::GetCustomerResponse { customer: Some(wire::customer(found.seller, &found.value)) })
    }

    pub(super) async fn list_imports(
        &self,
        caller: &Caller,
        request: pb::ListImportsRequest,
    ) -> Result<pb::ListImportsResponse, Fault> {
        let page = self.desk.deps.pager.read::<Key>(
            caller,
            "ListImports",
            &request.seller_id,
            request.page_size,
            &request.page_token,
        )?;
        let after = page.after.map(place).transpose()?;
        let mut tx = self.desk.deps.db.begin(&caller.view(&request.seller_id)?).await?;
        let mut found = store::read::imports(&mut tx, after, page.size + 1).await?;
        let next_page_token = self
            .desk
            .deps
            .pager
            .cut(&page, &mut found, |import| -> Key { (import.started_at.as_microsecond(), import.id.0) })?;
        Ok(pb::ListImportsResponse { imports: found.into_iter().map(wire::import).collect(), next_page_token })
    }
}

pub(super) async fn must_exist(tx: &mut TenantTx, id: TicketId) -> Result<(), Fault> {
    store::read::ticket(tx, id).await?.map(|_| ()).ok_or(Fault::NotFound("ticket"))
}

fn filter(checks: &mut Checks, request: &pb::ListTicketsRequest) -> Filter {
    checks.count("states", request.states.len(), 0..=STATES_LIMIT);
    let states: Vec<_> = request.states.iter().filter_map(|number| wire::state_of(*number)).collect();
    checks.require(states.len() == request.states.len(), "states", "must be known states");
    let assignee: Option<UserId> = fields::optional_id(checks, "assignee_id", &request.assignee_id);
    checks.require(assignee.is_none() || !request.unassigned, "unassigned", "must not stand together with assignee_id");
    let number = checks.line("number", &request.number, 0..=32).to_ascii_uppercase();
    Filter {
        states,
        assignee,
        unassigned: request.unassigned,
        customer: fields::optional_id(checks, "customer_id", &request.customer_id),
        number: Some(number).filter(|number| !number.is_empty()),
        contact_ended: request.contact_ended,
    }
}

pub(super) fn place((micros, id): Key) -> Result<store::read::Place, Fault> {
    let at = Timestamp::from_microsecond(micros).map_err(|error| Fault::Internal(Box::new(error)))?;
    Ok((at, id))
}

/// What was received for a message that did not come as bytes: all of its fields are kept.
fn original(message: &Message) -> Result<Vec<u8>, Fault> {
    let fields = serde_json::json!({
        "externalId": message.external_id,
        "externalThreadId": message.external_thread_id,
        "inReplyTo": message.in_reply_to,
        "author": { "address": message.author_address, "name": message.author_name },
        "subject": message.subject,
        "text": message.text,
        "orderId": message.order_id,
        "occurredAt": message.occurred_at.to_string(),
    });
    serde_json::to_vec(&fields).map_err(|error| Fault::Internal(Box::new(error)))
}
