//! Brings the demo's letters in: those of the past as an import, those of today
//! through intake, and has the agents answer some of them by way of routing.

use std::collections::BTreeMap;
use std::sync::Arc;

use anyhow::anyhow;
use jiff::{Timestamp, ToSpan};
use proto::routing::v1::routing_service_client::RoutingServiceClient;
use proto::routing::v1::{AcceptOfferRequest, Contact, Hello, ListMyOffersRequest, PresenceState, SetPresenceRequest};
use proto::tenants::v1::ListChannelAccountsRequest;
use proto::tenants::v1::sellers_service_client::SellersServiceClient;
use proto::tickets::v1::tickets_service_client::TicketsServiceClient;
use proto::tickets::v1::{
    Author, Direction, ImportMessagesRequest, ImportedMessage, ReceiveEmailRequest, ReceiveMessageRequest,
    ReplyRequest, Ticket,
};
use tonic::Code;

use super::letters::{Account, PAST, Past, TODAY, Today};
use super::people::Sold;
use super::until;
use crate::cli::client::{Session, Transport, told};

/// What is to be answered, by ticket.
pub(super) type Answers = Arc<BTreeMap<String, &'static str>>;

/// Sellers and channel accounts by what the letters call them.
pub(super) struct Places {
    sellers: Vec<Sold>,
    accounts: BTreeMap<(String, String), String>,
}

impl Places {
    /// Looks the accounts up.
    pub async fn read(transport: &Transport, sellers: &[Sold]) -> anyhow::Result<Places> {
        let mut accounts = BTreeMap::new();
        for (_, seller_id) in sellers {
            let asked = ListChannelAccountsRequest { seller_id: seller_id.clone() };
            let mut client = SellersServiceClient::new(transport.clone());
            let found = client.list_channel_accounts(asked).await.map_err(|s| told(&s))?.into_inner();
            for account in found.channel_accounts {
                accounts.insert((account.channel, account.address), account.channel_account_id);
            }
        }
        Ok(Places { sellers: sellers.to_vec(), accounts })
    }

    fn seller(&self, handle: &str) -> anyhow::Result<&str> {
        let found = self.sellers.iter().find(|(h, _)| *h == handle);
        found.map(|(_, id)| id.as_str()).ok_or_else(|| anyhow!("there is no seller {handle}"))
    }

    fn account(&self, account: Account) -> anyhow::Result<&str> {
        let found = self.accounts.get(&(account.0.to_owned(), account.1.to_owned()));
        found.map(String::as_str).ok_or_else(|| anyhow!("there is no account {}", account.1))
    }
}

/// Imports what came in before.
pub(super) async fn import(transport: &Transport, places: &Places, now: Timestamp) -> anyhow::Result<()> {
    let mut by_account: BTreeMap<(&str, Account), Vec<ImportedMessage>> = BTreeMap::new();
    for past in PAST {
        by_account.entry((past.seller, past.account)).or_default().extend(both(past, now)?);
    }
    for ((seller, account), messages) in by_account {
        let request = ImportMessagesRequest {
            seller_id: places.seller(seller)?.to_owned(),
            import_key: "demo".to_owned(),
            channel_account_id: places.account(account)?.to_owned(),
            messages,
            ..ImportMessagesRequest::default()
        };
        TicketsServiceClient::new(transport.clone()).import_messages(request).await.map_err(|s| told(&s))?;
    }
    Ok(())
}

/// The customer's message and the answer.
fn both(past: &Past, now: Timestamp) -> anyhow::Result<[ImportedMessage; 2]> {
    let asked_at = now.checked_sub(past.hours_ago.hours())?;
    let answered_at = asked_at.checked_add(past.waited_minutes.minutes())?;
    let name = past.from.0.split('@').next().unwrap_or_default();
    let id = format!("demo-{name}-{}", past.hours_ago);
    let message = |external_id: String, direction: Direction, text: &str, at| ImportedMessage {
        external_id,
        external_thread_id: if past.account.0 == "email" { String::new() } else { id.clone() },
        in_reply_to: if direction == Direction::Outbound { id.clone() } else { String::new() },
        direction: direction.into(),
        author: Some(match direction {
            Direction::Outbound => Author { address: past.account.1.to_owned(), name: String::new() },
            _ => Author { address: past.from.0.to_owned(), name: past.from.1.to_owned() },
        }),
        subject: past.subject.to_owned(),
        text: text.to_owned(),
        order_id: String::new(),
        occurred_at: Some(kit::wire::timestamp(at)),
    };
    Ok([
        message(id.clone(), Direction::Inbound, past.text, asked_at),
        message(format!("{id}-answer"), Direction::Outbound, past.answer, answered_at),
    ])
}

/// Receives what comes in today, side by side; the tickets with what is to be answered to each.
pub(super) async fn receive(
    transport: &Transport,
    places: &Places,
    now: Timestamp,
) -> anyhow::Result<Vec<(Ticket, &'static str)>> {
    let mut received = tokio::task::JoinSet::new();
    for letter in TODAY {
        let tickets = TicketsServiceClient::new(transport.clone());
        let (seller, account) = (places.seller(letter.seller)?.to_owned(), places.account(letter.account)?.to_owned());
        received.spawn(async move {
            let ticket = take(tickets, letter, seller, account, now).await?;
            Ok::<_, anyhow::Error>((ticket, letter.answer))
        });
    }
    let mut tickets = Vec::new();
    while let Some(done) = received.join_next().await {
        tickets.push(done??);
    }
    Ok(tickets)
}

