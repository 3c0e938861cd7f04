//! Signing in at an external issuer: a real one, in a process of its own, with
//! the authorization code flow and PKCE.

use std::io::{BufRead, BufReader};
use std::process::{Child, ChildStdin, Stdio};
use std::sync::mpsc::{Receiver, channel};
use std::time::Duration;

use proto::Role;
use proto::tenants::v1::auth_service_client::AuthServiceClient;
use proto::tenants::v1::providers_service_client::ProvidersServiceClient;
use proto::tenants::v1::users_service_client::UsersServiceClient;
use proto::tenants::v1::*;
use serde_json::Value;
use tests::{Tenant, desk, reason};
use tonic::transport::Channel;
use tonic::{Code, Status};

use super::who;
use crate::support::python;

const BACK: &str = "http://localhost:4000/signed-in";

/// The issuer as a process; it ends with its standard input.
struct Issuer {
    child: Child,
    stdin: Option<ChildStdin>,
    lines: Receiver<String>,
    url: String,
}

impl Issuer {
    fn start(interpreter: &std::path::Path, domain: &str) -> Issuer {
        let mut command = python::script(interpreter, "oidc_issuer.py");
        let mut child = command.arg(domain).stderr(Stdio::null()).spawn().expect("the issuer starts");
        let (told, lines) = channel();
        let stdout = child.stdout.take().expect("piped");
        std::thread::spawn(move || {
            for line in BufReader::new(stdout).lines().map_while(Result::ok) {
                let _ = told.send(line);
            }
        });
        let port = lines.recv_timeout(Duration::from_secs(30)).expect("the issuer tells its port");
        Issuer { stdin: child.stdin.take(), child, lines, url: format!("http://127.0.0.1:{port}") }
    }

    /// What the issuer saw of the last exchange of a code.
    fn exchange(&self) -> Value {
        let line = self.lines.recv_timeout(Duration::from_secs(10)).expect("the issuer saw an exchange");
        serde_json::from_str(&line).expect("JSON")
    }
}

impl Drop for Issuer {
    fn drop(&mut self) {
        drop(self.stdin.take());
        let _ = self.child.wait();
    }
}

/// A provider whose people may sign in at the issuer.
struct Setting {
    issuer: Issuer,
    tenant: Tenant,
    olga: String,
    /// The token of her invitation.
    invitation: String,
    auth: AuthServiceClient<Channel>,
    http: reqwest::Client,
}

impl Setting {
    async fn make(name: &str) -> Option<Setting> {
        let interpreter = python::interpreter("signing in at an external issuer")?;
        let mut tenant = desk().await.provider(name).await;
        let domain = format!("{}.example", tenant.handle);
        let issuer_domain = domain.clone();
        let issuer =
            tokio::task::spawn_blocking(move || Issuer::start(&interpreter, &issuer_domain)).await.expect("started");
        let put = PutOidcIssuerRequest {
            name: "own".into(),
            issuer_url: issuer.url.clone(),
            client_id: "manydesk".into(),
            client_secret: "a secret of the client".into(),
            redirect_uris: vec![BACK.into()],
            email_domains: vec![domain.clone()],
            ..PutOidcIssuerRequest::default()
        };
        ProvidersServiceClient::new(tenant.admin.transport().await.expect("a token"))
            .put_oidc_issuer(put)
            .await
            .expect("the issuer is registered");
        let invited = UsersServiceClient::new(tenant.admin.transport().await.expect("a token"))
            .invite_user(InviteUserRequest {
                email: format!("olga@{domain}"),
                display_name: "Olga".into(),
                roles: vec![Role::Supervisor.into()],
                request_id: "olga".into(),
                ..InviteUserRequest::default()
            })
            .await
            .expect("she is invited")
            .into_inner();
        let (olga, invitation) = (invited.user.expect("a user").user_id, invited.invitation_token);
        let auth = AuthServiceClient::new(tenant.channel().await);
        let http = reqwest::Client::builder().no_proxy().redirect(reqwest::redirect::Policy::none()).build();
        Some(Setting { issuer, tenant, olga, invitation, auth, http: http.expect("an HTTP client") })
    }

    async fn start(&mut self) -> StartOidcResponse {
        let request = StartOidcRequest {
            provider_handle: self.tenant.handle.clone(),
            redirect_uri: BACK.into(),
            ..StartOidcRequest::default()
        };
        self.auth.start_oidc(request).await.expect("a flow begins").into_inner()
    }

    /// What a browser does at the issuer: shows the form, sends it, is sent back.
    async fn browse(&self, authorization_url: &str, subject: &str) -> (String, String) {
        let form = self.http.get(authorization_url).send().await.expect("the issuer answers");
        assert!(form.status().is_success(), "{}", form.status());
        let sent =
            self.http.post(authorization_url).form(&[("sub", subject)]).send().await.expect("the issuer answers");
        let back = sent.headers().get("location").unwrap_or_else(|| panic!("not sent back: {}", sent.status()));
        let back = reqwest::Url::parse(back.to_str().expect("a text")).expect("a URL");
        assert!(back.as_str().starts_with(BACK), "{back}");
        let value = |name: &str| {
            back.query_pairs().find(|(k, _)| k == name).unwrap_or_else(|| panic!("no {name} in {back}")).1.into_owned()
        };
        (value("code"), value("state"))
    }

