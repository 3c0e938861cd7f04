//! What routing knows of a seller: whether it is served, and how strictly.

use std::collections::BTreeSet;

use serde::{Deserialize, Serialize};

use super::ids::{At, SellerId};
use super::needs::Language;

/// The part of a seller's terms that routing needs.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SellerTerms {
    /// The seller.
    pub seller: SellerId,
    /// Whether its contacts are offered at all: live, or finishing what is open.
    pub served: bool,
    /// Whether only agents certified for it may take its contacts.
    pub certification_required: bool,
    /// Languages it is served in; decides who may take a contact of unknown language.
    pub languages: BTreeSet<Language>,
}

impl SellerTerms {
    /// A seller nobody has told us about yet: nothing is offered.
    #[must_use]
    pub fn unknown(seller: SellerId) -> SellerTerms {
        SellerTerms { seller, served: false, certification_required: true, languages: BTreeSet::new() }
    }
}

/// A hand lets nothing new of a seller be offered for a while.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Pause {
    /// Since when.
    pub since: At,
    /// Until when; none = until somebody ends it.
    pub until: Option<At>,
    /// Why.
    pub reason: String,
}
