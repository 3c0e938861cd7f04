//! Issuing entities and billing profiles.

use kit::SellerId;
use serde::{Deserialize, Serialize};
use tenantdb::{Failure, TenantTx};
use uuid::Uuid;

use super::{json, to_json, word};
use crate::domain::ids::IssuerId;
use crate::domain::money::Currency;
use crate::domain::profile::{Issuer, Profile};
use crate::domain::tax::VatCheck;

/// Stores a new issuer.
pub async fn insert_issuer(tx: &mut TenantTx, issuer: &Issuer) -> Result<(), Failure> {
    let provider = tx.provider().0;
    sqlx::query!(
        "insert into billing.issuer
            (provider_id, issuer_id, legal_name, party, small_business, number_prefix, time_zone, iban)
         values ($1, $2, $3, $4, $5, $6, $7, $8)",
        provider,
        issuer.issuer_id.0,
        issuer.party.legal_name,
        to_json("issuer", &issuer.party)?,
        issuer.small_business,
        issuer.number_prefix,
        issuer.time_zone,
        issuer.iban,
    )
    .execute(tx.conn())
    .await?;
    Ok(())
}

/// Changes an issuer of a version, all but its prefix; answers the new version.
pub async fn update_issuer(tx: &mut TenantTx, issuer: &Issuer) -> Result<Option<i64>, Failure> {
    let provider = tx.provider().0;
    let version = sqlx::query_scalar!(
        "update billing.issuer
            set legal_name = $4, party = $5, small_business = $6, time_zone = $7, iban = $8, version = version + 1
          where provider_id = $1 and issuer_id = $2 and version = $3 returning version",
        provider,
        issuer.issuer_id.0,
        issuer.version,
        issuer.party.legal_name,
        to_json("issuer", &issuer.party)?,
        issuer.small_business,
        issuer.time_zone,
        issuer.iban,
    )
    .fetch_optional(tx.conn())
    .await?;
    Ok(version)
}

/// Where a page of issuers ends.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Key {
    pub legal_name: String,
    pub issuer_id: Uuid,
}

/// A page of issuers, by name; `issuer` narrows it to one.
pub async fn issuers(
    tx: &mut TenantTx,
    issuer: Option<IssuerId>,
    after: Option<&Key>,
    limit: i64,
) -> Result<Vec<Issuer>, Failure> {
    let provider = tx.provider().0;
    let rows = sqlx::query!(
        "select issuer_id, party, small_business, number_prefix, time_zone, iban, version from billing.issuer
          where provider_id = $1 and ($2::uuid is null or issuer_id = $2)
            and ($3::text is null or (legal_name, issuer_id) > ($3, $4::uuid))
          order by legal_name, issuer_id limit $5",
        provider,
        issuer.map(|i| i.0),
        after.map(|k| k.legal_name.as_str()),
        after.map(|k| k.issuer_id),
        limit,
    )
    .fetch_all(tx.conn())
    .await?;
    rows.into_iter()
        .map(|r| {
            Ok(Issuer {
                issuer_id: IssuerId(r.issuer_id),
                party: json("issuer", r.party)?,
                small_business: r.small_business,
                number_prefix: r.number_prefix,
                time_zone: r.time_zone,
                iban: r.iban,
                version: r.version,
            })
        })
        .collect()
}

/// One issuer.
pub async fn issuer(tx: &mut TenantTx, issuer: IssuerId) -> Result<Option<Issuer>, Failure> {
    Ok(issuers(tx, Some(issuer), None, 1).await?.pop())
}

/// Reads a seller's profile.
pub async fn read(tx: &mut TenantTx, seller: SellerId) -> Result<Option<Profile>, Failure> {
    let provider = tx.provider().0;
    let row = sqlx::query!(
        "select issuer_id, buyer, vat_check, vat_evidence, currency, payment_term_days, version
           from billing.billing_profile where provider_id = $1 and seller_id = $2",
        provider,
        seller.0,
    )
    .fetch_optional(tx.conn())
    .await?;
    row.map(|r| {
        Ok(Profile {
            issuer_id: IssuerId(r.issuer_id),
            buyer: json("buyer", r.buyer)?,
            vat_check: word("VAT check", &r.vat_check, VatCheck::parse)?,
            vat_evidence: r.vat_evidence,
            currency: word("currency", &r.currency, |c| Currency::parse(c).ok())?,
            payment_term_days: r.payment_term_days,
            version: r.version,
        })
    })
    .transpose()
}

/// Stores a new profile, or changes one of a version; answers the new version,
/// or none if it changed in the meantime.
pub async fn upsert(tx: &mut TenantTx, profile: &Profile) -> Result<Option<i64>, Failure> {
    let (provider, seller) = (tx.provider().0, tx.seller()?.0);
    let version = sqlx::query_scalar!(
        "insert into billing.billing_profile as p
            (provider_id, seller_id, issuer_id, buyer, vat_check, vat_evidence, currency, payment_term_days)
         values ($1, $2, $3, $4, $5, $6, $7, $8)
         on conflict on constraint billing_profile_pk do update
            set issuer_id = excluded.issuer_id, buyer = excluded.buyer, vat_check = excluded.vat_check,
                vat_evidence = excluded.vat_evidence, currency = excluded.currency,
                payment_term_days = excluded.payment_term_days, version = p.version + 1
          where p.version = $9
         returning version",
        provider,
        seller,
        profile.issuer_id.0,
        to_json("buyer", &profile.buyer)?,
        profile.vat_check.name(),
        profile.vat_evidence,
        profile.currency.code(),
        profile.payment_term_days,
        profile.version,
    )
    .fetch_optional(tx.conn())
    .await?;
    Ok(version)
}
