//! Why a session ends, by whose doing, and what a peer is told. The one table of WebSocket close codes.

/// Something that the peer may not do: its session is closed, nobody else's.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Violation {
    /// The first byte of a packet is no packet type.
    UnknownPacket,
    /// A packet that may not stand here: a ping from a client, a binary frame on a transport that is probed.
    UnexpectedPacket,
    /// A frame, a message or a body larger than `maxPayload`.
    PayloadTooLarge,
    /// A binary message of a polling payload is not base64.
    InvalidBase64,
    /// Text that is not UTF-8 (RFC 6455, section 8.1).
    InvalidUtf8,
    /// A frame that RFC 6455, section 5, forbids: unmasked, reserved bits or opcodes, a fragmented control frame.
    InvalidFrame,
    /// More fragments in one message than anybody needs.
    TooManyFragments,
    /// A second polling `GET` or `POST` while one of its kind is under way.
    OverlappingRequest,
    /// More packets than the limit allows.
    TooManyPackets,
    /// What the layer above calls malformed.
    Application,
}

impl Violation {
    /// The WebSocket close code that tells the peer (RFC 6455, section 7.4.1).
    pub fn close_code(self) -> u16 {
        match self {
            Self::PayloadTooLarge => 1009,
            Self::InvalidUtf8 => 1007,
            Self::TooManyPackets | Self::TooManyFragments => 1008,
            Self::UnknownPacket
            | Self::UnexpectedPacket
            | Self::InvalidBase64
            | Self::InvalidFrame
            | Self::OverlappingRequest
            | Self::Application => 1002,
        }
    }
}

/// Why a session has ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum CloseReason {
    /// The client said so with a close packet.
    ClientClosed,
    /// The transport was closed or lost: a WebSocket close frame, end of stream, reset, a cancelled poll.
    TransportClosed,
    /// No pong within the timeout.
    PingTimeout,
    /// The peer broke the protocol.
    Violation(Violation),
    /// The layer above ended the session.
    ServerClosed,
    /// The peer takes no bytes, or more waits for it than the bound allows.
    SlowConsumer,
    /// All peers together need more than there is, and this one wanted more.
    Overloaded,
}

impl CloseReason {
    /// All words of [`Self::as_str`].
    pub const WORDS: [&str; 8] = [
        "client_closed",
        "transport_closed",
        "ping_timeout",
        "rate_limited",
        "parse_error",
        "server_closed",
        "slow_consumer",
        "overloaded",
    ];

    /// A stable word for logs and metrics.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::ClientClosed => "client_closed",
            Self::TransportClosed => "transport_closed",
            Self::PingTimeout => "ping_timeout",
            Self::Violation(Violation::TooManyPackets) => "rate_limited",
            Self::Violation(_) => "parse_error",
            Self::ServerClosed => "server_closed",
            Self::SlowConsumer => "slow_consumer",
            Self::Overloaded => "overloaded",
        }
    }

    /// The WebSocket close code that goes with it (RFC 6455, section 7.4.1).
    pub fn close_code(self) -> u16 {
        match self {
            Self::Violation(violation) => violation.close_code(),
            Self::Overloaded => 1013, // "Try again later", of the registry that the RFC has begun
            Self::ClientClosed
            | Self::TransportClosed
            | Self::PingTimeout
            | Self::ServerClosed
            | Self::SlowConsumer => 1000,
        }
    }
}
