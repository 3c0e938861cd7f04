//! Workflow: what is done with tickets beside answering them, each change in the history.

use std::collections::BTreeSet;

use proto::tickets::v1 as pb;
use tests::reason;
use tonic::Code;

use crate::support::shop::{hands, shop};

#[tokio::test]
async fn tags_fields_and_priority_are_kept_and_told() {
    let mut shop = shop("Marks").await;
    let ticket = shop.ticket("w1", "Pacco", "Dov'è il mio pacco?").await;
    let mut lead = hands(&mut shop.tenant.admin).await;
    let mut agent = hands(&mut shop.agent.session).await;
    let tag = |add: &[&str], remove: &[&str]| pb::TagTicketRequest {
        seller_id: shop.seller.clone(),
        ticket_id: ticket.id.clone(),
        add: add.iter().map(|tag| (*tag).to_owned()).collect(),
        remove: remove.iter().map(|tag| (*tag).to_owned()).collect(),
        ..Default::default()
    };
    agent.workflow.tag_ticket(tag(&["late", "vip"], &[])).await.expect("tagged");
    let after = agent.workflow.tag_ticket(tag(&["late", "lost"], &["vip", "never"])).await.unwrap().into_inner();
    assert_eq!(after.extras.unwrap().tags, ["late", "lost"]);
    let bad = agent.workflow.tag_ticket(tag(&["Not A Tag"], &[])).await.unwrap_err();
    assert_eq!(bad.code(), Code::InvalidArgument);
    let list = pb::ListTagsRequest { seller_id: shop.seller.clone(), prefix: "l".into(), ..Default::default() };
    let tags = agent.workflow.list_tags(list).await.unwrap().into_inner().tags;
    let tags: Vec<_> = tags.iter().map(|tag| (tag.name.as_str(), tag.tickets)).collect();
    assert_eq!(tags, [("late", 1), ("lost", 1)]);
    let tagged =
        pb::ListTaggedTicketsRequest { seller_id: shop.seller.clone(), tag: "late".into(), ..Default::default() };
    let tagged = agent.workflow.list_tagged_tickets(tagged).await.unwrap().into_inner().tickets;
    assert_eq!(tagged.iter().map(|t| &t.id).collect::<Vec<_>>(), [&ticket.id]);

    let define = |key: &str, kind: pb::FieldType, choices: &[&str]| pb::PutFieldDefinitionRequest {
        seller_id: shop.seller.clone(),
        definition: Some(pb::FieldDefinition {
            key: key.into(),
            name: key.into(),
            r#type: kind.into(),
            choices: choices.iter().map(|choice| (*choice).to_owned()).collect(),
            active: true,
            ..Default::default()
        }),
        ..Default::default()
    };
    lead.workflow.put_field_definition(define("size", pb::FieldType::Integer, &[])).await.expect("a field");
    lead.workflow.put_field_definition(define("carrier", pb::FieldType::Choice, &["dhl", "ups"])).await.expect("one");
    let other = lead.workflow.put_field_definition(define("size", pb::FieldType::Text, &[])).await.unwrap_err();
    assert_eq!((other.code(), reason(&other).as_str()), (Code::FailedPrecondition, "FIELD_TYPE"));
    let set = |pairs: &[(&str, &str)]| pb::SetTicketFieldsRequest {
        seller_id: shop.seller.clone(),
        ticket_id: ticket.id.clone(),
        fields: pairs
            .iter()
            .map(|(key, value)| pb::FieldValue { key: (*key).into(), value: (*value).into() })
            .collect(),
        ..Default::default()
    };
    let refused = agent.workflow.set_ticket_fields(set(&[("size", "3"), ("carrier", "gls")])).await.unwrap_err();
    assert_eq!((refused.code(), reason(&refused).as_str()), (Code::InvalidArgument, "FIELD_VALUE"));
    let kept = agent.workflow.set_ticket_fields(set(&[("size", "042"), ("carrier", "ups")])).await.unwrap();
    let fields = kept.into_inner().extras.unwrap().fields;
    let fields: Vec<_> = fields.iter().map(|f| (f.key.as_str(), f.value.as_str())).collect();
    assert_eq!(fields, [("carrier", "ups"), ("size", "42")]);

    let urgent = pb::SetTicketPriorityRequest {
        seller_id: shop.seller.clone(),
        ticket_id: ticket.id.clone(),
        etag: ticket.etag.clone(),
        priority: pb::Priority::Urgent.into(),
        ..Default::default()
    };
    assert_eq!(agent.workflow.set_ticket_priority(urgent.clone()).await.unwrap_err().code(), Code::Aborted);
    let urgent = pb::SetTicketPriorityRequest { etag: String::new(), ..urgent };
    let after = agent.workflow.set_ticket_priority(urgent).await.unwrap().into_inner().ticket.unwrap();
    assert_eq!(after.priority(), pb::Priority::Urgent);
    let want = [
        ("customer_wrote", ""),
        ("tagged", "late"),
        ("tagged", "vip"),
        ("untagged", "vip"),
        ("tagged", "lost"),
        ("field_set", "size=42"),
        ("field_set", "carrier=ups"),
        ("prioritized", "urgent"),
    ];
    assert_eq!(agent.history(&ticket.id).await, want.map(|(kind, detail)| (kind.to_owned(), detail.to_owned())));
}

