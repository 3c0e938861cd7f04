//! Reply templates: plain text with variables in double braces. Nothing is computed: a variable is
//! replaced by its value, and a value is never read as a template again.

use std::collections::{BTreeMap, BTreeSet};

/// Longest text, in characters.
pub const TEXT_CHARS: usize = 16_000;
/// Longest value of a variable, in characters; what is longer is cut.
const VALUE_CHARS: usize = 2_000;

/// What can stand between the braces.
pub const VARIABLES: [&str; 13] = [
    "agent.alias",
    "agent.signature",
    "brand.greeting",
    "brand.sign_off",
    "customer.first_name",
    "customer.name",
    "marketplace.name",
    "order.id",
    "seller.name",
    "ticket.language",
    "ticket.number",
    "ticket.subject",
    "today",
];

/// What can stand there beside these in a survey's message.
pub const OF_SURVEYS: [&str; 2] = ["survey.link", "survey.links"];
/// Longest value of a variable that holds links, in characters.
const LINKS_CHARS: usize = 10_000;

/// A piece of a text.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Piece<'a> {
    Text(&'a str),
    Variable(&'static str),
}

/// Why a text is no template.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Bad {
    #[error("the braces at character {0} are not closed")]
    Open(usize),
    #[error("the variable at character {0} does not exist; there are {known}", known = VARIABLES.join(", "))]
    Unknown(usize),
}

/// The variables of a text that have no value.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("these variables have no value here: {}", .0.join(", "))]
pub struct Unresolved(pub Vec<&'static str>);

/// Whether a text is a template, with the variables it names.
pub fn check(text: &str) -> Result<BTreeSet<&'static str>, Bad> {
    check_with(text, &[])
}

