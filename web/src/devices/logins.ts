// The list of sessions as the list of devices that a person thinks of: what is signed out together stands together.
import type { SessionItem } from '@rollcall/client';

/** One login: usually one browser or app, with its tabs. */
export interface Login {
  id: string;
  /** Whether this page is one of its sessions. */
  own: boolean;
  /** Oldest first; at least one. */
  sessions: [SessionItem, ...SessionItem[]];
}

/** The own login first, then the newest. */
export function byLogin(sessions: readonly SessionItem[], socketId: string | undefined): Login[] {
  const logins = new Map<string, Login>();
  for (const item of sessions) {
    const login = logins.get(item.login);
    if (login) login.sessions.push(item);
    else logins.set(item.login, { id: item.login, own: false, sessions: [item] });
  }
  for (const login of logins.values()) login.own = login.sessions.some((item) => item.socketId === socketId);
  const since = (login: Login) => login.sessions[0].connectedAt;
  return [...logins.values()].sort((a, b) => Number(b.own) - Number(a.own) || since(b).localeCompare(since(a)));
}
