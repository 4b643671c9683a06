// Several gateways on one Redis and one PostgreSQL, behind an HAProxy with a configuration of `deploy/`.
// Knows how these servers are started; nothing of what the gateways do.
import { execFileSync, spawn } from 'node:child_process';
import { closeSync, mkdirSync, mkdtempSync, openSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { createServer, connect } from 'node:net';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import { setTimeout as sleep } from 'node:timers/promises';
import assert from 'node:assert/strict';
import { startServer } from './server.js';

const ROOT = fileURLToPath(new URL('../../../', import.meta.url));
const START_MS = 30_000;

/** What was started besides gateways: none of it outlives the process of its tests. */
const running = new Set();
process.once('exit', () => {
  for (const child of running) child.kill('SIGKILL');
});

/**
 * Starts Redis, a database, `count` nodes tagged `node-1` … and an HAProxy in front of them.
 * @param {number} count
 * @param {string} sample the name of a file in `deploy/`
 * @param {Record<string, string | number | boolean>} settings of each node
 */
export async function startCluster(count, sample, settings = {}) {
  const cluster = new Cluster(sample, settings);
  try {
    await cluster.start(count);
  } catch (error) {
    await cluster.stop();
    throw error;
  }
  return cluster;
}

class Cluster {
  nodes = [];

  constructor(sample, settings) {
    this.folder = mkdtempSync(path.join(tmpdir(), 'rollcall-e2e-cluster-'));
    this.sample = sample;
    this.settings = settings;
  }

  async start(count) {
    const [redis, balancer, ...ports] = await freePorts(count + 2);
    this.ports = ports;
    this.redis = run('redis-server', ['--port', redis, '--bind', '127.0.0.1', '--save', '', '--dir', this.folder]);
    await untilListening(redis);
    this.database = new Database();
    this.common = {
      REGISTRY__REDIS_URL: `redis://127.0.0.1:${redis}/0`,
      DATABASE__URL: this.database.url,
      HTTP__TRUSTED_PROXIES: '127.0.0.1',
      ...this.settings,
    };
    for (let number = 1; number <= count; number += 1) this.nodes.push(await this.#node(number));
    let text = readFileSync(path.join(ROOT, 'deploy', this.sample), 'utf8').replace(':8080', `127.0.0.1:${balancer}`);
    ports.forEach((port, at) => {
      text = text.replace(`127.0.0.1:300${at + 1}`, `127.0.0.1:${port}`);
    });
    const file = path.join(this.folder, 'haproxy.cfg');
    writeFileSync(file, text);
    this.balancer = run('haproxy', ['-db', '-f', file]);
    await untilListening(balancer);
    this.url = `http://127.0.0.1:${balancer}`;
  }

  /** Ends a node by SIGTERM and starts it again, as an update does. */
  async restart(number) {
    const old = this.nodes[number - 1];
    await old.stop();
    this.nodes[number - 1] = await this.#node(number);
  }

  async stop() {
    try {
      await Promise.all(this.nodes.map((node) => node.stop()));
    } finally {
      for (const child of [this.balancer, this.redis]) child?.kill('SIGKILL');
      this.database?.drop();
      rmSync(this.folder, { recursive: true, force: true });
    }
  }

  async #node(number) {
    const settings = { ...this.common, HTTP__NODE_TAG: `node-${number}` };
    const node = await startServer(settings, { port: this.ports[number - 1] });
    const deadline = Date.now() + START_MS;
    for (;;) {
      const ready = await (await fetch(`${node.url}/readyz`)).json();
      if (ready.checks.registry === 'ok') return node;
      assert.ok(Date.now() < deadline, `node ${number} is ${JSON.stringify(ready)}`);
      await sleep(50);
    }
  }
}

/** A database of its own in the PostgreSQL server that tests share. */
class Database {
  constructor() {
    this.folder = path.join(tmpdir(), `rollcall-postgres-e2e-${process.getuid()}`);
    mkdirSync(this.folder, { recursive: true, mode: 0o755 });
    closeSync(openSync(path.join(this.folder, 'users'), 'a'));
    // The script keeps the server for as long as somebody holds this lock.
    this.holder = run('flock', ['--no-fork', '--shared', path.join(this.folder, 'users'), 'sleep', '3600']);
    const server = execFileSync(path.join(ROOT, 'scripts/postgres-for-tests'), ['start', this.folder], {
      encoding: 'utf8',
    }).trim();
    this.name = `e2e_${process.pid}_${Date.now()}`;
    const socket = new URL(server).searchParams.get('host');
    execFileSync('psql', ['--host', socket, '--username', 'postgres', '--quiet', '--command', `CREATE DATABASE ${this.name} TEMPLATE template0`]);
    this.url = server.replace('/postgres?', `/${this.name}?`);
  }

  drop() {
    this.holder.kill('SIGKILL'); // half a minute later the server ends, and the database with it
  }
}

function run(program, args) {
  const child = spawn(program, args.map(String), { stdio: 'ignore' });
  child.once('error', (error) => {
    throw new Error(`${program} is needed: ${error.message}`);
  });
  running.add(child);
  child.once('exit', () => running.delete(child));
  return child;
}

/** Ports that are free now. */
async function freePorts(count) {
  const servers = await Promise.all(
    Array.from({ length: count }, () => new Promise((resolve) => {
      const server = createServer();
      server.listen(0, '127.0.0.1', () => resolve(server));
    })),
  );
  const ports = servers.map((server) => server.address().port);
  await Promise.all(servers.map((server) => new Promise((resolve) => server.close(resolve))));
  return ports;
}

async function untilListening(port) {
  const deadline = Date.now() + START_MS;
  for (;;) {
    const isOpen = await new Promise((resolve) => {
      const socket = connect(port, '127.0.0.1', () => {
        socket.destroy();
        resolve(true);
      });
      socket.once('error', () => resolve(false));
    });
    if (isOpen) return;
    assert.ok(Date.now() < deadline, `nobody listens on ${port}`);
    await sleep(50);
  }
}
