//! The past brought in through the command line: mails, and tickets of other help desks.

use std::path::Path;

use aws_lc_rs::digest;
use clap::Parser;
use proto::tickets::v1 as pb;
use proto::tickets::v1::imports_service_client::ImportsServiceClient;
use proto::tickets::v1::tickets_service_client::TicketsServiceClient;
use tests::{PASSWORD, Tenant, desk};
use tonic::Code;

type Transport = manydesk::cli::Transport;

struct Shop {
    tenant: Tenant,
    seller: String,
    mailbox: String,
    tickets: TicketsServiceClient<Transport>,
    imports: ImportsServiceClient<Transport>,
    folder: tempfile::TempDir,
}

async fn shop(name: &str) -> Shop {
    let mut tenant = desk().await.provider(name).await;
    let seller = tenant.seller("masque").await;
    let mailbox = tenant.account(&seller, "email", "help@masque.example").await;
    let transport = tenant.admin.transport().await.unwrap();
    Shop {
        tenant,
        seller,
        mailbox,
        tickets: TicketsServiceClient::new(transport.clone()),
        imports: ImportsServiceClient::new(transport),
        folder: tempfile::tempdir().unwrap(),
    }
}

impl Shop {
    fn file(&self, name: &str, content: &[u8]) -> String {
        let path = self.folder.path().join(name);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(&path, content).unwrap();
        path.to_str().unwrap().to_owned()
    }

    /// Runs `manydesk import …`; whether everything was brought in, and what was not.
    async fn import(&self, arguments: &[&str]) -> (bool, Vec<String>) {
        let report = self.folder.path().join("rejected.txt");
        let email = format!("admin@{}.example", self.tenant.handle);
        let at = ["--url", &self.tenant.desk.url, "--email", &email, "--password", PASSWORD, "--seller", "masque"];
        let mut all = vec!["manydesk", "import"];
        all.extend(arguments);
        all.extend(["--mailbox", "help@masque.example", "--rejected", report.to_str().unwrap()]);
        all.extend(at);
        let done = manydesk::cli::Cli::try_parse_from(all).expect("arguments").run().await;
        let lines = std::fs::read_to_string(&report).unwrap().lines().map(str::to_owned).collect();
        (done.is_ok(), lines)
    }

    /// The tickets, the oldest first.
    async fn all(&mut self) -> Vec<pb::Ticket> {
        let request = pb::ListTicketsRequest { page_size: 200, ..Default::default() };
        let mut tickets = self.tickets.list_tickets(request).await.unwrap().into_inner().tickets;
        tickets.reverse();
        tickets
    }

    async fn messages(&mut self, ticket: &str) -> Vec<pb::Message> {
        let request = pb::ListMessagesRequest { ticket_id: ticket.into(), ..Default::default() };
        self.tickets.list_messages(request).await.unwrap().into_inner().messages
    }

    async fn imported(&mut self) -> Vec<pb::Import> {
        self.tickets.list_imports(pb::ListImportsRequest::default()).await.unwrap().into_inner().imports
    }
}

fn at(time: &Option<prost_types::Timestamp>) -> String {
    time.as_ref().and_then(kit::wire::instant).map(|at| at.to_string()).unwrap_or_default()
}

fn mail(id: &str, from: &str, to: &str, date: &str, more: &str, text: &str) -> String {
    let date = if date.is_empty() { String::new() } else { format!("Date: {date}\n") };
    format!("From: {from}\nTo: {to}\nMessage-ID: <{id}@mail.example>\nSubject: Parcel\n{date}{more}\n{text}\n")
}

const CUSTOMER: &str = "Anna Rossi <anna@casa.example>";
const DESK: &str = "help@masque.example";

/// Five mails: a question, its answer, one that only its envelope dates, one of the future, and one that is
/// no mail; and the reason and byte of those that are not stored.
fn mbox() -> (String, Vec<u64>) {
    let question =
        mail("q1", CUSTOMER, DESK, "Mon, 01 Jul 2024 10:00:00 +0200", "", "Dov'\u{e8} il mio pacco?\n>From Rome");
    let answer = mail(
        "a1",
        DESK,
        CUSTOMER,
        "Mon, 01 Jul 2024 11:30:00 +0200",
        "In-Reply-To: <q1@mail.example>\n",
        "Arriva domani.",
    );
    let enveloped = mail("q2", "bo@x.example", DESK, "", "", "Hello, where is my order?");
    let future = mail("q3", "eve@x.example", DESK, "Mon, 01 Jul 2199 10:00:00 +0000", "", "From tomorrow");
    let none = "Subject: no sender\n\nnothing\n".to_owned();
    let (mut out, mut places) = (String::new(), Vec::new());
    for (n, raw) in [question, answer, enveloped, future, none].iter().enumerate() {
        places.push(out.len() as u64);
        let day = if n == 3 { "2199" } else { "2024" };
        out.push_str(&format!("From someone@x.example Tue Jul  2 08:00:0{n} {day}\n{raw}\n"));
    }
    (out, vec![places[3], places[4]])
}

