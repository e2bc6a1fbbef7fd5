# Sourced by the other scripts: runs named stages, counts what passed and failed, prints seconds per stage.
#
# Invariant: nothing is left out silently. A stage that cannot run says so by name and, with CI=true, fails.

passed=0
failed=0
stages=()
skips=()

# stage NAME COMMAND…: runs one step; it counts as one pass or one failure. The rest runs in either case.
stage() {
    local name=$1 began=$SECONDS code=0
    shift
    printf '\n=== %s\n' "$name"
    "$@" || code=$?
    if [ "$code" -eq 0 ]; then
        passed=$((passed + 1))
    else
        failed=$((failed + 1))
        printf '=== %s FAILED (exit code %s)\n' "$name" "$code"
    fi
    stages+=("$((SECONDS - began)) $([ "$code" -eq 0 ] && echo ok || echo FAILED) $name")
    return 0
}

# suite NAME COMMAND…: runs a step that prints its own counts, in nextest's words or as `N passed, N failed`.
# A step that fails without having counted a failure is one failure.
suite() {
    local name=$1 began=$SECONDS code=0 output counts good bad left
    shift
    printf '\n=== %s\n' "$name"
    output=$(mktemp)
    "$@" 2>&1 | tee "$output" || code=$?
    counts=$(python3 scripts/counts.py "$output")
    rm -f "$output"
    read -r good bad left <<<"$counts"
    if [ "$left" -gt 0 ]; then
        if [ "${CI:-}" = true ]; then
            printf '=== %s: %s tests were skipped, which CI counts as failures\n' "$name" "$left"
            bad=$((bad + left))
        else
            skips+=("$name: $left tests")
        fi
    fi
    if [ "$code" -ne 0 ] && [ "$bad" -eq 0 ]; then bad=1; fi
    if [ "$code" -eq 0 ] && [ "$good" -eq 0 ] && [ "$bad" -eq 0 ]; then
        printf '=== %s: no test ran\n' "$name"
        bad=1
    fi
    passed=$((passed + good))
    failed=$((failed + bad))
    stages+=("$((SECONDS - began)) $([ "$bad" -eq 0 ] && echo ok || echo FAILED) $name ($good passed, $bad failed)")
    return 0
}

# skip NAME REASON: a part that cannot run here. With CI=true that is a failure.
skip() {
    printf '\n!!! SKIPPED %s: %s\n' "$1" "$2"
    skips+=("$1: $2")
    if [ "${CI:-}" = true ]; then
        failed=$((failed + 1))
        stages+=("0 FAILED $1 (skipped, and CI=true)")
    else
        stages+=("0 skipped $1")
    fi
}

# finish: seconds per stage, what was skipped, and as the very last line the sum that CI reads.
finish() {
    printf '\n=== seconds per stage\n'
    local line
    for line in "${stages[@]}"; do
        printf '%6ss  %-7s %s\n' "${line%% *}" "$(cut -d' ' -f2 <<<"$line")" "$(cut -d' ' -f3- <<<"$line")"
    done
    printf '%6ss  %-7s all\n' "$SECONDS" ""
    for line in "${skips[@]}"; do
        printf '!!! SKIPPED %s\n' "$line"
    done
    printf '\n%s passed, %s failed\n' "$passed" "$failed"
    [ "$failed" -eq 0 ]
}
