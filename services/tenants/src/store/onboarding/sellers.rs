//! Sellers and their stores.

use std::collections::HashMap;

use jiff_sqlx::{Date, Timestamp, ToSqlx};
use kit::SellerId;
use tenantdb::{Failure, TenantTx};
use uuid::Uuid;

use super::unknown;
use crate::domain::onboarding::life::State;
use crate::domain::onboarding::profile::{LegalEntity, Profile, Store};
use crate::domain::onboarding::seller::Seller;

struct Row {
    seller_id: Uuid,
    handle: String,
    name: String,
    state: String,
    state_reason: String,
    ticket_prefix: String,
    legal_name: String,
    street: String,
    postal_code: String,
    city: String,
    country: String,
    vat_id: String,
    registration_number: String,
    vat_exemption: String,
    brands: Vec<String>,
    languages: Vec<String>,
    countries: Vec<String>,
    product_groups: Vec<String>,
    currency: String,
    time_zone: String,
    certification_required: bool,
    contract_end: Option<Date>,
    erasing: bool,
    created_at: Timestamp,
    updated_at: Timestamp,
    live_at: Option<Timestamp>,
    version: i64,
    terms_version: i64,
    revision: i64,
}

/// A seller that the transaction may read.
pub async fn find(tx: &mut TenantTx, seller: SellerId) -> Result<Option<Seller>, Failure> {
    let row = sqlx::query_as!(
        Row,
        "select seller_id, handle, name, state, state_reason, ticket_prefix, legal_name, street, postal_code, city,
                country, vat_id, registration_number, vat_exemption, brands, languages, countries, product_groups,
                currency, time_zone, certification_required, contract_end, erasing, created_at, updated_at, live_at,
                version, terms_version, revision
           from tenants.seller where provider_id = $1 and seller_id = $2",
        tx.provider().0,
        seller.0
    )
    .fetch_optional(tx.conn())
    .await?;
    Ok(with_stores(tx, row.into_iter().collect()).await?.pop())
}

/// The transaction's seller, locked: changes of one seller happen one after the other.
pub async fn lock(tx: &mut TenantTx) -> Result<Option<Seller>, Failure> {
    let seller = tx.seller()?;
    sqlx::query!(
        "select version from tenants.seller where provider_id = $1 and seller_id = $2 for no key update",
        tx.provider().0,
        seller.0
    )
    .fetch_optional(tx.conn())
    .await?;
    find(tx, seller).await
}

/// Sellers that the transaction may read, by handle after a handle. Empty texts match all.
pub async fn list(
    tx: &mut TenantTx,
    handle: &str,
    state: &str,
    after: &str,
    limit: i64,
) -> Result<Vec<Seller>, Failure> {
    let rows = sqlx::query_as!(
        Row,
        "select seller_id, handle, name, state, state_reason, ticket_prefix, legal_name, street, postal_code, city,
                country, vat_id, registration_number, vat_exemption, brands, languages, countries, product_groups,
                currency, time_zone, certification_required, contract_end, erasing, created_at, updated_at, live_at,
                version, terms_version, revision
           from tenants.seller
          where provider_id = $1 and ($2 = '' or handle = $2) and ($3 = '' or state = $3) and handle > $4
          order by handle limit $5",
        tx.provider().0,
        handle,
        state,
        after,
        limit
    )
    .fetch_all(tx.conn())
    .await?;
    with_stores(tx, rows).await
}

/// Keeps a new seller. A handle or prefix in use violates `seller_handle_once` or `seller_prefix_once`.
pub async fn insert(tx: &mut TenantTx, seller: &Seller) -> Result<(), Failure> {
    sqlx::query!(
        "insert into tenants.seller (provider_id, seller_id, handle, name, state, ticket_prefix, created_at, updated_at)
         values ($1, $2, $3, $4, $5, $6, $7, $7)",
        tx.provider().0,
        seller.id.0,
        seller.handle,
        seller.profile.name,
        seller.state.word(),
        seller.profile.ticket_prefix,
        seller.created_at.to_sqlx()
    )
    .execute(tx.conn())
    .await?;
    Ok(())
}

/// Prefixes of ticket numbers in use within the provider, as far as they are asked for.
pub async fn prefix_taken(tx: &mut TenantTx, prefixes: &[String]) -> Result<Vec<String>, Failure> {
    let taken = sqlx::query_scalar!(
        "select ticket_prefix from tenants.seller where provider_id = $1 and ticket_prefix = any ($2)",
        tx.provider().0,
        prefixes
    )
    .fetch_all(tx.conn())
    .await?;
    Ok(taken)
}

