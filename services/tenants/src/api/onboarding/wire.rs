//! Wire ⇄ domain; templates are in [`templates`].

mod templates;

use jiff::civil::Date;
use proto::events::v1 as events;
use proto::tenants::v1 as pb;

use crate::domain::onboarding::calendar::{Calendar, Imported, Interval, Written};
use crate::domain::onboarding::channel::ChannelAccount;
use crate::domain::onboarding::check::Problems;
use crate::domain::onboarding::checklist::Checklist;
use crate::domain::onboarding::life::State;
use crate::domain::onboarding::paper::{DataProtection, Paper, SubProcessor};
use crate::domain::onboarding::people::{Contact, EscalationStep};
use crate::domain::onboarding::profile::{LegalEntity, Profile, Store};
use crate::domain::onboarding::seller::Seller;
use crate::domain::onboarding::sla::{Escalation, SlaPolicy, Target};
use crate::domain::onboarding::voice::{BrandVoice, PlaybookEntry};
use crate::store::onboarding::{channels, hours, papers};

pub use templates::{question, read_template, template};

pub fn state(state: State) -> pb::SellerState {
    match state {
        State::Draft => pb::SellerState::Draft,
        State::Onboarding => pb::SellerState::Onboarding,
        State::Live => pb::SellerState::Live,
        State::Suspended => pb::SellerState::Suspended,
        State::Offboarding => pb::SellerState::Offboarding,
        State::Erased => pb::SellerState::Erased,
    }
}

/// None for "not set"; an unknown number is an error.
pub fn read_state(number: i32) -> Result<Option<State>, ()> {
    match pb::SellerState::try_from(number) {
        Ok(pb::SellerState::Unspecified) => Ok(None),
        Ok(wanted) => Ok(State::ALL.into_iter().find(|s| state(*s) == wanted)),
        Err(_) => Err(()),
    }
}

pub fn date(date: Option<Date>) -> String {
    date.map(|d| d.to_string()).unwrap_or_default()
}

pub fn seller(seller: &Seller) -> pb::Seller {
    let profile = &seller.profile;
    pb::Seller {
        seller_id: seller.id.to_string(),
        handle: seller.handle.clone(),
        name: profile.name.clone(),
        state: state(seller.state).into(),
        state_reason: seller.state_reason.clone(),
        ticket_prefix: profile.ticket_prefix.clone(),
        legal_entity: Some(legal(&profile.legal)),
        brands: profile.brands.clone(),
        languages: profile.languages.clone(),
        countries: profile.countries.clone(),
        marketplaces: profile.stores.iter().map(store).collect(),
        product_groups: profile.product_groups.clone(),
        currency: profile.currency.clone(),
        time_zone: profile.time_zone.clone(),
        certification_required: profile.certification_required,
        create_time: Some(kit::wire::timestamp(seller.created_at)),
        update_time: Some(kit::wire::timestamp(seller.updated_at)),
        live_time: seller.live_at.map(kit::wire::timestamp),
        contract_end_date: date(seller.contract_end),
        terms_version: seller.terms_version,
        etag: kit::wire::etag(seller.version),
    }
}

fn legal(legal: &LegalEntity) -> pb::LegalEntity {
    pb::LegalEntity {
        legal_name: legal.legal_name.clone(),
        street: legal.street.clone(),
        postal_code: legal.postal_code.clone(),
        city: legal.city.clone(),
        country: legal.country.clone(),
        vat_id: legal.vat_id.clone(),
        registration_number: legal.registration_number.clone(),
        vat_exemption: legal.vat_exemption.clone(),
    }
}

pub fn read_legal(legal: pb::LegalEntity) -> LegalEntity {
    LegalEntity {
        legal_name: legal.legal_name,
        street: legal.street,
        postal_code: legal.postal_code,
        city: legal.city,
        country: legal.country,
        vat_id: legal.vat_id,
        registration_number: legal.registration_number,
        vat_exemption: legal.vat_exemption,
    }
}

