//! Documents and the data-protection record.

use jiff::civil::Date;

use super::check::{self, Problems};
use super::countries;

pub const KINDS: [&str; 5] = ["contract", "processing_agreement", "price_annex", "power_of_attorney", "other"];
pub const MEDIA_TYPES: [&str; 4] = ["application/pdf", "image/png", "image/jpeg", "text/plain"];
/// The largest document, in bytes: base64 of it still fits a message of 4 MiB.
pub const MOST_BYTES: usize = 3 * 1024 * 1024;

/// What is said about a document.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Paper {
    pub kind: String,
    pub file_name: String,
    pub media_type: String,
    pub signed_date: Option<Date>,
    pub signed_by: String,
    pub valid_until: Option<Date>,
}

/// Who else processes the customers' data.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct SubProcessor {
    pub name: String,
    pub country: String,
    pub purpose: String,
    /// adequacy, scc or bcr outside the EEA; empty inside.
    pub transfer_basis: String,
}

/// The record of Art. 28 and 30 GDPR.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct DataProtection {
    pub agreement_sha256: String,
    pub sub_processors: Vec<SubProcessor>,
    pub retention_days: i32,
    pub officer_email: String,
    pub data_categories: String,
}

impl Paper {
    /// Checks what is said, also against the bytes.
    pub fn checked(self, path: &str, content: &[u8], problems: &mut Problems) -> Paper {
        let paper = self.checked_words(path, problems);
        if content.is_empty() || MOST_BYTES < content.len() {
            problems.add("content", format!("must have 1 to {MOST_BYTES} bytes"));
        } else if sniff(content) != Some(paper.media_type.as_str()) {
            problems.add(format!("{path}.media_type"), "must be what the bytes are (PDF, PNG, JPEG or UTF-8 text)");
        }
        paper
    }

    /// Checks what is said, before the bytes are there.
    pub fn checked_words(mut self, path: &str, problems: &mut Problems) -> Paper {
        let at = |field: &str| format!("{path}.{field}");
        self.kind = problems.one_of(&at("kind"), &self.kind, &KINDS);
        self.file_name = problems.line(&at("file_name"), &self.file_name, 1..=200);
        let is_path = self.file_name.contains(['/', '\\', '\0']) || self.file_name.starts_with('.');
        problems.require(!is_path, at("file_name"), "must be a bare file name, no path");
        self.media_type = problems.one_of(&at("media_type"), &self.media_type, &MEDIA_TYPES);
        self.signed_by = problems.line(&at("signed_by"), &self.signed_by, 0..=200);
        problems.require(
            self.signed_date.is_none() || !self.signed_by.is_empty(),
            at("signed_by"),
            "must be given with the date of signing",
        );
        if let (Some(signed), Some(until)) = (self.signed_date, self.valid_until) {
            problems.require(signed <= until, at("valid_until_date"), "must not be before the date of signing");
        }
        self
    }
}

/// What the bytes are, among the media types that are taken.
pub fn sniff(content: &[u8]) -> Option<&'static str> {
    if content.starts_with(b"%PDF-") {
        Some("application/pdf")
    } else if content.starts_with(b"\x89PNG\r\n\x1a\n") {
        Some("image/png")
    } else if content.starts_with(b"\xff\xd8\xff") {
        Some("image/jpeg")
    } else {
        let text = std::str::from_utf8(content).ok()?;
        let plain = !text.chars().any(|c| c.is_control() && !matches!(c, '\n' | '\r' | '\t' | '\u{c}'));
        plain.then_some("text/plain")
    }
}

/// Whether a text is a SHA-256 in lower-case hex.
pub fn is_digest(text: &str) -> bool {
    text.len() == 64 && text.bytes().all(|b| b.is_ascii_digit() || (b'a'..=b'f').contains(&b))
}