#[tokio::test]
async fn an_mbox_is_brought_in_with_its_own_times_once() {
    let mut shop = shop("Mbox").await;
    let (text, places) = mbox();
    let file = shop.file("past.mbox", text.as_bytes());
    let (all_in, rejected) = shop.import(&["mbox", &file]).await;
    assert!(!all_in, "the exit says that something was left out");
    assert_eq!(rejected.len(), 2, "{rejected:?}");
    assert!(rejected.iter().any(|line| line.starts_with(&format!("byte {}\tthe mail has no date", places[0]))));
    assert!(rejected.iter().any(|line| line.starts_with(&format!("byte {}\tset aside: no_sender", places[1]))));

    let tickets = shop.all().await;
    assert_eq!(tickets.len(), 2);
    assert_eq!(at(&tickets[0].created_at), "2024-07-01T08:00:00Z");
    assert_eq!(at(&tickets[0].first_response_at), "2024-07-01T09:30:00Z", "the answer is the seller's own mail");
    assert_eq!((tickets[0].state(), tickets[0].historical), (pb::TicketState::PendingCustomer, true));
    assert_eq!(at(&tickets[1].created_at), "2024-07-02T08:00:02Z", "as the envelope says");
    let messages = shop.messages(&tickets[0].id).await;
    assert_eq!(messages[0].text.trim(), "Dov'\u{e8} il mio pacco?\nFrom Rome");
    assert_eq!(messages[1].direction(), pb::Direction::Outbound);

    // Where it ended nothing is left; from the start everything is there already.
    assert_eq!(shop.import(&["mbox", &file]).await, (true, Vec::new()));
    let (_, rejected) = shop.import(&["mbox", &file, "--from-start"]).await;
    assert_eq!(rejected.len(), 2);
    assert_eq!(shop.all().await.len(), 2);
    let imports = shop.imported().await;
    assert_eq!(imports.len(), 1);
    assert_eq!((imports[0].messages, imports[0].duplicates, imports[0].conversations), (3, 3, 2));
    assert_eq!((imports[0].rejected, imports[0].cursor.as_str()), (4, text.len().to_string().as_str()));
}

#[tokio::test]
async fn folders_of_mails_are_brought_in_maildirs_among_them() {
    let mut shop = shop("Folders").await;
    let date = "Mon, 01 Jul 2024 10:00:00 +0000";
    shop.file("mails/b/two.eml", mail("2", "bo@x.example", DESK, date, "", "Two").as_bytes());
    shop.file("mails/a/one.eml", mail("1", CUSTOMER, DESK, date, "", "One").as_bytes());
    shop.file("mails/box/cur/1719.M1.host:2,S", mail("3", "cy@x.example", DESK, date, "", "Three").as_bytes());
    shop.file("mails/box/tmp/1720", b"half a mail");
    let mut broken =
        mail("4", "di@x.example", DESK, date, "Content-Type: text/plain; charset=x-none\n", "").into_bytes();
    broken.extend_from_slice(b"\xff\xfe caf\xe9\n");
    shop.file("mails/c/charset.eml", &broken);
    shop.file("mails/c/huge.eml", &vec![b'x'; 12 * 1024 * 1024 + 1]);
    let folder = shop.folder.path().join("mails");
    let (all_in, rejected) = shop.import(&["eml", folder.to_str().unwrap()]).await;
    assert_eq!((all_in, rejected), (false, vec!["c/huge.eml\tthe mail is larger than 12 MiB".to_owned()]));
    assert_eq!(shop.all().await.len(), 4, "a bad charset is still a message");

    // A mail more: only that one is sent.
    shop.file("mails/z.eml", mail("5", "ed@x.example", DESK, date, "", "Five").as_bytes());
    assert_eq!(shop.import(&["eml", folder.to_str().unwrap()]).await, (true, Vec::new()));
    assert_eq!(shop.all().await.len(), 5);
    assert_eq!(shop.imported().await[0].duplicates, 0);
}

