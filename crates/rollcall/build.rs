//! Embeds what the compiler does not see by itself: migrations, and the devices page as far as it was built
//! (`scripts/page`). Without it there is an empty table, and the server says so.

use std::path::{Path, PathBuf};
use std::{env, fs, io};

fn main() -> io::Result<()> {
    println!("cargo:rerun-if-changed=migrations"); // their macro does not notice a new file
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../web/dist");
    let mut files = Vec::new();
    if folder.is_dir() {
        println!("cargo:rerun-if-changed={}", folder.display());
        collect(&folder, "", &mut files)?;
    }
    files.sort();
    let rows: String =
        files.iter().map(|(name, path)| format!("    ({name:?}, include_bytes!({path:?})),\n")).collect();
    let out = PathBuf::from(env::var_os("OUT_DIR").ok_or(io::ErrorKind::NotFound)?);
    fs::write(out.join("devices_page.rs"), format!("&[\n{rows}]\n"))
}

/// Adds the files below `folder` with their names as a browser asks for them, hidden ones excepted.
fn collect(folder: &Path, prefix: &str, files: &mut Vec<(String, PathBuf)>) -> io::Result<()> {
    for entry in fs::read_dir(folder)? {
        let entry = entry?;
        let name = entry.file_name().to_string_lossy().into_owned();
        match entry.file_type()?.is_dir() {
            _ if name.starts_with('.') => {}
            true => collect(&entry.path(), &format!("{prefix}{name}/"), files)?,
            false => files.push((format!("{prefix}{name}"), entry.path())),
        }
    }
    Ok(())
}