    async fn finish(&mut self, code: &str, state: &str, secret: &str) -> Result<Tokens, Status> {
        let request = FinishOidcRequest {
            state: state.to_owned(),
            code: code.to_owned(),
            flow_secret: secret.to_owned(),
            client: "a browser".into(),
            request_id: String::new(),
        };
        Ok(self.auth.finish_oidc(request).await?.into_inner().tokens.expect("tokens"))
    }

    /// A whole flow of one subject.
    async fn sign_in(&mut self, subject: &str) -> Result<Tokens, Status> {
        let flow = self.start().await;
        let (code, state) = self.browse(&flow.authorization_url, subject).await;
        let outcome = self.finish(&code, &state, &flow.flow_secret).await;
        assert_eq!(self.issuer.exchange()["pkce"], true, "the code verifier is the right one");
        outcome
    }
}

fn must_be_refused(what: &str, outcome: Result<Tokens, Status>) {
    let refused = outcome.map(|tokens| tokens.user_id).expect_err(what);
    assert_eq!(
        (refused.code(), reason(&refused).as_str()),
        (Code::Unauthenticated, "OIDC_REFUSED"),
        "{what}: {refused}"
    );
}

#[tokio::test]
async fn people_sign_in_at_their_own_issuer() {
    let Some(mut setting) = Setting::make("Issuer").await else { return };
    let flow = setting.start().await;
    let url = reqwest::Url::parse(&flow.authorization_url).expect("a URL");
    let asked: std::collections::HashMap<_, _> = url.query_pairs().into_owned().collect();
    assert_eq!(asked["response_type"], "code");
    assert_eq!(asked["code_challenge_method"], "S256");
    assert_eq!(asked["code_challenge"].len(), 43);
    assert!(asked["scope"].split(' ').any(|scope| scope == "openid"));
    assert!(16 <= asked["nonce"].len() && 16 <= asked["state"].len());
    assert!(!flow.authorization_url.contains(&flow.flow_secret), "the browser's secret is not shown to the issuer");

    let tokens = setting.sign_in("olga").await.expect("she signs in");
    assert_eq!(tokens.user_id, setting.olga);
    let me = who(&tokens.access_token).await.expect("a good token");
    assert_eq!(me.user.expect("a user").state, UserState::Active as i32, "the invitation is thereby accepted");
    let request = AcceptInvitationRequest {
        invitation_token: setting.invitation.clone(),
        password: "correct-horse-battery-43".into(),
        ..AcceptInvitationRequest::default()
    };
    let used = setting.auth.accept_invitation(request).await.expect_err("whoever has the link is too late");
    assert_eq!(reason(&used), "LINK_OUTDATED");
    who(&tokens.access_token).await.expect("and her session goes on");
    assert_eq!(me.provider_handle, setting.tenant.handle);
    let again = setting.sign_in("olga").await.expect("again, now by the linked subject");
    assert_ne!(again.session_id, tokens.session_id);

    UsersServiceClient::new(setting.tenant.admin.transport().await.expect("a token"))
        .disable_user(DisableUserRequest { user_id: setting.olga.clone(), ..DisableUserRequest::default() })
        .await
        .expect("she is disabled");
    must_be_refused("a disabled user", setting.sign_in("olga").await);
    assert!(who(&again.access_token).await.is_err(), "and what she had is void");
}

#[tokio::test]
async fn a_client_secret_stays_until_it_is_dropped() {
    let Some(mut setting) = Setting::make("Keeping").await else { return };
    let known = |setting: &Setting| PutOidcIssuerRequest {
        name: "own".into(),
        issuer_url: setting.issuer.url.clone(),
        client_id: "manydesk".into(),
        redirect_uris: vec![BACK.into()],
        email_domains: vec![format!("{}.example", setting.tenant.handle), "more.example".into()],
        ..PutOidcIssuerRequest::default()
    };
    let dropped = PutOidcIssuerRequest { public_client: true, ..known(&setting) };
    let another = PutOidcIssuerRequest { client_id: "another".into(), ..known(&setting) };
    let both = PutOidcIssuerRequest { client_secret: "x".into(), ..dropped.clone() };
    let mut kept: Vec<bool> = Vec::new();
    for put in [known(&setting), another, dropped] {
        let mut providers = ProvidersServiceClient::new(setting.tenant.admin.transport().await.expect("a token"));
        let given = PutOidcIssuerRequest { client_secret: "a secret of the client".into(), ..known(&setting) };
        providers.put_oidc_issuer(given).await.expect("kept with its secret");
        providers.put_oidc_issuer(put).await.expect("changed");
        let mut database = crate::support::rows::superuser(setting.tenant.desk).await;
        let provider = kit::ids::decode("prov", &setting.tenant.provider_id).expect("an id");
        let statement = "select client_secret is not null from tenants.oidc_issuer where provider_id = $1";
        let secret = sqlx::query_scalar(statement).bind(provider).fetch_one(&mut database).await;
        kept.push(secret.expect("an issuer"));
        if kept == [true] {
            let flow = setting.start().await;
            let (code, state) = setting.browse(&flow.authorization_url, "olga").await;
            setting.finish(&code, &state, &flow.flow_secret).await.expect("she signs in");
            assert_eq!(setting.issuer.exchange()["secret"], true, "and it is the one of before");
        }
    }
    assert_eq!(kept, [true, false, false], "the same client, another one, one that became public");
    let mut providers = ProvidersServiceClient::new(setting.tenant.admin.transport().await.expect("a token"));
    assert_eq!(providers.put_oidc_issuer(both).await.expect_err("both").code(), Code::InvalidArgument);
}

