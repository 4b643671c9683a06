// The stock page of @socket.io/admin-ui in Chromium: on three nodes as on one, on a listener of its own before ten thousand
// sockets, and what it is told beside what the reference server tells it.
import { after, before, test } from 'node:test';
import { createServer } from 'node:http';
import assert from 'node:assert/strict';
import { instrument } from '@socket.io/admin-ui';
import { Server } from 'socket.io';
import { startCluster } from '../../js/support/cluster.js';
import { startServer } from '../../js/support/server.js';
import { sign, tokenOf } from '../../js/support/token.js';
import { launch } from '../support/browser.js';
import { closeClients, crowd, freePort, join, listen, openPage, servePage } from '../support/admin.js';

const PASSWORD = 'correct horse battery';
const [SOCKETS, ROOMS, SERVERS] = ['Sockets', 'Rooms', 'Servers'];

let browser;
let page;
before(async () => {
  browser = await launch();
  page = await servePage();
});
after(async () => {
  closeClients();
  page?.close();
  await browser?.close();
});

test('three nodes, one page', async (t) => {
  // The page asks with credentials: over polling its origin has to be in the list.
  const cluster = await startCluster(3, 'haproxy.cfg', {
    ADMIN__PASSWORD: PASSWORD,
    HTTP__ALLOWED_ORIGINS: page.origin,
  });
  t.after(() => cluster.stop());
  const [one, two, three] = cluster.nodes;
  const ada = [await join(one, 'polling', tokenOf('ada')), await join(two, 'upgrade', tokenOf('ada'))];
  ada.push(await join(three, 'websocket', tokenOf('ada')));
  const bob = await join(two, 'websocket', tokenOf('bob'));
  const ui = await openPage(browser, page.origin);
  t.after(() => ui.close());

  await t.test('a wrong password leaves the form where it is', async () => {
    await ui.signIn(one.url, { password: 'wrong horse battery' });
    await ui.page.getByText('Invalid credentials').waitFor();
    assert.ok(await ui.page.getByRole('button', { name: 'Connect' }).isVisible());
  });

  await t.test('the right one opens it: counts, servers, sockets and users of all nodes', async () => {
    await ui.signIn(one.url, { password: PASSWORD });
    await ui.isIn();
    await ui.cardHas('Servers', ['HEALTHY', '3']);
    await ui.cardHas('Namespaces', ['/sessions', '4', '/admin', '1']);
    await ui.cardHas('Clients', ['WebSocket', '4', 'HTTP long-polling', '1']);
    await ui.shot('admin-dashboard');
    await ui.goTo(SERVERS);
    await ui.rowsAre([0, 4, 6], [['node-1', '2', 'HEALTHY'], ['node-2', '2', 'HEALTHY'], ['node-3', '1', 'HEALTHY']]);
    await ui.shot('admin-servers');
    await ui.goTo(SOCKETS);
    const elsewhere = [ada[1], ada[2], bob].map(({ id }) => [id, '127.0.0.1', 'unknown']);
    await ui.rowsAre([0, 1, 2], [[ada[0].id, '127.0.0.1', 'HTTP long-polling'], ...elsewhere]);
    await ui.shot('admin-sockets');
    await ui.goTo(ROOMS);
    await ui.rowsAre([0, 1, 2], [['built-in:ada', 'PUBLIC', '3'], ['built-in:bob', 'PUBLIC', '1']]);
    await ui.shot('admin-rooms');
  });

  await t.test('who comes and goes shows without a reload', async () => {
    await ui.goTo(SOCKETS);
    const carol = await join(three, 'websocket', tokenOf('carol'));
    const dan = await join(one, 'upgrade', tokenOf('dan'));
    await ui.row(carol.id).waitFor();
    await ui.row(dan.id).getByText('WebSocket').waitFor();
    for (const client of [carol, dan]) client.close();
    for (const { id } of [carol, dan]) await ui.row(id).waitFor({ state: 'detached' });
  });

  await t.test('nothing that a client has sent is shown', async () => {
    const agent = { extraHeaders: { 'x-canary': 'canary-header' }, query: { canary: 'canary-query' } };
    const eve = await join(one, 'websocket', tokenOf('eve'), agent);
    await ui.row(eve.id).click();
    await ui.page.getByText('Initial HTTP request').waitFor();
    const shown = await ui.page.locator('main').innerText();
    assert.ok(shown.includes('"user": "eve"') && shown.includes('"node": "node-1"'), shown);
    assert.ok(!shown.includes('canary'), shown);
    await ui.shot('admin-socket');
    eve.close();
    await ui.goTo(SOCKETS);
  });

  await t.test('a socket on another node is disconnected, its tokens stay good', async () => {
    await ui.disconnect(bob.id);
    assert.deepEqual(await bob.end, ['session_revoked', 'io server disconnect']);
    await ui.goTo(SOCKETS); // a click on a row's button is one on the row too
    await ui.row(bob.id).waitFor({ state: 'detached' });
    (await join(two, 'websocket', tokenOf('bob'))).close();
  });

  await t.test('all sockets of a user are disconnected on all nodes', async () => {
    await ui.goTo(ROOMS);
    await ui.disconnect('built-in:ada');
    for (const client of ada) assert.deepEqual(await client.end, ['session_revoked', 'io server disconnect']);
    await ui.goTo(ROOMS);
    await ui.rowsAre([0], []);
  });

  await t.test('after a reload the page is in without a password', async () => {
    await ui.page.reload();
    await ui.page.locator('header').getByText('connected', { exact: true }).first().waitFor();
    await ui.goTo(SERVERS);
    await ui.rowsAre([0, 6], [['node-1', 'HEALTHY'], ['node-2', 'HEALTHY'], ['node-3', 'HEALTHY']]);
  });

  await t.test('a node that has gone is unhealthy, and the page finds back to one that was restarted', async () => {
    cluster.nodes[2].terminate();
    await ui.rowsAre([0, 6], [['node-1', 'HEALTHY'], ['node-2', 'HEALTHY'], ['node-3', 'UNHEALTHY']]);
    await cluster.restart(1); // a page that is open holds up no end
    // What it remembered is forgotten; the page asks for the password again.
    await ui.page.getByText('Invalid credentials').waitFor();
  });
});

