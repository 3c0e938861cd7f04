//! `manydesk up` as a person starts and stops it, and as a machine kills it.

use std::path::Path;
use std::process::{Command, Output};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::Duration;

use manydesk::cli::Session;
use proto::billing::v1::billing_service_client::BillingServiceClient;
use proto::billing::v1::{ListUsageRequest, Meter};
use proto::events::v1::ChannelAccount;
use proto::tenants::v1::auth_service_client::AuthServiceClient;
use proto::tenants::v1::providers_service_client::ProvidersServiceClient;
use proto::tenants::v1::sellers_service_client::SellersServiceClient;
use proto::tenants::v1::{
    AcceptInvitationRequest, CreateProviderRequest, CreateSellerRequest, PutChannelAccountRequest,
};
use proto::tickets::v1::tickets_service_client::TicketsServiceClient;
use proto::tickets::v1::{Author, GetTicketRequest, ListMessagesRequest, ReceiveMessageRequest};
use tests::{PASSWORD, eventually};

use crate::support::process::{Up, data_folder, executable, free_port, working_in};

/// A run that is expected to end by itself.
fn run(executable: &Path, arguments: &[&str], variables: &[(&str, &str)]) -> (Output, String) {
    let mut command = Command::new(executable);
    command
        .args(arguments)
        .env_clear()
        .env("PATH", "/usr/local/bin:/usr/bin:/bin")
        .env("HOME", "/tmp")
        .envs(variables.iter().copied());
    let output = command.output().expect("manydesk starts");
    let told = String::from_utf8_lossy(&output.stderr).into_owned();
    (output, told)
}

#[test]
fn broken_settings_are_told_all_at_once_and_nothing_is_touched() {
    let Some(manydesk) = executable("broken settings") else { return };
    let folder = data_folder();
    let data = folder.path().join("data");
    let data = data.to_str().expect("a text");
    let broken = [
        ("MANYDESK_DATA", data),
        ("MANYDESK_LISTEN", "somewhere"),
        ("MANYDESK_METRICS_LISTEN", "99999"),
        ("MANYDESK_LOG_FORMAT", "xml"),
        ("MANYDESK_CONNECTIONS", "0"),
        ("MANYDESK_CALL_TIMEOUT_MS", "soon"),
        ("MANYDESK_TRUST_FORWARDED", "maybe"),
    ];
    let (output, told) = run(&manydesk, &["up"], &broken);
    assert!(!output.status.success());
    for (name, _) in &broken[1..] {
        assert!(told.contains(name), "{name} is not told:\n{told}");
    }
    assert!(!Path::new(data).exists(), "a broken setting must not leave a folder behind");

    let (output, told) = run(&manydesk, &["up", "--data", data], &[("MANYDESK_LOG", "info,=,=")]);
    assert!(!output.status.success() && told.contains("filter"), "{told}");
    let (output, told) = run(&manydesk, &["up", "--listen", "nowhere"], &[]);
    assert!(!output.status.success() && told.contains("--listen"), "{told}");
    let (output, told) = run(&manydesk, &["serve", "tickets"], &[("MANYDESK_LISTEN", "x")]);
    assert!(!output.status.success());
    for name in [
        "MANYDESK_LISTEN",
        "MANYDESK_DATABASE_URL",
        "MANYDESK_RELAY_DATABASE_URL",
        "MANYDESK_TENANTS_URL",
        "MANYDESK_SERVICE_KEY_FILE",
    ] {
        assert!(told.contains(name), "{name} is not told:\n{told}");
    }
    let (output, told) = run(&manydesk, &["serve", "nothing"], &[]);
    assert!(!output.status.success() && told.contains("tickets") && told.contains("gateway"), "{told}");
}

#[test]
fn a_taken_port_and_a_strange_data_folder_are_told_with_what_to_do() {
    let Some(manydesk) = executable("a taken port") else { return };
    let taken = std::net::TcpListener::bind(("127.0.0.1", 0)).expect("a port");
    let address = taken.local_addr().expect("an address").to_string();
    let folder = data_folder();
    let data = folder.path().to_str().expect("a text").to_owned();
    let (output, told) = run(&manydesk, &["up", "--no-demo", "--data", &data, "--listen", &address], &[]);
    assert!(!output.status.success());
    assert!(told.contains(&address) && told.contains("taken") && told.contains("--listen"), "{told}");
    assert!(!folder.path().join("cluster").exists(), "the port is looked at before a database is made");

    let port = format!("127.0.0.1:{}", free_port());
    let other = data_folder();
    std::fs::create_dir(other.path().join("cluster")).expect("a folder");
    std::fs::write(other.path().join("cluster/PG_VERSION"), "9.6\n").expect("a file");
    let data = other.path().to_str().expect("a text").to_owned();
    let (output, told) = run(
        &manydesk,
        &["up", "--no-demo", "--data", &data, "--listen", &port],
        &[("MANYDESK_POSTGRES_INSTALL", "never")],
    );
    assert!(!output.status.success());
    assert!(told.contains("PostgreSQL 9") && told.contains("another data folder"), "{told}");
    let kept = std::fs::read_to_string(other.path().join("cluster/PG_VERSION")).expect("the file is still there");
    assert_eq!(kept, "9.6\n", "nothing was overwritten");

    let odd = data_folder();
    std::fs::create_dir(odd.path().join("cluster")).expect("a folder");
    std::fs::write(odd.path().join("cluster/holiday.jpg"), "x").expect("a file");
    let data = odd.path().to_str().expect("a text").to_owned();
    let (output, told) = run(&manydesk, &["up", "--no-demo", "--data", &data, "--listen", &port], &[]);
    assert!(!output.status.success() && told.contains("not a PostgreSQL cluster"), "{told}");

    let damaged = data_folder();
    std::fs::write(damaged.path().join("secrets.json"), "{ half").expect("a file");
    let data = damaged.path().to_str().expect("a text").to_owned();
    let (output, told) = run(&manydesk, &["up", "--no-demo", "--data", &data, "--listen", &port], &[]);
    assert!(!output.status.success() && told.contains("secrets.json") && told.contains("backup"), "{told}");
}

