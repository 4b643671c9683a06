//! What a User-Agent says of its device: system, browser, kind. Does not know: who asks.

use std::sync::OnceLock;

use socketio::event::encode_string;
use woothee::parser::{Parser, WootheeResult};

/// A device as far as a User-Agent tells; nothing that is not known.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Device {
    /// Such as `Windows` or `iOS`.
    os: Option<Box<str>>,
    /// Such as `Firefox`.
    browser: Option<Box<str>>,
    /// `desktop`, `phone`, `tablet`, `bot` or `other`.
    kind: Option<&'static str>,
}

impl Device {
    /// The JSON object that an item shows; `""` when nothing is known.
    pub(super) fn to_json(&self) -> String {
        let known = [("os", self.os.as_deref()), ("browser", self.browser.as_deref()), ("type", self.kind)];
        let mut out = Vec::new();
        for (name, value) in known {
            if let Some(value) = value {
                out.push(if out.is_empty() { b'{' } else { b',' });
                encode_string(name, &mut out);
                out.push(b':');
                encode_string(value, &mut out);
            }
        }
        if !out.is_empty() {
            out.push(b'}');
        }
        String::from_utf8(out).unwrap_or_default() // JSON is UTF-8
    }
}

/// Reads a User-Agent; what it does not say, or says in an unknown way, is left out.
pub(super) fn parse(user_agent: &str) -> Device {
    let Some(result) = parser().parse(user_agent) else { return Device::default() };
    let (os, browser) = (os(result.os).map(Box::from), browser(&result).map(Box::from));
    match (&os, &browser) {
        (None, None) => Device::default(),
        _ => Device { os, browser, kind: Some(kind(&result, user_agent)) },
    }
}

/// Compiles what the parser needs: two megabytes that belong to the process and not to its first session.
pub(super) fn warm_up() {
    for user_agent in
        ["Mozilla/5.0 (Linux; Android 10) Chrome/1 Mobile", "Mozilla/5.0 (iPad; CPU OS 16_6) Safari/1", "x/1"]
    {
        parse(user_agent);
    }
}

fn parser() -> &'static Parser {
    static PARSER: OnceLock<Parser> = OnceLock::new();
    PARSER.get_or_init(Parser::new)
}

/// One name a system: a page shows it, and nobody wants to know the number of a Windows kernel.
fn os(name: &str) -> Option<&str> {
    Some(match name {
        UNKNOWN => return None,
        "iPhone" | "iPad" | "iPod" => "iOS",
        "Mac OSX" | "Mac OS Classic" => "macOS",
        "ChromeOS" => "ChromeOS",
        name if name.starts_with("Windows Phone") => "Windows Phone",
        name if name.starts_with("Windows") => "Windows",
        name => name,
    })
}

fn browser<'r>(result: &'r WootheeResult<'_>) -> Option<&'r str> {
    match (result.name, result.version) {
        // Of these the version is the name, such as `curl`.
        ("HTTP Library", version) if version != UNKNOWN => Some(version),
        ("HTTP Library" | UNKNOWN, _) => None,
        (name, _) => Some(name),
    }
}

fn kind(result: &WootheeResult<'_>, user_agent: &str) -> &'static str {
    match (result.category, result.os) {
        (_, "iPad") => "tablet",
        // Android's own rule: a phone says Mobile.
        (_, "Android") if !user_agent.contains("Mobile") => "tablet",
        ("smartphone" | "mobilephone", _) => "phone",
        ("pc", _) => "desktop",
        ("crawler", _) => "bot",
        _ => "other",
    }
}

/// The parser's word for nothing.
const UNKNOWN: &str = "UNKNOWN";

#[cfg(test)]
mod tests {
    use super::*;

    fn check(user_agent: &str, os: Option<&str>, browser: Option<&str>, kind: Option<&str>) {
        let device = parse(user_agent);
        assert_eq!(
            (device.os.as_deref(), device.browser.as_deref(), device.kind),
            (os, browser, kind),
            "{user_agent}"
        );
    }

    #[test]
    fn usual_browsers_are_known() {
        let webkit = "AppleWebKit/537.36 (KHTML, like Gecko)";
        let apple = "AppleWebKit/605.1.15 (KHTML, like Gecko) Version/18.6";
        check(
            &format!("Mozilla/5.0 (Windows NT 10.0; Win64; x64) {webkit} Chrome/140.0.0.0 Safari/537.36"),
            Some("Windows"),
            Some("Chrome"),
            Some("desktop"),
        );
        check(
            &format!(
                "Mozilla/5.0 (Windows NT 10.0; Win64; x64) {webkit} Chrome/140.0.0.0 Safari/537.36 Edg/140.0.0.0"
            ),
            Some("Windows"),
            Some("Edge"),
            Some("desktop"),
        );
        check(
            &format!("Mozilla/5.0 (Macintosh; Intel Mac OS X 10_15_7) {apple} Safari/605.1.15"),
            Some("macOS"),
            Some("Safari"),
            Some("desktop"),
        );
        check(
            &format!(
                "Mozilla/5.0 (iPhone; CPU iPhone OS 18_6 like Mac OS X) {apple} Mobile/15E148 Safari/604.1"
            ),
            Some("iOS"),
            Some("Safari"),
            Some("phone"),
        );
        check(
            &format!("Mozilla/5.0 (iPad; CPU OS 16_6 like Mac OS X) {apple} Mobile/15E148 Safari/604.1"),
            Some("iOS"),
            Some("Safari"),
            Some("tablet"),
        );
        check(
            "Mozilla/5.0 (X11; Linux x86_64; rv:142.0) Gecko/20100101 Firefox/142.0",
            Some("Linux"),
            Some("Firefox"),
            Some("desktop"),
        );
        let android = |mobile: &str| {
            format!("Mozilla/5.0 (Linux; Android 10; K) {webkit} Chrome/140.0.0.0{mobile} Safari/537.36")
        };
        check(&android(" Mobile"), Some("Android"), Some("Chrome"), Some("phone"));
        check(&android(""), Some("Android"), Some("Chrome"), Some("tablet"));
    }

    #[test]
    fn what_is_no_browser_is_told_as_far_as_it_is_known() {
        check("curl/7.88.1", None, Some("curl"), Some("other"));
        let bot = "Mozilla/5.0 (compatible; Googlebot/2.1; +http://www.google.com/bot.html)";
        check(bot, None, Some("Googlebot"), Some("bot"));
        check("node-XMLHttpRequest", None, None, None);
        check("", None, None, None);
    }

    #[test]
    fn only_what_is_known_is_told() {
        let curl = parse("curl/7.88.1");
        assert_eq!(curl.to_json(), r#"{"browser":"curl","type":"other"}"#);
        assert_eq!(parse("node-XMLHttpRequest").to_json(), "");
        let odd = Device { os: Some("\"x\"".into()), ..Device::default() };
        assert_eq!(odd.to_json(), r#"{"os":"\"x\""}"#);
    }

    proptest::proptest! {
        #[test]
        fn no_user_agent_panics(text: String, head in "(Mozilla/5.0 \\(|Opera/|DoCoMo/|UP\\.Browser|Windows NT |Android |iPhone; )?") {
            parse(&format!("{head}{text}"));
        }
    }
}
