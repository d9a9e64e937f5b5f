//! Finds a byte, sixteen at a time.
//!
//! std's way is its own, except for a detour by `BufRead`, which costs lines of 64 bytes twice as
//! much.

/// Where the first such byte is.
#[inline]
pub(super) fn memchr(byte: u8, bytes: &[u8]) -> Option<usize> {
    let is_it = |it: &u8| *it == byte;
    // No way leads out of this loop before its end, and so all of a block are compared at once.
    let has_it = |block: &[u8; 16]| block.iter().fold(false, |has_it, it| has_it | is_it(it));

    let (blocks, rest) = bytes.as_chunks::<16>();
    match blocks.iter().position(has_it) {
        Some(n) => Some(16 * n + blocks[n].iter().position(is_it)?),
        None => Some(16 * blocks.len() + rest.iter().position(is_it)?),
    }
}

#[cfg(test)]
mod tests {
    use super::memchr;

    #[test]
    fn the_first_of_them_is_found_wherever_it_is() {
        for length in 0..70 {
            let mut bytes = vec![b'x'; length];
            assert_eq!(memchr(b'\n', &bytes), None);
            for at in (0..length).rev() {
                bytes[at] = b'\n';
                assert_eq!(memchr(b'\n', &bytes), Some(at), "of {length} bytes");
            }
        }
    }
}
