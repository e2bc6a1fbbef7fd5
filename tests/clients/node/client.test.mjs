// The guide's Node client against a real gateway, with and without a token: its class as printed, then its usage.

import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';

import { check, finish } from './check.mjs';
import { Gateway } from './gateway.mjs';
import { guideClient, importable, printed } from './guide.mjs';
import { ARGS, SKILL } from './skill.mjs';

const TOKEN = 'a-token-of-at-least-twenty-four-characters';

/** A connected guide client that also keeps every frame it was sent. */
async function connect(gateway, token) {
  const OpenClawClient = await guideClient(gateway);
  const client = new OpenClawClient(gateway.url, token);
  client.frames = [];
  client.ws.on('message', (data) => client.frames.push(JSON.parse(data)));
  await once(client.ws, 'open');
  return client;
}

for (const token of [null, TOKEN]) {
  const door = token ? 'with a token' : 'without a token';
  const gateway = await Gateway.start({ token });

  await check(`${door}: status() is answered by a status frame`, async () => {
    const client = await connect(gateway, token);
    const status = await client.status();
    assert.equal(status.type, 'status');
    assert.equal(typeof status.payload, 'object');
    client.ws.close();
  });

  await check(`${door}: invokeSkill('${SKILL}') is answered by its response`, async () => {
    const client = await connect(gateway, token);
    const reply = await client.invokeSkill(SKILL, ARGS);
    assert.equal(reply.type, 'response', JSON.stringify(reply));
    assert.equal(reply.payload.skill, SKILL);
    assert.match(reply.payload.text, /answer by id/);
    client.ws.close();
  });

  await check(`${door}: chat() is answered by its response, with memory and without`, async () => {
    const client = await connect(gateway, token);
    for (const reply of [await client.chat('hi'), await client.chat('hi', { no_memory: true })]) {
      assert.equal(reply.type, 'response', JSON.stringify(reply));
      assert.match(reply.payload.text, /a router and no language model/);
      assert.deepEqual(reply.payload.tool_calls, []);
      assert.equal(reply.payload.tokens_used, 0);
    }
    client.ws.close();
  });

  await check(`${door}: twenty calls at once are each answered by their own id`, async () => {
    const client = await connect(gateway, token);
    const replies = await Promise.all(Array.from({ length: 20 }, () => client.invokeSkill(SKILL, ARGS)));
    assert.deepEqual(replies.map((reply) => reply.id), Array.from({ length: 20 }, (_, at) => `req-${at + 1}`));
    for (const reply of replies) assert.equal(reply.type, 'response', JSON.stringify(reply));
    client.ws.close();
  });

  await check(`${door}: events never settle a call`, async () => {
    const client = await connect(gateway, token);
    const reply = await client.invokeSkill(SKILL, ARGS);
    await client.status();
    const mine = client.frames.filter((frame) => frame.id === reply.id);
    assert.deepEqual(mine.map((frame) => frame.type), ['response'], 'exactly one frame carries the request id');
    const events = client.frames.filter((frame) => frame.payload?.request_id === reply.id);
    const kinds = events.map((frame) => frame.type);
    assert.ok(kinds.includes('tool_call') && kinds.includes('tool_result'), `events of the call arrived: ${kinds}`);
    client.ws.close();
  });

  await check(`${door}: the guide's usage example prints the gateway's status`, async () => {
    const file = importable('usage.mjs', printed('client.mjs', gateway));
    const env = { ...gateway.environment(), ...(token ? { OPENCLAW_AUTH_TOKEN: token } : {}) };
    const usage = spawn(process.execPath, [file], { env, stdio: ['ignore', 'pipe', 'pipe'] });
    let output = '';
    const said = new Promise((resolve, reject) => {
      usage.stdout.on('data', (data) => {
        output += data;
        if (output.includes('Agent says:')) resolve();
      });
      usage.stderr.on('data', (data) => { output += data; });
      usage.on('exit', (code) => reject(new Error(`it ended with ${code}: ${output}`)));
    });
    await said.finally(() => usage.kill());
    assert.match(output, /Gateway status: \{/);
    assert.match(output, /Agent says: .*today/);
  });

  await gateway.stop();
}

finish();
