// The ends that a client comes back from: the server is short of something, or the client asked for too much.
import { spawn } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { setTimeout as sleep } from 'node:timers/promises';
import assert from 'node:assert/strict';
import { join, open, transportEnd } from '../support/client.js';
import { MODES, eachMode, testWithClients } from '../support/modes.js';
import { RawPolling, RawWebSocket, request } from '../support/raw.js';
import { startServer } from '../support/server.js';
import { holdDatabase } from '../support/sql-lock.js';
import { newUser, tokenOf } from '../support/token.js';

/** How long the gateway may take to notice that SQL is away or back: its watch looks every few seconds. */
const NOTICE_MS = 60_000;

testWithClients('unavailable: while SQL is away connects are refused, and clients come back when it returns', async () => {
  const server = await startServer({ DATABASE__UNAVAILABLE_AFTER: '1s' });
  try {
    const bystander = await join(server, 'websocket', tokenOf(newUser()));
    const release = await holdDatabase(server.dataDir);
    await untilRefused(server);
    assert.equal((await request(server, { path: '/readyz' })).json.status, 'degraded');

    const tokens = {};
    const clients = MODES.map((mode) => {
      tokens[mode] = 0;
      const auth = (give) => {
        tokens[mode] += 1;
        give({ token: tokenOf(`user-of-${mode}`) });
      };
      return open(server, mode, { auth });
    });
    for (const [at, client] of clients.entries()) {
      const { error, reason } = await client.end();
      assert.equal(error.code, 'unavailable');
      assert.equal(typeof error.message, 'string');
      assert.equal(reason, transportEnd(MODES[at]));
      assert.deepEqual(client.all('sessions:ready'), []);
    }
    await release();
    for (const client of clients) await client.until('ready after the return of SQL', () => client.all('sessions:ready')[0], NOTICE_MS);
    for (const mode of MODES) assert.ok(tokens[mode] >= 2, `auth was asked ${tokens[mode]} times on ${mode}`);
    assert.equal((await request(server, { path: '/readyz' })).status, 200);
    assert.deepEqual(bystander.all('disconnect'), [], 'a socket that was in stays');
  } finally {
    await server.stop();
  }
});

/** Connects until one is refused as unavailable. */
async function untilRefused(server) {
  const deadline = Date.now() + NOTICE_MS;
  for (;;) {
    const probe = open(server, 'websocket', { auth: { token: tokenOf(newUser()) }, reconnection: false });
    await probe.until('an answer', () => probe.all('sessions:ready')[0] ?? probe.all('sessions:error')[0]);
    const [error] = probe.all('sessions:error');
    probe.close();
    if (error) {
      assert.equal(error[0].code, 'unavailable');
      return;
    }
    if (Date.now() > deadline) assert.fail('never refused as unavailable');
    await sleep(250);
  }
}

eachMode('rate_limited: too many packets end the transport, and the client comes back', async (mode) => {
  const server = await startServer({ LIMITS__PACKETS_PER_SECOND: 5, LIMITS__PACKETS_BURST: 50 });
  try {
    const user = newUser();
    const bystander = await join(server, 'websocket', tokenOf(user));
    let asked = 0;
    const auth = (give) => {
      asked += 1;
      give({ token: tokenOf(user) });
    };
    const client = open(server, mode, { auth });
    await client.ready();
    if (mode === 'upgrade') await client.upgraded();
    const flooding = client.id;
    await bystander.listIs([bystander.id, flooding]);
    for (let packet = 0; packet < 200; packet += 1) client.socket.emit('flood', packet);
    const { error, reason } = await client.end();
    assert.equal(error.code, 'rate_limited');
    assert.ok(Number.isInteger(error.retryAfterMs) && error.retryAfterMs > 0, `retryAfterMs ${error.retryAfterMs}`);
    assert.equal(reason, transportEnd(mode));
    await client.ready(2);
    assert.equal(asked, 2);
    await bystander.listIs([bystander.id, client.id]);
    assert.deepEqual(bystander.all('disconnect'), []);
  } finally {
    await server.stop();
  }
});

