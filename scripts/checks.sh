# Sourced by `make check` and `make test`: the checks themselves, one stage each.

# An ignored advisory says why it does not reach us and until when that holds; past that day it is red again.
advisory_exceptions_hold() {
    python3 - <<'PYTHON'
import datetime, re, sys, tomllib
bad = []
for entry in tomllib.load(open("deny.toml", "rb"))["advisories"].get("ignore", []):
    reason = entry.get("reason", "") if isinstance(entry, dict) else ""
    until = re.search(r"until (\d{4}-\d{2}-\d{2})", reason)
    if not until:
        bad.append(f"{entry}: `reason` must say why and end with `until YYYY-MM-DD`")
    elif datetime.date.fromisoformat(until.group(1)) < datetime.date.today():
        bad.append(f"{entry}: its exception has ended; update the crate or give a new reason and date")
print("\n".join(bad), end="\n" if bad else "")
sys.exit(bool(bad))
PYTHON
}

advisory_database_is_reachable() {
    timeout 30 git ls-remote --quiet https://github.com/RustSec/advisory-db HEAD >/dev/null 2>&1
}

run_checks() {
    stage "format" cargo fmt --all --check
    stage "clippy" cargo clippy --workspace --all-targets --quiet -- -D warnings
    if need_deny; then
        stage "dependencies: bans, licences, sources" cargo deny --log-level error check bans licenses sources
        stage "dependencies: exceptions have reasons and end dates" advisory_exceptions_hold
        if advisory_database_is_reachable; then
            stage "dependencies: advisories" cargo deny check advisories
        else
            # The one skip CI allows: without the database there is nothing to compare with, and that is no fault of the tree.
            printf '\n!!! SKIPPED dependencies: advisories: the advisory database (github.com/RustSec/advisory-db) cannot be reached\n'
            skips+=("dependencies: advisories: the advisory database cannot be reached")
            stages+=("0 skipped dependencies: advisories")
        fi
    else
        skip "dependencies" "cargo-deny $deny_version could not be installed; see the output above"
    fi
}
