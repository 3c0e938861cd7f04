//! The mail servers of channel accounts: set, shown without their passwords, tried, removed.

use std::time::Duration;

use courier::{Credential, Reason, Security, Trouble, Visit};
use kit::wire::{etag, timestamp};
use kit::{Caller, Checks, Explain, Fault, SellerId};
use proto::tickets::v1 as pb;
use proto::tickets::v1::mail_connections_service_server::MailConnectionsService;
use tenantdb::TenantTx;
use tokio::time::Instant;
use tonic::{Code, Request, Response, Status};

use super::{Api, fields};
use crate::domain::connection::{Connection, INBOX, Pull, Server, SignIn, Use, keeps_password, shows_tokens};
use crate::domain::ids::{ChannelAccountId, Uuid};
use crate::domain::oauth::{self, Grant, OAuth, Standing};
use crate::store;
use crate::work::http::Http;
use crate::work::mail::{NoKey, imap, place};

/// How long one server is tried.
const TRIED: Duration = Duration::from_secs(8);

impl Explain for NoKey {
    fn code(&self) -> Code {
        Code::FailedPrecondition
    }

    fn reason(&self) -> &'static str {
        "NO_MASTER_KEY"
    }
}

#[tonic::async_trait]
impl MailConnectionsService for Api {
    async fn list_mail_connections(
        &self,
        request: Request<pb::ListMailConnectionsRequest>,
    ) -> Result<Response<pb::ListMailConnectionsResponse>, Status> {
        let (caller, request) = kit::admitted(request)?;
        Ok(Response::new(self.mail_connections(&caller, request).await?))
    }

    async fn get_mail_connection(
        &self,
        request: Request<pb::GetMailConnectionRequest>,
    ) -> Result<Response<pb::GetMailConnectionResponse>, Status> {
        let (caller, request) = kit::admitted(request)?;
        let account = account_id(&request.channel_account_id)?;
        let scope = caller.view(&request.seller_id)?;
        let mut tx = self.desk.deps.db.begin(&scope).await.map_err(Fault::from)?;
        let found = store::connections::one(&mut tx, account).await.map_err(Fault::from)?;
        let found = found.ok_or(Fault::NotFound("mail connection"))?;
        let pulls = store::pulls::of(&mut tx, &[account]).await.map_err(Fault::from)?;
        Ok(Response::new(pb::GetMailConnectionResponse {
            connection: Some(with_pull(shown(found.seller, &found.value), &pulls)),
        }))
    }

    async fn put_mail_connection(
        &self,
        request: Request<pb::PutMailConnectionRequest>,
    ) -> Result<Response<pb::PutMailConnectionResponse>, Status> {
        let (caller, request) = kit::admitted(request)?;
        Ok(Response::new(self.put_connection(&caller, request).await?))
    }

    async fn delete_mail_connection(
        &self,
        request: Request<pb::DeleteMailConnectionRequest>,
    ) -> Result<Response<pb::DeleteMailConnectionResponse>, Status> {
        let (caller, request) = kit::admitted(request)?;
        Ok(Response::new(self.delete_connection(&caller, request).await?))
    }

    async fn check_mail_connection(
        &self,
        request: Request<pb::CheckMailConnectionRequest>,
    ) -> Result<Response<pb::CheckMailConnectionResponse>, Status> {
        let (caller, request) = kit::admitted(request)?;
        Ok(Response::new(self.check_connection(&caller, request).await?))
    }
}

/// A server as asked for, and the password given with it.
struct Asked {
    server: Server,
    password: String,
}

