//! What one can ask a UDP socket, and tell it.

use std::io;
use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr};

use rustix::net::sockopt;

use super::UdpSocket;

impl UdpSocket {
    /// Our own address.
    ///
    /// # Errors
    ///
    /// Those of [getsockname(2)](https://man7.org/linux/man-pages/man2/getsockname.2.html).
    pub fn local_addr(&self) -> io::Result<SocketAddr> {
        self.source.get_ref().local_addr()
    }

    /// The address that the socket is connected to.
    ///
    /// # Errors
    ///
    /// `NotConnected` without [`connect`](Self::connect).
    pub fn peer_addr(&self) -> io::Result<SocketAddr> {
        self.source.get_ref().peer_addr()
    }

    /// Takes the error that the socket has met, if there is one (`SO_ERROR`).
    ///
    /// # Errors
    ///
    /// Those of getsockopt(2).
    pub fn take_error(&self) -> io::Result<Option<io::Error>> {
        self.source.get_ref().take_error()
    }

    /// Whether it may send to broadcast addresses (`SO_BROADCAST`).
    ///
    /// # Errors
    ///
    /// Those of getsockopt(2).
    pub fn broadcast(&self) -> io::Result<bool> {
        self.source.get_ref().broadcast()
    }

    /// Lets it send to broadcast addresses, such as 255.255.255.255 (`SO_BROADCAST`). It may not by
    /// default.
    ///
    /// # Errors
    ///
    /// Those of setsockopt(2).
    pub fn set_broadcast(&self, broadcast: bool) -> io::Result<()> {
        self.source.get_ref().set_broadcast(broadcast)
    }

    /// Through how many routers a datagram may pass.
    ///
    /// # Errors
    ///
    /// Those of getsockopt(2).
    pub fn ttl(&self) -> io::Result<u32> {
        self.source.get_ref().ttl()
    }

    /// Says through how many routers a datagram may pass.
    ///
    /// # Errors
    ///
    /// Those of setsockopt(2).
    pub fn set_ttl(&self, ttl: u32) -> io::Result<()> {
        self.source.get_ref().set_ttl(ttl)
    }

    /// Whether datagrams to a group of IPv4 also come to the members on this machine.
    ///
    /// # Errors
    ///
    /// Those of getsockopt(2).
    pub fn multicast_loop_v4(&self) -> io::Result<bool> {
        self.source.get_ref().multicast_loop_v4()
    }

    /// Says whether datagrams to a group of IPv4 also come to the members on this machine. They do by
    /// default.
    ///
    /// # Errors
    ///
    /// Those of setsockopt(2).
    pub fn set_multicast_loop_v4(&self, multicast_loop_v4: bool) -> io::Result<()> {
        self.source
            .get_ref()
            .set_multicast_loop_v4(multicast_loop_v4)
    }

    /// Through how many routers a datagram to a group of IPv4 may pass.
    ///
    /// # Errors
    ///
    /// Those of getsockopt(2).
    pub fn multicast_ttl_v4(&self) -> io::Result<u32> {
        self.source.get_ref().multicast_ttl_v4()
    }

    /// Says through how many routers a datagram to a group of IPv4 may pass: none by default (1).
    ///
    /// # Errors
    ///
    /// Those of setsockopt(2).
    pub fn set_multicast_ttl_v4(&self, multicast_ttl_v4: u32) -> io::Result<()> {
        self.source.get_ref().set_multicast_ttl_v4(multicast_ttl_v4)
    }

    /// Whether datagrams to a group of IPv6 also come to the members on this machine.
    ///
    /// # Errors
    ///
    /// Those of getsockopt(2).
    pub fn multicast_loop_v6(&self) -> io::Result<bool> {
        self.source.get_ref().multicast_loop_v6()
    }

    /// Says whether datagrams to a group of IPv6 also come to the members on this machine. They do by
    /// default.
    ///
    /// # Errors
    ///
    /// Those of setsockopt(2).
    pub fn set_multicast_loop_v6(&self, multicast_loop_v6: bool) -> io::Result<()> {
        self.source
            .get_ref()
            .set_multicast_loop_v6(multicast_loop_v6)
    }

    /// Says on which interface datagrams to a group of IPv4 are sent, by its address. By default the
    /// system chooses.
    ///
    /// # Errors
    ///
    /// Those of setsockopt(2): there is no interface with this address.
    pub fn set_multicast_if_v4(&self, interface: &Ipv4Addr) -> io::Result<()> {
        Ok(sockopt::set_ip_multicast_if(self, interface)?)
    }

    /// Says on which interface datagrams to a group of IPv6 are sent, by its index. By default, and
    /// with 0, the system chooses.
    ///
    /// # Errors
    ///
    /// Those of setsockopt(2): there is no such interface.
    pub fn set_multicast_if_v6(&self, interface: u32) -> io::Result<()> {
        Ok(sockopt::set_ipv6_multicast_if(self, interface)?)
    }

    /// Receives what is sent to a group of IPv4 from now on, through the interface that has this
    /// address ([`Ipv4Addr::UNSPECIFIED`]: the system chooses one).
    ///
    /// # Errors
    ///
    /// Those of setsockopt(2): the address is that of no group, or there is no such interface.
    pub fn join_multicast_v4(&self, group: &Ipv4Addr, interface: &Ipv4Addr) -> io::Result<()> {
        self.source.get_ref().join_multicast_v4(group, interface)
    }

    /// Undoes [`join_multicast_v4`](Self::join_multicast_v4).
    ///
    /// # Errors
    ///
    /// Those of setsockopt(2): the socket is no member.
    pub fn leave_multicast_v4(&self, group: &Ipv4Addr, interface: &Ipv4Addr) -> io::Result<()> {
        self.source.get_ref().leave_multicast_v4(group, interface)
    }

    /// Receives what is sent to a group of IPv6 from now on, through the interface of this index
    /// (0: the system chooses one).
    ///
    /// # Errors
    ///
    /// Those of setsockopt(2): the address is that of no group, or there is no such interface.
    pub fn join_multicast_v6(&self, group: &Ipv6Addr, interface: u32) -> io::Result<()> {
        self.source.get_ref().join_multicast_v6(group, interface)
    }

    /// Undoes [`join_multicast_v6`](Self::join_multicast_v6).
    ///
    /// # Errors
    ///
    /// Those of setsockopt(2): the socket is no member.
    pub fn leave_multicast_v6(&self, group: &Ipv6Addr, interface: u32) -> io::Result<()> {
        self.source.get_ref().leave_multicast_v6(group, interface)
    }
}
