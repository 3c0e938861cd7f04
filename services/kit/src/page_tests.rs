//! Page tokens grant nothing by themselves.

use proptest::prelude::*;

use crate::caller::{Caller, Claims, Granted, Kind, Revoked, Verifier};
use crate::clock::Clock;
use crate::keys::{Jwks, Keyring, SigningKey};
use crate::page::Pager;

fn caller(provider: u128, subject: u128) -> std::sync::Arc<Caller> {
    let key = SigningKey::generate("k1").expect("a key");
    let keyring = Keyring::default();
    keyring.replace_issuer_keys(&Jwks { keys: vec![key.public().clone()] });
    let verifier = Verifier::new(keyring, Revoked::default(), Clock::System, "i", &["manydesk"]);
    let claims = Claims {
        iss: "i".into(),
        aud: "manydesk".into(),
        sub: uuid::Uuid::from_u128(subject),
        prv: uuid::Uuid::from_u128(provider),
        roles: vec![],
        sellers: Granted::These(vec![]),
        rev: 1,
        sid: None,
        jti: uuid::Uuid::nil(),
        iat: 0,
        exp: 4_000_000_000,
        kind: Kind::User,
        act: None,
    };
    verifier.verify(&key.sign(&claims).expect("signed")).expect("accepted")
}

fn token(pager: &Pager, who: &Caller) -> String {
    let page = pager.read::<i64>(who, "List", &"open", 2, "").expect("the first page");
    let mut rows = vec![1_i64, 2, 3];
    let token = pager.cut(&page, &mut rows, |n| *n).expect("a token");
    assert_eq!(rows, [1, 2]);
    token
}

#[test]
fn a_token_goes_on_where_its_page_ended() {
    let (pager, who) = (Pager::new(b"secret"), caller(1, 1));
    let next = pager.read::<i64>(&who, "List", &"open", 2, &token(&pager, &who)).expect("the next page");
    assert_eq!(next.after, Some(2));
    let mut last = vec![3_i64];
    assert_eq!(pager.cut(&next, &mut last, |n| *n).expect("cut"), "", "the end has no token");
}

#[test]
fn a_token_of_another_list_caller_filter_or_installation_is_refused() {
    let (pager, who) = (Pager::new(b"secret"), caller(1, 1));
    let good = token(&pager, &who);
    assert!(pager.read::<i64>(&who, "Other", &"open", 2, &good).is_err());
    assert!(pager.read::<i64>(&who, "List", &"solved", 2, &good).is_err());
    assert!(pager.read::<i64>(&caller(2, 1), "List", &"open", 2, &good).is_err());
    assert!(pager.read::<i64>(&caller(1, 2), "List", &"open", 2, &good).is_err());
    assert!(Pager::new(b"other").read::<i64>(&who, "List", &"open", 2, &good).is_err());
    assert!(pager.read::<i64>(&who, "List", &"open", -1, "").is_err());
    assert_eq!(pager.read::<i64>(&who, "List", &"open", 10_000, "").expect("bounded").size, 200);
}

proptest! {
    #[test]
    fn a_forged_token_is_refused(forged in "[A-Za-z0-9_-]{1,80}") {
        let (pager, who) = (Pager::new(b"secret"), caller(1, 1));
        prop_assert!(pager.read::<i64>(&who, "List", &"open", 2, &forged).is_err());
    }
}
