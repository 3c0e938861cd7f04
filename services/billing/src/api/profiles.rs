//! Issuing entities and billing profiles.

use jiff::civil::Date;
use kit::{Caller, Checks, Fault};
use proto::billing::v1 as wire;
use tenantdb::TenantTx;

use super::Api;
use super::intake::default_zone;
use super::refusals::Refusal;
use crate::domain::ids::IssuerId;
use crate::domain::money::Currency;
use crate::domain::period::{parse_date, parse_zone};
use crate::domain::profile::{Account, Issuer, Party, Profile, stamp};
use crate::domain::tax::{VatCheck, vat_id_fits};
use crate::store;

impl Api {
    pub(super) async fn keep_issuer(
        &self,
        caller: &Caller,
        request: wire::UpsertIssuerRequest,
    ) -> Result<wire::UpsertIssuerResponse, Fault> {
        let given = request.issuer.clone().ok_or_else(|| Fault::invalid("issuer", "is required"))?;
        let mut checks = Checks::new();
        checks.request_id(&request.request_id);
        let party = party_in(&mut checks, "issuer.party", given.party);
        let prefix = given.number_prefix.clone();
        let prefix_ok =
            (1..=8).contains(&prefix.len()) && prefix.bytes().all(|b| b.is_ascii_uppercase() || b.is_ascii_digit());
        checks.require(prefix_ok, "issuer.number_prefix", "must have 1 to 8 of A-Z and 0-9");
        let iban = checks.line("issuer.iban", &given.iban, 0..=34);
        checks.require(parse_zone(&given.time_zone).is_ok(), "issuer.time_zone", "must be an IANA time zone");
        let named: Option<IssuerId> = kit::Id::parse_optional("issuer.issuer_id", &given.issuer_id)?;
        let version = kit::wire::version(&given.etag)?;
        checks.finish()?;
        let mut tx = self.deps.db.begin(&caller.of_provider()).await?;
        if let Some(answer) = tx.replayed(caller, "UpsertIssuer", &request.request_id, &request).await? {
            return Ok(answer);
        }
        let mut issuer = Issuer {
            issuer_id: named.unwrap_or_else(|| self.deps.clock.new_id::<IssuerId>()),
            party,
            small_business: given.small_business,
            number_prefix: prefix,
            time_zone: given.time_zone,
            iban,
            version: 1,
        };
        if named.is_none() {
            store::profile::insert_issuer(&mut tx, &issuer).await.map_err(|failure| match failure.constraint() {
                Some("issuer_prefix_once") => Refusal::PrefixFixed.into(),
                _ => Fault::from(failure),
            })?;
        } else {
            let before = store::profile::issuer(&mut tx, issuer.issuer_id).await?.ok_or(Fault::NotFound("issuer"))?;
            if before.number_prefix != issuer.number_prefix {
                return Err(Refusal::PrefixFixed.into());
            }
            issuer.version = version.unwrap_or(before.version);
            issuer.version = store::profile::update_issuer(&mut tx, &issuer).await?.ok_or(Fault::Stale)?;
        }
        let response = wire::UpsertIssuerResponse { issuer: Some(issuer_out(&issuer)) };
        tx.commit_with(&response).await?;
        Ok(response)
    }

    pub(super) async fn list_issuers_page(
        &self,
        caller: &Caller,
        request: wire::ListIssuersRequest,
    ) -> Result<wire::ListIssuersResponse, Fault> {
        let page = self.deps.pager.read::<store::profile::Key>(
            caller,
            "ListIssuers",
            &(),
            request.page_size,
            &request.page_token,
        )?;
        let mut tx = self.deps.db.begin(&caller.of_provider()).await?;
        let mut rows = store::profile::issuers(&mut tx, None, page.after.as_ref(), page.size + 1).await?;
        let next_page_token = self.deps.pager.cut(&page, &mut rows, |r| store::profile::Key {
            legal_name: r.party.legal_name.clone(),
            issuer_id: r.issuer_id.0,
        })?;
        Ok(wire::ListIssuersResponse { issuers: rows.iter().map(issuer_out).collect(), next_page_token })
    }

