//! What the command line takes and refuses.

use super::*;

#[test]
fn load_goes_to_the_own_machine_only() {
    let check = |text: &str, allowed| assert_eq!(text.parse::<Target>().is_ok(), allowed, "{text}");
    check("127.0.0.1:3000", true);
    check("http://127.8.9.10:80/", true);
    check("10.0.0.1:3000", false);
    check("localhost:3000", false);
    check("127.0.0.1", false);
    check("https://127.0.0.1:443", false);
}

#[test]
fn a_bad_value_is_refused_with_what_is_allowed() {
    let check = |mode: &str, flag: &str, value: &str, part: &str| {
        let given = ["rollcall-bench", mode, "--secret", "s", flag, value];
        let error = Cli::try_parse_from(given).unwrap_err().to_string();
        assert!(error.contains(flag) && error.contains(value) && error.contains(part), "{error}");
    };
    check("idle", "--sessions", "0", "1..=4000000");
    check("idle", "--path", "socket.io", "/socket.io/");
    check("idle", "--path", "/x?y", "without a query");
    check("idle", "--hold", "90000", "at most 86400");
    check("idle", "--url", "example.org:80", "127.0.0.0/8");
    check("connect", "--levels", "0", "1..=4000000");
    check("storm", "--transport", "carrier-pigeon", "polling");
    check("churn", "--rate", "0", "1..=100000");
}
