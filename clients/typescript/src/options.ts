// What the application gives.
import type { ManagerOptions, SocketOptions } from 'socket.io-client';
import type { EndReason } from './state.js';

/** Why a token is asked for. */
export interface TokenRequest {
  /**
   * - `connect`: any token that should be good; one that was kept will do.
   * - `expiring`: one that lasts longer than the one in use.
   * - `refused`: the last one was refused or has expired: a new one. One that was refused is never sent again.
   */
  reason: 'connect' | 'expiring' | 'refused';
  /** With `refused`: what the server said. */
  error?: EndReason;
}

/** What {@link createSessions} is given. */
export interface SessionsOptions {
  /** Where Rollcall answers, such as `https://rollcall.example.org`. */
  url: string;
  /**
   * Gives a token whenever one is needed, in half a minute at most. `undefined` or `null` says that nobody is signed in
   * any more: the connection ends with `signed_out`. When it rejects, it is asked again later, after growing pauses.
   */
  getToken: (request: TokenRequest) => string | null | undefined | Promise<string | null | undefined>;
  /** A label for this session, at most 256 characters. */
  context?: string | undefined;
  /** What this device calls itself, at most 64 characters; {@link keptDeviceId} makes one for a browser. */
  deviceId?: string | undefined;
  /** Whether it connects at once. Default true. */
  autoConnect?: boolean;
  /** The first of the growing pauses between tries, in milliseconds. Default 1000. */
  firstPauseMs?: number;
  /** The longest of them. Default 30000. */
  longestPauseMs?: number;
  /** More options of socket.io-client, such as `path`, `transports` or `extraHeaders`. */
  socket?: Partial<ManagerOptions & SocketOptions>;
}
