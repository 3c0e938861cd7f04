//! A transaction of one tenant.

use aws_lc_rs::digest;
use jiff::Timestamp;
use jiff_sqlx::ToSqlx;
use kit::scope::{NO_SELLER, Readable};
use kit::{Caller, Clock, EventId, Fault, Id, ProviderId, Scope, SellerId};
use prost::Message;
use proto::events::v1::Envelope;
use proto::events::v1::envelope::Body;
use sqlx::postgres::PgConnection;
use sqlx::{AssertSqlSafe, Postgres, Row, Transaction};
use uuid::Uuid;

use crate::failure::Failure;
use crate::sellers::NoMore;
use crate::writes::{Writes, unnested};
use crate::{Hints, braces};

/// A transaction that sees and writes what its scope says. Dropped means
/// rolled back.
pub struct TenantTx {
    inner: Transaction<'static, Postgres>,
    scope: Scope,
    clock: Clock,
    hints: Hints,
    events: Vec<Outgoing>,
    claim: Option<Claim>,
    pub(crate) writes: Writes,
    span: tracing::Span,
}

struct Outgoing {
    seller: SellerId,
    event: EventId,
    key: String,
    kind: &'static str,
    payload: Vec<u8>,
    traceparent: String,
    occurred_at: Timestamp,
}

/// Whether the seller is being erased or was. What the law has billing keep goes on: payments come in. The seller stays
/// as it is until the transaction ends, so that an erasure finds all that was begun before it.
const ERASED: &str = "(current_schema() <> 'billing' and coalesce((
    select s.state in ('erasing', 'erased') from seller s
     where s.provider_id = $1 and s.seller_id = $2 for key share), false))";

struct Claim {
    seller: SellerId,
    subject: Uuid,
    method: &'static str,
    request_id: String,
}

impl TenantTx {
    pub(crate) fn new(
        inner: Transaction<'static, Postgres>,
        scope: Scope,
        clock: Clock,
        hints: Hints,
        span: tracing::Span,
    ) -> TenantTx {
        TenantTx { inner, scope, clock, hints, events: Vec::new(), claim: None, writes: Writes::default(), span }
    }

    /// The connection, for a statement.
    pub fn conn(&mut self) -> &mut PgConnection {
        &mut self.inner
    }

    /// The scope.
    pub fn scope(&self) -> &Scope {
        &self.scope
    }

    /// Now, by the clock given at the start.
    pub fn now(&self) -> Timestamp {
        self.clock.now()
    }

    /// A new id, in the order of time.
    pub fn new_uuid(&self) -> Uuid {
        self.clock.new_uuid()
    }

    /// The provider, to be written into rows.
    pub fn provider(&self) -> ProviderId {
        self.scope.provider_id()
    }

    /// The seller, to be written into rows; a transaction that writes none is refused.
    pub fn seller(&self) -> Result<SellerId, Failure> {
        self.scope.seller().ok_or_else(|| Failure::Inconsistent("the transaction writes no single seller".to_owned()))
    }

    /// Spells out the provider's sellers, so that no query ever runs on a wildcard.
    pub(crate) async fn enumerate_sellers(&mut self) -> Result<(), Failure> {
        let rows = sqlx::query("select seller_id from seller where provider_id = $1 order by seller_id")
            .bind(self.provider().0)
            .fetch_all(&mut *self.inner)
            .await?;
        let sellers = rows.iter().map(|row| row.try_get(0).map(SellerId)).collect::<Result<Vec<_>, _>>()?;
        let statement = format!("SET LOCAL app.seller_ids = '{}'; SET LOCAL app.enumerates = 'off'", braces(&sellers));
        sqlx::raw_sql(AssertSqlSafe(statement)).execute(&mut *self.inner).await?;
        self.scope = self.scope.enumerated(sellers);
        Ok(())
    }

    /// The sellers that this transaction reads, spelled out.
    pub fn readable(&self) -> &[SellerId] {
        match self.scope.readable() {
            Readable::These(list) => list,
            Readable::OfProvider => &[],
        }
    }

    /// Notes an event of the transaction's seller; it leaves with the commit.
    /// Events with the same key arrive in the order of their commits.
    pub fn emit(&mut self, key: impl ToString, body: Body, occurred_at: Timestamp) -> Result<EventId, Failure> {
        let seller = self.seller()?;
        Ok(self.put(seller, key.to_string(), body, occurred_at))
    }

