#!/bin/bash
# SPDX-License-Identifier: MIT
#
# mutants.sh - can the simulator see what the protocol prevents?
#
#   tests/sim/mutants.sh              all mutants
#   tests/sim/mutants.sh h1 epoch     some
#
# Each mutant is a copy of the library with one rule of the protocol taken out by a text replacement.
# The simulations must find a violation within ACCESSES (40 million) shared accesses. A mutant whose
# replacement does not apply any more is a failure. The last line counts.
# The replacements are meant for perl as they stand.
# shellcheck disable=SC2016
set -u
cd "$(dirname "$0")/../.." || exit 1
accesses=${ACCESSES:-40000000}
work=$(mktemp -d "${TMPDIR:-/tmp}/larder-mutants.XXXXXX") || exit 1
trap 'rm -rf "$work"' EXIT
unset MAKEFLAGS MFLAGS MAKELEVEL
passed=0
failed=0

mkdir "$work/tests"
cp -r Makefile include libclient "$work"
cp -r tests/sim tests/common "$work/tests"
make -C "$work" SIM=1 tests >"$work/log" 2>&1 || { cat "$work/log"; exit 1; }

# Both simulations, the short one first.
run() {
	timeout 120 "$work/build/sim/tests/sim/test_stop" &&
		timeout 120 "$work/build/sim/tests/sim/test_random" --accesses "$accesses"
}

# mutant NAME FILE PERL: a substitution over the whole file.
mutant() {
	local name=$1 file=$2 code=$3 line
	[ ${#selected[@]} = 0 ] || [[ " ${selected[*]} " == *" $name "* ]] || return
	cp "$work/$file" "$work/saved"
	perl -0pi -e "$code" "$work/$file"
	if cmp -s "$work/$file" "$work/saved"; then
		echo "FAIL  $name: the replacement does not apply to $file"
		failed=$((failed + 1))
		return
	fi
	if ! make -C "$work" SIM=1 tests >"$work/log" 2>&1; then
		line=$(grep -m 1 error: "$work/log")
		echo "FAIL  $name: does not compile: $line"
		failed=$((failed + 1))
	elif run >"$work/log" 2>&1; then
		echo "FAIL  $name: not seen"
		failed=$((failed + 1))
	else
		line=$(grep -m 1 -E '^seed|stopped at access' "$work/log")
		echo "caught  $name: ${line:-crashed or hung}"
		passed=$((passed + 1))
	fi
	cp "$work/saved" "$work/$file"
}

selected=("$@")

line=$(run 2>&1) || {
	echo "FAIL  the library as it is: $line"
	exit 1
}

# A word may come back while a writer that found it sleeps.
mutant h1 libclient/write.c 's/hazard_set\(h, &h->slot->h1, \(uint64_t\)hit->seg \+ 1\);//'
# A writer may still publish in a segment that is walked.
mutant h0 libclient/cleaner.c 's/hazard_bit\(s->set\.own, p->seg\)/false/'
# A dropped segment is used again while somebody works in it.
mutant limbo libclient/cleaner.c 's/!hazard_bit\(s->set\.any, p->seg\) &&//'
# Two inserters of one key do not see each other.
mutant survey libclient/write.c 's/survey_key\(h, &w->key, s, pos, false\) != SURVEY_NONE/false/'
# Unfinished inserts take no notice of each other.
mutant pending libclient/survey.c 's/(: )(meet_pending\(h, s, pos, self, word\))/$1(self != NOWHERE ? SURVEY_NONE : $2)/'
# A word of an earlier incarnation counts.
mutant stale libclient/index.h 's/return slot_gen\(word\) == [^;]*;/(void)seg_word;return slot_gen(word) <= SLOT_GEN_MASK;/'
# Bytes are believed without a second look.
mutant intact libclient/index.h 's/return LIKELY\(seg_gen\(load_acquire[^;]*;/(void)h;return hit != 0;/'
# A lease is used without a look whether it was revoked.
mutant revoked libclient/segment.c 's/load_acquire\(&h->segs\[lease->seg\]\.word\) != lease->word/false/'
# The second bucket holds a word before the home says so.
mutant overflow libclient/write.c 's/if \(!overflow_up\(h, s->bucket\[0\]\)\)\s*return NOWHERE;//; s/(pending\)\)\n)(\t\treturn pos;\n\toverflow_down)/$1\t\treturn overflow_up(h, s->bucket[0]), pos;\n\toverflow_down/'
# The walk does not learn of an item before its word is placed.
mutant cover libclient/write.c 's/segment_cover\(h, lease, [^;]*;//'
# A write takes no notice of a flush.
mutant flush libclient/write.c 's/(\t\t|\|\| )flushed_meanwhile\(h, w\)|if \(flushed_meanwhile\(h, w\)\)\s*return AGAIN;/$1 && $1 eq "|| " ? "|| false" : ""/ge'
# A survivor of an older epoch goes into a newer segment.
mutant survivor libclient/cleaner.c 's/it->ns == 0 && x->hit\.epoch != lease->epoch/false/'
# A helper stores again what was removed from the child.
mutant virgin libclient/split.c 's/return load_acquire\(word\) == 0 && handle_alive\(h\) && cas\(word, 0, w\);/return cas(word, 0, w) || cas(word, SLOT_EMPTY_WORD, w);/'
# What the dead held stays held.
mutant reap libclient/cleaner.c 's/hazard_clear\(&s->h0\);//'

echo "$passed passed, $failed failed"
[ "$failed" = 0 ]