async fn take(
    mut tickets: TicketsServiceClient<Transport>,
    letter: &Today,
    seller_id: String,
    channel_account_id: String,
    now: Timestamp,
) -> anyhow::Result<Ticket> {
    let (address, name) = letter.from;
    let id = format!("demo-today-{}", address.split('@').next().unwrap_or_default());
    let ticket = if letter.account.0 == "email" {
        let raw = eml(letter, &id, now)?.into();
        let request = ReceiveEmailRequest { seller_id, channel_account_id, raw, ..ReceiveEmailRequest::default() };
        tickets.receive_email(request).await.map_err(|s| told(&s))?.into_inner().ticket
    } else {
        let request = ReceiveMessageRequest {
            seller_id,
            channel_account_id,
            external_id: id.clone(),
            external_thread_id: id,
            author: Some(Author { address: address.to_owned(), name: name.to_owned() }),
            subject: letter.subject.to_owned(),
            text: letter.text.to_owned(),
            order_id: format!("408-{:07}-0001", address.len() * 104_729),
            ..ReceiveMessageRequest::default()
        };
        tickets.receive_message(request).await.map_err(|s| told(&s))?.into_inner().ticket
    };
    ticket.ok_or_else(|| anyhow!("the answer holds no ticket"))
}

/// A mail as a mail server hands it over; the subject encoded, since it may hold any letter.
fn eml(letter: &Today, id: &str, now: Timestamp) -> anyhow::Result<Vec<u8>> {
    use base64::Engine;
    let encoded = |text: &str| base64::engine::general_purpose::STANDARD.encode(text);
    let date = jiff::fmt::rfc2822::to_string(&now.to_zoned(jiff::tz::TimeZone::UTC))?;
    let (address, name) = letter.from;
    let text = encoded(letter.text);
    let text: Vec<&str> = text.as_bytes().chunks(76).filter_map(|line| std::str::from_utf8(line).ok()).collect();
    let lines = [
        format!("From: =?utf-8?B?{}?= <{address}>", encoded(name)),
        format!("To: <{}>", letter.account.1),
        format!("Subject: =?utf-8?B?{}?=", encoded(letter.subject)),
        format!("Message-ID: <{id}@{}>", address.split('@').nth(1).unwrap_or("mail.example")),
        format!("Date: {date}"),
        "MIME-Version: 1.0".to_owned(),
        "Content-Type: text/plain; charset=utf-8".to_owned(),
        "Content-Transfer-Encoding: base64".to_owned(),
        String::new(),
        text.join("\r\n"),
        String::new(),
    ];
    Ok(lines.join("\r\n").into_bytes())
}

/// One agent's morning: she comes to work, answers some of what she is offered, and goes.
pub(super) async fn answer(mut agent: Session, texts: Answers, some: usize) -> anyhow::Result<()> {
    let transport = agent.transport().await?;
    let routing = RoutingServiceClient::new(transport.clone());
    let hello = Hello { state: PresenceState::Available.into(), ..Hello::default() };
    until("routing to know the agents", || {
        let mut routing = routing.clone();
        let request =
            SetPresenceRequest { request_id: fresh(), hello: Some(hello.clone()), ..SetPresenceRequest::default() };
        async move {
            match routing.set_presence(request).await {
                Ok(_) => Ok(Some(())),
                Err(status) if matches!(status.code(), Code::FailedPrecondition | Code::Unavailable) => Ok(None),
                Err(status) => Err(told(&status)),
            }
        }
    })
    .await?;
    for left in (0..some).rev() {
        let contact = until("an offer", || {
            let (mut routing, texts) = (routing.clone(), texts.clone());
            async move { accept(&mut routing, &texts).await }
        })
        .await?;
        if left == 0 {
            // She finishes what she has and takes nothing new.
            let state = PresenceState::Draining.into();
            let request = SetPresenceRequest { request_id: fresh(), state, ..SetPresenceRequest::default() };
            routing.clone().set_presence(request).await.map_err(|s| told(&s))?;
        }
        let request = ReplyRequest {
            seller_id: contact.seller_id,
            request_id: format!("demo-{}", contact.ticket_id),
            text: texts.get(&contact.ticket_id).copied().unwrap_or_default().to_owned(),
            ticket_id: contact.ticket_id,
            ..ReplyRequest::default()
        };
        TicketsServiceClient::new(transport.clone()).reply(request).await.map_err(|s| told(&s))?;
    }
    Ok(())
}

/// Takes the first offer, if there is one.
async fn accept(routing: &mut RoutingServiceClient<Transport>, texts: &Answers) -> anyhow::Result<Option<Contact>> {
    let mine = routing.list_my_offers(ListMyOffersRequest {}).await.map_err(|s| told(&s))?.into_inner();
    for offer in mine.offers {
        let contact = offer.contact.unwrap_or_default();
        if !texts.contains_key(&contact.ticket_id) {
            continue;
        }
        let seller_id = contact.seller_id.clone();
        let request = AcceptOfferRequest { seller_id, offer_id: offer.id, request_id: fresh() };
        match routing.accept_offer(request).await {
            Ok(_) => return Ok(Some(contact)),
            // It ended meanwhile, and the contact will come again.
            Err(status) if matches!(status.code(), Code::FailedPrecondition | Code::NotFound) => {}
            Err(status) => return Err(told(&status)),
        }
    }
    Ok(None)
}

fn fresh() -> String {
    kit::Clock::System.new_uuid().to_string()
}
