//! Weights: how sellers share what is not enough for all of them.
//!
//! Deadlines decide who is next as long as they can. Where several sellers with a weight have contacts of the same
//! standing - due alike, or late already - it is their weights: everybody is credited a share of the contact that is
//! to be given out, by weight, and who has the most credit gets it and pays for it. So what a seller gets of the
//! contested contacts follows its weight however the sellers that compete change from one to the next: the fair
//! carpool (R. Fagin, J. H. Williams, "A fair carpool scheduling algorithm", 1983) with weights, which for sellers that
//! always compete is smooth weighted round robin. What nobody contests is credited to nobody, so that nothing can be
//! saved up by staying away.

use super::Engine;
use super::model::AgentSlot;
use super::queue::{Key, Tier};
use crate::ids::{At, SellerId};

/// One contact, in what credit is counted: millionths.
pub const CONTACT: i64 = 1_000_000;
/// Credit and debt beyond so many contacts are forgotten.
pub const MOST_CONTACTS: i64 = 10;

/// The first contact of a queue, of a seller that has a weight.
#[derive(Debug, Clone, Copy)]
pub struct Head {
    pub seller: u32,
    pub class: u32,
    pub speaks_worse: u8,
    pub at: At,
}

/// Sellers that contest one contact, and who gets it.
#[derive(Debug)]
pub struct Contest {
    /// With what each is credited; ascending by seller.
    shares: Vec<(u32, i64)>,
    pub winner: u32,
}

/// Divides one contact by weight and says who gets it: who has the most credit then, and of those who is due first.
/// `sellers` are numbers, weights, credits so far and the instants of their first contacts.
fn contest(sellers: &[(u32, u32, i64, At)]) -> Option<Contest> {
    let total: i64 = sellers.iter().map(|(_, weight, _, _)| i64::from(*weight)).sum();
    if sellers.len() < 2 || total == 0 {
        return None;
    }
    let share = |weight: u32| CONTACT * i64::from(weight) / total;
    let next = sellers.iter().max_by_key(|(seller, weight, credit, at)| {
        (credit + share(*weight), std::cmp::Reverse(*at), std::cmp::Reverse(*seller))
    });
    let winner = next?.0;
    Some(Contest { shares: sellers.iter().map(|(seller, weight, _, _)| (*seller, share(*weight))).collect(), winner })
}

impl Engine {
    /// Until when contacts count as due like the first of a tier, if weights decide among them at all: late ones and,
    /// while nothing late shows that time is short, those that the window of the first one's seller takes in.
    pub(super) fn due_alike(&self, tier: Tier, seller: u32, first: At, late: bool) -> Option<At> {
        if !self.weighted.has(seller) {
            return None;
        }
        let window = self.sellers[seller as usize].policy.weight_window_seconds;
        match tier {
            Tier::Forced => None,
            Tier::Late => Some(At(i64::MAX)),
            Tier::Savable if late || self.now.plus_seconds(window) < first => Some(first.plus_seconds(window)),
            Tier::Savable => None,
        }
    }

    /// The contest among the sellers that have such contacts; each once, with the instant of its first.
    pub(super) fn contest(&self, contenders: &[(u32, At)]) -> Option<Contest> {
        let of = |(seller, at): &(u32, At)| {
            let slot = &self.sellers[*seller as usize];
            (*seller, slot.policy.weight, slot.credit, *at)
        };
        contest(&contenders.iter().map(of).collect::<Vec<_>>())
    }

    /// Books what a contest gave to whom.
    pub(super) fn charge(&mut self, contest: &Contest) {
        for (seller, share) in &contest.shares {
            let slot = &mut self.sellers[*seller as usize];
            let paid = if *seller == contest.winner { contest.shares.iter().map(|(_, share)| *share).sum() } else { 0 };
            let most = MOST_CONTACTS * CONTACT;
            slot.credit = (slot.credit + share - paid).clamp(-most, most);
            self.credited.put(*seller, true);
        }
    }

    /// Among the first contacts of an agent's queues, the one whose seller's turn it is by weight; none where deadlines
    /// alone decide.
    pub(super) fn by_weight(
        &self,
        agent: u32,
        tier: Tier,
        first: Head,
        heads: &[Head],
        late: bool,
    ) -> Option<(Key, Contest)> {
        let until = self.due_alike(tier, first.seller, first.at, late)?;
        let alike = |head: &&Head| head.speaks_worse == first.speaks_worse && head.at <= until;
        let mut contenders: Vec<(u32, At)> = heads.iter().filter(alike).map(|head| (head.seller, head.at)).collect();
        contenders.sort_unstable();
        contenders.dedup_by_key(|(seller, _)| *seller);
        let contest = self.contest(&contenders)?;
        let slot = &self.agents[agent as usize];
        let of_winner = heads.iter().filter(alike).filter(|head| head.seller == contest.winner);
        let key = of_winner.filter_map(|head| self.first_for(slot, head.class, tier)).min()?;
        Some((key, contest))
    }

