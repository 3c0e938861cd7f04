//! Mails as marketplaces send them, written for these tests, and mails that only look like theirs.

use super::super::mail::{self, Mail};
use super::*;

/// A mail: its envelope, From, other headers, subject and text.
struct Sent {
    path: &'static str,
    from: &'static str,
    headers: &'static [&'static str],
    subject: &'static str,
    text: &'static str,
}

impl Sent {
    fn raw(&self) -> String {
        let path = if self.path.is_empty() { String::new() } else { format!("Return-Path: <{}>\r\n", self.path) };
        let headers: String = self.headers.iter().map(|header| format!("{header}\r\n")).collect();
        format!(
            "{path}Received: from mail.sender.example by mx.desk.example; Mon, 2 Mar 2026 09:00:00 +0000\r\n\
             {headers}From: {}\r\nTo: Masque <help@masque.example>\r\nMessage-ID: <m1@sender.example>\r\n\
             Date: Mon, 2 Mar 2026 08:59:58 +0000\r\nSubject: {}\r\nMIME-Version: 1.0\r\n\
             Content-Type: text/plain; charset=utf-8\r\nContent-Transfer-Encoding: 8bit\r\n\r\n{}\r\n",
            self.from, self.subject, self.text
        )
    }

    fn read(&self) -> Mail {
        mail::read(self.raw().as_bytes()).unwrap()
    }
}

const PLAIN: Sent = Sent { path: "", from: "a@b.it", headers: &[], subject: "", text: "" };

