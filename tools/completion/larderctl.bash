# shellcheck shell=bash
# SPDX-License-Identifier: MIT
#
# larderctl.bash - completion of larderctl
#
# Commands and options are asked of the tool itself, caches are the sockets that are there: nothing
# here has to follow a change of the tool.

_larderctl_caches() {
	local dir socket
	for dir in "${XDG_RUNTIME_DIR:-}/larder" /run/larder; do
		for socket in "$dir"/*.sock; do
			[ -S "$socket" ] || continue
			socket=${socket##*/}
			printf '%s\n' "${socket%.sock}"
		done
	done
}

# The first word that is no option and no option's value.
_larderctl_command() {
	local i
	for ((i = 1; i < COMP_CWORD; i++)); do
		case ${COMP_WORDS[i]} in
		--cache | --namespace | --timeout) i=$((i + 1)) ;;
		-*) ;;
		*) printf '%s\n' "${COMP_WORDS[i]}" && return ;;
		esac
	done
}

_larderctl() {
	local tool=${COMP_WORDS[0]} word=${COMP_WORDS[COMP_CWORD]} words command
	command=$(_larderctl_command)
	if [ "${COMP_WORDS[COMP_CWORD - 1]}" = --cache ]; then
		words=$(_larderctl_caches)
	elif [ "${word:0:1}" = - ]; then
		words=$("$tool" ${command:+"$command"} --help 2>/dev/null |
			sed -n 's/^  \(-h, \)\{0,1\}\(--[a-z-]*\).*/\2/p')
	elif [ -z "$command" ] || [ "$command" = help ]; then
		words=$("$tool" help --commands 2>/dev/null)
	fi
	mapfile -t COMPREPLY < <(compgen -W "$words" -- "$word")
}

complete -o default -F _larderctl larderctl
