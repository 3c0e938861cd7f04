//! One master key, given by configuration, and what is derived from it: sealing
//! of what must be read again (AES-256-GCM) and keyed digests for what must only
//! be recognised (HMAC-SHA-256). Each purpose has its own key (HKDF-SHA-256).

use std::fmt;

use aws_lc_rs::aead::{AES_256_GCM, Aad, NONCE_LEN, Nonce, RandomizedNonceKey};
use aws_lc_rs::{constant_time, digest, hkdf, hmac, rand};
use base64::Engine;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use kit::ids::Uuid;

use crate::domain::identity::token::Secret;

/// The key that everything secret of this service hangs on.
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

/// A master key that cannot be one.
#[derive(Debug, thiserror::Error)]
#[error("a master key is 32 bytes: raw, as 64 hexadecimal digits, or in base64")]
pub struct BadMasterKey;

impl MasterKey {
    /// A fresh key.
    pub fn generate() -> Result<MasterKey, Broken> {
        Ok(MasterKey(random()?))
    }

    /// A key as a file holds it.
    pub fn read(file: &[u8]) -> Result<MasterKey, BadMasterKey> {
        if let Ok(raw) = <[u8; 32]>::try_from(file) {
            return Ok(MasterKey(raw));
        }
        let text = std::str::from_utf8(file).map_err(|_| BadMasterKey)?.trim();
        if text.len() == 64 {
            let mut key = [0u8; 32];
            for (i, byte) in key.iter_mut().enumerate() {
                *byte = text.get(2 * i..2 * i + 2).and_then(|d| u8::from_str_radix(d, 16).ok()).ok_or(BadMasterKey)?;
            }
            return Ok(MasterKey(key));
        }
        let bytes = STANDARD.decode(text).or_else(|_| URL_SAFE_NO_PAD.decode(text)).map_err(|_| BadMasterKey)?;
        <[u8; 32]>::try_from(bytes.as_slice()).map(MasterKey).map_err(|_| BadMasterKey)
    }

    /// The key as text for a file.
    pub fn write(&self) -> String {
        STANDARD.encode(self.0)
    }
}

/// Cryptography failed: no randomness, or what was sealed does not open (another
/// master key, or a changed row).
#[derive(Debug, thiserror::Error)]
pub enum Broken {
    #[error("the system gives no random bytes")]
    NoRandom,
    #[error("a sealed secret does not open: the master key is another one, or the row was changed")]
    DoesNotOpen,
    #[error("a key could not be derived")]
    Derivation,
}

/// What the master key is good for.
#[derive(Clone)]
pub struct Vault {
    sealing: [u8; 32],
    refresh: hmac::Key,
    oidc: hmac::Key,
    throttle: hmac::Key,
    pages: [u8; 32],
}

impl fmt::Debug for Vault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Vault(…)")
    }
}

impl Vault {
    /// Derives the keys.
    pub fn new(master: &MasterKey) -> Result<Vault, Broken> {
        let root = hkdf::Salt::new(hkdf::HKDF_SHA256, b"manydesk tenants v1").extract(&master.0);
        let derive = |purpose: &str| -> Result<[u8; 32], Broken> {
            let mut key = [0u8; 32];
            let info = [purpose.as_bytes()];
            let okm = root.expand(&info, hkdf::HKDF_SHA256).map_err(|_| Broken::Derivation)?;
            okm.fill(&mut key).map_err(|_| Broken::Derivation)?;
            Ok(key)
        };
        let mac = |purpose: &str| derive(purpose).map(|key| hmac::Key::new(hmac::HMAC_SHA256, &key));
        Ok(Vault {
            sealing: derive("sealing")?,
            refresh: mac("refresh tokens")?,
            oidc: mac("external sign-in")?,
            throttle: mac("throttle")?,
            pages: derive("page tokens")?,
        })
    }

    /// Seals bytes for a place: they open in the same place only.
    pub fn seal(&self, place: &str, secret: &[u8]) -> Result<Vec<u8>, Broken> {
        let key = RandomizedNonceKey::new(&AES_256_GCM, &self.sealing).map_err(|_| Broken::Derivation)?;
        let mut body = secret.to_vec();
        let nonce =
            key.seal_in_place_append_tag(Aad::from(place.as_bytes()), &mut body).map_err(|_| Broken::NoRandom)?;
        Ok([nonce.as_ref().as_slice(), &body].concat())
    }

    /// Opens what was sealed for a place.
    pub fn open(&self, place: &str, sealed: &[u8]) -> Result<Vec<u8>, Broken> {
        let key = RandomizedNonceKey::new(&AES_256_GCM, &self.sealing).map_err(|_| Broken::Derivation)?;
        let (nonce, body) = sealed.split_first_chunk::<NONCE_LEN>().ok_or(Broken::DoesNotOpen)?;
        let mut body = body.to_vec();
        let opened = key
            .open_in_place(Nonce::assume_unique_for_key(*nonce), Aad::from(place.as_bytes()), &mut body)
            .map_err(|_| Broken::DoesNotOpen)?;
        Ok(opened.to_vec())
    }

