//! The agent's stream. A task of its own reads the agent's frames one by one
//! and hands them to the engine; what the engine commits comes back through the
//! same channel as the answers. When the stream ends nothing happens at once:
//! the session lives on for its lease, so that a reconnect finds it; unless the
//! agent's rights were taken away, which logs her off.

use std::sync::Arc;
use std::time::Duration;

use kit::{Caller, Checks, Fault, Id};
use proto::routing::v1 as wire;
use proto::routing::v1::agent_session_request::Frame as Up;
use proto::routing::v1::agent_session_response::Frame as Answer;
use tokio_stream::wrappers::ReceiverStream;
use tonic::{Status, Streaming};

use super::mine::{hello_event, presence_event};
use super::refusal::fault;
use super::{Api, Down, myself};
use crate::desk::leading::Leading;
use crate::desk::{Desk, Frames, not_ready};
use crate::wire as out;
use engine::ids::{AgentId, ContactId, OfferId};
use engine::{Completion, Event};

/// Frames that an agent may be behind before she loses the stream.
const BEHIND_MOST: usize = 256;
/// For how long, and how often, it is looked at whether the caller of a stream
/// that ended was revoked: the edge may have heard of it a moment before.
const LOOK_FOR: Duration = Duration::from_secs(5);
const LOOK_EVERY: Duration = Duration::from_millis(250);
/// How long the first frame may take.
const FIRST_FRAME: Duration = Duration::from_secs(10);

impl Api {
    pub(super) async fn session(
        &self,
        caller: Arc<Caller>,
        frames: Streaming<wire::AgentSessionRequest>,
    ) -> Result<Down<wire::AgentSessionResponse>, Fault> {
        let agent = myself(&caller)?;
        let desk = self.desk(&caller)?;
        let (down, answers) = Frames::new(BEHIND_MOST);
        let session = Session { agent, caller, desk, deps: self.deps.clone(), down, epoch: 0 };
        tokio::spawn(session.run(frames));
        Ok(Box::pin(ReceiverStream::new(answers)))
    }
}

struct Session {
    agent: AgentId,
    caller: Arc<Caller>,
    desk: Desk,
    deps: tenantdb::service::Deps,
    down: Frames,
    epoch: i64,
}

impl Session {
    async fn run(mut self, mut frames: Streaming<wire::AgentSessionRequest>) {
        if let Err(fault) = self.converse(&mut frames).await {
            self.down.send(Err(Status::from(fault))).await;
        }
        // nobody listens any more: the call is over, and must not hold up the end of the process
        drop(frames);
        self.leave().await;
    }

    /// Whose rights or session were taken away is logged off at once, unless a
    /// newer stream of hers has taken over.
    async fn leave(&self) {
        let looks = LOOK_FOR.as_millis() / LOOK_EVERY.as_millis();
        for _ in 0..looks {
            if self.epoch == 0 {
                return;
            }
            if !self.deps.revoked.admits(&self.caller) {
                if let Err(fault) = self.desk.log_off(self.agent, self.epoch, self.down.clone()).await {
                    tracing::warn!(error = kit::fault::chain(&fault), "a revoked agent stays until her lease ends");
                }
                return;
            }
            tokio::time::sleep(LOOK_EVERY).await;
        }
    }

    async fn converse(&mut self, frames: &mut Streaming<wire::AgentSessionRequest>) -> Result<(), Fault> {
        let first = tokio::time::timeout(FIRST_FRAME, frames.message())
            .await
            .map_err(|_| Fault::invalid("hello", "must be the first frame, within ten seconds"))??;
        let Some(wire::AgentSessionRequest { sequence, frame: Some(Up::Hello(hello)) }) = first else {
            return Err(Fault::invalid("hello", "must be the first frame"));
        };
        let Leading::Here(term) = self.desk.leading().await? else { return Err(not_ready()) };
        self.hello(sequence, &hello).await?;
        let desk = self.desk.clone();
        let mut term_ends = std::pin::pin!(desk.term_ends(term));
        let mut last = sequence;
        loop {
            tokio::select! {
                // Whoever listened has gone.
                () = self.down.closed() => return Ok(()),
                // She does not read fast enough and has missed something, or has opened another.
                why = self.down.over() => {
                    self.down.send(Err(why)).await;
                    return Ok(());
                }
                // Whoever leads now knows nothing of this stream: the agent comes again, and is welcomed.
                () = &mut term_ends => return Err(Fault::Unavailable("the engine leads no more".into())),
                next = frames.message() => {
                    let Some(request) = next? else { return Ok(()) };
                    if request.sequence <= last {
                        return Err(Fault::invalid("sequence", "must rise with every frame"));
                    }
                    last = request.sequence;
                    let answer = match self.carry_out(request).await {
                        Ok(()) => Answer::Done(wire::Done { sequence: last }),
                        Err(Fault::Unavailable(error)) => return Err(Fault::Unavailable(error)),
                        Err(fault) => {
                            let reason = fault.reason().to_owned();
                            Answer::Refused(wire::Refused { sequence: last, reason, message: fault.to_string() })
                        }
                    };
                    let answer = wire::AgentSessionResponse { frame: Some(answer) };
                    if !self.down.send(Ok(answer)).await {
                        return Ok(());
                    }
                }
            }
        }
    }

    /// Opens the session; a refused hello ends the stream.
    async fn hello(&mut self, sequence: i64, hello: &wire::Hello) -> Result<(), Fault> {
        let mut checks = Checks::new();
        let event = hello_event(&mut checks, self.agent, hello);
        checks.require(sequence >= 1, "sequence", "must begin with 1");
        checks.finish()?;
        let reply = self.desk.attach(self.agent, event, self.down.clone()).await?.map_err(fault)?;
        self.epoch = reply.session.map_or(0, |session| session.epoch);
        Ok(())
    }

    async fn carry_out(&mut self, request: wire::AgentSessionRequest) -> Result<(), Fault> {
        let (agent, epoch) = (self.agent, Some(self.epoch));
        let mut checks = Checks::new();
        let event = match request.frame {
            None => return Err(Fault::invalid("frame", "must be given")),
            Some(Up::Hello(_)) => return Err(Fault::invalid("hello", "must be the first frame only")),
            Some(Up::Heartbeat(_)) => Event::Heartbeat { agent, epoch },
            Some(Up::Presence(change)) => {
                checks.require(change.state != 0, "presence.state", "must be given");
                presence_event(&mut checks, agent, epoch, change.state, &change.reason)
            }
            Some(Up::Accept(accept)) => {
                Event::Accept { agent, epoch, offer: checks.id::<OfferId>("accept.offer_id", &accept.offer_id) }
            }
            Some(Up::Reject(reject)) => {
                let reason = checks.line("reject.reason", &reject.reason, 0..=64);
                Event::Reject { agent, epoch, offer: checks.id::<OfferId>("reject.offer_id", &reject.offer_id), reason }
            }
            Some(Up::Complete(complete)) => {
                let completion = out::completion_in(complete.completion);
                checks.require(completion.is_some(), "complete.completion", "must say what is done with the contact");
                let contact = ContactId::parse("complete.contact_id", &complete.contact_id)?;
                Event::Complete { agent, epoch, contact, completion: completion.unwrap_or(Completion::Done) }
            }
        };
        checks.finish()?;
        self.desk.command(event).await?.map_err(fault)?;
        Ok(())
    }
}
