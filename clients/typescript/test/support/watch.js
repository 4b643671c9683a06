// Opens clients of this package for a test, waits for what their state says, and closes them at its end.
import { test } from 'node:test';
import assert from 'node:assert/strict';
import { createSessions } from '@rollcall/client';

/** How long something awaited may take on a loaded machine, in milliseconds. */
const PATIENCE_MS = Number(process.env.E2E_PATIENCE_MS ?? 20_000);
const opened = new Set();

/** A client with short pauses and a notebook: `seen` are `[name, payload]` of all its events. */
export function open(server, options) {
  const sessions = createSessions({ url: server.url, firstPauseMs: 50, longestPauseMs: 200, ...options });
  sessions.seen = [];
  for (const name of ['ready', 'message', 'new', 'expiring', 'end']) {
    sessions.on(name, (payload) => sessions.seen.push([name, payload]));
  }
  opened.add(sessions);
  return sessions;
}

/** Opens a client and waits until it is online. */
export async function join(server, token, options = {}) {
  const sessions = open(server, { getToken: () => token, ...options });
  await until(sessions, (state) => state.status === 'online');
  return sessions;
}

/** Resolves with the result of `probe` over the state as soon as it is truthy. */
export function until(sessions, probe) {
  return new Promise((resolve, reject) => {
    const look = () => {
      const result = probe(sessions.state);
      if (!result) return;
      clearTimeout(timer);
      leave();
      resolve(result);
    };
    const timer = setTimeout(() => {
      leave();
      reject(
        new Error(
          `waited for ${probe}; was told ${JSON.stringify(sessions.seen)}, is ${JSON.stringify(sessions.state)}`,
        ),
      );
    }, PATIENCE_MS);
    const leave = sessions.subscribe(look);
    look();
  });
}

/** Waits for the first event `name` that fits and gives its payload. */
export function event(sessions, name, fits = () => true) {
  const found = sessions.seen.find(([seen, payload]) => seen === name && fits(payload));
  if (found) return found[1];
  return new Promise((resolve, reject) => {
    const timer = setTimeout(
      () => reject(new Error(`waited for ${name}; was told ${JSON.stringify(sessions.seen)}`)),
      PATIENCE_MS,
    );
    const leave = sessions.on(name, (payload) => {
      if (!fits(payload)) return;
      clearTimeout(timer);
      leave();
      resolve(payload);
    });
  });
}

/** Waits until the list holds exactly these sessions. */
export function listIs(sessions, ...others) {
  const wanted = [sessions, ...others]
    .map((each) => each.state.socketId)
    .sort()
    .join();
  return until(
    sessions,
    (state) =>
      state.sessions
        .map((item) => item.socketId)
        .sort()
        .join() === wanted,
  );
}

/** Asserts a rejection with `code`, and gives it. */
export async function refusedWith(code, promise) {
  const error = await promise.then(
    (answer) => assert.fail(`was done: ${JSON.stringify(answer)}`),
    (reason) => reason,
  );
  assert.equal(error.name, 'SessionsRequestError', error.stack);
  assert.equal(error.code, code);
  return error;
}

/** Closes every client of this process. */
export function closeAll() {
  for (const sessions of opened) sessions.close();
  opened.clear();
}

/** A test whose clients are closed at its end, however it ends. */
export function testWithClients(name, body) {
  test(name, async () => {
    try {
      await body();
    } finally {
      closeAll();
    }
  });
}
