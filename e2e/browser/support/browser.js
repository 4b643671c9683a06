// Debian's Chromium, driven by playwright-core: devices with a page each, and what must hold on every page.
import { mkdirSync, readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { fileURLToPath } from 'node:url';
import assert from 'node:assert/strict';
import { chromium } from 'playwright-core';

/** How long anything awaited may take on a loaded machine, in milliseconds. */
export const PATIENCE_MS = Number(process.env.E2E_PATIENCE_MS ?? 30_000);
export const PASSWORD = 'correct horse battery';

const SCREENSHOTS = fileURLToPath(new URL('../../../target/screenshots/', import.meta.url));
const AXE = readFileSync(createRequire(import.meta.url).resolve('axe-core/axe.min.js'), 'utf8');

/** Browsers, screens and systems that a user may have. */
export const DEVICES = {
  laptop: { viewport: { width: 1100, height: 900 } },
  desktop: {
    viewport: { width: 1280, height: 900 },
    userAgent: 'Mozilla/5.0 (Windows NT 10.0; Win64; x64; rv:143.0) Gecko/20100101 Firefox/143.0',
    colorScheme: 'dark',
  },
  phone: {
    viewport: { width: 390, height: 844 },
    deviceScaleFactor: 2,
    isMobile: true,
    hasTouch: true,
    colorScheme: 'dark',
    userAgent:
      'Mozilla/5.0 (iPhone; CPU iPhone OS 18_6 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko) Version/18.6 Mobile/15E148 Safari/604.1',
  },
};

export function launch() {
  // Root has no sandbox of its own to give; the pages are the project's.
  return chromium.launch({ executablePath: process.env.CHROMIUM ?? '/usr/bin/chromium', args: ['--no-sandbox'] });
}

/** A browser of its own: `kind` is one of {@link DEVICES}. */
export async function newDevice(browser, server, kind = 'laptop') {
  const context = await browser.newContext({ locale: 'en-GB', ...DEVICES[kind] });
  context.setDefaultTimeout(PATIENCE_MS);
  const device = new Device(context, server);
  await device.openTab();
  return device;
}

class Device {
  tabs = [];
  /** Whatever must not be: dialogs, requests to others, what the policy has stopped, errors of scripts. */
  faults = [];

  constructor(context, server) {
    this.context = context;
    this.server = server;
  }

  /** The first tab. */
  get page() {
    return this.tabs[0];
  }

  async openTab() {
    const page = await this.context.newPage();
    this.tabs.push(page);
    page.on('dialog', (dialog) => {
      this.faults.push(`dialog: ${dialog.message()}`);
      void dialog.dismiss();
    });
    page.on('pageerror', (error) => this.faults.push(`error: ${error.message}`));
    page.on('console', (message) => {
      // That a request failed while the server was away is no fault.
      if (/Content Security Policy|Trusted/i.test(message.text())) this.faults.push(message.text());
    });
    page.on('request', (request) => {
      if (new URL(request.url()).host !== `127.0.0.1:${this.server.port}`) this.faults.push(`asked ${request.url()}`);
    });
    await page.goto(this.server.url);
    return page;
  }

  /** Fills in the form, and waits for the live list unless told otherwise. */
  async signIn(email, { anew = false, password = PASSWORD, wait = true } = {}) {
    const { page } = this;
    if (anew) await page.getByRole('button', { name: 'Create one' }).click();
    await page.getByLabel('E-mail').fill(email);
    await page.getByLabel('Password').fill(password);
    await page.getByRole('button', { name: anew ? 'Create account' : 'Sign in', exact: true }).click();
    if (wait) await live(page);
  }

  async shot(name) {
    mkdirSync(SCREENSHOTS, { recursive: true });
    await this.page.waitForTimeout(400); // the longest animation
    await this.page.screenshot({ path: `${SCREENSHOTS}${name}.png`, fullPage: true });
  }

  /** Asserts that all pages were well behaved, and closes them. */
  async close() {
    await this.context.close();
    assert.deepEqual(this.faults, []);
  }
}

/** Waits until the list of `page` is live. */
export function live(page) {
  return page.locator('[data-status=online]').waitFor();
}

/** Waits until `page` shows exactly these names of devices, in any order. */
export async function namesAre(page, ...names) {
  const wanted = JSON.stringify(names.sort());
  await page
    .waitForFunction(
      (wanted) =>
        JSON.stringify([...document.querySelectorAll('.card h3')].map((each) => each.textContent).sort()) === wanted,
      wanted,
    )
    .catch(async (error) => {
      assert.fail(`${error.message}: wanted ${wanted}, shows ${await page.locator('.card h3').allTextContents()}`);
    });
}

/** The card of the device called `name`. */
export function card(page, name) {
  return page.locator('.card', { has: page.getByRole('heading', { name, exact: true }) });
}

/** Asserts that axe-core finds nothing against WCAG 2.2 AA and its own good practices. */
export async function accessible(page, what) {
  await page.waitForTimeout(400); // colours in the middle of an animation are nobody's
  await page.evaluate(AXE);
  const violations = await page.evaluate(async () => {
    const { violations } = await globalThis.axe.run(document);
    return violations.map(({ id, nodes }) => `${id}: ${nodes.map((node) => node.html).join(' ')}`);
  });
  assert.deepEqual(violations, [], what);
}
