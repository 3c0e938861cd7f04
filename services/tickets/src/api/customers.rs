//! Customers: found, changed, joined and split, and everything that was said with one of them.

use std::collections::HashMap;
use std::sync::Arc;

use kit::{Caller, Checks, Fault};
use proto::tickets::v1 as pb;
use proto::tickets::v1::customers_service_server::CustomersService;
use proto::tickets::v1::timeline_entry::What;
use tenantdb::{Failure, TenantTx};
use tonic::{Request, Response, Status};

use super::reads::{Key, place};
use super::{fields, sees_all, wire};
use crate::domain::customer::{Customer, Deed, Event, QUERY_TERMS, Refusal, TICKETS_LIMIT, is_tier, query_terms};
use crate::domain::ids::{CustomerId, SellerId, TicketId, Uuid};
use crate::domain::intake::identity::{Identity, identify};
use crate::store;
use crate::store::customers::{CUSTOMER_EVENT, MESSAGE, Spot, TICKET_EVENT};
use crate::work::Desk;

/// Addresses of a customer that are split off at once.
const IDENTITIES_LIMIT: usize = 50;
/// What may be changed.
const FIELDS: [&str; 5] = ["name", "preferred_language", "country", "time_zone", "tier"];

/// The handlers.
pub struct Customers {
    desk: Arc<Desk>,
}

/// What every change of one customer names.
struct About<'a, Req> {
    caller: &'a Caller,
    method: &'static str,
    seller_id: &'a str,
    request_id: &'a str,
    etag: &'a str,
    request: &'a Req,
}

macro_rules! about {
    ($caller:expr, $method:literal, $request:expr) => {
        About {
            caller: $caller,
            method: $method,
            seller_id: &$request.seller_id,
            request_id: &$request.request_id,
            etag: &$request.etag,
            request: &$request,
        }
    };
}

/// The place in a list: by age, by the word found, or by id.
#[derive(Clone, serde::Serialize, serde::Deserialize)]
enum Found {
    Newest(Key),
    Word(String, Uuid),
    Order(Uuid),
}

impl Customers {
    pub fn new(desk: Arc<Desk>) -> Customers {
        Customers { desk }
    }

    async fn list_customers(
        &self,
        caller: &Caller,
        request: pb::ListCustomersRequest,
    ) -> Result<pb::ListCustomersResponse, Fault> {
        let mut checks = Checks::new();
        let query = checks.line("query", &request.query, 0..=200);
        let order = checks.line("order_id", &request.order_id, 0..=64);
        checks.require(query.is_empty() || order.is_empty(), "order_id", "must not stand together with query");
        let terms = query_terms(&query);
        checks.require(query.is_empty() || !terms.is_empty(), "query", "must hold a letter or a digit");
        checks.require(terms.len() <= QUERY_TERMS, "query", format!("must have at most {QUERY_TERMS} words"));
        checks.finish()?;
        let pager = &self.desk.deps.pager;
        let shape = (&request.seller_id, &query, &order);
        let page = pager.read::<Found>(caller, "ListCustomers", &shape, request.page_size, &request.page_token)?;
        let mut tx = self.desk.deps.db.begin(&caller.view(&request.seller_id)?).await?;
        let limit = page.size + 1;
        let mut found: Vec<(_, Found)> = if !order.is_empty() {
            let after = if let Some(Found::Order(id)) = &page.after { Some(*id) } else { None };
            let found = store::customers::of_order(&mut tx, &order, after, limit).await?;
            found.into_iter().map(|of| (of.clone(), Found::Order(of.value.id.0))).collect()
        } else if !terms.is_empty() {
            let after = if let Some(Found::Word(word, id)) = &page.after { Some((word.clone(), *id)) } else { None };
            let found = store::customers::search(&mut tx, &terms, after, limit).await?;
            found.into_iter().map(|(of, word)| (of.clone(), Found::Word(word, of.value.id.0))).collect()
        } else {
            let after = if let Some(Found::Newest(key)) = &page.after { Some(place(*key)?) } else { None };
            let found = store::customers::newest(&mut tx, after, limit).await?;
            let key = |of: &Customer| Found::Newest((of.created_at.as_microsecond(), of.id.0));
            found.into_iter().map(|of| (of.clone(), key(&of.value))).collect()
        };
        let next_page_token = pager.cut(&page, &mut found, |(_, key)| key.clone())?;
        let customers = found.iter().map(|(of, _)| wire::customer(of.seller, &of.value)).collect();
        Ok(pb::ListCustomersResponse { customers, next_page_token })
    }

