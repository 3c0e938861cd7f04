//! The master keys of a service: given by configuration, known to that service alone.

use std::fmt;

/// A key that everything secret of a service hangs on.
#[derive(Clone)]
pub struct MasterKey([u8; 32]);

impl fmt::Debug for MasterKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("MasterKey(…)")
    }
}

impl From<[u8; 32]> for MasterKey {
    fn from(key: [u8; 32]) -> MasterKey {
        MasterKey(key)
    }
}

impl MasterKey {
    /// Its bytes, to derive keys from.
    pub fn bytes(&self) -> &[u8; 32] {
        &self.0
    }
}

/// The key that is used, and those that were before it: what they sealed opens
/// until it is sealed anew.
#[derive(Clone, Debug)]
pub struct MasterKeys {
    pub current: MasterKey,
    pub former: Vec<MasterKey>,
}

impl MasterKeys {
    /// One that was always there.
    pub fn one(key: [u8; 32]) -> MasterKeys {
        MasterKeys { current: MasterKey(key), former: Vec::new() }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_key_is_printed() {
        assert_eq!(format!("{:?}", MasterKeys::one([7; 32])), "MasterKeys { current: MasterKey(…), former: [] }");
    }
}
