//! `manydesk import conversations` and `manydesk report conversations`.

use std::collections::{BTreeMap, HashMap};
use std::fs::File;
use std::io::{BufRead, BufReader, Write};
use std::path::Path;

use anyhow::{Context, anyhow};
use aws_lc_rs::digest;
use indicatif::{ProgressBar, ProgressStyle};
use jiff::Timestamp;
use proto::events::v1::ChannelAccount;
use proto::tenants::v1::sellers_service_client::SellersServiceClient;
use proto::tenants::v1::{CreateSellerRequest, ListSellersRequest, PutChannelAccountRequest};
use proto::tickets::v1::tickets_service_client::TicketsServiceClient;
use proto::tickets::v1::{
    Author, Direction, GetConversationReportRequest, ImportMessagesRequest, ImportedMessage, ListImportsRequest,
};
use serde::Deserialize;
use serde_json::{Map, Value, json};

use super::At;
use super::client::{Session, told};
use super::local::Reached;

/// Where conversations go unless an administrator is named.
const ARCHIVE: (&str, &str) = ("archive", "Conversation archive");
/// Messages sent at once.
const BATCH: usize = 400;
/// Longest line that is read.
const MAX_LINE: usize = 64 * 1024 * 1024;

#[derive(Deserialize)]
struct Conversation {
    seller: String,
    channel: String,
    conversation: String,
    messages: Vec<Utterance>,
}

#[derive(Deserialize)]
struct Utterance {
    id: String,
    at: Timestamp,
    direction: Way,
    author: String,
    in_reply_to: Option<String>,
    text: String,
}

#[derive(Deserialize, Clone, Copy, PartialEq, Eq)]
#[serde(rename_all = "snake_case")]
enum Way {
    Inbound,
    Outbound,
}

/// Messages of one seller's account that wait to be sent, with their lines.
#[derive(Default)]
struct Waiting {
    messages: Vec<ImportedMessage>,
    conversations: Vec<(usize, usize)>,
}

#[derive(Default)]
struct Tally {
    conversations: u64,
    stored: u64,
    duplicates: u64,
    rejected: Vec<(usize, String)>,
}

/// Brings a file of conversations in.
pub async fn import(at: &At, file: &Path, rejected: Option<&Path>) -> anyhow::Result<()> {
    let size = std::fs::metadata(file).with_context(|| format!("reading {}", file.display()))?.len();
    let key = fingerprint(file)?;
    let mut reached = Reached::find(at).await?;
    let session = reached.as_admin(at, ARCHIVE.0, ARCHIVE.1).await?;
    let imported = Importer::new(session, key).run(file, size).await;
    reached.leave().await;
    let tally = imported?;
    if let Some(path) = rejected {
        let mut out = File::create(path).with_context(|| format!("writing {}", path.display()))?;
        for (line, reason) in &tally.rejected {
            writeln!(out, "{line}\t{reason}")?;
        }
    }
    println!(
        "{} conversations: {} messages stored, {} were there before, {} lines rejected",
        tally.conversations,
        tally.stored,
        tally.duplicates,
        tally.rejected.len()
    );
    for (line, reason) in tally.rejected.iter().take(20) {
        println!("  line {line}: {reason}");
    }
    if tally.rejected.is_empty() { Ok(()) } else { Err(anyhow!("{} lines were rejected", tally.rejected.len())) }
}

fn fingerprint(file: &Path) -> anyhow::Result<String> {
    let mut context = digest::Context::new(&digest::SHA256);
    let mut reader = BufReader::new(File::open(file).with_context(|| format!("reading {}", file.display()))?);
    loop {
        let chunk = reader.fill_buf()?;
        if chunk.is_empty() {
            break;
        }
        context.update(chunk);
        let n = chunk.len();
        reader.consume(n);
    }
    Ok(context.finish().as_ref().iter().map(|b| format!("{b:02x}")).collect())
}

struct Importer {
    session: Session,
    key: String,
    /// Seller ids by name, handles taken, and account ids by (name, channel).
    sellers: HashMap<String, String>,
    handles: HashMap<String, String>,
    accounts: HashMap<(String, String), String>,
    waiting: HashMap<(String, String), Waiting>,
    held: usize,
    tally: Tally,
}

