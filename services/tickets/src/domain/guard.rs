//! The guard at the door: an answer for one seller's customer must not name another seller of the
//! provider.
//!
//! Two halves. A seller's marks - her names, aliases, domains, addresses, how her ticket numbers and
//! order ids look, and the order ids that her customers' messages bore - are kept as keyed hashes, of whom only as another hash, so that no seller's
//! transaction ever reads another's words. An answer is cut into grams of the same forms, and those
//! whose hash is a mark of somebody else are findings. What the seller's own marks cover, and names and
//! order ids that the customer used first, are none.

use std::collections::BTreeSet;

use aws_lc_rs::hmac;
use unicode_normalization::char::{compose, is_combining_mark};

use super::ids::SellerId;
use super::intake::language;
use super::settings::without_plus;

/// Findings shown of one text.
pub const FINDINGS_LIMIT: usize = 20;
/// Words of the longest name that is looked for.
const NAME_WORDS: usize = 5;
/// Letters of the shortest name of one word.
const NAME_LETTERS: usize = 4;
/// Digits of the shortest telephone number.
const PHONE_DIGITS: usize = 9;
/// Letters and digits of an order id that is looked for as it is, and how many of them are digits at least: shorter ones
/// are also amounts, years and articles.
const ORDER_LETTERS: std::ops::RangeInclusive<usize> = 7..=40;
const ORDER_DIGITS: usize = 5;

/// What a mark is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Kind {
    Name,
    Alias,
    Domain,
    Address,
    TicketNumber,
    /// How order ids look.
    OrderId,
    /// An order id as it is.
    Order,
}

impl Kind {
    pub const ALL: [Kind; 7] =
        [Kind::Name, Kind::Alias, Kind::Domain, Kind::Address, Kind::TicketNumber, Kind::OrderId, Kind::Order];

    pub fn name(self) -> &'static str {
        match self {
            Kind::Name => "name",
            Kind::Alias => "alias",
            Kind::Domain => "domain",
            Kind::Address => "address",
            Kind::TicketNumber => "ticket_number",
            Kind::OrderId => "order_id",
            Kind::Order => "order",
        }
    }

    pub fn named(name: &str) -> Option<Kind> {
        Kind::ALL.into_iter().find(|kind| kind.name() == name)
    }
}

/// By what a seller is known.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Identity {
    /// Of the company and its brands.
    pub names: Vec<String>,
    /// Under which its agents sign.
    pub aliases: Vec<String>,
    /// Mail addresses, telephone numbers, handles.
    pub addresses: Vec<String>,
    pub ticket_prefix: String,
}

/// A mark, or a piece of a text that could be one.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Mark {
    pub kind: Kind,
    /// In the form that is hashed.
    pub form: String,
}

/// A piece of a text that could be a mark, and where it stands, in characters.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Gram {
    pub mark: Mark,
    pub start: usize,
    pub end: usize,
}

/// Something in a text that belongs to another seller.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Finding {
    pub kind: Kind,
    pub start: usize,
    pub end: usize,
}

/// The provider's key, under which marks are hashed.
pub struct Key(hmac::Key);

impl Key {
    pub fn new(bytes: &[u8]) -> Key {
        Key(hmac::Key::new(hmac::HMAC_SHA256, bytes))
    }

    /// A mark as it is kept.
    pub fn mark(&self, mark: &Mark) -> Vec<u8> {
        self.hash(mark.kind.name().as_bytes(), mark.form.as_bytes())
    }

    /// A seller as it is kept with its marks.
    pub fn owner(&self, seller: SellerId) -> Vec<u8> {
        self.hash(b"owner", seller.0.as_bytes())
    }

    fn hash(&self, what: &[u8], of: &[u8]) -> Vec<u8> {
        let mut context = hmac::Context::with_key(&self.0);
        context.update(what);
        context.update(&[0]);
        context.update(of);
        context.sign().as_ref()[..16].to_vec()
    }
}