#[tokio::test]
async fn a_snoozed_ticket_wakes_once_and_asks_for_work() {
    let mut shop = shop("Snooze").await;
    let ticket = shop.ticket("s1", "Pacco", "Dov'è il mio pacco?").await;
    let mut agent = hands(&mut shop.agent.session).await;
    let reply = pb::ReplyRequest {
        seller_id: shop.seller.clone(),
        request_id: "r".into(),
        ticket_id: ticket.id.clone(),
        text: "Chiedo al corriere.".into(),
        ..Default::default()
    };
    agent.tickets.reply(reply).await.expect("an answer");
    let now = kit::Clock::System.now();
    let snooze = |seconds: i64| pb::SnoozeTicketRequest {
        seller_id: shop.seller.clone(),
        ticket_id: ticket.id.clone(),
        until: Some(kit::wire::timestamp(now + jiff::SignedDuration::from_secs(seconds))),
        ..Default::default()
    };
    let past = agent.workflow.snooze_ticket(snooze(-60)).await.unwrap_err();
    assert_eq!((past.code(), reason(&past).as_str()), (Code::InvalidArgument, "BAD_MOMENT"));
    let asleep = agent.workflow.snooze_ticket(snooze(3)).await.expect("asleep").into_inner();
    assert_eq!(asleep.ticket.unwrap().state(), pb::TicketState::OnHold);
    assert!(asleep.extras.unwrap().wakes_at.is_some());
    agent.until_state(&ticket.id, pb::TicketState::Open).await;
    let kinds: Vec<String> = agent.history(&ticket.id).await.into_iter().map(|(kind, _)| kind).collect();
    assert_eq!(kinds, ["customer_wrote", "answered", "snoozed", "woken"]);
    let extras = pb::GetTicketExtrasRequest { ticket_id: ticket.id.clone(), ..Default::default() };
    let extras = agent.workflow.get_ticket_extras(extras).await.unwrap().into_inner().extras.unwrap();
    assert_eq!(extras.wakes_at, None);
}

