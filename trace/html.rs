//! A trace for a browser: one page that has the entries of `json.rs` in it, and draws them.
//!
//! `page.html` is the frame, `page.css` its looks, `page.js` what draws. It asks no network for
//! anything, and so can be sent by mail.

use std::fs::File;
use std::io;

use super::json::Entries;

/// How many entries a page has at most: all of them are in the memory of the browser.
const LIMIT: usize = 500_000;

pub(super) fn begin(file: File) -> io::Result<Entries> {
    let page = format!(
        include_str!("page.html"),
        looks = include_str!("page.css"),
        drawing = include_str!("page.js"),
    );
    Entries::begin_between(file, page, "\n]\n</script>\n</html>\n", Some(LIMIT))
}
