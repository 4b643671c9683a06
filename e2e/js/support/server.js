// Starts and stops one gateway for a test: a child process on a free port with a data folder of its own.
// Knows the command line, the log line that names the port, and nothing of the protocol.
import { spawn } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import assert from 'node:assert/strict';

/** The secret that the gateway under test is given; `token.js` signs with it. At least 32 bytes. */
export const SECRET = 'e2e-secret-of-forty-bytes-for-tests-only';

const ROOT = fileURLToPath(new URL('../../../', import.meta.url));
const BINARY = path.resolve(ROOT, process.env.ROLLCALL_BIN ?? 'target/debug/rollcall');
/** How long a start may take on a loaded machine, in milliseconds. */
const START_MS = 30_000;
/** How long an exit may take, in milliseconds: longer than any drain time in the tests. */
const EXIT_MS = 20_000;

/**
 * Starts a gateway and resolves once it listens.
 * @param {Record<string, string | number | boolean>} settings names without the `ROLLCALL_` before them
 * @param {{ port?: number, dataDir?: string }} options `port` and `dataDir` of an earlier one, to start it again
 */
export async function startServer(settings = {}, { port = 0, dataDir } = {}) {
  const server = new Server(dataDir ?? mkdtempSync(path.join(tmpdir(), 'rollcall-e2e-')));
  await server.start(settings, port);
  return server;
}

/** Gateways that run: none outlives the process of its tests, however that ends. */
const running = new Set();
process.once('exit', () => {
  for (const child of running) child.kill('SIGKILL');
});

class Server {
  /** Lines of the log, as objects; a line that is not JSON is kept as `{ message }`. */
  log = [];

  constructor(dataDir) {
    this.dataDir = dataDir;
  }

  async start(settings, port) {
    const env = Object.fromEntries(Object.entries(process.env).filter(([name]) => !name.startsWith('ROLLCALL_')));
    const given = { LOG__FORMAT: 'json', IDENTITY__SECRET: SECRET, SHUTDOWN__DRAIN: '1s', ...settings };
    for (const [name, value] of Object.entries(given)) env[`ROLLCALL_${name}`] = String(value);
    env.ROLLCALL_DATA_DIR = this.dataDir;
    this.child = spawn(BINARY, ['serve', '--listen', `127.0.0.1:${port}`], {
      cwd: this.dataDir,
      env,
      stdio: ['ignore', 'ignore', 'pipe'],
    });
    running.add(this.child);
    this.exited = new Promise((resolve) => {
      this.child.once('exit', (code, signal) => {
        running.delete(this.child);
        resolve({ code, signal });
      });
      this.child.once('error', (error) => resolve({ code: null, signal: null, error }));
    });
    const listening = new Promise((resolve) => {
      createInterface({ input: this.child.stderr }).on('line', (line) => {
        const fields = this.#keep(line);
        if (fields.message === 'listening' && fields.address) resolve(fields.address);
      });
    });
    const address = await Promise.race([listening, this.exited, delay(START_MS)]);
    if (typeof address !== 'string') {
      this.child.kill('SIGKILL');
      throw new Error(`${BINARY} did not start (${JSON.stringify(address)}): ${JSON.stringify(this.log)}`);
    }
    this.port = Number(address.split(':').at(-1));
    this.url = `http://127.0.0.1:${this.port}`;
  }

  /** Sends SIGTERM and does not wait. */
  terminate() {
    this.child.kill('SIGTERM');
  }

  /** Ends the gateway by SIGTERM; the rest as `ended`. */
  stop(options) {
    this.terminate();
    return this.ended(options);
  }

  /** Waits for the exit, asserts that its code is 0, and removes the data unless told to keep it. */
  async ended({ keepData = false } = {}) {
    const end = await Promise.race([this.exited, delay(EXIT_MS)]);
    if (end === undefined) this.child.kill('SIGKILL');
    if (!keepData) rmSync(this.dataDir, { recursive: true, force: true });
    assert.deepEqual(end, { code: 0, signal: null }, `exit after SIGTERM; log: ${JSON.stringify(this.log.slice(-20))}`);
    const panic = this.log.find((line) => JSON.stringify(line).includes('panicked at'));
    assert.equal(panic, undefined, 'the gateway panicked');
  }

  /** The value of a metric, summed over its labels; 0 when it has never been counted. */
  async metric(name) {
    const text = await (await fetch(`${this.url}/metrics`)).text();
    const lines = text.split('\n').filter((line) => line.startsWith(`${name} `) || line.startsWith(`${name}{`));
    return lines.reduce((sum, line) => sum + Number(line.slice(line.lastIndexOf(' ') + 1)), 0);
  }

  #keep(line) {
    let entry;
    try {
      entry = JSON.parse(line);
    } catch {
      entry = { message: line };
    }
    this.log.push(entry);
    return { ...entry, ...entry.fields };
  }
}

function delay(ms) {
  return new Promise((resolve) => setTimeout(resolve, ms).unref());
}
