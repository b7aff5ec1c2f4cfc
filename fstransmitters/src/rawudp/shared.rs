// SPDX-License-Identifier: MPL-2.0
//! Sockets as transmitters hold them: opened by the port rule, and shared within a socket group.

use std::collections::HashMap;
use std::io;
use std::net::SocketAddr;
use std::sync::{Arc, LazyLock};

use farstream::ports::{PortGroup, port_groups};
use farstream::{Error, ErrorCode, Result};
use parking_lot::Mutex;

use super::local::Wanted;
use super::routing::Holders;
use crate::io::{Handler, Socket};

/// Gets the packets of one component of one transmitter. Must not keep the transmitter alive.
pub trait Receiver: Send + Sync {
    /// Called with no lock held. `known` is false if the packet may be somebody else's.
    fn packet(&self, packet: &[u8], known: bool);
}

/// A share of a socket. The last one to leave closes it.
pub struct Membership {
    shared: Arc<Shared>,
    id: u64,
}

struct Shared {
    router: Arc<Router>,
    socket: Arc<Socket>,
    /// The request that leads to this socket, if others may make the same.
    key: Option<Key>,
}

#[derive(Default)]
struct Router {
    holders: Mutex<Holders<Arc<dyn Receiver>>>,
}

/// Equal requests share a socket: same group, component, address and port as *asked for*.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
struct Key {
    group: String,
    component: u32,
    wanted: SocketAddr,
}

/// The sockets that others may join, each with at least one holder. Locked before the holders of a
/// socket.
type Table = HashMap<Key, Arc<Shared>>;
static TABLE: LazyLock<Mutex<Table>> = LazyLock::new(Default::default);

impl Handler for Router {
    fn packet(&self, packet: &[u8], source: SocketAddr) {
        let route = {
            let holders = self.holders.lock();
            holders
                .route(source)
                .map(|route| (route.receiver.clone(), route.known))
        };
        if let Some((receiver, known)) = route {
            receiver.packet(packet, known);
        }
    }
}

impl Membership {
    /// The address the socket is bound to.
    pub fn address(&self) -> SocketAddr {
        self.shared.socket.address()
    }

    /// Sends one packet, or says why not. Does not wait.
    pub fn send(&self, packet: &[u8], destination: SocketAddr) -> io::Result<()> {
        self.shared.socket.send(packet, destination)
    }

    /// Applies to all that share the socket: it has only one type of service.
    pub fn set_tos(&self, tos: u8) -> io::Result<()> {
        self.shared.socket.set_tos(tos)
    }

    /// Where this holder's peer sends from.
    pub fn set_remote(&self, remote: Option<SocketAddr>) {
        let mut holders = self.shared.router.holders.lock();
        holders.set_remote(self.id, remote);
    }

    /// Leaves the socket. If nobody else has it, it is closed on return.
    pub fn leave(&self) {
        let mut table = TABLE.lock();
        if self.shared.router.holders.lock().leave(self.id) {
            return;
        }
        if let Some(key) = &self.shared.key {
            table.remove(key);
        }
        // With the table locked: who asks for this port next must find it free.
        self.shared.socket.close();
    }
}

impl Drop for Membership {
    fn drop(&mut self) {
        self.leave();
    }
}

/// Opens, or joins, the sockets of all components, component 1 first.
pub fn open(
    socket_group: Option<&str>,
    wanted: &[Wanted],
    receiver: impl Fn(u32) -> Arc<dyn Receiver>,
) -> Result<Vec<Membership>> {
    let ports: Vec<_> = wanted.iter().map(|wanted| wanted.port).collect();
    let mut memberships = Vec::new();
    for group in port_groups(&ports) {
        // Locked for the whole search: two transmitters that ask for the same must end on the same
        // sockets.
        let mut table = TABLE.lock();
        for (component, shared) in search(&table, socket_group, &group, wanted)? {
            let id = shared.router.holders.lock().join(receiver(component));
            if let Some(key) = &shared.key {
                table.insert(key.clone(), shared.clone());
            }
            memberships.push(Membership { shared, id });
        }
    }
    Ok(memberships)
}

