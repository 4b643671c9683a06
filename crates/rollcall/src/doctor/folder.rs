//! The data folder: whether it is there, who may look into it, whether there is room; and the key that is kept in it.

use std::fs::{self, Metadata};
use std::io;
use std::os::unix::fs::MetadataExt;
use std::path::Path;

use rustix::fs::Access;

use super::Finding;
use crate::config::Config;
use crate::identity::first_start;

pub(super) fn examine(config: &Config) -> Vec<Finding> {
    let path = &config.data_dir;
    let mut findings = match fs::metadata(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => vec![absent(path)],
        Err(error) => {
            let advice = "let the server's user look into the folders above it";
            vec![Finding::failed(CHECK, format!("{}: {error}", path.display()), advice)]
        }
        Ok(metadata) if !metadata.is_dir() => {
            let advice = "name another place in data_dir (ROLLCALL_DATA_DIR)";
            vec![Finding::failed(CHECK, format!("{} is no folder", path.display()), advice)]
        }
        Ok(metadata) => vec![there(path, &metadata), room(path)],
    };
    findings.push(key(config));
    findings
}

/// The first start makes it: whether it can.
fn absent(path: &Path) -> Finding {
    let above = path.ancestors().skip(1).map(|above| match above.as_os_str().is_empty() {
        true => Path::new("."),
        false => above,
    });
    let Some(above) = above.into_iter().find(|above| above.exists()) else {
        return Finding::failed(CHECK, format!("{} is not there", path.display()), MAKE_IT);
    };
    match rustix::fs::access(above, Access::WRITE_OK | Access::EXEC_OK) {
        Ok(()) => Finding::ok(CHECK, format!("{} is not there; the first start makes it", path.display())),
        Err(error) => {
            let found = format!(
                "{} is not there, and nothing can be made in {}: {}",
                path.display(),
                above.display(),
                io::Error::from(error)
            );
            Finding::failed(CHECK, found, MAKE_IT)
        }
    }
}

fn there(path: &Path, metadata: &Metadata) -> Finding {
    let shown = path.display();
    let mode = metadata.mode() & 0o7777;
    if let Err(error) = rustix::fs::access(path, Access::READ_OK | Access::WRITE_OK | Access::EXEC_OK)
        .map_err(io::Error::from)
    {
        let advice = format!(
            "give it to the server's user: `chown -R USER {shown}`; on a file system that is mounted read-only choose \
             another place"
        );
        return Finding::failed(CHECK, format!("{shown} (mode {mode:04o}) takes no files: {error}"), advice);
    }
    if mode & 0o077 != 0 {
        let found = format!("{shown} has mode {mode:04o}: others on this machine may look into it");
        return Finding::warning(CHECK, found, format!("`chmod 700 {shown}`"));
    }
    let myself = rustix::process::geteuid().as_raw();
    if metadata.uid() != myself {
        let found = format!("{shown} belongs to user {}, and this is user {myself}", metadata.uid());
        let advice = "run this as the user that the server runs as, to see what that one sees";
        return Finding::warning(CHECK, found, advice);
    }
    Finding::ok(CHECK, format!("{shown} is for its owner only, mode {mode:04o}"))
}

fn room(path: &Path) -> Finding {
    let free = match rustix::fs::statvfs(path) {
        Ok(status) => status.f_bavail.saturating_mul(status.f_frsize),
        Err(error) => {
            let found = format!("{}: {}", path.display(), io::Error::from(error));
            return Finding::warning(ROOM, found, "see whether the file system is as it should be");
        }
    };
    let found = format!("{} MiB free for {}", free / MIB, path.display());
    match free {
        0..ROOM_NEEDED => Finding::failed(ROOM, found, "make room: no write of the database may fail"),
        ROOM_NEEDED..ROOM_WANTED => Finding::warning(ROOM, found, "make room before it is full"),
        _ => Finding::ok(ROOM, found),
    }
}

fn key(config: &Config) -> Finding {
    let identity = &config.identity;
    if identity.key.is_some() {
        return Finding::ok(KEY, "tokens are signed with identity.key");
    }
    if identity.secret.is_some() {
        return Finding::ok(KEY, "tokens are signed with identity.secret");
    }
    match first_start::examine(&config.data_dir) {
        Ok(Some(path)) => {
            Finding::ok(KEY, format!("tokens are signed with the secret in {}", path.display()))
        }
        Ok(None) => Finding::ok(KEY, "none yet: the first start makes one, to be backed up"),
        // Its text says what to do.
        Err(error) => {
            Finding::failed(KEY, error.to_string(), "a start ends with this error until it is put right")
        }
    }
}

const CHECK: &str = "data_dir";
const ROOM: &str = "disk";
const KEY: &str = "signing_key";
const MAKE_IT: &str =
    "make it for the server's user: `install -d -m 700 -o USER FOLDER`, or name another place in data_dir";
const MIB: u64 = 1024 * 1024;
/// A migration copies no table, and the write-ahead log seldom grows beyond some megabytes.
const ROOM_NEEDED: u64 = 64 * MIB;
const ROOM_WANTED: u64 = 1024 * MIB;
