//! Links that are all somebody needs: what they say is signed (HMAC-SHA-256) with a key derived from a
//! service's master keys (HKDF-SHA-256), and holds ids and no words. What a former master key signed is
//! still good.

use std::fmt;

use aws_lc_rs::{hkdf, hmac};
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;

use crate::master::{MasterKey, MasterKeys};
use crate::seal::Broken;

/// Bytes of a signature.
const SIGNATURE: usize = 16;
/// The longest token that is looked at, in bytes.
const LONGEST: usize = 512;

/// Makes and reads the last part of links.
#[derive(Clone)]
pub struct LinkKeys {
    current: hmac::Key,
    former: Vec<hmac::Key>,
}

impl fmt::Debug for LinkKeys {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("LinkKeys(…)")
    }
}

impl LinkKeys {
    /// Derives the keys; `owner` names what the links are for, such as `manydesk tickets surveys v1`.
    pub fn new(masters: &MasterKeys, owner: &str) -> Result<LinkKeys, Broken> {
        let former = masters.former.iter().map(|master| derived(master, owner)).collect::<Result<_, _>>()?;
        Ok(LinkKeys { current: derived(&masters.current, owner)?, former })
    }

    /// The token that says this.
    pub fn token(&self, said: &[u8]) -> String {
        let signature = hmac::sign(&self.current, said);
        URL_SAFE_NO_PAD.encode([said, &signature.as_ref()[..SIGNATURE]].concat())
    }

    /// What a token says; none if it was not made here.
    pub fn said(&self, token: &str) -> Option<Vec<u8>> {
        if LONGEST < token.len() {
            return None;
        }
        let mut bytes = URL_SAFE_NO_PAD.decode(token).ok()?;
        let signature = bytes.split_off(bytes.len().checked_sub(SIGNATURE)?);
        let is_of = |key: &hmac::Key| {
            let right = hmac::sign(key, &bytes);
            aws_lc_rs::constant_time::verify_slices_are_equal(&right.as_ref()[..SIGNATURE], &signature).is_ok()
        };
        std::iter::once(&self.current).chain(&self.former).any(is_of).then_some(bytes)
    }
}

fn derived(master: &MasterKey, owner: &str) -> Result<hmac::Key, Broken> {
    let mut key = [0u8; 32];
    let root = hkdf::Salt::new(hkdf::HKDF_SHA256, owner.as_bytes()).extract(master.bytes());
    let okm = root.expand(&[b"links"], hkdf::HKDF_SHA256).map_err(|_| Broken::Derivation)?;
    okm.fill(&mut key).map_err(|_| Broken::Derivation)?;
    Ok(hmac::Key::new(hmac::HMAC_SHA256, &key))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn keys(byte: u8) -> LinkKeys {
        LinkKeys::new(&MasterKeys::one([byte; 32]), "manydesk tests v1").unwrap()
    }

    #[test]
    fn a_token_says_what_it_was_made_to_say_and_every_other_is_refused() {
        let token = keys(1).token(b"said");
        assert_eq!(keys(1).said(&token).as_deref(), Some(&b"said"[..]));
        assert_eq!(keys(2).said(&token), None);
        assert_eq!(LinkKeys::new(&MasterKeys::one([1; 32]), "another").unwrap().said(&token), None);
        for place in 0..token.len() {
            for other in ['A', 'b', '_'] {
                let mut changed: Vec<char> = token.chars().collect();
                changed[place] = other;
                let changed: String = changed.into_iter().collect();
                assert!(changed == token || keys(1).said(&changed).is_none(), "{place}");
            }
        }
        for bad in ["", "AAAA", "not base64!", &"A".repeat(10_000)] {
            assert_eq!(keys(1).said(bad), None);
        }
    }

    #[test]
    fn what_a_former_key_signed_is_still_good() {
        let masters = MasterKeys { current: [2; 32].into(), former: vec![[1; 32].into()] };
        let both = LinkKeys::new(&masters, "manydesk tests v1").unwrap();
        assert!(both.said(&keys(1).token(b"x")).is_some());
        assert!(keys(2).said(&both.token(b"x")).is_some());
        assert!(keys(1).said(&both.token(b"x")).is_none());
    }

    proptest! {
        #[test]
        fn any_text_is_read_or_refused(text in ".{0,80}") {
            prop_assert_eq!(keys(1).said(&text), None);
        }
    }
}
