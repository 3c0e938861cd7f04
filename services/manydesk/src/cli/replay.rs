//! `manydesk replay-routing`: a day's journal told to the engine again, and every
//! decision compared with the one that is stored.

use anyhow::anyhow;
use indicatif::{ProgressBar, ProgressStyle};
use proto::routing::v1::replay_service_client::ReplayServiceClient;
use proto::routing::v1::{ReplayDifference, ReplayRoutingRequest, ReplayRoutingResponse};

use super::At;
use super::client::{Session, told};
use super::local::Reached;
use super::provider::HOME;

/// Replays a day; an error if anything was decided differently.
pub async fn replay(at: &At, provider: Option<&str>, day: &str, json: bool) -> anyhow::Result<()> {
    let mut reached = Reached::find(at).await?;
    let handle = provider.unwrap_or(HOME.0);
    let replayed = match reached.as_admin(at, handle, if handle == HOME.0 { HOME.1 } else { handle }).await {
        Ok(session) => tell_again(session, day, json).await,
        Err(error) => Err(error),
    };
    reached.leave().await;
    let replayed = replayed?;
    println!("{}", if json { as_json(day, &replayed) } else { summary(day, &replayed) });
    if replayed.differences_in_all == 0 {
        Ok(())
    } else {
        Err(anyhow!("{} decisions were made differently", replayed.differences_in_all))
    }
}

async fn tell_again(mut session: Session, day: &str, json: bool) -> anyhow::Result<ReplayRoutingResponse> {
    let request = ReplayRoutingRequest { day: day.to_owned() };
    let mut client = ReplayServiceClient::new(session.transport().await?);
    let mut progress = client.replay_routing(request).await.map_err(|s| told(&s))?.into_inner();
    let bar = if json { ProgressBar::hidden() } else { ProgressBar::new_spinner() };
    bar.set_style(ProgressStyle::with_template("{spinner} {msg}")?);
    while let Some(next) = progress.message().await.map_err(|s| told(&s))? {
        if next.done {
            bar.finish_and_clear();
            return Ok(next);
        }
        let (epochs, all) = (next.epochs, next.epochs_in_all);
        bar.set_message(format!("{} decisions made again, {epochs} of {all} epochs", next.decisions));
        bar.tick();
    }
    Err(anyhow!("the replay ended before it was done"))
}

fn summary(day: &str, of: &ReplayRoutingResponse) -> String {
    let mut lines = vec![format!(
        "{day}: {} epochs, {} rounds, {} events, {} decisions made again; {} differ",
        of.epochs, of.rounds, of.events, of.decisions, of.differences_in_all
    )];
    lines.extend(of.differences.iter().map(line));
    lines.join("\n")
}

fn line(of: &ReplayDifference) -> String {
    let said = |decision: &Option<proto::routing::v1::Decision>| {
        decision.as_ref().map_or("-".to_owned(), |d| format!("{} {} {}", d.kind, d.contact_id, d.agent_id))
    };
    format!(
        "  decision {} of epoch {}: {} differ; stored {}, made {}",
        of.sequence,
        of.epoch,
        of.fields.join(", "),
        said(&of.stored),
        said(&of.made)
    )
}

fn as_json(day: &str, of: &ReplayRoutingResponse) -> String {
    let differences: Vec<_> = of
        .differences
        .iter()
        .map(|one| serde_json::json!({ "sequence": one.sequence, "epoch": one.epoch, "fields": one.fields }))
        .collect();
    serde_json::json!({
        "day": day,
        "epochs": of.epochs,
        "rounds": of.rounds,
        "events": of.events,
        "decisions": of.decisions,
        "differences_in_all": of.differences_in_all,
        "differences": differences,
    })
    .to_string()
}
