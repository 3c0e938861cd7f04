//! The public port: accepts connections, not without end, and closes those that
//! say nothing, also those that said something once.

use std::convert::Infallible;
use std::io;
use std::net::SocketAddr;
use std::pin::{Pin, pin};
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll};
use std::time::Duration;

use axum::Router;
use axum::body::Body;
use axum::extract::ConnectInfo;
use bytes::Bytes;
use http::{Request, Response, Version, header};
use http_body::{Frame, SizeHint};
use hyper::body::Incoming;
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use hyper_util::server::conn::auto;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Semaphore;
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep};
use tokio_util::sync::CancellationToken;
use tower::ServiceExt;

use crate::linger::Lingering;
use crate::tls::Tls;

/// Connections open at once; one more is closed at once.
const MOST_CONNECTIONS: usize = 8_192;
/// How long a connection may take to its first request.
const PATIENCE: Duration = Duration::from_secs(15);
/// How long it may take to say goodbye after that: a request that crosses the
/// goodbye is still answered.
const GOODBYE: Duration = Duration::from_secs(5);
/// How long a request of HTTP/1.1 may take to the end of its headers, and how
/// long a connection may idle before it.
const HEADERS: Duration = Duration::from_secs(30);
/// How long a connection may be open without a request at work; its client opens another
/// when it needs one.
const IDLE: Duration = Duration::from_secs(5 * 60);
/// Streams open at once in one connection.
const MOST_STREAMS: u32 = 256;

/// Serves on a socket until told to stop, then drains; with TLS where it is given.
pub async fn serve(
    listener: TcpListener,
    tls: Option<Tls>,
    app: Router,
    stop: CancellationToken,
    drain: Duration,
) -> io::Result<()> {
    let room = Arc::new(Semaphore::new(MOST_CONNECTIONS));
    let mut open = JoinSet::new();
    let mut renewal = pin!(async {
        match &tls {
            Some(tls) => tls.follow().await,
            None => std::future::pending().await,
        }
    });
    loop {
        tokio::select! {
            () = stop.cancelled() => break,
            () = renewal.as_mut() => {}
            Some(_) = open.join_next() => {}
            accepted = listener.accept() => match (accepted, room.clone().try_acquire_owned()) {
                (Ok((stream, from)), Ok(permit)) => {
                    let _ = stream.set_nodelay(true);
                    let (tls, app, stop) = (tls.clone(), app.clone(), stop.clone());
                    open.spawn(async move {
                        greet(stream, tls, from, app, stop).await;
                        drop(permit);
                    });
                }
                (Ok(_), Err(_)) => {}
                (Err(error), _) => {
                    // out of file descriptors, perhaps: some will come back
                    tracing::warn!(error = %error, "a connection was not accepted");
                    sleep(Duration::from_millis(50)).await;
                }
            },
        }
    }
    drop(listener);
    let drained = async { while open.join_next().await.is_some() {} };
    let _ = tokio::time::timeout(drain, drained).await;
    Ok(())
}

/// A connection from its first byte.
async fn greet(stream: TcpStream, tls: Option<Tls>, from: SocketAddr, app: Router, stop: CancellationToken) {
    let Some(tls) = tls else { return answer(stream, from, app, stop).await };
    let secured = tokio::select! {
        () = stop.cancelled() => return,
        secured = tls.accept(stream) => secured,
    };
    if let Some(stream) = secured {
        answer(stream, from, app, stop).await;
    }
}

/// One connection, HTTP/1.1 or HTTP/2.
async fn answer<S>(stream: S, from: SocketAddr, app: Router, stop: CancellationToken)
where
    S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    let activity = Activity::default();
    let seen = activity.clone();
    let service = hyper::service::service_fn(move |mut request: Request<Incoming>| {
        let at_work = seen.begin();
        request.extensions_mut().insert(ConnectInfo(from));
        // who waits to be asked for the body sends none after a refusal; in HTTP/2 a stream ends alone
        let lingers = request.version() < Version::HTTP_2 && !request.headers().contains_key(header::EXPECT);
        let wrapped = |body| if lingers { Body::new(Lingering::new(body)) } else { Body::new(body) };
        let answer = app.clone().oneshot(request.map(wrapped));
        async move {
            let answer: Result<Response<Body>, Infallible> = answer.await;
            // at work until the last byte of the answer is on its way
            answer.map(|answer| answer.map(|body| Body::new(Answer { body, _at_work: at_work })))
        }
    });
    let mut builder = auto::Builder::new(TokioExecutor::new());
    builder.http1().timer(TokioTimer::new()).header_read_timeout(HEADERS);
    builder
        .http2()
        .timer(TokioTimer::new())
        .max_concurrent_streams(MOST_STREAMS)
        .keep_alive_interval(Duration::from_secs(30))
        .keep_alive_timeout(Duration::from_secs(20));
    let mut connection = pin!(builder.serve_connection(TokioIo::new(stream), service));
    let mut look = pin!(sleep(PATIENCE));
    let (mut stopping, mut asked_to_go) = (false, false);
    loop {
        tokio::select! {
            _ = connection.as_mut() => return,
            () = stop.cancelled(), if !stopping => {
                stopping = true;
                connection.as_mut().graceful_shutdown();
            }
            () = look.as_mut() => {
                // asked here and not above: a request may have come in while this waited
                match activity.idle_since() {
                    Idle::Not => look.as_mut().reset(Instant::now() + IDLE),
                    Idle::Since(at) if Instant::now() < at + IDLE => look.as_mut().reset(at + IDLE),
                    _ if asked_to_go => return,
                    Idle::Since(_) | Idle::Always => {
                        asked_to_go = true;
                        connection.as_mut().graceful_shutdown();
                        look.as_mut().reset(Instant::now() + GOODBYE);
                    }
                }
            }
        }
    }
}