/// Mailboxes that everybody has: the domain says nothing of whose they are.
const PUBLIC_DOMAINS: [&str; 28] = [
    "aol.com",
    "bluewin.ch",
    "free.fr",
    "gmail.com",
    "gmx.at",
    "gmx.ch",
    "gmx.de",
    "gmx.net",
    "googlemail.com",
    "hotmail.com",
    "hotmail.fr",
    "hotmail.it",
    "icloud.com",
    "laposte.net",
    "libero.it",
    "live.com",
    "me.com",
    "orange.fr",
    "outlook.com",
    "outlook.de",
    "proton.me",
    "protonmail.com",
    "t-online.de",
    "web.de",
    "wp.pl",
    "yahoo.co.jp",
    "yahoo.com",
    "yahoo.de",
];

/// Names of marketplaces, whose domains belong to no seller.
const MARKETPLACES: [&str; 11] =
    ["amazon", "bol", "cdiscount", "ebay", "etsy", "fruugo", "kaufland", "manomano", "walmart", "wish", "zalando"];

/// Forms of companies, which are no part of a name.
const COMPANY_FORMS: [&str; 22] = [
    "ab", "ag", "as", "bv", "co", "corp", "gmbh", "inc", "kg", "lda", "limited", "llc", "ltd", "nv", "oy", "plc", "sa",
    "sarl", "sas", "sl", "spa", "srl",
];

/// The marks of a seller.
pub fn marks(identity: &Identity) -> BTreeSet<Mark> {
    let mut marks = BTreeSet::new();
    let mut add = |kind, form: String| {
        marks.insert(Mark { kind, form });
    };
    for name in &identity.names {
        let mut words = forms(name);
        while words.len() > 1 && words.last().is_some_and(|last| COMPANY_FORMS.contains(&last.as_str())) {
            words.pop();
        }
        words.truncate(NAME_WORDS);
        if is_distinctive(&words) {
            add(Kind::Name, words.join(" "));
        }
    }
    for alias in &identity.aliases {
        let mut words = forms(alias);
        words.truncate(NAME_WORDS);
        // A first name alone is anybody's.
        if 2 <= words.len() {
            add(Kind::Alias, words.join(" "));
        }
    }
    for address in &identity.addresses {
        let address = without_plus(address);
        match address.rsplit_once('@') {
            Some(("", _)) => add(Kind::Address, address),
            Some((_, domain)) => {
                if says_whose(domain) {
                    add(Kind::Domain, domain.to_owned());
                }
                add(Kind::Address, address);
            }
            None => {
                let digits: String = address.chars().filter(char::is_ascii_digit).collect();
                if address.starts_with('+') && PHONE_DIGITS <= digits.len() {
                    add(Kind::Address, digits);
                } else if is_handle(&address) {
                    add(Kind::Address, format!("@{address}"));
                }
            }
        }
    }
    if 2 <= identity.ticket_prefix.len() {
        add(Kind::TicketNumber, identity.ticket_prefix.to_lowercase());
    }
    marks
}

/// The mark of a pattern of order ids; None for what is no pattern.
pub fn order_mark(pattern: &str) -> Option<Mark> {
    let free = |c: char| matches!(c, '#' | '@');
    let length = pattern.chars().count();
    let first = pattern.find(free)?;
    let (own, rest) = pattern.split_at(first);
    let fits = (4..=40).contains(&length)
        && own.chars().filter(char::is_ascii_alphabetic).count() >= 2
        && own.chars().all(is_order_letter)
        && rest.chars().all(|c| free(c) || matches!(c, '-' | '_' | '/'));
    fits.then(|| Mark { kind: Kind::OrderId, form: pattern.to_lowercase() })
}

/// Everything in a text that could be a mark.
pub fn grams(text: &str) -> Vec<Gram> {
    let letters = letters(text);
    let mut grams = Vec::new();
    names(&letters, &mut grams);
    tokens(&letters, &mut grams);
    phones(&letters, &mut grams);
    grams
}

/// The mark of an order id; None for what says too little to be known again.
pub fn known_order(id: &str) -> Option<Mark> {
    let form = id.trim().trim_start_matches('#').to_lowercase();
    let of_order = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_');
    let digits = form.bytes().filter(u8::is_ascii_digit).count();
    let fits = ORDER_LETTERS.contains(&form.len()) && form.chars().all(of_order) && ORDER_DIGITS <= digits;
    (fits && !is_date(&form)).then_some(Mark { kind: Kind::Order, form })
}

