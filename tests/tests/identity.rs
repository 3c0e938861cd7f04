//! Who may sign in, stay signed in, and do what.

use kit::Id;
use proto::Role;
use proto::tenants::v1::auth_service_client::AuthServiceClient;
use proto::tenants::v1::providers_service_client::ProvidersServiceClient;
use proto::tenants::v1::users_service_client::UsersServiceClient;
use proto::tenants::v1::*;
use tests::{Tenant, desk, reason};
use tonic::metadata::MetadataValue;
use tonic::service::interceptor::InterceptedService;
use tonic::transport::Channel;
use tonic::{Code, Request, Status};
use tonic_types::StatusExt;

const PASSWORD: &str = "correct-horse-battery-42";

type Authed = InterceptedService<Channel, Bearer>;

#[derive(Clone)]
pub struct Bearer(MetadataValue<tonic::metadata::Ascii>);

impl tonic::service::Interceptor for Bearer {
    fn call(&mut self, mut request: Request<()>) -> Result<Request<()>, Status> {
        request.metadata_mut().insert("authorization", self.0.clone());
        Ok(request)
    }
}

async fn auth() -> AuthServiceClient<Channel> {
    AuthServiceClient::new(desk().await.channel().await)
}

async fn bearing(token: &str) -> Authed {
    let value = format!("Bearer {token}").parse().expect("a printable token");
    InterceptedService::new(desk().await.channel().await, Bearer(value))
}

async fn users_with(token: &str) -> UsersServiceClient<Authed> {
    UsersServiceClient::new(bearing(token).await)
}

async fn sign_in(email: &str, password: &str) -> Result<Tokens, Status> {
    let request = LoginRequest { email: email.into(), password: password.into(), ..Default::default() };
    Ok(auth().await.login(request).await?.into_inner().tokens.expect("tokens"))
}

async fn refresh(token: &str, request_id: &str) -> Result<Tokens, Status> {
    let request = RefreshRequest { refresh_token: token.into(), request_id: request_id.into() };
    Ok(auth().await.refresh(request).await?.into_inner().tokens.expect("tokens"))
}

async fn who(token: &str) -> Result<WhoAmIResponse, Status> {
    Ok(users_with(token).await.who_am_i(WhoAmIRequest {}).await?.into_inner())
}

/// What a caller can tell of a refusal: everything but the trace.
fn bytes(status: &Status) -> (Code, String, Vec<u8>) {
    (status.code(), status.message().to_owned(), status.details().to_vec())
}

/// The provider's first administrator.
async fn admin(tenant: &Tenant) -> UsersServiceClient<Authed> {
    let tokens =
        sign_in(&format!("admin@{}.example", tenant.handle), PASSWORD).await.expect("the administrator signs in");
    users_with(&tokens.access_token).await
}

#[tokio::test]
async fn a_wrong_password_and_an_unknown_address_look_the_same() {
    let mut tenant = desk().await.provider("Same").await;
    let person = tenant.person("Anna Agent", Role::Agent, &[]).await;
    let tokens = sign_in(&person.email.to_uppercase(), PASSWORD).await.expect("letter case does not matter");
    let me = who(&tokens.access_token).await.expect("the token is good");
    assert_eq!(me.user.expect("a user").email, person.email);
    assert_eq!((me.provider_handle, me.all_sellers), (tenant.handle.clone(), false));

    let wrong = sign_in(&person.email, "not-the-password-1").await.expect_err("wrong");
    let unknown = sign_in(&format!("nobody@{}.example", tenant.handle), PASSWORD).await.expect_err("unknown");
    assert_eq!(reason(&wrong), "CREDENTIALS_WRONG");
    assert_eq!(bytes(&wrong), bytes(&unknown));
}

#[tokio::test]
async fn guesses_are_slowed_down_for_known_and_unknown_addresses_alike() {
    let mut tenant = desk().await.provider("Throttle").await;
    let person = tenant.person("Tom", Role::Agent, &[]).await;
    for email in [person.email.clone(), format!("nobody@{}.example", tenant.handle)] {
        for _ in 0..10 {
            let refused = sign_in(&email, "not-the-password-1").await.expect_err("wrong");
            assert_eq!(reason(&refused), "CREDENTIALS_WRONG");
        }
        let refused = sign_in(&email, PASSWORD).await.expect_err("throttled");
        assert_eq!((refused.code(), reason(&refused).as_str()), (Code::ResourceExhausted, "SIGN_IN_THROTTLED"));
        let retry = refused.get_details_retry_info().and_then(|info| info.retry_delay).expect("when to retry");
        assert!(retry.as_secs_f64() > 0.0 && retry.as_secs() <= 1);
    }
}

#[tokio::test]
async fn a_refresh_token_works_once_and_a_lost_answer_is_repeated() {
    let mut tenant = desk().await.provider("Refresh").await;
    let person = tenant.person("Rita", Role::Agent, &[]).await;
    let first = sign_in(&person.email, PASSWORD).await.expect("signed in");
    let second = refresh(&first.refresh_token, "r1").await.expect("refreshed");
    let again = refresh(&first.refresh_token, "r1").await.expect("the answer was lost");
    assert_eq!(second, again, "the same request gets the same answer");
    let third = refresh(&second.refresh_token, "r2").await.expect("refreshed");
    who(&third.access_token).await.expect("the session lives");

    let reused = refresh(&first.refresh_token, "r3").await.expect_err("used twice");
    assert_eq!(reason(&reused), "SESSION_ENDED");
    let ended = refresh(&third.refresh_token, "r4").await.expect_err("the whole session ended");
    assert_eq!(reason(&ended), "SESSION_ENDED");
    let void = who(&third.access_token).await.expect_err("its access tokens are void at once");
    assert_eq!((void.code(), reason(&void).as_str()), (Code::Unauthenticated, "TOKEN_REVOKED"));
    who(&sign_in(&person.email, PASSWORD).await.expect("signed in").access_token)
        .await
        .expect("a new session is not touched");
}

