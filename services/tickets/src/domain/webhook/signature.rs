//! Who signed a delivery. Every secret is tried, also after one fits, and bytes are compared in constant time:
//! how long it takes tells nothing about what would have been right.

use aws_lc_rs::{constant_time, hmac};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use jiff::Timestamp;

use super::{Format, WINDOW};

/// What a secret of the Standard Webhooks specification begins with.
const PREFIX: &str = "whsec_";
/// Signatures looked at of one delivery.
const SIGNATURES: usize = 8;
/// Longest id of a delivery.
const ID_LIMIT: usize = 200;

/// The headers by which a delivery is signed, as they came; empty where there were none.
#[derive(Debug, Clone, Copy, Default)]
pub struct Signed<'a> {
    pub hub_signature: &'a str,
    pub id: &'a str,
    pub timestamp: &'a str,
    pub signature: &'a str,
}

impl Signed<'_> {
    /// Whether one of the secrets signed the body.
    pub fn is_by(&self, format: Format, secrets: &[Vec<u8>], body: &[u8]) -> bool {
        let mut found = false;
        for secret in secrets {
            found |= match format {
                Format::Standard => self.is_standard(secret, body),
                Format::Meta => self.is_meta(secret, body),
            };
        }
        found
    }

    fn is_meta(&self, secret: &[u8], body: &[u8]) -> bool {
        let key = hmac::Key::new(hmac::HMAC_SHA256, secret);
        let right = hmac::sign(&key, body);
        let given = self.hub_signature.strip_prefix("sha256=").and_then(unhex).unwrap_or_default();
        constant_time::verify_slices_are_equal(right.as_ref(), &given).is_ok()
    }

    fn is_standard(&self, secret: &[u8], body: &[u8]) -> bool {
        let key = hmac::Key::new(hmac::HMAC_SHA256, secret);
        let mut context = hmac::Context::with_key(&key);
        for part in [self.id.as_bytes(), b".", self.timestamp.as_bytes(), b".", body] {
            context.update(part);
        }
        let right = context.sign();
        let mut found = false;
        for given in self.signature.split(' ').take(SIGNATURES) {
            let given = given.strip_prefix("v1,").and_then(|given| STANDARD.decode(given).ok()).unwrap_or_default();
            found |= constant_time::verify_slices_are_equal(right.as_ref(), &given).is_ok();
        }
        found && is_plain(self.id)
    }

    /// Whether the time of a delivery is near enough to now. Meta tells none.
    pub fn is_of_now(&self, format: Format, now: Timestamp) -> bool {
        let at = || Timestamp::from_second(self.timestamp.parse().ok()?).ok();
        format == Format::Meta || at().is_some_and(|at| now.duration_since(at).abs() <= WINDOW)
    }
}

/// The id is part of what is signed, and parted from the rest by a dot.
fn is_plain(id: &str) -> bool {
    (1..=ID_LIMIT).contains(&id.len()) && id.bytes().all(|byte| byte.is_ascii_graphic() && byte != b'.')
}

fn unhex(text: &str) -> Option<Vec<u8>> {
    let digit = |byte: u8| char::from(byte).to_digit(16).and_then(|digit| u8::try_from(digit).ok());
    if text.len() != 64 {
        return None;
    }
    text.as_bytes().chunks(2).map(|pair| Some(digit(pair[0])? << 4 | digit(pair[1])?)).collect()
}

/// Whether a token is one of the secrets.
pub fn is_one_of(token: &str, secrets: &[Vec<u8>]) -> bool {
    let key = hmac::Key::new(hmac::HMAC_SHA256, b"tokens of any length");
    let given = hmac::sign(&key, token.as_bytes());
    let mut found = false;
    for secret in secrets {
        let right = hmac::sign(&key, secret);
        found |= constant_time::verify_slices_are_equal(right.as_ref(), given.as_ref()).is_ok();
    }
    found
}

/// How a secret of the Standard Webhooks specification is written.
pub fn written(secret: &[u8]) -> String {
    format!("{PREFIX}{}", STANDARD.encode(secret))
}