#[tokio::test]
async fn ctrl_c_stops_the_platform_and_its_database_and_the_next_start_goes_on() {
    let Some(manydesk) = executable("Ctrl-C") else { return };
    let folder = data_folder();
    let data = folder.path().join("data");
    let mut up = Up::spawn(&manydesk, &data, free_port(), &[]);
    up.ready().await;
    let cluster = data.join("cluster");
    assert!(!working_in(&cluster).is_empty(), "PostgreSQL runs");
    up.operator().await;

    // a second platform on the same folder is told who has it
    let mut second = Up::spawn(&manydesk, &data, free_port(), &[]);
    let pid = second.id();
    let (status, told) = second.take_end(Duration::from_secs(30)).await;
    assert!(!status.success() && told.contains("in use by another manydesk"), "{told}");
    assert_ne!(pid, up.id());
    up.operator().await;

    let password = up.password("operator@platform.example");
    up.signal("INT");
    let (status, told) = up.take_end(Duration::from_secs(20)).await;
    assert!(status.success(), "{status}\n{told}");
    assert!(working_in(&cluster).is_empty(), "PostgreSQL has ended with it");
    assert!(!data.join("running.json").exists());

    let begun = std::time::Instant::now();
    let mut again = Up::spawn(&manydesk, &data, free_port(), &[]);
    again.ready().await;
    println!("a warm start took {:?}", begun.elapsed());
    assert_eq!(again.password("operator@platform.example"), password, "the same installation");
    again.operator().await;
    again.signal("TERM");
    let (status, told) = again.take_end(Duration::from_secs(20)).await;
    assert!(status.success(), "{status}\n{told}");
    assert!(working_in(&cluster).is_empty());
}

/// A provider with one seller and one mailbox on a fresh platform.
struct Shop {
    email: String,
    seller: String,
    account: String,
}

async fn open_shop(up: &Up) -> Shop {
    let email = "admin@killed.example".to_owned();
    let mut operator = up.operator().await;
    let founded = ProvidersServiceClient::new(operator.transport().await.expect("a token"))
        .create_provider(CreateProviderRequest {
            handle: "killed".into(),
            name: "Killed".into(),
            country: "PT".into(),
            time_zone: "Europe/Lisbon".into(),
            admin_email: email.clone(),
            admin_name: "Ada Admin".into(),
            request_id: "killed".into(),
        })
        .await
        .expect("a provider")
        .into_inner();
    let channel =
        tonic::transport::Channel::from_shared(up.url.clone()).expect("a URL").connect().await.expect("a channel");
    AuthServiceClient::new(channel)
        .accept_invitation(AcceptInvitationRequest {
            invitation_token: founded.invitation_token,
            password: PASSWORD.into(),
            ..AcceptInvitationRequest::default()
        })
        .await
        .expect("accepted");
    let mut admin = Session::login(&up.url, &email, PASSWORD).await.expect("she signs in");
    let mut sellers = SellersServiceClient::new(admin.transport().await.expect("a token"));
    let seller = sellers
        .create_seller(CreateSellerRequest {
            handle: "shop".into(),
            name: "Shop".into(),
            ticket_prefix: String::new(),
            request_id: "shop".into(),
        })
        .await
        .expect("a seller")
        .into_inner()
        .seller
        .expect("a seller")
        .seller_id;
    let account = ChannelAccount {
        channel: "email".into(),
        address: "help@shop.example".into(),
        active: true,
        ..ChannelAccount::default()
    };
    let account = sellers
        .put_channel_account(PutChannelAccountRequest {
            seller_id: seller.clone(),
            channel_account: Some(account),
            request_id: String::new(),
        })
        .await
        .expect("an account")
        .into_inner()
        .channel_account
        .expect("an account")
        .channel_account_id;
    Shop { email, seller, account }
}

