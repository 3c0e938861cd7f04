//! Customers: found, kept, joined and split, and everything that was said with one of them.

use proto::Role;
use proto::tickets::v1 as pb;
use proto::tickets::v1::customers_service_client::CustomersServiceClient;
use proto::tickets::v1::tickets_service_client::TicketsServiceClient;
use proto::tickets::v1::timeline_entry::What;
use tests::{Tenant, desk, eventually, reason};
use tonic::{Code, Status};

type Transport = manydesk::cli::Transport;

struct Shop {
    tenant: Tenant,
    seller: String,
    mailbox: String,
    whatsapp: String,
    tickets: TicketsServiceClient<Transport>,
    customers: CustomersServiceClient<Transport>,
    sent: usize,
}

async fn shop(name: &str) -> Shop {
    let mut tenant = desk().await.provider(name).await;
    let seller = tenant.seller("masque").await;
    let mailbox = tenant.account(&seller, "email", "help@masque.example").await;
    let whatsapp = tenant.account(&seller, "whatsapp", "+390200000").await;
    let transport = tenant.admin.transport().await.unwrap();
    let (tickets, customers) = (TicketsServiceClient::new(transport.clone()), CustomersServiceClient::new(transport));
    Shop { tenant, seller, mailbox, whatsapp, tickets, customers, sent: 0 }
}

impl Shop {
    async fn write(&mut self, account: &str, address: &str, name: &str, order: &str) -> pb::Ticket {
        self.sent += 1;
        let request = pb::ReceiveMessageRequest {
            seller_id: self.seller.clone(),
            channel_account_id: account.into(),
            external_id: format!("m-{}", self.sent),
            author: Some(pb::Author { address: address.into(), name: name.into() }),
            text: format!("Dove si trova il mio pacco, per favore? ({})", self.sent),
            order_id: order.into(),
            ..Default::default()
        };
        self.tickets.receive_message(request).await.expect("a message is taken").into_inner().ticket.unwrap()
    }

    async fn mail(&mut self, address: &str, name: &str) -> pb::Ticket {
        let account = self.mailbox.clone();
        self.write(&account, address, name, "").await
    }

    async fn get(&mut self, id: &str) -> Result<pb::Customer, Status> {
        let request = pb::GetCustomerRequest { customer_id: id.into(), ..Default::default() };
        Ok(self.tickets.get_customer(request).await?.into_inner().customer.unwrap())
    }

    async fn list(&mut self, query: &str, order: &str) -> Vec<String> {
        let mut found = Vec::new();
        let mut request = pb::ListCustomersRequest {
            page_size: 2,
            query: query.into(),
            order_id: order.into(),
            ..Default::default()
        };
        loop {
            let page = self.customers.list_customers(request.clone()).await.expect("a page").into_inner();
            assert!(page.customers.len() <= 2);
            found.extend(page.customers.into_iter().map(|customer| customer.id));
            if page.next_page_token.is_empty() {
                return found;
            }
            request.page_token = page.next_page_token;
        }
    }

    async fn merge(&mut self, from: &str, into: &str) -> Result<pb::MergeCustomersResponse, Status> {
        let request = pb::MergeCustomersRequest {
            seller_id: self.seller.clone(),
            customer_id: from.into(),
            target_customer_id: into.into(),
            ..Default::default()
        };
        Ok(self.customers.merge_customers(request).await?.into_inner())
    }

    async fn tickets_of(&mut self, customer: &str) -> Vec<String> {
        let request = pb::ListTicketsRequest { customer_id: customer.into(), ..Default::default() };
        let mut tickets: Vec<String> = self
            .tickets
            .list_tickets(request)
            .await
            .expect("a page")
            .into_inner()
            .tickets
            .into_iter()
            .map(|ticket| ticket.id)
            .collect();
        tickets.sort();
        tickets
    }

    async fn timeline(&mut self, customer: &str, oldest_first: bool) -> Vec<pb::TimelineEntry> {
        let mut found = Vec::new();
        let mut request = pb::ListCustomerTimelineRequest {
            customer_id: customer.into(),
            page_size: 3,
            oldest_first,
            ..Default::default()
        };
        loop {
            let page = self.customers.list_customer_timeline(request.clone()).await.expect("a page").into_inner();
            found.extend(page.entries);
            if page.next_page_token.is_empty() {
                return found;
            }
            request.page_token = page.next_page_token;
        }
    }
}

fn addresses(customer: &pb::Customer) -> Vec<&str> {
    customer.identities.iter().map(|identity| identity.address.as_str()).collect()
}

