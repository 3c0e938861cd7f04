//! Alerts that reach people: mails to the contacts of a seller's escalation matrix.

use proto::Role;
use proto::events::v1::{SlaEscalation, SlaPolicy, SlaTarget};
use proto::tenants::v1::onboarding_service_client::OnboardingServiceClient;
use proto::tenants::v1::sellers_service_client::SellersServiceClient;
use proto::tenants::v1::{Contact, EscalationStep, PutContactRequest, PutEscalationMatrixRequest, PutSlaPolicyRequest};
use proto::tickets::v1 as pb;
use proto::tickets::v1::sla_service_client::SlaServiceClient;
use proto::tickets::v1::tickets_service_client::TicketsServiceClient;
use sqlx::{Connection, PgConnection};
use tests::{NOTICES_FROM, Tenant, desk, eventually, notice_port};

use crate::support::mail::SmtpServer;

struct Shop {
    tenant: Tenant,
    seller: String,
    account: String,
}

macro_rules! client {
    ($client:ident, $session:expr) => {
        $client::new($session.transport().await.expect("a token"))
    };
}

/// A seller whose first answers are due after two seconds; the first level is told of misses.
async fn shop(name: &str, domain: &str) -> Shop {
    let mut tenant = desk().await.provider(name).await;
    let seller = tenant.seller(domain).await;
    let account = tenant.account(&seller, "email", &format!("help@{domain}.example")).await;
    let target =
        SlaTarget { metric: "first_response".into(), target_seconds: 2, catch_all: Some(true), ..SlaTarget::default() };
    let notice = SlaEscalation { percent: 100, notice_level: 1, ..SlaEscalation::default() };
    let policy = SlaPolicy { targets: vec![target], escalations: vec![notice], ..SlaPolicy::default() };
    let put =
        PutSlaPolicyRequest { seller_id: seller.clone(), sla_policy: Some(policy), ..PutSlaPolicyRequest::default() };
    client!(SellersServiceClient, tenant.admin).put_sla_policy(put).await.expect("a policy");
    Shop { tenant, seller, account }
}

impl Shop {
    /// Contacts, each with an address and a language, and the steps of normal tickets, in order.
    async fn matrix(&mut self, steps: &[(&str, &str, &str, i64)]) {
        let mut client = client!(OnboardingServiceClient, self.tenant.admin);
        for (address, language, _, _) in steps {
            let key = address.split('@').next().unwrap_or_default();
            let contact = Contact {
                key: key.into(),
                name: format!("Contact {key}"),
                roles: vec!["operations".into()],
                email: (*address).into(),
                phone: "+393331234567".into(),
                language: (*language).into(),
                time_zone: "Europe/Rome".into(),
            };
            let put = PutContactRequest {
                seller_id: self.seller.clone(),
                contact: Some(contact),
                ..PutContactRequest::default()
            };
            client.put_contact(put).await.expect("a contact");
        }
        let steps = steps.iter().zip(1..).map(|((address, _, via, after), level)| EscalationStep {
            severity: "normal".into(),
            level,
            after_seconds: *after,
            contact_key: address.split('@').next().unwrap_or_default().into(),
            via: (*via).into(),
        });
        let put = PutEscalationMatrixRequest {
            seller_id: self.seller.clone(),
            steps: steps.collect(),
            ..PutEscalationMatrixRequest::default()
        };
        client.put_escalation_matrix(put).await.expect("a matrix");
    }

    async fn written(&mut self, id: &str) -> pb::Ticket {
        let message = pb::ReceiveMessageRequest {
            seller_id: self.seller.clone(),
            channel_account_id: self.account.clone(),
            external_id: id.into(),
            author: Some(pb::Author { address: format!("{id}@customer.example"), name: "Carla Cliente".into() }),
            text: "Buongiorno, non ho ancora ricevuto il mio ordine. Quando arriva il pacco?".into(),
            ..pb::ReceiveMessageRequest::default()
        };
        let taken = client!(TicketsServiceClient, self.tenant.admin).receive_message(message).await;
        taken.expect("a message").into_inner().ticket.expect("a ticket")
    }

    /// The notices of a ticket's miss, once they are as awaited.
    async fn notices(&mut self, ticket: &pb::Ticket, what: &str, states: &[pb::NoticeState]) -> pb::SlaAlert {
        self.noticed(ticket, what, |notices| notices.iter().map(pb::Notice::state).eq(states.iter().copied())).await
    }

    async fn noticed(
        &mut self,
        ticket: &pb::Ticket,
        what: &str,
        awaited: impl Fn(&[pb::Notice]) -> bool,
    ) -> pb::SlaAlert {
        let alerts = client!(SlaServiceClient, self.tenant.admin);
        eventually(what, || {
            let mut alerts = alerts.clone();
            let list = pb::ListSlaAlertsRequest { seller_id: self.seller.clone(), ..Default::default() };
            let awaited = &awaited;
            async move {
                let found = alerts.list_sla_alerts(list).await.ok()?.into_inner().alerts;
                let of = found.into_iter().find(|alert| alert.ticket_id == ticket.id && alert.percent == 100)?;
                awaited(&of.notices).then_some(of)
            }
        })
        .await
    }
}

