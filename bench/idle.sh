#!/bin/sh
# Measures idle sessions: builds the release, starts a gateway with an empty data folder on a free port, pins it to the
# first core and the load client to the second, and prints the figures beside those that must be reached.
#
#   bench/idle.sh [flags of `rollcall-bench idle`, such as --rounds 10 or --json FILE]
set -eu
cd "$(dirname "$0")/.."

cargo build --release --quiet -p rollcall -p rollcall-bench
target=${CARGO_TARGET_DIR:-target}/release

data=$(mktemp -d)
server=
stop() {
    if [ -n "$server" ]; then
        kill -TERM "$server" 2>/dev/null || true
        wait "$server" 2>/dev/null || true
    fi
    rm -rf "$data"
}
trap stop EXIT
trap 'exit 130' INT
trap 'exit 143' TERM

# A descriptor a session on each end, and some to spare.
ulimit -n "$(ulimit -Hn)" 2>/dev/null || true

on_core() {
    core=$1
    shift
    if command -v taskset >/dev/null && [ "$(nproc)" -ge 2 ]; then
        exec taskset -c "$core" "$@"
    fi
    exec "$@"
}

ROLLCALL_IDENTITY__SECRET=$(head -c 32 /dev/urandom | od -An -tx1 | tr -d ' \n')
export ROLLCALL_IDENTITY__SECRET
(
    export ROLLCALL_DATA_DIR="$data" ROLLCALL_LOG__FORMAT=json
    on_core 0 "$target/rollcall" serve --listen 127.0.0.1:0
) 2>"$data/server.log" &
server=$!

address=
tries=0
while [ -z "$address" ]; do
    address=$(sed -n '/"message":"listening"/s/.*"address":"\([^"]*\)".*/\1/p' "$data/server.log" | head -n 1)
    tries=$((tries + 1))
    if ! kill -0 "$server" 2>/dev/null || [ "$tries" -gt 300 ]; then
        echo "idle.sh: the gateway did not say that it listens:" >&2
        tail -n 20 "$data/server.log" >&2
        exit 2
    fi
    [ -n "$address" ] || sleep 0.1
done

code=0
(on_core 1 "$target/rollcall-bench" idle --url "$address" --server-pid "$server" "$@") || code=$?
if [ "$code" -gt 1 ]; then
    exit "$code"
fi

cat <<'FIGURES'

for comparison, 8,000 sessions, 2 a user, 64 handshakes in flight, one core; times only compare within one run
                                        CPU a connect   connects/s   bytes a session
  floor: canned bytes, nothing parsed           14 µs       38,900                 9
  socket.io on Bun, uWebSockets inside         154 µs        6,050            15,800
  socketioxide + axum, tuned                   169 µs        5,640            38,900
  NestJS + socket.io                           984 µs        1,010            18,260
  to be reached             2.5 × the floor (goal 1.8 ×)              1,536 (goal 1,024)
  idle CPU a session and second: 0.6 µs (goal 0.4); growth over 10 rounds: at most 5 %
FIGURES
exit "$code"
