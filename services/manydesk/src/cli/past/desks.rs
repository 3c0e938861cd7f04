//! The exports of other help desks: which column holds what, what their words mean, and how they write
//! times. A desk more is an entry more.

use std::collections::HashMap;
use std::fs::File;
use std::io::{BufReader, Seek, SeekFrom};
use std::path::Path;

use anyhow::{Context, anyhow, bail};
use jiff::civil::DateTime;
use jiff::tz::TimeZone;
use jiff::{SignedDuration, Timestamp};
use proto::tickets::v1::{Author, ImportedTicket, Priority, TicketState};

use super::Run;
use super::csv_rows::Rows;

/// Tickets of a batch.
const BATCH: usize = 100;
/// Longest text that is kept of a ticket, in bytes.
const TEXT_LIMIT: usize = 256 * 1024;

/// A help desk whose export is read. Of several names of a column the first that is there counts.
pub struct Desk {
    pub name: &'static str,
    id: &'static [&'static str],
    requester_name: &'static [&'static str],
    /// Addresses, the best first.
    requester: &'static [&'static str],
    /// Its number of the requester, where no address is known.
    requester_id: &'static [&'static str],
    subject: &'static [&'static str],
    text: &'static [&'static str],
    state: &'static [&'static str],
    priority: &'static [&'static str],
    created: &'static [&'static str],
    updated: &'static [&'static str],
    /// The end of the work, the best first.
    solved: &'static [&'static str],
    first_reply: &'static [&'static str],
    first_reply_minutes: &'static [&'static str],
    order: &'static [&'static str],
    states: &'static [(&'static str, TicketState)],
    priorities: &'static [(&'static str, Priority)],
}

/// Zendesk's CSV export of tickets. It tells times in the account's zone and holds no comments.
pub static ZENDESK: Desk = Desk {
    name: "zendesk",
    id: &["id", "ticket id"],
    requester_name: &["requester"],
    requester: &["requester email"],
    requester_id: &["requester id"],
    subject: &["subject"],
    text: &["description"],
    state: &["status"],
    priority: &["priority"],
    created: &["created at", "requested"],
    updated: &["updated at", "updated"],
    solved: &["solved at", "solved"],
    first_reply: &[],
    first_reply_minutes: &["first reply time in minutes"],
    order: &["order id", "order number", "order"],
    states: &[
        ("new", TicketState::New),
        ("open", TicketState::Open),
        ("pending", TicketState::PendingCustomer),
        ("hold", TicketState::OnHold),
        ("on-hold", TicketState::OnHold),
        ("solved", TicketState::Solved),
        ("closed", TicketState::Closed),
    ],
    priorities: &[
        ("", Priority::Normal),
        ("-", Priority::Normal),
        ("low", Priority::Low),
        ("normal", Priority::Normal),
        ("high", Priority::High),
        ("urgent", Priority::Urgent),
    ],
};

/// Freshdesk's CSV export of tickets.
pub static FRESHDESK: Desk = Desk {
    name: "freshdesk",
    id: &["ticket id", "id"],
    requester_name: &["full name", "contact name", "requester name"],
    requester: &["email", "requester email", "mobile phone", "work phone"],
    requester_id: &["contact id", "unique external id"],
    subject: &["subject"],
    text: &["description"],
    state: &["status"],
    priority: &["priority"],
    created: &["created time", "created at"],
    updated: &["last update time", "last updated time", "updated at"],
    solved: &["resolved time", "closed time"],
    first_reply: &["initial response time"],
    first_reply_minutes: &[],
    order: &["order id", "order number", "order"],
    states: &[
        ("open", TicketState::Open),
        ("pending", TicketState::PendingCustomer),
        ("waiting on customer", TicketState::PendingCustomer),
        ("waiting on third party", TicketState::OnHold),
        ("resolved", TicketState::Solved),
        ("closed", TicketState::Closed),
    ],
    priorities: &[
        ("", Priority::Normal),
        ("low", Priority::Low),
        ("medium", Priority::Normal),
        ("high", Priority::High),
        ("urgent", Priority::Urgent),
    ],
};

/// Reads the rows of a desk's export.
pub struct Reader {
    desk: &'static Desk,
    zone: TimeZone,
    states: HashMap<String, TicketState>,
}

/// Where the columns of a file are.
struct Columns(HashMap<String, usize>);