    /// The first contact of a class that an agent has not let go of.
    pub(super) fn first_for(&self, slot: &AgentSlot, class: u32, tier: Tier) -> Option<Key> {
        let queue = &self.classes[class].queue;
        match queue.head(tier) {
            // What she let go of is passed over; seldom anybody has let go of anything.
            Some(head) if slot.refused.contains(&head.job) => {
                queue.tier(tier).find(|key| !slot.refused.contains(&key.job)).copied()
            }
            head => head,
        }
    }

    /// What sellers have to their credit, in millionths of a contact, of those for whom it changed since the last call.
    pub fn take_credits(&mut self) -> Vec<(SellerId, i64)> {
        let changed = std::mem::take(&mut self.credited);
        changed
            .iter()
            .map(|seller| &self.sellers[seller as usize])
            .map(|slot| (slot.terms.seller, slot.credit))
            .collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    use proptest::prelude::*;

    const NOW: At = At(0);

    /// Who gets what of so many contests among sellers with these weights.
    fn divided(weights: &[u32], contests: usize) -> Vec<usize> {
        let mut credits = vec![0; weights.len()];
        let mut got = vec![0; weights.len()];
        for _ in 0..contests {
            let sellers: Vec<(u32, u32, i64, At)> = (0_u32..)
                .zip(weights.iter().zip(&credits))
                .map(|(n, (weight, credit))| (n, *weight, *credit, NOW))
                .collect();
            let contest = contest(&sellers).expect("a contest");
            for (seller, share) in &contest.shares {
                credits[*seller as usize] += share;
            }
            let paid: i64 = contest.shares.iter().map(|(_, share)| *share).sum();
            credits[contest.winner as usize] -= paid;
            got[contest.winner as usize] += 1;
        }
        got
    }

    #[test]
    fn three_to_one_is_three_to_one_and_evenly_spread() {
        let mut so_far = vec![0, 0];
        for round in 1..=4 {
            let got = divided(&[3, 1], round * 4);
            assert_eq!([got[0] - so_far[0], got[1] - so_far[1]], [3, 1]);
            so_far = got;
        }
    }

    #[test]
    fn nobody_contests_alone() {
        assert!(contest(&[(1, 5, 0, NOW)]).is_none());
        assert!(contest(&[]).is_none());
    }

    proptest! {
        /// What a seller got never differs from its share by more than a contact for each other seller.
        #[test]
        fn what_sellers_get_stays_near_their_shares(weights in prop::collection::vec(1_u32..=1_000, 2..8), contests in 1_usize..400) {
            let got = divided(&weights, contests);
            let total: u64 = weights.iter().map(|weight| u64::from(*weight)).sum();
            prop_assert_eq!(got.iter().sum::<usize>(), contests);
            for (weight, got) in weights.iter().zip(&got) {
                let off = (*got as i128 * i128::from(total) - contests as i128 * i128::from(*weight)).unsigned_abs();
                prop_assert!(off <= u128::from(total) * weights.len() as u128, "{} of {} for {} of {}", got, contests, weight, total);
            }
        }

        /// Whoever competes with whom, credits stay small: nobody is passed over for long, nothing is saved up.
        #[test]
        fn credits_stay_small_whoever_competes(
            weights in prop::collection::vec(1_u32..=20, 4),
            rounds in prop::collection::vec(1_u8..16, 1..500),
        ) {
            let mut credits = [0_i64; 4];
            for round in rounds {
                let sellers: Vec<_> = (0..4_u32)
                    .filter(|seller| round >> seller & 1 == 1)
                    .map(|seller| (seller, weights[seller as usize], credits[seller as usize], NOW))
                    .collect();
                let Some(contest) = contest(&sellers) else { continue };
                for (seller, share) in &contest.shares {
                    credits[*seller as usize] += share;
                }
                credits[contest.winner as usize] -= contest.shares.iter().map(|(_, share)| *share).sum::<i64>();
                prop_assert_eq!(credits.iter().sum::<i64>(), 0, "what one gets others pay");
                prop_assert!(credits.iter().all(|credit| credit.abs() <= 4 * CONTACT), "{:?}", credits);
            }
        }
    }
}
