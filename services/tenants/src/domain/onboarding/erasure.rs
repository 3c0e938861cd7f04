//! The end: an export, the erasure in every service, the certificate.

use std::collections::{BTreeMap, BTreeSet};

use jiff::Timestamp;
use jiff::civil::Date;

use super::life::Refusal;

/// The services that keep rows of sellers, besides this one.
pub const OTHERS: [&str; 4] = ["tickets", "routing", "workforce", "billing"];
/// This service, which goes last.
pub const SELF: &str = "tenants";

/// What one service erased.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Share {
    pub rows: i64,
    pub rows_kept: i64,
    pub at: Timestamp,
}

/// An erasure under way.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Erasure {
    /// Ids as written on the wire.
    pub erasure_id: String,
    pub provider_id: String,
    pub seller_id: String,
    pub export_id: String,
    pub export_sha256: String,
    pub requested_at: Timestamp,
    /// By service; a service answers once.
    pub shares: BTreeMap<String, Share>,
}

/// What is known when an erasure is asked for.
#[derive(Clone, Debug)]
pub struct Request<'a> {
    pub handle: &'a str,
    pub confirmed_handle: &'a str,
    pub contract_end: Option<Date>,
    pub today: Date,
    /// The newest export of all services.
    pub export: Option<Taken>,
    /// The seller's revision now.
    pub revision: i64,
    /// What the other services have now.
    pub elsewhere: Vec<Rows>,
}

/// How many rows a table has.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Rows {
    /// The table with its schema.
    pub table: String,
    pub rows: i64,
}

/// What an export held.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Taken {
    /// The seller's revision it was taken at.
    pub revision: i64,
    pub tables: Vec<Rows>,
}

impl Taken {
    /// Tables of other services that have got or lost rows since. What changes
    /// there leaves a row behind: messages, steps of tickets, usage.
    fn outdated<'a>(&'a self, elsewhere: &'a [Rows]) -> BTreeSet<&'a str> {
        let own = |rows: &&Rows| rows.table.split_once('.').is_some_and(|(service, _)| service == SELF);
        let count = |rows: &'a Rows| (rows.table.as_str(), rows.rows);
        let then: BTreeSet<_> = self.tables.iter().filter(|rows| !own(rows)).map(count).collect();
        let now: BTreeSet<_> = elsewhere.iter().map(count).collect();
        then.symmetric_difference(&now).map(|(table, _)| *table).collect()
    }
}

/// Decides whether an erasure may be asked for.
pub fn may_request(request: &Request<'_>) -> Result<(), Refusal> {
    let mut missing = Vec::new();
    if request.handle != request.confirmed_handle {
        missing.push("the seller's handle, typed again as confirmation".to_owned());
    }
    match request.contract_end {
        None => missing.push("the last date of the contract".to_owned()),
        Some(end) if request.today <= end => missing.push(format!("the end of the contract: its last date is {end}")),
        Some(_) => {}
    }
    match &request.export {
        None => missing.push("an export of all services".to_owned()),
        Some(export) if export.revision != request.revision => {
            missing.push("a newer export: the seller changed since the last one".to_owned());
        }
        Some(export) => {
            let outdated: Vec<&str> = export.outdated(&request.elsewhere).into_iter().collect();
            if !outdated.is_empty() {
                missing.push(format!("a newer export: since the last one, {} changed", outdated.join(", ")));
            }
        }
    }
    if missing.is_empty() { Ok(()) } else { Err(Refusal::EvidenceMissing { missing }) }
}

/// Proof that every service has erased its rows. Made by [`Erasure::proof`] only.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ErasureProof(Vec<String>);

impl ErasureProof {
    /// The proof as lines for people.
    pub fn lines(&self) -> Vec<String> {
        self.0.clone()
    }
}