#[tokio::test]
async fn parallel_use_of_one_refresh_token_has_one_winner_at_most() {
    let mut tenant = desk().await.provider("Race").await;
    let person = tenant.person("Rob", Role::Agent, &[]).await;
    let first = sign_in(&person.email, PASSWORD).await.expect("signed in");
    let same = (0..6).map(|_| refresh(&first.refresh_token, "one"));
    let answers = futures(same).await;
    let granted: Vec<&Tokens> = answers.iter().flatten().collect();
    assert_eq!(granted.len(), 6, "one request repeated in parallel gets one answer");
    assert!(granted.iter().all(|tokens| *tokens == granted[0]));

    let next = granted[0].refresh_token.clone();
    let ids: Vec<String> = (0..6).map(|i| format!("other-{i}")).collect();
    let answers = futures(ids.iter().map(|id| refresh(&next, id))).await;
    let granted: Vec<&Tokens> = answers.iter().flatten().collect();
    assert!(granted.len() <= 1, "different requests: one wins, the rest end the session");
    for tokens in granted {
        assert!(refresh(&tokens.refresh_token, "after").await.is_err(), "and the session is over for the winner too");
    }
}

async fn futures<T>(all: impl Iterator<Item = impl Future<Output = T>>) -> Vec<T> {
    let mut set: Vec<_> = all.map(Box::pin).collect();
    let mut done = Vec::new();
    let count = set.len();
    std::future::poll_fn(|cx| {
        set.retain_mut(|one| match one.as_mut().poll(cx) {
            std::task::Poll::Ready(value) => {
                done.push(value);
                false
            }
            std::task::Poll::Pending => true,
        });
        if set.is_empty() { std::task::Poll::Ready(()) } else { std::task::Poll::Pending }
    })
    .await;
    assert_eq!(done.len(), count);
    done
}

#[tokio::test]
async fn tokens_that_were_never_given_out_are_refused() {
    let mut tenant = desk().await.provider("Forged").await;
    let person = tenant.person("Fay", Role::Agent, &[]).await;
    let tokens = sign_in(&person.email, PASSWORD).await.expect("signed in");
    for forged in
        ["", "mdr_", "x", &tokens.access_token, &tokens.refresh_token.replace("mdr_", "mdk_"), &"a".repeat(5_000)]
    {
        assert_eq!(reason(&refresh(forged, "f").await.expect_err("forged")), "SESSION_ENDED");
    }
    let parts: Vec<&str> = tokens.access_token.split('.').collect();
    let tampered = format!("{}.{}x.{}", parts[0], parts[1], parts[2]);
    let unsigned = format!("eyJhbGciOiJub25lIn0.{}.", parts[1]);
    for forged in [tampered, unsigned, format!("{}.{}.", parts[0], parts[1]), "a.b.c".into()] {
        assert_eq!(who(&forged).await.expect_err("forged").code(), Code::Unauthenticated);
    }
    who(&tokens.access_token).await.expect("the real one still works");
    refresh(&tokens.refresh_token, "real").await.expect("and so does the real refresh token");
}

#[tokio::test]
async fn signing_out_ends_the_session_at_once() {
    let mut tenant = desk().await.provider("Out").await;
    let person = tenant.person("Olga", Role::Agent, &[]).await;
    let tokens = sign_in(&person.email, PASSWORD).await.expect("signed in");
    let other = sign_in(&person.email, PASSWORD).await.expect("signed in elsewhere");
    let request = LogoutRequest { refresh_token: tokens.refresh_token.clone(), request_id: String::new() };
    auth().await.logout(request.clone()).await.expect("signed out");
    auth().await.logout(request).await.expect("twice is once");
    assert_eq!(reason(&who(&tokens.access_token).await.expect_err("void")), "TOKEN_REVOKED");
    assert_eq!(reason(&refresh(&tokens.refresh_token, "r").await.expect_err("ended")), "SESSION_ENDED");

    let mut own = users_with(&other.access_token).await;
    let sessions = own.list_sessions(ListSessionsRequest {}).await.expect("listed").into_inner().sessions;
    assert!(sessions.iter().any(|s| s.current && s.session_id == other.session_id));
    assert!(sessions.iter().all(|s| s.session_id != tokens.session_id));
    let request = RevokeSessionRequest { session_id: other.session_id.clone(), request_id: String::new() };
    own.revoke_session(request).await.expect("revoked");
    assert_eq!(reason(&who(&other.access_token).await.expect_err("void")), "TOKEN_REVOKED");
}

#[tokio::test]
async fn an_invitation_works_once_and_its_secret_is_shown_once() {
    let tenant = desk().await.provider("Invite").await;
    let email = format!("ivy@{}.example", tenant.handle);
    let request = InviteUserRequest {
        email: email.clone(),
        display_name: "Ivy Ingram".into(),
        language: "pt-PT".into(),
        roles: vec![Role::Planner.into()],
        seller_ids: vec![],
        request_id: "invite-ivy".into(),
    };
    let mut users = admin(&tenant).await;
    let invited = users.invite_user(request.clone()).await.expect("invited").into_inner();
    assert_eq!(invited.user.as_ref().expect("a user").state(), UserState::Invited);
    assert!(invited.invitation_link.ends_with(&format!("#{}", invited.invitation_token)));
    let again = users.invite_user(request.clone()).await.expect("a retry").into_inner();
    assert_eq!(again.user, invited.user);
    assert_eq!(again.invitation_token, "", "what is kept for retries does not hold the secret");
    let reused = users.invite_user(InviteUserRequest { email: format!("x{email}"), ..request.clone() }).await;
    assert_eq!(reason(&reused.expect_err("another payload")), "REQUEST_ID_REUSED");
    let twice = users.invite_user(InviteUserRequest { request_id: "other".into(), ..request }).await;
    assert_eq!(reason(&twice.expect_err("the address is taken")), "USER_EXISTS");

    let mut auth = auth().await;
    let look = GetInvitationRequest { invitation_token: invited.invitation_token.clone() };
    assert_eq!(auth.get_invitation(look).await.expect("it works").into_inner().email, email);
    let accept = |password: &str| AcceptInvitationRequest {
        invitation_token: invited.invitation_token.clone(),
        password: password.into(),
        ..Default::default()
    };
    let weak = auth.accept_invitation(accept("ivyingram1234")).await.expect_err("her own name");
    assert_eq!(weak.code(), Code::InvalidArgument);
    let violations = weak.get_details_bad_request().expect("a violation").field_violations;
    assert_eq!(violations[0].field, "password");
    let tokens = auth.accept_invitation(accept(PASSWORD)).await.expect("accepted").into_inner().tokens.expect("tokens");
    assert_eq!(who(&tokens.access_token).await.expect("signed in").user.expect("a user").state(), UserState::Active);
    let used = auth.accept_invitation(accept(PASSWORD)).await.expect_err("used");
    assert_eq!(reason(&used), "LINK_REFUSED");
    sign_in(&email, PASSWORD).await.expect("the password is set");
}

