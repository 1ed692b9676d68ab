#!/bin/bash
# SPDX-License-Identifier: MIT
#
# ctl_admin.sh - info, stats, clients, events, check, ping, flush --all, shutdown against a daemon
# The checker does not see what the common part defines:
# shellcheck disable=SC1091,SC2154
set -u
cd "$(dirname "$0")/../.." || exit 1
. tests/cli/ctl_common.bash
start_daemon --name pantry

# pair NAME: the value of a line of info or stats
pair() { awk -F '\t' -v name="$1" '$1 == name {print $2}'; }

# on_terminal COMMAND...: what it prints on a terminal
on_terminal() {
	TERM=xterm script -qec "$*" /dev/null </dev/null
}

# ---- info

info=$(ctl info --porcelain) || fail 'info'
same 'name' pantry "$(pair cache_name <<<"$info")"
same 'state' attached "$(pair state <<<"$info")"
same 'region_bytes' 16777216 "$(pair region_bytes <<<"$info")"
same 'policy' lru "$(pair policy <<<"$info")"
kill -0 "$(pair daemon_pid <<<"$info")" || fail 'daemon_pid is no process'
[[ $(pair uuid <<<"$info") =~ ^[0-9a-f]{32}$ ]] || fail 'uuid'
same 'names of info' "$(cut -f 1 <<<"$info" | xargs)" \
	"$(ctl info | cut -d ' ' -f 1 | xargs)"
ctl info --json | grep -q '^{"schema":1,"command":"info","info":{"cache_name":"pantry",' ||
	fail 'info --json'
ctl info | grep -q '^region_bytes  *16.0 MiB$' || fail 'info for people'

# ---- stats: the handles that counted are closed; those that only look do not count

for i in 1 2 3 4 5; do ctl set "key$i" value >/dev/null || fail 'set'; done
ctl get key1 >/dev/null || fail 'get'
ctl del key1 >/dev/null || fail 'del'
ctl del key1 >/dev/null 2>&1
ctl incr visits --init 1 >/dev/null || fail 'incr'
ctl set key value --namespace jars >/dev/null || fail 'set in a namespace'
stats=$(ctl stats --porcelain) || fail 'stats'
same 'counters' '6 2 1 1 0' "$(for i in set remove remove_hits counter get; do
	pair $i <<<"$stats"
done | xargs)"
same 'names of the counters' \
	"$(sed -n 's/^X(\([a-z_]*\),.*/\1/p' include/larder/stats.def | xargs)" \
	"$(tail -n "$(grep -c '^X(' include/larder/stats.def)" <<<"$stats" | cut -f 1 | xargs)"
same 'counters of a namespace' $'gets\t0\nhits\t0\nsets\t1\ndeletes\t0' \
	"$(ctl stats --namespace jars --porcelain)"
ctl stats --json | grep -q '"counters":{"get":0,.*"set":6,.*},"result":"ok"}$' || fail 'stats --json'
ctl stats | grep -q '^set  *6  ' || fail 'stats for people'

# ---- clients: only this one

rows=$(ctl clients --porcelain) || fail 'clients'
same 'clients' "$(id -u) attached ro 0" "$(cut -f 3,4,5,8 <<<"$rows" | xargs)"
same 'rows for people' 2 "$(ctl clients | wc -l)"
ctl clients --json | grep -q '^{"schema":1,"command":"clients","clients":\[{"slot":' ||
	fail 'clients --json'

# ---- events, check, ping

expect 0 '' ctl events --after 1000000 --porcelain
expect 0 '{"schema":1,"command":"events","events":[],"result":"ok"}' ctl events --after 1000000 --json
same 'columns of events' '' "$(ctl events --porcelain | awk -F '\t' 'NF != 3')"
expect 0 'clean: every invariant holds' ctl check
expect 0 '' ctl check --porcelain
expect 0 '{"schema":1,"command":"check","findings":[],"result":"ok"}' ctl check --json
[[ $(ctl ping --porcelain) =~ ^[0-9]+$ ]] || fail 'ping --porcelain'
ctl ping --timeout 500ms | grep -q '^the daemon answered in [0-9]* us$' || fail 'ping'

# ---- colour: on a terminal, unless NO_COLOR says no

if command -v script >/dev/null; then
	list="'$ctl' --cache '$socket' clients"
	on_terminal "$list" | grep -q $'\e' || fail 'no colour on a terminal'
	on_terminal "NO_COLOR=1 $list" | grep -q $'\e' && fail 'colour against NO_COLOR'
	on_terminal "NO_COLOR= $list" | grep -q $'\e' || fail 'no colour with an empty NO_COLOR'
	on_terminal "TERM=dumb $list" | grep -q $'\e' && fail 'colour on a dumb terminal'
fi
ctl clients | grep -q $'\e' && fail 'colour in a pipe'

# ---- flush --all

if command -v script >/dev/null; then
	flush="'$ctl' --cache '$socket' flush --all"
	{ sleep 0.2; echo other; } | script -qec "$flush" /dev/null | grep -q 'nothing was flushed' ||
		fail 'flush --all: wrong name'
	expect 0 value ctl get key2
	{ sleep 0.2; echo "$socket"; } | script -qec "$flush" /dev/null | grep -q '^flushed' ||
		fail 'flush --all: right name'
	expect 1 '' ctl get key2
fi
ctl set key2 value >/dev/null || fail 'set'
expect 0 '{"schema":1,"command":"flush","result":"ok"}' ctl flush --all --yes --json
expect 1 '' ctl get key2
expect 1 '' ctl get key --namespace jars
expect 0 'clean: every invariant holds' ctl check

# ---- shutdown

expect 0 'the daemon is shutting down' ctl shutdown
wait "$daemon"
same 'exit status of the daemon' 0 $?
daemon=
expect 3 '' ctl ping

done_testing
