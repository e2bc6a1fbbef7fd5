// Signs webhooks with the libraries of those who send them.
// Reads a JSON list of {scheme, secret, body, url, id} from standard input; prints one of {library, headers}.
// Invariant: what a library can check, it has checked before the gateway sees it.

import assert from 'node:assert/strict';
import { createHmac } from 'node:crypto';
import { readFileSync } from 'node:fs';

import '@shopify/shopify-api/adapters/node';
import { ApiVersion, shopifyApi } from '@shopify/shopify-api';
import { Webhooks } from '@octokit/webhooks';
import { verifyKey } from 'discord-interactions';
import { Webhook as StandardWebhook } from 'standardwebhooks';
import Stripe from 'stripe';
import { Webhook as SvixWebhook } from 'svix';
import nacl from 'tweetnacl';
import twilio from 'twilio';

const now = new Date();
const seconds = String(Math.floor(now.getTime() / 1000));

const sign = {
  async github({ secret, body, id }) {
    const webhooks = new Webhooks({ secret });
    const signature = await webhooks.sign(body);
    assert.ok(await webhooks.verify(body, signature));
    return {
      library: '@octokit/webhooks',
      headers: { 'X-Hub-Signature-256': signature, 'X-GitHub-Event': 'push', 'X-GitHub-Delivery': id },
    };
  },

  async stripe({ secret, body }) {
    const { webhooks } = new Stripe('sk_test_none');
    const header = webhooks.generateTestHeaderString({ payload: body, secret });
    assert.ok(webhooks.constructEvent(body, header, secret));
    return { library: 'stripe', headers: { 'Stripe-Signature': header } };
  },

  async shopify({ secret, body, id }) {
    const shopify = shopifyApi({
      apiKey: 'key',
      apiSecretKey: secret,
      apiVersion: ApiVersion.July26 ?? Object.values(ApiVersion).at(-1),
      hostName: 'localhost',
      isEmbeddedApp: false,
      scopes: [],
      logger: { log: () => {} },
    });
    const headers = {
      'X-Shopify-Hmac-Sha256': createHmac('sha256', secret).update(body).digest('base64'),
      'X-Shopify-Topic': 'orders/create',
      'X-Shopify-API-Version': '2026-07',
      'X-Shopify-Shop-Domain': 'tests.myshopify.com',
      'X-Shopify-Webhook-Id': id,
    };
    const lower = Object.fromEntries(Object.entries(headers).map(([name, value]) => [name.toLowerCase(), value]));
    const checked = await shopify.webhooks.validate({ rawBody: body, rawRequest: { headers: lower } });
    assert.ok(checked.valid, JSON.stringify(checked));
    return { library: '@shopify/shopify-api', headers };
  },

  async twilio({ secret, body, url, id }) {
    const params = Object.fromEntries(new URLSearchParams(body));
    const signature = twilio.getExpectedTwilioSignature(secret, url, params);
    assert.ok(twilio.validateRequest(secret, signature, url, params));
    return { library: 'twilio', headers: { 'X-Twilio-Signature': signature, 'I-Twilio-Idempotency-Token': id } };
  },

  async 'twilio-json'({ secret, body, url, id }) {
    const hashed = `${url}?bodySHA256=${twilio.getExpectedBodyHash(body)}`;
    const signature = twilio.getExpectedTwilioSignature(secret, hashed, {});
    assert.ok(twilio.validateRequestWithBody(secret, signature, hashed, body));
    const headers = { 'X-Twilio-Signature': signature, 'I-Twilio-Idempotency-Token': id };
    return { library: 'twilio (JSON)', headers, query: new URL(hashed).search };
  },

  async discord({ secret, body }) {
    const pair = nacl.sign.keyPair.fromSeed(Buffer.from(secret, 'hex'));
    const signature = Buffer.from(nacl.sign.detached(Buffer.from(seconds + body), pair.secretKey)).toString('hex');
    assert.ok(await verifyKey(body, signature, seconds, Buffer.from(pair.publicKey).toString('hex')));
    const headers = { 'X-Signature-Ed25519': signature, 'X-Signature-Timestamp': seconds };
    return { library: 'discord-interactions, tweetnacl', headers };
  },

  async 'standard-webhooks'({ secret, body, id }) {
    const webhook = new StandardWebhook(secret);
    const headers = {
      'webhook-id': id,
      'webhook-timestamp': seconds,
      'webhook-signature': webhook.sign(id, now, body),
    };
    assert.ok(webhook.verify(body, headers));
    return { library: 'standardwebhooks', headers };
  },

  async svix({ secret, body, id }) {
    const webhook = new SvixWebhook(secret);
    const headers = { 'svix-id': id, 'svix-timestamp': seconds, 'svix-signature': webhook.sign(id, now, body) };
    assert.ok(webhook.verify(body, headers));
    return { library: 'svix', headers };
  },
};

const asked = JSON.parse(readFileSync(0, 'utf8'));
const signed = [];
for (const request of asked) signed.push(await sign[request.scheme](request));
console.log(JSON.stringify(signed));
