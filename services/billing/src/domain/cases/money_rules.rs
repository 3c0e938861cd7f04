//! Totals, taxes, commitments, credits, currencies.

use rust_decimal::Decimal;
use serde_json::Value;

use super::params::{Params, number};
use super::{Outcome, outcome};
use crate::domain::invoice::apply_credit;
use crate::domain::money::{Currency, Rounding, allocate, convert, share, sum};
use crate::domain::over_time::carried;
use crate::domain::rating::true_up;
use crate::domain::tax::{
    Taxpayer, Treatment, Unverified, VatCheck, credited_tax, decide, tax_on, total_tax, totals, unused,
};

pub fn compute(model: &str, p: &Params<'_>, u: &Params<'_>) -> Option<Result<Outcome, String>> {
    Some(match model {
        "flat_prorated" => flat_prorated(p, u),
        "plan_change_prorated" => plan_change(p, u),
        "invoice_totals" => invoice_totals(p, u),
        "vat_category" => vat_category(p, u),
        "eu_vat" => eu_vat(p, u),
        "minimum_commitment" => commitment(p, u),
        "minimum_commitment_invoice" => commitment_invoice(p, u),
        "credit_applied" => credit_applied(u),
        "credit_note_prorated" => credit_note_prorated(p, u),
        "credit_note_partial" => credit_note_partial(p, u),
        "currency_convert" => currency_convert(p, u),
        "minor_units" => minor_units(u),
        "included_rollover" | "rollover" => rollover(p, u),
        "yearly_commitment" | "annual_commitment" => yearly(p, u),
        "coupon" | "discount" => coupon(p, u),
        _ => return None,
    })
}

/// The table's currency where it names none: two decimal places.
pub fn currency(p: &Params<'_>) -> Result<Currency, String> {
    let code = p.get("currency").and_then(Value::as_str).unwrap_or("EUR");
    Currency::parse(code).map_err(text)
}

fn text(error: impl ToString) -> String {
    error.to_string()
}

fn rounded(p: &Params<'_>, amount: Decimal) -> Result<Decimal, String> {
    Ok(currency(p)?.round(amount, rounding(p)?))
}

fn rounding(p: &Params<'_>) -> Result<Rounding, String> {
    Ok(match p.get("rounding").and_then(Value::as_str) {
        Some("half_even") => Rounding::HalfEven,
        Some("half_up") | None => Rounding::HalfUp,
        Some(other) => return Err(format!("unknown rounding `{other}`")),
    })
}

/// Days of a trial are covered and free.
fn flat_prorated(p: &Params<'_>, u: &Params<'_>) -> Result<Outcome, String> {
    let days = (u.int("days")? - trial_days(p, u)?).max(0);
    let exact = share(p.num("amount")?, days, p.int("period_days")?).map_err(text)?;
    Ok(outcome(&[("amount", rounded(p, exact)?)]))
}

fn trial_days(p: &Params<'_>, u: &Params<'_>) -> Result<i64, String> {
    let names = ["trial_days", "trial_period"];
    let from = if names.iter().any(|name| u.has(name)) { u } else { p };
    from.opt(from.named(&names))?.map_or(Ok(0), |days| days.try_into().map_err(text))
}

/// The unused rest of the old price back, the rest of the new one charged.
fn plan_change(p: &Params<'_>, u: &Params<'_>) -> Result<Outcome, String> {
    let (part, whole) = match u.opt("fraction_remaining")? {
        Some(fraction) => (fraction, Decimal::ONE),
        None => {
            let of = if u.has("period_days") { u } else { p };
            (u.num(u.named(&["days_remaining", "remaining_days"]))?, of.num("period_days")?)
        }
    };
    // Multiplied first: a fraction that does not end must not decide a half cent.
    let credit = -rounded(p, p.num("old")? * part / whole)?;
    let charge = rounded(p, p.num("new")? * part / whole)?;
    Ok(outcome(&[("amount", credit + charge), ("credit", credit), ("charge", charge)]))
}

