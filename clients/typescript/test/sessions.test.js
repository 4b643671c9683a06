// What a client is told and what it may ask for, against a running server.
import { after, before } from 'node:test';
import assert from 'node:assert/strict';
import { startServer } from '../../../e2e/js/support/server.js';
import { newUser, sign, tokenOf } from '../../../e2e/js/support/token.js';
import { event, join, listIs, open, refusedWith, testWithClients, until } from './support/watch.js';

let server;
before(async () => {
  server = await startServer();
});
after(() => server.stop());

/** A token of one login of `user`. */
const loginOf = (user, sid) => sign({ sub: user, sid, iat: Math.floor(Date.now() / 1000) });

for (const transports of [['websocket'], ['polling'], ['polling', 'websocket']]) {
  testWithClients(`the list follows who comes and goes [${transports}]`, async () => {
    const token = tokenOf(newUser());
    const one = await join(server, token, { context: 'one', socket: { transports } });
    assert.equal(one.state.socketId, one.socket.id);
    assert.equal(one.state.complete, true);
    assert.ok(Date.parse(one.state.expiresAt) > Date.now());
    await listIs(one);
    assert.equal(one.state.sessions[0].metadata.context, 'one');
    const two = await join(server, token, { context: 'two', deviceId: 'laptop', socket: { transports } });
    await listIs(one, two);
    assert.match(one.state.sessions.find((item) => item.socketId === two.state.socketId).deviceId, /^[0-9a-f]{16}$/);
    const before = one.state.revision;
    two.close();
    assert.deepEqual([two.state.status, two.state.sessions.length], ['idle', 0]);
    await listIs(one);
    assert.ok(one.state.revision > before);
  });
}

testWithClients('the state is one value until it changes, and who left is not told', async () => {
  const token = tokenOf(newUser());
  const one = await join(server, token);
  await until(one, (state) => state.revision > 0);
  assert.equal(one.state, one.getState());
  assert.throws(() => {
    one.state.status = 'idle';
  }, TypeError);
  let told = 0;
  const leave = one.subscribe(() => (told += 1));
  const kept = one.state;
  const two = await join(server, token);
  await listIs(one, two);
  assert.notEqual(one.state, kept);
  assert.ok(told > 0);
  leave();
  const before = told;
  two.close();
  await listIs(one);
  assert.equal(told, before);
});

testWithClients('messages arrive at one, at the others, at all, with attachments', async () => {
  const token = tokenOf(newUser());
  const [one, two] = [await join(server, token), await join(server, token)];
  await listIs(one, two);
  const to = two.state.socketId;
  assert.deepEqual(await one.send({ to, event: 'cart', data: { items: 3 } }), {
    ok: true,
    delivered: 1,
    complete: true,
  });
  const { sentAt, ...message } = await event(two, 'message');
  assert.deepEqual(message, { from: one.state.socketId, event: 'cart', data: { items: 3 } });
  assert.ok(Date.parse(sentAt));
  assert.equal((await one.send({ to: 'all', event: 'bytes', data: Buffer.from([0, 255]) })).delivered, 2);
  const { data } = await event(one, 'message', (each) => each.event === 'bytes');
  assert.deepEqual([...new Uint8Array(data)], [0, 255]);
  const refused = await refusedWith('payload_invalid', one.send({ to: 'others', event: '', data: 0 }));
  assert.equal(refused.field, 'event');
  await refusedWith('session_not_found', one.send({ to: 'x'.repeat(20), event: 'cart', data: 0 }));
});

testWithClients('a device is named, what its user does is told, and told again after a reconnect', async () => {
  const user = newUser();
  const [one, two] = [await join(server, loginOf(user, 'a')), await join(server, loginOf(user, 'b'))];
  const itemOfTwo = (state) => state.sessions.find((item) => item.socketId === two.state.socketId);
  await two.rename("Ada's phone");
  await two.setActivity('hidden');
  await until(one, (state) => itemOfTwo(state)?.label === "Ada's phone" && itemOfTwo(state).state === 'hidden');
  const first = two.state.socketId;
  two.socket.io.engine.close();
  await until(two, (state) => state.status === 'online' && state.socketId !== first);
  await until(one, (state) => itemOfTwo(state)?.state === 'hidden');
  assert.equal((await one.list()).sessions.length, 2);
});

testWithClients('a new login is announced to the others, who sign it out, and it stays away', async () => {
  const user = newUser();
  const one = await join(server, loginOf(user, 'laptop'));
  const thief = await join(server, loginOf(user, 'thief'));
  const { session } = await event(one, 'new');
  assert.equal(session.socketId, thief.state.socketId);
  assert.deepEqual(await one.revoke({ socketId: session.socketId }), { ok: true, revoked: 1, held: 'login' });
  await until(thief, (state) => state.status === 'ended');
  assert.equal(thief.state.error.code, 'session_revoked');
  assert.deepEqual([thief.state.sessions.length, thief.state.socketId], [0, undefined]);
  await listIs(one);
  await refusedWith('offline', thief.list());
});

testWithClients('nothing is sent without a connection, and nothing is kept for later', async () => {
  const one = open(server, { getToken: () => tokenOf(newUser()), autoConnect: false });
  assert.equal(one.state.status, 'idle');
  await refusedWith('offline', one.send({ to: 'all', event: 'early', data: 0 }));
  one.connect();
  await until(one, (state) => state.status === 'online');
  await one.send({ to: 'all', event: 'now', data: 0 });
  assert.equal((await event(one, 'message')).event, 'now');
});
