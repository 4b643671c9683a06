// Two stock clients and whoever is named on the command line: the same is expected of a peer as of Rollcall, in the part
// that is measured. Knows how peers are started (README.md); nothing of how they work.
import { spawn } from 'node:child_process';
import { createInterface } from 'node:readline';
import { createServer } from 'node:net';
import { request } from 'node:http';
import { once } from 'node:events';
import { fileURLToPath } from 'node:url';
import assert from 'node:assert/strict';
import { closeAll, join, open } from '../../e2e/js/support/client.js';
import { SECRET, startServer } from '../../e2e/js/support/server.js';
import { expiredTokenOf, forgedTokenOf, newUser, sign, tokenOf } from '../../e2e/js/support/token.js';

/** A server says within this time that it listens, and ends within this time, in milliseconds. */
const PATIENCE_MS = 30_000;
const AGENT = 'Check/1.0 (a stock client)';
const HEADERS = { extraHeaders: { 'User-Agent': AGENT } };
const ISO = /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z$/;

/** As `codeOf` shows it. */
const NOT_FOUND = { ok: false, code: 'session_not_found' };

const CHECKS = {
  'the handshake says the same times and sizes': handshake,
  'compression is not agreed to': noCompression,
  'ready, then update': readyAndUpdate,
  'those who are there see who comes': joining,
  'those who stay see who leaves': leaving,
  'another user sees nothing': strangers,
  'send reaches whom it names': sending,
  'a bad token is told why and sent away': refusing,
};

const names = process.argv.slice(2);
if (names.length === 0) {
  console.error('usage: bench/peers/check NAME...: folders of bench/peers, or rollcall');
  process.exit(2);
}
let failed = 0;
for (const name of names) failed += await checkOne(name);
process.exit(failed === 0 ? 0 : 1);

/** Starts the server `name`, makes all checks and stops it; gives how many failed. */
async function checkOne(name) {
  if (name === 'floor') {
    console.log('floor: canned bytes; the load client itself checks the sizes and the order of what is told');
    return 0;
  }
  const server = name === 'rollcall' ? await startServer() : await startPeer(name);
  let failures = 0;
  for (const [what, check] of Object.entries(CHECKS)) {
    for (const mode of check.length > 1 ? ['websocket', 'polling'] : ['']) {
      const label = [name, mode, what].filter(Boolean).join(': ');
      try {
        const note = await check(server, mode);
        console.log(`ok   ${label}${note ? ` (${note})` : ''}`);
      } catch (error) {
        failures += 1;
        console.log(`FAIL ${label}\n${error.stack}`);
      }
      closeAll();
    }
  }
  await server.stop();
  return failures;
}

