// Logins that were never seen before, until the user has said whether it was them.
import type { SessionItem } from '@rollcall/client';
import { ago, kindOf } from './words.js';

interface Props {
  fresh: SessionItem[];
  now: number;
  /** "It was me": with the id of the login. */
  onMine: (login: string) => void;
  onSignOut: (session: SessionItem) => void;
}

export function NewSignIns({ fresh, now, onMine, onSignOut }: Props) {
  return (
    <div role="alert" class="alerts">
      {fresh.map((session) => (
        <section key={session.login} class="alert" aria-label={`New sign-in: ${kindOf(session)}`}>
          <h2>New sign-in</h2>
          <p>
            <bdi>{kindOf(session)}</bdi>
            {session.metadata.ip && ` from ${session.metadata.ip}`}, {ago(session.connectedAt, now)}. Was it you?
          </p>
          <p class="actions">
            <button type="button" onClick={() => onMine(session.login)}>
              It was me
            </button>
            <button class="danger" type="button" onClick={() => onSignOut(session)}>
              Sign it out
            </button>
          </p>
        </section>
      ))}
    </div>
  );
}
