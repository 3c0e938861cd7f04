//! The page on which a seller's customers help themselves: whose it is, and what it shows of an article.

use jiff::Timestamp;

use super::ids::{SellerId, Uuid};

/// The form of what a token says.
const FORM: u8 = 1;
/// How much of an answer a list shows, in characters.
const OPENING: usize = 200;

/// A seller's page.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Page {
    pub open: bool,
    /// Empty = the seller's first brand, or its name.
    pub name: String,
    pub updated_at: Timestamp,
    pub revision: i64,
}

/// What a page's address says: whose it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Address {
    pub provider: Uuid,
    pub seller: SellerId,
}

impl Address {
    pub fn bytes(&self) -> Vec<u8> {
        [&[FORM][..], self.provider.as_bytes(), self.seller.0.as_bytes()].concat()
    }

    pub fn read(bytes: &[u8]) -> Option<Address> {
        let (form, rest) = bytes.split_first()?;
        if *form != FORM || rest.len() != 32 {
            return None;
        }
        let (provider, seller) = rest.split_at(16);
        Some(Address { provider: Uuid::from_slice(provider).ok()?, seller: SellerId(Uuid::from_slice(seller).ok()?) })
    }
}

/// The name above a page.
pub fn name(given: &str, brands: &[String], seller: &str) -> String {
    let brand = brands.iter().map(String::as_str).find(|brand| !brand.trim().is_empty());
    if given.is_empty() { brand.unwrap_or(seller) } else { given }.to_owned()
}

/// The language of a page: of those in which there is something to read, the one that is asked for, else its
/// nearest, else the first.
pub fn language<'a>(asked: &str, there: &'a [String]) -> Option<&'a str> {
    let head = |language: &str| language.split('-').next().unwrap_or_default().to_ascii_lowercase();
    let exact = there.iter().find(|language| language.eq_ignore_ascii_case(asked));
    let near = || there.iter().find(|language| !asked.is_empty() && head(language) == head(asked));
    exact.or_else(near).or(there.first()).map(String::as_str)
}

/// How an answer begins: whole words of its first lines.
pub fn opening(body: &str) -> String {
    let text = body.split_whitespace().collect::<Vec<_>>().join(" ");
    if text.chars().count() <= OPENING {
        return text;
    }
    let cut: String = text.chars().take(OPENING - 1).collect();
    let whole = cut.rsplit_once(' ').map_or(cut.as_str(), |(whole, _)| whole);
    format!("{whole}…")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_says_whose_page_it_is_and_nothing_else_is_one() {
        let address = Address { provider: Uuid::from_u128(1), seller: SellerId(Uuid::from_u128(2)) };
        let bytes = address.bytes();
        assert_eq!(Address::read(&bytes), Some(address));
        assert_eq!(Address::read(&bytes[..32]), None);
        assert_eq!(Address::read(&[&[2], &bytes[1..]].concat()), None);
        assert_eq!(Address::read(&[]), None);
    }

    #[test]
    fn a_page_is_in_the_language_that_is_asked_for_or_the_nearest_there_is() {
        let there = ["it", "de", "pt-BR"].map(str::to_owned);
        for (asked, found) in
            [("de", "de"), ("de-AT", "de"), ("pt", "pt-BR"), ("PT-br", "pt-BR"), ("sv", "it"), ("", "it")]
        {
            assert_eq!(language(asked, &there), Some(found), "{asked}");
        }
        assert_eq!(language("de", &[]), None);
    }

    #[test]
    fn a_name_is_the_one_given_or_the_brand_or_the_sellers() {
        assert_eq!(name("Noir", &["Masque".into()], "Masque Srl"), "Noir");
        assert_eq!(name("", &["".into(), "Masque".into()], "Masque Srl"), "Masque");
        assert_eq!(name("", &[], "Masque Srl"), "Masque Srl");
    }

    #[test]
    fn an_opening_ends_with_a_whole_word() {
        assert_eq!(opening("30 Tage.\n\n Danach nicht."), "30 Tage. Danach nicht.");
        let long = opening(&"wort ".repeat(100));
        assert!(long.ends_with("wort…") && long.chars().count() <= OPENING, "{long}");
        assert_eq!(opening(&"x".repeat(500)).chars().count(), OPENING);
    }
}
