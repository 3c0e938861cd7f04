//! A new master key: what the former one sealed is read until it is sealed anew.

use std::fs;

use kit::Id;
use manydesk::cli::Session;
use proto::tenants::v1::auth_service_client::AuthServiceClient;
use proto::tenants::v1::{LoginRequest, RefreshRequest};
use sqlx::{Connection, PgConnection};
use tenants::credentials::Vault;
use tests::fleet::Fleet;
use tests::{Desk, PASSWORD};

use crate::support::process::executable;

/// A client secret as the tenants service keeps it; nobody calls an issuer here.
async fn keep_secret(conn: &mut PgConnection, provider: kit::ProviderId, master: &str) {
    let masters = manydesk::master::of_file(master.as_bytes()).expect("a master key");
    let vault = Vault::new(&masters).expect("a vault");
    let sealed = vault.seal(&format!("oidc_issuer:{provider}:corp"), b"hush").expect("sealed");
    sqlx::query(
        "insert into tenants.oidc_issuer (provider_id, name, issuer_url, client_id, client_secret, redirect_uris, email_domains)
         values ($1, 'corp', 'https://id.corp.example', 'desk', $2, '{https://desk.example}', '{corp.example}')",
    )
    .bind(provider.0)
    .bind(sealed)
    .execute(conn)
    .await
    .expect("an issuer");
}

async fn kept_secret(conn: &mut PgConnection, provider: kit::ProviderId, master: &str) -> Option<Vec<u8>> {
    let masters = manydesk::master::of_file(master.as_bytes()).expect("a master key");
    let sealed: Vec<u8> = sqlx::query_scalar("select client_secret from tenants.oidc_issuer where provider_id = $1")
        .bind(provider.0)
        .fetch_one(conn)
        .await
        .expect("an issuer");
    Vault::new(&masters).expect("a vault").open(&format!("oidc_issuer:{provider}:corp"), &sealed).ok()
}

/// Signs in; the refresh token.
async fn sign_in(desk: &Desk, email: &str) -> String {
    let request = LoginRequest { email: email.to_owned(), password: PASSWORD.into(), ..LoginRequest::default() };
    let signed_in = AuthServiceClient::new(desk.channel().await).login(request).await.expect("signed in");
    signed_in.into_inner().tokens.expect("tokens").refresh_token
}

async fn refresh(desk: &Desk, token: &str) -> Result<String, tonic::Status> {
    let request_id = kit::Clock::System.new_uuid().simple().to_string();
    let request = RefreshRequest { refresh_token: token.to_owned(), request_id };
    let answer = AuthServiceClient::new(desk.channel().await).refresh(request).await?;
    Ok(answer.into_inner().tokens.expect("tokens").refresh_token)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_new_master_key_takes_over_from_the_former_one() {
    let Some(manydesk) = executable("a new master key") else { return };
    let mut fleet = Fleet::start(&manydesk, false).await;
    let desk = fleet.desk;
    let tenant = desk.provider("Master").await;
    let provider = kit::ProviderId::parse("provider_id", &tenant.provider_id).expect("an id");
    let email = format!("admin@{}.example", tenant.handle);
    let mut conn = PgConnection::connect(&desk.database).await.expect("the database answers");

    let file = fleet.folder().join("keys/master.key");
    let old = fs::read_to_string(&file).expect("the master key");
    let new = "5a".repeat(32);
    keep_secret(&mut conn, provider, &old).await;
    let (stays, leaves) = (sign_in(desk, &email).await, sign_in(desk, &email).await);

    // both keys: the new one is used, and what the old one made is good
    fs::write(&file, format!("{new}\n{old}\n")).expect("written");
    fleet.kill_and_restart("tenants").await;
    let stays = refresh(desk, &stays).await.expect("a session goes on");
    assert_eq!(kept_secret(&mut conn, provider, &new).await, None, "nothing is sealed anew by itself");

    // with the new key alone nothing of it opens: that is told, and nothing is changed
    let settings = fleet.reseal_settings();
    fs::write(&file, &new).expect("written");
    let told = fleet.fails(&["reseal"], &settings);
    assert!(told.contains("does not open"), "{told}");
    assert_eq!(kept_secret(&mut conn, provider, &old).await.as_deref(), Some(&b"hush"[..]));

    fs::write(&file, format!("{new}\n{old}\n")).expect("written");
    let told = fleet.run(&["reseal"], &settings);
    assert!(!told.starts_with("0 of ") && told.contains("were sealed anew"), "{told}");
    let told = fleet.run(&["reseal"], &settings);
    assert!(told.starts_with("0 of "), "a second time there is nothing to do: {told}");
    assert_eq!(kept_secret(&mut conn, provider, &old).await, None);
    assert_eq!(kept_secret(&mut conn, provider, &new).await.as_deref(), Some(&b"hush"[..]));

    // the old key is gone: who came by since stays signed in, who did not signs in again
    fs::write(&file, &new).expect("written");
    fleet.kill_and_restart("tenants").await;
    refresh(desk, &stays).await.expect("a session goes on");
    let ended = refresh(desk, &leaves).await.expect_err("its secret hung on the old key");
    assert_eq!(ended.code(), tonic::Code::Unauthenticated, "{ended:?}");
    Session::login(&desk.url, &email, PASSWORD).await.expect("signed in anew");
}
