// Runs a command beside a real gateway: `node with-gateway.mjs [--token TOKEN] -- COMMAND…`.
// The command finds the gateway in OPENCLAW_URL, and the token, if any, in OPENCLAW_AUTH_TOKEN.

import { spawn } from 'node:child_process';

import { Gateway } from './gateway.mjs';

const split = process.argv.indexOf('--');
const [command, ...args] = process.argv.slice(split + 1);
const flag = process.argv.slice(2, split).indexOf('--token');
const token = flag === -1 ? null : process.argv[2 + flag + 1];

const gateway = await Gateway.start({ token });
const env = { ...process.env, OPENCLAW_URL: gateway.url };
delete env.OPENCLAW_AUTH_TOKEN;
if (token) env.OPENCLAW_AUTH_TOKEN = token;
const run = spawn(command, args, { stdio: 'inherit', env });
const code = await new Promise((resolve) => run.on('exit', resolve));
await gateway.stop();
process.exit(code ?? 1);
