// The devices page as static files: `npm run build` writes them to the folder that OUT names, else to `build`.
import { fileURLToPath } from 'node:url';
import { defineConfig } from 'vite';

const here = (path: string) => fileURLToPath(new URL(path, import.meta.url));

export default defineConfig({
  resolve: {
    alias: [
      // From its source, so that the page needs no second build.
      { find: '@rollcall/client/react', replacement: here('../clients/typescript/src/react.ts') },
      { find: '@rollcall/client', replacement: here('../clients/typescript/src/index.ts') },
      { find: 'react', replacement: 'preact/compat' },
    ],
    dedupe: ['socket.io-client', 'preact'],
  },
  oxc: { jsx: { runtime: 'automatic', importSource: 'preact' } },
  build: {
    outDir: process.env.OUT ?? 'build',
    emptyOutDir: true,
    target: 'es2022',
    // Every file has a name with its hash and an address of its own: no data: address, which the policy forbids.
    assetsInlineLimit: 0,
    modulePreload: { polyfill: false },
    reportCompressedSize: false,
  },
  // `npm run dev` beside `make dev`.
  server: {
    proxy: {
      '/auth': 'http://localhost:3000',
      '/socket.io': { target: 'http://localhost:3000', ws: true },
    },
  },
});
