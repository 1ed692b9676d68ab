/* SPDX-License-Identifier: MIT
 *
 * main.c - larderd: arguments, configuration, run, exit code
 */
#include <errno.h>
#include <getopt.h>
#include <larder/larder.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cache.h"
#include "config.h"
#include "log.h"

#define EXIT_USAGE 2
#define EXIT_CHECK 78 /* EX_CONFIG of sysexits.h */
#define SETS_MAX 64

static const char usage_text[] =
	"Usage: larderd [--config FILE] [--set KEY=VALUE]... [--name NAME] [--socket PATH]\n"
	"\n"
	"Serves a cache in shared memory to the processes of this host, in the foreground.\n"
	"\n"
	"  --config FILE     read the configuration from FILE; without it there are defaults\n"
	"  --set KEY=VALUE   set one key, stronger than the file; any number of times\n"
	"  --name NAME       the cache's name (main)\n"
	"  --socket PATH     where clients connect (by the name: $LARDER_SOCKET, else\n"
	"                    $XDG_RUNTIME_DIR/larder/NAME.sock, as root /run/larder/NAME.sock)\n"
	"  --check-config    check the configuration, start nothing; exit 0 or 78\n"
	"  --print-config    print what is in force and where it comes from, start nothing\n"
	"  --version         print the version\n"
	"  --help            print this text\n"
	"\n"
	"Example: larderd --name web --set memory=512M\n"
	"Exit: 0 clean end, 2 usage or configuration, 3 system. See larderd(8).\n";

enum action { ACTION_RUN, ACTION_CHECK, ACTION_PRINT, ACTION_DONE, ACTION_USAGE };

struct arguments {
	struct config_args config;
	const char *sets[SETS_MAX];
};

static enum action refuse_usage(const char *what, const char *arg)
{
	fprintf(stderr, "larderd: %s%s; see larderd --help\n", what, arg);
	return ACTION_USAGE;
}

static enum action print_and_done(const char *text)
{
	fputs(text, stdout);
	return ACTION_DONE;
}

static enum action parse(struct arguments *a, int argc, char **argv)
{
	static const struct option options[] = {
		{"config", required_argument, NULL, 'c'},
		{"set", required_argument, NULL, 's'},
		{"name", required_argument, NULL, 'n'},
		{"socket", required_argument, NULL, 'p'},
		{"check-config", no_argument, NULL, 'C'},
		{"print-config", no_argument, NULL, 'P'},
		{"version", no_argument, NULL, 'V'},
		{"help", no_argument, NULL, 'h'},
		{NULL, 0, NULL, 0},
	};
	enum action action = ACTION_RUN;
	int opt;

	a->config.sets = a->sets;
	while ((opt = getopt_long(argc, argv, "", options, NULL)) != -1) {
		if (opt == 'c')
			a->config.file = optarg;
		else if (opt == 'n')
			a->config.name = optarg;
		else if (opt == 'p')
			a->config.socket = optarg;
		else if (opt == 's' && a->config.n_sets == SETS_MAX)
			return refuse_usage("too many --set: ", optarg);
		else if (opt == 's')
			a->sets[a->config.n_sets++] = optarg;
		else if (opt == 'C')
			action = ACTION_CHECK;
		else if (opt == 'P')
			action = ACTION_PRINT;
		else if (opt == 'V')
			return print_and_done("larderd " LARDER_VERSION "\n");
		else if (opt == 'h')
			return print_and_done(usage_text);
		else
			return refuse_usage("unknown or incomplete option",
					    ""); /* getopt said which */
	}
	return optind < argc ? refuse_usage("unexpected argument ", argv[optind]) : action;
}

int main(int argc, char **argv)
{
	struct arguments args = {0};
	enum action action = parse(&args, argc, argv);
	struct config_sources *sources;
	char error[CONFIG_ERROR_MAX];
	struct config cfg;
	int code = 0;

	if (action == ACTION_USAGE || action == ACTION_DONE)
		return action == ACTION_USAGE ? EXIT_USAGE : 0;
	if (config_load(&cfg, &sources, &args.config, error) < 0) {
		fprintf(stderr, "%s\n", error);
		return action == ACTION_CHECK ? EXIT_CHECK : EXIT_USAGE;
	}
	if (action == ACTION_PRINT)
		config_print(&cfg, sources, stdout);
	if (action == ACTION_CHECK)
		printf("%s: ok\n", args.config.file ? args.config.file : "the configuration");
	config_sources_free(sources);
	if (action == ACTION_RUN) {
		log_init(cfg.log_level);
		code = cache_run(&cfg);
	}
	return code;
}
