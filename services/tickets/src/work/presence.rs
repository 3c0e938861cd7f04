//! Who looks at which ticket, so that whoever tells what she does at one wakes only those who look at that one. Only a
//! hint within this process: what other processes were told is looked for regularly.

use std::collections::HashMap;
use std::sync::Mutex;

use kit::{ProviderId, SellerId};
use tokio::sync::watch;

use crate::domain::ids::TicketId;

/// A ticket of a seller.
type Room = (ProviderId, SellerId, TicketId);

/// The tickets that somebody looks at.
#[derive(Default)]
pub struct Rooms(Mutex<HashMap<Room, watch::Sender<u64>>>);

impl Rooms {
    /// Hears of what is told at a ticket from now on.
    pub fn enter(&self, room: Room) -> watch::Receiver<u64> {
        let Ok(mut rooms) = self.0.lock() else { return watch::Sender::new(0).subscribe() };
        // Rooms that everybody left go now and then; a table that grew is swept when it has doubled.
        if rooms.len() == rooms.capacity() {
            rooms.retain(|_, told| 0 < told.receiver_count());
        }
        rooms.entry(room).or_insert_with(|| watch::Sender::new(0)).subscribe()
    }

    /// Wakes those who look at a ticket.
    pub fn tell(&self, room: Room) {
        let Ok(mut rooms) = self.0.lock() else { return };
        match rooms.get(&room) {
            Some(told) if told.receiver_count() == 0 => {
                rooms.remove(&room);
            }
            Some(told) => told.send_modify(|told| *told = told.wrapping_add(1)),
            None => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::ids::Uuid;

    #[test]
    fn only_those_who_look_at_a_ticket_are_woken_and_rooms_do_not_stay() {
        let room = |n: u128| (ProviderId(Uuid::nil()), SellerId(Uuid::nil()), TicketId(Uuid::from_u128(n)));
        let rooms = Rooms::default();
        let (here, there) = (rooms.enter(room(1)), rooms.enter(room(2)));
        rooms.tell(room(1));
        assert_eq!((here.has_changed().unwrap(), there.has_changed().unwrap()), (true, false));
        drop(here);
        rooms.tell(room(1));
        rooms.tell(room(3));
        assert_eq!(rooms.0.lock().unwrap().len(), 1, "an empty room goes, and nobody opens one by telling");
        for n in 10..2_000 {
            rooms.enter(room(n));
        }
        assert!(rooms.0.lock().unwrap().len() < 500);
    }
}
