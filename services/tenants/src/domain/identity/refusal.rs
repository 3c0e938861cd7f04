//! Everything the rules of identity can refuse.

use jiff::SignedDuration;

/// Why the rules refuse.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    /// Unknown, wrong, disabled or suspended; deliberately the same for all.
    #[error("e-mail or password is not right")]
    CredentialsWrong,
    /// Too many failures.
    #[error("too many attempts: try again later")]
    Throttled { retry_after: SignedDuration },
    /// The session ended, expired, or its refresh token was used twice.
    #[error("the session has ended: sign in again")]
    SessionEnded,
    /// A link that is wrong, used, replaced or expired.
    #[error("this link does not work any more: ask for a new one")]
    LinkRefused,
    /// A link from before the roles, sellers or state of its user changed.
    #[error("what this person may do has changed since this link was made: ask for a new one")]
    LinkOutdated,
    /// The external issuer's answer does not lead to a user.
    #[error("signing in at the external issuer did not succeed")]
    OidcRefused,
    /// The external issuer does not answer, or not as an issuer must.
    #[error("the external issuer does not answer as it must: try again later or ask your administrator")]
    OidcUnavailable,
    /// A password that the policy refuses.
    #[error("the password {0}")]
    PasswordWeak(&'static str),
    /// The caller may not grant, or manage somebody with, this role.
    #[error("your role does not allow you to grant {role} or to manage somebody who has it")]
    RoleNotGrantable { role: &'static str },
    /// Roles or sellers that do not go together.
    #[error("{0}")]
    RolesIncompatible(&'static str),
    /// The provider would be left without an administrator.
    #[error("the last active administrator cannot be taken away")]
    LastAdmin,
    /// Something nobody may do to herself.
    #[error("you cannot do this to your own account")]
    OwnAccount,
    /// A profile or certification of somebody who is not an agent.
    #[error("this user is not an agent")]
    NotAnAgent,
    /// More sellers than one user can hold.
    #[error("a user can hold at most {limit} sellers")]
    TooManyGrants { limit: usize },
    /// More live API keys than a seller can have.
    #[error("a seller can have at most {limit} live API keys")]
    TooManyKeys { limit: usize },
    /// A link for somebody who may not sign in.
    #[error("this user is disabled")]
    UserDisabled,
}
