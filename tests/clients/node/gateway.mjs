// Starts and stops real gateways for the client tests: the binary of OPENCLAW_BIN, a temporary home, its own port.
// Invariant: every gateway started here is ended when the script ends, however it ends.

import { spawn, spawnSync } from 'node:child_process';
import { existsSync, mkdtempSync, openSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
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

export class Gateway {
  /**
   * A gateway on a port and home of its own.
   * `config` is what goes into openclaw.json beside the port; `token` switches authentication on;
   * `skills` are component files installed before the start.
   */
  static async start({ config = {}, token = null, skills = [] } = {}) {
    const gateway = new Gateway();
    gateway.port = 0;
    gateway.home = mkdtempSync(join(tmpdir(), 'openclaw-clients-'));
    gateway.token = token;
    const settings = { ...config, gateway: { host: '127.0.0.1', ...config.gateway } };
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

  /**
   * Starts the process and waits until it is ready: the first time on a port the system picks, later on the same one,
   * as a restarted gateway does.
   */
  async launch() {
    const log = openSync(join(this.home, 'gateway.log'), 'a');
    const readyFile = join(this.home, 'ready');
    rmSync(readyFile, { force: true });
    const flags = ['--home', this.home, 'gateway', '--port', String(this.port), '--ready-file', readyFile];
    this.process = spawn(binary, flags, { stdio: ['ignore', log, log], env: this.environment() });
    this.ended = new Promise((resolve) => this.process.once('exit', resolve));
    for (let tries = 0; tries < READY_TRIES && this.process.exitCode === null; tries += 1) {
      if (existsSync(readyFile)) {
        this.url = readFileSync(readyFile, 'utf8').trim();
        this.port = Number(new URL(this.url).port);
        this.http = `http://127.0.0.1:${this.port}`;
        const ready = await fetch(`${this.http}/readyz`).then((reply) => reply.ok, () => false);
        if (ready) return;
      }
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
