// What the server and a client say to each other in the namespace `sessions`, as types and nothing else.
// Meanings, limits and units: docs/wire.md. Written by `make types` from the types of the server: do not edit.

/** The kind of a device. */
export type DeviceType = 'desktop' | 'phone' | 'tablet' | 'bot' | 'other';

/** What a `User-Agent` says of its device; what is not known is left out. */
export type Device = {
  /** Such as `iOS`. */
  os?: string;
  /** Such as `Safari`. */
  browser?: string;
  /** What kind of device it is. */
  type: DeviceType;
};

/** What the user does with a client. */
export type SessionActivity = 'active' | 'idle' | 'hidden';

/** What the first request of a session said. */
export type SessionMetadata = {
  /** Without port, as far as `privacy.ip` keeps it. */
  ip: string;
  /** As far as `privacy.user_agent` keeps it. */
  userAgent: string;
  /** The client's label. */
  context?: string;
};

/** One session of the list. More fields may come; those that are not known are to be passed over. */
export type SessionItem = {
  /** The `socket.id` of its client. */
  socketId: string;
  /** ISO 8601, UTC, milliseconds. */
  connectedAt: string;
  /** What its first request said. */
  metadata: SessionMetadata;
  /** The same for all sessions of one login, and for no others of the user. */
  login: string;
  /** What its `User-Agent` says. */
  device?: Device;
  /** 16 hexadecimal digits for the `deviceId` that the client sent. */
  deviceId?: string;
  /** The name given by `sessions:rename`. */
  label?: string;
  /** What the user does with it. */
  state?: SessionActivity;
  /** ISO 8601, UTC, milliseconds. */
  lastActiveAt?: string;
};

/** `sessions:ready`: once a connection, before everything else. */
export type SessionsReady = {
  /** The client's own. */
  socketId: string;
  /** The whole list, itself among it. */
  sessions: Array<SessionItem>;
  /** Grows with each change. */
  revision: number;
  /** Whether these are the sessions of all nodes. */
  complete: boolean;
  /** The end of the token: ISO 8601, UTC, milliseconds. */
  expiresAt: string;
};

/** The second argument of `sessions:update`. */
export type UpdateMeta = {
  /** Grows with each change. */
  revision: number;
  /** Whether these are the sessions of all nodes. */
  complete: boolean;
};

/** The codes of `sessions:error`. */
export type SessionsErrorCode = 'token_missing' | 'token_invalid' | 'token_expired' | 'token_revoked' | 'context_invalid' | 'too_many_sessions' | 'session_revoked' | 'session_evicted' | 'unavailable' | 'server_shutdown' | 'rate_limited' | 'slow_consumer';

/** `sessions:error`: the last event before the end. */
export type SessionsError = {
  /** Why. */
  code: SessionsErrorCode;
  /** A sentence for a person. */
  message: string;
  /** Of `context_invalid`: what is not allowed. */
  field?: string;
  /** Of `rate_limited`: milliseconds. */
  retryAfterMs?: number;
};

/** `sessions:expiring`: the token of this connection ends soon. */
export type SessionsExpiring = {
  /** ISO 8601, UTC, milliseconds. */
  expiresAt: string;
  /** Whole seconds. */
  expiresIn: number;
};

/** `sessions:message`: what another session of the user, or the application's server, has sent. */
export type SessionsMessage = {
  /** The sender's `socketId`; `null` when it was sent over HTTP. */
  from: string | null;
  /** The sender's name for it, 1 to 128 characters. */
  event: string;
  /** Any JSON, with binary attachments in it if need be. */
  data: unknown;
  /** ISO 8601, UTC, milliseconds. */
  sentAt: string;
};

/** `sessions:new`: a login of the user that was never seen before. */
export type SessionsNew = {
  /** Its session. */
  session: SessionItem;
};

/** What a client sends with CONNECT. */
export type SessionsAuth = {
  /** The user's token. */
  token: string;
  /** A label, at most 256 characters. */
  context?: string;
  /** What the client calls its device, at most 64 characters. */
  deviceId?: string;
  /** The `socketId` that this client had before. */
  replaces?: string;
};

/** The argument of `sessions:rename`. */
export type RenameRequest = {
  /** At most 256 characters; none takes the name away. */
  label: string;
};

/** The argument of `sessions:state`. */
export type StateRequest = {
  /** What the user does. */
  state: SessionActivity;
};

/** The argument of `sessions:revoke`. */
export type RevokeRequest = {
  /** Which. */
  socketId: string;
} | {
  /** `true`. */
  others: true;
} | {
  /** `true`. */
  all: true;
};

/** The argument of `sessions:send`. `to` is a `socketId`, `others` or `all`. */
export type SendRequest = {
  /** Which sessions. */
  to: string;
  /** 1 to 128 characters. */
  event: string;
  /** Any JSON, with binary attachments in it if need be. */
  data: unknown;
};

/** The argument of `sessions:refresh`. */
export type RefreshRequest = {
  /** Another token of the same user. */
  token: string;
};

/** What a revocation is worth: new tokens of the login are refused too, only this token, or none. */
export type Held = 'login' | 'token' | 'none';

/** The codes of an acknowledgement that says no. */
export type AckErrorCode = 'payload_invalid' | 'payload_too_large' | 'session_not_found' | 'user_mismatch' | 'token_missing' | 'token_invalid' | 'token_expired' | 'token_revoked' | 'unavailable' | 'rate_limited' | 'forbidden' | 'event_unknown';

/** An acknowledgement that says no. */
export type AckError = {
  /** `false`. */
  ok: false;
  /** Why. */
  code: AckErrorCode;
  /** A sentence for a person. */
  message: string;
  /** Of `payload_invalid`: the part that is wrong. */
  field?: string;
  /** Of `rate_limited`: milliseconds. */
  retryAfterMs?: number;
};

/** The acknowledgement of `sessions:list`. */
export type ListAck = {
  /** `true`. */
  ok: true;
  /** The whole list. */
  sessions: Array<SessionItem>;
  /** Grows with each change. */
  revision: number;
  /** Whether these are the sessions of all nodes. */
  complete: boolean;
};

/** The acknowledgement of `sessions:rename` and `sessions:state`. */
export type DoneAck = {
  /** `true`. */
  ok: true;
};

/** The acknowledgement of `sessions:revoke`: how many sessions ended, and what that is worth. */
export type RevokeAck = {
  /** `true`. */
  ok: true;
  /** Sessions that ended. */
  revoked: number;
  /** The weakest of all that ended. */
  held: Held;
};

/** The acknowledgement of `sessions:send`: how many sessions' queues took it; no receipt. */
export type SendAck = {
  /** `true`. */
  ok: true;
  /** Sessions whose queue took it. */
  delivered: number;
  /** Whether the sessions of all nodes were known. */
  complete: boolean;
};

/** The acknowledgement of `sessions:refresh`. */
export type RefreshAck = {
  /** `true`. */
  ok: true;
  /** ISO 8601, UTC, milliseconds. */
  expiresAt: string;
  /** Whole seconds. */
  expiresIn: number;
};
