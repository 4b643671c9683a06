//! Where a request comes from, when proxies stand in between: the peer's address, or what a trusted proxy says in
//! `X-Forwarded-For` or `Forwarded` (RFC 7239). Does not know: who asks.

use std::net::{IpAddr, SocketAddr};
use std::sync::atomic::{AtomicBool, Ordering};

use axum::http::HeaderMap;
use axum::http::header::{FORWARDED, HeaderName};

use crate::config::{IpPrivacy, TrustedProxies};

/// The other end of the TCP connection; the accept loop puts it into every request's extensions.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct PeerAddress(pub SocketAddr);

/// Finds client addresses by `http.trusted_proxies`.
#[derive(Debug)]
pub struct ClientAddresses {
    trusted: TrustedProxies,
    privacy: IpPrivacy,
    warned: AtomicBool,
}

impl ClientAddresses {
    /// Believes these proxies and nobody else; logs addresses as `privacy` lets it.
    pub fn new(trusted: TrustedProxies, privacy: IpPrivacy) -> Self {
        Self { trusted, privacy, warned: AtomicBool::new(false) }
    }

    /// The address of the client: never of a trusted proxy unless all hops are, never what a client could have made
    /// up. IPv4-mapped addresses come back as IPv4.
    ///
    /// A proxy writes on the right, so the list is read from there up to the first hop that is not trusted. What cannot
    /// be read ends the search at the hop before it. Most proxies write one of the two headers and pass the other on
    /// as the client sent it: when both are there and disagree, neither is believed.
    pub fn find(&self, peer: SocketAddr, headers: &HeaderMap) -> IpAddr {
        let peer = peer.ip().to_canonical();
        let has_header = headers.contains_key(X_FORWARDED_FOR) || headers.contains_key(FORWARDED);
        if !has_header {
            return peer;
        }
        if !self.trusted.contains(peer) {
            self.warn_once(peer);
            return peer;
        }
        let listed = list(headers, &X_FORWARDED_FOR, |text| text.split(',').map(parse_node).collect());
        let forwarded =
            list(headers, &FORWARDED, |text| split_unquoted(text, ',').map(parse_forwarded).collect());
        let found = [listed, forwarded].map(|hops| hops.map(|hops| self.nearest_untrusted(peer, &hops)));
        match found {
            [Some(one), Some(other)] if one != other => peer,
            [Some(address), _] | [None, Some(address)] => address,
            [None, None] => peer,
        }
    }

    /// `hops` from the farthest to the nearest; `None` is one that cannot be read.
    fn nearest_untrusted(&self, peer: IpAddr, hops: &[Option<IpAddr>]) -> IpAddr {
        let mut nearest = peer;
        for hop in hops.iter().rev() {
            let Some(address) = hop else { return nearest };
            nearest = *address;
            if !self.trusted.contains(nearest) {
                return nearest;
            }
        }
        nearest
    }

    fn warn_once(&self, peer: IpAddr) {
        if !self.warned.swap(true, Ordering::Relaxed) {
            let peer = self.privacy.apply(peer).map(tracing::field::display);
            tracing::warn!(
                peer,
                "a request names a client address in X-Forwarded-For or Forwarded, and its sender is not trusted: if it \
                 is your proxy, add it to http.trusted_proxies"
            );
        }
    }
}

/// All lines of a header as one list; `None` when there is no such header.
fn list(
    headers: &HeaderMap,
    name: &HeaderName,
    parse: impl Fn(&str) -> Vec<Option<IpAddr>>,
) -> Option<Vec<Option<IpAddr>>> {
    let lines = headers.contains_key(name).then(|| headers.get_all(name))?;
    // A line that is not text is one hop that cannot be read.
    Some(lines.iter().flat_map(|line| line.to_str().map_or_else(|_| vec![None], &parse)).collect())
}

