//! What every table holds of a customer, how it is found, and what becomes of it when the customer is
//! erased. A test compares this with the catalog: a table or a column that is not told about here is a
//! table that somebody forgot.

/// How the rows of a customer are found in a table.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Holds {
    /// Rows of the customer: `customer_id`.
    Customer,
    /// Rows of the customer's tickets: `ticket_id`.
    Ticket,
    /// Rows of the messages of those tickets: `message_id`.
    Message,
    /// Files of those messages that nobody else sent: `sha256`.
    File,
    /// Mails that could not be taken in, of the customer's addresses or replayed into those messages:
    /// `quarantine_id`.
    Quarantine,
    /// Answers kept for retries that name the customer.
    Answer,
    /// Nothing of a customer, and why.
    Nothing(&'static str),
}

/// What becomes of the rows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fate {
    /// They go.
    Removed,
    /// They stay for the figures, and these columns get these values.
    Blanked(&'static [(&'static str, &'static str)]),
    /// They stay as they are, since they tell of no person.
    Kept,
}

/// A table of the service.
#[derive(Debug, Clone, Copy)]
pub struct Table {
    pub name: &'static str,
    pub holds: Holds,
    pub fate: Fate,
    /// Columns that could hold words and stay all the same: they hold words of ours.
    pub ours: &'static [&'static str],
    /// The column of bytes, which an export gives out as bytes.
    pub bytes: Option<&'static str>,
}

const fn table(name: &'static str, holds: Holds, fate: Fate) -> Table {
    Table { name, holds, fate, ours: &[], bytes: None }
}

const fn nothing(name: &'static str, why: &'static str) -> Table {
    table(name, Holds::Nothing(why), Fate::Kept)
}

