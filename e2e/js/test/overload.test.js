// Clients that find no place: they are told so at the handshake, and come in by themselves when there is one.
import assert from 'node:assert/strict';
import { open } from '../support/client.js';
import { eachMode } from '../support/modes.js';
import { RawWebSocket, request } from '../support/raw.js';
import { startServer } from '../support/server.js';
import { newUser, tokenOf } from '../support/token.js';

/** The HTTP status that a `connect_error` of the stock client tells of: a number over polling, in a sentence over WebSocket. */
function statusOf([error]) {
  return Number(error.description?.message?.match(/\d{3}$/)?.[0] ?? error.description);
}

const LIMITS = [
  { limit: 'connections_per_address', setting: 'LIMITS__CONNECTIONS_PER_ADDRESS', status: 429 },
  { limit: 'handshakes', setting: 'LIMITS__HANDSHAKES', status: 503 },
];

for (const { limit, setting, status } of LIMITS) {
  eachMode(`${limit}: who finds no place is told ${status} and comes in when there is one`, async (mode) => {
    const server = await startServer({ [setting]: 1 });
    try {
      // It takes the only place: of an address, and of those who are not in.
      const first = RawWebSocket.open(server);
      await first.message((text) => text.startsWith('0'));
      const answer = await request(server, { path: '/socket.io/?EIO=4&transport=polling' });
      assert.deepEqual([answer.status, answer.json.code], [status, limit]);
      assert.ok(Number(answer.headers['retry-after']) > 0);

      const client = open(server, mode, { auth: { token: tokenOf(newUser()) } });
      assert.equal(statusOf(await client.event('connect_error')), status);
      await client.event('connect_error', 3);
      first.kill();
      await client.ready();
      if (mode === 'upgrade') await client.upgraded();
      const { text } = await request(server, { path: '/metrics' });
      assert.match(text, new RegExp(`rollcall_limit_refusals_total{limit="${limit}"} [1-9]`));
    } finally {
      await server.stop();
    }
  });
}