#[tokio::test]
async fn a_link_from_before_somebody_may_do_more_is_refused() {
    let tenant = desk().await.provider("Outdated").await;
    let email = format!("una@{}.example", tenant.handle);
    let mut users = admin(&tenant).await;
    let request = InviteUserRequest {
        email: email.clone(),
        display_name: "Una Ungar".into(),
        roles: vec![Role::Planner.into()],
        request_id: "invite-una".into(),
        ..Default::default()
    };
    let invited = users.invite_user(request).await.expect("invited").into_inner();
    let user_id = invited.user.expect("a user").user_id;
    let roles = vec![Role::ProviderAdmin.into()];
    let request = SetRolesRequest { user_id: user_id.clone(), roles, ..Default::default() };
    users.set_roles(request).await.expect("promoted");

    let mut auth = auth().await;
    let accept = |token: &str| AcceptInvitationRequest {
        invitation_token: token.into(),
        password: PASSWORD.into(),
        ..Default::default()
    };
    let look = GetInvitationRequest { invitation_token: invited.invitation_token.clone() };
    assert_eq!(reason(&auth.get_invitation(look).await.expect_err("from before")), "LINK_OUTDATED");
    let refused = auth.accept_invitation(accept(&invited.invitation_token)).await.expect_err("from before");
    assert_eq!((refused.code(), reason(&refused).as_str()), (Code::Unauthenticated, "LINK_OUTDATED"));
    assert!(sign_in(&email, PASSWORD).await.is_err(), "and no password was set");

    let request = CreatePasswordLinkRequest { user_id, request_id: "again".into() };
    let fresh = users.create_password_link(request).await.expect("a new link").into_inner();
    auth.accept_invitation(accept(&fresh.invitation_token)).await.expect("the new link is for what she is now");
}

#[tokio::test]
async fn a_new_password_ends_the_other_sessions_only() {
    let mut tenant = desk().await.provider("Password").await;
    let person = tenant.person("Pia", Role::Agent, &[]).await;
    let here = sign_in(&person.email, PASSWORD).await.expect("signed in");
    let there = sign_in(&person.email, PASSWORD).await.expect("signed in elsewhere");
    let mut auth = AuthServiceClient::new(bearing(&here.access_token).await);
    let change = |current: &str, new: &str| ChangePasswordRequest {
        current_password: current.into(),
        new_password: new.into(),
        request_id: String::new(),
    };
    let wrong = auth.change_password(change("not-the-password-1", "violet-harbour-77")).await.expect_err("wrong");
    assert_eq!(reason(&wrong), "CREDENTIALS_WRONG");
    let weak = auth.change_password(change(PASSWORD, "short")).await.expect_err("weak");
    assert_eq!(weak.code(), Code::InvalidArgument);
    auth.change_password(change(PASSWORD, "violet-harbour-77")).await.expect("changed");
    who(&here.access_token).await.expect("this session stays");
    assert_eq!(reason(&who(&there.access_token).await.expect_err("void")), "TOKEN_REVOKED");
    assert!(sign_in(&person.email, PASSWORD).await.is_err());
    sign_in(&person.email, "violet-harbour-77").await.expect("the new one works");
}

#[tokio::test]
async fn a_revoked_seller_and_a_disabled_user_stop_at_once() {
    let mut tenant = desk().await.provider("Revoke").await;
    let (one, two) = (tenant.seller("one").await, tenant.seller("two").await);
    let mut person = tenant.agent("Rosa", "it", &[&one, &two]).await;
    let tokens = sign_in(&person.email, PASSWORD).await.expect("signed in");
    assert_eq!(who(&tokens.access_token).await.expect("good").seller_ids.len(), 2);
    let mut users = admin(&tenant).await;
    let request = RevokeSellersRequest {
        user_id: person.user_id.clone(),
        seller_ids: vec![two.clone()],
        request_id: String::new(),
    };
    let user = users.revoke_sellers(request).await.expect("revoked").into_inner().user.expect("a user");
    assert_eq!(user.seller_ids, vec![one.clone()]);
    assert_eq!(user.agent_profile.expect("an agent").certifications.len(), 2);
    assert_eq!(reason(&who(&tokens.access_token).await.expect_err("void")), "TOKEN_REVOKED");
    let narrower = refresh(&tokens.refresh_token, "r").await.expect("the session goes on with less");
    assert_eq!(who(&narrower.access_token).await.expect("good").seller_ids, vec![one]);

    let request = DisableUserRequest { user_id: person.user_id.clone(), ..Default::default() };
    users.disable_user(request.clone()).await.expect("disabled");
    users.disable_user(request).await.expect("twice is once");
    assert_eq!(reason(&who(&narrower.access_token).await.expect_err("void")), "TOKEN_REVOKED");
    assert_eq!(reason(&refresh(&narrower.refresh_token, "s").await.expect_err("ended")), "SESSION_ENDED");
    assert_eq!(reason(&sign_in(&person.email, PASSWORD).await.expect_err("disabled")), "CREDENTIALS_WRONG");
    users
        .enable_user(EnableUserRequest { user_id: person.user_id.clone(), ..Default::default() })
        .await
        .expect("enabled");
    sign_in(&person.email, PASSWORD).await.expect("works again");
    let _ = person.session.transport().await;
}

