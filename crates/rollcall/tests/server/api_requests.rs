//! What `/api` takes at all: parameters that there are, by their exact names, and users that are spelled one way.

use crate::calls::{KEY, body, call, check_problem, delete, get, make_key};
use crate::live::Live;
use crate::namespace::Tab;

#[tokio::test]
async fn a_parameter_that_there_is_not_is_refused_before_anything_is_done() {
    let live = Live::start(|_| {}).await;
    make_key(&live, KEY, "read,revoke,send", None).await;
    let mut tab = Tab::join(&live, "ada").await;
    let (token, message) = (live.token("ada"), r#"{"event":"hi","data":1}"#);
    let one = format!("/api/users/ada/sessions/{}", tab.id);
    let own = format!("/api/sessions/{}", tab.id);
    for (method, target, bearer, sent, field, allowed) in [
        ("DELETE", format!("{one}?Tokens=keep"), KEY, "", "Tokens", "issuer, tokens"),
        ("DELETE", "/api/users/ada/sessions?token=keep".to_owned(), KEY, "", "token", "issuer, tokens"),
        ("DELETE", "/api/users/ada?tokens=keep".to_owned(), KEY, "", "tokens", "issuer"),
        ("GET", "/api/users/ada/sessions?limits=1".to_owned(), KEY, "", "limits", "issuer, limit, cursor"),
        ("POST", "/api/users/ada/messages?to=all".to_owned(), KEY, message, "to", "issuer"),
        ("GET", "/api/sessions?limit=1".to_owned(), &token, "", "limit", "none"),
        ("DELETE", "/api/sessions?scope=all&Scope=others".to_owned(), &token, "", "Scope", "scope"),
        ("DELETE", format!("{own}?scope=others"), &token, "", "scope", "none"),
    ] {
        let answer = call(&live, method, &target, bearer, sent).await;
        check_problem(&answer, 400, "payload_invalid");
        let detail = format!("\"{field}\" is no query parameter of this route; allowed: {allowed}");
        assert_eq!((&body(&answer)["field"], &body(&answer)["detail"]), (&field.into(), &detail.into()));
    }
    assert_eq!(tab.heard().await, ["sessions:update"], "the one of its own coming");
    // By a key that is none nobody learns what there is.
    check_problem(&delete(&live, &format!("{one}?x=1"), "another key").await, 401, "token_invalid");
}

#[tokio::test]
async fn a_user_in_a_path_is_percent_encoded_or_nobody() {
    let live = Live::start(|_| {}).await;
    make_key(&live, KEY, "read", None).await;
    let tabs = [Tab::join(&live, "100%").await, Tab::join(&live, "%zz").await, Tab::join(&live, "%25").await];
    for (spelled, tab) in ["100%25", "%25zz", "%25%32%35"].into_iter().zip(&tabs) {
        let answer = get(&live, &format!("/api/users/{spelled}/sessions"), KEY).await;
        assert_eq!(body(&answer)["sessions"][0]["socketId"], *tab.id, "{spelled}: {answer:?}");
    }
    for broken in
        ["%zz", "100%", "a%2", "a%2g", "%%35", "%ff", "%c3%28", "%00", "%ed%a0%80", &"a".repeat(256)]
    {
        let answer = get(&live, &format!("/api/users/{broken}/sessions"), KEY).await;
        check_problem(&answer, 400, "payload_invalid");
        let problem = body(&answer);
        assert_eq!(problem["field"], "userId", "{broken}");
        assert!(problem["detail"].as_str().unwrap().contains("percent-encoded"), "{problem}");
    }
}
