/* SPDX-License-Identifier: MIT
 *
 * cmd_scan.c - larderctl scan
 *
 * Keys are printed as the index yields them: nothing is kept, so a scan of any size runs in constant
 * memory, and a key may come twice while the index grows. Values are read through a second handle,
 * because a callback must not use the handle that scans.
 */
#include <errno.h>
#include <fnmatch.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "out.h"

#define STEPS 256 /* buckets a call: small enough that --limit and Ctrl-C end a scan at once */

enum { OPT_MATCH = CTL_OPT_COMMAND, OPT_PREFIX, OPT_MIN_SIZE, OPT_LIMIT, OPT_COUNT, OPT_VALUES };

static const struct option options[] = {
	{"match", required_argument, NULL, OPT_MATCH},
	{"prefix", required_argument, NULL, OPT_PREFIX},
	{"min-size", required_argument, NULL, OPT_MIN_SIZE},
	{"limit", required_argument, NULL, OPT_LIMIT},
	{"count", no_argument, NULL, OPT_COUNT},
	{"values", no_argument, NULL, OPT_VALUES},
	{NULL, 0, NULL, 0},
};

struct scan {
	struct ctl *ctl;
	const char *match;
	char *prefix_text; /* until --hex is known, which may come last */
	struct ctl_key prefix;
	uint64_t min_size, limit;
	bool count, values;

	struct larder *reader; /* --values */
	void *value;
	size_t room, len;
	uint64_t n_found;
	int error; /* of a read in the callback */
	char name[LARDER_KEY_MAX + 1];
};

static int scan_option(struct scan *scan, int option)
{
	struct ctl *ctl = scan->ctl;

	switch (option) {
	case OPT_MATCH:
		scan->match = optarg;
		return CTL_OK;
	case OPT_PREFIX:
		scan->prefix_text = optarg;
		return CTL_OK;
	case OPT_MIN_SIZE:
		return ctl_size(ctl, "--min-size", optarg, &scan->min_size);
	case OPT_LIMIT:
		return ctl_size(ctl, "--limit", optarg, &scan->limit);
	case OPT_COUNT:
		scan->count = true;
		return CTL_OK;
	case OPT_VALUES:
		scan->values = true;
		return CTL_OK;
	default:
		return CTL_USAGE;
	}
}

/* fnmatch(3) wants a string: a key with a zero byte in it matches no pattern. */
static bool wanted(struct scan *scan, const void *key, size_t len, const struct larder_meta *meta)
{
	if (meta->length < scan->min_size)
		return false;
	if (len < scan->prefix.len || memcmp(key, scan->prefix.bytes, scan->prefix.len) != 0)
		return false;
	if (!scan->match)
		return true;
	if (memchr(key, 0, len))
		return false;
	memcpy(scan->name, key, len);
	scan->name[len] = 0;
	return fnmatch(scan->match, scan->name, 0) == 0;
}

static void print(struct scan *scan, const void *key, size_t len, const struct larder_meta *meta)
{
	const struct out_field fields[] = {
		OUT_MEM("key", key, len),
		OUT_U64("length", meta->length),
		OUT_I64("ttl_ms", meta->ttl_ms),
		OUT_U64("version", meta->version),
		OUT_U64("flags", meta->flags),
		OUT_U64("counter", meta->counter),
		OUT_MEM("value", scan->value, scan->len),
	};

	if (!out_row(scan->ctl, fields, OUT_N(fields) - !scan->values))
		return;
	out_escape(stdout, key, len, true);
	if (scan->values) {
		putchar('\t');
		out_escape(stdout, scan->value, scan->len, true);
	}
	putchar('\n');
}

static int visit(void *ctx, const void *key, size_t len, const struct larder_meta *meta)
{
	struct scan *scan = ctx;
	int r;

	if (!wanted(scan, key, len, meta) || (scan->limit && scan->n_found == scan->limit))
		return 0;
	if (scan->values) {
		r = larder_get_alloc(scan->reader, key, len, &scan->value, &scan->room, &scan->len);
		if (r == LARDER_MISS) /* gone since the scan saw it */
			return 0;
		scan->error = r;
		if (r != LARDER_OK)
			return 1;
	}
	scan->n_found++;
	if (!scan->count)
		print(scan, key, len, meta);
	return ferror(stdout);
}

static int walk(struct scan *scan)
{
	uint64_t cursor = 0;
	int r;

	do {
		r = larder_scan(scan->ctl->larder, &cursor, STEPS, visit, scan);
		if (r == 0)
			r = scan->error;
		if (scan->limit && scan->n_found == scan->limit)
			break;
	} while (r == 0 && cursor && !ferror(stdout));
	return r;
}

static int run(struct scan *scan)
{
	struct ctl *ctl = scan->ctl;
	struct out_field count;
	int status;

	if (scan->values && ctl_clone(ctl, &scan->reader))
		return CTL_SYSTEM;
	out_begin(ctl, scan->count ? NULL : "keys");
	status = walk(scan);
	count = OUT_U64("count", scan->n_found);
	if (scan->count && status == 0 && out_row(ctl, &count, 1))
		printf("%" PRIu64 "\n", scan->n_found);
	out_end(ctl, status == 0 ? "ok" : "error");
	larder_close(scan->reader);
	return ctl_result(ctl, NULL, status);
}

static int configure(struct scan *scan, int argc, char **argv)
{
	struct ctl *ctl = scan->ctl;
	int option;

	while ((option = ctl_getopt(ctl, argc, argv, options, false)) != CTL_GETOPT_END)
		if (scan_option(scan, option))
			return CTL_USAGE;
	if (ctl_arguments(ctl, argc, 0, 0))
		return CTL_USAGE;
	if (scan->prefix_text && ctl_key(ctl, scan->prefix_text, &scan->prefix))
		return CTL_USAGE;
	if (scan->count && scan->values)
		return ctl_usage(ctl, "--count and --values exclude each other");
	return CTL_OK;
}

int cmd_scan(struct ctl *ctl, int argc, char **argv)
{
	struct scan *scan = calloc(1, sizeof(*scan));
	int status;

	if (!scan)
		return ctl_error(ctl, "out of memory");
	scan->ctl = ctl;
	scan->prefix.bytes = scan->name; /* any pointer will do for no bytes */
	status = configure(scan, argc, argv);
	if (status == CTL_OK)
		status = ctl_attach(ctl, LARDER_RDONLY);
	if (status == CTL_OK)
		status = run(scan);
	free(scan->value);
	free(scan);
	return status;
}
