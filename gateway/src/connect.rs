//! The Connect protocol for unary calls: `POST /package.Service/Method` with
//! JSON or protobuf.

use axum::body::Body;
use base64::Engine;
use base64::engine::general_purpose::STANDARD_NO_PAD;
use http::{HeaderMap, HeaderName, HeaderValue, Request, Response, StatusCode, header};
use prost::Message;
use serde_json::json;
use tonic::{Code, Status};

use crate::edge::Edge;
use crate::rest::{http_code, run_unary};

/// Answers one call.
pub(crate) async fn unary(edge: &Edge, request: Request<Body>) -> Response<Body> {
    match answer(edge, request).await {
        Ok(response) => response,
        Err(status) => error(&status),
    }
}

async fn answer(edge: &Edge, request: Request<Body>) -> Result<Response<Body>, Status> {
    let (parts, body) = request.into_parts();
    let path = parts.uri.path();
    let method = edge.transcoder.method(path).ok_or_else(|| Status::unimplemented("no such method"))?;
    if method.is_client_streaming() || method.is_server_streaming() {
        return Err(Status::unimplemented("streams are served over gRPC and gRPC-Web"));
    }
    let kind = parts.headers.get(header::CONTENT_TYPE).and_then(|v| v.to_str().ok()).unwrap_or_default();
    let json = match kind.split(';').next().unwrap_or_default().trim() {
        "application/json" => true,
        "application/proto" => false,
        _ => {
            let mut response = Response::new(Body::empty());
            *response.status_mut() = StatusCode::UNSUPPORTED_MEDIA_TYPE;
            return Ok(response);
        }
    };
    let body = edge.bodies.of_call(&edge.verifier, path, &parts.headers, body).await?;
    let bytes = &body.bytes;
    let message = if json { crate::rest::from_json(&method.input(), bytes)?.encode_to_vec() } else { bytes.to_vec() };
    let reply = run_unary(edge.calls.clone(), path, &with_timeout(parts.headers.clone()), message).await?;
    let (body, kind) = if json {
        (Body::from(crate::rest::to_json(&method.output(), &reply)?), "application/json")
    } else {
        (Body::from(reply), "application/proto")
    };
    let mut response = Response::new(body);
    response.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static(kind));
    Ok(response)
}

/// Connect's timeout in gRPC's form.
fn with_timeout(mut headers: HeaderMap) -> HeaderMap {
    let millis = headers.get("connect-timeout-ms").and_then(|v| v.to_str().ok()).and_then(|t| t.parse::<u32>().ok());
    if let Some(millis) = millis
        && let Ok(value) = HeaderValue::from_str(&format!("{}m", millis.min(99_999_999)))
    {
        headers.insert(HeaderName::from_static("grpc-timeout"), value);
    }
    headers
}

fn error(status: &Status) -> Response<Body> {
    let mut body = json!({ "code": word(status.code()), "message": status.message() });
    if let Ok(whole) = tonic_types::pb::Status::decode(status.details()) {
        let details: Vec<_> = whole
            .details
            .iter()
            .map(|any| {
                json!({
                    "type": any.type_url.rsplit('/').next().unwrap_or_default(),
                    "value": STANDARD_NO_PAD.encode(&any.value),
                })
            })
            .collect();
        if !details.is_empty() {
            body["details"] = details.into();
        }
    }
    let mut response = Response::new(Body::from(body.to_string()));
    *response.status_mut() = http_code(status.code());
    response.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
    response
}

fn word(code: Code) -> &'static str {
    match code {
        Code::Ok => "ok",
        Code::Cancelled => "canceled",
        Code::Unknown => "unknown",
        Code::InvalidArgument => "invalid_argument",
        Code::DeadlineExceeded => "deadline_exceeded",
        Code::NotFound => "not_found",
        Code::AlreadyExists => "already_exists",
        Code::PermissionDenied => "permission_denied",
        Code::ResourceExhausted => "resource_exhausted",
        Code::FailedPrecondition => "failed_precondition",
        Code::Aborted => "aborted",
        Code::OutOfRange => "out_of_range",
        Code::Unimplemented => "unimplemented",
        Code::Internal => "internal",
        Code::Unavailable => "unavailable",
        Code::DataLoss => "data_loss",
        Code::Unauthenticated => "unauthenticated",
    }
}
