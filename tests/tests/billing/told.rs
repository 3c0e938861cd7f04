//! Events as other services tell them, with the instants that a test needs.

use jiff::Timestamp;
use jiff::civil::Date;
use jiff_sqlx::ToSqlx;
use prost::Message;
use proto::events::v1::Envelope;
use proto::events::v1::envelope::Body;
use sqlx::{Connection, PgConnection};
use tests::Tenant;

/// An instant of a date, UTC.
pub fn at(date: Date, hour: i8) -> Timestamp {
    date.at(hour, 0, 0, 0).to_zoned(jiff::tz::TimeZone::UTC).expect("a time").timestamp()
}

/// Puts events of a seller into a service's outbox, from where they go the usual way.
pub async fn tell(tenant: &Tenant, seller: &str, service: &str, bodies: Vec<(Body, Timestamp)>) {
    tell_of(tenant, Some(seller), service, bodies).await;
}

/// The same, of a seller or of the provider.
pub async fn tell_of(tenant: &Tenant, seller: Option<&str>, service: &str, bodies: Vec<(Body, Timestamp)>) {
    let key = seller.unwrap_or("provider");
    let mut conn = PgConnection::connect(&tenant.desk.database).await.expect("the database");
    let uuid = |prefix: &str, id: &str| kit::ids::decode(prefix, id).expect("an id");
    let statement = format!(
        "insert into {service}.outbox (provider_id, seller_id, event_id, key, kind, payload, traceparent, occurred_at)
         values ($1, $2, $3, $4, $5, $6, '', $7)"
    );
    for (body, occurred_at) in bodies {
        let kind = match &body {
            Body::SlaVerdictReached(_) => "sla_verdict_reached",
            Body::ContactHandled(_) => "contact_handled",
            Body::RoutingAlert(_) => "routing_alert",
            Body::TicketTurned(_) => "ticket_turned",
            Body::AgentDaySettled(_) => "agent_day_settled",
            other => panic!("nobody tells {other:?} here"),
        };
        let event_id = kit::Clock::System.new_id::<kit::EventId>();
        let envelope = Envelope {
            event_id: event_id.to_string(),
            provider_id: tenant.provider_id.clone(),
            seller_id: seller.unwrap_or_default().to_owned(),
            key: key.to_owned(),
            occurred_at: Some(kit::wire::timestamp(occurred_at)),
            traceparent: String::new(),
            body: Some(body),
        };
        sqlx::query(sqlx::AssertSqlSafe(statement.clone()))
            .bind(uuid("prov", &tenant.provider_id))
            .bind(seller.map_or(uuid::Uuid::nil(), |seller| uuid("seller", seller)))
            .bind(kit::Id::uuid(event_id))
            .bind(key)
            .bind(kind)
            .bind(envelope.encode_to_vec())
            .bind(occurred_at.to_sqlx())
            .execute(&mut conn)
            .await
            .expect("told");
    }
}