fn sorted(mut ids: Vec<String>) -> Vec<String> {
    ids.sort();
    ids
}

fn words(entries: &[pb::TimelineEntry]) -> Vec<String> {
    let word = |entry: &pb::TimelineEntry| match entry.what.as_ref().expect("something happened") {
        What::Message(message) => format!("{:?}", message.direction()).to_lowercase(),
        What::TicketEvent(event) => event.kind.clone(),
        What::CustomerEvent(event) => event.kind.clone(),
    };
    entries.iter().map(word).collect()
}

#[tokio::test]
async fn customers_are_found_by_name_address_and_order() {
    let mut shop = shop("Found").await;
    let (mailbox, whatsapp) = (shop.mailbox.clone(), shop.whatsapp.clone());
    let zoe = shop.write(&mailbox, "zoe.muller@post.example", "Zoë Müller", "404-1").await.customer_id;
    let anna = shop.write(&mailbox, "rossi@casa.example", "Anna Rossi", "404-1").await.customer_id;
    let annabella = shop.write(&mailbox, "ab@casa.example", "Annabella Annunziata", "404-2").await.customer_id;
    let caller = shop.write(&whatsapp, "+39 02 555-1234", "", "").await.customer_id;

    assert_eq!(shop.list("mull", "").await, [zoe.as_str()]);
    assert_eq!(shop.list("MÜLLER zoe", "").await, [zoe.as_str()]);
    assert_eq!(sorted(shop.list("ann", "").await), sorted(vec![anna.clone(), annabella.clone()]), "each once");
    assert_eq!(shop.list("ann ross", "").await, [anna.as_str()]);
    assert_eq!(shop.list("rossi@cas", "").await, [anna.as_str()]);
    assert_eq!(shop.list("zoe.muller@post.example", "").await, [zoe.as_str()]);
    assert_eq!(shop.list("+39 025", "").await, [caller.as_str()]);
    assert_eq!(sorted(shop.list("", "404-1").await), sorted(vec![zoe.clone(), anna.clone()]));
    assert_eq!(shop.list("", "404-").await, Vec::<String>::new(), "an order is named whole");
    assert_eq!(shop.list("ossi", "").await, Vec::<String>::new());
    assert_eq!(shop.list("", "").await, [caller, annabella, anna, zoe], "the newest first");

    for (query, order, field) in [("--", "", "query"), ("a b c d e f", "", "query"), ("a", "b", "order_id")] {
        let request = pb::ListCustomersRequest { query: query.into(), order_id: order.into(), ..Default::default() };
        let refused = shop.customers.list_customers(request).await.expect_err("not a search");
        assert_eq!(refused.code(), Code::InvalidArgument);
        assert!(refused.message().contains(field), "{}", refused.message());
    }
}

#[tokio::test]
async fn what_is_known_of_a_customer_is_changed_field_by_field() {
    let mut shop = shop("Known").await;
    let id = shop.mail("anna@casa.example", "Anna").await.customer_id;
    let before = shop.get(&id).await.unwrap();
    let request = |customer: pb::Customer, paths: &[&str], etag: &str| pb::UpdateCustomerRequest {
        customer_id: id.clone(),
        etag: etag.into(),
        customer: Some(customer),
        update_mask: Some(prost_types::FieldMask { paths: paths.iter().map(|path| (*path).into()).collect() }),
        ..Default::default()
    };
    let seller = shop.seller.clone();
    let wanted = pb::Customer {
        name: "Anna Bianchi".into(),
        preferred_language: "de".into(),
        country: "IT".into(),
        time_zone: "Europe/Rome".into(),
        tier: "vip".into(),
        ..Default::default()
    };
    let all = ["name", "preferred_language", "country", "time_zone", "tier"];
    let change = pb::UpdateCustomerRequest { seller_id: seller.clone(), ..request(wanted.clone(), &all, &before.etag) };
    let changed = shop.customers.update_customer(change.clone()).await.unwrap().into_inner().customer.unwrap();
    assert_eq!((changed.name.as_str(), changed.tier.as_str()), ("Anna Bianchi", "vip"));
    assert_eq!((changed.preferred_language.as_str(), changed.language.as_str()), ("de", "it"));
    assert_ne!(changed.etag, before.etag);
    assert_eq!(shop.list("bianchi", "").await, [id.as_str()], "the new name is found");

    let stale = shop.customers.update_customer(change).await.expect_err("an old etag");
    assert_eq!((stale.code(), reason(&stale)), (Code::Aborted, "ETAG_MISMATCH".into()));

    let cleared =
        pb::UpdateCustomerRequest { seller_id: seller.clone(), ..request(pb::Customer::default(), &["tier"], "") };
    let cleared = shop.customers.update_customer(cleared).await.unwrap().into_inner().customer.unwrap();
    assert_eq!((cleared.tier.as_str(), cleared.country.as_str()), ("", "IT"), "only what the mask names");

    let bad = pb::Customer {
        country: "Italy".into(),
        time_zone: "Rome".into(),
        tier: "V I P".into(),
        preferred_language: "Italian!".into(),
        ..Default::default()
    };
    let bad = pb::UpdateCustomerRequest { seller_id: seller.clone(), ..request(bad, &all[1..], "") };
    let refused = shop.customers.update_customer(bad).await.expect_err("bad values");
    for field in &all[1..] {
        assert!(refused.message().contains(field), "{field} in {}", refused.message());
    }
    let unknown = pb::UpdateCustomerRequest { seller_id: seller, ..request(wanted, &["identities"], "") };
    assert_eq!(shop.customers.update_customer(unknown).await.unwrap_err().code(), Code::InvalidArgument);

    // Who says nothing is taken to want the language that was noted.
    let mailbox = shop.mailbox.clone();
    let silent = pb::ReceiveMessageRequest {
        seller_id: shop.seller.clone(),
        channel_account_id: mailbox,
        external_id: "silent".into(),
        author: Some(pb::Author { address: "anna@casa.example".into(), name: String::new() }),
        text: "4711".into(),
        ..Default::default()
    };
    let ticket = shop.tickets.receive_message(silent).await.unwrap().into_inner().ticket.unwrap();
    assert_eq!(ticket.language, "de");
}