    /// Notes an event of one of the sellers of a group; it leaves with the commit.
    pub fn emit_of(
        &mut self,
        seller: SellerId,
        key: impl ToString,
        body: Body,
        occurred_at: Timestamp,
    ) -> Result<EventId, Failure> {
        if !self.scope.writable().contains(&seller) {
            return Err(Failure::Inconsistent("the transaction does not write this seller".to_owned()));
        }
        Ok(self.put(seller, key.to_string(), body, occurred_at))
    }

    /// Notes a provider-level event.
    pub fn emit_for_provider(&mut self, key: impl ToString, body: Body, occurred_at: Timestamp) -> EventId {
        self.put(NO_SELLER, key.to_string(), body, occurred_at)
    }

    fn put(&mut self, seller: SellerId, key: String, body: Body, occurred_at: Timestamp) -> EventId {
        let event = self.clock.new_id::<EventId>();
        let kind = kind_of(&body);
        let envelope = Envelope {
            event_id: event.to_string(),
            provider_id: self.provider().to_string(),
            seller_id: if seller == NO_SELLER { String::new() } else { seller.to_string() },
            key: key.clone(),
            occurred_at: Some(kit::wire::timestamp(occurred_at)),
            traceparent: kit::telemetry::traceparent(),
            body: Some(body),
        };
        let payload = envelope.encode_to_vec();
        self.events.push(Outgoing {
            seller,
            event,
            key,
            kind,
            payload,
            traceparent: envelope.traceparent,
            occurred_at,
        });
        event
    }

    /// Claims a request id. Some(answer) if this very request was answered
    /// before; none if the work is to be done now. The same id with another
    /// payload is refused. A concurrent twin waits here until the first is done.
    /// Answers are kept for [`crate::retention::ANSWERS_KEPT`]. Nothing is written about a
    /// seller that is being erased or was; see [`crate::sellers::NoMore`].
    pub async fn replayed<Req: Message, Res: Message + Default>(
        &mut self,
        caller: &Caller,
        method: &'static str,
        request_id: &str,
        request: &Req,
    ) -> Result<Option<Res>, Fault> {
        let seller = self.scope.seller().unwrap_or(NO_SELLER);
        if request_id.is_empty() {
            return if self.is_of_the_erased(seller).await? { Err(NoMore.into()) } else { Ok(None) };
        }
        let fingerprint = digest::digest(&digest::SHA256, &request.encode_to_vec());
        let claimed = sqlx::query(AssertSqlSafe(format!(
            "insert into replay (provider_id, seller_id, subject, method, request_id, fingerprint, answered_at)
                 select $1, $2, $3, $4, $5, $6, $7 where not {ERASED}
                 on conflict on constraint replay_pk do nothing"
        )))
        .bind(self.provider().0)
        .bind(seller.0)
        .bind(caller.subject())
        .bind(method)
        .bind(request_id)
        .bind(fingerprint.as_ref())
        .bind(self.clock.now().to_sqlx())
        .execute(&mut *self.inner)
        .await
        .map_err(Failure::from)?
        .rows_affected();
        if claimed == 1 {
            self.claim = Some(Claim { seller, subject: caller.subject(), method, request_id: request_id.to_owned() });
            return Ok(None);
        }
        let row = sqlx::query(
            "select fingerprint, response from replay
              where provider_id = $1 and seller_id = $2 and subject = $3 and method = $4 and request_id = $5",
        )
        .bind(self.provider().0)
        .bind(seller.0)
        .bind(caller.subject())
        .bind(method)
        .bind(request_id)
        .fetch_optional(&mut *self.inner)
        .await
        .map_err(Failure::from)?;
        let Some(row) = row else { return Err(NoMore.into()) };
        let before: Vec<u8> = row.try_get(0).map_err(Failure::from)?;
        if before != fingerprint.as_ref() {
            return Err(Fault::RequestIdReused);
        }
        let response: Option<Vec<u8>> = row.try_get(1).map_err(Failure::from)?;
        let response = response.ok_or_else(|| Fault::internal("an answered request has no answer"))?;
        Res::decode(response.as_slice()).map(Some).map_err(|e| Fault::Internal(Box::new(e)))
    }

    async fn is_of_the_erased(&mut self, seller: SellerId) -> Result<bool, Failure> {
        if seller == NO_SELLER {
            return Ok(false);
        }
        let row = sqlx::query(AssertSqlSafe(format!("select {ERASED}")))
            .bind(self.provider().0)
            .bind(seller.0)
            .fetch_one(&mut *self.inner)
            .await?;
        Ok(row.try_get(0)?)
    }

