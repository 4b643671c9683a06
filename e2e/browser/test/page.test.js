// One page at a time: what others write on it, keys only, tokens that end, tabs of one browser, registration closed.
import { after, before, test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import assert from 'node:assert/strict';
import { io } from 'socket.io-client';
import { startServer } from '../../js/support/server.js';
import { PASSWORD, PATIENCE_MS, accessible, card, launch, live, namesAre, newDevice } from '../support/browser.js';

let browser;
let server;
before(async () => {
  browser = await launch();
  server = await startServer({ ACCOUNTS__REGISTRATION: true });
});
after(async () => {
  await browser?.close();
  await server?.stop();
});

/** A device of a new account; closed, and judged, at the end of `body`. */
async function withDevice({ server: own = server, kind, signIn = true } = {}, body) {
  const device = await newDevice(browser, own, kind);
  const email = `user-${Math.random()}@example.org`;
  if (signIn) await device.signIn(email, { anew: true });
  try {
    await body(device, email);
  } finally {
    for (const socket of strangers.splice(0)) socket.close(); // an open one would keep a failed run from ending
    await device.close();
  }
}

/** The sockets that a test has opened besides its device. */
const strangers = [];

/** A session of the account from outside a browser, which says of itself what it wants. */
async function stranger(email, { userAgent, ...auth }) {
  const answer = await fetch(`${server.url}/auth/login`, {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify({ email, password: PASSWORD }),
  });
  const { access_token: token } = await answer.json();
  const socket = io(`${server.url}/sessions`, {
    auth: { token, ...auth },
    extraHeaders: { 'user-agent': userAgent },
    transports: ['websocket'],
    forceNew: true,
  });
  strangers.push(socket);
  await new Promise((resolve, reject) => {
    socket.on('sessions:ready', resolve);
    socket.on('sessions:error', (error) => reject(new Error(error.code)));
  });
  return socket;
}

const MARKUP = [
  '<img src=x onerror=alert(1)>',
  '"><script>alert(1)</script>',
  'javascript:alert(1)//\'"><svg onload=alert(1)>',
  '{{constructor.constructor("alert(1)")()}}',
  `<b>${'A'.repeat(8000)}`,
  'evil \u202Egnp.exe',
  '\u00ff\u00fe not UTF-8',
];

test('whatever others call themselves or send is text', async () => {
  await withDevice({}, async ({ page }, email) => {
    for (const markup of MARKUP) {
      const header = Buffer.from(markup).toString('latin1'); // what a header can carry
      const socket = await stranger(email, {
        userAgent: header,
        context: markup.slice(0, 256),
        deviceId: String(Math.random()),
      });
      const me = await page.locator('.row', { hasText: 'This tab' }).getAttribute('data-socket');
      const ask = (name, payload) => socket.timeout(PATIENCE_MS).emitWithAck(name, payload);
      assert.equal(
        (await ask('sessions:send', { to: me, event: markup.slice(0, 128), data: { text: markup } })).ok,
        true,
      );
      const label = await ask('sessions:rename', { label: markup.slice(0, 256) });
      assert.equal(label.ok, !markup.includes('\u202E'), JSON.stringify(label));
      const shown = page.locator(`[data-socket="${socket.id}"]`);
      await shown.getByText(markup.slice(0, 256).trim(), { exact: true }).waitFor();
      if (label.ok) await page.locator('.card h3').getByText(markup.slice(0, 256).trim(), { exact: true }).waitFor();
      await page.locator('.message .text').getByText(markup.slice(0, 500).trim(), { exact: true }).waitFor();
      socket.close();
      await shown.waitFor({ state: 'detached' });
    }
    const made = await page.evaluate(
      () => document.querySelectorAll('img, script:not([src]), svg[onload], b, iframe, a').length,
    );
    assert.equal(made, 0, 'elements that the page does not have');
  });
});

test('data that is no text is passed over', async () => {
  await withDevice({}, async ({ page }, email) => {
    const socket = await stranger(email, { userAgent: 'curl/8' });
    for (const data of [null, 7, 'text', { text: { toString: 1 } }, { text: ['a'] }, [], { text: ' ' }]) {
      await socket.timeout(PATIENCE_MS).emitWithAck('sessions:send', { to: 'others', event: 'x', data });
    }
    await socket
      .timeout(PATIENCE_MS)
      .emitWithAck('sessions:send', { to: 'others', event: 'x', data: { text: 'the last' } });
    await page.getByRole('log').getByText('the last').waitFor();
    assert.equal(await page.getByRole('log').locator('.message').count(), 1);
    socket.close();
  });
});

test('everything can be done by keys alone', async () => {
  await withDevice({ signIn: false }, async ({ page }) => {
    const tabTo = async (name) => {
      for (let presses = 0; presses < 30; presses += 1) {
        const here = await page.evaluate(
          () =>
            document.activeElement.ariaLabel ??
            document.activeElement.labels?.[0]?.textContent ??
            document.activeElement.textContent,
        );
        if (here === name) return;
        await page.keyboard.press('Tab');
      }
      assert.fail(`no way to ${name} by the Tab key`);
    };
    await tabTo('Create one');
    await page.keyboard.press('Enter');
    await page.evaluate(() => document.activeElement.blur());
    await tabTo('E-mail');
    await page.keyboard.type('keys@example.org');
    await tabTo('Password');
    await page.keyboard.type(PASSWORD);
    await page.keyboard.press('Enter');
    await live(page);
    await tabTo('Rename');
    await page.keyboard.press('Enter');
    await page.getByLabel('Name of this device').waitFor();
    await page.keyboard.type('By keys');
    await page.keyboard.press('Enter');
    await namesAre(page, 'By keys');
    const other = await stranger('keys@example.org', { userAgent: 'curl/8' });
    await page.getByRole('button', { name: 'It was me' }).waitFor();
    await tabTo('Sign out all other devices');
    await page.keyboard.press('Enter');
    const dialog = page.getByRole('dialog');
    await dialog.waitFor();
    await page.keyboard.press('Escape');
    await dialog.waitFor({ state: 'detached' });
    assert.equal(other.connected, true);
    other.close();
  });
});

test('a token is renewed in place, again and again', async () => {
  const quick = await startServer({ ACCOUNTS__REGISTRATION: true, ...QUICK });
  try {
    await withDevice({ server: quick }, async ({ page }) => {
      const id = await page.locator('.row').getAttribute('data-socket');
      const renewed = () => page.locator('.connection .detail').textContent();
      assert.match(await renewed(), /renews by itself before \d\d:\d\d/);
      await page.waitForTimeout(13_000); // two lives of a token
      await live(page);
      assert.equal(await page.locator('.row').getAttribute('data-socket'), id);
    });
  } finally {
    await quick.stop();
  }
});

test('a phone that slept past the end of its token says so, and is live again once it can', async () => {
  const quick = await startServer({ ACCOUNTS__REGISTRATION: true, ...QUICK });
  try {
    await withDevice({ server: quick, kind: 'phone' }, async (phone) => {
      const { page } = phone;
      const id = await page.locator('.row').getAttribute('data-socket');
      await page.route('**/auth/refresh', (route) => route.abort());
      await page.getByText('Your access cannot be renewed just now').waitFor();
      await accessible(page, 'a phone without access');
      await phone.shot('slept');
      await namesAre(page, 'Safari on iOS');
      await page.unroute('**/auth/refresh');
      await page.getByRole('button', { name: 'Try now' }).click();
      await live(page);
      assert.notEqual(await page.locator('.row').getAttribute('data-socket'), id);
    });
  } finally {
    await quick.stop();
  }
});

test('a page that stood still past the end of its token is live again when it goes on', async () => {
  const quick = await startServer({ ACCOUNTS__REGISTRATION: true, ...QUICK });
  const alone = await launch();
  try {
    const device = await newDevice(alone, quick, 'phone');
    const { page } = device;
    await device.signIn('sleeper@example.org', { anew: true });
    const id = await page.locator('.row').getAttribute('data-socket');
    const devtools = await alone.newBrowserCDPSession();
    const { processInfo } = await devtools.send('SystemInfo.getProcessInfo');
    const renderers = processInfo.filter(({ type }) => type === 'renderer').map((process) => process.id);
    const signal = (name) => renderers.forEach((pid) => process.kill(pid, name));
    signal('SIGSTOP');
    try {
      const deadline = Date.now() + PATIENCE_MS;
      while ((await quick.metric('rollcall_sessions')) > 0 && Date.now() < deadline) await sleep(100);
    } finally {
      signal('SIGCONT');
    }
    await page.locator(`[data-socket="${id}"]`).waitFor({ state: 'detached' });
    await live(page);
    await namesAre(page, 'Safari on iOS');
    await device.close();
  } finally {
    await alone.close();
    await quick.stop();
  }
});

test('tabs of one browser are one device: one disconnects the other, and signs it out', async () => {
  await withDevice({}, async (device) => {
    const second = await device.openTab();
    await live(second);
    await namesAre(second, 'Chrome on Linux');
    await second.getByRole('button', { name: 'Disconnect' }).click();
    await device.page.getByText('This tab was signed out from another one.').waitFor();
    await device.page.getByRole('button', { name: 'Connect again' }).click();
    await live(device.page);
    await second.getByText('2 sessions on 1 device').waitFor();
    await second.getByRole('button', { name: 'Sign out', exact: true }).click();
    for (const tab of device.tabs) await tab.getByRole('heading', { name: 'Sign in' }).waitFor();
  });
});

test('a reload stays signed in, and is the same device', async () => {
  await withDevice({}, async ({ page }) => {
    await page.getByRole('button', { name: 'Rename' }).click();
    await page.getByLabel('Name of this device').fill('Kept');
    await page.keyboard.press('Enter');
    await namesAre(page, 'Kept');
    await page.reload();
    await live(page);
    await namesAre(page, 'Kept');
    await card(page, 'Kept').getByText('This device').waitFor();
  });
});

test('where registration is closed nothing offers it, and a wrong password is said in words', async () => {
  const closed = await startServer();
  try {
    await withDevice({ server: closed, signIn: false }, async (device) => {
      assert.equal(await device.page.getByRole('button', { name: 'Create one' }).count(), 0);
      await device.signIn('nobody@example.org', { wait: false });
      await device.page.getByText('E-mail or password is wrong.').waitFor();
      await accessible(device.page, 'a form with a problem');
    });
  } finally {
    await closed.stop();
  }
});

test('what the page is made of is kept by name, and asked for again by its tag', async () => {
  const index = await fetch(server.url);
  assert.equal(index.headers.get('cache-control'), 'no-cache');
  const again = await fetch(server.url, { headers: { 'if-none-match': index.headers.get('etag') } });
  assert.equal(again.status, 304);
  for (const [, path] of (await index.text()).matchAll(/(?:src|href)="(\/[^"]+)"/g)) {
    const asset = await fetch(server.url + path);
    assert.equal(asset.status, 200, path);
    assert.match(asset.headers.get('cache-control'), /immutable/, path);
    assert.match(path, /-[\w-]{8}\.\w+$/, 'a name with a hash');
  }
});

/** Tokens that live for six seconds. */
const QUICK = { IDENTITY__ACCESS_TTL: '6s', IDENTITY__LEEWAY: '0s', IDENTITY__EXPIRING_NOTICE: '4s' };
