//! Where a server is, and with what one signs in.

use jiff::Timestamp;

/// How a connection is kept from being read on the way.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Security {
    None,
    StartTls,
    Tls,
}

impl Security {
    pub const ALL: [Security; 3] = [Security::None, Security::StartTls, Security::Tls];

    pub fn name(self) -> &'static str {
        match self {
            Security::None => "none",
            Security::StartTls => "starttls",
            Security::Tls => "tls",
        }
    }

    pub fn named(name: &str) -> Option<Security> {
        Security::ALL.into_iter().find(|security| security.name() == name)
    }
}

/// A server and who signs in there. Who does stays out of logs.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Door<'a> {
    pub host: &'a str,
    pub port: u16,
    pub security: Security,
    /// Empty to send without signing in.
    pub user: &'a str,
}

impl Door<'_> {
    /// Whether a password that was stored for this one may be used with one that is set anew: whoever changes where it
    /// goes must know it.
    pub fn lends_password(&self, after: &Door<'_>) -> bool {
        self.host.eq_ignore_ascii_case(after.host)
            && self.user == after.user
            && (self.security == after.security || after.security != Security::None)
    }
}

/// What is shown to a server.
pub enum Credential {
    Password(String),
    /// An access token, and when it was got.
    Token(String, Timestamp),
}

/// How a token is shown to a mail server.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Mechanism {
    Xoauth2,
    OauthBearer,
}

impl Mechanism {
    pub fn name(self) -> &'static str {
        match self {
            Mechanism::Xoauth2 => "XOAUTH2",
            Mechanism::OauthBearer => "OAUTHBEARER",
        }
    }

    /// The first words of the client.
    pub fn initial(self, user: &str, token: &str) -> String {
        match self {
            Mechanism::Xoauth2 => format!("user={user}\x01auth=Bearer {token}\x01\x01"),
            // In a name of SASL a comma and an equals sign are written otherwise (RFC 5801 § 4).
            Mechanism::OauthBearer => {
                let user = user.replace('=', "=3D").replace(',', "=2C");
                format!("n,a={user},\x01auth=Bearer {token}\x01\x01")
            }
        }
    }

    /// The answer to a refusal, after which the server ends the exchange.
    pub fn resigned(self) -> &'static str {
        match self {
            Mechanism::Xoauth2 => "",
            Mechanism::OauthBearer => "\x01",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_password_stays_with_the_server_it_was_given_for() {
        let before = Door { host: "mail.center.example", port: 587, security: Security::StartTls, user: "billing" };
        assert!(before.lends_password(&Door { security: Security::Tls, port: 465, ..before }));
        assert!(before.lends_password(&Door { host: "MAIL.center.example", ..before }));
        assert!(!before.lends_password(&Door { host: "mail.evil.example", ..before }));
        assert!(!before.lends_password(&Door { user: "other", ..before }));
        assert!(!before.lends_password(&Door { security: Security::None, ..before }));
        let open = Door { security: Security::None, ..before };
        assert!(open.lends_password(&open), "what was never secret stays as it is");
    }

    #[test]
    fn tokens_are_shown_as_servers_expect_them() {
        // The example of RFC 7628 § 4.1, without host and port.
        assert_eq!(
            Mechanism::OauthBearer.initial("user@example.com", "vF9d"),
            "n,a=user@example.com,\x01auth=Bearer vF9d\x01\x01"
        );
        assert_eq!(Mechanism::OauthBearer.initial("a=b,c", "t"), "n,a=a=3Db=2Cc,\x01auth=Bearer t\x01\x01");
        assert_eq!(Mechanism::Xoauth2.initial("a@b.c", "t"), "user=a@b.c\x01auth=Bearer t\x01\x01");
    }
}
