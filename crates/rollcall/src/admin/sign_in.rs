//! Who may look: a name with a password, or the id that the page was given for it and keeps for its next visit. Tries are
//! spaced out as those of accounts are. Does not know: pages.

use std::collections::VecDeque;
use std::net::IpAddr;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use aws_lc_rs::constant_time::verify_slices_are_equal;
use aws_lc_rs::digest::{SHA256, digest};
use serde::Deserialize;

use crate::accounts::{Tries, TryKind, TryOutcome, Wait};
use crate::config::Config;
use crate::ids;

/// Judges who wants to sign in.
pub(super) struct SignIn {
    username: Hash,
    password: Hash,
    tries: Tries,
    /// Those who have signed in, the oldest first.
    sessions: Mutex<VecDeque<Session>>,
}

/// Who has signed in.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum SignedIn {
    /// With the password: the page is to keep this id.
    Anew(String),
    /// With such an id.
    Again,
}

/// Why somebody may not look.
#[derive(Debug, PartialEq)]
pub(super) enum Refusal {
    /// Neither the password nor a good id.
    Credentials,
    /// Too many tries: the time after which there is one more.
    Wait(Duration),
}

type Hash = [u8; 32];

struct Session {
    id: Hash,
    ends_at: Instant,
}

/// What the page puts into `auth`. It sends `sessionId: null` when it has none.
#[derive(Deserialize, Default)]
#[serde(default, rename_all = "camelCase")]
struct Auth {
    username: Option<String>,
    password: Option<String>,
    session_id: Option<String>,
}

impl SignIn {
    /// `None` unless a password is configured.
    pub(super) fn new(config: &Config, now: Instant) -> Option<Self> {
        let password = config.admin.password.as_ref()?;
        Some(Self {
            username: hash(&config.admin.username),
            password: hash(password.expose()),
            tries: Tries::new(&config.accounts, now),
            sessions: Mutex::default(),
        })
    }

    /// Judges what stands in `auth`, a JSON object or nothing, from this address.
    pub(super) fn judge(&self, now: Instant, auth: &str, address: IpAddr) -> Result<SignedIn, Refusal> {
        self.tries.admit(now, TryKind::Login, address)?;
        let auth: Auth = serde_json::from_str(auth).unwrap_or_default();
        if let Some(id) = &auth.session_id
            && self.is_known(now, &hash(id))
        {
            return Ok(SignedIn::Again);
        }
        // The page asks like this when it is opened: that is no try.
        let (Some(username), Some(password)) = (auth.username, auth.password) else {
            return Err(Refusal::Credentials);
        };
        let one = self.tries.begin(now, NAME, address)?;
        // Both, whatever the first says: the time tells nothing.
        let is_right = [(self.username, hash(&username)), (self.password, hash(&password))]
            .map(|(known, given)| verify_slices_are_equal(&known, &given).is_ok())
            == [true, true];
        if !is_right {
            return Err(Refusal::Credentials);
        }
        self.tries.settle(now, one, TryOutcome::Right);
        Ok(SignedIn::Anew(self.begin_session(now)))
    }

    fn begin_session(&self, now: Instant) -> String {
        let id = ids::login_id();
        let mut sessions = self.sessions.lock().unwrap_or_else(PoisonError::into_inner);
        sessions.retain(|session| now < session.ends_at);
        if sessions.len() >= SESSIONS {
            sessions.pop_front();
        }
        sessions.push_back(Session { id: hash(&id), ends_at: now + SESSION_TTL });
        id
    }

    fn is_known(&self, now: Instant, id: &Hash) -> bool {
        let sessions = self.sessions.lock().unwrap_or_else(PoisonError::into_inner);
        sessions.iter().any(|session| session.id == *id && now < session.ends_at)
    }
}

impl Refusal {
    /// What `connect_error` says. The page shows its form on exactly the first.
    pub(super) fn message(&self) -> String {
        match self {
            Self::Credentials => "invalid credentials".to_owned(),
            Self::Wait(time) => {
                format!("too many tries; the next one in {} s", time.as_millis().div_ceil(1000))
            }
        }
    }
}