#[tokio::test]
async fn nobody_grants_beyond_her_own_reach() {
    let mut tenant = desk().await.provider("Reach").await;
    let (mine, other) = (tenant.seller("mine").await, tenant.seller("other").await);
    let boss = tenant.person("Sue Supervisor", Role::Supervisor, &[&mine]).await;
    let agent = tenant.person("Al Agent", Role::Agent, &[&other]).await;
    let token = sign_in(&boss.email, PASSWORD).await.expect("signed in").access_token;
    let mut users = users_with(&token).await;
    let invite = |name: &str, role: Role, sellers: &[&String]| InviteUserRequest {
        email: format!(
            "{name}@{}.example",
            boss.email.split('@').nth(1).expect("a domain").trim_end_matches(".example")
        ),
        display_name: name.into(),
        language: String::new(),
        roles: vec![role.into()],
        seller_ids: sellers.iter().map(|s| (*s).clone()).collect(),
        request_id: format!("invite-{name}"),
    };
    users.invite_user(invite("ok", Role::Agent, &[&mine])).await.expect("her own seller");
    let refused = users.invite_user(invite("no1", Role::Agent, &[&other])).await.expect_err("another seller");
    assert_eq!(reason(&refused), "ROLES_INCOMPATIBLE");
    for role in [Role::Supervisor, Role::ProviderAdmin, Role::BillingClerk, Role::PlatformOperator, Role::Service] {
        let refused = users.invite_user(invite("no2", role, &[])).await.expect_err("not hers to grant");
        assert_eq!(reason(&refused), "ROLE_NOT_GRANTABLE", "{role:?}");
    }
    let list = users.list_users(ListUsersRequest::default()).await.expect("listed").into_inner().users;
    assert!(list.iter().all(|user| user.seller_ids.contains(&mine)), "she sees whom she shares a seller with");
    let hidden = users.get_user(GetUserRequest { user_id: agent.user_id.clone() }).await.expect_err("not hers");
    assert_eq!(hidden.code(), Code::NotFound);

    let token = sign_in(&agent.email, PASSWORD).await.expect("signed in").access_token;
    let refused = users_with(&token).await.list_users(ListUsersRequest::default()).await.expect_err("an agent");
    assert_eq!(refused.code(), Code::PermissionDenied);
}

#[tokio::test]
async fn the_last_administrator_cannot_leave() {
    let mut tenant = desk().await.provider("Last").await;
    let second = tenant.person("Second Admin", Role::ProviderAdmin, &[]).await;
    let me = {
        let mut users = admin(&tenant).await;
        users.who_am_i(WhoAmIRequest {}).await.expect("me").into_inner().user.expect("a user")
    };
    let token = sign_in(&second.email, PASSWORD).await.expect("signed in").access_token;
    let mut users = users_with(&token).await;
    let own = users.disable_user(DisableUserRequest { user_id: second.user_id.clone(), ..Default::default() }).await;
    assert_eq!(reason(&own.expect_err("herself")), "OWN_ACCOUNT");
    users.disable_user(DisableUserRequest { user_id: me.user_id, ..Default::default() }).await.expect("one of two");
    let request = SetRolesRequest { user_id: second.user_id, roles: vec![Role::Agent.into()], ..Default::default() };
    assert_eq!(reason(&users.set_roles(request).await.expect_err("the last one")), "LAST_ADMIN");
}

#[tokio::test]
async fn another_providers_people_are_not_there() {
    let mine = desk().await.provider("Mine").await;
    let mut theirs = desk().await.provider("Theirs").await;
    let seller = theirs.seller("theirs").await;
    let person = theirs.agent("Theo", "fr", &[&seller]).await;
    let absent = "user_01h45ytscbebyvny4gc8cr8ma2";
    let mut users = admin(&mine).await;
    for pair in [
        (
            users.get_user(GetUserRequest { user_id: person.user_id.clone() }).await.map(drop),
            users.get_user(GetUserRequest { user_id: absent.into() }).await.map(drop),
        ),
        (
            users
                .disable_user(DisableUserRequest { user_id: person.user_id.clone(), ..Default::default() })
                .await
                .map(drop),
            users.disable_user(DisableUserRequest { user_id: absent.into(), ..Default::default() }).await.map(drop),
        ),
    ] {
        let (foreign, absent) = (pair.0.expect_err("foreign"), pair.1.expect_err("absent"));
        assert_eq!(foreign.code(), Code::NotFound);
        assert_eq!(bytes(&foreign), bytes(&absent));
    }
    let own = users.who_am_i(WhoAmIRequest {}).await.expect("me").into_inner().user.expect("a user").user_id;
    let grant = |seller: &str| CreateUserRequest {
        email: format!("grant@{}.example", "x"),
        display_name: "G".into(),
        language: String::new(),
        roles: vec![Role::Agent.into()],
        seller_ids: vec![seller.into()],
        password: PASSWORD.into(),
        request_id: format!("g-{}", &seller[seller.len() - 8..]),
    };
    let foreign = users.create_user(grant(&seller)).await.expect_err("foreign seller");
    let nowhere = users.create_user(grant("seller_01h45ytscbebyvny4gc8cr8ma2")).await.expect_err("absent seller");
    assert_eq!(foreign.code(), Code::NotFound);
    assert_eq!(bytes(&foreign), bytes(&nowhere));
    assert!(!own.is_empty());
    let everybody = users.list_users(ListUsersRequest::default()).await.expect("listed").into_inner().users;
    assert!(everybody.iter().all(|user| user.user_id != person.user_id));
    // the same address may exist at both: neither learns of the other
    let clash = CreateUserRequest { email: person.email.clone(), seller_ids: vec![], ..grant(&seller) };
    users
        .create_user(CreateUserRequest { request_id: "clash".into(), ..clash })
        .await
        .expect("no clash across providers");
}

