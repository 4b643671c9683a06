// SIGTERM: clients are told and come back by themselves; who arrives in between is sent away in good order.
import { setTimeout as sleep } from 'node:timers/promises';
import assert from 'node:assert/strict';
import { rmSync } from 'node:fs';
import { join, open, transportEnd } from '../support/client.js';
import { eachMode, testWithClients } from '../support/modes.js';
import { request, socketPath } from '../support/raw.js';
import { startServer } from '../support/server.js';
import { newUser, tokenOf } from '../support/token.js';

eachMode('server_shutdown: clients are told and come back to the next server with a new token', async (mode) => {
  const first = await startServer();
  const user = newUser();
  let asked = 0;
  const auth = (give) => {
    asked += 1;
    give({ token: tokenOf(user) });
  };
  const client = open(first, mode, { auth });
  await client.ready();
  if (mode === 'upgrade') await client.upgraded();
  const ended = client.end();
  await first.stop({ keepData: true });
  const { error, reason } = await ended;
  assert.equal(error.code, 'server_shutdown');
  assert.equal(typeof error.message, 'string');
  assert.equal(reason, transportEnd(mode));

  const second = await startServer({}, { port: first.port, dataDir: first.dataDir });
  try {
    const { socketId } = await client.ready(2);
    assert.equal(socketId, client.id);
    await client.listIs([socketId]);
    assert.ok(asked >= 2, `auth was asked ${asked} times`);
  } finally {
    await second.stop();
  }
});

testWithClients('while it waits before the drain, /readyz is 503 and sockets are still let in', async () => {
  const server = await startServer({ SHUTDOWN__DELAY: '3s', SHUTDOWN__DRAIN: '1s' });
  assert.equal((await request(server, { path: '/readyz' })).status, 200);
  server.terminate();
  await untilStatus(server, '/readyz', 503);
  const late = await join(server, 'websocket', tokenOf(newUser()));
  assert.equal((await late.end()).error.code, 'server_shutdown');
  await server.ended();
});

testWithClients('SIGHUP is ignored with a line in the log, and a second SIGTERM ends at once', async () => {
  const server = await startServer({ SHUTDOWN__DELAY: '60s' });
  try {
    server.child.kill('SIGHUP');
    const said = () => server.log.some((line) => JSON.stringify(line).includes('SIGHUP is ignored'));
    for (let tries = 0; !said() && tries < 100; tries += 1) await sleep(50);
    assert.ok(said(), JSON.stringify(server.log));
    assert.equal((await request(server, { path: '/readyz' })).status, 200);
    server.terminate();
    await untilStatus(server, '/readyz', 503);
    server.terminate();
    const end = await Promise.race([server.exited, sleep(10_000, 'still there after 10 s')]);
    assert.deepEqual(end, { code: 143, signal: null });
  } finally {
    server.child.kill('SIGKILL');
    rmSync(server.dataDir, { recursive: true, force: true });
  }
});

testWithClients('while it drains, handshakes get 503 with Retry-After and polls are served', async () => {
  const server = await startServer({ SHUTDOWN__DRAIN: '8s' });
  const user = newUser();
  const clients = [];
  for (let at = 0; at < 30; at += 1) clients.push(await join(server, at % 2 ? 'polling' : 'websocket', tokenOf(user)));
  await clients[0].listIs(clients.map((client) => client.id));
  server.terminate();
  const refused = await untilStatus(server, socketPath('polling'), 503);
  assert.ok(Number(refused.headers['retry-after']) > 0, `Retry-After ${refused.headers['retry-after']}`);
  assert.equal(refused.headers.connection, 'close');
  const staying = clients.filter((client) => client.all('disconnect').length === 0);
  assert.ok(staying.length > 0, 'the sockets are told over the drain time, not all at once');

  const ends = await Promise.all(clients.map((client) => client.end()));
  for (const [at, { error, reason }] of ends.entries()) {
    assert.equal(error.code, 'server_shutdown');
    assert.equal(reason, transportEnd(at % 2 ? 'polling' : 'websocket'));
  }
  await server.ended();
});

/** Asks until the answer has this status. */
async function untilStatus(server, path, status) {
  const deadline = Date.now() + 10_000;
  for (;;) {
    const answer = await request(server, { path });
    if (answer.status === status) return answer;
    assert.ok(Date.now() < deadline, `${path} is ${answer.status}, never ${status}`);
    await sleep(20);
  }
}