impl Api {
    async fn mail_connections(
        &self,
        caller: &Caller,
        request: pb::ListMailConnectionsRequest,
    ) -> Result<pb::ListMailConnectionsResponse, Fault> {
        let pager = &self.desk.deps.pager;
        let (size, token) = (request.page_size, &request.page_token);
        let page = pager.read::<Uuid>(caller, "ListMailConnections", &request.seller_id, size, token)?;
        let mut tx = self.desk.deps.db.begin(&caller.view(&request.seller_id)?).await?;
        let mut found = store::connections::list(&mut tx, page.after, page.size + 1).await?;
        let next_page_token = pager.cut(&page, &mut found, |of| of.value.account.0)?;
        let accounts: Vec<ChannelAccountId> = found.iter().map(|of| of.value.account).collect();
        let pulls = store::pulls::of(&mut tx, &accounts).await?;
        let connections = found.iter().map(|of| with_pull(shown(of.seller, &of.value), &pulls)).collect();
        Ok(pb::ListMailConnectionsResponse { connections, next_page_token })
    }

    async fn put_connection(
        &self,
        caller: &Caller,
        mut request: pb::PutMailConnectionRequest,
    ) -> Result<pb::PutMailConnectionResponse, Fault> {
        let mut checks = Checks::new();
        fields::optional_request_id(&mut checks, &request.request_id);
        let account: ChannelAccountId = checks.id("channel_account_id", &request.channel_account_id);
        checks.require(request.connection.is_some(), "connection", "must be given");
        let mut wanted = request.connection.take().unwrap_or_default();
        let plain = self.desk.mail.settings.internal_servers;
        let smtp = wanted.smtp.take().map(|server| asked(&mut checks, "connection.smtp", server, plain));
        let imap = wanted.imap.take().map(|server| asked(&mut checks, "connection.imap", server, plain));
        if let Some(imap) = &imap {
            checks.require(!imap.server.user.is_empty(), "connection.imap.user", "must be given");
        }
        let folder = checks.line("connection.imap_folder", &wanted.imap_folder, 0..=200);
        let from_name = checks.line("connection.from_name", &wanted.from_name, 0..=100);
        let servers = [&smtp, &imap].into_iter().flatten();
        let by_token = servers.clone().any(|asked| asked.server.sign_in == SignIn::OAuth);
        let oauth = wanted.oauth.take().map(|oauth| asked_oauth(&mut checks, oauth, &self.desk.http));
        checks.require(
            !by_token || oauth.is_some(),
            "connection.oauth",
            "must be given where a server asks for tokens",
        );
        checks.require(by_token || oauth.is_none(), "connection.oauth", "must be left out where no server asks for it");
        checks.finish()?;
        let version = kit::wire::version(&wanted.etag)?;
        let scope = caller.act_for(&request.seller_id)?;
        let settings = self.desk.settings_knowing(caller, &scope, account).await?;
        let found = settings.account(account).ok_or(Fault::NotFound("channel account"))?;
        if !crate::domain::outgoing::is_mail(&found.channel, &found.address) {
            return Err(Fault::invalid("channel_account_id", "must name an account that is a mailbox"));
        }
        let has_password = |asked: &Option<Asked>| asked.as_ref().is_some_and(|asked| !asked.password.is_empty());
        if has_password(&smtp) || has_password(&imap) || oauth.is_some() {
            self.desk.mail.seal()?;
        }

        let mut tx = self.desk.deps.db.begin(&scope).await?;
        // The request as it is kept for retries holds no secret.
        let kept = pb::PutMailConnectionRequest { connection: Some(wanted.clone()), ..request.clone() };
        if let Some(answer) = tx.replayed(caller, "PutMailConnection", &request.request_id, &kept).await? {
            return Ok(answer);
        }
        let before = store::connections::locked(&mut tx, account).await?;
        match (version, before.as_ref().map(|before| before.version)) {
            (None, _) => {}
            (Some(read), Some(now)) if read == now => {}
            _ => return Err(Fault::Stale),
        }
        let mut connection = Connection {
            account,
            smtp: smtp.as_ref().map(|asked| asked.server.clone()),
            imap: imap.as_ref().map(|asked| asked.server.clone()),
            oauth: None,
            imap_folder: if folder.is_empty() { INBOX.to_owned() } else { folder },
            from_name,
            reply_to_ticket: wanted.reply_to_ticket,
            updated_at: tx.now(),
            version: before.as_ref().map_or(1, |before| before.version + 1),
        };
        store::connections::put(&mut tx, &connection).await?;
        let before = before.as_ref();
        let imap_before = before.and_then(|before| before.imap.as_ref());
        match &connection.imap {
            Some(server) => {
                let same = |before: &Server| before.host == server.host && before.user == server.user;
                let moved = !imap_before.is_some_and(same)
                    || before.is_some_and(|before| before.imap_folder != connection.imap_folder);
                store::pulls::begin(&mut tx, account, moved).await?;
            }
            None => store::pulls::end(&mut tx, account).await?,
        }
        for (of, asked, server, before) in [
            (Use::Smtp, &smtp, &mut connection.smtp, before.and_then(|before| before.smtp.as_ref())),
            (Use::Imap, &imap, &mut connection.imap, imap_before),
        ] {
            let has = self.put_password(&mut tx, account, of, asked.as_ref(), before).await?;
            if let Some(server) = server {
                server.has_password = has;
            }
        }
        let oauth_before = before.and_then(|before| before.oauth.as_ref());
        let smtp_before = before.and_then(|before| before.smtp.as_ref());
        let stays =
            [(&connection.smtp, smtp_before), (&connection.imap, imap_before)].into_iter().all(|(of, before)| {
                let by_token = of.as_ref().filter(|server| server.sign_in == SignIn::OAuth);
                by_token.is_none_or(|server| shows_tokens(before, server))
            });
        let oauth_before = oauth_before.filter(|_| stays);
        connection.oauth = self.put_oauth(&mut tx, account, oauth, oauth_before).await?;
        let response = pb::PutMailConnectionResponse { connection: Some(shown(tx.seller()?, &connection)) };
        tx.commit_with(&response).await?;
        Ok(response)
    }

