// What follows from the end of a connection, and how long to wait. Knows no socket and no clock.
import type { SessionsErrorCode } from './wire.js';

/** `stay`: coming back would be useless or wrong. `token`: come back with a new token. `again`: come back. */
export type After = 'stay' | 'token' | 'again';

const AFTER: Record<SessionsErrorCode, After> = {
  // Somebody signed this device out, or it has given its place to another one: two that fight for it never end.
  session_revoked: 'stay',
  session_evicted: 'stay',
  // The same would be refused again.
  too_many_sessions: 'stay',
  context_invalid: 'stay',
  token_missing: 'token',
  token_invalid: 'token',
  token_expired: 'token',
  token_revoked: 'token',
  unavailable: 'again',
  server_shutdown: 'again',
  rate_limited: 'again',
  slow_consumer: 'again',
};

/**
 * What to do after a connection has ended.
 * @param code that of `sessions:error`; a code that this version does not know counts as none
 * @param disconnected whether the server took the socket out of the namespace, which it does when it shall stay away
 */
export function afterEnd(code: string | undefined, disconnected: boolean): After {
  const known = code !== undefined && Object.hasOwn(AFTER, code) ? AFTER[code as SessionsErrorCode] : undefined;
  return known ?? (disconnected ? 'stay' : 'again');
}

/** The shortest and the longest of the growing pauses, in milliseconds. */
export interface Pauses {
  first: number;
  longest: number;
}

/**
 * Milliseconds to wait before the next try: twice as long each time, and by chance half as long or up to half longer,
 * so that clients which lost one server do not come back in one moment.
 * @param failures tries that failed one after the other, 0 for the first pause
 * @param random from 0 to 1
 */
export function pause(failures: number, { first, longest }: Pauses, random: number): number {
  return Math.min(longest, first * 2 ** Math.min(failures, 20)) * (0.5 + random);
}
