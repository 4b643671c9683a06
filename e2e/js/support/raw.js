// Clients that no library would be: bytes on a TCP connection, for what a stock client cannot be made to do.
// Knows Engine.IO v4 and Socket.IO v5 by their text packets and RFC 6455 framing as far as the tests need it.
import { randomBytes } from 'node:crypto';
import http from 'node:http';
import net from 'node:net';
import { PATIENCE_MS } from './client.js';

/** One HTTP request. Resolves with `{ status, headers, text, json }`. */
export function request(server, { method = 'GET', path, headers = {}, body, agent }) {
  return new Promise((resolve, reject) => {
    const options = { host: '127.0.0.1', port: server.port, method, path, headers, agent, timeout: PATIENCE_MS };
    const sent = http.request(options, (response) => {
      const chunks = [];
      response.on('data', (chunk) => chunks.push(chunk));
      response.on('error', reject);
      response.on('end', () => {
        const text = Buffer.concat(chunks).toString();
        resolve({ status: response.statusCode, headers: response.headers, text, json: parse(text) });
      });
    });
    sent.on('timeout', () => sent.destroy(new Error(`no answer to ${method} ${path}`)));
    sent.on('upgrade', (response, socket) => {
      socket.destroy();
      resolve({ status: response.statusCode, headers: response.headers, text: '', json: undefined });
    });
    sent.on('error', reject);
    sent.end(body);
  });
}

/** The path of the Socket.IO endpoint with the query of one transport. */
export function socketPath(transport, query = {}) {
  return `/socket.io/?${new URLSearchParams({ EIO: '4', transport, ...query })}`;
}

/** Asks for a WebSocket without sending anything on it; resolves with the answer to the HTTP request. */
export function askForWebSocket(server, headers = {}, query = {}) {
  return request(server, { path: socketPath('websocket', query), headers: { ...upgradeHeaders(), ...headers } });
}

/** A WebSocket by hand in the namespace `sessions`: it answers no ping and can be cut off. */
export class RawWebSocket {
  messages = [];
  /** Called with each message as it comes, when set. */
  onMessage;
  /** Resolves when the HTTP answer has come. */
  opened;
  #open;
  #buffer = Buffer.alloc(0);
  #watchers = new Set();

  constructor() {
    this.opened = new Promise((resolve) => {
      this.#open = resolve;
    });
  }

  /** Connects; `sid` names the polling session that is to be upgraded. The gateway speaks first unless there is one. */
  static open(server, { headers = {}, sid } = {}) {
    const raw = new RawWebSocket();
    raw.socket = net.connect(server.port, '127.0.0.1');
    raw.socket.on('error', () => {});
    raw.closed = new Promise((resolve) => raw.socket.once('close', resolve));
    const lines = Object.entries({ Host: `127.0.0.1:${server.port}`, ...upgradeHeaders(), ...headers });
    const head = lines.map(([name, value]) => `${name}: ${value}\r\n`).join('');
    const path = socketPath('websocket', sid === undefined ? {} : { sid });
    raw.socket.write(Buffer.from(`GET ${path} HTTP/1.1\r\n${head}\r\n`, 'utf8'));
    raw.socket.on('data', (chunk) => raw.#read(chunk));
    return raw;
  }

  static async join(server, token, { headers = {}, auth = {} } = {}) {
    const raw = RawWebSocket.open(server, { headers });
    await raw.message((text) => text.startsWith('0'));
    raw.send(`40/sessions,${JSON.stringify({ token, ...auth })}`);
    const ready = await raw.message((text) => text.startsWith('42/sessions,["sessions:ready"'));
    [, raw.ready] = JSON.parse(ready.slice('42/sessions,'.length));
    return raw;
  }

  get id() {
    return this.ready.socketId;
  }

  /** Sends one text message in one masked frame. */
  send(text) {
    const payload = Buffer.from(text);
    const mask = randomBytes(4);
    const length = payload.length < 126 ? [0x80 | payload.length] : [0xfe, payload.length >> 8, payload.length & 255];
    const masked = payload.map((byte, at) => byte ^ mask[at % 4]);
    this.socket.write(Buffer.concat([Buffer.from([0x81, ...length]), mask, masked]));
  }

  /** Waits for a message for which `wanted` holds. */
  async message(wanted) {
    const deadline = Date.now() + PATIENCE_MS;
    for (;;) {
      const found = this.messages.find(wanted);
      if (found) return found;
      if (Date.now() > deadline) throw new Error(`not among the messages: ${this.messages.map((m) => m.slice(0, 80))}`);
      await new Promise((resolve) => {
        const timer = setTimeout(resolve, 1_000);
        this.#watchers.add(() => {
          clearTimeout(timer);
          resolve();
        });
      });
    }
  }

  /** Ends the TCP connection with a reset: no close frame, no FIN. */
  kill() {
    this.socket.resetAndDestroy();
  }

  #read(chunk) {
    this.#buffer = Buffer.concat([this.#buffer, chunk]);
    if (!this.upgraded) {
      const end = this.#buffer.indexOf('\r\n\r\n');
      if (end < 0) return;
      this.upgraded = true;
      this.#open();
      this.#buffer = this.#buffer.subarray(end + 4);
    }
    for (let frame = takeFrame(this.#buffer); frame; frame = takeFrame(this.#buffer)) {
      this.#buffer = this.#buffer.subarray(frame.size);
      if (frame.opcode === 1) {
        const text = frame.payload.toString();
        this.messages.push(text);
        this.onMessage?.(text);
      }
    }
    for (const wake of this.#watchers) wake();
    this.#watchers.clear();
  }
}

