//! Incidents: drafted, previewed, activated, closed, and what became of them.

use std::collections::{BTreeMap, BTreeSet};

use jiff::SignedDuration;
use kit::fault::Explain;
use kit::{Caller, Checks, Fault};
use proto::tickets::v1 as pb;
use tenantdb::TenantTx;
use tonic::Code;

use super::actions::is_template_key;
use super::reads::{Key, place};
use super::{Api, fields};
use crate::domain::case::{Case, Extras};
use crate::domain::dossier::Act;
use crate::domain::guard;
use crate::domain::ids::{ChannelAccountId, IncidentId, SellerId, TicketId, Uuid};
use crate::domain::incident::{
    Affected, BATCH_LIMIT, CONTACTED_DAYS, Incident, Plan, Refusal, SIZE_LIMIT, State, Texts, Told, USUAL_RATE, decide,
    moment, strange_variables,
};
use crate::domain::intake::identity::identify;
use crate::domain::ticket::Kind;
use crate::store;
use crate::store::incidents::{Order, Recipient};

/// Words of a list of countries, languages or marketplaces.
const WORDS_LIMIT: usize = 100;
/// Customers shown in a preview.
const SAMPLES: usize = 10;

impl Explain for Refusal {
    fn code(&self) -> Code {
        Code::FailedPrecondition
    }

    fn reason(&self) -> &'static str {
        match self {
            Refusal::State(_) => "INCIDENT_STATE",
            Refusal::TooLarge => "INCIDENT_TOO_LARGE",
            Refusal::Nobody => "NOBODY_AFFECTED",
            Refusal::Languages(_) => "INCIDENT_LANGUAGES",
            Refusal::Variables(_) => "INCIDENT_TEMPLATE",
            Refusal::NamesAnotherSeller => "NAMES_ANOTHER_SELLER",
            Refusal::SendsNothing => "ACCOUNT_SENDS_NOTHING",
        }
    }

    fn metadata(&self) -> Vec<(&'static str, String)> {
        match self {
            Refusal::State(state) => vec![("state", state.name().into())],
            Refusal::Languages(languages) => vec![("languages", languages.join(","))],
            Refusal::Variables(names) => vec![("variables", names.join(","))],
            _ => Vec::new(),
        }
    }
}

/// Who is affected, and what becomes of each.
struct Decided {
    all: Vec<(Affected, Told)>,
    /// Every text that somebody would get.
    texts: Texts,
    /// The subjects that they leave under, by language.
    titles: Texts,
}

impl Decided {
    fn missing(&self) -> Vec<String> {
        let missing = self.all.iter().filter(|(_, told)| *told == Told::NoText);
        missing.map(|(affected, _)| affected.language.clone()).collect::<BTreeSet<_>>().into_iter().collect()
    }

    fn used(&self) -> BTreeSet<&String> {
        self.languages().filter_map(|language| self.texts.get(language)).collect()
    }

    fn used_titles(&self) -> BTreeSet<&String> {
        self.languages().filter_map(|language| self.titles.get(language)).collect()
    }

    fn languages(&self) -> impl Iterator<Item = &String> {
        self.all.iter().filter_map(|(_, told)| match told {
            Told::With(language) => Some(language),
            _ => None,
        })
    }
}

impl Api {
    pub(super) async fn create_incident(
        &self,
        caller: &Caller,
        request: pb::CreateIncidentRequest,
    ) -> Result<pb::CreateIncidentResponse, Fault> {
        let mut checks = Checks::new();
        fields::optional_request_id(&mut checks, &request.request_id);
        let plan = plan(&mut checks, request.plan.as_ref());
        checks.finish()?;
        let (_, mut tx) = self.act_for(caller, &request.seller_id).await?;
        if let Some(answer) = tx.replayed(caller, "CreateIncident", &request.request_id, &request).await? {
            return Ok(answer);
        }
        self.check_plan(caller, &mut tx, &plan).await?;
        let incident = Incident {
            id: self.desk.deps.clock.new_id(),
            state: State::Draft,
            plan,
            orders: 0,
            created_at: tx.now(),
            created_by: caller.user(),
            activated_at: None,
            closed_at: None,
            version: 1,
        };
        store::incidents::keep(&mut tx, &incident).await?;
        let response = pb::CreateIncidentResponse { incident: Some(shown(tx.seller()?, &incident)) };
        tx.commit_with(&response).await?;
        Ok(response)
    }

