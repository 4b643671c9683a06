//! What is known of one session, in as few bytes as it takes: a million of them are held.

use std::fmt;
use std::net::IpAddr;
use std::sync::Arc;

use engineio::server::Mailbox;

use super::{Amendment, Interned};
use crate::identity::{Login, Principal, Tag};

/// A session as its user sees it, and the mailbox by which it is told.
#[derive(Debug)]
pub struct Session {
    /// The client's own `socket.id`.
    pub id: SocketId,
    /// When it joined, in milliseconds since the Unix epoch.
    pub connected_at: u64,
    /// Where it comes from, as far as privacy lets it be known.
    pub ip: Option<IpAddr>,
    /// What its client is, as far as privacy lets it be known.
    pub agent: Interned,
    /// The label that the client gave.
    pub context: Option<Box<str>>,
    /// By which token it is here.
    pub grant: Grant,
    /// What most sessions do without.
    pub details: Option<Box<Details>>,
    /// Its way in; `None` when it is on another node, or has yet to be greeted by its own task.
    pub mailbox: Option<Arc<Mailbox>>,
}

/// What has to be remembered of a token as long as its session is open.
#[derive(Debug, Clone)]
pub struct Grant {
    /// What the token belongs to.
    pub login: Login,
    /// The public id of that.
    pub tag: Tag<6>,
    /// `exp` in seconds since the epoch; beyond the year 2106 it is that year.
    pub expires_at: u32,
    /// See [`Grant::since`].
    since: u32,
    /// Seconds from there to `iat`, or [`UNDATED`]. Two bytes more would not fit.
    ahead: u16,
}

/// What a session has only when its client has asked for it.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Details {
    /// What the client calls the device that it runs on.
    pub device: Option<DeviceId>,
    /// What the user calls this device, or this login when the client names no device.
    pub label: Option<Arc<str>>,
    /// What its user does.
    pub activity: Option<Activity>,
}

/// A client's `deviceId`, which is not kept itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct DeviceId {
    /// The public id: an HMAC over user and what was sent.
    pub tag: Tag<8>,
    /// The same device for ever, whatever the secret of the public id: half of the SHA-256 of what was sent.
    pub key: [u8; 16],
}

/// What a client says of its user.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Activity {
    /// The newest word.
    pub state: State,
    /// When the user was last known to be active, in milliseconds since the Unix epoch; `None` for never.
    pub last_active_at: Option<u64>,
}

/// The words of `sessions:state`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum State {
    /// Somebody uses the client.
    Active,
    /// Nobody has for a while.
    Idle,
    /// Nobody can see it.
    Hidden,
}

/// A `socket.id`: 120 random bits as 20 characters of base64url. It is public among a user's own sessions, and has
/// nothing to do with the `sid` of the transport, which is a key.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct SocketId([u8; 20]);

impl Session {
    /// Lists are sorted by this: the oldest session first, then by id.
    pub fn order(&self) -> (u64, SocketId) {
        (self.connected_at, self.id)
    }

    /// What a label of this session belongs to.
    pub fn labelled(&self) -> Labelled {
        match self.device() {
            Some(device) => Labelled::Device(device.key),
            None => Labelled::Login(self.grant.login.clone()),
        }
    }

    /// Whether a label of this belongs to the session.
    pub fn is_labelled(&self, by: &Labelled) -> bool {
        match (self.device(), by) {
            (Some(device), Labelled::Device(key)) => device.key == *key,
            (None, Labelled::Login(login)) => self.grant.login == *login,
            (Some(_), Labelled::Login(_)) | (None, Labelled::Device(_)) => false,
        }
    }

    /// Changes what an amendment of it changes; `false` when nothing.
    pub(super) fn amend(&mut self, amendment: &Amendment) -> bool {
        match amendment {
            Amendment::Label(of, label) if self.is_labelled(of) => {
                let old = self.details.as_ref().and_then(|details| details.label.as_ref());
                let is_news = old != label.as_ref();
                if is_news {
                    self.details_mut().label.clone_from(label);
                }
                is_news
            }
            Amendment::Activity(id, activity) if self.id == *id => {
                self.details_mut().activity = Some(*activity);
                true
            }
            Amendment::Label(..) | Amendment::Activity(..) => false,
        }
    }

