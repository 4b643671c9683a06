// Polls, posts and the upgrade in random orders: each message of a numbered stream arrives once, and in order.
import { after, before, test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import assert from 'node:assert/strict';
import { RawPolling, RawWebSocket } from '../support/raw.js';
import { startServer } from '../support/server.js';
import { newUser, tokenOf } from '../support/token.js';

/** Interleavings tried, and numbered messages in each: more than the most that are posted, so that some follow the upgrade. */
const ROUNDS = 300;
const MESSAGES = 40;
/** Rounds that run at a time, so that they also disturb each other. */
const AT_ONCE = 10;

const SEED = Number(process.env.E2E_SEED ?? Math.floor(Math.random() * 2 ** 31));

let server;
before(async () => {
  server = await startServer();
});
after(() => server.stop());

test(`${ROUNDS} random interleavings of poll, post and upgrade lose, double and reorder nothing`, async (context) => {
  context.diagnostic(`E2E_SEED=${SEED}`);
  let next = 0;
  const worker = async () => {
    while (next < ROUNDS) {
      const seed = SEED + next;
      next += 1;
      const acks = await oneRound(randomFrom(seed));
      assert.deepEqual(acks, Array.from({ length: MESSAGES }, (_, at) => at), `round with E2E_SEED=${seed}`);
    }
  };
  await Promise.all(Array.from({ length: AT_ONCE }, worker));
});

/**
 * One connection: numbered events, part of them posted, part of them after the upgrade; each is answered by an
 * acknowledgement with its number, so the answers are a numbered stream the other way.
 * @returns {Promise<number[]>} the numbers of the acknowledgements, as they came
 */
async function oneRound(random) {
  const polling = await RawPolling.join(server, tokenOf(newUser()));
  const acks = [];
  const note = (packet) => {
    const [, id] = /^43\/sessions,(\d+)\[/.exec(packet) ?? [];
    if (id !== undefined) acks.push(Number(id));
  };
  let sent = 0;
  const some = (most) => {
    const count = Math.min(1 + Math.floor(random() * most), MESSAGES - sent);
    return Array.from({ length: count }, () => `42/sessions,${sent++}["no:such:event"]`);
  };
  const pause = () => (random() < 0.5 ? undefined : sleep(random() * 5));

  // The reader polls without end until it is told that the upgrade is on: the poll in flight then gets its noop.
  let upgrading = false;
  const reader = (async () => {
    while (!upgrading) {
      for (const packet of (await polling.poll()).text.split('\x1e')) note(packet);
      await pause();
    }
  })();

  const posts = Math.floor(random() * 4);
  for (let at = 0; at < posts; at += 1) {
    await post(polling, some(8));
    await pause();
  }
  const socket = RawWebSocket.open(server, { sid: polling.sid });
  socket.onMessage = note;
  if (random() < 0.5) await post(polling, some(5));
  await socket.opened;
  socket.send('2probe');
  if (random() < 0.5) await post(polling, some(5)); // between the probe and the upgrade
  await socket.message((text) => text === '3probe');
  if (random() < 0.5) await post(polling, some(5));
  upgrading = true;
  await reader;
  socket.send('5');
  while (sent < MESSAGES) {
    for (const packet of some(6)) socket.send(packet);
    await pause();
  }
  await socket.message((text) => text.startsWith(`43/sessions,${MESSAGES - 1}[`));
  socket.kill();
  polling.kill();
  return acks;
}

async function post(polling, packets) {
  if (packets.length === 0) return;
  const answer = await polling.post(packets.join('\x1e'));
  assert.deepEqual([answer.status, answer.text], [200, 'ok']);
}

/** A small generator of numbers in [0, 1) from a seed (mulberry32), so that a round can be run again. */
function randomFrom(seed) {
  let state = seed | 0;
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state);
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed;
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
  };
}