    pub(super) async fn update_incident(
        &self,
        caller: &Caller,
        request: pb::UpdateIncidentRequest,
    ) -> Result<pb::UpdateIncidentResponse, Fault> {
        let mut checks = Checks::new();
        fields::optional_request_id(&mut checks, &request.request_id);
        let id: IncidentId = checks.id("incident_id", &request.incident_id);
        let plan = plan(&mut checks, request.plan.as_ref());
        checks.finish()?;
        kit::wire::version(&request.etag)?;
        let (_, mut tx) = self.act_for(caller, &request.seller_id).await?;
        if let Some(answer) = tx.replayed(caller, "UpdateIncident", &request.request_id, &request).await? {
            return Ok(answer);
        }
        let mut incident = held(&mut tx, id, &request.etag).await?;
        incident.must_be(State::Draft)?;
        self.check_plan(caller, &mut tx, &plan).await?;
        incident.plan = plan;
        incident.version += 1;
        store::incidents::keep(&mut tx, &incident).await?;
        let response = pb::UpdateIncidentResponse { incident: Some(shown(tx.seller()?, &incident)) };
        tx.commit_with(&response).await?;
        Ok(response)
    }

    pub(super) async fn add_incident_orders(
        &self,
        caller: &Caller,
        request: pb::AddIncidentOrdersRequest,
    ) -> Result<pb::AddIncidentOrdersResponse, Fault> {
        let mut checks = Checks::new();
        fields::optional_request_id(&mut checks, &request.request_id);
        let id: IncidentId = checks.id("incident_id", &request.incident_id);
        checks.count("orders", request.orders.len(), 1..=BATCH_LIMIT);
        let orders: Vec<Order> = request
            .orders
            .iter()
            .take(BATCH_LIMIT)
            .enumerate()
            .map(|(index, order)| listed(&mut checks, index, order))
            .collect();
        checks.finish()?;
        let (_, mut tx) = self.act_for(caller, &request.seller_id).await?;
        if let Some(answer) = tx.replayed(caller, "AddIncidentOrders", &request.request_id, &request).await? {
            return Ok(answer);
        }
        let mut incident = held(&mut tx, id, "").await?;
        incident.must_be(State::Draft)?;
        let added = store::incidents::add_orders(&mut tx, id, &orders).await;
        let (added, new) = added.map_err(|failure| match store::keep::met_a_twin(&failure) {
            true => Fault::Contended(Box::new(failure)),
            false => failure.into(),
        })?;
        incident.orders += i64::try_from(added).unwrap_or(i64::MAX);
        incident.version += 1;
        if i64::try_from(SIZE_LIMIT).unwrap_or(i64::MAX) < incident.orders {
            return Err(Refusal::TooLarge.into());
        }
        store::incidents::keep(&mut tx, &incident).await?;
        let added = i32::try_from(added).unwrap_or(i32::MAX);
        let response = pb::AddIncidentOrdersResponse {
            added,
            known: small(orders.len()) - added,
            new_customers: small(new),
            incident: Some(shown(tx.seller()?, &incident)),
        };
        tx.commit_with(&response).await?;
        Ok(response)
    }

    pub(super) async fn preview_incident(
        &self,
        caller: &Caller,
        request: pb::PreviewIncidentRequest,
    ) -> Result<pb::PreviewIncidentResponse, Fault> {
        let mut checks = Checks::new();
        let id: IncidentId = checks.id("incident_id", &request.incident_id);
        checks.finish()?;
        let mut tx = self.look_at(caller, &request.seller_id).await?;
        let incident = found(&mut tx, id).await?;
        let decided = decided(&mut tx, &incident).await?;
        let (unknown_orders, unknown_order_samples) = store::incidents::unknown_orders(&mut tx, id).await?;
        let mut unreachable: BTreeMap<&str, i64> = BTreeMap::new();
        let mut groups: BTreeMap<(&str, &str, &str), i64> = BTreeMap::new();
        let mut samples = Vec::new();
        for (affected, told) in &decided.all {
            let template = match told {
                Told::Not(why) => {
                    *unreachable.entry(why.name()).or_default() += 1;
                    continue;
                }
                Told::With(language) => language.as_str(),
                Told::NoText => "",
            };
            *groups.entry((&affected.language, &affected.country, template)).or_default() += 1;
            if !template.is_empty() && samples.len() < SAMPLES {
                samples.push(pb::IncidentSample {
                    customer_id: affected.customer.to_string(),
                    order_id: affected.order_id.clone(),
                    template_language: template.to_owned(),
                });
            }
        }
        let group = |((language, country, template), customers): ((&str, &str, &str), i64)| pb::IncidentGroup {
            language: language.to_owned(),
            country: country.to_owned(),
            template_language: template.to_owned(),
            customers,
        };
        let reachable = decided.all.iter().filter(|(_, told)| matches!(told, Told::With(_))).count();
        Ok(pb::PreviewIncidentResponse {
            affected: large(decided.all.len()),
            reachable: large(reachable),
            unreachable: unreachable
                .into_iter()
                .map(|(reason, count)| pb::IncidentCount { reason: reason.to_owned(), count })
                .collect(),
            groups: groups.into_iter().map(group).collect(),
            missing_languages: decided.missing(),
            unknown_orders,
            unknown_order_samples,
            samples,
        })
    }