testWithClients('a burst within the limit is served', async () => {
  const server = await startServer({ LIMITS__PACKETS_PER_SECOND: 5, LIMITS__PACKETS_BURST: 50 });
  try {
    const client = await join(server, 'websocket', tokenOf(newUser()));
    await Promise.all(Array.from({ length: 30 }, () => client.ask('no:such:event')));
    assert.deepEqual(client.all('sessions:error'), []);
  } finally {
    await server.stop();
  }
});

/** Room for a hundred sessions of one login that come while those before them are still leaving. */
const ROOMY = { LIMITS__SESSIONS_PER_USER: 1000, LIMITS__SESSIONS_PER_LOGIN: 1000 };

testWithClients('slow_consumer: a socket that stops reading is cut, the others go on', async () => {
  const server = await startServer(ROOMY);
  const token = tokenOf(newUser());
  const bystander = await join(server, 'websocket', token);
  const reader = fileURLToPath(new URL('../support/slow_reader.py', import.meta.url));
  const slow = spawn('python3', [reader, String(server.port), token], { stdio: ['pipe', 'pipe', 'inherit'] });
  try {
    const ended = new Promise((resolve) => slow.once('exit', resolve));
    const joined = new Promise((resolve) => slow.stdout.once('data', () => resolve('joined')));
    assert.equal(await Promise.race([joined, ended]), 'joined');
    const isSlow = (item) => item.metadata.context === 'slow';
    await bystander.until('the slow one in the list', () => bystander.list.some(isSlow));
    assert.equal(await server.metric('rollcall_slow_consumers_total'), 0);

    // Large lists that change without end: more than the kernel's buffers and the mailbox hold together.
    const deadline = Date.now() + 120_000;
    while ((await server.metric('rollcall_slow_consumers_total')) === 0) {
      assert.ok(Date.now() < deadline, 'the slow consumer was never cut');
      const context = '😀'.repeat(256);
      const others = await Promise.all(Array.from({ length: 100 }, () => RawWebSocket.join(server, token, { auth: { context } })));
      for (const other of others) other.kill();
    }
    assert.equal(await server.metric('rollcall_slow_consumers_total'), 1);
    await bystander.listIs([bystander.id]);
    assert.deepEqual(bystander.all('disconnect'), []);
    assert.equal(await server.metric('rollcall_sessions'), 1);
  } finally {
    slow.stdin.end();
    await server.stop();
  }
});

testWithClients('slow_consumer: a stock client whose socket stood still comes back by itself', async () => {
  const server = await startServer(ROOMY);
  const token = tokenOf(newUser());
  try {
    const client = await join(server, 'websocket', token);
    const socket = client.socket.io.engine.transport.ws._socket;
    socket.pause();
    const deadline = Date.now() + 120_000;
    while ((await server.metric('rollcall_slow_consumers_total')) === 0) {
      assert.ok(Date.now() < deadline, 'the slow consumer was never cut');
      const auth = { context: '😀'.repeat(256) };
      const others = await Promise.all(Array.from({ length: 100 }, () => RawWebSocket.join(server, token, { auth })));
      for (const other of others) other.kill();
    }
    const ended = client.event('disconnect');
    socket.resume();
    assert.match((await ended)[0], /^transport (close|error)$/); // an error when the cut came as a reset
    const { socketId } = await client.ready(2);
    await client.listIs([socketId]);
  } finally {
    await server.stop();
  }
});

testWithClients('slow_consumer: who asks by POST and never polls is told in a payload of its own, then 400', async () => {
  const server = await startServer({ LIMITS__MAILBOX: 1024 });
  try {
    const raw = await RawPolling.join(server, tokenOf(newUser()));
    for (let id = 0; id < 100 && (await server.metric('rollcall_slow_consumers_total')) === 0; id += 1) {
      await raw.post(`42/sessions,${id}["ask",{}]`);
    }
    assert.equal(await server.metric('rollcall_slow_consumers_total'), 1);
    const waited = await raw.poll();
    assert.ok(waited.text.split('\x1e').every((packet) => !packet.includes('sessions:error')), waited.text);
    const error = await raw.poll();
    assert.match(error.text, /^42\/sessions,\["sessions:error",\{"code":"slow_consumer"[^\x1e]*$/);
    const end = await raw.poll();
    assert.equal(end.status, 400);
    assert.equal(JSON.parse(end.text).code, 1);
  } finally {
    await server.stop();
  }
});
