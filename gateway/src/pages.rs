//! What the edge answers by itself: health, the OpenAPI document, the public
//! keys, and a first page for people.

use std::net::SocketAddr;
use std::sync::OnceLock;

use axum::Json;
use axum::body::Body;
use axum::extract::{ConnectInfo, State};
use axum::response::{Html, IntoResponse};
use http::{Request, StatusCode, header};
use prost::Message;
use proto::tenants::v1::GetJwksRequest;
use serde_json::json;

use crate::edge::{Edge, mark_origin};

/// The first page.
pub async fn welcome() -> Html<&'static str> {
    Html(include_str!("welcome.html"))
}

/// What is not there.
pub async fn nothing() -> impl IntoResponse {
    let body = json!({ "code": 5, "message": "no such path", "details": [] });
    (StatusCode::NOT_FOUND, Json(body))
}

/// Ready when tokens can be checked.
pub(crate) async fn ready(State(edge): State<Edge>) -> impl IntoResponse {
    if edge.verifier.keys().is_ready() {
        (StatusCode::OK, "ready\n")
    } else {
        (StatusCode::SERVICE_UNAVAILABLE, "waiting for the issuer's keys\n")
    }
}

/// The OpenAPI document.
pub(crate) async fn openapi(State(edge): State<Edge>) -> impl IntoResponse {
    static DOCUMENT: OnceLock<String> = OnceLock::new();
    let text = DOCUMENT.get_or_init(|| crate::openapi::document(&edge.transcoder).to_string());
    ([(header::CONTENT_TYPE, "application/json")], text.as_str())
}

/// The issuer's public keys (RFC 7517).
pub(crate) async fn jwks(
    State(edge): State<Edge>,
    ConnectInfo(from): ConnectInfo<SocketAddr>,
    mut request: Request<Body>,
) -> Result<impl IntoResponse, StatusCode> {
    mark_origin(&edge, from, &mut request);
    let rpc = "/manydesk.tenants.v1.AuthService/GetJwks";
    let answer = crate::rest::run_unary(edge.calls.clone(), rpc, request.headers(), GetJwksRequest {}.encode_to_vec())
        .await
        .map_err(|_| StatusCode::SERVICE_UNAVAILABLE)?;
    let method = edge.transcoder.method(rpc).ok_or(StatusCode::INTERNAL_SERVER_ERROR)?;
    let text = crate::rest::to_json(&method.output(), &answer).map_err(|_| StatusCode::INTERNAL_SERVER_ERROR)?;
    Ok(([(header::CONTENT_TYPE, "application/json")], text))
}
