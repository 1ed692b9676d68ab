#!/bin/bash
# SPDX-License-Identifier: MIT
#
# run.sh - all static checks; each is one line of output, the last line counts them
#
#   tests/lint/run.sh                 everything
#   tests/lint/run.sh format order    some
#
# Steps are the functions named step_*. BUILD= is where the -Werror builds go (build).
set -u
cd "$(dirname "$0")/../.." || exit 1
export BUILD=${BUILD:-build}
unset MAKEFLAGS MFLAGS MAKELEVEL
jobs=$(nproc)
includes='-D_GNU_SOURCE -Iinclude -Ilibclient -Idaemon -Itools -Ibench -Itests/common'
warnings='-Wall -Wextra -Wpedantic -Wshadow -Wpointer-arith -Wcast-qual -Wwrite-strings -Wvla
	-Wundef -Wformat=2 -Wimplicit-fallthrough -Wstrict-prototypes -Wmissing-prototypes'

sources() {
	find include libclient daemon tools bench tests -type f -regextype posix-extended \
		-regex ".*\.($1)" | sort
}

step_format() {
	local out
	out=$(sources 'c|h|cc' | xargs -r clang-format --dry-run -Werror 2>&1) && return
	sed -n 's/^\([^:]*\):[0-9]*:[0-9]*: error:.*/type: clang-format -i \1/p' <<<"$out" | sort -u
	return 1
}

# One process for each file: clang-tidy is slow. What it says beside the errors, the path to each,
# is for whoever looks into one: clang-tidy FILE -- FLAGS. The simulator's files define what a build
# without LARDER_SIM has inline.
step_tidy() {
	# shellcheck disable=SC2016,SC2086
	sources c | xargs -r -d '\n' -I FILE -P "$jobs" sh -c '
		f=$1; shift; case $f in tests/sim/*) set -- "$@" -DLARDER_SIM ;; esac; out=$(clang-tidy --quiet "$f" -- -std=c17 "$@" 2>/dev/null) ||
			{ echo "$out" | grep ": error:"; exit 1; }' tidy FILE $includes
}

# Without its tables of POSIX and glibc, which are wrong on mmap (no descriptor, MAP_FIXED) and on
# accept4 (no address).
step_cppcheck() {
	# shellcheck disable=SC2086
	sources c | cppcheck --quiet -j "$jobs" --std=c11 --enable=warning,performance,portability \
		--inline-suppr --error-exitcode=1 --suppress=missingIncludeSystem $includes --file-list=-
}

step_gcc() {
	make -k BUILD="$BUILD" CC=gcc WERROR=1 VARIANT=lint-gcc all tests >/dev/null
}

step_clang() {
	make -k BUILD="$BUILD" CC=clang WERROR=1 VARIANT=lint-clang all tests >/dev/null
}

step_sim() {
	make -k BUILD="$BUILD" CC=gcc WERROR=1 SIM=1 VARIANT=lint-sim all tests >/dev/null
}

step_aarch64() {
	local f status=0
	for f in libclient/*.c; do
		[ -f "$f" ] || continue
		# shellcheck disable=SC2086
		aarch64-linux-gnu-gcc -std=c17 -O2 -fsyntax-only -Werror $warnings $includes "$f" ||
			status=1
	done
	return $status
}

# Each header stands alone, the public ones in C++ too.
step_headers() {
	local f status=0
	for f in $(sources h); do
		# shellcheck disable=SC2086
		gcc -std=c17 -fsyntax-only -Werror $warnings -Wno-unused-function $includes \
			-include "$f" -x c /dev/null || status=1
	done
	g++ -std=c++11 -fsyntax-only -Werror -Wall -Wextra -Wpedantic -Iinclude \
		-include include/larder/larder.h -x c++ /dev/null || status=1
	return $status
}

step_shellcheck() {
	{
		sources sh
		ls .ci/run
		find tools/completion -type f 2>/dev/null
	} | xargs shellcheck
}

step_selftest() { tests/lint/selftest.sh; }
step_order() { tests/lint/order.sh; }
step_returns() { tests/lint/returns.sh; }
step_sizes() { tests/lint/sizes.sh; }
step_exports() { tests/lint/exports.sh; }

[ $# != 0 ] || set -- selftest sizes order exports returns format shellcheck headers aarch64 \
	cppcheck gcc clang sim tidy
passed=0
failed=0
for step; do
	if out=$("step_$step" 2>&1); then
		echo "PASS  lint/$step"
		passed=$((passed + 1))
	else
		echo "FAIL  lint/$step"
		# shellcheck disable=SC2001
		sed 's/^/      | /' <<<"$out"
		failed=$((failed + 1))
	fi
done
echo "$passed passed, $failed failed"
[ $failed = 0 ]
