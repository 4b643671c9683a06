//! Who a token belongs to.

use jsonwebtoken::errors::ErrorKind;
use jsonwebtoken::{Algorithm, DecodingKey, Validation, decode};
use serde::{Deserialize, Serialize};

/// Judges tokens by one secret.
pub struct Identity {
    key: DecodingKey,
    validation: Validation,
}

/// Why a client is not let in, as it is told.
#[derive(Clone, Copy, Serialize)]
pub struct Refusal {
    code: &'static str,
    message: &'static str,
}

#[derive(Deserialize)]
struct Claims {
    sub: String,
}

impl Identity {
    /// For HS256 with `secret`.
    pub fn new(secret: &str) -> Self {
        let mut validation = Validation::new(Algorithm::HS256);
        validation.set_required_spec_claims(&["exp", "sub"]);
        validation.leeway = 30;
        validation.validate_aud = false;
        Self { key: DecodingKey::from_secret(secret.as_bytes()), validation }
    }

    /// The user of a token.
    pub fn judge(&self, token: &str) -> Result<String, Refusal> {
        match decode::<Claims>(token, &self.key, &self.validation) {
            Ok(token) if !token.claims.sub.is_empty() => Ok(token.claims.sub),
            Err(error) if *error.kind() == ErrorKind::ExpiredSignature => Err(EXPIRED),
            _ => Err(INVALID),
        }
    }
}

pub const MISSING: Refusal = Refusal { code: "token_missing", message: "A token is needed." };
pub const INVALID: Refusal = Refusal { code: "token_invalid", message: "The token is not valid." };
const EXPIRED: Refusal = Refusal { code: "token_expired", message: "The token has expired." };
