//! A JSON request becomes a gRPC call through the same stack, and its answer
//! becomes JSON again.

use std::convert::Infallible;
use std::sync::Arc;

use axum::body::Body as AxumBody;
use bytes::{Buf, BufMut, Bytes, BytesMut};
use futures_util::StreamExt;
use http::{HeaderMap, HeaderValue, Method, Request, Response, header};
use http_body_util::{BodyExt, BodyStream, Full};
use kit::Fault;
use kit::peers::Local;
use prost::Message;
use prost_reflect::{DeserializeOptions, DynamicMessage, FieldDescriptor, Kind, MessageDescriptor, SerializeOptions};
use serde_json::{Map, Value};
use tonic::Status;
use tonic::body::Body;
use tower::ServiceExt;

use super::errors::error_response;
use super::{Body as Where, Route, Transcoder};
use crate::edge::Edge;

impl Transcoder {
    /// Answers a request of the JSON surface.
    pub(crate) async fn rest(self: Arc<Self>, edge: &Edge, request: Request<AxumBody>) -> Response<AxumBody> {
        match self.answer(edge, request).await {
            Ok(response) => response,
            Err(status) => error_response(&status),
        }
    }

    async fn answer(&self, edge: &Edge, request: Request<AxumBody>) -> Result<Response<AxumBody>, Status> {
        let (parts, body) = request.into_parts();
        let Some((route, values)) = self.find(&parts.method, parts.uri.path()) else {
            return Err(self.no_route(&parts.method, parts.uri.path()));
        };
        let body = edge.bodies.of_call(&edge.verifier, &route.rpc, &parts.headers, body).await?;
        let query = parts.uri.query().unwrap_or_default();
        let message = request_message(route, &values, query, &body.bytes)?;
        let calls = edge.calls.clone();
        if route.descriptor.is_server_streaming() {
            return stream(calls, route, &parts.headers, &message).await;
        }
        let answer = run_unary(calls, &route.rpc, &parts.headers, message.encode_to_vec()).await?;
        Ok(json_response(to_json(&route.descriptor.output(), &answer)?))
    }

    fn no_route(&self, method: &Method, path: &str) -> Status {
        if self.exists(path) {
            Status::unimplemented(format!("this path does not take {method}"))
        } else {
            Fault::NotFound("path").into()
        }
    }
}

fn request_message(
    route: &Route,
    values: &[(String, String)],
    query: &str,
    body: &[u8],
) -> Result<DynamicMessage, Status> {
    let input = route.descriptor.input();
    let mut message = match &route.body {
        Where::Whole if !body.is_empty() => from_json(&input, body)?,
        Where::Whole => DynamicMessage::new(input.clone()),
        Where::Field(name) => {
            let mut message = DynamicMessage::new(input.clone());
            let field = input.get_field_by_name(name).ok_or_else(|| Status::internal("a route names no field"))?;
            let inner =
                field.kind().as_message().cloned().ok_or_else(|| Status::internal("a body field is no message"))?;
            message.set_field(&field, prost_reflect::Value::Message(from_json(&inner, body)?));
            message
        }
        Where::None if body.is_empty() => DynamicMessage::new(input.clone()),
        Where::None => return Err(Fault::invalid("body", "must be empty for this call").into()),
    };
    let mut outside = Map::new();
    if route.body != Where::Whole {
        for (name, value) in form_urlencoded::parse(query.as_bytes()) {
            put(&mut outside, &input, &name, &value, "query")?;
        }
    } else if !query.is_empty() {
        return Err(Fault::invalid("query", "must be empty for this call").into());
    }
    for (name, value) in values {
        put(&mut outside, &input, name, value, "path")?;
    }
    if !outside.is_empty() {
        let outside =
            DynamicMessage::deserialize_with_options(input, Value::Object(outside), &DeserializeOptions::new())
                .map_err(|_| Status::from(Fault::invalid("query", "must hold values of the fields' types")))?;
        message.merge(outside.encode_to_vec().as_slice()).map_err(|_| Status::internal("a request does not merge"))?;
    }
    Ok(message)
}