    pub(super) async fn activate_incident(
        &self,
        caller: &Caller,
        request: pb::ActivateIncidentRequest,
    ) -> Result<pb::ActivateIncidentResponse, Fault> {
        let mut checks = Checks::new();
        fields::optional_request_id(&mut checks, &request.request_id);
        let id: IncidentId = checks.id("incident_id", &request.incident_id);
        checks.finish()?;
        kit::wire::version(&request.etag)?;
        let (_, mut tx) = self.act_for(caller, &request.seller_id).await?;
        if let Some(answer) = tx.replayed(caller, "ActivateIncident", &request.request_id, &request).await? {
            return Ok(answer);
        }
        let mut incident = held(&mut tx, id, &request.etag).await?;
        incident.must_be(State::Draft)?;
        self.check_plan(caller, &mut tx, &incident.plan).await?;
        if store::connections::sends(&mut tx, incident.plan.account).await?.is_none() {
            return Err(Refusal::SendsNothing.into());
        }
        let decided = decided(&mut tx, &incident).await?;
        let missing = decided.missing();
        if !missing.is_empty() {
            return Err(Refusal::Languages(missing).into());
        }
        check_texts(&mut tx, &incident, &decided).await?;
        let now = tx.now();
        let mut place = 0;
        let mut recipients = Vec::with_capacity(decided.all.len());
        for (affected, told) in decided.all {
            let (state, reason, language, due_at) = match told {
                Told::With(language) => {
                    place += 1;
                    ("planned", "", language, Some(moment(now, place - 1, incident.plan.per_minute)))
                }
                Told::Not(why) => ("skipped", why.name(), String::new(), None),
                Told::NoText => continue,
            };
            recipients.push(Recipient {
                id: tx.new_uuid(),
                incident: id,
                customer: affected.customer,
                order_id: affected.order_id,
                language: affected.language,
                country: affected.country,
                template_language: language,
                state: state.to_owned(),
                reason: reason.to_owned(),
                due_at,
                ticket: None,
                message: None,
                contacted_at: None,
            });
        }
        if place == 0 {
            return Err(Refusal::Nobody.into());
        }
        store::incidents::recipients(&mut tx, id, &recipients).await?;
        (incident.state, incident.activated_at) = (State::Active, Some(now));
        incident.version += 1;
        store::incidents::keep(&mut tx, &incident).await?;
        let response =
            pb::ActivateIncidentResponse { incident: Some(shown(tx.seller()?, &incident)), recipients: large(place) };
        tx.commit_with(&response).await?;
        Ok(response)
    }

