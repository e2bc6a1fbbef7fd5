// The real OpenClaw gateway (npm `openclaw`), measured over loopback on a home of its own. Prints one JSON row a line.
// Invariant: the gateway started here is ended with this script, and every loop is bounded in count and time.

import { spawn, spawnSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { Agent, request } from 'node:http';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as pause } from 'node:timers/promises';

const program = process.env.PEERS_OPENCLAW;
const STARTS = Number(process.env.PEERS_STARTS ?? 3);
const READY_MS = 300_000;
const SETTLE_MS = Number(process.env.PEERS_SETTLE_MS ?? 45_000);
const HEALTH_CALLS = Number(process.env.PEERS_CALLS ?? 500);
const WAKES = HEALTH_CALLS * 20;
const CONNECTIONS = 16;
const LOOP_MS = 3_000;
const TOKEN = 'bench-gateway-token-of-thirty-two-chars';
const HOOK_TOKEN = 'bench-webhook-token-of-thirty-two-chars';

const home = mkdtempSync(join(tmpdir(), 'openclaw-peer-'));
let gateway;
process.on('exit', () => {
  gateway?.kill('SIGKILL');
  rmSync(home, { recursive: true, force: true });
});
for (const signal of ['SIGINT', 'SIGTERM']) process.on(signal, () => process.exit(1));

const port = await new Promise((resolve) => {
  const server = createServer();
  server.listen(0, '127.0.0.1', () => {
    const { port: free } = server.address();
    server.close(() => resolve(free));
  });
});

/** `key` is the row of the gateway's own that this stands beside, if there is one. */
function row(key, what, value, unit) {
  console.log(JSON.stringify({ key, what: `OpenClaw: ${what}`, value, unit }));
}

function configure() {
  const transforms = join(home, '.openclaw', 'hooks', 'transforms');
  mkdirSync(transforms, { recursive: true });
  writeFileSync(join(transforms, 'stuck.mjs'),
    `export default () => { const ends = Date.now() + ${LOOP_MS}; while (Date.now() < ends); return null; };\n`);
  writeFileSync(join(home, '.openclaw', 'openclaw.json'), JSON.stringify({
    gateway: { mode: 'local', port, bind: 'loopback', auth: { mode: 'token', token: TOKEN } },
    hooks: {
      enabled: true,
      token: HOOK_TOKEN,
      path: '/hooks',
      mappings: [{ id: 'stuck', match: { path: 'stuck' }, action: 'wake', transform: { module: 'stuck.mjs' } }],
    },
  }));
}

/** One HTTP request; resolves to status and body. */
function ask(agent, method, path, body) {
  return new Promise((resolve, reject) => {
    const asked = request({
      host: '127.0.0.1', port, method, path, timeout: 30_000,
      // Without an agent of its own a request gets a new connection: a kept one may be closed under it.
      agent: agent ?? false,
      headers: body ? { authorization: `Bearer ${HOOK_TOKEN}`, 'content-type': 'application/json', 'content-length': Buffer.byteLength(body) } : {},
    }, (reply) => {
      let text = '';
      reply.on('data', (data) => { text += data; });
      reply.on('end', () => resolve({ status: reply.statusCode, text }));
    });
    asked.on('error', reject);
    asked.on('timeout', () => asked.destroy(new Error('no answer within 30 s')));
    asked.end(body);
  });
}

async function start() {
  const began = performance.now();
  gateway = spawn(process.execPath, [program, 'gateway', '--port', String(port)], {
    stdio: 'ignore',
    env: { PATH: process.env.PATH, HOME: home, LANG: 'C.UTF-8' },
  });
  while (performance.now() - began < READY_MS) {
    const ended = gateway.exitCode ?? gateway.signalCode;
    if (ended !== null) throw new Error(`OpenClaw ended with ${ended}`);
    const ready = await ask(undefined, 'GET', '/readyz').then(({ status }) => status === 200, () => false);
    if (ready) return performance.now() - began;
    await pause(20);
  }
  throw new Error(`OpenClaw was not ready within ${READY_MS} ms`);
}

async function stop() {
  const stopping = gateway;
  const ended = new Promise((resolve) => stopping.once('exit', resolve));
  stopping.kill('SIGTERM');
  // Taken back once it has ended: by then the next one may run.
  const late = setTimeout(() => stopping.kill('SIGKILL'), 15_000);
  await ended;
  clearTimeout(late);
}

const quantile = (values, share) => values.toSorted((left, right) => left - right)[Math.floor((values.length - 1) * share)];
const median = (values) => quantile(values, 0.5);

/** Resident memory of one process in MiB. */
function resident(pid) {
  return Number(/VmRSS:\s+(\d+)/.exec(readFileSync(`/proc/${pid}/status`, 'utf8'))[1]) / 1024;
}

/** Processes that a process started. */
function children(pid) {
  return readdirSync(`/proc/${pid}/task`)
    .flatMap((thread) => readFileSync(`/proc/${pid}/task/${thread}/children`, 'utf8').split(' '))
    .filter(Boolean);
}

