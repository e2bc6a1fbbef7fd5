// Starts and stops real gateways for the client tests: the binary of OPENCLAW_BIN, a temporary home, its own port.
// Invariant: every gateway started here is ended when the script ends, however it ends.

import { spawn, spawnSync } from 'node:child_process';
import { mkdtempSync, openSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as pause } from 'node:timers/promises';

const binary = process.env.OPENCLAW_BIN;
if (!binary) throw new Error('OPENCLAW_BIN names no gateway: set it to the path of the `openclaw` binary');

const READY_TRIES = 600;
const READY_PAUSE_MS = 50;

const running = new Set();
process.on('exit', () => {
  for (const gateway of running) gateway.process?.kill('SIGKILL');
  for (const gateway of running) rmSync(gateway.home, { recursive: true, force: true });
});
for (const signal of ['SIGINT', 'SIGTERM']) process.on(signal, () => process.exit(1));

/** A port that was free a moment ago. */
async function freePort() {
  const server = createServer();
  await new Promise((resolve) => server.listen(0, '127.0.0.1', resolve));
  const { port } = server.address();
  await new Promise((resolve) => server.close(resolve));
  return port;
}

export class Gateway {
  /**
   * A gateway on a port and home of its own.
   * `config` is what goes into openclaw.json beside the port; `token` switches authentication on;
   * `skills` are component files installed before the start.
   */
  static async start({ config = {}, token = null, skills = [] } = {}) {
    const gateway = new Gateway();
    gateway.port = await freePort();
    gateway.home = mkdtempSync(join(tmpdir(), 'openclaw-clients-'));
    gateway.token = token;
    gateway.url = `ws://127.0.0.1:${gateway.port}`;
    gateway.http = `http://127.0.0.1:${gateway.port}`;
    const settings = { ...config, gateway: { host: '127.0.0.1', port: gateway.port, ...config.gateway } };
    if (token) settings.gateway.auth = { enabled: true, mode: 'token', token };
    writeFileSync(join(gateway.home, 'openclaw.json'), JSON.stringify(settings, null, 2));
    running.add(gateway);
    for (const file of skills) gateway.cli('skills', 'install', file);
    await gateway.launch();
    return gateway;
  }

  /** Runs a command of the CLI on this gateway's home; throws with its output when it fails. */
  cli(...args) {
    const run = spawnSync(binary, ['--home', this.home, ...args], { encoding: 'utf8', env: this.environment() });
    if (run.status !== 0) throw new Error(`openclaw ${args.join(' ')} exited with ${run.status}: ${run.stderr}`);
    return run.stdout;
  }

  /** Starts the process on the same home and port and waits until it says it is ready. */
  async launch() {
    const log = openSync(join(this.home, 'gateway.log'), 'a');
    this.process = spawn(binary, ['--home', this.home, 'gateway'], {
      stdio: ['ignore', log, log],
      env: this.environment(),
    });
    this.ended = new Promise((resolve) => this.process.once('exit', resolve));
    for (let tries = 0; tries < READY_TRIES; tries += 1) {
      if (this.process.exitCode !== null) break;
      const ready = await fetch(`${this.http}/readyz`).then((reply) => reply.ok, () => false);
      if (ready) return;
      await pause(READY_PAUSE_MS);
    }
    throw new Error(`the gateway did not become ready; its log:\n${this.log()}`);
  }

  /** Asks it to end as an operator's service manager does, and waits until it has. */
  async terminate() {
    this.process.kill('SIGTERM');
    await this.ended;
  }

  /** Ends it and removes its home. */
  async stop() {
    await this.terminate();
    rmSync(this.home, { recursive: true, force: true });
    running.delete(this);
  }

  log() {
    return readFileSync(join(this.home, 'gateway.log'), 'utf8');
  }

  /** Nothing of the developer's own OpenClaw configuration reaches the gateway under test. */
  environment() {
    return { PATH: process.env.PATH, HOME: this.home, LANG: 'C.UTF-8' };
  }
}
