//! Connection eviction. Who makes room when all seats are taken: of the address that holds most, whoever harms least by
//! leaving.

use std::collections::HashMap;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::time::Duration;

/// Who connects, arrives and asks at once; after this long without a question it is no newcomer any more.
pub(super) const NEWCOMER: Duration = Duration::from_secs(1);

/// Whose a connection is. A machine has all of 127.0.0.0/8 and usually a whole /64: those count as one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) struct Peer(IpAddr);

impl Peer {
    /// Who connects from within this machine, by whatever way.
    pub(super) const LOCAL: Peer = Peer(IpAddr::V4(Ipv4Addr::LOCALHOST));

    /// The peer behind an address.
    pub(super) fn of(address: IpAddr) -> Peer {
        match address.to_canonical() {
            IpAddr::V4(address) if address.is_loopback() => Peer::LOCAL,
            IpAddr::V6(address) if address.is_loopback() => Peer::LOCAL,
            IpAddr::V4(address) => Peer(address.into()),
            IpAddr::V6(address) => {
                Peer(Ipv6Addr::from_bits(address.to_bits() & !u128::from(u64::MAX)).into())
            }
        }
    }
}

/// What a connection looks like when somebody has to go.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct OpenConnection {
    /// Whose it is.
    pub(super) peer: Peer,
    /// How long it has been here.
    pub(super) age: Duration,
    /// A request of its has come.
    pub(super) has_asked: bool,
    /// A request of its is being answered.
    pub(super) is_answered: bool,
    /// Answers to it are not being read.
    pub(super) is_blocked: bool,
    /// When it was last answered, or came: smaller is earlier.
    pub(super) last: u64,
}

impl OpenConnection {
    fn is_newcomer(&self) -> bool {
        !self.has_asked && self.age < NEWCOMER
    }

    /// Smaller goes earlier.
    fn rank(&self) -> (u8, u64) {
        let class = if self.is_newcomer() {
            4
        } else if self.is_answered {
            3
        } else if self.is_blocked {
            0
        } else {
            1 + u8::from(self.has_asked)
        };
        (class, self.last)
    }
}

/// Who goes, as an index; `None` if nobody is there. Where `only` is given it is one of that peer's.
///
/// Who does not read goes first, then who never asked, who was answered longest ago, who is being answered. A newcomer
/// goes last, lest a scrape be shown out before it could ask; but newcomers may not fill more than half the candidates.
pub(super) fn to_evict(candidates: &[OpenConnection], only: Option<Peer>) -> Option<usize> {
    let mut held: HashMap<Peer, usize> = HashMap::new();
    for candidate in candidates {
        *held.entry(candidate.peer).or_default() += 1;
    }
    let fullest = || {
        let earliest = |peer| {
            candidates.iter().filter(|candidate| candidate.peer == peer).map(|candidate| candidate.last).min()
        };
        let order = |(peer, count): &(Peer, usize)| (*count, std::cmp::Reverse(earliest(*peer)));
        held.iter().map(|(peer, count)| (*peer, *count)).max_by_key(order).map(|(peer, _)| peer)
    };
    let peer = only.or_else(fullest)?;
    let theirs: Vec<(usize, &OpenConnection)> =
        candidates.iter().enumerate().filter(|(_, candidate)| candidate.peer == peer).collect();
    let newcomers = theirs.iter().filter(|(_, candidate)| candidate.is_newcomer());
    let leaves = if newcomers.clone().count() * 2 > theirs.len() {
        newcomers.min_by_key(|(_, candidate)| candidate.last)
    } else {
        theirs.iter().min_by_key(|(_, candidate)| candidate.rank())
    };
    leaves.map(|(index, _)| *index)
}

#[cfg(test)]
mod tests {
    use super::*;

    const OLD: Duration = Duration::from_secs(5);

    fn asked(peer: Peer, last: u64) -> OpenConnection {
        OpenConnection { peer, age: OLD, has_asked: true, is_answered: false, is_blocked: false, last }
    }

    fn newcomer(peer: Peer, last: u64) -> OpenConnection {
        OpenConnection { age: Duration::from_millis(3), has_asked: false, ..asked(peer, last) }
    }

    fn peer(text: &str) -> Peer {
        Peer::of(text.parse().unwrap())
    }

    #[test]
    fn a_machine_is_one_peer_by_whatever_address() {
        assert_eq!(peer("127.0.0.1"), peer("127.4.5.6"));
        assert_eq!(peer("::1"), peer("::ffff:127.0.0.1"));
        assert_eq!(peer("::ffff:10.0.0.1"), peer("10.0.0.1"));
        assert_eq!(peer("2001:db8::1"), peer("2001:db8::ffff:1:2:3"));
        assert_ne!(peer("2001:db8::1"), peer("2001:db8:0:1::1"));
        assert_ne!(peer("10.0.0.1"), peer("10.0.0.2"));
    }

    #[test]
    fn the_address_that_holds_most_makes_room_whatever_the_others_do() {
        let (crowd, scraper) = (peer("10.0.0.9"), peer("10.0.0.1"));
        // The scraper has been silent longest, and of the crowd everybody has just been answered or just come.
        for one in [asked, newcomer] {
            let candidates: Vec<OpenConnection> =
                [asked(scraper, 0)].into_iter().chain((1..20).map(|last| one(crowd, last))).collect();
            assert_eq!(to_evict(&candidates, None), Some(1));
        }
        assert_eq!(
            to_evict(&[asked(scraper, 0), asked(crowd, 1)], Some(crowd)),
            Some(1),
            "its own for its own"
        );
    }

    #[test]
    fn of_one_address_who_does_not_read_goes_first_and_a_newcomer_last() {
        let here = peer("10.0.0.1");
        let blocked = OpenConnection { is_blocked: true, ..asked(here, 90) };
        let mute = OpenConnection { has_asked: false, ..asked(here, 80) };
        let mut candidates = vec![newcomer(here, 1), asked(here, 2), asked(here, 3), mute, blocked];
        let mut order = Vec::new();
        while let Some(at) = to_evict(&candidates, None) {
            order.push(candidates.remove(at).last);
        }
        assert_eq!(order, [90, 80, 2, 3, 1]);
    }

    #[test]
    fn newcomers_fill_no_more_than_half() {
        let here = peer("10.0.0.1");
        let candidates: Vec<OpenConnection> =
            [asked(here, 0)].into_iter().chain((1..4).map(|last| newcomer(here, last))).collect();
        assert_eq!(to_evict(&candidates, None), Some(1), "who came first of them, not who asked");
    }

    #[test]
    fn who_is_being_answered_goes_before_a_newcomer_only() {
        let here = peer("10.0.0.1");
        let busy = OpenConnection { is_answered: true, ..asked(here, 0) };
        assert_eq!(to_evict(&[busy, asked(here, 1)], None), Some(1));
        assert_eq!(to_evict(&[newcomer(here, 0), busy], None), Some(1));
        assert_eq!(to_evict(&[], None), None);
        assert_eq!(to_evict(&[busy], Some(peer("10.0.0.2"))), None);
    }
}