test('ten thousand sockets do not freeze it', async (t) => {
  const ops = await freePort();
  const server = await startServer({
    ADMIN__PASSWORD: PASSWORD,
    OPS__LISTEN: `127.0.0.1:${ops}`,
    LIMITS__CONNECTIONS_PER_ADDRESS: 20_000,
    HEARTBEAT__INTERVAL_MS: 300_000, // the crowd answers no ping
  });
  const url = `http://127.0.0.1:${ops}`;
  const tokens = Array.from({ length: 2000 }, (_, number) => tokenOf(`user-${number}`));
  const many = await crowd(server, 10_000, (number) => tokens[number % tokens.length]);
  const ui = await openPage(browser, page.origin);
  t.after(() => ui.close());

  const begin = Date.now();
  // `http.allowed_origins` is `*`: a browser lets no answer to a request with credentials pass.
  await ui.signIn(url, { password: PASSWORD, webSocketOnly: true });
  await ui.isIn();
  await ui.cardHas('Namespaces', ['/sessions', '10000']);
  t.diagnostic(`counts after ${Date.now() - begin} ms`);
  await ui.goTo(SOCKETS);
  await ui.page.getByText('1-20 of 1000').waitFor();
  t.diagnostic(`sockets after ${Date.now() - begin} ms`);
  // A page that is frozen draws nothing.
  many.splice(0, 400).forEach((socket) => socket.destroy());
  const longest = await ui.longestPause(6000);
  t.diagnostic(`the longest pause while it is told what is new: ${longest} ms`);
  assert.ok(longest < 10_000, `the page stood still for ${longest} ms`);
  await ui.shot('admin-ten-thousand');
  for (const name of [ROOMS, SOCKETS]) {
    const clicked = Date.now();
    await ui.goTo(name);
    t.diagnostic(`${name} after ${Date.now() - clicked} ms`);
  }
  many.forEach((socket) => socket.destroy());
  await server.stop(); // with the page open
});

test('what it is told has the shapes that the reference server tells', async () => {
  const http = createServer();
  const reference = new Server(http);
  instrument(reference, { auth: false, mode: 'development' });
  reference.of('/sessions').on('connection', (socket) => socket.join('a room'));
  await new Promise((resolve) => http.listen(0, '127.0.0.1', resolve));
  const server = await startServer({ ADMIN__PASSWORD: PASSWORD });
  try {
    const told = async (url, token) => {
      const first = await join({ url }, 'websocket', token);
      const admin = await listen(url, { username: 'admin', password: PASSWORD });
      const second = await join({ url }, 'websocket', token);
      await admin.until('socket_connected', (socket) => socket.id === second.id);
      second.close();
      await admin.until('socket_disconnected', (_, id) => id === second.id);
      await admin.until('room_left', (_, room, id) => id === second.id && room !== id);
      const stats = await admin.until('server_stats', ({ aggregatedEvents }) => aggregatedEvents.length > 0);
      const all = await admin.until('all_sockets', (sockets) => sockets.some(({ id }) => id === first.id));
      first.close();
      return {
        config: admin.first('config'),
        stats: [{ ...stats[0], aggregatedEvents: stats[0].aggregatedEvents.map(withoutReason) }],
        socket: withoutSent(all[0].find(({ id }) => id === first.id)),
        connected: admin.first('socket_connected', ([socket]) => socket.id === second.id).map(withoutSent),
        disconnected: admin.first('socket_disconnected', ([, id]) => id === second.id),
        left: admin.first('room_left', ([, , id]) => id === second.id),
      };
    };
    const ours = shape(await told(server.url, sign({ sub: 'ada' })));
    const theirs = shape(await told(`http://127.0.0.1:${http.address().port}`));
    assert.deepEqual(ours, theirs);
  } finally {
    reference.close();
    await server.stop();
  }
});

/** Of a socket all but what its client has sent, which is empty here, and what the application keeps. */
function withoutSent(socket) {
  if (socket?.handshake === undefined) return socket;
  return { ...socket, data: {}, handshake: { ...socket.handshake, headers: {}, query: {} } };
}

function withoutReason({ subType: _, ...event }) {
  return event;
}

/** A value with its texts and numbers replaced by what they are. */
function shape(value) {
  if (Array.isArray(value)) {
    const shapes = value.map((each) => JSON.stringify(shape(each)));
    return [...new Set(shapes)].sort();
  }
  if (value === null || typeof value !== 'object') return typeof value;
  const entries = Object.entries(value).map(([key, each]) => [key, shape(each)]);
  return Object.fromEntries(entries.sort(([a], [b]) => (a < b ? -1 : 1)));
}
