#!/bin/bash
# SPDX-License-Identifier: MIT
#
# ctl_data.sh - get, set, del, incr, ttl and scan against a daemon: outcomes, bytes, frozen columns
# The checker does not see what the common part defines:
# shellcheck disable=SC1091,SC2154
set -u
cd "$(dirname "$0")/../.." || exit 1
. tests/cli/ctl_common.bash
start_daemon --name pantry

quiet() { "$@" >/dev/null 2>&1; }
version_of() { ctl get --porcelain "$1" | cut -f 3; }
# between WHAT LOW HIGH NUMBER
between() { if [ "$4" -lt "$2" ] || [ "$4" -gt "$3" ]; then fail "$1: $4 is not in $2..$3"; fi; }

# ---- set and get

expect 1 '' ctl get absent
says "larderctl: get: cache '$socket': key 'absent': not found"
expect 1 '{"schema":1,"command":"get","key":"absent","result":"miss"}' ctl get absent --json
expect 1 '' ctl get absent --porcelain

quiet ctl set text hello --flags 7 || fail 'set'
expect 0 hello ctl get text
expect 0 $'text\thello\t0\t7\t0' bash -c \
	"'$ctl' --cache '$socket' --porcelain get text | cut -f 1,2,4,6,7"
version=$(version_of text)
same 'the version that set prints is the one that get prints' "text	$(ctl set text again --porcelain | cut -f 2)" \
	"$(ctl get text --porcelain | cut -f 1,3)"
[ "$version" != "$(version_of text)" ] || fail 'set left the version'

expect 1 '' ctl set text other --cas "$version"
says "larderctl: set: cache '$socket': key 'text': has another version"
quiet ctl set text swapped --cas "$(version_of text)" || fail 'set --cas'
expect 0 swapped ctl get text
expect 1 '' ctl set text other --add
says "larderctl: set: cache '$socket': key 'text': exists already"
expect 1 '{"schema":1,"command":"set","key":"text","result":"exists"}' ctl set text other --add --json
expect 1 '' ctl set absent value --replace
expect 1 '' ctl set absent value --cas 1
expect 0 swapped ctl get text
quiet ctl set -- -key -1 || fail 'set of -1'
expect 0 -1 ctl get -- -key
quiet ctl set empty '' || fail 'set of nothing'
expect 0 '' ctl get empty

# ---- bytes

printf 'a\0b\377\n\t\\\303\251' >"$dir/value"
ctl set bytes - <"$dir/value" >/dev/null || fail 'set from standard input'
ctl get --raw bytes | cmp -s "$dir/value" - || fail 'get --raw: other bytes'
expect 0 'a\x00b\xff\n\t\\é' ctl get bytes
same 'porcelain' 'a\x00b\xff\n\t\\\xc3\xa9' "$(ctl get bytes --porcelain | cut -f 2)"
ctl get bytes --json | grep -q '"value_hex":"610062ff0a095cc3a9"' || fail 'JSON of bytes'
quiet ctl set quote $'say "é"\n' || fail 'set of text'
ctl get quote --json | grep -q '"value":"say \\"é\\"\\u000a"' || fail 'JSON of text'

quiet ctl set --hex 00ff0a key || fail 'set --hex'
expect 0 key ctl get --hex 00FF0a
same 'a key of bytes' '\x00\xff\n' "$(ctl scan --porcelain --prefix 00ff --hex | cut -f 1)"

head -c 1000000 /dev/urandom >"$dir/large"
ctl set large - <"$dir/large" >/dev/null || fail 'set of a large value'
ctl get --raw large | cmp -s "$dir/large" - || fail 'get --raw of a large value'
head -c 3000000 /dev/zero | ctl set large - >/dev/null 2>&1
same 'exit status of a set that is too large' 3 $?
ctl get --raw large | cmp -s "$dir/large" - || fail 'a set that failed destroyed the old value'

# ---- time

