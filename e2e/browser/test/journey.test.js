// A user's three browsers, side by side: a laptop, a desktop and a phone. One story from the first account to the last
// sign-out, with a restart of the server in between.
import { after, before, test } from 'node:test';
import assert from 'node:assert/strict';
import { startServer } from '../../js/support/server.js';
import { accessible, card, launch, live, namesAre, newDevice } from '../support/browser.js';

const EMAIL = 'ada@example.org';
const [LAPTOP, DESKTOP, PHONE] = ['Chrome on Linux', 'Firefox on Windows', 'Safari on iOS'];

let browser;
let server;
let laptop;
let desktop;
let phone;
before(async () => {
  browser = await launch();
  server = await startServer({ ACCOUNTS__REGISTRATION: true });
  laptop = await newDevice(browser, server, 'laptop');
  desktop = await newDevice(browser, server, 'desktop');
  phone = await newDevice(browser, server, 'phone');
});
after(async () => {
  await browser?.close();
  await server?.stop();
});

test('an account is made on the laptop, which is alone in its list', async () => {
  await accessible(laptop.page, 'the form');
  await laptop.shot('sign-in');
  await laptop.signIn(EMAIL, { anew: true });
  await namesAre(laptop.page, LAPTOP);
  const own = card(laptop.page, LAPTOP);
  await own.getByText('This device').waitFor();
  await own.getByText('This tab').waitFor();
  await own.getByText('127.0.0.1').waitFor();
  await own.getByText('Active', { exact: true }).waitFor();
  assert.match(await own.locator('time').first().textContent(), /^\d\d:\d\d$/);
  assert.equal(await own.locator('svg[data-of=Chrome], svg[data-of=Linux]').count(), 2);
});

test('a sign-in elsewhere is announced, and "it was me" takes the notice away', async () => {
  await desktop.signIn(EMAIL);
  const notice = laptop.page.getByRole('region', { name: `New sign-in: ${DESKTOP}` });
  await notice.getByText(`${DESKTOP} from 127.0.0.1`).waitFor();
  await accessible(laptop.page, 'the notice');
  await laptop.shot('new-sign-in');
  await notice.getByRole('button', { name: 'It was me' }).click();
  await notice.waitFor({ state: 'detached' });
  for (const { page } of [laptop, desktop]) await namesAre(page, LAPTOP, DESKTOP);
});

test('"sign it out" ends the login that was announced', async () => {
  await phone.signIn(EMAIL);
  await namesAre(laptop.page, LAPTOP, DESKTOP, PHONE);
  const notice = laptop.page.getByRole('region', { name: `New sign-in: ${PHONE}` });
  await notice.getByRole('button', { name: 'Sign it out' }).click();
  await notice.waitFor({ state: 'detached' });
  await phone.page.getByText('You have been signed out').waitFor();
  for (const { page } of [laptop, desktop]) await namesAre(page, LAPTOP, DESKTOP);
  await phone.signIn(EMAIL);
  for (const { page } of [laptop, desktop, phone]) await namesAre(page, LAPTOP, DESKTOP, PHONE);
});

test('a tab comes and goes in all lists without a reload', async () => {
  const tab = await laptop.openTab();
  await live(tab);
  for (const { page } of [laptop, desktop, phone]) {
    await page.getByText('4 sessions on 3 devices').waitFor();
    assert.equal(await card(page, LAPTOP).locator('.row').count(), 2);
  }
  await tab.close();
  for (const { page } of [laptop, desktop, phone]) await page.getByText('3 sessions on 3 devices').waitFor();
});

test('a device is named in place, for all', async () => {
  await laptop.page.getByRole('button', { name: 'Rename' }).click();
  await laptop.page.getByLabel('Name of this device').fill("Ada's laptop");
  await accessible(laptop.page, 'renaming');
  await laptop.page.getByRole('button', { name: 'Save' }).click();
  for (const { page } of [laptop, desktop, phone]) await namesAre(page, "Ada's laptop", DESKTOP, PHONE);
  await card(phone.page, "Ada's laptop").getByText(LAPTOP).waitFor();
});

