//! An export on its way to whoever takes it: lines become pieces, and digests
//! are kept of each table and of the whole.

use std::time::Duration;

use aws_lc_rs::digest;
use kit::Fault;
use proto::tenants::v1 as pb;
use tokio::sync::mpsc;
use tonic::Status;

use super::hex;
use crate::store::onboarding::exports::TableCount;

/// The largest piece.
const PIECE: usize = 256 * 1024;
/// A reader that takes nothing for so long ends its export.
pub const PATIENCE: Duration = Duration::from_secs(30);

pub type Piece = Result<pb::ExportSellerResponse, Status>;

/// Writes an export, one table after the other.
pub struct Writer<'a> {
    pieces: &'a mpsc::Sender<Piece>,
    whole: digest::Context,
    tables: Vec<TableCount>,
    own: digest::Context,
    rows: i64,
    waiting: Vec<u8>,
}

impl<'a> Writer<'a> {
    pub fn new(pieces: &'a mpsc::Sender<Piece>) -> Writer<'a> {
        Writer {
            pieces,
            whole: digest::Context::new(&digest::SHA256),
            tables: Vec::new(),
            own: digest::Context::new(&digest::SHA256),
            rows: 0,
            waiting: Vec::new(),
        }
    }

    /// A row of the table that is being written.
    pub async fn line(&mut self, table: &str, json: &str) -> Result<(), Fault> {
        self.waiting.extend_from_slice(json.as_bytes());
        self.waiting.push(b'\n');
        for part in [json.as_bytes(), b"\n"] {
            self.own.update(part);
            self.whole.update(part);
        }
        self.rows += 1;
        if PIECE <= self.waiting.len() {
            let waiting = std::mem::take(&mut self.waiting);
            let full = waiting.chunks_exact(PIECE);
            self.waiting = full.remainder().to_vec();
            for piece in full {
                self.send(piece_of(table, piece.to_vec())).await?;
            }
        }
        Ok(())
    }

    /// The end of the table; what it held.
    pub async fn end(&mut self, table: &str) -> Result<&TableCount, Fault> {
        if !self.waiting.is_empty() {
            let last = std::mem::take(&mut self.waiting);
            self.send(piece_of(table, last)).await?;
        }
        let own = std::mem::replace(&mut self.own, digest::Context::new(&digest::SHA256));
        let rows = std::mem::take(&mut self.rows);
        let held = TableCount { table: table.to_owned(), rows, sha256: hex(own.finish().as_ref()) };
        self.tables.push(held);
        self.tables.last().ok_or_else(|| Fault::internal("a table that was kept is gone"))
    }

    /// The tables and the digest of everything.
    pub fn finish(self) -> (Vec<TableCount>, String) {
        (self.tables, hex(self.whole.finish().as_ref()))
    }

    async fn send(&self, piece: pb::ExportSellerResponse) -> Result<(), Fault> {
        send(self.pieces, piece).await
    }
}

/// Sends a piece to a reader who takes it in time.
pub async fn send(pieces: &mpsc::Sender<Piece>, piece: pb::ExportSellerResponse) -> Result<(), Fault> {
    pieces
        .send_timeout(Ok(piece), PATIENCE)
        .await
        .map_err(|_| Fault::Exhausted { reason: "EXPORT_NOT_READ", retry_after: Duration::from_secs(1) })
}

fn piece_of(table: &str, lines: Vec<u8>) -> pb::ExportSellerResponse {
    pb::ExportSellerResponse { table: table.to_owned(), lines: lines.into(), manifest: None }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn pieces_joined_are_the_lines_however_long() {
        let lines = ["{}".to_owned(), format!("{{\"raw\":\"{}\"}}", "x".repeat(3 * PIECE)), "{\"a\":1}".to_owned()];
        let (sender, mut taken) = mpsc::channel(16);
        let mut writer = Writer::new(&sender);
        for line in &lines {
            writer.line("tickets.message", line).await.expect("taken");
        }
        let held = writer.end("tickets.message").await.expect("taken").clone();
        let (tables, sha256) = writer.finish();
        drop(sender);
        let mut joined = Vec::new();
        while let Some(piece) = taken.recv().await {
            let piece = piece.expect("a piece");
            assert!(piece.lines.len() <= PIECE, "{}", piece.lines.len());
            joined.extend_from_slice(&piece.lines);
        }
        assert_eq!(joined, format!("{}\n", lines.join("\n")).into_bytes());
        assert_eq!((held.rows, held.sha256.as_str()), (3, super::super::sha256(&joined).as_str()));
        assert_eq!((tables, sha256), (vec![held.clone()], held.sha256));
    }
}