impl Importer {
    fn new(session: Session, key: String) -> Importer {
        Importer {
            session,
            key,
            sellers: HashMap::new(),
            handles: HashMap::new(),
            accounts: HashMap::new(),
            waiting: HashMap::new(),
            held: 0,
            tally: Tally::default(),
        }
    }

    async fn run(mut self, file: &Path, size: u64) -> anyhow::Result<Tally> {
        self.known_sellers().await?;
        let bar = ProgressBar::new(size);
        bar.set_style(ProgressStyle::with_template("{bar:30} {percent:>3}% {bytes}/{total_bytes} {msg}")?);
        let mut reader = BufReader::new(File::open(file)?);
        let mut bytes = Vec::new();
        let mut number = 0;
        loop {
            bytes.clear();
            let read = std::io::Read::take(&mut reader, MAX_LINE as u64 + 1).read_until(b'\n', &mut bytes)?;
            if read == 0 {
                break;
            }
            number += 1;
            bar.inc(read as u64);
            if bytes.len() > MAX_LINE {
                return Err(anyhow!("line {number} is longer than 64 MiB"));
            }
            if bytes.iter().all(u8::is_ascii_whitespace) {
                continue;
            }
            match read_line(&bytes) {
                Ok(conversation) => self.take(number, conversation).await?,
                Err(reason) => self.tally.rejected.push((number, reason)),
            }
            bar.set_message(format!("{} conversations", self.tally.conversations));
        }
        let keys: Vec<_> = self.waiting.keys().cloned().collect();
        for key in keys {
            self.send(&key).await?;
        }
        bar.finish_and_clear();
        Ok(self.tally)
    }

    async fn known_sellers(&mut self) -> anyhow::Result<()> {
        let mut page_token = String::new();
        loop {
            let request = ListSellersRequest { page_size: 200, page_token, ..ListSellersRequest::default() };
            let mut client = SellersServiceClient::new(self.session.transport().await?);
            let page = client.list_sellers(request).await.map_err(|s| told(&s))?.into_inner();
            for seller in page.sellers {
                self.handles.insert(seller.handle, seller.name.clone());
                self.sellers.insert(seller.name, seller.seller_id);
            }
            if page.next_page_token.is_empty() {
                return Ok(());
            }
            page_token = page.next_page_token;
        }
    }

    async fn take(&mut self, line: usize, conversation: Conversation) -> anyhow::Result<()> {
        let key = (conversation.seller.clone(), conversation.channel.clone());
        if !self.accounts.contains_key(&key)
            && let Err(reason) = self.prepare(&key).await
        {
            self.tally.rejected.push((line, reason.to_string()));
            return Ok(());
        }
        let waiting = self.waiting.entry(key.clone()).or_default();
        waiting.conversations.push((line, conversation.messages.len()));
        self.held += conversation.messages.len();
        waiting.messages.extend(wire(conversation));
        if waiting.messages.len() >= BATCH {
            self.send(&key).await?;
        }
        if self.held > 50 * BATCH {
            let keys: Vec<_> = self.waiting.keys().cloned().collect();
            for key in keys {
                self.send(&key).await?;
            }
        }
        Ok(())
    }

    /// The seller and its channel account, made on first use.
    async fn prepare(&mut self, key: &(String, String)) -> anyhow::Result<()> {
        let (name, channel) = key;
        let mut client = SellersServiceClient::new(self.session.transport().await?);
        let seller_id = match self.sellers.get(name) {
            Some(id) => id.clone(),
            None => {
                let handle = self.free_handle(name);
                let request = CreateSellerRequest {
                    request_id: format!("import-{handle}"),
                    handle: handle.clone(),
                    name: name.clone(),
                    ticket_prefix: String::new(),
                };
                let answer = client.create_seller(request).await.map_err(|s| told(&s))?.into_inner();
                let seller = answer.seller.ok_or_else(|| anyhow!("the answer holds no seller"))?;
                self.handles.insert(handle, name.clone());
                self.sellers.insert(name.clone(), seller.seller_id.clone());
                seller.seller_id
            }
        };
        let account = ChannelAccount {
            channel: channel.clone(),
            address: name.clone(),
            active: true,
            ..ChannelAccount::default()
        };
        let request = PutChannelAccountRequest { seller_id, channel_account: Some(account), request_id: String::new() };
        let answer = client.put_channel_account(request).await.map_err(|s| told(&s))?.into_inner();
        let account = answer.channel_account.ok_or_else(|| anyhow!("the answer holds no account"))?;
        self.accounts.insert(key.clone(), account.channel_account_id);
        Ok(())
    }

