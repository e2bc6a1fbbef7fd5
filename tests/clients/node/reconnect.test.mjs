// The guide's `connectWithRetry` survives a restart by SIGTERM: its next socket is a working one.

import assert from 'node:assert/strict';

import { check, finish } from './check.mjs';
import { Gateway } from './gateway.mjs';
import { guideReconnect } from './guide.mjs';

const RESTARTED_MS = 60_000;

await check('connectWithRetry is connected again after a SIGTERM restart', async () => {
  const gateway = await Gateway.start();
  const said = [];
  let hear = () => {};
  const heard = (text, times) => new Promise((resolve) => {
    hear = () => { if (said.filter((line) => line.startsWith(text)).length >= times) resolve(); };
    hear();
  });
  const console = {
    log: (line) => { said.push(line); hear(); },
    error: (...line) => { said.push(line.join(' ')); hear(); },
  };
  const sockets = [];
  const connectWithRetry = guideReconnect(gateway, console, (socket) => sockets.push(socket));

  connectWithRetry(gateway.url);
  await heard('Connected', 1);
  await gateway.terminate();
  await heard('Reconnecting', 1);
  await gateway.launch();
  await heard('Connected', 2);

  const socket = sockets.at(-1);
  const reply = new Promise((resolve) => { socket.onmessage = (event) => {
    const frame = JSON.parse(event.data);
    if (frame.id === 'again') resolve(frame);
  }; });
  socket.send(JSON.stringify({ type: 'status', id: 'again' }));
  assert.equal((await reply).type, 'status');
  socket.onclose = null;
  socket.close();
  await gateway.stop();
}, RESTARTED_MS);

finish();
