//! Fetches mail over IMAP (RFC 3501, IDLE of RFC 2177). The mailbox is opened to be read only: nothing in
//! it changes, so that people may look at it beside.

use std::time::Duration;

use async_imap::error::Error;
use async_imap::extensions::idle::IdleResponse;
use async_imap::{Authenticator, Client, Session};
use courier::{Credential, Dial, Mechanism, Reason, Security, Trouble};
use futures_util::TryStreamExt;
use jiff::Timestamp;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::time::timeout;

use crate::domain::connection::Server;

/// Longest pause of a server before it answers.
const ANSWER: Duration = Duration::from_secs(60);
/// What is fetched of one mail, in bytes. A larger one ends in quarantine as too large, cut off here; it stays
/// whole in its mailbox.
pub const FETCH_LIMIT: u32 = 24 * 1024 * 1024;

/// A connection, plain or secret.
pub trait Wire: AsyncRead + AsyncWrite + Send + Sync + Unpin + std::fmt::Debug {}

impl<T: AsyncRead + AsyncWrite + Send + Sync + Unpin + std::fmt::Debug> Wire for T {}

/// A mailbox that is open.
pub struct Mailbox {
    session: Session<Box<dyn Wire>>,
    pub uid_validity: u32,
    /// The number that the next mail gets.
    pub uid_next: Option<u32>,
    pub has_idle: bool,
}

/// A mail in a mailbox.
pub struct Fetched {
    pub raw: Vec<u8>,
    /// When the server got it; None where it does not say.
    pub arrived_at: Option<Timestamp>,
}

/// Connects, signs in and opens a folder.
pub async fn open(
    dial: &Dial,
    server: &Server,
    credential: Option<&Credential>,
    folder: &str,
) -> Result<Mailbox, Trouble> {
    let stream = dial.connect(&server.host, server.port).await?;
    let wire: Box<dyn Wire> = match server.security {
        Security::Tls => Box::new(in_time(dial.secure(&server.host, stream)).await??),
        Security::None | Security::StartTls => Box::new(stream),
    };
    let mut client = Client::new(wire);
    greeting(&mut client).await?;
    if server.security == Security::StartTls {
        let started = in_time(client.run_command_and_check_ok("STARTTLS", None)).await?;
        started.map_err(|error| Trouble::new(Reason::Tls, error))?;
        let secret = in_time(dial.secure(&server.host, client.into_inner())).await??;
        client = Client::new(Box::new(secret));
    }
    let signed_in = match credential {
        None => in_time(client.login(&server.user, "")).await?,
        Some(Credential::Password(password)) => in_time(client.login(&server.user, password)).await?,
        Some(Credential::Token(token, _)) => show(client, &server.user, token).await?,
    };
    let mut session = signed_in.map_err(|(error, _)| of_sign_in(&error))?;
    let capabilities = in_time(session.capabilities()).await?.map_err(|error| of(&error))?;
    let has_idle = capabilities.has_str("IDLE");
    let mailbox = in_time(session.examine(folder)).await?.map_err(|error| match error {
        Error::No(said) | Error::Bad(said) => Trouble::new(Reason::Folder, said),
        other => of(&other),
    })?;
    let uid_validity = mailbox.uid_validity;
    let uid_validity = uid_validity.ok_or_else(|| Trouble::new(Reason::Protocol, "the folder has no UIDVALIDITY"))?;
    Ok(Mailbox { session, uid_validity, uid_next: mailbox.uid_next, has_idle })
}

/// Shows an access token, and gives up where the server says why it does not take it.
struct Bearer<'a> {
    mechanism: Mechanism,
    user: &'a str,
    token: &'a str,
    is_shown: bool,
}

impl Authenticator for &mut Bearer<'_> {
    type Response = String;

    fn process(&mut self, _: &[u8]) -> String {
        if self.is_shown {
            return self.mechanism.resigned().to_owned();
        }
        self.is_shown = true;
        self.mechanism.initial(self.user, self.token)
    }
}

/// Signs in with an access token, in the way that the server knows: one that does not know a way refuses it before
/// the token is shown.
async fn show(
    client: Client<Box<dyn Wire>>,
    user: &str,
    token: &str,
) -> Result<Result<Session<Box<dyn Wire>>, (Error, Client<Box<dyn Wire>>)>, Trouble> {
    let mut bearer = Bearer { mechanism: Mechanism::Xoauth2, user, token, is_shown: false };
    let signed_in = in_time(client.authenticate(bearer.mechanism.name(), &mut bearer)).await?;
    match signed_in {
        Err((Error::No(_) | Error::Bad(_), client)) if !bearer.is_shown => {
            bearer.mechanism = Mechanism::OauthBearer;
            in_time(client.authenticate(bearer.mechanism.name(), &mut bearer)).await
        }
        done => Ok(done),
    }
}