#[tokio::test]
async fn an_api_key_acts_for_its_seller_until_it_is_revoked() {
    let mut tenant = desk().await.provider("Keys").await;
    let seller = tenant.seller("shop").await;
    let mut users = admin(&tenant).await;
    let request = CreateApiKeyRequest {
        seller_id: seller.clone(),
        name: "shop".into(),
        request_id: "k1".into(),
        ..Default::default()
    };
    let made = users.create_api_key(request.clone()).await.expect("made").into_inner();
    assert!(made.key.starts_with("mdk_"));
    let again = users.create_api_key(request.clone()).await.expect("a retry").into_inner();
    assert_eq!((again.key.as_str(), again.api_key.as_ref()), ("", made.api_key.as_ref()));
    let wide = CreateApiKeyRequest { roles: vec![Role::ProviderAdmin.into()], request_id: "k2".into(), ..request };
    assert_eq!(users.create_api_key(wide).await.expect_err("too wide").code(), Code::InvalidArgument);

    let exchange = |key: &str| ExchangeApiKeyRequest { api_key: key.into() };
    let token = auth().await.exchange_api_key(exchange(&made.key)).await.expect("exchanged").into_inner().access_token;
    let me = who(&token).await.expect("good");
    assert_eq!((me.seller_ids, me.roles), (vec![seller.clone()], vec![i32::from(Role::ApiKey)]));
    assert!(me.user.is_none());
    let key = made.api_key.expect("a key");
    let mut changed = made.key.clone();
    let last = if changed.ends_with('0') { '1' } else { '0' };
    changed.pop();
    changed.push(last);
    for wrong in ["", "mdk_x", &changed, &made.key.to_uppercase()] {
        let refused = auth().await.exchange_api_key(exchange(wrong)).await.expect_err("wrong");
        assert_eq!(reason(&refused), "CREDENTIALS_WRONG");
    }

    let mut stranger = desk().await.provider("Stranger").await;
    let foreign = stranger.seller("foreign").await;
    {
        let mut strangers = admin(&stranger).await;
        let revoke = |seller: &str, key: &str| RevokeApiKeyRequest {
            seller_id: seller.into(),
            api_key_id: key.into(),
            request_id: String::new(),
        };
        let hidden = strangers.revoke_api_key(revoke(&foreign, &key.api_key_id)).await.expect_err("not hers");
        let absent =
            strangers.revoke_api_key(revoke(&foreign, "key_01h45ytscbebyvny4gc8cr8ma2")).await.expect_err("absent");
        assert_eq!(bytes(&hidden), bytes(&absent));
    }
    let revoke = RevokeApiKeyRequest {
        seller_id: seller.clone(),
        api_key_id: key.api_key_id.clone(),
        request_id: String::new(),
    };
    let mut users = admin(&tenant).await;
    assert!(
        users.revoke_api_key(revoke).await.expect("revoked").into_inner().api_key.expect("a key").revoked_at.is_some()
    );
    assert_eq!(reason(&who(&token).await.expect_err("void")), "TOKEN_REVOKED");
    assert!(auth().await.exchange_api_key(exchange(&made.key)).await.is_err());
    let list =
        users.list_api_keys(ListApiKeysRequest { seller_id: seller, ..Default::default() }).await.expect("listed");
    assert_eq!(list.into_inner().api_keys.len(), 1);
}

#[tokio::test]
async fn an_api_key_ends_with_whoever_made_it_and_makes_nothing_itself() {
    let mut tenant = desk().await.provider("Makers").await;
    let seller = tenant.seller("shop").await;
    let owner = tenant.person("Oda Owner", Role::SellerAdmin, &[&seller]).await;
    let second = tenant.person("Sia Second", Role::SellerAdmin, &[&seller]).await;
    let helper = tenant.person("Pat Provider", Role::ProviderAdmin, &[]).await;
    let request = |id: &str| CreateApiKeyRequest {
        seller_id: seller.clone(),
        name: "shop".into(),
        roles: vec![Role::SellerAdmin.into()],
        request_id: id.into(),
        ..Default::default()
    };
    let exchange = |key: &str| ExchangeApiKeyRequest { api_key: key.into() };
    for maker in [&owner, &helper] {
        let token = sign_in(&maker.email, PASSWORD).await.expect("signed in").access_token;
        let made = users_with(&token).await.create_api_key(request(&maker.user_id)).await;
        let made = made.expect("a person makes a key").into_inner();
        assert_eq!(made.api_key.expect("a key").created_by, maker.user_id);
        let granted = auth().await.exchange_api_key(exchange(&made.key)).await.expect("exchanged").into_inner();

        // what a key with an administrator's role does not do
        let mut program = users_with(&granted.access_token).await;
        let refused = program.create_api_key(request("own")).await.expect_err("no person");
        assert_eq!((refused.code(), reason(&refused).as_str()), (Code::PermissionDenied, "PERSON_REQUIRED"));
        let invite = InviteSellerUserRequest {
            seller_id: seller.clone(),
            email: format!("late@{}.example", tenant.handle),
            display_name: "Lea".into(),
            role: Role::SellerAdmin.into(),
            request_id: "late".into(),
            ..Default::default()
        };
        assert_eq!(reason(&program.invite_seller_user(invite).await.expect_err("no person")), "PERSON_REQUIRED");
        let disable = DisableSellerUserRequest {
            seller_id: seller.clone(),
            user_id: second.user_id.clone(),
            request_id: String::new(),
        };
        assert_eq!(reason(&program.disable_seller_user(disable).await.expect_err("no person")), "PERSON_REQUIRED");

        let mut users = admin(&tenant).await;
        let disable = DisableUserRequest { user_id: maker.user_id.clone(), ..Default::default() };
        users.disable_user(disable).await.expect("disabled");
        assert_eq!(reason(&who(&granted.access_token).await.expect_err("void at once")), "TOKEN_REVOKED");
        let refused = auth().await.exchange_api_key(exchange(&made.key)).await.expect_err("it ended with her");
        assert_eq!(reason(&refused), "CREDENTIALS_WRONG");
        let enable = EnableUserRequest { user_id: maker.user_id.clone(), ..Default::default() };
        users.enable_user(enable).await.expect("enabled");
        let refused = auth().await.exchange_api_key(exchange(&made.key)).await.expect_err("for good");
        assert_eq!(reason(&refused), "CREDENTIALS_WRONG");
    }
    let list = ListApiKeysRequest { seller_id: seller.clone(), ..Default::default() };
    let keys = admin(&tenant).await.list_api_keys(list).await.expect("listed").into_inner().api_keys;
    assert!(keys.len() == 2 && keys.iter().all(|key| key.revoked_at.is_some()));
}

