//! Writing XML: elements that would be empty are not written, and the same calls give the same bytes.

use jiff::civil::Date;
use quick_xml::Writer;
use quick_xml::events::{BytesDecl, BytesEnd, BytesStart, BytesText, Event};
use rust_decimal::Decimal;

type Attributes<'a> = &'a [(&'static str, &'a str)];

pub struct Xml {
    writer: Writer<Vec<u8>>,
    /// Elements that are open; those from `written` on wait for their first content.
    open: Vec<BytesStart<'static>>,
    written: usize,
}

impl Xml {
    pub fn new() -> Self {
        let mut xml = Self { writer: Writer::new(Vec::new()), open: Vec::new(), written: 0 };
        xml.event(Event::Decl(BytesDecl::new("1.0", Some("UTF-8"), None)));
        xml
    }

    /// An element around what `content` writes; nothing if that is nothing.
    pub fn inside(&mut self, name: &'static str, content: impl FnOnce(&mut Self)) {
        self.inside_with(name, &[], content);
    }

    pub fn inside_with(&mut self, name: &'static str, attributes: Attributes<'_>, content: impl FnOnce(&mut Self)) {
        self.open.push(start(name, attributes));
        content(self);
        self.open.pop();
        if self.open.len() < self.written {
            self.written = self.open.len();
            self.indent();
            self.event(Event::End(BytesEnd::new(name)));
        }
    }

    /// An element with text; nothing if the text is empty.
    pub fn text(&mut self, name: &'static str, text: &str) {
        self.text_with(name, &[], text);
    }

    /// The same with attributes; those that are empty are left out.
    pub fn text_with(&mut self, name: &'static str, attributes: Attributes<'_>, text: &str) {
        if text.trim().is_empty() {
            return;
        }
        self.open_all();
        self.indent();
        self.event(Event::Start(start(name, attributes)));
        // A carriage return as it is would be read back as a line feed.
        let escaped = quick_xml::escape::partial_escape(text).replace('\r', "&#13;");
        self.event(Event::Text(BytesText::from_escaped(escaped)));
        self.event(Event::End(BytesEnd::new(name)));
    }

    /// An element that the schema wants although it says nothing.
    pub fn empty(&mut self, name: &'static str) {
        self.open_all();
        self.indent();
        self.event(Event::Empty(BytesStart::new(name)));
    }

    fn open_all(&mut self) {
        while let Some(waiting) = self.open.get(self.written).cloned() {
            self.indent();
            self.event(Event::Start(waiting));
            self.written += 1;
        }
    }

    pub fn finish(mut self) -> Vec<u8> {
        self.event(Event::Text(BytesText::from_escaped("\n")));
        self.writer.into_inner()
    }

    fn indent(&mut self) {
        let line = format!("\n{}", "  ".repeat(self.written));
        self.event(Event::Text(BytesText::from_escaped(line)));
    }

    fn event(&mut self, event: Event<'_>) {
        // Into memory: this cannot fail.
        self.writer.write_event(event).ok();
    }
}

fn start(name: &'static str, attributes: Attributes<'_>) -> BytesStart<'static> {
    let mut element = BytesStart::new(name);
    for attribute in attributes.iter().filter(|(_, value)| !value.is_empty()) {
        element.push_attribute(*attribute);
    }
    element
}

/// An amount with as many decimal places as its currency has.
pub fn amount(amount: Decimal, digits: u32) -> String {
    let mut amount = if amount.is_zero() { Decimal::ZERO } else { amount };
    amount.rescale(digits);
    amount.to_string()
}

/// A number without zeros at its end.
pub fn plain(number: Decimal) -> String {
    let number = number.normalize();
    if number.is_zero() { "0".into() } else { number.to_string() }
}

/// `2026-11-22`.
pub fn dashed(date: Date) -> String {
    date.to_string()
}

/// `20261122`, which UNCL 2379 calls 102.
pub fn compact(date: Date) -> String {
    date.to_string().replace('-', "")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_empty_is_not_written() {
        let mut xml = Xml::new();
        xml.inside_with("a", &[("x", "1"), ("y", "")], |xml| {
            xml.inside("none", |xml| xml.inside("nor this", |xml| xml.text("b", "")));
            xml.text("b", "1 < 2 & \"3\"\r");
        });
        let text = String::from_utf8(xml.finish()).unwrap();
        let expected = "\n<a x=\"1\">\n  <b>1 &lt; 2 &amp; \"3\"&#13;</b>\n</a>\n";
        assert_eq!(text.strip_prefix("<?xml version=\"1.0\" encoding=\"UTF-8\"?>"), Some(expected));
    }

    #[test]
    fn numbers_are_plain() {
        let d = |text: &str| text.parse::<Decimal>().unwrap();
        assert_eq!(amount(d("-7612.5"), 2), "-7612.50");
        assert_eq!((amount(d("-0.00"), 2), plain(d("-0.0"))), ("0.00".into(), "0".into()));
        assert_eq!((plain(d("0.500")), plain(d("100"))), ("0.5".into(), "100".into()));
    }
}
