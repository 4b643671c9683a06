// Who is there.

export class Sessions {
  /** By user, then by socket id. */
  #users = new Map();

  add(user, session) {
    let sessions = this.#users.get(user);
    if (!sessions) {
      sessions = new Map();
      this.#users.set(user, sessions);
    }
    sessions.set(session.socketId, session);
  }

  remove(user, socketId) {
    const sessions = this.#users.get(user);
    if (sessions?.delete(socketId) && sessions.size === 0) this.#users.delete(user);
  }

  /** Those of one user, in the order in which they came. */
  list(user) {
    const sessions = [...(this.#users.get(user)?.values() ?? [])];
    return sessions.sort((a, b) => compare(a.connectedAt, b.connectedAt) || compare(a.socketId, b.socketId));
  }
}

function compare(a, b) {
  if (a === b) return 0;
  return a < b ? -1 : 1;
}
