//! The isolation probe: a stranger asks for somebody else's rows through every
//! RPC of the platform, with the real ids, and must hear exactly what she would
//! hear of ids that do not exist. Generated from the descriptors: a new RPC is
//! probed the day it appears.

mod raw;
mod request;

use std::collections::BTreeSet;
use std::time::Duration;

use prost_reflect::{DescriptorPool, DynamicMessage};
use tonic::Status;
use tonic::transport::Channel;

pub use raw::call;
pub use request::{Ids, Shape, build};

/// How often a busy platform is asked, and how long it is left alone in between.
const TRIES: usize = 5;
const PAUSE: Duration = Duration::from_millis(300);

/// Somebody who asks.
#[derive(Clone)]
pub struct Stranger {
    /// For the report, e.g. `agent of another provider`.
    pub name: String,
    /// Access token; empty = none.
    pub token: String,
}

/// What belongs to the one who is probed.
#[derive(Clone, Default)]
pub struct Victim {
    /// Ids of rows, in wire form.
    pub ids: BTreeSet<String>,
    /// Texts that stand in rows and nowhere else.
    pub marks: Vec<String>,
}

/// What came out.
#[derive(Default, Debug)]
pub struct Findings {
    /// RPCs probed.
    pub rpcs: BTreeSet<String>,
    /// Calls made.
    pub calls: usize,
    /// Calls that got as far as looking for the row.
    pub looked_up: usize,
    /// RPCs of which at least one call got that far, or was refused by role.
    pub decided: BTreeSet<String>,
    /// What must not be.
    pub leaks: Vec<String>,
}

/// Probes every RPC as every stranger.
pub async fn run(
    channel: &Channel,
    victim: &Victim,
    strangers: &[Stranger],
    fresh: &mut (dyn FnMut() -> u128 + Send),
) -> Findings {
    let mut findings = Findings::default();
    let Ok(pool) = DescriptorPool::decode(proto::SHAPES) else { return findings };
    for rule in proto::ACCESS {
        // calls without a token belong to nobody, and streams from the client
        // take their rows from the token
        if rule.scope == proto::Scope::Public as i32 || rule.client_streaming {
            continue;
        }
        let Some(input) = pool.get_message_by_name(rule.input) else { continue };
        findings.rpcs.insert(rule.path.to_owned());
        for stranger in strangers {
            for shape in [Shape::IdsOnly, Shape::Filled] {
                // alike in everything but the ids and the request id
                let text = format!("probe-{:x}", fresh());
                let mut request_id = || format!("probe-{:x}", fresh());
                let (first, second) = (request_id(), request_id());
                let theirs = build(&input, &Ids::Known(&victim.ids), shape, &first, &text);
                let absent = build(&input, &Ids::Fresh(fresh()), shape, &second, &text);
                probe(channel, rule, stranger, victim, &theirs, &absent, &mut findings).await;
            }
        }
    }
    findings
}

/// Asks again while the answer is one of the moment and says nothing of the row.
async fn ask(
    channel: &Channel,
    rule: &proto::Rule,
    token: &str,
    message: &DynamicMessage,
) -> Result<Vec<Vec<u8>>, Status> {
    let mut tries = 0;
    loop {
        tries += 1;
        match call(channel, rule, token, message).await {
            Err(status) if tries < TRIES && passes_by_itself(status.code()) => tokio::time::sleep(PAUSE).await,
            answer => return answer,
        }
    }
}

/// `Cancelled` is the client's own word for a connection that broke under a call.
fn passes_by_itself(code: tonic::Code) -> bool {
    use tonic::Code;
    matches!(code, Code::Unavailable | Code::ResourceExhausted | Code::DeadlineExceeded | Code::Cancelled)
}

async fn probe(
    channel: &Channel,
    rule: &proto::Rule,
    stranger: &Stranger,
    victim: &Victim,
    theirs: &DynamicMessage,
    absent: &DynamicMessage,
    findings: &mut Findings,
) {
    findings.calls += 2;
    let heard = ask(channel, rule, &stranger.token, theirs).await;
    let expected = ask(channel, rule, &stranger.token, absent).await;
    let mut leak = |what: &str| findings.leaks.push(format!("{} as {}: {what}", rule.path, stranger.name));
    match (&heard, &expected) {
        (Ok(messages), _) => {
            for message in messages {
                let text = String::from_utf8_lossy(message);
                let asked = request::texts(theirs);
                if let Some(mark) = victim.marks.iter().find(|mark| text.contains(mark.as_str())) {
                    leak(&format!("the answer holds the text {mark:?}"));
                }
                if let Some(id) = victim.ids.iter().find(|id| text.contains(id.as_str()) && !asked.contains(*id)) {
                    leak(&format!("the answer holds the id {id}"));
                }
            }
            if rule.effect == proto::Effect::Write as i32 && expected.is_err() {
                leak("a change was made that fails for ids that do not exist");
            }
        }
        (Err(status), Err(other)) if !same(status, other) => leak(&format!(
            "a foreign id is told from an absent one: {:?} {:?} against {:?} {:?}",
            status.code(),
            status.message(),
            other.code(),
            other.message()
        )),
        (Err(status), Ok(_)) => {
            leak(&format!("a foreign id is refused ({:?}) where an absent one is not", status.code()))
        }
        (Err(_), Err(_)) => {}
    }
    match heard.as_ref().map_err(Status::code) {
        Err(tonic::Code::NotFound) => {
            findings.looked_up += 1;
            findings.decided.insert(rule.path.to_owned());
        }
        Ok(_) | Err(tonic::Code::PermissionDenied | tonic::Code::Unauthenticated) => {
            findings.decided.insert(rule.path.to_owned());
        }
        Err(tonic::Code::Internal | tonic::Code::Unknown) => leak("the call ended in an internal error"),
        Err(_) => {}
    }
}

/// Byte for byte the same refusal.
fn same(a: &Status, b: &Status) -> bool {
    a.code() == b.code() && a.message() == b.message() && a.details() == b.details()
}