#[tokio::test]
async fn contacts_are_told_of_misses_level_by_level_until_somebody_sees_to_them() {
    use pb::NoticeState::{Failed, Nobody, Sent, Settled, Waiting};
    let Some(smtp) = SmtpServer::start_at("alerts by mail", notice_port()) else { return };
    let mut shop = shop("Notices", "avviso").await;
    let steps = [("ops@avviso.example", "de", "email", 0), ("head@avviso.example", "it", "email", 1)];
    shop.matrix(&steps).await;
    let ticket = shop.written("first").await;
    let alert = shop.notices(&ticket, "both levels to be told", &[Sent, Sent]).await;
    let keys: Vec<&str> = alert.notices.iter().map(|notice| notice.contact_key.as_str()).collect();
    assert_eq!(keys, ["ops", "head"]);
    assert_eq!(alert.notices.iter().map(|notice| notice.level).collect::<Vec<_>>(), [1, 2]);
    let mails = smtp.taken("ops@avviso.example");
    let [mail] = mails.as_slice() else { panic!("one mail: {mails:?}") };
    assert_eq!((mail.from.as_str(), mail.header("Auto-Submitted").as_deref()), (NOTICES_FROM, Some("auto-generated")));
    let raw = mail.raw.replace("=\r\n", "");
    assert!(raw.contains(&ticket.number) && raw.contains("erste Antwort, verpasst"), "{raw}");
    assert!(!raw.contains("Carla") && !raw.contains("customer.example"), "nothing of customers: {raw}");
    let theirs = smtp.taken("head@avviso.example");
    assert!(theirs.len() == 1 && theirs[0].raw.contains("prima risposta"), "{theirs:?}");

    // A contact gets one mail in five minutes; what comes meanwhile waits.
    let second = shop.written("second").await;
    let seconds = |notice: &pb::Notice| notice.time.map(|time| time.seconds).unwrap_or_default();
    let first = seconds(&alert.notices[0]);
    let waits = |notices: &[pb::Notice]| match notices {
        [notice] => notice.state() == Waiting && (290..=300).contains(&(seconds(notice) - first)),
        _ => false,
    };
    let waiting = shop.noticed(&second, "the second miss to wait", waits).await;
    // Whoever sees to it keeps others from being told, whenever their moment comes.
    let see_to = pb::AcknowledgeSlaAlertRequest {
        seller_id: shop.seller.clone(),
        alert_id: waiting.alert_id.clone(),
        request_id: "seen".into(),
    };
    client!(SlaServiceClient, shop.tenant.admin).acknowledge_sla_alert(see_to).await.expect("seen to");
    let mut connection = PgConnection::connect(&desk().await.database).await.expect("the database answers");
    let seller = kit::ids::decode("seller", &shop.seller).expect("an id");
    sqlx::query("update tickets.notice set due_at = '2000-01-01 00:00Z' where seller_id = $1 and state = 'waiting'")
        .bind(seller)
        .execute(&mut connection)
        .await
        .expect("its moment comes");
    shop.notices(&second, "nobody to be told any more", &[Settled]).await;
    assert_eq!(smtp.taken("ops@avviso.example").len(), 1);
    let kept: i64 =
        sqlx::query_scalar("select count(*) from tickets.notice_mail where seller_id = $1 and recipient <> ''")
            .bind(seller)
            .fetch_one(&mut connection)
            .await
            .expect("a count");
    assert_eq!(kept, 0, "of mails that are there it is not kept where they went");

    // Who is called, and who cannot be reached, keeps the next level from nothing.
    let mut phone = self::shop("Notices by phone", "telefono").await;
    let steps = [
        ("call@telefono.example", "it", "phone", 0),
        ("gone@telefono.example", "it", "email", 1),
        ("last@telefono.example", "fr", "email", 2),
    ];
    phone.matrix(&steps).await;
    let ticket = phone.written("third").await;
    let alert = phone.notices(&ticket, "the last level to be told", &[Nobody, Failed, Sent]).await;
    let reasons: Vec<&str> = alert.notices.iter().map(|notice| notice.reason.as_str()).collect();
    assert_eq!(reasons, ["by_phone", "rejected", ""]);
    // What the seller's own people see is the same.
    let mut viewer = phone.tenant.person("Vera Viewer", Role::SellerViewer, &[&phone.seller]).await;
    let list = pb::ListSlaAlertsRequest { seller_id: phone.seller.clone(), ..Default::default() };
    let seen = client!(SlaServiceClient, viewer.session).list_sla_alerts(list).await.expect("alerts").into_inner();
    assert_eq!(seen.alerts[0].notices, alert.notices);

    let mut bare = self::shop("Notices to nobody", "nessuno").await;
    let ticket = bare.written("fourth").await;
    let alert = bare.notices(&ticket, "nobody to be found", &[Nobody]).await;
    assert_eq!(alert.notices[0].reason, "no_step");
}