    /// Keeps the answer for retries, sends the events on their way, and commits.
    pub async fn commit_with<Res: Message>(mut self, response: &Res) -> Result<(), Fault> {
        if let Some(claim) = self.claim.take() {
            let provider = self.provider().0;
            let writes = &mut self.writes;
            let response = writes.bind("bytea", response.encode_to_vec());
            let (provider, seller) = (writes.bind("uuid", provider), writes.bind("uuid", claim.seller.0));
            let (subject, method) = (writes.bind("uuid", claim.subject), writes.bind("text", claim.method));
            let id = writes.bind("text", claim.request_id);
            writes.push(format!(
                "update replay set response = {response}
                  where provider_id = {provider} and seller_id = {seller} and subject = {subject} and method = {method}
                    and request_id = {id}"
            ));
        }
        Ok(self.commit().await?)
    }

    /// Sends the events on their way and commits.
    pub async fn commit(mut self) -> Result<(), Failure> {
        debug_assert!(self.claim.is_none(), "a claimed request is committed with its answer");
        let wrote = !self.events.is_empty();
        if wrote {
            self.write_events();
        }
        self.write_now().await?;
        self.inner.commit().await?;
        self.span.record("db.outcome", "committed");
        if wrote {
            self.hints.written.notify_one();
        }
        Ok(())
    }

    fn write_events(&mut self) {
        let events = std::mem::take(&mut self.events);
        let provider = self.provider().0;
        let writes = &mut self.writes;
        let provider = writes.bind("uuid", provider);
        let columns = [
            writes.bind("uuid[]", events.iter().map(|e| e.seller.0).collect::<Vec<Uuid>>()),
            writes.bind("uuid[]", events.iter().map(|e| e.event.uuid()).collect::<Vec<Uuid>>()),
            writes.bind("text[]", events.iter().map(|e| e.key.as_str()).collect::<Vec<&str>>()),
            writes.bind("text[]", events.iter().map(|e| e.kind).collect::<Vec<&str>>()),
            writes.bind("bytea[]", events.iter().map(|e| e.payload.as_slice()).collect::<Vec<&[u8]>>()),
            writes.bind("text[]", events.iter().map(|e| e.traceparent.as_str()).collect::<Vec<&str>>()),
            writes.bind("timestamptz[]", events.iter().map(|e| e.occurred_at.to_sqlx()).collect::<Vec<_>>()),
        ];
        writes.push(format!(
            "insert into outbox (provider_id, seller_id, event_id, key, kind, payload, traceparent, occurred_at)
             select {provider}, {}",
            unnested(&columns)
        ));
    }
}

/// A word for an event's kind, for routing and for operators.
pub fn kind_of(body: &Body) -> &'static str {
    match body {
        Body::SellerChanged(_) => "seller_changed",
        Body::SellerErasureRequested(_) => "seller_erasure_requested",
        Body::SellerErasureDone(_) => "seller_erasure_done",
        Body::StaffChanged(_) => "staff_changed",
        Body::KnowledgeApproved(_) => "knowledge_approved",
        Body::MessageStored(_) => "message_stored",
        Body::TicketNeedsWork(_) => "ticket_needs_work",
        Body::TicketWorkWithdrawn(_) => "ticket_work_withdrawn",
        Body::ContactHandled(_) => "contact_handled",
        Body::SlaVerdictReached(_) => "sla_verdict_reached",
        Body::SlaAlertRaised(_) => "sla_alert_raised",
        Body::TicketTurned(_) => "ticket_turned",
        Body::ContactAssigned(_) => "contact_assigned",
        Body::ContactReleased(_) => "contact_released",
        Body::ContactEnded(_) => "contact_ended",
        Body::AgentTimeRecorded(_) => "agent_time_recorded",
        Body::RoutingAlert(_) => "routing_alert",
        Body::SchedulePublished(_) => "schedule_published",
        Body::PaidHoursRecorded(_) => "paid_hours_recorded",
        Body::AgentDaySettled(_) => "agent_day_settled",
        Body::ShiftsChanged(_) => "shifts_changed",
        Body::RatePlanSigned(_) => "rate_plan_signed",
        Body::InvoiceFinalized(_) => "invoice_finalized",
        Body::UsageAlertRaised(_) => "usage_alert_raised",
    }
}
