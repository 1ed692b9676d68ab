/* SPDX-License-Identifier: MIT
 *
 * configfile.h - key = value files; the only user of <confuse.h>
 */
#ifndef LARDERD_CONFIGFILE_H
#define LARDERD_CONFIGFILE_H

#include <stdbool.h>

#define CONFIGFILE_TEXT_MAX 1024 /* of a value */
#define CONFIGFILE_NAMES_MAX 256
#define CONFIG_ERROR_MAX 512u

struct configfile_key {
	const char *name;
	bool list; /* key = {"a", "b"}, delivered as "a,b" */
};

/* Gets each value with its origin, "file:line"; the last one of a key counts. */
struct configfile_target {
	void (*put)(void *ctx, unsigned key, const char *text, const char *origin);
	void *ctx;
};

/*
 * configfile_read - deliver every assignment of a file
 * @error: out: one sentence "file:line: what, expected what", CONFIG_ERROR_MAX bytes
 * Not reentrant. Return: 0; -EINVAL; -ENOMEM.
 */
int configfile_read(const char *file, const struct configfile_key *keys, unsigned n_keys,
		    struct configfile_target to, char *error);

/* "a, b, c" */
void configfile_names(const struct configfile_key *keys, unsigned n_keys,
		      char buf[CONFIGFILE_NAMES_MAX]);

#endif
