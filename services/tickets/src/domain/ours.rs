//! Messages of ours: answers and notes.

use super::dossier::{Act, Dossier, Matter, Message};
use super::ids::MessageId;
use super::intake::{Direction, language};
use super::settings::Settings;

/// An answer or a note of ours. An answer by mail gets the Message-ID by which the customer's mail
/// program will name it.
pub fn message(
    dossier: &Dossier,
    act: Act,
    settings: &Settings,
    id: MessageId,
    direction: Direction,
    text: String,
) -> Message {
    let ticket = &dossier.ticket;
    let account = settings.account(ticket.account).filter(|_| direction == Direction::Outbound);
    let domain = account.and_then(|account| account.address.rsplit_once('@')).map(|(_, domain)| domain.to_owned());
    let found = language::detect(&text);
    Message {
        id,
        ticket: ticket.id,
        position: 0,
        direction,
        channel: ticket.channel.clone(),
        account: (direction == Direction::Outbound).then_some(ticket.account),
        external_id: domain.map(|domain| format!("{id}@{domain}")),
        external_thread_id: None,
        in_reply_to: None,
        order_id: None,
        author_address: account.map(|account| account.address.clone()).unwrap_or_default(),
        author_name: String::new(),
        user: act.user,
        subject: String::new(),
        text,
        language: found.map(|found| found.language.to_owned()),
        confidence: found.map_or(0.0, |found| found.confidence),
        occurred_at: act.at,
        stored_at: act.at,
        automatic: false,
        matter: Matter::default(),
        delivery: None,
        decisions: Vec::new(),
    }
}
