//! `idle`: the memory that a server keeps for a connection that says nothing.
//!
//! Both figures are slopes between two numbers of connections, so that what a server needs once
//! cancels out, and both are without the connection's buffer, which is the program's and not the
//! runtime's. Every connection has exchanged one message before: its task exists, has filled its
//! buffer and waits. The kernel's memory is not in it; it is the same for all.
//!
//! The live heap counts spare capacity: a table that doubles when it is full holds room for up to
//! twice its connections, so this figure depends on their number. Resident memory counts the pages
//! that were touched.

use crate::echo::{PATIENCE, servers};
use crate::load::Load;
use crate::machine;
use crate::peers::{BUFFER, OTHERS, Peer};
use crate::server::{Options, Server};
use crate::table::{Ratio, Table, rotated};
use std::io;

pub const RATIOS: &[Ratio] = &[Ratio {
    title: "selio/best other",
    of: OTHERS,
}];

/// Measures between a tenth of `connections` and all of them.
pub fn measure(rounds: usize, connections: usize) -> io::Result<Table> {
    if connections < 10 {
        return Err(io::Error::other("idle: --connections must be at least 10"));
    }
    machine::raise_file_limit()?;
    machine::need_files(connections + 100)?;

    let few = connections / 10;
    let peers = servers();
    let title = format!(
        "idle: bytes per idle connection beyond its {BUFFER}-byte buffer (streams and server need none), median of {rounds} rounds; \
         slope between {few} and {connections} connections"
    );
    let mut table = Table::new(title, peers.iter().map(|peer| peer.name));
    let heap = table.row("live heap, as asked for");
    let resident = table.row("resident memory");
    for round in 0..rounds {
        for column in rotated(peers.len(), round) {
            let [asked, kept] = per_connection(peers[column], few, connections)?;
            table.add(heap, column, asked);
            table.add(resident, column, kept);
        }
    }
    Ok(table)
}

/// The live heap and the resident bytes of one more connection.
fn per_connection(peer: &Peer, few: usize, many: usize) -> io::Result<[f64; 2]> {
    let mut server = Server::start(
        peer,
        &Options {
            heap: true,
            ..Options::default()
        },
    )?;
    let mut load = Load::new(server.address, PATIENCE)?;

    load.open(few)?;
    let (heap, resident) = (server.live_heap()?, server.resident()?);
    load.open(many)?;
    let heap = server.live_heap()? - heap;
    let resident = server.resident()? as i64 - resident as i64;

    drop(server); // before its clients, see `echo`
    let beyond_buffer = |bytes: i64| bytes as f64 / (many - few) as f64 - peer.buffer as f64;
    Ok([beyond_buffer(heap), beyond_buffer(resident)])
}
