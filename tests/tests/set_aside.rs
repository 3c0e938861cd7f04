//! What routing was told and could not carry out: it stops nobody, is seen, tried again and given up.

use kit::Id;
use kit::ids::Uuid;
use manydesk::cli::Session;
use proto::Role;
use proto::routing::v1::floor_service_client::FloorServiceClient;
use proto::routing::v1::intake_service_client::IntakeServiceClient;
use proto::routing::v1::*;
use sqlx::PgConnection;
use tests::{Tenant, desk, eventually, reason, violated};
use tonic::Code;

use crate::routing::{Stream, enqueue, mail};
use crate::support::rows::superuser;

macro_rules! notes {
    ($session:expr) => {
        IntakeServiceClient::new($session.transport().await.expect("a token"))
    };
}

fn uuid<T: Id>(text: &str) -> Uuid {
    kit::ids::decode(T::PREFIX, text).expect("an id")
}

/// Leaves a note that nobody can read: by a version to come, or broken.
async fn leave_unreadable(database: &mut PgConnection, tenant: &Tenant, seller: &str, kind: &str) -> Uuid {
    let id = kit::Clock::System.new_uuid();
    sqlx::query(
        "insert into routing.intake (provider_id, intake_id, kind, of_seller, subject_id, reason, failed, content)
         values ($1, $2, $3, $4, $5, '', false, '{\"new\": \"unheard of\"}')",
    )
    .bind(uuid::<kit::ProviderId>(&tenant.provider_id))
    .bind(id)
    .bind(kind)
    .bind(uuid::<kit::SellerId>(seller))
    .bind(kit::Clock::System.new_uuid())
    .execute(database)
    .await
    .expect("a note");
    id
}

