//! What is shut down wakes those who wait for it, even where the kernel tells them nothing.

#![allow(clippy::unwrap_used, reason = "a test says what it expects by failing")]

mod common;
#[path = "common/loopback.rs"]
mod loopback;

use std::io::ErrorKind::{BrokenPipe, WouldBlock};
use std::net::Shutdown;
use std::rc::Rc;
use std::time::Duration;

use loopback::{on_each_backend, turns};
use selio::net::{UnixDatagram, UnixStream};
use selio::{sleep, spawn, stats};

/// A stream that has no room for a byte more, and its peer, who does not read.
fn full() -> (UnixStream, UnixStream) {
    let (stream, peer) = UnixStream::pair().unwrap();
    for size in [4096, 1] {
        while stream.try_write(&vec![0; size]).is_ok() {}
    }
    (stream, peer)
}

/// Linux tells nobody that writing was shut down while the buffer is full, and by select(2) not even
/// that both directions were.
#[test]
fn who_waits_for_room_in_a_unix_stream_is_told_that_writing_was_shut_down() {
    on_each_backend(async || {
        for how in [Shutdown::Write, Shutdown::Both] {
            for by_closer in [false, true] {
                let (stream, _peer) = full();
                let stream = Rc::new(stream);
                let writer = Rc::clone(&stream);
                let stuck = spawn(async move { writer.write(b"x").await });
                turns(3).await;
                assert!(!stuck.is_finished());
                match by_closer {
                    true => stream.closer().shutdown(how).unwrap(),
                    false => stream.shutdown(how).unwrap(),
                }
                assert_eq!(stuck.await.unwrap().unwrap_err().kind(), BrokenPipe);
            }
        }
    });
}

#[test]
fn who_waits_until_a_datagram_can_be_sent_is_told_that_sending_was_shut_down() {
    on_each_backend(async || {
        for how in [Shutdown::Write, Shutdown::Both] {
            let (socket, _peer) = UnixDatagram::pair().unwrap();
            while socket.try_send(b"x").is_ok() {}
            let socket = Rc::new(socket);
            let sender = Rc::clone(&socket);
            let stuck = spawn(async move { sender.send(b"x").await });
            turns(3).await;
            assert!(!stuck.is_finished());
            socket.shutdown(how).unwrap();
            assert_eq!(stuck.await.unwrap().unwrap_err().kind(), BrokenPipe);
        }
    });
}

/// tokio#1679: Linux says that there is something to receive, and gives nothing: who waited for it
/// waited for ever, and the loop did not sleep any more.
#[test]
fn who_receives_datagrams_gets_what_has_come_and_then_nothing_after_a_shutdown() {
    on_each_backend(async || {
        for how in [Shutdown::Read, Shutdown::Both] {
            let (socket, _peer) = UnixDatagram::pair().unwrap();
            let socket = Rc::new(socket);
            let receiver = Rc::clone(&socket);
            let waiting = spawn(async move { receiver.recv(&mut [1; 8]).await });
            turns(3).await;
            assert!(!waiting.is_finished());
            socket.shutdown(how).unwrap();
            assert_eq!(waiting.await.unwrap().unwrap(), 0);
        }

        let (socket, _peer) = UnixDatagram::pair().unwrap();
        socket.shutdown(Shutdown::Write).unwrap();
        let error = socket.try_recv(&mut [0; 8]).unwrap_err();
        assert_eq!(error.kind(), WouldBlock, "receiving goes on");

        let (socket, peer) = UnixDatagram::pair().unwrap();
        peer.send(b"goodbye").await.unwrap();
        socket.shutdown(Shutdown::Read).unwrap();
        let buffer = &mut [0; 8];
        assert_eq!(socket.peek(buffer).await.unwrap(), 7);
        assert_eq!(socket.recv(buffer).await.unwrap(), 7);
        assert_eq!(socket.peek(buffer).await.unwrap(), 0);
        assert_eq!(socket.try_recv(buffer).unwrap(), 0);
        let (length, from) = socket.recv_from(buffer).await.unwrap();
        assert!(length == 0 && from.is_unnamed());
        let (length, from) = socket.try_recv_from(buffer).unwrap();
        assert!(length == 0 && from.is_unnamed());
        let received = socket.recv_msg(buffer).await.unwrap();
        assert!(received.length == 0 && received.from.is_unnamed() && !received.is_truncated);

        // Nothing of it keeps the loop awake.
        let before = stats().selects;
        sleep(Duration::from_millis(20)).await;
        assert!(stats().selects - before < 10);
    });
}
