//! A line resolved to its contacts, each with its cents, under one hash.

use futures_util::StreamExt;
use futures_util::stream::{self, BoxStream};
use kit::{Caller, Checks, Fault, Scope};
use proto::billing::v1 as wire;
use proto::billing::v1::proof_service_server::ProofService;
use tonic::{Request, Response, Status};

use super::drafting::Ground;
use super::usage::behind;
use super::{Api, answer, money, number};
use crate::domain::dispute::disputable;
use crate::domain::ids::InvoiceId;
use crate::domain::proof::{FORM, Hash, hex, leaf, root, shares};
use crate::domain::rating::LineKind;
use crate::store;
use crate::store::invoice::Head;
use crate::store::lines::Line;
use crate::store::proof::Proof;
use crate::store::usage::Stored;

/// Contacts in one message.
const CHUNK: usize = 500;

/// A line with the contacts behind it.
struct Resolved {
    head: Head,
    line: Line,
    contacts: Vec<(wire::LineContact, Hash)>,
}

impl Api {
    async fn resolve_line(
        &self,
        caller: &Caller,
        seller_id: &str,
        invoice_id: &str,
        line_number: i32,
    ) -> Result<Resolved, Fault> {
        let mut checks = Checks::new();
        let id: InvoiceId = checks.id("invoice_id", invoice_id);
        checks.range("line_number", i64::from(line_number), 1..=100_000);
        checks.finish()?;
        let scope = caller.view(seller_id)?;
        let mut tx = self.deps.db.begin(&scope).await?;
        let head = store::invoice::read(&mut tx, scope.single_reader(), id).await?.ok_or(Fault::NotFound("invoice"))?;
        let lines = store::lines::of(&mut tx, head.seller, id).await?;
        let line = lines.into_iter().find(|l| l.line_number == line_number).ok_or(Fault::NotFound("invoice line"))?;
        disputable(LineKind::parse(line.kind))?;
        let ground = Ground::load(&mut tx, head.seller).await?;
        let events = behind(&mut tx, &ground, &head, &line).await?;
        let quantities: Vec<_> = events.iter().map(|e| e.event.quantity).collect();
        let parts = shares(line.amount, &quantities, head.currency.minor_digits())?;
        let contacts =
            events.iter().zip(parts).map(|(event, amount)| contact_out(event, money(head.currency, amount))).collect();
        Ok(Resolved { head, line, contacts })
    }

    async fn proof(
        &self,
        caller: &Caller,
        request: wire::GetLineProofRequest,
    ) -> Result<wire::GetLineProofResponse, Fault> {
        let Resolved { head, line, contacts } =
            self.resolve_line(caller, &request.seller_id, &request.invoice_id, request.line_number).await?;
        let leaves: Vec<Hash> = contacts.iter().map(|(_, leaf)| *leaf).collect();
        let made = Proof {
            contacts: i64::try_from(leaves.len()).unwrap_or(i64::MAX),
            root: root(&leaves).to_vec(),
            created_at: self.deps.clock.now(),
        };
        // Readers ask for it, so the service keeps it in its own name.
        let own = Scope::of_event(caller.provider(), Some(head.seller));
        let mut tx = self.deps.db.begin(&own).await?;
        let kept = store::proof::keep(&mut tx, head.invoice_id, line.line_number, &made).await?;
        tx.commit().await?;
        if contacts.is_empty() && kept.contacts > 0 {
            // Erased with the rest of the seller's usage: the root stays.
        } else if kept.root != made.root {
            return Err(Fault::internal("what stands behind a line is not what was proved before"));
        }
        Ok(wire::GetLineProofResponse {
            proof: Some(wire::LineProof {
                seller_id: head.seller.to_string(),
                invoice_id: head.invoice_id.to_string(),
                line_number: line.line_number,
                form: FORM.into(),
                contacts: kept.contacts,
                amount: money(head.currency, line.amount),
                root: hex(&kept.root),
                create_time: Some(kit::wire::timestamp(kept.created_at)),
            }),
        })
    }
}

/// A contact with the texts that are hashed, and its leaf.
fn contact_out(stored: &Stored, amount: String) -> (wire::LineContact, Hash) {
    let (event, p) = (&stored.event, &stored.event.properties);
    let mut contact = wire::LineContact {
        usage_id: stored.usage_id.to_string(),
        source: event.source.clone(),
        event_key: event.event_key.clone(),
        meter: event.meter.name().into(),
        quantity: number(event.quantity),
        event_micros: event.event_at.as_microsecond().to_string(),
        subject: event.subject.clone(),
        channel: p.channel.clone(),
        language: p.language.clone(),
        marketplace: p.marketplace.clone(),
        country: p.country.clone(),
        hour_class: p.hour_class.clone(),
        agent_group: p.agent_group.clone(),
        corrects_event_key: event.corrects_event_key.clone().unwrap_or_default(),
        duration_seconds: event.duration_seconds.to_string(),
        historical: if event.historical { "1" } else { "0" }.into(),
        local_date: stored.local_date.to_string(),
        amount,
        leaf: String::new(),
    };
    let hashed = leaf(&[
        &contact.source,
        &contact.event_key,
        &contact.meter,
        &contact.quantity,
        &contact.event_micros,
        &contact.subject,
        &contact.channel,
        &contact.language,
        &contact.marketplace,
        &contact.country,
        &contact.hour_class,
        &contact.agent_group,
        &contact.corrects_event_key,
        &contact.duration_seconds,
        &contact.historical,
        &contact.local_date,
        &contact.amount,
    ]);
    contact.leaf = hex(&hashed);
    (contact, hashed)
}

#[tonic::async_trait]
impl ProofService for Api {
    type StreamLineContactsStream = BoxStream<'static, Result<wire::StreamLineContactsResponse, Status>>;

    async fn get_line_proof(
        &self,
        request: Request<wire::GetLineProofRequest>,
    ) -> Result<Response<wire::GetLineProofResponse>, Status> {
        answer!(self, request, proof)
    }

    async fn stream_line_contacts(
        &self,
        request: Request<wire::StreamLineContactsRequest>,
    ) -> Result<Response<Self::StreamLineContactsStream>, Status> {
        let (caller, request) = kit::admitted(request)?;
        let found = self.resolve_line(&caller, &request.seller_id, &request.invoice_id, request.line_number).await?;
        let mut contacts = found.contacts.into_iter().map(|(contact, _)| contact);
        let chunks = std::iter::from_fn(move || {
            let next: Vec<_> = contacts.by_ref().take(CHUNK).collect();
            (!next.is_empty()).then_some(Ok(wire::StreamLineContactsResponse { contacts: next }))
        });
        Ok(Response::new(stream::iter(chunks).boxed()))
    }
}