/// Whether it is a day, with its year first or last.
fn is_date(form: &str) -> bool {
    let parts: Vec<&str> = form.split(['-', '_']).collect();
    let [first, middle, last] = parts[..] else { return false };
    let lengths = [first.len(), middle.len(), last.len()];
    parts.iter().all(|part| part.bytes().all(|b| b.is_ascii_digit()))
        && matches!(lengths, [4, 1..=2, 1..=2] | [1..=2, 1..=2, 4])
}

/// The names and order ids that a customer used.
pub fn said_in<'a>(texts: impl IntoIterator<Item = &'a str>) -> BTreeSet<String> {
    let mut grams = Vec::new();
    for text in texts {
        let letters = letters(text);
        names(&letters, &mut grams);
        tokens(&letters, &mut grams);
    }
    let is_said = |gram: &Gram| matches!(gram.mark.kind, Kind::Name | Kind::Alias | Kind::Order);
    grams.into_iter().filter(is_said).map(|gram| gram.mark.form).collect()
}

/// What in a text belongs to another seller. `hits` are the grams that are marks, with whether they are
/// the seller's own; what lies inside of an own one is own.
pub fn judge(hits: &[(&Gram, bool)], said: &BTreeSet<String>) -> Vec<Finding> {
    let own: Vec<&Gram> = hits.iter().filter(|(_, own)| *own).map(|(gram, _)| *gram).collect();
    let covered = |gram: &Gram| own.iter().any(|own| own.start <= gram.start && gram.end <= own.end);
    let by_customer = |gram: &Gram| {
        matches!(gram.mark.kind, Kind::Name | Kind::Alias | Kind::Order) && said.contains(&gram.mark.form)
    };
    let mut findings: Vec<Finding> = Vec::new();
    let mut foreign: Vec<&Gram> =
        hits.iter().filter(|(gram, own)| !own && !covered(gram) && !by_customer(gram)).map(|(gram, _)| *gram).collect();
    // The longest first: an address is one finding, not also its domain.
    foreign
        .sort_by_key(|gram| (std::cmp::Reverse(gram.end - gram.start), gram.start, std::cmp::Reverse(gram.mark.kind)));
    for gram in foreign {
        if !findings.iter().any(|found| found.start <= gram.start && gram.end <= found.end) {
            findings.push(Finding { kind: gram.mark.kind, start: gram.start, end: gram.end });
        }
    }
    findings.sort_by_key(|found| found.start);
    findings.truncate(FINDINGS_LIMIT);
    findings
}

/// A character as it is read, and where it stands.
#[derive(Clone, Copy)]
struct Letter {
    c: char,
    start: usize,
    end: usize,
}

/// A text as it is read: accents that stand apart belong to their letter, and what is not seen is not there.
fn letters(text: &str) -> Vec<Letter> {
    let mut letters: Vec<Letter> = Vec::with_capacity(text.len());
    for (place, c) in text.chars().enumerate() {
        if matches!(c, '\u{ad}' | '\u{200b}'..='\u{200d}' | '\u{2060}' | '\u{feff}') {
            continue;
        }
        match letters.last_mut() {
            Some(last) if is_combining_mark(c) => {
                last.c = compose(last.c, c).unwrap_or(last.c);
                last.end = place + 1;
            }
            _ => letters.push(Letter { c, start: place, end: place + 1 }),
        }
    }
    letters
}

struct Word {
    form: String,
    start: usize,
    end: usize,
    /// Written as a name is: with a capital or a digit.
    named: bool,
}

fn words(letters: &[Letter]) -> Vec<Word> {
    let mut words: Vec<Word> = Vec::new();
    let mut open = false;
    for Letter { c, start, end } in letters.iter().copied() {
        if !c.is_alphanumeric() {
            open = open && matches!(c, '\'' | '’');
            continue;
        }
        if !open {
            let named = c.is_uppercase() || c.is_numeric() || !c.is_lowercase();
            words.push(Word { form: String::new(), start, end, named });
            open = true;
        }
        if let Some(word) = words.last_mut() {
            fold(c, &mut word.form);
            word.end = end;
        }
    }
    words
}

