//! The invoice as PDF/A-3b: pages to read, and the CII inside for machines (Factur-X, ZUGFeRD).

mod attach;
mod body;
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
    #[error("the pages do not follow PDF/A-3b")]
    Write(#[source] Box<KrillaErrorText>),
    #[error("the metadata cannot be completed")]
    Metadata,
}

/// What the library said, without its types.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
pub struct KrillaErrorText(String);

impl From<KrillaError> for PdfError {
    fn from(error: KrillaError) -> Self {
        PdfError::Write(Box::new(KrillaErrorText(format!("{error:?}").chars().take(500).collect())))
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