/** Long-polling by hand in the namespace `sessions`: polls only when told to, and can be cut off in a poll. */
export class RawPolling {
  static async join(server, token, { headers = {} } = {}) {
    const raw = new RawPolling();
    Object.assign(raw, { server, headers, agent: new http.Agent({ keepAlive: true }) });
    const opened = await raw.#ask({ path: socketPath('polling') });
    raw.sid = JSON.parse(opened.text.slice(1)).sid;
    await raw.post(`40/sessions,${JSON.stringify({ token })}`);
    while (raw.ready === undefined) {
      for (const packet of (await raw.poll()).text.split('\x1e')) {
        if (packet.startsWith('42/sessions,["sessions:ready"')) {
          [, raw.ready] = JSON.parse(packet.slice('42/sessions,'.length));
        }
      }
    }
    return raw;
  }

  get id() {
    return this.ready.socketId;
  }

  poll() {
    return this.#ask({ path: socketPath('polling', { sid: this.sid }) });
  }

  post(body) {
    const headers = { ...this.headers, 'content-type': 'text/plain;charset=UTF-8' };
    return this.#ask({ method: 'POST', path: socketPath('polling', { sid: this.sid }), headers, body });
  }

  /** Cuts every connection of this client: the poll that waits is never read. */
  kill() {
    this.agent.destroy();
  }

  #ask(what) {
    return request(this.server, { headers: this.headers, agent: this.agent, ...what });
  }
}

function upgradeHeaders() {
  return {
    Connection: 'Upgrade',
    Upgrade: 'websocket',
    'Sec-WebSocket-Version': '13',
    'Sec-WebSocket-Key': randomBytes(16).toString('base64'),
  };
}

/** The first whole frame of `bytes` (a server's: without a mask), or `undefined`. */
function takeFrame(bytes) {
  if (bytes.length < 2) return undefined;
  const opcode = bytes[0] & 15;
  const short = bytes[1] & 127;
  const header = { 126: 4, 127: 10 }[short] ?? 2;
  if (bytes.length < header) return undefined;
  const length = { 126: () => bytes.readUInt16BE(2), 127: () => Number(bytes.readBigUInt64BE(2)) }[short]?.() ?? short;
  if (bytes.length < header + length) return undefined;
  return { opcode, payload: bytes.subarray(header, header + length), size: header + length };
}

function parse(text) {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}
