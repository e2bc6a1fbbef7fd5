// The guide's printed code, made loadable: read from ../guide, with only the gateway's address put in.

import { mkdirSync, readFileSync, realpathSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath, pathToFileURL } from 'node:url';

import WebSocket from 'ws';

const here = dirname(fileURLToPath(import.meta.url));

/** A printed file with `localhost:18789` replaced by the gateway's own address. */
export function printed(file, gateway) {
  return readFileSync(join(here, '..', 'guide', file), 'utf8').replaceAll('localhost:18789', `127.0.0.1:${gateway.port}`);
}

/** Writes text where Node finds the packages it imports, and returns the file's path. */
export function importable(name, text) {
  const folder = join(realpathSync(join(here, 'node_modules')), '.guide');
  mkdirSync(folder, { recursive: true });
  const file = join(folder, `${process.pid}-${name}`);
  writeFileSync(file, text);
  return file;
}

/** The guide's `OpenClawClient`, without the usage example below it. */
export async function guideClient(gateway) {
  const [declaration] = printed('client.mjs', gateway).split('// Usage');
  const file = importable('client.mjs', `${declaration}\nexport { OpenClawClient };\n`);
  return (await import(pathToFileURL(file))).OpenClawClient;
}

/** The guide's `connectWithRetry`; what it logs goes to `console`, the sockets it opens to `opened`. */
export function guideReconnect(gateway, console, opened) {
  class Watched extends WebSocket {
    constructor(url) {
      super(url);
      opened(this);
    }
  }
  return new Function('WebSocket', 'console', `${printed('reconnect.js', gateway)}\nreturn connectWithRetry;`)(Watched, console);
}
