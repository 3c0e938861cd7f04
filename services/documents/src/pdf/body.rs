//! What stands where: head, lines over as many pages as they take, totals, payment, foot.

use rust_decimal::Decimal;

use super::countries::country;
use super::sheet::{Ground, HEIGHT, Ink, LEFT, Mark, Page, RIGHT, Style};
use super::text::{Fonts, Weight};
use super::words;
use crate::language::Language;
use crate::legal;
use crate::terms::{Adjustment, Category, Kind, Line, Means, Party, Tax};

const BODY: Style = Style::new(9.0);
const SMALL: Style = Style::new(7.5).ink(Ink::Grey);
const FOOT: Style = Style::new(6.5).ink(Ink::Grey);

// Where the columns of the lines begin, or end where they are aligned to the right.
const NAME: f32 = LEFT + 28.0;
const NAME_WIDTH: f32 = 208.0;
const QUANTITY: f32 = LEFT + 305.0;
const PRICE: f32 = LEFT + 380.0;
const RATE: f32 = LEFT + 418.0;

/// The side of the payment's code.
const CODE: f32 = 76.0;

/// The pages, complete but for their numbers.
pub fn pages(ground: &Ground<'_>, fonts: &mut Fonts<'_>) -> Vec<Page> {
    let foot = foot(ground, fonts);
    let bottom = HEIGHT - 34.0 - foot.height;
    let mut flow = Flow { ground, fonts, pages: vec![Page::default()], y: 0.0, bottom, carried: None };
    flow.first_head();
    flow.table_head();
    for line in &ground.terms().lines {
        flow.line(line);
    }
    flow.carried = None;
    flow.totals();
    flow.payment();
    flow.notes();
    let mut pages = flow.pages;
    for page in &mut pages {
        foot.draw(page);
    }
    pages
}

struct Flow<'g, 'f, 'd> {
    ground: &'g Ground<'g>,
    fonts: &'f mut Fonts<'d>,
    pages: Vec<Page>,
    /// The next baseline.
    y: f32,
    bottom: f32,
    /// Sum of the lines so far, while lines are written.
    carried: Option<Decimal>,
}

