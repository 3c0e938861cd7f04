//! What the calls, the events of others and the background work share: the seller's settings, and
//! writing dossiers together with what other services are told and what leaves as mail.

pub mod awaited;
pub mod breach;
pub mod claims;
pub mod counting;
pub mod erasing;
pub mod http;
pub mod incidents;
pub mod mail;
pub mod notices;
pub mod presence;
pub mod retention;
pub mod rounds;
pub mod senders;
pub mod settings;
pub mod surveys;
pub mod told;
pub mod translate;
pub mod triggers;
pub mod values;
pub mod wake;
pub mod webhooks;

use std::collections::HashMap;
use std::sync::{Arc, Mutex};

use kit::{Caller, Fault, ProviderId, Scope, SellerId};
use proto::tenants::v1::GetSellerTermsRequest;
use proto::tenants::v1::sellers_service_client::SellersServiceClient;
use tenantdb::service::Deps;
use tenantdb::{Failure, TenantTx};

use crate::domain::case::Case;
use crate::domain::dossier::{Dossier, Message, Ticket};
use crate::domain::ids::ChannelAccountId;
use crate::domain::intake::Direction;
use crate::domain::intake::book::Book;
use crate::domain::outgoing::letter::{self, Addressed};
use crate::domain::outgoing::{self, NotSent, Outgoing};
use crate::domain::settings::Settings;
use crate::store;

/// The service's hands.
pub struct Desk {
    pub deps: Deps,
    pub mail: mail::Mail,
    pub http: http::Http,
    remembered: settings::Remembered,
    /// Wakes those of this process who look at a ticket.
    pub presence: presence::Rooms,
    /// Whether sellers have triggers, and when that was looked up.
    triggered: Mutex<HashMap<(ProviderId, SellerId), (i64, bool)>>,
}

impl Desk {
    pub fn new(deps: Deps, mail: mail::Mail, http: http::Http) -> Desk {
        let triggered = Mutex::default();
        let (remembered, presence) = (settings::Remembered::default(), presence::Rooms::default());
        Desk { deps, mail, http, remembered, presence, triggered }
    }

    /// The settings of the scope's seller, ready to use.
    pub async fn settings(&self, caller: Option<&Caller>, scope: &Scope) -> Result<Arc<Settings>, Fault> {
        let terms = self.deps.terms.of(&self.deps.db, &self.deps.calls, caller, scope).await?;
        Ok(self.remembered.of(scope.provider_id(), &terms))
    }

    /// The settings of the scope's seller, knowing an account that was perhaps made a moment ago: where
    /// the read copy does not know it, the terms are asked for.
    pub async fn settings_knowing(
        &self,
        caller: &Caller,
        scope: &Scope,
        account: ChannelAccountId,
    ) -> Result<Arc<Settings>, Fault> {
        let settings = self.settings(Some(caller), scope).await?;
        if settings.account(account).is_some() {
            return Ok(settings);
        }
        self.settings_asked(caller, scope, settings.version).await
    }

    /// The settings of the scope's seller as its terms are now; `known` is the version that was not
    /// enough.
    pub async fn settings_asked(&self, caller: &Caller, scope: &Scope, known: i64) -> Result<Arc<Settings>, Fault> {
        let seller = scope.seller().ok_or(Fault::NotFound("seller"))?;
        let tenants = self.deps.calls.for_caller("tenants", caller, scope)?;
        let request = GetSellerTermsRequest { seller_id: seller.to_string() };
        let answer = SellersServiceClient::new(tenants).get_seller_terms(request).await?.into_inner();
        let terms = answer.terms.ok_or(Fault::NotFound("seller"))?;
        if known < terms.version {
            let mut tx = self.deps.db.begin(scope).await?;
            tenantdb::sellers::keep(&mut tx, seller, &terms).await?;
            tx.commit().await?;
            self.deps.terms.forget(scope.provider_id(), seller);
        }
        Ok(self.remembered.of(scope.provider_id(), &terms))
    }

    /// The settings of the transaction's seller, from the read copy.
    pub async fn settings_in(&self, tx: &mut TenantTx) -> Result<Arc<Settings>, Fault> {
        let (provider, seller) = (tx.provider(), tx.seller()?);
        let terms = tenantdb::sellers::read(tx, seller).await?.ok_or(Fault::NotFound("seller"))?;
        Ok(self.remembered.of(provider, &terms))
    }

    /// Writes a book of received messages and notes what others are told.
    pub async fn keep_book(&self, tx: &mut TenantTx, settings: &Settings, book: &mut Book) -> Result<(), Failure> {
        store::keep::book(tx, &settings.prefix, book).await?;
        tx.write_now().await?;
        self.note_claims(tx, settings, &book.claims).await?;
        self.note_for_triggers(tx, &book.dossiers).await?;
        book.dossiers.iter().try_for_each(|dossier| told::emit(tx, dossier))
    }

