//! Who is told of an alert by mail: the contact at a level of the seller's escalation matrix, and after a while,
//! as long as nobody saw to it, the contact of the next level. What came together is told in one mail.

use jiff::tz::TimeZone;
use jiff::{SignedDuration, Timestamp};

use super::deadline;
use super::sla::policy::Metric;
use super::ticket::Priority;

/// The level at which deadlines of claims and returns are told; their steps are those for what is urgent.
pub const OF_DEADLINES: i32 = 1;
/// A contact gets at most one mail in this time; what comes meanwhile waits for the next.
pub const APART: SignedDuration = SignedDuration::from_mins(5);
/// Alerts named in one mail; of more only the number is told.
pub const NAMED: usize = 50;

/// Whom an alert is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum About {
    Contract(Metric),
    Marketplace(Metric),
    Deadline(deadline::Kind),
}

impl About {
    /// Their stored names.
    pub fn names(self) -> (&'static str, &'static str) {
        match self {
            About::Contract(metric) => ("contract", metric.name()),
            About::Marketplace(metric) => ("marketplace", metric.name()),
            About::Deadline(kind) => ("deadline", kind.name()),
        }
    }

    pub fn named(family: &str, name: &str) -> Option<About> {
        match family {
            "contract" => Metric::named(name).map(About::Contract),
            "marketplace" => Metric::named(name).map(About::Marketplace),
            "deadline" => deadline::Kind::named(name).map(About::Deadline),
            _ => None,
        }
    }
}

/// A line of the escalation matrix, with its contact.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Step {
    pub severity: Priority,
    pub level: i32,
    pub after_seconds: i64,
    pub contact_key: String,
    pub by_mail: bool,
    pub name: String,
    /// Empty where the contact has none.
    pub address: String,
    pub language: String,
}

/// Why nobody gets a mail.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Nobody {
    /// The installation has no mail server for notices.
    NoServer,
    /// The matrix has no such level for the ticket's priority.
    NoStep,
    /// The step's contact is called.
    ByPhone,
    NoAddress,
}

impl Nobody {
    pub fn name(self) -> &'static str {
        match self {
            Nobody::NoServer => "no_server",
            Nobody::NoStep => "no_step",
            Nobody::ByPhone => "by_phone",
            Nobody::NoAddress => "no_address",
        }
    }
}

/// What becomes of a notice whose moment has come.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Fate<'a> {
    /// It is seen to, or was done meanwhile.
    Settled,
    Nobody(Nobody),
    Mail(&'a Step),
}

/// Decides on a notice, and at which level and after how long the next is due if nothing happens until then.
pub fn decide(matrix: &[Step], severity: Priority, level: i32, is_over: bool) -> (Fate<'_>, Option<(i32, i64)>) {
    if is_over {
        return (Fate::Settled, None);
    }
    let of = || matrix.iter().filter(|step| step.severity == severity);
    let here = of().find(|step| step.level == level);
    let next = of().filter(|step| level < step.level).min_by_key(|step| step.level);
    let after = here.map_or(0, |step| step.after_seconds);
    let next = next.map(|next| (next.level, (next.after_seconds - after).max(0)));
    let fate = match here {
        None => Fate::Nobody(Nobody::NoStep),
        Some(step) if !step.by_mail => Fate::Nobody(Nobody::ByPhone),
        Some(step) if step.address.is_empty() => Fate::Nobody(Nobody::NoAddress),
        Some(step) => Fate::Mail(step),
    };
    (fate, next)
}

/// One alert as a mail tells of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Line {
    pub number: String,
    pub about: About,
    pub percent: i32,
    pub due_at: Option<Timestamp>,
}

/// What a mail tells.
pub struct Letter<'a> {
    pub seller: &'a str,
    pub level: i32,
    pub lines: &'a [Line],
    /// Of alerts, named or not.
    pub total: usize,
    /// In which times are told.
    pub zone: &'a TimeZone,
}

