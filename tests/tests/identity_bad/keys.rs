//! Signing keys change while people work: no session is lost, and a key that is
//! known does not make every token good.

use std::time::{Duration, Instant};

use kit::keys::SigningKey;
use proto::tenants::v1::auth_service_client::AuthServiceClient;
use proto::tenants::v1::{LoginRequest, RefreshRequest};
use serde_json::json;
use tests::{PASSWORD, desk, reason};
use tonic::Code;

use super::{must_be_invalid, part, who};
use crate::support::http::Browser;
use crate::support::rows;

/// The key ids that are published now.
async fn published(url: &str) -> Vec<String> {
    let keys = Browser::new(url, "").get("/v1/auth/jwks").await.body["keys"].clone();
    keys.as_array().expect("keys").iter().map(|key| key["kid"].as_str().expect("a kid").to_owned()).collect()
}

/// The keys are looked at every half minute.
async fn within_a_minute<T>(what: &str, mut look: impl AsyncFnMut() -> Option<T>) -> T {
    let begun = Instant::now();
    loop {
        if let Some(found) = look().await {
            return found;
        }
        assert!(begun.elapsed() < Duration::from_secs(60), "waited a minute for: {what}");
        tokio::time::sleep(Duration::from_millis(200)).await;
    }
}

#[tokio::test]
async fn a_change_of_keys_loses_no_session_and_a_known_key_proves_no_more_than_it_may() {
    let mut tenant = desk().await.provider("Rotation").await;
    let url = tenant.desk.url.clone();
    let person = tenant.person("Ruth", proto::Role::Planner, &[]).await;
    let login = LoginRequest { email: person.email.clone(), password: PASSWORD.into(), ..LoginRequest::default() };
    let mut auth = AuthServiceClient::new(tenant.channel().await);
    let before = auth.login(login.clone()).await.expect("she signs in").into_inner().tokens.expect("tokens");
    let old_kid = part(&before.access_token, 0)["kid"].as_str().expect("a kid").to_owned();
    let claims = part(&before.access_token, 1);

    // as if a month had passed; and beside it a key whose private half is here
    let known = SigningKey::generate("key-known-to-a-test").expect("a key");
    let mut database = rows::superuser(tenant.desk).await;
    sqlx::query("update tenants.signing_key set since = since - interval '31 days' where state = 'active'")
        .execute(&mut database)
        .await
        .expect("aged");
    sqlx::query(
        "insert into tenants.signing_key (provider_id, kid, state, since, public_x, private_key)
         values ('00000000-0000-0000-0000-000000000000', $1, 'retiring', now(), $2, '')",
    )
    .bind(known.kid())
    .bind(&known.public().x)
    .execute(&mut database)
    .await
    .expect("a key is added");
    let keys = within_a_minute("a next key to be published ahead", async || {
        let keys = published(&url).await;
        (keys.len() == 3 && keys.iter().any(|kid| kid == known.kid())).then_some(keys)
    })
    .await;
    let next = keys.iter().find(|kid| **kid != old_kid && *kid != known.kid()).expect("a next key").clone();
    let early = auth.login(login.clone()).await.expect("she signs in").into_inner().tokens.expect("tokens");
    assert_eq!(part(&early.access_token, 0)["kid"], json!(old_kid), "what is published ahead does not sign yet");

    // a token signed by a key that is published: everything else must be right as well
    let sign = |changes: serde_json::Value| {
        let mut claims = claims.clone();
        changes.as_object().expect("an object").iter().for_each(|(name, value)| claims[name] = value.clone());
        known.sign(&claims).expect("signed")
    };
    who(&sign(json!({}))).await.expect("the key is known, the claims are true");
    must_be_invalid("another issuer", &sign(json!({ "iss": "https://other.example" }))).await;
    must_be_invalid("another audience", &sign(json!({ "aud": "tenants" }))).await;
    must_be_invalid("a service's role", &sign(json!({ "roles": ["service"] }))).await;
    must_be_invalid("a service's kind", &sign(json!({ "kind": "service", "roles": ["service"], "act": "tickets" })))
        .await;
    for odd in [
        json!({ "sub": "somebody" }),
        json!({ "prv": null }),
        json!({ "sellers": "everything" }),
        json!({ "sellers": { "all": true } }),
        json!({ "kind": "root" }),
        json!({ "exp": "never" }),
        json!({ "aud": ["manydesk", "other"] }),
        json!({ "roles": "agent" }),
    ] {
        must_be_invalid(&odd.to_string(), &sign(odd.clone())).await;
    }
    let now = kit::Clock::System.now().as_second();
    let late = who(&sign(json!({ "iat": now - 900, "exp": now - 60 }))).await.expect_err("expired");
    assert_eq!((late.code(), reason(&late).as_str()), (Code::Unauthenticated, "TOKEN_EXPIRED"));
    must_be_invalid("issued in the future", &sign(json!({ "iat": now + 900, "exp": now + 1_500 }))).await;

    sqlx::query("update tenants.signing_key set since = since - interval '25 hours' where kid = $1")
        .bind(&next)
        .execute(&mut database)
        .await
        .expect("aged");
    within_a_minute("the next key to be the active one", async || {
        let state = sqlx::query_scalar("select state from tenants.signing_key where kid = $1").bind(&next);
        let state: String = state.fetch_one(&mut database).await.expect("a state");
        (state == "active").then_some(())
    })
    .await;
    let after = within_a_minute("the next key to sign", async || {
        let tokens = auth.login(login.clone()).await.expect("she signs in").into_inner().tokens.expect("tokens");
        (part(&tokens.access_token, 0)["kid"] == json!(next)).then_some(tokens)
    })
    .await;
    who(&after.access_token).await.expect("the new key's tokens are good");
    who(&before.access_token).await.expect("the old key's tokens are good until they end");
    assert!(published(&url).await.contains(&old_kid), "and it stays published");
    let request = RefreshRequest { refresh_token: before.refresh_token, request_id: "after-the-change".into() };
    let renewed = auth.refresh(request).await.expect("the session goes on").into_inner().tokens.expect("tokens");
    assert_eq!(renewed.session_id, before.session_id);
    assert_eq!(part(&renewed.access_token, 0)["kid"], json!(next));
    who(&renewed.access_token).await.expect("she is still signed in");
    sqlx::query("delete from tenants.signing_key where kid = $1")
        .bind(known.kid())
        .execute(&mut database)
        .await
        .expect("gone");
}