    /// The new answers of a dossier that leave, addressed, or with the reason why they do not. What was imported
    /// comes another way.
    async fn to_be_sent(&self, tx: &mut TenantTx, dossier: &Dossier) -> Result<Vec<Outgoing>, Failure> {
        let ticket = &dossier.ticket;
        let is_answer = |message: &&Message| message.direction == Direction::Outbound && message.channel != "phone";
        let is_mail = |message: &&Message| outgoing::is_mail(&ticket.channel, &message.author_address);
        let mut answers: Vec<&Message> = dossier.new_messages.iter().filter(is_answer).collect();
        // What is no mail leaves where the account says how.
        if !answers.iter().all(is_mail) && store::senders::one(tx, ticket.account).await?.is_none() {
            answers.retain(is_mail);
        }
        if answers.is_empty() {
            return Ok(Vec::new());
        }
        let addressed = self.addressed(tx, ticket).await?;
        let now = tx.now();
        let mails = answers.into_iter().map(|message| {
            let mut mail = Outgoing::queued(message, ticket.account, now);
            match &addressed {
                Ok(addressed) => mail.addressed = addressed.clone(),
                Err(why) => mail.is_not_sent(*why),
            }
            mail
        });
        Ok(mails.collect())
    }

    /// To whom an answer of a ticket goes, or why it does not.
    pub async fn addressed(&self, tx: &mut TenantTx, ticket: &Ticket) -> Result<Result<Addressed, NotSent>, Failure> {
        let tagged = store::connections::sends(tx, ticket.account).await?;
        if tagged.is_none() && store::senders::one(tx, ticket.account).await?.is_none() {
            return Ok(Err(NotSent::NoConnection));
        }
        let seller = tx.seller()?;
        let terms = tenantdb::sellers::read(tx, seller).await?;
        let settings = terms.map(|terms| self.remembered.of(tx.provider(), &terms));
        let Some(settings) = settings.filter(|s| s.account(ticket.account).is_some_and(|account| account.active))
        else {
            return Ok(Err(NotSent::AccountInactive));
        };
        let Some(tagged) = tagged else {
            let last = store::senders::last(tx, ticket.id, ticket.account).await?;
            let last = last.filter(|last| !last.address.is_empty());
            return Ok(last.map(|last| last.addressed()).ok_or(NotSent::NoAddress));
        };
        let hers = store::customers::mails_of(tx, ticket.customer).await?;
        let said = store::outgoing::said(tx, ticket.id, &hers).await?;
        let of = letter::Of { number: &ticket.number, prefix: &settings.prefix, subject: &ticket.subject, tagged };
        if 0 < ticket.inbound_count {
            return Ok(letter::address(&of, &said, &hers).ok_or(NotSent::NoAddress));
        }
        // Nobody wrote yet: what we begin goes to the ticket's customer.
        let hers = store::incidents::mail_of(tx, ticket.customer).await?;
        Ok(hers.map(|(address, name)| letter::begin(&of, &address, &name, &said)).ok_or(NotSent::NoAddress))
    }

    /// Writes a ticket with what it carries, its clocks read anew, and notes what others are told.
    pub async fn keep_case(&self, tx: &mut TenantTx, settings: &Settings, case: &mut Case) -> Result<(), Failure> {
        self.keep_case_unnoted(tx, settings, case).await?;
        self.note_for_triggers(tx, std::slice::from_ref(&case.dossier)).await
    }

    /// As [`Desk::keep_case`], for what triggers did: it sets none off.
    pub async fn keep_case_unnoted(
        &self,
        tx: &mut TenantTx,
        settings: &Settings,
        case: &mut Case,
    ) -> Result<(), Failure> {
        let now = tx.now();
        case.dossier.settle(settings, now);
        let mails = self.to_be_sent(tx, &case.dossier).await?;
        store::outgoing::queue(tx, &mails)?;
        store::keep::dossiers(tx, std::slice::from_mut(&mut case.dossier)).await?;
        told::emit(tx, &case.dossier)?;
        tx.write_now().await?;
        store::extras::keep(tx, case).await
    }

    /// Writes one dossier, queues its new answers that leave as mails, and notes what others are told.
    pub async fn keep(&self, tx: &mut TenantTx, dossier: &mut Dossier) -> Result<(), Failure> {
        self.keep_with_commit(tx, dossier).await?;
        tx.write_now().await
    }

    /// As [`Desk::keep`], where nothing of it is read again before the commit.
    pub async fn keep_with_commit(&self, tx: &mut TenantTx, dossier: &mut Dossier) -> Result<(), Failure> {
        let mails = self.to_be_sent(tx, dossier).await?;
        store::outgoing::queue(tx, &mails)?;
        store::keep::dossiers(tx, std::slice::from_mut(dossier)).await?;
        self.note_for_triggers(tx, std::slice::from_ref(dossier)).await?;
        told::emit(tx, dossier)
    }
}
