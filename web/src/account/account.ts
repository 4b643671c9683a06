// Who is signed in, in all tabs of this browser. The access token is in memory only; the refresh token is in
// localStorage, where all tabs share it: it is good once, and a second copy of it in another tab would end the login
// when it is used (docs/decisions/0022-devices-page.md says what else was thought of).
import * as api from './api.js';

/** What is kept. */
interface Kept {
  email: string;
  refreshToken: string;
}

const KEY = 'rollcall.account';
/** An access token that ends sooner than this is not used to connect, in milliseconds. */
const TOO_SHORT_MS = 20_000;

let access: { token: string; until: number; of: string } | undefined;
let ended = false;
const listeners = new Set<() => void>();

/** The address that is signed in, or `undefined`. */
export function signedInAs(): string | undefined {
  return kept()?.email;
}

/** Whether the last login was ended by somebody else: another device, a change of password, time. */
export function wasEnded(): boolean {
  return ended;
}

/** Calls `listener` when somebody signs in or out here or in another tab, until the returned function is called. */
export function onAccountChange(listener: () => void): () => void {
  listeners.add(listener);
  return () => void listeners.delete(listener);
}

export async function signIn(email: string, password: string, anew: boolean): Promise<void> {
  keep(email, await (anew ? api.register(email, password) : api.login(email, password)));
  tell();
}

/** Ends the login, its sockets and its tokens; without a connection, here only. */
export async function signOut(): Promise<void> {
  const mine = kept();
  forget(false);
  if (mine) await api.logout(mine.refreshToken).catch(() => {});
}

function forget(byOthers: boolean): void {
  access = undefined;
  ended = byOthers;
  forgetKept();
  tell();
}

/**
 * A token for a connection; `undefined` when nobody is signed in any more, which is forgotten then. Rejects when the server cannot be reached.
 * @param fresh whether the one that was used will not do
 */
export async function accessToken(fresh: boolean): Promise<string | undefined> {
  return oneTabAtATime(async () => {
    const mine = kept();
    if (!mine) return undefined;
    if (!fresh && access && access.of === mine.email && access.until - Date.now() > TOO_SHORT_MS) return access.token;
    try {
      keep(mine.email, await api.refresh(mine.refreshToken));
      return access?.token;
    } catch (error) {
      if (!(error instanceof api.Problem) || error.status !== 401) throw error;
      // Another tab may have signed in anew meanwhile.
      if (kept()?.refreshToken === mine.refreshToken) forget(true);
      return undefined;
    }
  });
}

function keep(email: string, pair: api.TokenPair) {
  access = { token: pair.access_token, until: Date.now() + pair.expires_in * 1000, of: email };
  try {
    localStorage.setItem(KEY, JSON.stringify({ email, refreshToken: pair.refresh_token } satisfies Kept));
  } catch {
    // Full, or not allowed: whoever loads the page anew signs in anew, and not with a token that is spent.
    forgetKept();
  }
}

function forgetKept() {
  try {
    localStorage.removeItem(KEY);
  } catch {
    // Where nothing may be kept, nothing was.
  }
}

function kept(): Kept | undefined {
  try {
    const { email, refreshToken } = JSON.parse(localStorage.getItem(KEY) ?? 'null') ?? {};
    return typeof email === 'string' && typeof refreshToken === 'string' ? { email, refreshToken } : undefined;
  } catch {
    return undefined;
  }
}

/** Two tabs that refresh at once would both be answered, for 10 s; where there are locks it does not come to that. */
function oneTabAtATime<T>(work: () => Promise<T>): Promise<T> {
  return 'locks' in navigator ? navigator.locks.request(KEY, work) : work();
}

function tell() {
  for (const listener of [...listeners]) listener();
}

addEventListener('storage', ({ key }) => {
  if (key !== KEY && key !== null) return;
  if (access && access.of !== signedInAs()) access = undefined;
  tell();
});
