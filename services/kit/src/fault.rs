//! The one translation of errors to the wire: every call ends in an answer or
//! in a [`Fault`], and a fault becomes a `Status` with `google.rpc` details.
//!
//! What a person may not know is never in the message: a row that is not there
//! and a row of somebody else give the same bytes, and an internal error is
//! logged whole and answered without detail.

use std::collections::HashMap;
use std::error::Error;
use std::fmt;
use std::time::Duration;

use tonic::{Code, Status};
use tonic_types::{ErrorDetails, StatusExt};

/// The domain of every `ErrorInfo`.
pub const DOMAIN: &str = "manydesk.dev";

/// What a domain refusal tells the wire.
pub trait Explain: Error + Send + Sync + 'static {
    /// The gRPC code.
    fn code(&self) -> Code;
    /// A stable reason, `UPPER_SNAKE_CASE`.
    fn reason(&self) -> &'static str;
    /// Whatever is dynamic in the message.
    fn metadata(&self) -> Vec<(&'static str, String)> {
        Vec::new()
    }
}

/// A field that is not as it must be.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Violation {
    /// Path of the field in the request, e.g. `targets[2].target_seconds`.
    pub field: String,
    /// What is wrong and what would be right; never the value.
    pub problem: String,
}

/// Everything a call can end in but an answer.
#[derive(Debug)]
pub enum Fault {
    /// The domain refused.
    Refused(Box<dyn Explain>),
    /// Fields are not as they must be: `INVALID_ARGUMENT`.
    Invalid(Vec<Violation>),
    /// Not there, or not the caller's; the same for both: `NOT_FOUND`.
    NotFound(&'static str),
    /// Already there: `ALREADY_EXISTS`.
    Exists { kind: &'static str, reason: &'static str },
    /// The etag is of an older version: `ABORTED`.
    Stale,
    /// The request id was used with another payload: `ALREADY_EXISTS`.
    RequestIdReused,
    /// No valid token: `UNAUTHENTICATED`.
    Unauthenticated(&'static str),
    /// The role does not allow it: `PERMISSION_DENIED`.
    Denied(&'static str),
    /// Too much at once: `RESOURCE_EXHAUSTED` with `RetryInfo`.
    Exhausted { reason: &'static str, retry_after: Duration },
    /// Concurrent changes met: `ABORTED` with `RetryInfo`.
    Contended(Box<dyn Error + Send + Sync>),
    /// The database or a peer does not answer: `UNAVAILABLE` with `RetryInfo`.
    Unavailable(Box<dyn Error + Send + Sync>),
    /// A bug: `INTERNAL` without detail, logged once with its chain.
    Internal(Box<dyn Error + Send + Sync>),
    /// Another service's answer, passed on as it is.
    Passed(Box<Status>),
}

impl Fault {
    /// One field is not as it must be.
    pub fn invalid(field: impl Into<String>, problem: impl Into<String>) -> Fault {
        Fault::Invalid(vec![Violation { field: field.into(), problem: problem.into() }])
    }

    /// A bug, from a text.
    pub fn internal(what: impl Into<String>) -> Fault {
        Fault::Internal(what.into().into())
    }

    /// Whether it may be gone in a moment, here or where it was passed on from.
    pub fn is_unavailable(&self) -> bool {
        match self {
            Fault::Unavailable(_) => true,
            Fault::Passed(status) => status.code() == Code::Unavailable,
            _ => false,
        }
    }

    /// The reason in the `ErrorInfo`.
    pub fn reason(&self) -> &'static str {
        match self {
            Fault::Refused(explain) => explain.reason(),
            Fault::Invalid(_) => "INVALID_FIELDS",
            Fault::NotFound(_) => "NOT_FOUND",
            Fault::Exists { reason, .. } => reason,
            Fault::Stale => "ETAG_MISMATCH",
            Fault::RequestIdReused => "REQUEST_ID_REUSED",
            Fault::Unauthenticated(reason) | Fault::Denied(reason) => reason,
            Fault::Exhausted { reason, .. } => reason,
            Fault::Contended(_) => "CONTENDED",
            Fault::Unavailable(_) => "UNAVAILABLE",
            Fault::Internal(_) => "INTERNAL",
            Fault::Passed(_) => "PASSED",
        }
    }
}

impl<E: Explain> From<E> for Fault {
    fn from(refusal: E) -> Fault {
        Fault::Refused(Box::new(refusal))
    }
}

impl From<Status> for Fault {
    fn from(status: Status) -> Fault {
        Fault::Passed(Box::new(status))
    }
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Fault::Refused(explain) => write!(f, "{explain}"),
            Fault::Invalid(violations) => {
                f.write_str("the request is not valid: ")?;
                for (i, v) in violations.iter().enumerate() {
                    write!(f, "{}{} {}", if i == 0 { "" } else { "; " }, v.field, v.problem)?;
                }
                Ok(())
            }
            Fault::NotFound(kind) => write!(f, "no such {kind}"),
            Fault::Exists { kind, .. } => write!(f, "this {kind} exists already"),
            Fault::Stale => f.write_str("somebody changed this in the meantime: read it again and repeat the change"),
            Fault::RequestIdReused => f.write_str("this request id was used with another request"),
            Fault::Unauthenticated(reason) => match *reason {
                "TOKEN_MISSING" => f.write_str("sign in first: the call carries no token"),
                "TOKEN_EXPIRED" => f.write_str("the token has expired: refresh it"),
                "TOKEN_REVOKED" => f.write_str("the session or its grants were revoked: sign in again"),
                "CREDENTIALS_WRONG" => f.write_str("e-mail or password is not right"),
                _ => f.write_str("the token is not valid: sign in again"),
            },
            Fault::Denied(_) => f.write_str("your role does not allow this call"),
            Fault::Exhausted { .. } => f.write_str("too many calls at once: try again a little later"),
            Fault::Contended(_) => f.write_str("concurrent changes met: try again"),
            Fault::Unavailable(_) => f.write_str("temporarily unavailable: try again"),
            Fault::Internal(_) => f.write_str("internal error"),
            Fault::Passed(status) => f.write_str(status.message()),
        }
    }
}

impl Error for Fault {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        match self {
            Fault::Refused(explain) => explain.source(),
            Fault::Contended(e) | Fault::Unavailable(e) | Fault::Internal(e) => Some(&**e),
            _ => None,
        }
    }
}

