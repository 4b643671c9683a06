// Events for the application: names with the types of their payload.
import type { SessionsExpiring, SessionsMessage, SessionsNew, SessionsReady } from './wire.js';
import type { EndReason } from './state.js';
import { tellAll } from './telling.js';

/** What can be listened to with `on`. The list itself is in the state: `subscribe`. */
export interface SessionsEvents {
  /** A connection is there; once for each. */
  ready: SessionsReady;
  /** Another session of the user, or the application's server, has sent something. */
  message: SessionsMessage;
  /** A login of the user that was never seen before. */
  new: SessionsNew;
  /** The token ends soon; a new one is asked for already. */
  expiring: SessionsExpiring;
  /** A connection has ended, or could not be made. */
  end: EndReason;
}

/** Listeners by event. */
export class Emitter {
  #listeners = new Map<keyof SessionsEvents, Set<(payload: never) => void>>();

  /** Calls `listener` with each `name` until the function that is returned is called. */
  on<Name extends keyof SessionsEvents>(name: Name, listener: (payload: SessionsEvents[Name]) => void): () => void {
    const own = (payload: SessionsEvents[Name]) => listener(payload);
    const all = this.#listeners.get(name) ?? new Set();
    this.#listeners.set(name, all.add(own));
    return () => void all.delete(own);
  }

  emit<Name extends keyof SessionsEvents>(name: Name, payload: SessionsEvents[Name]): void {
    tellAll((this.#listeners.get(name) ?? []) as Iterable<(payload: SessionsEvents[Name]) => void>, payload);
  }
}
