// Takes the database of a gateway away: another process holds SQLite's write lock until told to let go.
// Knows SQLite's file header and its lock, no schema.
import { spawn } from 'node:child_process';
import { closeSync, openSync, readSync, readdirSync } from 'node:fs';
import path from 'node:path';
import assert from 'node:assert/strict';

const HOLD = `
import sqlite3, sys
database = sqlite3.connect(sys.argv[1], timeout=30, isolation_level=None)
database.execute("BEGIN IMMEDIATE")
print("held", flush=True)
sys.stdin.read()
database.execute("ROLLBACK")
`;

/** Locks the SQLite file in `dataDir`; resolves with a function that lets it go. */
export async function holdDatabase(dataDir) {
  const file = readdirSync(dataDir).map((name) => path.join(dataDir, name)).find(isDatabase);
  assert.ok(file, `no SQLite file among ${readdirSync(dataDir)}`);
  const child = spawn('python3', ['-c', HOLD, file], { stdio: ['pipe', 'pipe', 'inherit'] });
  const ended = new Promise((resolve) => child.once('exit', resolve));
  await Promise.race([
    new Promise((resolve) => child.stdout.once('data', resolve)),
    ended.then((code) => assert.fail(`the lock was not taken, exit ${code}`)),
  ]);
  return async () => {
    child.stdin.end();
    await ended;
  };
}

function isDatabase(file) {
  let handle;
  try {
    handle = openSync(file, 'r');
    const head = Buffer.alloc(15);
    return readSync(handle, head) === 15 && head.toString() === 'SQLite format 3';
  } catch {
    return false; // a folder
  } finally {
    if (handle !== undefined) closeSync(handle);
  }
}