impl From<Fault> for Status {
    fn from(fault: Fault) -> Status {
        let message = fault.to_string();
        let reason = fault.reason();
        let info = |metadata: HashMap<String, String>| {
            let mut details = ErrorDetails::new();
            details.set_error_info(reason, DOMAIN, metadata);
            details
        };
        let (code, details) = match fault {
            Fault::Passed(status) => return *status,
            Fault::Refused(explain) => {
                let metadata = explain.metadata().into_iter().map(|(k, v)| (k.to_owned(), v)).collect();
                (explain.code(), info(metadata))
            }
            Fault::Invalid(violations) => {
                let mut details = info(HashMap::new());
                for v in violations {
                    details.add_bad_request_violation(v.field, v.problem);
                }
                (Code::InvalidArgument, details)
            }
            Fault::NotFound(_) => (Code::NotFound, info(HashMap::new())),
            Fault::Exists { .. } | Fault::RequestIdReused => (Code::AlreadyExists, info(HashMap::new())),
            Fault::Stale => (Code::Aborted, info(HashMap::new())),
            Fault::Unauthenticated(_) => (Code::Unauthenticated, info(HashMap::new())),
            Fault::Denied(_) => (Code::PermissionDenied, info(HashMap::new())),
            Fault::Exhausted { retry_after, .. } => {
                let mut details = info(HashMap::new());
                details.set_retry_info(Some(retry_after));
                (Code::ResourceExhausted, details)
            }
            Fault::Contended(error) => {
                tracing::debug!(error = chain(&*error), "contended");
                let mut details = info(HashMap::new());
                details.set_retry_info(Some(Duration::from_millis(20)));
                (Code::Aborted, details)
            }
            Fault::Unavailable(error) => {
                match error.is::<NotYet>() {
                    true => tracing::debug!(error = chain(&*error), "not yet"),
                    false => tracing::warn!(error = chain(&*error), "unavailable"),
                }
                let mut details = info(HashMap::new());
                details.set_retry_info(Some(Duration::from_millis(500)));
                (Code::Unavailable, details)
            }
            Fault::Internal(error) => {
                tracing::error!(error = chain(&*error), "internal error");
                (Code::Internal, info(HashMap::new()))
            }
        };
        Status::with_error_details(code, message, details)
    }
}

/// Something that a moment brings by itself, as a start or a change of leaders do: nobody has to be told of it.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
pub struct NotYet(pub &'static str);

/// An error and its causes in one line.
pub fn chain(error: &(dyn Error + 'static)) -> String {
    let mut text = error.to_string();
    let mut next = error.source();
    while let Some(cause) = next {
        text.push_str(": ");
        text.push_str(&cause.to_string());
        next = cause.source();
    }
    text
}