impl From<Wait> for Refusal {
    fn from(Wait(time): Wait) -> Self {
        Self::Wait(time)
    }
}

fn hash(text: &str) -> Hash {
    let mut hash = [0; 32];
    hash.copy_from_slice(digest(&SHA256, text.as_bytes()).as_ref());
    hash
}

/// Tries of all names count as one: there is one password.
const NAME: &str = "admin";
/// Pages that are remembered; the oldest goes first.
const SESSIONS: usize = 100;
/// A working day.
const SESSION_TTL: Duration = Duration::from_secs(12 * 3600);

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clock::Clock;
    use crate::config::{AdminPassword, Setting};

    const HERE: IpAddr = IpAddr::V4(std::net::Ipv4Addr::LOCALHOST);
    const RIGHT: &str = r#"{"username":"admin","password":"correct horse"}"#;

    fn sign_in(now: Instant) -> SignIn {
        let mut config = Config::default();
        config.admin.password = AdminPassword::parse("correct horse");
        SignIn::new(&config, now).unwrap()
    }

    fn anew(judged: Result<SignedIn, Refusal>) -> String {
        match judged {
            Ok(SignedIn::Anew(id)) => format!(r#"{{"sessionId":"{id}"}}"#),
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn only_the_name_with_the_password_opens() {
        let now = Clock::system().now();
        assert!(SignIn::new(&Config::default(), now).is_none());
        let sign_in = sign_in(now);
        for wrong in [
            "",
            "{}",
            r#"{"sessionId":null}"#,
            r#"{"sessionId":""}"#,
            r#"{"username":"admin","password":"correct horse "}"#,
            r#"{"username":"Admin","password":"correct horse"}"#,
            r#"{"username":["admin"],"password":"correct horse"}"#,
        ] {
            assert_eq!(sign_in.judge(now, wrong, HERE), Err(Refusal::Credentials), "{wrong}");
        }
        anew(sign_in.judge(now, RIGHT, HERE));
    }

    #[test]
    fn an_id_opens_for_half_a_day_and_the_oldest_goes_first() {
        let now = Clock::system().now();
        let sign_in = sign_in(now);
        let first = anew(sign_in.judge(now, RIGHT, HERE));
        assert_eq!(sign_in.judge(now, &first, HERE), Ok(SignedIn::Again));
        for _ in 1..SESSIONS {
            sign_in.begin_session(now);
        }
        assert_eq!(sign_in.judge(now, &first, HERE), Ok(SignedIn::Again));
        let last = anew(sign_in.judge(now, RIGHT, HERE));
        assert_eq!(sign_in.judge(now, &first, HERE), Err(Refusal::Credentials));
        assert_eq!(sign_in.judge(now + SESSION_TTL, &last, HERE), Err(Refusal::Credentials));
    }

    #[test]
    fn wrong_passwords_are_spaced_out_and_an_id_is_no_try() {
        let now = Clock::system().now();
        let sign_in = sign_in(now);
        let good = anew(sign_in.judge(now, RIGHT, HERE));
        let wrong = r#"{"username":"x","password":"y"}"#;
        let last = (0..20).map(|_| sign_in.judge(now, wrong, HERE)).last();
        let Some(Err(Refusal::Wait(wait))) = last else { panic!("{last:?}") };
        assert_eq!(Refusal::Wait(wait).message(), "too many tries; the next one in 1 s");
        assert!(matches!(sign_in.judge(now, RIGHT, HERE), Err(Refusal::Wait(_))));
        assert_eq!(sign_in.judge(now, &good, HERE), Ok(SignedIn::Again));
        for _ in 0..200 {
            let _ = sign_in.judge(now, "{}", HERE);
        }
        assert!(matches!(sign_in.judge(now, &good, HERE), Err(Refusal::Wait(_))));
    }
}
