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
fn currency(p: &Params<'_>) -> Result<Currency, String> {
    let code = p.get("currency").and_then(Value::as_str).unwrap_or("EUR");
    Currency::parse(code).map_err(text)
}

fn text(error: impl ToString) -> String {
    error.to_string()
}

fn rounded(p: &Params<'_>, amount: Decimal) -> Result<Decimal, String> {
    let rounding = match p.get("rounding").and_then(Value::as_str) {
        Some("half_even") => Rounding::HalfEven,
        _ => Rounding::HalfUp,
    };
    Ok(currency(p)?.round(amount, rounding))
}

fn flat_prorated(p: &Params<'_>, u: &Params<'_>) -> Result<Outcome, String> {
    let exact = share(p.num("amount")?, u.int("days")?, p.int("period_days")?).map_err(text)?;
    Ok(outcome(&[("amount", rounded(p, exact)?)]))
}

/// The unused rest of the old price back, the rest of the new one charged.
fn plan_change(p: &Params<'_>, u: &Params<'_>) -> Result<Outcome, String> {
    let fraction = match u.opt("fraction_remaining")? {
        Some(fraction) => fraction,
        None => u.num("days_remaining")? / u.num("period_days")?,
    };
    let credit = -rounded(p, p.num("old")? * fraction)?;
    let charge = rounded(p, p.num("new")? * fraction)?;
    Ok(outcome(&[("amount", credit + charge), ("credit", credit), ("charge", charge)]))
}

fn treatment(value: &Value) -> Result<Treatment, String> {
    let line = Params(value);
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
        lines.push((Params(line).num("amount")?, treatment(line)?));
    }
    let coupon = p.or("coupon", Decimal::ZERO)?;
    let before_tax = p.flag("coupon_before_tax", true);
    let weights: Vec<Decimal> = lines.iter().map(|(a, _)| *a).collect();
    let gross = sum(weights.iter().copied()).map_err(text)?;
    let off = if before_tax { coupon.min(gross) } else { Decimal::ZERO };
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
            let mut of = treatment(value)?;
            // An allowance that names only its category belongs to that category's lines.
            if let Some((_, line)) = lines.iter().find(|(_, t)| t.category == of.category) {
                of.rate = Params(value).or("tax_percent", line.rate)?;
            }
            lines.push((sign * Params(value).num("amount")?, of));
        }
    }
    let categories = totals(&lines, currency).map_err(text)?;
    let tax = match p.get("tax_rounding").and_then(Value::as_str) {
        Some("line") => sum(per_line.iter().copied()).map_err(text)?,
        _ => total_tax(&categories).map_err(text)?,
    };
    let net = sum(lines.iter().map(|(a, _)| *a)).map_err(text)?;
    let after_tax = if before_tax { Decimal::ZERO } else { coupon.min(net + tax) };
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

fn vat_category(p: &Params<'_>, u: &Params<'_>) -> Result<Outcome, String> {
    let (taxable, rate, currency) = (u.num("taxable")?, p.num("rate")?, currency(p)?);
    let amount = tax_on(taxable, rate, currency).map_err(text)?;
    let credit = tax_on(-taxable, rate, currency).map_err(text)?;
    Ok(outcome(&[("amount", amount), ("credit", credit)]))
}

fn eu_vat(p: &Params<'_>, u: &Params<'_>) -> Result<Outcome, String> {
    let issuer = Taxpayer {
        country: p.text("seller_country")?,
        vat_id: p.get("seller_vat").and_then(Value::as_str).unwrap_or(p.text("seller_country")?),
    };
    let country = p.text("buyer_country")?;
    let check = match p.get("buyer_vat_valid").and_then(Value::as_bool) {
        Some(true) => VatCheck::Valid,
        Some(false) => VatCheck::Invalid,
        None => VatCheck::NotChecked,
    };
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
    let exact = share(p.num("commitment")?, u.int("days")?, p.int("period_days")?).map_err(text)?;
    let prorated = rounded(p, exact)?;
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
    Ok(outcome(&[("amount", net + tax), ("true_up", rest), ("net", net), ("tax", tax)]))
}

fn credit_applied(u: &Params<'_>) -> Result<Outcome, String> {
    let (due, left) = apply_credit(u.num("invoice_total")?, u.num("credit_note_total")?);
    Ok(outcome(&[("amount", due), ("credit_left", left), ("remaining_credit", left)]))
}

fn credit_note_prorated(p: &Params<'_>, u: &Params<'_>) -> Result<Outcome, String> {
    let days = (u.int("unused_days")?, p.int("period_days")?);
    let (net, tax) = unused(p.num("paid_amount")?, p.num("tax_percent")?, days, currency(p)?).map_err(text)?;
    Ok(outcome(&[("amount", net + tax), ("net", net), ("tax", tax)]))
}

fn credit_note_partial(p: &Params<'_>, u: &Params<'_>) -> Result<Outcome, String> {
    let currency = currency(p)?;
    let (whole, rate) = (p.num("invoice_net")?, p.num("tax_percent")?);
    let whole_tax = tax_on(whole, rate, currency).map_err(text)?;
    let before = u.or("already_credited_net", Decimal::ZERO)?;
    let tax_before = u.or("already_credited_tax", tax_on(before, rate, currency).map_err(text)?)?;
    let left = (whole - before, whole_tax - tax_before);
    let net = u.num("credited_net")?;
    if net > left.0 {
        return Err("credits exceed the invoice".into());
    }
    let tax = credited_tax(net, rate, left, currency).map_err(text)?;
    Ok(outcome(&[("amount", net + tax), ("net", net), ("tax", tax)]))
}

fn currency_convert(p: &Params<'_>, u: &Params<'_>) -> Result<Outcome, String> {
    let digits = u32::try_from(p.int("to_minor_digits")?).map_err(text)?;
    let amount = convert(u.num("amount")?, p.num("rate")?, digits, Rounding::HalfUp).map_err(text)?;
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
