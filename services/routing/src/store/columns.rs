//! Rows of several sellers, column by column, for writes that gather.

use std::collections::BTreeSet;

use sqlx::postgres::Postgres;
use sqlx::{Encode, Type};
use tenantdb::writes::{Writes, unnested};

/// Lists of values that stand beside each other, one of each for a row.
pub(super) struct Columns<'a> {
    writes: &'a mut Writes,
    names: Vec<&'static str>,
    places: Vec<String>,
}

impl<'a> Columns<'a> {
    pub(super) fn of(writes: &'a mut Writes) -> Columns<'a> {
        Columns { writes, names: Vec::new(), places: Vec::new() }
    }

    pub(super) fn with<'v, T>(mut self, name: &'static str, kind: &str, values: impl Iterator<Item = T>) -> Self
    where
        Vec<T>: Encode<'v, Postgres> + Type<Postgres>,
    {
        self.names.push(name);
        self.places.push(self.writes.bind(&format!("{kind}[]"), values.collect::<Vec<T>>()));
        self
    }

    /// Inserts the rows for a provider; `tail` says what if they are there.
    pub(super) fn insert(self, table: &str, provider: &str, tail: &str) {
        let names = self.names.join(", ");
        let values = unnested(&self.places);
        self.writes.push(format!("insert into {table} (provider_id, {names}) select {provider}, {values}{tail}"));
    }

    /// The rows as a table.
    pub(super) fn table(&self) -> String {
        let columns = self.names.iter().zip(&self.places).map(|(name, place)| format!("unnest({place}) as {name}"));
        format!("(select {})", columns.collect::<Vec<_>>().join(", "))
    }
}

/// Words as one value: an array of arrays does not come apart again.
pub(super) fn words(words: &BTreeSet<String>) -> serde_json::Value {
    serde_json::Value::from(words.iter().cloned().collect::<Vec<_>>())
}
