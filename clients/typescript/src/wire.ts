// What the server and a client say to each other in the namespace `sessions`, as types and nothing else.
// Meanings, limits and units: docs/wire.md.

/** What a `User-Agent` says of its device; what is not known is left out. */
export interface Device {
  os?: string;
  browser?: string;
  type: 'desktop' | 'phone' | 'tablet' | 'bot' | 'other';
}

/** What the user does with a client. */
export type SessionActivity = 'active' | 'idle' | 'hidden';

/** One session of the list. More fields may come; those that are not known are to be passed over. */
export interface SessionItem {
  socketId: string;
  /** ISO 8601, UTC, milliseconds. */
  connectedAt: string;
  metadata: {
    ip: string;
    userAgent: string;
    context?: string;
  };
  /** The same for all sessions of one login, and for no others of the user. */
  login: string;
  device?: Device;
  /** 16 hexadecimal digits for the `deviceId` that the client sent. */
  deviceId?: string;
  /** The name given by `sessions:rename`. */
  label?: string;
  state?: SessionActivity;
  /** ISO 8601, UTC, milliseconds. */
  lastActiveAt?: string;
}

/** `sessions:ready`: once a connection, before everything else. */
export interface SessionsReady {
  socketId: string;
  sessions: SessionItem[];
  revision: number;
  complete: boolean;
  /** ISO 8601, UTC. */
  expiresAt: string;
}

/** The second argument of `sessions:update`. */
export interface UpdateMeta {
  revision: number;
  complete: boolean;
}

/** The codes of `sessions:error`. */
export type SessionsErrorCode =
  | 'token_missing'
  | 'token_invalid'
  | 'token_expired'
  | 'token_revoked'
  | 'context_invalid'
  | 'too_many_sessions'
  | 'session_revoked'
  | 'session_evicted'
  | 'unavailable'
  | 'server_shutdown'
  | 'rate_limited'
  | 'slow_consumer';

/** `sessions:error`: the last event before the end. */
export interface SessionsError {
  code: SessionsErrorCode;
  /** A sentence for a person. */
  message: string;
  /** Of `context_invalid`: what is not allowed. */
  field?: string;
  /** Of `rate_limited`. */
  retryAfterMs?: number;
}

/** `sessions:expiring`: the token of this connection ends soon. */
export interface SessionsExpiring {
  expiresAt: string;
  /** Whole seconds. */
  expiresIn: number;
}

/** `sessions:message`: what another session of the user, or the application's server, has sent. */
export interface SessionsMessage {
  /** The sender's `socketId`; `null` when it was sent over HTTP. */
  from: string | null;
  event: string;
  data: unknown;
  /** ISO 8601, UTC, milliseconds. */
  sentAt: string;
}

/** `sessions:new`: a login of the user that was never seen before. */
export interface SessionsNew {
  session: SessionItem;
}

/** What a client sends with CONNECT. */
export interface SessionsAuth {
  token: string;
  context?: string;
  deviceId?: string;
  replaces?: string;
}

/** The argument of `sessions:rename`. */
export interface RenameRequest {
  label: string;
}

/** The argument of `sessions:state`. */
export interface StateRequest {
  state: SessionActivity;
}

/** The argument of `sessions:revoke`. */
export type RevokeRequest = { socketId: string } | { others: true } | { all: true };

/** The argument of `sessions:send`. `to` is a `socketId`, `others` or `all`. */
export interface SendRequest {
  to: string;
  /** 1 to 128 characters. */
  event: string;
  /** Any JSON, with binary attachments in it if need be. */
  data: unknown;
}

/** The argument of `sessions:refresh`. */
export interface RefreshRequest {
  token: string;
}

/** What a revocation is worth: new tokens of the login are refused too, only this token, or none. */
export type Held = 'login' | 'token' | 'none';

/** The codes of an acknowledgement that says no. */
export type AckErrorCode =
  | 'payload_invalid'
  | 'payload_too_large'
  | 'session_not_found'
  | 'user_mismatch'
  | 'token_missing'
  | 'token_invalid'
  | 'token_expired'
  | 'token_revoked'
  | 'unavailable'
  | 'rate_limited'
  | 'forbidden'
  | 'event_unknown';

/** An acknowledgement that says no. */
export interface AckError {
  ok: false;
  code: AckErrorCode;
  message: string;
  field?: string;
  retryAfterMs?: number;
}

/** The acknowledgement of `sessions:list`. */
export interface ListAck {
  ok: true;
  sessions: SessionItem[];
  revision: number;
  complete: boolean;
}

/** The acknowledgement of `sessions:rename` and `sessions:state`. */
export interface DoneAck {
  ok: true;
}

/** The acknowledgement of `sessions:revoke`: how many sessions ended, and what that is worth. */
export interface RevokeAck {
  ok: true;
  revoked: number;
  held: Held;
}

/** The acknowledgement of `sessions:send`: how many sessions' queues took it; no receipt. */
export interface SendAck {
  ok: true;
  delivered: number;
  complete: boolean;
}

/** The acknowledgement of `sessions:refresh`. */
export interface RefreshAck {
  ok: true;
  expiresAt: string;
  expiresIn: number;
}
