//! When sites are open, as far ahead as somebody told: the engine knows instants
//! only, zones and weeks are its caller's.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};

use super::ids::At;

/// The hours of one site.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SiteHours {
    /// Its name, as in agents' profiles.
    pub site: String,
    /// When it is open: first instant and first instant after, ascending, apart from each other.
    pub open: Vec<(At, At)>,
}

/// How some sites stand at an instant.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Standing {
    /// One at least is open: since when, and until when if anybody told.
    Open { since: At, until: Option<At> },
    /// All are closed; when the first one opens, if anybody told.
    Closed { opens: Option<At> },
}

/// The hours of all sites. One whose hours nobody told is always open.
#[derive(Debug, Clone, Default)]
pub struct Sites {
    hours: BTreeMap<String, Vec<(At, At)>>,
}

impl Sites {
    /// These hours instead of all that were told before.
    pub fn tell(&mut self, hours: Vec<SiteHours>) {
        self.hours = hours.into_iter().map(|of| (of.site, of.open)).collect();
    }

    /// How some sites stand now.
    #[must_use]
    pub fn standing(&self, sites: &BTreeSet<String>, now: At) -> Standing {
        let mut opens: Option<At> = None;
        let mut open: Option<(At, Option<At>)> = None;
        for site in sites {
            let Some(hours) = self.hours.get(site) else {
                return Standing::Open { since: At(i64::MIN), until: None };
            };
            // the first that is not over yet
            let next = hours.partition_point(|(_, until)| *until <= now);
            match hours.get(next) {
                Some((since, until)) if *since <= now => {
                    let (first, last) = open.unwrap_or((*since, Some(*until)));
                    open = Some((first.min(*since), last.max(Some(*until))));
                }
                Some((since, _)) => opens = Some(opens.map_or(*since, |first| first.min(*since))),
                None => {}
            }
        }
        match open {
            Some((since, until)) => Standing::Open { since, until },
            None => Standing::Closed { opens },
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sites(names: &[&str]) -> BTreeSet<String> {
        names.iter().map(|name| (*name).to_owned()).collect()
    }

    #[test]
    fn of_several_sites_the_first_to_open_and_the_last_to_close_count() {
        let mut all = Sites::default();
        let hours = |site: &str, open: &[(i64, i64)]| SiteHours {
            site: site.to_owned(),
            open: open.iter().map(|(from, to)| (At(*from), At(*to))).collect(),
        };
        all.tell(vec![hours("lisbon", &[(10, 20), (30, 40)]), hours("manila", &[(18, 25)]), hours("closed", &[])]);
        let at = |names: &[&str], now| all.standing(&sites(names), At(now));
        assert_eq!(at(&["lisbon"], 5), Standing::Closed { opens: Some(At(10)) });
        assert_eq!(at(&["lisbon"], 10), Standing::Open { since: At(10), until: Some(At(20)) });
        assert_eq!(at(&["lisbon"], 20), Standing::Closed { opens: Some(At(30)) }, "the end is not open any more");
        assert_eq!(at(&["lisbon", "manila"], 19), Standing::Open { since: At(10), until: Some(At(25)) });
        assert_eq!(at(&["lisbon", "manila"], 26), Standing::Closed { opens: Some(At(30)) });
        assert_eq!(at(&["lisbon", "manila"], 40), Standing::Closed { opens: None });
        assert_eq!(at(&["closed"], 15), Standing::Closed { opens: None });
        assert_eq!(at(&["lisbon", "elsewhere"], 5), Standing::Open { since: At(i64::MIN), until: None });
    }
}