    async fn update_customer(
        &self,
        caller: &Caller,
        request: pb::UpdateCustomerRequest,
    ) -> Result<pb::UpdateCustomerResponse, Fault> {
        let mut checks = Checks::new();
        let id: CustomerId = checks.id("customer_id", &request.customer_id);
        let wanted = request.customer.clone().unwrap_or_default();
        let fields = masked(&mut checks, &wanted, request.update_mask.as_ref());
        let has = |field: &str| fields.contains(&field);
        let name = checks.line("customer.name", &wanted.name, 0..=200);
        if has("preferred_language") && !wanted.preferred_language.is_empty() {
            checks.language("customer.preferred_language", &wanted.preferred_language);
        }
        if has("country") && !wanted.country.is_empty() {
            checks.country("customer.country", &wanted.country);
        }
        if has("time_zone") && !wanted.time_zone.is_empty() {
            checks.zone("customer.time_zone", &wanted.time_zone);
        }
        if has("tier") {
            let problem = "must be a word of at most 32 lower-case letters, digits, hyphens and underscores";
            checks.require(is_tier(&wanted.tier), "customer.tier", problem);
        }
        let about = about!(caller, "UpdateCustomer", request);
        let (mut tx, seller, [mut customer]) = match self.open(checks, &about, [id]).await? {
            Opened::Answered(answer) => return Ok(answer),
            Opened::Now(tx, seller, customers) => (tx, seller, customers),
        };
        let before = customer.clone();
        for field in &fields {
            match *field {
                "name" => customer.name.clone_from(&name),
                "preferred_language" => {
                    customer.preferred_language =
                        Some(wanted.preferred_language.clone()).filter(|language| !language.is_empty());
                }
                "country" => customer.country.clone_from(&wanted.country),
                "time_zone" => customer.time_zone.clone_from(&wanted.time_zone),
                _ => customer.tier.clone_from(&wanted.tier),
            }
        }
        if customer != before {
            store::customers::write(&mut tx, &mut customer).await?;
            self.note(&mut tx, caller, customer.id, Deed::Updated, None, fields.join(" ")).await?;
        }
        let response = pb::UpdateCustomerResponse { customer: Some(wire::customer(seller, &customer)) };
        tx.commit_with(&response).await?;
        Ok(response)
    }

    async fn add_customer_identity(
        &self,
        caller: &Caller,
        request: pb::AddCustomerIdentityRequest,
    ) -> Result<pb::AddCustomerIdentityResponse, Fault> {
        let mut checks = Checks::new();
        let id: CustomerId = checks.id("customer_id", &request.customer_id);
        let identity = identity(&mut checks, "identity", request.identity.as_ref());
        let about = about!(caller, "AddCustomerIdentity", request);
        let (mut tx, seller, [mut customer]) = match self.open(checks, &about, [id]).await? {
            Opened::Answered(answer) => return Ok(answer),
            Opened::Now(tx, seller, customers) => (tx, seller, customers),
        };
        match store::customers::holder(&mut tx, &identity).await? {
            Some(holder) if holder == customer.id => {}
            Some(holder) => return Err(Refusal::IdentityTaken(holder).into()),
            None => {
                store::customers::add_identity(&mut tx, customer.id, &identity).await.map_err(raced)?;
                let detail = format!("{} {}", identity.kind, identity.address);
                customer.identities.push(identity);
                customer.identities.sort();
                store::customers::write(&mut tx, &mut customer).await?;
                self.note(&mut tx, caller, customer.id, Deed::IdentityAdded, None, detail).await?;
            }
        }
        let response = pb::AddCustomerIdentityResponse { customer: Some(wire::customer(seller, &customer)) };
        tx.commit_with(&response).await?;
        Ok(response)
    }

