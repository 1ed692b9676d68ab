/* SPDX-License-Identifier: MIT
 *
 * cmd_stats.c - larderctl stats
 *
 * Names and explanations of the counters come from the library that is running.
 */
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "out.h"

static void print_ratio(uint64_t hits, uint64_t reads)
{
	if (reads)
		printf("%-20s %20.2f %%\n", "hit ratio", 100.0 * (double)hits / (double)reads);
}

static void print_counters(struct ctl *ctl, const uint64_t *values, unsigned n)
{
	struct out_field field;
	uint64_t reads = 0, hits = 0;
	unsigned i;

	for (i = 0; i < n; i++) {
		field = OUT_U64(larder_stat_name(i), values[i]);
		if (strcmp(field.name, "get") == 0)
			reads = values[i];
		if (strcmp(field.name, "get_hits") == 0)
			hits = values[i];
		if (out_pair(ctl, &field))
			printf("%-20s %20" PRIu64 "  %s%s%s\n", field.name, values[i],
			       out_style(ctl, OUT_DIM), larder_stat_help(i),
			       out_style(ctl, OUT_PLAIN));
	}
	if (ctl->mode == CTL_HUMAN)
		print_ratio(hits, reads);
}

static int whole_cache(struct ctl *ctl)
{
	unsigned n = larder_stat_count();
	uint64_t *values = calloc(n, sizeof(*values));
	int status;

	if (!values)
		return ctl_error(ctl, "out of memory");
	status = info_rows(ctl);
	if (status == CTL_OK)
		status = ctl_result(ctl, NULL, larder_stats(ctl->larder, values, n));
	if (status == CTL_OK) {
		if (ctl->mode == CTL_HUMAN)
			putchar('\n');
		out_object(ctl, "counters");
		print_counters(ctl, values, n);
		out_object_end(ctl);
	}
	free(values);
	return status;
}

static int one_namespace(struct ctl *ctl)
{
	struct larder_ns_stats stats;
	struct out_field fields[4];
	uint16_t id;
	size_t i;
	int r;

	r = larder_namespace(ctl->larder, ctl->ns, strlen(ctl->ns), &id);
	if (r == 0)
		r = larder_stats_ns(ctl->larder, id, &stats);
	if (r != 0)
		return ctl_result(ctl, NULL, r);
	fields[0] = OUT_U64("gets", stats.gets);
	fields[1] = OUT_U64("hits", stats.hits);
	fields[2] = OUT_U64("sets", stats.sets);
	fields[3] = OUT_U64("deletes", stats.deletes);
	out_object(ctl, "counters");
	for (i = 0; i < OUT_N(fields); i++)
		if (out_pair(ctl, &fields[i]))
			printf("%-20s %20" PRIu64 "\n", fields[i].name, fields[i].number);
	out_object_end(ctl);
	if (ctl->mode == CTL_HUMAN)
		print_ratio(stats.hits, stats.gets);
	return CTL_OK;
}

int cmd_stats(struct ctl *ctl, int argc, char **argv)
{
	int status;

	if (ctl_getopt_none(ctl, argc, argv, 0, 0))
		return CTL_USAGE;
	status = ctl_attach(ctl, LARDER_RDONLY);
	if (status != CTL_OK)
		return status;
	out_begin(ctl, NULL);
	status = ctl->ns ? one_namespace(ctl) : whole_cache(ctl);
	out_end(ctl, status == CTL_OK ? "ok" : "error");
	return status;
}
