// Coming back: after a restart, after each code, with a new token or not at all, in the place of the own ghost.
import { after, before } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { connect, createServer } from 'node:net';
import assert from 'node:assert/strict';
import { startServer } from '../../../e2e/js/support/server.js';
import { expiredTokenOf, forgedTokenOf, newUser, nowSeconds, sign, tokenOf } from '../../../e2e/js/support/token.js';
import { event, join, listIs, open, testWithClients, until } from './support/watch.js';

let server;
before(async () => {
  server = await startServer({ IDENTITY__LEEWAY: '0s', LIMITS__SESSIONS_PER_LOGIN: 2 });
});
after(() => server.stop());

/** A client whose `getToken` keeps what it was asked in `asked`. */
function asking(options, give) {
  const asked = [];
  const getToken = (request) => {
    asked.push(request);
    return give(request, asked.length);
  };
  return Object.assign(open(server, { getToken, ...options }), { asked });
}

testWithClients('a restart: the list is kept, then it is live again with a new id', async () => {
  const first = await startServer();
  const one = await join(first, tokenOf(newUser()), { socket: { transports: ['websocket'] } });
  await listIs(one);
  const before = one.state.socketId;
  await first.stop({ keepData: true });
  await until(one, (state) => state.status === 'reconnecting');
  assert.equal(one.state.sessions.length, 1);
  assert.equal((await event(one, 'end')).code, 'server_shutdown');
  await until(one, (state) => state.error?.code === 'connection_lost');
  await until(one, (state) => state.retryAt > Date.now() - 1000);
  const second = await startServer({}, { port: first.port, dataDir: first.dataDir });
  try {
    await until(one, (state) => state.status === 'online');
    assert.notEqual(one.state.socketId, before);
    assert.equal(one.state.error, undefined);
    await listIs(one);
  } finally {
    await second.stop();
  }
});

testWithClients('a kept token that has expired is replaced by a new one', async () => {
  const user = newUser();
  const one = asking({}, ({ reason }) => (reason === 'refused' ? tokenOf(user) : expiredTokenOf(user)));
  await until(one, (state) => state.status === 'online');
  assert.deepEqual(
    one.asked.map(({ reason, error }) => [reason, error?.code]),
    [
      ['connect', undefined],
      ['refused', 'token_expired'],
    ],
  );
});

testWithClients('a token that was refused is never sent again, and pauses grow', async () => {
  const before = await server.metric('rollcall_connects_total');
  const forged = forgedTokenOf(newUser());
  const one = asking({ firstPauseMs: 20, longestPauseMs: 2000 }, () => forged);
  await until(one, () => one.asked.length >= 5);
  const begun = Date.now();
  await until(one, () => one.asked.length >= 8);
  assert.ok(Date.now() - begun > 1000, 'the sixth, seventh and eighth pause are 1.1 s at least');
  assert.equal(one.state.status, 'reconnecting');
  assert.equal(one.state.error.code, 'token_invalid');
  assert.equal(await server.metric('rollcall_connects_total'), before + 1);
});

testWithClients('a token is renewed in place before it ends', async () => {
  const user = newUser();
  const one = asking({}, (_, times) => sign({ sub: user, sid: 'laptop', exp: nowSeconds() + (times === 1 ? 5 : 900) }));
  await until(one, (state) => state.status === 'online');
  const { socketId, expiresAt } = one.state;
  await event(one, 'expiring');
  await until(one, (state) => state.expiresAt !== expiresAt);
  assert.equal(one.asked[1].reason, 'expiring');
  await sleep(6000); // past the end of the first token
  assert.equal(one.state.socketId, socketId);
  assert.equal((await one.list()).ok, true);
  assert.deepEqual(
    one.seen.filter(([name]) => name === 'end'),
    [],
  );
});

