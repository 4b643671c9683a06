// The page's middle: what is connected, what is new, and the live list with all that can be done to it.
import type { SessionItem, Sessions } from '@rollcall/client';
import { useSessions, useSessionsEvent } from '@rollcall/client/react';
import { useEffect, useState } from 'preact/hooks';
import { Confirm } from './confirm.js';
import { Connection } from './connection.js';
import { DeviceCard } from './device_card.js';
import { byLogin } from './logins.js';
import { Messages, type Received } from './messages.js';
import { NewSignIns } from './new_sign_ins.js';
import { useAct } from './use_act.js';
import { nameOf } from './words.js';

export function Devices({ sessions }: { sessions: Sessions }) {
  const state = useSessions(sessions);
  const now = useNow();
  const { act, said } = useAct();
  const [fresh, setFresh] = useState<SessionItem[]>([]);
  const [received, setReceived] = useState<Received[]>([]);
  const [confirming, setConfirming] = useState(false);
  const logins = byLogin(state.sessions, state.socketId);
  const others = logins.filter((login) => !login.own);

  useSessionsEvent(sessions, 'new', ({ session }) => {
    setFresh((before) => [...before.filter((each) => each.login !== session.login), session].slice(-NOTICES_MAX));
  });
  useSessionsEvent(sessions, 'message', ({ from, data, sentAt }) => {
    const sender = sessions.state.sessions.find((item) => item.socketId === from);
    const text = textIn(data);
    if (text)
      setReceived((before) =>
        [...before, { from: sender ? nameOf(sender) : 'Your account', text, sentAt }].slice(-NOTICES_MAX),
      );
  });

  const answered = (login: string) => setFresh((before) => before.filter((each) => each.login !== login));
  const signOutNew = (session: SessionItem) =>
    act(`${nameOf(session)} is signed out`, async () => {
      // The session that was announced may have gone; any other of the same login will do.
      const there = state.sessions.find((item) => item.login === session.login);
      await sessions.revoke({ socketId: there?.socketId ?? session.socketId });
      answered(session.login);
    });

  return (
    <main class="devices">
      <h1>Your devices</h1>
      <Connection sessions={sessions} state={state} now={now} />
      <NewSignIns fresh={fresh} now={now} onMine={answered} onSignOut={signOutNew} />
      <Messages received={received} now={now} onClear={() => setReceived([])} />
      <p class="said" role="status">
        {said}
      </p>

      <section aria-labelledby="list-heading" class={state.status === 'online' ? 'list' : 'list stale'}>
        <div class="heading">
          <h2 id="list-heading">Signed in now</h2>
          <p class="count" aria-live="polite">
            {counted(state.sessions.length, 'session')} on {counted(logins.length, 'device')}
          </p>
        </div>
        <ul class="cards">
          {logins.map((login) => (
            <DeviceCard
              key={login.id}
              login={login}
              socketId={state.socketId}
              now={now}
              live={state.status === 'online'}
              sessions={sessions}
              act={act}
            />
          ))}
        </ul>
        {others.length > 0 && (
          <button
            class="danger wide"
            type="button"
            disabled={state.status !== 'online'}
            onClick={() => setConfirming(true)}
          >
            Sign out all other devices
          </button>
        )}
      </section>
      {confirming && (
        <Confirm
          title="Sign out all other devices?"
          action="Sign them out"
          onCancel={() => setConfirming(false)}
          onConfirm={() => {
            setConfirming(false);
            void act(
              (answer) => `${counted(answer.revoked, 'session')} signed out`,
              () => sessions.revoke({ others: true }),
            );
          }}
        >
          {counted(others.length, 'other device')} will have to sign in again. This one stays.
        </Confirm>
      )}
    </main>
  );
}

function counted(n: number, thing: string): string {
  return `${n} ${thing}${n === 1 ? '' : 's'}`;
}

/** What another session has sent may be anything: only short text is shown. */
function textIn(data: unknown): string | undefined {
  const text = typeof data === 'object' && data !== null && 'text' in data ? data.text : undefined;
  return typeof text === 'string' && text.trim() ? text.slice(0, TEXT_MAX) : undefined;
}

/** Milliseconds since 1970, renewed often enough for `5 minutes ago`. */
function useNow(): number {
  const [now, setNow] = useState(Date.now);
  useEffect(() => {
    const timer = setInterval(() => setNow(Date.now()), 15_000);
    return () => clearInterval(timer);
  }, []);
  return now;
}

/** Notices that are kept on the page; older ones give way. */
const NOTICES_MAX = 5;
const TEXT_MAX = 500;
