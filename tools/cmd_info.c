/* SPDX-License-Identifier: MIT
 *
 * cmd_info.c - larderctl info
 */
#include <inttypes.h>
#include <string.h>

#include "out.h"

/* How people read the value of a field: as it is, or converted. */
enum form { AS_IS, SIZE, DURATION };

struct row {
	struct out_field field;
	enum form form;
};

static void print_row(struct ctl *ctl, const struct row *row)
{
	const struct out_field *field = &row->field;
	char text[32];

	if (!out_pair(ctl, field))
		return;
	printf("%-20s ", field->name);
	if (row->form == SIZE)
		puts(out_size(text, field->number));
	else if (row->form == DURATION)
		puts(out_duration(text, (int64_t)field->number));
	else if (field->kind == OUT_BYTES)
		printf("%.*s\n", (int)field->len, (const char *)field->bytes);
	else
		printf("%" PRId64 "\n", (int64_t)field->number);
}

static void uuid_text(char text[static 33], const uint8_t uuid[static 16])
{
	size_t i;

	for (i = 0; i < 16; i++)
		snprintf(text + 2 * i, 3, "%02x", uuid[i]);
}

static void print(struct ctl *ctl, const struct larder_info *info)
{
	const char *state = info->state == LARDER_ATTACHED ? "attached" : "detached";
	char uuid[33], layout[32];
	size_t i;

	uuid_text(uuid, info->uuid);
	snprintf(layout, sizeof(layout), "%" PRIu32 ".%" PRIu32, info->layout_major,
		 info->layout_minor);
	const struct row rows[] = {
		{OUT_TEXT("cache_name", info->cache_name), AS_IS},
		{OUT_TEXT("uuid", uuid), AS_IS},
		{OUT_TEXT("state", state), AS_IS},
		{OUT_TEXT("policy", info->policy), AS_IS},
		{OUT_TEXT("layout", layout), AS_IS},
		{OUT_U64("region_bytes", info->region_bytes), SIZE},
		{OUT_U64("committed_bytes", info->committed_bytes), SIZE},
		{OUT_U64("data_bytes", info->data_bytes), SIZE},
		{OUT_U64("index_bytes", info->index_bytes), SIZE},
		{OUT_U64("segment_bytes", info->segment_bytes), SIZE},
		{OUT_U64("max_value_bytes", info->max_value_bytes), SIZE},
		{OUT_U64("n_segments", info->n_segments), AS_IS},
		{OUT_U64("n_free_segments", info->n_free_segments), AS_IS},
		{OUT_U64("n_offline_segments", info->n_offline_segments), AS_IS},
		{OUT_U64("n_slots", info->n_slots), AS_IS},
		{OUT_I64("daemon_pid", info->daemon_pid), AS_IS},
		{OUT_I64("keeper_pid", info->keeper_pid), AS_IS},
		{OUT_U64("daemon_starts", info->daemon_starts), AS_IS},
		{OUT_U64("heartbeat_age_ms", info->heartbeat_age_ms), DURATION},
	};
	for (i = 0; i < OUT_N(rows); i++)
		print_row(ctl, &rows[i]);
}

int info_rows(struct ctl *ctl)
{
	struct larder_info info;
	int status;

	status = ctl_result(ctl, NULL, larder_info(ctl->larder, &info));
	if (status != CTL_OK)
		return status;
	out_object(ctl, "info");
	print(ctl, &info);
	out_object_end(ctl);
	return CTL_OK;
}

int cmd_info(struct ctl *ctl, int argc, char **argv)
{
	int status;

	if (ctl_getopt_none(ctl, argc, argv, 0, 0))
		return CTL_USAGE;
	status = ctl_attach(ctl, LARDER_RDONLY);
	if (status != CTL_OK)
		return status;
	out_begin(ctl, NULL);
	status = info_rows(ctl);
	out_end(ctl, status == CTL_OK ? "ok" : "error");
	return status;
}