fn treatment(line: &Params<'_>) -> Result<Treatment, String> {
    let rate = line.or("tax_percent", Decimal::ZERO)?;
    let category = match line.get("category").and_then(Value::as_str) {
        Some(category) => category.to_string(),
        None if rate.is_zero() => "Z".into(),
        None => "S".into(),
    };
    Ok(Treatment { category, ..Treatment::standard(rate) })
}

fn invoice_totals(p: &Params<'_>, u: &Params<'_>) -> Result<Outcome, String> {
    let currency = currency(p)?;
    let mut lines = Vec::new();
    for line in u.list("lines")? {
        let line = u.of(line);
        lines.push((line.num("amount")?, treatment(&line)?));
    }
    let before_tax = p.flag("coupon_before_tax", true);
    let weights: Vec<Decimal> = lines.iter().map(|(a, _)| *a).collect();
    let gross = sum(weights.iter().copied()).map_err(text)?;
    let off = if before_tax { coupons(p, gross)? } else { Decimal::ZERO };
    let shares = allocate(off, &weights, currency.minor_digits()).map_err(text)?;
    for ((amount, _), share) in lines.iter_mut().zip(&shares) {
        *amount -= *share;
    }
    let per_line = lines
        .iter()
        .map(|(amount, t)| tax_on(*amount, t.rate, currency).map_err(text))
        .collect::<Result<Vec<_>, _>>()?;
    for (name, sign) in [("document_allowance", -Decimal::ONE), ("document_charge", Decimal::ONE)] {
        if let Some(value) = p.get(name) {
            let value = p.of(value);
            let mut of = treatment(&value)?;
            // An allowance that names only its category belongs to that category's lines.
            if let Some((_, line)) = lines.iter().find(|(_, t)| t.category == of.category) {
                of.rate = value.or("tax_percent", line.rate)?;
            }
            lines.push((sign * value.num("amount")?, of));
        }
    }
    let categories = totals(&lines, currency).map_err(text)?;
    let tax = match p.get("tax_rounding").and_then(Value::as_str) {
        Some("line") => sum(per_line.iter().copied()).map_err(text)?,
        Some("category") | None => total_tax(&categories).map_err(text)?,
        Some(other) => return Err(format!("unknown rounding of taxes `{other}`")),
    };
    let net = sum(lines.iter().map(|(a, _)| *a)).map_err(text)?;
    let after_tax = if before_tax { Decimal::ZERO } else { coupons(p, net + tax)? };
    let mut out = outcome(&[("amount", net + tax - after_tax), ("net", net), ("tax", tax)]);
    let list = |amounts: &[Decimal]| Value::Array(amounts.iter().map(|a| Value::String(a.to_string())).collect());
    out.insert("coupon_shares".into(), list(&shares));
    out.insert("taxes".into(), list(&per_line));
    for total in &categories {
        let category = &total.treatment.category;
        let sum_of = |of: fn(&crate::domain::tax::CategoryTotal) -> Decimal| -> Decimal {
            categories.iter().filter(|t| t.treatment.category == *category).map(of).sum()
        };
        let fields =
            [(format!("taxable_{category}"), sum_of(|t| t.taxable)), (format!("tax_{category}"), sum_of(|t| t.tax))];
        out.extend(fields.map(|(k, v)| (k, Value::String(v.to_string()))));
    }
    Ok(out)
}

/// What one coupon or several take off an amount, one after another and never more than there is.
fn coupons(p: &Params<'_>, amount: Decimal) -> Result<Decimal, String> {
    let fixed = if p.has("coupons") { p.numbers("coupons")? } else { vec![p.or("coupon", Decimal::ZERO)?] };
    let (mut left, _) = apply_credit(amount, sum(fixed).map_err(text)?);
    if let Some(percent) = p.opt("coupon_percent")? {
        left = apply_credit(left, rounded(p, left * percent / Decimal::ONE_HUNDRED)?).0;
    }
    Ok(amount - left)
}

fn vat_category(p: &Params<'_>, u: &Params<'_>) -> Result<Outcome, String> {
    let (taxable, rate, currency) = (u.num("taxable")?, p.num("rate")?, currency(p)?);
    // Both documents are computed, whichever are asked for.
    u.get("sign");
    let amount = tax_on(taxable, rate, currency).map_err(text)?;
    let credit = tax_on(-taxable, rate, currency).map_err(text)?;
    Ok(outcome(&[("amount", amount), ("credit", credit)]))
}

