//! Typed ids. On the wire `prefix_` and 26 characters of Crockford base32 over
//! a UUIDv7 (the TypeID form); in rows the bare UUID.

use std::fmt;

pub use serde;
pub use uuid::Uuid;

use crate::fault::Fault;

const ALPHABET: &[u8; 32] = b"0123456789abcdefghjkmnpqrstvwxyz";
const BODY: usize = 26;

/// An id that knows what it identifies.
pub trait Id: Copy + Eq + fmt::Display {
    /// What stands before the underscore.
    const PREFIX: &'static str;
    /// Gives a UUID its meaning.
    fn from_uuid(uuid: Uuid) -> Self;
    /// The bare UUID, for rows.
    fn uuid(self) -> Uuid;

    /// Reads the wire form; the error names the field, never the value.
    fn parse(field: &'static str, text: &str) -> Result<Self, Fault> {
        decode(Self::PREFIX, text)
            .map(Self::from_uuid)
            .ok_or_else(|| Fault::invalid(field, format!("must be an id of the form {}_...", Self::PREFIX)))
    }

    /// Reads the wire form where an empty text means none.
    fn parse_optional(field: &'static str, text: &str) -> Result<Option<Self>, Fault> {
        if text.is_empty() { Ok(None) } else { Self::parse(field, text).map(Some) }
    }
}

/// Defines a typed id: `kit::id!(TicketId, "ticket", "A ticket.")`.
#[macro_export]
macro_rules! id {
    ($name:ident, $prefix:literal, $doc:literal) => {
        #[doc = $doc]
        #[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub struct $name(pub $crate::ids::Uuid);

        impl $crate::ids::Id for $name {
            const PREFIX: &'static str = $prefix;
            fn from_uuid(uuid: $crate::ids::Uuid) -> Self {
                Self(uuid)
            }
            fn uuid(self) -> $crate::ids::Uuid {
                self.0
            }
        }

        impl ::std::fmt::Display for $name {
            fn fmt(&self, f: &mut ::std::fmt::Formatter<'_>) -> ::std::fmt::Result {
                $crate::ids::write($prefix, self.0, f)
            }
        }

        impl $crate::ids::serde::Serialize for $name {
            fn serialize<S: $crate::ids::serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                $crate::ids::serde::Serialize::serialize(&self.0, serializer)
            }
        }

        impl<'de> $crate::ids::serde::Deserialize<'de> for $name {
            fn deserialize<D: $crate::ids::serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                $crate::ids::serde::Deserialize::deserialize(deserializer).map(Self)
            }
        }

        impl ::std::fmt::Debug for $name {
            fn fmt(&self, f: &mut ::std::fmt::Formatter<'_>) -> ::std::fmt::Result {
                $crate::ids::write($prefix, self.0, f)
            }
        }
    };
}

id!(ProviderId, "prov", "A contact-center company, the first level of tenancy.");
id!(SellerId, "seller", "A provider's client, the unit of isolation.");
id!(UserId, "user", "A person.");
id!(EventId, "event", "An event between services.");

/// Writes the wire form.
pub fn write(prefix: &str, uuid: Uuid, f: &mut fmt::Formatter<'_>) -> fmt::Result {
    let mut body = [0u8; BODY];
    let mut rest = uuid.as_u128();
    for place in body.iter_mut().rev() {
        *place = ALPHABET[(rest & 31) as usize];
        rest >>= 5;
    }
    f.write_str(prefix)?;
    f.write_str("_")?;
    f.write_str(std::str::from_utf8(&body).map_err(|_| fmt::Error)?)
}

/// Reads the wire form; none for anything else, also for a value beyond 128 bits.
pub fn decode(prefix: &str, text: &str) -> Option<Uuid> {
    let body = text.strip_prefix(prefix)?.strip_prefix('_')?.as_bytes();
    if body.len() != BODY || body[0] > b'7' {
        return None;
    }
    let mut value: u128 = 0;
    for byte in body {
        let digit = ALPHABET.iter().position(|a| a == byte)?;
        value = (value << 5) | digit as u128;
    }
    Some(Uuid::from_u128(value))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn every_uuid_comes_back(n in any::<u128>()) {
            let id = UserId(Uuid::from_u128(n));
            prop_assert_eq!(decode("user", &id.to_string()), Some(id.0));
        }

        #[test]
        fn any_text_is_read_or_refused(text in ".{0,40}") {
            if let Some(uuid) = decode("user", &text) {
                prop_assert_eq!(UserId(uuid).to_string(), text);
            }
        }
    }

    #[test]
    fn another_kind_of_id_is_refused() {
        let id = UserId(Uuid::from_u128(7)).to_string();
        assert!(decode("ticket", &id).is_none());
        assert!(decode("user", &id.to_uppercase()).is_none());
    }
}
