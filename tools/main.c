/* SPDX-License-Identifier: MIT
 *
 * main.c - larderctl: the command table, and the way from argv to an exit status
 */
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "out.h"

static const struct ctl_command commands[] = {
	{"get", cmd_get, "[--raw | --meta] KEY",
	 "Print the value of a key.\n"
	 "Bytes that cannot be printed are shown as \\xHH.\n\n"
	 "  --raw    the exact bytes, and nothing after them\n"
	 "  --meta   version, time to live, age, length, flags and type instead of the value",
	 "larderctl get --raw page:1 > page.html"},
	{"set", cmd_set,
	 "[--ttl TIME] [--flags N] [--add | --replace | --cas VERSION] [--] KEY VALUE|-",
	 "Store a value, or standard input for '-'.\n"
	 "Prints the new version.\n\n"
	 "  --ttl TIME      expire after 500ms, 30s, 5m, 2h, 7d (never)\n"
	 "  --flags N       32 bits that are stored with the item\n"
	 "  --add           only if the key is absent\n"
	 "  --replace       only if it is present\n"
	 "  --cas VERSION   only if it still has this version (get --meta)",
	 "larderctl set page:1 - --ttl 5m < page.html"},
	{"del", cmd_del, "[--cas VERSION] [--] KEY...",
	 "Remove keys.\n"
	 "A key that is absent makes the exit status 1; the others are removed all the same.\n\n"
	 "  --cas VERSION   only if the one key still has this version",
	 "larderctl del page:1 page:2"},
	{"incr", cmd_incr, "[--by N] [--init N [--ttl TIME]] [--decr] [--signed] [--] KEY",
	 "Add to a counter and print it.\n"
	 "Unsigned counters wrap at 2^64 and stop at 0; signed ones refuse to overflow.\n\n"
	 "  --by N        how much (1)\n"
	 "  --init N      create an absent counter with this value; otherwise it is a miss\n"
	 "  --ttl TIME    of a created counter\n"
	 "  --decr        subtract\n"
	 "  --signed      a signed counter: N may be negative",
	 "larderctl incr visits --init 1 --ttl 1d"},
	{"ttl", cmd_ttl, "[--] KEY [TIME]",
	 "Show how long a key lives, or give it a new time to live.\n"
	 "TIME is 500ms, 30s, 5m, 2h, 7d, a number of milliseconds, or never.",
	 "larderctl ttl session:42 30m"},
	{"scan", cmd_scan,
	 "[--match GLOB] [--prefix TEXT] [--min-size SIZE] [--limit N] [--values | --count]",
	 "List keys.\n"
	 "A key that is present all the time is listed at least once; clients are not disturbed.\n\n"
	 "  --match GLOB      only keys that match, as in the shell: 'user:*'\n"
	 "  --prefix TEXT     only keys that begin so (with --hex: hexadecimal)\n"
	 "  --min-size SIZE   only values of at least 100, 64K, 10M bytes\n"
	 "  --limit N         stop after so many\n"
	 "  --values          values too\n"
	 "  --count           only how many",
	 "larderctl scan --match 'user:*' --min-size 64K"},
	{"flush", cmd_flush, "[--all [--yes]]",
	 "Drop every item of one namespace.\n"
	 "It takes no longer for many items than for few.\n\n"
	 "  --all   every namespace; asks for the name of the cache on a terminal\n"
	 "  --yes   do not ask",
	 "larderctl flush --namespace sessions"},
	{"stats", cmd_stats, "",
	 "Show what the cache is made of and all counters.\n"
	 "Counters run since the region was made and include processes that have ended. With\n"
	 "--namespace: those of this namespace.",
	 "larderctl stats --porcelain | grep ^evicted"},
	{"info", cmd_info, "", "Show memory, processes and identity of the cache.",
	 "larderctl info --json"},
	{"clients", cmd_clients, "",
	 "List the attached handles.\n"
	 "The column 'held' counts segments that a running operation of the handle names.",
	 "larderctl clients"},
	{"events", cmd_events, "[--after SEQ]",
	 "List repairs, recoveries and administrative actions, oldest first.\n"
	 "The daemon keeps the last 256.\n\n"
	 "  --after SEQ   only those after this number",
	 "larderctl events"},
	{"check", cmd_check, "",
	 "Validate every invariant of the region.\n"
	 "Clients go on meanwhile. Prints the number of each invariant that does not hold; the\n"
	 "exit status is then 1.",
	 "larderctl check && echo clean"},
	{"ping", cmd_ping, "", "Ask the daemon for an answer.", "larderctl ping --timeout 200ms"},
	{"shutdown", cmd_shutdown, "", "End the daemon and its keeper, and the cache with them.",
	 "larderctl --cache web shutdown"},
	{"version", cmd_version, "", "Show the versions of the tool and of the library.",
	 "larderctl version"},
	{"help", cmd_help, "[COMMAND | --commands]",
	 "Explain a command, or list all.\n\n"
	 "  --commands   only their names, one on a line",
	 "larderctl help set"},
	{NULL, NULL, NULL, NULL, NULL},
};

static const struct ctl_command *find(const char *name)
{
	const struct ctl_command *c;

	for (c = commands; c->name; c++)
		if (strcmp(c->name, name) == 0)
			return c;
	return NULL;
}

static int unknown(struct ctl *ctl, const char *word)
{
	const struct ctl_command *similar = help_similar(commands, word);

	if (similar)
		return ctl_usage(ctl, "no command is called '%s': did you mean '%s'?", word,
				 similar->name);
	return ctl_usage(ctl, "no command is called '%s'", word);
}

/* https://no-color.org: NO_COLOR counts when it is not empty. */
static bool wants_colour(void)
{
	const char *no_colour = getenv("NO_COLOR"), *term = getenv("TERM");

	return isatty(STDOUT_FILENO) && !(no_colour && *no_colour) && term &&
	       strcmp(term, "dumb") != 0;
}

static int dispatch(struct ctl *ctl, int argc, char **argv)
{
	static const struct option options[] = {{"version", no_argument, NULL, CTL_OPT_COMMAND},
						{NULL, 0, NULL, 0}};
	int option, first, status;

	option = ctl_getopt(ctl, argc, argv, options, true);
	if (option == CTL_GETOPT_BAD)
		return CTL_USAGE;
	if (option == CTL_OPT_COMMAND)
		ctl->command = find("version");
	else if (optind == argc)
		return ctl_usage(ctl, "a command is missing");
	else
		ctl->command = find(argv[optind]);
	if (!ctl->command)
		return unknown(ctl, argv[optind]);
	first = optind - (option == CTL_OPT_COMMAND);
	optind = 0; /* glibc: begin anew, with another vector */
	status = ctl->command->fn(ctl, argc - first, argv + first);
	ctl_detach(ctl);
	return status;
}

/* --help wins over whatever else the command line holds. */
static int help(struct ctl *ctl)
{
	char name[] = "help", *argv[] = {name, NULL};

	if (ctl->command) {
		help_command(ctl->command);
		return CTL_OK;
	}
	ctl->help = false;
	optind = 0;
	return cmd_help(ctl, 1, argv);
}

int main(int argc, char **argv)
{
	struct ctl ctl = {.commands = commands, .colour = wants_colour()};
	int status;

	status = dispatch(&ctl, argc, argv);
	if (ctl.help)
		status = help(&ctl);
	if (fflush(stdout) != 0 || ferror(stdout)) {
		perror("larderctl: standard output");
		return CTL_SYSTEM;
	}
	return status;
}
