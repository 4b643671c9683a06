//! `rollcall migrate`: brings the database up to date, for where `database.migrate` is off.

use rollcall::app::make_data_dir;
use rollcall::config::Config;

use super::Failure;
use super::storing::block_on;

pub(super) fn migrate(config: &Config) -> Result<String, Failure> {
    super::start_logs(config)?;
    make_data_dir(config).map_err(Failure::because)?;
    let schema = block_on(async { rollcall::store::migrate(config).await.map_err(Failure::because) })?;
    Ok(format!("The database has schema {schema}.\n"))
}
