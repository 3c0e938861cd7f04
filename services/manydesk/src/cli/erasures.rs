//! `manydesk erasures export` and `manydesk erasures replay`: the log of erased customers, kept beside the
//! backups, and done again after one of them came back.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{BufRead, BufReader, BufWriter, Write};
use std::path::Path;

use anyhow::{Context, anyhow};
use prost_reflect::{DescriptorPool, DynamicMessage, MessageDescriptor};
use proto::tickets::v1::privacy_service_client::PrivacyServiceClient;
use proto::tickets::v1::{CustomerErasure, ListErasuresRequest, ReplayErasuresRequest};

use super::At;
use super::client::{Session, told};
use super::local::Reached;

/// The provider of a platform on this machine.
const OWN: (&str, &str) = ("archive", "Conversation archive");
/// Erasures replayed in one call.
const BATCH: usize = 100;

/// Writes the log to a file, an erasure a line. The file is whole or not there.
pub async fn export(at: &At, file: &Path) -> anyhow::Result<()> {
    let mut reached = Reached::find(at).await?;
    let session = reached.as_admin(at, OWN.0, OWN.1).await?;
    let written = write(session, file).await;
    reached.leave().await;
    println!("{} erasures written to {}", written?, file.display());
    Ok(())
}

async fn write(mut session: Session, file: &Path) -> anyhow::Result<usize> {
    let kind = kind()?;
    let beside = file.with_extension("part");
    let mut out = BufWriter::new(File::create(&beside).with_context(|| format!("writing {}", beside.display()))?);
    let (mut count, mut page_token) = (0, String::new());
    loop {
        let request = ListErasuresRequest { page_size: 200, page_token, ..ListErasuresRequest::default() };
        let mut client = PrivacyServiceClient::new(session.transport().await?)
            .max_decoding_message_size(kit::serve::MAX_MESSAGE_BYTES);
        let page = client.list_erasures(request).await.map_err(|s| told(&s))?.into_inner();
        for erasure in &page.erasures {
            let mut message = DynamicMessage::new(kind.clone());
            message.transcode_from(erasure)?;
            writeln!(out, "{}", serde_json::to_string(&message)?)?;
            count += 1;
        }
        if page.next_page_token.is_empty() {
            break;
        }
        page_token = page.next_page_token;
    }
    out.into_inner().map_err(|error| error.into_error())?.sync_all()?;
    std::fs::rename(&beside, file).with_context(|| format!("writing {}", file.display()))?;
    Ok(count)
}

/// Does the erasures of a log again.
pub async fn replay(at: &At, file: &Path) -> anyhow::Result<()> {
    let by_seller = read(file)?;
    let mut reached = Reached::find(at).await?;
    let session = reached.as_admin(at, OWN.0, OWN.1).await?;
    let done = send(session, by_seller).await;
    reached.leave().await;
    let (replayed, remembered, unchanged) = done?;
    println!("{replayed} erasures done again, {unchanged} had nothing to do; {remembered} had been forgotten");
    Ok(())
}

fn read(file: &Path) -> anyhow::Result<BTreeMap<String, Vec<CustomerErasure>>> {
    let kind = kind()?;
    let reader = BufReader::new(File::open(file).with_context(|| format!("reading {}", file.display()))?);
    let mut by_seller: BTreeMap<String, Vec<CustomerErasure>> = BTreeMap::new();
    for (number, line) in reader.lines().enumerate() {
        let line = line?;
        if line.trim().is_empty() {
            continue;
        }
        let place = || format!("line {} of {} is no erasure", number + 1, file.display());
        let mut json = serde_json::Deserializer::from_str(&line);
        let message = DynamicMessage::deserialize(kind.clone(), &mut json).with_context(place)?;
        let erasure: CustomerErasure = message.transcode_to().with_context(place)?;
        by_seller.entry(erasure.seller_id.clone()).or_default().push(erasure);
    }
    Ok(by_seller)
}

async fn send(
    mut session: Session,
    by_seller: BTreeMap<String, Vec<CustomerErasure>>,
) -> anyhow::Result<(i64, i64, i64)> {
    let (mut replayed, mut remembered, mut unchanged) = (0, 0, 0);
    for (seller_id, erasures) in by_seller {
        for some in erasures.chunks(BATCH) {
            let request = ReplayErasuresRequest {
                seller_id: seller_id.clone(),
                request_id: String::new(),
                erasures: some.to_vec(),
            };
            let mut client = PrivacyServiceClient::new(session.transport().await?)
                .max_encoding_message_size(kit::serve::MAX_MESSAGE_BYTES);
            let done = client.replay_erasures(request).await.map_err(|s| told(&s))?.into_inner();
            replayed += i64::from(done.replayed);
            remembered += i64::from(done.remembered);
            unchanged += i64::from(done.unchanged);
        }
    }
    Ok((replayed, remembered, unchanged))
}

fn kind() -> anyhow::Result<MessageDescriptor> {
    let pool = DescriptorPool::decode(proto::SHAPES)?;
    pool.get_message_by_name("manydesk.tickets.v1.CustomerErasure").ok_or_else(|| anyhow!("no such message"))
}
