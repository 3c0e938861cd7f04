//! Mail on the wire: the servers of channel accounts ([`courier`], [`imap`]), the queue that hands
//! answers in ([`post`]), what fetches the mail of customers ([`pull`]), and the port where it is handed in
//! ([`listen`]). With what an account signs in is the business of [`sign_in`].

pub mod imap;
pub mod listen;
pub mod post;
pub mod pull;
pub mod sign_in;

use std::collections::BTreeSet;
use std::net::SocketAddr;
use std::time::Duration;

use courier::{Dial, Door, Patience, Security};
use kit::links::LinkKeys;
use kit::master::MasterKeys;
use kit::seal::{Broken, Seal};
use kit::{Fault, ProviderId, SellerId};

use crate::domain::connection::Use;
use crate::domain::ids::ChannelAccountId;

/// Whose secrets are sealed.
const OWNER: &str = "manydesk tickets v1";
/// What links are signed for.
const SURVEYS: &str = "manydesk tickets surveys v1";
const PAGES: &str = "manydesk tickets help pages v1";

/// How mail is sent and received, as the installation is set up.
#[derive(Clone, Debug)]
pub struct Settings {
    /// To seal passwords with; without, no account gets a connection.
    pub master_keys: Option<MasterKeys>,
    /// Also servers at addresses that are not public, and passwords over connections that anybody on the
    /// way reads; the same for senders and translation machines. For installations whose administrators run
    /// such servers beside it, and for tests.
    pub internal_servers: bool,
    /// Certificates of authorities to be trusted besides the system's, as PEM.
    pub authorities: Option<Vec<u8>>,
    /// The name by which the platform greets mail servers.
    pub hello: String,
    /// Pause after the first attempt that failed; each further one is twice as long, up to 4 hours.
    pub first_retry: Duration,
    /// Attempts until a mail is given up.
    pub attempts: i32,
    /// Longest attempt to hand a mail in, and to fetch one. What has not ended after twice as long is taken for
    /// dead.
    pub attempt_limit: Duration,
    /// Where mail is handed in over SMTP; none = nowhere.
    pub smtp_listen: Option<SocketAddr>,
    /// Where mail is handed in over LMTP; none = nowhere.
    pub lmtp_listen: Option<SocketAddr>,
    /// Where links in messages lead, without a slash at the end.
    pub public_url: String,
    /// By which server contacts of sellers are told of alerts; none = they are not told.
    pub notices: Option<Notices>,
}

/// The mail server by which the platform itself writes to people.
#[derive(Clone)]
pub struct Notices {
    pub host: String,
    pub port: u16,
    pub security: Security,
    /// Empty to send without signing in.
    pub user: String,
    pub password: String,
    /// The address that mails come from.
    pub from: String,
}

impl Notices {
    /// Where it is.
    pub fn door(&self) -> Door<'_> {
        Door { host: &self.host, port: self.port, security: self.security, user: &self.user }
    }
}

impl std::fmt::Debug for Notices {
    /// Without who signs in and with what.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Notices").field("host", &self.host).field("port", &self.port).finish_non_exhaustive()
    }
}

impl Default for Settings {
    fn default() -> Settings {
        Settings {
            master_keys: None,
            internal_servers: false,
            authorities: None,
            hello: "localhost".to_owned(),
            first_retry: Duration::from_secs(30),
            attempts: 12,
            attempt_limit: Duration::from_secs(300),
            smtp_listen: None,
            lmtp_listen: None,
            public_url: String::new(),
            notices: None,
        }
    }
}

/// What sends and receives mail.
pub struct Mail {
    pub settings: Settings,
    pub dial: Dial,
    seal: Option<Seal>,
    /// Signs the links of surveys.
    pub links: Option<LinkKeys>,
    /// Signs the addresses of help pages.
    pub pages: Option<LinkKeys>,
}

/// There is no key to seal passwords with.
#[derive(Debug, Clone, Copy, thiserror::Error)]
#[error("the platform has no master key to seal passwords with")]
pub struct NoKey;

impl Mail {
    pub fn new(settings: Settings) -> Result<Mail, Fault> {
        let seal = settings.master_keys.as_ref().map(|masters| Seal::new(masters, OWNER)).transpose()?;
        let dial = Dial::new(settings.internal_servers, settings.authorities.as_deref())?;
        let keys = |of| settings.master_keys.as_ref().map(|masters| LinkKeys::new(masters, of)).transpose();
        let (links, pages) = (keys(SURVEYS)?, keys(PAGES)?);
        Ok(Mail { settings, dial, seal, links, pages })
    }

    pub fn patience(&self) -> Patience {
        Patience { first: self.settings.first_retry, attempts: self.settings.attempts }
    }

    pub fn seal(&self) -> Result<&Seal, NoKey> {
        self.seal.as_ref().ok_or(NoKey)
    }

    /// Opens a sealed password.
    pub fn open(&self, place: &str, sealed: &[u8]) -> Result<String, Broken> {
        let seal = self.seal.as_ref().ok_or(Broken::DoesNotOpen)?;
        String::from_utf8(seal.open(place, sealed)?).map_err(|_| Broken::DoesNotOpen)
    }
}

/// What a secret of a connection is sealed for.
pub fn place(provider: ProviderId, seller: SellerId, account: ChannelAccountId, of: Use) -> String {
    format!("mail:{provider}:{seller}:{account}:{}", of.name())
}

/// Seals every password and token, the secrets of webhooks and senders and the keys of translation machines under the current master key. What no key opens ends it; it can be repeated.
pub async fn reseal(db: &tenantdb::TenantDb, masters: &MasterKeys) -> Result<Resealed, Fault> {
    const PAGE: i64 = 200;
    let seal = Seal::new(masters, OWNER)?;
    let begun = db.clock().now();
    let mut done = Resealed::default();
    loop {
        let due = db
            .due(
                "select provider_id, seller_id, channel_account_id from tickets.mail_secret
                  where sealed_at < $1 order by sealed_at limit $2",
                begun,
                PAGE,
            )
            .await?;
        if due.is_empty() {
            break;
        }
        // The secrets of an account are taken together.
        let mut seen = BTreeSet::new();
        for of in due.into_iter().filter(|of| seen.insert(of.id)) {
            let mut tx = db.begin(&of.scope()).await?;
            let account = ChannelAccountId(of.id);
            for (server, sealed) in crate::store::connections::secrets(&mut tx, account).await? {
                let anew = seal.reseal(&place(tx.provider(), tx.seller()?, account, server), &sealed)?;
                done.kept += 1;
                done.anew += u64::from(anew.is_some());
                let sealed = anew.unwrap_or(sealed);
                crate::store::connections::keep_secret(&mut tx, account, server, &sealed).await?;
            }
            tx.commit().await?;
        }
    }
    let webhooks = super::webhooks::reseal(db, &seal).await?;
    let machines = super::translate::reseal(db, &seal).await?;
    let senders = super::senders::reseal(db, &seal).await?;
    let all = [done, webhooks, machines, senders];
    Ok(Resealed { kept: all.iter().map(|one| one.kept).sum(), anew: all.iter().map(|one| one.anew).sum() })
}

/// What was looked at.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Resealed {
    /// Secrets that are kept.
    pub kept: u64,
    /// Those of them that were sealed anew.
    pub anew: u64,
}
