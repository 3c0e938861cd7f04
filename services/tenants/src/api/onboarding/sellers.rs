//! Sellers: created, read, changed. The service itself is wired up here; the
//! work of its other calls is beside.

use aws_lc_rs::digest;
use kit::{Caller, Checks, Fault, ProviderId, SellerId};
use proto::tenants::v1 as pb;
use proto::tenants::v1::sellers_service_server::SellersService;
use tonic::{Request, Response, Status};
use uuid::Uuid;

use super::{Onboarding, Reach, fresh, given, invalid, keep, open, publish, settle, wire};
use crate::domain::onboarding::check::Problems;
use crate::domain::onboarding::life::State;
use crate::domain::onboarding::profile::{self, Profile};
use crate::domain::onboarding::seller::Seller;
use crate::store::onboarding::sellers;

/// How many prefixes of ticket numbers are tried before the caller has to choose one.
const PREFIXES: usize = 60;
/// How many sellers one request can make, one after the other was erased.
const LIVES: u32 = 100;

impl Onboarding {
    async fn create(
        &self,
        caller: &Caller,
        request: pb::CreateSellerRequest,
    ) -> Result<pb::CreateSellerResponse, Fault> {
        let mut checks = Checks::new();
        checks.request_id(&request.request_id);
        checks.finish()?;
        let mut problems = Problems::new();
        let handle = profile::check_handle(&mut problems, "handle", &request.handle);
        let chosen = Profile {
            name: request.name.clone(),
            ticket_prefix: if request.ticket_prefix.is_empty() {
                profile::suggest_prefix(&handle, 0)
            } else {
                request.ticket_prefix.clone()
            },
            certification_required: true,
            ..Profile::default()
        }
        .checked("", &mut problems);
        settle(problems)?;

        // The id comes from the request id, so that a retry meets its own row.
        let id = self.free_id(caller, &request.request_id).await?;
        let scope = caller.act_for(&id.to_string())?;
        let mut chosen = chosen;
        if request.ticket_prefix.is_empty() {
            chosen.ticket_prefix = self.free_prefix(caller, &handle).await?;
        }
        let mut tx = self.deps.db.begin(&scope).await?;
        if let Some(answer) = tx.replayed(caller, "CreateSeller", &request.request_id, &request).await? {
            return Ok(answer);
        }
        let now = self.deps.clock.now();
        let seller = Seller::draft(id, handle, chosen, now);
        sellers::insert(&mut tx, &seller).await.map_err(|failure| match failure.constraint() {
            Some("seller_handle_once") => Fault::Exists { kind: "handle", reason: "HANDLE_TAKEN" },
            Some("seller_prefix_once") => Fault::Exists { kind: "ticket prefix", reason: "PREFIX_TAKEN" },
            Some("seller_pk") => Fault::RequestIdReused,
            _ => failure.into(),
        })?;
        publish(&mut tx, &seller, now).await?;
        let response = pb::CreateSellerResponse { seller: Some(wire::seller(&seller)) };
        tx.commit_with(&response).await?;
        Ok(response)
    }

    /// The id of a request. One whose seller was erased is as good as never made:
    /// the shell keeps its id, and the request goes on to the next.
    async fn free_id(&self, caller: &Caller, request_id: &str) -> Result<SellerId, Fault> {
        for life in 0..LIVES {
            let id = derived_id(caller.provider(), caller.subject(), request_id, life);
            let mut tx = self.deps.db.begin(&caller.view(&id.to_string())?).await?;
            if sellers::find(&mut tx, id).await?.is_none_or(|seller| seller.state != State::Erased) {
                return Ok(id);
            }
        }
        Err(Fault::RequestIdReused)
    }

    /// A prefix that no seller of the provider has. Two sellers created at the
    /// same moment may still meet; the second is told so.
    async fn free_prefix(&self, caller: &Caller, handle: &str) -> Result<String, Fault> {
        let wanted: Vec<String> = (0..PREFIXES).map(|n| profile::suggest_prefix(handle, n)).collect();
        let mut tx = self.deps.db.begin(&caller.of_provider()).await?;
        let taken = sellers::prefix_taken(&mut tx, &wanted).await?;
        let free = wanted.into_iter().find(|p| !taken.contains(p));
        free.ok_or(Fault::Exists { kind: "ticket prefix", reason: "PREFIX_TAKEN" })
    }