impl Erasure {
    /// Services that have not answered yet; this one comes last.
    pub fn waiting_for(&self) -> Vec<&'static str> {
        OTHERS.into_iter().chain([SELF]).filter(|s| !self.shares.contains_key(*s)).collect()
    }

    /// Whether only this service is left.
    pub fn own_turn(&self) -> bool {
        self.waiting_for() == [SELF]
    }

    /// Takes a service's answer; the first one counts, an unknown service is no answer.
    pub fn answer(&mut self, service: &str, share: Share) -> bool {
        if !OTHERS.contains(&service) && service != SELF || self.shares.contains_key(service) {
            return false;
        }
        self.shares.insert(service.to_owned(), share);
        true
    }

    /// The proof once everybody has answered.
    pub fn proof(&self) -> Result<ErasureProof, Refusal> {
        let waiting = self.waiting_for();
        if !waiting.is_empty() {
            let missing = waiting.into_iter().map(|s| format!("the erasure by {s}")).collect();
            return Err(Refusal::EvidenceMissing { missing });
        }
        let lines = self.shares.iter().map(|(s, share)| format!("{s} erased {} rows on {}", share.rows, share.at));
        Ok(ErasureProof(lines.collect()))
    }

    /// The certificate: plain text of fixed form without anybody's data, so
    /// that its digest can be checked by hand.
    pub fn certificate(&self, _proof: &ErasureProof, done_at: Timestamp) -> String {
        let mut text = String::from("Manydesk certificate of erasure, form 1\n");
        let mut line = |key: &str, value: &str| {
            text.push_str(key);
            text.push_str(": ");
            text.push_str(value);
            text.push('\n');
        };
        line("erasure", &self.erasure_id);
        line("provider", &self.provider_id);
        line("seller", &self.seller_id);
        line("export", &self.export_id);
        line("export sha256", &self.export_sha256);
        line("requested", &self.requested_at.to_string());
        for (service, share) in &self.shares {
            line(service, &format!("{} rows erased, {} kept by law, {}", share.rows, share.rows_kept, share.at));
        }
        let (rows, kept) = self.shares.values().fold((0, 0), |(r, k), s| (r + s.rows, k + s.rows_kept));
        line("total", &format!("{rows} rows erased, {kept} kept by law"));
        line("done", &done_at.to_string());
        text
    }
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;
    use proptest::prelude::*;

    fn at() -> Timestamp {
        "2027-01-02T03:04:05Z".parse().expect("an instant")
    }

    pub fn finished() -> Erasure {
        let mut erasure = begun();
        for service in OTHERS.into_iter().chain([SELF]) {
            erasure.answer(service, Share { rows: 3, rows_kept: 1, at: at() });
        }
        erasure
    }

    fn begun() -> Erasure {
        Erasure {
            erasure_id: "erasure_1".into(),
            provider_id: "prov_1".into(),
            seller_id: "seller_1".into(),
            export_id: "export_1".into(),
            export_sha256: "00".into(),
            requested_at: at(),
            shares: BTreeMap::new(),
        }
    }

    #[test]
    fn erasing_needs_export_end_and_confirmation() {
        let rows = |table: &str, rows| Rows { table: table.to_owned(), rows };
        let tables = vec![rows("tenants.seller", 1), rows("tickets.message", 5), rows("billing.invoice", 0)];
        let export = Taken { revision: 7, tables };
        let request = Request {
            handle: "masque-noir",
            confirmed_handle: "masque-noir",
            contract_end: Some(jiff::civil::date(2026, 12, 31)),
            today: jiff::civil::date(2027, 1, 1),
            export: Some(export.clone()),
            revision: 7,
            elsewhere: vec![rows("billing.invoice", 0), rows("tickets.message", 5)],
        };
        assert_eq!(may_request(&request), Ok(()));
        for bad in [
            Request { confirmed_handle: "masque", ..request.clone() },
            Request { contract_end: None, ..request.clone() },
            Request { today: jiff::civil::date(2026, 12, 31), ..request.clone() },
            Request { export: None, ..request.clone() },
            Request { export: Some(Taken { tables: vec![rows("tenants.seller", 1)], ..export }), ..request.clone() },
            Request { elsewhere: vec![rows("billing.invoice", 0), rows("tickets.message", 6)], ..request.clone() },
            Request { elsewhere: vec![rows("tickets.message", 5)], ..request.clone() },
            Request { revision: 8, ..request.clone() },
        ] {
            assert!(matches!(may_request(&bad), Err(Refusal::EvidenceMissing { missing }) if missing.len() == 1));
        }
    }

    #[test]
    fn the_certificate_has_a_fixed_form() {
        let erasure = finished();
        let text = erasure.certificate(&erasure.proof().expect("proof"), at());
        assert_eq!(
            text,
            "Manydesk certificate of erasure, form 1\n\
             erasure: erasure_1\nprovider: prov_1\nseller: seller_1\nexport: export_1\nexport sha256: 00\n\
             requested: 2027-01-02T03:04:05Z\n\
             billing: 3 rows erased, 1 kept by law, 2027-01-02T03:04:05Z\n\
             routing: 3 rows erased, 1 kept by law, 2027-01-02T03:04:05Z\n\
             tenants: 3 rows erased, 1 kept by law, 2027-01-02T03:04:05Z\n\
             tickets: 3 rows erased, 1 kept by law, 2027-01-02T03:04:05Z\n\
             workforce: 3 rows erased, 1 kept by law, 2027-01-02T03:04:05Z\n\
             total: 15 rows erased, 5 kept by law\ndone: 2027-01-02T03:04:05Z\n"
        );
    }

    proptest! {
        #[test]
        fn answers_in_any_order_and_number_end_in_one_proof(order in proptest::collection::vec(0usize..6, 0..30)) {
            let names = ["tickets", "routing", "workforce", "billing", "tenants", "mallory"];
            let mut erasure = begun();
            for n in order {
                erasure.answer(names[n], Share { rows: n as i64, rows_kept: 0, at: at() });
            }
            prop_assert_eq!(erasure.proof().is_ok(), erasure.shares.len() == 5);
            prop_assert_eq!(erasure.waiting_for().len(), 5 - erasure.shares.len());
            prop_assert!(!erasure.shares.contains_key("mallory"));
        }
    }
}
