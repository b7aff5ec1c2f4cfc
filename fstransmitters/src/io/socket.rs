// SPDX-License-Identifier: MPL-2.0
//! One UDP socket: opened, sent on from any thread, read by its I/O thread, closed.

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;

use parking_lot::RwLock;
use socket2::{Domain, Protocol, SockRef, Type};

use super::{CAT, Place, Pool};

/// The largest payload of a UDP packet over IPv4.
pub const MAX_PAYLOAD: usize = 65507;
/// Packets of one socket in one turn.
const TURN: usize = 64;
/// A socket that only gives errors ends its turn after so many.
const MAX_ERRORS: usize = 8;

/// What becomes of the packets of a socket. Called on the socket's I/O thread, with no lock held,
/// one packet after the other.
pub trait Handler: Send + Sync {
    fn packet(&self, packet: &[u8], source: SocketAddr);
}

#[derive(Debug, PartialEq, Eq)]
pub(super) enum Drained {
    /// The poll tells when there is more.
    Empty,
    /// There may be more now.
    NotYet,
}

pub struct Socket {
    /// `None` once closed. The lock is held for one system call that does not block, so that
    /// closing is complete when `close` returns, whatever other threads do.
    udp: RwLock<Option<mio::net::UdpSocket>>,
    address: SocketAddr,
    place: Place,
    handler: Arc<dyn Handler>,
}

impl Socket {
    /// Binds to `address`, whose port must not be in use, and begins to receive.
    pub fn open(address: SocketAddr, handler: Arc<dyn Handler>) -> io::Result<Arc<Self>> {
        let udp = socket2::Socket::new(
            Domain::for_address(address),
            Type::DGRAM,
            Some(Protocol::UDP),
        )?;
        udp.set_nonblocking(true)?;
        if address.is_ipv6() {
            // [::]:N and 0.0.0.0:N are two addresses, on every system.
            udp.set_only_v6(true)?;
        }
        udp.bind(&address.into())?;
        let mut udp = mio::net::UdpSocket::from_std(udp.into());
        let socket = Arc::new(Self {
            address: udp.local_addr()?,
            udp: RwLock::new(None),
            place: Pool::get()?.place(),
            handler,
        });
        // Locked first: a packet may be reported before `register` returns.
        let mut slot = socket.udp.write();
        socket.place.register(&mut udp, &socket)?;
        *slot = Some(udp);
        drop(slot);
        gst::debug!(CAT, "opened {}", socket.address);
        Ok(socket)
    }

    /// The address it is bound to, with the real port.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Sends one packet, or says why not. Does not wait.
    pub fn send(&self, packet: &[u8], destination: SocketAddr) -> io::Result<()> {
        let udp = self.udp.read();
        let udp = udp.as_ref().ok_or(io::ErrorKind::NotConnected)?;
        loop {
            match udp.send_to(packet, destination) {
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                result => return result.map(|_| ()),
            }
        }
    }

    /// Sets the type of service (IPv4) or the traffic class (IPv6) of packets sent from now on.
    pub fn set_tos(&self, tos: u8) -> io::Result<()> {
        let udp = self.udp.read();
        let udp = SockRef::from(udp.as_ref().ok_or(io::ErrorKind::NotConnected)?);
        if self.address.is_ipv4() {
            udp.set_tos_v4(tos.into())
        } else {
            udp.set_tclass_v6(tos.into())
        }
    }

    /// Gives the port back. The handler may still be busy with one packet.
    pub fn close(&self) {
        let udp = self.udp.write().take();
        if let Some(mut udp) = udp {
            self.place.deregister(&mut udp);
            drop(udp);
            gst::debug!(CAT, "closed {}", self.address);
        }
    }

    /// One turn of reading.
    pub(super) fn drain(&self, scratch: &mut [u8]) -> Drained {
        let mut errors = 0;
        for _ in 0..TURN {
            match self.receive(scratch) {
                Ok((size, source)) => self.handler.packet(&scratch[..size], source),
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => return Drained::Empty,
                Err(error) if error.kind() == io::ErrorKind::NotConnected => return Drained::Empty,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                // The system reports what became of an earlier packet; that is no reason to stop.
                Err(error) => {
                    gst::debug!(CAT, "receiving on {}: {error}", self.address);
                    errors += 1;
                    if errors == MAX_ERRORS {
                        return Drained::Empty;
                    }
                }
            }
        }
        Drained::NotYet
    }