impl DataProtection {
    /// Checks and normalises.
    pub fn checked(mut self, path: &str, problems: &mut Problems) -> DataProtection {
        let at = |field: &str| format!("{path}.{field}");
        problems.require(
            is_digest(&self.agreement_sha256),
            at("agreement_sha256"),
            "must be the digest of a document: 64 lower-case hex digits",
        );
        problems.range(&at("retention_days"), i64::from(self.retention_days), 0..=3650);
        self.officer_email = self.officer_email.trim().to_owned();
        problems.require(
            self.officer_email.is_empty() || check::is_email(&self.officer_email),
            at("officer_email"),
            "must be an e-mail address or empty",
        );
        self.data_categories = problems.text(&at("data_categories"), &self.data_categories, 0..=4000);
        problems.count(&at("sub_processors"), self.sub_processors.len(), 0..=100);
        for (i, one) in self.sub_processors.iter_mut().enumerate() {
            one.check(&format!("{path}.sub_processors[{i}]"), problems);
        }
        problems.distinct(&at("sub_processors"), self.sub_processors.iter().map(|s| s.name.as_str()));
        self
    }
}

impl SubProcessor {
    fn check(&mut self, path: &str, problems: &mut Problems) {
        let at = |field: &str| format!("{path}.{field}");
        self.name = problems.line(&at("name"), &self.name, 1..=200);
        self.country = problems.country(&at("country"), &self.country);
        self.purpose = problems.text(&at("purpose"), &self.purpose, 1..=500);
        problems.one_of(&at("transfer_basis"), &self.transfer_basis, &["", "adequacy", "scc", "bcr"]);
        if countries::is_country(&self.country) && countries::in_eea(&self.country) != self.transfer_basis.is_empty() {
            // Art. 44 GDPR: a transfer to a third country needs a basis.
            problems.add(at("transfer_basis"), "must be given outside the EEA, and only there");
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn contract() -> Paper {
        Paper {
            kind: "contract".into(),
            file_name: "contract.pdf".into(),
            media_type: "application/pdf".into(),
            ..Paper::default()
        }
    }

    fn paths(paper: Paper, content: &[u8]) -> Vec<String> {
        let mut problems = Problems::new();
        paper.checked("document", content, &mut problems);
        problems.into_vec().into_iter().map(|p| p.path).collect()
    }

    #[test]
    fn a_document_is_what_it_says() {
        assert!(paths(contract(), b"%PDF-1.7 ...").is_empty());
        assert_eq!(paths(contract(), b"MZ\x90\x00"), ["document.media_type"]);
        assert_eq!(paths(contract(), b""), ["content"]);
        assert_eq!(paths(contract(), &vec![b'%'; MOST_BYTES + 1]), ["content"]);
        assert_eq!(paths(Paper { file_name: "../x.pdf".into(), ..contract() }, b"%PDF-"), ["document.file_name"]);
        assert_eq!(
            paths(Paper { signed_date: Some(jiff::civil::date(2026, 1, 1)), ..contract() }, b"%PDF-"),
            ["document.signed_by"]
        );
    }

    #[test]
    fn a_transfer_out_of_the_eea_needs_a_basis() {
        let record = |country: &str, basis: &str| {
            let mut problems = Problems::new();
            DataProtection {
                agreement_sha256: "a".repeat(64),
                sub_processors: vec![SubProcessor {
                    name: "Host".into(),
                    country: country.into(),
                    purpose: "hosting".into(),
                    transfer_basis: basis.into(),
                }],
                ..DataProtection::default()
            }
            .checked("record", &mut problems);
            problems.is_empty()
        };
        assert!(record("DE", "") && record("NO", "") && record("US", "scc"));
        assert!(!record("US", "") && !record("DE", "scc") && !record("XX", "scc"));
    }

    proptest! {
        #[test]
        fn any_bytes_are_taken_or_refused(bytes in proptest::collection::vec(any::<u8>(), 0..64)) {
            let _ = paths(contract(), &bytes);
        }
    }
}
