#!/bin/bash
# SPDX-License-Identifier: MIT
#
# install.sh - what make install brings is enough to build and run a program, and uninstall leaves
# nothing
#
# Builds libclient/examples/hello.c, the text of README.md, as a stranger would: with pkg-config,
# the shared and the static library, as C and as C++; and runs it against the installed larderd.
# test-timeout: 120
set -u
root=$(cd "$(dirname "$0")/../.." && pwd) || exit 1
dir=$(mktemp -d) || exit 1
daemon=

finish() {
	if [ -n "$daemon" ]; then
		kill -TERM "$daemon" 2>/dev/null
		wait "$daemon" 2>/dev/null
	fi
	rm -rf "$dir"
}
trap finish EXIT

fail() {
	printf 'FAILED: %s\n' "$*"
	exit 1
}

# The build that is under test, whatever the environment says about others.
run_make() {
	make -C "$root" --no-print-directory -s "BUILD=${LARDER_BUILD:-$root/build}" \
		"DESTDIR=$dir/root" PREFIX=/opt/larder "$@" >"$dir/log" 2>&1 ||
		fail "make $*: $(cat "$dir/log")"
}

run_make install
prefix=$dir/root/opt/larder
export PKG_CONFIG_PATH=$prefix/lib/pkgconfig PKG_CONFIG_SYSROOT_DIR=$dir/root
read -ra flags < <(pkg-config --cflags --libs liblarder)
[ ${#flags[@]} -gt 0 ] || fail 'pkg-config does not know liblarder'
[ "$(pkg-config --modversion liblarder)" = \
	"$(sed -n 's/^.define LARDER_VERSION "\(.*\)"/\1/p' "$prefix/include/larder/larder.h")" ] ||
	fail 'pkg-config and larder.h name different versions'

if command -v scdoc >/dev/null; then
	for page in man1/larder-bench.1 man1/larderctl.1 man7/larder.7 man8/larderd.8; do
		grep -q '^\.SH SYNOPSIS\|^\.SH DESCRIPTION' "$prefix/share/man/$page" || fail "no $page"
	done
fi

source=$root/libclient/examples/hello.c
[ "$(wc -l <"$source")" -le 20 ] || fail 'hello.c is longer than 20 lines'
gcc -std=c17 -Wall -Wextra -Wpedantic -Werror -o "$dir/shared" "$source" "${flags[@]}" ||
	fail 'hello.c does not build against the shared library'
gcc -o "$dir/static" "$source" -I"$prefix/include" "$prefix/lib/liblarder.a" ||
	fail 'hello.c does not build against the static library'
g++ -x c++ -Wall -Wextra -Werror -o "$dir/cplusplus" "$source" -x none "${flags[@]}" ||
	fail 'hello.c does not build as C++'

export LARDER_SOCKET=$dir/hello.sock LD_LIBRARY_PATH=$prefix/lib
got=$("$dir/shared")
[ "$?,$got" = '1,No daemon serves this cache.' ] || fail "without a daemon it says: $got"
"$prefix/bin/larderd" --set memory=1M >"$dir/larderd.log" 2>&1 &
daemon=$!
for _ in $(seq 100); do
	grep -q "ready:" "$dir/larderd.log" && break
	sleep 0.05
done
for program in shared static cplusplus; do
	got=$("$dir/$program") || fail "$program: $got $(cat "$dir/larderd.log")"
	[ "$got" = hello ] || fail "$program says: $got"
done

run_make uninstall
left=$(find "$dir/root" ! -type d)
[ -z "$left" ] || fail "uninstall leaves $left"
