// What the gateway says to clients that ask for something else than a session: events, namespaces, versions, origins.
import { after, before } from 'node:test';
import assert from 'node:assert/strict';
import { join, open } from '../support/client.js';
import { eachMode, testWithClients } from '../support/modes.js';
import { askForWebSocket, request, socketPath } from '../support/raw.js';
import { startServer } from '../support/server.js';
import { newUser, tokenOf } from '../support/token.js';

const ALLOWED = 'https://app.example';
const OTHER = 'https://evil.example';

let server;
let strict;
before(async () => {
  server = await startServer();
  strict = await startServer({ HTTP__ALLOWED_ORIGINS: `${ALLOWED},https://admin.example:8443` });
});
after(async () => {
  await server.stop();
  await strict.stop();
});

eachMode('an unknown event is acknowledged with event_unknown and the socket stays', async (mode) => {
  const client = await join(server, mode, tokenOf(newUser()));
  for (const name of ['no:such:event', 'sessions:lists']) {
    const answer = await client.ask(name, { any: 'thing' });
    assert.equal(answer.ok, false);
    assert.equal(answer.code, 'event_unknown');
    assert.equal(typeof answer.message, 'string');
  }
  client.socket.emit('no:such:event'); // without an ack nothing is said
  await client.ask('after it');
  assert.deepEqual(client.all('sessions:error'), []);
  assert.equal(client.socket.connected, true);
});

eachMode('an unknown event with binary attachments is acknowledged too', async (mode) => {
  const client = await join(server, mode, tokenOf(newUser()));
  assert.equal((await client.ask('no:such:event', Buffer.from([1, 2, 3]))).code, 'event_unknown');
});

eachMode('acks of many events at once come back each to its own, in order', async (mode) => {
  const client = open(server, mode, { auth: { token: tokenOf(newUser()) } });
  await client.ready(); // on upgrade: the events cross the change of transports
  const order = [];
  const asked = Array.from({ length: 300 }, (_, at) => client.ask('no:such:event', at).then(() => order.push(at)));
  await Promise.all(asked);
  assert.deepEqual(order, [...order].sort((a, b) => a - b));
  assert.equal(order.length, 300);
});

eachMode('another namespace is refused with "Invalid namespace"', async (mode) => {
  for (const namespace of ['/', '/nobody-serves-this']) {
    const client = open(server, mode, { namespace, auth: { token: tokenOf(newUser()) } });
    const [error] = await client.event('connect_error');
    assert.equal(error.message, 'Invalid namespace');
    client.close();
  }
});

testWithClients('protocol version 3 gets a refusal of its own', async () => {
  const polling = await request(server, { path: socketPath('polling', { EIO: '3' }) });
  assert.equal(polling.status, 400);
  assert.deepEqual(polling.json, { code: 5, message: 'Unsupported protocol version' });
  const socket = await askForWebSocket(server, {}, { EIO: '3' });
  assert.equal(socket.status, 400);
});

testWithClients('an unknown transport and an unknown sid get the codes of the reference server', async () => {
  const unknown = await request(server, { path: socketPath('carrier-pigeon') });
  assert.deepEqual([unknown.status, unknown.json], [400, { code: 0, message: 'Transport unknown' }]);
  const lost = await request(server, { path: socketPath('polling', { sid: 'nobody-has-this' }) });
  assert.deepEqual([lost.status, lost.json], [400, { code: 1, message: 'Session ID unknown' }]);
});

testWithClients('by default every origin may poll, without credentials', async () => {
  const answer = await request(server, { path: socketPath('polling'), headers: { Origin: OTHER } });
  assert.equal(answer.status, 200);
  assert.equal(answer.headers['access-control-allow-origin'], '*');
  assert.equal(answer.headers['access-control-allow-credentials'], undefined);
  assert.equal((await askForWebSocket(server, { Origin: OTHER })).status, 101);
});

const PREFLIGHT = {
  'Access-Control-Request-Method': 'POST',
  'Access-Control-Request-Headers': 'authorization, content-type',
};

function preflight(target, origin) {
  return request(target, { method: 'OPTIONS', path: socketPath('polling'), headers: { Origin: origin, ...PREFLIGHT } });
}

testWithClients('a preflight allows the headers that a client sends', async () => {
  for (const [target, origin, echoed] of [[server, OTHER, '*'], [strict, ALLOWED, ALLOWED]]) {
    const answer = await preflight(target, origin);
    assert.ok([200, 204].includes(answer.status), `status ${answer.status}`);
    assert.equal(answer.headers['access-control-allow-origin'], echoed);
    const headers = answer.headers['access-control-allow-headers'].toLowerCase().split(/\s*,\s*/);
    assert.ok(headers.includes('authorization') && headers.includes('content-type'), `${headers}`);
    const methods = answer.headers['access-control-allow-methods'].toUpperCase();
    assert.ok(methods.includes('POST') && methods.includes('GET'), methods);
  }
});

testWithClients('with a list its origins are echoed with credentials, on errors too', async () => {
  for (const [query, status] of [[{}, 200], [{ sid: 'unknown' }, 400]]) {
    const answer = await request(strict, { path: socketPath('polling', query), headers: { Origin: ALLOWED } });
    assert.equal(answer.status, status);
    assert.equal(answer.headers['access-control-allow-origin'], ALLOWED);
    assert.equal(answer.headers['access-control-allow-credentials'], 'true');
    assert.match(answer.headers.vary ?? '', /origin/i);
  }
  assert.equal((await askForWebSocket(strict, { Origin: ALLOWED })).status, 101);
});

testWithClients('with a list any other origin is forbidden on polling, preflight and WebSocket', async () => {
  const others = [OTHER, 'null', 'https://app.example.evil.example', 'https://app.example:444', 'http://app.example'];
  for (const origin of others) {
    const answers = [
      await request(strict, { path: socketPath('polling'), headers: { Origin: origin } }),
      await askForWebSocket(strict, { Origin: origin }),
    ];
    for (const answer of answers) {
      assert.deepEqual([answer.status, answer.json], [403, { code: 4, message: 'Forbidden' }], origin);
      assert.equal(answer.headers['access-control-allow-origin'], undefined);
    }
    const asked = await preflight(strict, origin);
    assert.equal(asked.headers['access-control-allow-origin'], undefined);
  }
});

eachMode('with a list a client without an origin is let in', async (mode) => {
  await join(strict, mode, tokenOf(newUser()));
});
