//! Which identity wrote: the address in the normal form under which a customer is found again.

/// A customer's identity within one seller.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Identity {
    /// `email`, `phone`, or the channel whose handle it is.
    pub kind: String,
    pub address: String,
}

impl std::fmt::Debug for Identity {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Identity").field("kind", &self.kind).finish_non_exhaustive()
    }
}

/// The identity behind an author's address. A mail address is the same customer on every channel, and
/// so is a telephone number; a handle belongs to its channel.
pub fn identify(channel: &str, address: &str) -> Identity {
    let address = address.trim();
    if looks_like_mail(address) {
        return Identity { kind: "email".into(), address: address.to_lowercase() };
    }
    if matches!(channel, "phone" | "whatsapp")
        && let Some(number) = telephone(address)
    {
        return Identity { kind: "phone".into(), address: number };
    }
    Identity { kind: channel.into(), address: address.trim_start_matches('@').to_lowercase() }
}

fn looks_like_mail(address: &str) -> bool {
    match address.rsplit_once('@') {
        Some((local, domain)) => {
            !local.is_empty() && domain.contains('.') && !address.chars().any(|c| c.is_whitespace() || c.is_control())
        }
        None => false,
    }
}

/// Digits with a leading plus; a leading 00 is a plus.
fn telephone(address: &str) -> Option<String> {
    let digits: String = address.chars().filter(char::is_ascii_digit).collect();
    let known = address.chars().all(|c| c.is_ascii_digit() || matches!(c, '+' | ' ' | '-' | '(' | ')' | '/' | '.'));
    if !known || !(6..=17).contains(&digits.len()) {
        return None;
    }
    match (address.starts_with('+'), digits.strip_prefix("00")) {
        (true, _) => Some(format!("+{digits}")),
        (false, Some(rest)) => Some(format!("+{rest}")),
        (false, None) => Some(digits),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_person_written_in_several_ways_is_one_identity() {
        let same = |channel: &str, a: &str, b: &str| assert_eq!(identify(channel, a), identify(channel, b), "{a} {b}");
        same("email", "Anna.Rossi@Example.IT", " anna.rossi@example.it");
        same("phone", "+39 02 1234-567", "0039 (02) 1234567");
        same("social", "@MasqueFan", "masquefan");
        assert_eq!(identify("email", "a@b.it"), identify("web_form", "A@B.IT"));
        assert_eq!(identify("phone", "+390212345"), identify("whatsapp", "+39 0212345"));
    }

    #[test]
    fn handles_of_two_channels_are_two_identities() {
        assert_ne!(identify("social", "anna"), identify("chat", "anna"));
        assert_eq!(identify("phone", "anonymous").kind, "phone");
        assert_eq!(identify("social", "@x@y").kind, "social");
    }
}
