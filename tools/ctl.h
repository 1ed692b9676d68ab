/* SPDX-License-Identifier: MIT
 *
 * ctl.h - what the commands of larderctl share: the session, its options, the command table's row
 *
 * A command is one function. It reads its options with ctl_getopt(), attaches with ctl_attach(),
 * calls larder.h, prints through out.h, and returns an exit status. Nothing here or in a command
 * knows how the region looks. Words go to stderr, data to stdout.
 */
#ifndef LARDER_TOOLS_CTL_H
#define LARDER_TOOLS_CTL_H

#include <getopt.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <larder/larder.h>

enum ctl_exit {
	CTL_OK = 0,
	CTL_OUTCOME = 1, /* the library's positive results: a miss, it exists, damage */
	CTL_USAGE = 2,
	CTL_SYSTEM = 3, /* the library's negative results, and output that cannot be written */
};

enum ctl_mode { CTL_HUMAN, CTL_PORCELAIN, CTL_JSON };

struct ctl;

/* One row of the command table. Help, the completion and the dispatch come from it. */
struct ctl_command {
	const char *name;
	int (*fn)(struct ctl *ctl, int argc, char **argv);
	const char *synopsis; /* options and arguments */
	const char *description;
	const char *example;
};

struct ctl {
	const struct ctl_command *commands; /* ends with a row whose name is NULL */
	const struct ctl_command *command;  /* NULL before it is known */
	const char *cache;
	const char *ns; /* NULL = the default one */
	enum ctl_mode mode;
	bool hex; /* keys on the command line are hexadecimal */
	bool help;
	bool colour;
	uint32_t timeout_ms; /* 0 = the library's default */
	struct larder *larder;
	struct {
		const char *list; /* JSON: the member that is an array, or NULL */
		size_t n_rows;
	} out;
};

/* A key as the library wants it. The bytes belong to argv. */
struct ctl_key {
	char *bytes;
	size_t len;
};

/* Values of long options; beyond those of characters, so that a short option is told from them. */
enum ctl_option {
	CTL_OPT_CACHE = 0x100,
	CTL_OPT_NAMESPACE,
	CTL_OPT_TIMEOUT,
	CTL_OPT_JSON,
	CTL_OPT_PORCELAIN,
	CTL_OPT_HEX,
	CTL_OPT_COMMAND = 0x200, /* the first of a command's own */
};

#define CTL_OPTIONS_MAX 16
#define CTL_GETOPT_END (-1)
#define CTL_GETOPT_BAD (-2)

/*
 * ctl_getopt - the next option of a command
 * @options: the command's own, at most CTL_OPTIONS_MAX, then a row of zeros; NULL = none
 * @stop: true: the first word that is no option ends the list (before the command's name)
 * Options of all commands are taken care of here and never returned.
 * Return: a value of the command's own; CTL_GETOPT_END, then optind is the first argument;
 * CTL_GETOPT_BAD after a complaint.
 */
int ctl_getopt(struct ctl *ctl, int argc, char **argv, const struct option *options, bool stop);

/*
 * ctl_getopt_none - ctl_getopt() for a command without options of its own
 * @min, @max: how many arguments it wants
 * Return: 0; CTL_USAGE after a complaint.
 */
int ctl_getopt_none(struct ctl *ctl, int argc, char **argv, int min, int max);

/* ctl_arguments - are there from @min to @max arguments? Return: 0; CTL_USAGE after a complaint. */
int ctl_arguments(struct ctl *ctl, int argc, int min, int max);

/* Number options. Return: 0; CTL_USAGE after a complaint that names the option. */
int ctl_u64(struct ctl *ctl, const char *option, const char *text, uint64_t *valuep);
int ctl_i64(struct ctl *ctl, const char *option, const char *text, int64_t *valuep);
int ctl_duration(struct ctl *ctl, const char *option, const char *text, int64_t *msp);
int ctl_size(struct ctl *ctl, const char *option, const char *text, uint64_t *bytesp);

/* ctl_key - a key from the command line; --hex is decoded in place. Return: 0; CTL_USAGE. */
int ctl_key(struct ctl *ctl, char *arg, struct ctl_key *key);

/*
 * ctl_attach - open the cache and select the namespace
 * @flags: enum larder_open_flags. Commands that only look attach read-only: they leave no trace
 *	in the recency of what they read, and create no namespace by a typing error.
 * Return: 0; CTL_OUTCOME no such namespace; CTL_SYSTEM; both after a complaint.
 */
int ctl_attach(struct ctl *ctl, unsigned flags);

/* ctl_clone - a second handle in the same namespace. Return: 0; CTL_SYSTEM after a complaint. */
int ctl_clone(struct ctl *ctl, struct larder **hp);

/* ctl_detach - close the handle, if there is one */
void ctl_detach(struct ctl *ctl);

/* ctl_usage - complain about the command line. Return: CTL_USAGE. */
__attribute__((format(printf, 2, 3))) int ctl_usage(struct ctl *ctl, const char *fmt, ...);

/*
 * ctl_result - the exit status for what a call returned; complains unless it is 0
 * @key: what the call was about, or NULL
 */
int ctl_result(struct ctl *ctl, const struct ctl_key *key, int result);

/*
 * ctl_outcome - report an outcome: a sentence, or a JSON object with @word as its result
 * @key: what it is about, or NULL
 * Return: CTL_OUTCOME.
 */
int ctl_outcome(struct ctl *ctl, const struct ctl_key *key, const char *word, const char *sentence);

/* ctl_error - complain about something that is not the user's fault. Return: CTL_SYSTEM. */
int ctl_error(struct ctl *ctl, const char *sentence);

int cmd_get(struct ctl *ctl, int argc, char **argv);
int cmd_set(struct ctl *ctl, int argc, char **argv);
int cmd_del(struct ctl *ctl, int argc, char **argv);
int cmd_incr(struct ctl *ctl, int argc, char **argv);
int cmd_ttl(struct ctl *ctl, int argc, char **argv);
int cmd_scan(struct ctl *ctl, int argc, char **argv);
int cmd_flush(struct ctl *ctl, int argc, char **argv);
int cmd_stats(struct ctl *ctl, int argc, char **argv);
int cmd_info(struct ctl *ctl, int argc, char **argv);
int cmd_clients(struct ctl *ctl, int argc, char **argv);
int cmd_events(struct ctl *ctl, int argc, char **argv);
int cmd_check(struct ctl *ctl, int argc, char **argv);
int cmd_ping(struct ctl *ctl, int argc, char **argv);
int cmd_shutdown(struct ctl *ctl, int argc, char **argv);
int cmd_version(struct ctl *ctl, int argc, char **argv);
int cmd_help(struct ctl *ctl, int argc, char **argv);

/* help_command - the help of one command */
void help_command(const struct ctl_command *command);

/* help_similar - the command whose name is nearest to @word, or NULL if none is near */
const struct ctl_command *help_similar(const struct ctl_command *commands, const char *word);

/* info_rows - print what is known about the cache, as `info` and `stats` do */
int info_rows(struct ctl *ctl);

#endif
