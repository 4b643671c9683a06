// The stock page of @socket.io/admin-ui on an origin of its own, and a person in front of it. Knows what stands on the page
// and in which address; nothing of what the server is.
import { createServer } from 'node:http';
import { existsSync, mkdirSync, readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import net from 'node:net';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import assert from 'node:assert/strict';
import { io } from 'socket.io-client';
import { PATIENCE_MS } from './browser.js';

const DIST = path.resolve(path.dirname(createRequire(import.meta.url).resolve('@socket.io/admin-ui')), '../ui/dist');
const SCREENSHOTS = fileURLToPath(new URL('../../../target/screenshots/', import.meta.url));
const TYPES = { '.html': 'text/html', '.js': 'text/javascript', '.css': 'text/css', '.svg': 'image/svg+xml', '.png': 'image/png' };

/** Serves the files of the package as they are; gives the origin. */
export async function servePage() {
  const server = createServer((request, response) => {
    const asked = path.join(DIST, new URL(request.url, 'http://page').pathname);
    const file = asked.endsWith('/') ? `${asked}index.html` : asked;
    if (!file.startsWith(DIST) || !existsSync(file)) return response.writeHead(404).end();
    return response.writeHead(200, { 'content-type': TYPES[path.extname(file)] ?? 'text/plain' }).end(readFileSync(file));
  });
  await new Promise((resolve) => server.listen(0, '127.0.0.1', resolve));
  return { origin: `http://127.0.0.1:${server.address().port}`, close: () => server.close() };
}

/** Opens the page in a browser that has never seen it. */
export async function openPage(browser, origin) {
  const context = await browser.newContext({ locale: 'en-GB', viewport: { width: 1400, height: 950 } });
  context.setDefaultTimeout(PATIENCE_MS);
  const page = await context.newPage();
  await page.goto(origin);
  return new AdminPage(context, page);
}

/** A list of sockets, rooms or servers; other tables have no bottom. */
const TABLE = '.v-data-table--has-bottom';

class AdminPage {
  constructor(context, page) {
    this.context = context;
    this.page = page;
  }

  /** Fills in the form and sends it. */
  async signIn(url, { username = 'admin', password, webSocketOnly = false }) {
    const { page } = this;
    await page.getByLabel('Server URL').fill(url);
    await page.getByLabel('Username').fill(username);
    await page.getByLabel('Password').fill(password);
    if (webSocketOnly) {
      await page.getByText('Advanced options').click();
      await page.getByText('WebSocket only?').click();
    }
    await page.getByRole('button', { name: 'Connect' }).click();
  }

  /** Until the form is gone. */
  async isIn() {
    await this.page.getByRole('button', { name: 'Connect' }).waitFor({ state: 'hidden' });
  }

  /** Goes to a part of the page by its name in the drawer. */
  async goTo(name) {
    await this.page.locator('nav').getByText(name, { exact: true }).click();
    // While one view gives way to the other both are there.
    await this.page.waitForFunction((name) => {
      const views = [...document.querySelectorAll('.v-breadcrumbs')].map((view) => view.innerText.trim());
      return views.length === 1 && views[0] === name;
    }, name);
  }

  /** The row of the table with this text. */
  row(text) {
    return this.page.locator(`${TABLE} tbody tr`, { hasText: text });
  }

  /** Waits until the card of the dashboard says these words in this order. */
  async cardHas(title, words) {
    await this.page
      .waitForFunction(
        ([title, words]) => {
          const cards = [...document.querySelectorAll('.v-card')].map((card) => card.innerText.split(/\n|\t/));
          const card = cards.find(([first]) => first.trim() === title) ?? [];
          const lines = card.map((line) => line.trim())[Symbol.iterator]();
          return words.every((word) => {
            for (const line of lines) if (line === word) return true;
            return false;
          });
        },
        [title, words],
      )
      .catch(async (error) => {
        assert.fail(`${error.message}: wanted ${words} in ${title}: ${await this.page.locator('main').innerText()}`);
      });
  }

  /** The longest time, in milliseconds, in which the page did nothing that was due, of the next `ms`. */
  longestPause(ms) {
    return this.page.evaluate(
      (ms) =>
        new Promise((resolve) => {
          const begin = performance.now();
          let [last, longest] = [begin, 0];
          const timer = setInterval(() => {
            const now = performance.now();
            longest = Math.max(longest, Math.round(now - last));
            last = now;
            if (now - begin < ms) return;
            clearInterval(timer);
            resolve(longest);
          }, 50);
        }),
      ms,
    );
  }

  /** Waits until the rows of the table are these: the texts of the columns that are named, in any order. */
  async rowsAre(columns, wanted) {
    const expected = JSON.stringify([...wanted].map((row) => row.join(' | ')).sort());
    await this.page
      .waitForFunction(
        ([expected, columns, table]) => {
          const rows = [...document.querySelectorAll(`${table} tbody tr`)].filter((row) => row.cells.length > 1);
          const texts = rows.map((row) => columns.map((at) => row.cells[at]?.innerText.trim()).join(' | '));
          return JSON.stringify(texts.sort()) === expected;
        },
        [expected, columns, TABLE],
      )
      .catch(async (error) => {
        assert.fail(`${error.message}: wanted ${expected}, shows ${await this.page.locator('main').innerText()}`);
      });
  }

  /** Clicks the button of the row with this text. */
  async disconnect(text) {
    await this.row(text).getByRole('button').click();
  }

  async shot(name) {
    mkdirSync(SCREENSHOTS, { recursive: true });
    await this.page.waitForTimeout(1500); // the charts move
    await this.page.screenshot({ path: `${SCREENSHOTS}${name}.png` });
  }

  close() {
    return this.context.close();
  }
}

const TRANSPORTS = { websocket: ['websocket'], polling: ['polling'], upgrade: ['polling', 'websocket'] };
const opened = new Set();

/** Opens a stock client in the namespace `sessions`, on `upgrade` until it is on WebSocket; `end` is how it ends. */
export async function join(server, mode, token, options = {}) {
  const socket = io(`${server.url}/sessions`, {
    transports: TRANSPORTS[mode],
    forceNew: true,
    auth: { token },
    ...options,
  });
  opened.add(socket);
  let code;
  socket.on('sessions:error', (error) => {
    code = error.code;
  });
  const end = new Promise((resolve) => socket.once('disconnect', (reason) => resolve([code, reason])));
  const upgraded = new Promise((resolve) => {
    if (mode === 'upgrade') socket.io.once('open', () => socket.io.engine.once('upgrade', resolve));
    else resolve();
  });
  await inTime(`${mode} to ${server.url}`, new Promise((resolve) => socket.once('connect', resolve)));
  await inTime('the upgrade', upgraded);
  return { id: socket.id, end, close: () => socket.close() };
}

/** Opens a stock client in `/admin`, which hears what a page hears. */
export async function listen(url, auth) {
  const socket = io(`${url}/admin`, { transports: ['websocket'], forceNew: true, auth });
  opened.add(socket);
  const told = [];
  let wake = () => {};
  socket.onAny((name, ...args) => {
    told.push({ name, args });
    wake();
  });
  await inTime('/admin', new Promise((resolve) => socket.once('connect', resolve)));
  const find = (name, holds) => told.find((event) => event.name === name && holds(event.args))?.args;
  return {
    /** The arguments of the first event of this name of which this holds. */
    first: (name, holds = () => true) => find(name, holds),
    /** The same as soon as there is one. */
    async until(name, holds) {
      for (;;) {
        const found = find(name, (args) => holds(...args));
        if (found) return found;
        await inTime(name, new Promise((resolve) => { wake = resolve; }));
      }
    },
  };
}

/** Ends every client of this process. */
export function closeClients() {
  for (const socket of opened) {
    socket.close();
    socket.io.engine?.close();
  }
}

/** Opens so many sockets of bytes in the namespace `sessions`, with `tokenFor` each; resolves when all are in. */
export async function crowd(server, count, tokenFor) {
  const sockets = [];
  const openOne = (number) => new Promise((resolve, reject) => {
    const socket = net.connect(server.port, '127.0.0.1');
    const heads = 'Connection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==';
    socket.write(`GET /socket.io/?EIO=4&transport=websocket HTTP/1.1\r\nHost: localhost\r\n${heads}\r\n\r\n`);
    socket.write(frame(`40/sessions,{"token":"${tokenFor(number)}"}`));
    socket.on('error', reject);
    socket.on('data', (data) => {
      if (data.includes('sessions:ready')) resolve(socket.off('error', reject).on('error', () => {}));
    });
    sockets.push(socket);
  });
  for (let first = 0; first < count; first += 250) {
    const some = Array.from({ length: Math.min(250, count - first) }, (_, at) => openOne(first + at));
    await inTime(`the sockets from number ${first}`, Promise.all(some));
  }
  return sockets;
}

/** A text as a client's frame, masked with zeros. */
function frame(text) {
  const head = text.length < 126 ? [0x81, 0x80 | text.length] : [0x81, 0xfe, text.length >> 8, text.length & 255];
  return Buffer.concat([Buffer.from([...head, 0, 0, 0, 0]), Buffer.from(text)]);
}

/** A port that is free now. */
export async function freePort() {
  const server = createServer();
  await new Promise((resolve) => server.listen(0, '127.0.0.1', resolve));
  const { port } = server.address();
  await new Promise((resolve) => server.close(resolve));
  return port;
}

function inTime(what, wanted) {
  let timer;
  const late = new Promise((_, reject) => {
    timer = setTimeout(() => reject(new Error(`${what}: not in ${PATIENCE_MS} ms`)), PATIENCE_MS);
  });
  return Promise.race([wanted, late]).finally(() => clearTimeout(timer));
}
