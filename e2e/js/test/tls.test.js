// The gateway speaks TLS itself: stock clients over https and wss, and certificates that nobody vouches for.
import { execFileSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { after, before } from 'node:test';
import assert from 'node:assert/strict';
import { join, open } from '../support/client.js';
import { eachMode, testWithClients } from '../support/modes.js';
import { startServer } from '../support/server.js';
import { newUser, tokenOf } from '../support/token.js';

let server;
let folder;
let ca;
before(async () => {
  folder = mkdtempSync(path.join(tmpdir(), 'rollcall-tls-'));
  const [certificate, key] = [path.join(folder, 'cert.pem'), path.join(folder, 'key.pem')];
  const names = 'subjectAltName=DNS:localhost,IP:127.0.0.1';
  const kind = ['-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:P-256', '-nodes', '-days', '2'];
  const files = ['-out', certificate, '-keyout', key];
  execFileSync('openssl', ['req', '-x509', ...kind, '-subj', '/CN=localhost', '-addext', names, ...files], {
    stdio: 'ignore',
  });
  ca = readFileSync(certificate);
  server = await startServer({ HTTP__TLS_CERTIFICATE_FILE: certificate, HTTP__TLS_KEY_FILE: key });
  server.url = server.url.replace('http:', 'https:');
});
after(async () => {
  await server.stop();
  rmSync(folder, { recursive: true });
});

eachMode('a session over TLS sees its user\'s others come and go', async (mode) => {
  const token = tokenOf(newUser());
  const first = await join(server, mode, token, {}, { ca });
  const second = await join(server, mode, token, {}, { ca });
  await first.listIs([first.id, second.id]);
  const data = 'x'.repeat(60_000);
  const ack = await second.socket.timeout(20_000).emitWithAck('sessions:send', { to: first.id, event: 'e', data });
  assert.equal(ack.delivered, 1);
  await first.until('the message', () => first.all('sessions:message').length === 1);
  assert.equal(first.all('sessions:message')[0][0].data, data);
  second.close();
  await first.listIs([first.id]);
});

eachMode('a client that does not trust the certificate does not get in', async (mode) => {
  const client = open(server, mode, { auth: { token: tokenOf(newUser()) }, reconnection: false });
  await client.until('the refusal', () => client.all('connect_error').length === 1);
  assert.equal(client.all('connect').length, 0);
});

testWithClients('a client that speaks in the clear does not get in', async () => {
  const plain = { url: server.url.replace('https:', 'http:') };
  const client = open(plain, 'polling', { auth: { token: tokenOf(newUser()) }, reconnection: false });
  await client.until('the refusal', () => client.all('connect_error').length === 1);
});
