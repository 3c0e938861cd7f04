//! What the verifier believes, and what not.

use base64::Engine;
use jiff::Timestamp;
use serde_json::json;
use uuid::Uuid;

use crate::caller::{All, Caller, Claims, Granted, Kind, Revoked, Verifier};
use crate::clock::Clock;
use crate::fault::Fault;
use crate::keys::{Jwks, Keyring, SigningKey};

struct World {
    clock: Clock,
    key: SigningKey,
    service: SigningKey,
    revoked: Revoked,
    verifier: Verifier,
}

fn world() -> World {
    let clock = Clock::manual(Timestamp::from_second(1_800_000_000).expect("an instant"));
    let key = SigningKey::generate("k1").expect("a key");
    let service = SigningKey::generate("svc-tickets").expect("a key");
    let keyring = Keyring::default();
    keyring.replace_issuer_keys(&Jwks { keys: vec![key.public().clone()] });
    keyring.replace_service_keys(&Jwks { keys: vec![service.public().clone()] });
    let revoked = Revoked::default();
    let verifier = Verifier::new(keyring, revoked.clone(), clock.clone(), "https://issuer", &["manydesk", "tenants"]);
    World { clock, key, service, revoked, verifier }
}

fn claims() -> Claims {
    Claims {
        iss: "https://issuer".into(),
        aud: "manydesk".into(),
        sub: Uuid::from_u128(1),
        prv: Uuid::from_u128(2),
        roles: vec!["agent".into()],
        sellers: Granted::These(vec![Uuid::from_u128(3)]),
        rev: 5,
        sid: Some(Uuid::from_u128(4)),
        jti: Uuid::from_u128(6),
        iat: 1_800_000_000,
        exp: 1_800_000_600,
        kind: Kind::User,
        act: None,
    }
}

fn reason(outcome: Result<std::sync::Arc<Caller>, Fault>) -> &'static str {
    match outcome {
        Ok(_) => "accepted",
        Err(fault) => fault.reason(),
    }
}

#[test]
fn a_good_token_is_accepted_until_it_runs_out() {
    let w = world();
    let token = w.key.sign(&claims()).expect("signed");
    assert_eq!(reason(w.verifier.verify(&token)), "accepted");
    w.clock.advance_seconds(600);
    assert_eq!(reason(w.verifier.verify(&token)), "accepted", "clocks may differ a little");
    w.clock.advance_seconds(5);
    assert_eq!(reason(w.verifier.verify(&token)), "TOKEN_EXPIRED", "also a remembered token runs out");
}

#[test]
fn wrong_claims_are_refused() {
    let w = world();
    let cases: Vec<(&str, Claims)> = vec![
        ("issuer", Claims { iss: "https://other".into(), ..claims() }),
        ("audience", Claims { aud: "billing".into(), ..claims() }),
        ("issued in the future", Claims { iat: 1_800_000_100, ..claims() }),
        ("ends before it begins", Claims { exp: 1_700_000_000, ..claims() }),
        ("a person who says she is a service", Claims { kind: Kind::Service, ..claims() }),
        ("a person with the service role", Claims { roles: vec!["service".into()], ..claims() }),
    ];
    for (what, claims) in cases {
        let token = w.key.sign(&claims).expect("signed");
        assert_eq!(reason(w.verifier.verify(&token)), "TOKEN_INVALID", "{what}");
    }
}

#[test]
fn a_service_speaks_only_as_itself() {
    let w = world();
    let as_service =
        Claims { kind: Kind::Service, roles: vec!["service".into()], act: Some("tickets".into()), ..claims() };
    let good = w.service.sign(&as_service).expect("signed");
    assert_eq!(reason(w.verifier.verify(&good)), "accepted");
    let as_other = Claims { act: Some("billing".into()), ..as_service.clone() };
    assert_eq!(reason(w.verifier.verify(&w.service.sign(&as_other).expect("signed"))), "TOKEN_INVALID");
    let as_person = Claims { roles: vec!["provider_admin".into()], kind: Kind::User, act: None, ..as_service };
    assert_eq!(reason(w.verifier.verify(&w.service.sign(&as_person).expect("signed"))), "TOKEN_INVALID");
}