    pub(super) async fn close_incident(
        &self,
        caller: &Caller,
        request: pb::CloseIncidentRequest,
    ) -> Result<pb::CloseIncidentResponse, Fault> {
        let mut checks = Checks::new();
        fields::optional_request_id(&mut checks, &request.request_id);
        let id: IncidentId = checks.id("incident_id", &request.incident_id);
        checks.finish()?;
        kit::wire::version(&request.etag)?;
        let (_, mut tx) = self.act_for(caller, &request.seller_id).await?;
        if let Some(answer) = tx.replayed(caller, "CloseIncident", &request.request_id, &request).await? {
            return Ok(answer);
        }
        let mut incident = held(&mut tx, id, &request.etag).await?;
        incident.must_be(State::Active)?;
        let now = tx.now();
        store::incidents::cancel(&mut tx, id, crate::domain::incident::NotTold::IncidentClosed.name()).await?;
        let open = store::incidents::open_tickets(&mut tx, id).await?;
        let tickets: Vec<_> = open
            .into_iter()
            .enumerate()
            .map(|(place, ticket)| (ticket, moment(now, place, incident.plan.per_minute)))
            .collect();
        store::incidents::notices(&mut tx, id, &tickets)?;
        tx.write_now().await?;
        (incident.state, incident.closed_at) = (State::Closed, Some(now));
        incident.version += 1;
        store::incidents::keep(&mut tx, &incident).await?;
        let response =
            pb::CloseIncidentResponse { incident: Some(shown(tx.seller()?, &incident)), tickets: large(tickets.len()) };
        tx.commit_with(&response).await?;
        Ok(response)
    }

    pub(super) async fn get_incident(
        &self,
        caller: &Caller,
        request: pb::GetIncidentRequest,
    ) -> Result<pb::GetIncidentResponse, Fault> {
        let mut checks = Checks::new();
        let id: IncidentId = checks.id("incident_id", &request.incident_id);
        checks.finish()?;
        let mut tx = self.desk.deps.db.begin(&caller.view(&request.seller_id)?).await?;
        let of = store::incidents::find(&mut tx, id).await?.ok_or(Fault::NotFound("incident"))?;
        Ok(pb::GetIncidentResponse { incident: Some(shown(of.seller, &of.value)) })
    }

    pub(super) async fn list_incidents(
        &self,
        caller: &Caller,
        request: pb::ListIncidentsRequest,
    ) -> Result<pb::ListIncidentsResponse, Fault> {
        let pager = &self.desk.deps.pager;
        let page =
            pager.read::<Key>(caller, "ListIncidents", &request.seller_id, request.page_size, &request.page_token)?;
        let after = page.after.map(place).transpose()?;
        let mut tx = self.desk.deps.db.begin(&caller.view(&request.seller_id)?).await?;
        let mut found = store::incidents::list(&mut tx, after, page.size + 1).await?;
        let next_page_token =
            pager.cut(&page, &mut found, |of| (of.value.created_at.as_microsecond(), of.value.id.0))?;
        let incidents = found.iter().map(|of| shown(of.seller, &of.value)).collect();
        Ok(pb::ListIncidentsResponse { incidents, next_page_token })
    }

    pub(super) async fn list_incident_recipients(
        &self,
        caller: &Caller,
        request: pb::ListIncidentRecipientsRequest,
    ) -> Result<pb::ListIncidentRecipientsResponse, Fault> {
        let mut checks = Checks::new();
        let id: IncidentId = checks.id("incident_id", &request.incident_id);
        checks.finish()?;
        let shape = (&request.seller_id, &request.incident_id);
        let pager = &self.desk.deps.pager;
        let page =
            pager.read::<Uuid>(caller, "ListIncidentRecipients", &shape, request.page_size, &request.page_token)?;
        let mut tx = self.look_at(caller, &request.seller_id).await?;
        found(&mut tx, id).await?;
        let mut all = store::incidents::list_recipients(&mut tx, id, page.after, page.size + 1).await?;
        let next_page_token = pager.cut(&page, &mut all, |one| one.customer.0)?;
        let seller = tx.seller()?;
        let recipients = all.iter().map(|one| recipient(seller, one)).collect();
        Ok(pb::ListIncidentRecipientsResponse { recipients, next_page_token })
    }

    pub(super) async fn set_incident_ticket(
        &self,
        caller: &Caller,
        request: pb::SetIncidentTicketRequest,
    ) -> Result<pb::SetIncidentTicketResponse, Fault> {
        let mut checks = Checks::new();
        fields::optional_request_id(&mut checks, &request.request_id);
        let id: IncidentId = checks.id("incident_id", &request.incident_id);
        let ticket: TicketId = checks.id("ticket_id", &request.ticket_id);
        checks.finish()?;
        let scope = caller.act_for(&request.seller_id)?;
        let settings = self.desk.settings(Some(caller), &scope).await?;
        let mut tx = self.desk.deps.db.begin(&scope).await?;
        if let Some(answer) = tx.replayed(caller, "SetIncidentTicket", &request.request_id, &request).await? {
            return Ok(answer);
        }
        let mut dossier = store::load::dossier(&mut tx, ticket).await?.ok_or(Fault::NotFound("ticket"))?;
        found(&mut tx, id).await?;
        let (kind, word) = if request.belongs { (Kind::Linked, "incident") } else { (Kind::Unlinked, "incident") };
        let act = Act { user: caller.user(), at: tx.now() };
        dossier.mark(act, kind, false, &format!("{word} {id}"))?;
        self.desk.keep_case(&mut tx, &settings, &mut Case::new(dossier, Extras::default())).await?;
        store::incidents::link(&mut tx, id, ticket, request.belongs).await?;
        let response = pb::SetIncidentTicketResponse {};
        tx.commit_with(&response).await?;
        Ok(response)
    }

