//! Hands a mail in over SMTP (RFC 5321), step by step, so that it is known after which step an attempt
//! ended: before the mail's own bytes begin to leave nothing can have arrived.

use std::time::Duration;

use aws_lc_rs::digest;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use kit::Fault;
use lettre::address::Envelope;
use lettre::message::header::ContentType;
use lettre::message::{Attachment, Body, MultiPart, MultiPartKind, SinglePart};
use lettre::transport::smtp::Error;
use lettre::transport::smtp::authentication::{Credentials, Mechanism};
use lettre::transport::smtp::client::AsyncSmtpConnection;
use lettre::transport::smtp::commands::{Data, Mail as MailFrom, Rcpt};
use lettre::transport::smtp::extension::{ClientId, Extension, MailBodyParameter, MailParameter};
use lettre::transport::smtp::response::Severity;
use tokio::time::Instant;

use crate::attempt::one_line;
use crate::{Credential, Dial, Door, Reason, Security, Trouble};

/// Longest pause of a server before it answers a command.
const ANSWER: Duration = Duration::from_secs(60);

/// A mail as it is handed in: to and from whom, and its bytes (RFC 5322).
pub struct Mail {
    pub envelope: Envelope,
    pub bytes: Vec<u8>,
}

/// The parts of a mail with files. What stands between them is the same for every attempt, and in none of them, since
/// nobody who writes the text knows its own hash.
pub fn parts(message_id: &str, text: &str) -> MultiPart {
    let hash = digest::digest(&digest::SHA256, format!("{message_id}\n{text}").as_bytes());
    let boundary: String = hash.as_ref().iter().take(16).map(|byte| format!("{byte:02x}")).collect();
    let parts = MultiPart::builder().kind(MultiPartKind::Mixed).boundary(format!("=_{boundary}"));
    parts.singlepart(SinglePart::plain(text.to_owned()))
}

/// A file of a mail.
pub fn file(name: &str, content_type: ContentType, bytes: &[u8]) -> SinglePart {
    Attachment::new(name.to_owned()).body(Body::new(bytes.to_vec()), content_type)
}

/// Who hands in, and how long it may take.
pub struct Visit<'a> {
    pub dial: &'a Dial,
    pub hello: &'a str,
    pub door: Door<'a>,
    /// None for a server that is used without signing in.
    pub credential: Option<&'a Credential>,
    pub until: Instant,
}

/// How handing in ended.
pub enum Handed {
    /// The server took it, in these words.
    Taken(String),
    Refused(Trouble),
    /// The mail had left and the answer did not come: it may have arrived.
    Unknown(Trouble),
}

