//! What the process does at a signal, before anybody here listens to it. sigaction(2) would tell, but
//! not without unsafe code: so only Linux does, in a file.

use std::fs;

use super::SignalKind;

/// Whether it is ignored, as `nohup` arranges it, and a shell for what it runs with `&`.
pub(crate) fn is_ignored(kind: SignalKind) -> bool {
    is_in("SigIgn:", kind)
}

/// Whether somebody has a handler for it.
pub(super) fn is_caught(kind: SignalKind) -> bool {
    is_in("SigCgt:", kind)
}

/// See [proc_pid_status(5)](https://man7.org/linux/man-pages/man5/proc_pid_status.5.html).
fn is_in(mask: &str, kind: SignalKind) -> bool {
    let status = fs::read_to_string("/proc/self/status").unwrap_or_default();
    let mask = status.lines().find_map(|line| line.strip_prefix(mask));
    let mask = mask.and_then(|mask| u64::from_str_radix(mask.trim(), 16).ok());
    let number = u32::try_from(kind.as_raw()).ok();
    let bit = number.and_then(|number| 1_u64.checked_shl(number.checked_sub(1)?));
    mask.zip(bit).is_some_and(|(mask, bit)| mask & bit != 0)
}
