/* SPDX-License-Identifier: MIT */
/* main.c - larder-bench: the command table */
#include <stdio.h>
#include <string.h>

#include <larder/larder.h>

#include "bars.h"
#include "demo.h"
#include "options.h"
#include "replay.h"
#include "run.h"
#include "spawn.h"

static const struct command {
	const char *name;
	int (*run)(int argc, char **argv);
	const char *help;
} commands[] = {
	{"run", run_command, "load a cache from many processes; verify every value"},
	{"replay", replay_command, "replay a recorded trace; compare with exact caches"},
	{"demo", demo_command, "show a cache that survives kill -9"},
	{"bars", bars_command, "measure every promise that is a number"},
};

static void usage(FILE *file)
{
	fprintf(file, "usage: larder-bench COMMAND [options]\n");
	for (unsigned i = 0; i < sizeof(commands) / sizeof(*commands); i++)
		fprintf(file, "  %-8s %s\n", commands[i].name, commands[i].help);
	fprintf(file, "larder-bench COMMAND --help lists its options.\n"
		      "Exit: 0 all well, 1 a claim does not hold, 2 usage, 3 not measured.\n");
}

int main(int argc, char **argv)
{
	if (argc < 2) {
		usage(stderr);
		return BENCH_USAGE;
	}
	if (strcmp(argv[1], "--help") == 0 || strcmp(argv[1], "help") == 0) {
		usage(stdout);
		return BENCH_OK;
	}
	if (strcmp(argv[1], "--version") == 0 || strcmp(argv[1], "version") == 0) {
		printf("larder-bench %s\n", larder_version());
		return BENCH_OK;
	}
	spawn_init();
	for (unsigned i = 0; i < sizeof(commands) / sizeof(*commands); i++)
		if (strcmp(argv[1], commands[i].name) == 0)
			return commands[i].run(argc - 1, argv + 1);
	fprintf(stderr, "larder-bench: no command '%s'\n", argv[1]);
	usage(stderr);
	return BENCH_USAGE;
}