impl Columns {
    /// The first of these that is there and says something.
    fn get<'a>(&self, fields: &'a [String], names: &[&str]) -> Option<&'a str> {
        names.iter().find_map(|name| {
            let value = fields.get(*self.0.get(*name)?)?.trim();
            (!matches!(value, "" | "-")).then_some(value)
        })
    }
}

impl Reader {
    pub fn new(desk: &'static Desk, zone: &str, statuses: &[String]) -> anyhow::Result<Reader> {
        let zone = TimeZone::get(zone).map_err(|_| anyhow!("{zone} is no IANA time zone such as Europe/Rome"))?;
        let mut states: HashMap<String, TicketState> =
            desk.states.iter().map(|(name, state)| ((*name).to_owned(), *state)).collect();
        for given in statuses {
            let (name, state) =
                given.split_once('=').ok_or_else(|| anyhow!("{given} is not of the form NAME=STATE"))?;
            let named = TicketState::from_str_name(&format!("TICKET_STATE_{}", state.trim().to_uppercase()));
            let state = named.filter(|state| *state != TicketState::Unspecified);
            states.insert(
                name.trim().to_lowercase(),
                state.ok_or_else(|| anyhow!("{given}: the state must be new, open, pending_customer, pending_seller, on_hold, solved or closed"))?,
            );
        }
        Ok(Reader { desk, zone, states })
    }

    fn columns(&self, header: &[String]) -> anyhow::Result<Columns> {
        let names = header.iter().enumerate().rev().map(|(at, name)| (name.trim().to_lowercase(), at));
        let columns = Columns(names.collect());
        let desk = self.desk;
        let needed = [desk.id, desk.subject, desk.state, desk.created];
        let missing: Vec<&str> = needed
            .iter()
            .filter(|names| !names.iter().any(|name| columns.0.contains_key(*name)))
            .filter_map(|names| names.first().copied())
            .collect();
        if !missing.is_empty() {
            bail!("this is no ticket export of {}: it has no column {}", desk.name, missing.join(", "));
        }
        Ok(columns)
    }

    /// A row as a ticket, or why it is none. The reason names columns and words of the desk, never what a
    /// customer wrote.
    fn ticket(&self, columns: &Columns, fields: &[String]) -> Result<ImportedTicket, String> {
        let desk = self.desk;
        let get = |names: &[&str]| columns.get(fields, names);
        let time = |names: &[&str]| -> Result<Option<Timestamp>, String> {
            let Some(text) = get(names) else { return Ok(None) };
            let named = names.iter().find(|name| columns.0.contains_key(**name)).copied().unwrap_or_default();
            self.time(text).map(Some).ok_or_else(|| format!("the column {named} holds no time"))
        };
        let id = get(desk.id).ok_or("the row has no ticket id")?;
        let address = match (get(desk.requester), get(desk.requester_id), get(desk.requester_name)) {
            (Some(address), ..) => address.to_owned(),
            (None, Some(number), _) => format!("{}-requester-{number}", desk.name),
            (None, None, Some(name)) => name.to_owned(),
            (None, None, None) => return Err("the row names no requester".to_owned()),
        };
        let word = get(desk.state).unwrap_or_default().to_lowercase();
        let state = self.states.get(&word).copied();
        let state = state.ok_or_else(|| format!("the state {word:?} is not known: say what it means with --status"))?;
        let word = get(desk.priority).unwrap_or_default().to_lowercase();
        let priority = desk.priorities.iter().find(|(name, _)| *name == word).map(|(_, priority)| *priority);
        let priority = priority.ok_or_else(|| format!("the priority {word:?} is not known"))?;
        let created = time(desk.created)?.ok_or("the row has no time of creation")?;
        let updated = time(desk.updated)?;
        let first_reply = match (time(desk.first_reply)?, get(desk.first_reply_minutes)) {
            (Some(at), _) => Some(at),
            (None, Some(minutes)) => Some(after_minutes(created, minutes).ok_or("the first reply time is no number")?),
            (None, None) => None,
        };
        let is_over = matches!(state, TicketState::Solved | TicketState::Closed);
        let solved = time(desk.solved)?.or(updated).filter(|_| is_over);
        if is_over && solved.is_none() {
            return Err("a ticket that is over has no time of its end".to_owned());
        }
        let text = get(desk.text).unwrap_or_default();
        let mut end = TEXT_LIMIT.min(text.len());
        while !text.is_char_boundary(end) {
            end -= 1;
        }
        let line = |text: &str| text.replace(['\r', '\n', '\t'], " ");
        Ok(ImportedTicket {
            external_id: format!("{}:{id}", desk.name),
            requester: Some(Author {
                address: line(&address),
                name: line(get(desk.requester_name).unwrap_or_default()).chars().take(200).collect(),
            }),
            subject: line(get(desk.subject).unwrap_or_default()).chars().take(998).collect(),
            text: text[..end].to_owned(),
            order_id: get(desk.order).unwrap_or_default().to_owned(),
            state: state.into(),
            priority: priority.into(),
            created_at: Some(kit::wire::timestamp(created)),
            first_reply_at: first_reply.map(kit::wire::timestamp),
            solved_at: solved.map(kit::wire::timestamp),
            updated_at: updated.map(kit::wire::timestamp),
        })
    }

