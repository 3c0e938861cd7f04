//! What is wrong is told in the same words on every way in, names the place,
//! and never harms the platform.

use std::time::Duration;

use base64::Engine;
use base64::engine::general_purpose::STANDARD_NO_PAD;
use prost::Message;
use proto::tenants::v1::auth_service_client::AuthServiceClient;
use proto::tenants::v1::{CreateSellerRequest, LoginRequest};
use reqwest::{Method, StatusCode};
use serde_json::{Value, json};
use tests::desk;
use tonic::{Code, Request};
use tonic_types::StatusExt;

use super::world;
use crate::support::http::{Browser, detail, fields};

fn info(error: &Value) -> &str {
    detail(error, "google.rpc.ErrorInfo")["reason"].as_str().expect("a reason")
}

#[tokio::test]
async fn a_bad_field_is_named_on_every_way_in() {
    let world = world().await;
    let browser = world.browser();
    let body = json!({ "handle": "Not A Handle", "name": "", "requestId": "edge-bad" });
    let rest = browser.post("/v1/sellers", &body).await;
    assert_eq!((rest.status, &rest.body["code"]), (StatusCode::BAD_REQUEST, &json!(3)));
    let mut complained = fields(&rest.body);
    complained.sort();
    assert_eq!(complained, ["handle", "name"], "all at once");

    let rpc = "/manydesk.tenants.v1.SellersService/CreateSeller";
    let connect = browser.connect(rpc, &body).await;
    assert_eq!((connect.status, &connect.body["code"]), (StatusCode::BAD_REQUEST, &json!("invalid_argument")));
    assert_eq!(connect.body["message"], rest.body["message"]);
    let details = connect.body["details"].as_array().expect("details");
    let bad = details.iter().find(|d| d["type"] == "google.rpc.BadRequest").expect("a BadRequest");
    let bytes = STANDARD_NO_PAD.decode(bad["value"].as_str().expect("a text")).expect("base64");
    let bad = tonic_types::pb::BadRequest::decode(bytes.as_slice()).expect("a message");
    let mut complained: Vec<_> = bad.field_violations.iter().map(|v| v.field.as_str()).collect();
    complained.sort_unstable();
    assert_eq!(complained, ["handle", "name"]);

    let request =
        CreateSellerRequest { handle: "Not A Handle".into(), request_id: "edge-bad".into(), ..Default::default() };
    let web = browser.web(rpc, &request, false).await;
    assert_eq!(web.trailer("grpc-status"), "3");
    let bytes = STANDARD_NO_PAD.decode(web.trailer("grpc-status-details-bin").trim_end_matches('=')).expect("base64");
    let status = tonic_types::pb::Status::decode(bytes.as_slice()).expect("a status");
    assert_eq!(status.message, rest.body["message"].as_str().expect("a text"));
    assert!(status.details.iter().any(|any| any.type_url.ends_with("google.rpc.BadRequest")));
}

#[tokio::test]
async fn json_that_is_not_the_request_is_told_with_its_place() {
    let world = world().await;
    let browser = Browser::new(&world.url, "");
    let send = |body: &'static str| {
        let request = browser.request(Method::POST, "/v1/auth:login").header("content-type", "application/json");
        browser.send(request.body(body))
    };
    let unknown = send(r#"{ "email": "a@b.example", "passwort": "secret-word" }"#).await;
    assert_eq!((unknown.status, fields(&unknown.body)), (StatusCode::BAD_REQUEST, vec!["body".to_owned()]));
    let violations = detail(&unknown.body, "google.rpc.BadRequest")["fieldViolations"].to_string();
    assert!(violations.contains("passwort"), "the unknown field is named: {violations}");
    assert!(!unknown.body.to_string().contains("secret-word"), "values are not repeated");
    for bad in [
        "{",
        "[]",
        "null",
        "17",
        "{} {}",
        r#"{ "email": 7 }"#,
        r#"{ "email": ["a"] }"#,
        r#"{ "email": "a", "email": "b" }"#,
        "{\"email\": \"\u{0}\"",
        r#"{ "email": "\ud800" }"#,
    ] {
        let refused = send(bad).await;
        assert_eq!((refused.status, &refused.body["code"]), (StatusCode::BAD_REQUEST, &json!(3)), "{bad}");
    }
    let deep = "[".repeat(200_000);
    let request = browser.request(Method::POST, "/v1/auth:login").header("content-type", "application/json");
    assert_eq!(browser.send(request.body(deep)).await.status, StatusCode::BAD_REQUEST);
    let request = browser.request(Method::POST, "/v1/auth:login").header("content-type", "application/json");
    assert_eq!(browser.send(request.body(b"{\"email\": \"\xff\xfe\"}".to_vec())).await.status, StatusCode::BAD_REQUEST);

    let browser = world.browser();
    for query in [
        "?nonsense=1",
        "?pageSize=many",
        "?pageSize=1&pageSize=2",
        "?states=TICKET_STATE_NONE",
        "?unassigned=perhaps",
        "?pageToken=%FF%FE",
    ] {
        let refused = browser.get(&format!("/v1/sellers/{}/tickets{query}", world.seller)).await;
        assert_eq!(
            (refused.status, &refused.body["code"]),
            (StatusCode::BAD_REQUEST, &json!(3)),
            "{query}: {}",
            refused.body
        );
    }
}

