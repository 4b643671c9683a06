// Stock clients and several nodes behind a balancer with the configurations of `deploy/`: one list, whichever node a
// client meets, and all of them back after each node was restarted.
import assert from 'node:assert/strict';
import { after, before, describe } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { PATIENCE_MS, join, open } from '../support/client.js';
import { startCluster } from '../support/cluster.js';
import { testWithClients } from '../support/modes.js';
import { newUser, tokenOf } from '../support/token.js';

describe('haproxy.cfg: polling and WebSocket, routed by the node tag in the sid', () => {
  let cluster;
  before(async () => {
    cluster = await startCluster(3, 'haproxy.cfg', { SHUTDOWN__DELAY: '3s', SHUTDOWN__DRAIN: '4s' });
  });
  after(() => cluster?.stop());

  testWithClients('clients of all transports on all nodes see one list', async () => {
    const user = newUser();
    const clients = [];
    for (const mode of ['polling', 'websocket', 'upgrade', 'polling', 'upgrade', 'websocket']) {
      clients.push(await join(cluster, mode, tokenOf(user)));
    }
    const tags = new Set(clients.map((client) => client.socket.io.engine.id.split('.')[0]));
    assert.equal(tags.size, 3, `on ${[...tags]}: the balancer spreads them`);
    for (const client of clients) await client.listIs(clients.map(({ id }) => id));
    const sent = await clients[0].ask('sessions:send', { to: 'others', event: 'hi', data: 1 });
    assert.equal(sent.delivered, 5);
    for (const client of clients.slice(1)) assert.equal((await client.event('sessions:message'))[0].event, 'hi');
    clients[1].close();
    for (const client of [...clients.slice(0, 1), ...clients.slice(2)]) {
      await client.listIs(clients.filter((other) => other !== clients[1]).map(({ id }) => id));
    }
    for (const node of cluster.nodes) assert.equal(await node.metric('rollcall_refused_requests_total'), 0);
  });

  testWithClients('each node is restarted in turn, and every client comes back by itself', async () => {
    const user = newUser();
    const auth = (give) => give({ token: tokenOf(user) });
    const modes = ['polling', 'websocket', 'upgrade'];
    const clients = Array.from({ length: 9 }, (_, at) => open(cluster, modes[at % 3], { auth }));
    for (const client of clients) await client.ready();
    for (const number of [1, 2, 3]) await cluster.restart(number);
    // Looked at together: one client's list names what another one is called only now.
    const isWhole = (client) => {
      const ids = client.ids ?? [];
      return client.socket.connected && ids.length === 9 && clients.every(({ id }) => ids.includes(id));
    };
    const deadline = Date.now() + PATIENCE_MS;
    while (!clients.every(isWhole)) {
      assert.ok(Date.now() < deadline, JSON.stringify(clients.map(({ id, ids }) => ({ id, ids }))));
      await sleep(50);
    }
  });
});

describe('haproxy-websocket.cfg: WebSocket alone, nothing is sticky', () => {
  let cluster;
  before(async () => {
    cluster = await startCluster(3, 'haproxy-websocket.cfg', { HTTP__TRANSPORTS: 'websocket' });
  });
  after(() => cluster?.stop());

  testWithClients('clients on all nodes see one list, and polling is refused', async () => {
    const user = newUser();
    const clients = [];
    for (let at = 0; at < 6; at += 1) clients.push(await join(cluster, 'websocket', tokenOf(user)));
    for (const client of clients) await client.listIs(clients.map(({ id }) => id));
    const polling = open(cluster, 'polling', { auth: { token: tokenOf(user) }, reconnection: false });
    await polling.event('connect_error');
  });
});
