//! A service's read copy of the sellers: kept by events, filled on first use by
//! asking the tenants service, so that a seller created a moment ago is known.

use std::collections::HashMap;
use std::sync::{Arc, Mutex};

use jiff::Timestamp;
use kit::peers::Calls;
use kit::{Caller, Explain, Fault, Id, ProviderId, Scope, SellerId};
use prost::Message;
use proto::events::v1::{Envelope, SellerTerms};
use sqlx::Row;

use crate::{Failure, TenantDb, TenantTx};

/// Seconds after which remembered terms are read again.
const FRESH_SECONDS: i64 = 2;

type Remembered = (Timestamp, Arc<SellerTerms>);

/// Terms of sellers, remembered for a moment.
#[derive(Clone, Default)]
pub struct Terms {
    /// By provider and seller: a seller named by a stranger is not the stranger's.
    seen: Arc<Mutex<HashMap<(ProviderId, SellerId), Remembered>>>,
}

impl Terms {
    /// The terms of the scope's seller. A seller that is not there or not the
    /// caller's is "no such seller".
    pub async fn of(
        &self,
        db: &TenantDb,
        calls: &Calls,
        caller: Option<&Caller>,
        scope: &Scope,
    ) -> Result<Arc<SellerTerms>, Fault> {
        let seller = scope.seller().or_else(|| scope.single_reader().map(SellerId)).ok_or(Fault::NotFound("seller"))?;
        let now = db.clock().now();
        if let Some(terms) = self.remembered((scope.provider_id(), seller), now) {
            return Ok(terms);
        }
        let mut tx = db.begin(scope).await?;
        let stored = read(&mut tx, seller).await?;
        drop(tx);
        let terms = match stored {
            Some(terms) => terms,
            None => fetch(db, calls, caller, scope, seller).await?,
        };
        let terms = Arc::new(terms);
        if let Ok(mut seen) = self.seen.lock() {
            if seen.len() > 10_000 {
                seen.clear();
            }
            seen.insert((scope.provider_id(), seller), (now, terms.clone()));
        }
        Ok(terms)
    }

    fn remembered(&self, key: (ProviderId, SellerId), now: Timestamp) -> Option<Arc<SellerTerms>> {
        let seen = self.seen.lock().ok()?;
        let (at, terms) = seen.get(&key)?;
        let age = now.as_second() - at.as_second();
        (0..=FRESH_SECONDS).contains(&age).then(|| terms.clone())
    }

    /// Forgets a seller, because an event changed it.
    pub fn forget(&self, provider: ProviderId, seller: SellerId) {
        if let Ok(mut seen) = self.seen.lock() {
            seen.remove(&(provider, seller));
        }
    }
}

/// Why nothing is written about a seller any more: what came after its erasure would stay for ever.
#[derive(Debug, Clone, Copy, thiserror::Error)]
#[error("the seller is erased or being erased: nothing can be written about it")]
pub struct NoMore;

impl Explain for NoMore {
    fn code(&self) -> tonic::Code {
        tonic::Code::FailedPrecondition
    }

    fn reason(&self) -> &'static str {
        "SELLER_ERASED"
    }
}

/// Notes that a seller is erased in this service, until its terms say so. Waits for whatever is being written about it:
/// every write holds the seller's row until it ends, and sees this note if it begins later.
pub async fn erasing(tx: &mut TenantTx, seller: SellerId) -> Result<(), Failure> {
    let provider = tx.provider();
    sqlx::query("select from seller where provider_id = $1 and seller_id = $2 for update")
        .bind(provider.0)
        .bind(seller.0)
        .execute(tx.conn())
        .await?;
    sqlx::query("update seller set state = 'erasing' where provider_id = $1 and seller_id = $2")
        .bind(provider.0)
        .bind(seller.0)
        .execute(tx.conn())
        .await?;
    Ok(())
}

/// The stored terms of a seller.
pub async fn read(tx: &mut TenantTx, seller: SellerId) -> Result<Option<SellerTerms>, Failure> {
    let provider = tx.provider();
    let row = sqlx::query("select terms from seller where provider_id = $1 and seller_id = $2")
        .bind(provider.0)
        .bind(seller.0)
        .fetch_optional(tx.conn())
        .await?;
    let Some(row) = row else { return Ok(None) };
    let bytes: Vec<u8> = row.try_get(0)?;
    SellerTerms::decode(bytes.as_slice())
        .map(Some)
        .map_err(|e| Failure::Inconsistent(format!("terms of a seller: {e}")))
}

/// Keeps terms if they are newer than what is stored.
pub async fn keep(tx: &mut TenantTx, seller: SellerId, terms: &SellerTerms) -> Result<(), Failure> {
    let provider = tx.provider();
    sqlx::query(
        "insert into seller (provider_id, seller_id, version, handle, name, state, terms)
         values ($1, $2, $3, $4, $5, $6, $7)
         on conflict on constraint seller_pk do update
            set version = excluded.version, handle = excluded.handle, name = excluded.name,
                state = case when seller.state = 'erasing' and excluded.state <> 'erased' then seller.state
                             else excluded.state end,
                terms = excluded.terms
          where seller.version < excluded.version",
    )
    .bind(provider.0)
    .bind(seller.0)
    .bind(terms.version)
    .bind(&terms.handle)
    .bind(&terms.name)
    .bind(&terms.state)
    .bind(terms.encode_to_vec())
    .execute(tx.conn())
    .await?;
    Ok(())
}

async fn fetch(
    db: &TenantDb,
    calls: &Calls,
    caller: Option<&Caller>,
    scope: &Scope,
    seller: SellerId,
) -> Result<SellerTerms, Fault> {
    let authed = match caller {
        Some(caller) => calls.for_caller("tenants", caller, scope)?,
        None => calls.for_scope("tenants", scope)?,
    };
    let mut client = proto::tenants::v1::sellers_service_client::SellersServiceClient::new(authed);
    let request = proto::tenants::v1::GetSellerTermsRequest { seller_id: seller.to_string() };
    let terms = client
        .get_seller_terms(request)
        .await
        .map_err(|status| match status.code() {
            tonic::Code::NotFound => Fault::NotFound("seller"),
            _ => Fault::from(status),
        })?
        .into_inner()
        .terms
        .ok_or(Fault::NotFound("seller"))?;
    let mut tx = db.begin(&Scope::of_event(scope.provider_id(), Some(seller))).await?;
    keep(&mut tx, seller, &terms).await?;
    tx.commit().await?;
    Ok(terms)
}

/// The provider of an envelope.
pub fn provider_of_envelope(text: &str) -> Option<ProviderId> {
    kit::ids::decode(ProviderId::PREFIX, text).map(ProviderId)
}

/// The seller of an envelope.
pub fn of_envelope(text: &str) -> Option<SellerId> {
    kit::ids::decode(SellerId::PREFIX, text).map(SellerId)
}

/// The scope of an envelope's seller; none for news of the provider.
pub fn scope_of_envelope(event: &Envelope) -> Option<Scope> {
    let seller = of_envelope(&event.seller_id)?;
    Some(Scope::of_event(provider_of_envelope(&event.provider_id)?, Some(seller)))
}