#[tokio::test]
async fn who_may_not_is_told_so_in_http_too() {
    let world = world().await;
    let stranger = Browser::new(&world.url, "");
    let refused = stranger.get("/v1/me").await;
    assert_eq!((refused.status, info(&refused.body)), (StatusCode::UNAUTHORIZED, "TOKEN_MISSING"));
    assert_eq!(refused.headers["www-authenticate"], "Bearer");
    let refused = Browser::new(&world.url, "not.a.token").get("/v1/me").await;
    assert_eq!((refused.status, info(&refused.body)), (StatusCode::UNAUTHORIZED, "TOKEN_INVALID"));
    let agent = Browser::new(&world.url, &world.agent_token);
    let refused = agent.post("/v1/sellers", &json!({ "handle": "hers", "name": "Hers", "requestId": "x" })).await;
    assert_eq!((refused.status, info(&refused.body)), (StatusCode::FORBIDDEN, "ROLE_MAY_NOT"));
    let absent = format!("/v1/sellers/{}/tickets/ticket_{}", world.seller, "0".repeat(26));
    let refused = world.browser().get(&absent).await;
    assert_eq!((refused.status, &refused.body["code"]), (StatusCode::NOT_FOUND, &json!(5)));
}

#[tokio::test]
async fn what_is_not_there_is_told_apart_from_what_is_done_otherwise() {
    let world = world().await;
    let browser = world.browser();
    for (method, path, status, code) in [
        (Method::GET, "/v1/nothing/here".to_owned(), StatusCode::NOT_FOUND, 5),
        (Method::GET, "/nothing".to_owned(), StatusCode::NOT_FOUND, 5),
        (Method::POST, "/v1/me".to_owned(), StatusCode::NOT_IMPLEMENTED, 12),
        (Method::DELETE, format!("/v1/sellers/{}", world.seller), StatusCode::NOT_IMPLEMENTED, 12),
        (Method::GET, "/v1/sellers/%FF%FE".to_owned(), StatusCode::NOT_FOUND, 5),
        (Method::GET, format!("/v1/sellers/{}/tickets/%C3%28", world.seller), StatusCode::NOT_FOUND, 5),
        (Method::GET, "/v1/sellers//tickets".to_owned(), StatusCode::NOT_FOUND, 5),
        (Method::GET, "/v1/sellers/..%2f..%2fme".to_owned(), StatusCode::BAD_REQUEST, 3),
    ] {
        let answer = browser.send(browser.request(method.clone(), &path)).await;
        assert_eq!((answer.status, &answer.body["code"]), (status, &json!(code)), "{method} {path}: {}", answer.body);
    }
    let unknown = browser.connect("/manydesk.tickets.v1.TicketsService/Nothing", &json!({})).await;
    assert_eq!((unknown.status, &unknown.body["code"]), (StatusCode::NOT_IMPLEMENTED, &json!("unimplemented")));
    let stream = browser.connect("/manydesk.routing.v1.RoutingService/WatchQueue", &json!({})).await;
    assert_eq!(stream.status, StatusCode::NOT_IMPLEMENTED);
    let kind =
        browser.request(Method::POST, "/manydesk.tenants.v1.UsersService/WhoAmI").header("content-type", "text/xml");
    let kind = kind.body("<a/>").send().await.expect("an answer");
    assert_eq!(kind.status(), StatusCode::UNSUPPORTED_MEDIA_TYPE);
    let web = browser.web("/manydesk.tickets.v1.TicketsService/Nothing", &LoginRequest::default(), false).await;
    assert_eq!(web.trailer("grpc-status"), "12");
    let web = browser.web("/some.Other/Service", &LoginRequest::default(), false).await;
    assert_eq!(web.trailer("grpc-status"), "12");
}