async function startPeer(name) {
  const port = await freePort();
  const child = spawn(fileURLToPath(new URL(`${name}/serve`, import.meta.url)), {
    env: { ...process.env, PORT: String(port), SECRET },
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  process.once('exit', () => child.kill('SIGKILL'));
  const ended = once(child, 'exit');
  const listening = new Promise((resolve) => {
    createInterface({ input: child.stdout }).on('line', (line) => line === 'listening' && resolve('listening'));
  });
  const outcome = await Promise.race([listening, ended, delay(PATIENCE_MS)]);
  assert.equal(outcome, 'listening', `${name} did not start: ${outcome}`);
  const stop = async () => {
    child.kill('SIGTERM');
    assert.ok(await Promise.race([ended, delay(PATIENCE_MS)]), `${name} did not end at SIGTERM`);
  };
  return { url: `http://127.0.0.1:${port}`, port, stop };
}

async function handshake(server) {
  const answer = await fetch(`${server.url}/socket.io/?EIO=4&transport=polling`);
  const text = await answer.text();
  assert.equal(answer.status, 200, text);
  const { pingInterval, pingTimeout, maxPayload } = JSON.parse(text.slice(1));
  assert.deepEqual({ pingInterval, pingTimeout, maxPayload }, { pingInterval: 25_000, pingTimeout: 20_000, maxPayload: 100_000 });
}

async function noCompression(server) {
  const upgrade = request(`${server.url}/socket.io/?EIO=4&transport=websocket`, {
    headers: {
      Connection: 'Upgrade',
      Upgrade: 'websocket',
      'Sec-WebSocket-Version': '13',
      'Sec-WebSocket-Key': 'dGhlIHNhbXBsZSBub25jZQ==',
      'Sec-WebSocket-Extensions': 'permessage-deflate; client_max_window_bits',
    },
  }).end();
  const [response, socket] = await once(upgrade, 'upgrade');
  socket.destroy();
  assert.equal(response.headers['sec-websocket-extensions'], undefined);
}

async function readyAndUpdate(server, mode) {
  const client = await join(server, mode, tokenOf(newUser()), { context: 'tab-1' }, HEADERS);
  const ready = await client.ready();
  const { sessions } = await client.update();
  assert.equal(ready.socketId, client.id);
  assert.deepEqual(ready.sessions, sessions);
  assert.equal(sessions.length, 1);
  // What may be added is Rollcall's own: the peers are not asked for it.
  const { connectedAt, login, device, ...rest } = sessions[0];
  assert.match(connectedAt, ISO);
  assert.ok(Math.abs(Date.now() - Date.parse(connectedAt)) < PATIENCE_MS, connectedAt);
  assert.deepEqual(rest, { socketId: client.id, metadata: { ip: '127.0.0.1', userAgent: AGENT, context: 'tab-1' } });
  assert.deepEqual(client.events.map(({ name }) => name), ['connect', 'sessions:ready', 'sessions:update']);
}

async function joining(server, mode) {
  const token = tokenOf(newUser());
  const first = await join(server, mode, token, { context: 'tab-1' });
  await first.update(1);
  const second = await join(server, mode, token);
  await first.listIs([first.id, second.id]);
  const { sessions } = await second.update();
  assert.deepEqual(first.list, sessions);
  assert.deepEqual((await second.ready()).sessions, sessions);
  assert.equal(sessions.find((item) => item.socketId === second.id).metadata.context, undefined);
  const order = (a, b) => (a.connectedAt + a.socketId < b.connectedAt + b.socketId ? -1 : 1);
  assert.deepEqual(sessions, [...sessions].sort(order), 'sorted by connectedAt, then socketId');
  assert.equal(first.all('sessions:ready').length, 1);
  assert.equal(first.all('sessions:update').length, 2);
}

async function leaving(server, mode) {
  const token = tokenOf(newUser());
  const stays = await join(server, mode, token);
  const leaves = await join(server, mode, token);
  const breaks = await join(server, mode, token);
  await stays.listIs([stays.id, leaves.id, breaks.id]);
  const broken = breaks.id;
  leaves.socket.disconnect();
  await stays.listIs([stays.id, broken]);
  breaks.socket.io.reconnection(false);
  breaks.socket.io.engine.close();
  await stays.listIs([stays.id]);
}

async function strangers(server, mode) {
  const first = await join(server, mode, tokenOf(newUser()));
  const other = await join(server, mode, tokenOf(newUser()));
  await other.update();
  assert.deepEqual(other.ids, [other.id]);
  assert.deepEqual(await other.ask('sessions:send', { to: first.id, event: 'x', data: 1 }).then(codeOf), NOT_FOUND);
  assert.deepEqual(first.ids, [first.id]);
  assert.equal(first.all('sessions:message').length, 0);
}

async function sending(server, mode) {
  const token = tokenOf(newUser());
  const first = await join(server, mode, token);
  const second = await join(server, mode, token);
  const data = { text: 'ü', list: [1, null, true] };
  // What is added to an acknowledgement is not measured.
  const delivered = async (to) => {
    const { ok, delivered } = await second.ask('sessions:send', { to, event: 'hello', data });
    return { ok, delivered };
  };
  assert.deepEqual(await delivered(first.id), { ok: true, delivered: 1 });
  assert.deepEqual(await delivered('others'), { ok: true, delivered: 1 });
  assert.deepEqual(await delivered('all'), { ok: true, delivered: 2 });
  const [message] = await first.event('sessions:message', 3);
  assert.match(message.sentAt, ISO);
  assert.deepEqual({ ...message, sentAt: '' }, { from: second.id, event: 'hello', data, sentAt: '' });
  await second.event('sessions:message');
  assert.equal(second.all('sessions:message').length, 1);
  const gone = await join(server, mode, token);
  const to = gone.id;
  await second.listIs([first.id, second.id, to]);
  gone.socket.disconnect();
  await second.listIs([first.id, second.id]);
  assert.deepEqual(await second.ask('sessions:send', { to, event: 'x', data }).then(codeOf), NOT_FOUND);
  assert.equal((await second.ask('sessions:send', { to: 7, event: 'x', data })).ok, false);
}

async function refusing(server, mode) {
  const user = newUser();
  const tokens = {
    token_missing: [undefined, '', null],
    token_invalid: ['x', forgedTokenOf(user), sign({}), unsigned(user)],
    token_expired: [expiredTokenOf(user)],
  };
  const stays = await join(server, mode, tokenOf(user));
  await stays.update();
  for (const [code, bad] of Object.entries(tokens)) {
    for (const token of bad) {
      const client = open(server, mode, { auth: { token } });
      const { error, reason } = await client.end();
      assert.equal(error.code, code, `for the token ${token}`);
      assert.equal(typeof error.message, 'string');
      assert.equal(reason, 'io server disconnect');
      assert.deepEqual(client.events.map(({ name }) => name), ['connect', 'sessions:error', 'disconnect']);
    }
  }
  assert.equal(stays.all('sessions:update').length, 1, 'who was refused was never there');
}

/** A token that claims to need no signature. */
function unsigned(user) {
  const part = (value) => Buffer.from(JSON.stringify(value)).toString('base64url');
  return `${part({ alg: 'none', typ: 'JWT' })}.${part({ sub: user, exp: Math.floor(Date.now() / 1000) + 60 })}.`;
}

function codeOf({ ok, code }) {
  return { ok, code };
}

async function freePort() {
  const probe = createServer().listen(0, '127.0.0.1');
  await once(probe, 'listening');
  const { port } = probe.address();
  probe.close();
  return port;
}

function delay(ms) {
  return new Promise((resolve) => setTimeout(resolve, ms).unref());
}