    async fn remove_customer_identity(
        &self,
        caller: &Caller,
        request: pb::RemoveCustomerIdentityRequest,
    ) -> Result<pb::RemoveCustomerIdentityResponse, Fault> {
        let mut checks = Checks::new();
        let id: CustomerId = checks.id("customer_id", &request.customer_id);
        let identity = identity(&mut checks, "identity", request.identity.as_ref());
        let about = about!(caller, "RemoveCustomerIdentity", request);
        let (mut tx, seller, [mut customer]) = match self.open(checks, &about, [id]).await? {
            Opened::Answered(answer) => return Ok(answer),
            Opened::Now(tx, seller, customers) => (tx, seller, customers),
        };
        if customer.identities.contains(&identity) {
            if customer.identities.len() == 1 {
                return Err(Refusal::LastIdentity.into());
            }
            store::customers::remove_identity(&mut tx, &identity).await?;
            customer.identities.retain(|kept| *kept != identity);
            store::customers::write(&mut tx, &mut customer).await?;
            let detail = format!("{} {}", identity.kind, identity.address);
            self.note(&mut tx, caller, customer.id, Deed::IdentityRemoved, None, detail).await?;
        }
        let response = pb::RemoveCustomerIdentityResponse { customer: Some(wire::customer(seller, &customer)) };
        tx.commit_with(&response).await?;
        Ok(response)
    }

    async fn merge_customers(
        &self,
        caller: &Caller,
        request: pb::MergeCustomersRequest,
    ) -> Result<pb::MergeCustomersResponse, Fault> {
        let mut checks = Checks::new();
        let source: CustomerId = checks.id("customer_id", &request.customer_id);
        let target: CustomerId = checks.id("target_customer_id", &request.target_customer_id);
        // The etag is the source's, and a source that is merged already has none of its own.
        kit::wire::version(&request.etag)?;
        let about = About { etag: "", ..about!(caller, "MergeCustomers", request) };
        let (mut tx, seller, [mut source, mut target]) = match self.open(checks, &about, [source, target]).await? {
            Opened::Answered(answer) => return Ok(answer),
            Opened::Now(tx, seller, customers) => (tx, seller, customers),
        };
        let mut moved = Vec::new();
        if source.id != target.id {
            fields::matches(&request.etag, source.version)?;
            let tickets = store::customers::tickets(&mut tx, source.id, TICKETS_LIMIT + 1).await?;
            moved = tickets.into_iter().map(|(id, ..)| id).collect();
            if TICKETS_LIMIT < i64::try_from(moved.len()).unwrap_or(i64::MAX) {
                return Err(Refusal::TooManyTickets.into());
            }
            store::customers::move_identities(&mut tx, &source.identities, target.id).await?;
            store::customers::move_tickets(&mut tx, &moved, target.id).await?;
            store::customers::move_events(&mut tx, source.id, target.id).await?;
            target.learn_from(&source);
            source.merged_into = Some(target.id);
            store::customers::write(&mut tx, &mut source).await?;
            store::customers::write(&mut tx, &mut target).await?;
            self.note(&mut tx, caller, target.id, Deed::Merged, Some(source.id), String::new()).await?;
        }
        let response = pb::MergeCustomersResponse {
            customer: Some(wire::customer(seller, &target)),
            tickets_moved: i64::try_from(moved.len()).unwrap_or(i64::MAX),
        };
        tx.commit_with(&response).await?;
        Ok(response)
    }