    /// A time as exports write it: with an offset, or in the zone that was given.
    fn time(&self, text: &str) -> Option<Timestamp> {
        if let Ok(at) = text.parse::<Timestamp>() {
            return Some(at);
        }
        for format in ["%Y-%m-%d %H:%M:%S %z", "%Y-%m-%d %H:%M %z", "%Y-%m-%d %H:%M:%S%:z"] {
            if let Ok(at) = Timestamp::strptime(format, text) {
                return Some(at);
            }
        }
        let text = text.strip_suffix(" UTC").map_or((text, None), |text| (text, Some(TimeZone::UTC)));
        for format in ["%Y-%m-%d %H:%M:%S", "%Y-%m-%d %H:%M", "%Y-%m-%dT%H:%M:%S"] {
            if let Ok(civil) = DateTime::strptime(format, text.0) {
                let zone = text.1.clone().unwrap_or_else(|| self.zone.clone());
                return civil.to_zoned(zone).ok().map(|zoned| zoned.timestamp());
            }
        }
        None
    }
}

fn after_minutes(created: Timestamp, minutes: &str) -> Option<Timestamp> {
    let minutes: f64 = minutes.parse().ok()?;
    let seconds = (minutes * 60.0).round();
    let fits = seconds.is_finite() && (0.0..4e9).contains(&seconds);
    created.checked_add(SignedDuration::from_secs(fits.then_some(seconds)? as i64)).ok()
}

/// Brings the tickets of an export in. The cursor is the byte and the line at which the next row begins.
pub async fn bring(run: &mut Run, reader: &Reader, file: &Path) -> anyhow::Result<()> {
    if !run.sender.has_mailbox() {
        bail!("name the mailbox that the tickets belong to with --mailbox");
    }
    let input = File::open(file).with_context(|| format!("reading {}", file.display()))?;
    let mut rows = Rows::new(BufReader::new(input));
    let header = rows.header()?.ok_or_else(|| anyhow!("{} is empty", file.display()))?;
    let columns = reader.columns(&header.fields.map_err(|reason| anyhow!("the first line: {reason}"))?)?;
    if let Some((byte, line)) = run.cursor.split_once(':').and_then(|(b, l)| b.parse().ok().zip(l.parse().ok())) {
        rows.input().seek(SeekFrom::Start(byte))?;
        rows.go_on(byte, line);
        run.bar.set_position(byte);
    }
    let (mut tickets, mut places, mut cursor) = (Vec::new(), Vec::new(), run.cursor.clone());
    while let Some(row) = rows.next()? {
        let place = format!("line {}", row.line);
        cursor = format!("{}:{}", row.ends, row.next_line);
        match row.fields.and_then(|fields| reader.ticket(&columns, &fields)) {
            Ok(ticket) => {
                tickets.push(ticket);
                places.push(place);
            }
            Err(reason) => run.leave_out(&place, &reason)?,
        }
        run.bar.set_position(row.ends);
        if BATCH <= tickets.len() {
            send(run, &mut tickets, &mut places, &cursor).await?;
        }
    }
    send(run, &mut tickets, &mut places, &cursor).await
}