impl Flow<'_, '_, '_> {
    fn page(&mut self) -> &mut Page {
        if self.pages.is_empty() {
            self.pages.push(Page::default());
        }
        let last = self.pages.len() - 1;
        &mut self.pages[last]
    }

    fn text(&mut self, x: f32, text: impl Into<String>, style: Style) {
        let y = self.y;
        self.page().text(x, y, text, style);
    }

    fn right(&mut self, x: f32, text: impl Into<String>, style: Style) {
        let y = self.y;
        self.page().right(x, y, text, style);
    }

    fn rule(&mut self, ink: Ink, height: f32) {
        let y = self.y;
        self.page().rule(LEFT, y, RIGHT - LEFT, height, ink);
    }

    /// A text in one line, cut where it ends.
    fn fitted(&mut self, text: &str, style: Style, width: f32) -> String {
        self.fonts.some_lines(text, (style.weight, style.size), width, 1).into_iter().next().unwrap_or_default()
    }

    /// Goes to the next page if so much does not fit on this one.
    fn room(&mut self, height: f32) {
        if self.bottom < self.y + height {
            self.turn();
        }
    }

    fn turn(&mut self) {
        let words = self.ground.words;
        let carried = self.carried;
        if let Some(sum) = carried {
            self.y += 2.0;
            let sum = self.ground.number(sum);
            self.text(NAME, words.carried, BODY.bold());
            self.right(RIGHT, sum, BODY.bold());
        }
        self.pages.push(Page::default());
        self.y = 50.0;
        let title = format!("{} {}", self.ground.title(), self.ground.terms().number);
        let title = self.fitted(&title, BODY, 240.0);
        let name = self.fitted(&self.ground.brand.name, BODY.bold(), 240.0);
        self.text(LEFT, name, BODY.bold().ink(Ink::Brand));
        self.right(RIGHT, title, BODY);
        self.y += 7.0;
        self.rule(Ink::Brand, 1.2);
        self.y += 24.0;
        if let Some(sum) = carried {
            self.table_head();
            let sum = self.ground.number(sum);
            self.text(NAME, words.brought, BODY.bold());
            self.right(RIGHT, sum, BODY.bold());
            self.y += BODY.leading() + 3.0;
        }
    }

    fn first_head(&mut self) {
        let ground = self.ground;
        let terms = ground.terms();
        self.logo();
        let seller = &terms.seller;
        let mut sender = vec![seller.name.clone()];
        sender.extend(address(seller, &seller.address.country, ground.language));
        let sender = sender.join(" · ");
        self.y = 128.0;
        for line in self.fonts.some_lines(&sender, (Weight::Regular, FOOT.size), 250.0, 2) {
            self.text(LEFT, line, FOOT);
            self.y += FOOT.leading();
        }
        self.y = 152.0;
        let buyer = &terms.buyer;
        let contact = buyer.contact.as_ref().map_or("", |c| &c.name);
        let mut block = vec![buyer.name.clone(), buyer.trading_name.clone(), contact.to_owned()];
        block.extend(address(buyer, &seller.address.country, ground.language));
        for (index, text) in block.iter().filter(|t| !t.is_empty()).enumerate() {
            let style = Style::new(10.0);
            let style = if index == 0 { style.bold() } else { style };
            let y = self.y;
            let lines = self.fonts.some_lines(text, (style.weight, style.size), 235.0, 4);
            for (more, line) in lines.into_iter().enumerate() {
                self.page().text(LEFT, y + more as f32 * style.leading(), line, style);
                self.y += style.leading();
            }
        }
        let left = self.y;
        self.y = 128.0;
        self.facts();
        self.y = left.max(self.y).max(236.0) + 16.0;
        let style = Style::new(17.0).bold();
        let title = format!("{} {}", ground.title(), terms.number);
        for line in self.fonts.some_lines(&title, (style.weight, style.size), RIGHT - LEFT, 3) {
            self.text(LEFT, line, style);
            self.y += 18.0;
        }
        for preceding in &terms.preceding {
            self.room(BODY.leading());
            let dated = preceding.issued.map(|d| format!(" ({})", ground.day(d))).unwrap_or_default();
            let text = format!("{} {}{dated}", ground.words.corrects, preceding.number);
            let text = self.fitted(&text, BODY, RIGHT - LEFT);
            self.text(LEFT, text, BODY);
            self.y += BODY.leading();
        }
        self.y += 10.0;
    }

    fn logo(&mut self) {
        let ground = self.ground;
        match ground.logo {
            Some(logo) => {
                let (width, height) = logo.fit(190.0, 52.0);
                let mark = Mark::Logo { x: LEFT, y: 40.0 + (52.0 - height) / 2.0, width, height };
                self.page().marks.push(mark);
            }
            None => {
                self.y = 76.0;
                let style = Style::new(20.0).bold().ink(Ink::Brand);
                let name = self.fitted(&ground.brand.name, style, RIGHT - LEFT);
                self.text(LEFT, name, style);
            }
        }
        self.y = 100.0;
        self.rule(Ink::Brand, 1.8);
    }

    /// The column of dates and references beside the address.
    fn facts(&mut self) {
        let ground = self.ground;
        let (terms, words) = (ground.terms(), ground.words);
        let day = |date: Option<jiff::civil::Date>| date.map(|d| ground.day(d)).unwrap_or_default();
        let facts = [
            (words.number, terms.number.clone()),
            (words.issued, ground.day(terms.issued)),
            (words.due, day(terms.due)),
            (words.tax_point, day(terms.tax_point)),
            (words.period, terms.period.map(|p| ground.days(p)).unwrap_or_default()),
            (words.delivered, day(terms.delivery.as_ref().and_then(|d| d.on))),
            (words.buyer_vat, terms.buyer.vat_id.clone()),
            (words.buyer_reference, terms.buyer_reference.clone()),
            (words.order, terms.order.clone()),
            (words.contract, terms.contract.clone()),
            (words.project, terms.project.clone()),
        ];
        let style = Style::new(8.5);
        for (name, value) in facts.into_iter().filter(|(_, value)| !value.is_empty()) {
            let (x, y) = (LEFT + 285.0, self.y);
            let names = self.fonts.some_lines(name, (Weight::Regular, style.size), 92.0, 3);
            let values = self.fonts.some_lines(&value, (Weight::Regular, style.size), RIGHT - x - 96.0, 3);
            let rows = names.len().max(values.len());
            for (row, text) in names.into_iter().enumerate() {
                self.page().text(x, y + row as f32 * style.leading(), text, style.ink(Ink::Grey));
            }
            for (row, text) in values.into_iter().enumerate() {
                self.page().text(x + 96.0, y + row as f32 * style.leading(), text, style);
            }
            self.y += rows as f32 * style.leading() + 1.0;
        }
    }

    fn table_head(&mut self) {
        let ground = self.ground;
        let words = ground.words;
        let style = Style::new(8.0).bold();
        let amount = format!("{} {}", words.amount, ground.terms().currency);
        self.text(LEFT, words.position, style);
        self.text(NAME, words.description, style);
        self.right(QUANTITY, words.quantity, style);
        self.right(PRICE, words.price, style);
        self.right(RATE, words.vat, style);
        self.right(RIGHT, amount, style);
        self.y += 5.0;
        self.rule(Ink::Brand, 0.8);
        self.y += 14.0;
        self.carried.get_or_insert(Decimal::ZERO);
    }

    fn line(&mut self, line: &Line) {
        let rows = self.rows(line);
        let height: f32 = rows.iter().map(|(_, style)| style.leading()).sum::<f32>() + 6.0;
        // The line for what is carried over is kept free; a line longer than half a page is broken over pages.
        let reserve = BODY.leading();
        if height < 300.0 {
            self.room(height + reserve);
        } else {
            self.room(3.0 * BODY.leading() + reserve);
        }
        let ground = self.ground;
        let position = self.fitted(&line.id, BODY, 26.0);
        self.text(LEFT, position, BODY);
        let numbers = BODY;
        let unit = words::unit(&line.unit, line.quantity, ground.language);
        let quantity = words::number(line.quantity, None, ground.language);
        let quantity = if unit.is_empty() { quantity } else { format!("{quantity}\u{a0}{unit}") };
        self.number_in(QUANTITY, 67.0, quantity, numbers);
        self.number_in(PRICE, 70.0, price(ground, line), numbers);
        self.number_in(RATE, 36.0, rate(ground, line.vat.category, line.vat.rate), numbers);
        let net = ground.number(line.net);
        self.number_in(RIGHT, RIGHT - RATE - 6.0, net, numbers);
        let mut sum_told = false;
        for (text, style) in rows {
            if self.bottom < self.y + style.leading() + reserve {
                if !sum_told {
                    self.carry(line.net);
                    sum_told = true;
                }
                self.turn();
            }
            self.text(NAME, text, style);
            self.y += style.leading();
        }
        if !sum_told {
            self.carry(line.net);
        }
        let y = self.y - 6.5;
        self.page().rule(LEFT, y, RIGHT - LEFT, 0.4, Ink::Light);
        self.y += 6.0;
    }

    fn carry(&mut self, net: Decimal) {
        self.carried = self.carried.map(|sum| sum + net);
    }

    /// A number in its column, set smaller where it is too long.
    fn number_in(&mut self, x: f32, width: f32, text: String, style: Style) {
        let wide = self.fonts.width(&text, style.weight) * style.size;
        let size = if wide <= width { style.size } else { (style.size * width / wide).max(4.0) };
        self.right(x, text, Style { size, ..style });
    }

    /// Everything that is said of a line, wrapped.
    fn rows(&mut self, line: &Line) -> Vec<(String, Style)> {
        let ground = self.ground;
        let mut rows = Vec::new();
        let mut say = |text: &str, style: Style| {
            let lines = self.fonts.wrap(text, style.weight, style.size, NAME_WIDTH);
            rows.extend(lines.into_iter().map(|line| (line, style)));
        };
        say(&line.name, BODY);
        for text in [&line.description, &line.note] {
            if !text.is_empty() {
                say(text, SMALL);
            }
        }
        if let Some(period) = line.period.filter(|p| Some(*p) != ground.terms().period) {
            say(&ground.days(period), SMALL);
        }
        for (name, value) in &line.attributes {
            say(&format!("{name}: {value}"), SMALL);
        }
        for one in &line.adjustments {
            say(&format!("{}: {}", adjustment(ground, one), ground.number(signed(one))), SMALL);
        }
        rows
    }

    fn totals(&mut self) {
        let ground = self.ground;
        let (terms, words) = (ground.terms(), ground.words);
        let totals = &terms.totals;
        let mut rows = Vec::new();
        if !terms.adjustments.is_empty() {
            rows.push((words.lines.to_owned(), ground.money(totals.lines), false));
            for taxed in &terms.adjustments {
                let one = &taxed.adjustment;
                rows.push((adjustment(ground, one), ground.money(signed(one)), false));
            }
        }
        rows.push((words.net.to_owned(), ground.money(totals.net), false));
        for tax in &terms.taxes {
            rows.push((tax_name(ground, tax), ground.money(tax.amount), false));
        }
        rows.push((words.gross.to_owned(), ground.money(totals.gross), true));
        if !totals.prepaid.is_zero() {
            rows.push((words.prepaid.to_owned(), ground.money(-totals.prepaid), false));
        }
        if !totals.rounding.is_zero() {
            rows.push((words.rounding.to_owned(), ground.money(totals.rounding), false));
        }
        let x = LEFT + 236.0;
        let wrapped: Vec<_> = rows
            .into_iter()
            .map(|(name, amount, bold)| {
                let style = if bold { BODY.bold() } else { BODY };
                (self.fonts.wrap(&name, style.weight, style.size, RIGHT - x - 100.0), amount, style)
            })
            .collect();
        let height: f32 = wrapped.iter().map(|(name, _, style)| name.len() as f32 * style.leading() + 3.0).sum();
        self.y += 6.0;
        self.room((height + 44.0).min(500.0));
        for (name, amount, style) in wrapped {
            self.room(style.leading());
            self.number_in(RIGHT, 96.0, amount, style);
            for line in name {
                self.text(x, line, style);
                self.y += style.leading();
            }
            self.y += 3.0;
        }
        self.due(x);
        if let Some(tax_in) = &terms.tax_in {
            let digits = crate::codes::minor_digits(&tax_in.currency).unwrap_or(2);
            let amount = words::money(tax_in.amount, digits, &tax_in.currency, ground.language);
            self.text(x, words.vat_in.replace("{currency}", &tax_in.currency), SMALL);
            self.number_in(RIGHT, 96.0, amount, SMALL);
            self.y += SMALL.leading() + 4.0;
        }
        for tax in terms.taxes.iter().filter(|t| t.vat.category.is_exempt()) {
            self.exemption(tax);
        }
    }

    fn due(&mut self, x: f32) {
        let ground = self.ground;
        let words = ground.words;
        let style = Style::new(11.0).bold().ink(Ink::OnBrand);
        self.room(30.0);
        self.y += 2.0;
        let y = self.y - 6.0;
        self.page().rule(x - 8.0, y, RIGHT - x + 8.0, 23.0, Ink::Brand);
        self.y += 9.5;
        let amount = ground.money(ground.terms().totals.due);
        let name = if ground.invoice.is_credit() { words.credited } else { words.payable };
        self.text(x, name, style);
        self.number_in(RIGHT - 6.0, 150.0, amount, style);
        self.y += 26.0;
    }

    /// Why an amount is not taxed: the sentence in the page's language, and what the invoice says besides.
    fn exemption(&mut self, tax: &Tax) {
        let known = legal::exemption(tax, self.ground.language).unwrap_or_default();
        // What a code says is said in the page's language already.
        let said = !known.is_empty() && !tax.reason_code.is_empty();
        let own = if said || known.contains(tax.reason.as_str()) { "" } else { tax.reason.as_str() };
        let code = if known.is_empty() && own.is_empty() { tax.reason_code.as_str() } else { "" };
        for text in [known, own, code] {
            self.paragraph(text, BODY);
        }
    }

    /// A text over the width of the page and over as many pages as it takes.
    fn paragraph(&mut self, text: &str, style: Style) {
        self.paragraph_in(text, style, RIGHT - LEFT);
    }

    fn paragraph_in(&mut self, text: &str, style: Style, width: f32) {
        if text.is_empty() {
            return;
        }
        for line in self.fonts.wrap(text, style.weight, style.size, width) {
            self.room(style.leading());
            self.text(LEFT, line, style);
            self.y += style.leading();
        }
        self.y += 3.0;
    }

    fn payment(&mut self) {
        let ground = self.ground;
        let terms = ground.terms();
        self.y += 8.0;
        if terms.payment_terms.is_empty() && terms.payment.is_none() {
            return;
        }
        // Beside the text, with the quiet zone that readers want around it.
        let code = super::code::code(terms);
        self.room(if code.is_some() { CODE + 14.0 } else { 5.0 * BODY.leading() });
        let (page, top) = (self.pages.len(), self.y - BODY.size);
        let mut width = RIGHT - LEFT;
        if let Some(squares) = code {
            width -= CODE + 24.0;
            let mark = Mark::Code { x: RIGHT - CODE, y: top, width: CODE, squares };
            self.page().marks.push(mark);
        }
        self.means(width);
        if self.pages.len() == page && width < RIGHT - LEFT {
            self.y = self.y.max(top + CODE + 10.0);
        }
    }

    fn means(&mut self, width: f32) {
        let ground = self.ground;
        let (terms, words) = (ground.terms(), ground.words);
        self.text(LEFT, words.payment, BODY.bold());
        self.y += BODY.leading() + 1.0;
        // Lines for machines are no text for people.
        let said: Vec<_> = terms.payment_terms.lines().filter(|l| !l.starts_with('#')).collect();
        self.paragraph_in(&said.join("\n"), BODY, width);
        let Some(payment) = &terms.payment else { return };
        let mut facts = Vec::new();
        match &payment.means {
            Means::SepaTransfer(account) | Means::Transfer(account) => {
                if terms.kind == Kind::CreditNote {
                    // Of the seller: nothing is to be paid there.
                    return;
                }
                let holder = if account.holder.is_empty() { &terms.seller.name } else { &account.holder };
                self.paragraph_in(&words.transfer.replace("{holder}", holder), BODY, width);
                let iban = crate::codes::is_iban(&account.number);
                facts.push((if iban { "IBAN" } else { words.account }, spaced(&account.number, iban)));
                facts.push((words.bank, account.bank.clone()));
            }
            Means::SepaDebit { mandate, creditor, debited } => {
                self.paragraph(words.debit, BODY);
                facts.push(("IBAN", spaced(debited, true)));
                facts.push((words.mandate, mandate.clone()));
                facts.push((words.creditor, creditor.clone()));
            }
            Means::Card { digits, .. } => self.paragraph(&words.card.replace("{digits}", digits), BODY),
            Means::Other(_) => {}
        }
        facts.push((words.reference, payment.reference.clone()));
        for (name, value) in facts.into_iter().filter(|(_, value)| !value.is_empty()) {
            self.room(BODY.leading());
            self.text(LEFT, name, BODY.ink(Ink::Grey));
            for line in self.fonts.wrap(&value, Weight::Regular, BODY.size, width - 110.0) {
                self.room(BODY.leading());
                self.text(LEFT + 110.0, line, BODY);
                self.y += BODY.leading();
            }
        }
    }

    fn notes(&mut self) {
        self.y += 8.0;
        for note in &self.ground.terms().notes {
            self.paragraph(note, BODY);
        }
    }
}

