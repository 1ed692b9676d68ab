#!/bin/bash
# SPDX-License-Identifier: MIT
#
# ctl_usage.sh - larderctl without a daemon: the command line, help, completion, complaints
# The checker does not see what the common part defines:
# shellcheck disable=SC1091,SC2154
set -u
cd "$(dirname "$0")/../.." || exit 1
. tests/cli/ctl_common.bash

man=tools/man/larderctl.1.scd

# ---- wrong command lines

expect 2 '' "$ctl"
says 'larderctl: a command is missing (see larderctl help)'
expect 2 '' "$ctl" gte key
says "larderctl: no command is called 'gte': did you mean 'get'? (see larderctl help)"
expect 2 '' "$ctl" cleints
says "larderctl: no command is called 'cleints': did you mean 'clients'? (see larderctl help)"
expect 2 '' "$ctl" frobnicate
says "larderctl: no command is called 'frobnicate' (see larderctl help)"
expect 2 '' "$ctl" --wrong get key
says "larderctl: unknown option '--wrong' (see larderctl help)"
expect 2 '' "$ctl" get key --wrong
says "larderctl: get: unknown option '--wrong' (see larderctl help get)"
expect 2 '' "$ctl" get -qv key
says "larderctl: get: unknown option '-q' (see larderctl help get)"
expect 2 '' "$ctl" set key value --ttl
says "larderctl: set: option '--ttl' wants a value (see larderctl help set)"
expect 2 '' "$ctl" get
says 'larderctl: get: an argument is missing (see larderctl help get)'
expect 2 '' "$ctl" get one two
says 'larderctl: get: too many arguments (see larderctl help get)'
expect 2 '' "$ctl" info one
says 'larderctl: info: takes no arguments (see larderctl help info)'
expect 2 '' "$ctl" help nothing
says "larderctl: help: no command is called 'nothing' (see larderctl help help)"

# ---- wrong values

expect 2 '' "$ctl" set key value --ttl 5x
says "larderctl: set: --ttl: a time such as 500ms, 30s, 5m, 2h, 7d or never, not '5x' (see larderctl help set)"
expect 2 '' "$ctl" set key value --flags 4294967296
says "larderctl: set: --flags: a number of 32 bits, not '4294967296' (see larderctl help set)"
expect 2 '' "$ctl" set key value --add --replace
says 'larderctl: set: only one of --add, --replace and --cas (see larderctl help set)'
expect 2 '' "$ctl" scan --min-size 64k
says "larderctl: scan: --min-size: a size such as 100, 64K or 10M, not '64k' (see larderctl help scan)"
expect 2 '' "$ctl" get --hex abc
says "larderctl: get: --hex: an even number of hexadecimal digits, not 'abc' (see larderctl help get)"
expect 2 '' "$ctl" get ''
says 'larderctl: get: a key has 1 to 65535 bytes (see larderctl help get)'
expect 2 '' "$ctl" get "$(printf '%065536d' 0)"
expect 2 '' "$ctl" get key --timeout 0
expect 2 '' "$ctl" get key --timeout 50d
expect 2 '' "$ctl" get key --json --porcelain
expect 2 '' "$ctl" get key --raw --json
expect 2 '' "$ctl" incr key --by -1
expect 2 '' "$ctl" incr key --ttl 5s
expect 2 '' "$ctl" incr key --signed --decr --by -9223372036854775808
expect 2 '' "$ctl" del --cas 0 key
expect 2 '' "$ctl" del --cas 1 key other
expect 2 '' "$ctl" scan --count --values
expect 2 '' "$ctl" flush --all --namespace n
expect 2 '' "$ctl" flush --all
says 'larderctl: flush: --all wants --yes where nobody can be asked (see larderctl help flush)'
expect 2 '' "$ctl" ping --namespace "$(printf '%0256d' 0)"
expect 2 '' "$ctl" ping --cache 'a name'

# ---- no daemon

nobody() {
	printf "larderctl: get: cache '%s': no daemon answers (is larderd running? tried %s)" "$1" "$2"
}

expect 3 '' "$ctl" get key --cache "$socket"
says "$(nobody "$socket" "$socket")"
expect 3 '' "$ctl" --cache web get key
if [ "$(id -u)" = 0 ]; then
	says "$(nobody web /run/larder/web.sock)"
else
	says "$(nobody web "$XDG_RUNTIME_DIR/larder/web.sock")"
fi
expect 3 '' env LARDER_SOCKET="$dir/other" "$ctl" get key
says "$(nobody main "$dir/other")"
: >"$dir/file"
expect 3 '' "$ctl" get key --cache "$dir/file" --json

for command in 'get k' 'set k v' 'del k' 'incr k' 'ttl k' 'ttl k 5s' scan flush 'flush --all --yes' \
	stats info clients events check ping shutdown; do
	read -ra words <<<"$command"
	expect 3 '' "$ctl" "${words[@]}" --cache "$socket"
done

# ---- help, the man page and the completion say the same

expect 0 "$("$ctl" help)" "$ctl" --help
expect 0 "$("$ctl" help set)" "$ctl" set --help
mapfile -t commands < <("$ctl" help --commands)
[ "${#commands[@]}" -ge 16 ] || fail "only ${#commands[@]} commands"
for command in "${commands[@]}"; do
	help=$("$ctl" help "$command") || fail "help $command"
	grep -q "^  larderctl .*$command" <<<"$help" || fail "help $command: no example"
	grep -q "^\*$command\*" "$man" || fail "$man: nothing about $command"
	while read -r option; do
		grep -q -e "\*$option\*" "$man" || fail "$man: nothing about $option"
	done < <(grep -o -e '--[a-z-]\+' <<<"$help" | sort -u)
done

# complete WORD...: what is offered for the last of them
complete_words() {
	bash -c '
		. tools/completion/larderctl.bash
		COMP_WORDS=("$@")
		COMP_CWORD=$(($# - 1))
		_larderctl
		echo "${COMPREPLY[*]}"' complete "$ctl" "$@"
}

same 'completion of a command' 'scan set' "$(complete_words s | tr ' ' '\n' | grep -v '^s[ht]' | sort | xargs)"
same 'completion after options' 'check' "$(complete_words --json --cache web che)"
same 'completion of an option' '--min-size' "$(complete_words scan --mi)"
same 'completion of help' 'version' "$(complete_words help ver)"
mkdir -p "$dir/larder"
python=$(command -v python3)
if [ -n "$python" ]; then
	"$python" -c 'import socket, sys; socket.socket(socket.AF_UNIX).bind(sys.argv[1])' \
		"$dir/larder/pantry.sock"
	same 'completion of a cache' 'pantry' \
		"$(XDG_RUNTIME_DIR=$dir complete_words get key --cache pan)"
fi

# ---- output

version=$(sed -n 's/^#define LARDER_VERSION "\(.*\)"/\1/p' include/larder/larder.h)
expect 0 "larderctl $version, liblarder $version" "$ctl" version
expect 0 "larderctl $version, liblarder $version" "$ctl" --version
expect 0 "$version"$'\t'"$version" "$ctl" version --porcelain
expect 0 "{\"schema\":1,\"command\":\"version\",\"larderctl\":\"$version\",\"liblarder\":\"$version\",\"result\":\"ok\"}" \
	"$ctl" --json version
"$ctl" help >/dev/full 2>/dev/null
same 'exit status when output cannot be written' 3 $?

done_testing
