//! Reads the loosely typed parameters of a case, and notes which of them were read: one that
//! no rule looks at is told, so that an amount never comes out right by ignoring a term.

use std::cell::RefCell;
use std::collections::BTreeSet;

use rust_decimal::Decimal;
use serde_json::Value;

use crate::domain::plan::{BlockTier, CapacityTier, Charge, QuantityRounding, Tier};

/// Where in a case the values lie that were read.
#[derive(Default)]
pub struct Read(RefCell<BTreeSet<usize>>);

/// Keys that only describe.
const DESCRIPTIVE: [&str; 7] = ["code", "comment", "description", "id", "label", "name", "note"];

impl Read {
    fn mark(&self, value: &Value) {
        self.0.borrow_mut().insert(std::ptr::from_ref(value).addr());
    }

    /// The keys below a value that nobody read.
    pub fn unread(&self, value: &Value) -> Vec<String> {
        match value {
            Value::Object(fields) => {
                let told = fields.iter().filter(|(k, v)| !v.is_null() && !DESCRIPTIVE.contains(&k.as_str()));
                let of = |(key, v): (&String, &Value)| {
                    if self.0.borrow().contains(&std::ptr::from_ref(v).addr()) {
                        self.unread(v).into_iter().map(|inner| format!("{key}.{inner}")).collect()
                    } else {
                        vec![key.clone()]
                    }
                };
                told.flat_map(of).collect()
            }
            Value::Array(items) => items.iter().flat_map(|item| self.unread(item)).collect(),
            _ => Vec::new(),
        }
    }
}

#[derive(Clone, Copy)]
pub struct Params<'a> {
    value: &'a Value,
    read: &'a Read,
}

impl<'a> Params<'a> {
    pub fn new(value: &'a Value, read: &'a Read) -> Self {
        Self { value, read }
    }

    /// The parameters inside a value that was read.
    pub fn of(&self, value: &'a Value) -> Self {
        Self { value, read: self.read }
    }

    pub fn get(&self, name: &str) -> Option<&'a Value> {
        let found = self.value.get(name)?;
        self.read.mark(found);
        Some(found).filter(|v| !v.is_null())
    }

    pub fn has(&self, name: &str) -> bool {
        self.value.get(name).is_some_and(|v| !v.is_null())
    }

    /// The one of some names of the same thing that the case uses, or the first.
    pub fn named<'n>(&self, names: &[&'n str]) -> &'n str {
        names.iter().find(|name| self.has(name)).unwrap_or(&names[0])
    }

    /// Numbers by unit; a unit without a limit is null or below zero.
    pub fn units(&self, name: &str) -> Result<Vec<(String, Decimal)>, String> {
        let units = self.get(name).and_then(Value::as_object).ok_or_else(|| format!("`{name}` is missing"))?;
        let inner = self.of(self.get(name).unwrap_or(self.value));
        let mut found = Vec::new();
        for unit in units.keys() {
            if let Some(amount) = inner.opt(unit)?.filter(|n| !n.is_sign_negative()) {
                found.push((unit.clone(), amount));
            }
        }
        Ok(found)
    }

    pub fn opt(&self, name: &str) -> Result<Option<Decimal>, String> {
        self.get(name).map(|v| number(v).ok_or_else(|| format!("`{name}` is not a number"))).transpose()
    }

    pub fn num(&self, name: &str) -> Result<Decimal, String> {
        self.opt(name)?.ok_or_else(|| format!("`{name}` is missing"))
    }

    pub fn or(&self, name: &str, default: Decimal) -> Result<Decimal, String> {
        Ok(self.opt(name)?.unwrap_or(default))
    }

    pub fn int(&self, name: &str) -> Result<i64, String> {
        i64::try_from(self.num(name)?).map_err(|_| format!("`{name}` is not a whole number"))
    }

    pub fn text(&self, name: &str) -> Result<&'a str, String> {
        self.get(name).and_then(Value::as_str).ok_or_else(|| format!("`{name}` is missing"))
    }

    pub fn flag(&self, name: &str, default: bool) -> bool {
        self.get(name).and_then(Value::as_bool).unwrap_or(default)
    }

    pub fn list(&self, name: &str) -> Result<&'a Vec<Value>, String> {
        self.get(name).and_then(Value::as_array).ok_or_else(|| format!("`{name}` is not a list"))
    }

    pub fn numbers(&self, name: &str) -> Result<Vec<Decimal>, String> {
        self.list(name)?.iter().map(|v| number(v).ok_or_else(|| format!("`{name}` holds no number"))).collect()
    }

    /// Tiers; the price of a unit is named `unit` or `rate`.
    pub fn tiers(&self) -> Result<Vec<Tier>, String> {
        let tier = |value: &'a Value| {
            let t = self.of(value);
            let unit = if t.get("rate").is_some() { t.num("rate")? } else { t.or("unit", Decimal::ZERO)? };
            Ok(Tier { up_to: t.opt("up_to")?, unit, flat: t.or("flat", Decimal::ZERO)? })
        };
        self.list("tiers")?.iter().map(tier).collect()
    }

    pub fn blocks(&self) -> Result<Vec<BlockTier>, String> {
        let tier = |value: &'a Value| {
            let t = self.of(value);
            let max_blocks = t.opt("max_blocks")?.filter(|max| !max.is_sign_negative());
            Ok(BlockTier { size: t.num("block_size")?, max_blocks, price: t.num("price")? })
        };
        self.list("tiers")?.iter().map(tier).collect()
    }

    pub fn capacities(&self) -> Result<Vec<CapacityTier>, String> {
        let tier = |value: &'a Value| {
            let t = self.of(value);
            Ok(CapacityTier { limits: t.units("max")?, price: t.num("price")? })
        };
        self.list("tiers")?.iter().map(tier).collect()
    }

    /// Minimum, maximum, conversion, inclusion and discount, where the case names them.
    pub fn terms(&self, charge: &mut Charge) -> Result<(), String> {
        charge.minimum = self.opt("minimum")?;
        charge.maximum = self.opt("maximum")?;
        charge.included = self.or(self.named(&["included", "included_units", "usage_discount"]), Decimal::ZERO)?;
        charge.discount_percent = self.or("discount_percent", Decimal::ZERO)?;
        charge.divide_by = self.or("divide_by", Decimal::ONE)?;
        let round = self.named(&["round", "rounding_function"]);
        charge.quantity_rounding = match self.get(round).and_then(Value::as_str).unwrap_or("none") {
            "ceil" | "ceiling" | "up" => QuantityRounding::Ceil,
            "floor" | "down" => QuantityRounding::Floor,
            "half_up" | "nearest" | "round" => QuantityRounding::HalfUp,
            "none" => QuantityRounding::None,
            other => return Err(format!("unknown rounding `{other}`")),
        };
        let places = self.opt(self.named(&["precision", "rounding_precision"]))?;
        charge.quantity_rounding_places =
            places.map_or(Ok(0), i32::try_from).map_err(|_| "the precision is not a number of places")?;
        Ok(())
    }
}

pub fn number(value: &Value) -> Option<Decimal> {
    match value {
        Value::String(text) => text.parse().ok(),
        Value::Number(n) => n.to_string().parse().ok(),
        _ => None,
    }
}