    /// Seals the password that was given, keeps the stored one where none was, or forgets it; whether there
    /// is one then.
    async fn put_password(
        &self,
        tx: &mut TenantTx,
        account: ChannelAccountId,
        of: Use,
        asked: Option<&Asked>,
        before: Option<&Server>,
    ) -> Result<bool, Fault> {
        match asked {
            Some(asked) if !asked.password.is_empty() => {
                let place = place(tx.provider(), tx.seller()?, account, of);
                let sealed = self.desk.mail.seal()?.seal(&place, asked.password.as_bytes())?;
                store::connections::keep_secret(tx, account, of, &sealed).await?;
                Ok(true)
            }
            Some(asked) if keeps_password(before, &asked.server) => Ok(true),
            _ => {
                store::connections::forget(tx, account, of).await?;
                Ok(false)
            }
        }
    }

    /// Writes how access tokens are got: seals the secrets that were given, keeps the stored ones where none were,
    /// or forgets them.
    async fn put_oauth(
        &self,
        tx: &mut TenantTx,
        account: ChannelAccountId,
        asked: Option<AskedOAuth>,
        before: Option<&OAuth>,
    ) -> Result<Option<OAuth>, Fault> {
        let (provider, seller) = (tx.provider(), tx.seller()?);
        let Some(AskedOAuth { mut oauth, client_secret, refresh_token }) = asked else {
            store::mail_oauth::put(tx, account, None, true).await?;
            for of in [Use::OAuthClient, Use::OAuthRefresh, Use::OAuthAccess] {
                store::connections::forget(tx, account, of).await?;
            }
            return Ok(None);
        };
        let keeps = oauth::keeps_secrets(before, &oauth);
        let is_same = before.is_some_and(|before| before.scope == oauth.scope);
        let anew = !keeps || !is_same || !client_secret.is_empty() || !refresh_token.is_empty();
        for (of, given, has, had) in [
            (
                Use::OAuthClient,
                &client_secret,
                &mut oauth.has_client_secret,
                before.is_some_and(|before| before.has_client_secret),
            ),
            (
                Use::OAuthRefresh,
                &refresh_token,
                &mut oauth.has_refresh_token,
                before.is_some_and(|before| before.has_refresh_token),
            ),
        ] {
            *has = !given.is_empty() || (keeps && had);
            if !given.is_empty() {
                let sealed = self.desk.mail.seal()?.seal(&place(provider, seller, account, of), given.as_bytes())?;
                store::connections::keep_secret(tx, account, of, &sealed).await?;
            } else if !keeps {
                store::connections::forget(tx, account, of).await?;
            }
        }
        let (field, has) = match oauth.grant {
            Grant::RefreshToken => ("connection.oauth.refresh_token", oauth.has_refresh_token),
            Grant::ClientCredentials => ("connection.oauth.client_secret", oauth.has_client_secret),
        };
        if !has {
            return Err(Fault::invalid(field, "must be given with this grant"));
        }
        if anew {
            store::connections::forget(tx, account, Use::OAuthAccess).await?;
        }
        if let Some(before) = before.filter(|_| !anew) {
            let Standing { expires_at, renewed_at, .. } = before.standing;
            oauth.standing = Standing { expires_at, renewed_at, ..Standing::default() };
        }
        store::mail_oauth::put(tx, account, Some(&oauth), anew).await?;
        Ok(Some(oauth))
    }

