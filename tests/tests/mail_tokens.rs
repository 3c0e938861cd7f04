//! Mail servers where an account signs in by access tokens: an authorization server of the test gives them, a real
//! IMAP server asks it whether they are good, and the SMTP server knows them.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};

use proto::tickets::v1 as pb;
use proto::tickets::v1::mail_connections_service_client::MailConnectionsServiceClient;
use proto::tickets::v1::outgoing_mails_service_client::OutgoingMailsServiceClient;
use proto::tickets::v1::tickets_service_client::TicketsServiceClient;
use serde_json::json;
use tests::{Desk, desk, eventually, violated};
use tonic::Code;

use crate::support::dovecot::Dovecot;
use crate::support::mail::SmtpServer;
use crate::support::server::{Asked, Reply, Server};

type Transport = manydesk::cli::Transport;

const MAILBOX: &str = "help@masque.example";
const CLIENT_SECRET: &str = "secret-of-the-application";

/// What an authorization server knows.
#[derive(Default)]
struct Known {
    /// The refresh token that is good now; each use ends it. Empty after a revocation.
    refresh: String,
    given: u32,
    /// How long the next tokens last.
    lasts: u64,
    tokens: BTreeSet<String>,
    /// What it says to everybody instead of a token.
    refusal: Option<(u16, String)>,
}

/// An authorization server that gives each refresh token once.
struct Authority {
    server: Server,
    known: Arc<Mutex<Known>>,
    file: PathBuf,
    _folder: tempfile::TempDir,
}

fn words(asked: &Asked) -> Vec<(String, String)> {
    let url = format!("http://x/?{}", String::from_utf8_lossy(&asked.body));
    let url = reqwest::Url::parse(&url).expect("a form");
    url.query_pairs().map(|(name, value)| (name.into_owned(), value.into_owned())).collect()
}

fn write(file: &Path, known: &Known) {
    let lines: Vec<&str> = known.tokens.iter().map(String::as_str).collect();
    std::fs::write(file, lines.join("\n")).expect("written");
}

impl Authority {
    async fn start() -> Authority {
        let folder = tempfile::tempdir().expect("a folder");
        let file = folder.path().join("tokens");
        let known = Arc::new(Mutex::new(Known { refresh: "refresh-0".into(), lasts: 3_600, ..Known::default() }));
        write(&file, &known.lock().expect("the lock"));
        let (answering, tokens) = (Arc::clone(&known), file.clone());
        let server = Server::start(move |asked, _| {
            let mut known = answering.lock().expect("the lock");
            let form = words(asked);
            let word = |name: &str| form.iter().find(|(key, _)| key == name).map_or("", |(_, value)| value);
            if asked.path == "/introspect" {
                let active = known.tokens.contains(word("token"));
                return Reply::json(200, &json!({"active": active, "username": MAILBOX}));
            }
            if let Some((status, error)) = &known.refusal {
                return Reply::json(
                    *status,
                    &json!({"error": error, "error_description": "said the server\r\nTrace: 1"}),
                );
            }
            if word("client_id") != "app" || word("client_secret") != CLIENT_SECRET {
                return Reply::json(401, &json!({"error": "invalid_client"}));
            }
            let by_application = word("grant_type") == "client_credentials" && word("scope") == "mail/.default";
            let by_person = word("grant_type") == "refresh_token" && word("refresh_token") == known.refresh;
            if !by_application && (!by_person || known.refresh.is_empty()) {
                return Reply::json(400, &json!({"error": "invalid_grant", "error_description": "revoked"}));
            }
            known.given += 1;
            let token = format!("access-{}", known.given);
            known.tokens.insert(token.clone());
            write(&tokens, &known);
            let mut answer = json!({"access_token": token, "token_type": "Bearer", "expires_in": known.lasts});
            if by_person {
                known.refresh = format!("refresh-{}", known.given);
                answer["refresh_token"] = json!(known.refresh);
            }
            Reply::json(200, &answer)
        })
        .await;
        Authority { server, known, file, _folder: folder }
    }

    fn change(&self, change: impl FnOnce(&mut Known)) {
        let mut known = self.known.lock().expect("the lock");
        change(&mut known);
        write(&self.file, &known);
    }

    fn given(&self) -> u32 {
        self.known.lock().expect("the lock").given
    }

