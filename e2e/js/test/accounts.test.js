// From an e-mail address to an open session, as the README shows it.
import { after, before } from 'node:test';
import assert from 'node:assert/strict';
import { join } from '../support/client.js';
import { eachMode, testWithClients } from '../support/modes.js';
import { request } from '../support/raw.js';
import { startServer } from '../support/server.js';

const PASSWORD = 'correct horse battery staple';

let server;
before(async () => {
  server = await startServer({ ACCOUNTS__REGISTRATION: true });
});
after(() => server.stop());

function post(target, path, body) {
  const headers = { 'content-type': 'application/json' };
  return request(target, { method: 'POST', path, headers, body: JSON.stringify(body) });
}

/** Asserts the token response of RFC 6749, section 5.1, and gives the token. */
function tokenIn(answer, status) {
  assert.equal(answer.status, status, answer.text);
  assert.equal(answer.json.token_type, 'Bearer');
  assert.ok(Number.isInteger(answer.json.expires_in) && answer.json.expires_in > 0);
  assert.match(answer.headers['cache-control'], /no-store/);
  return answer.json.access_token;
}

/** Asserts problem details (RFC 9457) with `code`. */
function problemIs(answer, status, code) {
  assert.equal(answer.status, status, answer.text);
  assert.match(answer.headers['content-type'], /^application\/problem\+json/);
  assert.equal(answer.json.status, status);
  if (code !== undefined) assert.equal(answer.json.code, code);
}

eachMode('register, log in, ask who, connect', async (mode) => {
  const email = `${mode}-one@example.com`;
  const first = tokenIn(await post(server, '/auth/register', { email, password: PASSWORD, name: 'Ada' }), 201);
  const second = tokenIn(await post(server, '/auth/login', { email: email.toUpperCase(), password: PASSWORD }), 200);

  const me = await request(server, { path: '/auth/me', headers: { authorization: `Bearer ${second}` } });
  assert.equal(me.status, 200, me.text);
  assert.equal(me.json.email, email);
  const { sub, exp } = JSON.parse(Buffer.from(second.split('.')[1], 'base64url'));
  assert.match(sub, /^acc_/);
  assert.ok(exp > Date.now() / 1000);

  // Both tokens are of one user: the two sessions see each other.
  const [a, b] = [await join(server, mode, first), await join(server, mode, second)];
  await a.listIs([a.id, b.id]);
});

testWithClients('an address that is taken is refused with email_taken', async () => {
  const account = { email: 'twice@example.com', password: PASSWORD };
  tokenIn(await post(server, '/auth/register', account), 201);
  problemIs(await post(server, '/auth/register', { ...account, email: 'Twice@Example.com' }), 409, 'email_taken');
});

testWithClients('a wrong password and an unknown address get the same answer', async () => {
  await post(server, '/auth/register', { email: 'known@example.com', password: PASSWORD });
  const wrong = await post(server, '/auth/login', { email: 'known@example.com', password: 'not the password' });
  const unknown = await post(server, '/auth/login', { email: 'unknown@example.com', password: 'not the password' });
  problemIs(wrong, 401);
  assert.deepEqual(wrong.json, unknown.json);
});

testWithClients('without a good token /auth/me is refused', async () => {
  for (const headers of [{}, { authorization: 'Bearer x.y.z' }]) {
    problemIs(await request(server, { path: '/auth/me', headers }), 401);
  }
});

testWithClients('registration is off unless it is set', async () => {
  const closed = await startServer();
  try {
    const answer = await post(closed, '/auth/register', { email: 'a@example.com', password: PASSWORD });
    assert.ok([403, 404].includes(answer.status), `status ${answer.status}`);
    problemIs(answer, answer.status);
  } finally {
    await closed.stop();
  }
});

testWithClients('an unknown route is a problem too', async () => {
  problemIs(await request(server, { path: '/nothing/here' }), 404);
});
