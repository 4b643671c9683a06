//! `rollcall sessions watch` and `rollcall healthcheck`, as somebody in front of a shell meets them.

use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Command, Stdio};

use crate::live::WEBSOCKET;
use crate::live::wire::Wire;
use crate::served::Served;
use crate::support::SECRET;

fn command(folder: &Path, arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_rollcall"));
    command.args(arguments).env_clear().current_dir(folder).stdin(Stdio::null());
    command.envs(std::env::var_os("LLVM_PROFILE_FILE").map(|file| ("LLVM_PROFILE_FILE", file)));
    command.env("ROLLCALL_IDENTITY__SECRET", SECRET).stdout(Stdio::piped()).stderr(Stdio::piped());
    command
}

fn output(folder: &Path, arguments: &[&str]) -> String {
    let output = command(folder, arguments).output().unwrap();
    assert!(output.status.success(), "{output:?}");
    String::from_utf8(output.stdout).unwrap().trim().to_owned()
}

async fn join(served: &Served, token: &str) -> (Wire, String) {
    let mut wire = Wire::websocket(served.address, WEBSOCKET).await;
    wire.text().await;
    wire.say(&format!(r#"40/sessions,{{"token":"{token}"}}"#)).await;
    let connected = wire.text().await;
    let json: serde_json::Value =
        serde_json::from_str(connected.strip_prefix("40/sessions,").unwrap()).unwrap();
    wire.text().await;
    (wire, json["sid"].as_str().unwrap().to_owned())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_watches_reads_of_each_that_comes_and_goes() {
    let folder = tempfile::tempdir().unwrap();
    let served = Served::start(folder.path(), &[]);
    let token = output(folder.path(), &["token", "mint", "--user", "ada"]);
    let key = output(
        folder.path(),
        &["key", "new", "--api", "--name", "n", "--issuer", "built-in", "--scope", "read"],
    );
    let url = format!("http://{}", served.address);
    let watch = ["sessions", "watch", "--user", "ada", "--interval", "200ms", "--url", &url];
    let (first, first_id) = join(&served, &token).await;
    // A server learns of a key within seconds.
    let mut wire = Wire::connect(served.address).await;
    let headers = format!("authorization: Bearer {key}\r\n");
    let mut tries = 0;
    while wire.request("GET", "/api/users/ada/sessions", &headers, "").await.status != 200 {
        tries += 1;
        assert!(tries < 300, "the server does not know the key");
        tokio::time::sleep(std::time::Duration::from_millis(100)).await;
    }

    let refused = command(folder.path(), &watch).env("ROLLCALL_API_KEY", "wrong").output().unwrap();
    assert_eq!(refused.status.code(), Some(1), "{refused:?}");
    let mut watching = command(folder.path(), &watch).env("ROLLCALL_API_KEY", &key).spawn().unwrap();
    let mut lines = BufReader::new(watching.stdout.take().unwrap()).lines().map(Result::unwrap);
    let mut next = || lines.next().unwrap().split('\t').skip(1).take(2).collect::<Vec<_>>().join(" ");
    assert_eq!(next(), format!("+ {first_id}"));
    let (second, second_id) = join(&served, &token).await;
    assert_eq!(next(), format!("+ {second_id}"));
    drop(first);
    assert_eq!(next(), format!("- {first_id}"));
    drop(second);
    assert_eq!(next(), format!("- {second_id}"));
    drop(wire);
    served.end("-TERM");
    assert!(next().starts_with("! http://"), "the server is gone");
    assert!(Command::new("kill").args(["-INT", &watching.id().to_string()]).status().unwrap().success());
    assert_eq!(watching.wait().unwrap().code(), Some(0));
}

#[test]
fn a_health_check_says_nothing_of_a_server_that_lives_and_why_of_another() {
    let folder = tempfile::tempdir().unwrap();
    let served = Served::start(folder.path(), &[]);
    let url = format!("http://{}", served.address);
    assert_eq!(output(folder.path(), &["healthcheck", "--url", &url]), "");
    // Failing when any answer will do.
    let other =
        command(folder.path(), &["healthcheck", "--url", &format!("{url}/elsewhere")]).output().unwrap();
    let told = String::from_utf8(other.stderr).unwrap();
    assert!(other.status.code() == Some(1) && told.contains("404"), "{told}");
    served.end("-TERM");
    let gone = command(folder.path(), &["healthcheck", "--url", &url]).output().unwrap();
    let told = String::from_utf8(gone.stderr).unwrap();
    assert_eq!(gone.status.code(), Some(1));
    assert!(told.contains(&url) && told.contains("/livez") && told.lines().count() == 1, "{told}");
    let nowhere = command(folder.path(), &["healthcheck", "--url", "nowhere"]).output().unwrap();
    assert!(String::from_utf8(nowhere.stderr).unwrap().contains("--url"));
}
