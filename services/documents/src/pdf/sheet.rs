//! Sheets of paper: marks with their places, from the top left corner, in points.

use rust_decimal::Decimal;

use super::Brand;
use super::code::Squares;
use super::draw::Picture;
use super::text::Weight;
use super::words::{self, Words};
use crate::check::Invoice;
use crate::language::Language;
use crate::terms::Terms;

pub const WIDTH: f32 = 595.28;
pub const HEIGHT: f32 = 841.89;
pub const LEFT: f32 = 56.7;
pub const RIGHT: f32 = 552.8;

/// What every part of the page needs to know.
pub struct Ground<'a> {
    pub invoice: &'a Invoice,
    pub brand: &'a Brand,
    pub language: Language,
    pub words: &'static Words,
    pub logo: Option<&'a Picture>,
}

impl Ground<'_> {
    pub fn terms(&self) -> &Terms {
        self.invoice.terms()
    }

    pub fn title(&self) -> &'static str {
        if self.invoice.is_credit() { self.words.credit_note } else { self.words.invoice }
    }

    pub fn number(&self, value: Decimal) -> String {
        words::number(value, Some(self.invoice.digits()), self.language)
    }

    pub fn money(&self, value: Decimal) -> String {
        words::money(value, self.invoice.digits(), &self.terms().currency, self.language)
    }

    pub fn day(&self, date: jiff::civil::Date) -> String {
        words::day(date, self.language)
    }

    pub fn days(&self, period: crate::terms::Period) -> String {
        format!("{} – {}", self.day(period.from), self.day(period.until))
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Ink {
    Black,
    Grey,
    Light,
    Brand,
    /// What can be read on the brand's color.
    OnBrand,
}

/// How a text is set.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Style {
    pub weight: Weight,
    pub size: f32,
    pub ink: Ink,
}

impl Style {
    pub const fn new(size: f32) -> Self {
        Self { weight: Weight::Regular, size, ink: Ink::Black }
    }

    pub const fn bold(self) -> Self {
        Self { weight: Weight::Bold, ..self }
    }

    pub const fn ink(self, ink: Ink) -> Self {
        Self { ink, ..self }
    }

    /// From one baseline to the next.
    pub fn leading(self) -> f32 {
        (self.size * 1.3).ceil()
    }
}

pub enum Mark {
    /// `x` is the left end, or the right one of what is aligned there; `y` is the baseline.
    Text {
        x: f32,
        y: f32,
        text: String,
        style: Style,
        right: bool,
    },
    Block {
        x: f32,
        y: f32,
        width: f32,
        height: f32,
        ink: Ink,
    },
    Logo {
        x: f32,
        y: f32,
        width: f32,
        height: f32,
    },
    /// A payment for machines.
    Code {
        x: f32,
        y: f32,
        width: f32,
        squares: Squares,
    },
}

#[derive(Default)]
pub struct Page {
    pub marks: Vec<Mark>,
}

impl Page {
    pub fn text(&mut self, x: f32, y: f32, text: impl Into<String>, style: Style) {
        self.marks.push(Mark::Text { x, y, text: text.into(), style, right: false });
    }

    pub fn right(&mut self, x: f32, y: f32, text: impl Into<String>, style: Style) {
        self.marks.push(Mark::Text { x, y, text: text.into(), style, right: true });
    }

    pub fn rule(&mut self, x: f32, y: f32, width: f32, height: f32, ink: Ink) {
        self.marks.push(Mark::Block { x, y, width, height, ink });
    }
}
