//! What a refusal of identity is on the wire.

use kit::{Explain, Fault};
use tonic::Code;

use crate::credentials::{issuer, passwords, signer, vault};
use crate::domain::identity::Refusal;

/// Too many attempts, with the time to wait.
pub fn throttled(refusal: Refusal) -> Fault {
    match refusal {
        Refusal::Throttled { retry_after } => Fault::Exhausted {
            reason: "SIGN_IN_THROTTLED",
            retry_after: std::time::Duration::try_from(retry_after).unwrap_or_default(),
        },
        other => other.into(),
    }
}

/// A weak password, as a violation of the field it came in.
pub fn weak(field: &'static str) -> impl Fn(Refusal) -> Fault {
    move |refusal| match refusal {
        Refusal::PasswordWeak(why) => Fault::invalid(field, why),
        other => other.into(),
    }
}

impl Explain for Refusal {
    fn code(&self) -> Code {
        match self {
            Refusal::CredentialsWrong
            | Refusal::SessionEnded
            | Refusal::LinkRefused
            | Refusal::LinkOutdated
            | Refusal::OidcRefused => Code::Unauthenticated,
            Refusal::Throttled { .. } => Code::ResourceExhausted,
            Refusal::OidcUnavailable => Code::Unavailable,
            Refusal::PasswordWeak(_) | Refusal::RolesIncompatible(_) => Code::InvalidArgument,
            Refusal::RoleNotGrantable { .. } => Code::PermissionDenied,
            Refusal::LastAdmin
            | Refusal::OwnAccount
            | Refusal::NotAnAgent
            | Refusal::TooManyGrants { .. }
            | Refusal::TooManyKeys { .. }
            | Refusal::UserDisabled => Code::FailedPrecondition,
        }
    }

    fn reason(&self) -> &'static str {
        match self {
            Refusal::CredentialsWrong => "CREDENTIALS_WRONG",
            Refusal::Throttled { .. } => "SIGN_IN_THROTTLED",
            Refusal::SessionEnded => "SESSION_ENDED",
            Refusal::LinkRefused => "LINK_REFUSED",
            Refusal::LinkOutdated => "LINK_OUTDATED",
            Refusal::OidcRefused => "OIDC_REFUSED",
            Refusal::OidcUnavailable => "OIDC_UNAVAILABLE",
            Refusal::PasswordWeak(_) => "PASSWORD_WEAK",
            Refusal::RoleNotGrantable { .. } => "ROLE_NOT_GRANTABLE",
            Refusal::RolesIncompatible(_) => "ROLES_INCOMPATIBLE",
            Refusal::LastAdmin => "LAST_ADMIN",
            Refusal::OwnAccount => "OWN_ACCOUNT",
            Refusal::NotAnAgent => "NOT_AN_AGENT",
            Refusal::TooManyGrants { .. } => "TOO_MANY_GRANTS",
            Refusal::TooManyKeys { .. } => "TOO_MANY_KEYS",
            Refusal::UserDisabled => "USER_DISABLED",
        }
    }

    fn metadata(&self) -> Vec<(&'static str, String)> {
        match self {
            Refusal::RoleNotGrantable { role } => vec![("role", (*role).to_owned())],
            Refusal::TooManyGrants { limit } | Refusal::TooManyKeys { limit } => vec![("limit", limit.to_string())],
            _ => Vec::new(),
        }
    }
}

impl From<passwords::Trouble> for Fault {
    fn from(trouble: passwords::Trouble) -> Fault {
        match trouble {
            passwords::Trouble::Busy => {
                Fault::Exhausted { reason: "SIGN_IN_BUSY", retry_after: std::time::Duration::from_secs(2) }
            }
            passwords::Trouble::Hashing(_) => Fault::Internal(Box::new(trouble)),
        }
    }
}

impl From<vault::Broken> for Fault {
    fn from(broken: vault::Broken) -> Fault {
        Fault::Internal(Box::new(broken))
    }
}

impl From<signer::Unsigned> for Fault {
    fn from(unsigned: signer::Unsigned) -> Fault {
        match unsigned {
            signer::Unsigned::NoKey => Fault::Unavailable(Box::new(unsigned)),
            signer::Unsigned::Signing(_) => Fault::Internal(Box::new(unsigned)),
        }
    }
}

impl From<issuer::Trouble> for Fault {
    fn from(trouble: issuer::Trouble) -> Fault {
        tracing::info!(error = %trouble, "an external issuer cannot be used");
        match trouble {
            issuer::Trouble::Unusable(_) => Refusal::OidcUnavailable.into(),
            issuer::Trouble::Refused(_) => Refusal::OidcRefused.into(),
        }
    }
}