/// The bytes of a secret as it is written; none unless it is one, of 24 to 64 bytes.
pub fn unwritten(text: &str) -> Option<Vec<u8>> {
    let bytes = STANDARD.decode(text.strip_prefix(PREFIX)?).ok()?;
    (24..=64).contains(&bytes.len()).then_some(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The worked example of the specification's reference library.
    #[test]
    fn the_worked_example_of_the_specification_is_right() {
        let secret = unwritten("whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw").unwrap();
        let body = br#"{"test": 2432232314}"#;
        let signed = Signed {
            id: "msg_p5jXN8AQM9LWM0D4loKWxJek",
            timestamp: "1614265330",
            signature: "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=",
            ..Signed::default()
        };
        let by = |signed: Signed<'_>, body: &[u8]| signed.is_by(Format::Standard, std::slice::from_ref(&secret), body);
        assert!(by(signed, body));
        let several = "v1,AAAA v2,x v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=";
        assert!(by(Signed { signature: several, ..signed }, body));
        assert!(!by(signed, br#"{"test": 2432232315}"#));
        assert!(!by(Signed { id: "msg_other", ..signed }, body));
        assert!(!by(Signed { timestamp: "1614265331", ..signed }, body));
        for wrong in ["", "v1,", "v1", "v1a,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=", "ÿ", "v1,g0hM9SsE+OTP"] {
            assert!(!by(Signed { signature: wrong, ..signed }, body), "{wrong}");
        }
        let other = Signed { hub_signature: signed.signature, ..Signed::default() };
        assert!(!by(other, body));
        assert!(!signed.is_by(Format::Standard, &[], body));
        assert!(signed.is_by(Format::Standard, &[b"old".to_vec(), secret.clone()], body), "either of two");
    }

    #[test]
    fn an_id_with_a_dot_is_signed_by_nobody() {
        let secret = vec![7; 32];
        let sign = |id: &str, timestamp: &str| {
            let key = hmac::Key::new(hmac::HMAC_SHA256, &secret);
            let tag = hmac::sign(&key, format!("{id}.{timestamp}.x").as_bytes());
            format!("v1,{}", STANDARD.encode(tag.as_ref()))
        };
        let by = |id: &str, timestamp: &str, signature: &str| {
            let signed = Signed { id, timestamp, signature, ..Signed::default() };
            signed.is_by(Format::Standard, std::slice::from_ref(&secret), b"x")
        };
        assert!(by("a", "1", &sign("a", "1")));
        assert!(!by("a.b", "1", &sign("a.b", "1")));
        assert!(!by("", "1", &sign("", "1")) && !by("a b", "1", &sign("a b", "1")));
        assert!(!by(&"a".repeat(201), "1", &sign(&"a".repeat(201), "1")));
    }

    #[test]
    fn metas_signature_is_over_the_bytes_as_they_came() {
        let key = hmac::Key::new(hmac::HMAC_SHA256, b"app secret of 32");
        let tag = hmac::sign(&key, b"{\"a\": 1}");
        let hex: String = tag.as_ref().iter().map(|byte| format!("{byte:02x}")).collect();
        let by = |header: &str, secret: &[u8], body: &[u8]| {
            let signed = Signed { hub_signature: header, ..Signed::default() };
            signed.is_by(Format::Meta, &[secret.to_vec()], body)
        };
        let right = format!("sha256={hex}");
        assert!(by(&right, b"app secret of 32", b"{\"a\": 1}"));
        assert!(by(&format!("sha256={}", hex.to_uppercase()), b"app secret of 32", b"{\"a\": 1}"));
        assert!(!by(&right, b"app secret of 33", b"{\"a\": 1}"));
        assert!(!by(&right, b"app secret of 32", b"{\"a\":1}"));
        let wrong = ["", "sha256=", "sha1=aa", "sha256=zz", &hex, &format!("sha256={}", &hex[..62]), "sha256=é"];
        for wrong in wrong {
            assert!(!by(wrong, b"app secret of 32", b"{\"a\": 1}"), "{wrong}");
        }
    }

    #[test]
    fn a_delivery_is_of_now_for_five_minutes() {
        let now: Timestamp = "2026-03-02T10:00:00Z".parse().unwrap();
        let of_now = |timestamp: &str| Signed { timestamp, ..Signed::default() }.is_of_now(Format::Standard, now);
        let second = now.as_second();
        for near in [0, 300, -300] {
            assert!(of_now(&(second + near).to_string()), "{near}");
        }
        for far in [301, -301, i64::MAX - second, -second, -second - 11_644_473_600, 251_572_600_000] {
            assert!(!of_now(&(second + far).to_string()), "{far}");
        }
        for odd in ["", "now", "1.5", "99999999999999999999", "-", "é"] {
            assert!(!of_now(odd), "{odd}");
        }
        assert!(Signed::default().is_of_now(Format::Meta, now));
    }

    #[test]
    fn a_token_is_one_of_the_secrets_or_not() {
        let secrets = [b"one".to_vec(), b"two".to_vec()];
        assert!(is_one_of("two", &secrets) && is_one_of("one", &secrets));
        assert!(!is_one_of("three", &secrets) && !is_one_of("", &secrets) && !is_one_of("one", &[]));
    }

    #[test]
    fn a_secret_is_written_and_read() {
        assert_eq!(unwritten(&written(&[3; 32])), Some(vec![3; 32]));
        for bad in ["", "whsec_", "whsec_AAAA", "whsec_é", "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA"] {
            assert_eq!(unwritten(bad), None, "{bad}");
        }
        assert_eq!(unwritten(&written(&[3; 65])), None);
    }
}