    async fn get(&self, caller: &Caller, request: pb::GetSellerRequest) -> Result<pb::GetSellerResponse, Fault> {
        let (_tx, seller) = self.look(caller, &request.seller_id).await?;
        Ok(pb::GetSellerResponse { seller: Some(wire::seller(&seller)) })
    }

    async fn list(&self, caller: &Caller, request: pb::ListSellersRequest) -> Result<pb::ListSellersResponse, Fault> {
        let state = wire::read_state(request.state)
            .map_err(|()| Fault::invalid("state", "must be a known state"))?
            .map_or("", |s| s.word());
        let filter = (&request.seller_id, &request.handle, state);
        let page =
            self.deps.pager.read::<String>(caller, "ListSellers", &filter, request.page_size, &request.page_token)?;
        let mut tx = self.deps.db.begin(&caller.view(&request.seller_id)?).await?;
        let after = page.after.as_deref().unwrap_or_default();
        let mut rows = sellers::list(&mut tx, &request.handle, state, after, page.size + 1).await?;
        let next_page_token = self.deps.pager.cut(&page, &mut rows, |seller| seller.handle.clone())?;
        Ok(pb::ListSellersResponse { sellers: rows.iter().map(wire::seller).collect(), next_page_token })
    }

    async fn update(
        &self,
        caller: &Caller,
        request: pb::UpdateSellerRequest,
    ) -> Result<pb::UpdateSellerResponse, Fault> {
        let wanted = given("seller", request.seller.clone())?;
        let fields = masked(&wanted, request.update_mask.as_ref())?;
        let mut tx = self.act(caller, &request.seller_id, &request.request_id).await?;
        if let Some(answer) = tx.replayed(caller, "UpdateSeller", &request.request_id, &request).await? {
            return Ok(answer);
        }
        let mut seller = open(&mut tx).await?;
        fresh(&request.etag, seller.version)?;
        let mut changed = seller.profile.clone();
        for field in fields {
            set(&mut changed, field, &wanted);
        }
        let mut problems = Problems::new();
        let changed = changed.checked("seller", &mut problems);
        if seller.live_at.is_some() && changed.ticket_prefix != seller.profile.ticket_prefix {
            problems.add("seller.ticket_prefix", "cannot change once the seller was live: customers know the numbers");
        }
        settle(problems)?;
        if changed != seller.profile {
            if changed.stores != seller.profile.stores {
                sellers::put_stores(&mut tx, seller.id, &changed.stores).await?;
            }
            seller.profile = changed;
            keep(&mut tx, &mut seller, Reach::Own, self.deps.clock.now()).await.map_err(prefix_taken)?;
        }
        let response = pb::UpdateSellerResponse { seller: Some(wire::seller(&seller)) };
        tx.commit_with(&response).await?;
        Ok(response)
    }
}

/// A UUID of version 8 (RFC 9562) made from who asks, the request id, and how
/// many sellers that it made were erased.
fn derived_id(provider: ProviderId, subject: Uuid, request_id: &str, life: u32) -> SellerId {
    let mut text = b"CreateSeller".to_vec();
    text.extend_from_slice(provider.0.as_bytes());
    text.extend_from_slice(subject.as_bytes());
    text.extend_from_slice(request_id.as_bytes());
    if life > 0 {
        // no request id holds a zero byte
        text.push(0);
        text.extend_from_slice(&life.to_be_bytes());
    }
    let mut bytes = [0u8; 16];
    bytes.copy_from_slice(&digest::digest(&digest::SHA256, &text).as_ref()[..16]);
    SellerId(uuid::Builder::from_custom_bytes(bytes).into_uuid())
}

/// The unique prefix shows only when the row is written.
fn prefix_taken(fault: Fault) -> Fault {
    let Fault::Internal(error) = fault else { return fault };
    let taken = error
        .downcast_ref::<tenantdb::Failure>()
        .is_some_and(|failure| failure.constraint() == Some("seller_prefix_once"));
    if taken { Fault::Exists { kind: "ticket prefix", reason: "PREFIX_TAKEN" } } else { Fault::Internal(error) }
}