/// What is to be found: marketplace, country, order, kind.
type Found = (&'static str, &'static str, &'static str, MessageKind);

fn found(mail: &Mail) -> Option<(&str, &str, &str, MessageKind)> {
    let r = mail.relayed.as_ref()?;
    Some((r.marketplace.as_str(), r.country.as_str(), r.order_id.as_str(), r.kind))
}

use MessageKind::{Claim, OrderNotice, Question, Return, Review, SystemNotice};

const BY_MARKETPLACES: &[(Sent, Found)] = &[
    (
        Sent {
            path: "20260302085958abc@bounces.amazon.co.uk",
            from: "\"Sarah - Amazon Marketplace\" <k3w9x2lq0v7zr1p@marketplace.amazon.co.uk>",
            headers: &["X-AMAZON-MAIL-RELAY-TYPE: notification", "X-AMAZON-RTE-VERSION: 2.0"],
            subject: "Product details enquiry from Amazon customer Sarah (Order: 206-1234567-7654321)",
            text: "Order ID 206-1234567-7654321\r\n1 Venetian mask, gold\r\n\r\nMessage:\r\nDoes it fit a child?",
        },
        ("amazon", "GB", "206-1234567-7654321", Question),
    ),
    (
        Sent {
            path: "0102018-aaaa@eu-west-1.amazonses.com",
            from: "Jürgen - Amazon Marketplace <pq81ms0xk2@marketplace.amazon.de>",
            subject: "Rücksendung: Bestellung 028-1111111-2222222",
            text: "Der Käufer möchte den Artikel zurücksenden.",
            ..PLAIN
        },
        ("amazon", "DE", "028-1111111-2222222", Return),
    ),
    (
        Sent {
            path: "2026030208@bounces.amazon.fr",
            from: "Chloé <zx81@marketplace.amazon.fr>",
            subject: "Demande d'informations sur la commande",
            text: "Bonjour, où est mon colis ? Commande 171-3333333-4444444",
            ..PLAIN
        },
        ("amazon", "FR", "171-3333333-4444444", Question),
    ),
    (
        Sent {
            path: "2026030208@bounces.amazon.it",
            from: "\"atoz-guarantee-no-reply@amazon.it\" <atoz-guarantee-no-reply@amazon.it>",
            headers: &["X-Space-Notification-Type: A_Z_CLAIM_RESPONDENT_NOTIFY", "Auto-Submitted: auto-generated"],
            subject: "Azione richiesta: ordine 404-5555555-6666666",
            text: "Il cliente ha presentato una richiesta.",
        },
        ("amazon", "IT", "404-5555555-6666666", Claim),
    ),
    (
        Sent {
            path: "2026030208@bounces.amazon.com",
            from: "atoz-guarantee-no-reply@amazon.com",
            headers: &["X-Marketplace-ID: A1RKKUPIHCS9HS"],
            subject: "Su reclamacion bajo la Garantia de la A a la Z de Amazon para el pedido 305-0000005-0000005",
            text: "El comprador ha presentado una reclamacion.",
        },
        ("amazon", "ES", "305-0000005-0000005", Claim),
    ),
    (
        Sent {
            path: "x@bounces.amazon.nl",
            from: "Daan <d44@marketplace.amazon.nl>",
            subject: "Retourverzoek voor bestelling 402-1231231-1231231",
            text: "Ik wil dit terugsturen.",
            ..PLAIN
        },
        ("amazon", "NL", "402-1231231-1231231", Return),
    ),
    (
        Sent {
            path: "x@bounces.amazon.pl",
            from: "Ewa <ewa77@marketplace.amazon.pl>",
            subject: "Pytanie o zamówienie",
            text: "Kiedy dotrze przesyłka? 408-7777777-8888888",
            ..PLAIN
        },
        ("amazon", "PL", "408-7777777-8888888", Question),
    ),
    (
        Sent {
            path: "x@bounces.amazon.se",
            from: "Björn <bj0rn@marketplace.amazon.se>",
            subject: "Returförfrågan",
            text: "Beställning 407-1010101-2020202",
            ..PLAIN
        },
        ("amazon", "SE", "407-1010101-2020202", Return),
    ),
    (
        Sent {
            path: "202104080001@bounces.amazon.co.jp",
            from: "Amazon.co.jp <auto-confirm@amazon.co.jp>",
            headers: &["X-AMAZON-MAIL-RELAY-TYPE: notification"],
            subject: "Amazon.co.jp ご注文の確認 250-1234567-1234567",
            text: "ご注文ありがとうございます。",
        },
        ("amazon", "JP", "250-1234567-1234567", OrderNotice),
    ),
    (
        Sent {
            path: "x@bounces.amazon.com",
            from: "Amazon Services <seller-performance@amazon.com>",
            subject: "Your account health",
            text: "Please review your listings.",
            ..PLAIN
        },
        ("amazon", "US", "", SystemNotice),
    ),
    (
        Sent {
            path: "63ae59ac@reply1.ebay.com",
            from: "eBay Member: mask_fan <63ae59ac280fe0fa69@members.ebay.co.uk>",
            headers: &["X-eBay-MailTracker: 11051.1234.0.55"],
            subject: "mask_fan sent a question about: Venetian mask, order 12-34567-89012",
            text: "Hi, is it still available?",
        },
        ("ebay", "GB", "12-34567-89012", Question),
    ),
    (
        Sent {
            path: "x@mxphxpool.ebay.com",
            from: "eBay <ebay@ebay.de>",
            subject: "Artikel nicht erhalten: Bitte antworten Sie, 09-11111-22222",
            text: "Der Käufer hat gemeldet, dass der Artikel nicht angekommen ist.",
            ..PLAIN
        },
        ("ebay", "DE", "09-11111-22222", Claim),
    ),
    (
        Sent {
            path: "bounce+1@mail.etsy.com",
            from: "Etsy Conversations <conversations@mail.etsy.com>",
            headers: &["List-Unsubscribe: <https://etsy.example/u>", "Precedence: bulk"],
            subject: "New message from Margaret",
            text: "Margaret sent you a message about Order #2345678901: can you engrave a name?",
        },
        ("etsy", "", "2345678901", Question),
    ),
    (
        Sent {
            path: "bounce@email.etsy.com",
            from: "Etsy <transaction@etsy.com>",
            subject: "You made a sale on Etsy - Ship by Mar 5 - [$23.00, Order #2345678902]",
            text: "Congratulations on your Etsy sale.",
            ..PLAIN
        },
        ("etsy", "", "2345678902", OrderNotice),
    ),
    (
        Sent {
            path: "b@message.manomano.com",
            from: "Paul Martin <m_bcaddf4fgca@message.manomano.com>",
            subject: "Réclamation sur la commande M2022080713464",
            text: "Bonjour, je n'ai rien reçu.",
            ..PLAIN
        },
        ("manomano", "", "M2022080713464", Claim),
    ),
    (
        Sent {
            path: "mailer@fruugo.com",
            from: "Fruugo Customer Care <help+order-123456789@fruugo.com>",
            subject: "Where is it? Order 123456789",
            text: "The customer asks when the parcel arrives.",
            ..PLAIN
        },
        ("fruugo", "", "123456789", Question),
    ),
    (
        Sent {
            path: "no-reply@mail.wish.com",
            from: "Wish Merchant Support <merchant_support@wish.com>",
            subject: "New customer ticket 5f2b8c9d0e1f2a3b4c5d6e7f is awaiting your reply",
            text: "A customer has a question.",
            ..PLAIN
        },
        ("wish", "", "5f2b8c9d0e1f2a3b4c5d6e7f", Question),
    ),
    (
        Sent {
            path: "bounce@cdiscount.com",
            from: "Client Cdiscount <noreply@clemarche.com>",
            headers: &["Reply-To: d7f3@clemarche.com"],
            subject: "Réclamation commande 1404131234ABC0D",
            text: "Le produit est cassé.",
        },
        ("cdiscount", "FR", "1404131234ABC0D", Claim),
    ),
    (
        Sent {
            path: "b@kaufland.de",
            from: "Jing Brückner <cauw31zq-e52f3c6c67e2@kaufland-marktplatz.de>",
            subject: "Retoure zur Bestellung MK3UZQ5",
            text: "Guten Tag, die Maske ist zu klein.",
            ..PLAIN
        },
        ("kaufland", "DE", "MK3UZQ5", Return),
    ),
    (
        Sent {
            path: "noreply@kaufland-marktplatz.de",
            from: "noreply@kaufland-marktplatz.de",
            subject: "Bestellung MK3UZQ5: Versandbestätigung",
            text: "Sendungsnummer: 12345678901234",
            ..PLAIN
        },
        ("kaufland", "DE", "MK3UZQ5", OrderNotice),
    ),
    (
        Sent {
            path: "bounce@verkopen.bol.com",
            from: "Lisette <2ioibz4pe37ygpc5rx3ralvznyxzr4@verkopen.bol.com>",
            subject: "Vraag over bestelnummer 2280689750",
            text: "Wanneer komt het aan?",
            ..PLAIN
        },
        ("bol", "NL", "2280689750", Question),
    ),
    (
        Sent {
            path: "b@relay.walmart.com",
            from: "Adil <4B20D3A3D3F848788AC97C39FBDF85C2@relay.walmart.com>",
            subject: "Item not received",
            text: "My order 200011419023224 never came.",
            ..PLAIN
        },
        ("walmart", "US", "200011419023224", Claim),
    ),
    (
        Sent {
            path: "x@bounces.amazon.com",
            from: "Pat <pat@marketplace.amazon.com>",
            subject: "Pat left you feedback",
            text: "4 of 5",
            ..PLAIN
        },
        ("amazon", "US", "", Review),
    ),
];

#[test]
fn mails_of_marketplaces_are_recognised() {
    for (sent, wanted) in BY_MARKETPLACES {
        let mail = sent.read();
        assert_eq!(found(&mail), Some(*wanted), "{}", sent.subject);
        assert!(mail.relayed.as_ref().unwrap().verified, "{}", sent.subject);
        // Only news about orders ask for no work, whatever the relay's headers say.
        assert_eq!(mail.automatic.is_some(), wanted.3 == OrderNotice, "{}", sent.subject);
    }
}

#[test]
fn every_marketplace_and_every_site_has_its_mail() {
    let seen = |name: &str| BY_MARKETPLACES.iter().filter(|(_, f)| f.0 == name).count();
    let sheets = sheets().unwrap();
    assert!(sheets.0.iter().all(|sheet| 0 < seen(&sheet.name)), "a sheet without a mail");
    let names: Vec<&str> = sheets.0.iter().map(|sheet| sheet.name.as_str()).collect();
    let wanted = ["amazon", "bol", "cdiscount", "ebay", "etsy", "fruugo", "kaufland", "manomano", "walmart", "wish"];
    assert_eq!(names, wanted);
    let mut sites: Vec<&str> = BY_MARKETPLACES.iter().filter(|(_, f)| f.0 == "amazon").map(|(_, f)| f.1).collect();
    sites.sort_unstable();
    sites.dedup();
    assert_eq!(sites, ["DE", "ES", "FR", "GB", "IT", "JP", "NL", "PL", "SE", "US"]);
}

#[test]
fn who_only_looks_like_a_marketplace_is_none() {
    for from in [
        "x@amazon.co.uk.evil.example",
        "x@xamazon.de",
        "x@marketplace.amazon.de.evil.example",
        "x@evil-marketplace.amazon-de.example",
        "x@notmarketplace.amazon.de",
        "x@sub.marketplace.amazon.de",
        "\"x@marketplace.amazon.de\" <eve@evil.example>",
        "x@members.ebay.com.evil.example",
        "x@fakeebay.de",
        "x@relay-walmart.com",
        "x@verkopen.bol.com.tk",
        "x@аmazon.de",
    ] {
        let headers =
            ["X-AMAZON-MAIL-RELAY-TYPE: notification", "X-Space-Notification-Type: A_Z_CLAIM_RESPONDENT_NOTIFY"];
        let sheets = sheets().unwrap();
        let headers: Vec<(&str, &str)> = headers.iter().filter_map(|h| h.split_once(": ")).collect();
        let address = from.rsplit_once('<').map_or(from, |(_, inner)| inner.trim_end_matches('>'));
        let seen = Seen {
            from: address,
            return_path: Some("x@bounces.amazon.de"),
            sender: None,
            headers: &headers,
            subject: "A-to-z claim",
            text: "028-1111111-2222222",
        };
        assert_eq!(recognise(sheets, &seen), None, "{from}");
        let raw = Sent { path: "x@bounces.amazon.de", ..PLAIN }.raw().replace("a@b.it", from);
        assert!(mail::read(raw.as_bytes()).is_ok_and(|mail| mail.relayed.is_none()), "{from}");
    }
    // A root's dot and capitals are the same domain.
    let same =
        Seen { from: "X@Marketplace.Amazon.DE.", return_path: None, sender: None, headers: &[], subject: "", text: "" };
    assert!(recognise(sheets().unwrap(), &same).is_some());
}

#[test]
fn a_from_that_its_envelope_does_not_confirm_is_unverified() {
    let verified = |path: Option<&str>, sender: Option<&str>, headers: &[(&str, &str)]| {
        let from = "x@marketplace.amazon.de";
        let seen = Seen { from, return_path: path, sender, headers, subject: "", text: "" };
        recognise(sheets().unwrap(), &seen).unwrap().verified
    };
    let own = Some("b@bounces.amazon.de");
    assert!(verified(own, None, &[]));
    assert!(verified(Some("x@marketplace.amazon.de"), None, &[]));
    assert!(verified(None, Some("relay@amazon.de"), &[]), "without a Return-Path the Sender tells");
    assert!(!verified(None, None, &[]), "nothing confirms it");
    assert!(!verified(Some("eve@evil.example"), None, &[]));
    assert!(!verified(own, Some("eve@evil.example"), &[]), "the Sender contradicts");
    assert!(!verified(Some("eve@bounces.amazon.de.evil.example"), None, &[]));
    assert!(!verified(Some(""), None, &[]));
    assert!(!verified(own, None, &[("Authentication-Results", " mx.x; spf=pass; dmarc=fail (p=none)")]));
    assert!(verified(own, None, &[("Authentication-Results", " mx.x; dmarc=pass")]));
}

#[test]
fn the_receiving_servers_return_path_counts_not_one_that_came_with_the_mail() {
    let raw = Sent { path: "eve@evil.example", from: "x@marketplace.amazon.de", ..PLAIN }.raw();
    let raw = raw.replacen("From:", "Return-Path: <b@bounces.amazon.de>\r\nFrom:", 1);
    assert!(!mail::read(raw.as_bytes()).unwrap().relayed.unwrap().verified);
}

#[test]
fn an_answer_of_a_machine_stays_one_through_a_relay() {
    let away = Sent {
        path: "b@bounces.amazon.de",
        from: "x@marketplace.amazon.de",
        headers: &["Auto-Submitted: auto-replied"],
        ..PLAIN
    };
    assert_eq!(away.read().automatic, Some("auto_reply"));
}

#[test]
fn a_relay_with_one_address_for_all_names_the_buyer_in_reply_to() {
    let sent = |reply_to: &'static [&'static str]| {
        Sent { path: "b@mail.etsy.com", from: "Anna <conversations@mail.etsy.com>", headers: reply_to, ..PLAIN }.read()
    };
    assert_eq!(sent(&["Reply-To: c-1@mail.etsy.com"]).author.address, "c-1@mail.etsy.com");
    assert_eq!(sent(&["Reply-To: eve@evil.example"]).author.address, "conversations@mail.etsy.com");
}

