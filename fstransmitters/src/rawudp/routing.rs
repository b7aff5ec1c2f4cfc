// SPDX-License-Identifier: MPL-2.0
//! Whose packet it is: the transmitters that hold one socket, and the remote of each. No I/O.

use std::net::SocketAddr;

/// The holders of a socket, the oldest first.
#[derive(Debug)]
pub struct Holders<T> {
    list: Vec<Holder<T>>,
    next_id: u64,
}

#[derive(Debug)]
struct Holder<T> {
    id: u64,
    remote: Option<SocketAddr>,
    receiver: T,
}

/// Who gets a packet.
#[derive(Debug, PartialEq, Eq)]
pub struct Route<'a, T> {
    pub receiver: &'a T,
    /// Whether it is certain that the packet is for this one.
    pub known: bool,
}

impl<T> Default for Holders<T> {
    fn default() -> Self {
        Self {
            list: Vec::new(),
            next_id: 0,
        }
    }
}

impl<T> Holders<T> {
    /// A new holder, the youngest. Its number is for the other calls.
    pub fn join(&mut self, receiver: T) -> u64 {
        let id = self.next_id;
        self.next_id += 1;
        self.list.push(Holder {
            id,
            remote: None,
            receiver,
        });
        id
    }

    /// Takes a holder out and tells whether others are left.
    pub fn leave(&mut self, id: u64) -> bool {
        self.list.retain(|holder| holder.id != id);
        !self.list.is_empty()
    }

    /// Where the peer of this holder sends from.
    pub fn set_remote(&mut self, id: u64, remote: Option<SocketAddr>) {
        if let Some(holder) = self.list.iter_mut().find(|holder| holder.id == id) {
            holder.remote = remote;
        }
    }

    /// Whose a packet from `source` is: the only holder's; or that of the only one whose remote it
    /// is; or else, as nobody can know, the oldest one's.
    pub fn route(&self, source: SocketAddr) -> Option<Route<'_, T>> {
        let oldest = self.list.first()?;
        let mut owners = self
            .list
            .iter()
            .filter(|holder| holder.remote.is_some_and(|remote| same(remote, source)));
        let (holder, known) = match (owners.next(), owners.next()) {
            _ if self.list.len() == 1 => (oldest, true),
            (Some(owner), None) => (owner, true),
            _ => (oldest, false),
        };
        Some(Route {
            receiver: &holder.receiver,
            known,
        })
    }
}

/// Scope and flow label of IPv6 are not part of a candidate.
fn same(a: SocketAddr, b: SocketAddr) -> bool {
    (a.ip(), a.port()) == (b.ip(), b.port())
}

#[cfg(test)]
mod tests {
    use std::net::SocketAddrV6;

    use super::*;

    fn address(text: &str) -> SocketAddr {
        text.parse().unwrap()
    }

    fn route<'a>(holders: &Holders<&'a str>, source: &str) -> (&'a str, bool) {
        let route = holders.route(address(source)).unwrap();
        (*route.receiver, route.known)
    }

    #[test]
    fn the_only_holder_gets_every_packet() {
        let mut holders = Holders::default();
        assert!(holders.route(address("192.0.2.1:1")).is_none());
        let a = holders.join("a");
        assert_eq!(route(&holders, "192.0.2.1:1"), ("a", true));
        holders.set_remote(a, Some(address("192.0.2.2:2")));
        assert_eq!(route(&holders, "192.0.2.1:1"), ("a", true));
    }

    #[test]
    fn a_remote_that_one_holder_has_tells_whose_packet_it_is() {
        let mut holders = Holders::default();
        let a = holders.join("a");
        let b = holders.join("b");
        holders.set_remote(a, Some(address("192.0.2.1:1")));
        holders.set_remote(b, Some(address("192.0.2.2:1")));
        assert_eq!(route(&holders, "192.0.2.1:1"), ("a", true));
        assert_eq!(route(&holders, "192.0.2.2:1"), ("b", true));
        assert_eq!(route(&holders, "192.0.2.2:2"), ("a", false));
        holders.set_remote(b, None);
        assert_eq!(route(&holders, "192.0.2.2:1"), ("a", false));
    }

    #[test]
    fn a_remote_that_two_holders_have_tells_nothing_until_one_leaves() {
        let mut holders = Holders::default();
        let ids = ["a", "b", "c"].map(|name| holders.join(name));
        for id in &ids[1..] {
            holders.set_remote(*id, Some(address("192.0.2.1:1")));
        }
        assert_eq!(route(&holders, "192.0.2.1:1"), ("a", false));
        assert!(holders.leave(ids[1]));
        assert_eq!(route(&holders, "192.0.2.1:1"), ("c", true));
        assert!(holders.leave(ids[0]));
        assert_eq!(route(&holders, "192.0.2.9:9"), ("c", true));
        assert!(!holders.leave(ids[2]));
    }

    #[test]
    fn numbers_of_holders_are_not_used_again() {
        let mut holders = Holders::default();
        let a = holders.join("a");
        let b = holders.join("b");
        holders.leave(b);
        let c = holders.join("c");
        assert!(a != c && b != c);
        holders.set_remote(b, Some(address("192.0.2.1:1")));
        assert_eq!(route(&holders, "192.0.2.1:1"), ("a", false));
    }

    #[test]
    fn scope_and_flow_label_do_not_matter() {
        let mut holders = Holders::default();
        holders.join("a");
        let b = holders.join("b");
        holders.set_remote(b, Some(address("[fe80::1]:5")));
        let source = SocketAddrV6::new("fe80::1".parse().unwrap(), 5, 7, 3);
        let route = holders.route(source.into()).unwrap();
        assert_eq!((*route.receiver, route.known), ("b", true));
    }
}
