//! The calls of the service: read, decide, keep, reply.

mod activities;
mod changes;
mod convert;
mod erlang;
mod exchange;
mod explain;
mod exports;
mod forecast_inputs;
mod intraday;
mod leave;
mod notices;
mod people;
mod planning;
mod proof;
mod reasons;
mod requirement;
mod schedule;
mod seats;
mod shifts;
mod what_if;
mod wishes;

use std::pin::Pin;
use std::sync::Arc;

use proto::workforce::v1 as wire;
use proto::workforce::v1::workforce_service_server::WorkforceService;
use tenantdb::export::{self, Line, Wanted};
use tenantdb::service::Deps;
use tokio::sync::Notify;
use tokio_stream::Stream;
use tonic::{Request, Response, Status};

/// The handlers.
pub struct Api {
    pub(crate) deps: Deps,
    /// Wakes the solver, and the simulation of schedules.
    pub(crate) wake: Arc<Notify>,
    pub(crate) wake_proofs: Arc<Notify>,
}

fn exported(line: Line) -> wire::ExportSellerRowsResponse {
    let Line { table, json, rows, sha256 } = line;
    wire::ExportSellerRowsResponse { table, json_line: json, rows, sha256 }
}

/// Two lines for every unary call; the inner method speaks `Fault`. What else a service has comes last.
macro_rules! unary_service {
    ($service:ident: $($name:ident => $inner:ident, $request:ident, $response:ident;)* $(+ { $($more:tt)* })?) => {
        #[tonic::async_trait]
        impl $service for Api {
            $($($more)*)?

            $(
                async fn $name(&self, request: Request<wire::$request>) -> Result<Response<wire::$response>, Status> {
                    let (caller, request) = kit::admitted(request)?;
                    Ok(Response::new(self.$inner(&caller, request).await?))
                }
            )*
        }
    };
}
use unary_service;

unary_service! { WorkforceService:
    upsert_employment => keep_employment, UpsertEmploymentRequest, UpsertEmploymentResponse;
    get_employment => employment, GetEmploymentRequest, GetEmploymentResponse;
    list_employments => employments, ListEmploymentsRequest, ListEmploymentsResponse;
    list_rule_sets => rule_sets, ListRuleSetsRequest, ListRuleSetsResponse;
    record_time_off => keep_time_off, RecordTimeOffRequest, RecordTimeOffResponse;
    cancel_time_off => withdraw_time_off, CancelTimeOffRequest, CancelTimeOffResponse;
    list_time_off => all_time_off, ListTimeOffRequest, ListTimeOffResponse;
    list_volumes => volumes, ListVolumesRequest, ListVolumesResponse;
    create_forecast => make_forecast, CreateForecastRequest, CreateForecastResponse;
    get_forecast => forecast, GetForecastRequest, GetForecastResponse;
    list_forecasts => forecasts, ListForecastsRequest, ListForecastsResponse;
    compute_requirement => make_requirement, ComputeRequirementRequest, ComputeRequirementResponse;
    get_requirement => requirement, GetRequirementRequest, GetRequirementResponse;
    list_requirements => requirements, ListRequirementsRequest, ListRequirementsResponse;
    create_schedule => ask_for_schedule, CreateScheduleRequest, CreateScheduleResponse;
    get_schedule => schedule, GetScheduleRequest, GetScheduleResponse;
    list_schedules => schedules, ListSchedulesRequest, ListSchedulesResponse;
    cancel_schedule => cancel, CancelScheduleRequest, CancelScheduleResponse;
    publish_schedule => publish, PublishScheduleRequest, PublishScheduleResponse;
    list_shifts => shifts, ListShiftsRequest, ListShiftsResponse;
    get_my_shifts => my_shifts, GetMyShiftsRequest, GetMyShiftsResponse;
    get_coverage => coverage, GetCoverageRequest, GetCoverageResponse;
    get_adherence => adherence, GetAdherenceRequest, GetAdherenceResponse;
    compute_erlang => erlang, ComputeErlangRequest, ComputeErlangResponse;
    + {
        type WatchScheduleStream =
            Pin<Box<dyn Stream<Item = Result<wire::WatchScheduleResponse, Status>> + Send + 'static>>;

        async fn watch_schedule(
            &self,
            request: Request<wire::WatchScheduleRequest>,
        ) -> Result<Response<Self::WatchScheduleStream>, Status> {
            let (caller, request) = kit::admitted(request)?;
            Ok(Response::new(self.watch(&caller, request).await?))
        }

        type ExportSellerRowsStream =
            Pin<Box<dyn Stream<Item = Result<wire::ExportSellerRowsResponse, Status>> + Send + 'static>>;

        async fn export_seller_rows(
            &self,
            request: Request<wire::ExportSellerRowsRequest>,
        ) -> Result<Response<Self::ExportSellerRowsStream>, Status> {
            let (caller, request) = kit::admitted(request)?;
            let wanted = if request.counts_only { Wanted::Counts } else { Wanted::Rows };
            let rows = export::of_caller(&self.deps, &caller, &request.seller_id, wanted, exported);
            Ok(Response::new(rows.await?))
        }
    }
}