async fn greeting(client: &mut Client<Box<dyn Wire>>) -> Result<(), Trouble> {
    match in_time(client.read_response()).await? {
        Ok(Some(_)) => Ok(()),
        Ok(None) => Err(Trouble::new(Reason::Unreachable, "the server closed the connection")),
        Err(error) => Err(Trouble::new(Reason::Protocol, error)),
    }
}

impl Mailbox {
    /// The numbers behind one, in order.
    pub async fn behind(&mut self, uid: u32) -> Result<Vec<u32>, Trouble> {
        let query = format!("UID {}:*", uid.saturating_add(1));
        // A range that ends in a star names the last mail even when its number is lower.
        self.search(&query).await.map(|found| found.into_iter().filter(|found| uid < *found).collect())
    }

    /// The numbers of what arrived on a day or later, in order.
    pub async fn since(&mut self, at: Timestamp) -> Result<Vec<u32>, Trouble> {
        const MONTHS: [&str; 12] = ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"];
        let date = jiff::tz::TimeZone::UTC.to_datetime(at).date();
        let month = usize::try_from(date.month() - 1).ok().and_then(|month| MONTHS.get(month)).unwrap_or(&"Jan");
        self.search(&format!("SINCE {}-{month}-{}", date.day(), date.year())).await
    }

    async fn search(&mut self, query: &str) -> Result<Vec<u32>, Trouble> {
        let found = in_time(self.session.uid_search(query)).await?.map_err(|error| of(&error))?;
        let mut found: Vec<u32> = found.into_iter().collect();
        found.sort_unstable();
        Ok(found)
    }

    /// One mail; None if it is gone.
    pub async fn mail(&mut self, uid: u32, longest: Duration) -> Result<Option<Fetched>, Trouble> {
        let fetching = async {
            let query = format!("(UID INTERNALDATE BODY.PEEK[]<0.{FETCH_LIMIT}>)");
            let answers = self.session.uid_fetch(uid.to_string(), query).await?;
            answers.try_collect::<Vec<_>>().await
        };
        let answers = timeout(longest, fetching).await.map_err(|_| late())?.map_err(|error| of(&error))?;
        let found = answers.iter().find(|answer| answer.uid == Some(uid));
        Ok(found.and_then(|answer| {
            let arrived_at = answer.internal_date().and_then(|at| Timestamp::from_second(at.timestamp()).ok());
            answer.body().map(|raw| Fetched { raw: raw.to_vec(), arrived_at })
        }))
    }

    /// Waits until the server tells of something, or a while has gone by.
    pub async fn idle(self, longest: Duration) -> Result<Mailbox, Trouble> {
        let Mailbox { session, uid_validity, uid_next, has_idle } = self;
        let mut handle = session.idle();
        in_time(handle.init()).await?.map_err(|error| of(&error))?;
        let (waiting, interrupt) = handle.wait_with_timeout(longest);
        let told = timeout(longest, waiting).await;
        drop(interrupt);
        match told {
            Err(_) | Ok(Ok(IdleResponse::NewData(_) | IdleResponse::Timeout)) => {}
            Ok(Ok(IdleResponse::ManualInterrupt)) => {
                return Err(Trouble::new(Reason::Unreachable, "the server closed the connection"));
            }
            Ok(Err(error)) => return Err(of(&error)),
        }
        let session = in_time(handle.done()).await?.map_err(|error| of(&error))?;
        Ok(Mailbox { session, uid_validity, uid_next, has_idle })
    }

    /// Lets the server notice that nothing more is wanted.
    pub async fn leave(mut self) {
        let _ = timeout(Duration::from_secs(2), self.session.logout()).await;
    }
}

async fn in_time<T>(step: impl Future<Output = T>) -> Result<T, Trouble> {
    timeout(ANSWER, step).await.map_err(|_| late())
}

fn late() -> Trouble {
    Trouble::new(Reason::Timeout, "the server did not answer in time")
}

fn of_sign_in(error: &Error) -> Trouble {
    match error {
        Error::No(said) | Error::Bad(said) => Trouble::new(Reason::SignIn, said),
        Error::Validate(_) => Trouble::new(Reason::SignIn, "user or password hold characters that cannot be sent"),
        other => of(other),
    }
}

fn of(error: &Error) -> Trouble {
    match error {
        Error::Io(error) => Trouble::new(Reason::Unreachable, error),
        Error::ConnectionLost => Trouble::new(Reason::Unreachable, "the server closed the connection"),
        other => Trouble::new(Reason::Protocol, other),
    }
}