/// The notes that are set aside, once there are so many.
async fn set_aside(session: &mut Session, count: usize) -> Vec<SetAsideNote> {
    let client = notes!(session);
    eventually("so many notes to be set aside", || {
        let mut client = client.clone();
        async move {
            let notes = client.list_set_aside_notes(ListSetAsideNotesRequest::default()).await.ok()?.into_inner().notes;
            (notes.len() == count).then_some(notes)
        }
    })
    .await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_note_that_cannot_be_carried_out_stops_nobody_and_waits_for_an_administrator() {
    let mut tenant = desk().await.provider("Set aside").await;
    let mut other = desk().await.provider("Set aside elsewhere").await;
    let seller = tenant.seller("masque").await;
    let mut boss = tenant.person("Boss", Role::Supervisor, &[&seller]).await;
    let mut giulia = tenant.agent("Giulia", "it", &[&seller]).await;
    let mut database = superuser(tenant.desk).await;
    let first = leave_unreadable(&mut database, &tenant, &seller, "contact").await;
    let second = leave_unreadable(&mut database, &tenant, &seller, "contact").await;

    // those behind it go on
    let behind = enqueue(&mut boss.session, mail(&seller, "behind", "it")).await;
    let (mut stream, welcome) = Stream::open(&mut giulia.session).await;
    assert_eq!(stream.offer(welcome).await.contact.expect("a contact").id, behind.id);

    let seen = set_aside(&mut tenant.admin, 2).await;
    let shown: Vec<_> = seen.iter().map(|n| (n.kind.as_str(), n.seller_id.as_str(), n.failure.as_str())).collect();
    assert_eq!(shown, [("contact", seller.as_str(), "UNREADABLE"); 2]);
    assert!(seen.iter().all(|note| note.set_aside_at.is_some() && note.contact_id.starts_with("contact_")));
    let ids: Vec<Uuid> = seen.iter().map(|note| kit::ids::decode("note", &note.note_id).expect("an id")).collect();
    assert_eq!(ids, [first, second], "those left first first");
    let page = ListSetAsideNotesRequest { page_size: 1, ..Default::default() };
    let mut admin = notes!(tenant.admin);
    let page = admin.list_set_aside_notes(page).await.expect("a page").into_inner();
    assert_eq!((page.notes.len(), page.next_page_token.is_empty()), (1, false));
    let next = ListSetAsideNotesRequest { page_size: 1, page_token: page.next_page_token };
    let next = admin.list_set_aside_notes(next).await.expect("a page").into_inner();
    assert_eq!((next.notes, next.next_page_token.as_str()), (vec![seen[1].clone()], ""));

    // nobody else sees or touches them
    let refused = notes!(boss.session).list_set_aside_notes(ListSetAsideNotesRequest::default()).await.unwrap_err();
    assert_eq!(refused.code(), Code::PermissionDenied);
    let mut stranger = notes!(other.admin);
    let theirs = stranger.list_set_aside_notes(ListSetAsideNotesRequest::default()).await.expect("a list").into_inner();
    assert!(theirs.notes.is_empty());
    let retry = |note_id: &str, request_id: &str| RetrySetAsideNoteRequest {
        note_id: note_id.to_owned(),
        request_id: request_id.to_owned(),
    };
    let drop = |note_id: &str, request_id: &str| DropSetAsideNoteRequest {
        note_id: note_id.to_owned(),
        reason: "made by mistake".to_owned(),
        request_id: request_id.to_owned(),
    };
    let refused = stranger.retry_set_aside_note(retry(&seen[0].note_id, "theirs")).await.unwrap_err();
    assert_eq!(refused.code(), Code::NotFound);
    let refused = stranger.drop_set_aside_note(drop(&seen[0].note_id, "theirs-too")).await.unwrap_err();
    assert_eq!(refused.code(), Code::NotFound);
    let wrong = DropSetAsideNoteRequest { reason: String::new(), ..drop("me", "wrong") };
    assert_eq!(violated(&admin.drop_set_aside_note(wrong).await.unwrap_err()), ["note_id", "reason"]);

    // tried again as it is, it fails again
    admin.retry_set_aside_note(retry(&seen[0].note_id, "again")).await.expect("it is tried");
    eventually("it to be set aside once more", || {
        let (mut admin, before) = (admin.clone(), seen[0].clone());
        async move {
            let notes = admin.list_set_aside_notes(ListSetAsideNotesRequest::default()).await.ok()?.into_inner().notes;
            notes.into_iter().find(|n| n.note_id == before.note_id && n.set_aside_at != before.set_aside_at)
        }
    })
    .await;
    // mended, it is carried out
    sqlx::query("update routing.intake set kind = 'seller', content = null where intake_id = $1")
        .bind(first)
        .execute(&mut database)
        .await
        .expect("a row");
    admin.retry_set_aside_note(retry(&seen[0].note_id, "mended")).await.expect("it is tried");
    assert_eq!(set_aside(&mut tenant.admin, 1).await[0].note_id, seen[1].note_id);
    eventually("it to be carried out", || {
        let connection = superuser(tenant.desk);
        async move {
            let mut connection = connection.await;
            let left: i64 = sqlx::query_scalar("select count(*) from routing.intake where intake_id = $1")
                .bind(first)
                .fetch_one(&mut connection)
                .await
                .ok()?;
            (left == 0).then_some(())
        }
    })
    .await;

    // given up once, and the same request is answered the same
    for _ in 0..2 {
        admin.drop_set_aside_note(drop(&seen[1].note_id, "gone")).await.expect("it is dropped");
    }
    let refused = admin.drop_set_aside_note(drop(&seen[1].note_id, "gone-again")).await.unwrap_err();
    assert_eq!(refused.code(), Code::NotFound);
    set_aside(&mut tenant.admin, 0).await;

    // an erasure waits for its note
    let erasure = leave_unreadable(&mut database, &tenant, &seller, "erasure").await;
    sqlx::query("update routing.intake set failed = true, failure = 'INTERNAL' where intake_id = $1")
        .bind(erasure)
        .execute(&mut database)
        .await
        .expect("a row");
    let needed = set_aside(&mut tenant.admin, 1).await.remove(0);
    let refused = admin.drop_set_aside_note(drop(&needed.note_id, "needed")).await.unwrap_err();
    assert_eq!((refused.code(), reason(&refused).as_str()), (Code::FailedPrecondition, "NOTE_NEEDED"));

    // who did what is in the trail
    let mut floor = FloorServiceClient::new(tenant.admin.transport().await.expect("a token"));
    let trail = floor.list_floor_actions(ListFloorActionsRequest::default()).await.expect("a trail").into_inner();
    let trail: Vec<_> = trail.actions.iter().map(|a| (a.action.as_str(), a.reason.as_str())).collect();
    assert_eq!(trail, [("note_dropped", "made by mistake"), ("note_retried", ""), ("note_retried", "")]);
}
