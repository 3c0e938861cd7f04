//! A seller's terms as the other services keep them.

use kit::{Caller, Fault};
use proto::events::v1::SellerTerms;
use proto::tenants::v1 as pb;
use tenantdb::TenantTx;

use super::{Onboarding, wire};
use crate::domain::onboarding::seller::Seller;
use crate::store::onboarding::{channels, hours, papers};

/// The terms as they are in the transaction.
pub(super) async fn of(tx: &mut TenantTx, seller: &Seller) -> Result<SellerTerms, Fault> {
    let accounts = channels::all(tx, seller.id).await?;
    let calendars = hours::current(tx, seller.id).await?;
    let policy = hours::policy(tx, seller.id, 0).await?;
    let record = papers::data_protection(tx, seller.id).await?;
    let profile = &seller.profile;
    Ok(SellerTerms {
        seller_id: seller.id.to_string(),
        version: seller.terms_version,
        handle: seller.handle.clone(),
        name: profile.name.clone(),
        state: seller.state.word().to_owned(),
        ticket_prefix: profile.ticket_prefix.clone(),
        time_zone: profile.time_zone.clone(),
        country: profile.legal.country.clone(),
        languages: profile.languages.clone(),
        channel_accounts: accounts.iter().map(wire::account).collect(),
        calendars: calendars.iter().map(wire::counted_calendar).collect(),
        sla_policy: policy.map(|(version, policy)| wire::policy(version, &policy)),
        currency: profile.currency.clone(),
        certification_required: profile.certification_required,
        retention_days: record.map_or(0, |(_, record)| record.retention_days),
    })
}

impl Onboarding {
    pub(super) async fn terms(
        &self,
        caller: &Caller,
        request: pb::GetSellerTermsRequest,
    ) -> Result<pb::GetSellerTermsResponse, Fault> {
        let (mut tx, seller) = self.look(caller, &request.seller_id).await?;
        Ok(pb::GetSellerTermsResponse { terms: Some(of(&mut tx, &seller).await?) })
    }
}