const FIELDS: [&str; 11] = [
    "name",
    "ticket_prefix",
    "legal_entity",
    "brands",
    "languages",
    "countries",
    "marketplaces",
    "product_groups",
    "currency",
    "time_zone",
    "certification_required",
];

/// The fields to change: those of the mask, or those that are set.
fn masked(wanted: &pb::Seller, mask: Option<&prost_types::FieldMask>) -> Result<Vec<&'static str>, Fault> {
    let paths = mask.map(|m| m.paths.as_slice()).unwrap_or_default();
    if paths.is_empty() {
        let set = [
            !wanted.name.is_empty(),
            !wanted.ticket_prefix.is_empty(),
            wanted.legal_entity.is_some(),
            !wanted.brands.is_empty(),
            !wanted.languages.is_empty(),
            !wanted.countries.is_empty(),
            !wanted.marketplaces.is_empty(),
            !wanted.product_groups.is_empty(),
            !wanted.currency.is_empty(),
            !wanted.time_zone.is_empty(),
            wanted.certification_required,
        ];
        return Ok(FIELDS.into_iter().zip(set).filter_map(|(field, is_set)| is_set.then_some(field)).collect());
    }
    let mut problems = Problems::new();
    let mut fields = Vec::new();
    for (i, path) in paths.iter().enumerate() {
        match FIELDS.into_iter().find(|f| f == path) {
            Some(field) => fields.push(field),
            None => problems.add(format!("update_mask.paths[{i}]"), format!("must be one of {}", FIELDS.join(", "))),
        }
    }
    if problems.is_empty() { Ok(fields) } else { Err(invalid(problems.into_vec())) }
}

fn set(profile: &mut Profile, field: &str, wanted: &pb::Seller) {
    match field {
        "name" => profile.name.clone_from(&wanted.name),
        "ticket_prefix" => profile.ticket_prefix.clone_from(&wanted.ticket_prefix),
        "legal_entity" => profile.legal = wire::read_legal(wanted.legal_entity.clone().unwrap_or_default()),
        "brands" => profile.brands.clone_from(&wanted.brands),
        "languages" => profile.languages.clone_from(&wanted.languages),
        "countries" => profile.countries.clone_from(&wanted.countries),
        "marketplaces" => profile.stores = wanted.marketplaces.iter().cloned().map(wire::read_store).collect(),
        "product_groups" => profile.product_groups.clone_from(&wanted.product_groups),
        "currency" => profile.currency.clone_from(&wanted.currency),
        "time_zone" => profile.time_zone.clone_from(&wanted.time_zone),
        _ => profile.certification_required = wanted.certification_required,
    }
}

macro_rules! call {
    ($self:ident, $request:ident, $work:ident) => {{
        let (caller, request) = kit::admitted($request)?;
        Ok(Response::new($self.$work(&caller, request).await?))
    }};
}
pub(super) use call;

#[tonic::async_trait]
impl SellersService for Onboarding {
    async fn create_seller(
        &self,
        request: Request<pb::CreateSellerRequest>,
    ) -> Result<Response<pb::CreateSellerResponse>, Status> {
        call!(self, request, create)
    }

    async fn get_seller(
        &self,
        request: Request<pb::GetSellerRequest>,
    ) -> Result<Response<pb::GetSellerResponse>, Status> {
        call!(self, request, get)
    }

    async fn list_sellers(
        &self,
        request: Request<pb::ListSellersRequest>,
    ) -> Result<Response<pb::ListSellersResponse>, Status> {
        call!(self, request, list)
    }

    async fn update_seller(
        &self,
        request: Request<pb::UpdateSellerRequest>,
    ) -> Result<Response<pb::UpdateSellerResponse>, Status> {
        call!(self, request, update)
    }

    async fn start_onboarding(
        &self,
        request: Request<pb::StartOnboardingRequest>,
    ) -> Result<Response<pb::StartOnboardingResponse>, Status> {
        call!(self, request, start)
    }

