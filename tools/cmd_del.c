/* SPDX-License-Identifier: MIT
 *
 * cmd_del.c - larderctl del
 */
#include <limits.h>
#include <stdlib.h>
#include <string.h>

#include "out.h"

enum { OPT_CAS = CTL_OPT_COMMAND };

static const struct option options[] = {
	{"cas", required_argument, NULL, OPT_CAS},
	{NULL, 0, NULL, 0},
};

static const char *word(int result)
{
	switch (result) {
	case LARDER_OK:
		return "deleted";
	case LARDER_MISS:
		return "miss";
	default:
		return "exists";
	}
}

/* Return: CTL_OK; CTL_OUTCOME; CTL_SYSTEM after a complaint. */
static int remove_one(struct ctl *ctl, const struct ctl_key *key, uint64_t version)
{
	struct out_field fields[2];
	int r;

	if (version)
		r = larder_delete_if(ctl->larder, key->bytes, key->len, version);
	else
		r = larder_delete(ctl->larder, key->bytes, key->len);
	if (r < 0 || r == LARDER_DETACHED)
		return ctl_result(ctl, key, r);
	fields[0] = OUT_MEM("key", key->bytes, key->len);
	fields[1] = OUT_TEXT("outcome", word(r));
	if (out_row(ctl, fields, 2) && r == LARDER_OK) {
		fputs("deleted ", stdout);
		out_escape(stdout, key->bytes, key->len, true);
		putchar('\n');
	} else if (ctl->mode == CTL_HUMAN) {
		return ctl_result(ctl, key, r);
	}
	return r == LARDER_OK ? CTL_OK : CTL_OUTCOME;
}

/* All keys are tried; what one of them met is the exit status. */
static int remove_all(struct ctl *ctl, const struct ctl_key *keys, int n, uint64_t version)
{
	int i, one, status = CTL_OK;

	out_begin(ctl, "keys");
	for (i = 0; i < n && status != CTL_SYSTEM; i++) {
		one = remove_one(ctl, &keys[i], version);
		if (one > status)
			status = one;
	}
	out_end(ctl, status == CTL_OK ? "ok" : status == CTL_OUTCOME ? "outcome" : "error");
	return status;
}

int cmd_del(struct ctl *ctl, int argc, char **argv)
{
	struct ctl_key *keys;
	uint64_t version = 0;
	int i, option, n, status = CTL_OK;

	while ((option = ctl_getopt(ctl, argc, argv, options, false)) != CTL_GETOPT_END) {
		if (option != OPT_CAS || ctl_u64(ctl, "--cas", optarg, &version))
			return CTL_USAGE;
		if (!version)
			return ctl_usage(ctl, "--cas: 0 is never a version");
	}
	if (ctl_arguments(ctl, argc, 1, version ? 1 : INT_MAX))
		return CTL_USAGE;
	n = argc - optind;
	keys = calloc((size_t)n, sizeof(*keys));
	if (!keys)
		return ctl_error(ctl, "out of memory");
	for (i = 0; i < n && status == CTL_OK; i++)
		status = ctl_key(ctl, argv[optind + i], &keys[i]);
	if (status == CTL_OK)
		status = ctl_attach(ctl, 0);
	if (status == CTL_OK)
		status = remove_all(ctl, keys, n, version);
	free(keys);
	return status;
}