/// An address as it stands on a letter from a country: abroad the country is named.
fn address(party: &Party, from: &str, language: Language) -> Vec<String> {
    let address = &party.address;
    let town = format!("{} {}", address.postal_code, address.city);
    let mut lines = address.lines.clone();
    let country = if address.country == from { "" } else { country(&address.country, language) };
    lines.extend([town.trim().to_owned(), address.region.clone(), country.to_owned()]);
    lines.retain(|line| !line.is_empty());
    lines
}

/// The price of one unit; nothing where the amount comes from no such price.
fn price(ground: &Ground<'_>, line: &Line) -> String {
    let price = &line.price;
    if price.per != Decimal::ONE && price.per == line.quantity.abs() {
        return String::new();
    }
    let places = price.amount.normalize().scale().max(ground.invoice.digits());
    let amount = words::number(price.amount, Some(places), ground.language);
    if price.per == Decimal::ONE {
        amount
    } else {
        format!("{amount} {} {}", ground.words.per, words::number(price.per, None, ground.language))
    }
}

fn rate(ground: &Ground<'_>, category: Category, rate: Decimal) -> String {
    match category {
        Category::O => "–".into(),
        _ => words::percent(rate, ground.language),
    }
}

fn tax_name(ground: &Ground<'_>, tax: &Tax) -> String {
    let rate = rate(ground, tax.vat.category, tax.vat.rate);
    ground.words.vat_on.replace("{rate}", &rate).replace("{base}", &ground.money(tax.base))
}

