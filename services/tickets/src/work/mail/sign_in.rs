//! With what an account signs in at its mail servers: its password, or an access token.
//!
//! A token is asked for by one process at a time, the one that holds the lease: an authorization server may end a
//! refresh token with its use, and two who use it at once would take it from one another. What it gives is
//! committed, sealed, before it is used. Nothing of the database is held while it is waited for.

use std::time::Duration;

use courier::{Credential, Next, Patience, Reason, Trouble, chance, later};
use kit::{Fault, Scope};
use tokio::time::{Instant, sleep};

use super::place;
use crate::domain::connection::{Connection, Server, SignIn, Use};
use crate::domain::ids::ChannelAccountId;
use crate::domain::oauth::{self, ANSWER_LIMIT, Given, OAuth};
use crate::store;
use crate::work::Desk;
use crate::work::http::Http;

/// How long an authorization server may take.
const ASKED: Duration = Duration::from_secs(20);
/// Pause before it is looked whether somebody else got a token.
const LOOK_EVERY: Duration = Duration::from_millis(200);
/// Longest pause after failures.
const LONGEST: Duration = Duration::from_secs(900);

impl Desk {
    /// With what an account signs in at one of its servers; none where none is stored. `at_once` asks an
    /// authorization server also where it was asked in vain a moment ago. An account that is gone in
    /// between signs in with nothing.
    pub async fn credential(
        &self,
        scope: &Scope,
        account: ChannelAccountId,
        of: Use,
        at_once: bool,
        until: Instant,
    ) -> Result<Result<Option<Credential>, Trouble>, Fault> {
        let mut at_once = at_once;
        loop {
            let mut tx = self.deps.db.begin(scope).await?;
            let Some(connection) = store::connections::one(&mut tx, account).await? else { return Ok(Ok(None)) };
            let connection = connection.value;
            let Some(server) = server(&connection, of) else { return Ok(Ok(None)) };
            let mut sealed = store::connections::secrets(&mut tx, account).await?;
            let (provider, seller) = (tx.provider(), tx.seller()?);
            let open = |sealed: &[(Use, Vec<u8>)], of: Use| {
                let found = sealed.iter().find(|(found, _)| *found == of);
                let opened = found.map(|(_, sealed)| self.mail.open(&place(provider, seller, account, of), sealed));
                opened.transpose().map_err(|broken| Trouble::new(Reason::Secret, broken))
            };
            let oauth = match (server.sign_in, &connection.oauth) {
                (SignIn::Password, _) => return Ok(open(&sealed, of).map(|found| found.map(Credential::Password))),
                (SignIn::OAuth, Some(oauth)) => oauth,
                (SignIn::OAuth, None) => {
                    return Ok(Err(Trouble::new(Reason::Grant, "it is not said how access tokens are got")));
                }
            };
            let now = tx.now();
            if oauth.standing.is_good(now)
                && let Some(renewed_at) = oauth.standing.renewed_at
            {
                match open(&sealed, Use::OAuthAccess) {
                    Err(trouble) => return Ok(Err(trouble)),
                    Ok(Some(token)) => return Ok(Ok(Some(Credential::Token(token, renewed_at)))),
                    Ok(None) => {}
                }
            }
            if let Some(trouble) = oauth.standing.refused(now).filter(|_| !at_once) {
                return Ok(Err(trouble));
            }
            let holder = self.deps.clock.new_uuid();
            let lease = (holder, later(now, ASKED * 2));
            if !store::mail_oauth::hold(&mut tx, account, lease, oauth.standing.renewed_at).await? {
                drop(tx);
                if until < Instant::now() + LOOK_EVERY {
                    return Ok(Err(Trouble::new(Reason::Timeout, "an access token is being asked for")));
                }
                sleep(LOOK_EVERY).await;
                continue;
            }
            // A refresh token that was read before may have been used meanwhile, and is good once.
            sealed = store::connections::secrets(&mut tx, account).await?;
            let secrets = (open(&sealed, Use::OAuthClient), open(&sealed, Use::OAuthRefresh));
            tx.commit().await?;
            let asked = match secrets {
                (Ok(client), Ok(refresh)) => {
                    self.ask(oauth, &client.unwrap_or_default(), &refresh.unwrap_or_default()).await
                }
                (Err(trouble), _) | (_, Err(trouble)) => Err(trouble),
            };
            let mut tx = self.deps.db.begin(scope).await?;
            let now = tx.now();
            match asked {
                Ok(given) => {
                    let expires_at = oauth::expires_at(now, given.lasts);
                    if !store::mail_oauth::given(&mut tx, account, holder, expires_at).await? {
                        // It was set anew meanwhile.
                        at_once = false;
                        continue;
                    }
                    let seal = self.mail.seal().map_err(|none| Fault::Internal(Box::new(none)))?;
                    let kept = [(Use::OAuthAccess, Some(&given.access)), (Use::OAuthRefresh, given.refresh.as_ref())];
                    for (of, secret) in kept {
                        let Some(secret) = secret else { continue };
                        let sealed = seal.seal(&place(provider, seller, account, of), secret.as_bytes())?;
                        store::connections::keep_secret(&mut tx, account, of, &sealed).await?;
                    }
                    tx.commit().await?;
                    return Ok(Ok(Some(Credential::Token(given.access, now))));
                }
                Err(trouble) => {
                    let patience = Patience { first: self.mail.settings.first_retry, attempts: i32::MAX };
                    let failures = oauth.standing.failures.saturating_add(1);
                    let pause = match courier::next(&patience, failures, Reason::Later, chance()?) {
                        Next::Again(pause) => pause.min(LONGEST),
                        Next::GiveUp => LONGEST,
                    };
                    tracing::info!(account.id = %account, reason = trouble.reason.name(), "no access token is given");
                    store::mail_oauth::refused(&mut tx, account, holder, &trouble, later(now, pause)).await?;
                    tx.commit().await?;
                    return Ok(Err(trouble));
                }
            }
        }
    }

    /// Has a token asked for anew that a server did not take.
    pub async fn distrust(
        &self,
        scope: &Scope,
        account: ChannelAccountId,
        credential: Option<&Credential>,
        trouble: &Trouble,
    ) -> Result<(), Fault> {
        let Some(Credential::Token(_, renewed_at)) = credential else { return Ok(()) };
        if trouble.reason != Reason::SignIn {
            return Ok(());
        }
        let mut tx = self.deps.db.begin(scope).await?;
        store::mail_oauth::distrust(&mut tx, account, *renewed_at).await?;
        Ok(tx.commit().await?)
    }

    async fn ask(&self, oauth: &OAuth, client_secret: &str, refresh_token: &str) -> Result<Given, Trouble> {
        let refused = || Trouble::new(Reason::AddressRefused, "the authorization server's address is not a public one");
        let url = self.http.allowed(&oauth.token_url).ok_or_else(refused)?;
        let form = oauth::form(oauth, client_secret, refresh_token);
        let request = self.http.post(url).header("accept", "application/json").form(&form);
        let answer = Http::send(request, ASKED, ANSWER_LIMIT).await.map_err(|trouble| {
            Trouble::new(trouble.reason, format_args!("the authorization server: {}", trouble.said))
        })?;
        oauth::answer(answer.status, &answer.body)
    }
}

fn server(connection: &Connection, of: Use) -> Option<&Server> {
    match of {
        Use::Smtp => connection.smtp.as_ref(),
        Use::Imap => connection.imap.as_ref(),
        Use::OAuthClient | Use::OAuthRefresh | Use::OAuthAccess => None,
    }
}
