// What a stock client does with its user's other sessions, and what they do with it: revoke, refresh, caps, ghosts, the
// end of a token, messages with attachments.
import { after, before } from 'node:test';
import assert from 'node:assert/strict';
import { join, open, transportEnd, PATIENCE_MS } from '../support/client.js';
import { eachMode, testWithClients } from '../support/modes.js';
import { startServer } from '../support/server.js';
import { newUser, nowSeconds, sign } from '../support/token.js';

let server;
before(async () => {
  server = await startServer();
});
after(() => server.stop());

/** A token of this user's login, good for an hour unless `exp` says otherwise. */
function tokenOf(user, login, claims = {}) {
  return sign({ sub: user, sid: login, iat: nowSeconds(), ...claims });
}

eachMode('one login ends another, which stays away', async (mode) => {
  const user = newUser();
  const laptop = await join(server, mode, tokenOf(user, 'laptop'));
  const phone = await join(server, mode, tokenOf(user, 'phone'));
  await laptop.listIs([laptop.id, phone.id]);
  const answer = await laptop.ask('sessions:revoke', { socketId: phone.id });
  assert.deepEqual(answer, { ok: true, revoked: 1, held: 'login' });
  const { error, reason } = await phone.end();
  assert.equal(error.code, 'session_revoked');
  assert.equal(reason, 'io server disconnect');
  await phone.staysAway();
  await laptop.listIs([laptop.id]);
  const back = open(server, mode, { auth: { token: tokenOf(user, 'phone') } });
  assert.equal((await back.end()).error.code, 'token_revoked');
});

eachMode('all other logins are signed out while the own tabs stay', async (mode) => {
  const user = newUser();
  const tabs = await Promise.all([1, 2].map(() => join(server, mode, tokenOf(user, 'laptop'))));
  const others = await Promise.all(['phone', 'tablet'].map((login) => join(server, mode, tokenOf(user, login))));
  await tabs[0].listIs([...tabs, ...others].map((client) => client.id));
  const answer = await tabs[0].ask('sessions:revoke', { others: true });
  assert.deepEqual(answer, { ok: true, revoked: 2, held: 'login' });
  for (const other of others) assert.equal((await other.end()).error.code, 'session_revoked');
  for (const tab of tabs) {
    await tab.listIs(tabs.map((each) => each.id));
    assert.deepEqual(tab.all('disconnect'), []);
  }
});

eachMode('who signs out everywhere has the answer before the end', async (mode) => {
  const client = await join(server, mode, tokenOf(newUser(), 'laptop'));
  const answer = await client.ask('sessions:revoke', { all: true });
  assert.deepEqual(answer, { ok: true, revoked: 1, held: 'login' });
  assert.equal((await client.end()).error.code, 'session_revoked');
  await client.staysAway();
});

eachMode('a token is refreshed in place before it expires', async (mode) => {
  const quick = await startServer({ IDENTITY__LEEWAY: '0s', IDENTITY__EXPIRING_NOTICE: '60s' });
  try {
    const user = newUser();
    const client = await join(quick, mode, tokenOf(user, 'laptop', { exp: nowSeconds() + 6 }));
    const [notice] = await client.event('sessions:expiring');
    assert.ok(notice.expiresIn <= 6, JSON.stringify(notice));
    const answer = await client.ask('sessions:refresh', { token: tokenOf(user, 'laptop', { exp: nowSeconds() + 900 }) });
    assert.equal(answer.ok, true);
    assert.ok(answer.expiresIn > 800, JSON.stringify(answer));
    await new Promise((resolve) => setTimeout(resolve, 7000)); // past the end of the first token
    assert.equal((await client.ask('sessions:list')).ok, true);
    assert.deepEqual(client.all('disconnect'), []);
    const stranger = await client.ask('sessions:refresh', { token: tokenOf(newUser(), 'laptop') });
    assert.equal(stranger.code, 'user_mismatch');
    assert.equal(client.socket.connected, true);
  } finally {
    await quick.stop();
  }
});

eachMode('who sleeps past the end of its token comes back by itself with a new one', async (mode) => {
  const quick = await startServer({ IDENTITY__LEEWAY: '0s' });
  try {
    const user = newUser();
    let lifetime = 4;
    const auth = (give) => {
      give({ token: tokenOf(user, 'laptop', { exp: nowSeconds() + lifetime }) });
      lifetime = 900;
    };
    const client = open(quick, mode, { auth });
    const first = await client.ready();
    const { error, reason } = await client.end();
    assert.equal(error.code, 'token_expired');
    assert.equal(reason, transportEnd(client.socket.io.opts.transports.length === 1 ? mode : 'websocket'));
    const second = await client.ready(2);
    assert.notEqual(second.socketId, first.socketId);
    await client.listIs([second.socketId]);
  } finally {
    await quick.stop();
  }
});

