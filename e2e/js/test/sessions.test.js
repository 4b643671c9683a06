// What a session is told when it joins: ready, update, the shape of an item, the context, other users.
import { after, before } from 'node:test';
import assert from 'node:assert/strict';
import { join, open } from '../support/client.js';
import { eachMode, testWithClients } from '../support/modes.js';
import { RawWebSocket } from '../support/raw.js';
import { startServer } from '../support/server.js';
import { newUser, nowSeconds, sign, tokenOf } from '../support/token.js';

let server;
before(async () => {
  server = await startServer();
});
after(() => server.stop());

eachMode('ready comes exactly once and before every update', async (mode) => {
  const token = tokenOf(newUser());
  const client = await join(server, mode, token);
  for (let tab = 0; tab < 5; tab += 1) (await join(server, mode, token)).close();
  await client.listIs([client.id]);
  const names = client.events.map((event) => event.name);
  assert.deepEqual(names.slice(0, 3), ['connect', 'sessions:ready', 'sessions:update']);
  assert.equal(names.filter((name) => name === 'sessions:ready').length, 1);
});

eachMode('ready and update have the shapes of the contract', async (mode) => {
  const exp = nowSeconds() + 600;
  const before = Date.now();
  const client = await join(server, mode, sign({ sub: newUser(), exp }), { context: 'dashboard-tab-1' });
  const ready = await client.ready();
  const { sessions, about } = await client.update();

  assert.equal(ready.socketId, client.id);
  assert.equal(ready.complete, true);
  assert.ok(Number.isSafeInteger(ready.revision) && ready.revision >= 0, `revision ${ready.revision}`);
  assert.equal(new Date(ready.expiresAt).getTime(), exp * 1000);
  assert.deepEqual(ready.sessions.map((item) => item.socketId), [client.id]);
  assert.deepEqual(Object.keys(about).sort(), ['complete', 'revision']);
  assert.equal(about.complete, true);
  assert.ok(about.revision >= ready.revision);
  assert.deepEqual(sessions, ready.sessions);

  const [item] = sessions;
  assert.match(item.connectedAt, /^\d{4}-\d{2}-\d{2}T\d{2}:\d{2}:\d{2}\.\d{3}Z$/);
  const connectedAt = Date.parse(item.connectedAt);
  assert.ok(connectedAt >= before - 1_000 && connectedAt <= Date.now() + 1_000, item.connectedAt);
  assert.equal(item.metadata.ip, '127.0.0.1');
  assert.equal(item.metadata.context, 'dashboard-tab-1');
  assert.equal(typeof item.metadata.userAgent, 'string');
});

eachMode('the revision rises strictly with each update', async (mode) => {
  const token = tokenOf(newUser());
  const client = await join(server, mode, token);
  for (let tab = 0; tab < 10; tab += 1) {
    const other = await join(server, 'websocket', token);
    await client.until('the other in the list', () => client.ids.includes(other.id));
    other.close();
  }
  await client.listIs([client.id]);
  const revisions = client.all('sessions:update').map(([, about]) => about.revision);
  assert.ok(revisions.length >= 2);
  for (let at = 1; at < revisions.length; at += 1) assert.ok(revisions[at] > revisions[at - 1], `${revisions}`);
});

eachMode('a join and a leave reach every other session of the user', async (mode) => {
  const token = tokenOf(newUser());
  const [first, second] = [await join(server, mode, token), await join(server, 'websocket', token)];
  const third = await join(server, mode, token);
  for (const client of [first, second, third]) await client.listIs([first.id, second.id, third.id]);
  const gone = third.id;
  third.close();
  for (const client of [first, second]) await client.listIs([first.id, second.id]);
  assert.ok(!first.ids.includes(gone));
});

eachMode('the list is sorted by the time of connecting, then by socket id', async (mode) => {
  const token = tokenOf(newUser());
  const clients = await Promise.all(Array.from({ length: 12 }, () => join(server, mode, token)));
  const [observer] = clients;
  await observer.listIs(clients.map((client) => client.id));
  const keys = observer.list.map((item) => `${item.connectedAt} ${item.socketId}`);
  assert.deepEqual(keys, [...keys].sort());
});

eachMode('two users never see each other', async (mode) => {
  const [tokenA, tokenB] = [tokenOf(newUser()), tokenOf(newUser())];
  const a = [await join(server, mode, tokenA), await join(server, mode, tokenA)];
  const b = [await join(server, mode, tokenB), await join(server, mode, tokenB)];
  const idsOfA = a.map((client) => client.id);
  const idsOfB = b.map((client) => client.id);
  await a[0].listIs(idsOfA);
  await b[0].listIs(idsOfB);
  b[1].close();
  await b[0].listIs([idsOfB[0]]);
  for (const client of a) {
    const told = JSON.stringify(client.events);
    for (const id of idsOfB) assert.ok(!told.includes(id), `a session of another user was told: ${told}`);
  }
});

