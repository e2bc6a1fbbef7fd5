// Counts what holds and what does not; a script ends by printing `N passed, N failed` and exits 1 on a failure.
// Invariant: every check has a deadline, so a gateway that answers nothing fails a check instead of hanging CI.

const DEADLINE_MS = 30_000;

let passed = 0;
let failed = 0;

/** Runs one check; `claim` is a sentence that is true of a correct gateway. */
export async function check(claim, body, deadlineMs = DEADLINE_MS) {
  let timer;
  const late = new Promise((_, reject) => {
    timer = setTimeout(() => reject(new Error(`no answer within ${deadlineMs} ms`)), deadlineMs);
  });
  try {
    await Promise.race([body(), late]);
    passed += 1;
    console.log(`ok   ${claim}`);
  } catch (error) {
    failed += 1;
    console.log(`FAIL ${claim}\n     ${String(error?.message ?? error).replaceAll('\n', '\n     ')}`);
  } finally {
    clearTimeout(timer);
  }
}

/** Prints the sum and ends the process: open sockets of a failed check must not keep it alive. */
export function finish() {
  console.log(`${passed} passed, ${failed} failed`);
  process.exit(failed === 0 ? 0 : 1);
}