    pub(super) async fn list_incident_tickets(
        &self,
        caller: &Caller,
        request: pb::ListIncidentTicketsRequest,
    ) -> Result<pb::ListIncidentTicketsResponse, Fault> {
        let mut checks = Checks::new();
        let id: IncidentId = checks.id("incident_id", &request.incident_id);
        checks.finish()?;
        let shape = (&request.seller_id, &request.incident_id);
        let pager = &self.desk.deps.pager;
        let page = pager.read::<Uuid>(caller, "ListIncidentTickets", &shape, request.page_size, &request.page_token)?;
        let mut tx = self.look_at(caller, &request.seller_id).await?;
        found(&mut tx, id).await?;
        let mut all = store::incidents::tickets(&mut tx, id, page.after, page.size + 1).await?;
        let next_page_token = pager.cut(&page, &mut all, |(ticket, _, _)| ticket.0)?;
        let seller = tx.seller()?;
        let tickets = all.into_iter().map(|(ticket, number, reason)| pb::IncidentTicket {
            ticket_id: ticket.to_string(),
            seller_id: seller.to_string(),
            number,
            reason,
        });
        Ok(pb::ListIncidentTicketsResponse { tickets: tickets.collect(), next_page_token })
    }

    pub(super) async fn list_ticket_incidents(
        &self,
        caller: &Caller,
        request: pb::ListTicketIncidentsRequest,
    ) -> Result<pb::ListTicketIncidentsResponse, Fault> {
        let mut checks = Checks::new();
        let ticket: TicketId = checks.id("ticket_id", &request.ticket_id);
        checks.finish()?;
        let mut tx = self.look_at(caller, &request.seller_id).await?;
        store::read::ticket(&mut tx, ticket).await?.ok_or(Fault::NotFound("ticket"))?;
        let all = store::incidents::of_ticket(&mut tx, ticket).await?;
        let seller = tx.seller()?;
        Ok(pb::ListTicketIncidentsResponse { incidents: all.iter().map(|one| shown(seller, one)).collect() })
    }

    pub(super) async fn get_incident_report(
        &self,
        caller: &Caller,
        request: pb::GetIncidentReportRequest,
    ) -> Result<pb::GetIncidentReportResponse, Fault> {
        let mut checks = Checks::new();
        let id: IncidentId = checks.id("incident_id", &request.incident_id);
        checks.finish()?;
        let mut tx = self.look_at(caller, &request.seller_id).await?;
        found(&mut tx, id).await?;
        let as_of = tx.now();
        let (rows, skipped, (tickets, open_tickets)) = store::incidents::report(&mut tx, id).await?;
        let row = |row: store::incidents::Counts| pb::IncidentReportRow {
            country: row.country,
            language: row.language,
            affected: row.affected,
            contacted: row.contacted,
            waiting: row.waiting,
            answered: row.answered,
            negative: row.negative,
        };
        Ok(pb::GetIncidentReportResponse {
            rows: rows.into_iter().map(row).collect(),
            skipped: skipped.into_iter().map(|(reason, count)| pb::IncidentCount { reason, count }).collect(),
            tickets,
            open_tickets,
            as_of: Some(kit::wire::timestamp(as_of)),
        })
    }

