//! Tokens that were not given out, or not for this: refused at the edge with
//! the same words, whatever is wrong with them.

mod keys;
mod oidc;
mod open_streams;

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use kit::keys::SigningKey;
use proto::tenants::v1::users_service_client::UsersServiceClient;
use proto::tenants::v1::{WhoAmIRequest, WhoAmIResponse};
use serde_json::{Value, json};
use tests::{desk, reason};
use tonic::{Code, Request, Status};

use crate::support::http::Browser;

/// Who the platform takes the bearer of a token for.
pub async fn who(token: &str) -> Result<WhoAmIResponse, Status> {
    let mut request = Request::new(WhoAmIRequest {});
    request.metadata_mut().insert("authorization", format!("Bearer {token}").parse().expect("a printable token"));
    Ok(UsersServiceClient::new(desk().await.channel().await).who_am_i(request).await?.into_inner())
}

/// Fails unless the token is refused as one that was never given out.
pub async fn must_be_invalid(what: &str, token: &str) {
    let refused = who(token).await.map(|me| me.subject_id).expect_err(what);
    assert_eq!((refused.code(), reason(&refused).as_str()), (Code::Unauthenticated, "TOKEN_INVALID"), "{what}");
}

pub fn part(token: &str, n: usize) -> Value {
    let text = token.split('.').nth(n).expect("a part");
    serde_json::from_slice(&URL_SAFE_NO_PAD.decode(text).expect("base64url")).expect("JSON")
}

fn encoded(value: &Value) -> String {
    URL_SAFE_NO_PAD.encode(value.to_string())
}

#[tokio::test]
async fn a_token_that_was_touched_is_refused() {
    let mut tenant = desk().await.provider("Touched").await;
    let token = tenant.admin.token().await.expect("a token");
    who(&token).await.expect("the token itself is good");
    let (header, claims) = (part(&token, 0), part(&token, 1));
    let signature = token.split('.').nth(2).expect("a signature");
    let with = |header: &Value, claims: &Value| format!("{}.{}.{signature}", encoded(header), encoded(claims));

    let mut other = claims.clone();
    for (name, value) in [
        ("roles", json!(["platform_operator"])),
        ("prv", json!("00000000-0000-0000-0000-000000000000")),
        ("exp", json!(4_000_000_000i64)),
        ("sub", json!("00000000-0000-0000-0000-000000000001")),
    ] {
        let before = std::mem::replace(&mut other[name], value);
        must_be_invalid(&format!("another {name}"), &with(&header, &other)).await;
        other[name] = before;
    }
    let flipped: String = signature
        .chars()
        .enumerate()
        .map(|(n, c)| if n == 20 { if c == 'A' { 'B' } else { 'A' } } else { c })
        .collect();
    let body = token.rsplit_once('.').expect("a signature").0;
    for (what, text) in [
        ("a flipped signature", format!("{body}.{flipped}")),
        ("no signature", format!("{body}.")),
        ("two parts", body.to_owned()),
        ("four parts", format!("{token}.AAAA")),
        ("a long tail", format!("{token}{}", "A".repeat(8_000))),
        ("nothing", ".".to_owned()),
    ] {
        must_be_invalid(what, &text).await;
    }
}

#[tokio::test]
async fn the_algorithm_is_ours_and_never_the_tokens() {
    let mut tenant = desk().await.provider("Confused").await;
    let token = tenant.admin.token().await.expect("a token");
    let (header, claims) = (part(&token, 0), part(&token, 1));
    for alg in ["none", "None", "NONE", "nOnE", ""] {
        let mut header = header.clone();
        header["alg"] = json!(alg);
        let signature = token.split('.').nth(2).expect("a signature");
        for end in ["", signature] {
            must_be_invalid(&format!("alg {alg:?}"), &format!("{}.{}.{end}", encoded(&header), encoded(&claims))).await;
        }
    }
    // the public key is known to everybody: as a secret of HMAC it must prove nothing
    let published = Browser::new(&tenant.desk.url, "").get("/.well-known/jwks.json").await.body;
    let key = published["keys"]
        .as_array()
        .expect("keys")
        .iter()
        .find(|k| k["kid"] == header["kid"])
        .expect("our key")
        .clone();
    let x = key["x"].as_str().expect("the public key").to_owned();
    let raw = URL_SAFE_NO_PAD.decode(&x).expect("base64url");
    let mut der = vec![0x30, 0x2a, 0x30, 0x05, 0x06, 0x03, 0x2b, 0x65, 0x70, 0x03, 0x21, 0x00];
    der.extend(&raw);
    let body = base64::engine::general_purpose::STANDARD.encode(&der);
    let pem = format!("-----BEGIN PUBLIC KEY-----\n{body}\n-----END PUBLIC KEY-----\n");
    use jsonwebtoken::Algorithm::{HS256, HS384, HS512};
    for (alg, name) in [(HS256, "HS256"), (HS384, "HS384"), (HS512, "HS512")] {
        for secret in
            [raw.clone(), der.clone(), pem.clone().into_bytes(), x.clone().into_bytes(), key.to_string().into_bytes()]
        {
            let mut header = jsonwebtoken::Header::new(alg);
            header.kid = part(&token, 0)["kid"].as_str().map(str::to_owned);
            let forged = jsonwebtoken::encode(&header, &claims, &jsonwebtoken::EncodingKey::from_secret(&secret))
                .expect("signed");
            must_be_invalid(&format!("{name} with the public key"), &forged).await;
        }
    }
    // a key of the forger's own, under our kid, a foreign one, a service's, none, and one in the header
    let own = SigningKey::generate(header["kid"].as_str().expect("a kid")).expect("a key");
    must_be_invalid("another key under our kid", &own.sign(&claims).expect("signed")).await;
    for kid in ["key-unknown", "svc-tickets", "svc-gateway", "svc-", "../../etc/passwd", "' or 1=1 --"] {
        let key = SigningKey::generate(kid).expect("a key");
        must_be_invalid(kid, &key.sign(&claims).expect("signed")).await;
    }
    let encoding = jsonwebtoken::EncodingKey::from_ed_der(own.pkcs8());
    let mut bare = jsonwebtoken::Header::new(jsonwebtoken::Algorithm::EdDSA);
    must_be_invalid("no kid", &jsonwebtoken::encode(&bare, &claims, &encoding).expect("signed")).await;
    bare.jwk =
        serde_json::from_value(json!({ "kty": "OKP", "crv": "Ed25519", "x": own.public().x, "use": "sig" })).ok();
    bare.jku = Some("http://127.0.0.1:1/keys".to_owned());
    must_be_invalid(
        "a key that the token brings along",
        &jsonwebtoken::encode(&bare, &claims, &encoding).expect("signed"),
    )
    .await;
}