    async fn delete_connection(
        &self,
        caller: &Caller,
        request: pb::DeleteMailConnectionRequest,
    ) -> Result<pb::DeleteMailConnectionResponse, Fault> {
        let mut checks = Checks::new();
        fields::optional_request_id(&mut checks, &request.request_id);
        let account: ChannelAccountId = checks.id("channel_account_id", &request.channel_account_id);
        checks.finish()?;
        let scope = caller.act_for(&request.seller_id)?;
        let mut tx = self.desk.deps.db.begin(&scope).await?;
        if let Some(answer) = tx.replayed(caller, "DeleteMailConnection", &request.request_id, &request).await? {
            return Ok(answer);
        }
        if !store::connections::delete(&mut tx, account).await? {
            return Err(Fault::NotFound("mail connection"));
        }
        let response = pb::DeleteMailConnectionResponse {};
        tx.commit_with(&response).await?;
        Ok(response)
    }

    async fn check_connection(
        &self,
        caller: &Caller,
        request: pb::CheckMailConnectionRequest,
    ) -> Result<pb::CheckMailConnectionResponse, Fault> {
        let account = account_id(&request.channel_account_id)?;
        let mut tx = self.desk.deps.db.begin(&caller.view(&request.seller_id)?).await?;
        let found = store::connections::one(&mut tx, account).await?.ok_or(Fault::NotFound("mail connection"))?;
        // Nothing of the database is held while others are waited for.
        drop(tx);
        let connection = found.value;
        let scope = caller.act_for(&found.seller.to_string())?;
        let until = Instant::now() + TRIED;
        let credential = async |of| self.desk.credential(&scope, account, of, true, until).await;
        let smtp = async {
            let Some(server) = &connection.smtp else { return Ok(None) };
            let credential = match credential(Use::Smtp).await? {
                Ok(credential) => credential,
                Err(trouble) => return Ok(Some(Err(trouble))),
            };
            let visit = Visit {
                dial: &self.desk.mail.dial,
                hello: &self.desk.mail.settings.hello,
                door: server.door(),
                credential: credential.as_ref(),
                until: Instant::now() + TRIED,
            };
            Ok::<_, Fault>(Some(visit.check().await))
        };
        let imap = async {
            let Some(server) = &connection.imap else { return Ok(None) };
            let credential = match credential(Use::Imap).await? {
                Ok(credential) => credential,
                Err(trouble) => return Ok(Some(Err(trouble))),
            };
            Ok::<_, Fault>(Some(self.check_imap(server, credential.as_ref(), &connection.imap_folder).await))
        };
        let (smtp, imap) = tokio::try_join!(smtp, imap)?;
        Ok(pb::CheckMailConnectionResponse { smtp: smtp.map(checked), imap: imap.map(checked) })
    }