#[tokio::test]
async fn joined_customers_are_one_through_chains_and_circles_and_a_split_undoes_it() {
    let mut shop = shop("Joined").await;
    let whatsapp = shop.whatsapp.clone();
    let by_mail = shop.mail("anna@casa.example", "Anna Rossi").await;
    let by_phone = shop.write(&whatsapp, "+39025551234", "", "").await;
    let at_work = shop.mail("a.rossi@work.example", "A. Rossi").await;
    let (a, b, c) = (by_mail.customer_id.clone(), by_phone.customer_id.clone(), at_work.customer_id.clone());

    // b into c, then c into a: the chain ends at a, whoever is named.
    let joined = shop.merge(&b, &c).await.unwrap();
    assert_eq!(joined.tickets_moved, 1);
    let joined = shop.merge(&c, &a).await.unwrap();
    assert_eq!(joined.tickets_moved, 2);
    let one = joined.customer.unwrap();
    assert_eq!((one.id.as_str(), one.name.as_str()), (a.as_str(), "Anna Rossi"));
    assert_eq!(addresses(&one), ["a.rossi@work.example", "anna@casa.example", "+39025551234"]);
    for id in [&a, &b, &c] {
        assert_eq!(shop.get(id).await.unwrap(), one, "every former id leads to the one");
    }
    // Again, the other way round, and from inside the chain: nothing changes.
    for (from, into) in [(&c, &a), (&a, &c), (&b, &a), (&a, &b), (&a, &a)] {
        let again = shop.merge(from, into).await.unwrap();
        assert_eq!((again.tickets_moved, again.customer.unwrap()), (0, one.clone()));
    }
    let mut tickets = vec![by_mail.id.clone(), by_phone.id.clone(), at_work.id.clone()];
    tickets.sort();
    assert_eq!(shop.tickets_of(&a).await, tickets);
    assert_eq!(shop.list("rossi", "").await, [a.as_str()], "only the one is found");

    // Later messages from any address reach the one customer.
    let later = shop.write(&whatsapp, "0039 02 555 1234", "", "").await;
    let mail = shop.mail("a.rossi@work.example", "").await;
    assert_eq!((&later.customer_id, &mail.customer_id), (&a, &a));

    let entries = shop.timeline(&a, true).await;
    assert_eq!(words(&entries), ["inbound", "inbound", "inbound", "merged", "merged", "inbound", "inbound"]);
    let mut newest = shop.timeline(&b, false).await;
    newest.reverse();
    assert_eq!(newest, entries, "both ways, and by a former id");

    // Undone: the telephone becomes somebody else with what was begun from it.
    let telephone = pb::CustomerIdentity { channel: pb::Channel::Phone.into(), address: "+39025551234".into() };
    let request = pb::SplitCustomerRequest {
        seller_id: shop.seller.clone(),
        request_id: "split-1".into(),
        customer_id: a.clone(),
        identities: vec![telephone.clone()],
        name: "Bruno".into(),
        ..Default::default()
    };
    let split = shop.customers.split_customer(request.clone()).await.unwrap().into_inner();
    let (stays, other) = (split.customer.clone().unwrap(), split.split_off.clone().unwrap());
    assert_eq!((split.tickets_moved, other.name.as_str(), addresses(&other)), (2, "Bruno", vec!["+39025551234"]));
    assert_eq!(addresses(&stays), ["a.rossi@work.example", "anna@casa.example"]);
    let again = shop.customers.split_customer(request).await.unwrap().into_inner();
    assert_eq!(again, split, "the same request is answered the same");
    let mut moved = vec![by_phone.id, later.id];
    moved.sort();
    assert_eq!(shop.tickets_of(&other.id).await, moved);
    assert_eq!(shop.write(&whatsapp, "+39025551234", "", "").await.customer_id, other.id);
    assert_eq!(words(&shop.timeline(&other.id, true).await), ["inbound", "inbound", "split_from", "inbound"]);

    let all = pb::SplitCustomerRequest {
        seller_id: shop.seller.clone(),
        customer_id: other.id.clone(),
        identities: vec![telephone],
        ..Default::default()
    };
    let refused = shop.customers.split_customer(all).await.expect_err("one address stays");
    assert_eq!((refused.code(), reason(&refused)), (Code::FailedPrecondition, "LAST_IDENTITY".into()));
}