impl Visit<'_> {
    /// Connects and signs in.
    pub async fn begin(&self) -> Result<AsyncSmtpConnection, Trouble> {
        let hello = ClientId::Domain(self.hello.to_owned());
        let Door { host, port, security, user } = self.door;
        let tls = match security {
            Security::None => None,
            Security::StartTls | Security::Tls => Some(self.dial.tls_parameters(host)?),
        };
        let at_once = tls.clone().filter(|_| security == Security::Tls);
        let mut trouble = Trouble::new(Reason::Unreachable, "");
        let mut connected = None;
        for address in self.dial.addresses(host, port).await? {
            let connecting = AsyncSmtpConnection::connect_tokio1(
                address,
                Some(Duration::from_secs(10)),
                &hello,
                at_once.clone(),
                None,
            );
            match self.step(connecting, Reason::Unreachable).await {
                Ok(connection) => {
                    connected = Some(connection);
                    break;
                }
                // A server that turns everybody away at the door refuses no mail.
                Err(met) if matches!(met.reason, Reason::Rejected | Reason::Later) => {
                    trouble = Trouble { reason: Reason::Unreachable, ..met };
                }
                Err(met) => trouble = met,
            }
        }
        let Some(mut connection) = connected else { return Err(trouble) };
        if let Some(tls) = tls.filter(|_| security == Security::StartTls) {
            if !connection.can_starttls() {
                connection.abort().await;
                return Err(Trouble::new(Reason::Tls, "the server does not offer STARTTLS"));
            }
            self.step(connection.starttls(tls, &hello), Reason::Tls).await?;
        }
        match self.credential {
            None => {}
            Some(Credential::Password(password)) => {
                let credentials = Credentials::new(user.to_owned(), password.clone());
                let mechanisms = [Mechanism::Plain, Mechanism::Login];
                self.step(connection.auth(&mechanisms, &credentials), Reason::SignIn).await?;
            }
            Some(Credential::Token(token, _)) => self.show(&mut connection, token).await?,
        }
        Ok(connection)
    }

    /// Signs in with an access token. A server refuses one in two steps: it says why in a challenge, and ends the
    /// exchange after an answer to it.
    async fn show(&self, connection: &mut AsyncSmtpConnection, token: &str) -> Result<(), Trouble> {
        let mechanism = match connection.server_info().supports_auth_mechanism(Mechanism::Xoauth2) {
            true => crate::Mechanism::Xoauth2,
            false => crate::Mechanism::OauthBearer,
        };
        let initial = BASE64.encode(mechanism.initial(self.door.user, token));
        let command = format!("AUTH {} {initial}\r\n", mechanism.name());
        let answer = self.step(connection.command(command), Reason::SignIn).await?;
        if answer.code().severity == Severity::PositiveIntermediate {
            let resigned = format!("{}\r\n", BASE64.encode(mechanism.resigned()));
            self.step(connection.command(resigned), Reason::SignIn).await?;
            return Err(Trouble::new(Reason::SignIn, "the server did not take the access token"));
        }
        Ok(())
    }

    /// Connects, signs in and goes away again.
    pub async fn check(&self) -> Result<(), Trouble> {
        let mut connection = self.begin().await?;
        let _ = tokio::time::timeout(Duration::from_secs(2), connection.quit()).await;
        Ok(())
    }

    /// Hands a mail in. `leaving` is waited for before the mail's own bytes leave; where it fails nothing
    /// has arrived.
    pub async fn hand_in(
        &self,
        mail: &Mail,
        leaving: impl Future<Output = Result<(), Fault>>,
    ) -> Result<Handed, Fault> {
        let mut connection = match self.begin().await {
            Ok(connection) => connection,
            Err(trouble) => return Ok(Handed::Refused(trouble)),
        };
        if let Err(trouble) = self.announce(&mut connection, &mail.envelope).await {
            let _ = tokio::time::timeout(Duration::from_secs(2), connection.abort()).await;
            return Ok(Handed::Refused(trouble));
        }
        leaving.await?;
        let sent = tokio::time::timeout_at(self.until, connection.message(&mail.bytes)).await;
        let handed = match sent {
            Ok(Ok(response)) => {
                Handed::Taken(one_line(&format!("{} {}", response.code(), response.first_line().unwrap_or_default())))
            }
            Ok(Err(error)) => match error.status() {
                Some(_) => Handed::Refused(told(&error, Reason::Later)),
                None => Handed::Unknown(Trouble::new(Reason::Lost, error)),
            },
            Err(_) => Handed::Unknown(Trouble::new(Reason::Lost, "the server did not answer in time")),
        };
        // The server's answer stands, whatever it says to the farewell.
        let _ = tokio::time::timeout(Duration::from_secs(2), connection.quit()).await;
        Ok(handed)
    }

    async fn announce(&self, connection: &mut AsyncSmtpConnection, envelope: &Envelope) -> Result<(), Trouble> {
        let mut parameters = Vec::new();
        let mut addresses = envelope.from().into_iter().chain(envelope.to());
        if addresses.any(|address| !AsRef::<str>::as_ref(address).is_ascii()) {
            if !connection.server_info().supports_feature(Extension::SmtpUtfEight) {
                return Err(Trouble::new(Reason::Unsendable, "the server takes no addresses beyond ASCII"));
            }
            parameters.push(MailParameter::SmtpUtfEight);
            parameters.push(MailParameter::Body(MailBodyParameter::EightBitMime));
        }
        let from = MailFrom::new(envelope.from().cloned(), parameters);
        self.step(connection.command(from), Reason::Unreachable).await?;
        for to in envelope.to() {
            self.step(connection.command(Rcpt::new(to.clone(), Vec::new())), Reason::Unreachable).await?;
        }
        self.step(connection.command(Data), Reason::Unreachable).await?;
        Ok(())
    }

    /// One step; `otherwise` names its trouble where the server gave no answer that does.
    async fn step<T>(&self, step: impl Future<Output = Result<T, Error>>, otherwise: Reason) -> Result<T, Trouble> {
        let until = self.until.min(Instant::now() + ANSWER);
        match tokio::time::timeout_at(until, step).await {
            Ok(Ok(done)) => Ok(done),
            Ok(Err(error)) => Err(told(&error, otherwise)),
            Err(_) => Err(Trouble::new(Reason::Timeout, "the server did not answer in time")),
        }
    }
}

/// What an error means. Trouble with connecting, securing and signing in is that of the account, whatever
/// code it comes with; of a mail, a server refuses for good by 5xx.
fn told(error: &Error, otherwise: Reason) -> Trouble {
    let reason = match (otherwise, error.status().map(u16::from)) {
        (Reason::SignIn | Reason::Tls, _) => otherwise,
        (_, Some(530 | 534 | 535 | 538)) => Reason::SignIn,
        (_, Some(_)) if error.is_permanent() => Reason::Rejected,
        (_, Some(_)) => Reason::Later,
        (_, None) if error.is_tls() || is_of_tls(error) => Reason::Tls,
        (_, None) if error.is_timeout() => Reason::Timeout,
        (_, None) if error.is_response() => Reason::Protocol,
        (_, None) => Reason::Unreachable,
    };
    Trouble::new(reason, error)
}

/// Whether an error is one of securing the connection, wherever the client met it.
fn is_of_tls(error: &Error) -> bool {
    let of_tls = |error: &(dyn std::error::Error + 'static)| {
        let inner = error.downcast_ref::<std::io::Error>().and_then(std::io::Error::get_ref);
        error.is::<rustls::Error>() || inner.is_some_and(|inner| inner.is::<rustls::Error>())
    };
    let mut next = std::error::Error::source(error);
    while let Some(found) = next {
        if of_tls(found) {
            return true;
        }
        next = found.source();
    }
    false
}

#[cfg(test)]
mod tests {
    use tokio::io::AsyncWriteExt;
    use tokio::net::TcpListener;

    use super::*;

    #[tokio::test]
    async fn a_server_that_turns_everybody_away_refuses_no_mail_for_good() {
        let server = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = server.local_addr().unwrap().port();
        tokio::spawn(async move {
            while let Ok((mut client, _)) = server.accept().await {
                client.write_all(b"554 5.7.1 You are on a list\r\n").await.unwrap();
            }
        });
        let dial = Dial::new(true, None).unwrap();
        let visit = Visit {
            dial: &dial,
            hello: "desk.example",
            door: Door { host: "127.0.0.1", port, security: Security::None, user: "" },
            credential: None,
            until: Instant::now() + Duration::from_secs(20),
        };
        let trouble = visit.check().await.unwrap_err();
        assert_eq!(trouble.reason, Reason::Unreachable, "{trouble:?}");
        assert!(trouble.reason.is_of_the_account());
    }
}
