#!/bin/bash
# SPDX-License-Identifier: MIT
#
# sizes.sh - nothing too long, nothing left for later, no module without its test
#
#   tests/lint/sizes.sh [ROOT]
#
# Fails on a function of more than 80 lines (its braces included), a file of more than 800, the words
# that promise work instead of doing it, and a module libclient/X.c that has no
# tests/unit/test_X.c.
set -u
cd "${1:-$(dirname "$0")/../..}" || exit 2
bad=0

complain() {
	echo "$*"
	bad=1
}

mapfile -t files < <(find Makefile .ci daemon libclient include tools bench tests -type f \
	! -name '*.txt' ! -name '*.json' ! -name '*.zst' 2>/dev/null | sort)

for f in "${files[@]}"; do
	n=$(wc -l <"$f")
	[ "$n" -le 800 ] || complain "$f: $n lines, the limit is 800"
done

# The two words are split so that this file does not name them.
if grep -nwE 'TO''DO|FIX''ME|XX''X' /dev/null "${files[@]}"; then
	complain 'unfinished work'
fi

# A formatted function opens and closes in the first column.
long=$(printf '%s\0' "${files[@]}" | grep -zE '\.(c|h|cc)$' | xargs -0 -r awk '
	FNR == 1 { open = 0 }
	/^\{/ { open = FNR }
	/^\}/ {
		if (open && FNR - open + 1 > 80)
			printf "%s:%d: a function of %d lines, the limit is 80\n", FILENAME, open, FNR - open + 1
		open = 0
	}')
[ -z "$long" ] || complain "$long"

for f in libclient/*.c; do
	[ -f "$f" ] || continue
	t=tests/unit/test_$(basename "$f")
	[ -f "$t" ] || complain "$f: no $t"
done
exit $bad