/// The words of a name, in the form that is compared.
fn forms(name: &str) -> Vec<String> {
    words(&letters(name)).into_iter().map(|word| word.form).collect()
}

/// A letter in lower case without its accent.
fn fold(c: char, out: &mut String) {
    for c in c.to_lowercase() {
        match c {
            'à' | 'á' | 'â' | 'ã' | 'å' | 'ą' => out.push('a'),
            'ä' | 'æ' => out.push_str("ae"),
            'ç' | 'ć' | 'č' => out.push('c'),
            'è' | 'é' | 'ê' | 'ë' | 'ę' | 'ě' => out.push('e'),
            'ì' | 'í' | 'î' | 'ï' => out.push('i'),
            'ł' => out.push('l'),
            'ñ' | 'ń' => out.push('n'),
            'ò' | 'ó' | 'ô' | 'õ' => out.push('o'),
            'ö' | 'ø' | 'œ' => out.push_str("oe"),
            'ś' | 'š' => out.push('s'),
            'ß' => out.push_str("ss"),
            'ù' | 'ú' | 'û' => out.push('u'),
            'ü' => out.push_str("ue"),
            'ý' | 'ÿ' => out.push('y'),
            'ź' | 'ż' | 'ž' => out.push('z'),
            c => out.push(c),
        }
    }
}

/// Whether words say who is meant: several, or one that is long enough and no word of every day.
fn is_distinctive(words: &[String]) -> bool {
    match words {
        [] => false,
        [one] => {
            NAME_LETTERS <= one.chars().count() && !language::is_frequent(one) && !MARKETPLACES.contains(&one.as_str())
        }
        several => several.iter().any(|word| 3 <= word.chars().count() && !language::is_frequent(word)),
    }
}

fn names(letters: &[Letter], grams: &mut Vec<Gram>) {
    let words = words(letters);
    for first in 0..words.len() {
        for length in 1..=NAME_WORDS.min(words.len() - first) {
            let run = &words[first..first + length];
            // A name of one word is written as one; of several, at least one is.
            if !run.iter().any(|word| word.named) || (length == 1 && run[0].form.chars().count() < NAME_LETTERS) {
                continue;
            }
            let form = run.iter().map(|word| word.form.as_str()).collect::<Vec<_>>().join(" ");
            let (start, end) = (run[0].start, run[length - 1].end);
            grams.push(Gram { mark: Mark { kind: Kind::Name, form: form.clone() }, start, end });
            if 2 <= length {
                grams.push(Gram { mark: Mark { kind: Kind::Alias, form }, start, end });
            }
        }
    }
}

/// Addresses, domains, ticket numbers and order ids.
fn tokens(letters: &[Letter], grams: &mut Vec<Gram>) {
    let inside = |letter: &Letter| letter.c.is_alphanumeric() || matches!(letter.c, '.' | '-' | '_' | '@' | '+');
    for token in letters.split(|letter| !inside(letter)).map(bare).filter(|token| (1..=320).contains(&token.len())) {
        addresses(token, grams);
        numbers(token, grams);
        // Also where something stands beside it: the ending of a file's name, the next sentence, what makes it bold.
        for apart in [&['.'][..], &['_'], &['.', '_']] {
            let beside = |letter: &Letter| apart.contains(&letter.c);
            if token.iter().any(beside) {
                token.split(beside).map(bare).for_each(|part| numbers(part, grams));
            }
        }
    }
}

/// A token without the signs around it.
fn bare(token: &[Letter]) -> &[Letter] {
    let sign = |letter: &Letter| matches!(letter.c, '.' | '-' | '_' | '+');
    let start = token.iter().position(|letter| !sign(letter)).unwrap_or(token.len());
    let end = token.iter().rposition(|letter| !sign(letter)).map_or(start, |last| last + 1);
    &token[start..end]
}