    pub(super) async fn keep_profile(
        &self,
        caller: &Caller,
        request: wire::UpsertBillingProfileRequest,
    ) -> Result<wire::UpsertBillingProfileResponse, Fault> {
        let given = request.profile.clone().ok_or_else(|| Fault::invalid("profile", "is required"))?;
        let mut checks = Checks::new();
        checks.request_id(&request.request_id);
        let (profile, holidays) = profile_in(&mut checks, &given)?;
        let time_zone = given.time_zone;
        checks.finish()?;
        let currency = Currency::parse(&given.currency)?;
        let one = self.writing(caller, &request.seller_id).await?;
        let mut tx = self.deps.db.begin(&one.scope).await?;
        if let Some(answer) = tx.replayed(caller, "UpsertBillingProfile", &request.request_id, &request).await? {
            return Ok(answer);
        }
        store::account::ensure(&mut tx, default_zone(&one.terms)).await?;
        let account = store::account::lock(&mut tx).await?.ok_or(Fault::NotFound("seller"))?;
        store::profile::issuer(&mut tx, profile.issuer_id).await?.ok_or(Fault::NotFound("issuer"))?;
        let before = store::profile::read(&mut tx, one.seller).await?;
        let moved = before.as_ref().is_some_and(|b| b.currency != currency) || account.time_zone != time_zone;
        if account.cycle.is_some() && moved {
            return Err(Refusal::CutFixed.into());
        }
        let mut profile = Profile { currency, ..profile };
        if profile.version == 0 {
            // Without an etag: the first one, or whatever is there now.
            profile.version = before.map_or(1, |b| b.version);
        }
        profile.version = store::profile::upsert(&mut tx, &profile).await?.ok_or(Fault::Stale)?;
        recut(&mut tx, &account, &time_zone, &holidays).await?;
        let account = Account { time_zone, holidays, ..account };
        let response =
            wire::UpsertBillingProfileResponse { profile: Some(profile_out(one.seller, &profile, &account)) };
        tx.commit_with(&response).await?;
        Ok(response)
    }

    pub(super) async fn profile(
        &self,
        caller: &Caller,
        request: wire::GetBillingProfileRequest,
    ) -> Result<wire::GetBillingProfileResponse, Fault> {
        let one = self.reading(caller, &request.seller_id).await?;
        let mut tx = self.deps.db.begin(&one.scope).await?;
        let profile = store::profile::read(&mut tx, one.seller).await?;
        let account = store::account::read(&mut tx, one.seller).await?;
        let (Some(profile), Some(account)) = (profile, account) else {
            return Err(Fault::NotFound("billing profile"));
        };
        Ok(wire::GetBillingProfileResponse { profile: Some(profile_out(one.seller, &profile, &account)) })
    }
}

/// Sets the zone and holidays, and stamps open usage by them.
async fn recut(tx: &mut TenantTx, account: &Account, time_zone: &str, holidays: &[Date]) -> Result<(), Fault> {
    if account.time_zone == time_zone && account.holidays == holidays {
        return Ok(());
    }
    store::account::set_cut(tx, time_zone, holidays).await?;
    let zone = parse_zone(time_zone)?;
    let stamps: Vec<_> = store::usage::open_instants(tx, account.closed_through)
        .await?
        .into_iter()
        .map(|(usage_id, at, billed)| {
            let mark = stamp(at, &zone, holidays);
            store::usage::Restamp {
                usage_id,
                billed,
                local_date: mark.local_date,
                bill_date: account.bill_date(mark.local_date),
                hour_class: mark.hour_class.name(),
            }
        })
        .collect();
    store::usage::restamp(tx, time_zone, &stamps).await?;
    Ok(store::sums::remake(tx, account).await?)
}

fn profile_in(checks: &mut Checks, given: &wire::BillingProfile) -> Result<(Profile, Vec<Date>), Fault> {
    let buyer = party_in(checks, "profile.buyer", given.buyer.clone());
    let issuer_id: IssuerId = checks.id("profile.issuer_id", &given.issuer_id);
    let vat_evidence = checks.line("profile.vat_evidence", &given.vat_evidence, 0..=100);
    let vat_check = match wire::VatCheck::try_from(given.vat_check) {
        Ok(wire::VatCheck::Unspecified) => VatCheck::NotChecked,
        Ok(wire::VatCheck::Pending) => VatCheck::Pending,
        Ok(wire::VatCheck::Valid) => VatCheck::Valid,
        Ok(wire::VatCheck::Invalid) => VatCheck::Invalid,
        Err(_) => {
            checks.refuse("profile.vat_check", "is unknown");
            VatCheck::NotChecked
        }
    };
    // The proof of a reverse charge is its evidence; without it there is none.
    checks.require(
        vat_check != VatCheck::Valid || (!vat_evidence.is_empty() && !buyer.vat_id.is_empty()),
        "profile.vat_evidence",
        "must name the proof of a valid VAT id, together with the id",
    );
    checks.require(parse_zone(&given.time_zone).is_ok(), "profile.time_zone", "must be an IANA time zone");
    checks.require(Currency::parse(&given.currency).is_ok(), "profile.currency", "must be an ISO 4217 currency");
    let term = checks.range("profile.payment_term_days", i64::from(given.payment_term_days), 0..=365);
    checks.count("profile.holidays", given.holidays.len(), 0..=400);
    let mut holidays = Vec::new();
    for (index, text) in given.holidays.iter().take(400).enumerate() {
        match parse_date(text) {
            Ok(date) => holidays.push(date),
            Err(error) => checks.refuse(format!("profile.holidays[{index}]"), error.to_string()),
        }
    }
    holidays.sort_unstable();
    holidays.dedup();
    let version = kit::wire::version(&given.etag)?.unwrap_or(0);
    let currency = Currency::parse("EUR")?; // replaced by the caller, who refuses an unknown one
    let payment_term_days = i32::try_from(term).unwrap_or(0);
    let profile = Profile { issuer_id, buyer, vat_check, vat_evidence, currency, payment_term_days, version };
    Ok((profile, holidays))
}

