//! Wire values from domain values and back.

use kit::caller::{Caller, Granted, role_of, role_word};
use kit::keys::Jwk;
use kit::wire::{etag, timestamp};
use kit::{Checks, Fault, Id, SellerId};
use proto::Role as WireRole;
use proto::events::v1 as events;
use proto::events::v1::envelope::Body;
use proto::tenants::v1 as wire;

use crate::domain::identity::agent::{Certification, Level, Profile};
use crate::domain::identity::claims::ApiKey;
use crate::domain::identity::ids::PLATFORM;
use crate::domain::identity::provider::{self, Provider};
use crate::domain::identity::session::{POLICY, Session};
use crate::domain::identity::user::{Actor, MAX_SELLERS, State};
use crate::domain::identity::{Role, Roles, SessionId, User, agent, contact};
use crate::domain::onboarding::channel::CHANNELS;
use crate::store::identity::signing_keys;

/// Who changes something.
pub fn actor(caller: &Caller) -> Actor {
    Actor {
        user: caller.user(),
        roles: caller.roles().iter().filter_map(|role| Role::parse(role_word(*role))).collect(),
        sellers: match caller.granted() {
            Granted::These(list) => Some(list.iter().copied().map(SellerId).collect()),
            Granted::OfProvider(_) => None,
        },
        in_platform: caller.provider() == PLATFORM,
    }
}

/// A role of the wire.
pub fn role(number: i32) -> Option<Role> {
    WireRole::try_from(number).ok().and_then(|role| Role::parse(role_word(role)))
}

/// A role for the wire.
pub fn role_number(role: Role) -> i32 {
    role_of(role.as_str()).unwrap_or(WireRole::Unspecified) as i32
}

/// Roles of a request; at least one, all known.
pub fn roles(checks: &mut Checks, field: &str, numbers: &[i32]) -> Roles {
    checks.count(field, numbers.len(), 1..=10);
    let mut known = Vec::new();
    for (i, number) in numbers.iter().enumerate().take(10) {
        match role(*number) {
            Some(role) => known.push(role),
            None => checks.refuse(format!("{field}[{i}]"), "must be a role"),
        }
    }
    known.into_iter().collect()
}

/// Sellers of a request.
pub fn sellers(checks: &mut Checks, texts: &[String], least: usize) -> Vec<SellerId> {
    checks.count("seller_ids", texts.len(), least..=MAX_SELLERS);
    let mut sellers = Vec::new();
    for (i, text) in texts.iter().enumerate().take(MAX_SELLERS) {
        match SellerId::parse("seller_ids", text) {
            Ok(seller) => sellers.push(seller),
            Err(_) => checks.refuse(format!("seller_ids[{i}]"), "must be an id of the form seller_..."),
        }
    }
    sellers
}

/// An e-mail address of a request, as it is kept.
pub fn email(checks: &mut Checks, field: &'static str, text: &str) -> String {
    contact::email(text).unwrap_or_else(|| {
        checks.refuse(field, "must be an e-mail address of at most 254 characters");
        String::new()
    })
}

/// The language of the web app; English if none is asked for.
pub fn language(checks: &mut Checks, text: &str) -> String {
    if text.is_empty() { "en".to_owned() } else { checks.language("language", text) }
}

/// A request id that may be left out.
pub fn optional_request_id(checks: &mut Checks, text: &str) {
    if !text.is_empty() {
        checks.request_id(text);
    }
}

/// How a person recognises a session.
pub fn client(checks: &mut Checks, text: &str) -> String {
    checks.line("client", text, 0..=200)
}

/// A password of a request: bounded before it is hashed or looked at.
pub fn password(checks: &mut Checks, field: &'static str, text: &str) {
    checks.require((1..=1024).contains(&text.len()), field, "must have 1 to 1,024 bytes");
}

