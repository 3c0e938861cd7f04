//! A seller as it stands, and the ids of what belongs to it.

use jiff::Timestamp;
use jiff::civil::Date;
use kit::ids::SellerId;

use super::life::{self, Refusal, State};
use super::profile::Profile;

kit::id!(ChannelAccountId, "chan", "A channel account.");
kit::id!(ArticleId, "article", "A knowledge article.");
kit::id!(ExportId, "export", "An export of a seller.");
kit::id!(ErasureId, "erasure", "An erasure of a seller.");

/// A seller with its versions.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Seller {
    pub id: SellerId,
    pub handle: String,
    pub state: State,
    pub state_reason: String,
    pub profile: Profile,
    /// Last date of the contract, known once it is leaving.
    pub contract_end: Option<Date>,
    /// Whether an erasure was requested.
    pub erasing: bool,
    pub created_at: Timestamp,
    pub updated_at: Timestamp,
    pub live_at: Option<Timestamp>,
    /// Of its own fields, for etags.
    pub version: i64,
    /// Of the published terms.
    pub terms_version: i64,
    /// Of everything kept of it, for exports.
    pub revision: i64,
}

impl Seller {
    /// A seller that has just been written down.
    pub fn draft(id: SellerId, handle: String, profile: Profile, now: Timestamp) -> Seller {
        Seller {
            id,
            handle,
            state: State::Draft,
            state_reason: String::new(),
            profile,
            contract_end: None,
            erasing: false,
            created_at: now,
            updated_at: now,
            live_at: None,
            version: 1,
            terms_version: 1,
            revision: 1,
        }
    }

    /// Whether anything of it may still be changed.
    pub fn may_change(&self) -> Result<(), Refusal> {
        life::may_change(self.state, self.erasing)
    }

    /// What is left when everything else is gone: an empty shell under a name of its own.
    pub fn shell(&self, now: Timestamp) -> Seller {
        let body = self.id.to_string().replace("seller_", "");
        let profile = Profile {
            name: "erased".to_owned(),
            ticket_prefix: format!("X{}", body.to_ascii_uppercase()),
            ..Profile::default()
        };
        Seller {
            state: State::Erased,
            state_reason: "everything was erased".to_owned(),
            handle: format!("erased-{body}"),
            contract_end: None,
            live_at: None,
            erasing: false,
            updated_at: now,
            version: self.version + 1,
            terms_version: self.terms_version + 1,
            revision: self.revision + 1,
            profile,
            ..self.clone()
        }
    }
}