    /// The secret of one generation of a session. Needs this key and the
    /// session's salt from the database; neither alone makes a token.
    pub fn refresh_secret(&self, provider: Uuid, session: Uuid, generation: u32, salt: &[u8]) -> Secret<32> {
        let mut context = hmac::Context::with_key(&self.refresh);
        for part in [provider.as_bytes(), session.as_bytes(), &generation.to_be_bytes()[..], salt] {
            context.update(part);
        }
        Secret(first_32(context.sign().as_ref()))
    }

    /// What a flow at an external issuer needs and can compute again: a text that
    /// depends on the flow's secret and a purpose (nonce, code verifier).
    pub fn flow_text(&self, purpose: &str, secret: &[u8]) -> String {
        let mut context = hmac::Context::with_key(&self.oidc);
        context.update(purpose.as_bytes());
        context.update(&[0]);
        context.update(secret);
        URL_SAFE_NO_PAD.encode(context.sign().as_ref())
    }

    /// A stand-in for an e-mail or network address in the counters of failed
    /// sign-ins, so that the table holds nobody's data.
    pub fn throttle_key(&self, value: &str) -> [u8; 32] {
        first_32(hmac::sign(&self.throttle, value.as_bytes()).as_ref())
    }

    /// The secret that page tokens are signed with.
    pub fn page_secret(&self) -> &[u8] {
        &self.pages
    }
}

/// Digest of a random secret, to be kept instead of it.
pub fn digest_of(secret: &[u8]) -> [u8; 32] {
    first_32(digest::digest(&digest::SHA256, secret).as_ref())
}

/// Whether two byte strings are equal, in time that does not tell where they differ.
pub fn same(one: &[u8], other: &[u8]) -> bool {
    constant_time::verify_slices_are_equal(one, other).is_ok()
}

/// Random bytes.
pub fn random<const N: usize>() -> Result<[u8; N], Broken> {
    let mut bytes = [0u8; N];
    rand::fill(&mut bytes).map_err(|_| Broken::NoRandom)?;
    Ok(bytes)
}

/// Bytes as they stand in URLs and JOSE.
pub fn base64url(bytes: &[u8]) -> String {
    URL_SAFE_NO_PAD.encode(bytes)
}

/// The bytes of such a text.
pub fn unbase64url(text: &str) -> Option<Vec<u8>> {
    URL_SAFE_NO_PAD.decode(text).ok()
}

fn first_32(bytes: &[u8]) -> [u8; 32] {
    let mut out = [0u8; 32];
    out.copy_from_slice(&bytes[..32]);
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    fn vault(byte: u8) -> Vault {
        Vault::new(&MasterKey([byte; 32])).unwrap()
    }

    #[test]
    fn what_is_sealed_opens_in_its_place_only() {
        let sealed = vault(1).seal("signing_key:a", b"secret").unwrap();
        assert_eq!(vault(1).open("signing_key:a", &sealed).unwrap(), b"secret");
        assert!(vault(1).open("signing_key:b", &sealed).is_err());
        assert!(vault(2).open("signing_key:a", &sealed).is_err());
        for place in 0..sealed.len() {
            let mut changed = sealed.clone();
            changed[place] ^= 1;
            assert!(vault(1).open("signing_key:a", &changed).is_err());
        }
        assert!(vault(1).open("signing_key:a", &sealed[..5]).is_err());
        assert_ne!(sealed, vault(1).seal("signing_key:a", b"secret").unwrap());
    }

    #[test]
    fn a_refresh_secret_depends_on_everything() {
        let (a, b) = (Uuid::from_u128(1), Uuid::from_u128(2));
        let base = vault(1).refresh_secret(a, b, 1, &[3; 32]);
        assert_eq!(base, vault(1).refresh_secret(a, b, 1, &[3; 32]));
        for other in [
            vault(2).refresh_secret(a, b, 1, &[3; 32]),
            vault(1).refresh_secret(b, b, 1, &[3; 32]),
            vault(1).refresh_secret(a, a, 1, &[3; 32]),
            vault(1).refresh_secret(a, b, 2, &[3; 32]),
            vault(1).refresh_secret(a, b, 1, &[4; 32]),
        ] {
            assert_ne!(base, other);
        }
    }

    #[test]
    fn a_master_key_is_read_in_three_forms() {
        let key = MasterKey([0xab; 32]);
        for form in [vec![0xab; 32], "ab".repeat(32).into_bytes(), format!("{}\n", key.write()).into_bytes()] {
            assert_eq!(MasterKey::read(&form).unwrap().0, key.0);
        }
        for bad in [&b""[..], b"short", &[b'z'; 64], &"é".repeat(32).into_bytes()] {
            assert!(MasterKey::read(bad).is_err());
        }
        assert_eq!(format!("{key:?}"), "MasterKey(…)");
    }
}