fn eu_vat(p: &Params<'_>, u: &Params<'_>) -> Result<Outcome, String> {
    let issuer = Taxpayer {
        country: p.text("seller_country")?,
        vat_id: p.get("seller_vat").and_then(Value::as_str).unwrap_or(p.text("seller_country")?),
    };
    // Greece's VAT ids begin with EL.
    let country = p.text("buyer_country").map(|c| if c == "EL" { "GR" } else { c })?;
    let check = match p.get("buyer_vat_valid").and_then(Value::as_bool) {
        Some(true) => VatCheck::Valid,
        Some(false) => VatCheck::Invalid,
        None => VatCheck::NotChecked,
    };
    // Which id it is changes nothing, only whether it is valid.
    p.get("buyer_vat");
    let buyer = Taxpayer { country, vat_id: if check == VatCheck::Valid { country } else { "" } };
    let on = match p.get("date").or(u.get("date")).and_then(Value::as_str) {
        Some(date) => date.parse().map_err(text)?,
        None => jiff::civil::date(2025, 1, 1),
    };
    // The peers behind the table tax an unverified buyer where it is.
    let unverified = match p.get("consumer_place").and_then(Value::as_str) {
        Some("supplier") => Unverified::Supplier,
        _ => Unverified::Destination,
    };
    let small = p.flag("small_business", p.flag("small_business_exemption", false));
    let treatment = decide(issuer, small, buyer, check, unverified, on).map_err(text)?;
    let net = u.num("net")?;
    let tax = tax_on(net, treatment.rate, currency(p)?).map_err(text)?;
    let mut out = outcome(&[("amount", net + tax), ("net", net), ("tax", tax), ("rate", treatment.rate)]);
    out.insert("category".into(), Value::String(treatment.category));
    out.insert("reason_code".into(), Value::String(treatment.exemption_code));
    Ok(out)
}

fn prorated_commitment(p: &Params<'_>, u: &Params<'_>) -> Result<(Decimal, Decimal, Decimal), String> {
    let whole = p.opt("period_days")?.map(i64::try_from).transpose().map_err(text)?;
    let days = u.opt("days")?.map(i64::try_from).transpose().map_err(text)?;
    let (days, whole) = match (days, whole) {
        (None, None) => (1, 1),
        (None, Some(whole)) => (whole, whole),
        (Some(_), None) => return Err("`period_days` is missing".into()),
        (Some(days), Some(whole)) => (days, whole),
    };
    let prorated = rounded(p, share(p.num("commitment")?, days, whole).map_err(text)?)?;
    let fees = sum(u.numbers("fees")?).map_err(text)?;
    Ok((prorated, fees, true_up(prorated, fees)))
}

fn commitment(p: &Params<'_>, u: &Params<'_>) -> Result<Outcome, String> {
    let (prorated, _, rest) = prorated_commitment(p, u)?;
    Ok(outcome(&[("amount", rest), ("prorated_commitment", prorated), ("true_up", rest)]))
}

fn commitment_invoice(p: &Params<'_>, u: &Params<'_>) -> Result<Outcome, String> {
    let (_, fees, rest) = prorated_commitment(p, u)?;
    let net = fees + rest;
    let tax = tax_on(net, p.or("tax_percent", Decimal::ZERO)?, currency(p)?).map_err(text)?;
    let (due, _) = apply_credit(net + tax, credits(u)?);
    Ok(outcome(&[("amount", due), ("total", net + tax), ("true_up", rest), ("net", net), ("tax", tax)]))
}

/// Credit notes that stand against an invoice.
fn credits(u: &Params<'_>) -> Result<Decimal, String> {
    let notes = if u.has("credit_notes") { u.numbers("credit_notes")? } else { Vec::new() };
    Ok(sum(notes).map_err(text)? + u.or("credit_note_total", Decimal::ZERO)?)
}

fn credit_applied(u: &Params<'_>) -> Result<Outcome, String> {
    let (due, left) = apply_credit(u.num("invoice_total")?, credits(u)?);
    Ok(outcome(&[("amount", due), ("credit_left", left), ("remaining_credit", left)]))
}

