//! Past every rule: rows as the superuser sees and changes them.

use sqlx::{Connection, PgConnection};
use tests::Desk;
use uuid::Uuid;

/// A connection that row-level security does not bind.
pub async fn superuser(desk: &Desk) -> PgConnection {
    PgConnection::connect(&desk.database).await.expect("the database")
}

/// The UUID inside an id of the wire.
pub fn bare(prefix: &str, id: &str) -> Uuid {
    kit::ids::decode(prefix, id).unwrap_or_else(|| panic!("{id} is no {prefix} id"))
}
