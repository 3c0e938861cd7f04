//! What other services are told, in the commit of what it tells.

use std::collections::HashMap;

use kit::SellerId;
use proto::events::v1::envelope::Body;
use proto::events::v1::{AgentTimeRecorded, ContactAssigned, ContactEnded, ContactReleased, SellerErasureDone};
use tenantdb::{Failure, TenantTx};

use crate::store::contacts;
use crate::wire;
use engine::contact::Contact;
use engine::ids::ContactId;
use engine::{Changes, Decision, Kind, Rule};

/// Tells who has which contact now, and what agents' time went to.
pub fn others(tx: &mut TenantTx, changes: &Changes) -> Result<(), Failure> {
    let contacts: HashMap<ContactId, &Contact> = changes.contacts.iter().map(|c| (c.id, c)).collect();
    for decision in &changes.decisions {
        let Some(contact) = contacts.get(&decision.contact) else { continue };
        let Some(ticket) = contact.ticket else { continue };
        if let Some(how) = ended(decision) {
            let body = Body::ContactEnded(ContactEnded {
                ticket_id: ticket.to_string(),
                contact_id: contact.id.to_string(),
                how: how.to_owned(),
                user_id: decision.agent.map(|agent| agent.to_string()).unwrap_or_default(),
                ended_at: Some(wire::at(decision.at)),
            });
            tx.emit_of(decision.seller, ticket, body, decision.at.timestamp())?;
            continue;
        }
        let Some(agent) = decision.agent else { continue };
        let body = match decision.kind {
            Kind::Accepted | Kind::Assigned => Body::ContactAssigned(ContactAssigned {
                ticket_id: ticket.to_string(),
                contact_id: contact.id.to_string(),
                user_id: agent.to_string(),
                offer_id: decision.offer.map(|o| o.to_string()).unwrap_or_default(),
                assigned_at: Some(wire::at(decision.at)),
            }),
            Kind::Requeued | Kind::Transferred => Body::ContactReleased(ContactReleased {
                ticket_id: ticket.to_string(),
                contact_id: contact.id.to_string(),
                user_id: agent.to_string(),
                reason: released_because(decision).to_owned(),
            }),
            _ => continue,
        };
        tx.emit_of(decision.seller, ticket, body, decision.at.timestamp())?;
    }
    for interval in &changes.intervals {
        let body = Body::AgentTimeRecorded(AgentTimeRecorded {
            user_id: interval.agent.to_string(),
            state: interval.activity.word().to_owned(),
            reason: interval.reason.clone(),
            start: Some(wire::at(interval.start)),
            end: Some(wire::at(interval.end)),
        });
        tx.emit_for_provider(interval.agent, body, interval.end.timestamp());
    }
    Ok(())
}

/// How a contact ended of which tickets may not know that it did; it knows its own answers.
fn ended(decision: &Decision) -> Option<&'static str> {
    match decision.kind {
        Kind::Done | Kind::Cancelled if decision.rule == Rule::Complete => None,
        Kind::Done => Some("done"),
        Kind::Cancelled => Some("cancelled"),
        Kind::Abandoned => Some("abandoned"),
        Kind::Expired => Some("expired"),
        Kind::Overflowed => Some("overflowed"),
        _ => None,
    }
}

fn released_because(decision: &Decision) -> &'static str {
    match (decision.kind, decision.rule) {
        (_, Rule::SessionLost) => "agent_lost",
        (Kind::Transferred, _) => "transferred",
        (_, Rule::Agent) => "given_back",
        _ => "supervisor",
    }
}

/// Deletes everything of a seller and says so.
pub async fn erased(tx: &mut TenantTx, seller: SellerId, erasure: &str) -> Result<(), Failure> {
    tenantdb::sellers::erasing(tx, seller).await?;
    let rows = contacts::erase(tx, seller).await?;
    let now = tx.now();
    let body = Body::SellerErasureDone(SellerErasureDone {
        erasure_id: erasure.to_owned(),
        service: "routing".to_owned(),
        rows,
        rows_kept: 0,
    });
    tx.emit_of(seller, seller, body, now)?;
    Ok(())
}