expect 0 'never expires' ctl ttl text
expect 0 $'text\t0' ctl ttl text --porcelain
quiet ctl set mortal value --ttl 5m || fail 'set --ttl'
between 'ttl' 290000 300000 "$(ctl ttl mortal --porcelain | cut -f 2)"
expect 0 $'mortal\t3600000' ctl ttl mortal 1h --porcelain
between 'ttl after ttl' 3590000 3600000 "$(ctl ttl mortal --porcelain | cut -f 2)"
expect 0 'never expires' ctl ttl mortal never
expect 0 value ctl get mortal
quiet ctl set dead value --ttl -1 || fail 'set --ttl -1'
expect 1 '' ctl get dead
expect 1 '' ctl ttl dead
expect 1 '' ctl ttl absent 5m

# ---- counters

expect 1 '' ctl incr counter
expect 0 10 ctl incr counter --init 10
expect 0 15 ctl incr counter --by 5
expect 0 15 ctl get counter
expect 0 $'counter\t12' ctl incr counter --by 3 --decr --porcelain
expect 0 0 ctl incr counter --by 100 --decr
expect 0 18446744073709551615 ctl incr counter --by 18446744073709551615
expect 0 0 ctl incr counter
same 'type' 1 "$(ctl get counter --porcelain | cut -f 7)"
quiet ctl set number 41 || fail 'set of a number'
expect 0 42 ctl incr number
expect 0 -5 ctl incr balance --signed --init -5
expect 0 -8 ctl incr balance --signed --by -3
expect 0 -9 ctl incr balance --signed --decr
expect 0 '{"schema":1,"command":"incr","key":"balance","value":-8,"result":"ok"}' \
	ctl incr balance --signed --json
expect 3 '' ctl incr text
grep -q "key 'text': the value is not a number$" "$dir/stderr" || fail 'incr of text'
quiet ctl incr timed --init 1 --ttl 1h || fail 'incr --ttl'
between 'ttl of a counter' 3590000 3600000 "$(ctl ttl timed --porcelain | cut -f 2)"

# ---- del

version=$(version_of text)
quiet ctl set text newer || fail 'set'
expect 1 '' ctl del text --cas "$version"
says "larderctl: del: cache '$socket': key 'text': has another version"
expect 0 $'text\tdeleted' ctl del text --cas "$(version_of text)" --porcelain
expect 1 $'number\tdeleted\ntext\tmiss\nquote\tdeleted' ctl del number text quote --porcelain
expect 1 '' ctl get quote

# ---- namespaces

expect 1 '' ctl get text --namespace green
says "larderctl: get: cache '$socket': no such namespace"
expect 1 '{"schema":1,"command":"scan","result":"no-namespace"}' ctl scan --namespace green --json
quiet ctl set text emerald --namespace green || fail 'set in a namespace'
quiet ctl set text sky --namespace blue || fail 'set in another namespace'
expect 0 emerald ctl get text --namespace green
expect 0 sky ctl get text --namespace blue
expect 1 '' ctl get text
expect 0 text ctl scan --namespace green
expect 0 flushed ctl flush --namespace green
expect 1 '' ctl get text --namespace green
expect 0 sky ctl get text --namespace blue
expect 0 value ctl get mortal

# ---- scan

for i in {100..399}; do echo "set user:$i value$i --namespace many"; done |
	xargs -n 5 "$ctl" --cache "$socket" --porcelain >/dev/null || fail 'set of 300 keys'
head -c 5000 /dev/zero | ctl set page - --namespace many --flags 3 >/dev/null || fail 'set'
scan() { ctl scan --namespace many "$@"; }
same 'all keys' "$(echo page && seq -f 'user:%g' 100 399)" "$(scan | sort)"
expect 0 301 scan --count
expect 0 10 scan --count --match 'user:11?'
expect 0 300 scan --count --prefix user:
expect 0 page scan --min-size 4K
expect 0 $'page\t5000\t0\t3\t0' bash -c \
	"'$ctl' --cache '$socket' --namespace many --porcelain scan --min-size 4K | cut -f 1-3,5,6"
expect 0 $'user:250\tvalue250' scan --values --match user:250
same 'columns with values' 7 "$(scan --values --porcelain --match user:250 | awk -F '\t' '{print NF}')"
same 'limit' 5 "$(scan --limit 5 | wc -l)"
expect 0 '{"schema":1,"command":"scan","keys":[],"result":"ok"}' scan --match nothing --json

done_testing
