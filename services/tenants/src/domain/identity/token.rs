//! The written form of refresh tokens, link tokens and API keys: a prefix that
//! says what it is, then base32 (Crockford, lower case) over who it belongs to,
//! a secret and a checksum. Each names its provider, so that looking it up needs
//! no query across tenants; the checksum tells a typing error from a guess
//! without asking the database, and lets scanners find leaked ones.

use std::fmt;

use kit::ids::Uuid;

const ALPHABET: &[u8; 32] = b"0123456789abcdefghjkmnpqrstvwxyz";

/// A secret that does not print itself.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Secret<const N: usize>(pub [u8; N]);

impl<const N: usize> fmt::Debug for Secret<N> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Secret(…)")
    }
}

/// A refresh token: one generation of one session.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Refresh {
    pub provider: Uuid,
    pub session: Uuid,
    pub generation: u32,
    pub secret: Secret<32>,
}

/// An invitation or password link.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Link {
    pub provider: Uuid,
    pub link: Uuid,
    pub secret: Secret<24>,
}

/// An API key of a seller.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ApiKey {
    pub provider: Uuid,
    pub seller: Uuid,
    pub key: Uuid,
    pub secret: Secret<24>,
}

/// The `state` of a sign-in at an external issuer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct OidcState {
    pub provider: Uuid,
    pub flow: Uuid,
    pub secret: Secret<24>,
}

impl Refresh {
    /// As the client keeps it.
    pub fn write(&self) -> String {
        let parts: [&[u8]; 4] =
            [self.provider.as_bytes(), self.session.as_bytes(), &self.generation.to_be_bytes(), &self.secret.0];
        write("mdr_", &parts)
    }

    /// None for anything that was never written here.
    pub fn read(text: &str) -> Option<Refresh> {
        let mut bytes = Bytes(&read("mdr_", text, 68)?);
        Some(Refresh {
            provider: bytes.uuid()?,
            session: bytes.uuid()?,
            generation: u32::from_be_bytes(bytes.take()?),
            secret: Secret(bytes.take()?),
        })
    }
}

impl Link {
    /// As it stands in the link.
    pub fn write(&self) -> String {
        write("mdi_", &[self.provider.as_bytes(), self.link.as_bytes(), &self.secret.0])
    }

    /// None for anything that was never written here.
    pub fn read(text: &str) -> Option<Link> {
        let mut bytes = Bytes(&read("mdi_", text, 56)?);
        Some(Link { provider: bytes.uuid()?, link: bytes.uuid()?, secret: Secret(bytes.take()?) })
    }
}

impl ApiKey {
    /// As the program keeps it.
    pub fn write(&self) -> String {
        let parts: [&[u8]; 4] = [self.provider.as_bytes(), self.seller.as_bytes(), self.key.as_bytes(), &self.secret.0];
        write("mdk_", &parts)
    }

    /// None for anything that was never written here.
    pub fn read(text: &str) -> Option<ApiKey> {
        let mut bytes = Bytes(&read("mdk_", text, 72)?);
        Some(ApiKey {
            provider: bytes.uuid()?,
            seller: bytes.uuid()?,
            key: bytes.uuid()?,
            secret: Secret(bytes.take()?),
        })
    }

    /// What a list shows, to recognise the key: the end of it, too little to guess from.
    pub fn hint(&self) -> String {
        let text = self.write();
        format!("mdk_…{}", &text[text.len() - 6..])
    }
}

impl OidcState {
    /// As it travels through the issuer.
    pub fn write(&self) -> String {
        write("mdo_", &[self.provider.as_bytes(), self.flow.as_bytes(), &self.secret.0])
    }

    /// None for anything that was never written here.
    pub fn read(text: &str) -> Option<OidcState> {
        let mut bytes = Bytes(&read("mdo_", text, 56)?);
        Some(OidcState { provider: bytes.uuid()?, flow: bytes.uuid()?, secret: Secret(bytes.take()?) })
    }
}

struct Bytes<'a>(&'a [u8]);

impl Bytes<'_> {
    fn take<const N: usize>(&mut self) -> Option<[u8; N]> {
        let (head, rest) = self.0.split_first_chunk::<N>()?;
        self.0 = rest;
        Some(*head)
    }

    fn uuid(&mut self) -> Option<Uuid> {
        self.take().map(Uuid::from_bytes)
    }
}

