//! Seals what must be read again (AES-256-GCM) with a key derived from a service's
//! master keys (HKDF-SHA-256). What a former master key sealed still opens, and is
//! sealed anew by [`Seal::reseal`].

use std::fmt;

use aws_lc_rs::aead::{AES_256_GCM, Aad, NONCE_LEN, Nonce, RandomizedNonceKey};
use aws_lc_rs::hkdf;

use crate::master::{MasterKey, MasterKeys};

/// Sealing failed: no randomness, or what was sealed does not open.
#[derive(Debug, thiserror::Error)]
pub enum Broken {
    /// The system is out of order.
    #[error("the system gives no random bytes")]
    NoRandom,
    /// Another master key, another place, or a changed row.
    #[error("a sealed secret does not open: the master key is another one, or the row was changed")]
    DoesNotOpen,
    /// A bug.
    #[error("a key could not be derived")]
    Derivation,
}

impl From<Broken> for crate::Fault {
    fn from(broken: Broken) -> crate::Fault {
        crate::Fault::Internal(Box::new(broken))
    }
}

/// Seals and opens.
#[derive(Clone)]
pub struct Seal {
    current: [u8; 32],
    former: Vec<[u8; 32]>,
}

impl fmt::Debug for Seal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Seal(…)")
    }
}

impl Seal {
    /// Derives the keys; `owner` names whose secrets they are, such as `manydesk tickets v1`.
    pub fn new(masters: &MasterKeys, owner: &str) -> Result<Seal, Broken> {
        let former = masters.former.iter().map(|master| derived(master, owner)).collect::<Result<_, _>>()?;
        Ok(Seal { current: derived(&masters.current, owner)?, former })
    }

    /// Seals bytes for a place: they open in the same place only.
    pub fn seal(&self, place: &str, secret: &[u8]) -> Result<Vec<u8>, Broken> {
        let key = RandomizedNonceKey::new(&AES_256_GCM, &self.current).map_err(|_| Broken::Derivation)?;
        let mut body = secret.to_vec();
        let nonce =
            key.seal_in_place_append_tag(Aad::from(place.as_bytes()), &mut body).map_err(|_| Broken::NoRandom)?;
        Ok([nonce.as_ref().as_slice(), &body].concat())
    }

    /// Opens what was sealed for a place, under the current master key or a former one.
    pub fn open(&self, place: &str, sealed: &[u8]) -> Result<Vec<u8>, Broken> {
        let keys = std::iter::once(&self.current).chain(&self.former);
        keys.map(|key| open(key, place, sealed)).find(Result::is_ok).unwrap_or(Err(Broken::DoesNotOpen))
    }

    /// Seals under the current master key what a former one sealed; none if it is
    /// sealed so already.
    pub fn reseal(&self, place: &str, sealed: &[u8]) -> Result<Option<Vec<u8>>, Broken> {
        if open(&self.current, place, sealed).is_ok() {
            return Ok(None);
        }
        self.seal(place, &self.open(place, sealed)?).map(Some)
    }
}

fn derived(master: &MasterKey, owner: &str) -> Result<[u8; 32], Broken> {
    let mut key = [0u8; 32];
    let root = hkdf::Salt::new(hkdf::HKDF_SHA256, owner.as_bytes()).extract(master.bytes());
    let okm = root.expand(&[b"sealing"], hkdf::HKDF_SHA256).map_err(|_| Broken::Derivation)?;
    okm.fill(&mut key).map_err(|_| Broken::Derivation)?;
    Ok(key)
}

fn open(key: &[u8; 32], place: &str, sealed: &[u8]) -> Result<Vec<u8>, Broken> {
    let key = RandomizedNonceKey::new(&AES_256_GCM, key).map_err(|_| Broken::Derivation)?;
    let (nonce, body) = sealed.split_first_chunk::<NONCE_LEN>().ok_or(Broken::DoesNotOpen)?;
    let mut body = body.to_vec();
    let opened = key
        .open_in_place(Nonce::assume_unique_for_key(*nonce), Aad::from(place.as_bytes()), &mut body)
        .map_err(|_| Broken::DoesNotOpen)?;
    Ok(opened.to_vec())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn seal(byte: u8) -> Seal {
        Seal::new(&MasterKeys::one([byte; 32]), "manydesk tests v1").unwrap()
    }

    #[test]
    fn what_is_sealed_opens_in_its_place_and_for_its_owner_only() {
        let sealed = seal(1).seal("a", b"secret").unwrap();
        assert_eq!(seal(1).open("a", &sealed).unwrap(), b"secret");
        assert!(seal(1).open("b", &sealed).is_err());
        assert!(seal(2).open("a", &sealed).is_err());
        assert!(Seal::new(&MasterKeys::one([1; 32]), "another").unwrap().open("a", &sealed).is_err());
        for place in 0..sealed.len() {
            let mut changed = sealed.clone();
            changed[place] ^= 1;
            assert!(seal(1).open("a", &changed).is_err());
        }
        assert!(seal(1).open("a", &sealed[..5]).is_err());
        assert_ne!(sealed, seal(1).seal("a", b"secret").unwrap());
    }

    #[test]
    fn a_former_key_opens_until_it_is_sealed_anew() {
        let masters = MasterKeys { current: [2; 32].into(), former: vec![[1; 32].into()] };
        let both = Seal::new(&masters, "manydesk tests v1").unwrap();
        let sealed = seal(1).seal("a", b"secret").unwrap();
        assert_eq!(both.open("a", &sealed).unwrap(), b"secret");
        let anew = both.reseal("a", &sealed).unwrap().expect("sealed anew");
        assert_eq!(seal(2).open("a", &anew).unwrap(), b"secret");
        assert!(seal(1).open("a", &anew).is_err());
        assert_eq!(both.reseal("a", &anew).unwrap(), None);
        assert!(seal(2).reseal("a", &sealed).is_err());
    }
}
