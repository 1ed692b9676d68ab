#!/bin/bash
# SPDX-License-Identifier: MIT
#
# run.sh [small|all] [MODEL] - checks every Spin model and every mutant of it, and compares with
# what is expected: `holds` (no error, search complete) or `caught` (an assertion is violated).
# Without argument small scopes, two at a time, about 10 s on two free cores; `all` adds the large
# ones and the other mutants, one at a time, up to 7 GiB each, a quarter of an hour in total.
# Ends with "N passed, N failed"; exit 77 without spin.
set -u
cd "$(dirname "$(readlink -f "$0")")" || exit 1
if ! command -v spin >/dev/null || ! command -v "${CC:=gcc}" >/dev/null; then
	echo "skipped: spin or a C compiler is not installed"
	exit 77
fi
mode=${1:-small}
only=${2:-}
slow=; [ "$mode" = all ] && slow="nice -n 10"
here=$PWD
tmp=$(mktemp -d) || exit 1
trap 'rm -rf "$tmp"' EXIT INT TERM

# check ID EXPECTED MODEL FLAGS MEMORY_MB CFLAGS HASH: one line of the table into $tmp/ID
check()
{
	local id=$1 expect=$2 model=$3 flags=$4 mem=$5 opt=$6 hash=$7 d=$tmp/work.$1
	local errors states result verdict=ok

	mkdir "$d" && cp "$here/$model.pml" "$d/m.pml" && cd "$d" || exit 1
	# shellcheck disable=SC2086 # flags are words
	spin -a $flags m.pml >log 2>&1 &&
		"$CC" $opt -w -DSAFETY "-DMEMLIM=$mem" -o pan pan.c >log 2>&1 &&
		$slow ./pan -m20000 -n $hash >log 2>&1
	errors=$(sed -n 's/.*errors: \([0-9]*\).*/\1/p' log | head -n 1)
	states=$(sed -n 's/ *\([0-9.e+]*\) states, stored.*/\1/p' log | head -n 1)
	result=broken
	if [ "${errors:-x}" = 0 ] && ! grep -q 'not completed\|too small' log; then
		result=holds
	elif grep -q 'assertion violated' log; then
		result=caught
	elif [ "${errors:-0}" != 0 ]; then
		result=deadlock
	elif grep -q 'MEMLIM\|out of memory' log; then
		result=memory
	fi
	[ "$result" = "$expect" ] || verdict=FAILED
	printf '%-7s %-10s %-66s %-8s %-8s %s\n' "$verdict" "$model" "$flags" "$expect" "$result" \
		"${states:-?}" >"$tmp/$id"
	cd "$here" && rm -rf "$d"
}

n=0
# compiling costs more than running: optimise (4th argument) only from 200,000 states on
run() # EXPECTED MODEL FLAGS [CFLAGS]
{
	[ -z "$only" ] || [ "$only" = "$2" ] || return 0
	n=$((n + 1))
	check "$(printf %03d $n)" "$1" "$2" "$3" 1500 "${4:--O0}" -w21 &
	[ "$(jobs -rp | wc -l)" -lt 2 ] || wait -n
}
large() # EXPECTED MODEL FLAGS
{
	[ "$mode" = all ] || return 0
	[ -z "$only" ] || [ "$only" = "$2" ] || return 0
	wait
	n=$((n + 1))
	check "$(printf %03d $n)" "$1" "$2" "$3" 7000 "-O2 -DCOLLAPSE" -w26
}