#[tokio::test]
async fn a_repeated_change_is_answered_as_before_and_not_done_again() {
    let mut tenant = desk().await.provider("Repeated").await;
    let seller = tenant.seller("shop").await;
    let person = tenant.person("Ria Repeat", Role::Agent, &[]).await;
    let user_id = person.user_id.clone();
    let mut users = admin(&tenant).await;

    let grant =
        GrantSellersRequest { user_id: user_id.clone(), seller_ids: vec![seller.clone()], request_id: "grant".into() };
    let first = users.grant_sellers(grant.clone()).await.expect("granted").into_inner();
    let revoke = RevokeSellersRequest {
        user_id: user_id.clone(),
        seller_ids: vec![seller.clone()],
        request_id: "revoke".into(),
    };
    users.revoke_sellers(revoke.clone()).await.expect("revoked");
    assert_eq!(users.grant_sellers(grant.clone()).await.expect("a retry").into_inner(), first);
    let now = |user: GetUserResponse| user.user.expect("a user");
    let look = GetUserRequest { user_id: user_id.clone() };
    let after = now(users.get_user(look.clone()).await.expect("there").into_inner());
    assert!(after.seller_ids.is_empty(), "a late retry does not give back what was taken");
    let me = users.who_am_i(WhoAmIRequest {}).await.expect("me").into_inner().user.expect("a user").user_id;
    let other = GrantSellersRequest { user_id: me, ..grant };
    assert_eq!(reason(&users.grant_sellers(other).await.expect_err("another request")), "REQUEST_ID_REUSED");

    let roles = |role: Role, id: &str| SetRolesRequest {
        user_id: user_id.clone(),
        roles: vec![role.into()],
        request_id: id.into(),
        ..Default::default()
    };
    let planner = users.set_roles(roles(Role::Planner, "planner")).await.expect("set").into_inner();
    users.set_roles(roles(Role::Agent, "agent")).await.expect("set");
    assert_eq!(users.set_roles(roles(Role::Planner, "planner")).await.expect("a retry").into_inner(), planner);
    let rename = |name: &str, id: &str| UpdateUserRequest {
        user_id: user_id.clone(),
        display_name: name.into(),
        request_id: id.into(),
        ..Default::default()
    };
    users.update_user(rename("One", "one")).await.expect("renamed");
    users.update_user(rename("Two", "two")).await.expect("renamed");
    users.update_user(rename("One", "one")).await.expect("a retry");
    let profile = |site: &str| UpdateAgentProfileRequest {
        user_id: user_id.clone(),
        agent_profile: Some(AgentProfile {
            site: site.into(),
            time_zone: "Europe/Lisbon".into(),
            ..Default::default()
        }),
        request_id: site.into(),
        ..Default::default()
    };
    users.update_agent_profile(profile("lisbon")).await.expect("kept");
    users.update_agent_profile(profile("porto")).await.expect("kept");
    users.update_agent_profile(profile("lisbon")).await.expect("a retry");
    let certify = CertifyAgentRequest {
        seller_id: seller.clone(),
        user_id: user_id.clone(),
        request_id: "certify".into(),
        ..Default::default()
    };
    users.certify_agent(certify.clone()).await.expect("certified");
    let withdraw =
        WithdrawCertificationRequest { seller_id: seller.clone(), user_id: user_id.clone(), ..Default::default() };
    users.withdraw_certification(withdraw).await.expect("withdrawn");
    users.certify_agent(certify).await.expect("a retry");
    let after = now(users.get_user(look).await.expect("there").into_inner());
    let agent = after.agent_profile.expect("an agent");
    assert_eq!((after.roles, after.display_name.as_str()), (vec![i32::from(Role::Agent)], "Two"));
    assert_eq!((agent.site.as_str(), agent.certifications.len()), ("porto", 0));

    let create = |password: &str| CreateUserRequest {
        email: format!("nora@{}.example", tenant.handle),
        display_name: "Nora".into(),
        roles: vec![Role::Planner.into()],
        password: password.into(),
        request_id: "nora".into(),
        ..Default::default()
    };
    let made = users.create_user(create(PASSWORD)).await.expect("made").into_inner();
    assert_eq!(users.create_user(create(PASSWORD)).await.expect("a retry").into_inner(), made);
    let other = users.create_user(create("violet-harbour-77")).await.expect_err("another password");
    assert_eq!(reason(&other), "REQUEST_ID_REUSED");
}

#[tokio::test]
async fn a_change_of_password_does_not_take_back_a_reset_that_came_in_between() {
    let mut tenant = desk().await.provider("Reset").await;
    let person = tenant.person("Rea Reset", Role::Agent, &[]).await;
    let here = sign_in(&person.email, PASSWORD).await.expect("signed in");
    let user = kit::UserId::parse("user_id", &person.user_id).expect("an id");
    let mut database = crate::support::rows::superuser(desk().await).await;

    // a reset is under way: it holds the user while the change has read the password of before
    sqlx::raw_sql("begin").execute(&mut database).await.expect("begun");
    sqlx::query("select from tenants.app_user where user_id = $1 for update")
        .bind(user.0)
        .execute(&mut database)
        .await
        .expect("locked");
    let mut auth = AuthServiceClient::new(bearing(&here.access_token).await);
    let change = tokio::spawn(async move {
        let request = ChangePasswordRequest {
            current_password: PASSWORD.into(),
            new_password: "violet-harbour-77".into(),
            request_id: String::new(),
        };
        auth.change_password(request).await
    });
    tests::eventually("the change to wait for the user", || async {
        let mut other = crate::support::rows::superuser(desk().await).await;
        let waiting: i64 = sqlx::query_scalar(
            "select count(*) from pg_stat_activity
              where wait_event_type = 'Lock' and query like '%tenants.app_user%for update%' and pid <> pg_backend_pid()",
        )
        .fetch_one(&mut other)
        .await
        .expect("a count");
        (waiting > 0).then_some(())
    })
    .await;
    sqlx::query("update tenants.credential set password_hash = password_hash || 'x' where user_id = $1")
        .bind(user.0)
        .execute(&mut database)
        .await
        .expect("another password");
    sqlx::raw_sql("commit").execute(&mut database).await.expect("reset");
    let refused = change.await.expect("it ends").expect_err("the password of before");
    assert_eq!(reason(&refused), "CREDENTIALS_WRONG");
    assert!(sign_in(&person.email, "violet-harbour-77").await.is_err(), "the reset stands");
}

#[tokio::test]
async fn a_seller_manages_its_own_people_and_no_others() {
    let mut tenant = desk().await.provider("Portal").await;
    let (mine, other) = (tenant.seller("portal-mine").await, tenant.seller("portal-other").await);
    let boss = tenant.person("Sel Admin", Role::SellerAdmin, &[&mine]).await;
    let foreign = tenant.person("For Eign", Role::SellerViewer, &[&other]).await;
    let token = sign_in(&boss.email, PASSWORD).await.expect("signed in").access_token;
    let mut users = users_with(&token).await;
    let invite = |seller: &str, role: Role, id: &str| InviteSellerUserRequest {
        seller_id: seller.into(),
        email: foreign.email.clone(),
        display_name: "Same Address".into(),
        language: String::new(),
        role: role.into(),
        request_id: id.into(),
    };
    let made = users.invite_seller_user(invite("", Role::SellerViewer, "i1")).await;
    let made = made.expect("an address known at another seller is not noticed").into_inner().user.expect("a user");
    assert_eq!(made.seller_ids, vec![mine.clone()]);
    assert_eq!(
        users.invite_seller_user(invite(&other, Role::SellerViewer, "i2")).await.expect_err("not hers").code(),
        Code::NotFound
    );
    assert_eq!(
        users.invite_seller_user(invite(&mine, Role::Agent, "i3")).await.expect_err("no staff").code(),
        Code::InvalidArgument
    );
    let list = users.list_seller_users(ListSellerUsersRequest { seller_id: mine.clone(), ..Default::default() }).await;
    assert_eq!(list.expect("listed").into_inner().users.len(), 2);
    let disable = |user: &str| DisableSellerUserRequest {
        seller_id: mine.clone(),
        user_id: user.into(),
        request_id: String::new(),
    };
    assert_eq!(
        users.disable_seller_user(disable(&foreign.user_id)).await.expect_err("not hers").code(),
        Code::NotFound
    );
    users.disable_seller_user(disable(&made.user_id)).await.expect("her own");
}

