//! The tests of the server, in one program: each program of tests links the whole server, and fifty of them took far longer
//! to build than to run. Apart stand only what needs an allocator of its own (`allocations.rs`) and what must run alone
//! (`cluster_faults`).

#![allow(clippy::panic, clippy::unwrap_used, clippy::expect_used, reason = "helpers of tests may panic too")]
#![expect(clippy::duplicate_mod, reason = "one contract, two databases")]

#[path = "../support/calls.rs"]
mod calls;
#[path = "../support/issuer.rs"]
mod issuer;
#[path = "../support/live.rs"]
mod live;
#[path = "../support/namespace.rs"]
mod namespace;
#[path = "../support/oracle.rs"]
mod oracle;
#[path = "../support/receiver.rs"]
mod receiver;
#[path = "../support/secure.rs"]
mod secure;
#[path = "../support/served.rs"]
mod served;
#[path = "../support/mod.rs"]
mod support;

use live::databases;

mod account_sockets;
mod admin;
mod api_requests;
mod asyncapi;
mod audit;
mod audit_command;
mod auth;
mod backchannel_logout;
mod clock_faults;
mod cluster;
mod cluster_dead;
mod command;
mod descriptors;
mod database_faults;
mod doctor;
mod drain;
mod events;
mod gateway;
mod gateway_secrets;
mod history;
mod history_cluster;
mod http;
mod joining;
mod jwks;
mod jwks_tls;
mod log_lines;
mod login_flood;
mod login_process;
mod logins;
mod naming;
mod overload;
mod process_faults;
mod redis_cluster;
mod redis_tls;
mod registry;
mod registry_cluster;
mod revoking;
mod server_api;
mod sessions_http;
mod slow_http;
mod storage;
mod store;
mod store_commands;
mod tls;
mod token_life;
mod tokens;
mod tries;
mod waking;
mod watching;
mod webhooks;
