// Verifies deliveries with the libraries that receivers use: npm `standardwebhooks` and `svix`.
// Reads a JSON list of {secret, headers, body} from standard input; prints how many verifications held.
// Invariant: what verifies does not verify any more with one byte changed.

import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { createRequire } from 'node:module';

const require = createRequire(new URL('../vendors/package.json', import.meta.url));
const libraries = [require('standardwebhooks').Webhook, require('svix').Webhook];

let held = 0;
for (const { secret, headers, body } of JSON.parse(readFileSync(0, 'utf8'))) {
  for (const Webhook of libraries) {
    const webhook = new Webhook(secret);
    assert.deepEqual(webhook.verify(body, headers), JSON.parse(body));
    assert.throws(() => webhook.verify(body.replace('"', "'"), headers));
    assert.throws(() => webhook.verify(body, { ...headers, 'webhook-id': `${headers['webhook-id']}0` }));
    held += 1;
  }
}
process.stdout.write(String(held));