fn store(store: &Store) -> pb::MarketplaceStore {
    pb::MarketplaceStore {
        marketplace: store.marketplace.clone(),
        country: store.country.clone(),
        store_id: store.store_id.clone(),
    }
}

pub fn read_store(store: pb::MarketplaceStore) -> Store {
    Store { marketplace: store.marketplace, country: store.country, store_id: store.store_id }
}

/// The profile as a request writes it, for the calls of a file.
pub fn profile(profile: &Profile) -> pb::Seller {
    pb::Seller {
        name: profile.name.clone(),
        ticket_prefix: profile.ticket_prefix.clone(),
        legal_entity: Some(legal(&profile.legal)),
        brands: profile.brands.clone(),
        languages: profile.languages.clone(),
        countries: profile.countries.clone(),
        marketplaces: profile.stores.iter().map(store).collect(),
        product_groups: profile.product_groups.clone(),
        currency: profile.currency.clone(),
        time_zone: profile.time_zone.clone(),
        certification_required: profile.certification_required,
        ..pb::Seller::default()
    }
}

pub fn account(stored: &channels::Stored) -> events::ChannelAccount {
    events::ChannelAccount { channel_account_id: stored.id.to_string(), ..bare_account(&stored.account) }
}

pub fn bare_account(account: &ChannelAccount) -> events::ChannelAccount {
    events::ChannelAccount {
        channel_account_id: String::new(),
        channel: account.channel.clone(),
        address: account.address.clone(),
        marketplace: account.marketplace.clone(),
        country: account.country.clone(),
        store_id: account.store_id.clone(),
        active: account.active,
    }
}

pub fn read_account(account: events::ChannelAccount) -> ChannelAccount {
    ChannelAccount {
        channel: account.channel,
        address: account.address,
        marketplace: account.marketplace,
        country: account.country,
        store_id: account.store_id,
        active: account.active,
    }
}

pub fn stored_calendar(stored: &hours::StoredCalendar) -> events::Calendar {
    calendar(&stored.calendar, stored.version)
}

pub fn calendar(calendar: &Calendar, version: i64) -> events::Calendar {
    let intervals = |list: &[Interval]| -> Vec<events::ClockInterval> {
        list.iter().map(|i| events::ClockInterval { start: i.start_text(), end: i.end_text() }).collect()
    };
    let dated = |(date, list): (&Date, &Vec<Interval>)| events::DatedHours {
        date: date.to_string(),
        intervals: intervals(list),
    };
    events::Calendar {
        name: calendar.name.clone(),
        time_zone: calendar.time_zone.clone(),
        hours: calendar
            .hours
            .iter()
            .map(|(day, list)| events::WeeklyHours { weekday: i32::from(*day), intervals: intervals(list) })
            .collect(),
        shifts: calendar.shifts.iter().map(dated).collect(),
        breaks: calendar.breaks.iter().map(dated).collect(),
        holidays: calendar.holidays.iter().map(Date::to_string).collect(),
        version,
        holiday_region: calendar.holiday_region.clone(),
        open_dates: calendar.open_dates.iter().map(Date::to_string).collect(),
        imported: calendar.imported.iter().map(imported).collect(),
    }
}

fn imported(holiday: &Imported) -> events::ImportedHoliday {
    events::ImportedHoliday {
        date: holiday.date.to_string(),
        name: holiday.name.clone(),
        source: holiday.source.clone(),
    }
}

/// A calendar as other services count with it: all closed dates in one list.
pub fn counted_calendar(stored: &hours::StoredCalendar) -> events::Calendar {
    events::Calendar {
        holidays: stored.calendar.closed_dates().iter().map(Date::to_string).collect(),
        imported: Vec::new(),
        ..stored_calendar(stored)
    }
}

