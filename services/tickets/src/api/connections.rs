//! The mail servers of channel accounts: set, shown without their passwords, tried, removed.

use std::time::Duration;

use kit::wire::{etag, timestamp};
use kit::{Caller, Checks, Explain, Fault, ProviderId, SellerId};
use proto::tickets::v1 as pb;
use proto::tickets::v1::mail_connections_service_server::MailConnectionsService;
use tenantdb::TenantTx;
use tokio::time::Instant;
use tonic::{Code, Request, Response, Status};

use super::{Api, fields};
use crate::domain::connection::{Connection, INBOX, Security, Server, Use, keeps_password};
use crate::domain::ids::{ChannelAccountId, Uuid};
use crate::domain::outgoing::attempt::{Reason, Trouble};
use crate::store;
use crate::work::mail::smtp::Visit;
use crate::work::mail::{NoKey, place};

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
        Ok(Response::new(pb::GetMailConnectionResponse { connection: Some(shown(found.seller, &found.value)) }))
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
        let connections = found.iter().map(|of| shown(of.seller, &of.value)).collect();
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
        checks.finish()?;
        let version = kit::wire::version(&wanted.etag)?;
        let scope = caller.act_for(&request.seller_id)?;
        let settings = self.desk.settings_knowing(caller, &scope, account).await?;
        let found = settings.account(account).ok_or(Fault::NotFound("channel account"))?;
        if !crate::domain::outgoing::is_mail(&found.channel, &found.address) {
            return Err(Fault::invalid("channel_account_id", "must name an account that is a mailbox"));
        }
        let has_password = |asked: &Option<Asked>| asked.as_ref().is_some_and(|asked| !asked.password.is_empty());
        if has_password(&smtp) || has_password(&imap) {
            self.desk.mail.seal()?;
        }

        let mut tx = self.desk.deps.db.begin(&scope).await?;
        // The request as it is kept for retries holds no password.
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
            imap_folder: if folder.is_empty() { INBOX.to_owned() } else { folder },
            from_name,
            reply_to_ticket: wanted.reply_to_ticket,
            updated_at: tx.now(),
            version: before.as_ref().map_or(1, |before| before.version + 1),
        };
        store::connections::put(&mut tx, &connection).await?;
        let before = before.as_ref();
        for (of, asked, server, before) in [
            (Use::Smtp, &smtp, &mut connection.smtp, before.and_then(|before| before.smtp.as_ref())),
            (Use::Imap, &imap, &mut connection.imap, before.and_then(|before| before.imap.as_ref())),
        ] {
            let has = self.put_password(&mut tx, account, of, asked.as_ref(), before).await?;
            if let Some(server) = server {
                server.has_password = has;
            }
        }
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
        let sealed = store::connections::secrets(&mut tx, account).await?;
        let provider = tx.provider();
        // Nothing of the database is held while others are waited for.
        drop(tx);
        let (connection, seller) = (found.value, found.seller);
        let smtp = async {
            let Some(server) = &connection.smtp else { return None };
            Some(match self.password((provider, seller, account), Use::Smtp, &sealed) {
                Err(trouble) => Err(trouble),
                Ok(password) => {
                    let visit = Visit {
                        dial: &self.desk.mail.dial,
                        hello: &self.desk.mail.settings.hello,
                        server,
                        password: password.as_deref(),
                        until: Instant::now() + TRIED,
                    };
                    visit.check().await
                }
            })
        };
        Ok(pb::CheckMailConnectionResponse { smtp: smtp.await.map(checked), imap: None })
    }

    /// The password of a server, opened; none where none is stored.
    fn password(
        &self,
        (provider, seller, account): (ProviderId, SellerId, ChannelAccountId),
        of: Use,
        sealed: &[(Use, Vec<u8>)],
    ) -> Result<Option<String>, Trouble> {
        let place = place(provider, seller, account, of);
        let sealed = sealed.iter().find(|(found, _)| *found == of);
        let opened = sealed.map(|(_, sealed)| self.desk.mail.open(&place, sealed)).transpose();
        opened.map_err(|broken| Trouble::new(Reason::Secret, broken))
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
    if security == Security::None && !plain {
        checks.require(user.is_empty(), field("security"), "must be starttls or tls where somebody signs in");
    }
    let port = u16::try_from(port).unwrap_or_default();
    Asked { server: Server { host, port, security, user, has_password: false }, password }
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
    }
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
    }
}
