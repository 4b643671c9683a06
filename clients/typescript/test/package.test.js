// The package itself: its size without socket.io-client, and its types as an application sees them.
import { test } from 'node:test';
import { execFileSync } from 'node:child_process';
import { createRequire } from 'node:module';
import { gzipSync } from 'node:zlib';
import { fileURLToPath } from 'node:url';
import assert from 'node:assert/strict';
import { build } from 'esbuild';

const FOLDER = fileURLToPath(new URL('..', import.meta.url));
/** What a page may have to load for it besides socket.io-client, in bytes. */
const SIZE_MAX = 5 * 1024;

test('it is smaller than 5 KB, minified and compressed, without socket.io-client', async () => {
  const { outputFiles } = await build({
    stdin: {
      contents: "export * from '@rollcall/client'; export * from '@rollcall/client/react';",
      resolveDir: FOLDER,
    },
    bundle: true,
    minify: true,
    format: 'esm',
    external: ['socket.io-client', 'react'],
    write: false,
  });
  const size = gzipSync(outputFiles[0].contents).length;
  assert.ok(outputFiles[0].text.includes('sessions:ready'), 'this is the client');
  assert.ok(size < SIZE_MAX, `${size} bytes`);
});

test('its types say what an application may and may not do', () => {
  const tsc = createRequire(import.meta.url)
    .resolve('typescript/package.json')
    .replace('package.json', 'bin/tsc');
  execFileSync(process.execPath, [tsc, '-p', 'test/tsconfig.json'], { cwd: FOLDER, stdio: 'pipe', encoding: 'utf8' });
});
