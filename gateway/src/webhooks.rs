//! `/webhooks/{channel account id}`: where other systems deliver. What they sign are the bytes of a body, so the
//! bytes go on as they came, with the headers that sign them; who may deliver is decided behind it.

use std::time::Duration;

use axum::body::Body as AxumBody;
use http::request::Parts;
use http::{HeaderMap, HeaderValue, Method, Request, Response, StatusCode, header};
use kit::Fault;
use kit::peers::Local;
use prost::Message;
use proto::tickets::v1::{
    AnswerWebhookChallengeRequest, AnswerWebhookChallengeResponse, DeliverWebhookRequest, DeliverWebhookResponse,
};
use serde_json::json;
use tonic::Status;

use crate::bodies::Unread;
use crate::edge::Edge;
use crate::rest::{error_response, run_unary};

/// Where webhooks are.
pub const PREFIX: &str = "/webhooks/";
/// Largest delivery, in bytes.
const BODY_LIMIT: usize = 4 * 1024 * 1024;
/// Largest header that signs, in bytes.
const HEADER_LIMIT: usize = 2_000;
/// How long a delivery may take to come in.
const PATIENCE: Duration = Duration::from_secs(30);

/// Answers a delivery, or a challenge.
pub(crate) async fn answer(edge: &Edge, request: Request<AxumBody>) -> Response<AxumBody> {
    let account = request.uri().path().strip_prefix(PREFIX).unwrap_or_default().to_owned();
    let answered = match *request.method() {
        Method::POST => deliver(edge, account, request).await,
        Method::GET => challenge(edge.calls.clone(), account, request.into_parts().0).await,
        _ => {
            let mut response = plain(StatusCode::METHOD_NOT_ALLOWED, "only GET and POST\n".to_owned());
            response.headers_mut().insert(header::ALLOW, HeaderValue::from_static("GET, POST"));
            return response;
        }
    };
    answered.unwrap_or_else(|status| error_response(&status))
}

async fn deliver(edge: &Edge, account: String, request: Request<AxumBody>) -> Result<Response<AxumBody>, Status> {
    let (parts, body) = request.into_parts();
    let too_large = || plain(StatusCode::PAYLOAD_TOO_LARGE, "a delivery has at most 4 MiB\n".to_owned());
    let body = match edge.bodies.of_webhook(body, BODY_LIMIT, PATIENCE).await {
        Ok(body) => body,
        Err(Unread::TooLarge) => return Ok(too_large()),
        Err(Unread::Late) => {
            return Ok(plain(StatusCode::REQUEST_TIMEOUT, "the delivery did not come in in time\n".to_owned()));
        }
        Err(Unread::Broken) => return Err(Fault::invalid("body", "must be complete").into()),
        Err(Unread::NoRoom) => return Err(Unread::no_room()),
    };
    let header = |name: &str| signing(&parts.headers, name);
    let message = DeliverWebhookRequest {
        channel_account_id: account,
        body: body.bytes.clone(),
        hub_signature: header("x-hub-signature-256"),
        webhook_id: header("webhook-id"),
        webhook_timestamp: header("webhook-timestamp"),
        webhook_signature: header("webhook-signature"),
    };
    let rpc = "/manydesk.tickets.v1.WebhooksService/DeliverWebhook";
    let answer = run_unary(edge.calls.clone(), rpc, &parts.headers, message.encode_to_vec()).await?;
    let answer = DeliverWebhookResponse::decode(answer).map_err(|_| Status::internal("an answer is not readable"))?;
    let DeliverWebhookResponse { stored, duplicates, quarantined, ignored } = answer;
    let text = json!({ "stored": stored, "duplicates": duplicates, "quarantined": quarantined, "ignored": ignored });
    let mut response = Response::new(AxumBody::from(text.to_string()));
    response.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
    Ok(response)
}

async fn challenge(calls: Local, account: String, parts: Parts) -> Result<Response<AxumBody>, Status> {
    let mut message = AnswerWebhookChallengeRequest { channel_account_id: account, ..Default::default() };
    for (name, value) in form_urlencoded::parse(parts.uri.query().unwrap_or_default().as_bytes()) {
        match name.as_ref() {
            "hub.mode" => message.mode = value.into_owned(),
            "hub.verify_token" => message.verify_token = value.into_owned(),
            "hub.challenge" => message.challenge = value.into_owned(),
            _ => {}
        }
    }
    let rpc = "/manydesk.tickets.v1.WebhooksService/AnswerWebhookChallenge";
    let answer = run_unary(calls, rpc, &parts.headers, message.encode_to_vec()).await?;
    let answer =
        AnswerWebhookChallengeResponse::decode(answer).map_err(|_| Status::internal("an answer is not readable"))?;
    Ok(plain(StatusCode::OK, answer.challenge))
}

/// A header that signs; empty where it is missing, twice, or not as such a header can be.
fn signing(headers: &HeaderMap, name: &str) -> String {
    let mut all = headers.get_all(name).iter();
    match (all.next(), all.next()) {
        (Some(value), None) if value.len() <= HEADER_LIMIT => value.to_str().unwrap_or_default().to_owned(),
        _ => String::new(),
    }
}

fn plain(status: StatusCode, text: String) -> Response<AxumBody> {
    let mut response = Response::new(AxumBody::from(text));
    *response.status_mut() = status;
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("text/plain; charset=utf-8"));
    // whoever asks chose the words
    headers.insert(header::X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    response
}
