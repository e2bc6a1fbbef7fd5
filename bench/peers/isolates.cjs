// What a fresh sandbox for one call costs in Node: a V8 isolate (isolated-vm) and QuickJS in WebAssembly.
// Prints one JSON row a line. The function is the bench guest's: parse a small JSON text and write it again.

const { createRequire } = require('node:module');

const load = createRequire(`${process.env.PEERS_MODULES}/`);
const CODE = 'function echo(text) { return JSON.stringify(JSON.parse(text)) }';
const INPUT = '{"text":"the quick brown fox jumps over the lazy dog","number":42,"words":["alpha","beta","gamma"]}';
const MEMORY_MIB = 16;
const DEADLINE_MS = 50;
const CALLS = Number(process.env.PEERS_CALLS ?? 500);

/** Microseconds a call, after a few that warm up. */
async function measure(call) {
  for (let at = 0; at < 20; at += 1) await call();
  const began = process.hrtime.bigint();
  for (let at = 0; at < CALLS; at += 1) {
    if ((await call()) !== INPUT) throw new Error('the function did not give back what it was given');
  }
  return Number(process.hrtime.bigint() - began) / CALLS / 1000;
}

function row(what, value) {
  console.log(JSON.stringify({ key: 'fresh-call', what, value, unit: 'µs' }));
}

async function main() {
  const ivm = load('isolated-vm');
  row('npm `isolated-vm`, a fresh isolate', await measure(() => {
    const isolate = new ivm.Isolate({ memoryLimit: MEMORY_MIB });
    const context = isolate.createContextSync();
    const echo = isolate.compileScriptSync(`${CODE}; echo`).runSync(context, { reference: true });
    const output = echo.applySync(undefined, [INPUT], { timeout: DEADLINE_MS });
    isolate.dispose();
    return output;
  }));

  const quickjs = await load('quickjs-emscripten').getQuickJS();
  row('npm `quickjs-emscripten`, a fresh runtime', await measure(() => {
    const runtime = quickjs.newRuntime();
    runtime.setMemoryLimit(MEMORY_MIB << 20);
    const ends = Date.now() + DEADLINE_MS;
    runtime.setInterruptHandler(() => Date.now() > ends);
    const context = runtime.newContext();
    context.unwrapResult(context.evalCode(CODE)).dispose();
    const result = context.unwrapResult(context.evalCode(`echo(${JSON.stringify(INPUT)})`));
    const output = context.getString(result);
    result.dispose();
    context.dispose();
    runtime.dispose();
    return output;
  }));
}

main().catch((error) => { console.error(error); process.exit(1); });
