//! Other programs, run and talked with: the examples of asyncio's subprocess page.
//!
//! ```text
//! cargo run --release --example subprocess
//! cargo run --release --example subprocess -- 'ls /zzz' 'sleep 1; echo hello'
//! ```
//!
//! The [page](https://docs.python.org/3/library/asyncio-subprocess.html) runs shell commands, side
//! by side and to their end, and reads a line of another program. Here a program is also fed, and
//! one that takes too long is ended.

use std::io;
use std::time::Duration;

use selio::process::{Command, Stdio};
use selio::{StreamReader, timeout, try_gather};

/// Runs a line in a shell, and shows how it ended and what it has written.
async fn run(line: &str) -> io::Result<()> {
    let output = Command::shell(line).output().await?;
    println!("['{line}': {}]", output.status);
    for (name, bytes) in [("stdout", output.stdout), ("stderr", output.stderr)] {
        if !bytes.is_empty() {
            println!("[{name}]\n{}", String::from_utf8_lossy(&bytes));
        }
    }
    Ok(())
}

/// Reads lines as they come, while the program still runs.
async fn follow() -> io::Result<()> {
    let mut command = Command::shell("for n in 1 2 3; do echo line $n; done");
    let mut child = command.stdout(Stdio::piped()).spawn()?;
    let mut stdout = StreamReader::new(child.stdout.take().expect("it is piped"));
    while let line @ [_, ..] = stdout.read_line().await? {
        print!("it says: {}", String::from_utf8_lossy(line));
    }
    println!("the end: {}", child.wait().await?);
    Ok(())
}

/// Writes to a program while reading what it makes of that, so that neither waits for the other.
async fn feed() -> io::Result<()> {
    let mut command = Command::new("sort");
    let mut child = command
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()?;
    let output = child.communicate("pear\napple\nfig\n").await?;
    print!("sorted:\n{}", String::from_utf8_lossy(&output.stdout));
    Ok(())
}

/// Ends a program that takes too long.
async fn hurry() -> io::Result<()> {
    let mut child = Command::new("sleep").arg("60").spawn()?;
    if timeout(Duration::from_millis(100), child.wait())
        .await
        .is_err()
    {
        child.terminate()?;
    }
    println!("sleep: {}", child.wait().await?);
    Ok(())
}

async fn main_task() -> io::Result<()> {
    let lines: Vec<String> = std::env::args().skip(1).collect();
    if !lines.is_empty() {
        try_gather(lines.iter().map(|line| run(line))).await?;
        return Ok(());
    }
    run("ls /zzz").await?;
    follow().await?;
    feed().await?;
    hurry().await
}

fn main() -> io::Result<()> {
    selio::run(main_task())
}