testWithClients('the same subject as a number and as a string is one user', async () => {
  const id = Math.floor(Math.random() * 2 ** 40);
  const first = await join(server, 'websocket', sign({ sub: id }));
  const second = await join(server, 'websocket', sign({ sub: String(id) }));
  await first.listIs([first.id, second.id]);
});

eachMode('the Engine.IO sid is never the socket id and is told to nobody', async (mode) => {
  const token = tokenOf(newUser());
  const client = await join(server, mode, token);
  const other = await join(server, mode, token);
  await client.listIs([client.id, other.id]);
  const sids = [client, other].map((each) => each.socket.io.engine.id);
  const told = JSON.stringify([client.events, other.events, server.log]);
  const metrics = await (await fetch(`${server.url}/metrics`)).text();
  for (const sid of sids) {
    assert.ok(sid.length >= 20, `a sid of ${sid.length} characters has fewer than 120 random bits`);
    assert.ok(![client.id, other.id].includes(sid));
    assert.ok(!told.includes(sid) && !metrics.includes(sid));
  }
  assert.ok(!JSON.stringify(server.log).includes(token), 'the log holds a token');
});

const CONTEXTS = [
  { what: 'a label', context: 'tab', shown: 'tab' },
  { what: '256 characters beyond the basic plane', context: '😀'.repeat(256), shown: '😀'.repeat(256) },
  { what: 'no label', context: undefined, shown: undefined },
  { what: 'null', context: null, shown: undefined },
  { what: 'the empty string', context: '', shown: undefined },
];
for (const { what, context, shown } of CONTEXTS) {
  eachMode(`context: ${what} is shown as ${shown === undefined ? 'absent' : 'sent'}`, async (mode) => {
    const client = open(server, mode, { auth: { token: tokenOf(newUser()), context } });
    const [item] = (await client.ready()).sessions;
    assert.equal(item.metadata.context, shown);
    assert.equal('context' in item.metadata, shown !== undefined);
  });
}

testWithClients('context may stand in the query', async () => {
  const client = open(server, 'websocket', { auth: { token: tokenOf(newUser()) }, query: { context: 'from query' } });
  assert.equal((await client.ready()).sessions[0].metadata.context, 'from query');
});

for (const [what, context] of [['257 characters', 'x'.repeat(257)], ['a number', 7], ['an object', { a: 1 }], ['a list', ['a']]]) {
  eachMode(`context: ${what} is refused with context_invalid and the client stays away`, async (mode) => {
    const client = open(server, mode, { auth: { token: tokenOf(newUser()), context } });
    const { error, reason } = await client.end();
    assert.equal(error.code, 'context_invalid');
    assert.equal(reason, 'io server disconnect');
    await client.staysAway();
  });
}

testWithClients('the token is judged before the context', async () => {
  const client = open(server, 'websocket', { auth: { token: 'x.y.z', context: 7 } });
  assert.equal((await client.end()).error.code, 'token_invalid');
});

eachMode('the user agent is shown as it was sent', async (mode) => {
  const options = { extraHeaders: { 'User-Agent': 'Rollcall-Test/1.0 (stock client)' } };
  const client = await join(server, mode, tokenOf(newUser()), {}, options);
  assert.equal(client.list[0].metadata.userAgent, 'Rollcall-Test/1.0 (stock client)');
});

testWithClients('a user agent that is not sent is shown as the empty string', async () => {
  const raw = await RawWebSocket.join(server, tokenOf(newUser()));
  assert.equal(raw.ready.sessions[0].metadata.userAgent, '');
  raw.kill();
});

testWithClients('a long user agent is cut at 256 bytes, between characters', async () => {
  const agent = `${'a'.repeat(255)}é and more`;
  const raw = await RawWebSocket.join(server, tokenOf(newUser()), { headers: { 'User-Agent': agent } });
  assert.equal(raw.ready.sessions[0].metadata.userAgent, 'a'.repeat(255));
  raw.kill();
});

testWithClients('control characters are taken out of the user agent', async () => {
  const headers = { 'User-Agent': 'abc\tdef\u009bghi' };
  const raw = await RawWebSocket.join(server, tokenOf(newUser()), { headers });
  assert.equal(raw.ready.sessions[0].metadata.userAgent, 'abcdefghi');
  raw.kill();
});
