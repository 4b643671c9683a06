// Compiled, never run: what an application may write, and what its compiler must refuse.
import { SessionsRequestError, createSessions, type SessionItem } from '@rollcall/client';
import { useSessions, useSessionsEvent } from '@rollcall/client/react';

const sessions = createSessions({
  url: 'http://localhost:3000',
  getToken: async ({ reason, error }) => (reason === 'refused' && error?.code === 'token_revoked' ? null : 'token'),
  context: 'tab',
  deviceId: 'laptop',
  socket: { path: '/live/', transports: ['websocket'] },
});

// @ts-expect-error a client without getToken would connect once and never again
createSessions({ url: 'http://localhost:3000' });

sessions.on('message', ({ from, event, data, sentAt }) => {
  const sender: string | null = from;
  // @ts-expect-error nobody knows what another session has sent
  const items: number = data.items;
  return [sender, event, sentAt, items];
});
sessions.on('new', ({ session }) => session.metadata.ip);
// @ts-expect-error there is no such event
sessions.on('massage', () => {});

export async function acts() {
  const { revoked, held } = await sessions.revoke({ others: true });
  const ended: number = revoked;
  const worth: 'login' | 'token' | 'none' = held;
  const { delivered, complete } = await sessions.send({ to: 'others', event: 'cart', data: { items: 3 } });
  // @ts-expect-error a message without data is refused
  await sessions.send({ to: 'others', event: 'cart' });
  // @ts-expect-error a request names what it ends
  await sessions.revoke({});
  // @ts-expect-error there are three
  await sessions.setActivity('asleep');
  // @ts-expect-error the raw socket knows its events too
  sessions.socket.on('sessions:updates', () => {});
  return [ended, worth, delivered, complete];
}

export function shows(error: unknown): string | undefined {
  if (!(error instanceof SessionsRequestError)) return undefined;
  if (error.code === 'offline') return 'no connection';
  // @ts-expect-error no code is called so
  if (error.code === 'ofline') return 'no connection';
  return error.field;
}

export function List(): readonly SessionItem[] {
  const { status, sessions: items, error } = useSessions(sessions);
  useSessionsEvent(sessions, 'message', (message) => message.event);
  // @ts-expect-error the state is not to be written
  items.push(items[0]);
  // @ts-expect-error there is no such status
  if (status === 'onlin') return [];
  return error ? [] : items;
}
