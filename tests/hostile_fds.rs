//! File descriptors on a socket that was asked for more than them.

#![cfg(target_os = "linux")]
#![allow(clippy::unwrap_used, reason = "a test says what it expects by failing")]

mod common;
#[path = "common/loopback.rs"]
mod loopback;

use std::fs::File;
use std::os::fd::AsFd;

use loopback::on_each_backend;
use selio::net::UnixStream;

/// With `SO_PASSCRED`, the kernel puts the credentials of the sender before the file descriptors.
#[test]
fn credentials_leave_room_for_the_file_descriptors_that_were_asked_for() {
    on_each_backend(async || {
        let (here, there) = UnixStream::pair().unwrap();
        rustix::net::sockopt::set_socket_passcred(&there, true).unwrap();
        let file = File::open("/dev/null").unwrap();
        for count in [0, 1, 2, 253] {
            let fds = vec![file.as_fd(); count];
            here.send_with_fds(b"x", &fds).await.unwrap();
            let received = there.recv_with_fds(&mut [0], count).await.unwrap();
            assert_eq!((received.fds.len(), received.is_truncated), (count, false));
        }
        here.send_with_fds(b"x", &[file.as_fd(); 3]).await.unwrap();
        let received = there.recv_with_fds(&mut [0], 2).await.unwrap();
        assert_eq!((received.fds.len(), received.is_truncated), (2, true));
    });
}