    async fn check_imap(&self, server: &Server, credential: Option<&Credential>, folder: &str) -> Result<(), Trouble> {
        let opening = imap::open(&self.desk.mail.dial, server, credential, folder);
        let opened = tokio::time::timeout(TRIED, opening).await;
        let late = |_| Trouble::new(Reason::Timeout, "the server did not answer in time");
        opened.map_err(late)??.leave().await;
        Ok(())
    }
}

fn account_id(text: &str) -> Result<ChannelAccountId, Fault> {
    let mut checks = Checks::new();
    let account = checks.id("channel_account_id", text);
    checks.finish()?;
    Ok(account)
}

/// A server as asked for. `plain` tells whether passwords may go over connections that others read.
fn asked(checks: &mut Checks, path: &str, server: pb::MailServer, plain: bool) -> Asked {
    let field = |name: &str| format!("{path}.{name}");
    let host = checks.line(field("host"), &server.host, 1..=253).to_ascii_lowercase();
    let of_name = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '-' | '_' | ':');
    checks.require(host.chars().all(of_name), field("host"), "must be a name such as mail.shop.example");
    let port = checks.range(field("port"), server.port.into(), 1..=65_535);
    let security = match pb::MailSecurity::try_from(server.security) {
        Ok(pb::MailSecurity::None) => Security::None,
        Ok(pb::MailSecurity::Starttls) => Security::StartTls,
        Ok(pb::MailSecurity::Tls) => Security::Tls,
        Ok(pb::MailSecurity::Unspecified) | Err(_) => {
            checks.refuse(field("security"), "must be none, starttls or tls");
            Security::Tls
        }
    };
    let user = checks.line(field("user"), &server.user, 0..=320);
    let password = server.password;
    checks.require(password.len() <= 1_000, field("password"), "must not exceed 1000 bytes");
    checks.require(!password.contains(['\r', '\n', '\0']), field("password"), "must be a single line");
    checks.require(password.is_empty() || !user.is_empty(), field("user"), "must be given with a password");
    let sign_in = match pb::MailSignIn::try_from(server.sign_in) {
        Ok(pb::MailSignIn::Unspecified | pb::MailSignIn::Password) => SignIn::Password,
        Ok(pb::MailSignIn::Oauth) => {
            checks.require(!user.is_empty(), field("user"), "must be given: the mailbox that the token is for");
            checks.require(password.is_empty(), field("password"), "must be left out where a token is shown");
            SignIn::OAuth
        }
        Err(_) => {
            checks.refuse(field("sign_in"), "must be password or oauth");
            SignIn::Password
        }
    };
    if security == Security::None && !plain {
        checks.require(user.is_empty(), field("security"), "must be starttls or tls where somebody signs in");
    }
    let port = u16::try_from(port).unwrap_or_default();
    Asked { server: Server { host, port, security, user, sign_in, has_password: false }, password }
}

/// How tokens are got, as asked for, and the secrets given with it.
struct AskedOAuth {
    oauth: OAuth,
    client_secret: String,
    refresh_token: String,
}

fn asked_oauth(checks: &mut Checks, oauth: pb::MailOAuth, http: &Http) -> AskedOAuth {
    let field = |name: &str| format!("connection.oauth.{name}");
    let grant = match pb::MailGrant::try_from(oauth.grant) {
        Ok(pb::MailGrant::RefreshToken) => Grant::RefreshToken,
        Ok(pb::MailGrant::ClientCredentials) => Grant::ClientCredentials,
        Ok(pb::MailGrant::Unspecified) | Err(_) => {
            checks.refuse(field("grant"), "must be a refresh token or client credentials");
            Grant::RefreshToken
        }
    };
    let token_url = checks.line(field("token_url"), &oauth.token_url, 1..=500);
    let is_reachable = http.allowed(&token_url).is_some();
    checks.require(is_reachable, field("token_url"), "must be a public address that begins with https://");
    let client_id = checks.line(field("client_id"), &oauth.client_id, 1..=300);
    let scope = checks.line(field("scope"), &oauth.scope, 0..=1_000);
    for (name, secret, longest) in
        [("client_secret", &oauth.client_secret, 1_000), ("refresh_token", &oauth.refresh_token, 8_000)]
    {
        checks.require(secret.len() <= longest, field(name), "is too long");
        checks.require(!secret.contains(char::is_control), field(name), "must be a single line");
    }
    let of_grant = grant == Grant::RefreshToken || oauth.refresh_token.is_empty();
    checks.require(of_grant, field("refresh_token"), "must be left out with client credentials");
    let (has_client_secret, has_refresh_token) = (false, false);
    let standing = Standing::default();
    AskedOAuth {
        oauth: OAuth { grant, token_url, client_id, scope, has_client_secret, has_refresh_token, standing },
        client_secret: oauth.client_secret,
        refresh_token: oauth.refresh_token,
    }
}