    fn oauth(&self) -> pb::MailOAuth {
        pb::MailOAuth {
            grant: pb::MailGrant::RefreshToken.into(),
            token_url: format!("{}/token", self.server.address),
            client_id: "app".into(),
            client_secret: CLIENT_SECRET.into(),
            refresh_token: "refresh-0".into(),
            ..Default::default()
        }
    }
}

fn server(port: u16) -> pb::MailServer {
    pb::MailServer {
        host: "localhost".into(),
        port: port.into(),
        security: pb::MailSecurity::None.into(),
        user: MAILBOX.into(),
        sign_in: pb::MailSignIn::Oauth.into(),
        ..Default::default()
    }
}

struct Shop {
    seller: String,
    account: String,
    tickets: TicketsServiceClient<Transport>,
    outgoing: OutgoingMailsServiceClient<Transport>,
    connections: MailConnectionsServiceClient<Transport>,
}

async fn shop(desk: &'static Desk, name: &str) -> Shop {
    let mut tenant = desk.provider(name).await;
    let seller = tenant.seller("masque").await;
    let account = tenant.account(&seller, "email", MAILBOX).await;
    let transport = tenant.admin.transport().await.expect("a token");
    Shop {
        seller,
        account,
        tickets: TicketsServiceClient::new(transport.clone()),
        outgoing: OutgoingMailsServiceClient::new(transport.clone()),
        connections: MailConnectionsServiceClient::new(transport),
    }
}

impl Shop {
    async fn connect(&mut self, connection: pb::MailConnection) -> Result<pb::MailConnection, tonic::Status> {
        let request = pb::PutMailConnectionRequest {
            seller_id: self.seller.clone(),
            channel_account_id: self.account.clone(),
            connection: Some(connection),
            ..Default::default()
        };
        Ok(self.connections.put_mail_connection(request).await?.into_inner().connection.expect("a connection"))
    }

    async fn connection(&mut self) -> pb::MailConnection {
        let request = pb::GetMailConnectionRequest { channel_account_id: self.account.clone(), ..Default::default() };
        let answer = self.connections.get_mail_connection(request).await.expect("an answer");
        answer.into_inner().connection.expect("a connection")
    }

    async fn check(&mut self) -> pb::CheckMailConnectionResponse {
        let request = pb::CheckMailConnectionRequest { channel_account_id: self.account.clone(), ..Default::default() };
        self.connections.check_mail_connection(request).await.expect("an answer").into_inner()
    }

    /// Answers a mail from this address; the answer's id.
    async fn answer(&mut self, address: &str) -> String {
        let id = kit::Clock::System.new_uuid().simple().to_string();
        let raw =
            format!("From: {address}\r\nTo: {MAILBOX}\r\nMessage-ID: <{id}@x>\r\nSubject: {id}\r\n\r\nWo ist es?\r\n");
        let request = pb::ReceiveEmailRequest {
            seller_id: self.seller.clone(),
            raw: raw.into_bytes().into(),
            channel_account_id: self.account.clone(),
            ..Default::default()
        };
        let taken = self.tickets.receive_email(request).await.expect("a mail is taken").into_inner();
        let request = pb::ReplyRequest {
            seller_id: self.seller.clone(),
            request_id: id,
            ticket_id: taken.ticket.expect("a ticket").id,
            text: "Es kommt morgen.".into(),
            ..Default::default()
        };
        self.tickets.reply(request).await.expect("an answer").into_inner().message.expect("a message").id
    }

    async fn until(&self, message: &str, what: &str, is: impl Fn(&pb::OutgoingMail) -> bool) -> pb::OutgoingMail {
        eventually(what, || {
            let (mut outgoing, message) = (self.outgoing.clone(), message.to_owned());
            let is = &is;
            async move {
                let request = pb::GetOutgoingMailRequest { message_id: message, ..Default::default() };
                let mail = outgoing.get_outgoing_mail(request).await.ok()?.into_inner().mail?;
                is(&mail).then_some(mail)
            }
        })
        .await
    }

    async fn sent(&self, message: &str) -> pb::OutgoingMail {
        self.until(message, "the mail to be sent", |mail| mail.state() == pb::OutgoingMailState::Sent).await
    }

    async fn fetched(&self, mails: i64) {
        eventually(&format!("{mails} mails to be fetched"), || {
            let (mut connections, account) = (self.connections.clone(), self.account.clone());
            async move {
                let request = pb::GetMailConnectionRequest { channel_account_id: account, ..Default::default() };
                let pull = connections.get_mail_connection(request).await.ok()?.into_inner().connection?.pull?;
                (mails <= pull.taken).then_some(())
            }
        })
        .await;
    }
}

