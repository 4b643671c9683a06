//! Section `privacy`: what of a person's data is kept at all. Applied before anything is stored, sent or logged.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use serde::{Deserialize, Serialize};

use super::setting;

/// What a session's metadata holds of its client.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct PrivacyConfig {
    /// Default `full`.
    #[serde(with = "setting")]
    pub ip: IpPrivacy,
    /// Default `full`.
    #[serde(with = "setting")]
    pub user_agent: UserAgentPrivacy,
}

/// How much of a client's address is kept.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub enum IpPrivacy {
    /// All of it.
    #[default]
    Full,
    /// The network only: /24 of IPv4, /48 of IPv6.
    Truncated,
    /// Nothing.
    None,
}

setting::word_setting!(IpPrivacy, "full, truncated or none", {
    "full" => IpPrivacy::Full,
    "truncated" => IpPrivacy::Truncated,
    "none" => IpPrivacy::None,
});

impl IpPrivacy {
    /// What may be kept of `address`.
    pub fn apply(self, address: IpAddr) -> Option<IpAddr> {
        match (self, address) {
            (Self::Full, address) => Some(address),
            (Self::Truncated, IpAddr::V4(v4)) => Some(Ipv4Addr::from_bits(v4.to_bits() & (!0 << 8)).into()),
            (Self::Truncated, IpAddr::V6(v6)) => Some(Ipv6Addr::from_bits(v6.to_bits() & (!0 << 80)).into()),
            (Self::None, _) => None,
        }
    }
}

/// Whether the `User-Agent` header is kept.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub enum UserAgentPrivacy {
    /// As it was sent, cut and cleaned.
    #[default]
    Full,
    /// Only the system, the browser and the kind of device that it names.
    Parsed,
    /// Not at all.
    None,
}

setting::word_setting!(UserAgentPrivacy, "full, parsed or none", {
    "full" => UserAgentPrivacy::Full,
    "parsed" => UserAgentPrivacy::Parsed,
    "none" => UserAgentPrivacy::None,
});

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_truncated_address_names_the_network_only() {
        let check = |address: &str, kept: &str| {
            assert_eq!(IpPrivacy::Truncated.apply(address.parse().unwrap()), Some(kept.parse().unwrap()));
        };
        check("203.0.113.77", "203.0.113.0");
        check("2001:db8:1:2:3:4:5:6", "2001:db8:1::");
        assert_eq!(IpPrivacy::None.apply("203.0.113.77".parse().unwrap()), None);
    }
}