    /// Refuses a plan that names an account or a ticket which is not the seller's.
    async fn check_plan(&self, caller: &Caller, tx: &mut TenantTx, plan: &Plan) -> Result<(), Fault> {
        let scope = tx.scope().clone();
        let settings = self.desk.settings_knowing(caller, &scope, plan.account).await?;
        let account = settings.account(plan.account);
        if !account.is_some_and(|account| account.active && account.address.contains('@')) {
            return Err(Fault::invalid("plan.channel_account_id", "must name an active mail account of the seller"));
        }
        if let Some(problem) = plan.problem {
            store::read::ticket(tx, problem).await?.ok_or(Fault::NotFound("ticket"))?;
        }
        Ok(())
    }
}

async fn found(tx: &mut TenantTx, id: IncidentId) -> Result<Incident, Fault> {
    Ok(store::incidents::find(tx, id).await?.ok_or(Fault::NotFound("incident"))?.value)
}

async fn held(tx: &mut TenantTx, id: IncidentId, etag: &str) -> Result<Incident, Fault> {
    let incident = store::incidents::held(tx, id).await?.ok_or(Fault::NotFound("incident"))?;
    fields::matches(etag, incident.version)?;
    Ok(incident)
}

/// Who is affected by an incident, and what becomes of each.
async fn decided(tx: &mut TenantTx, incident: &Incident) -> Result<Decided, Fault> {
    let affected = store::incidents::affected(tx, incident).await?;
    if SIZE_LIMIT < affected.len() {
        return Err(Refusal::TooLarge.into());
    }
    let templates = store::templates::of_key(tx, &incident.plan.template_key).await?;
    let titles = templates.iter().map(|template| (template.language.clone(), template.title.clone())).collect();
    let texts: Texts = templates.into_iter().map(|template| (template.language, template.body)).collect();
    let fallback = &incident.plan.fallback_language;
    let all = affected
        .into_iter()
        .map(|one| {
            let told = decide(&one, &texts, fallback);
            (one, told)
        })
        .collect();
    Ok(Decided { all, texts, titles })
}

/// Refuses texts that hold what has no value in them, or that name another seller.
async fn check_texts(tx: &mut TenantTx, incident: &Incident, decided: &Decided) -> Result<(), Fault> {
    let closing = match incident.plan.closing_template_key.as_str() {
        "" => Vec::new(),
        key => store::templates::of_key(tx, key).await?.into_iter().map(|template| template.body).collect(),
    };
    let texts: Vec<&String> = decided.used().into_iter().chain(&closing).collect();
    let strange = strange_variables(texts.iter().copied());
    if !strange.is_empty() {
        return Err(Refusal::Variables(strange).into());
    }
    let seller = tx.seller()?;
    for text in texts.into_iter().chain(decided.used_titles()) {
        let grams = guard::grams(text);
        let hits = store::guard::hits(tx, seller, &grams).await?;
        if !guard::judge(&hits, &BTreeSet::new()).is_empty() {
            return Err(Refusal::NamesAnotherSeller.into());
        }
    }
    Ok(())
}

fn plan(checks: &mut Checks, given: Option<&pb::IncidentPlan>) -> Plan {
    let empty = pb::IncidentPlan::default();
    checks.require(given.is_some(), "plan", "must be given");
    let given = given.unwrap_or(&empty);
    let right = "must have 1 to 64 of a-z, 0-9, - and _";
    checks.require(is_template_key(&given.template_key), "plan.template_key", right);
    let closing = given.closing_template_key.is_empty() || is_template_key(&given.closing_template_key);
    checks.require(closing, "plan.closing_template_key", right);
    if !given.fallback_language.is_empty() {
        checks.language("plan.fallback_language", &given.fallback_language);
    }
    for (field, words) in [
        ("plan.countries", &given.countries),
        ("plan.languages", &given.languages),
        ("plan.marketplaces", &given.marketplaces),
    ] {
        checks.count(field, words.len(), 0..=WORDS_LIMIT);
        for (index, word) in words.iter().enumerate().take(WORDS_LIMIT) {
            let at = format!("{field}[{index}]");
            match field {
                "plan.countries" => checks.country(at, word),
                "plan.languages" => checks.language(at, word),
                _ => checks.line(at, word, 1..=40),
            };
        }
    }
    let contacted = match (&given.contacted_from, &given.contacted_before) {
        (None, None) => None,
        (from, before) => {
            let from = checks.instant("plan.contacted_from", from.as_ref());
            let before = checks.instant("plan.contacted_before", before.as_ref());
            let longest = SignedDuration::from_hours(24 * CONTACTED_DAYS);
            let fits = from < before && before.duration_since(from) <= longest;
            checks.require(fits, "plan.contacted_before", "must lie at most 92 days after contacted_from");
            Some((from, before))
        }
    };
    checks.range("plan.per_minute", given.per_minute.into(), 0..=6_000);
    Plan {
        title: checks.line("plan.title", &given.title, 1..=200),
        description: checks.text("plan.description", &given.description, 0..=4_000),
        account: checks.id::<ChannelAccountId>("plan.channel_account_id", &given.channel_account_id),
        template_key: given.template_key.clone(),
        closing_template_key: given.closing_template_key.clone(),
        fallback_language: given.fallback_language.clone(),
        countries: given.countries.clone(),
        languages: given.languages.clone(),
        contacted,
        marketplaces: given.marketplaces.clone(),
        per_minute: if given.per_minute == 0 { USUAL_RATE } else { given.per_minute },
        problem: fields::optional_id(checks, "plan.problem_ticket_id", &given.problem_ticket_id),
    }
}

