//! Usage that comes as a stream of batches, one at a time.

use std::sync::Arc;
use std::time::Duration;

use futures_util::stream::{self, BoxStream};
use kit::{Caller, Checks, Explain, Fault};
use proto::billing::v1 as wire;
use proto::billing::v1::usage_stream_service_server::UsageStreamService;
use tonic::{Code, Request, Response, Status, Streaming};

use super::usage::BATCH;
use super::{Api, One};

/// How long a stream may be silent.
const SILENCE: Duration = Duration::from_secs(60);

/// A client that keeps a stream open and says nothing.
#[derive(Debug, thiserror::Error)]
#[error("nothing came for a minute")]
struct Silent;

impl Explain for Silent {
    fn code(&self) -> Code {
        Code::DeadlineExceeded
    }

    fn reason(&self) -> &'static str {
        "STREAM_SILENT"
    }
}

/// A stream on its way.
struct Intake {
    api: Api,
    caller: Arc<Caller>,
    batches: Streaming<wire::StreamUsageRequest>,
    one: Option<One>,
    seller_id: String,
    last: i64,
}

impl Intake {
    /// Stores the next batch; none once the client has sent all.
    async fn next(&mut self) -> Result<Option<wire::StreamUsageResponse>, Fault> {
        let next = tokio::time::timeout(SILENCE, self.batches.message()).await.map_err(|_| Silent)?;
        let Some(batch) = next? else { return Ok(None) };
        let mut checks = Checks::new();
        checks.count("items", batch.items.len(), 1..=BATCH);
        checks.require(self.last < batch.sequence, "sequence", "must rise with every batch, from 1");
        let same = self.one.is_none() || batch.seller_id.is_empty() || batch.seller_id == self.seller_id;
        checks.require(same, "seller_id", "a stream is about one seller");
        checks.finish()?;
        let one = match self.one.take() {
            Some(one) => one,
            None => {
                self.seller_id = batch.seller_id.clone();
                self.api.writing(&self.caller, &batch.seller_id).await?
            }
        };
        let results = self.api.store(&one, batch.items).await?;
        self.one = Some(one);
        self.last = batch.sequence;
        Ok(Some(acknowledged(batch.sequence, results)))
    }
}

fn acknowledged(sequence: i64, results: Vec<wire::RecordResult>) -> wire::StreamUsageResponse {
    let mut answer = wire::StreamUsageResponse { sequence, ..wire::StreamUsageResponse::default() };
    for result in results {
        match result.outcome() {
            wire::RecordOutcome::Accepted => answer.accepted += 1,
            wire::RecordOutcome::Duplicate => answer.duplicates += 1,
            _ => answer.refused.push(result),
        }
    }
    answer
}

#[tonic::async_trait]
impl UsageStreamService for Api {
    type StreamUsageStream = BoxStream<'static, Result<wire::StreamUsageResponse, Status>>;

    async fn stream_usage(
        &self,
        request: Request<Streaming<wire::StreamUsageRequest>>,
    ) -> Result<Response<Self::StreamUsageStream>, Status> {
        let (caller, batches) = kit::admitted(request)?;
        let intake = Intake { api: self.clone(), caller, batches, one: None, seller_id: String::new(), last: 0 };
        // A batch is taken up when its acknowledgement is asked for: nothing is kept waiting here.
        let answers = stream::unfold(Some(intake), |intake| async {
            let mut intake = intake?;
            match intake.next().await {
                Ok(Some(answer)) => Some((Ok(answer), Some(intake))),
                Ok(None) => None,
                Err(fault) => Some((Err(Status::from(fault)), None)),
            }
        });
        Ok(Response::new(Box::pin(answers)))
    }
}
