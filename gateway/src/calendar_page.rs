//! `/calendar/{token}.ics`: an agent's shifts for calendar programs, which send no token but the link. A face of a public
//! RPC that passes the same stack as every call.

use std::net::SocketAddr;

use axum::body::Body;
use axum::extract::{ConnectInfo, Path, State};
use axum::response::{IntoResponse, Response};
use http::{HeaderValue, Request, header};
use prost::Message;
use proto::workforce::v1::{GetCalendarFeedRequest, GetCalendarFeedResponse};
use tonic::Status;

use crate::edge::{Edge, mark_origin};
use crate::rest::{error_response, run_unary};

const RPC: &str = "/manydesk.workforce.v1.ScheduleExportService/GetCalendarFeed";

/// Gives the calendar behind a link.
pub(crate) async fn give(
    State(edge): State<Edge>,
    ConnectInfo(from): ConnectInfo<SocketAddr>,
    Path(file): Path<String>,
    mut request: Request<Body>,
) -> Response {
    mark_origin(&edge, from, &mut request);
    let token = file.strip_suffix(".ics").unwrap_or(&file).to_owned();
    let asked = GetCalendarFeedRequest { token }.encode_to_vec();
    let answer = run_unary(edge.calls.clone(), RPC, request.headers(), asked).await;
    let read = answer.and_then(|answer| {
        GetCalendarFeedResponse::decode(answer).map_err(|_| Status::internal("an answer is not readable"))
    });
    match read {
        Ok(found) => {
            let headers = [
                (header::CONTENT_TYPE, HeaderValue::from_static("text/calendar; charset=utf-8")),
                (header::CACHE_CONTROL, HeaderValue::from_static("private, max-age=300")),
            ];
            (headers, Body::from(found.calendar)).into_response()
        }
        Err(status) => error_response(&status),
    }
}
