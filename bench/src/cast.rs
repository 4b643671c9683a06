//! Who the sessions are: the users, their tokens, their browsers. The same index is always the same session.
//! Does not know: connections.

use jsonwebtoken::{EncodingKey, Header, encode};
use serde::Serialize;

/// Makes up the sessions of a run.
pub(crate) struct Cast {
    key: EncodingKey,
    issued_at: u64,
    first_user: u32,
    per_user: u32,
}

#[derive(Serialize)]
struct Claims {
    sub: String,
    jti: String,
    /// Seconds since the epoch, as `exp`.
    iat: u64,
    exp: u64,
}

#[derive(Serialize)]
struct Auth<'a> {
    token: &'a str,
    context: &'a str,
}

impl Cast {
    /// Users from number `first_user` on with `per_user` sessions each, whose tokens are signed with `secret` (HS256,
    /// RFC 7518 section 3.2) and good for [`TOKEN_TTL_SECONDS`] from `now_seconds` since the epoch.
    pub(crate) fn new(now_seconds: u64, secret: &str, first_user: u32, per_user: u32) -> Self {
        let key = EncodingKey::from_secret(secret.as_bytes());
        Self { key, issued_at: now_seconds, first_user, per_user }
    }

    /// Appends the Socket.IO CONNECT of the session `index`, with its token and its context.
    pub(crate) fn encode_connect(
        &self,
        index: usize,
        out: &mut Vec<u8>,
    ) -> Result<(), jsonwebtoken::errors::Error> {
        let per_user = self.per_user as usize;
        let user = self.first_user as usize + index / per_user;
        let tab = index % per_user;
        let claims = Claims {
            sub: format!("user-{user:07}"),
            jti: format!("{user:07}-{tab}"),
            iat: self.issued_at,
            exp: self.issued_at + TOKEN_TTL_SECONDS,
        };
        let token = encode(&Header::default(), &claims, &self.key)?;
        let context = self.context(index);
        out.extend_from_slice(b"40/sessions,");
        serde_json::to_writer(out, &Auth { token: &token, context: &context })?;
        Ok(())
    }

    /// What the session `index` calls itself.
    pub(crate) fn context(&self, index: usize) -> String {
        format!("dashboard-tab-{}", index % self.per_user as usize)
    }

    /// The browser of the session `index`: the same one for all sessions of a user.
    pub(crate) fn user_agent(&self, index: usize) -> &'static str {
        USER_AGENTS[index / self.per_user as usize % USER_AGENTS.len()]
    }
}

/// A day: no run is longer.
const TOKEN_TTL_SECONDS: u64 = 86_400;

const USER_AGENTS: [&str; 5] = [
    "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/140.0.0.0 Safari/537.36",
    "Mozilla/5.0 (Macintosh; Intel Mac OS X 10_15_7) AppleWebKit/605.1.15 (KHTML, like Gecko) Version/18.6 \
     Safari/605.1.15",
    "Mozilla/5.0 (iPhone; CPU iPhone OS 18_6 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko) Version/18.6 \
     Mobile/15E148 Safari/604.1",
    "Mozilla/5.0 (X11; Linux x86_64; rv:142.0) Gecko/20100101 Firefox/142.0",
    "Mozilla/5.0 (Linux; Android 10; K) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/140.0.0.0 Mobile Safari/537.36",
];

#[cfg(test)]
mod tests {
    use super::*;
    use jsonwebtoken::{Algorithm, DecodingKey, Validation, decode};
    use std::collections::HashSet;

    const SECRET: &str = "a secret of the tests, 32 bytes and more";

    #[test]
    fn sessions_of_a_user_differ_by_token_and_context_only() {
        let now = crate::clock::unix_seconds();
        let cast = Cast::new(now, SECRET, 10, 2);
        let connect = |index| {
            let mut out = Vec::new();
            cast.encode_connect(index, &mut out).unwrap();
            let text = String::from_utf8(out).unwrap();
            let auth: serde_json::Value =
                serde_json::from_str(text.strip_prefix("40/sessions,").unwrap()).unwrap();
            let key = DecodingKey::from_secret(SECRET.as_bytes());
            let token = auth["token"].as_str().unwrap();
            let claims: serde_json::Value =
                decode(token, &key, &Validation::new(Algorithm::HS256)).unwrap().claims;
            (claims["sub"].clone(), claims["jti"].clone(), auth["context"].clone())
        };
        let (first, second, other) = (connect(0), connect(1), connect(2));
        assert_eq!((&first.0, &second.0), (&"user-0000010".into(), &"user-0000010".into()));
        assert_eq!(other.0, "user-0000011");
        assert!(first.1 != second.1 && first.2 == "dashboard-tab-0" && second.2 == "dashboard-tab-1");
    }

    #[test]
    fn five_browsers_are_seen() {
        let cast = Cast::new(0, SECRET, 0, 2);
        let agents: HashSet<&str> = (0..100).map(|index| cast.user_agent(index)).collect();
        assert_eq!(agents.len(), 5);
        assert_eq!(cast.user_agent(6), cast.user_agent(7));
    }
}
