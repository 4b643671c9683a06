//! The signature of Standard Webhooks 1.0: HMAC-SHA256 over id, timestamp and body. Does not know: where it goes.

use aws_lc_rs::hmac::{Context, HMAC_SHA256, Key};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;

use crate::config::WebhookSecret;

/// The value of `webhook-signature`: one signature for each secret, since a receiver may know only one of them.
pub(super) fn signatures<'a>(
    secrets: impl Iterator<Item = &'a WebhookSecret>,
    id: &str,
    timestamp: u64,
    body: &[u8],
) -> String {
    let sign = |secret: &WebhookSecret| {
        let mut context = Context::with_key(&Key::new(HMAC_SHA256, secret.expose()));
        context.update(format!("{id}.{timestamp}.").as_bytes());
        context.update(body);
        format!("v1,{}", STANDARD.encode(context.sign()))
    };
    secrets.map(sign).collect::<Vec<_>>().join(" ")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::{Config, Webhooks};

    fn secret(text: &str) -> WebhookSecret {
        let entry = serde_json::json!([{"url": "https://a.example", "secret": text}]);
        let webhooks: Webhooks = serde_json::from_value(entry).unwrap();
        Config { webhooks, ..Config::default() }.webhooks.as_slice()[0].secret.clone()
    }

    /// The expected values were computed with `openssl dgst -sha256 -mac HMAC -macopt hexkey:…`.
    #[test]
    fn a_signature_is_what_other_implementations_make() {
        let first = secret("whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw");
        let body = br#"{"test": 2432232314}"#;
        let signed = signatures([&first].into_iter(), "msg_p5jXN8AQM9LWM0D4loKWxJek", 1_614_265_330, body);
        assert_eq!(signed, "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=");
        let second = secret(&format!("whsec_{}", STANDARD.encode([7; 32])));
        let both =
            signatures([&first, &second].into_iter(), "msg_p5jXN8AQM9LWM0D4loKWxJek", 1_614_265_330, body);
        let (one, other) = both.split_once(' ').unwrap();
        assert_eq!(one, signed);
        assert!(other.starts_with("v1,") && other != one, "{other}");
    }
}
