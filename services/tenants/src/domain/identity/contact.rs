//! E-mail addresses, handles and names as they are kept.

/// An e-mail address in lower case; none if it cannot be one.
///
/// Deliberately simple (one `@`, a dotted domain of host-name characters, no
/// quoting): the address proves itself when the link in the mail is followed.
pub fn email(text: &str) -> Option<String> {
    let text = text.trim();
    if text.len() > 254 {
        return None;
    }
    let (local, domain) = text.rsplit_once('@')?;
    let local_fits = (1..=64).contains(&local.len())
        && local.chars().all(|c| c.is_alphanumeric() || "!#$%&'*+-/=?^_`{|}~.".contains(c))
        && !local.starts_with('.')
        && !local.ends_with('.')
        && !local.contains("..");
    (local_fits && host(domain)).then(|| text.to_lowercase())
}

/// Whether a text is a dotted host name of letters, digits and hyphens.
pub fn host(text: &str) -> bool {
    let labels: Vec<&str> = text.split('.').collect();
    labels.len() >= 2
        && text.len() <= 253
        && labels.iter().all(|label| {
            (1..=63).contains(&label.len())
                && label.chars().all(|c| c.is_alphanumeric() || c == '-')
                && !label.starts_with('-')
                && !label.ends_with('-')
        })
}

/// Whether a text is a handle: 2 to 40 of a-z, 0-9 and "-", beginning with a
/// letter and not ending with "-".
pub fn handle(text: &str) -> bool {
    (2..=40).contains(&text.len())
        && text.starts_with(|c: char| c.is_ascii_lowercase())
        && !text.ends_with('-')
        && text.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-')
}

/// Whether a handle can be a provider's.
pub fn provider_handle(text: &str) -> bool {
    handle(text) && text != "platform"
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn addresses_are_kept_in_lower_case() {
        assert_eq!(email(" Anna.Rossi+x@Example.COM ").as_deref(), Some("anna.rossi+x@example.com"));
    }

    #[test]
    fn what_is_no_address_is_refused() {
        for text in [
            "",
            "@",
            "a@",
            "@b.c",
            "a@b",
            "a b@c.d",
            "a@b..c",
            ".a@b.c",
            "a.@b.c",
            "a..b@c.d",
            "a@-b.c",
            "a@b.c\n.d",
            "a@b@c.d",
            "\"a\"@b.c",
            "a\0@b.c",
            "a,b@c.d",
            "<a@b.c>",
        ] {
            assert_eq!(email(text), None, "{text:?}");
        }
        assert_eq!(email(&format!("{}@b.c", "a".repeat(65))), None);
        assert_eq!(email(&format!("a@{}.c", "b".repeat(260))), None);
    }

    proptest! {
        #[test]
        fn normalising_twice_is_normalising_once(text in ".{0,60}") {
            if let Some(once) = email(&text) {
                prop_assert_eq!(email(&once), Some(once.clone()));
            }
        }
    }

    #[test]
    fn handles() {
        assert!(handle("north-desk2"));
        for text in ["", "a", "2ab", "Ab", "a_b", "ab-", "-ab", "a b", &"a".repeat(41)] {
            assert!(!handle(text), "{text:?}");
        }
        assert!(!provider_handle("platform"));
    }
}