testWithClients('when none can be had in time it ends, and comes back with the first that can', async () => {
  const user = newUser();
  let away = true;
  const one = asking({}, (_, times) => {
    if (times > 1 && away) throw new Error('the issuer is away');
    return sign({ sub: user, exp: nowSeconds() + (times === 1 ? 4 : 900) });
  });
  await until(one, (state) => state.status === 'online');
  assert.equal((await event(one, 'end')).code, 'token_expired');
  await until(one, (state) => state.error?.code === 'token_unavailable');
  assert.ok(
    one.asked.some(({ reason }) => reason === 'expiring') && one.asked.some(({ reason }) => reason === 'refused'),
  );
  away = false;
  await until(one, (state) => state.status === 'online');
});

testWithClients('a token of somebody else makes it the list of somebody else', async () => {
  const [ada, bob] = [newUser(), newUser()];
  const witness = await join(server, tokenOf(bob));
  const one = asking({}, (_, times) => (times === 1 ? sign({ sub: ada, exp: nowSeconds() + 30 }) : tokenOf(bob)));
  await until(one, (state) => state.sessions.length === 2);
  await listIs(one, witness);
});

testWithClients('who is signed out by getToken ends, and connect() begins anew', async () => {
  const user = newUser();
  let token = null;
  const one = asking({}, () => token);
  await until(one, (state) => state.status === 'ended');
  assert.equal(one.state.error.code, 'signed_out');
  token = tokenOf(user);
  one.connect();
  await until(one, (state) => state.status === 'online');
  assert.equal(one.state.error, undefined);
});

testWithClients('after session_revoked, too_many_sessions and context_invalid nothing is tried', async () => {
  const user = newUser();
  const token = sign({ sub: user, sid: 'laptop' });
  const [one, two] = [await join(server, token), await join(server, token)];
  const third = asking({}, () => token);
  await until(third, (state) => state.error?.code === 'too_many_sessions');
  await one.revoke({ all: true });
  for (const each of [one, two]) await until(each, (state) => state.error?.code === 'session_revoked');
  const wordy = asking({ context: 'x'.repeat(257) }, () => tokenOf(newUser()));
  await until(wordy, (state) => state.error?.code === 'context_invalid');
  const before = await server.metric('rollcall_connects_total');
  await sleep(1000); // twenty times the first pause
  assert.equal(await server.metric('rollcall_connects_total'), before);
  for (const each of [one, two, third, wordy]) assert.equal(each.state.status, 'ended');
  assert.deepEqual([third.asked.length, wordy.asked.length], [1, 1]);
});

testWithClients('who changes networks takes the place of its own ghost', async () => {
  const user = newUser();
  const token = sign({ sub: user, sid: 'phone' });
  const witness = await join(server, sign({ sub: user, sid: 'laptop' }));
  const network = await flakyNetwork(server.port);
  try {
    const phone = await join({ url: network.url }, token, { socket: { transports: ['websocket'] } });
    await listIs(witness, phone);
    const ghost = phone.state.socketId;
    network.change();
    await until(phone, (state) => state.status === 'online' && state.socketId !== ghost);
    await listIs(witness, phone);
    assert.ok(!witness.seen.some(([name]) => name === 'end'));
  } finally {
    network.close();
  }
});

/** A port in front of `port`; `change` breaks the clients' side of what is open, and the server does not hear of it. */
async function flakyNetwork(port) {
  const pairs = new Set();
  const listener = createServer((near) => {
    const far = connect(port, '127.0.0.1');
    pairs.add({ near, far });
    near.on('data', (bytes) => far.write(bytes)).on('error', () => {});
    far.on('data', (bytes) => near.write(bytes)).on('error', () => {});
    far.on('close', () => near.destroy());
  });
  await new Promise((resolve) => listener.listen(0, '127.0.0.1', resolve));
  return {
    url: `http://127.0.0.1:${listener.address().port}`,
    change: () => pairs.forEach(({ near }) => near.destroy()),
    close: () => {
      listener.close();
      pairs.forEach(({ far }) => far.destroy());
    },
  };
}
