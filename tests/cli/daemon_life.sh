#!/bin/bash
# SPDX-License-Identifier: MIT
#
# daemon_life.sh - starts that must be refused, stale sockets, clean ends
set -u
larderd=${LARDER_BUILD:-$PWD/build}/larderd
dir=$(mktemp -d "${TMPDIR:-/tmp}/larderd-life.XXXXXX") || exit 1
pid=
cleanup() {
	[ -z "$pid" ] || kill "$pid" 2>/dev/null
	wait
	rm -rf "$dir"
}
trap cleanup EXIT
unset LARDER_SOCKET LARDER_HIDE
sock=$dir/run/c.sock

fail() {
	echo "$*"
	sed 's/^/log: /' "$dir/log"
	exit 1
}

start() {
	: >"$dir/log" # the last daemon was ready too
	"$larderd" --socket "$sock" --set preset=testing 2>"$dir/log" &
	pid=$!
	for _ in $(seq 500); do
		grep -q 'ready: ' "$dir/log" && return
		kill -0 "$pid" 2>/dev/null || fail 'larderd did not start'
		sleep 0.01
	done
	fail 'larderd is not ready'
}

# The process that was started ends with this code, and nothing is left behind.
ends_with() {
	wait "$pid"
	local code=$?
	pid=
	[ "$code" = "$1" ] || fail "exit $code, expected $1"
	[ -z "$(ls "$dir/run")" ] || fail "left behind: $(ls "$dir/run")"
}

for sig in TERM INT HUP; do
	start
	kill -s "$sig" "$pid"
	ends_with 0
done

start
grep -qF "larderd: ready: cache main, 1 MiB, socket $sock, pid " "$dir/log" || fail 'message'
[ "$(stat -c %a "$sock")" = 660 ] || fail "mode of the socket: $(stat -c %a "$sock")"
[ "$(stat -c %a "$dir/run")" = 750 ] || fail "mode of its directory: $(stat -c %a "$dir/run")"
[ "$(cat "/proc/$pid/comm")" = larder-keeper ] || fail "name of the keeper"
daemon=$(pgrep -P "$pid")
[ "$(cat "/proc/$daemon/comm")" = larderd ] || fail "name of the daemon"

# The second one is told who is there, and harms nobody.
"$larderd" --socket "$sock" 2>"$dir/second"
[ $? = 3 ] || fail 'a second daemon was not refused'
want="larderd: already running, pid $pid (socket $sock); end it with larderctl shutdown, or choose another --name"
[ "$(cat "$dir/second")" = "$want" ] || fail "message: $(cat "$dir/second")"
[ -S "$sock" ] || fail 'the second daemon removed the socket'

# Both killed: the next one starts over the stale socket. A stopped daemon forks no new keeper.
kill -STOP "$daemon"
kill -KILL "$pid"
kill -KILL "$daemon"
wait "$pid" 2>/dev/null
flock -w 5 "$sock.lock" true || fail 'the lock outlives its owners'
[ -S "$sock" ] || fail 'no stale socket to replace'
start
kill "$pid"
ends_with 0

# Something else has the path.
echo precious >"$sock"
"$larderd" --socket "$sock" --set preset=testing 2>"$dir/log"
[ $? = 3 ] || fail 'a file was taken for a socket'
grep -qF "$sock is there and is no socket" "$dir/log" || fail 'message'
[ "$(cat "$sock")" = precious ] || fail 'a file was overwritten'
rm -f "$sock"

# More than there is.
"$larderd" --socket "$sock" --set memory=8T 2>"$dir/log"
[ $? = 3 ] || fail '8 TiB were not refused'
grep -qE '^larderd: memory = 8 TiB is more than the [0-9]+ [KMGT]iB that .* leaves; lower memory, or make room$' \
	"$dir/log" || fail 'message'
[ -z "$(ls "$dir/run")" ] || fail "left behind: $(ls "$dir/run")"

"$larderd" --socket /proc/no/such/c.sock --set preset=testing 2>"$dir/log"
[ $? = 3 ] || fail 'an impossible directory'
grep -qF 'cannot create the directory /proc/no/such for the socket' "$dir/log" || fail 'message'
