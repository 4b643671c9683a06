import { Injectable } from '@nestjs/common';
import { Session } from './session';

/** Who is there. */
@Injectable()
export class SessionsService {
  private readonly users = new Map<string, Map<string, Session>>();

  add(user: string, session: Session): void {
    let sessions = this.users.get(user);
    if (!sessions) {
      sessions = new Map();
      this.users.set(user, sessions);
    }
    sessions.set(session.socketId, session);
  }

  remove(user: string, socketId: string): void {
    const sessions = this.users.get(user);
    if (sessions?.delete(socketId) && sessions.size === 0) this.users.delete(user);
  }

  /** Those of one user, in the order in which they came. */
  list(user: string): Session[] {
    const sessions = [...(this.users.get(user)?.values() ?? [])];
    return sessions.sort((a, b) => compare(a.connectedAt, b.connectedAt) || compare(a.socketId, b.socketId));
  }
}

function compare(a: string, b: string): number {
  if (a === b) return 0;
  return a < b ? -1 : 1;
}