    /// A handle made of the name; with a hash where another name has it.
    fn free_handle(&self, name: &str) -> String {
        let mut handle = String::new();
        for c in name.chars() {
            if c.is_ascii_alphanumeric() {
                handle.push(c.to_ascii_lowercase());
            } else if !handle.is_empty() && !handle.ends_with('-') {
                handle.push('-');
            }
        }
        handle.truncate(40);
        let handle = handle.trim_matches('-').to_owned();
        let taken = self.handles.get(&handle).is_some_and(|other| other != name);
        if handle.len() >= 2 && !taken {
            return handle;
        }
        let hash = digest::digest(&digest::SHA256, name.as_bytes());
        let hash: String = hash.as_ref().iter().take(4).map(|b| format!("{b:02x}")).collect();
        let short: String = handle.chars().take(30).collect();
        if short.is_empty() { format!("s-{hash}") } else { format!("{}-{hash}", short.trim_matches('-')) }
    }

    /// Sends what waits for one account: all at once, and if that is refused,
    /// one conversation at a time, so that only the bad one is left out.
    async fn send(&mut self, key: &(String, String)) -> anyhow::Result<()> {
        let Some(waiting) = self.waiting.remove(key) else { return Ok(()) };
        self.held -= waiting.messages.len();
        let seller = self.sellers.get(&key.0).cloned().unwrap_or_default();
        let account = self.accounts.get(key).cloned().unwrap_or_default();
        if waiting.messages.len() <= 500 {
            match self.call(&seller, &account, waiting.messages.clone()).await? {
                Ok(()) => {
                    self.tally.conversations += waiting.conversations.len() as u64;
                    return Ok(());
                }
                Err(reason) if waiting.conversations.len() == 1 => {
                    self.tally.rejected.push((waiting.conversations[0].0, reason));
                    return Ok(());
                }
                Err(_) => {}
            }
        }
        let mut rest = waiting.messages.into_iter();
        for (line, count) in waiting.conversations {
            let messages: Vec<_> = rest.by_ref().take(count).collect();
            let mut refused = None;
            for part in messages.chunks(500) {
                if let Err(reason) = self.call(&seller, &account, part.to_vec()).await? {
                    refused = Some(reason);
                    break;
                }
            }
            match refused {
                None => self.tally.conversations += 1,
                Some(reason) => self.tally.rejected.push((line, reason)),
            }
        }
        Ok(())
    }

    /// One call: stored, or refused with a reason that is about the messages.
    async fn call(
        &mut self,
        seller: &str,
        account: &str,
        messages: Vec<ImportedMessage>,
    ) -> anyhow::Result<Result<(), String>> {
        let request = ImportMessagesRequest {
            seller_id: seller.to_owned(),
            request_id: String::new(),
            import_key: self.key.clone(),
            channel_account_id: account.to_owned(),
            messages,
        };
        let mut tries = 0;
        loop {
            let mut client = TicketsServiceClient::new(self.session.transport().await?)
                .max_encoding_message_size(kit::serve::MAX_MESSAGE_BYTES);
            match client.import_messages(request.clone()).await {
                Ok(answer) => {
                    let answer = answer.into_inner();
                    self.tally.stored += answer.stored.unsigned_abs() as u64;
                    self.tally.duplicates += answer.duplicates.unsigned_abs() as u64;
                    return Ok(Ok(()));
                }
                Err(status) if status.code() == tonic::Code::InvalidArgument => {
                    return Ok(Err(status.message().to_owned()));
                }
                // what may pass is tried again: a second delivery changes nothing
                Err(status)
                    if tries < 5
                        && matches!(
                            status.code(),
                            tonic::Code::Unavailable | tonic::Code::Aborted | tonic::Code::ResourceExhausted
                        ) =>
                {
                    tries += 1;
                    tokio::time::sleep(std::time::Duration::from_millis(200 << tries)).await;
                }
                Err(status) => return Err(told(&status)),
            }
        }
    }
}

