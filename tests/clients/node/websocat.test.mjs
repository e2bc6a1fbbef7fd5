// `echo … | websocat` closes its side as soon as it has sent: the reply of a slow skill must arrive all the same.
// OPENCLAW_SLEEPER names the component whose `sleeper` skill takes a second.

import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';

import WebSocket from 'ws';

import { check, finish } from './check.mjs';
import { Gateway } from './gateway.mjs';
import { printed } from './guide.mjs';

const ROUNDS = 20;
const SIDE_BY_SIDE = 4;
const sleeper = process.env.OPENCLAW_SLEEPER;
const skill = process.env.OPENCLAW_SLEEPER_SKILL ?? 'sleeper';
const args = JSON.parse(process.env.OPENCLAW_SLEEPER_ARGS ?? '{"ms":1000}');
const haveWebsocat = process.env.OPENCLAW_WEBSOCAT !== 'no';

const gateway = await Gateway.start({ skills: sleeper ? [sleeper] : [] });

/** Runs a shell command and resolves to what it printed. */
function shell(command) {
  return new Promise((resolve, reject) => {
    const run = spawn('bash', ['-o', 'pipefail', '-c', command], { stdio: ['ignore', 'pipe', 'pipe'] });
    let output = '';
    let complaint = '';
    run.stdout.on('data', (data) => { output += data; });
    run.stderr.on('data', (data) => { complaint += data; });
    run.on('close', (code) => (code === 0 ? resolve(output) : reject(new Error(`exit ${code}: ${complaint}`))));
  });
}

/** Runs `one` ROUNDS times, a few side by side, and wants every round to end well. */
async function rounds(one) {
  const left = Array.from({ length: ROUNDS }, (_, at) => `round-${at}`);
  const wrong = [];
  await Promise.all(Array.from({ length: SIDE_BY_SIDE }, async () => {
    for (let id = left.shift(); id; id = left.shift()) {
      await one(id).catch((error) => wrong.push(`${id}: ${error.message}`));
    }
  }));
  assert.deepEqual(wrong, [], `${ROUNDS - wrong.length} of ${ROUNDS} rounds printed their reply`);
}

const request = (id) => JSON.stringify({ type: 'skill_invoke', id, payload: { skill, args } });

if (haveWebsocat) {
  await check('the guide\'s websocat command prints the status', async () => {
    const reply = (await shell(printed('websocat.sh', gateway))).trim().split('\n').map((line) => JSON.parse(line));
    assert.equal(reply.find((frame) => frame.id === 'test')?.type, 'status');
  });
}

if (sleeper && haveWebsocat) {
  await check(`echo | websocat to a skill that takes a second prints its reply ${ROUNDS} times of ${ROUNDS}`, async () => {
    await rounds(async (id) => {
      const output = await shell(`echo '${request(id)}' | websocat ${gateway.url}`);
      const reply = output.trim().split('\n').filter(Boolean).map((line) => JSON.parse(line)).find((frame) => frame.id === id);
      assert.equal(reply?.type, 'response', output || 'nothing was printed');
    });
  }, 120_000);
}

if (sleeper) {
  await check(`a client that sends Close right after its request is answered before the Close, ${ROUNDS} of ${ROUNDS}`, async () => {
    await rounds((id) => new Promise((resolve, reject) => {
      const socket = new WebSocket(gateway.url);
      let reply;
      socket.on('open', () => {
        socket.send(request(id));
        socket.close(1000);
      });
      socket.on('message', (data) => {
        const frame = JSON.parse(data);
        if (frame.id === id) reply = frame;
      });
      socket.on('error', reject);
      socket.on('close', () => (reply?.type === 'response' ? resolve() : reject(new Error(`closed; reply: ${JSON.stringify(reply)}`))));
    }));
  }, 120_000);
}

await gateway.stop();
finish();
