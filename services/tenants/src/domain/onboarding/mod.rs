//! The rules of onboarding, pure. Reading order: [`life`] (states and their
//! evidence), [`seller`], [`checklist`] (derived from facts), then what the facts are made
//! of ([`profile`], [`channel`], [`calendar`], [`ical`], [`sla`], [`people`], [`paper`],
//! [`voice`], [`template`], [`questionnaire`]), the end ([`erasure`]), and a
//! whole seller written in one file ([`file`]).

pub mod calendar;
pub mod channel;
pub mod check;
pub mod checklist;
pub mod countries;
pub mod erasure;
pub mod file;
pub mod ical;
pub mod life;
pub mod paper;
pub mod people;
pub mod profile;
pub mod questionnaire;
pub mod seller;
pub mod sla;
pub mod template;
pub mod vat;
pub mod voice;
