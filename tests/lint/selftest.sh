#!/bin/bash
# SPDX-License-Identifier: MIT
#
# selftest.sh - the house rules' scripts accept a good tree and name each fault of a bad one
#
# A rule that nobody has seen fail proves nothing when it passes.
set -u
here=$(cd "$(dirname "$0")" && pwd)
root=$(mktemp -d) || exit 1
trap 'rm -rf "$root"' EXIT
bad=0

# A tree that all scripts accept; each case below spoils a copy of it.
good_tree() {
	rm -rf "${root:?}"/*
	mkdir -p "$root"/{include/larder,libclient,tests/unit}
	cat >"$root/include/larder/larder.h" <<'END'
/* Results	Two results can come from every call that takes a handle:
 *		-EINVAL  a NULL key;
 *		-EBUSY   the handle is already inside a call.
 * Keys		Any bytes.
 */
enum larder_result { LARDER_OK = 0, LARDER_MISS = 1 };
/*
 * larder_close - release a handle
 */
LARDER_API void larder_close(struct larder *h);
/*
 * larder_get - copy a value
 * Return: 0; LARDER_MISS.
 * Since: 0.1
 */
LARDER_API int larder_get(struct larder *h);
/* Common results: 0; -EROFS. After an error the old value stands. */
/*
 * larder_set - store a value
 * Return: the common results; as larder_get().
 */
LARDER_API int larder_set(struct larder *h);
END
	printf 'LARDER_0.1 {\nglobal:\n\tlarder_close;\n\tlarder_get;\n\tlarder_set;\nlocal:\n\t*;\n};\n' \
		>"$root/libclient/liblarder.map"
	cat >"$root/libclient/log.c" <<'END'
/* log.c - P1/A1  publish: ref   lookup: ref   bytes -> ref
 *         P1/A2  publish: ref   again: ref    bytes -> ref */
void log_publish(void)
{
	/* [P1] release, pairs with [A1] in log_lookup() and
	 * [A2]: the bytes of the entry. */
	store_release(&ref, 1);
}
int log_lookup(void)
{
	return load_acquire(&ref); /* [A1] acquire, pairs with [P1]. Not volatile. */
}
int log_again(void)
{
	return load_acquire(&ref); /* [A2] acquire, pairs with [P1] */
}
END
	cat >"$root/tests/unit/test_log.c" <<'END'
/* covers: larder_close */
/* covers: larder_get LARDER_MISS 0 -EINVAL */
/* covers: larder_set LARDER_OK LARDER_MISS -EROFS -EBUSY */
END
}

# expect SCRIPT TEXT: the script fails on the tree as it is, and says so in these words.
expect() {
	local out
	if out=$("$here/$1" "$root"); then
		echo "$1 accepts: $2"
		bad=1
	elif ! grep -qF -- "$2" <<<"$out"; then
		printf '%s does not say "%s" but:\n%s\n' "$1" "$2" "$out"
		bad=1
	fi
	good_tree
}

good_tree
for script in order.sh returns.sh sizes.sh exports.sh; do
	"$here/$script" "$root" || {
		echo "$script refuses the good tree"
		bad=1
	}
done

lib=$root/libclient/log.c
echo 'int log_x(void) { return atomic_load(&x); }' >>"$lib"
expect order.sh 'bare atomic_load'
echo 'static volatile int x;' >>"$lib"
expect order.sh 'bare volatile'
printf '%020d\nfence_full();\n' 0 | sed 's/0/\n/g' >>"$lib"
expect order.sh 'fence_full() without a label'
printf '%020d\nif (cas_u32(&x, 1, 2))\n' 0 | sed 's/0/\n/g' >>"$lib"
expect order.sh 'cas_u32() without a label'
sed -i 's/\[A1\] acquire, pairs with \[P1\]/acquire/' "$lib"
expect order.sh '[P1] pairs with [A1], but no [A1] pairs with [P1]'
sed -i 's/with \[P1\]/with [P2]/' "$lib"
expect order.sh '[A1] pairs with [P2], but no [P2] pairs with [A1]'
sed -i 's|P1/A1|P1, A1|' "$lib"
expect order.sh 'no ordering table has a row A1/P1'

test=$root/tests/unit/test_log.c
sed -i 's/LARDER_MISS 0/0/' "$test"
expect returns.sh 'not covered: larder_get LARDER_MISS'
sed -i '/larder_close/d' "$test"
expect returns.sh 'not covered: larder_close called'
sed -i 's/ -EROFS//' "$test"
expect returns.sh 'not covered: larder_set -EROFS'
sed -i 's/ -EBUSY//' "$test"
expect returns.sh 'not covered by any call: -EBUSY'
echo '/* covers: larder_get -ENOMEM */' >>"$test"
expect returns.sh 'larder_get() does not promise -ENOMEM'
echo '/* covers: larder_gte 0 */' >>"$test"
expect returns.sh 'has no larder_gte()'
sed -i 's/larder_get - copy/copy/' "$root/include/larder/larder.h"
expect returns.sh 'larder_get() has no comment'

{
	printf 'int log_long(void)\n{\n'
	printf '\tx++;\n%.0s' {1..79}
	printf '}\n'
} >>"$lib"
expect sizes.sh 'a function of 81 lines'
printf '\n%.0s' {1..801} >>"$lib"
expect sizes.sh 'the limit is 800'
echo '/* TO''DO */' >>"$lib"
expect sizes.sh 'unfinished work'
rm "$test"
expect sizes.sh 'no tests/unit/test_log.c'

sed -i '/larder_get;/d' "$root/libclient/liblarder.map"
expect exports.sh 'does not export larder_get'
sed -i 's/larder_set;/&\n\tlarder_old;/' "$root/libclient/liblarder.map"
expect exports.sh 'does not declare larder_old'
exit $bad