fn signed(one: &Adjustment) -> Decimal {
    if one.charge { one.amount } else { -one.amount }
}

fn adjustment(ground: &Ground<'_>, one: &Adjustment) -> String {
    let reason = if one.reason.is_empty() { &one.reason_code } else { &one.reason };
    match &one.share {
        Some(share) => {
            format!("{reason} ({} × {})", words::percent(share.percent, ground.language), ground.number(share.base))
        }
        None => reason.clone(),
    }
}

/// An IBAN in groups of four.
fn spaced(number: &str, iban: bool) -> String {
    if !iban {
        return number.to_owned();
    }
    let mut out = String::new();
    for (index, c) in number.chars().enumerate() {
        if 0 < index && index % 4 == 0 {
            out.push('\u{a0}');
        }
        out.push(c);
    }
    out
}

/// The issuer at the foot of every page, in three columns.
struct Foot {
    columns: Vec<Vec<String>>,
    height: f32,
}

fn foot(ground: &Ground<'_>, fonts: &mut Fonts<'_>) -> Foot {
    let (terms, words) = (ground.terms(), ground.words);
    let seller = &terms.seller;
    let told = |name: &str, value: &str| if value.is_empty() { String::new() } else { format!("{name} {value}") };
    let mut who = vec![seller.name.clone()];
    who.extend(address(seller, &terms.buyer.address.country, ground.language));
    let contact = seller.contact.as_ref();
    let reach = vec![
        contact.map_or(String::new(), |c| c.name.clone()),
        contact.map_or(String::new(), |c| told(words.phone, &c.phone)),
        contact.map_or(String::new(), |c| c.email.clone()),
        told(words.vat_id, &seller.vat_id),
        told(words.tax_number, &seller.tax_number),
        told(words.register, seller.registration.as_ref().map_or("", |r| &r.value)),
    ];
    let mut rest = vec![seller.legal_form.clone()];
    if let Some(Means::SepaTransfer(account) | Means::Transfer(account)) = terms.payment.as_ref().map(|p| &p.means) {
        let iban = crate::codes::is_iban(&account.number);
        rest.push(told(if iban { "IBAN" } else { words.account }, &spaced(&account.number, iban)));
        rest.push(told(words.bank, &account.bank));
    }
    let columns: Vec<Vec<String>> = [who, reach, rest]
        .into_iter()
        .map(|texts| {
            let texts = texts.into_iter().filter(|t| !t.is_empty());
            texts.flat_map(|t| fonts.some_lines(&t, (Weight::Regular, FOOT.size), 158.0, 6)).take(18).collect()
        })
        .collect();
    let rows = columns.iter().map(Vec::len).max().unwrap_or(0);
    Foot { columns, height: rows as f32 * FOOT.leading() + 18.0 }
}

impl Foot {
    fn draw(&self, page: &mut Page) {
        let top = HEIGHT - 24.0 - self.height;
        page.rule(LEFT, top, RIGHT - LEFT, 0.5, Ink::Grey);
        for (column, lines) in self.columns.iter().enumerate() {
            for (row, line) in lines.iter().enumerate() {
                let x = LEFT + column as f32 * 167.0;
                page.text(x, top + 12.0 + row as f32 * FOOT.leading(), line.clone(), FOOT);
            }
        }
    }
}
