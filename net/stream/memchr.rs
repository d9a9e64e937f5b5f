//! Finds a byte, sixteen at a time.
//!
//! std's way is its own, except for a detour by `BufRead`, which costs lines of 64 bytes twice as
//! much.

/// Where the first such byte is.
#[inline]
pub(super) fn memchr(byte: u8, bytes: &[u8]) -> Option<usize> {
    const ONES: u128 = u128::from_ne_bytes([0x01; 16]);
    const TOPS: u128 = u128::from_ne_bytes([0x80; 16]);

    let wanted = ONES * u128::from(byte);
    let (words, rest) = bytes.as_chunks::<16>();
    for (n, word) in words.iter().enumerate() {
        // Bytes that are the same become 0, and taking one from each sets the top bit of those
        // alone, up to the first of them. Beyond it, where a borrow may do that too, nobody looks.
        let unlike = u128::from_le_bytes(*word) ^ wanted;
        let alike = unlike.wrapping_sub(ONES) & !unlike & TOPS;
        if alike != 0 {
            return Some(16 * n + alike.trailing_zeros() as usize / 8);
        }
    }
    let at = rest.iter().position(|it| *it == byte)?;
    Some(16 * words.len() + at)
}

#[cfg(test)]
mod tests {
    use super::memchr;

    #[test]
    fn the_first_of_them_is_found_wherever_it_is() {
        // Neighbours of the byte in value are what carries could mistake for it.
        for wanted in [0, 1, b'\n', 0x7f, 0x80, 0x81, 0xff_u8] {
            for length in 0..70 {
                for other in [
                    wanted ^ 1,
                    wanted ^ 0x80,
                    wanted.wrapping_add(1),
                    wanted.wrapping_sub(1),
                ] {
                    let mut bytes = vec![other; length];
                    assert_eq!(memchr(wanted, &bytes), None);
                    for at in (0..length).rev() {
                        bytes[at] = wanted;
                        assert_eq!(memchr(wanted, &bytes), Some(at), "of {length}, {wanted}");
                    }
                }
            }
        }
    }
}
