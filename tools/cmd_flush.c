/* SPDX-License-Identifier: MIT
 *
 * cmd_flush.c - larderctl flush
 */
#include <string.h>
#include <unistd.h>

#include "out.h"

enum { OPT_ALL = CTL_OPT_COMMAND, OPT_YES };

static const struct option options[] = {
	{"all", no_argument, NULL, OPT_ALL},
	{"yes", no_argument, NULL, OPT_YES},
	{NULL, 0, NULL, 0},
};

/* Whoever flushes everything types the cache's name: so it is the cache that was meant. */
static int confirm(struct ctl *ctl)
{
	const char *name = ctl->cache ? ctl->cache : "main";
	char line[256];

	if (!isatty(STDIN_FILENO))
		return ctl_usage(ctl, "--all wants --yes where nobody can be asked");
	fprintf(stderr,
		"Every item of every namespace of '%s' will be dropped.\n"
		"Type the name of the cache to go on: ",
		name);
	if (!fgets(line, sizeof(line), stdin))
		line[0] = 0;
	line[strcspn(line, "\n")] = 0;
	if (strcmp(line, name) == 0)
		return CTL_OK;
	return ctl_outcome(ctl, NULL, "refused", "nothing was flushed");
}

static int flush(struct ctl *ctl, bool all)
{
	int status;

	status = ctl_result(ctl, NULL,
			    all ? larder_flush_all(ctl->larder) : larder_flush(ctl->larder));
	if (status != CTL_OK)
		return status;
	out_begin(ctl, NULL);
	if (ctl->mode == CTL_HUMAN)
		puts("flushed");
	out_end(ctl, "ok");
	return CTL_OK;
}

int cmd_flush(struct ctl *ctl, int argc, char **argv)
{
	bool all = false, yes = false;
	int option, status = CTL_OK;

	while ((option = ctl_getopt(ctl, argc, argv, options, false)) != CTL_GETOPT_END) {
		if (option == OPT_ALL)
			all = true;
		else if (option == OPT_YES)
			yes = true;
		else
			return CTL_USAGE;
	}
	if (ctl_arguments(ctl, argc, 0, 0))
		return CTL_USAGE;
	if (all && ctl->ns)
		return ctl_usage(ctl, "--all and --namespace exclude each other");
	if (all && !yes)
		status = confirm(ctl);
	if (status == CTL_OK)
		status = ctl_attach(ctl, 0);
	return status == CTL_OK ? flush(ctl, all) : status;
}
