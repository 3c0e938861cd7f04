//! What the variables of a template stand for on a ticket, and how the seller's brands speak.

use std::collections::{BTreeMap, BTreeSet};

use kit::{Caller, Fault, Scope, UserId};
use proto::tenants::v1::onboarding_service_client::OnboardingServiceClient;
use proto::tenants::v1::{BrandVoice, ListBrandVoicesRequest, ListPlaybookEntriesRequest, PlaybookEntry};
use tenantdb::TenantTx;

use super::Desk;
use crate::domain::dossier::Ticket;
use crate::domain::settings::Settings;
use crate::store;
use crate::store::writing::Signature;

/// How a seller's brands speak, or why that is not known now.
pub type Voices = Result<Vec<BrandVoice>, Fault>;

impl Desk {
    /// How the seller's brands speak, as the tenants service keeps it. Asked before a transaction begins: whoever
    /// holds a connection must not wait for somebody who may need one.
    pub async fn voices(&self, scope: &Scope, caller: Option<&Caller>) -> Result<Vec<BrandVoice>, Fault> {
        let seller = scope.seller().ok_or(Fault::NotFound("seller"))?;
        let request = ListBrandVoicesRequest { seller_id: seller.to_string() };
        let mut client = OnboardingServiceClient::new(self.tenants(scope, caller)?);
        Ok(client.list_brand_voices(request).await?.into_inner().brand_voices)
    }

    /// What to say and to avoid in a country.
    pub async fn playbook(&self, scope: &Scope, caller: &Caller, country: &str) -> Result<Vec<PlaybookEntry>, Fault> {
        let seller = scope.seller().ok_or(Fault::NotFound("seller"))?;
        let request = ListPlaybookEntriesRequest { seller_id: seller.to_string(), country: country.to_owned() };
        let mut client = OnboardingServiceClient::new(self.tenants(scope, Some(caller))?);
        Ok(client.list_playbook_entries(request).await?.into_inner().entries)
    }

    fn tenants(&self, scope: &Scope, caller: Option<&Caller>) -> Result<kit::peers::Authed, Fault> {
        match caller {
            Some(caller) => self.deps.calls.for_caller("tenants", caller, scope),
            None => self.deps.calls.for_scope("tenants", scope),
        }
    }

    /// The values of the variables asked for, on a ticket. What is not known is left out. `caller` is the
    /// agent, None where no person answers; `voices` are those that were asked for before `tx` began.
    pub async fn values(
        &self,
        tx: &mut TenantTx,
        caller: Option<&Caller>,
        voices: &Voices,
        ticket: &Ticket,
        settings: &Settings,
        wanted: &BTreeSet<&'static str>,
    ) -> Result<BTreeMap<&'static str, String>, Fault> {
        let language = language_of(ticket, settings);
        let mut values: BTreeMap<&'static str, String> = BTreeMap::new();
        values.insert("ticket.number", ticket.number.clone());
        values.insert("ticket.subject", ticket.subject.clone());
        values.insert("ticket.language", language.clone());
        values.insert("marketplace.name", ticket.marketplace.clone());
        values.insert("order.id", ticket.order_id.clone().unwrap_or_default());
        values.insert("today", settings.zone.to_datetime(tx.now()).date().to_string());
        if wanted.iter().any(|name| name.starts_with("customer."))
            && let Some(customer) = store::customers::find(tx, ticket.customer).await?
        {
            values.insert(
                "customer.first_name",
                customer.value.name.split_whitespace().next().unwrap_or_default().into(),
            );
            values.insert("customer.name", customer.value.name);
        }
        if wanted.contains("seller.name") {
            let seller = tx.seller()?;
            let terms = tenantdb::sellers::read(tx, seller).await?.ok_or(Fault::NotFound("seller"))?;
            values.insert("seller.name", terms.name);
        }
        if wanted.iter().any(|name| name.starts_with("brand.") || name.starts_with("agent.")) {
            let voices = match voices {
                Ok(voices) => voices,
                Err(fault) => return Err(Fault::Unavailable(kit::fault::chain(fault).into())),
            };
            let voice = voice_for(voices, &language);
            if let Some(voice) = voice {
                values.insert("brand.greeting", voice.greeting.clone());
                values.insert("brand.sign_off", voice.sign_off.clone());
            }
            let user = caller.and_then(Caller::user);
            let (alias, signature) = self.signs(tx, user, voice, &language).await?;
            values.insert("agent.alias", alias);
            values.insert("agent.signature", signature);
        }
        Ok(values)
    }

    /// Under which name, and with which lines, somebody answers: as set for her, else as the brand says.
    pub async fn signs(
        &self,
        tx: &mut TenantTx,
        user: Option<UserId>,
        voice: Option<&BrandVoice>,
        language: &str,
    ) -> Result<(String, String), Fault> {
        let seller = tx.seller()?.0;
        let own = match user {
            Some(user) => store::writing::signatures(tx, seller, Some(user)).await?,
            None => Vec::new(),
        };
        let own = signature_for(&own, language);
        let alias = own.map(|own| own.alias.clone()).or_else(|| voice.map(|voice| voice.alias.clone()));
        let signature = own
            .map(|own| own.signature.clone())
            .filter(|signature| !signature.is_empty())
            .or_else(|| voice.map(|voice| voice.sign_off.clone()));
        Ok((alias.unwrap_or_default(), signature.unwrap_or_default()))
    }
}

/// The language to answer a ticket in: its own, else the seller's usual one.
pub fn language_of(ticket: &Ticket, settings: &Settings) -> String {
    let usual = || settings.languages.first().cloned().unwrap_or_default();
    ticket.language.clone().filter(|language| !language.is_empty()).unwrap_or_else(usual)
}

/// The languages to look for, the nearest first: `pt-BR`, then `pt`.
pub fn near(language: &str) -> Vec<String> {
    let head = language.split('-').next().unwrap_or_default();
    let mut near = vec![language.to_owned()];
    if head != language {
        near.push(head.to_owned());
    }
    near.retain(|language| !language.is_empty());
    near
}

/// The voice of the first brand in a language or its nearest.
pub fn voice_for<'a>(voices: &'a [BrandVoice], language: &str) -> Option<&'a BrandVoice> {
    near(language).iter().find_map(|language| voices.iter().find(|voice| voice.language == *language))
}

fn signature_for<'a>(all: &'a [Signature], language: &str) -> Option<&'a Signature> {
    let mut wanted = near(language);
    wanted.push(String::new());
    wanted.iter().find_map(|language| all.iter().find(|signature| signature.language == *language))
}
