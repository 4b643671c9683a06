//! What the tests share: a gateway to talk to, tokens, and a stock client with a notebook.

pub mod client;
pub mod clock;
pub mod modes;
pub mod server;
pub mod sql_lock;
pub mod tokens;