fn listed(checks: &mut Checks, index: usize, order: &pb::IncidentOrder) -> Order {
    let at = |field: &str| format!("orders[{index}].{field}");
    let order_id = checks.line(at("order_id"), &order.order_id, 1..=64);
    let identity = match order.email.trim() {
        "" => None,
        address => {
            let identity = identify("email", address);
            let fits = address.len() <= 320 && address.is_ascii() && is_address(address);
            checks.require(fits, at("email"), "must be a mail address");
            Some(identity)
        }
    };
    if !order.language.is_empty() {
        checks.language(at("language"), &order.language);
    }
    if !order.country.is_empty() {
        checks.country(at("country"), &order.country);
    }
    Order {
        order_id,
        identity,
        name: checks.line(at("name"), &order.name, 0..=200),
        language: order.language.clone(),
        country: order.country.clone(),
    }
}

fn is_address(address: &str) -> bool {
    address.parse::<lettre::Address>().is_ok() && identify("email", address).kind == "email" && address.contains('.')
}

fn shown(seller: SellerId, incident: &Incident) -> pb::Incident {
    let plan = &incident.plan;
    let state = match incident.state {
        State::Draft => pb::IncidentState::Draft,
        State::Active => pb::IncidentState::Active,
        State::Closed => pb::IncidentState::Closed,
    };
    pb::Incident {
        incident_id: incident.id.to_string(),
        seller_id: seller.to_string(),
        state: state.into(),
        plan: Some(pb::IncidentPlan {
            title: plan.title.clone(),
            description: plan.description.clone(),
            channel_account_id: plan.account.to_string(),
            template_key: plan.template_key.clone(),
            closing_template_key: plan.closing_template_key.clone(),
            fallback_language: plan.fallback_language.clone(),
            countries: plan.countries.clone(),
            languages: plan.languages.clone(),
            contacted_from: plan.contacted.map(|(from, _)| kit::wire::timestamp(from)),
            contacted_before: plan.contacted.map(|(_, before)| kit::wire::timestamp(before)),
            marketplaces: plan.marketplaces.clone(),
            per_minute: plan.per_minute,
            problem_ticket_id: plan.problem.map(|ticket| ticket.to_string()).unwrap_or_default(),
        }),
        orders: incident.orders,
        created_at: Some(kit::wire::timestamp(incident.created_at)),
        activated_at: incident.activated_at.map(kit::wire::timestamp),
        closed_at: incident.closed_at.map(kit::wire::timestamp),
        etag: kit::wire::etag(incident.version),
    }
}

fn recipient(seller: SellerId, one: &Recipient) -> pb::IncidentRecipient {
    pb::IncidentRecipient {
        customer_id: one.customer.to_string(),
        seller_id: seller.to_string(),
        state: one.state.clone(),
        reason: one.reason.clone(),
        order_id: one.order_id.clone(),
        language: one.language.clone(),
        country: one.country.clone(),
        ticket_id: one.ticket.map(|ticket| ticket.to_string()).unwrap_or_default(),
        message_id: one.message.map(|message| message.to_string()).unwrap_or_default(),
        contacted_at: one.contacted_at.map(kit::wire::timestamp),
    }
}

fn small(n: usize) -> i32 {
    i32::try_from(n).unwrap_or(i32::MAX)
}

fn large(n: usize) -> i64 {
    i64::try_from(n).unwrap_or(i64::MAX)
}
