//! The port where mail is handed in, by a mail server that delivers or forwards to the platform. A mail for
//! `chan_…@` whatever is for that channel account; every account with a connection has such an address, and
//! nobody can guess that of another. What was handed in goes the way of every received mail, and is
//! acknowledged after it was kept or set aside.

use std::collections::HashMap;
use std::net::{IpAddr, SocketAddr, TcpListener as Bound};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use kit::Fault;
use prost::bytes::Bytes;
use proto::tickets::v1::ReceiveEmailRequest;
use proto::tickets::v1::tickets_service_client::TicketsServiceClient;
use tenantdb::Due;
use tokio::io::{AsyncReadExt, AsyncWriteExt, BufWriter};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Semaphore;
use tokio::task::JoinSet;
use tokio::time::{Instant, timeout, timeout_at};
use tokio_util::sync::CancellationToken;
use tonic::Code;

use super::Settings;
use crate::domain::ids::ChannelAccountId;
use crate::domain::listener::{Act, COMMAND_LIMIT, Content, Envelope, MAIL_LIMIT, Protocol, Session};
use crate::work::Desk;

/// Conversations at once, and those with one address.
const AT_ONCE: usize = 100;
const WITH_ONE: usize = 20;
/// Mails held in memory at once.
const IN_HAND: usize = 6;
/// A mail up to so many bytes is read without waiting for others; all conversations together hold little of these.
const SMALL: usize = 256 * 1024;
/// Slowest pace of a mail in bytes a second, once the first minute is over.
const PACE: usize = 32 * 1024;
/// Longest silence.
const SILENCE: Duration = Duration::from_secs(60);
/// Longest conversation.
const CONVERSATION: Duration = Duration::from_secs(900);
/// What is read of a mail that is refused, before nobody listens any more.
const PATIENCE: usize = MAIL_LIMIT * 2;

/// A port that is ours already.
pub struct Port {
    protocol: Protocol,
    bound: Bound,
}

/// Takes the ports that are set; one that cannot be had is told before anything starts.
pub fn bind(settings: &Settings) -> Result<Vec<Port>, Fault> {
    let wanted = [(Protocol::Smtp, settings.smtp_listen), (Protocol::Lmtp, settings.lmtp_listen)];
    let wanted = wanted.into_iter().filter_map(|(protocol, address)| Some((protocol, address?)));
    wanted
        .map(|(protocol, address)| {
            let bound = Bound::bind(address)
                .map_err(|error| Fault::internal(format!("the mail port {address} cannot be used: {error}")))?;
            bound.set_nonblocking(true).map_err(|error| Fault::Internal(Box::new(error)))?;
            Ok(Port { protocol, bound })
        })
        .collect()
}

/// What conversations share.
struct Shared {
    desk: Arc<Desk>,
    hands: Semaphore,
    talking: Mutex<HashMap<IpAddr, usize>>,
    stop: CancellationToken,
}

/// Listens until told to stop, then lets what is said come to its end.
pub async fn serve(desk: Arc<Desk>, ports: Vec<Port>, stop: CancellationToken) {
    let shared = Shared { desk, hands: Semaphore::new(IN_HAND), talking: Mutex::default(), stop };
    let shared = Arc::new(shared);
    let mut listening = JoinSet::new();
    for Port { protocol, bound } in ports {
        match TcpListener::from_std(bound) {
            Ok(listener) => {
                let shared = Arc::clone(&shared);
                listening.spawn(async move { listen(&shared, protocol, &listener).await });
            }
            Err(error) => tracing::error!(error = %error, "the mail port cannot be listened on"),
        }
    }
    while listening.join_next().await.is_some() {}
}

async fn listen(shared: &Arc<Shared>, protocol: Protocol, listener: &TcpListener) {
    let places = Arc::new(Semaphore::new(AT_ONCE));
    let mut talks = JoinSet::new();
    loop {
        let accepted = tokio::select! {
            () = shared.stop.cancelled() => break,
            accepted = listener.accept() => accepted,
        };
        while talks.try_join_next().is_some() {}
        let (stream, peer) = match accepted {
            Ok(accepted) => accepted,
            Err(error) => {
                tracing::warn!(error = %error, "a connection to the mail port was not taken");
                tokio::time::sleep(Duration::from_millis(100)).await;
                continue;
            }
        };
        let (shared, place) = (Arc::clone(shared), Arc::clone(&places).try_acquire_owned());
        talks.spawn(async move {
            let counted = Counted::begin(&shared, peer);
            let mut talk = Talk::new(stream, &shared, protocol);
            let told = match (place, counted) {
                (Ok(place), Some(counted)) => {
                    let told = timeout(CONVERSATION, talk.hold()).await;
                    drop((place, counted));
                    told
                }
                _ => timeout(SILENCE, talk.say("421 4.7.0 too many at once")).await,
            };
            if let Ok(Err(error)) = told {
                tracing::debug!(error = %error, "a conversation at the mail port broke off");
            }
        });
    }
    while talks.join_next().await.is_some() {}
}