/// Puts a text value at a field path, in the JSON form of the field's type.
fn put(
    object: &mut Map<String, Value>,
    message: &MessageDescriptor,
    path: &str,
    text: &str,
    place: &str,
) -> Result<(), Status> {
    let unknown = || Status::from(Fault::invalid(place, "must name fields of the request only"));
    let (head, rest) = path.split_once('.').map_or((path, None), |(head, rest)| (head, Some(rest)));
    let field = message.get_field_by_name(head).or_else(|| message.get_field_by_json_name(head)).ok_or_else(unknown)?;
    if let Some(rest) = rest {
        let inner = field.kind().as_message().cloned().ok_or_else(unknown)?;
        let slot = object.entry(field.name().to_owned()).or_insert_with(|| Value::Object(Map::new()));
        return put(slot.as_object_mut().ok_or_else(unknown)?, &inner, rest, text, place);
    }
    let value = scalar(&field, text);
    if field.is_list() {
        let slot = object.entry(field.name().to_owned()).or_insert_with(|| Value::Array(Vec::new()));
        slot.as_array_mut().ok_or_else(unknown)?.push(value);
    } else if object.insert(field.name().to_owned(), value).is_some() {
        return Err(Fault::invalid(place, "must give a single field once").into());
    }
    Ok(())
}

fn scalar(field: &FieldDescriptor, text: &str) -> Value {
    match field.kind() {
        Kind::Bool => match text {
            "true" | "1" => Value::Bool(true),
            "false" | "0" => Value::Bool(false),
            _ => Value::String(text.to_owned()),
        },
        Kind::Enum(_) => text.parse::<i32>().map_or_else(|_| Value::String(text.to_owned()), Value::from),
        _ => Value::String(text.to_owned()),
    }
}

/// Reads proto3 JSON; the error names the place and never the value.
pub fn from_json(descriptor: &MessageDescriptor, body: &[u8]) -> Result<DynamicMessage, Status> {
    let mut reader = serde_json::Deserializer::from_slice(body);
    let read = DynamicMessage::deserialize_with_options(descriptor.clone(), &mut reader, &DeserializeOptions::new())
        .and_then(|message| reader.end().map(|()| message));
    read.map_err(|error| {
        let text = error.to_string();
        let what = if text.starts_with("unrecognized field name") {
            text.split(" at line").next().unwrap_or_default().to_owned()
        } else {
            "not the JSON form of the request".to_owned()
        };
        Fault::invalid("body", format!("{what} at line {}, column {}", error.line(), error.column())).into()
    })
}

/// Writes proto3 JSON.
pub fn to_json(descriptor: &MessageDescriptor, bytes: &[u8]) -> Result<String, Status> {
    let message =
        DynamicMessage::decode(descriptor.clone(), bytes).map_err(|_| Status::internal("an answer is not readable"))?;
    let mut text = Vec::with_capacity(bytes.len() * 2);
    let mut writer = serde_json::Serializer::new(&mut text);
    message
        .serialize_with_options(&mut writer, &SerializeOptions::new())
        .map_err(|_| Status::internal("an answer has no JSON form"))?;
    String::from_utf8(text).map_err(|_| Status::internal("an answer is not UTF-8"))
}

fn json_response(text: String) -> Response<AxumBody> {
    let mut response = Response::new(AxumBody::from(text));
    response.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
    response
}

/// One message in gRPC's frame.
pub fn frame(message: &[u8]) -> Bytes {
    let mut framed = BytesMut::with_capacity(5 + message.len());
    framed.put_u8(0);
    framed.put_u32(u32::try_from(message.len()).unwrap_or(u32::MAX));
    framed.extend_from_slice(message);
    framed.freeze()
}