fn party_in(checks: &mut Checks, field: &str, given: Option<wire::Party>) -> Party {
    let Some(given) = given else {
        checks.refuse(field, "is required");
        return Party::default();
    };
    checks.count(format!("{field}.address_lines"), given.address_lines.len(), 1..=3);
    let party = Party {
        legal_name: checks.line(format!("{field}.legal_name"), &given.legal_name, 1..=200),
        address_lines: given
            .address_lines
            .iter()
            .take(3)
            .enumerate()
            .map(|(i, line)| checks.line(format!("{field}.address_lines[{i}]"), line, 1..=100))
            .collect(),
        postal_code: checks.line(format!("{field}.postal_code"), &given.postal_code, 0..=20),
        city: checks.line(format!("{field}.city"), &given.city, 1..=100),
        country: checks.country(format!("{field}.country"), &given.country),
        vat_id: checks.line(format!("{field}.vat_id"), &given.vat_id, 0..=14),
        registration_number: checks.line(format!("{field}.registration_number"), &given.registration_number, 0..=50),
        email: checks.line(format!("{field}.email"), &given.email, 0..=254),
        contact_name: checks.line(format!("{field}.contact_name"), &given.contact_name, 0..=100),
        contact_phone: checks.line(format!("{field}.contact_phone"), &given.contact_phone, 0..=40),
        tax_number: checks.line(format!("{field}.tax_number"), &given.tax_number, 0..=40),
        electronic_address: checks.line(format!("{field}.electronic_address"), &given.electronic_address, 0..=100),
        electronic_address_scheme: checks.line(
            format!("{field}.electronic_address_scheme"),
            &given.electronic_address_scheme,
            0..=4,
        ),
        buyer_reference: checks.line(format!("{field}.buyer_reference"), &given.buyer_reference, 0..=100),
        iban: String::new(),
    };
    checks.require(
        party.electronic_address.is_empty() == party.electronic_address_scheme.is_empty(),
        format!("{field}.electronic_address_scheme"),
        "must be given exactly when the electronic address is",
    );
    let fits = party.vat_id.is_empty() || vat_id_fits(&party.vat_id, &party.country);
    checks.require(fits, format!("{field}.vat_id"), "must start with the country's prefix and have 4 to 14 characters");
    party
}

/// A party on the wire.
pub(super) fn party_out(party: &Party) -> wire::Party {
    wire::Party {
        legal_name: party.legal_name.clone(),
        address_lines: party.address_lines.clone(),
        postal_code: party.postal_code.clone(),
        city: party.city.clone(),
        country: party.country.clone(),
        vat_id: party.vat_id.clone(),
        registration_number: party.registration_number.clone(),
        email: party.email.clone(),
        contact_name: party.contact_name.clone(),
        contact_phone: party.contact_phone.clone(),
        tax_number: party.tax_number.clone(),
        electronic_address: party.electronic_address.clone(),
        electronic_address_scheme: party.electronic_address_scheme.clone(),
        buyer_reference: party.buyer_reference.clone(),
    }
}

fn issuer_out(issuer: &Issuer) -> wire::Issuer {
    wire::Issuer {
        issuer_id: issuer.issuer_id.to_string(),
        party: Some(party_out(&issuer.party)),
        small_business: issuer.small_business,
        number_prefix: issuer.number_prefix.clone(),
        time_zone: issuer.time_zone.clone(),
        iban: issuer.iban.clone(),
        etag: kit::wire::etag(issuer.version),
    }
}

fn profile_out(seller: kit::SellerId, profile: &Profile, account: &Account) -> wire::BillingProfile {
    let vat_check = match profile.vat_check {
        VatCheck::NotChecked => wire::VatCheck::Unspecified,
        VatCheck::Pending => wire::VatCheck::Pending,
        VatCheck::Valid => wire::VatCheck::Valid,
        VatCheck::Invalid => wire::VatCheck::Invalid,
    };
    wire::BillingProfile {
        seller_id: seller.to_string(),
        buyer: Some(party_out(&profile.buyer)),
        vat_check: vat_check.into(),
        vat_evidence: profile.vat_evidence.clone(),
        issuer_id: profile.issuer_id.to_string(),
        currency: profile.currency.to_string(),
        time_zone: account.time_zone.clone(),
        payment_term_days: profile.payment_term_days,
        holidays: account.holidays.iter().map(|d| d.to_string()).collect(),
        etag: kit::wire::etag(profile.version),
    }
}
