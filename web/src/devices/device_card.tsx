// One device of the list: what it is, where, since when, and what can be done to it.
import type { Sessions } from '@rollcall/client';
import { useState } from 'preact/hooks';
import { Icon } from './icons.js';
import type { Login } from './logins.js';
import { Rename } from './rename.js';
import { SendMessage } from './send_message.js';
import { SessionRow } from './session_row.js';
import type { Act } from './use_act.js';
import { kindOf, nameOf } from './words.js';

interface Props {
  login: Login;
  /** This page's own session. */
  socketId: string | undefined;
  now: number;
  /** Whether anything can be asked for just now. */
  live: boolean;
  sessions: Sessions;
  act: Act;
}

export function DeviceCard({ login, socketId, now, live, sessions, act }: Props) {
  const [open, setOpen] = useState<'rename' | 'message'>();
  const { own } = login;
  const first = login.sessions.find((item) => item.socketId === socketId) ?? login.sessions[0];
  const name = nameOf(first);
  const target = login.sessions.find((item) => item.socketId !== socketId)?.socketId;
  const close = () => setOpen(undefined);

  return (
    <li class={own ? 'card own' : 'card'} data-login={login.id}>
      <div class="device">
        <Icon of={first.device} />
        <div class="names">
          <h3>
            <bdi>{name}</bdi>
          </h3>
          {first.label && (
            <p class="kind">
              <bdi>{kindOf(first)}</bdi>
            </p>
          )}
          {own && <p class="badge">This device</p>}
        </div>
      </div>
      <ul class="rows">
        {login.sessions.map((item) => (
          <SessionRow
            key={item.socketId}
            item={item}
            now={now}
            self={item.socketId === socketId}
            onClose={
              own && live && item.socketId !== socketId
                ? () => void act('The tab is disconnected', () => sessions.revoke({ socketId: item.socketId }))
                : undefined
            }
          />
        ))}
      </ul>
      <p class="actions">
        {own && (
          <button
            type="button"
            disabled={!live}
            aria-expanded={open === 'rename'}
            onClick={() => setOpen(open === 'rename' ? undefined : 'rename')}
          >
            Rename
          </button>
        )}
        {target && (
          <button
            type="button"
            disabled={!live}
            aria-expanded={open === 'message'}
            aria-label={`Send a message to ${name}`}
            onClick={() => setOpen(open === 'message' ? undefined : 'message')}
          >
            Message
          </button>
        )}
        {!own && (
          <button
            class="danger"
            type="button"
            disabled={!live}
            aria-label={`Sign out ${name}`}
            onClick={() =>
              void act(`${name} is signed out`, () => sessions.revoke({ socketId: login.sessions[0].socketId }))
            }
          >
            Sign out
          </button>
        )}
      </p>
      {open === 'rename' && (
        <Rename
          label={first.label ?? ''}
          onCancel={close}
          onSave={async (label) => (await act('The name is saved', () => sessions.rename(label))) && close()}
        />
      )}
      {open === 'message' && target && (
        <SendMessage
          to={name}
          onCancel={close}
          onSend={async (text) => {
            const sent = await act(
              ({ delivered }: { delivered: number }) => (delivered ? `Sent to ${name}` : `${name} could not take it`),
              () => sessions.send({ to: target, event: 'note', data: { text } }),
            );
            if (sent) close();
          }}
        />
      )}
    </li>
  );
}