#[tokio::test]
async fn a_huge_message_is_refused_and_the_next_call_goes_through() {
    let world = world().await;
    let browser = world.browser();
    let huge = format!("{{\"email\": \"{}\"}}", "a".repeat(33 * 1024 * 1024));
    let request = browser.request(Method::POST, "/v1/auth:login").header("content-type", "application/json").body(huge);
    match request.send().await {
        Ok(response) => {
            assert_eq!(response.status(), StatusCode::BAD_REQUEST);
            let body: Value = response.json().await.expect("JSON");
            assert_eq!(fields(&body), ["body"]);
        }
        // the answer may be cut off together with what nobody read
        Err(error) => assert!(error.is_request() || error.is_body(), "{error}"),
    }
    let browser = world.browser(); // the connection before is closed
    let large = LoginRequest { password: "p".repeat(1024 * 1024), ..LoginRequest::default() };
    let refused =
        browser.connect("/manydesk.tenants.v1.AuthService/Login", &json!({ "password": large.password })).await;
    // a call without a token brings little: more is not even read
    assert_eq!(refused.body["code"], json!("invalid_argument"), "{}", refused.body);
    assert!(refused.body["message"].as_str().expect("a text").contains("64 KiB"), "{}", refused.body);
    let status = AuthServiceClient::new(desk().await.channel().await).login(large).await.expect_err("too large");
    assert_eq!(status.code(), Code::OutOfRange);
    assert_eq!(browser.get("/v1/me").await.status, StatusCode::OK);
    // who may not call is told before the body is read
    let nobody = Browser::new(&world.url, "").post("/v1/sellers", &json!({ "name": "n".repeat(1024 * 1024) })).await;
    assert_eq!(nobody.status, StatusCode::UNAUTHORIZED);
}

#[tokio::test]
async fn bytes_that_are_no_message_are_the_callers_fault() {
    let world = world().await;
    let browser = world.browser();
    // field 1, a text of two bytes that are not UTF-8; and a field that ends too early
    for bad in [b"\x0a\x02\xff\xfe".as_slice(), b"\x0a\x7fabc", b"\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\x7f"] {
        let request = browser.request(Method::POST, "/manydesk.tenants.v1.AuthService/Login");
        let answer = browser.send(request.header("content-type", "application/proto").body(bad.to_vec())).await;
        assert_eq!(
            (answer.status, &answer.body["code"]),
            (StatusCode::BAD_REQUEST, &json!("invalid_argument")),
            "{bad:?}: {}",
            answer.body
        );
    }
    let request = browser.request(Method::POST, "/manydesk.tenants.v1.AuthService/Login");
    let framed = crate::support::http::framed(b"\x0a\x02\xff\xfe");
    let answer =
        request.header("content-type", "application/grpc-web+proto").body(framed).send().await.expect("an answer");
    let status = answer.headers().get("grpc-status").map(|v| v.to_str().expect("a text").to_owned());
    assert_eq!(status.as_deref(), Some("3"));
}