eachMode('one session too many is refused and stays away', async (mode) => {
  const small = await startServer({ LIMITS__SESSIONS_PER_USER: 2 });
  try {
    const user = newUser();
    const first = await join(small, mode, tokenOf(user, 'a'));
    const second = await join(small, mode, tokenOf(user, 'b'));
    const third = open(small, mode, { auth: { token: tokenOf(user, 'c') } });
    const { error, reason } = await third.end();
    assert.equal(error.code, 'too_many_sessions');
    assert.equal(reason, 'io server disconnect');
    await third.staysAway();
    second.close();
    await first.listIs([first.id]);
    const back = await join(small, mode, tokenOf(user, 'c'));
    // The cap never applies to HTTP: whoever is shut out ends the others there, and gets in.
    const token = tokenOf(user, 'd');
    const headers = { Authorization: `Bearer ${token}` };
    const answer = await fetch(`${small.url}/api/sessions?scope=others`, { method: 'DELETE', headers });
    assert.deepEqual(await answer.json(), { revoked: 2, held: 'login' });
    for (const ended of [first, back]) assert.equal((await ended.end()).error.code, 'session_revoked');
    const inside = await join(small, mode, token);
    await inside.listIs([inside.id]);
  } finally {
    await small.stop();
  }
});

eachMode('the ghost of a client that changed networks is gone when it comes back', async (mode) => {
  const user = newUser();
  const witness = await join(server, mode, tokenOf(user, 'phone'));
  const token = tokenOf(user, 'laptop');
  const ghost = await join(server, mode, token);
  const ghostId = ghost.id;
  await witness.listIs([witness.id, ghostId]);
  const before = witness.all('sessions:update').length;
  const back = await join(server, mode, token, { replaces: ghostId });
  await witness.listIs([witness.id, back.id]);
  assert.equal(witness.all('sessions:update').length, before + 1, 'one update for the join and the end');
  assert.equal((await ghost.end()).error.code, 'session_evicted');
});

eachMode('messages carry attachments both ways', async (mode) => {
  const user = newUser();
  const [one, two] = await Promise.all(['a', 'b'].map((login) => join(server, mode, tokenOf(user, login))));
  await one.listIs([one.id, two.id]);
  for (const [from, to] of [[one, two], [two, one]]) {
    const data = { name: 'stroke', points: [Buffer.from([0, 255, 7]), Buffer.from('second')] };
    const answer = await from.ask('sessions:send', { to: to.id, event: 'draw', data });
    assert.deepEqual(answer, { ok: true, delivered: 1, complete: true });
    const [message] = await to.event('sessions:message');
    assert.equal(message.from, from.id);
    assert.equal(message.event, 'draw');
    assert.equal(message.data.name, 'stroke');
    assert.deepEqual(message.data.points.map((part) => Buffer.from(part)), data.points);
  }
});

eachMode('a device keeps its name, and the others hear of a new login', async (mode) => {
  const user = newUser();
  const laptop = await join(server, mode, tokenOf(user, 'laptop'));
  const phone = await join(server, mode, tokenOf(user, 'phone'), { deviceId: 'phone-1' });
  const [{ session }] = await laptop.event('sessions:new');
  assert.equal(session.socketId, phone.id);
  assert.deepEqual(await phone.ask('sessions:rename', { label: '<b>Ada’s phone</b>' }), { ok: true });
  phone.close();
  await laptop.listIs([laptop.id]);
  const later = await join(server, mode, tokenOf(user, 'other'), { deviceId: 'phone-1' });
  const item = (await later.ready()).sessions.find((each) => each.socketId === later.id);
  assert.equal(item.label, '<b>Ada’s phone</b>');
});

testWithClients('an error without an acknowledgement ends nothing', async () => {
  const client = await join(server, 'websocket', tokenOf(newUser(), 'laptop'));
  for (const name of ['sessions:revoke', 'sessions:send', 'sessions:rename', 'sessions:state', 'no:such:event']) {
    client.socket.emit(name, { __proto__: null, constructor: 1 });
  }
  const answer = await client.socket.timeout(PATIENCE_MS).emitWithAck('sessions:state', { state: 'asleep' });
  assert.deepEqual({ ...answer, message: '' }, { ok: false, code: 'payload_invalid', message: '', field: 'state' });
  assert.deepEqual(client.all('disconnect'), []);
});