    async fn split_customer(
        &self,
        caller: &Caller,
        request: pb::SplitCustomerRequest,
    ) -> Result<pb::SplitCustomerResponse, Fault> {
        let mut checks = Checks::new();
        let id: CustomerId = checks.id("customer_id", &request.customer_id);
        checks.count("identities", request.identities.len(), 1..=IDENTITIES_LIMIT);
        let wanted = request.identities.iter().take(IDENTITIES_LIMIT).enumerate();
        let mut leaving: Vec<Identity> =
            wanted.map(|(at, given)| identity(&mut checks, &format!("identities[{at}]"), Some(given))).collect();
        leaving.sort();
        leaving.dedup();
        let name = checks.line("name", &request.name, 0..=200);
        let about = about!(caller, "SplitCustomer", request);
        let (mut tx, seller, [mut customer]) = match self.open(checks, &about, [id]).await? {
            Opened::Answered(answer) => return Ok(answer),
            Opened::Now(tx, seller, customers) => (tx, seller, customers),
        };
        if !leaving.iter().all(|identity| customer.identities.contains(identity)) {
            return Err(Fault::invalid("identities", "must be addresses of the customer"));
        }
        if leaving.len() == customer.identities.len() {
            return Err(Refusal::LastIdentity.into());
        }
        let tickets = store::customers::tickets(&mut tx, customer.id, TICKETS_LIMIT + 1).await?;
        if TICKETS_LIMIT < i64::try_from(tickets.len()).unwrap_or(i64::MAX) {
            return Err(Refusal::TooManyTickets.into());
        }
        let began = |(_, channel, address): &(TicketId, String, String)| leaving.contains(&identify(channel, address));
        let moved: Vec<TicketId> = tickets.iter().filter(|ticket| began(ticket)).map(|(id, ..)| *id).collect();
        let named = match name.is_empty() {
            true => store::customers::first_name(&mut tx, &moved).await?,
            false => name,
        };
        let mut split = Customer {
            id: self.desk.deps.clock.new_id(),
            name: named,
            language: customer.language.clone(),
            preferred_language: None,
            country: String::new(),
            time_zone: String::new(),
            tier: String::new(),
            created_at: tx.now(),
            merged_into: None,
            erased_at: None,
            version: 1,
            identities: leaving.clone(),
        };
        store::customers::insert(&mut tx, &split).await?;
        store::customers::move_identities(&mut tx, &leaving, split.id).await?;
        store::customers::move_tickets(&mut tx, &moved, split.id).await?;
        customer.identities.retain(|identity| !leaving.contains(identity));
        store::customers::write(&mut tx, &mut customer).await?;
        store::customers::write(&mut tx, &mut split).await?;
        self.note(&mut tx, caller, customer.id, Deed::SplitOff, Some(split.id), String::new()).await?;
        self.note(&mut tx, caller, split.id, Deed::SplitFrom, Some(customer.id), String::new()).await?;
        let response = pb::SplitCustomerResponse {
            customer: Some(wire::customer(seller, &customer)),
            split_off: Some(wire::customer(seller, &split)),
            tickets_moved: i64::try_from(moved.len()).unwrap_or(i64::MAX),
        };
        tx.commit_with(&response).await?;
        Ok(response)
    }

    async fn list_customer_timeline(
        &self,
        caller: &Caller,
        request: pb::ListCustomerTimelineRequest,
    ) -> Result<pb::ListCustomerTimelineResponse, Fault> {
        let mut checks = Checks::new();
        let id: CustomerId = checks.id("customer_id", &request.customer_id);
        checks.finish()?;
        let pager = &self.desk.deps.pager;
        let shape = (&request.seller_id, &request.customer_id, request.oldest_first);
        let page =
            pager.read::<Spot>(caller, "ListCustomerTimeline", &shape, request.page_size, &request.page_token)?;
        let mut tx = self.desk.deps.db.begin(&caller.view(&request.seller_id)?).await?;
        let found = store::customers::find(&mut tx, id).await?.ok_or(Fault::NotFound("customer"))?;
        let (seller, id, all) = (found.seller, found.value.id, sees_all(caller));
        let (oldest, limit) = (request.oldest_first, page.size + 1);
        let mut spots = store::customers::timeline(&mut tx, seller, id, all, oldest, page.after, limit).await?;
        let next_page_token = pager.cut(&page, &mut spots, |spot| *spot)?;
        let entries = entries(&mut tx, seller, &spots, all).await?;
        Ok(pb::ListCustomerTimelineResponse { entries, next_page_token })
    }

