//! An example as a process of its own: a server that is killed when the test is over.
//!
//! A test uses it by `#[path = "common/example.rs"] mod example;`.

#![allow(dead_code, reason = "no test uses all of it")]

use std::io::{BufRead, BufReader, Write};
use std::net::SocketAddr;
use std::process::{Child, ChildStderr, ChildStdout, Command, ExitStatus, Stdio};

use crate::common::let_children_heed_ctrl_c;

/// An example, which Cargo builds beside the tests.
pub(crate) fn example(name: &str) -> Command {
    let_children_heed_ctrl_c();
    let mut path = std::env::current_exe().expect("this binary has a path");
    path.pop();
    path.pop();
    path.push("examples");
    path.push(name);
    assert!(
        path.exists(),
        "{} is not there: `cargo test` alone builds the examples too; before `cargo test --test ..`, run \
         `cargo build --examples`",
        path.display()
    );
    let mut command = Command::new(path);
    command.env_remove("SELIO_SELECTOR");
    command
}

/// A running server.
pub(crate) struct Server {
    child: Child,
    output: BufReader<ChildStdout>,
}

impl Server {
    pub(crate) fn start(command: &mut Command) -> Self {
        Self::spawn(command.stderr(Stdio::null()))
    }

    /// The same, with what it writes to its standard error.
    pub(crate) fn start_and_listen(command: &mut Command) -> (Self, BufReader<ChildStderr>) {
        let mut server = Self::spawn(command.stderr(Stdio::piped()));
        let errors = server.child.stderr.take().expect("it is piped");
        (server, BufReader::new(errors))
    }

    fn spawn(command: &mut Command) -> Self {
        let child = command.stdout(Stdio::piped()).spawn();
        let mut child = child.expect("it can be started");
        let output = child.stdout.take().expect("it is piped");
        let output = BufReader::new(output);
        Self { child, output }
    }

    /// The next line that it prints; empty if it prints no more.
    pub(crate) fn line(&mut self) -> String {
        let mut line = String::new();
        self.output.read_line(&mut line).expect("it is text");
        line
    }

    /// The address in `listening on 127.0.0.1:5566`, after which more may be said.
    pub(crate) fn address(&mut self) -> SocketAddr {
        let line = self.line();
        let rest = line.strip_prefix("listening on ");
        let address = rest.and_then(|it| it.split_whitespace().next()?.parse().ok());
        address.unwrap_or_else(|| panic!("it says `{line}`"))
    }

    /// Types a line, if its standard input is piped.
    pub(crate) fn type_line(&mut self, line: &str) {
        let input = self.child.stdin.as_mut().expect("it is piped");
        writeln!(input, "{line}").expect("it reads");
    }

    pub(crate) fn id(&self) -> u32 {
        self.child.id()
    }

    /// Sends it a signal, as in `kill -INT`.
    pub(crate) fn signal(&self, name: &str) {
        let id = self.id().to_string();
        let kill = Command::new("kill").args([name, &id]).status();
        assert!(kill.expect("there is a kill").success());
    }

    /// Waits until it has ended, and says how.
    pub(crate) fn wait(&mut self) -> ExitStatus {
        self.child.wait().expect("it is our child")
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