fn write(prefix: &str, parts: &[&[u8]]) -> String {
    let mut bytes = parts.concat();
    let sum = checksum(prefix, &bytes);
    bytes.extend_from_slice(&sum.to_be_bytes());
    let mut text = String::with_capacity(prefix.len() + bytes.len() * 8 / 5 + 1);
    text.push_str(prefix);
    let (mut held, mut bits) = (0u32, 0u32);
    for byte in bytes {
        held = (held << 8) | u32::from(byte);
        bits += 8;
        while bits >= 5 {
            bits -= 5;
            text.push(char::from(ALPHABET[(held >> bits & 31) as usize]));
        }
    }
    if bits > 0 {
        text.push(char::from(ALPHABET[(held << (5 - bits) & 31) as usize]));
    }
    text
}

fn read(prefix: &str, text: &str, length: usize) -> Option<Vec<u8>> {
    let body = text.strip_prefix(prefix)?.as_bytes();
    let length = length + 4;
    if body.len() != (length * 8).div_ceil(5) {
        return None;
    }
    let mut bytes = Vec::with_capacity(length);
    let (mut held, mut bits) = (0u32, 0u32);
    for byte in body {
        let digit = ALPHABET.iter().position(|a| a == byte)?;
        held = (held << 5) | digit as u32;
        bits += 5;
        if bits >= 8 {
            bits -= 8;
            bytes.push((held >> bits & 255) as u8);
        }
    }
    if held & ((1 << bits) - 1) != 0 {
        return None;
    }
    let sum: [u8; 4] = bytes.split_off(length - 4).try_into().ok()?;
    (checksum(prefix, &bytes) == u32::from_be_bytes(sum)).then_some(bytes)
}

/// CRC-32 (IEEE 802.3) over prefix and bytes; against typing errors, not attackers.
fn checksum(prefix: &str, bytes: &[u8]) -> u32 {
    let mut crc = u32::MAX;
    for byte in prefix.bytes().chain(bytes.iter().copied()) {
        crc ^= u32::from(byte);
        for _ in 0..8 {
            crc = if crc & 1 == 1 { (crc >> 1) ^ 0xedb8_8320 } else { crc >> 1 };
        }
    }
    !crc
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn what_is_written_comes_back(p: u128, a: u128, b: u128, generation: u32, long: [u8; 32], short: [u8; 24]) {
            let (provider, a, b) = (Uuid::from_u128(p), Uuid::from_u128(a), Uuid::from_u128(b));
            let refresh = Refresh { provider, session: a, generation, secret: Secret(long) };
            prop_assert_eq!(Refresh::read(&refresh.write()), Some(refresh));
            let link = Link { provider, link: a, secret: Secret(short) };
            prop_assert_eq!(Link::read(&link.write()), Some(link));
            let key = ApiKey { provider, seller: a, key: b, secret: Secret(short) };
            prop_assert_eq!(ApiKey::read(&key.write()), Some(key));
            let state = OidcState { provider, flow: a, secret: Secret(short) };
            prop_assert_eq!(OidcState::read(&state.write()), Some(state));
            prop_assert_eq!(Link::read(&state.write()), None);
        }

        #[test]
        fn a_changed_character_is_noticed(seed: [u8; 24], place in 4usize..100, to in 0usize..32) {
            let key = ApiKey { provider: Uuid::from_u128(1), seller: Uuid::from_u128(2), key: Uuid::from_u128(3), secret: Secret(seed) };
            let mut text = key.write().into_bytes();
            let old = text[place];
            text[place] = ALPHABET[to];
            let text = String::from_utf8(text).unwrap();
            prop_assert_eq!(ApiKey::read(&text).is_some(), old == ALPHABET[to]);
        }

        #[test]
        fn any_text_is_read_or_refused(text in "(mdk_|mdr_|mdi_)?[0-9a-z]{0,140}|.{0,60}") {
            prop_assert!(ApiKey::read(&text).is_none_or(|k| k.write() == text));
            prop_assert!(Refresh::read(&text).is_none_or(|k| k.write() == text));
            prop_assert!(Link::read(&text).is_none_or(|k| k.write() == text));
        }
    }

    #[test]
    fn a_token_can_be_double_clicked_and_its_secret_does_not_print() {
        let key = ApiKey { provider: Uuid::nil(), seller: Uuid::nil(), key: Uuid::nil(), secret: Secret([7; 24]) };
        assert!(key.write()[4..].bytes().all(|b| b.is_ascii_alphanumeric()));
        assert!(!format!("{key:?}").contains("7, 7"));
        assert_eq!(checksum("", b"123456789"), 0xcbf4_3926);
    }
}