    fn device(&self) -> Option<DeviceId> {
        self.details.as_ref().and_then(|details| details.device)
    }

    /// The details, made when there are none yet.
    pub fn details_mut(&mut self) -> &mut Details {
        self.details.get_or_insert_default()
    }
}

/// What a label belongs to: whoever comes later with the same one has it too.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Labelled {
    /// A device.
    Device([u8; 16]),
    /// The login of sessions that name no device.
    Login(Login),
}

/// The text that stands for it in SQL.
impl fmt::Display for Labelled {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Device(key) => {
                formatter.write_str("device:")?;
                key.iter().try_for_each(|byte| write!(formatter, "{byte:02x}"))
            }
            Self::Login(login) => login.fmt(formatter),
        }
    }
}

impl Labelled {
    /// What this text stands for, which [`Display`](fmt::Display) has written.
    pub fn parse(text: &str) -> Option<Self> {
        match text.strip_prefix("device:") {
            Some(key) => super::record::unhex(key).map(Self::Device),
            None => Login::parse(text).map(Self::Login),
        }
    }
}

impl Grant {
    /// What is to be remembered of this one's token, which was brought at the second `now`; `tag` is its login's.
    pub fn new(principal: &Principal, tag: Tag<6>, now: u64) -> Self {
        let (login, expires_at) = (principal.login.clone(), seconds(principal.expires_at));
        Self::of(login, tag, expires_at, principal.issued_at.map(seconds), seconds(now))
    }

    /// The same of the token's parts.
    pub fn of(login: Login, tag: Tag<6>, expires_at: u32, issued_at: Option<u32>, brought_at: u32) -> Self {
        let (since, ahead) = match issued_at {
            None => (brought_at, UNDATED),
            Some(issued_at) => {
                let ahead = issued_at.saturating_sub(brought_at);
                let ahead = u16::try_from(ahead).unwrap_or(u16::MAX).min(UNDATED - 1);
                (issued_at - u32::from(ahead), ahead)
            }
        };
        Self { login, tag, expires_at, since, ahead }
    }

    /// `iat` in seconds since the epoch, when the token says it.
    pub fn issued_at(&self) -> Option<u32> {
        (self.ahead != UNDATED).then(|| self.since + u32::from(self.ahead))
    }

    /// Since which second there is the token for all that is known here: `iat`, or when it was brought if the token
    /// does not say it or its issuer's clock is ahead.
    pub fn since(&self) -> u32 {
        self.since
    }
}

impl State {
    /// Reads the word of `sessions:state`.
    pub fn parse(word: &str) -> Option<Self> {
        Some(match word {
            "active" => Self::Active,
            "idle" => Self::Idle,
            "hidden" => Self::Hidden,
            _ => return None,
        })
    }

    /// The word.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Active => "active",
            Self::Idle => "idle",
            Self::Hidden => "hidden",
        }
    }
}

impl SocketId {
    /// Reads an id; `None` unless it is 20 characters of base64url.
    pub fn parse(text: &str) -> Option<Self> {
        let bytes = <[u8; 20]>::try_from(text.as_bytes()).ok()?;
        bytes
            .iter()
            .all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_'))
            .then_some(Self(bytes))
    }

    /// The id as text.
    pub fn as_str(&self) -> &str {
        // Only ASCII gets in.
        std::str::from_utf8(&self.0).unwrap_or_default()
    }
}

impl fmt::Debug for SocketId {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(self.as_str())
    }
}

/// Seconds since the epoch as a [`Grant`] keeps them: what is beyond the year 2106 is that year.
pub fn seconds(since_epoch: u64) -> u32 {
    u32::try_from(since_epoch).unwrap_or(u32::MAX)
}

/// Of a token without `iat`.
const UNDATED: u16 = u16::MAX;

/// Two of them fill a block of 256 bytes of the allocator: most users have two or three. Of these 40 are the grant; what
/// only few sessions have is in a box. Growing this is a decision, not an accident.
const _: () = assert!(size_of::<Session>() <= 128);