fn mail(id: &str) -> String {
    format!(
        "From: anna@customer.example\r\nTo: {MAILBOX}\r\nMessage-ID: <{id}@x>\r\nSubject: {id}\r\n\r\nWo ist es?\r\n"
    )
}

#[tokio::test]
async fn an_account_fetches_and_sends_with_access_tokens_that_are_renewed() {
    let authority = Authority::start().await;
    let introspection = format!("{}/introspect", authority.server.address);
    let Some(dovecot) = Dovecot::start_with_tokens("tokens for IMAP", "xoauth2", &introspection) else { return };
    let Some(smtp) = SmtpServer::start_with_tokens("tokens for SMTP", &authority.file, "XOAUTH2") else { return };
    let mut shop = shop(desk().await, "Tokens").await;
    let connection = pb::MailConnection {
        smtp: Some(server(smtp.port)),
        imap: Some(server(dovecot.imap)),
        oauth: Some(authority.oauth()),
        ..Default::default()
    };
    let kept = shop.connect(connection.clone()).await.expect("a connection").oauth.expect("tokens");
    assert_eq!((kept.client_secret.as_str(), kept.refresh_token.as_str()), ("", ""), "secrets are never told");
    assert!(kept.has_client_secret && kept.has_refresh_token);

    // One token does for both servers and for everything that is due at once, though each refresh token is good once.
    dovecot.deliver(MAILBOX, &mail("first"));
    let answers = [shop.answer("anna@customer.example").await, shop.answer("bea@customer.example").await];
    for answer in &answers {
        shop.sent(answer).await;
    }
    shop.fetched(1).await;
    let check = shop.check().await;
    assert!(check.smtp.expect("tried").works && check.imap.expect("tried").works);
    assert_eq!(authority.given(), 1);
    let taken = smtp.taken("anna@customer.example");
    assert_eq!((taken.len(), taken[0].user.as_deref()), (1, Some(MAILBOX)));
    let state = shop.connection().await.oauth.expect("tokens").state.expect("a state");
    assert!(state.expires_at.is_some() && state.renewed_at.is_some() && state.reason.is_empty());

    // One that a server does not take any more is asked for anew, with the refresh token that came with the first.
    authority.change(|known| known.tokens.clear());
    let answer = shop.answer("cara@customer.example").await;
    assert!(1 < shop.sent(&answer).await.attempts);
    assert_eq!(authority.given(), 2);

    // One that ends soon is renewed before it ends: no server ever refuses it.
    authority.change(|known| {
        known.lasts = 240;
        known.tokens.clear();
    });
    let before = authority.given();
    let answer = shop.answer("dora@customer.example").await;
    shop.sent(&answer).await;
    for address in ["emma@customer.example", "fara@customer.example"] {
        let answer = shop.answer(address).await;
        assert_eq!(shop.sent(&answer).await.attempts, 1);
    }
    assert!(before + 3 <= authority.given(), "{}", authority.given());
}