#[tokio::test]
async fn whom_the_issuer_may_not_vouch_for_does_not_come_in() {
    let Some(mut setting) = Setting::make("Vouching").await else { return };
    for subject in ["unknown", "unverified", "outside"] {
        let outcome = setting.sign_in(subject).await;
        must_be_refused(subject, outcome);
    }
    for evil in ["nonce", "audience", "issuer", "expired", "key", "none"] {
        let outcome = setting.sign_in(&format!("evil-{evil}")).await;
        must_be_refused(&format!("an ID token with a bad {evil}"), outcome);
    }
    setting.sign_in("olga").await.expect("the good one still does");
}

#[tokio::test]
async fn a_flow_works_once_and_for_the_browser_that_began_it() {
    let Some(mut setting) = Setting::make("Flow").await else { return };
    let flow = setting.start().await;
    let (code, state) = setting.browse(&flow.authorization_url, "olga").await;
    setting.finish(&code, &state, &flow.flow_secret).await.expect("she signs in");
    must_be_refused("the same again", setting.finish(&code, &state, &flow.flow_secret).await);

    // somebody else's browser: the victim's, led to finish the attacker's flow
    let mine = setting.start().await;
    let yours = setting.start().await;
    let (code, state) = setting.browse(&mine.authorization_url, "olga").await;
    must_be_refused("another browser's secret", setting.finish(&code, &state, &yours.flow_secret).await);
    must_be_refused("a flow is used up by a failed end too", setting.finish(&code, &state, &mine.flow_secret).await);

    // a code injected into another flow fails at the issuer, by its code verifier
    while setting.issuer.lines.try_recv().is_ok() {}
    let stolen = setting.start().await;
    let (code, _) = setting.browse(&stolen.authorization_url, "olga").await;
    let own = setting.start().await;
    let (_, state) = setting.browse(&own.authorization_url, "olga").await;
    must_be_refused("an injected code", setting.finish(&code, &state, &own.flow_secret).await);
    assert_eq!(setting.issuer.exchange()["pkce"], false);

    for state in ["", "x", "a.b", &"z".repeat(5_000)] {
        let outcome = setting.finish("code", state, &own.flow_secret).await;
        let refused = outcome.map(|tokens| tokens.user_id).expect_err("an invented state");
        assert!(matches!(refused.code(), Code::Unauthenticated | Code::InvalidArgument), "{refused}");
    }
    let request = StartOidcRequest {
        provider_handle: setting.tenant.handle.clone(),
        redirect_uri: "https://evil.example/back".into(),
        ..StartOidcRequest::default()
    };
    let refused = setting.auth.start_oidc(request).await.expect_err("an address that nobody registered");
    assert_eq!(refused.code(), Code::InvalidArgument, "{refused}");
    let request = StartOidcRequest {
        provider_handle: "nobody-at-all".into(),
        redirect_uri: BACK.into(),
        ..StartOidcRequest::default()
    };
    assert_eq!(setting.auth.start_oidc(request).await.expect_err("no such provider").code(), Code::NotFound);
}

#[tokio::test]
async fn an_issuer_that_is_away_is_told_as_such() {
    let mut tenant = desk().await.provider("Away").await;
    let put = PutOidcIssuerRequest {
        name: "own".into(),
        issuer_url: "http://127.0.0.1:9".into(),
        client_id: "manydesk".into(),
        redirect_uris: vec![BACK.into()],
        email_domains: vec!["away.example".into()],
        ..PutOidcIssuerRequest::default()
    };
    let mut providers = ProvidersServiceClient::new(tenant.admin.transport().await.expect("a token"));
    let refused = providers.put_oidc_issuer(put).await.expect_err("nobody answers there");
    assert_eq!((refused.code(), reason(&refused).as_str()), (Code::Unavailable, "OIDC_UNAVAILABLE"), "{refused}");
    assert!(!refused.message().contains("127.0.0.1"), "no map of the network: {}", refused.message());
}
