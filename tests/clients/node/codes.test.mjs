// Each of the guide's six error codes, caused over the wire as a client would cause it.

import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';

import { check, finish } from './check.mjs';
import { Frames } from './frames.mjs';
import { Gateway } from './gateway.mjs';

const TOKEN = 'a-token-of-at-least-twenty-four-characters';
const POLICY = 1008;
const TRY_LATER = 1013;
const WRONG_TOKENS = 200;

const webhooks = JSON.parse(readFileSync(new URL('../guide/webhooks.json', import.meta.url), 'utf8'));

const guarded = await Gateway.start({ token: TOKEN });

await check('AUTH_REQUIRED: the first frame without a token is refused by its id and the socket closed', async () => {
  const frames = await Frames.open(guarded);
  const reply = await frames.ask({ type: 'status', id: 'no-token' });
  assert.deepEqual([reply.type, reply.payload.code], ['error', 'AUTH_REQUIRED']);
  assert.equal(await frames.closed, POLICY);
});

await check('AUTH_INVALID: the first frame with a wrong token is refused by its id and the socket closed', async () => {
  const frames = await Frames.open(guarded, 'not-the-token');
  const reply = await frames.ask({ type: 'status', id: 'bad-token' });
  assert.deepEqual([reply.type, reply.payload.code], ['error', 'AUTH_INVALID']);
  assert.equal(await frames.closed, POLICY);
});

await check('SKILL_NOT_FOUND: an unknown skill is named', async () => {
  const frames = await Frames.open(guarded, TOKEN);
  const reply = await frames.ask({ type: 'skill_invoke', id: 'unknown', payload: { skill: 'no-such-skill' } });
  assert.deepEqual([reply.type, reply.payload.code], ['error', 'SKILL_NOT_FOUND']);
  assert.match(reply.payload.message, /no-such-skill/);
  frames.close();
});

await check(`RATE_LIMITED: guessing tokens is throttled, also on loopback, within ${WRONG_TOKENS} tries`, async () => {
  for (let tries = 1; tries <= WRONG_TOKENS; tries += 1) {
    const frames = await Frames.open(guarded, `guess-${tries}`);
    const reply = await frames.ask({ type: 'status', id: `guess-${tries}` });
    assert.equal(reply.type, 'error');
    frames.close();
    if (reply.payload.code === 'RATE_LIMITED') {
      assert.ok(reply.payload.retry_after_ms > 0, `says when to come back: ${JSON.stringify(reply.payload)}`);
      return;
    }
    assert.equal(reply.payload.code, 'AUTH_INVALID');
  }
  assert.fail(`${WRONG_TOKENS} wrong tokens in a row and none was throttled`);
});
await guarded.stop();

const patient = await Gateway.start({ config: { gateway: { commandsPerMinute: 3 } } });

await check('RATE_LIMITED: the command over commandsPerMinute is refused by its id, with the time to wait', async () => {
  const frames = await Frames.open(patient);
  for (let at = 1; at <= 10; at += 1) {
    const reply = await frames.ask({ type: 'status', id: `status-${at}` });
    if (reply.type === 'error') {
      assert.equal(reply.payload.code, 'RATE_LIMITED');
      assert.ok(at > 3, `refused at command ${at}`);
      assert.ok(reply.payload.retry_after_ms > 0, `says when to come back: ${JSON.stringify(reply.payload)}`);
      frames.close();
      return;
    }
  }
  assert.fail('ten commands in a minute and none was refused, with three allowed');
});
await patient.stop();

const small = await Gateway.start({ config: { gateway: { max_connections: 1 } } });

await check('GATEWAY_BUSY: the connection over max_connections is told so and closed', async () => {
  const only = await Frames.open(small);
  await only.ask({ type: 'status', id: 'in' });
  const second = await Frames.open(small);
  const refusal = await second.first((frame) => frame.type === 'error');
  assert.equal(refusal.payload.code, 'GATEWAY_BUSY');
  assert.equal(await second.closed, TRY_LATER);
  only.close();
});
await small.stop();

const hooked = await Gateway.start({ config: webhooks });

for (const [claim, path, headers, status] of [
  ['a missing secret is 401', '/webhook/deploy-alert', {}, 401],
  ['a wrong secret is 401', '/webhook/deploy-alert', { 'X-Webhook-Secret': 'not-the-secret' }, 401],
  ['an unknown path is 404', '/webhook/no-such-path', { 'X-Webhook-Secret': 'your-webhook-secret' }, 404],
]) {
  await check(`WEBHOOK_INVALID: ${claim}`, async () => {
    const reply = await fetch(`${hooked.http}${path}`, {
      method: 'POST',
      headers: { 'Content-Type': 'application/json', ...headers },
      body: '{"service":"api-v2","status":"success","commit":"abc123"}',
    });
    assert.equal(reply.status, status);
    assert.equal((await reply.json()).error.code, 'WEBHOOK_INVALID');
  });
}
await hooked.stop();

finish();