#[tokio::test]
async fn a_founding_that_broke_off_goes_on_and_a_locked_out_administrator_comes_back() {
    let desk = desk().await;
    let mut operator = desk.operator().await;
    let mut providers = ProvidersServiceClient::new(operator.transport().await.expect("the operator's token"));
    let handle = format!("broken-{}", &kit::Clock::System.new_uuid().simple().to_string()[20..]);
    let admin_email = format!("admin@{handle}.example");
    let request = CreateProviderRequest {
        handle: handle.clone(),
        name: "Broken off".into(),
        country: "PT".into(),
        time_zone: "Europe/Lisbon".into(),
        admin_email: admin_email.clone(),
        admin_name: "Ada Admin".into(),
        request_id: format!("found-{handle}"),
    };
    let lost = providers.create_provider(request.clone()).await.expect("founded").into_inner();
    let again = providers.create_provider(request.clone()).await.expect("repeated").into_inner();
    assert_eq!((&again.provider, &again.admin_user_id), (&lost.provider, &lost.admin_user_id));
    let accept = |token: &str, password: &str| AcceptInvitationRequest {
        invitation_token: token.into(),
        password: password.into(),
        ..Default::default()
    };
    let mut auth = auth().await;
    let replaced = auth.accept_invitation(accept(&lost.invitation_token, PASSWORD)).await.expect_err("replaced");
    assert_eq!(reason(&replaced), "LINK_REFUSED");
    auth.accept_invitation(accept(&again.invitation_token, PASSWORD)).await.expect("the new link works");
    let after = providers.create_provider(request).await.expect("repeated").into_inner();
    assert_eq!((after.invitation_link.as_str(), after.invitation_token.as_str()), ("", ""), "she has her password");

    // the only administrator has forgotten it
    let provider_id = lost.provider.expect("a provider").provider_id;
    let request = CreateAdminLinkRequest {
        provider_id: provider_id.clone(),
        admin_email: admin_email.to_uppercase(),
        request_id: "locked-out".into(),
    };
    let link = providers.create_admin_link(request.clone()).await.expect("a link").into_inner();
    assert_eq!(link.admin_user_id, lost.admin_user_id);
    let repeated = providers.create_admin_link(request.clone()).await.expect("a retry").into_inner();
    assert_eq!(repeated.invitation_token, "", "what is kept for retries does not hold the secret");
    auth.accept_invitation(accept(&link.invitation_token, "violet-harbour-77")).await.expect("accepted");
    let token = sign_in(&admin_email, "violet-harbour-77").await.expect("she is back").access_token;

    // only administrators, only by the platform
    let mut users = users_with(&token).await;
    let planner = InviteUserRequest {
        email: format!("planner@{handle}.example"),
        display_name: "Pia".into(),
        roles: vec![Role::Planner.into()],
        request_id: "pia".into(),
        ..Default::default()
    };
    users.invite_user(planner.clone()).await.expect("invited");
    for admin_email in [planner.email, format!("nobody@{handle}.example")] {
        let request = CreateAdminLinkRequest { admin_email, request_id: "other".into(), ..request.clone() };
        assert_eq!(providers.create_admin_link(request).await.expect_err("no administrator").code(), Code::NotFound);
    }
    let mut own = ProvidersServiceClient::new(bearing(&token).await);
    let request = CreateAdminLinkRequest { request_id: "own".into(), ..request };
    assert_eq!(reason(&own.create_admin_link(request).await.expect_err("not hers to call")), "ROLE_MAY_NOT");
}

#[tokio::test]
async fn the_command_line_takes_up_a_founding_wherever_it_broke_off() {
    let desk = desk().await;
    let mut secrets = manydesk::secrets::Secrets::ephemeral().expect("secrets");
    secrets.logins.insert(tests::OPERATOR.to_owned(), desk.operator_password.clone());
    let handle = format!("halfway-{}", &kit::Clock::System.new_uuid().simple().to_string()[20..]);
    // ended after the founding: the answer with the link is lost
    let mut operator = desk.operator().await;
    let request = CreateProviderRequest {
        handle: handle.clone(),
        name: "Half-way".into(),
        country: "PT".into(),
        time_zone: "Europe/Lisbon".into(),
        admin_email: format!("admin@{handle}.example"),
        admin_name: "Half-way admin".into(),
        request_id: format!("found-{handle}"),
    };
    let mut providers = ProvidersServiceClient::new(operator.transport().await.expect("the operator's token"));
    providers.create_provider(request).await.expect("founded");
    manydesk::cli::ensure_provider(&desk.url, &mut secrets, &handle, "Half-way").await.expect("it goes on");

    // ended after the acceptance: nothing is noted of it
    let noted = secrets.logins.remove(&format!("admin@{handle}.example")).expect("it was noted");
    manydesk::cli::ensure_provider(&desk.url, &mut secrets, &handle, "Half-way").await.expect("it goes on");
    assert_eq!(secrets.logins.get(&format!("admin@{handle}.example")), Some(&noted));
}

