// The guide's two curl commands, as printed: each is answered 200, and a connected client sees the message.

import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { readFileSync } from 'node:fs';

import { check, finish } from './check.mjs';
import { Frames } from './frames.mjs';
import { Gateway } from './gateway.mjs';
import { printed } from './guide.mjs';

const webhooks = JSON.parse(readFileSync(new URL('../guide/webhooks.json', import.meta.url), 'utf8'));
const expected = [
  ['/deploy-alert', 'Deployment completed: api-v2 is now success (commit abc123)'],
  ['/error-alert', 'Production error in payments: Connection timeout to database'],
];

const gateway = await Gateway.start({ config: webhooks });
const commands = printed('webhooks.sh', gateway).split('\n\n');

for (const [at, [path, text]] of expected.entries()) {
  await check(`curl to ${path} is answered 200 and a client sees exactly its message`, async () => {
    const frames = await Frames.open(gateway);
    await frames.ask({ type: 'status', id: 'listening' });
    // Silent, and a failure for every status that is not a success; the command itself stays as printed.
    const curl = `curl() { command curl --silent --show-error --fail-with-body --max-time 20 "$@"; }\n${commands[at]}`;
    const run = spawnSync('bash', ['-c', curl], { encoding: 'utf8' });
    assert.equal(run.status, 0, run.stdout + run.stderr);
    const receipt = JSON.parse(run.stdout);
    assert.equal(receipt.ok, true);
    assert.equal(receipt.duplicate, false);
    assert.equal(typeof receipt.id, 'string');
    const event = await frames.first((frame) => frame.type === 'channel.message.received');
    assert.equal(event.payload.text, text);
    assert.equal(event.payload.channel, 'webhook');
    assert.ok(path.endsWith(event.payload.sender.replace(/^\//, '')), event.payload.sender);
    frames.close();
  });
}

await gateway.stop();
finish();