test('a message reaches the one session that it is for', async () => {
  for (const { page } of [laptop, desktop]) {
    const mine = page.getByRole('button', { name: 'It was me' });
    while (await mine.count()) await mine.first().click();
  }
  await desktop.page.getByRole('button', { name: `Send a message to ${PHONE}` }).click();
  await desktop.page.getByLabel(`Message to ${PHONE}`, { exact: true }).fill('Tea is ready');
  await desktop.page.keyboard.press('Enter');
  await desktop.page.getByText(`Sent to ${PHONE}.`).waitFor();
  const log = phone.page.getByRole('log', { name: 'Messages from your devices' });
  await log.getByText('Tea is ready').waitFor();
  await log.getByText(DESKTOP).waitFor();
  assert.equal(await laptop.page.getByText('Tea is ready').count(), 0);
  for (const [name, device] of Object.entries({ laptop, desktop, phone })) {
    await accessible(device.page, name);
    await device.shot(`devices-${name}`);
  }
  await phone.page.getByRole('button', { name: 'Clear messages' }).click();
  await phone.page.getByText('Tea is ready').waitFor({ state: 'detached' });
});

test('nothing is wider than the phone', async () => {
  const [wide, width] = await phone.page.evaluate(() => [document.documentElement.scrollWidth, innerWidth]);
  assert.ok(wide <= width, `${wide} > ${width}`);
});

test('while the server restarts each page says so and keeps its list, then all are live again', async () => {
  const { port, dataDir } = server;
  await server.stop({ keepData: true });
  for (const { page } of [laptop, desktop, phone]) {
    await page.locator('[data-status=reconnecting]').getByText('The server restarts.').waitFor();
    // Who is told of the restart later sees the others leave first.
    await page.locator('.card.own').getByText('This device').waitFor();
    for (const button of await page.locator('.card .danger').all()) assert.ok(await button.isDisabled());
  }
  await accessible(laptop.page, 'while the server is away');
  await phone.shot('restart');
  server = await startServer({ ACCOUNTS__REGISTRATION: true }, { port, dataDir });
  for (const { page } of [laptop, desktop, phone]) {
    await live(page);
    await namesAre(page, "Ada's laptop", DESKTOP, PHONE);
  }
  assert.equal(await laptop.page.getByRole('region', { name: 'New sign-in' }).count(), 0, 'nobody is new');
});

test('one device is signed out, and shows the form', async () => {
  await laptop.page.getByRole('button', { name: `Sign out ${DESKTOP}` }).click();
  await laptop.page.getByText(`${DESKTOP} is signed out.`).waitFor();
  await desktop.page.getByRole('heading', { name: 'Sign in' }).waitFor();
  for (const { page } of [laptop, phone]) await namesAre(page, "Ada's laptop", PHONE);
  await desktop.signIn(EMAIL);
});

test('all others are signed out, once that was confirmed', async () => {
  const { page } = phone;
  await namesAre(page, "Ada's laptop", DESKTOP, PHONE);
  const all = page.getByRole('button', { name: 'Sign out all other devices' });
  await all.click();
  const dialog = page.getByRole('dialog', { name: 'Sign out all other devices?' });
  await accessible(page, 'the question');
  await phone.shot('confirm');
  await dialog.getByRole('button', { name: 'Cancel' }).click();
  await dialog.waitFor({ state: 'detached' });
  await namesAre(page, "Ada's laptop", DESKTOP, PHONE);
  await all.click();
  await dialog.getByRole('button', { name: 'Sign them out' }).click();
  await page.getByText('2 sessions signed out.').waitFor();
  await namesAre(page, PHONE);
  for (const other of [laptop, desktop]) await other.page.getByText('You have been signed out').waitFor();
});

test('who signs out is asked to sign in, after a reload too, and is gone from the list', async () => {
  await laptop.signIn(EMAIL);
  await namesAre(phone.page, "Ada's laptop", PHONE);
  await laptop.page.getByRole('button', { name: 'Sign out', exact: true }).click();
  await laptop.page.getByRole('heading', { name: 'Sign in' }).waitFor();
  await namesAre(phone.page, PHONE);
  await laptop.page.reload();
  await laptop.page.getByRole('heading', { name: 'Sign in' }).waitFor();
});

test('no page asked anybody else, opened a dialog or was stopped by its policy', async () => {
  for (const device of [laptop, desktop, phone]) await device.close();
});