/// Whether a mail comes so slowly that its place is for others.
fn is_too_slow(elapsed: Duration, taken: usize) -> bool {
    let allowed = SILENCE + Duration::from_secs(u64::try_from(taken / PACE).unwrap_or(u64::MAX));
    allowed < elapsed
}

/// A conversation with an address.
struct Counted<'a> {
    shared: &'a Shared,
    address: IpAddr,
}

impl<'a> Counted<'a> {
    fn begin(shared: &'a Shared, peer: SocketAddr) -> Option<Counted<'a>> {
        let mut talking = shared.talking.lock().ok()?;
        let count = talking.entry(peer.ip()).or_default();
        if WITH_ONE <= *count {
            return None;
        }
        *count += 1;
        Some(Counted { shared, address: peer.ip() })
    }
}

impl Drop for Counted<'_> {
    fn drop(&mut self) {
        if let Ok(mut talking) = self.shared.talking.lock()
            && let Some(count) = talking.get_mut(&self.address)
        {
            *count -= 1;
            if *count == 0 {
                talking.remove(&self.address);
            }
        }
    }
}

struct Talk<'a> {
    stream: BufWriter<TcpStream>,
    shared: &'a Shared,
    session: Session<Due>,
    protocol: Protocol,
    /// What was read and not looked at.
    read: Vec<u8>,
}

