//! Where in a file a field stands.

use toml::Spanned;
use toml::de::{DeTable, DeValue};

/// The line of a place, from 1.
pub(super) fn line_at(text: &str, at: usize) -> usize {
    1 + text.as_bytes()[..at.min(text.len())].iter().filter(|b| **b == b'\n').count()
}

/// The line of a field, or of the nearest thing around it that is there.
pub(super) fn line_of(text: &str, tree: &Spanned<DeTable<'_>>, path: &str) -> usize {
    let mut table = Some(tree.get_ref());
    let mut at = None;
    for segment in path.split('.') {
        let Some(within) = table else { break };
        let mut parts = segment.split('[');
        let key = parts.next().unwrap_or_default();
        let Some((name, value)) = within.iter().find(|(name, _)| name.get_ref().as_ref() == key) else { break };
        at = Some(name.span().start);
        let mut value: &Spanned<DeValue<'_>> = value;
        for index in parts {
            let index = index.trim_end_matches(']').parse::<usize>().ok();
            let item = match (value.get_ref(), index) {
                (DeValue::Array(items), Some(index)) => items.get(index),
                _ => None,
            };
            let Some(item) = item else { break };
            at = Some(item.span().start);
            value = item;
        }
        table = match value.get_ref() {
            DeValue::Table(inner) => Some(inner),
            _ => None,
        };
    }
    at.map_or(1, |at| line_at(text, at))
}