/// A user for the wire; the profile only if she is an agent.
pub fn user(user: &User, profile: Option<(&Profile, &[Certification])>) -> wire::User {
    let state = match user.state {
        State::Invited => wire::UserState::Invited,
        State::Active => wire::UserState::Active,
        State::Disabled => wire::UserState::Disabled,
    };
    wire::User {
        user_id: user.id.to_string(),
        email: user.email.clone(),
        display_name: user.name.clone(),
        language: user.language.clone(),
        state: state as i32,
        roles: user.roles.iter().map(role_number).collect(),
        seller_ids: user.sellers.iter().map(SellerId::to_string).collect(),
        agent_profile: profile.filter(|_| user.roles.has(Role::Agent)).map(|(p, c)| agent_profile(p, c)),
        grant_revision: user.revision,
        created_at: Some(timestamp(user.created_at)),
        etag: etag(user.version),
    }
}

/// The state of a request's filter; unspecified means all.
pub fn user_state(number: i32) -> Result<Option<State>, Fault> {
    match wire::UserState::try_from(number) {
        Ok(wire::UserState::Unspecified) => Ok(None),
        Ok(wire::UserState::Invited) => Ok(Some(State::Invited)),
        Ok(wire::UserState::Active) => Ok(Some(State::Active)),
        Ok(wire::UserState::Disabled) => Ok(Some(State::Disabled)),
        Err(_) => Err(Fault::invalid("state", "must be a known state")),
    }
}

fn agent_profile(profile: &Profile, certifications: &[Certification]) -> wire::AgentProfile {
    let proficiency = |(tag, level): &(String, Level)| wire::LanguageProficiency {
        language: tag.clone(),
        level: level_number(*level),
    };
    wire::AgentProfile {
        languages: profile.languages.iter().map(proficiency).collect(),
        skills: profile.skills.clone(),
        site: profile.site.clone(),
        time_zone: profile.zone.clone(),
        certifications: certifications.iter().map(certification).collect(),
        channels: profile.channels.clone(),
        capacity_units: profile.capacity_units,
    }
}

/// A certification for the wire.
pub fn certification(certification: &Certification) -> wire::AgentCertification {
    wire::AgentCertification {
        seller_id: certification.seller.to_string(),
        user_id: certification.user.to_string(),
        certified_at: Some(timestamp(certification.certified_at)),
        valid_until: certification.valid_until.map(timestamp),
    }
}

fn level_number(level: Level) -> i32 {
    let level = match level {
        Level::A1 => wire::LanguageLevel::A1,
        Level::A2 => wire::LanguageLevel::A2,
        Level::B1 => wire::LanguageLevel::B1,
        Level::B2 => wire::LanguageLevel::B2,
        Level::C1 => wire::LanguageLevel::C1,
        Level::C2 => wire::LanguageLevel::C2,
        Level::Native => wire::LanguageLevel::Native,
    };
    level as i32
}

fn level(number: i32) -> Option<Level> {
    Level::ALL.into_iter().find(|level| level_number(*level) == number)
}

/// A profile of a request.
pub fn read_profile(checks: &mut Checks, profile: &wire::AgentProfile) -> Profile {
    checks.count("agent_profile.languages", profile.languages.len(), 0..=agent::MAX_LANGUAGES);
    let mut languages = Vec::new();
    for (i, spoken) in profile.languages.iter().enumerate().take(agent::MAX_LANGUAGES) {
        let tag = checks.language(format!("agent_profile.languages[{i}].language"), &spoken.language);
        match level(spoken.level) {
            Some(level) => languages.push((tag, level)),
            None => checks.refuse(format!("agent_profile.languages[{i}].level"), "must be a level"),
        }
    }
    if let Some(i) = agent::repeated_language(&languages) {
        checks.refuse(format!("agent_profile.languages[{i}].language"), "must stand only once");
    }
    checks.count("agent_profile.skills", profile.skills.len(), 0..=agent::MAX_SKILLS);
    for (i, skill) in profile.skills.iter().enumerate().take(agent::MAX_SKILLS) {
        let fits = agent::is_skill(skill);
        checks.require(fits, format!("agent_profile.skills[{i}]"), "must have 1 to 40 of a-z, 0-9, _ and -");
    }
    let mut skills = profile.skills.clone();
    skills.sort_unstable();
    skills.dedup();
    for (i, channel) in profile.channels.iter().enumerate() {
        let field = || format!("agent_profile.channels[{i}]");
        checks.require(
            CHANNELS.contains(&channel.as_str()),
            field(),
            format!("must be one of {}", CHANNELS.join(", ")),
        );
        checks.require(!profile.channels[..i].contains(channel), field(), "must stand only once");
    }
    let units = 0..=agent::FULL_UNITS;
    checks.require(units.contains(&profile.capacity_units), "agent_profile.capacity_units", "must be 0 to 60");
    Profile {
        languages,
        skills,
        site: checks.line("agent_profile.site", &profile.site, 0..=60),
        zone: checks.zone("agent_profile.time_zone", &profile.time_zone),
        channels: profile.channels.clone(),
        capacity_units: profile.capacity_units,
    }
}