/// Adds what a token could be, where it stands.
fn add(token: &[Letter], kind: Kind, form: String, grams: &mut Vec<Gram>) {
    if let (Some(first), Some(last)) = (token.first(), token.last()) {
        grams.push(Gram { mark: Mark { kind, form }, start: first.start, end: last.end });
    }
}

fn lower(token: &[Letter]) -> String {
    token.iter().flat_map(|letter| letter.c.to_lowercase()).collect()
}

fn addresses(token: &[Letter], grams: &mut Vec<Gram>) {
    let text = lower(token);
    let host = match text.rsplit_once('@') {
        Some(("", _)) => {
            add(token, Kind::Address, text.clone(), grams);
            None
        }
        Some((_, host)) => {
            add(token, Kind::Address, without_plus(&text), grams);
            Some(host)
        }
        None => Some(text.as_str()),
    };
    if let Some(host) = host.filter(|host| host.contains('.')) {
        let labels: Vec<&str> = host.split('.').collect();
        for from in 0..labels.len().saturating_sub(1).min(6) {
            add(token, Kind::Domain, labels[from..].join("."), grams);
        }
    }
}

fn numbers(token: &[Letter], grams: &mut Vec<Gram>) {
    let text = lower(token);
    if let Some((prefix, digits)) = text.split_once('-')
        && 4 <= digits.len()
        && digits.bytes().all(|b| b.is_ascii_digit())
    {
        add(token, Kind::TicketNumber, prefix.to_owned(), grams);
    }
    shapes(&text, &mut |kind, form| add(token, kind, form, grams));
    if let Some(order) = known_order(&text) {
        add(token, order.kind, order.form, grams);
    }
}

/// A token as every pattern would have it: so much of it stands for itself, the rest is digits and letters.
fn shapes(token: &str, add: &mut impl FnMut(Kind, String)) {
    let letters: Vec<char> = token.chars().collect();
    let fits = (4..=40).contains(&letters.len())
        && letters.iter().all(|c| is_order_letter(*c))
        && letters.iter().any(char::is_ascii_digit);
    if !fits {
        return;
    }
    for own in 2..letters.len() {
        if letters[..own].iter().filter(|c| c.is_ascii_alphabetic()).count() < 2 {
            continue;
        }
        let rest = letters[own..].iter().map(|c| match c {
            c if c.is_ascii_digit() => '#',
            c if c.is_ascii_alphabetic() => '@',
            c => *c,
        });
        add(Kind::OrderId, letters[..own].iter().copied().chain(rest).collect());
    }
}

fn is_order_letter(c: char) -> bool {
    c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '/')
}

fn phones(letters: &[Letter], grams: &mut Vec<Gram>) {
    let (mut start, mut end, mut digits) = (0, 0, String::new());
    let mut close = |start: usize, end: usize, digits: &mut String| {
        if PHONE_DIGITS <= digits.len() && digits.len() <= 15 {
            grams.push(Gram { mark: Mark { kind: Kind::Address, form: digits.clone() }, start, end });
        }
        digits.clear();
    };
    for letter in letters {
        match letter.c {
            '+' => {
                close(start, end, &mut digits);
                (start, end) = (letter.start, letter.end);
            }
            c if c.is_ascii_digit() => {
                if digits.is_empty() && end != letter.start {
                    start = letter.start;
                }
                digits.push(c);
                end = letter.end;
            }
            ' ' | '(' | ')' | '-' | '.' | '/' | '\u{a0}' if !digits.is_empty() => {}
            _ => close(start, end, &mut digits),
        }
    }
    close(start, end, &mut digits);
}

/// Whether a domain says whose it is.
fn says_whose(domain: &str) -> bool {
    domain.contains('.')
        && !PUBLIC_DOMAINS.contains(&domain)
        && !domain.split('.').any(|label| MARKETPLACES.contains(&label))
}

fn is_handle(address: &str) -> bool {
    (3..=64).contains(&address.chars().count())
        && address.chars().all(|c| c.is_alphanumeric() || matches!(c, '.' | '_' | '-'))
        && address.chars().any(char::is_alphabetic)
}

#[cfg(test)]
#[path = "guard_tests.rs"]
mod tests;
