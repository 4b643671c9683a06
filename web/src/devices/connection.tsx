// Whether the list is live, and if not, why and what happens next. One line, read out when it changes.
import type { EndReason, Sessions, SessionsState } from '@rollcall/client';
import { useRef } from 'preact/hooks';
import { clock } from './words.js';

export function Connection({ sessions, state, now }: { sessions: Sessions; state: SessionsState; now: number }) {
  // Between its last word and its return a server that restarts is one that cannot be reached.
  const restarts = useRef(false);
  if (state.status === 'online') restarts.current = false;
  else if (state.error?.code === 'server_shutdown') restarts.current = true;
  const { title, detail } = words(state, now, restarts.current);
  return (
    <div class={`connection ${state.status}`} data-status={state.status} role="status">
      <p>
        <strong>{title}</strong>
        {detail && <span class="detail"> {detail}</span>}
      </p>
      {(state.status === 'ended' || (state.status === 'reconnecting' && state.retryAt)) && (
        <button class="small" type="button" onClick={() => sessions.connect()}>
          {state.status === 'ended' ? 'Connect again' : 'Try now'}
        </button>
      )}
    </div>
  );
}

function words(
  { status, error, complete, expiresAt }: SessionsState,
  now: number,
  restarts: boolean,
): { title: string; detail?: string } {
  switch (status) {
    case 'idle':
    case 'connecting':
      return { title: 'Connecting…' };
    case 'online':
      if (!complete)
        return { title: 'Live, in part.', detail: 'Some servers cannot be asked just now; devices may be missing.' };
      return {
        title: 'Live.',
        ...(expiresAt && { detail: `Access renews by itself before ${clock(expiresAt, now)}.` }),
      };
    case 'reconnecting':
      if (restarts) return AGAIN.server_shutdown!;
      return AGAIN[error?.code ?? 'connection_lost'] ?? AGAIN.connection_lost!;
    case 'ended':
      return { title: 'Disconnected.', detail: ENDED[error?.code ?? ''] ?? error?.message ?? '' };
  }
}

const AGAIN: Partial<Record<EndReason['code'], { title: string; detail: string }>> = {
  connection_lost: { title: 'No connection.', detail: 'The list is as it was; it comes back by itself.' },
  server_shutdown: { title: 'The server restarts.', detail: 'The list is as it was; it comes back by itself.' },
  unavailable: { title: 'The server is busy.', detail: 'The list is as it was; it comes back by itself.' },
  rate_limited: { title: 'Too much at once.', detail: 'It comes back by itself in a moment.' },
  token_expired: { title: 'Your access ran out while this device slept.', detail: 'It is being renewed.' },
  token_unavailable: { title: 'No connection.', detail: 'Your access cannot be renewed just now; it is tried again.' },
};

const ENDED: Record<string, string> = {
  session_revoked: 'This tab was signed out from another one.',
  session_evicted: 'A newer session has taken the place of this one.',
  too_many_sessions: 'You have too many sessions; sign out another device, or close tabs.',
};
