//! The Erlang calculator.

use kit::{Caller, Fault};
use planner::erlang::{self, Definition, Figures, Load, MAX_SERVERS, Refusal, Target};
use proto::workforce::v1 as wire;

use super::Api;
use crate::plan::Wanted;

impl Api {
    pub(super) async fn erlang(
        &self,
        _caller: &Caller,
        request: wire::ComputeErlangRequest,
    ) -> Result<wire::ComputeErlangResponse, Fault> {
        let given = request.target.unwrap_or_default();
        let wanted = Wanted::read(&given);
        let load = Load {
            contacts: request.contacts,
            interval_seconds: request.interval_seconds,
            handle_seconds: request.handle_seconds,
            patience_seconds: wanted.patience,
        };
        if request.agents < 0
            || i64::from(MAX_SERVERS) < i64::from(request.agents) * i64::from(wanted.target.concurrency)
        {
            return Err(Fault::invalid("agents", "must be 0 to 1000000, times the concurrency"));
        }
        let agents = request.agents.unsigned_abs();
        let computed = tokio::task::spawn_blocking(move || compute(&load, &wanted.target, agents));
        let (agents, figures) =
            computed.await.map_err(|e| Fault::Internal(Box::new(e)))?.map_err(|wrong| invalid(&wrong))?;
        Ok(wire::ComputeErlangResponse {
            agents: i32::try_from(agents).unwrap_or(i32::MAX),
            figures: Some(shown(&figures, wanted.target.definition)),
        })
    }
}

fn compute(load: &Load, target: &Target, agents: u32) -> Result<(u32, Figures), Refusal> {
    let agents = if agents == 0 { erlang::agents_needed(load, target)? } else { agents };
    Ok((agents, erlang::figures(load, agents.saturating_mul(target.concurrency), target.within_seconds)?))
}

fn shown(of: &Figures, definition: Definition) -> wire::QueueFigures {
    let finite = |value: f64| value.is_finite().then_some(value);
    wire::QueueFigures {
        servers: i32::try_from(of.servers).unwrap_or(i32::MAX),
        offered_erlangs: of.erlangs,
        blocking: of.blocking,
        p_wait: of.p_wait,
        p_abandon: of.p_abandon,
        service_level: of.service_level(definition),
        mean_wait_seconds: finite(of.mean_wait),
        mean_wait_answered_seconds: finite(of.mean_wait_answered),
        occupancy: of.occupancy,
    }
}

fn invalid(wrong: &Refusal) -> Fault {
    match wrong {
        Refusal::Range { field, range } => {
            let field = match *field {
                "contacts" | "interval_seconds" | "handle_seconds" => (*field).to_owned(),
                "servers" | "offered load" => "contacts".to_owned(),
                other => format!("target.{other}"),
            };
            Fault::invalid(field, format!("must be {range}"))
        }
        Refusal::Unreachable { .. } => Fault::invalid("target", wrong.to_string()),
    }
}
