#!/bin/bash
# SPDX-License-Identifier: MIT
#
# daemon_config.sh - what larderd says about configurations, word by word; nothing is started
set -u
larderd=${LARDER_BUILD:-$PWD/build}/larderd
dir=$(mktemp -d "${TMPDIR:-/tmp}/larderd-config.XXXXXX") || exit 1
trap 'rm -rf "$dir"' EXIT
cd "$dir" || exit 1
export LARDER_SOCKET=$dir/sock
unset LARDER_HIDE
failed=0

# expect CODE STDOUT STDERR ARGUMENTS...
expect() {
	local code=$1 out=$2 err=$3
	shift 3
	"$larderd" "$@" >out 2>err
	local got=$?
	[ "$got" = "$code" ] && [ "$(cat out)" = "$out" ] && [ "$(cat err)" = "$err" ] && return
	printf 'larderd %s: exit %s, expected %s\n' "$*" "$got" "$code"
	diff <(printf '%s' "$out") out
	diff <(printf '%s\n' "$err") err
	failed=1
}

# bad TEXT MESSAGE: refused when it would run (2) and when it is only checked (78)
bad() {
	printf '%b' "$1" >c.conf
	expect 2 '' "$2" --config c.conf
	expect 78 '' "$2" --config c.conf --check-config
}

keys='preset, name, socket, memory, segment, test_clock, policy, allow_uids, readonly_uids, deny_uids, log_level, keeper, hide'

bad 'memory = 64' 'c.conf:1: memory = 64 has no unit, expected a size such as "64M"'
bad '# comment\n\nmemory = "64 X"\n' \
	'c.conf:3: memory = "64 X" is not a size, expected one such as "64M" or "2G"'
bad '/* a\nb */ name = "a#b" // c\n' 'c.conf:2: name = "a#b" makes no socket path, expected 1 to 64 of A-Z a-z 0-9 . _ -, and a path under 108 bytes'
bad 'memory = "9T"' 'c.conf:1: memory = "9T" is out of range, expected "1M" to "8T"'
bad 'memroy = "64M"' "c.conf:1: unknown key 'memroy', expected one of $keys"
bad 'policy = arc' 'c.conf:1: policy = "arc" is unknown, expected lru'
bad 'preset = fast' 'c.conf:1: preset = "fast" is unknown, expected production, development or testing'
bad 'log_level = loud' \
	'c.conf:1: log_level = "loud" is unknown, expected error, warning, notice, info or debug'
bad 'name = "a/b"' 'c.conf:1: name = "a/b" makes no socket path, expected 1 to 64 of A-Z a-z 0-9 . _ -, and a path under 108 bytes'
bad 'hide = {time}' 'c.conf:1: hide: "time" is unknown, expected membarrier, pidfd_getpeer, madv_collapse or mfd_noexec'
bad 'preset = testing\nsegment = "5K"' 'c.conf:2: segment = "5K" is not possible, expected a power of two from "4K" to "8M", or "auto"'
bad 'preset = testing\nsegment = "1M"' 'c.conf:2: segment = "1M" does not fit memory = "1M", expected 16 segments or more, and at most 1,048,576'
bad 'memory "64M"' 'c.conf:1: missing equal sign after option '"'memory'"', expected lines such as memory = "64M"'

expect 2 '' 'missing.conf: No such file or directory, expected a readable text file' --config missing.conf
expect 2 '' '--set memory=64: memory = 64 has no unit, expected a size such as "64M"' --set memory=64
expect 2 '' "--set x=1: unknown key 'x', expected one of $keys" --set x=1
expect 2 '' 'larderd: unexpected argument start; see larderd --help' start
expect 2 '' "$larderd: unrecognized option '--verbose'
larderd: unknown or incomplete option; see larderd --help" --verbose

version=$("$larderd" --version)
[[ $version =~ ^larderd\ [0-9]+\.[0-9]+\.[0-9]+$ ]] || { echo "version: $version" && failed=1; }
"$larderd" --help | grep -q '^Usage: larderd ' || failed=1

printf 'preset = testing # small\nallow_uids = {"1000", "1001"}\n' >c.conf
expect 0 'c.conf: ok' '' --config c.conf --check-config
expect 0 'the configuration: ok' '' --check-config
expect 0 "preset = \"testing\" # c.conf:1
name = \"web\" # --name
socket = \"$dir/sock\" # default
memory = \"2M\" # --set memory=2M
segment = \"4K\" # preset
test_clock = \"true\" # preset
policy = \"lru\" # default
allow_uids = {\"1000\", \"1001\"} # c.conf:2
readonly_uids = {} # default
deny_uids = {} # default
log_level = \"debug\" # preset
keeper = \"true\" # default
hide = {} # default" '' --config c.conf --print-config --name web --set memory=2M

# What is printed is a configuration, and means the same.
"$larderd" --config c.conf --print-config | sed 's/ # .*//' >first
"$larderd" --config c.conf --print-config >again.conf
"$larderd" --config again.conf --print-config | sed 's/ # .*//' | cmp - first || failed=1

[ ! -e sock ] || { echo 'something was started' && failed=1; }
exit $failed