/// The sockets for the first attempt that succeeds.
fn search(
    table: &Table,
    socket_group: Option<&str>,
    group: &PortGroup,
    wanted: &[Wanted],
) -> Result<Vec<(u32, Arc<Shared>)>> {
    let wanted = |component: u32| {
        wanted
            .get(component as usize - 1)
            .copied()
            .ok_or_else(|| Error::new(ErrorCode::Internal, "a port for no component"))
    };
    // What was asked for is the first attempt. Where it led another transmitter is in the table.
    let Some(asked) = group.attempts().next() else {
        return Err(exhausted(None));
    };
    let mut keys = Vec::new();
    for (component, port) in &asked {
        keys.push(
            socket_group
                .map(|group| {
                    Ok::<_, Error>(Key {
                        group: group.into(),
                        component: *component,
                        wanted: SocketAddr::new(wanted(*component)?.ip, *port),
                    })
                })
                .transpose()?,
        );
    }
    if let Some((component, _)) = asked.first()
        && wanted(*component)?.port.is_none()
    {
        // Any port will do, so there is no reason to share one.
        keys.fill(None);
    }
    let joined = keys.first().and_then(|key| table.get(key.as_ref()?));
    let joined = joined.map(|shared| shared.socket.address().port());

    let mut last = None;
    'attempts: for attempt in group.attempts() {
        if joined.is_some_and(|port| attempt.first().is_some_and(|first| first.1 != port)) {
            continue;
        }
        let mut sockets = Vec::new();
        for ((component, port), key) in attempt.into_iter().zip(&keys) {
            let address = SocketAddr::new(wanted(component)?.ip, port);
            match join_or_open(table, key.as_ref(), address) {
                Ok(shared) => sockets.push((component, shared)),
                Err(error) if error.kind() == io::ErrorKind::AddrInUse => {
                    last = Some(address);
                    continue 'attempts;
                }
                Err(error) => return Err(refused(address, &error)),
            }
        }
        return Ok(sockets);
    }
    Err(exhausted(last))
}

fn join_or_open(table: &Table, key: Option<&Key>, address: SocketAddr) -> io::Result<Arc<Shared>> {
    let known = key.and_then(|key| table.get(key));
    if let Some(shared) = known
        && shared.socket.address() == address
    {
        return Ok(shared.clone());
    }
    let router = Arc::new(Router::default());
    Ok(Arc::new(Shared {
        socket: Socket::open(address, router.clone())?,
        router,
        key: key.filter(|_| known.is_none()).cloned(),
    }))
}

fn refused(address: SocketAddr, error: &io::Error) -> Error {
    let remedy = match error.kind() {
        io::ErrorKind::AddrNotAvailable => "it is no address of this machine; give one that is",
        io::ErrorKind::PermissionDenied => "take a port from 1024 up",
        io::ErrorKind::Unsupported => "this machine has no such addresses; give one that it has",
        _ => "give another one, or free resources of this machine",
    };
    Error::new(
        ErrorCode::Network,
        format!(
            "cannot open UDP port {} of {}: {error}; {remedy} in local-address, local-port or \
             preferred-local-candidates",
            address.port(),
            address.ip()
        ),
    )
}

fn exhausted(last: Option<SocketAddr>) -> Error {
    let tried = match last {
        Some(address) => format!(
            "all UDP ports of {} from the one asked for up to {} are in use",
            address.ip(),
            address.port()
        ),
        None => "the port asked for leaves no port for the next component".into(),
    };
    Error::new(
        ErrorCode::Network,
        format!(
            "cannot open a socket: {tried}; give a lower port in local-port or \
             preferred-local-candidates"
        ),
    )
}
