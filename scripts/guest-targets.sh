#!/usr/bin/env bash
# The two targets guests are built for. rust-toolchain.toml names them; a toolchain from elsewhere may lack them.
set -euo pipefail
targets=(wasm32-unknown-unknown wasm32-wasip2)
missing=()
sysroot=$(rustc --print sysroot)
for target in "${targets[@]}"; do
    [ -d "$sysroot/lib/rustlib/$target/lib" ] || missing+=("$target")
done
if [ "${#missing[@]}" -gt 0 ]; then
    command -v rustup >/dev/null || {
        echo "the toolchain lacks ${missing[*]} and rustup is not installed: install rustup, https://rustup.rs" >&2
        exit 1
    }
    rustup target add "${missing[@]}"
fi
