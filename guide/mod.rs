//! The guide: from a blocking read to `await`, one idea at a time.
//!
#![doc = links!()]
#![doc = include_str!("README.md")]

/// Where the links of a text lead in the documentation. They come first, and so take the place of
/// those at its end, which lead to files; pictures are written out, as no file lies beside a page.
macro_rules! links {
    () => {
        concat!(
            "[guide]: crate::guide\n",
            "[01]: crate::guide::chapter_01\n",
            "[02]: crate::guide::chapter_02\n",
            "[03]: crate::guide::chapter_03\n",
            "[04]: crate::guide::chapter_04\n",
            "[05]: crate::guide::chapter_05\n",
            "[06]: crate::guide::chapter_06\n",
            "[07]: crate::guide::chapter_07\n",
            "[08]: crate::guide::chapter_08\n",
            "[09]: crate::guide::chapter_09\n",
            "[10]: crate::guide::chapter_10\n",
            "[11]: crate::guide::chapter_11\n",
            "[12]: crate::guide::chapter_12\n",
            "[comparison]: crate::guide::comparison\n",
            "[asyncio]: crate::guide::asyncio\n",
            "[tokio]: crate::guide::tokio\n",
            "[glossary]: crate::guide::glossary\n",
            "[exercises]: crate::guide::exercises\n",
            include_str!("pictures/written_out.md"),
        )
    };
}
use links;

/// A chapter for each of these, with its text.
macro_rules! chapters {
    ($($name:ident $text:literal)*) => {$(
        #[doc = links!()]
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

/// A page of tables for each of these, whose links begin at the root of the crate.
macro_rules! tables {
    ($($name:ident $text:literal)*) => {$(
        pub mod $name {
            #![doc = include_str!($text)]
            // Some rows are about what comes with a feature.
            #![cfg_attr(
                not(all(feature = "signal", feature = "tracing")),
                allow(rustdoc::broken_intra_doc_links)
            )]

            #[allow(unused_imports, reason = "the links of the tables begin here")]
            use crate::*;
        }
    )*};
}

tables! {
    asyncio "asyncio.md"
    tokio "tokio.md"
}
