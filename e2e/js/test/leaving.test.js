// Every way a session can end shows in the lists of the sessions that stay.
import { after, before } from 'node:test';
import assert from 'node:assert/strict';
import { join, open } from '../support/client.js';
import { eachMode, testWithClients } from '../support/modes.js';
import { RawPolling, RawWebSocket } from '../support/raw.js';
import { startServer } from '../support/server.js';
import { newUser, tokenOf } from '../support/token.js';

/** The heartbeat of this server: a peer that is silent is gone after the sum of both. */
const HEARTBEAT = { HEARTBEAT__INTERVAL_MS: 1500, HEARTBEAT__TIMEOUT_MS: 1500 };

let server;
before(async () => {
  server = await startServer(HEARTBEAT);
});
after(() => server.stop());

/** Joins a stock observer and `leaver`, lets it go, and waits for the list without it. */
async function watchLeaving(mode, enter, leave) {
  const token = tokenOf(newUser());
  const observer = await join(server, mode, token);
  const leaver = await enter(token);
  await observer.listIs([observer.id, leaver.id]);
  const started = Date.now();
  await leave(leaver);
  await observer.listIs([observer.id]);
  return Date.now() - started;
}

eachMode('a client that disconnects leaves the list', async (mode) => {
  await watchLeaving(mode, (token) => join(server, mode, token), (client) => client.socket.disconnect());
});

eachMode('a client that closes its transport leaves the list', async (mode) => {
  await watchLeaving(mode, (token) => join(server, mode, token), (client) => client.socket.io.engine.close());
});

testWithClients('a killed WebSocket connection leaves the list', async () => {
  await watchLeaving('websocket', (token) => RawWebSocket.join(server, token), (raw) => raw.kill());
});

testWithClients('the connection killed under a stock client leaves the list, and the client comes back', async () => {
  const token = tokenOf(newUser());
  const observer = await join(server, 'websocket', token);
  const client = await join(server, 'websocket', token);
  const before = client.id;
  client.socket.io.engine.transport.ws._socket.destroy();
  const [reason] = await client.event('disconnect');
  assert.ok(['transport close', 'transport error'].includes(reason), reason);
  await client.ready(2);
  assert.notEqual(client.id, before);
  await observer.listIs([observer.id, client.id]);
});

testWithClients('a poll that is cut off leaves the list', async () => {
  const enter = (token) => RawPolling.join(server, token);
  await watchLeaving('websocket', enter, async (raw) => {
    const polling = (async () => {
      for (;;) await raw.poll(); // the first may bring the update that followed ready; the last one waits
    })();
    setTimeout(() => raw.kill(), 300);
    await assert.rejects(polling);
  });
});

testWithClients('a WebSocket client that never answers a ping leaves the list', async () => {
  // The raw client reads and never writes; the stock observer goes on answering.
  const took = await watchLeaving('websocket', (token) => RawWebSocket.join(server, token), () => {});
  assert.ok(took > 500, `gone after ${took} ms: not by the heartbeat`);
});

testWithClients('a polling client that polls no more leaves the list', async () => {
  const took = await watchLeaving('polling', (token) => RawPolling.join(server, token), () => {});
  assert.ok(took > 500, `gone after ${took} ms: not by the heartbeat`);
});

eachMode('a client that answers its pings stays for many heartbeats', async (mode) => {
  // Five pings take longer than interval and timeout together; a machine that stands still for a while is no failure.
  const patient = await startServer({ HEARTBEAT__INTERVAL_MS: 1500, HEARTBEAT__TIMEOUT_MS: 5000 });
  try {
    const token = tokenOf(newUser());
    const client = await join(patient, mode, token);
    for (let ping = 0; ping < 5; ping += 1) await new Promise((resolve) => client.socket.io.once('ping', resolve));
    const other = await join(patient, mode, token);
    await client.listIs([client.id, other.id]);
    assert.deepEqual(client.all('disconnect'), []);
  } finally {
    await patient.stop();
  }
});

eachMode('after 200 tabs joined and half of them left the list is right for everybody', async (mode) => {
  // 200 pollers on a slow machine need more than this file's short heartbeat.
  const roomy = await startServer({ LIMITS__SESSIONS_PER_USER: 200, LIMITS__SESSIONS_PER_LOGIN: 200 });
  try {
    const token = tokenOf(newUser());
    const tabs = Array.from({ length: 200 }, () => open(roomy, mode, { auth: { token } }));
    await Promise.all(tabs.map((tab) => tab.ready()));
    const staying = tabs.filter((_, at) => at % 2 === 0);
    const leaving = tabs.filter((_, at) => at % 2 === 1);
    await Promise.all(tabs.map((tab) => tab.until('all 200', () => tab.list.length === 200, 60_000)));
    for (const tab of leaving) tab.close();
    const ids = staying.map((tab) => tab.id);
    await Promise.all(staying.map((tab) => tab.until('the 100 that stay', () => tab.list.length === 100, 60_000)));
    for (const tab of staying) {
      assert.deepEqual([...tab.ids].sort(), [...ids].sort());
      assert.equal(tab.all('sessions:ready').length, 1);
      assert.deepEqual(tab.all('disconnect'), []);
    }
    assert.equal(await roomy.metric('rollcall_sessions'), 100);
  } finally {
    await roomy.stop();
  }
});
