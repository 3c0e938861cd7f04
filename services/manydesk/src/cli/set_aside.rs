//! `manydesk set-aside list|retry|drop`: what the routing engine was told and could not carry out.

use anyhow::{anyhow, bail};
use clap::{Args, Subcommand};
use proto::routing::v1::intake_service_client::IntakeServiceClient;
use proto::routing::v1::{DropSetAsideNoteRequest, ListSetAsideNotesRequest, RetrySetAsideNoteRequest, SetAsideNote};

use super::At;
use super::client::{Session, Transport, told};
use super::local::Reached;
use super::provider::HOME;

/// Notes asked for at once.
const PAGE: i32 = 200;

#[derive(Subcommand)]
pub enum SetAside {
    /// Show them, those that were left first first: what they tell, why that failed, and since when.
    List {
        #[command(flatten)]
        whose: Whose,
    },
    /// Have them tried again; what is carried out is gone, what fails again is set aside with its reason.
    Retry {
        #[command(flatten)]
        whose: Whose,
        /// The note, `note_…`; without it all that are set aside.
        #[arg(long)]
        note: Option<String>,
    },
    /// Give one up: its effect will never come.
    Drop {
        #[command(flatten)]
        whose: Whose,
        /// The note, `note_…`.
        #[arg(long)]
        note: String,
        /// Why; the trail of the floor keeps it.
        #[arg(long)]
        reason: String,
    },
}

#[derive(Args)]
pub struct Whose {
    /// Handle of the provider, on a platform of a data folder; with --url it is that of the administrator.
    #[arg(long)]
    provider: Option<String>,
    #[command(flatten)]
    at: At,
}

impl SetAside {
    fn whose(&self) -> &Whose {
        match self {
            SetAside::List { whose } | SetAside::Retry { whose, .. } | SetAside::Drop { whose, .. } => whose,
        }
    }
}

/// Runs the command.
pub async fn run(command: SetAside) -> anyhow::Result<()> {
    let whose = command.whose();
    let mut reached = Reached::find(&whose.at).await?;
    let handle = whose.provider.as_deref().unwrap_or(HOME.0);
    let name = if handle == HOME.0 { HOME.1 } else { handle };
    let done = match reached.as_admin(&whose.at, handle, name).await {
        Ok(session) => carry_out(session, &command).await,
        Err(error) => Err(error),
    };
    reached.leave().await;
    println!("{}", done?);
    Ok(())
}

async fn carry_out(mut session: Session, command: &SetAside) -> anyhow::Result<String> {
    let mut notes = IntakeServiceClient::new(session.transport().await?);
    match command {
        SetAside::List { .. } => {
            let lines: Vec<String> = all(&mut notes).await?.iter().map(line).collect();
            Ok(if lines.is_empty() { "nothing is set aside".to_owned() } else { lines.join("\n") })
        }
        SetAside::Retry { note, .. } => {
            let mut asked = all(&mut notes).await?;
            asked.retain(|one| note.as_ref().is_none_or(|note| *note == one.note_id));
            if asked.is_empty() && note.is_some() {
                bail!("there is no such note");
            }
            for one in &asked {
                let request = RetrySetAsideNoteRequest { note_id: one.note_id.clone(), request_id: fresh_key() };
                notes.retry_set_aside_note(request).await.map_err(|status| told(&status))?;
            }
            Ok(format!("{} notes are tried again; see `manydesk set-aside list`", asked.len()))
        }
        SetAside::Drop { note, reason, .. } => {
            let request =
                DropSetAsideNoteRequest { note_id: note.clone(), reason: reason.clone(), request_id: fresh_key() };
            notes.drop_set_aside_note(request).await.map_err(|status| match status.code() {
                tonic::Code::NotFound => anyhow!("there is no such note"),
                _ => told(&status),
            })?;
            Ok("1 dropped".to_owned())
        }
    }
}

async fn all(notes: &mut IntakeServiceClient<Transport>) -> anyhow::Result<Vec<SetAsideNote>> {
    let mut found = Vec::new();
    let mut page_token = String::new();
    loop {
        let request = ListSetAsideNotesRequest { page_size: PAGE, page_token };
        let page = notes.list_set_aside_notes(request).await.map_err(|status| told(&status))?.into_inner();
        found.extend(page.notes);
        if page.next_page_token.is_empty() {
            return Ok(found);
        }
        page_token = page.next_page_token;
    }
}

/// A key of a request that nobody has used.
fn fresh_key() -> String {
    kit::Clock::System.new_uuid().to_string()
}

fn line(note: &SetAsideNote) -> String {
    let since = note.set_aside_at.as_ref().and_then(kit::wire::instant);
    let since = since.map(|at| at.to_string()).unwrap_or_default();
    let SetAsideNote { note_id, kind, failure, seller_id, contact_id, agent_id, .. } = note;
    let named: Vec<&str> =
        [seller_id, contact_id, agent_id].into_iter().map(String::as_str).filter(|id| !id.is_empty()).collect();
    format!("{note_id}\t{kind}\t{failure}\t{since}\t{}", named.join(" "))
}