fn grpc_request(rpc: &str, headers: &HeaderMap, message: &[u8]) -> Result<Request<Body>, Status> {
    let body = Body::new(Full::new(frame(message)));
    let mut request = Request::new(body);
    *request.method_mut() = Method::POST;
    *request.version_mut() = http::Version::HTTP_2;
    *request.uri_mut() = rpc.parse().map_err(|_| Status::internal("a route names no RPC"))?;
    let to = request.headers_mut();
    for name in [header::AUTHORIZATION.as_str(), kit::gate::CLIENT_ADDRESS, "traceparent", "grpc-timeout"] {
        if let (Some(value), Ok(name)) = (headers.get(name), http::HeaderName::try_from(name)) {
            to.insert(name, value.clone());
        }
    }
    to.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/grpc"));
    to.insert(header::TE, HeaderValue::from_static("trailers"));
    Ok(request)
}

async fn send(calls: Local, request: Request<Body>) -> Response<Body> {
    let answer: Result<Response<Body>, Infallible> = calls.oneshot(request).await;
    match answer {
        Ok(response) => response,
    }
}

/// A unary call with an encoded message; the encoded answer.
pub async fn run_unary(calls: Local, rpc: &str, headers: &HeaderMap, message: Vec<u8>) -> Result<Bytes, Status> {
    let response = send(calls, grpc_request(rpc, headers, &message)?).await;
    refuse_error(response.headers())?;
    let collected = response.into_body().collect().await.map_err(|_| Status::unavailable("the answer broke off"))?;
    if let Some(trailers) = collected.trailers() {
        refuse_error(trailers)?;
    }
    let mut bytes = collected.to_bytes();
    take_frame(&mut bytes).ok_or_else(|| Status::internal("the answer holds no message"))
}

fn refuse_error(headers: &HeaderMap) -> Result<(), Status> {
    match Status::from_header_map(headers) {
        Some(status) if status.code() != tonic::Code::Ok => Err(status),
        _ => Ok(()),
    }
}

fn take_frame(bytes: &mut Bytes) -> Option<Bytes> {
    if bytes.len() < 5 || bytes[0] != 0 {
        return None;
    }
    let length = usize::try_from(u32::from_be_bytes([bytes[1], bytes[2], bytes[3], bytes[4]])).ok()?;
    if bytes.len() < 5 + length {
        return None;
    }
    bytes.advance(5);
    Some(bytes.split_to(length))
}

/// A server stream as lines of JSON, each `{"result": ...}` or `{"error": ...}`.
async fn stream(
    calls: Local,
    route: &Route,
    headers: &HeaderMap,
    message: &DynamicMessage,
) -> Result<Response<AxumBody>, Status> {
    let response = send(calls, grpc_request(&route.rpc, headers, &message.encode_to_vec())?).await;
    refuse_error(response.headers())?;
    let output = route.descriptor.output();
    let mut waiting = BytesMut::new();
    let lines = BodyStream::new(response.into_body()).map(move |part| {
        let mut text = String::new();
        match part {
            Ok(part) => {
                if let Some(data) = part.data_ref() {
                    waiting.extend_from_slice(data);
                    let mut bytes = waiting.split().freeze();
                    while let Some(message) = take_frame(&mut bytes) {
                        match to_json(&output, &message) {
                            Ok(json) => text.push_str(&format!("{{\"result\":{json}}}\n")),
                            Err(status) => text.push_str(&error_line(&status)),
                        }
                    }
                    waiting.extend_from_slice(&bytes);
                } else if let Some(Err(status)) = part.trailers_ref().map(refuse_error) {
                    text.push_str(&error_line(&status));
                }
            }
            Err(_) => text.push_str(&error_line(&Status::unavailable("the stream broke off"))),
        }
        Ok::<_, Infallible>(Bytes::from(text))
    });
    let mut response = Response::new(AxumBody::from_stream(lines));
    response.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static("application/x-ndjson"));
    Ok(response)
}

fn error_line(status: &Status) -> String {
    let error = serde_json::json!({ "error": { "code": status.code() as i32, "message": status.message() } });
    format!("{error}\n")
}