#[tokio::test]
async fn a_provider_is_founded_once_and_can_be_suspended() {
    let desk = desk().await;
    let tenant = desk.provider("Suspend").await;
    let mut operator = desk.operator().await;
    let mut providers = ProvidersServiceClient::new(operator.transport().await.expect("the operator's token"));
    let request = CreateProviderRequest {
        handle: tenant.handle.clone(),
        name: "Again".into(),
        country: "PT".into(),
        time_zone: "Europe/Lisbon".into(),
        admin_email: "x@y.example".into(),
        admin_name: "X".into(),
        request_id: "another".into(),
    };
    assert_eq!(reason(&providers.create_provider(request.clone()).await.expect_err("taken")), "PROVIDER_EXISTS");
    let reserved = CreateProviderRequest { handle: "platform".into(), ..request };
    assert_eq!(providers.create_provider(reserved).await.expect_err("reserved").code(), Code::InvalidArgument);

    let mut page_token = String::new();
    let mut handles = Vec::new();
    loop {
        let page = providers
            .list_providers(ListProvidersRequest { page_size: 2, page_token })
            .await
            .expect("a page")
            .into_inner();
        handles.extend(page.providers.into_iter().map(|p| p.handle));
        page_token = page.next_page_token;
        if page_token.is_empty() {
            break;
        }
    }
    assert!(handles.contains(&tenant.handle) && !handles.contains(&"platform".to_owned()));

    let email = format!("admin@{}.example", tenant.handle);
    let tokens = sign_in(&email, PASSWORD).await.expect("signed in");
    let suspend = SuspendProviderRequest { provider_id: tenant.provider_id.clone(), ..Default::default() };
    providers.suspend_provider(suspend.clone()).await.expect("suspended");
    providers.suspend_provider(suspend).await.expect("twice is once");
    assert_eq!(reason(&sign_in(&email, PASSWORD).await.expect_err("suspended")), "CREDENTIALS_WRONG");
    assert_eq!(reason(&refresh(&tokens.refresh_token, "r").await.expect_err("suspended")), "SESSION_ENDED");
    let resume = ResumeProviderRequest { provider_id: tenant.provider_id.clone(), ..Default::default() };
    providers.resume_provider(resume).await.expect("resumed");
    refresh(&tokens.refresh_token, "r").await.expect("the session was not lost");

    let mut as_admin =
        ProvidersServiceClient::new(bearing(&sign_in(&email, PASSWORD).await.expect("in").access_token).await);
    let refused = as_admin.list_providers(ListProvidersRequest::default()).await.expect_err("not an operator");
    assert_eq!(refused.code(), Code::PermissionDenied);
}

#[tokio::test]
async fn the_published_keys_are_a_jwks() {
    let keys = auth().await.get_jwks(GetJwksRequest {}).await.expect("keys").into_inner().keys;
    assert!(!keys.is_empty());
    for key in keys {
        assert_eq!(
            (key.kty.as_str(), key.crv.as_str(), key.alg.as_str(), key.r#use.as_str()),
            ("OKP", "Ed25519", "EdDSA", "sig")
        );
        assert_eq!(key.x.len(), 43);
    }
}

#[tokio::test]
async fn profiles_and_certifications_are_checked() {
    let mut tenant = desk().await.provider("Profile").await;
    let seller = tenant.seller("cert").await;
    let agent = tenant.agent("Pam", "it", &[&seller]).await;
    let planner = tenant.person("Paul", Role::Planner, &[&seller]).await;
    let mut users = admin(&tenant).await;
    let profile = |languages: Vec<LanguageProficiency>, skills: Vec<String>, zone: &str| UpdateAgentProfileRequest {
        user_id: agent.user_id.clone(),
        agent_profile: Some(AgentProfile { languages, skills, time_zone: zone.into(), ..Default::default() }),
        ..Default::default()
    };
    let italian = LanguageProficiency { language: "it".into(), level: LanguageLevel::C1.into() };
    let bad = profile(
        vec![italian.clone(), italian.clone(), LanguageProficiency::default()],
        vec!["No!".into()],
        "Mars/Base",
    );
    let refused = users.update_agent_profile(bad).await.expect_err("bad fields");
    let fields: Vec<String> =
        refused.get_details_bad_request().expect("violations").field_violations.into_iter().map(|v| v.field).collect();
    for field in ["languages[1].language", "languages[2].language", "languages[2].level", "skills[0]", "time_zone"] {
        assert!(fields.iter().any(|f| f.ends_with(field)), "{field} in {fields:?}");
    }
    let good = users.update_agent_profile(profile(vec![italian], vec!["amazon".into()], "Europe/Rome")).await;
    let user = good.expect("kept").into_inner().user.expect("a user");
    assert_eq!(user.agent_profile.expect("an agent").skills, vec!["amazon"]);
    let stale = UpdateAgentProfileRequest { etag: "v1".into(), ..profile(vec![], vec![], "UTC") };
    assert_eq!(reason(&users.update_agent_profile(stale).await.expect_err("stale")), "ETAG_MISMATCH");
    let certify = CertifyAgentRequest {
        seller_id: seller.clone(),
        user_id: planner.user_id,
        valid_until: None,
        request_id: String::new(),
    };
    assert_eq!(reason(&users.certify_agent(certify).await.expect_err("not an agent")), "NOT_AN_AGENT");
    let list = |valid_only| ListCertificationsRequest { seller_id: seller.clone(), valid_only, ..Default::default() };
    assert_eq!(users.list_certifications(list(true)).await.expect("listed").into_inner().certifications.len(), 1);
    let withdraw = WithdrawCertificationRequest {
        seller_id: seller.clone(),
        user_id: agent.user_id.clone(),
        request_id: String::new(),
    };
    users.withdraw_certification(withdraw).await.expect("withdrawn");
    assert!(users.list_certifications(list(false)).await.expect("listed").into_inner().certifications.is_empty());
}

#[tokio::test]
async fn a_repeated_sign_in_opens_one_session() {
    let mut tenant = desk().await.provider("Twice").await;
    let person = tenant.person("Tina", Role::Agent, &[]).await;
    let request = LoginRequest {
        email: person.email.clone(),
        password: PASSWORD.into(),
        request_id: "login-1".into(),
        ..Default::default()
    };
    let first = auth().await.login(request.clone()).await.expect("in").into_inner();
    let again = auth().await.login(request.clone()).await.expect("in").into_inner();
    assert_eq!(first, again);
    let tokens = first.tokens.expect("tokens");
    refresh(&tokens.refresh_token, "r").await.expect("refreshed");
    let other = auth().await.login(request).await.expect("in").into_inner().tokens.expect("tokens");
    assert_ne!(other.session_id, tokens.session_id, "once it was used, the session is not handed out again");
}
