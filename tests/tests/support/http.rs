//! HTTP without a generated client: JSON, Connect and gRPC-Web by hand.

use prost::Message;
use reqwest::{Method, RequestBuilder, StatusCode};
use serde_json::Value;

/// An answer with a body of JSON.
#[derive(Debug)]
pub struct Json {
    pub status: StatusCode,
    pub headers: reqwest::header::HeaderMap,
    pub body: Value,
}

/// Somebody with an address and perhaps a token.
pub struct Browser {
    pub url: String,
    pub token: String,
    http: reqwest::Client,
}

/// What a gRPC-Web call ends in: the messages and the trailers.
#[derive(Debug)]
pub struct Web {
    pub messages: Vec<Vec<u8>>,
    pub trailers: Vec<(String, String)>,
}

impl Web {
    /// The value of a trailer.
    pub fn trailer(&self, name: &str) -> &str {
        self.trailers.iter().find(|(key, _)| key == name).map_or("", |(_, value)| value)
    }
}

impl Browser {
    pub fn new(url: &str, token: &str) -> Browser {
        let http = reqwest::Client::builder().no_proxy().redirect(reqwest::redirect::Policy::none()).build();
        Browser { url: url.to_owned(), token: token.to_owned(), http: http.expect("an HTTP client") }
    }

    /// A request with the token.
    pub fn request(&self, method: Method, path: &str) -> RequestBuilder {
        let request = self.http.request(method, format!("{}{path}", self.url));
        if self.token.is_empty() { request } else { request.bearer_auth(&self.token) }
    }

    pub async fn get(&self, path: &str) -> Json {
        self.send(self.request(Method::GET, path)).await
    }

    pub async fn post(&self, path: &str, body: &Value) -> Json {
        self.send(self.request(Method::POST, path).json(body)).await
    }

    /// Sends, and reads JSON.
    pub async fn send(&self, request: RequestBuilder) -> Json {
        let response = request.send().await.expect("the gateway answers");
        let (status, headers) = (response.status(), response.headers().clone());
        let text = response.text().await.expect("a whole answer");
        let body = serde_json::from_str(&text).unwrap_or_else(|_| panic!("{status}, and no JSON: {text}"));
        Json { status, headers, body }
    }

    /// A unary call of the Connect protocol with JSON.
    pub async fn connect(&self, rpc: &str, body: &Value) -> Json {
        self.send(self.request(Method::POST, rpc).header("connect-protocol-version", "1").json(body)).await
    }

    /// A unary call of the Connect protocol with protobuf.
    pub async fn connect_proto(&self, rpc: &str, message: &impl Message) -> Vec<u8> {
        let request = self.request(Method::POST, rpc).header("content-type", "application/proto");
        let response = request.body(message.encode_to_vec()).send().await.expect("the gateway answers");
        assert_eq!(response.status(), StatusCode::OK, "{rpc}");
        assert_eq!(response.headers()["content-type"], "application/proto");
        response.bytes().await.expect("a whole answer").to_vec()
    }

    /// A call of gRPC-Web, binary or as text.
    pub async fn web(&self, rpc: &str, message: &impl Message, text: bool) -> Web {
        use base64::Engine;
        use base64::engine::general_purpose::STANDARD;
        let kind = if text { "application/grpc-web-text+proto" } else { "application/grpc-web+proto" };
        let mut body = framed(&message.encode_to_vec());
        if text {
            body = STANDARD.encode(body).into_bytes();
        }
        let request = self.request(Method::POST, rpc).header("content-type", kind).header("accept", kind);
        let response = request.header("x-grpc-web", "1").body(body).send().await.expect("the gateway answers");
        assert_eq!(response.status(), StatusCode::OK, "{rpc}");
        let mut trailers: Vec<(String, String)> = Vec::new();
        for name in ["grpc-status", "grpc-message", "grpc-status-details-bin"] {
            if let Some(value) = response.headers().get(name) {
                trailers.push((name.to_owned(), value.to_str().expect("a printable header").to_owned()));
            }
        }
        let mut bytes = response.bytes().await.expect("a whole answer").to_vec();
        if text {
            // each chunk is encoded by itself
            let ascii = String::from_utf8(bytes).expect("base64 is ASCII");
            bytes = ascii.as_bytes().chunks(4).flat_map(|quad| STANDARD.decode(quad).expect("base64")).collect();
        }
        let mut web = Web { messages: Vec::new(), trailers };
        web.read(&bytes);
        web
    }
}

impl Web {
    fn read(&mut self, mut bytes: &[u8]) {
        while !bytes.is_empty() {
            let length = u32::from_be_bytes(bytes[1..5].try_into().expect("four bytes")) as usize;
            let frame = &bytes[5..5 + length];
            if bytes[0] & 0x80 == 0 {
                self.messages.push(frame.to_vec());
            } else {
                let text = String::from_utf8(frame.to_vec()).expect("trailers are text");
                let pairs = text.lines().filter_map(|line| line.split_once(':'));
                self.trailers.extend(pairs.map(|(k, v)| (k.trim().to_lowercase(), v.trim().to_owned())));
            }
            bytes = &bytes[5 + length..];
        }
    }
}

/// A message in gRPC's frame.
pub fn framed(message: &[u8]) -> Vec<u8> {
    let mut out = vec![0];
    out.extend(u32::try_from(message.len()).expect("a small message").to_be_bytes());
    out.extend(message);
    out
}

/// The detail of an error body by the end of its type.
pub fn detail<'a>(error: &'a Value, kind: &str) -> &'a Value {
    let list = error["details"].as_array().unwrap_or_else(|| panic!("no details in {error}"));
    let found = list.iter().find(|one| one["@type"].as_str().is_some_and(|name| name.ends_with(kind)));
    found.unwrap_or_else(|| panic!("no {kind} in {error}"))
}

/// The fields that an error body complains of.
pub fn fields(error: &Value) -> Vec<String> {
    let violations = detail(error, "google.rpc.BadRequest")["fieldViolations"].as_array().expect("a list").clone();
    violations.iter().map(|one| one["field"].as_str().expect("a field").to_owned()).collect()
}
