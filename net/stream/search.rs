//! Where a message ends: at the first place where one of its separators does.

use std::io::BufRead;

/// Finds the shortest beginning of `bytes` that one of the separators ends, and how long that
/// separator is; of several, the shortest one. `searched` bytes hold no such end, which saves
/// looking at them again: a separator may begin there all the same.
pub(super) fn end_of_message(
    bytes: &[u8],
    searched: usize,
    separators: &[&[u8]],
) -> Option<(usize, usize)> {
    let mut end = searched;
    loop {
        end += candidate(&bytes[end..], separators)?;
        let message = &bytes[..end];
        let here = separators.iter().filter(|it| message.ends_with(it));
        if let Some(length) = here.map(|it| it.len()).min() {
            return Some((end, length));
        }
    }
}

/// How many bytes there are up to the next one that a separator may end with.
fn candidate(bytes: &[u8], separators: &[&[u8]]) -> Option<usize> {
    if let [[.., last]] = separators {
        // This is std's memchr, which looks at several bytes at a time.
        let n = (&mut &*bytes).skip_until(*last).ok()?;
        return bytes[..n].ends_with(&[*last]).then_some(n);
    }
    let is_last = |byte: &u8| separators.iter().any(|it| it.last() == Some(byte));
    bytes.iter().position(is_last).map(|at| at + 1)
}
