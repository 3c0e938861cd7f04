//! The demo: loaded at the first start, told at every start.
//!
//! Everything is done through the public API, as clients do it; only the
//! outcome of the isolation probe is recorded by the platform itself. A load
//! that broke off is repeated at the next start and finds what is there.

mod letters;
mod mail;
mod money;
mod people;
mod sellers;
mod voices;
mod week;

use std::future::Future;
use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::{Context, anyhow};
use jiff::Timestamp;
use jiff::civil::Date;
use jiff::tz::TimeZone;
use proto::Role;
use proto::tenants::v1::ListProvidersRequest;
use proto::tenants::v1::providers_service_client::ProvidersServiceClient;
use proto::tickets::v1::Ticket;
use tokio::task::{JoinHandle, JoinSet};

use super::client::{Session, Transport, told};
use super::{isolation, provider};
use crate::platform::Platform;
use crate::probe::Findings;
use people::{CLAIRE, GIULIA, JONAS, PEOPLE, SUPERVISOR, Sold};

/// How long something that follows from something else may take.
const PATIENCE: Duration = Duration::from_secs(30);

/// Loads the demo data.
pub async fn load(platform: &mut Platform) -> anyhow::Result<()> {
    let begun_at = Instant::now();
    let url = platform.url.clone();
    let mut admin = provider::ensure(&url, &mut platform.secrets, provider::HOME.0, provider::HOME.1).await?;
    let probe = start_probe(platform).await?;
    let transport = admin.transport().await?;

    note(begun_at, "connected");
    let sellers = sellers::onboard(&mut admin).await?;
    note(begun_at, "onboarded");
    let agents = people::hire(&transport, &sellers, &|email| platform.secrets.password(email)).await?;
    for one in PEOPLE {
        let password = platform.secrets.password(one.email);
        platform.secrets.logins.entry(one.email.to_owned()).or_insert(password);
    }
    platform.secrets.save()?;
    note(begun_at, "hired");
    let supervisor = sign_in(platform, SUPERVISOR).await?.transport().await?;
    sellers::approve(&supervisor, &sellers).await?;
    let now = platform.tenants.clock.now();
    let today = now.to_zoned(TimeZone::get("Europe/Lisbon")?).date();
    let begun = money::begun(today);
    money::sign(&transport, &sellers, begun).await?;
    note(begun_at, "signed");
    let week = tokio::spawn(week::plan(transport.clone(), sellers.clone(), agents, week::next_monday(today)));

    let places = mail::Places::read(&transport, &sellers).await?;
    mail::import(&transport, &places, now).await?;
    voices::ask(&transport, &sellers, today).await?;
    note(begun_at, "imported");
    go_live(platform, &transport, &sellers, probe).await?;
    note(begun_at, "live");
    answer_some(platform, &transport, &places, now).await?;
    note(begun_at, "answered");
    settle_accounts(&transport, &sellers, begun).await?;
    note(begun_at, "invoiced");
    week.await?.context("planning next week")?;
    note(begun_at, "planned");
    platform.secrets.demo_loaded = true;
    platform.secrets.save()
}

fn note(begun: Instant, reached: &'static str) {
    tracing::debug!(elapsed_ms = begun.elapsed().as_millis() as u64, reached, "the demo is being loaded");
}

async fn sign_in(platform: &Platform, email: &str) -> anyhow::Result<Session> {
    Session::login(&platform.url, email, &platform.secrets.password(email)).await
}

type Probing = JoinHandle<anyhow::Result<Findings>>;

/// Lets canaries probe one another, beside the rest of the work: those who hold
/// the most rights on the other side. `manydesk verify isolation` asks everybody.
async fn start_probe(platform: &mut Platform) -> anyhow::Result<Probing> {
    let url = platform.url.clone();
    let [one, two] = isolation::CANARIES;
    let mut first = provider::ensure(&url, &mut platform.secrets, one.0, one.1).await?;
    let mut second = provider::ensure(&url, &mut platform.secrets, two.0, two.1).await?;
    Ok(tokio::spawn(async move { isolation::probe_as(&url, &mut first, &mut second, &[Role::SellerAdmin], &[]).await }))
}

/// Records what the probe found for each seller, and leads them to live.
async fn go_live(
    platform: &mut Platform,
    transport: &Transport,
    sellers: &[Sold],
    probe: Probing,
) -> anyhow::Result<()> {
    for (_, seller_id) in sellers {
        sellers::only_probe_open(transport, seller_id).await?;
    }
    let findings = probe.await??;
    let provider_id = provider_id(platform).await?;
    for (handle, seller_id) in sellers {
        if sellers::is_live(transport, seller_id).await? {
            continue;
        }
        crate::record_probe(&platform.tenants, &platform.databases, &provider_id, seller_id, &findings).await?;
        let gone = sellers::go_live(transport, seller_id).await;
        gone.with_context(|| format!("{handle} cannot go live; `manydesk verify isolation` tells more"))?;
    }
    Ok(())
}

