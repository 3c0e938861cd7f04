//! Files that come after their message: the platform that has them says where.

use super::file::File;

/// Longest id of a file, in bytes.
const ID_LIMIT: usize = 200;
/// Longest address of a file, in bytes.
const URL_LIMIT: usize = 2_000;

/// Where a file is.
#[derive(Clone, PartialEq, Eq)]
pub enum Place {
    /// The platform tells the address by this id.
    Id(String),
    Url(String),
}

impl Place {
    /// A place by an id; none for what is no id.
    pub fn of_id(id: &str) -> Option<Place> {
        let fits = (1..=ID_LIMIT).contains(&id.len()) && id.bytes().all(|b| b.is_ascii_alphanumeric());
        fits.then(|| Place::Id(id.to_owned()))
    }

    /// A place by an address; none for what is no address.
    pub fn of_url(url: &str) -> Option<Place> {
        let fits = (1..=URL_LIMIT).contains(&url.len()) && url.bytes().all(|b| b.is_ascii_graphic());
        fits.then(|| Place::Url(url.to_owned()))
    }

    /// Its stored name and reference.
    pub fn parts(&self) -> (&'static str, &str) {
        match self {
            Place::Id(id) => ("id", id),
            Place::Url(url) => ("url", url),
        }
    }

    /// Reads what is stored.
    pub fn stored(name: &str, reference: String) -> Option<Place> {
        match name {
            "id" => Some(Place::Id(reference)),
            "url" => Some(Place::Url(reference)),
            _ => None,
        }
    }
}

/// A file that is not here yet.
#[derive(Clone, PartialEq, Eq)]
pub struct Awaited {
    pub place: Place,
    /// As the sender called it; may be empty.
    pub name: String,
    /// As the platform declares it; may be empty.
    pub declared: String,
}

// What people sent stays out of logs.
impl std::fmt::Debug for Awaited {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Awaited").finish_non_exhaustive()
    }
}

impl Awaited {
    /// The file, from its bytes. What the platform says when it is fetched goes before what the message said.
    pub fn file(&self, declared: &str, bytes: Vec<u8>) -> File {
        File::new(&self.name, if declared.is_empty() { &self.declared } else { declared }, bytes)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_no_place_is_not_asked_for() {
        for odd in ["", "a/b", "../x", "7?x=1", "ä", &"7".repeat(201)] {
            assert!(Place::of_id(odd).is_none(), "{odd}");
        }
        for odd in ["", "https://x/a b", "https://x/\n", &"h".repeat(2_001)] {
            assert!(Place::of_url(odd).is_none(), "{odd}");
        }
        for place in [Place::of_id("106A").unwrap(), Place::of_url("https://cdn.example/a?b=c").unwrap()] {
            let (name, reference) = place.parts();
            assert!(Place::stored(name, reference.to_owned()) == Some(place));
        }
    }

    #[test]
    fn what_the_platform_declares_last_counts() {
        let awaited =
            Awaited { place: Place::of_id("7").unwrap(), name: "../foto.pdf".into(), declared: "image/jpeg".into() };
        let file = awaited.file("application/pdf", b"%PDF-1.4".to_vec());
        assert_eq!((file.name.as_str(), file.declared.as_str()), ("foto.pdf", "application/pdf"));
        assert_eq!(awaited.file("", Vec::new()).declared, "image/jpeg");
    }
}