#[tokio::test]
async fn links_duplicates_and_many_at_once() {
    let mut shop = shop("Many").await;
    let one = shop.ticket_of("l1", "anna@example.it", "Pacco perso ordine", "Dov'è il mio pacco?", "A-77").await;
    let two = shop.ticket_of("l2", "bruno@example.it", "Rimborso", "Voglio un rimborso", "A-77").await;
    let three = shop.ticket_of("l3", "anna@example.it", "Fattura", "Serve la fattura", "").await;
    let four = shop.ticket_of("l4", "carla@example.it", "Pacco perso, ordine?", "Dove?", "").await;
    let five = shop.ticket_of("l5", "dino@example.it", "Buono regalo", "Come funziona?", "").await;
    let mut agent = hands(&mut shop.agent.session).await;
    let suggest = pb::SuggestDuplicatesRequest { ticket_id: one.id.clone(), ..Default::default() };
    let likely = agent.workflow.suggest_duplicates(suggest).await.unwrap().into_inner().duplicates;
    let likely: Vec<_> = likely.iter().map(|d| (d.ticket.as_ref().unwrap().id.as_str(), d.reasons.join(","))).collect();
    let want = [
        (two.id.as_str(), "same_order".to_owned()),
        (four.id.as_str(), "similar_subject".to_owned()),
        (three.id.as_str(), "same_customer".to_owned()),
    ];
    assert_eq!(likely, want, "and not {}", five.id);

    let link = |from: &str, to: &str, kind: pb::LinkKind| pb::LinkTicketsRequest {
        seller_id: shop.seller.clone(),
        ticket_id: from.into(),
        target_ticket_id: to.into(),
        kind: kind.into(),
        ..Default::default()
    };
    use pb::LinkKind::{IncidentOf, ProblemOf, Related};
    agent.workflow.link_tickets(link(&two.id, &one.id, IncidentOf)).await.expect("linked");
    let problem = agent.workflow.link_tickets(link(&one.id, &four.id, ProblemOf)).await.unwrap().into_inner().links;
    assert_eq!(problem.iter().map(pb::TicketLink::kind).collect::<Vec<_>>(), [ProblemOf, ProblemOf]);
    let second = agent.workflow.link_tickets(link(&two.id, &three.id, IncidentOf)).await.unwrap_err();
    assert_eq!((second.code(), reason(&second).as_str()), (Code::FailedPrecondition, "HAS_PROBLEM"));
    let again = agent.workflow.link_tickets(link(&one.id, &two.id, Related)).await.unwrap_err();
    assert_eq!(again.code(), Code::AlreadyExists);
    let unlink = pb::UnlinkTicketsRequest {
        seller_id: shop.seller.clone(),
        ticket_id: one.id.clone(),
        target_ticket_id: two.id.clone(),
        ..Default::default()
    };
    assert_eq!(agent.workflow.unlink_tickets(unlink).await.unwrap().into_inner().links.len(), 1);
    let history = agent.history(&two.id).await;
    assert_eq!(
        history[1..],
        [("linked".to_owned(), format!("incident of {}", one.number)), ("unlinked".to_owned(), one.number.clone())]
    );

    let mut lead = hands(&mut shop.tenant.admin).await;
    let solve = |id: &str| pb::SolveTicketRequest {
        seller_id: shop.seller.clone(),
        ticket_id: id.into(),
        ..Default::default()
    };
    lead.tickets.solve_ticket(solve(&five.id)).await.expect("solved");
    let close =
        pb::CloseTicketRequest { seller_id: shop.seller.clone(), ticket_id: five.id.clone(), ..Default::default() };
    lead.tickets.close_ticket(close).await.expect("closed");
    use pb::action::Action::{AddTag, SetPriority};
    let bulk = pb::BulkEditTicketsRequest {
        seller_id: shop.seller.clone(),
        request_id: "bulk-1".into(),
        ticket_ids: vec![three.id.clone(), five.id.clone(), "ticket_00000000000000000000000009".into(), one.id.clone()],
        actions: vec![
            pb::Action { action: Some(AddTag("bulk".into())) },
            pb::Action { action: Some(SetPriority(pb::Priority::Low.into())) },
        ],
    };
    let first = agent.workflow.bulk_edit_tickets(bulk.clone()).await.expect("done").into_inner();
    let twice = agent.workflow.bulk_edit_tickets(bulk.clone()).await.expect("answered").into_inner();
    assert_eq!(first, twice);
    let results: Vec<_> = first.results.iter().map(|r| (r.done, r.reason.as_str())).collect();
    assert_eq!(results, [(true, ""), (false, "TICKET_CLOSED"), (false, "NOT_FOUND"), (true, "")]);
    assert_eq!(agent.ticket(&three.id).await.priority(), pb::Priority::Low);
    let many = pb::BulkEditTicketsRequest { ticket_ids: vec![three.id.clone(); 101], ..bulk };
    assert_eq!(agent.workflow.bulk_edit_tickets(many).await.unwrap_err().code(), Code::InvalidArgument);
}

#[tokio::test]
async fn the_transition_table_is_published_whole() {
    let mut shop = shop("Table").await;
    let mut agent = hands(&mut shop.agent.session).await;
    let table = agent.workflow.get_transition_table(pb::GetTransitionTableRequest::default()).await;
    let table = table.expect("a table").into_inner().transitions;
    let cells: BTreeSet<_> = table.iter().map(|t| (t.from, t.step.clone())).collect();
    assert_eq!((table.len(), cells.len()), (7 * 14, 7 * 14));
    let to = |from: pb::TicketState, step: &str| {
        table.iter().find(|t| t.from() == from && t.step == step).expect("a cell").to()
    };
    assert_eq!(to(pb::TicketState::Open, "hold_pending_seller"), pb::TicketState::PendingSeller);
    assert_eq!(to(pb::TicketState::Closed, "reopen"), pb::TicketState::Unspecified);
}