#[test]
fn a_sheet_that_cannot_be_used_is_named() {
    let good = "name = \"x\"\n[[sender]]\ndomain = \"x.example\"\ncarries = \"customer\"\nconfidence = \"low\"\nnote = \"n\"\n";
    assert!(Sheets::read(&[("x.toml", good)]).is_ok());
    let bad = |change: &dyn Fn(String) -> String, file: &str| {
        let text = change(good.to_owned());
        Sheets::read(&[(file, &text)]).unwrap_err().to_string()
    };
    assert!(bad(&|t| t, "y.toml").contains("called as its marketplace"));
    assert!(bad(&|t| t.replace("x.example", "X.example"), "x.toml").contains("no domain"));
    assert!(bad(&|t| t.replace("x.example", "example"), "x.toml").contains("no domain"));
    assert!(bad(&|t| t.replace("carries", "caries"), "x.toml").contains("cannot be read"));
    assert!(bad(&|t| t.replace("note = \"n\"\n", ""), "x.toml").contains("source or a note"));
    assert!(
        bad(
            &|t| format!("{t}[[mark]]\nkind = \"claim\"\npart = \"subject\"\nlanguage = \"en\"\nany = [\"Claim\"]\n"),
            "x.toml"
        )
        .contains("lower case")
    );
    assert!(
        bad(&|t| format!("{t}[[order]]\npattern = \"#\"\nconfidence = \"low\"\nsource = \"s\"\n"), "x.toml")
            .contains("cannot be read")
    );
    let twice = Sheets::read(&[("x.toml", good), ("y.toml", &good.replace("\"x\"", "\"y\""))]).unwrap_err();
    assert!(twice.to_string().contains("stands twice"));
}
