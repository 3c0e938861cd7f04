//! Connections that say nothing, or say it very slowly, do not stay.

use std::time::{Duration, Instant};

use proto::tenants::v1::WhoAmIRequest;
use proto::tenants::v1::users_service_client::UsersServiceClient;
use tests::{desk, reason};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

/// Opens a connection, says something, and waits for its end.
async fn outlasts(what: &str, saying: &[u8], dripping: &[u8]) -> Duration {
    let address = desk().await.url.trim_start_matches("http://").to_owned();
    let mut stream = TcpStream::connect(&address).await.expect("the gateway accepts");
    stream.write_all(saying).await.expect("written");
    let begun = Instant::now();
    let ended = async {
        let mut drops = dripping.iter();
        let mut buffer = [0; 4096];
        loop {
            tokio::select! {
                read = stream.read(&mut buffer) => if read.map_or(0, |n| n) == 0 { return },
                () = tokio::time::sleep(Duration::from_millis(500)) => {
                    if let Some(drop) = drops.next() && stream.write_all(&[*drop]).await.is_err() {
                        return;
                    }
                }
            }
        }
    };
    tokio::time::timeout(Duration::from_secs(60), ended).await.unwrap_or_else(|_| panic!("{what} stays for ever"));
    begun.elapsed()
}

#[tokio::test]
async fn who_says_nothing_or_says_it_slowly_is_closed() {
    let slow = b"x-drop: one after the other and never an end of it";
    let preface = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";
    let (silent, half, headers, after, http2) = tokio::join!(
        outlasts("silence", b"", b""),
        outlasts("half a preface", b"PRI * HT", b""),
        outlasts("slow headers", b"GET /healthz HTTP/1.1\r\nhost: x\r\n", slow),
        outlasts("idling after a request", b"GET /healthz HTTP/1.1\r\nhost: x\r\n\r\n", b""),
        outlasts("an HTTP/2 connection without a call", preface, b""),
    );
    for (what, took) in
        [("silence", silent), ("preface", half), ("headers", headers), ("idle", after), ("HTTP/2", http2)]
    {
        assert!(took < Duration::from_secs(45), "{what}: {took:?}");
        assert!(Duration::from_secs(2) < took, "{what} is closed too early: {took:?}");
    }
}

/// A stream of HTTP/2 that is answered before its request was read is an error of
/// the connection; too many of them end it, with the calls of everybody on it.
#[tokio::test]
async fn thousands_of_refused_calls_do_not_end_the_connection_that_others_share() {
    let channel = desk().await.channel().await;
    let mut callers = tokio::task::JoinSet::new();
    for _ in 0..32 {
        let mut users = UsersServiceClient::new(channel.clone());
        callers.spawn(async move {
            for n in 0..150 {
                let refused = users.who_am_i(WhoAmIRequest {}).await.expect_err("no token, no answer");
                assert_eq!(reason(&refused), "TOKEN_MISSING", "call {n}: {refused}");
            }
        });
    }
    while let Some(ended) = callers.join_next().await {
        ended.expect("each is refused, none is cut off");
    }
}
