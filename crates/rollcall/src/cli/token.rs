//! `rollcall token mint`: signs with the secret that the server would use, without a server and without a database.

use std::time::Duration;

use rollcall::app::open_identity;
use rollcall::clock::Clock;
use rollcall::config::{Config, format_duration};

use super::Failure;

pub(super) fn mint(config: &Config, user: &str, ttl: Duration) -> Result<String, Failure> {
    super::check_user(user)?;
    super::start_logs(config)?;
    let identity = open_identity(config).map_err(Failure::because)?;
    if ttl.as_secs() == 0 || ttl > identity.max_token_ttl() {
        let longest = format_duration(identity.max_token_ttl());
        return Err(Failure::Failed(format!(
            "--ttl: given {}; allowed: 1s to {longest}",
            format_duration(ttl)
        )));
    }
    let token = identity.mint(user, None, Clock::system().unix_seconds(), ttl).map_err(Failure::because)?;
    Ok(format!("{token}\n"))
}