#[test]
fn another_algorithm_or_key_is_refused() {
    let w = world();
    // HMAC with the public key as its secret
    let mut header = jsonwebtoken::Header::new(jsonwebtoken::Algorithm::HS256);
    header.kid = Some("k1".into());
    let secret = jsonwebtoken::EncodingKey::from_secret(w.key.public().x.as_bytes());
    let confused = jsonwebtoken::encode(&header, &claims(), &secret).expect("signed");
    assert_eq!(reason(w.verifier.verify(&confused)), "TOKEN_INVALID");
    // no signature at all
    let part = |v: serde_json::Value| base64::engine::general_purpose::URL_SAFE_NO_PAD.encode(v.to_string());
    let body = serde_json::to_value(claims()).expect("json");
    let none = format!("{}.{}.", part(json!({"alg": "none", "kid": "k1"})), part(body));
    assert_eq!(reason(w.verifier.verify(&none)), "TOKEN_INVALID");
    // somebody else's key under a known id
    let forged = SigningKey::generate("k1").expect("a key").sign(&claims()).expect("signed");
    assert_eq!(reason(w.verifier.verify(&forged)), "TOKEN_INVALID");
    let unknown = SigningKey::generate("k2").expect("a key").sign(&claims()).expect("signed");
    assert_eq!(reason(w.verifier.verify(&unknown)), "TOKEN_INVALID");
    assert_eq!(reason(w.verifier.verify("")), "TOKEN_INVALID");
    assert_eq!(reason(w.verifier.verify(&"a".repeat(20_000))), "TOKEN_INVALID");
}

#[test]
fn a_revocation_stops_a_remembered_token_at_once() {
    let w = world();
    let token = w.key.sign(&claims()).expect("signed");
    assert_eq!(reason(w.verifier.verify(&token)), "accepted");
    w.revoked.below_revision(Uuid::from_u128(1), 5);
    assert_eq!(reason(w.verifier.verify(&token)), "accepted", "the revision itself is still good");
    w.revoked.below_revision(Uuid::from_u128(1), 6);
    assert_eq!(reason(w.verifier.verify(&token)), "TOKEN_REVOKED");
    let other = w.key.sign(&Claims { sub: Uuid::from_u128(9), ..claims() }).expect("signed");
    assert_eq!(reason(w.verifier.verify(&other)), "accepted");
    w.revoked.session(Uuid::from_u128(4), 1_800_001_200);
    assert_eq!(reason(w.verifier.verify(&other)), "TOKEN_REVOKED");
}

#[test]
fn a_scope_holds_what_was_granted_and_nothing_else() {
    let w = world();
    let seller = |n: u128| crate::SellerId(Uuid::from_u128(n)).to_string();
    let caller = |sellers| {
        let token = w.key.sign(&Claims { sellers, jti: Uuid::nil(), ..claims() }).expect("signed");
        w.verifier.verify(&token).expect("accepted")
    };
    let one = caller(Granted::These(vec![Uuid::from_u128(3)]));
    assert_eq!(one.act_for("").expect("her only seller").seller(), Some(crate::SellerId(Uuid::from_u128(3))));
    assert!(matches!(one.act_for(&seller(8)), Err(Fault::NotFound("seller"))));
    assert!(matches!(one.view(&seller(8)), Err(Fault::NotFound("seller"))));
    assert!(matches!(one.act_for("nonsense"), Err(Fault::Invalid(_))));
    let two = caller(Granted::These(vec![Uuid::from_u128(3), Uuid::from_u128(4)]));
    assert!(matches!(two.act_for(""), Err(Fault::Invalid(_))), "which of two is not guessed");
    let all = caller(Granted::OfProvider(All::All));
    assert_eq!(all.view(&seller(8)).expect("the database decides").single_reader(), Some(Uuid::from_u128(8)));
    assert!(all.of_provider().seller().is_none(), "no seller is written without naming it");
}

#[test]
fn a_key_that_is_dropped_takes_with_it_what_it_signed() {
    let w = world();
    let token = w.key.sign(&claims()).expect("signed");
    assert_eq!(reason(w.verifier.verify(&token)), "accepted");
    let next = SigningKey::generate("k2").expect("a key");
    w.verifier.keys().replace_issuer_keys(&Jwks { keys: vec![w.key.public().clone(), next.public().clone()] });
    assert_eq!(reason(w.verifier.verify(&token)), "accepted", "another key beside it takes nothing away");
    w.verifier.keys().replace_issuer_keys(&Jwks { keys: vec![next.public().clone()] });
    assert_eq!(reason(w.verifier.verify(&token)), "TOKEN_INVALID", "also one that is remembered");
}