#[tokio::test]
async fn addresses_are_added_and_removed_but_never_taken() {
    let mut shop = shop("Addresses").await;
    let anna = shop.mail("anna@casa.example", "Anna").await.customer_id;
    let bruno = shop.mail("bruno@casa.example", "Bruno").await.customer_id;
    let identity =
        |address: &str| Some(pb::CustomerIdentity { channel: pb::Channel::Email.into(), address: address.into() });
    let add = |shop: &Shop, customer: &str, address: &str| pb::AddCustomerIdentityRequest {
        seller_id: shop.seller.clone(),
        customer_id: customer.into(),
        identity: identity(address),
        ..Default::default()
    };
    for _ in 0..2 {
        let request = add(&shop, &anna, " Anna.Neu@Casa.Example");
        let added = shop.customers.add_customer_identity(request).await.unwrap().into_inner().customer.unwrap();
        assert_eq!(addresses(&added), ["anna.neu@casa.example", "anna@casa.example"]);
    }
    assert_eq!(shop.mail("ANNA.NEU@casa.example", "").await.customer_id, anna);
    assert_eq!(shop.list("anna.neu@", "").await, [anna.as_str()]);

    let request = add(&shop, &bruno, "anna.neu@casa.example");
    let taken = shop.customers.add_customer_identity(request).await.expect_err("it is Anna's");
    assert_eq!((taken.code(), reason(&taken)), (Code::FailedPrecondition, "IDENTITY_TAKEN".into()));

    let remove = |shop: &Shop, address: &str| pb::RemoveCustomerIdentityRequest {
        seller_id: shop.seller.clone(),
        customer_id: anna.clone(),
        identity: identity(address),
        ..Default::default()
    };
    for _ in 0..2 {
        let request = remove(&shop, "anna.neu@casa.example");
        let left = shop.customers.remove_customer_identity(request).await.unwrap().into_inner().customer.unwrap();
        assert_eq!(addresses(&left), ["anna@casa.example"]);
    }
    assert_ne!(shop.mail("anna.neu@casa.example", "").await.customer_id, anna, "somebody new");
    let request = remove(&shop, "anna@casa.example");
    let last = shop.customers.remove_customer_identity(request).await.expect_err("the last one");
    assert_eq!(reason(&last), "LAST_IDENTITY");
}

