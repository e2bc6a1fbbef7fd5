# What a fresh sandbox for one call costs outside Node: a bubblewrap process, and an extism plugin instance.
# Prints one JSON row a line. Both get a small JSON text and give it back.

import json
import os
import shutil
import subprocess
import sys
import time

INPUT = b'{"text":"the quick brown fox jumps over the lazy dog","number":42,"words":["alpha","beta","gamma"]}'
CALLS = int(os.environ.get("PEERS_CALLS", "500"))

# Copies its input to its output, byte by byte: less than a real guest does, so the figure is the boundary's.
ECHO = b"""(module
  (import "extism:host/env" "input_length" (func $length (result i64)))
  (import "extism:host/env" "input_load_u8" (func $load (param i64) (result i32)))
  (import "extism:host/env" "alloc" (func $alloc (param i64) (result i64)))
  (import "extism:host/env" "store_u8" (func $store (param i64 i32)))
  (import "extism:host/env" "output_set" (func $output (param i64 i64)))
  (func (export "echo") (result i32) (local $size i64) (local $to i64) (local $at i64)
    (local.set $size (call $length))
    (local.set $to (call $alloc (local.get $size)))
    (block $done (loop $next
      (br_if $done (i64.ge_u (local.get $at) (local.get $size)))
      (call $store (i64.add (local.get $to) (local.get $at)) (call $load (local.get $at)))
      (local.set $at (i64.add (local.get $at) (i64.const 1)))
      (br $next)))
    (call $output (local.get $to) (local.get $size))
    (i32.const 0)))"""


def measure(call, calls: int) -> float:
    """Microseconds a call, after a few that warm up."""
    for _ in range(5):
        call()
    began = time.perf_counter()
    for _ in range(calls):
        if call() != INPUT:
            sys.exit("the function did not give back what it was given")
    return (time.perf_counter() - began) / calls * 1e6


def row(what: str, value: float) -> None:
    print(json.dumps({"key": "fresh-call", "what": what, "value": value, "unit": "µs"}, ensure_ascii=False))


def main() -> None:
    bwrap = shutil.which("bwrap")
    if bwrap:
        command = [bwrap, "--ro-bind", "/", "/", "--unshare-all", "--die-with-parent", "/bin/cat"]
        run = lambda: subprocess.run(command, input=INPUT, capture_output=True, check=True).stdout
        row("a bubblewrap process (`cat`)", measure(run, max(CALLS // 5, 1)))
    else:
        print("!!! SKIPPED bubblewrap: bwrap is not installed", file=sys.stderr)

    from extism.extism import CompiledPlugin, Plugin

    # Compiled once, as a host that cares would; each call gets an instance of its own.
    compiled = CompiledPlugin({"wasm": [{"data": ECHO}]})

    def fresh() -> bytes:
        with Plugin(compiled) as plugin:
            return bytes(plugin.call("echo", INPUT))

    row("PyPI `extism`, a fresh plugin instance", measure(fresh, CALLS))


main()