const ZENDESK: &str = "\u{feff}Summation column,Id,Requester,Requester id,Requester email,Subject,Tags,Status,Priority,Via,\
    Created at,Updated at,Solved at,First reply time in minutes\n\
    1,101,Anna Rossi,88,anna@casa.example,Where is it,parcel,Closed,High,Mail,2024-07-01 10:00,2024-07-05 08:00,2024-07-02 09:30,90\n\
    1,102,Bo,89,bo@x.example,\"a quote that stays open,,Open,Low,Mail,2024-07-01 11:00,,,\n\
    1,103,Cy,90,,\"Two\nlines\",,Pending,-,Mail,2024-07-01 12:00,2024-07-01 13:00,,15\n\
    1,104,Di,91,di@x.example,Parked,,Parked,Low,Mail,2024-07-01 12:30,,,\n\
    1,105,Ed,92,ed@x.example,Solved,,Solved,Urgent,Mail,2024-07-01 14:00,2024-07-03 14:00,2024-07-03 14:00,\n\
    1,106,Fay,93,fay@x.example,Broken,,Open,Low\n\
    1,107,Gil,94,gil@x.example,Open after an answer,,Open,Normal,Mail,2024-07-01 15:00,2024-07-01 18:00,,60\n";

#[tokio::test]
async fn a_zendesk_export_brings_states_priorities_and_times() {
    let mut shop = shop("Zendesk").await;
    let file = shop.file("zendesk.csv", ZENDESK.as_bytes());
    let arguments = ["zendesk", &file, "--time-zone", "Europe/Rome"];
    let (all_in, rejected) = shop.import(&arguments).await;
    assert!(!all_in);
    let starts: Vec<&str> = rejected.iter().filter_map(|line| line.split('\t').next()).collect();
    assert_eq!(starts, ["line 3", "line 6", "line 8"], "{rejected:?}");
    assert!(rejected[1].contains("parked"), "{rejected:?}");

    let tickets = shop.all().await;
    let states: Vec<_> = tickets.iter().map(|ticket| (ticket.state(), ticket.priority())).collect();
    use pb::{Priority, TicketState};
    assert_eq!(
        states,
        [
            (TicketState::Closed, Priority::High),
            (TicketState::PendingCustomer, Priority::Normal),
            (TicketState::Solved, Priority::Urgent),
            (TicketState::Open, Priority::Normal),
        ]
    );
    assert_eq!(at(&tickets[0].created_at), "2024-07-01T08:00:00Z", "in the account's zone");
    assert_eq!(at(&tickets[0].first_response_at), "2024-07-01T09:30:00Z");
    assert_eq!(at(&tickets[0].solved_at), "2024-07-02T07:30:00Z");
    assert_eq!(at(&tickets[0].updated_at), "2024-07-05T06:00:00Z");
    assert_eq!((tickets[0].subject.as_str(), tickets[0].historical), ("Where is it", true));
    assert_eq!(tickets[1].subject, "Two lines");
    let report = shop.tickets.get_conversation_report(pb::GetConversationReportRequest::default()).await.unwrap();
    let row = report.into_inner().rows.remove(0);
    assert_eq!((row.conversations, row.answered, row.first_response_seconds_total), (4, 3, (90 + 15 + 60) * 60));

    let again = ["zendesk", &file, "--time-zone", "Europe/Rome", "--from-start", "--status", "Parked=on_hold"];
    let (_, rejected) = shop.import(&again).await;
    assert_eq!(rejected.len(), 2, "what was said to mean something is brought in: {rejected:?}");
    let tickets = shop.all().await;
    assert_eq!(tickets.len(), 5);
    assert!(tickets.iter().any(|ticket| ticket.state() == TicketState::OnHold));
}

