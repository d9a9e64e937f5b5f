//! Files that are none, sent.

#![cfg(target_os = "linux")]
#![allow(clippy::unwrap_used, reason = "a test says what it expects by failing")]

mod common;
#[path = "common/loopback.rs"]
mod loopback;

use std::fs::File;

use loopback::{on_each_backend, read_to_end};
use selio::spawn;

/// `/dev/zero` does not tell sendfile(2) where its reading has got to.
#[test]
fn of_a_device_without_an_end_as_many_bytes_are_sent_as_were_asked_for() {
    const COUNT: u64 = 100_000;
    on_each_backend(async || {
        let (stream, peer) = loopback::pair().await;
        let received = spawn(async move { read_to_end(&peer).await });
        let zero = File::open("/dev/zero").unwrap();
        let mut offset = 5;
        let sent = stream.send_file(&zero, &mut offset, Some(COUNT)).await;
        assert_eq!((sent.unwrap(), offset), (COUNT, 5 + COUNT));
        drop(stream);
        assert_eq!(received.await.unwrap().unwrap(), vec![0; COUNT as usize]);
    });
}
