//! What a transaction may see and write. A scope comes from a
//! [`Caller`](crate::Caller) or from an event, never from a message.

use crate::ids::{Id, ProviderId, SellerId};

/// One provider, the sellers that may be read, and the seller that may be written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Scope {
    provider: ProviderId,
    readable: Readable,
    writable: Vec<SellerId>,
}

/// The sellers that may be read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Readable {
    /// Exactly these.
    These(Vec<SellerId>),
    /// The provider's sellers, enumerated by the database layer, never a wildcard.
    OfProvider,
}

/// In rows that belong to no single seller but carry a seller column (events).
pub const NO_SELLER: SellerId = SellerId(uuid::Uuid::nil());

impl Scope {
    /// A service acting on an event: the event's seller, or provider-level rows.
    pub fn of_event(provider: ProviderId, seller: Option<SellerId>) -> Scope {
        match seller {
            Some(seller) => Scope::one(provider, seller),
            None => Scope::provider(provider),
        }
    }

    /// Reads and writes one seller.
    pub(crate) fn one(provider: ProviderId, seller: SellerId) -> Scope {
        Scope { provider, readable: Readable::These(vec![seller]), writable: vec![seller] }
    }

    /// Reads some sellers, writes none.
    pub(crate) fn reading(provider: ProviderId, readable: Readable) -> Scope {
        Scope { provider, readable, writable: Vec::new() }
    }

    /// Provider-level rows only.
    pub fn provider(provider: ProviderId) -> Scope {
        Scope { provider, readable: Readable::These(Vec::new()), writable: Vec::new() }
    }

    /// Several single-seller scopes of one provider, for a group insert whose
    /// rows were each admitted on their own. None if they differ in provider.
    pub fn group<'a>(scopes: impl IntoIterator<Item = &'a Scope>) -> Option<Scope> {
        let mut provider = None;
        let mut writable = Vec::new();
        for scope in scopes {
            if *provider.get_or_insert(scope.provider) != scope.provider {
                return None;
            }
            writable.extend_from_slice(&scope.writable);
        }
        writable.sort_unstable();
        writable.dedup();
        Some(Scope { provider: provider?, readable: Readable::These(writable.clone()), writable })
    }

    /// The provider.
    pub fn provider_id(&self) -> ProviderId {
        self.provider
    }

    /// The one seller that may be written, if any.
    pub fn seller(&self) -> Option<SellerId> {
        match self.writable.as_slice() {
            [one] => Some(*one),
            _ => None,
        }
    }

    /// The sellers that may be read.
    pub fn readable(&self) -> &Readable {
        &self.readable
    }

    /// The sellers that may be written: none, one, or those of a group insert.
    pub fn writable(&self) -> &[SellerId] {
        &self.writable
    }

    /// The same scope with the provider's sellers spelled out.
    pub fn enumerated(&self, sellers: Vec<SellerId>) -> Scope {
        Scope { provider: self.provider, readable: Readable::These(sellers), writable: self.writable.clone() }
    }

    /// The single seller that a read is narrowed to, for an index that leads with it.
    pub fn single_reader(&self) -> Option<uuid::Uuid> {
        match &self.readable {
            Readable::These(list) if list.len() == 1 => Some(list[0].uuid()),
            _ => None,
        }
    }
}