impl<'a> Talk<'a> {
    fn new(stream: TcpStream, shared: &'a Shared, protocol: Protocol) -> Talk<'a> {
        let session = Session::new(protocol, &shared.desk.mail.settings.hello);
        Talk { stream: BufWriter::new(stream), shared, session, protocol, read: Vec::new() }
    }

    async fn hold(&mut self) -> std::io::Result<()> {
        let greeting = self.session.greeting();
        self.say(&greeting).await?;
        while let Some(line) = self.line().await? {
            match self.session.command(&line) {
                Act::Say(answer) => self.say(&answer).await?,
                Act::Find(address) => {
                    let answer = match self.find(&address).await {
                        Ok(Some(account)) => self.session.found(account),
                        Ok(None) => self.session.not_found(),
                        Err(fault) => {
                            tracing::warn!(error = kit::fault::chain(&fault), "a recipient was not looked up");
                            "451 4.3.0 come again later".to_owned()
                        }
                    };
                    self.say(&answer).await?;
                }
                Act::Take => self.take().await?,
                Act::Leave(answer) => {
                    self.say(&answer).await?;
                    return self.stream.flush().await;
                }
            }
            if self.session.is_hopeless() {
                self.say("421 4.7.0 too many mistakes").await?;
                return self.stream.flush().await;
            }
        }
        Ok(())
    }

    /// Says something; it leaves with what is said next, or before anything is waited for.
    async fn say(&mut self, answer: &str) -> std::io::Result<()> {
        self.stream.write_all(answer.as_bytes()).await?;
        self.stream.write_all(b"\r\n").await?;
        if self.read.is_empty() { self.stream.flush().await } else { Ok(()) }
    }

    /// The next command; None at the end.
    async fn line(&mut self) -> std::io::Result<Option<Vec<u8>>> {
        loop {
            let end = self.read.windows(2).position(|two| two == b"\r\n");
            if let Some(end) = end.filter(|end| *end <= COMMAND_LIMIT) {
                let line = self.read[..end].to_vec();
                self.read.drain(..end + 2);
                return Ok(Some(line));
            }
            if COMMAND_LIMIT < self.read.len() {
                self.read.clear();
                self.say("500 5.5.2 too long").await?;
                return Ok(None);
            }
            self.stream.flush().await?;
            let stop = self.shared.stop.clone();
            let more = tokio::select! {
                () = stop.cancelled() => {
                    self.read.clear();
                    self.say("421 4.3.2 closing").await?;
                    return Ok(None);
                }
                more = timeout(SILENCE, self.more()) => more,
            };
            match more {
                Ok(Ok(true)) => {}
                Ok(Ok(false)) => return Ok(None),
                Ok(Err(error)) => return Err(error),
                Err(_) => {
                    self.read.clear();
                    self.say("421 4.4.2 too silent").await?;
                    return Ok(None);
                }
            }
        }
    }

    /// Reads on; false at the end.
    async fn more(&mut self) -> std::io::Result<bool> {
        let mut piece = [0u8; 16 * 1024];
        let length = self.stream.get_mut().read(&mut piece).await?;
        self.read.extend_from_slice(&piece[..length]);
        Ok(0 < length)
    }

    /// The account of an address.
    async fn find(&self, address: &str) -> Result<Option<Due>, Fault> {
        let local = address.rsplit_once('@').map_or(address, |(local, _)| local).to_ascii_lowercase();
        let local = local.split('+').next().unwrap_or_default();
        let Some(account) = kit::ids::decode("chan", local) else { return Ok(None) };
        let query = "select provider_id, seller_id, channel_account_id from tickets.mail_connection
                      where channel_account_id = $1";
        Ok(self.shared.desk.deps.db.owner(query, account).await?)
    }

    /// Takes a mail.
    async fn take(&mut self) -> std::io::Result<()> {
        let shared = self.shared;
        self.say("354 go on, and end with a dot").await?;
        self.stream.flush().await?;
        let mut content = Content::new(MAIL_LIMIT);
        let (begun, mut taken, mut hand) = (Instant::now(), 0, None);
        loop {
            let piece = std::mem::take(&mut self.read);
            if let Some(end) = content.push(&piece) {
                self.read = piece[end..].to_vec();
                break;
            }
            taken += piece.len();
            if PATIENCE < taken {
                return Err(std::io::Error::other("a mail without end"));
            }
            if is_too_slow(begun.elapsed(), taken) {
                return Err(std::io::ErrorKind::TimedOut.into());
            }
            // Only what is large takes the place of others in memory; whoever sends little by little keeps nobody out.
            if SMALL < taken && hand.is_none() {
                let Ok(Ok(taken)) = timeout(SILENCE / 2, shared.hands.acquire()).await else {
                    return Err(std::io::Error::other("too much at once"));
                };
                hand = Some(taken);
            }
            let until = Instant::now() + SILENCE;
            match timeout_at(until, self.more()).await {
                Ok(Ok(true)) => {}
                Ok(Err(error)) => return Err(error),
                // What has no end was not handed in.
                Ok(Ok(false)) | Err(_) => return Err(std::io::ErrorKind::UnexpectedEof.into()),
            }
        }
        let envelope = self.session.ended();
        if hand.is_none() {
            hand = timeout(SILENCE / 2, shared.hands.acquire()).await.ok().and_then(Result::ok);
        }
        let same = |answer| vec![answer; envelope.recipients.len()];
        let answers = match content.finish() {
            _ if hand.is_none() => same("451 4.3.2 too much at once, come again later"),
            Err(bad) => same(bad.answer()),
            Ok(mail) => self.keep(&envelope, mail).await,
        };
        drop(hand);
        match self.protocol {
            Protocol::Lmtp => {
                for answer in answers {
                    self.say(answer).await?;
                }
                Ok(())
            }
            // One answer for all: what was kept already is known when it comes again.
            Protocol::Smtp => {
                let worst = answers.into_iter().max_by_key(|answer| match answer.as_bytes().first() {
                    Some(b'4') => 2,
                    Some(b'5') => 1,
                    _ => 0,
                });
                self.say(worst.unwrap_or("451 4.3.0 come again later")).await
            }
        }
    }

    /// Hands a mail to intake, once for each account; an answer for each.
    async fn keep(&self, envelope: &Envelope<Due>, mail: Vec<u8>) -> Vec<&'static str> {
        // Who handed it in says who sent it; what the mail itself says of that is not believed.
        let mut raw = format!("Return-Path: <{}>\r\n", envelope.sender).into_bytes();
        raw.extend_from_slice(&mail);
        let raw = Bytes::from(raw);
        let mut answers = Vec::with_capacity(envelope.recipients.len());
        for account in &envelope.recipients {
            let answer = match self.receive(*account, raw.clone()).await {
                Ok(()) => "250 2.0.0 kept",
                Err(Fault::Passed(status)) => match status.code() {
                    Code::FailedPrecondition => "550 5.2.1 nothing is received here any more",
                    Code::InvalidArgument | Code::NotFound => "554 5.6.0 not to be taken",
                    _ => "451 4.3.0 come again later",
                },
                Err(_) => "451 4.3.0 come again later",
            };
            answers.push(answer);
        }
        answers
    }

    async fn receive(&self, account: Due, raw: Bytes) -> Result<(), Fault> {
        let scope = account.scope();
        let seller = scope.seller().ok_or(Fault::NotFound("seller"))?;
        let tickets = self.shared.desk.deps.calls.for_scope("tickets", &scope)?;
        let request = ReceiveEmailRequest {
            seller_id: seller.to_string(),
            channel_account_id: ChannelAccountId(account.id).to_string(),
            raw,
            ..ReceiveEmailRequest::default()
        };
        let client = TicketsServiceClient::new(tickets);
        client.max_encoding_message_size(kit::serve::MAX_MESSAGE_BYTES).receive_email(request).await?;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_mail_has_a_minute_and_then_a_pace() {
        assert!(!is_too_slow(SILENCE, 0));
        assert!(is_too_slow(SILENCE + Duration::from_secs(1), 10));
        assert!(!is_too_slow(SILENCE + Duration::from_secs(30), 31 * PACE));
        assert!(SILENCE + Duration::from_secs((MAIL_LIMIT / PACE) as u64) < CONVERSATION, "the largest has time");
    }
}
