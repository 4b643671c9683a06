// Hooks for React, and for Preact through preact/compat. The list is a store; these read it.
import { useEffect, useRef, useSyncExternalStore } from 'react';
import type { Sessions, SessionsEvents, SessionsState } from './index.js';

/** The state of `sessions`, renewed with each change. Make `sessions` once, outside of components. */
export function useSessions(sessions: Sessions): SessionsState {
  return useSyncExternalStore(sessions.subscribe, sessions.getState, sessions.getState);
}

/** Calls the newest `listener` with each event `name` while the component is there. */
export function useSessionsEvent<Name extends keyof SessionsEvents>(
  sessions: Sessions,
  name: Name,
  listener: (payload: SessionsEvents[Name]) => void,
): void {
  const newest = useRef(listener);
  useEffect(() => {
    newest.current = listener;
  });
  useEffect(() => sessions.on(name, (payload) => newest.current(payload)), [sessions, name]);
}