    /// Begins a change: the request id claimed, the customers at the ends of their chains of merges
    /// locked, the etag that of the first. An erased customer is not changed.
    async fn open<Req, Res, const N: usize>(
        &self,
        mut checks: Checks,
        about: &About<'_, Req>,
        ids: [CustomerId; N],
    ) -> Result<Opened<Res, N>, Fault>
    where
        Req: prost::Message,
        Res: prost::Message + Default,
    {
        fields::optional_request_id(&mut checks, about.request_id);
        checks.finish()?;
        kit::wire::version(about.etag)?;
        let scope = about.caller.act_for(about.seller_id)?;
        let mut tx = self.desk.deps.db.begin(&scope).await?;
        if let Some(answer) = tx.replayed(about.caller, about.method, about.request_id, about.request).await? {
            return Ok(Opened::Answered(answer));
        }
        let found = store::customers::locked(&mut tx, &ids).await?.ok_or_else(joined_meanwhile)?;
        let found: Option<Vec<Customer>> = found.into_iter().collect();
        let found = found.ok_or(Fault::NotFound("customer"))?;
        let customers: [Customer; N] =
            found.try_into().map_err(|_| Fault::internal("as many customers are found as were named"))?;
        if customers.iter().any(|customer| customer.erased_at.is_some()) {
            return Err(Refusal::Erased.into());
        }
        if let Some(first) = customers.first() {
            fields::matches(about.etag, first.version)?;
        }
        let seller = tx.seller()?;
        Ok(Opened::Now(Box::new(tx), seller, customers))
    }

    async fn note(
        &self,
        tx: &mut TenantTx,
        caller: &Caller,
        customer: CustomerId,
        deed: Deed,
        other: Option<CustomerId>,
        detail: String,
    ) -> Result<(), Failure> {
        let (id, at) = (self.desk.deps.clock.new_uuid(), tx.now());
        let event = Event { id, customer, at, deed, user: caller.user(), other, detail };
        store::customers::note(tx, &event).await
    }
}

/// A change that was made before, or is to be made now.
enum Opened<Res, const N: usize> {
    Answered(Res),
    Now(Box<TenantTx>, SellerId, [Customer; N]),
}

fn joined_meanwhile() -> Fault {
    Fault::Contended("the customer is being joined by several calls".into())
}

/// Somebody wrote from the address at the same moment.
fn raced(failure: Failure) -> Fault {
    match store::keep::met_a_twin(&failure) {
        true => Fault::Contended(Box::new(failure)),
        false => failure.into(),
    }
}

/// The fields to change: those of the mask, or those that are set.
fn masked(checks: &mut Checks, wanted: &pb::Customer, mask: Option<&prost_types::FieldMask>) -> Vec<&'static str> {
    let paths = mask.map(|mask| mask.paths.as_slice()).unwrap_or_default();
    if paths.is_empty() {
        let values = [&wanted.name, &wanted.preferred_language, &wanted.country, &wanted.time_zone, &wanted.tier];
        return FIELDS.into_iter().zip(values).filter(|(_, value)| !value.is_empty()).map(|(field, _)| field).collect();
    }
    checks.count("update_mask.paths", paths.len(), 0..=FIELDS.len());
    let known = paths.iter().all(|path| FIELDS.contains(&path.as_str()));
    checks.require(known, "update_mask", format!("may name {}", FIELDS.join(", ")));
    FIELDS.into_iter().filter(|field| paths.iter().any(|path| path == field)).collect()
}

fn identity(checks: &mut Checks, path: &str, given: Option<&pb::CustomerIdentity>) -> Identity {
    let Some(given) = given else {
        checks.refuse(path, "must be given");
        return Identity { kind: String::new(), address: String::new() };
    };
    let address = checks.line(format!("{path}.address"), &given.address, 1..=320);
    let channel = wire::channel_of(given.channel);
    checks.require(channel.is_some(), format!("{path}.channel"), "must be a known channel");
    let identity = identify(channel.unwrap_or_default(), &address);
    checks.require(!identity.address.is_empty(), format!("{path}.address"), "must name somebody");
    identity
}

