//! `http.trusted_proxies`: from whom forwarded headers are believed. Does not know: the headers.

use std::net::IpAddr;

use serde::de::Error;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use super::setting;

/// The addresses of proxies that are believed; none by default.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct TrustedProxies(pub Vec<ProxyRange>);

/// One entry of the list.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum ProxyRange {
    /// RFC 1918 and RFC 4193 (ULA): the networks that no route leads to from outside. Loopback is named by itself.
    Private,
    /// A network; a single address has the full prefix.
    Network {
        /// Any address of it.
        address: IpAddr,
        /// Leading bits that count: 0 to 32 or 128.
        prefix: u8,
    },
}

impl TrustedProxies {
    /// Whether this address is one of a trusted proxy. IPv4-mapped addresses must have been turned to IPv4 before.
    pub fn contains(&self, address: IpAddr) -> bool {
        self.0.iter().any(|range| range.contains(address))
    }

    /// Whose list has everybody on it believes everybody.
    pub(super) fn warning(&self) -> Option<String> {
        let is_all = |range: &&ProxyRange| matches!(range, ProxyRange::Network { prefix: 0, .. });
        let range = self.0.iter().find(is_all)?.to_text();
        Some(format!(
            "http.trusted_proxies has {range}, which is every address: each client then chooses the address that it is \
             counted and shown by; name your proxies only"
        ))
    }
}

impl ProxyRange {
    fn contains(self, address: IpAddr) -> bool {
        match (self, address) {
            (Self::Private, IpAddr::V4(v4)) => v4.is_private(),
            (Self::Private, IpAddr::V6(v6)) => v6.is_unique_local(),
            (Self::Network { address: IpAddr::V4(network), prefix }, IpAddr::V4(v4)) => {
                let shift = 32_u32.saturating_sub(u32::from(prefix));
                (network.to_bits() ^ v4.to_bits()).checked_shr(shift).unwrap_or(0) == 0
            }
            (Self::Network { address: IpAddr::V6(network), prefix }, IpAddr::V6(v6)) => {
                let shift = 128_u32.saturating_sub(u32::from(prefix));
                (network.to_bits() ^ v6.to_bits()).checked_shr(shift).unwrap_or(0) == 0
            }
            (Self::Network { .. }, _) => false,
        }
    }

    fn parse(text: &str) -> Option<Self> {
        if text == "private" {
            return Some(Self::Private);
        }
        let (address, prefix) = match text.split_once('/') {
            Some((address, prefix)) => (address.parse::<IpAddr>().ok()?, Some(prefix.parse::<u8>().ok()?)),
            None => (text.parse::<IpAddr>().ok()?, None),
        };
        let bits = if address.is_ipv4() { 32 } else { 128 };
        let prefix = prefix.unwrap_or(bits);
        (prefix <= bits).then_some(Self::Network { address, prefix })
    }

    fn to_text(self) -> String {
        match self {
            Self::Private => "private".to_owned(),
            Self::Network { address, prefix } => format!("{address}/{prefix}"),
        }
    }
}

impl<'de> Deserialize<'de> for TrustedProxies {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let parse = |text: &String| {
            let explain = || D::Error::custom(format!("given {text:?}; allowed: {ALLOWED}"));
            ProxyRange::parse(text).ok_or_else(explain)
        };
        setting::deserialize_texts(deserializer, ALLOWED)?
            .iter()
            .map(parse)
            .collect::<Result<_, _>>()
            .map(Self)
    }
}

impl Serialize for TrustedProxies {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_seq(self.0.iter().map(|range| range.to_text()))
    }
}

const ALLOWED: &str = "a list of addresses (192.0.2.7), networks (10.0.0.0/8, fd00::/8) and the word private";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_network_holds_what_shares_its_prefix() {
        let check = |range: &str, address: &str, inside: bool| {
            let proxies = TrustedProxies(vec![ProxyRange::parse(range).unwrap()]);
            assert_eq!(proxies.contains(address.parse().unwrap()), inside, "{address} in {range}");
        };
        check("10.1.0.0/16", "10.1.255.255", true);
        check("10.1.0.0/16", "10.2.0.0", false);
        check("192.0.2.7", "192.0.2.7", true);
        check("192.0.2.7", "192.0.2.6", false);
        check("0.0.0.0/0", "203.0.113.9", true);
        check("0.0.0.0/0", "::1", false);
        check("::/0", "2001:db8::1", true);
        check("2001:db8::/33", "2001:db8:8000::1", false);
        check("private", "172.31.0.1", true);
        check("private", "127.0.0.1", false);
        check("private", "fd12::1", true);
        check("private", "172.32.0.1", false);
        check("private", "2001:db8::1", false);
    }

    #[test]
    fn a_list_with_every_address_on_it_is_warned_of() {
        let warning = |range: &str| {
            TrustedProxies(vec![ProxyRange::Private, ProxyRange::parse(range).unwrap()]).warning()
        };
        for range in ["0.0.0.0/0", "::/0"] {
            let text = warning(range).expect("a warning");
            assert!(text.contains("http.trusted_proxies") && text.contains(range), "{text}");
        }
        assert_eq!(warning("10.0.0.0/8"), None);
    }

    #[test]
    fn what_is_no_address_is_refused() {
        for text in ["", "10.0.0.0/33", "::/129", "10.0.0/8", "localhost", "10.0.0.0/", "10.0.0.0/-1"] {
            assert_eq!(ProxyRange::parse(text), None, "{text}");
        }
    }
}