/// Every table, in an order in which rows can be removed: what points before what is pointed at.
pub const TABLES: [Table; 93] = [
    table("replay", Holds::Answer, Fate::Blanked(&[("response", "''")])),
    table("claim_evidence", Holds::Ticket, Fate::Removed),
    table("attachment", Holds::Message, Fate::Removed),
    table("awaited_file", Holds::Message, Fate::Removed),
    table("upload", Holds::Ticket, Fate::Removed),
    // What was still to be sent is not.
    table("outgoing", Holds::Message, Fate::Removed),
    Table { bytes: Some("bytes"), ..table("file_part", Holds::File, Fate::Removed) },
    table("file", Holds::File, Fate::Removed),
    Table { bytes: Some("bytes"), ..table("quarantine_part", Holds::Quarantine, Fate::Removed) },
    table("quarantine", Holds::Quarantine, Fate::Removed),
    Table { bytes: Some("raw"), ..table("message_raw", Holds::Message, Fate::Removed) },
    Table {
        // The key is made of the author's address and goes with it.
        ours: &[
            "direction",
            "channel",
            "language",
            "marketplace",
            "country",
            "kind",
            "delivery",
            "delivery_status",
            "author_key",
        ],
        ..table(
            "message",
            Holds::Ticket,
            Fate::Blanked(&[
                ("external_id", "null"),
                ("external_thread_id", "null"),
                ("in_reply_to", "null"),
                ("order_id", "null"),
                ("author_address", "''"),
                ("author_name", "''"),
                ("subject", "''"),
                ("body", "''"),
                ("decisions", "''"),
            ]),
        )
    },
    table("call_hold", Holds::Ticket, Fate::Kept),
    Table {
        ours: &["service_number", "direction", "outcome"],
        ..table("call", Holds::Ticket, Fate::Blanked(&[("external_id", "null"), ("customer_number", "''")]))
    },
    Table { ours: &["kind", "state"], ..table("ticket_event", Holds::Ticket, Fate::Blanked(&[("detail", "''")])) },
    table("draft", Holds::Ticket, Fate::Removed),
    table("translation", Holds::Ticket, Fate::Removed),
    table("presence", Holds::Ticket, Fate::Removed),
    table("guard_override", Holds::Ticket, Fate::Removed),
    Table {
        ours: &["marketplace", "country", "kind", "reason", "currency", "amount", "state"],
        ..table("claim", Holds::Ticket, Fate::Blanked(&[("order_id", "''"), ("external_id", "''")]))
    },
    Table {
        ours: &["marketplace", "country", "reason", "state", "outcome"],
        ..table(
            "goods_return",
            Holds::Ticket,
            Fate::Blanked(&[("order_id", "''"), ("items", "''"), ("tracking", "''")]),
        )
    },
    Table { ours: &["step", "state"], ..table("case_event", Holds::Ticket, Fate::Blanked(&[("detail", "''")])) },
    Table {
        ours: &["case_kind", "kind", "standing", "rule"],
        ..table("case_deadline", Holds::Ticket, Fate::Blanked(&[("source", "''")]))
    },
    Table { ours: &["case_kind", "kind"], ..table("case_alert", Holds::Ticket, Fate::Kept) },
    Table {
        ours: &["kind", "currency", "amount", "state"],
        ..table(
            "concession",
            Holds::Ticket,
            Fate::Blanked(&[("order_id", "''"), ("reason", "''"), ("decision_note", "''")]),
        )
    },
    Table {
        ours: &["state", "original_language", "translation_language", "translated_by", "answer_language"],
        ..table(
            "question",
            Holds::Ticket,
            Fate::Blanked(&[("original", "''"), ("translation", "''"), ("answer", "''")]),
        )
    },
    // Tags are the seller's words for kinds of tickets; values of fields may be anything.
    Table { ours: &["tag"], ..table("ticket_tag", Holds::Ticket, Fate::Kept) },
    table("ticket_field", Holds::Ticket, Fate::Removed),
    Table { ours: &["kind"], ..table("ticket_link", Holds::Ticket, Fate::Kept) },
    table("snooze", Holds::Ticket, Fate::Removed),
    table("trigger_work", Holds::Ticket, Fate::Removed),
    table("survey_work", Holds::Ticket, Fate::Removed),
    table("incident_notice", Holds::Ticket, Fate::Removed),
    table("incident_link", Holds::Ticket, Fate::Kept),
    Table {
        ours: &["kind", "country", "marketplace", "language", "channel"],
        ..table("survey_answer", Holds::Ticket, Fate::Blanked(&[("external_id", "null"), ("comment", "''")]))
    },
    // A link that is still out takes no answer any more.
    Table {
        ours: &["kind", "state", "reason", "asked_in", "country", "marketplace", "language", "channel"],
        ..table("survey_invitation", Holds::Ticket, Fate::Blanked(&[("expires_at", "$6")]))
    },
    Table {
        ours: &["country", "marketplace", "language", "channel"],
        ..table("ticket_outcome", Holds::Ticket, Fate::Kept)
    },
    // Figures of a ticket by hour, channel, country, marketplace and language.
    Table { ours: &["share"], ..table("report_share", Holds::Ticket, Fate::Kept) },
    Table {
        ours: &["family", "metric", "state", "verdict", "calendar", "source", "told_verdict", "priority", "stands_in"],
        ..table("sla_clock", Holds::Ticket, Fate::Kept)
    },
    Table { ours: &["family", "metric"], ..table("sla_alert", Holds::Ticket, Fate::Kept) },
    Table { ours: &["family", "name", "state", "reason"], ..table("notice", Holds::Ticket, Fate::Kept) },
    Table { ours: &["family", "metric", "verdict"], ..table("verdict", Holds::Ticket, Fate::Kept) },
    table("import_conversation", Holds::Ticket, Fate::Kept),
    Table {
        ours: &[
            "number",
            "state",
            "priority",
            "channel",
            "language",
            "tier",
            "marketplace",
            "country",
            "kind",
            "contact_ended",
            "skills",
        ],
        ..table(
            "ticket",
            Holds::Ticket,
            Fate::Blanked(&[
                ("subject", "''"),
                ("external_thread_id", "null"),
                ("order_id", "null"),
                ("erased_at", "$6"),
                ("version", "version + 1"),
            ]),
        )
    },
    table("incident_order", Holds::Customer, Fate::Removed),
    Table {
        ours: &["language", "country", "template_language", "state", "reason"],
        ..table("incident_recipient", Holds::Customer, Fate::Blanked(&[("order_id", "''")]))
    },
    table("customer_event", Holds::Customer, Fate::Removed),
    table("customer_term", Holds::Customer, Fate::Removed),
    table("customer_identity", Holds::Customer, Fate::Removed),
    table(
        "customer",
        Holds::Customer,
        Fate::Blanked(&[
            ("name", "''"),
            ("language", "null"),
            ("preferred_language", "null"),
            ("country", "''"),
            ("time_zone", "''"),
            ("tier", "''"),
            ("erased_at", "$6"),
            ("version", "version + 1"),
        ]),
    ),
    table("erasure_customer", Holds::Customer, Fate::Kept),
    nothing("erasure", "the log of erasures: ids alone"),
    nothing("erasure_row", "figures of erasures"),
    nothing("report_mark", "how far a seller's tickets were counted"),
    nothing("report_sum", "figures of a seller's tickets"),
    nothing("retention", "when a seller's old tickets are looked for"),
    nothing("article", "what the seller knows, written for everybody"),
    nothing("article_version", "what the seller knew before"),
    nothing("authority_limit", "what roles may grant"),
    nothing("field_definition", "the seller's own fields"),
    nothing("channel_sender", "where answers of the seller's accounts are sent"),
    nothing("channel_sender_secret", "what such answers are signed with, sealed"),
    nothing("guard_key", "the provider's key of its marks"),
    nothing("guard_mark", "hashes of sellers' names and addresses, and of order ids as long as a ticket tells of them"),
    nothing("incident", "what went wrong, in our words, and the orders counted"),
    nothing("mail_pull", "places in the seller's mailboxes"),
    nothing("notice_mail", "which contacts of the seller were told of alerts"),
    nothing("order_pattern", "how a shop's order ids look"),
    nothing("signature", "how the provider's people sign"),
    nothing("survey", "the seller's surveys"),
    nothing("survey_text", "what the seller's surveys say"),
    nothing("tag", "the seller's tags, with how many tickets carry each"),
    nothing("template", "the seller's templates"),
    nothing("template_version", "the seller's templates as they were"),
    nothing("trigger", "the seller's triggers"),
    nothing("trigger_version", "the seller's triggers as they were"),
    nothing("mail_connection", "the seller's mail servers"),
    nothing("article_term", "by what articles are found"),
    nothing("faq_page", "the page on which the seller's customers help themselves"),
    nothing("mail_oauth", "where the seller's mail servers get their access tokens from"),
    nothing("mail_secret", "passwords and tokens of the seller's mail servers, sealed"),
    nothing("translation_engine", "the provider's translation machine, its key sealed"),
    nothing("webhook", "what the seller's accounts are sent by other systems"),
    nothing("webhook_secret", "what deliveries are signed with, sealed"),
    nothing("terms_look", "when changed terms are looked at"),
    nothing("number_series", "the last short number of a seller"),
    nothing("terms_version", "the seller's terms"),
    nothing("import", "figures of an import and its client's key"),
    nothing("seller", "the read copy of the seller's terms"),
    nothing("outbox", "events, which name ids and never persons"),
    nothing("inbox", "ids of events"),
    nothing("dead_letter", "events of other services, which know no customers"),
    nothing("_migrations", "the versions of the schema"),
];

/// The table of a name.
pub fn of(name: &str) -> Option<&'static Table> {
    TABLES.iter().find(|table| table.name == name)
}

/// What an erasure did to a table.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Done {
    pub table: String,
    pub removed: i64,
    pub blanked: i64,
}

/// Why something was erased.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Reason {
    Requested,
    Retention,
}

impl Reason {
    pub fn name(self) -> &'static str {
        match self {
            Reason::Requested => "requested",
            Reason::Retention => "retention",
        }
    }

    pub fn named(name: &str) -> Option<Reason> {
        [Reason::Requested, Reason::Retention].into_iter().find(|reason| reason.name() == name)
    }
}