/// What is shown at the places of a timeline.
async fn entries(
    tx: &mut TenantTx,
    seller: SellerId,
    spots: &[Spot],
    all: bool,
) -> Result<Vec<pb::TimelineEntry>, Fault> {
    let of = |rank: i32| spots.iter().filter(move |spot| spot.rank == rank);
    let ids = |rank: i32| of(rank).map(|spot| spot.id).collect::<Vec<Uuid>>();
    let messages = store::read::messages_of(tx, seller, &ids(MESSAGE)).await?;
    let messages: HashMap<Uuid, _> = messages.into_iter().map(|of| (of.value.id.0, of.value)).collect();
    let wanted: Vec<(Uuid, i64)> = of(TICKET_EVENT).map(|spot| (spot.id, spot.sequence)).collect();
    let events = store::customers::ticket_events(tx, seller, &wanted).await?;
    let events: HashMap<_, _> = events.into_iter().map(|(id, event)| ((id.0, event.sequence), event)).collect();
    let deeds = store::customers::shown(tx, seller, &ids(CUSTOMER_EVENT)).await?;
    let deeds: HashMap<Uuid, _> = deeds.into_iter().map(|shown| (shown.id, shown)).collect();
    let mut tickets: Vec<Uuid> = messages.values().map(|message| message.ticket.0).chain(ids(TICKET_EVENT)).collect();
    tickets.sort_unstable();
    tickets.dedup();
    let numbers = store::customers::numbers(tx, seller, &tickets).await?;

    let entry = |spot: &Spot| {
        let (ticket, what) = match spot.rank {
            MESSAGE => {
                let message = messages.get(&spot.id)?;
                (Some(message.ticket.0), What::Message(wire::message(seller, message, all)))
            }
            TICKET_EVENT => {
                let event = wire::event(events.get(&(spot.id, spot.sequence))?, all);
                (Some(spot.id), What::TicketEvent(event))
            }
            _ => {
                let shown = deeds.get(&spot.id)?;
                let user = shown.user.filter(|_| all).map(crate::domain::ids::UserId);
                let event = pb::CustomerEvent {
                    kind: shown.kind.clone(),
                    user_id: user.map(|user| user.to_string()).unwrap_or_default(),
                    other_customer_id: shown.other.map(|other| CustomerId(other).to_string()).unwrap_or_default(),
                    detail: shown.detail.clone(),
                };
                (None, What::CustomerEvent(event))
            }
        };
        let at = jiff::Timestamp::from_microsecond(spot.micros).ok()?;
        Some(pb::TimelineEntry {
            at: Some(kit::wire::timestamp(at)),
            ticket_id: ticket.map(|id| TicketId(id).to_string()).unwrap_or_default(),
            ticket_number: ticket.and_then(|id| numbers.get(&id)).cloned().unwrap_or_default(),
            what: Some(what),
        })
    };
    Ok(spots.iter().filter_map(entry).collect())
}

macro_rules! calls {
    ($($name:ident, $request:ident, $response:ident;)*) => {
        #[tonic::async_trait]
        impl CustomersService for Customers {
            $(
                async fn $name(&self, request: Request<pb::$request>) -> Result<Response<pb::$response>, Status> {
                    let (caller, request) = kit::admitted(request)?;
                    Ok(Response::new(self.$name(&caller, request).await?))
                }
            )*
        }
    };
}

calls! {
    list_customers, ListCustomersRequest, ListCustomersResponse;
    update_customer, UpdateCustomerRequest, UpdateCustomerResponse;
    add_customer_identity, AddCustomerIdentityRequest, AddCustomerIdentityResponse;
    remove_customer_identity, RemoveCustomerIdentityRequest, RemoveCustomerIdentityResponse;
    merge_customers, MergeCustomersRequest, MergeCustomersResponse;
    split_customer, SplitCustomerRequest, SplitCustomerResponse;
    list_customer_timeline, ListCustomerTimelineRequest, ListCustomerTimelineResponse;
}
