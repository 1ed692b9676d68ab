#!/bin/bash
# SPDX-License-Identifier: MIT
#
# run.sh - run the tests and count them
#
#   tests/run.sh                     everything
#   tests/run.sh unit proc/kill*     suites, tests, or patterns of them
#
# A test is a program: it passes with exit 0, is skipped with 77, fails with anything else, or when
# its time is over, or when a process that it started outlives it. The time is 60 seconds, or what
# a comment in the first 40 lines of its source says: "test-timeout: 120".
#
# unit cli model sim   run side by side, as many as there are processors (JOBS=)
# proc crash           run one after the other: they measure time and kill processes
#
# Each test gets a directory of its own as TMPDIR and XDG_RUNTIME_DIR, removed afterwards, and
# LARDER_BUILD, the directory with larderd, larderctl, larder-bench and the libraries. SCALE=N
# multiplies every time limit, for sanitizers. The last line is "N passed, N failed".
set -u
cd "$(dirname "$0")/.." || exit 1
LARDER_BUILD=${LARDER_BUILD:-$PWD/build}
SIM_BUILD=${SIM_BUILD:-$PWD/build/sim}
export LARDER_BUILD SIM_BUILD SCALE=${SCALE:-1}
unset LARDER_SOCKET MAKEFLAGS MFLAGS MAKELEVEL

work=$(mktemp -d "${TMPDIR:-/tmp}/larder-test.XXXXXX") || exit 1
export work
runner=
mkdir "$work/pids"

# Prints nothing, or the pids of the processes that carry the mark of a test.
marked() {
	grep -lsxzF "LARDER_TEST_ID=$1" /proc/[0-9]*/environ 2>/dev/null | cut -d/ -f3
}

# The daemon and its keeper may take a moment to notice the end of their test.
leftovers() {
	local i pids
	for i in 1 2 3 4 5 6 7 8 9 10; do
		pids=$(marked "$1")
		[ -n "$pids" ] || return 0
		sleep 0.1
	done
	for i in $pids; do
		printf 'left behind: %s (%s)\n' "$i" "$(tr '\0' ' ' <"/proc/$i/cmdline")"
		kill -KILL "$i" 2>/dev/null
	done
}

source_of() {
	if [ -f "tests/$1.sh" ]; then echo "tests/$1.sh"; else echo "tests/$1.c"; fi
}

# The command line of a test; tests written in C are where the Makefile puts them.
program_of() {
	case $1 in
	cli/* | model/*) echo "tests/$1.sh" ;;
	sim/*) echo "$SIM_BUILD/tests/$1" ;;
	*) echo "$LARDER_BUILD/tests/$1" ;;
	esac
}

time_limit() {
	local n
	n=$(sed -n '1,40s/.*test-timeout: *\([0-9][0-9]*\).*/\1/p' "$(source_of "$1")" | head -n 1)
	echo $((${n:-60} * SCALE))
}

verdict() {
	case $1 in
	0) echo PASS ;;
	77) echo SKIP ;;
	*) echo FAIL ;;
	esac
}

# One test, from its directory to its line of output.
run_one() {
	local name=$1 dir id start end status limit result left
	id=$$-${work##*/}
	dir=$work/$$
	mkdir "$dir" || exit 1
	limit=$(time_limit "$name")
	start=$(date +%s%N)
	LARDER_TEST_ID=$id TMPDIR=$dir XDG_RUNTIME_DIR=$dir \
		timeout -k 5 "$limit" "$(program_of "$name")" >"$dir.out" 2>&1 </dev/null &
	echo $! >"$work/pids/$$"
	wait $!
	status=$?
	end=$(date +%s%N)
	rm -f "$work/pids/$$"
	[ $status = 124 ] && echo "timed out after $limit seconds" >>"$dir.out"
	left=$(leftovers "$id")
	if [ -n "$left" ]; then
		echo "$left" >>"$dir.out"
		status=1
	fi
	result=$(verdict $status)
	(
		flock 9
		echo "$result" >>"$work/results"
		printf '%s  %-40s %d.%02d s\n' "$result" "$name" $(((end - start) / 1000000000)) \
			$(((end - start) / 10000000 % 100))
		case $result in
		FAIL) sed 's/^/      | /' "$dir.out" && echo "      | exit status $status" ;;
		SKIP) tail -n 1 "$dir.out" | sed 's/^/      | /' ;;
		esac
	) 9>"$work/lock"
	rm -rf "$dir" "$dir.out"
}
export -f marked leftovers source_of program_of time_limit verdict run_one

all_tests() {
	local f
	for f in tests/model/run.sh tests/unit/test_*.c tests/sim/test_*.c tests/cli/*.sh \
		tests/proc/*.c tests/crash/*.c; do
		[ -f "$f" ] || continue
		f=${f#tests/}
		echo "${f%.*}"
	done
}

# Of the names on stdin, those that an argument selects; without arguments all.
select_tests() {
	local name pattern
	while read -r name; do
		[ $# = 0 ] && echo "$name"
		for pattern; do
			# The patterns are meant to be patterns.
			# shellcheck disable=SC2254
			case $name in $pattern | $pattern/*) echo "$name" && break ;; esac
		done
	done
}

# In the background, because a trap waits for the end of a command in the foreground.
run_all() {
	# shellcheck disable=SC2016
	xargs -r -a "$2" -d '\n' -n 1 -P "$1" bash -c 'run_one "$1"' run_one &
	runner=$!
	wait "$runner"
	runner=
}

finish() {
	local f pid
	[ -z "$runner" ] || kill "$runner" 2>/dev/null
	for f in "$work"/pids/*; do
		[ -f "$f" ] || continue
		kill -KILL "${f##*/}" "$(cat "$f")" 2>/dev/null
		for pid in $(marked "${f##*/}-${work##*/}"); do kill -KILL "$pid" 2>/dev/null; done
	done
	rm -rf "$work"
}
trap finish EXIT
trap 'exit 130' INT
trap 'exit 143' TERM HUP

: >"$work/results"
tests=$(all_tests | select_tests "$@")
[ -n "$tests" ] || [ $# = 0 ] || {
	echo "no such test: $*" >&2
	exit 2
}
run_all "${JOBS:-$(nproc)}" <(grep -E '^(model|unit|sim|cli)/' <<<"$tests")
run_all 1 <(grep -E '^(proc|crash)/' <<<"$tests")

passed=$(grep -c PASS "$work/results")
failed=$(grep -c FAIL "$work/results")
skipped=$(grep -c SKIP "$work/results")
line="$passed passed, $failed failed"
[ "$skipped" = 0 ] || line+=", $skipped skipped"
echo "$line"
# A test that never reported is not a test that passed.
[ "$failed" = 0 ] && [ "$(wc -l <"$work/results")" = "$(grep -c . <<<"$tests")" ]
