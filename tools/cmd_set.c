/* SPDX-License-Identifier: MIT
 *
 * cmd_set.c - larderctl set
 */
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "out.h"

#define VALUE_MAX ((size_t)64 << 20) /* the most that any cache takes */

enum { OPT_TTL = CTL_OPT_COMMAND, OPT_FLAGS, OPT_ADD, OPT_REPLACE, OPT_CAS };

static const struct option options[] = {
	{"ttl", required_argument, NULL, OPT_TTL}, {"flags", required_argument, NULL, OPT_FLAGS},
	{"add", no_argument, NULL, OPT_ADD},	   {"replace", no_argument, NULL, OPT_REPLACE},
	{"cas", required_argument, NULL, OPT_CAS}, {NULL, 0, NULL, 0},
};

struct value {
	const void *bytes;
	size_t len;
	char *allocated; /* what bytes points to if it was read from stdin, else NULL */
};

static int mode(struct ctl *ctl, struct larder_put_options *put, uint32_t value)
{
	if (put->mode != LARDER_PUT_SET)
		return ctl_usage(ctl, "only one of --add, --replace and --cas");
	put->mode = value;
	return CTL_OK;
}

static int flags(struct ctl *ctl, struct larder_put_options *put)
{
	uint64_t value;

	if (ctl_u64(ctl, "--flags", optarg, &value))
		return CTL_USAGE;
	if (value > UINT32_MAX)
		return ctl_usage(ctl, "--flags: a number of 32 bits, not '%s'", optarg);
	put->flags = (uint32_t)value;
	return CTL_OK;
}

static int set_option(struct ctl *ctl, int option, struct larder_put_options *put)
{
	switch (option) {
	case OPT_TTL:
		return ctl_duration(ctl, "--ttl", optarg, &put->ttl_ms);
	case OPT_FLAGS:
		return flags(ctl, put);
	case OPT_ADD:
		return mode(ctl, put, LARDER_PUT_ADD);
	case OPT_REPLACE:
		return mode(ctl, put, LARDER_PUT_REPLACE);
	case OPT_CAS:
		if (ctl_u64(ctl, "--cas", optarg, &put->version))
			return CTL_USAGE;
		return mode(ctl, put, LARDER_PUT_CAS);
	default:
		return CTL_USAGE;
	}
}

/* Reads one byte more than is allowed: so a longer input is told from one that just fits. */
static int read_stdin(struct ctl *ctl, struct value *value)
{
	size_t room = 0, n;
	char *larger;

	do {
		room = room ? 4 * room : 65536;
		if (room > VALUE_MAX)
			room = VALUE_MAX + 1;
		larger = realloc(value->allocated, room);
		if (!larger)
			return ctl_error(ctl, "out of memory");
		value->allocated = larger;
		n = fread(larger + value->len, 1, room - value->len, stdin);
		value->len += n;
	} while (value->len == room && room <= VALUE_MAX);
	value->bytes = value->allocated;
	if (ferror(stdin))
		return ctl_error(ctl, "standard input cannot be read");
	if (value->len > VALUE_MAX)
		return ctl_error(ctl, "standard input is longer than 64 MiB");
	return CTL_OK;
}

static int store(struct ctl *ctl, const struct ctl_key *key, const struct value *value,
		 struct larder_put_options *put)
{
	struct out_field fields[2];
	int r;

	r = larder_put(ctl->larder, key->bytes, key->len, value->bytes, value->len, put);
	if (r == LARDER_EXISTS && put->mode == LARDER_PUT_ADD)
		return ctl_outcome(ctl, key, "exists", "exists already");
	if (r != LARDER_OK)
		return ctl_result(ctl, key, r);
	fields[0] = OUT_MEM("key", key->bytes, key->len);
	fields[1] = OUT_U64("version", put->version);
	out_begin(ctl, NULL);
	if (out_row(ctl, fields, 2))
		printf("version %" PRIu64 "\n", put->version);
	out_end(ctl, "ok");
	return CTL_OK;
}

int cmd_set(struct ctl *ctl, int argc, char **argv)
{
	struct larder_put_options put = {.size = sizeof(put)};
	struct value value = {.bytes = NULL};
	struct ctl_key key;
	int option, status = CTL_OK;

	while ((option = ctl_getopt(ctl, argc, argv, options, false)) != CTL_GETOPT_END)
		if (set_option(ctl, option, &put))
			return CTL_USAGE;
	if (ctl_arguments(ctl, argc, 2, 2) || ctl_key(ctl, argv[optind], &key))
		return CTL_USAGE;
	if (strcmp(argv[optind + 1], "-") == 0) {
		status = read_stdin(ctl, &value);
	} else {
		value.bytes = argv[optind + 1];
		value.len = strlen(argv[optind + 1]);
	}
	if (status == CTL_OK)
		status = ctl_attach(ctl, 0);
	if (status == CTL_OK)
		status = store(ctl, &key, &value, &put);
	free(value.allocated);
	return status;
}