struct Words {
    subject: &'static str,
    level: &'static str,
    missed: &'static str,
    used: &'static str,
    due: &'static str,
    marketplace: &'static str,
    more: &'static str,
    end: &'static str,
    /// In the order of [`Metric::ALL`].
    metrics: [&'static str; 6],
    /// In the order of [`deadline::Kind::ALL`].
    deadlines: [&'static str; 6],
}

const ENGLISH: Words = Words {
    subject: "alerts",
    level: "escalation level",
    missed: "missed",
    used: "of the time used",
    due: "due",
    marketplace: "marketplace",
    more: "more",
    end: "This notice was written by a machine. Acknowledge the alerts in the platform so that nobody else is told.",
    metrics: [
        "first response",
        "next response",
        "resolution",
        "periodic update",
        "agent work time",
        "requester wait time",
    ],
    deadlines: [
        "claim to be answered",
        "information asked for",
        "appeal",
        "return to be decided on",
        "return to be sent back",
        "refund",
    ],
};

const GERMAN: Words = Words {
    subject: "Warnungen",
    level: "Eskalationsstufe",
    missed: "verpasst",
    used: "der Zeit verbraucht",
    due: "fällig",
    marketplace: "Marktplatz",
    more: "weitere",
    end: "Diese Nachricht wurde maschinell erstellt. Bestätigen Sie die Warnungen in der Plattform, damit niemand sonst benachrichtigt wird.",
    metrics: [
        "erste Antwort",
        "nächste Antwort",
        "Lösung",
        "regelmäßige Auskunft",
        "Bearbeitungszeit",
        "Wartezeit des Kunden",
    ],
    deadlines: [
        "Antwort auf einen Antrag",
        "angeforderte Angaben",
        "Einspruch",
        "Entscheidung über eine Rücksendung",
        "Rücksendung",
        "Erstattung",
    ],
};

const FRENCH: Words = Words {
    subject: "alertes",
    level: "niveau d'escalade",
    missed: "dépassé",
    used: "du délai écoulé",
    due: "échéance",
    marketplace: "place de marché",
    more: "de plus",
    end: "Ce message a été rédigé automatiquement. Confirmez les alertes dans la plateforme pour que personne d'autre ne soit prévenu.",
    metrics: [
        "première réponse",
        "réponse suivante",
        "résolution",
        "point régulier",
        "temps de traitement",
        "attente du client",
    ],
    deadlines: [
        "réponse à une réclamation",
        "informations demandées",
        "appel",
        "décision sur un retour",
        "renvoi de la marchandise",
        "remboursement",
    ],
};

const SPANISH: Words = Words {
    subject: "avisos",
    level: "nivel de escalado",
    missed: "incumplido",
    used: "del plazo consumido",
    due: "vencimiento",
    marketplace: "marketplace",
    more: "más",
    end: "Este aviso se ha escrito automáticamente. Confirme los avisos en la plataforma para que no se avise a nadie más.",
    metrics: [
        "primera respuesta",
        "siguiente respuesta",
        "resolución",
        "información periódica",
        "tiempo de trabajo",
        "espera del cliente",
    ],
    deadlines: [
        "respuesta a una reclamación",
        "información solicitada",
        "recurso",
        "decisión sobre una devolución",
        "envío de la devolución",
        "reembolso",
    ],
};

const ITALIAN: Words = Words {
    subject: "avvisi",
    level: "livello di escalation",
    missed: "mancato",
    used: "del tempo trascorso",
    due: "scadenza",
    marketplace: "marketplace",
    more: "altri",
    end: "Questo avviso è stato scritto automaticamente. Confermi gli avvisi nella piattaforma perché nessun altro venga avvisato.",
    metrics: [
        "prima risposta",
        "risposta successiva",
        "risoluzione",
        "aggiornamento periodico",
        "tempo di lavorazione",
        "attesa del cliente",
    ],
    deadlines: [
        "risposta a un reclamo",
        "informazioni richieste",
        "ricorso",
        "decisione su un reso",
        "spedizione del reso",
        "rimborso",
    ],
};

fn words(language: &str) -> &'static Words {
    match language.split('-').next().unwrap_or_default() {
        "de" => &GERMAN,
        "fr" => &FRENCH,
        "es" => &SPANISH,
        "it" => &ITALIAN,
        _ => &ENGLISH,
    }
}

/// A mail's subject and text: tickets by their numbers, nothing of customers. A language that is not known is written
/// as English.
pub fn written(letter: &Letter<'_>, language: &str) -> (String, String) {
    let words = words(language);
    let subject = format!("{}: {} {} ({} {})", letter.seller, letter.total, words.subject, words.level, letter.level);
    let mut text = format!("{subject}\n\n");
    for line in letter.lines.iter().take(NAMED) {
        text.push_str(&told(line, words, letter.zone));
        text.push('\n');
    }
    let rest = letter.total.saturating_sub(letter.lines.len().min(NAMED));
    if 0 < rest {
        text.push_str(&format!("+ {rest} {}\n", words.more));
    }
    text.push_str(&format!("\n{}\n", words.end));
    (subject, text)
}

fn told(line: &Line, words: &Words, zone: &TimeZone) -> String {
    let of = |all: &[Metric], metric: Metric| all.iter().position(|one| *one == metric).unwrap_or_default();
    let what = match line.about {
        About::Contract(metric) => words.metrics[of(&Metric::ALL, metric)].to_owned(),
        About::Marketplace(metric) => format!("{} ({})", words.metrics[of(&Metric::ALL, metric)], words.marketplace),
        About::Deadline(kind) => {
            let place = deadline::Kind::ALL.iter().position(|one| *one == kind).unwrap_or_default();
            words.deadlines[place].to_owned()
        }
    };
    let how = if line.percent == 100 { words.missed.to_owned() } else { format!("{} % {}", line.percent, words.used) };
    let due = line.due_at.map_or_else(String::new, |at| {
        let at = zone.to_datetime(at);
        let (date, time) = (at.date(), at.time());
        let zone = zone.iana_name().unwrap_or("UTC");
        format!(", {} {date} {:02}:{:02} {zone}", words.due, time.hour(), time.minute())
    });
    format!("{}: {what}, {how}{due}", line.number)
}

#[cfg(test)]
#[path = "notice_tests.rs"]
mod tests;