run holds publish "-DROUNDS=1" -O1
large holds publish "-DWRITERS=1 -DREADER -DROUNDS=2"
large holds publish "-DROUNDS=2 -DKILLS=1 -DWRITERS=1"
large caught publish "-DNOH1 -DGM=2 -DOPS0=1 -DOPS=2 -DROUNDS=4 -DNOEXPIRY -DONLY=0"
run caught publish "-DNOH0"
large caught publish "-DNOGEN"
run caught publish "-DNOLIMBO"
large caught publish "-DNOG2 -DREADER -DWRITERS=1"
run caught publish "-DNOPRESCAN"
large caught publish "-DLATEBUMP -DNOEXPIRY -DONLY=0"
large caught publish "-DBASEPROM -DPROMOTERS=1 -DSTAGED"
large holds publish "-DPROMOTERS=1 -DSTAGED"
large holds publish "-DWRITERS=1 -DCLEANERS=2 -DROUNDS=1"
large holds publish "-DWRITERS=1 -DCLEANERS=2 -DROUNDS=2"
large caught publish "-DWRITERS=1 -DCLEANERS=2 -DROUNDS=1 -DWRITERSONLY"
large holds publish "-DROUNDS=2"
large holds publish "-DROUNDS=3"
large holds publish "-DROUNDS=2 -DKILLS=1"
large holds publish "-DROUNDS=1 -DREADER"
large holds publish "-DGM=2 -DOPS=2 -DROUNDS=4 -DNOEXPIRY -DONLY=0"
large holds publish "-DPROMOTERS=1 -DWRITERS=1 -DOPS=2 -DROUNDS=3"

run holds insert "" -O1
large holds insert "-DKILLS=1"
run holds insert "-DDROP -DHOME0=EMPTY -DALT0=OLD -DSETTERS=1"
large holds insert "-DSWAP"
run caught insert "-DNORESCAN"
large caught insert "-DNOREREAD"
run caught insert "-DINCLATE"
large caught insert "-DNOWITHDRAW"
run caught insert "-DNOSTALE -DDROP -DHOME0=EMPTY -DALT0=OLD -DSETTERS=1"
large holds insert "-DDEL"
large holds insert "-DDEL -DKILLS=1"
large holds insert "-DDROP -DHOME0=EMPTY -DALT0=OLD"
large holds insert "-DTRIES=3 -DDEL -DKILLS=1"

run holds pins "-DROUNDS=3"
large holds pins "-DFENCE -DNOBARRIER"
run caught pins "-DCHECKFIRST"
large caught pins "-DSCANFIRST"
large caught pins "-DNOBARRIER"
run caught pins "-DNOPREBARRIER"
large caught pins "-DNOSCAN"
large caught pins "-DFENCE -DNOBARRIER -DRELAXED"
large holds pins "-DROUNDS=6"

large holds split "-DSETTERS=2 -DKILLS=1"
large holds split "-DNODEL -DSETTERS=2"
run holds split "-DPUNCH"
large holds split "-DKEEPPENDING -DNODEL -DSETTERS=2 -DWORD0=EMPTY"
run caught split "-DEMPTYKID"
large caught split "-DEARLY"
run caught split "-DPUNCH -DNOMARK"
large holds split "-DPUNCH -DSETTERS=2 -DHELPERS=2"
large holds split "-DSETTERS=2 -DKILLS=1 -DHELPERS=2 -DWORD0=EMPTY"

large holds split_two "-DSPLITALT -DTRIES=1"
run holds split_two "-DSPLITHOME -DSETTERS=1 -DGET -DALT0=OLD"
large holds split_two "-DSPLITHOME -DSPLITALT -DSETTERS=1 -DGET -DALT0=OLD"
large holds split_two "-DSPLITHOME -DSETTERS=1 -DZ -DZHOME=1 -DALT0=OLD -DGET"
large holds split_two "-DSPLITALT"
large holds split_two "-DSPLITHOME -DSETTERS=1 -DZ -DZHOME=1 -DALT0=OLD"
run caught split_two "-DSPLITHOME -DSETTERS=1 -DZ -DZHOME=1 -DALT0=OLD -DDECTWICE"
run caught split_two "-DSPLITHOME -DNOCOPY -DSETTERS=1 -DALT0=OLD"
large caught split_two "-DSPLITHOME -DEMPTYCHILD -DSETTERS=1 -DHOME0=OLD"
large caught split_two "-DSPLITALT -DLEAVE -DNOFROZEN -DTRIES=1"
large caught split_two "-DSPLITHOME -DINCLATE"
large holds split_two "-DSPLITHOME"
large holds split_two "-DSPLITHOME -DLEAVE"
large holds split_two "-DSPLITALT -DLEAVE"
large holds split_two "-DSPLITHOME -DBYTEFIRST -DLEAVE"
large holds split_two "-DSPLITHOME -DWORDONLY -DBYTEFIRST -DLEAVE"
large holds split_two "-DSPLITHOME -DBLINDRMW -DLEAVE"
large holds split_two "-DSPLITHOME -DKEEPPENDING -DLEAVE"
large caught split_two "-DSPLITHOME -DNOFROZEN -DLEAVE"
large holds split_two "-DSPLITHOME -DGET"
large holds split_two "-DSPLITHOME -DSETTERS=1 -DZ -DDEL"
large holds split_two "-DSPLITHOME -DSPLITALT -DSETTERS=1 -DZ"
large holds split_two "-DSPLITALT -DNA=2"
large holds split_two "-DSPLITHOME -DSPLITALT -DTRIES=1"
large holds split_two "-DSPLITHOME -DKILLS=1"

