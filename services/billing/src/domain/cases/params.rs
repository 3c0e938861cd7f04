//! Reads the loosely typed parameters of a case.

use rust_decimal::Decimal;
use serde_json::Value;

use crate::domain::plan::{BlockTier, CapacityTier, Charge, QuantityRounding, Tier};

pub struct Params<'a>(pub &'a Value);

impl<'a> Params<'a> {
    pub fn get(&self, name: &str) -> Option<&'a Value> {
        self.0.get(name).filter(|v| !v.is_null())
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
            let t = Params(value);
            let unit = if t.get("rate").is_some() { t.num("rate")? } else { t.or("unit", Decimal::ZERO)? };
            Ok(Tier { up_to: t.opt("up_to")?, unit, flat: t.or("flat", Decimal::ZERO)? })
        };
        self.list("tiers")?.iter().map(tier).collect()
    }

    pub fn blocks(&self) -> Result<Vec<BlockTier>, String> {
        let tier = |value: &'a Value| {
            let t = Params(value);
            Ok(BlockTier { size: t.num("block_size")?, max_blocks: t.opt("max_blocks")?, price: t.num("price")? })
        };
        self.list("tiers")?.iter().map(tier).collect()
    }

    pub fn capacities(&self) -> Result<Vec<CapacityTier>, String> {
        let tier = |value: &'a Value| {
            let t = Params(value);
            let max = t.get("max").and_then(Value::as_object).ok_or("`max` is missing")?;
            let limits = max.iter().filter_map(|(unit, limit)| Some((unit.clone(), number(limit)?))).collect();
            Ok(CapacityTier { limits, price: t.num("price")? })
        };
        self.list("tiers")?.iter().map(tier).collect()
    }

    /// Minimum, maximum, conversion, inclusion and discount, where the case names them.
    pub fn terms(&self, charge: &mut Charge) -> Result<(), String> {
        charge.minimum = self.opt("minimum")?;
        charge.maximum = self.opt("maximum")?;
        charge.included = self.or("included", self.or("included_units", Decimal::ZERO)?)?;
        charge.discount_percent = self.or("discount_percent", Decimal::ZERO)?;
        charge.divide_by = self.or("divide_by", Decimal::ONE)?;
        if let Some(factor) = self.opt("multiply_by")? {
            charge.divide_by = Decimal::ONE / factor;
        }
        charge.quantity_rounding = match self.get("round").and_then(Value::as_str).unwrap_or("none") {
            "ceil" | "ceiling" | "up" => QuantityRounding::Ceil,
            "floor" | "down" => QuantityRounding::Floor,
            "half_up" | "nearest" | "round" => QuantityRounding::HalfUp,
            "none" => QuantityRounding::None,
            other => return Err(format!("unknown rounding `{other}`")),
        };
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