/// `for=` of one element of `Forwarded`; unknown and obfuscated ones cannot be read. Nor can an element of which any part
/// is not as the RFC has it: a quote that a client left open takes in what its proxy wrote after it.
fn parse_forwarded(element: &str) -> Option<IpAddr> {
    let mut node = None;
    for pair in split_unquoted(element, ';') {
        let (name, value) = pair.split_once('=')?;
        let (name, value) = (name.trim(), unquote(value.trim())?);
        if name.contains('"') {
            return None;
        }
        if name.eq_ignore_ascii_case("for") && node.replace(value).is_some() {
            return None;
        }
    }
    node.and_then(parse_node)
}

/// What stands in a quoted string that ends where the text does, escapes left as they are: no address has one. A text
/// without quotes is itself.
fn unquote(text: &str) -> Option<&str> {
    let Some(rest) = text.strip_prefix('"') else {
        return (!text.contains('"')).then_some(text);
    };
    let mut is_escaped = false;
    let end = rest.find(|c| {
        let ends = c == '"' && !is_escaped;
        is_escaped = c == '\\' && !is_escaped;
        ends
    })?;
    (end + 1 == rest.len()).then_some(&rest[..end])
}

/// `192.0.2.1`, `192.0.2.1:4711`, `2001:db8::1`, `[2001:db8::1]:4711`; IPv6 with a zone (`%eth0`) too.
fn parse_node(text: &str) -> Option<IpAddr> {
    let text = text.trim();
    let (host, port) = match text.strip_prefix('[') {
        Some(rest) => {
            let (host, after) = rest.split_once(']')?;
            (host, if after.is_empty() { None } else { Some(after.strip_prefix(':')?) })
        }
        // One colon is a port, more are an IPv6 address.
        None => match text.split_once(':') {
            Some((host, port)) if !port.contains(':') => (host, Some(port)),
            Some(_) | None => (text, None),
        },
    };
    if port.is_some_and(|port| port.parse::<u16>().is_err()) {
        return None;
    }
    let address = match host.split_once('%') {
        Some((address, zone)) if is_zone(zone) => IpAddr::V6(address.parse().ok()?),
        Some(_) => return None,
        None => host.parse().ok()?,
    };
    Some(address.to_canonical())
}

/// The `ZoneID` of RFC 6874, without its percent-encoding.
fn is_zone(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"._~-".contains(&byte))
}

/// Splits at a separator that does not stand inside a quoted string; one that is left open takes in all the rest.
fn split_unquoted(text: &str, separator: char) -> impl Iterator<Item = &str> {
    let (mut is_quoted, mut is_escaped) = (false, false);
    text.split(move |c| {
        if c == '"' && !is_escaped {
            is_quoted = !is_quoted;
        }
        is_escaped = is_quoted && c == '\\' && !is_escaped;
        c == separator && !is_quoted
    })
}

