//! What the tests share: a gateway to talk to, tokens, and a stock client with a notebook.

pub mod client;
pub mod clock;
pub mod server;
pub mod tokens;