    fn receive(&self, scratch: &mut [u8]) -> io::Result<(usize, SocketAddr)> {
        let udp = self.udp.read();
        udp.as_ref()
            .ok_or(io::ErrorKind::NotConnected)?
            .recv_from(scratch)
    }
}

impl Drop for Socket {
    fn drop(&mut self) {
        self.close();
    }
}

#[cfg(test)]
mod tests {
    use std::net::UdpSocket;
    use std::sync::mpsc;
    use std::time::Duration;

    use super::*;

    struct Collect(mpsc::SyncSender<(Vec<u8>, SocketAddr)>);

    impl Handler for Collect {
        fn packet(&self, packet: &[u8], source: SocketAddr) {
            self.0.send((packet.to_vec(), source)).ok();
        }
    }

    fn open() -> (Arc<Socket>, mpsc::Receiver<(Vec<u8>, SocketAddr)>) {
        gst::init().unwrap();
        let (sender, receiver) = mpsc::sync_channel(1000);
        let any = "127.0.0.1:0".parse().unwrap();
        let socket = Socket::open(any, Arc::new(Collect(sender))).unwrap();
        (socket, receiver)
    }

    #[test]
    fn packets_come_in_order_with_their_source() {
        let (socket, packets) = open();
        let peer = UdpSocket::bind("127.0.0.1:0").unwrap();
        for number in 0..200u8 {
            peer.send_to(&[number; 10], socket.address()).unwrap();
        }
        for number in 0..200u8 {
            let (packet, source) = packets.recv_timeout(Duration::from_secs(5)).unwrap();
            assert_eq!(packet, [number; 10]);
            assert_eq!(source, peer.local_addr().unwrap());
        }
    }

    #[test]
    fn a_closed_socket_gives_its_port_back_at_once() {
        let (socket, _packets) = open();
        let address = socket.address();
        assert_eq!(
            UdpSocket::bind(address).unwrap_err().kind(),
            io::ErrorKind::AddrInUse
        );
        socket.close();
        UdpSocket::bind(address).unwrap();
        let error = socket.send(b"late", address).unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::NotConnected);
        socket.close();
    }

    #[test]
    fn type_of_service_is_set_on_the_socket() {
        let (socket, _packets) = open();
        socket.set_tos(0xb8).unwrap();
        let udp = socket.udp.read();
        assert_eq!(SockRef::from(udp.as_ref().unwrap()).tos_v4().unwrap(), 0xb8);
    }

    #[test]
    fn traffic_class_is_set_on_an_ipv6_socket() {
        let (_v4, receiver) = open();
        drop(receiver);
        struct Nothing;
        impl Handler for Nothing {
            fn packet(&self, _packet: &[u8], _source: SocketAddr) {}
        }
        let Ok(socket) = Socket::open("[::1]:0".parse().unwrap(), Arc::new(Nothing)) else {
            return; // this machine has no IPv6
        };
        socket.set_tos(0x88).unwrap();
        let udp = socket.udp.read();
        assert_eq!(
            SockRef::from(udp.as_ref().unwrap()).tclass_v6().unwrap(),
            0x88
        );
    }

    #[test]
    fn a_flooded_socket_does_not_starve_others() {
        // As many sockets as make some share a thread with the flooded one.
        let (flooded, flood) = open();
        let others: Vec<_> = (0..8).map(|_| open()).collect();
        let peer = UdpSocket::bind("127.0.0.1:0").unwrap();
        std::thread::spawn(move || while flood.recv().is_ok() {});
        for round in 0..50u8 {
            for _ in 0..100 {
                peer.send_to(&[0; 1200], flooded.address()).unwrap();
            }
            for (socket, packets) in &others {
                peer.send_to(&[round], socket.address()).unwrap();
                let (packet, _) = packets.recv_timeout(Duration::from_secs(5)).unwrap();
                assert_eq!(packet, [round]);
            }
        }
    }
}