fn read_line(bytes: &[u8]) -> Result<Conversation, String> {
    let conversation: Conversation = serde_json::from_slice(bytes).map_err(|error| {
        let text = error.to_string();
        let what = if text.starts_with("missing field") || text.starts_with("unknown variant") {
            text.split(" at line").next().unwrap_or_default().to_owned()
        } else {
            "not a conversation".to_owned()
        };
        format!("{what} (column {})", error.column())
    })?;
    let first = conversation.messages.first().ok_or_else(|| "the conversation has no messages".to_owned())?;
    if first.direction != Way::Inbound {
        return Err("the conversation does not begin with an inbound message".to_owned());
    }
    if conversation.messages.windows(2).any(|pair| pair[1].at < pair[0].at) {
        return Err("the messages are not in time order".to_owned());
    }
    if conversation.seller.trim().is_empty() || conversation.conversation.is_empty() {
        return Err("seller and conversation must not be empty".to_owned());
    }
    Ok(conversation)
}

fn wire(conversation: Conversation) -> Vec<ImportedMessage> {
    let thread = conversation.conversation;
    conversation
        .messages
        .into_iter()
        .map(|m| ImportedMessage {
            external_id: m.id,
            external_thread_id: thread.clone(),
            in_reply_to: m.in_reply_to.unwrap_or_default(),
            direction: match m.direction {
                Way::Inbound => Direction::Inbound.into(),
                Way::Outbound => Direction::Outbound.into(),
            },
            author: Some(Author { address: m.author, name: String::new() }),
            subject: String::new(),
            text: m.text,
            order_id: String::new(),
            occurred_at: Some(kit::wire::timestamp(m.at)),
        })
        .collect()
}

/// Shows conversations and first responses, per seller.
pub async fn report(at: &At, as_json: bool, all: bool) -> anyhow::Result<()> {
    let mut reached = Reached::find(at).await?;
    let session = reached.as_admin(at, ARCHIVE.0, ARCHIVE.1).await?;
    let fetched = fetch(session, all).await;
    reached.leave().await;
    let rows = fetched?;
    if as_json {
        println!("{}", serde_json::to_string_pretty(&Value::Object(rows.into_iter().collect()))?);
        return Ok(());
    }
    println!(
        "{:<24} {:>8} {:>8} {:>8} {:>8} {:>12} {:>8} {:>8}",
        "seller", "conv.", "in", "out", "answered", "median s", "≤ 1 h", "≤ 24 h"
    );
    for (seller, row) in rows {
        let n = |field: &str| row.get(field).filter(|v| !v.is_null()).map_or_else(|| "–".to_owned(), Value::to_string);
        println!(
            "{seller:<24} {:>8} {:>8} {:>8} {:>8} {:>12} {:>8} {:>8}",
            n("conversations"),
            n("messages_inbound"),
            n("messages_outbound"),
            n("answered"),
            n("first_response_seconds_median_low"),
            n("first_response_within_1h"),
            n("first_response_within_24h"),
        );
    }
    Ok(())
}

async fn fetch(mut session: Session, all: bool) -> anyhow::Result<BTreeMap<String, Value>> {
    let mut client =
        TicketsServiceClient::new(session.transport().await?).max_decoding_message_size(kit::serve::MAX_MESSAGE_BYTES);
    let import_key = if all {
        String::new()
    } else {
        let request = ListImportsRequest { page_size: 1, ..ListImportsRequest::default() };
        let imports = client.list_imports(request).await.map_err(|s| told(&s))?.into_inner().imports;
        imports.into_iter().next().map(|import| import.import_key).unwrap_or_default()
    };
    let request = GetConversationReportRequest { seller_id: String::new(), import_key };
    let rows = client.get_conversation_report(request).await.map_err(|s| told(&s))?.into_inner().rows;
    Ok(rows
        .into_iter()
        .map(|row| {
            let mut figures = Map::new();
            figures.insert("conversations".into(), json!(row.conversations));
            figures.insert("messages_inbound".into(), json!(row.messages_inbound));
            figures.insert("messages_outbound".into(), json!(row.messages_outbound));
            figures.insert("answered".into(), json!(row.answered));
            figures.insert("first_response_seconds_total".into(), json!(row.first_response_seconds_total));
            figures.insert("first_response_seconds_median_low".into(), json!(row.first_response_seconds_median_low));
            figures.insert("first_response_within_1h".into(), json!(row.first_response_within_1h));
            figures.insert("first_response_within_24h".into(), json!(row.first_response_within_24h));
            (row.seller_name, Value::Object(figures))
        })
        .collect())
}
