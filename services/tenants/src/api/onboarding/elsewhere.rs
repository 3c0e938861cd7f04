//! What the other services keep of a seller, asked of them on behalf of whoever
//! takes the export.

use futures_util::stream::BoxStream;
use futures_util::{StreamExt, TryStreamExt};
use kit::{Caller, Fault, Scope};
use proto::billing::v1::billing_service_client::BillingServiceClient;
use proto::routing::v1::routing_service_client::RoutingServiceClient;
use proto::tickets::v1::tickets_service_client::TicketsServiceClient;
use proto::workforce::v1::workforce_service_client::WorkforceServiceClient;
use tonic::Status;

use super::Onboarding;
use crate::domain::onboarding::erasure::{OTHERS, Rows};

/// A row of another service, or the end of one of its tables.
pub struct Told {
    pub table: String,
    pub json: String,
    pub rows: i64,
    pub sha256: String,
}

impl Told {
    /// Whether it ends a table.
    pub fn ends(&self) -> bool {
        self.json.is_empty()
    }
}

/// Asks one service. The four speak alike, each in words of its own.
macro_rules! ask {
    ($client:ident, $package:ident, $authed:expr, $scope:expr, $counts_only:expr) => {{
        let request = proto::$package::v1::ExportSellerRowsRequest { seller_id: $scope, counts_only: $counts_only };
        let mut client = $client::new($authed).max_decoding_message_size(kit::serve::MAX_MESSAGE_BYTES);
        let rows = client.export_seller_rows(request).await?.into_inner();
        rows.map_ok(|row| Told { table: row.table, json: row.json_line, rows: row.rows, sha256: row.sha256 }).boxed()
    }};
}

impl Onboarding {
    /// The seller's rows in another service.
    pub(super) async fn rows_of(
        &self,
        service: &'static str,
        caller: &Caller,
        scope: &Scope,
        counts_only: bool,
    ) -> Result<BoxStream<'static, Result<Told, Status>>, Fault> {
        let seller = scope.seller().ok_or(Fault::NotFound("seller"))?.to_string();
        let authed = self.deps.calls.for_caller(service, caller, scope)?;
        Ok(match service {
            "tickets" => ask!(TicketsServiceClient, tickets, authed, seller, counts_only),
            "routing" => ask!(RoutingServiceClient, routing, authed, seller, counts_only),
            "workforce" => ask!(WorkforceServiceClient, workforce, authed, seller, counts_only),
            "billing" => ask!(BillingServiceClient, billing, authed, seller, counts_only),
            _ => return Err(Fault::internal("a service that keeps no sellers")),
        })
    }

    /// How many rows every other service has of the seller now.
    pub(super) async fn counts_elsewhere(&self, caller: &Caller, scope: &Scope) -> Result<Vec<Rows>, Fault> {
        let mut counts = Vec::new();
        for service in OTHERS {
            let mut told = self.rows_of(service, caller, scope, true).await?;
            while let Some(end) = told.try_next().await? {
                counts.push(Rows { table: end.table, rows: end.rows });
            }
        }
        Ok(counts)
    }
}
