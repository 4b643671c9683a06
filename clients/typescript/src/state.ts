// What is known of a user's sessions, as one value that never changes: a store in the sense of React's
// useSyncExternalStore, Svelte's contract and the like.
import { tellAll } from './telling.js';
import type { SessionItem, SessionsErrorCode } from './wire.js';

/**
 * - `idle`: not started, or closed by the application.
 * - `connecting`: the first try is under way.
 * - `online`: the list is live.
 * - `reconnecting`: the connection is gone and comes back by itself; `error` says why, `retryAt` when.
 * - `ended`: it does not come back by itself; `error` says why. `connect()` tries anew.
 */
export type Status = 'idle' | 'connecting' | 'online' | 'reconnecting' | 'ended';

/** Codes that this package gives besides those of the server. */
export type LocalCode =
  /** The connection could not be made, or was lost. */
  | 'connection_lost'
  /** The server took the socket out without a reason. */
  | 'disconnected'
  /** `getToken` failed or took too long. */
  | 'token_unavailable'
  /** `getToken` gave no token: nobody is signed in. */
  | 'signed_out';

/** Why there is no connection. */
export interface EndReason {
  code: SessionsErrorCode | LocalCode;
  /** A sentence for a person. */
  message: string;
}

/** All that is known; each change makes a new one. */
export interface SessionsState {
  readonly status: Status;
  /** This connection's own id; while `reconnecting`, that of the last one. */
  readonly socketId: string | undefined;
  /** The last list; kept while `reconnecting`. */
  readonly sessions: readonly SessionItem[];
  readonly revision: number;
  /** `false` while the server itself does not know all sessions. */
  readonly complete: boolean;
  /** When the token ends, ISO 8601. */
  readonly expiresAt: string | undefined;
  readonly error: EndReason | undefined;
  /** While `reconnecting`: when the next try begins, in milliseconds since 1970. */
  readonly retryAt: number | undefined;
}

/** Nothing is known yet. */
export const NOTHING: SessionsState = Object.freeze({
  status: 'idle',
  socketId: undefined,
  sessions: Object.freeze([]) as readonly SessionItem[],
  revision: 0,
  complete: false,
  expiresAt: undefined,
  error: undefined,
  retryAt: undefined,
});

/** Holds the newest state and tells who has subscribed. */
export class Store {
  #state = NOTHING;
  #listeners = new Set<() => void>();

  get state(): SessionsState {
    return this.#state;
  }

  /** Calls `listener` after each change until the function that is returned is called. */
  subscribe(listener: () => void): () => void {
    // A function of its own, so that one listener may subscribe twice.
    const own = () => listener();
    this.#listeners.add(own);
    return () => void this.#listeners.delete(own);
  }

  change(part: Partial<SessionsState>): void {
    this.#state = Object.freeze({ ...this.#state, ...part });
    tellAll(this.#listeners);
  }
}
