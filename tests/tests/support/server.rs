//! An HTTP server of a test, which answers as the test says and remembers what it was asked.

use std::collections::HashMap;
use std::sync::{Arc, Mutex};

use bytes::Bytes;
use http::{Request, Response, StatusCode};
use http_body_util::{BodyExt, Full};
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper_util::rt::{TokioExecutor, TokioIo};
use hyper_util::server::conn::auto;
use serde_json::Value;
use tokio::net::TcpListener;

/// What it was asked.
#[derive(Clone, Debug)]
pub struct Asked {
    pub path: String,
    headers: HashMap<String, String>,
    pub body: Bytes,
}

impl Asked {
    /// A header; empty where there was none.
    pub fn header(&self, name: &str) -> &str {
        self.headers.get(name).map_or("", String::as_str)
    }

    /// The body; null where it is no JSON.
    pub fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap_or_default()
    }
}

/// What it answers.
pub struct Reply {
    pub status: u16,
    pub headers: Vec<(&'static str, String)>,
    pub body: String,
}

impl Reply {
    pub fn json(status: u16, body: &Value) -> Reply {
        Reply { status, headers: Vec::new(), body: body.to_string() }
    }
}

/// Says what is answered to something, after all that was asked before.
type Answer = dyn Fn(&Asked, &[Asked]) -> Reply + Send + Sync;

/// The server; it ends with the test's runtime.
pub struct Server {
    pub address: String,
    heard: Arc<Mutex<Vec<Asked>>>,
}

impl Server {
    pub async fn start(answer: impl Fn(&Asked, &[Asked]) -> Reply + Send + Sync + 'static) -> Server {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let address = format!("http://{}", listener.local_addr().expect("an address"));
        let heard: Arc<Mutex<Vec<Asked>>> = Arc::default();
        let (told, answer): (_, Arc<Answer>) = (Arc::clone(&heard), Arc::new(answer));
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                let (told, answer) = (Arc::clone(&told), Arc::clone(&answer));
                tokio::spawn(async move {
                    let one = service_fn(move |request| one(Arc::clone(&told), Arc::clone(&answer), request));
                    let _ = auto::Builder::new(TokioExecutor::new()).serve_connection(TokioIo::new(stream), one).await;
                });
            }
        });
        Server { address, heard }
    }

    /// Everything that it was asked.
    pub fn heard(&self) -> Vec<Asked> {
        self.heard.lock().expect("the lock").clone()
    }
}

async fn one(
    heard: Arc<Mutex<Vec<Asked>>>,
    answer: Arc<Answer>,
    request: Request<Incoming>,
) -> Result<Response<Full<Bytes>>, hyper::Error> {
    let (parts, body) = request.into_parts();
    let text = |value: &http::HeaderValue| value.to_str().unwrap_or_default().to_owned();
    let headers = parts.headers.iter().map(|(name, value)| (name.as_str().to_owned(), text(value))).collect();
    let asked = Asked { path: parts.uri.path().to_owned(), headers, body: body.collect().await?.to_bytes() };
    let reply = {
        let mut heard = heard.lock().expect("the lock");
        let reply = answer(&asked, &heard);
        heard.push(asked);
        reply
    };
    let mut response = Response::new(Full::new(Bytes::from(reply.body)));
    *response.status_mut() = StatusCode::from_u16(reply.status).expect("a status");
    for (name, value) in reply.headers {
        response.headers_mut().insert(name, value.parse().expect("a value"));
    }
    Ok(response)
}