/// Keeps a changed seller whole, with its versions.
pub async fn update(tx: &mut TenantTx, seller: &Seller) -> Result<(), Failure> {
    let profile = &seller.profile;
    sqlx::query!(
        "update tenants.seller
            set handle = $3, name = $4, state = $5, state_reason = $6, ticket_prefix = $7, legal_name = $8,
                street = $9, postal_code = $10, city = $11, country = $12, vat_id = $13, registration_number = $14,
                vat_exemption = $15, brands = $16, languages = $17, countries = $18, product_groups = $19,
                currency = $20, time_zone = $21, certification_required = $22, contract_end = $23, erasing = $24,
                updated_at = $25, live_at = $26, version = $27, terms_version = $28, revision = $29
          where provider_id = $1 and seller_id = $2",
        tx.provider().0,
        seller.id.0,
        seller.handle,
        profile.name,
        seller.state.word(),
        seller.state_reason,
        profile.ticket_prefix,
        profile.legal.legal_name,
        profile.legal.street,
        profile.legal.postal_code,
        profile.legal.city,
        profile.legal.country,
        profile.legal.vat_id,
        profile.legal.registration_number,
        profile.legal.vat_exemption,
        &profile.brands,
        &profile.languages,
        &profile.countries,
        &profile.product_groups,
        profile.currency,
        profile.time_zone,
        profile.certification_required,
        seller.contract_end.map(ToSqlx::to_sqlx) as Option<Date>,
        seller.erasing,
        seller.updated_at.to_sqlx(),
        seller.live_at.map(ToSqlx::to_sqlx) as Option<Timestamp>,
        seller.version,
        seller.terms_version,
        seller.revision
    )
    .execute(tx.conn())
    .await?;
    Ok(())
}

/// Replaces the stores.
pub async fn put_stores(tx: &mut TenantTx, seller: SellerId, stores: &[Store]) -> Result<(), Failure> {
    sqlx::query!(
        "delete from tenants.marketplace_store where provider_id = $1 and seller_id = $2",
        tx.provider().0,
        seller.0
    )
    .execute(tx.conn())
    .await?;
    let marketplaces: Vec<String> = stores.iter().map(|s| s.marketplace.clone()).collect();
    let countries: Vec<String> = stores.iter().map(|s| s.country.clone()).collect();
    let ids: Vec<String> = stores.iter().map(|s| s.store_id.clone()).collect();
    sqlx::query!(
        "insert into tenants.marketplace_store (provider_id, seller_id, marketplace, country, store_id, place)
         select $1, $2, s.marketplace, s.country, s.store_id, s.place::integer
           from unnest($3::text[], $4::text[], $5::text[]) with ordinality as s (marketplace, country, store_id, place)",
        tx.provider().0,
        seller.0,
        &marketplaces,
        &countries,
        &ids
    )
    .execute(tx.conn())
    .await?;
    Ok(())
}

async fn with_stores(tx: &mut TenantTx, rows: Vec<Row>) -> Result<Vec<Seller>, Failure> {
    if rows.is_empty() {
        return Ok(Vec::new());
    }
    let ids: Vec<Uuid> = rows.iter().map(|r| r.seller_id).collect();
    let stores = sqlx::query!(
        "select seller_id, marketplace, country, store_id from tenants.marketplace_store
          where provider_id = $1 and seller_id = any ($2) order by seller_id, place",
        tx.provider().0,
        &ids
    )
    .fetch_all(tx.conn())
    .await?;
    let mut of: HashMap<Uuid, Vec<Store>> = HashMap::new();
    for s in stores {
        let store = Store { marketplace: s.marketplace, country: s.country, store_id: s.store_id };
        of.entry(s.seller_id).or_default().push(store);
    }
    rows.into_iter()
        .map(|row| {
            let stores = of.remove(&row.seller_id).unwrap_or_default();
            row.seller(stores)
        })
        .collect()
}

impl Row {
    fn seller(self, stores: Vec<Store>) -> Result<Seller, Failure> {
        Ok(Seller {
            id: SellerId(self.seller_id),
            handle: self.handle,
            state: State::from_word(&self.state).ok_or_else(|| unknown("a seller's state"))?,
            state_reason: self.state_reason,
            profile: Profile {
                name: self.name,
                ticket_prefix: self.ticket_prefix,
                legal: LegalEntity {
                    legal_name: self.legal_name,
                    street: self.street,
                    postal_code: self.postal_code,
                    city: self.city,
                    country: self.country,
                    vat_id: self.vat_id,
                    registration_number: self.registration_number,
                    vat_exemption: self.vat_exemption,
                },
                brands: self.brands,
                languages: self.languages,
                countries: self.countries,
                stores,
                product_groups: self.product_groups,
                currency: self.currency,
                time_zone: self.time_zone,
                certification_required: self.certification_required,
            },
            contract_end: self.contract_end.map(Date::to_jiff),
            erasing: self.erasing,
            created_at: self.created_at.to_jiff(),
            updated_at: self.updated_at.to_jiff(),
            live_at: self.live_at.map(Timestamp::to_jiff),
            version: self.version,
            terms_version: self.terms_version,
            revision: self.revision,
        })
    }
}