#[tokio::test]
async fn an_interrupted_import_goes_on_where_it_was() {
    let mut shop = shop("Interrupted").await;
    let header = "Ticket ID;Subject;Status;Priority;Source;Created time;Resolved time;Full name;Email\n";
    let row = |n: usize| {
        format!("{n};Refund {n};Resolved;Medium;Email;2024-03-01 10:00:{n:02};2024-03-02 10:00:00;Bo;bo{n}@x.example\n")
    };
    let text: String = std::iter::once(header.to_owned()).chain((0..40).map(row)).collect();
    let file = shop.file("freshdesk.csv", text.as_bytes());
    let sha: String =
        digest::digest(&digest::SHA256, text.as_bytes()).as_ref().iter().map(|b| format!("{b:02x}")).collect();
    let key = format!("freshdesk:{sha}");

    // The first ten rows were stored when the client died.
    let time = |text: &str| Some(kit::wire::timestamp(text.parse().unwrap()));
    let tickets = (0..10).map(|n| pb::ImportedTicket {
        external_id: format!("freshdesk:{n}"),
        requester: Some(pb::Author { address: format!("bo{n}@x.example"), name: "Bo".into() }),
        subject: format!("Refund {n}"),
        state: pb::TicketState::Solved.into(),
        created_at: time(&format!("2024-03-01T10:00:{n:02}Z")),
        solved_at: time("2024-03-02T10:00:00Z"),
        ..Default::default()
    });
    let stop: usize = text.lines().take(11).map(|line| line.len() + 1).sum();
    let batch = pb::ImportTicketsRequest {
        seller_id: shop.seller.clone(),
        import_key: key.clone(),
        cursor: format!("{stop}:12"),
        channel_account_id: shop.mailbox.clone(),
        tickets: tickets.collect(),
        ..Default::default()
    };
    let stored = shop.imports.import_tickets(batch.clone()).await.unwrap().into_inner();
    assert!(stored.results.iter().all(|result| result.outcome() == pb::ImportOutcome::Stored));

    assert_eq!(shop.import(&["freshdesk", &file, "--time-zone", "UTC"]).await, (true, Vec::new()));
    let get = pb::GetImportRequest { seller_id: shop.seller.clone(), import_key: key };
    let import = shop.imports.get_import(get).await.unwrap().into_inner().import.unwrap();
    assert_eq!((import.messages, import.duplicates, import.conversations), (40, 0, 40), "nothing was sent twice");
    assert_eq!(import.cursor, format!("{}:42", text.len()));

    // A batch that comes again stores nothing; one bad ticket is one bad result.
    let mut again = batch;
    again.tickets.truncate(2);
    again.tickets[1].created_at = time("2199-01-01T00:00:00Z");
    let results = shop.imports.import_tickets(again).await.unwrap().into_inner().results;
    assert_eq!(results[0].outcome(), pb::ImportOutcome::Duplicate);
    assert_eq!(results[1].outcome(), pb::ImportOutcome::Rejected);
    assert!(results[1].reason.contains("created_at"), "{}", results[1].reason);
    assert_eq!(shop.all().await.len(), 40);
}

#[tokio::test]
async fn a_batch_names_what_is_wrong_with_it() {
    let mut shop = shop("Batches").await;
    let empty = pb::ImportEmailsRequest { seller_id: shop.seller.clone(), ..Default::default() };
    let refused = shop.imports.import_emails(empty).await.unwrap_err();
    assert_eq!(refused.code(), Code::InvalidArgument);
    for field in ["import_key", "emails"] {
        assert!(refused.message().contains(field), "{}", refused.message());
    }
    let absent = pb::GetImportRequest { seller_id: shop.seller.clone(), import_key: "nothing".into() };
    assert_eq!(shop.imports.get_import(absent).await.unwrap_err().code(), Code::NotFound);

    // An answer to nothing is told, and the question beside it is stored.
    let date = "Mon, 01 Jul 2024 10:00:00 +0000";
    let emails = [mail("a", DESK, CUSTOMER, date, "", "Answer"), mail("q", CUSTOMER, DESK, date, "", "Question")];
    let batch = pb::ImportEmailsRequest {
        seller_id: shop.seller.clone(),
        import_key: "two".into(),
        emails: emails
            .iter()
            .map(|raw| pb::ImportedEmail { raw: raw.clone().into_bytes().into(), received_at: None })
            .collect(),
        ..Default::default()
    };
    let answer = shop.imports.import_emails(batch).await.unwrap().into_inner();
    let outcomes: Vec<_> = answer.results.iter().map(|result| result.outcome()).collect();
    assert_eq!(outcomes, [pb::ImportOutcome::Rejected, pb::ImportOutcome::Stored]);
    assert!(answer.results[0].reason.contains("must belong to a conversation"), "{}", answer.results[0].reason);
    assert!(Path::new(shop.folder.path()).exists());
}
