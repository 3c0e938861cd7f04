//! Writes that go to the database as one statement. What costs is the way there
//! and back, not the rows: the writes of a transaction gather here and are sent
//! together, at the latest with its commit.

use sqlx::error::BoxDynError;
use sqlx::postgres::{PgArguments, Postgres};
use sqlx::{Arguments, AssertSqlSafe, Encode, Row, Type};
use uuid::Uuid;

use crate::{Failure, TenantTx};

/// Statements that gather.
#[derive(Default)]
pub struct Writes {
    statements: Vec<String>,
    /// Statements that must touch so many rows, by their places, and what is wrong if they do not.
    exact: Vec<(usize, usize, &'static str)>,
    values: PgArguments,
    bound: usize,
    wrong: Option<BoxDynError>,
}

impl Writes {
    /// Binds a value of a kind, such as `uuid[]`; the placeholder that stands for
    /// it in a statement.
    pub fn bind<'v, T>(&mut self, kind: &str, value: T) -> String
    where
        T: Encode<'v, Postgres> + Type<Postgres>,
    {
        if let Err(wrong) = self.values.add(value) {
            self.wrong.get_or_insert(wrong);
        }
        self.bound += 1;
        format!("${}::{kind}", self.bound)
    }

    /// Adds a statement. All of them see the tables as they were before the
    /// first, so that none may touch a row that another one writes.
    pub fn push(&mut self, statement: String) {
        self.statements.push(statement);
    }

    /// As [`Writes::push`], for a statement that ends in `returning 1` and must touch so many rows; else the
    /// transaction fails with the complaint.
    pub fn push_exactly(&mut self, statement: String, rows: usize, complaint: &'static str) {
        self.exact.push((self.statements.len(), rows, complaint));
        self.statements.push(statement);
    }

    /// Begins rows of one tenant for a table.
    pub fn rows(&mut self, table: &'static str, provider: Uuid, seller: Uuid) -> Rows<'_> {
        let tenant = [self.bind("uuid", provider), self.bind("uuid", seller)].join(", ");
        Rows { writes: self, table, tenant, names: Vec::new(), columns: Vec::new() }
    }

    fn is_empty(&self) -> bool {
        self.statements.is_empty()
    }

    /// One statement of all, whose parts are done whether or not they are read.
    fn text(&self) -> String {
        if let [only] = self.statements.as_slice()
            && self.exact.is_empty()
        {
            return only.clone();
        }
        let parts: Vec<String> =
            self.statements.iter().enumerate().map(|(place, part)| format!("part_{place} as ({part})")).collect();
        let counts: Vec<String> =
            self.exact.iter().map(|(place, ..)| format!("(select count(*) from part_{place})")).collect();
        let shown = if counts.is_empty() { "1".to_owned() } else { counts.join(", ") };
        format!("with {} select {shown}", parts.join(", "))
    }
}

/// Rows of a table, column by column.
pub struct Rows<'a> {
    writes: &'a mut Writes,
    table: &'static str,
    tenant: String,
    names: Vec<&'static str>,
    columns: Vec<String>,
}

impl Rows<'_> {
    /// A column: its name, its type, and a value for every row.
    pub fn column<'v, T>(mut self, name: &'static str, kind: &str, values: Vec<T>) -> Self
    where
        Vec<T>: Encode<'v, Postgres> + Type<Postgres>,
    {
        self.names.push(name);
        self.columns.push(self.writes.bind(&format!("{kind}[]"), values));
        self
    }

    /// Inserts the rows; a row that is there already is an error.
    pub fn insert(self) {
        self.insert_unless("");
    }

    /// Inserts the rows that are not there by a constraint.
    pub fn insert_new(self, constraint: &str) {
        self.insert_unless(&format!(" on conflict on constraint {constraint} do nothing"));
    }

    /// Inserts the rows; of those that are there by a constraint it sets these columns.
    pub fn insert_or_set(self, constraint: &str, columns: &[&str]) {
        let set: Vec<String> = columns.iter().map(|name| format!("{name} = excluded.{name}")).collect();
        self.insert_unless(&format!(" on conflict on constraint {constraint} do update set {}", set.join(", ")));
    }

    fn insert_unless(self, conflict: &str) {
        let (table, tenant, names, columns) = (self.table, self.tenant, self.names.join(", "), unnested(&self.columns));
        self.writes.push(format!(
            "insert into {table} (provider_id, seller_id, {names}) select {tenant}, {columns}{conflict}"
        ));
    }
}

/// Arrays of the same length as columns of rows, in their order. Taken apart row by row: as a table in the
/// `from` each array would be copied whole into a store of its own first, at twice the cost.
pub fn unnested(arrays: &[String]) -> String {
    arrays.iter().map(|array| format!("unnest({array})")).collect::<Vec<_>>().join(", ")
}

impl TenantTx {
    /// Writes that may wait until the commit. Statements of the transaction before
    /// then do not see them; see [`TenantTx::write_now`].
    pub fn writes(&mut self) -> &mut Writes {
        &mut self.writes
    }

    /// Sends what was written so far.
    pub async fn write_now(&mut self) -> Result<(), Failure> {
        let writes = std::mem::take(&mut self.writes);
        if writes.is_empty() {
            return Ok(());
        }
        let text = writes.text();
        if let Some(wrong) = writes.wrong {
            return Err(Failure::Sql(sqlx::Error::Encode(wrong)));
        }
        let query = sqlx::query_with(AssertSqlSafe(text), writes.values);
        if writes.exact.is_empty() {
            query.execute(self.conn()).await?;
            return Ok(());
        }
        let touched = query.fetch_one(self.conn()).await?;
        for (column, (_, rows, complaint)) in writes.exact.iter().enumerate() {
            let found: i64 = touched.try_get(column)?;
            if usize::try_from(found) != Ok(*rows) {
                return Err(Failure::Inconsistent((*complaint).to_owned()));
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_statement_stays_as_it_is_and_several_become_parts_of_one() {
        let mut writes = Writes::default();
        writes.rows("t", Uuid::nil(), Uuid::nil()).column("a", "text", vec!["x"]).insert();
        let first = "insert into t (provider_id, seller_id, a) select $1::uuid, $2::uuid, unnest($3::text[])";
        assert_eq!(writes.text(), first);
        writes.rows("u", Uuid::nil(), Uuid::nil()).column("b", "int8", vec![1_i64]).insert_or_set("u_pk", &["b"]);
        let second = "insert into u (provider_id, seller_id, b) select $4::uuid, $5::uuid, unnest($6::int8[]) on conflict on constraint u_pk do update set b = excluded.b";
        assert_eq!(writes.text(), format!("with part_0 as ({first}), part_1 as ({second}) select 1"));
        writes.push_exactly("update v set c = 1 returning 1".to_owned(), 3, "not three");
        let third = "part_2 as (update v set c = 1 returning 1) select (select count(*) from part_2)";
        assert_eq!(writes.text(), format!("with part_0 as ({first}), part_1 as ({second}), {third}"));
    }

    #[test]
    fn a_counted_statement_alone_is_still_counted() {
        let mut writes = Writes::default();
        writes.push_exactly("update v set c = 1 returning 1".to_owned(), 1, "not one");
        let text = "with part_0 as (update v set c = 1 returning 1) select (select count(*) from part_0)";
        assert_eq!(writes.text(), text);
    }
}
