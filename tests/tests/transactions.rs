//! Tenant transactions: what is written stays in its tenant, also when callers
//! go away half-way.

use std::time::Duration;

use kit::{Clock, ProviderId, Scope, SellerId};
use sqlx::Row;
use tenantdb::{Hints, TenantDb};
use tests::desk;
use uuid::Uuid;

async fn database(connections: u32) -> TenantDb {
    let desk = desk().await;
    let settings = tenantdb::Settings {
        service: "tickets",
        app_url: (desk.role_url)("tickets_app"),
        relay_url: (desk.role_url)("tickets_relay"),
        connections,
    };
    TenantDb::open(&settings, Clock::System, Hints::new(Hints::shared())).await.expect("the database opens")
}

fn scope() -> Scope {
    Scope::of_event(ProviderId(Clock::System.new_uuid()), Some(SellerId(Clock::System.new_uuid())))
}

async fn add_seller(db: &TenantDb, scope: &Scope) {
    let mut tx = db.begin(scope).await.expect("a transaction");
    let seller = scope.seller().expect("one seller");
    let terms = proto::events::v1::SellerTerms { version: 1, handle: "h".into(), ..Default::default() };
    tenantdb::sellers::keep(&mut tx, seller, &terms).await.expect("kept");
    tx.commit().await.expect("committed");
}

async fn sellers_seen(db: &TenantDb, scope: &Scope) -> i64 {
    let mut tx = db.begin(scope).await.expect("a transaction");
    sqlx::query("select count(*) from seller").fetch_one(tx.conn()).await.expect("a count").get(0)
}

#[tokio::test]
async fn a_row_is_seen_by_its_tenant_only() {
    let db = database(2).await;
    let (mine, yours) = (scope(), scope());
    add_seller(&db, &mine).await;
    assert_eq!(sellers_seen(&db, &mine).await, 1);
    assert_eq!(sellers_seen(&db, &yours).await, 0);
    let same_provider = Scope::of_event(mine.provider_id(), Some(SellerId(Clock::System.new_uuid())));
    assert_eq!(sellers_seen(&db, &same_provider).await, 0, "another seller of the same provider");
}

#[tokio::test]
async fn a_row_for_another_tenant_is_refused() {
    let db = database(2).await;
    let (mine, yours) = (scope(), scope());
    let mut tx = db.begin(&mine).await.expect("a transaction");
    let smuggled = sqlx::query("insert into seller (provider_id, seller_id, version, handle, name, state, terms) values ($1, $2, 1, 'h', 'n', 's', '')")
        .bind(yours.provider_id().0)
        .bind(yours.seller().expect("one").0)
        .execute(tx.conn())
        .await;
    assert!(smuggled.is_err());
}

#[tokio::test]
async fn a_caller_that_goes_away_leaves_no_tenant_behind() {
    let db = database(1).await;
    let mine = scope();
    add_seller(&db, &mine).await;
    let stranger = scope();
    // give up after ever longer moments, so that the begin is cut at many points
    for micros in (0..4_000).step_by(20) {
        let begun = tokio::time::timeout(Duration::from_micros(micros), db.begin(&mine)).await;
        drop(begun);
        if micros % 100 == 0 {
            assert_eq!(sellers_seen(&db, &stranger).await, 0, "after {micros} µs");
        }
    }
}

#[tokio::test]
async fn a_role_that_row_level_security_does_not_bind_is_refused() {
    let desk = desk().await;
    for role in ["postgres"] {
        let settings = tenantdb::Settings {
            service: "tickets",
            app_url: (desk.role_url)(role),
            relay_url: (desk.role_url)("tickets_relay"),
            connections: 1,
        };
        let refused = TenantDb::open(&settings, Clock::System, Hints::new(Hints::shared())).await;
        assert!(matches!(refused, Err(tenantdb::Refused::RoleNotBound { .. })), "{role} was accepted");
    }
}

#[tokio::test]
async fn ids_of_a_provider_are_spelled_out_not_wildcarded() {
    let db = database(2).await;
    let provider = ProviderId(Clock::System.new_uuid());
    let sellers: Vec<SellerId> = (0..3).map(|_| SellerId(Clock::System.new_uuid())).collect();
    for seller in &sellers {
        add_seller(&db, &Scope::of_event(provider, Some(*seller))).await;
    }
    let claims = kit::caller::Claims {
        iss: "i".into(),
        aud: "manydesk".into(),
        sub: Uuid::nil(),
        prv: provider.0,
        roles: vec!["provider_admin".into()],
        sellers: kit::caller::Granted::OfProvider(kit::caller::All::All),
        rev: 1,
        sid: None,
        jti: Uuid::nil(),
        iat: 0,
        exp: 4_000_000_000,
        kind: kit::caller::Kind::User,
        act: None,
    };
    let key = kit::keys::SigningKey::generate("k1").expect("a key");
    let keyring = kit::keys::Keyring::default();
    keyring.replace_issuer_keys(&kit::keys::Jwks { keys: vec![key.public().clone()] });
    let verifier = kit::caller::Verifier::new(keyring, Default::default(), Clock::System, "i", &["manydesk"]);
    let caller = verifier.verify(&key.sign(&claims).expect("signed")).expect("verified");
    let scope = caller.view("").expect("all sellers");
    let mut tx = db.begin(&scope).await.expect("a transaction");
    assert_eq!(tx.readable().len(), 3);
    let count: i64 = sqlx::query("select count(*) from seller").fetch_one(tx.conn()).await.expect("a count").get(0);
    assert_eq!(count, 3);
}

#[tokio::test]
async fn a_stranger_sees_no_row_in_any_table() {
    let db = database(2).await;
    let (mine, yours) = (scope(), scope());
    add_seller(&db, &mine).await;
    let victim = mine.seller().expect("one seller");
    let seen = tenantdb::probe::look(&db, &yours, victim).await.expect("looked");
    assert!(seen.tables > 10, "{seen:?}");
    assert_eq!(seen.leaks, Vec::<String>::new());
    let own = tenantdb::probe::look(&db, &mine, victim).await.expect("looked");
    assert!(!own.leaks.is_empty(), "the owner's rows are there to be seen");
    assert_eq!(sellers_seen(&db, &mine).await, 1, "nothing was deleted");
}
