//! What a password must be. NIST SP 800-63B: length counts, composition rules
//! do not; common and context-specific values are refused.

use super::refusal::Refusal;

/// Fewest characters.
pub const MIN_CHARS: usize = 12;
/// Most bytes, so that hashing has a bound.
pub const MAX_BYTES: usize = 1024;

/// Refuses a password that is short, long, common, or made of the person's name or address.
pub fn check(password: &str, email: &str, name: &str) -> Result<(), Refusal> {
    let weak = |why| Err(Refusal::PasswordWeak(why));
    if password.len() > MAX_BYTES {
        return weak("must have at most 1,024 bytes");
    }
    if password.chars().count() < MIN_CHARS {
        return weak("must have at least 12 characters");
    }
    if password.chars().any(char::is_control) {
        return weak("must not hold control characters");
    }
    let letters = squashed(password);
    if distinct(password) < 5 {
        return weak("must have at least five different characters");
    }
    if is_run(&letters) {
        return weak("must not be a sequence such as 123456789012 or abcdefghijkl");
    }
    if remainder(&letters, COMMON) < 4 {
        return weak("is made of the most common passwords");
    }
    let own: Vec<String> = own_words(email, name);
    let words: Vec<&str> = own.iter().map(String::as_str).chain(COMMON.iter().copied()).collect();
    if remainder(&letters, &words) < 4 {
        return weak("is made of your own name or address");
    }
    Ok(())
}

/// Words that lead the published lists of broken passwords; what is left of a
/// password without them must be worth something.
const COMMON: &[&str] = &[
    "password",
    "passwort",
    "passw0rd",
    "p@ssw0rd",
    "contrasena",
    "motdepasse",
    "qwertyuiop",
    "qwerty",
    "qwertz",
    "azerty",
    "asdfghjkl",
    "asdfgh",
    "zxcvbnm",
    "1q2w3e4r5t",
    "1q2w3e4r",
    "1qaz2wsx",
    "letmein",
    "welcome",
    "iloveyou",
    "admin",
    "administrator",
    "monkey",
    "dragon",
    "football",
    "baseball",
    "superman",
    "batman",
    "princess",
    "sunshine",
    "master",
    "shadow",
    "trustno1",
    "changeme",
    "default",
    "secret",
    "123456789",
    "12345678",
    "1234567",
    "123456",
    "12345",
    "1234",
    "123",
    "987654321",
    "654321",
    "111111",
    "000000",
    "123123",
    "112233",
    "121212",
    "666666",
    "manydesk",
    "login",
    "guest",
    "hello",
    "summer",
    "winter",
    "spring",
    "autumn",
    "2020",
    "2021",
    "2022",
    "2023",
    "2024",
    "2025",
    "2026",
    "2027",
];

fn squashed(password: &str) -> String {
    password.chars().filter(|c| !c.is_whitespace()).flat_map(char::to_lowercase).collect()
}

fn distinct(password: &str) -> usize {
    password.chars().collect::<std::collections::HashSet<_>>().len()
}

/// Whether every character follows the one before by the same step of 1, 0 or -1.
fn is_run(text: &str) -> bool {
    let chars: Vec<i64> = text.chars().map(|c| i64::from(u32::from(c))).collect();
    let steps = chars.windows(2).filter(|pair| (pair[1] - pair[0]).abs() <= 1).count();
    steps + 2 >= chars.len()
}

/// How many characters are left once the words are taken out, longest first.
fn remainder(text: &str, words: &[&str]) -> usize {
    let mut words: Vec<&str> = words.to_vec();
    words.sort_by_key(|word| std::cmp::Reverse(word.len()));
    let mut rest = text.to_owned();
    for word in words {
        rest = rest.replace(word, "");
    }
    rest.chars().count()
}

fn own_words(email: &str, name: &str) -> Vec<String> {
    email
        .split(['@', '.', '-', '_', '+'])
        .chain(name.split_whitespace())
        .map(squashed)
        .filter(|word| word.chars().count() >= 3)
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const EMAIL: &str = "anna.rossi@northdesk.example";

    #[test]
    fn good_passwords_pass() {
        for password in [
            "correct horse battery staple",
            "vierundzwanzig Kaffeebohnen",
            "Tr0ub4dor&3-and-more",
            "пароль из четырёх слов",
            "harbour-lantern-42",
            "manydesk-demo-harbour",
        ] {
            assert_eq!(check(password, EMAIL, "Anna Rossi"), Ok(()), "{password}");
        }
    }

    #[test]
    fn weak_passwords_are_refused() {
        for password in [
            "",
            "short",
            "elevenchars",
            "aaaaaaaaaaaaaaaa",
            "123456789012",
            "abcdefghijkl",
            "password1234",
            "Password123!",
            "qwertyuiop123",
            "annarossi1234",
            "northdesk2024",
            "welcome12345",
            "passwordpassword",
            "abababababab",
            "tab\tinside-it-is",
            "Summer2024!!",
            "anna1234rossi",
            "Rossi.Anna!2027",
        ] {
            assert!(check(password, EMAIL, "Anna Rossi").is_err(), "{password}");
        }
        assert!(check(&"é9x!K".repeat(300), EMAIL, "").is_err());
    }

    proptest! {
        #[test]
        fn any_text_is_judged(password in "\\PC{0,80}", email in "\\PC{0,40}", name in "\\PC{0,40}") {
            if check(&password, &email, &name).is_ok() {
                prop_assert!(password.chars().count() >= MIN_CHARS);
                prop_assert!(password.len() <= MAX_BYTES);
            }
        }
    }
}
