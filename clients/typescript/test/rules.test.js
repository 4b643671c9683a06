// The rules alone: what follows from which code, how long pauses are, and the id that a browser keeps.
import { test } from 'node:test';
import assert from 'node:assert/strict';
import { keptDeviceId } from '@rollcall/client';
import { afterEnd, pause } from '../dist/rules.js';
import { Store } from '../dist/state.js';

test('each code has its rule, and one that is not known counts as none', () => {
  const rows = [
    ['session_revoked', true, 'stay'],
    ['session_evicted', true, 'stay'],
    ['too_many_sessions', true, 'stay'],
    ['context_invalid', true, 'stay'],
    ['token_missing', true, 'token'],
    ['token_invalid', true, 'token'],
    ['token_revoked', true, 'token'],
    ['token_expired', true, 'token'],
    ['token_expired', false, 'token'],
    ['unavailable', false, 'again'],
    ['server_shutdown', false, 'again'],
    ['rate_limited', false, 'again'],
    ['slow_consumer', false, 'again'],
    ['of_tomorrow', true, 'stay'],
    ['of_tomorrow', false, 'again'],
    ['constructor', false, 'again'],
    [undefined, true, 'stay'],
    [undefined, false, 'again'],
  ];
  for (const [code, disconnected, after] of rows)
    assert.equal(afterEnd(code, disconnected), after, `${code} ${disconnected}`);
});

test('pauses double up to the longest, and chance spreads them', () => {
  const pauses = { first: 1000, longest: 30_000 };
  assert.deepEqual(
    [0, 1, 2, 5, 6, 5000].map((failures) => pause(failures, pauses, 0.5)),
    [1000, 2000, 4000, 30_000, 30_000, 30_000],
  );
  assert.equal(pause(0, pauses, 0), 500);
  assert.equal(pause(9, pauses, 1), 45_000);
});

test('a device keeps its id where anything can be kept', () => {
  const kept = new Map();
  const storage = { getItem: (key) => kept.get(key) ?? null, setItem: (key, value) => kept.set(key, value) };
  const id = keptDeviceId(storage);
  assert.match(id, /^[0-9a-f]{32}$/);
  assert.equal(keptDeviceId(storage), id);
  const shut = {
    getItem: () => {
      throw new Error('not allowed');
    },
  };
  assert.notEqual(keptDeviceId(shut), keptDeviceId(shut));
  // Node has no `localStorage`, a browser may refuse it: the name itself throws.
  assert.match(keptDeviceId(), /^[0-9a-f]{32}$/);
});

test('a listener that throws hurts nobody else, and its error is not lost', (context) => {
  const thrown = [];
  context.mock.method(globalThis, 'queueMicrotask', (task) =>
    assert.throws(task, (error) => thrown.push(error.message) > 0),
  );
  const store = new Store();
  let heard = 0;
  store.subscribe(() => {
    throw new Error('of the listener');
  });
  store.subscribe(() => (heard += 1));
  store.change({ status: 'connecting' });
  assert.deepEqual([heard, thrown], [1, ['of the listener']]);
});