/// The header that most proxies write; no RFC names it.
const X_FORWARDED_FOR: HeaderName = HeaderName::from_static("x-forwarded-for");

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::ProxyRange;
    use axum::http::HeaderValue;

    const LISTED: &str = "x-forwarded-for";

    fn find(peer: &str, lines: &[(&str, &str)]) -> String {
        let trusted = TrustedProxies(vec![
            ProxyRange::Private,
            ProxyRange::Network { address: "198.51.100.1".parse().unwrap(), prefix: 32 },
        ]);
        let mut headers = HeaderMap::new();
        for (name, value) in lines {
            let name = HeaderName::from_bytes(name.as_bytes()).unwrap();
            headers.append(name, HeaderValue::from_bytes(value.as_bytes()).unwrap());
        }
        let peer = SocketAddr::new(peer.parse().unwrap(), 4711);
        ClientAddresses::new(trusted, IpPrivacy::Full).find(peer, &headers).to_string()
    }

    fn check_listed(lines: &[&str], expected: &str) {
        let lines: Vec<_> = lines.iter().map(|line| (LISTED, *line)).collect();
        assert_eq!(find("10.0.0.1", &lines), expected, "{lines:?}");
    }

    fn check_forwarded(line: &str, expected: &str) {
        assert_eq!(find("10.0.0.1", &[("forwarded", line)]), expected, "{line}");
    }

    #[test]
    fn nobody_who_is_not_trusted_is_believed() {
        assert_eq!(find("203.0.113.9", &[(LISTED, "192.0.2.1")]), "203.0.113.9");
        assert_eq!(find("203.0.113.9", &[("forwarded", "for=192.0.2.1")]), "203.0.113.9");
        assert_eq!(find("::ffff:203.0.113.9", &[]), "203.0.113.9");
    }

    #[test]
    fn the_rightmost_hop_that_is_not_trusted_is_the_client() {
        check_listed(&["192.0.2.1"], "192.0.2.1");
        check_listed(&["6.6.6.6, 192.0.2.1"], "192.0.2.1");
        check_listed(&["6.6.6.6, 192.0.2.1, 198.51.100.1, 10.9.9.9"], "192.0.2.1");
        check_listed(&["6.6.6.6", "192.0.2.1", "10.9.9.9"], "192.0.2.1");
        check_listed(&["10.2.2.2, 10.3.3.3"], "10.2.2.2");
        assert_eq!(find("::ffff:10.0.0.1", &[(LISTED, "192.0.2.1")]), "192.0.2.1");
    }

    #[test]
    fn addresses_come_with_ports_brackets_and_zones() {
        check_listed(&["192.0.2.1:8080"], "192.0.2.1");
        check_listed(&["2001:db8::1"], "2001:db8::1");
        check_listed(&["[2001:db8::1]:8080"], "2001:db8::1");
        check_listed(&["[2001:db8::1]"], "2001:db8::1");
        check_listed(&["fe80::1%eth0"], "fe80::1");
        check_listed(&["::ffff:192.0.2.1"], "192.0.2.1");
    }

    #[test]
    fn what_cannot_be_read_ends_the_search_at_the_hop_before_it() {
        check_listed(&["6.6.6.6, garbage"], "10.0.0.1");
        check_listed(&["6.6.6.6, unknown, 10.9.9.9"], "10.9.9.9");
        check_listed(&[""], "10.0.0.1");
        check_listed(&["6.6.6.6,"], "10.0.0.1");
        check_listed(&["6.6.6.6, 192.0.2.1:http"], "10.0.0.1");
        check_listed(&["6.6.6.6", "\u{e9}"], "10.0.0.1");
        check_listed(&["6.6.6.6, 192.0.2.1.5"], "10.0.0.1");
    }

    #[test]
    fn forwarded_is_read_as_its_rfc_says() {
        check_forwarded("for=192.0.2.1;proto=http;by=203.0.113.43", "192.0.2.1");
        check_forwarded("For=\"[2001:db8:cafe::17]:4711\"", "2001:db8:cafe::17");
        check_forwarded("for=6.6.6.6, proto=https;for=\"192.0.2.1:80\"", "192.0.2.1");
        check_forwarded("for=6.6.6.6, for=unknown", "10.0.0.1");
        check_forwarded("for=6.6.6.6, for=_hidden, for=10.9.9.9", "10.9.9.9");
        check_forwarded("by=192.0.2.1", "10.0.0.1");
        check_forwarded("for=\"6.6.6.6, for=192.0.2.1\"", "10.0.0.1");
    }

    #[test]
    fn quotes_mean_nothing_in_x_forwarded_for() {
        for from_client in ["\"9.9.9.9%", "\"9.9.9.9", "\"", "9.9.9.9\"", "a\"b\\", "\"9.9.9.9%\", \"6.6.6.6"]
        {
            check_listed(&[&format!("{from_client}, 192.0.2.1")], "192.0.2.1");
            check_listed(&[from_client, "192.0.2.1"], "192.0.2.1");
            check_listed(&[from_client], "10.0.0.1");
        }
        check_listed(&["6.6.6.6, \"192.0.2.1\""], "10.0.0.1");
    }

    #[test]
    fn a_zone_is_a_name_and_belongs_to_an_ipv6_address() {
        check_listed(&["[fe80::1%eth0.1_~-]:80"], "fe80::1");
        for node in [
            "9.9.9.9%",
            "9.9.9.9%eth0",
            "fe80::1%",
            "fe80::1%a b",
            "fe80::1%\"",
            "fe80::1%a%b",
            "[fe80::1%a]b]",
        ] {
            check_listed(&[&format!("6.6.6.6, {node}")], "10.0.0.1");
        }
    }

    #[test]
    fn a_quote_left_open_in_forwarded_never_lets_a_client_choose() {
        // What a client may send, and what its proxy appends to the same line.
        for from_client in [
            "for=\"9.9.9.9%",
            "for=\"9.9.9.9",
            "for=9.9.9.9;by=\"",
            "for=9.9.9.9;x=\"a\\",
            "for=9.9.9.9;\"",
            "for=\"9.9.9.9\\\"",
            "\"",
        ] {
            for appended in ["for=192.0.2.1", "for=\"192.0.2.1:80\"", "for=192.0.2.1;by=\"[2001:db8::1]\""] {
                check_forwarded(&format!("{from_client}, {appended}"), "10.0.0.1");
            }
            // A line of its own is read for itself.
            let lines = [("forwarded", from_client), ("forwarded", "for=192.0.2.1")];
            assert_eq!(find("10.0.0.1", &lines), "192.0.2.1", "{from_client}");
        }
        check_forwarded("for=6.6.6.6;x=\"a\\\", for=9.9.9.9\", for=192.0.2.1;x=\"\\\\\"", "192.0.2.1");
        check_forwarded("for=\"9.9.9.9\"9", "10.0.0.1");
        check_forwarded("for=9.9.9.9;for=192.0.2.1", "10.0.0.1");
        check_forwarded("for=9.9.9.9;by", "10.0.0.1");
    }

    #[test]
    fn the_first_header_of_somebody_who_is_not_trusted_is_warned_of_once_and_names_the_setting() {
        let log = Log::default();
        let writer = log.clone();
        let subscriber =
            tracing_subscriber::fmt().with_ansi(false).with_writer(move || writer.clone()).finish();
        let addresses = ClientAddresses::new(TrustedProxies::default(), IpPrivacy::Full);
        let mut headers = HeaderMap::new();
        tracing::subscriber::with_default(subscriber, || {
            addresses.find("203.0.113.9:1".parse().unwrap(), &headers);
            assert_eq!(log.text(), "");
            headers.insert(FORWARDED, HeaderValue::from_static("for=192.0.2.1"));
            for port in 1..=3 {
                addresses.find(SocketAddr::from(([203, 0, 113, 9], port)), &headers);
            }
        });
        let text = log.text();
        assert_eq!(text.matches("http.trusted_proxies").count(), 1, "{text}");
        assert!(text.contains("WARN") && text.contains("peer=203.0.113.9"), "{text}");
    }

    /// What was logged.
    #[derive(Clone, Default)]
    struct Log(std::sync::Arc<std::sync::Mutex<Vec<u8>>>);

    impl Log {
        fn text(&self) -> String {
            String::from_utf8(self.0.lock().unwrap().clone()).unwrap()
        }
    }

    impl std::io::Write for Log {
        fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
            self.0.lock().unwrap().extend_from_slice(bytes);
            Ok(bytes.len())
        }

        fn flush(&mut self) -> std::io::Result<()> {
            Ok(())
        }
    }

    #[test]
    fn two_headers_that_disagree_are_both_not_believed() {
        let both = |one, other| find("10.0.0.1", &[(LISTED, one), ("forwarded", other)]);
        assert_eq!(both("192.0.2.1", "for=192.0.2.1"), "192.0.2.1");
        assert_eq!(both("192.0.2.1", "for=6.6.6.6"), "10.0.0.1");
        assert_eq!(both("6.6.6.6", "for=192.0.2.1"), "10.0.0.1");
    }
}