pub fn read_calendar(calendar: events::Calendar) -> Written {
    let intervals = |list: Vec<events::ClockInterval>| list.into_iter().map(|i| (i.start, i.end)).collect();
    let dated = |list: Vec<events::DatedHours>| list.into_iter().map(|d| (d.date, intervals(d.intervals))).collect();
    Written {
        name: calendar.name,
        time_zone: calendar.time_zone,
        hours: calendar.hours.into_iter().map(|h| (h.weekday, intervals(h.intervals))).collect(),
        shifts: dated(calendar.shifts),
        breaks: dated(calendar.breaks),
        holidays: calendar.holidays,
        holiday_region: calendar.holiday_region,
        open_dates: calendar.open_dates,
    }
}

pub fn policy(version: i64, policy: &SlaPolicy) -> events::SlaPolicy {
    let target = |t: &Target| events::SlaTarget {
        metric: t.metric.clone(),
        channels: t.channels.clone(),
        priorities: t.priorities.clone(),
        target_seconds: t.target_seconds,
        calendar: t.calendar.clone(),
        marketplaces: t.marketplaces.clone(),
        languages: t.languages.clone(),
        catch_all: t.catch_all,
        pauses: t.pauses.clone().map(|states| events::SlaPauses { states }),
        customer_tiers: t.customer_tiers.clone(),
    };
    let escalation = |e: &Escalation| events::SlaEscalation {
        metric: e.metric.clone(),
        percent: e.percent,
        priority: e.priority.clone(),
        notice_level: e.notice_level,
        inside_hours: e.inside_hours,
    };
    events::SlaPolicy {
        version,
        targets: policy.targets.iter().map(target).collect(),
        warn_percent: policy.warn_percent.clone(),
        escalations: policy.escalations.iter().map(escalation).collect(),
    }
}

pub fn read_policy(policy: events::SlaPolicy) -> SlaPolicy {
    let target = |t: events::SlaTarget| Target {
        metric: t.metric,
        channels: t.channels,
        priorities: t.priorities,
        target_seconds: t.target_seconds,
        calendar: t.calendar,
        marketplaces: t.marketplaces,
        languages: t.languages,
        catch_all: t.catch_all,
        pauses: t.pauses.map(|pauses| pauses.states),
        customer_tiers: t.customer_tiers,
    };
    let escalation = |e: events::SlaEscalation| Escalation {
        metric: e.metric,
        percent: e.percent,
        priority: e.priority,
        notice_level: e.notice_level,
        inside_hours: e.inside_hours,
    };
    SlaPolicy {
        targets: policy.targets.into_iter().map(target).collect(),
        warn_percent: policy.warn_percent,
        escalations: policy.escalations.into_iter().map(escalation).collect(),
    }
}

pub fn contact(contact: &Contact) -> pb::Contact {
    pb::Contact {
        key: contact.key.clone(),
        name: contact.name.clone(),
        roles: contact.roles.clone(),
        email: contact.email.clone(),
        phone: contact.phone.clone(),
        language: contact.language.clone(),
        time_zone: contact.time_zone.clone(),
    }
}

pub fn read_contact(contact: pb::Contact) -> Contact {
    Contact {
        key: contact.key,
        name: contact.name,
        roles: contact.roles,
        email: contact.email,
        phone: contact.phone,
        language: contact.language,
        time_zone: contact.time_zone,
    }
}

pub fn step(step: &EscalationStep) -> pb::EscalationStep {
    pb::EscalationStep {
        severity: step.severity.clone(),
        level: step.level,
        after_seconds: step.after_seconds,
        contact_key: step.contact_key.clone(),
        via: step.via.clone(),
    }
}

pub fn read_step(step: pb::EscalationStep) -> EscalationStep {
    EscalationStep {
        severity: step.severity,
        level: step.level,
        after_seconds: step.after_seconds,
        contact_key: step.contact_key,
        via: step.via,
    }
}