/// As [`check`], with more variables.
pub fn check_with(text: &str, more: &[&'static str]) -> Result<BTreeSet<&'static str>, Bad> {
    let variables = pieces(text, more)?.into_iter().filter_map(|piece| match piece {
        Piece::Variable(name) => Some(name),
        Piece::Text(_) => None,
    });
    Ok(variables.collect())
}

/// The text with its variables filled in. A variable without a value refuses the whole: an answer with
/// a hole in it is worse than none.
pub fn render(text: &str, values: &BTreeMap<&'static str, String>) -> Result<Result<String, Unresolved>, Bad> {
    render_with(text, values, &[])
}

/// As [`render`], with more variables.
pub fn render_with(
    text: &str,
    values: &BTreeMap<&'static str, String>,
    more: &[&'static str],
) -> Result<Result<String, Unresolved>, Bad> {
    let pieces = pieces(text, more)?;
    let value = |name: &str| values.get(name).map(|value| clean(value, name)).filter(|value| !value.is_empty());
    let missing: BTreeSet<&'static str> = pieces
        .iter()
        .filter_map(|piece| match piece {
            Piece::Variable(name) if value(name).is_none() => Some(*name),
            _ => None,
        })
        .collect();
    if !missing.is_empty() {
        return Ok(Err(Unresolved(missing.into_iter().collect())));
    }
    let mut out = String::with_capacity(text.len());
    for piece in pieces {
        match piece {
            Piece::Text(text) => out.push_str(text),
            Piece::Variable(name) => out.push_str(&value(name).unwrap_or_default()),
        }
    }
    Ok(Ok(out))
}

/// A value as it may stand in an answer: no control characters, and one line unless it is a signature or
/// a line of the brand, which the seller wrote herself.
fn clean(value: &str, name: &str) -> String {
    let lines = matches!(name, "agent.signature" | "brand.greeting" | "brand.sign_off" | "survey.links");
    let most = if OF_SURVEYS.contains(&name) { LINKS_CHARS } else { VALUE_CHARS };
    let kept = value.chars().take(most).filter_map(|c| match c {
        '\n' if lines => Some('\n'),
        '\n' | '\t' => Some(' '),
        // Characters that turn the reading direction or are not seen could make a name read as another.
        '\u{200b}'..='\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}' | '\u{feff}' => None,
        c if c.is_control() => None,
        c => Some(c),
    });
    kept.collect::<String>().trim().to_owned()
}

fn pieces<'a>(text: &'a str, more: &[&'static str]) -> Result<Vec<Piece<'a>>, Bad> {
    let mut pieces = Vec::new();
    let mut rest = text;
    let place = |rest: &str| text[..text.len() - rest.len()].chars().count() + 1;
    while let Some(start) = rest.find("{{") {
        let (before, from) = rest.split_at(start);
        if let Some(plain) = before.strip_suffix('\\') {
            pieces.push(Piece::Text(plain));
            pieces.push(Piece::Text("{{"));
            rest = &from[2..];
            continue;
        }
        pieces.push(Piece::Text(before));
        let end = from.find("}}").ok_or_else(|| Bad::Open(place(from)))?;
        let name = from[2..end].trim();
        let known =
            VARIABLES.iter().chain(more).find(|known| **known == name).ok_or_else(|| Bad::Unknown(place(from)))?;
        pieces.push(Piece::Variable(known));
        rest = &from[end + 2..];
    }
    pieces.push(Piece::Text(rest));
    Ok(pieces)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn values(pairs: &[(&'static str, &str)]) -> BTreeMap<&'static str, String> {
        pairs.iter().map(|(name, value)| (*name, (*value).to_owned())).collect()
    }

    #[test]
    fn variables_are_filled_in_and_values_are_not_read_again() {
        let values = values(&[("customer.name", "{{ticket.number}} {{x"), ("ticket.number", "MAS-1")]);
        let text = "Hello {{ customer.name }}, about {{ticket.number}}: \\{{not}} a variable.";
        let done = render(text, &values).unwrap().unwrap();
        assert_eq!(done, "Hello {{ticket.number}} {{x, about MAS-1: {{not}} a variable.");
    }

    #[test]
    fn what_does_not_exist_is_named_when_it_is_saved_and_what_has_no_value_when_it_is_filled_in() {
        assert_eq!(check("a {{customer.shoe}}"), Err(Bad::Unknown(3)));
        assert_eq!(check("é {{customer.name"), Err(Bad::Open(3)));
        assert_eq!(check("{{}}"), Err(Bad::Unknown(1)));
        assert_eq!(check("{{a{{customer.name}}}}"), Err(Bad::Unknown(1)));
        let given = values(&[("order.id", " "), ("seller.name", "Masque")]);
        let missing = render("{{order.id}} {{seller.name}} {{customer.name}}", &given).unwrap().unwrap_err();
        assert_eq!(missing.0, ["customer.name", "order.id"]);
        assert_eq!(check("{{order.id}}{{order.id}}").unwrap().len(), 1);
    }

    #[test]
    fn links_stand_in_surveys_only() {
        assert_eq!(check("{{survey.link}}"), Err(Bad::Unknown(1)));
        assert_eq!(check_with("{{survey.link}}", &OF_SURVEYS).unwrap().len(), 1);
        let given = values(&[("survey.links", "5: a\n4: b")]);
        assert_eq!(render_with("{{survey.links}}", &given, &OF_SURVEYS).unwrap().unwrap(), "5: a\n4: b");
    }

    #[test]
    fn a_value_brings_no_lines_and_nothing_unseen() {
        let given = values(&[("customer.name", "Anna\r\nBcc: x\u{202e}\0"), ("agent.signature", "Giulia\nMasque")]);
        let done = render("{{customer.name}}|{{agent.signature}}", &given).unwrap().unwrap();
        assert_eq!(done, "Anna Bcc: x|Giulia\nMasque");
    }

    proptest! {
        #[test]
        fn any_text_is_read_or_refused(text in ".{0,80}", value in ".{0,40}") {
            let all: BTreeMap<_, _> = VARIABLES.iter().map(|name| (*name, format!("v{value}"))).collect();
            match (check(&text), render(&text, &all)) {
                (Ok(_), Ok(Ok(_))) | (Err(_), Err(_)) => {}
                (check, render) => prop_assert!(false, "{check:?} {render:?}"),
            }
        }

        #[test]
        fn text_without_braces_stays_as_it_is(text in "[^{}\\\\]{0,80}") {
            prop_assert_eq!(render(&text, &BTreeMap::new()).unwrap().unwrap(), text);
        }
    }
}
