// A stock socket.io-client with a notebook: what it was told, in order, and ways to wait for it.
import { io } from 'socket.io-client';
import { setTimeout as sleep } from 'node:timers/promises';
import assert from 'node:assert/strict';

/** The three ways a stock client reaches the gateway; each test of a behaviour runs once for each. */
export const TRANSPORTS = {
  websocket: ['websocket'],
  polling: ['polling'],
  upgrade: ['polling', 'websocket'],
};

/** The reason a stock client gives when the server ends the transport without a DISCONNECT packet. */
export function transportEnd(mode) {
  return mode === 'polling' ? 'transport error' : 'transport close';
}

/** How long an awaited event may take on a loaded machine, in milliseconds. */
export const PATIENCE_MS = Number(process.env.E2E_PATIENCE_MS ?? 20_000);

/** Clients opened by the tests of this process; `closeAll` ends them. */
const opened = new Set();

/**
 * Opens a client in the namespace `sessions`.
 * @param {{ url: string }} server
 * @param {keyof TRANSPORTS} mode
 * @param {object} options those of `io()`: `auth`, `query`, `extraHeaders` …; `namespace` for another one
 */
export function open(server, mode, { namespace = '/sessions', ...options } = {}) {
  const client = new Client(`${server.url}${namespace}`, {
    transports: TRANSPORTS[mode],
    forceNew: true,
    reconnectionDelay: 50,
    reconnectionDelayMax: 200,
    ...options,
  });
  opened.add(client);
  return client;
}

/** Opens a client with a token and waits for its `ready`, on `upgrade` for the WebSocket too. */
export async function join(server, mode, token, auth = {}, options = {}) {
  const client = open(server, mode, { auth: { token, ...auth }, ...options });
  await client.ready();
  if (mode === 'upgrade') await client.upgraded();
  return client;
}

/** Ends every client of this process. */
export function closeAll() {
  for (const client of opened) client.close();
  opened.clear();
}

class Client {
  /** `{ name, args }` of everything told, with `connect`, `disconnect` and `connect_error` among it. */
  events = [];
  /** Times the manager tried to come back. */
  attempts = 0;
  #watchers = new Set();

  constructor(url, options) {
    this.socket = io(url, options);
    for (const name of ['connect', 'disconnect', 'connect_error']) {
      this.socket.on(name, (...args) => this.#note(name, args));
    }
    this.socket.onAny((name, ...args) => this.#note(name, args));
    this.socket.io.on('reconnect_attempt', () => {
      this.attempts += 1;
    });
  }

  get id() {
    return this.socket.id;
  }

  /** The arguments of every event `name` so far. */
  all(name) {
    return this.events.filter((event) => event.name === name).map((event) => event.args);
  }

  /** The newest list that this client was told, `ready` or `update`; `undefined` before the first. */
  get list() {
    const last = this.events.findLast(({ name }) => name === 'sessions:update' || name === 'sessions:ready');
    return last?.name === 'sessions:ready' ? last.args[0].sessions : last?.args[0];
  }

  /** The socket ids of the newest list. */
  get ids() {
    return this.list?.map((item) => item.socketId);
  }

  /** Resolves with the result of `probe` as soon as it is truthy; looked at after each event. */
  async until(what, probe, patience = PATIENCE_MS) {
    const deadline = Date.now() + patience;
    for (;;) {
      const result = probe(this);
      if (result) return result;
      const left = deadline - Date.now();
      if (left <= 0) assert.fail(`waited ${patience} ms for ${what}; was told: ${this.#summary()}`);
      await this.#nextEvent(left);
    }
  }

  /** Waits for the `nth` event `name` (from 1) and resolves with its arguments. */
  event(name, nth = 1) {
    return this.until(`${name} number ${nth}`, () => this.all(name)[nth - 1]);
  }

  async ready(nth = 1) {
    const [payload] = await this.event('sessions:ready', nth);
    return payload;
  }

  async update(nth = 1) {
    const [sessions, about] = await this.event('sessions:update', nth);
    return { sessions, about };
  }

  /** Waits until the newest list holds exactly these sockets, in any order. */
  listIs(ids) {
    const wanted = JSON.stringify([...ids].sort());
    return this.until(`the list ${wanted}`, () => this.ids && JSON.stringify([...this.ids].sort()) === wanted);
  }

  /** Waits for the payload of `sessions:error`, asserts that it is the last event, and gives the end's reason too. */
  async end() {
    const [error] = await this.event('sessions:error');
    const [reason] = await this.event('disconnect');
    const names = this.events.map((event) => event.name);
    const at = names.indexOf('sessions:error');
    assert.equal(names[at + 1], 'disconnect', `sessions:error is the last event; was told: ${names}`);
    return { error, reason };
  }

  /** Waits until the connection is on WebSocket. */
  async upgraded() {
    const { engine } = this.socket.io;
    const deadline = Date.now() + PATIENCE_MS;
    while (engine.transport.name !== 'websocket' || engine.upgrading) {
      if (Date.now() > deadline) assert.fail('was never upgraded to WebSocket');
      await sleep(10);
    }
  }

  /** Emits with an acknowledgement. */
  ask(name, ...args) {
    return this.socket.timeout(PATIENCE_MS).emitWithAck(name, ...args);
  }

  /** Asserts that the client has given up: it is not active and does not try again. */
  async staysAway() {
    assert.equal(this.socket.active, false, 'the client holds on to the socket');
    const before = this.attempts;
    await sleep(500); // ten times the first back-off, so that an attempt would show
    assert.equal(this.attempts, before, 'the client tried to come back');
    assert.equal(this.socket.connected, false);
  }

  close() {
    this.socket.close();
    this.socket.io.engine?.close();
  }

  #note(name, args) {
    this.events.push({ name, args });
    for (const wake of this.#watchers) wake();
  }

  #nextEvent(ms) {
    return new Promise((resolve) => {
      const wake = () => {
        clearTimeout(timer);
        this.#watchers.delete(wake);
        resolve();
      };
      const timer = setTimeout(wake, ms);
      this.#watchers.add(wake);
    });
  }

  #summary() {
    return this.events.map(({ name, args }) => `${name} ${JSON.stringify(args)?.slice(0, 300)}`).join('\n  ');
  }
}
