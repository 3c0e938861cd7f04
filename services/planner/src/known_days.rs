//! What planners know of days: whose holidays count for whom, and events; as each series sees it.

use ::forecast::{Calendar, Effect as Does, Event as Known, Holiday};
use jiff::civil::Date;

use super::record::EventId;

/// Whose holidays count for a seller.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct SellerCalendar {
    /// Country or region, and the language whose customers rest then; empty = all.
    pub regions: Vec<(String, String)>,
    /// Days of the seller's own.
    pub own: Vec<(Date, String)>,
}

/// What an event does.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Effect {
    /// Multiplies contacts.
    Factor(f64),
    /// What events of its name did before.
    Learnt,
    /// Nothing is learnt from its days.
    LeaveOut,
}

impl Effect {
    /// The word and the factor that are kept.
    pub fn kept(self) -> (&'static str, f64) {
        match self {
            Effect::Factor(factor) => ("factor", factor),
            Effect::Learnt => ("learnt", 1.0),
            Effect::LeaveOut => ("leave_out", 1.0),
        }
    }

    /// The effect of a kept word.
    pub fn of(word: &str, factor: f64) -> Option<Effect> {
        match word {
            "factor" => Some(Effect::Factor(factor)),
            "learnt" => Some(Effect::Learnt),
            "leave_out" => Some(Effect::LeaveOut),
            _ => None,
        }
    }
}

/// Days that are not like others.
#[derive(Debug, Clone, PartialEq)]
pub struct Event {
    /// Its id.
    pub id: EventId,
    /// Events of one name are of one kind.
    pub name: String,
    /// First day.
    pub first: Date,
    /// Last day, inclusive.
    pub last: Date,
    /// What it does.
    pub effect: Effect,
    /// Languages and channels that it concerns; empty = all.
    pub languages: Vec<String>,
    pub channels: Vec<String>,
}

/// The days as one series sees them. Places that are not known any more count for nothing.
pub fn calendar(of: &SellerCalendar, events: &[Event], language: &str, channel: &str) -> Calendar {
    let mut calendar = Calendar::default();
    let concerns = |tag: &str| tag.is_empty() || primary(tag) == primary(language);
    for (region, _) in of.regions.iter().filter(|(_, tag)| concerns(tag)) {
        if let Ok(more) = calendar.clone().with_holidays_of(region) {
            calendar = more;
        }
    }
    calendar.holidays.extend(of.own.iter().map(|(date, name)| Holiday { date: *date, name: name.clone() }));
    calendar.holidays.sort_by(|a, b| (a.date, &a.name).cmp(&(b.date, &b.name)));
    calendar.holidays.dedup_by_key(|holiday| holiday.date);
    let named = |list: &[String], word: &str| list.is_empty() || list.iter().any(|one| one == word);
    let of_series = events.iter().filter(|event| {
        let spoken = event.languages.is_empty() || event.languages.iter().any(|tag| primary(tag) == primary(language));
        spoken && named(&event.channels, channel)
    });
    calendar.events = of_series
        .map(|event| Known {
            name: event.name.clone(),
            first: event.first,
            last: event.last,
            effect: match event.effect {
                Effect::Factor(factor) => Does::Factor(factor),
                Effect::Learnt => Does::Learnt,
                Effect::LeaveOut => Does::LeaveOut,
            },
        })
        .collect();
    calendar
}

fn primary(tag: &str) -> &str {
    tag.split('-').next().unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use jiff::civil::date;
    use kit::ids::Uuid;

    use super::*;

    #[test]
    fn each_series_sees_the_days_that_concern_it() {
        let of = SellerCalendar {
            regions: vec![("DE".into(), "de".into()), ("IT".into(), String::new())],
            own: vec![(date(2026, 7, 1), "Company day".into()), (date(2026, 12, 25), "Christmas Day".into())],
        };
        let event = |name: &str, languages: &[&str], channels: &[&str]| Event {
            id: EventId(Uuid::nil()),
            name: name.into(),
            first: date(2026, 11, 27),
            last: date(2026, 11, 30),
            effect: Effect::Factor(2.0),
            languages: languages.iter().map(|l| (*l).to_owned()).collect(),
            channels: channels.iter().map(|c| (*c).to_owned()).collect(),
        };
        let events =
            [event("Black Friday", &[], &[]), event("Chat only", &[], &["chat"]), event("German", &["de"], &[])];
        let names = |calendar: &Calendar| calendar.events.iter().map(|e| e.name.clone()).collect::<Vec<_>>();
        let german = calendar(&of, &events, "de-AT", "email");
        assert_eq!(names(&german), ["Black Friday", "German"]);
        let rests = |calendar: &Calendar, day: Date| calendar.holidays.iter().filter(|h| h.date == day).count();
        let (unity, republic, own) = (date(2026, 10, 3), date(2026, 6, 2), date(2026, 7, 1));
        assert_eq!([rests(&german, unity), rests(&german, republic), rests(&german, own)], [1, 1, 1]);
        let italian = calendar(&of, &events, "it", "chat");
        assert_eq!(names(&italian), ["Black Friday", "Chat only"]);
        assert_eq!([rests(&italian, unity), rests(&italian, republic)], [0, 1]);
        // A day is one holiday, however many lists name it.
        assert_eq!(rests(&italian, date(2026, 12, 25)), 1);
    }
}