fn credit_note_prorated(p: &Params<'_>, u: &Params<'_>) -> Result<Outcome, String> {
    let days = (u.int("unused_days")?, p.int("period_days")?);
    let (net, tax) = unused(p.num("paid_amount")?, p.num("tax_percent")?, days, currency(p)?).map_err(text)?;
    Ok(outcome(&[("amount", net + tax), ("net", net), ("tax", tax)]))
}

/// A part of an invoice back; of a discounted one, as much less as the discount took off.
fn credit_note_partial(p: &Params<'_>, u: &Params<'_>) -> Result<Outcome, String> {
    let currency = currency(p)?;
    let (gross, rate) = (p.num("invoice_net")?, p.num("tax_percent")?);
    let off = coupons(p, gross)?;
    let discount = |part: Decimal| match off.is_zero() {
        true => Ok(off),
        false => part.checked_mul(off).map(|x| currency.round(x / gross, Rounding::HalfUp)).ok_or("too large"),
    };
    let whole = gross - off;
    let whole_tax = tax_on(whole, rate, currency).map_err(text)?;
    let before = u.or("already_credited_net", Decimal::ZERO)?;
    let tax_before = u.or("already_credited_tax", tax_on(before, rate, currency).map_err(text)?)?;
    let left = (whole - before, whole_tax - tax_before);
    let asked = u.num("credited_net")?;
    let adjustment = discount(asked)?;
    let net = asked - adjustment;
    if net > left.0 {
        return Err("credits exceed the invoice".into());
    }
    let tax = credited_tax(net, rate, left, currency).map_err(text)?;
    Ok(outcome(&[("amount", net + tax), ("net", net), ("tax", tax), ("coupons_adjustment", adjustment)]))
}

fn currency_convert(p: &Params<'_>, u: &Params<'_>) -> Result<Outcome, String> {
    let digits = match p.get("to_currency").and_then(Value::as_str) {
        Some(code) if !p.has("to_minor_digits") => Currency::parse(code).map_err(text)?.minor_digits(),
        _ => u32::try_from(p.int("to_minor_digits")?).map_err(text)?,
    };
    // The amount is told without its own currency's places.
    p.get("from_currency");
    let amount = convert(u.num("amount")?, p.num("rate")?, digits, rounding(p)?).map_err(text)?;
    Ok(outcome(&[("amount", amount)]))
}

/// Units that roll over into the period after those that were used.
fn rollover(p: &Params<'_>, u: &Params<'_>) -> Result<Outcome, String> {
    let periods = i32::try_from(p.int("periods")?).map_err(text)?;
    let units = carried(p.num("included")?, periods, &u.numbers("used")?);
    Ok(outcome(&[("amount", units), ("carried", units)]))
}

/// What is missing of a year's minimum, with its last period.
fn yearly(p: &Params<'_>, u: &Params<'_>) -> Result<Outcome, String> {
    let rest = true_up(p.num("commitment")?, sum(u.numbers("fees")?).map_err(text)?);
    Ok(outcome(&[("amount", rest), ("true_up", rest)]))
}

/// A percentage or an amount off, never more than there is.
fn coupon(p: &Params<'_>, u: &Params<'_>) -> Result<Outcome, String> {
    let amount = u.num("amount")?;
    let off = match p.opt("percent")? {
        Some(percent) => rounded(p, amount * percent / Decimal::ONE_HUNDRED)?,
        None => p.num("fixed")?,
    };
    let (due, _) = apply_credit(amount, off);
    Ok(outcome(&[("amount", due), ("discount", amount - due)]))
}

fn minor_units(u: &Params<'_>) -> Result<Outcome, String> {
    let mut minor = Vec::new();
    for pair in u.list("amounts")? {
        let code = pair.get(0).and_then(Value::as_str).ok_or("no currency")?;
        let amount = pair.get(1).and_then(number).ok_or("no amount")?;
        let currency = Currency::parse(code).map_err(text)?;
        minor.push(Value::from(currency.to_minor(amount).map_err(text)?));
    }
    Ok(Outcome::from([("minor".to_string(), Value::Array(minor))]))
}
