# shellcheck shell=bash
# SPDX-License-Identifier: MIT
#
# ctl_common.bash - what the tests of larderctl share: a private daemon, and expect()
#
# Sourced by tests/cli/ctl_*.sh. Everything lives in $dir, which is removed at the end.

build=${LARDER_BUILD:-build}
ctl=$build/larderctl
dir=$(mktemp -d) || exit 1
socket=$dir/cache.sock
daemon=
failed=0

if [ ! -x "$ctl" ]; then
	echo 'larderctl is not built'
	rm -rf "$dir"
	exit 77
fi
unset LARDER_SOCKET NO_COLOR
export XDG_RUNTIME_DIR=$dir

finish() {
	if [ -n "$daemon" ]; then
		kill -TERM "$daemon" 2>/dev/null
		wait "$daemon" 2>/dev/null
	fi
	rm -rf "$dir"
}
trap finish EXIT

done_testing() {
	exit "$failed"
}

fail() {
	printf 'FAILED: %s\n' "$*"
	failed=1
}

# same WHAT EXPECTED GOT
same() {
	[ "$2" = "$3" ] || fail "${1:0:1000}
  expected: ${2:0:1000}
  got:      ${3:0:1000}"
}

# expect STATUS OUTPUT COMMAND...: its words are left in $dir/stderr
expect() {
	local status=$1 output=$2 got result
	shift 2
	got=$("$@" 2>"$dir/stderr" </dev/null)
	result=$?
	[ "$status" = $result ] || cat "$dir/stderr"
	same "exit status of: $*" "$status" $result
	same "output of: $*" "$output" "$got"
}

# says TEXT: the last expected command said so, and nothing else
says() {
	same 'standard error' "$1" "$(cat "$dir/stderr")"
}

# start_daemon ARGUMENT...: and wait until it answers
start_daemon() {
	local i
	if [ ! -x "$build/larderd" ]; then
		echo 'larderd is not built'
		exit 77
	fi
	"$build/larderd" --socket "$socket" --set memory=16M "$@" >"$dir/log" 2>&1 &
	daemon=$!
	for ((i = 0; i < 100; i++)); do
		"$ctl" --cache "$socket" ping >/dev/null 2>&1 && return
		kill -0 "$daemon" 2>/dev/null || break
		sleep 0.1
	done
	echo 'larderd does not answer:'
	cat "$dir/log"
	exit 1
}

# ctl ARGUMENT...: the tool on the private cache
ctl() {
	"$ctl" --cache "$socket" "$@"
}
