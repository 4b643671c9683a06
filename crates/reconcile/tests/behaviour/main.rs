//! What one node does, step by step, against replies made by hand. Many nodes and all faults: `simulation`.

#![expect(unreachable_pub, reason = "a test has no outside")]
#![expect(clippy::expect_used, reason = "a helper of tests")]

mod node;
mod lists;
mod published;
mod again;
mod ends;