fn checked(result: Result<(), Trouble>) -> pb::MailCheck {
    match result {
        Ok(()) => pb::MailCheck { works: true, ..pb::MailCheck::default() },
        Err(trouble) => pb::MailCheck { works: false, reason: trouble.reason.name().to_owned(), detail: trouble.said },
    }
}

fn shown(seller: SellerId, connection: &Connection) -> pb::MailConnection {
    pb::MailConnection {
        channel_account_id: connection.account.to_string(),
        seller_id: seller.to_string(),
        smtp: connection.smtp.as_ref().map(server),
        imap: connection.imap.as_ref().map(server),
        imap_folder: connection.imap_folder.clone(),
        from_name: connection.from_name.clone(),
        reply_to_ticket: connection.reply_to_ticket,
        updated_at: Some(timestamp(connection.updated_at)),
        etag: etag(connection.version),
        pull: None,
        oauth: connection.oauth.as_ref().map(shown_oauth),
    }
}

fn shown_oauth(oauth: &OAuth) -> pb::MailOAuth {
    let grant = match oauth.grant {
        Grant::RefreshToken => pb::MailGrant::RefreshToken,
        Grant::ClientCredentials => pb::MailGrant::ClientCredentials,
    };
    let state = pb::MailOAuthState {
        expires_at: oauth.standing.expires_at.map(timestamp),
        renewed_at: oauth.standing.renewed_at.map(timestamp),
        reason: oauth.standing.reason.clone(),
        detail: oauth.standing.said.clone(),
    };
    pb::MailOAuth {
        grant: grant.into(),
        token_url: oauth.token_url.clone(),
        client_id: oauth.client_id.clone(),
        client_secret: String::new(),
        refresh_token: String::new(),
        scope: oauth.scope.clone(),
        has_client_secret: oauth.has_client_secret,
        has_refresh_token: oauth.has_refresh_token,
        state: Some(state),
    }
}

/// The same with how fetching goes.
fn with_pull(connection: pb::MailConnection, pulls: &[Pull]) -> pb::MailConnection {
    let pull = pulls.iter().find(|pull| pull.account.to_string() == connection.channel_account_id);
    let pull = pull.map(|pull| pb::MailPull {
        looked_at: pull.looked_at.map(timestamp),
        reason: pull.reason.clone(),
        detail: pull.said.clone(),
        taken: pull.taken,
        skipped: pull.skipped,
    });
    pb::MailConnection { pull, ..connection }
}

fn server(server: &Server) -> pb::MailServer {
    let security = match server.security {
        Security::None => pb::MailSecurity::None,
        Security::StartTls => pb::MailSecurity::Starttls,
        Security::Tls => pb::MailSecurity::Tls,
    };
    pb::MailServer {
        host: server.host.clone(),
        port: server.port.into(),
        security: security.into(),
        user: server.user.clone(),
        password: String::new(),
        has_password: server.has_password,
        sign_in: match server.sign_in {
            SignIn::Password => pb::MailSignIn::Password.into(),
            SignIn::OAuth => pb::MailSignIn::Oauth.into(),
        },
    }
}
