// The hooks in a document, with React itself.
import { after, before } from 'node:test';
import assert from 'node:assert/strict';
import { setTimeout as sleep } from 'node:timers/promises';
import { GlobalRegistrator } from '@happy-dom/global-registrator';
import { startServer } from '../../../e2e/js/support/server.js';
import { newUser, tokenOf } from '../../../e2e/js/support/token.js';
import { event, join, testWithClients } from './support/watch.js';

// Before React is loaded, and until the process ends: React may look at the document after a test.
GlobalRegistrator.register();
const { createElement } = await import('react');
const { createRoot } = await import('react-dom/client');
const { useSessions, useSessionsEvent } = await import('@rollcall/client/react');

let server;
before(async () => {
  server = await startServer();
});
after(() => server.stop());

testWithClients('the hook renders each change and hears events until it goes', async () => {
  const token = tokenOf(newUser());
  const one = await join(server, token);
  const heard = [];
  const List = () => {
    const { status, sessions } = useSessions(one);
    useSessionsEvent(one, 'message', (message) => heard.push(message.event));
    return createElement('p', null, `${status}: ${sessions.length}`);
  };
  const root = createRoot(document.body);
  root.render(createElement(List));
  const shows = async (text) => {
    for (let tries = 0; document.body.textContent !== text && tries < 500; tries += 1) await sleep(20);
    assert.equal(document.body.textContent, text);
  };
  await shows('online: 1');
  const two = await join(server, token);
  await shows('online: 2');
  await two.send({ to: 'all', event: 'seen', data: 0 });
  await event(one, 'message', (message) => message.event === 'seen');
  two.close();
  await shows('online: 1');
  root.unmount();
  await one.send({ to: 'all', event: 'unseen', data: 0 });
  await event(one, 'message', (message) => message.event === 'unseen');
  assert.deepEqual(heard, ['seen']);
});