    async fn go_live(&self, request: Request<pb::GoLiveRequest>) -> Result<Response<pb::GoLiveResponse>, Status> {
        call!(self, request, go)
    }

    async fn suspend_seller(
        &self,
        request: Request<pb::SuspendSellerRequest>,
    ) -> Result<Response<pb::SuspendSellerResponse>, Status> {
        call!(self, request, suspend)
    }

    async fn resume_seller(
        &self,
        request: Request<pb::ResumeSellerRequest>,
    ) -> Result<Response<pb::ResumeSellerResponse>, Status> {
        call!(self, request, resume)
    }

    async fn start_offboarding(
        &self,
        request: Request<pb::StartOffboardingRequest>,
    ) -> Result<Response<pb::StartOffboardingResponse>, Status> {
        call!(self, request, leave)
    }

    async fn cancel_offboarding(
        &self,
        request: Request<pb::CancelOffboardingRequest>,
    ) -> Result<Response<pb::CancelOffboardingResponse>, Status> {
        call!(self, request, stay)
    }

    async fn list_seller_transitions(
        &self,
        request: Request<pb::ListSellerTransitionsRequest>,
    ) -> Result<Response<pb::ListSellerTransitionsResponse>, Status> {
        call!(self, request, transitions)
    }

    async fn get_seller_terms(
        &self,
        request: Request<pb::GetSellerTermsRequest>,
    ) -> Result<Response<pb::GetSellerTermsResponse>, Status> {
        call!(self, request, terms)
    }

    async fn put_channel_account(
        &self,
        request: Request<pb::PutChannelAccountRequest>,
    ) -> Result<Response<pb::PutChannelAccountResponse>, Status> {
        call!(self, request, put_channel)
    }

    async fn list_channel_accounts(
        &self,
        request: Request<pb::ListChannelAccountsRequest>,
    ) -> Result<Response<pb::ListChannelAccountsResponse>, Status> {
        call!(self, request, list_channels)
    }

    async fn put_calendar(
        &self,
        request: Request<pb::PutCalendarRequest>,
    ) -> Result<Response<pb::PutCalendarResponse>, Status> {
        call!(self, request, put_calendar_of)
    }

    async fn import_holidays(
        &self,
        request: Request<pb::ImportHolidaysRequest>,
    ) -> Result<Response<pb::ImportHolidaysResponse>, Status> {
        call!(self, request, import_holidays_of)
    }

    async fn list_calendars(
        &self,
        request: Request<pb::ListCalendarsRequest>,
    ) -> Result<Response<pb::ListCalendarsResponse>, Status> {
        call!(self, request, list_calendars_of)
    }

    async fn delete_calendar(
        &self,
        request: Request<pb::DeleteCalendarRequest>,
    ) -> Result<Response<pb::DeleteCalendarResponse>, Status> {
        call!(self, request, delete_calendar_of)
    }

    async fn put_sla_policy(
        &self,
        request: Request<pb::PutSlaPolicyRequest>,
    ) -> Result<Response<pb::PutSlaPolicyResponse>, Status> {
        call!(self, request, put_policy)
    }

    async fn get_sla_policy(
        &self,
        request: Request<pb::GetSlaPolicyRequest>,
    ) -> Result<Response<pb::GetSlaPolicyResponse>, Status> {
        call!(self, request, policy)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_life_of_a_request_has_an_id_of_its_own() {
        let (provider, subject) = (ProviderId(Uuid::from_u128(1)), Uuid::from_u128(2));
        let ids: std::collections::BTreeSet<SellerId> =
            (0..LIVES).map(|life| derived_id(provider, subject, "onboard-1", life)).collect();
        assert_eq!(ids.len(), LIVES as usize);
        assert_eq!(derived_id(provider, subject, "onboard-1", 1), derived_id(provider, subject, "onboard-1", 1));
        assert_ne!(derived_id(provider, subject, "onboard-1", 0), derived_id(provider, subject, "onboard-2", 0));
        assert_ne!(
            derived_id(provider, Uuid::from_u128(3), "onboard-1", 0),
            derived_id(provider, subject, "onboard-1", 0)
        );
    }
}
