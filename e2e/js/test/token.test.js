// Where a token may stand, which one counts, and what a refused one ends in.
import { after, before } from 'node:test';
import assert from 'node:assert/strict';
import { open } from '../support/client.js';
import { eachMode, testWithClients } from '../support/modes.js';
import { SECRET, startServer } from '../support/server.js';
import { expiredTokenOf, forgedTokenOf, newUser, nowSeconds, sign, tokenOf } from '../support/token.js';

let server;
before(async () => {
  server = await startServer();
});
after(() => server.stop());

/** The three places, each as the options of `io()` that put a value there. */
const PLACES = {
  'auth.token': (token) => ({ auth: { token } }),
  query: (token) => ({ query: { token } }),
  'Authorization header': (token) => ({ extraHeaders: { Authorization: token } }),
};

for (const [place, options] of Object.entries(PLACES)) {
  eachMode(`a bare token in ${place} lets its user in`, async (mode) => {
    const client = open(server, mode, options(tokenOf(newUser())));
    assert.equal((await client.ready()).socketId, client.id);
  });

  eachMode(`a token with Bearer before it in ${place} lets its user in`, async (mode) => {
    const client = open(server, mode, options(`Bearer ${tokenOf(newUser())}`));
    await client.ready();
  });
}

testWithClients('the scheme Bearer is read in any case', async () => {
  const client = open(server, 'websocket', { extraHeaders: { authorization: `bEaReR ${tokenOf(newUser())}` } });
  await client.ready();
});

testWithClients('a header of another scheme is passed over', async () => {
  const options = { extraHeaders: { Authorization: 'Basic dXNlcjpwYXNz' }, auth: { token: tokenOf(newUser()) } };
  await open(server, 'websocket', options).ready();
});

testWithClients('null and the empty string count as absent', async () => {
  for (const token of [null, '']) {
    await open(server, 'websocket', { auth: { token }, query: { token: tokenOf(newUser()) } }).ready();
  }
});

// One row: what stands in each place, and the one whose user is let in (or the code of the refusal).
const PRECEDENCE = [
  { header: 'good', auth: 'forged', query: 'forged', counts: 'header' },
  { header: undefined, auth: 'good', query: 'forged', counts: 'auth' },
  { header: undefined, auth: undefined, query: 'good', counts: 'query' },
  { header: 'forged', auth: 'good', query: 'good', refused: 'token_invalid' },
  { header: 'expired', auth: 'good', query: 'good', refused: 'token_expired' },
  { header: undefined, auth: 'forged', query: 'good', refused: 'token_invalid' },
];

for (const row of PRECEDENCE) {
  const places = `header ${row.header}, auth ${row.auth}, query ${row.query}`;
  eachMode(`of ${places}: ${row.counts ?? row.refused}`, (mode) => judgePlaces(server, mode, row));
}

async function judgePlaces(target, mode, { header, auth, query, counts, refused }) {
  const make = { good: tokenOf, forged: forgedTokenOf, expired: expiredTokenOf };
  // Each place has a user of its own, found by who is in the list with the observer.
  const users = { header: newUser(), auth: newUser(), query: newUser() };
  const options = {};
  if (header) options.extraHeaders = { Authorization: `Bearer ${make[header](users.header)}` };
  if (auth) options.auth = { token: make[auth](users.auth) };
  if (query) options.query = { token: make[query](users.query) };
  const client = open(target, mode, options);
  if (refused) {
    assert.equal((await client.end()).error.code, refused);
    return;
  }
  await client.ready();
  const observer = open(target, 'websocket', { auth: { token: tokenOf(users[counts]) } });
  await observer.listIs([client.id, (await observer.ready()).socketId]);
}

testWithClients('IDENTITY__TOKEN_FROM gives another order of the places', async () => {
  const other = await startServer({ IDENTITY__TOKEN_FROM: 'query,auth' });
  try {
    await judgePlaces(other, 'websocket', { header: 'good', auth: 'forged', query: 'good', counts: 'query' });
    await judgePlaces(other, 'polling', { header: 'forged', auth: 'good', query: undefined, counts: 'auth' });
    await judgePlaces(other, 'websocket', { header: 'good', refused: 'token_missing' });
  } finally {
    await other.stop();
  }
});

const forever = () => nowSeconds() + 3600;
const REFUSED = {
  token_missing: { 'no token at all': undefined, 'a blank one': '   ' },
  token_invalid: {
    'a token signed with another secret': () => forgedTokenOf(newUser()),
    'no token but text': 'not-a-token',
    'a number': 42,
    'an object': { token: 'x' },
    'a token without exp': () => sign({ sub: newUser(), exp: undefined }),
    'a token without sub': () => sign({}),
    'exp as a string': () => sign({ sub: newUser(), exp: String(forever()) }),
    'another issuer': () => sign({ sub: newUser(), iss: 'https://issuer.example' }),
    'more than 8 KB': () => sign({ sub: newUser(), filler: 'x'.repeat(9_000) }),
    'alg none': () => `${Buffer.from('{"alg":"none"}').toString('base64url')}.${sign({ sub: 'x' }).split('.')[1]}.`,
  },
  token_expired: { 'a token past its exp': () => expiredTokenOf(newUser()) },
};

for (const [code, rows] of Object.entries(REFUSED)) {
  for (const [what, token] of Object.entries(rows)) {
    testWithClients(`${what} is refused with ${code}`, async () => {
      const value = typeof token === 'function' ? token() : token;
      const { error, reason } = await open(server, 'websocket', { auth: { token: value } }).end();
      assert.equal(error.code, code);
      assert.equal(reason, 'io server disconnect');
    });
  }
}

for (const [code, token] of [['token_missing', null], ['token_invalid', 'x.y.z'], ['token_expired', expiredTokenOf('u')]]) {
  eachMode(`${code} ends in "io server disconnect" and the client stays away`, async (mode) => {
    const client = open(server, mode, { auth: { token } });
    const { error, reason } = await client.end();
    assert.equal(error.code, code);
    assert.equal(typeof error.message, 'string');
    assert.ok(error.message.length > 0 && !error.message.includes(SECRET));
    assert.equal(reason, 'io server disconnect');
    assert.deepEqual(client.all('sessions:ready'), []);
    await client.staysAway();
  });
}

testWithClients('a wrong signature and a wrong key are told in the same words', async () => {
  const good = tokenOf(newUser());
  const broken = `${good.slice(0, good.lastIndexOf('.'))}.${'A'.repeat(43)}`;
  const told = [];
  for (const token of [broken, forgedTokenOf(newUser())]) {
    told.push((await open(server, 'websocket', { auth: { token } }).end()).error);
  }
  assert.deepEqual(told[0], told[1]);
});