pub fn document(stored: &papers::Stored) -> pb::Document {
    pb::Document {
        sha256: stored.sha256.clone(),
        size_bytes: stored.size_bytes,
        upload_time: Some(kit::wire::timestamp(stored.uploaded_at)),
        ..bare_document(&stored.paper)
    }
}

pub fn bare_document(paper: &Paper) -> pb::Document {
    pb::Document {
        kind: paper.kind.clone(),
        file_name: paper.file_name.clone(),
        media_type: paper.media_type.clone(),
        signed_date: date(paper.signed_date),
        signed_by: paper.signed_by.clone(),
        valid_until_date: date(paper.valid_until),
        ..pb::Document::default()
    }
}

pub fn read_document(document: pb::Document, problems: &mut Problems) -> Paper {
    Paper {
        kind: document.kind,
        file_name: document.file_name,
        media_type: document.media_type,
        signed_date: problems.date("document.signed_date", &document.signed_date),
        signed_by: document.signed_by,
        valid_until: problems.date("document.valid_until_date", &document.valid_until_date),
    }
}

pub fn data_protection(version: i64, record: &DataProtection) -> pb::DataProtectionRecord {
    let one = |s: &SubProcessor| pb::SubProcessor {
        name: s.name.clone(),
        country: s.country.clone(),
        purpose: s.purpose.clone(),
        transfer_basis: s.transfer_basis.clone(),
    };
    pb::DataProtectionRecord {
        agreement_sha256: record.agreement_sha256.clone(),
        sub_processors: record.sub_processors.iter().map(one).collect(),
        retention_days: record.retention_days,
        officer_email: record.officer_email.clone(),
        data_categories: record.data_categories.clone(),
        version,
    }
}

pub fn read_data_protection(record: pb::DataProtectionRecord) -> DataProtection {
    let one = |s: pb::SubProcessor| SubProcessor {
        name: s.name,
        country: s.country,
        purpose: s.purpose,
        transfer_basis: s.transfer_basis,
    };
    DataProtection {
        agreement_sha256: record.agreement_sha256,
        sub_processors: record.sub_processors.into_iter().map(one).collect(),
        retention_days: record.retention_days,
        officer_email: record.officer_email,
        data_categories: record.data_categories,
    }
}

pub fn voice(voice: &BrandVoice) -> pb::BrandVoice {
    pb::BrandVoice {
        brand: voice.brand.clone(),
        language: voice.language.clone(),
        address_form: voice.address_form.clone(),
        greeting: voice.greeting.clone(),
        sign_off: voice.sign_off.clone(),
        alias: voice.alias.clone(),
        tone: voice.tone.clone(),
        avoid: voice.avoid.clone(),
    }
}

pub fn read_voice(voice: pb::BrandVoice) -> BrandVoice {
    BrandVoice {
        brand: voice.brand,
        language: voice.language,
        address_form: voice.address_form,
        greeting: voice.greeting,
        sign_off: voice.sign_off,
        alias: voice.alias,
        tone: voice.tone,
        avoid: voice.avoid,
    }
}

pub fn entry(entry: &PlaybookEntry) -> pb::PlaybookEntry {
    pb::PlaybookEntry {
        country: entry.country.clone(),
        situation: entry.situation.clone(),
        say: entry.say.clone(),
        avoid: entry.avoid.clone(),
    }
}

pub fn read_entry(entry: pb::PlaybookEntry) -> PlaybookEntry {
    PlaybookEntry { country: entry.country, situation: entry.situation, say: entry.say, avoid: entry.avoid }
}

pub fn checklist(checklist: &Checklist) -> Vec<pb::ChecklistItem> {
    checklist
        .items
        .iter()
        .map(|item| pb::ChecklistItem {
            item: item.name.to_owned(),
            done: item.done(),
            required: item.required,
            missing: item.missing.clone(),
        })
        .collect()
}