fn letter(shop: &Shop, writer: usize, n: usize) -> ReceiveMessageRequest {
    ReceiveMessageRequest {
        seller_id: shop.seller.clone(),
        channel_account_id: shop.account.clone(),
        external_id: format!("<{writer}-{n}@mail.example>"),
        author: Some(Author { address: format!("customer-{writer}-{n}@mail.example"), name: String::new() }),
        subject: format!("Letter {n} of {writer}"),
        text: "Where is my parcel? I have been waiting for two weeks and nobody answers.".into(),
        ..ReceiveMessageRequest::default()
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_was_acknowledged_before_a_kill_is_there_afterwards_and_nothing_is_there_twice() {
    let Some(manydesk) = executable("kill -9") else { return };
    let folder = data_folder();
    let data = folder.path().join("data");
    let port = free_port();
    let mut up = Up::spawn(&manydesk, &data, port, &[]);
    up.ready().await;
    let shop = Arc::new(open_shop(&up).await);

    let (stop, heard) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicUsize::new(0)));
    let mut writers = tokio::task::JoinSet::new();
    let url = up.url.clone();
    for writer in 0..4 {
        let (shop, stop, heard, url) = (Arc::clone(&shop), Arc::clone(&stop), Arc::clone(&heard), url.clone());
        writers.spawn(async move {
            let mut admin = Session::login(&url, &shop.email, PASSWORD).await.expect("she signs in");
            let mut tickets = TicketsServiceClient::new(admin.transport().await.expect("a token"));
            let mut acknowledged = Vec::new();
            let mut n = 0;
            while !stop.load(Ordering::Relaxed) {
                match tickets.receive_message(letter(&shop, writer, n)).await {
                    Ok(answer) => {
                        acknowledged.push((n, answer.into_inner().ticket.expect("a ticket").id));
                        heard.fetch_add(1, Ordering::Relaxed);
                    }
                    Err(_) => break,
                }
                n += 1;
            }
            (writer, acknowledged, n)
        });
    }
    eventually("enough letters", || async { (60 <= heard.load(Ordering::Relaxed)).then_some(()) }).await;
    up.signal("KILL");
    let (status, _) = up.take_end(Duration::from_secs(10)).await;
    assert!(!status.success());
    stop.store(true, Ordering::Relaxed);
    let outcomes = writers.join_all().await;
    let acknowledged: usize = outcomes.iter().map(|(_, list, _)| list.len()).sum();
    println!("{acknowledged} letters were acknowledged before the kill");
    assert!(60 <= acknowledged);

    let mut again = Up::spawn(&manydesk, &data, port, &[]);
    again.ready().await;
    let mut admin = Session::login(&again.url, &shop.email, PASSWORD).await.expect("she signs in");
    let mut tickets = TicketsServiceClient::new(admin.transport().await.expect("a token"));
    let mut all = 0;
    for (writer, list, tried) in &outcomes {
        for (n, ticket) in list {
            let request = GetTicketRequest { seller_id: shop.seller.clone(), ticket_id: ticket.clone() };
            let kept =
                tickets.get_ticket(request).await.unwrap_or_else(|e| panic!("letter {n} of {writer} is lost: {e}"));
            assert_eq!(kept.into_inner().ticket.expect("a ticket").message_count, 1);
            // whoever did not hear the answer sends it again
            let answer =
                tickets.receive_message(letter(&shop, *writer, *n)).await.expect("a second delivery").into_inner();
            assert!(answer.duplicate && answer.ticket.expect("a ticket").id == *ticket, "stored once");
        }
        // the one that was on its way when the power went
        let answer = tickets.receive_message(letter(&shop, *writer, *tried)).await.expect("sent again").into_inner();
        let ticket = answer.ticket.expect("a ticket").id;
        let request = ListMessagesRequest { seller_id: shop.seller.clone(), ticket_id: ticket, ..Default::default() };
        assert_eq!(tickets.list_messages(request).await.expect("messages").into_inner().messages.len(), 1);
        all += list.len() + 1;
    }
    // and what had to be told to the others is told, once
    let billing = BillingServiceClient::new(admin.transport().await.expect("a token"));
    let metered = eventually("every letter to be metered once", || {
        let mut billing = billing.clone();
        let seller = shop.seller.clone();
        async move {
            let mut count = 0;
            let mut page_token = String::new();
            loop {
                let request = ListUsageRequest {
                    seller_id: seller.clone(),
                    page_size: 200,
                    page_token,
                    meter: Meter::Message.into(),
                    ..ListUsageRequest::default()
                };
                let page = billing.list_usage(request).await.expect("usage").into_inner();
                count += page.events.len();
                page_token = page.next_page_token;
                if page_token.is_empty() {
                    return (all <= count).then_some(count);
                }
            }
        }
    })
    .await;
    assert_eq!(metered, all);
    again.signal("INT");
    let (status, told) = again.take_end(Duration::from_secs(20)).await;
    assert!(status.success(), "{status}\n{told}");
}