/// The id of the demo's provider.
async fn provider_id(platform: &mut Platform) -> anyhow::Result<String> {
    let mut providers = ProvidersServiceClient::new(sign_in(platform, provider::OPERATOR).await?.transport().await?);
    let mut page_token = String::new();
    loop {
        let request = ListProvidersRequest { page_size: 200, page_token };
        let page = providers.list_providers(request).await.map_err(|s| told(&s))?.into_inner();
        if let Some(found) = page.providers.into_iter().find(|p| p.handle == provider::HOME.0) {
            return Ok(found.provider_id);
        }
        if page.next_page_token.is_empty() {
            return Err(anyhow!("the provider {} is not there", provider::HOME.0));
        }
        page_token = page.next_page_token;
    }
}

/// Receives today's letters; the agents answer some of them.
async fn answer_some(
    platform: &Platform,
    transport: &Transport,
    places: &mail::Places,
    now: Timestamp,
) -> anyhow::Result<()> {
    let tickets = mail::receive(transport, places, now).await?;
    // An earlier load may have come this far.
    let answered = |languages: &[&str]| {
        let of = |ticket: &&Ticket| languages.contains(&ticket.language.as_str()) && ticket.first_response_at.is_some();
        tickets.iter().map(|(ticket, _)| ticket).filter(of).count()
    };
    let mornings_of: [(&str, &[&str], usize); 3] =
        [(GIULIA, &["it"], 3), (JONAS, &["de"], 3), (CLAIRE, &["fr", "en"], 1)];
    let due = mornings_of.map(|(email, languages, some)| (email, some.saturating_sub(answered(languages))));
    let texts: mail::Answers = Arc::new(tickets.into_iter().map(|(ticket, text)| (ticket.id, text)).collect());
    let mut mornings = JoinSet::new();
    for (email, some) in due.into_iter().filter(|(_, some)| 0 < *some) {
        mornings.spawn(mail::answer(sign_in(platform, email).await?, texts.clone(), some));
    }
    while let Some(done) = mornings.join_next().await {
        done?.context("answering the customers of today")?;
    }
    Ok(())
}

/// Waits until the past is metered, then makes last month's invoice of the
/// first seller; the second's is left for whoever tries the demo.
async fn settle_accounts(transport: &Transport, sellers: &[Sold], begun: Date) -> anyhow::Result<()> {
    let Some(first) = sellers.first() else { return Ok(()) };
    let past = letters::PAST.iter().filter(|letter| letter.seller == first.0).count();
    until("the work to be metered", || async move {
        Ok((past <= money::contacts(transport, &first.1).await?).then_some(()))
    })
    .await?;
    money::close_last_month(transport, first, begun).await.context("making last month's invoice")?;
    Ok(())
}

/// Looks again and again until something is there.
async fn until<T, F>(what: &str, mut look: impl FnMut() -> F) -> anyhow::Result<T>
where
    F: Future<Output = anyhow::Result<Option<T>>>,
{
    let begun = Instant::now();
    loop {
        if let Some(found) = look().await? {
            return Ok(found);
        }
        if PATIENCE < begun.elapsed() {
            return Err(anyhow!("waited {} s for {what}", PATIENCE.as_secs()));
        }
        tokio::time::sleep(Duration::from_millis(15)).await;
    }
}

/// Says where the platform is and what to try.
pub fn greet(platform: &Platform, started: Duration) {
    let url = &platform.public_url;
    println!("\n  Manydesk is ready at {url} ({} ms)\n", started.as_millis());
    let logins = &platform.secrets.logins;
    if !platform.secrets.demo_loaded {
        if let Some(password) = logins.get(provider::OPERATOR) {
            println!("  operator   {}   {password}\n\n  Ctrl-C stops it.\n", provider::OPERATOR);
        }
        return;
    }
    println!("  {:<28} {:<28} password", "who", "e-mail");
    for one in PEOPLE {
        if let Some(password) = logins.get(one.email) {
            println!("  {:<28} {:<28} {password}", one.what, one.email);
        }
    }
    let password = |email: &str| logins.get(email).cloned().unwrap_or_default();
    println!(
        r#"
  Try, in another terminal:

    login() {{ curl -s {url}/v1/auth:login -d "{{\"email\":\"$1\",\"password\":\"$2\"}}" | sed 's/.*"accessToken":"\([^"]*\)".*/\1/'; }}

  1. what waits for an answer, as the supervisor
    curl -s -H "authorization: Bearer $(login {SUPERVISOR} {})" "{url}/v1/tickets?states=TICKET_STATE_NEW&order=TICKET_ORDER_DUE"

  2. which promises were kept to Masque Noir, as the seller's viewer
    curl -s -H "authorization: Bearer $(login luca@masque-noir.example {})" {url}/v1/reports/sla

  3. what this month costs Bergkind so far, as the seller's admin
    curl -s -H "authorization: Bearer $(login vroni@bergkind.example {})" {url}/v1/invoices:preview

  All calls: {url}/openapi.json · gRPC with reflection at the same address. Ctrl-C stops everything.
"#,
        password(SUPERVISOR),
        password("luca@masque-noir.example"),
        password("vroni@bergkind.example"),
    );
}
