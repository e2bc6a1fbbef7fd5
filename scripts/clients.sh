# Sourced: the guide's own clients against a real gateway. `node`, `python` are set by the `need_…` functions.

# The component of the guest that waits, built by the build script of tests/.
sleeper_component() {
    local file=$PWD/target/guests/skills/sleeper.wasm
    if [ -f "$file" ]; then echo "$file"; fi
}

run_clients() {
    export OPENCLAW_BIN=${OPENCLAW_BIN:-$PWD/target/debug/openclaw}
    if [ -z "${node:-}" ] || [ ! -x "$OPENCLAW_BIN" ]; then
        skip "clients" "they need Node and a built gateway ($OPENCLAW_BIN)"
        return
    fi
    local clients=tests/clients/node
    OPENCLAW_SLEEPER=${OPENCLAW_SLEEPER:-$(sleeper_component)}
    export OPENCLAW_SLEEPER
    [ -n "$OPENCLAW_SLEEPER" ] || skip "clients: a skill that takes a second" "no component of the test guests was built"
    if ! command -v websocat >/dev/null 2>&1; then export OPENCLAW_WEBSOCAT=no; fi

    suite "clients: Node, the guide's client" "$node" $clients/client.test.mjs
    suite "clients: Node, reconnecting" "$node" $clients/reconnect.test.mjs
    suite "clients: Node, the six codes" "$node" $clients/codes.test.mjs
    if command -v curl >/dev/null 2>&1; then
        suite "clients: curl, the guide's webhooks" "$node" $clients/webhooks.test.mjs
    else
        skip "clients: curl" "curl is not installed"
    fi
    suite "clients: websocat" "$node" $clients/websocat.test.mjs
    if [ -n "${python:-}" ]; then
        suite "clients: Python, without a token" \
            "$node" $clients/with-gateway.mjs -- "$python" tests/clients/python/client_test.py
        suite "clients: Python, with a token" \
            "$node" $clients/with-gateway.mjs --token a-token-of-at-least-twenty-four-characters -- \
            "$python" tests/clients/python/client_test.py
    else
        skip "clients: Python" "no Python with the websockets package"
    fi
}
