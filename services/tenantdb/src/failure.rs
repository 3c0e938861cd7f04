//! What can go wrong in the database, and what the caller hears of it.

use kit::Fault;

/// A failed statement.
#[derive(Debug, thiserror::Error)]
pub enum Failure {
    /// The database said no.
    #[error("the database refused or did not answer")]
    Sql(#[from] sqlx::Error),
    /// A row holds what it cannot hold.
    #[error("a stored row is inconsistent: {0}")]
    Inconsistent(String),
    /// The process is stopping.
    #[error("the process is stopping")]
    Stopped,
}

impl Failure {
    /// The violated constraint's name, for turning it into a domain refusal.
    pub fn constraint(&self) -> Option<&str> {
        match self {
            Failure::Sql(sqlx::Error::Database(e)) => e.constraint(),
            _ => None,
        }
    }

    /// Whether it is about how this version and the schema fit, or a fault of the database itself, and not about
    /// what was asked: a migration that is still to come, a word that a newer version wrote.
    pub fn is_of_the_version(&self) -> bool {
        match self {
            Failure::Inconsistent(_) => true,
            Failure::Stopped => false,
            Failure::Sql(error) => match error {
                // 42 what is not there or not allowed, XX internal
                sqlx::Error::Database(e) => {
                    e.code().is_some_and(|code| code.starts_with("42") || code.starts_with("XX"))
                }
                sqlx::Error::ColumnNotFound(_)
                | sqlx::Error::ColumnDecode { .. }
                | sqlx::Error::ColumnIndexOutOfBounds { .. }
                | sqlx::Error::TypeNotFound { .. }
                | sqlx::Error::Decode(_) => true,
                _ => false,
            },
        }
    }

    /// Whether trying again may help.
    pub fn is_transient(&self) -> bool {
        match self {
            Failure::Stopped => true,
            Failure::Inconsistent(_) => false,
            Failure::Sql(error) => transient(error) || contended(error),
        }
    }
}

fn contended(error: &sqlx::Error) -> bool {
    matches!(error, sqlx::Error::Database(e) if matches!(e.code().as_deref(), Some("40001" | "40P01" | "55P03")))
}

/// A text with U+0000 that no check of the domain caught: the caller's fault, not ours.
fn unstorable(error: &sqlx::Error) -> bool {
    matches!(error, sqlx::Error::Database(e) if matches!(e.code().as_deref(), Some("22021" | "22P05")))
}

fn transient(error: &sqlx::Error) -> bool {
    match error {
        sqlx::Error::Io(_)
        | sqlx::Error::PoolTimedOut
        | sqlx::Error::PoolClosed
        | sqlx::Error::WorkerCrashed
        | sqlx::Error::Protocol(_)
        | sqlx::Error::BeginFailed
        | sqlx::Error::Tls(_) => true,
        // 08 connection, 53 resources, 57P operator intervention (shutdown, crash recovery), 58 system
        sqlx::Error::Database(e) => e.code().is_some_and(|code| {
            code.starts_with("08") || code.starts_with("53") || code.starts_with("57P") || code.starts_with("58")
        }),
        _ => false,
    }
}

impl From<Failure> for Fault {
    fn from(failure: Failure) -> Fault {
        match &failure {
            Failure::Stopped => Fault::Unavailable(Box::new(failure)),
            Failure::Inconsistent(_) => Fault::Internal(Box::new(failure)),
            Failure::Sql(error) if contended(error) => Fault::Contended(Box::new(failure)),
            Failure::Sql(error) if transient(error) => Fault::Unavailable(Box::new(failure)),
            // every seller-level row points at its seller; a seller that is not
            // there or not yours looks the same
            Failure::Sql(sqlx::Error::Database(e)) if e.constraint().is_some_and(|c| c.ends_with("_seller_fk")) => {
                Fault::NotFound("seller")
            }
            Failure::Sql(error) if unstorable(error) => {
                Fault::invalid("request", "holds a character that cannot be stored, such as U+0000")
            }
            Failure::Sql(_) => Fault::Internal(Box::new(failure)),
        }
    }
}
