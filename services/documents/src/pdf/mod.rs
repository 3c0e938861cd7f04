//! The invoice as PDF/A-3b: pages to read, and the CII inside for machines (Factur-X, ZUGFeRD).

mod attach;
mod body;
mod code;
mod countries;
mod draw;
mod sheet;
mod text;
mod words;

use krilla::error::KrillaError;

use crate::check::Invoice;
use crate::language::Language;

/// How the issuer looks.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Brand {
    /// Stands at the top where there is no logo.
    pub name: String,
    /// Red, green, blue: of rules and of the amount due.
    pub color: [u8; 3],
    pub logo: Option<Logo>,
    /// TrueType or OpenType files for characters that the built-in fonts do not have, such as Chinese ones.
    pub fonts: Vec<Vec<u8>>,
}

/// A picture.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Logo {
    /// At most 2 MiB and 16 million pixels.
    Png(Vec<u8>),
    /// At most 512 KiB; shapes only, texts made to paths.
    Svg(Vec<u8>),
}

impl Logo {
    /// Whether it can be drawn.
    pub fn check(&self) -> Result<(), PdfError> {
        draw::Picture::read(self).map(|_| ())
    }
}

/// Why there is no PDF.
#[derive(Debug, thiserror::Error)]
pub enum PdfError {
    #[error("the logo {0}")]
    Logo(&'static str),
    #[error("a font cannot be read")]
    Font,
    #[error("the pages do not follow PDF/A-3b: {0}")]
    Write(String),
    #[error("the metadata cannot be completed")]
    Metadata,
}

impl From<KrillaError> for PdfError {
    fn from(error: KrillaError) -> Self {
        // What the library names are faults of a file, but for glyphs, which it tells with the text they are in.
        let name = format!("{error:?}");
        PdfError::Write(name.split(['{', '(', '"']).take(3).collect::<Vec<_>>().join(" ").chars().take(100).collect())
    }
}

/// The invoice as PDF/A-3b with its CII attached. The same invoice, brand and language give the same bytes.
pub fn pdf(invoice: &Invoice, brand: &Brand, language: Language) -> Result<Vec<u8>, PdfError> {
    let mut fonts = text::Fonts::new(&brand.fonts).ok_or(PdfError::Font)?;
    let logo = brand.logo.as_ref().map(draw::Picture::read).transpose()?;
    let ground = sheet::Ground { invoice, brand, language, words: words::words(language), logo: logo.as_ref() };
    let pages = body::pages(&ground, &mut fonts);
    let document = draw::document(&ground, &pages, &mut fonts)?;
    attach::finish(document, &ground)
}
