//! Past every rule: rows as the superuser sees and changes them.

use sqlx::{Connection, PgConnection};
use tests::Desk;

/// A connection that row-level security does not bind.
pub async fn superuser(desk: &Desk) -> PgConnection {
    PgConnection::connect(&desk.database).await.expect("the database")
}
