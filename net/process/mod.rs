//! Child processes: [`std::process`], awaited.
//!
//! ```text
//!   Command --spawn--> Child --- stdin, stdout, stderr: pipes, each a Source
//!                        |
//!                      Reaper --- pidfd: a Source, readable once the process has ended
//!                        |
//!                        +-- a Child that is dropped too early leaves it to a task
//! ```
//!
//! It stands among what people call because it is made of sources, timers and tasks: nothing below
//! knows of processes. Starting one is left to std. What is ours is to be told of the end by the
//! selector, as of anything else: no thread waits, and no `SIGCHLD` is caught, which others in the
//! program may want for themselves. Where the system has no pidfd (it came with Linux 5.3), or no
//! file descriptor is left for one, the process is asked from time to time, and its end is seen up
//! to 50 ms late.
//!
//! Its one rule: **only the process itself is asked for its status, and only once**. `waitpid(-1)`
//! would take what belongs to others; and as long as nobody has taken it, the kernel gives the
//! number of the process to no other, so that a signal cannot hit the wrong one.
//!
//! No process stays a zombie: whoever drops a [`Child`] that has not ended leaves it to a task,
//! and a runtime that ends leaves it to the next that starts a process.

mod child;
mod command;
mod communicate;
mod orphans;
mod reaper;

pub use std::process::{ExitStatus, Output, Stdio};

pub use self::child::{Child, ChildStderr, ChildStdin, ChildStdout};
pub use self::command::Command;
