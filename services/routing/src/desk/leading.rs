//! Who leads a provider's engine, as far as this process knows.

use std::sync::Arc;

use tokio::sync::watch;
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

use crate::store::lease::Lease;

/// Who leads.
#[derive(Debug, Clone)]
pub enum Leading {
    /// Nobody, or nobody who can be reached.
    Nobody,
    /// This process, in this epoch.
    Here(i64),
    /// Another replica.
    There(There),
}

/// Another replica that leads.
#[derive(Debug, Clone)]
pub struct There {
    /// Where it is reached.
    pub address: Arc<str>,
    holder: Option<Uuid>,
    /// Its term is over: whoever was passed on to it comes again.
    pub over: CancellationToken,
}

/// Tells who leads from now on.
pub fn tell(leads: &watch::Sender<Leading>, next: Leading) {
    if let Leading::There(before) = leads.send_replace(next) {
        before.over.cancel();
    }
}

/// Tells what a lease that somebody else holds says. An address that is ours was
/// that of a process before this one.
pub fn note(leads: &watch::Sender<Leading>, held: &Lease, here: Option<&str>) {
    let address = held.address.as_deref().filter(|address| held.holder.is_some() && Some(*address) != here);
    let known = match (&*leads.borrow(), address) {
        (Leading::There(there), Some(address)) => there.holder == held.holder && *there.address == *address,
        (Leading::Nobody, None) => true,
        _ => false,
    };
    if known {
        return;
    }
    tell(
        leads,
        match address {
            None => Leading::Nobody,
            Some(address) => {
                Leading::There(There { address: address.into(), holder: held.holder, over: CancellationToken::new() })
            }
        },
    );
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lease(epoch: i64, address: Option<&str>) -> Lease {
        let address = address.map(str::to_owned);
        Lease { epoch, holder: Some(Uuid::from_u128(1)), address, beat: 0, decisions_made: 0 }
    }

    fn there(leads: &watch::Sender<Leading>) -> Option<There> {
        match &*leads.borrow() {
            Leading::There(there) => Some(there.clone()),
            _ => None,
        }
    }

    #[test]
    fn a_term_is_over_when_another_begins_and_not_before() {
        let leads = watch::Sender::new(Leading::Nobody);
        note(&leads, &lease(1, Some("a:1")), Some("b:1"));
        let first = there(&leads).expect("another leads");
        note(&leads, &Lease { beat: 7, ..lease(1, Some("a:1")) }, Some("b:1"));
        assert!(!first.over.is_cancelled(), "a beat ends no term");
        note(&leads, &lease(2, Some("a:1")), Some("b:1"));
        assert!(!first.over.is_cancelled(), "nor does another epoch of the same leader");
        let holder = Some(Uuid::from_u128(2));
        note(&leads, &Lease { holder, ..lease(3, Some("a:1")) }, Some("b:1"));
        assert!(first.over.is_cancelled(), "another leader does, at whatever address");
        let second = there(&leads).expect("another leads");
        tell(&leads, Leading::Here(3));
        assert!(second.over.is_cancelled());
    }

    #[test]
    fn nobody_is_passed_on_to_this_process_or_to_one_without_an_address() {
        let leads = watch::Sender::new(Leading::Nobody);
        for held in [lease(1, Some("a:1")), lease(2, None), Lease { holder: None, ..lease(3, Some("b:1")) }] {
            note(&leads, &held, Some("a:1"));
            assert!(there(&leads).is_none(), "{held:?}");
        }
    }
}
