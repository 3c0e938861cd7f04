//! The servers of a channel account, and which addresses may be connected to.

use courier::{Door, Security};
use jiff::Timestamp;

use super::ids::ChannelAccountId;
use super::oauth::OAuth;

/// The folder mail is fetched from where none is named.
pub const INBOX: &str = "INBOX";

/// How somebody signs in.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum SignIn {
    Password,
    OAuth,
}

impl SignIn {
    pub fn name(self) -> &'static str {
        match self {
            SignIn::Password => "password",
            SignIn::OAuth => "oauth",
        }
    }

    pub fn named(name: &str) -> Option<SignIn> {
        [SignIn::Password, SignIn::OAuth].into_iter().find(|of| of.name() == name)
    }
}

/// A mail server and who signs in there.
#[derive(Clone, PartialEq, Eq)]
pub struct Server {
    pub host: String,
    pub port: u16,
    pub security: Security,
    /// Empty to send without signing in.
    pub user: String,
    pub sign_in: SignIn,
    pub has_password: bool,
}

impl Server {
    /// Where it is.
    pub fn door(&self) -> Door<'_> {
        Door { host: &self.host, port: self.port, security: self.security, user: &self.user }
    }
}

/// What a secret of a connection is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Use {
    Smtp,
    Imap,
    /// The application's secret.
    OAuthClient,
    OAuthRefresh,
    /// The newest access token.
    OAuthAccess,
}

impl Use {
    pub const ALL: [Use; 5] = [Use::Smtp, Use::Imap, Use::OAuthClient, Use::OAuthRefresh, Use::OAuthAccess];

    pub fn name(self) -> &'static str {
        match self {
            Use::Smtp => "smtp",
            Use::Imap => "imap",
            Use::OAuthClient => "oauth_client",
            Use::OAuthRefresh => "oauth_refresh",
            Use::OAuthAccess => "oauth_access",
        }
    }

    pub fn named(name: &str) -> Option<Use> {
        Use::ALL.into_iter().find(|of| of.name() == name)
    }
}

/// The servers of a channel account.
#[derive(Clone, PartialEq, Eq)]
pub struct Connection {
    pub account: ChannelAccountId,
    pub smtp: Option<Server>,
    pub imap: Option<Server>,
    /// How access tokens are got, where a server asks for them.
    pub oauth: Option<OAuth>,
    pub imap_folder: String,
    pub from_name: String,
    pub reply_to_ticket: bool,
    pub updated_at: Timestamp,
    pub version: i64,
}

/// How far a mailbox was fetched.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Cursor {
    /// Counts while the server's numbers are unknown: what arrived before is left where it is.
    pub since: Timestamp,
    /// The server's numbers are those of this epoch.
    pub uid_validity: Option<u32>,
    pub last_uid: u32,
}

impl Cursor {
    /// The place from which a mailbox of this epoch is fetched; none if its numbers are not those that
    /// were known.
    pub fn known_in(&self, uid_validity: u32) -> Option<u32> {
        (self.uid_validity == Some(uid_validity)).then_some(self.last_uid)
    }
}

/// How fetching goes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Pull {
    pub account: ChannelAccountId,
    pub looked_at: Option<Timestamp>,
    /// What stopped it last; empty while it works.
    pub reason: String,
    pub said: String,
    pub taken: i64,
    /// Mails that could not be taken in after several attempts.
    pub skipped: i64,
}

// Who signs in stays out of logs.
impl std::fmt::Debug for Server {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Server").field("port", &self.port).field("security", &self.security).finish_non_exhaustive()
    }
}

/// Whether a stored password may be used with a server that is set anew: whoever changes where it goes
/// must know it.
pub fn keeps_password(before: Option<&Server>, after: &Server) -> bool {
    before.is_some_and(|before| {
        before.has_password && after.sign_in == SignIn::Password && before.door().lends_password(&after.door())
    })
}

/// Whether access tokens that are shown to a server that is set anew went there before: whoever changes where they go
/// must know what they are given for.
pub fn shows_tokens(before: Option<&Server>, after: &Server) -> bool {
    before.is_some_and(|before| {
        before.sign_in == SignIn::OAuth
            && before.host.eq_ignore_ascii_case(&after.host)
            && before.user == after.user
            && (before.security == after.security || after.security != Security::None)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_password_stays_with_the_server_it_was_given_for() {
        let server = |host: &str, user: &str, security| Server {
            host: host.into(),
            port: 587,
            security,
            user: user.into(),
            sign_in: SignIn::Password,
            has_password: true,
        };
        let before = server("mail.shop.it", "help", Security::StartTls);
        assert!(keeps_password(Some(&before), &server("Mail.Shop.it", "help", Security::Tls)));
        assert!(!keeps_password(Some(&before), &server("mail.evil.it", "help", Security::StartTls)));
        assert!(!keeps_password(Some(&before), &server("mail.shop.it", "other", Security::StartTls)));
        assert!(!keeps_password(Some(&before), &server("mail.shop.it", "help", Security::None)));
        assert!(!keeps_password(None, &before));
        let by_token = Server { sign_in: SignIn::OAuth, ..before.clone() };
        assert!(!keeps_password(Some(&before), &by_token));
        assert!(shows_tokens(Some(&by_token), &by_token) && !shows_tokens(Some(&before), &by_token));
        assert!(!shows_tokens(Some(&by_token), &Server { host: "mail.evil.it".into(), ..by_token.clone() }));
        assert!(!shows_tokens(Some(&by_token), &Server { security: Security::None, ..by_token.clone() }));
        assert!(!shows_tokens(None, &by_token));
        assert!(!keeps_password(Some(&Server { has_password: false, ..before.clone() }), &before));
    }
}