/** A connected operator; resolves to a function that calls a method and waits for its reply. */
async function connect() {
  const socket = new WebSocket(`ws://127.0.0.1:${port}`);
  const waiting = new Map();
  let count = 0;
  const call = (method, params) => new Promise((resolve, reject) => {
    const id = String(count += 1);
    waiting.set(id, (reply) => (reply.ok ? resolve(reply.payload) : reject(new Error(JSON.stringify(reply.error)))));
    socket.send(JSON.stringify({ type: 'req', id, method, params }));
  });
  await new Promise((resolve, reject) => {
    socket.onerror = () => reject(new Error('the WebSocket failed'));
    socket.onmessage = ({ data }) => {
      const frame = JSON.parse(data);
      if (frame.type === 'res') waiting.get(frame.id)?.(frame);
      if (frame.event === 'connect.challenge') {
        call('connect', {
          minProtocol: 4, maxProtocol: 4, caps: [], role: 'operator', scopes: ['operator.read'],
          client: { id: 'gateway-client', version: '1.0.0', platform: 'linux', mode: 'backend' },
          auth: { token: TOKEN },
        }).then(resolve, reject);
      }
    };
  });
  return { call, close: () => socket.close() };
}

async function health() {
  const client = await connect();
  const times = [];
  for (let at = 0; at < HEALTH_CALLS; at += 1) {
    const asked = performance.now();
    await client.call('health', {});
    times.push((performance.now() - asked) * 1000);
  }
  client.close();
  row('websocket-p50', '`health` over WebSocket, 1 connection, p50', median(times), 'µs');
}

async function healthOfMany() {
  const clients = [];
  for (let at = 0; at < CONNECTIONS; at += 1) clients.push(await connect());
  let left = HEALTH_CALLS * 10;
  const began = performance.now();
  await Promise.all(clients.map(async ({ call }) => {
    while (left > 0 && performance.now() - began < 30_000) {
      left -= 1;
      await call('health', {});
    }
  }));
  row('websocket-16', `\`health\` over WebSocket, ${CONNECTIONS} connections`, (HEALTH_CALLS * 10 - left) / ((performance.now() - began) / 1000), '/s');
  for (const { close } of clients) close();
}

async function status() {
  const asked = performance.now();
  const { status: code } = spawnSync(process.execPath, [program, 'status'], {
    stdio: 'ignore', timeout: 120_000,
    env: { PATH: process.env.PATH, HOME: home, LANG: 'C.UTF-8', OPENCLAW_GATEWAY_TOKEN: TOKEN },
  });
  if (code !== 0) throw new Error(`\`openclaw status\` ended with ${code}`);
  row('status', '`openclaw status`', performance.now() - asked, 'ms');
}

async function wakes() {
  const agent = new Agent({ keepAlive: true, maxSockets: CONNECTIONS });
  const times = [];
  let left = WAKES;
  const began = performance.now();
  await Promise.all(Array.from({ length: CONNECTIONS }, async () => {
    while (left > 0 && performance.now() - began < 30_000) {
      const at = left;
      left -= 1;
      const asked = performance.now();
      const { status, text } = await ask(agent, 'POST', '/hooks/wake', JSON.stringify({ text: `deployed ${at}`, mode: 'next-heartbeat' }));
      if (status !== 200) throw new Error(`/hooks/wake answered ${status}: ${text}`);
      times.push(performance.now() - asked);
    }
  }));
  row('webhook', `POST /hooks/wake, c=${CONNECTIONS}`, (WAKES - left) / ((performance.now() - began) / 1000), '/s');
  row('webhook-p99', `POST /hooks/wake, c=${CONNECTIONS}, p99`, quantile(times, 0.99), 'ms');
  agent.destroy();
}

async function stuck() {
  const looping = ask(undefined, 'POST', '/hooks/stuck', '{}');
  await pause(200);
  const asked = performance.now();
  await ask(undefined, 'GET', '/healthz');
  row('stuck', `GET /healthz while a transform loops for ${LOOP_MS} ms`, performance.now() - asked, 'ms');
  await looping;
}

configure();
await start();
await stop();
const starts = [];
for (let at = 0; at < STARTS; at += 1) {
  starts.push(await start());
  if (at + 1 < STARTS) await stop();
}
row('ready', `start to ready, median of ${STARTS}`, median(starts), 'ms');
await pause(SETTLE_MS);
row('resident', 'idle resident memory, main process', resident(gateway.pid), 'MiB');
row('resident', 'idle resident memory, with its children', [gateway.pid, ...children(gateway.pid)].reduce((sum, pid) => sum + resident(pid), 0), 'MiB');
for (const measure of [health, healthOfMany, wakes, stuck, status]) {
  // A busy OpenClaw drops connections; one number less is no reason to lose the others.
  await measure().catch((error) => console.error(`!!! SKIPPED OpenClaw, ${measure.name}: ${error.message}`));
}
await stop();
process.exit(0);
