// Runs one test body for each way a stock client reaches the gateway.
import { test } from 'node:test';
import { TRANSPORTS, closeAll } from './client.js';

/** The names of the three modes. */
export const MODES = Object.keys(TRANSPORTS);

/** `name`, once over WebSocket, once polling, once polling with upgrade. */
export function eachMode(name, body) {
  for (const mode of MODES) testWithClients(`${name} [${mode}]`, () => body(mode));
}

/** A test whose clients are closed at its end, however it ends. */
export function testWithClients(name, body) {
  test(name, async (context) => {
    try {
      await body(context);
    } finally {
      closeAll();
    }
  });
}
