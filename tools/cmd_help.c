/* SPDX-License-Identifier: MIT
 *
 * cmd_help.c - what the command table says, for people and for the completion
 */
#include <stdio.h>
#include <string.h>

#include "ctl.h"

#define NAME_MAX_LEN 16 /* longer words are like no command */
#define NEAR 2		/* edits that still count as a slip */

static const char options_text[] =
	"Options of all commands\n"
	"  --cache NAME|PATH   the cache (main), or the path of its socket\n"
	"  --namespace NS      a namespace of it (the default one)\n"
	"  --timeout TIME      how long to wait for the daemon (1s)\n"
	"  --json              one JSON object\n"
	"  --porcelain         tab separated, for scripts; frozen\n"
	"  --hex               keys on the command line are hexadecimal\n"
	"  -h, --help          help about a command\n";

void help_command(const struct ctl_command *command)
{
	printf("Example\n  %s\n\n", command->example);
	printf("Usage\n  larderctl %s%s%s\n\n", command->name, *command->synopsis ? " " : "",
	       command->synopsis);
	printf("%s\n\n%s", command->description, options_text);
}

/* The first sentence of a description is its summary. */
static int summary_length(const char *description)
{
	return (int)strcspn(description, ".\n");
}

static void overview(const struct ctl_command *command)
{
	puts("larderctl - inspect and operate a larder cache\n\n"
	     "Examples\n"
	     "  larderctl set greeting hello --ttl 5m\n"
	     "  larderctl get greeting\n"
	     "  larderctl stats\n\n"
	     "Usage\n  larderctl [OPTION...] COMMAND [ARGUMENT...]\n\nCommands");
	for (; command->name; command++)
		printf("  %-10s %.*s\n", command->name, summary_length(command->description),
		       command->description);
	printf("\n%s\nExit status: 0 done, 1 a miss or another outcome, 2 usage, 3 system error.\n",
	       options_text);
}

/* Optimal string alignment: insert, remove, replace, or swap two neighbours. */
static size_t distance(const char *a, const char *b)
{
	size_t d[NAME_MAX_LEN + 1][NAME_MAX_LEN + 1];
	size_t i, j, n = strlen(a), m = strlen(b), best;

	if (n > NAME_MAX_LEN || m > NAME_MAX_LEN)
		return NAME_MAX_LEN;
	for (i = 0; i <= n; i++) {
		for (j = 0; j <= m; j++) {
			if (!i || !j) {
				d[i][j] = i + j;
				continue;
			}
			best = d[i - 1][j - 1] + (a[i - 1] != b[j - 1]);
			if (d[i - 1][j] + 1 < best)
				best = d[i - 1][j] + 1;
			if (d[i][j - 1] + 1 < best)
				best = d[i][j - 1] + 1;
			if (i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1] &&
			    d[i - 2][j - 2] + 1 < best)
				best = d[i - 2][j - 2] + 1;
			d[i][j] = best;
		}
	}
	return d[n][m];
}

const struct ctl_command *help_similar(const struct ctl_command *commands, const char *word)
{
	const struct ctl_command *c, *nearest = NULL;
	size_t n, least = NEAR + 1;

	for (c = commands; c->name; c++) {
		n = distance(word, c->name);
		/* Half of the letters must be right: "xy" is not meant to be "ttl". */
		if (n < least && 2 * n <= strlen(c->name)) {
			least = n;
			nearest = c;
		}
	}
	return nearest;
}

static int list_commands(struct ctl *ctl)
{
	const struct ctl_command *c;

	for (c = ctl->commands; c->name; c++)
		puts(c->name);
	return CTL_OK;
}

int cmd_help(struct ctl *ctl, int argc, char **argv)
{
	enum { OPT_COMMANDS = CTL_OPT_COMMAND };
	static const struct option options[] = {{"commands", no_argument, NULL, OPT_COMMANDS},
						{NULL, 0, NULL, 0}};
	const struct ctl_command *c;
	bool list = false;
	int option;

	while ((option = ctl_getopt(ctl, argc, argv, options, false)) != CTL_GETOPT_END) {
		if (option != OPT_COMMANDS)
			return CTL_USAGE;
		list = true;
	}
	if (ctl_arguments(ctl, argc, 0, list ? 0 : 1))
		return CTL_USAGE;
	if (list)
		return list_commands(ctl);
	if (optind == argc) {
		overview(ctl->commands);
		return CTL_OK;
	}
	for (c = ctl->commands; c->name; c++) {
		if (strcmp(c->name, argv[optind]) == 0) {
			help_command(c);
			return CTL_OK;
		}
	}
	return ctl_usage(ctl, "no command is called '%s'", argv[optind]);
}