#[tokio::test]
async fn a_timeline_tells_staff_everything_and_the_seller_no_notes() {
    let mut shop = shop("Timeline").await;
    let ticket = shop.mail("anna@casa.example", "Anna").await;
    let key = |what: &str| format!("{what}-{}", ticket.id);
    let note = pb::AddNoteRequest {
        seller_id: shop.seller.clone(),
        request_id: key("note"),
        ticket_id: ticket.id.clone(),
        text: "She called twice.".into(),
    };
    shop.tickets.add_note(note).await.unwrap();
    let reply = pb::ReplyRequest {
        seller_id: shop.seller.clone(),
        request_id: key("reply"),
        ticket_id: ticket.id.clone(),
        text: "Arriva domani.".into(),
        ..Default::default()
    };
    shop.tickets.reply(reply).await.unwrap();
    let solve =
        pb::SolveTicketRequest { seller_id: shop.seller.clone(), ticket_id: ticket.id.clone(), ..Default::default() };
    shop.tickets.solve_ticket(solve).await.unwrap();
    let entries = shop.timeline(&ticket.customer_id, true).await;
    assert_eq!(words(&entries), ["inbound", "note", "outbound", "solved"]);
    assert!(entries.iter().all(|entry| entry.ticket_id == ticket.id && entry.ticket_number == ticket.number));
    assert!(entries.windows(2).all(|pair| pair[0].at.unwrap().seconds <= pair[1].at.unwrap().seconds));

    let mut owner = shop.tenant.person("Olga Owner", Role::SellerAdmin, &[&shop.seller.clone()]).await;
    let mut hers = CustomersServiceClient::new(owner.session.transport().await.unwrap());
    let request = pb::ListCustomerTimelineRequest {
        customer_id: ticket.customer_id.clone(),
        oldest_first: true,
        ..Default::default()
    };
    let shown = hers.list_customer_timeline(request).await.unwrap().into_inner().entries;
    assert_eq!(words(&shown), ["inbound", "outbound", "solved"]);
    let Some(What::TicketEvent(solved)) = &shown[2].what else { panic!("not solved") };
    assert_eq!(solved.user_id, "", "the seller sees no people");
}

#[tokio::test]
async fn nobody_is_joined_across_sellers() {
    let mut shop = shop("Across").await;
    let other_seller = shop.tenant.seller("bergkind").await;
    let other_box = shop.tenant.account(&other_seller, "email", "help@bergkind.example").await;
    let anna = shop.mail("anna@casa.example", "Anna").await.customer_id;
    let theirs = pb::ReceiveMessageRequest {
        seller_id: other_seller.clone(),
        channel_account_id: other_box,
        external_id: "x-1".into(),
        author: Some(pb::Author { address: "anna@casa.example".into(), name: "Anna".into() }),
        text: "Ciao".into(),
        ..Default::default()
    };
    let theirs = shop.tickets.receive_message(theirs).await.unwrap().into_inner().ticket.unwrap().customer_id;
    assert_ne!(anna, theirs, "one address, two sellers, two customers");
    for (from, into) in [(&anna, &theirs), (&theirs, &anna)] {
        let refused = shop.merge(from, into).await.expect_err("two sellers");
        assert_eq!((refused.code(), refused.message()), (Code::NotFound, "no such customer"));
    }
    let absent = format!("customer_{}", "0".repeat(26));
    let refused = shop.merge(&anna, &absent).await.expect_err("nobody");
    assert_eq!((refused.code(), refused.message()), (Code::NotFound, "no such customer"));
}

#[tokio::test]
async fn a_mail_that_arrives_while_its_customer_is_joined_is_the_ones() {
    let mut shop = shop("Racing").await;
    for round in 0..6 {
        let target = shop.mail(&format!("target-{round}@casa.example"), "Target").await.customer_id;
        let address = format!("source-{round}@casa.example");
        let source = shop.mail(&address, "Source").await.customer_id;
        let sending: Vec<_> = (0..8)
            .map(|n| {
                let (mut tickets, seller, mailbox) = (shop.tickets.clone(), shop.seller.clone(), shop.mailbox.clone());
                let address = address.clone();
                tokio::spawn(async move {
                    let request = pb::ReceiveMessageRequest {
                        seller_id: seller,
                        channel_account_id: mailbox,
                        external_id: format!("race-{round}-{n}"),
                        author: Some(pb::Author { address, name: String::new() }),
                        text: "Ciao".into(),
                        ..Default::default()
                    };
                    tickets.receive_message(request).await
                })
            })
            .collect();
        let merged = eventually("the merge", || {
            let (mut customers, seller) = (shop.customers.clone(), shop.seller.clone());
            let (source, target) = (source.clone(), target.clone());
            async move {
                let request = pb::MergeCustomersRequest {
                    seller_id: seller,
                    customer_id: source,
                    target_customer_id: target,
                    ..Default::default()
                };
                match customers.merge_customers(request).await {
                    Ok(merged) => Some(merged.into_inner()),
                    Err(status) if status.code() == Code::Aborted => None,
                    Err(status) => panic!("{status:?}"),
                }
            }
        })
        .await;
        assert_eq!(merged.customer.unwrap().id, target);
        for sent in sending {
            let ticket = sent.await.unwrap().expect("a message is taken").into_inner().ticket.unwrap();
            assert!([&source, &target].contains(&&ticket.customer_id));
        }
        assert_eq!(shop.tickets_of(&target).await.len(), 10, "every ticket is the one's");
        assert!(shop.tickets_of(&source).await.is_empty(), "nothing stays with who is no more");
    }
}
