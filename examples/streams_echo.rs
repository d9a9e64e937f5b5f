//! asyncio's echo over streams, server and client, line for line.
//!
//! ```text
//! cargo run --example streams_echo                       serves on 127.0.0.1:8888
//! cargo run --example streams_echo -- client hello       sends `hello`, and shows what comes back
//! cargo run --example streams_echo -- 127.0.0.1:7007     serves on another address
//! cargo run --example streams_echo -- client hello 127.0.0.1:7007
//! ```
//!
//! In Python, it is
//!
//! ```python
//! async def handle_client(reader, writer):
//!     data = await reader.read(100)
//!     writer.write(data)
//!     await writer.drain()
//!     writer.close()
//!     await writer.wait_closed()
//!
//! async def main():
//!     server = await asyncio.start_server(handle_client, '127.0.0.1', 8888)
//!     async with server:
//!         await server.serve_forever()
//!
//! asyncio.run(main())
//! ```
//!
//! What differs: an error is a value, which `?` hands on, and the server prints it; and `data` is lent
//! by the reader, so that nothing is copied.

use std::io;
use std::process::ExitCode;

use selio::{StreamReader, StreamWriter, open_connection, run, start_server};

async fn handle_client(mut reader: StreamReader, writer: StreamWriter) -> io::Result<()> {
    let data = reader.read_chunk(100).await?;
    writer.write(data);
    writer.drain().await?;
    writer.close();
    writer.wait_closed().await
}

async fn serve(address: &str) -> io::Result<()> {
    let server = start_server(address, handle_client).await?;
    for address in server.local_addrs() {
        println!("listening on {address}");
    }
    server.serve_forever().await;
    Ok(())
}

/// The client of the same page.
async fn client(message: &str, address: &str) -> io::Result<()> {
    let (mut reader, writer) = open_connection(address).await?;

    println!("Send: {message:?}");
    writer.write(message.as_bytes());
    writer.drain().await?;

    let data = reader.read_chunk(100).await?;
    println!("Received: {:?}", String::from_utf8_lossy(data));

    println!("Close the connection");
    writer.close();
    writer.wait_closed().await
}

fn main() -> ExitCode {
    let arguments: Vec<_> = std::env::args().skip(1).collect();
    let arguments: Vec<_> = arguments.iter().map(String::as_str).collect();
    let result = run(async {
        match arguments[..] {
            ["client", message] => client(message, "127.0.0.1:8888").await,
            ["client", message, address] => client(message, address).await,
            [] => serve("127.0.0.1:8888").await,
            [address] => serve(address).await,
            _ => Err(io::Error::new(
                io::ErrorKind::InvalidInput,
                "unexpected arguments",
            )),
        }
    });
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("streams_echo: {error}");
            if error.kind() == io::ErrorKind::InvalidInput {
                eprintln!("{USAGE}");
            }
            ExitCode::FAILURE
        }
    }
}

const USAGE: &str = "usage: streams_echo [ADDRESS], or streams_echo client MESSAGE [ADDRESS]";
