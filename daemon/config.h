/* SPDX-License-Identifier: MIT
 *
 * config.h - what the operator wants: presets, the file, --set, in this order of strength
 */
#ifndef LARDERD_CONFIG_H
#define LARDERD_CONFIG_H

#include <larder/control.h>
#include <stdbool.h>
#include <stdio.h>
#include <sys/types.h>
#include <sys/un.h>

#include "configfile.h"
#include "geometry.h"
#include "log.h"

#define CONFIG_UIDS_MAX 64u

enum config_preset { PRESET_PRODUCTION, PRESET_DEVELOPMENT, PRESET_TESTING };

/* Kernel features that can be hidden, so that tests see what an older kernel makes of us. */
enum config_hide {
	HIDE_MEMBARRIER = 1 << 0,
	HIDE_PIDFD_GETPEER = 1 << 1,
	HIDE_MADV_COLLAPSE = 1 << 2,
	HIDE_MFD_NOEXEC = 1 << 3,
};

struct uid_list {
	uid_t uid[CONFIG_UIDS_MAX];
	unsigned n;
	bool any;
};

struct config {
	char name[CTL_NAME_MAX + 1];
	char socket[sizeof(((struct sockaddr_un *)0)->sun_path)];
	struct geometry_options region;
	struct uid_list allow;	  /* besides our own uid and root */
	struct uid_list readonly; /* may attach, but only read-only */
	struct uid_list deny;	  /* stronger than both */
	enum log_level log_level;
	enum config_preset preset;
	bool keeper;
	unsigned hide; /* enum config_hide */
	char hide_names[128];
};

struct config_args {
	const char *file;	 /* NULL: none */
	const char *const *sets; /* "key=value" */
	unsigned n_sets;
	const char *name;   /* NULL: not given */
	const char *socket; /* NULL: not given */
};

struct config_sources; /* each key's text and where it came from, for config_print() */

/*
 * config_load - read, convert and check everything
 * @sourcesp: out: for config_print(); the caller frees it with config_sources_free()
 * @error: out: one sentence "file:line: what, expected what", CONFIG_ERROR_MAX bytes
 * Nothing is opened but the file, nothing is created. Return: 0; -EINVAL; -ENOMEM.
 */
int config_load(struct config *cfg, struct config_sources **sourcesp,
		const struct config_args *args, char *error);
void config_sources_free(struct config_sources *sources);

/* The effective configuration in the file's syntax; each line tells its origin. */
void config_print(const struct config *cfg, const struct config_sources *sources, FILE *out);

/* May this uid attach? Own uid and root always may. */
bool config_allows(const struct config *cfg, uid_t uid, bool rdonly);

#endif