run holds flush "-DSET"
large holds flush "-DSET -DSTAMP"
large holds flush "-DINCR"
run holds flush "-DINCR -DSTAMP"
run holds flush "-DMOVE"
large holds flush "-DMOVE -DSTAMP"
run caught flush "-DINCR -DDERIVEDFRESH"
run caught flush "-DINCR -DDERIVEDFRESH -DSTAMP -DNOLATE"
large caught flush "-DINCR -DEPOCHLATE"
run caught flush "-DMOVE -DMOVESEQ"
run caught flush "-DSET -DFRAMEFIRST"
large caught flush "-DMOVE -DMOVEANY"
large caught flush "-DSET -DFRAMEFIRST -DSTAMP"
large caught flush "-DSET -DFRAMEFIRST -DREDO"
large holds flush "-DSET -DFLUSHES=2"
large holds flush "-DINCR -DFLUSHES=2"
large holds flush "-DSET -DINCR -DNOLATE"
large holds flush "-DSET -DINCR -DNOLATE -DSTAMP"
large holds flush "-DINCR -DINCR2 -DNOLATE"
large holds flush "-DINCR -DINCR2 -DNOLATE -DSTAMP"
large holds flush "-DINCR -DMOVE -DMOVES=2 -DNOLATE"
large holds flush "-DINCR -DMOVE -DSTAMP -DNOLATE"
large holds flush "-DSET -DMOVE"

large holds extents "-DROUNDS=3"
run holds extents "-DKILLS=1 -DROUNDS=1"
large holds extents "-DKILLS=1 -DROUNDS=2"
run caught extents "-DREAD -DHEADONLY -DNBODY=1"
large caught extents "-DREAD -DNOBUMP"
run caught extents "-DLOOKFIRST"
run caught extents "-DNOCHECK"
run caught extents "-DGENONLY"
large caught extents "-DREAD -DNOH0"
large holds extents "-DREAD"
large holds extents "-DKILLS=1 -DEVICT"
large holds extents "-DNEXT=2 -DNBODY=4 -DROUNDS=2"
large holds extents "-DNEXT=2 -DNBODY=3 -DWRITERS=1 -DREAD -DKILLS=1 -DEVICT"

run holds reclaim "-DKILLS=2 -DROUNDS=1"
run caught reclaim "-DSTEAL"
large caught reclaim "-DREUSEFIRST"
large caught reclaim "-DLATECLEAR"
run caught reclaim "-DEARLYDAEMON -DKILLS=0"
large caught reclaim "-DNOSWEEP"
large holds reclaim ""
large holds reclaim "-DKILLS=3"

wait
printf '%-7s %-10s %-66s %-8s %-8s %s\n' "" model flags expected result states
cat "$tmp"/[0-9]*
failed=$(cat "$tmp"/[0-9]* | grep -c '^FAILED')
echo "$((n - failed)) passed, $failed failed"
[ "$failed" = 0 ]