#[tokio::test]
async fn a_text_that_no_database_can_hold_is_refused_as_a_field() {
    let world = world().await;
    let browser = world.browser();
    let named =
        browser.post("/v1/sellers", &json!({ "handle": "nul-byte", "name": "A\u{0}B", "requestId": "edge-nul" })).await;
    assert_eq!(
        (named.status, fields(&named.body)),
        (StatusCode::BAD_REQUEST, vec!["name".to_owned()]),
        "{}",
        named.body
    );
    let id =
        browser.post("/v1/sellers", &json!({ "handle": "nul-byte", "name": "AB", "requestId": "edge\u{0}nul" })).await;
    assert_eq!((id.status, fields(&id.body)), (StatusCode::BAD_REQUEST, vec!["request_id".to_owned()]), "{}", id.body);
    let email =
        browser.post("/v1/auth:login", &json!({ "email": "a\u{0}@b.example", "password": "some password" })).await;
    assert_eq!(email.status, StatusCode::BAD_REQUEST, "{}", email.body);
    let path = format!("/v1/sellers/{}/messages:receive", world.seller);
    let accounts = browser.get(&format!("/v1/sellers/{}/channelAccounts", world.seller)).await.body;
    let account = &accounts["channelAccounts"][0]["channelAccountId"];
    for field in ["subject", "text", "externalId", "orderId", "externalThreadId", "inReplyTo"] {
        let mut body = json!({
            "channelAccountId": account, "externalId": "nul-1", "author": { "address": "a@b.example" }, "text": "x",
        });
        body[field] = json!("A\u{0}B");
        let answer = browser.post(&path, &body).await;
        assert!(answer.status != StatusCode::INTERNAL_SERVER_ERROR, "{field}: {}", answer.body);
    }
    let handle = browser.get("/v1/sellers?handle=a%00b").await;
    assert_ne!(handle.status, StatusCode::INTERNAL_SERVER_ERROR, "{}", handle.body);
    let page = browser.get("/v1/sellers?pageToken=a%00b").await;
    assert_eq!(page.status, StatusCode::BAD_REQUEST, "{}", page.body);
}

#[tokio::test]
async fn deadlines_are_kept_on_every_way_in() {
    let world = world().await;
    let browser = world.browser();
    // hashing a password takes longer than this
    let body = json!({ "email": "nobody@late.example", "password": "some password" });
    let rest = browser.request(Method::POST, "/v1/auth:login").header("grpc-timeout", "3m");
    let rest = browser.send(rest.json(&body)).await;
    assert_eq!((rest.status, &rest.body["code"]), (StatusCode::GATEWAY_TIMEOUT, &json!(4)));
    let request =
        browser.request(Method::POST, "/manydesk.tenants.v1.AuthService/Login").header("connect-timeout-ms", "3");
    let connect = browser.send(request.json(&body)).await;
    assert_eq!((connect.status, &connect.body["code"]), (StatusCode::GATEWAY_TIMEOUT, &json!("deadline_exceeded")));
    let mut call = Request::new(LoginRequest {
        email: "nobody@late.example".into(),
        password: "some password".into(),
        ..LoginRequest::default()
    });
    call.set_timeout(Duration::from_millis(3));
    let status = AuthServiceClient::new(desk().await.channel().await).login(call).await.expect_err("late");
    assert!(matches!(status.code(), Code::DeadlineExceeded | Code::Cancelled), "{status}");
    assert!(status.get_details_error_info().is_none_or(|info| !info.reason.is_empty()));
}

#[tokio::test]
async fn a_page_of_any_origin_may_call_and_read_the_answer() {
    let world = world().await;
    let browser = Browser::new(&world.url, "");
    for path in ["/v1/me", "/manydesk.tenants.v1.UsersService/WhoAmI", "/v1/sellers/x/tickets/y:solve"] {
        let preflight = browser
            .request(Method::OPTIONS, path)
            .header("origin", "https://portal.example")
            .header("access-control-request-method", "POST")
            .header("access-control-request-headers", "authorization,content-type,x-grpc-web,connect-protocol-version")
            .send()
            .await
            .expect("an answer");
        assert_eq!(preflight.status(), StatusCode::NO_CONTENT);
        let header = |name: &str| preflight.headers()[name].to_str().expect("a text").to_lowercase();
        assert_eq!(header("access-control-allow-origin"), "*");
        for method in ["get", "post", "put", "patch", "delete"] {
            assert!(header("access-control-allow-methods").contains(method), "{method}");
        }
        for name in ["authorization", "content-type", "x-grpc-web", "grpc-timeout", "connect-protocol-version"] {
            assert!(header("access-control-allow-headers").contains(name), "{name}");
        }
        assert!(!preflight.headers().contains_key("access-control-allow-credentials"), "no cookies, no credentials");
    }
    let refused = browser.get("/v1/me").await;
    assert_eq!(refused.headers["access-control-allow-origin"], "*", "errors can be read too");
    let exposed = refused.headers["access-control-expose-headers"].to_str().expect("a text");
    assert!(exposed.contains("grpc-status") && exposed.contains("grpc-status-details-bin"), "{exposed}");
}