/// What other services hear of somebody who works for the provider.
pub fn staff_changed(user: &User, profile: &Profile, certifications: &[Certification]) -> Body {
    let skill = |(tag, level): &(String, Level)| events::LanguageSkill {
        language: tag.clone(),
        level: level.as_str().to_owned(),
    };
    let certified = |c: &Certification| events::Certification {
        seller_id: c.seller.to_string(),
        valid_until: c.valid_until.map(timestamp),
    };
    Body::StaffChanged(events::StaffChanged {
        user_id: user.id.to_string(),
        revision: user.version,
        display_name: user.name.clone(),
        roles: user.roles.names().into_iter().map(str::to_owned).collect(),
        active: user.state == State::Active,
        seller_ids: user.sellers.iter().map(SellerId::to_string).collect(),
        languages: profile.languages.iter().map(skill).collect(),
        certifications: certifications.iter().map(certified).collect(),
        skills: profile.skills.clone(),
        time_zone: profile.zone.clone(),
        site: profile.site.clone(),
        channels: profile.channels.clone(),
        capacity_units: profile.capacity_units,
    })
}

/// An API key for the wire.
pub fn api_key(key: &ApiKey) -> wire::ApiKey {
    wire::ApiKey {
        api_key_id: key.id.to_string(),
        seller_id: key.seller.to_string(),
        name: key.name.clone(),
        hint: key.hint.clone(),
        roles: key.roles.iter().map(role_number).collect(),
        created_at: Some(timestamp(key.created_at)),
        expires_at: Some(timestamp(key.expires_at)),
        revoked_at: key.revoked_at.map(timestamp),
        last_used_at: key.last_used_at.map(timestamp),
        created_by: key.created_by.map(|maker| maker.to_string()).unwrap_or_default(),
    }
}

/// A session for the wire.
pub fn session(session: &Session, current: Option<SessionId>) -> wire::Session {
    wire::Session {
        session_id: session.id.to_string(),
        client: session.client.clone(),
        opened_with: session.opened_with.as_str().to_owned(),
        opened_at: Some(timestamp(session.opened_at)),
        last_used_at: Some(timestamp(session.rotated_at)),
        expires_at: Some(timestamp(session.expires_at(&POLICY))),
        current: current == Some(session.id),
    }
}

/// A provider for the wire.
pub fn provider(provider: &Provider) -> wire::Provider {
    let state = match provider.state {
        provider::State::Active => wire::ProviderState::Active,
        provider::State::Suspended => wire::ProviderState::Suspended,
    };
    wire::Provider {
        provider_id: provider.id.to_string(),
        handle: provider.handle.clone(),
        name: provider.name.clone(),
        state: state as i32,
        country: provider.country.clone(),
        time_zone: provider.zone.clone(),
        created_at: Some(timestamp(provider.created_at)),
        etag: etag(provider.version),
    }
}

/// The public half of a signing key.
pub fn jwk(kept: &signing_keys::Kept) -> Jwk {
    Jwk {
        kty: "OKP".to_owned(),
        crv: "Ed25519".to_owned(),
        kid: kept.key.kid.clone(),
        x: kept.public_x.clone(),
        usage: "sig".to_owned(),
        alg: "EdDSA".to_owned(),
    }
}