#[tokio::test]
async fn what_an_authorization_server_refuses_is_said_until_it_is_mended() {
    let authority = Authority::start().await;
    let Some(smtp) = SmtpServer::start_with_tokens("refused tokens", &authority.file, "XOAUTH2") else { return };
    let mut shop = shop(desk().await, "Refused tokens").await;
    let connection = |oauth| pb::MailConnection { smtp: Some(server(smtp.port)), oauth, ..Default::default() };
    authority.change(|known| known.refresh.clear());
    shop.connect(connection(Some(authority.oauth()))).await.expect("a connection");
    let answer = shop.answer("anna@customer.example").await;
    let given_up = |mail: &pb::OutgoingMail| mail.state() == pb::OutgoingMailState::Failed;
    let failed = shop.until(&answer, "the mail to be given up", given_up).await;
    assert_eq!((failed.reason.as_str(), failed.attempts), ("grant", 4), "it was tried as often as any other");
    assert!(failed.server_reply.contains("sign in again"), "{failed:?}");
    assert!(failed.server_reply.ends_with("(invalid_grant: revoked)"), "{failed:?}");
    let state = shop.connection().await.oauth.expect("tokens").state.expect("a state");
    assert_eq!((state.reason.as_str(), &state.detail), ("grant", &failed.server_reply));
    assert_eq!(state.renewed_at, None);
    let check = shop.check().await.smtp.expect("tried");
    assert_eq!((check.works, check.reason.as_str()), (false, "grant"));

    // A server that is away is no refusal, and what it says beside the first line is left out.
    authority.change(|known| known.refusal = Some((503, "busy".into())));
    assert_eq!(shop.check().await.smtp.expect("tried").reason, "later");
    authority.change(|known| known.refusal = Some((400, "invalid_scope".into())));
    let check = shop.check().await.smtp.expect("tried");
    assert!(check.detail.ends_with("(invalid_scope: said the server)"), "{check:?}");

    // Secrets stay where they were given for.
    let moved = pb::MailOAuth { token_url: "http://127.0.0.1:1/token".into(), ..authority.oauth() };
    let bare =
        |oauth: pb::MailOAuth| pb::MailOAuth { client_secret: String::new(), refresh_token: String::new(), ..oauth };
    let status = shop.connect(connection(Some(bare(moved)))).await.expect_err("nobody sends stored secrets elsewhere");
    assert_eq!(status.code(), Code::InvalidArgument);
    let elsewhere = pb::MailServer { host: "127.0.0.1".into(), ..server(smtp.port) };
    let elsewhere =
        pb::MailConnection { smtp: Some(elsewhere), oauth: Some(bare(authority.oauth())), ..Default::default() };
    let status = shop.connect(elsewhere).await.expect_err("nobody shows tokens elsewhere");
    assert_eq!(violated(&status), ["connection.oauth.refresh_token"]);
    for (oauth, sign_in, why) in [
        (None, pb::MailSignIn::Oauth, "tokens need to be got"),
        (Some(authority.oauth()), pb::MailSignIn::Password, "nobody asks for them"),
    ] {
        let smtp = pb::MailServer { sign_in: sign_in.into(), ..server(smtp.port) };
        let wrong = pb::MailConnection { smtp: Some(smtp), oauth, ..Default::default() };
        assert_eq!(shop.connect(wrong).await.expect_err(why).code(), Code::InvalidArgument, "{why}");
    }

    // With a new grant it goes on.
    authority.change(|known| (known.refresh, known.refusal) = ("refresh-new".into(), None));
    let renewed = pb::MailOAuth { refresh_token: "refresh-new".into(), ..bare(authority.oauth()) };
    let kept = shop.connect(connection(Some(renewed))).await.expect("the application's secret stays");
    assert!(kept.oauth.expect("tokens").has_client_secret);
    let retry = pb::RetryOutgoingMailRequest {
        seller_id: shop.seller.clone(),
        message_id: answer.clone(),
        ..Default::default()
    };
    shop.outgoing.retry_outgoing_mail(retry).await.expect("queued again");
    shop.sent(&answer).await;
}

#[tokio::test]
async fn an_application_signs_in_by_itself_and_in_the_other_way() {
    let authority = Authority::start().await;
    let introspection = format!("{}/introspect", authority.server.address);
    let Some(dovecot) = Dovecot::start_with_tokens("OAUTHBEARER for IMAP", "oauthbearer", &introspection) else {
        return;
    };
    let Some(smtp) = SmtpServer::start_with_tokens("OAUTHBEARER", &authority.file, "OAUTHBEARER") else { return };
    let mut shop = shop(desk().await, "Application").await;
    let oauth = pb::MailOAuth {
        grant: pb::MailGrant::ClientCredentials.into(),
        refresh_token: String::new(),
        scope: "mail/.default".into(),
        ..authority.oauth()
    };
    let connection = pb::MailConnection {
        smtp: Some(server(smtp.port)),
        imap: Some(server(dovecot.imap)),
        oauth: Some(oauth),
        ..Default::default()
    };
    shop.connect(connection).await.expect("a connection");
    let check = shop.check().await;
    assert!(check.smtp.as_ref().is_some_and(|smtp| smtp.works), "{check:?}");
    assert!(check.imap.as_ref().is_some_and(|imap| imap.works), "{check:?}");
    dovecot.deliver(MAILBOX, &mail("other"));
    shop.fetched(1).await;
    let answer = shop.answer("anna@customer.example").await;
    shop.sent(&answer).await;
    // A token that is not good is refused in two steps; it is told as what it is.
    authority.change(|known| {
        known.refusal = None;
        known.tokens.clear();
    });
    let check = shop.check().await;
    assert_eq!(check.smtp.expect("tried").reason, "sign_in");
    assert_eq!(check.imap.expect("tried").reason, "sign_in");
}