/// What is asked over a connection.
#[derive(Clone, Default)]
struct Activity(Arc<Mutex<Asked>>);

#[derive(Default)]
struct Asked {
    at_work: usize,
    ended: Option<Instant>,
}

/// Whether nothing is asked.
enum Idle {
    /// Something is at work.
    Not,
    Since(Instant),
    /// Nothing ever was.
    Always,
}

/// A request that is at work, until it is dropped.
struct AtWork(Activity);

/// The body of an answer.
struct Answer {
    body: Body,
    _at_work: AtWork,
}

impl http_body::Body for Answer {
    type Data = Bytes;
    type Error = axum::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, axum::Error>>> {
        Pin::new(&mut self.body).poll_frame(context)
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}

impl Activity {
    fn begin(&self) -> AtWork {
        if let Ok(mut asked) = self.0.lock() {
            asked.at_work += 1;
        }
        AtWork(self.clone())
    }

    fn idle_since(&self) -> Idle {
        match self.0.lock() {
            Ok(asked) if 0 < asked.at_work => Idle::Not,
            Ok(asked) => asked.ended.map_or(Idle::Always, Idle::Since),
            Err(_) => Idle::Not,
        }
    }
}

impl Drop for AtWork {
    fn drop(&mut self) {
        if let Ok(mut asked) = self.0.0.lock() {
            asked.at_work = asked.at_work.saturating_sub(1);
            asked.ended = Some(Instant::now());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use axum::routing::get;
    use http_body_util::BodyExt;
    use tokio::io::{AsyncReadExt, AsyncWriteExt, DuplexStream};

    /// The client's end of a connection.
    fn connected() -> DuplexStream {
        let (client, server) = tokio::io::duplex(64 * 1024);
        let app = Router::new().route("/", get(|| async { "here" }).post(|| async { "no, here" }));
        tokio::spawn(answer(server, ([192, 0, 2, 7], 4711).into(), app, CancellationToken::new()));
        client
    }

    async fn ask(client: &mut DuplexStream) -> String {
        client.write_all(b"GET / HTTP/1.1\r\nhost: desk.example\r\n\r\n").await.expect("the connection is open");
        let mut heard = Vec::new();
        while !heard.ends_with(b"here") {
            let read = client.read_buf(&mut heard).await.expect("an answer");
            assert!(read > 0, "closed after {:?}", String::from_utf8_lossy(&heard));
        }
        String::from_utf8(heard).expect("text")
    }

    #[tokio::test(start_paused = true)]
    async fn a_connection_that_asked_something_lasts() {
        let mut client = connected();
        for _ in 0..4 {
            let answer = ask(&mut client).await.to_lowercase();
            assert!(!answer.contains("connection: close"), "{answer}");
            sleep(PATIENCE - Duration::from_secs(1)).await;
        }
    }

    #[tokio::test(start_paused = true)]
    async fn a_connection_that_asks_nothing_any_more_is_closed() {
        let (client, server) = tokio::io::duplex(64 * 1024);
        let app = Router::new().route("/", get(|| async { "here" }));
        let served = tokio::spawn(answer(server, ([192, 0, 2, 7], 4711).into(), app, CancellationToken::new()));
        let io = TokioIo::new(client);
        let (mut sender, connection) =
            hyper::client::conn::http2::handshake(TokioExecutor::new(), io).await.expect("HTTP/2");
        let driven = tokio::spawn(connection);
        for _ in 0..3 {
            let request = Request::get("http://desk.example/").body(Body::empty()).expect("a request");
            let answered = sender.send_request(request).await.expect("it is open");
            assert_eq!(answered.into_body().collect().await.expect("a body").to_bytes(), "here");
            sleep(IDLE - Duration::from_secs(10)).await;
        }
        let since = Instant::now();
        served.await.expect("it ends");
        assert!(since.elapsed() <= Duration::from_secs(10) + GOODBYE + Duration::from_secs(1), "{:?}", since.elapsed());
        drop(driven.await);
    }

    #[tokio::test]
    async fn who_is_refused_before_all_was_sent_can_send_the_rest_and_is_answered() {
        let mut client = connected();
        const LENGTH: usize = 1024 * 1024;
        let head = format!("POST / HTTP/1.1\r\nhost: desk.example\r\ncontent-length: {LENGTH}\r\n\r\n");
        client.write_all(head.as_bytes()).await.expect("the connection is open");
        // sixteen times what the way there holds: nothing of it passes if nobody reads it
        client.write_all(&vec![b'7'; LENGTH]).await.expect("it is read to the end");
        let first = ask(&mut client).await;
        assert!(first.contains("no, here"), "{first}");
        assert!(first.matches("200 OK").count() == 2 || ask(&mut client).await.contains("200 OK"));
    }

    #[tokio::test(start_paused = true)]
    async fn a_connection_that_says_nothing_is_closed() {
        let mut client = connected();
        let since = Instant::now();
        let mut heard = Vec::new();
        client.read_to_end(&mut heard).await.expect("an end");
        assert!(since.elapsed() <= PATIENCE + GOODBYE + Duration::from_secs(1), "{:?}", since.elapsed());
    }
}
