//! The guide: from a blocking read to `await`, one idea at a time.
//!
//! It follows the nine servers of `examples/ladder`, which you can run and compare, and leads from
//! there into selio's own files. Read it in order; each chapter needs some minutes. Its programs
//! are tests, and what it quotes from the outside is compared with what really happens.
//!
//! | chapter | question |
//! |---|---|
//! | [1](chapter_01) | What does a read do when there is nothing to read? |
//! | [2](chapter_02) | How can one thread wait for many clients? |
//! | [3](chapter_03) | Why is it cheap if they are silent? |
//! | [4](chapter_04) | What is said the second time that one asks? |
//! | [5](chapter_05) | How does a handler in pieces become one again? |
//! | [6](chapter_06) | How does it say "wake me"? |
//! | [7](chapter_07) | Whose turn is it? |
//! | [8](chapter_08) | Who knows who waits for what? |
//! | [9](chapter_09) | And for time to pass? |
//! | [10](chapter_10) | What happens in one `read().await`? |
//! | [11](chapter_11) | How does one stop waiting? |
//! | [12](chapter_12) | Where does asyncio do the same? |
//!
//! Beside them: a [comparison] of select, poll, epoll and kqueue, every public name of [asyncio] with
//! its counterpart, a [glossary], and [exercises]. This is what all of it is about:
//!
#![doc = include_str!("pictures/await.svg")]

/// A chapter for each of these, with its text.
macro_rules! chapters {
    ($($name:ident $text:literal)*) => {$(
        #[doc = include_str!($text)]
        pub mod $name {}
    )*};
}

chapters! {
    chapter_01 "01_blocking.md"
    chapter_02 "02_select.md"
    chapter_03 "03_epoll.md"
    chapter_04 "04_edges.md"
    chapter_05 "05_futures.md"
    chapter_06 "06_wakers.md"
    chapter_07 "07_queue.md"
    chapter_08 "08_reactor.md"
    chapter_09 "09_timers.md"
    chapter_10 "10_one_read.md"
    chapter_11 "11_cancellation.md"
    chapter_12 "12_asyncio.md"
    comparison "comparison.md"
    glossary "glossary.md"
    exercises "exercises.md"
}

pub mod asyncio {
    #![doc = include_str!("asyncio.md")]
    // Some rows are about what comes with the feature.
    #![cfg_attr(not(feature = "signal"), allow(rustdoc::broken_intra_doc_links))]

    #[allow(unused_imports, reason = "the links of the table begin here")]
    use crate::*;
}