async fn send(
    run: &mut Run,
    tickets: &mut Vec<ImportedTicket>,
    places: &mut Vec<String>,
    cursor: &str,
) -> anyhow::Result<()> {
    if tickets.is_empty() {
        return Ok(());
    }
    let results = run.sender.tickets(std::mem::take(tickets), cursor, run.left_out).await?;
    run.note(&std::mem::take(places), &results)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(desk: &'static Desk, zone: &str, header: &str, row: &str) -> Result<ImportedTicket, String> {
        let reader = Reader::new(desk, zone, &["In Review=pending_seller".into()]).unwrap();
        let split = |line: &str| line.split(',').map(str::to_owned).collect::<Vec<_>>();
        let columns = reader.columns(&split(header)).unwrap();
        reader.ticket(&columns, &split(row))
    }

    /// The times of a ticket: created, first answered, solved.
    fn times(ticket: &ImportedTicket) -> [String; 3] {
        [ticket.created_at, ticket.first_reply_at, ticket.solved_at]
            .map(|at| at.as_ref().and_then(kit::wire::instant).map(|at| at.to_string()).unwrap_or_default())
    }

    const ZENDESK_HEADER: &str = "Summation column,Id,Requester,Requester id,Requester email,Subject,Tags,Status,Priority,Via,Created at,Updated at,Solved at,First reply time in minutes";

    #[test]
    fn a_zendesk_row_becomes_a_ticket_in_the_accounts_zone() {
        let row = "1,4711,Anna Rossi,88,anna@casa.example,Parcel,x y,Closed,High,Mail,2024-07-01 10:00,2024-07-05 08:00,2024-07-02 09:30,95";
        let ticket = read(&ZENDESK, "Europe/Rome", ZENDESK_HEADER, row).unwrap();
        assert_eq!(ticket.external_id, "zendesk:4711");
        assert_eq!((ticket.state(), ticket.priority()), (TicketState::Closed, Priority::High));
        assert_eq!(times(&ticket), ["2024-07-01T08:00:00Z", "2024-07-01T09:35:00Z", "2024-07-02T07:30:00Z"]);
        assert_eq!(ticket.requester.unwrap().address, "anna@casa.example");
    }

    #[test]
    fn what_a_row_lacks_is_told() {
        let row = |state: &str, priority: &str, created: &str| {
            format!("1,4711,Anna,88,,Parcel,,{state},{priority},Mail,{created},,,")
        };
        let told = |row: String| read(&ZENDESK, "Europe/Rome", ZENDESK_HEADER, &row).unwrap_err();
        assert!(told(row("Parked", "-", "2024-07-01 10:00")).contains("parked"));
        assert!(told(row("Open", "Critical", "2024-07-01 10:00")).contains("critical"));
        assert_eq!(told(row("Open", "-", "yesterday")), "the column created at holds no time");
        assert_eq!(told(row("Solved", "-", "2024-07-01 10:00")), "a ticket that is over has no time of its end");
        let open = read(&ZENDESK, "Europe/Rome", ZENDESK_HEADER, &row("In Review", "-", "2024-07-01 10:00")).unwrap();
        assert_eq!(open.state(), TicketState::PendingSeller);
        assert_eq!(open.requester.unwrap().address, "zendesk-requester-88");
    }

    #[test]
    fn a_freshdesk_row_becomes_a_ticket_and_times_know_their_zone() {
        let header =
            "Ticket ID,Subject,Status,Priority,Source,Created time,Resolved time,Initial response time,Full name,Email";
        let row = "12,Refund,Resolved,Medium,Email,2024-03-31 02:30:00,2024-04-02 10:00:00 +0000,2024-03-31 04:00:00,Bo,bo@x.example";
        let ticket = read(&FRESHDESK, "Europe/Berlin", header, row).unwrap();
        // A time inside the gap moves forward by it.
        assert_eq!(times(&ticket), ["2024-03-31T01:30:00Z", "2024-03-31T02:00:00Z", "2024-04-02T10:00:00Z"]);
        assert_eq!((ticket.state(), ticket.priority()), (TicketState::Solved, Priority::Normal));
        let waits = row.replace("Resolved", "Waiting on Third Party");
        assert_eq!(read(&FRESHDESK, "UTC", header, &waits).unwrap().state(), TicketState::OnHold);
    }

    #[test]
    fn what_is_no_export_is_refused_whole() {
        let reader = Reader::new(&FRESHDESK, "UTC", &[]).unwrap();
        let refused = reader.columns(&["Name".into(), "Subject".into()]).err().unwrap().to_string();
        assert!(refused.contains("ticket id") && refused.contains("created time"), "{refused}");
        assert!(Reader::new(&ZENDESK, "Rome", &[]).is_err());
        assert!(Reader::new(&ZENDESK, "UTC", &["x=nowhere".into()]).is_err());
    }
}
