/* SPDX-License-Identifier: MIT
 *
 * cmd_incr.c - larderctl incr
 */
#include <inttypes.h>

#include "out.h"

enum { OPT_BY = CTL_OPT_COMMAND, OPT_INIT, OPT_TTL, OPT_DECR, OPT_SIGNED };

static const struct option options[] = {
	{"by", required_argument, NULL, OPT_BY},   {"init", required_argument, NULL, OPT_INIT},
	{"ttl", required_argument, NULL, OPT_TTL}, {"decr", no_argument, NULL, OPT_DECR},
	{"signed", no_argument, NULL, OPT_SIGNED}, {NULL, 0, NULL, 0},
};

/* Numbers stay text until --signed is known, which may come last. */
struct incr {
	const char *by, *init, *ttl;
	bool decr, with_sign;
	uint64_t delta;
	struct larder_counter_options options;
};

static int read_options(struct ctl *ctl, int argc, char **argv, struct incr *incr)
{
	int option;

	while ((option = ctl_getopt(ctl, argc, argv, options, false)) != CTL_GETOPT_END) {
		switch (option) {
		case OPT_BY:
			incr->by = optarg;
			break;
		case OPT_INIT:
			incr->init = optarg;
			break;
		case OPT_TTL:
			incr->ttl = optarg;
			break;
		case OPT_DECR:
			incr->decr = true;
			break;
		case OPT_SIGNED:
			incr->with_sign = true;
			break;
		default:
			return CTL_USAGE;
		}
	}
	return ctl_arguments(ctl, argc, 1, 1);
}

static int number(struct ctl *ctl, const struct incr *incr, const char *option, const char *text,
		  uint64_t *valuep)
{
	int64_t value;

	if (!incr->with_sign)
		return ctl_u64(ctl, option, text, valuep);
	if (ctl_i64(ctl, option, text, &value))
		return CTL_USAGE;
	*valuep = (uint64_t)value;
	return CTL_OK;
}

static int convert(struct ctl *ctl, struct incr *incr)
{
	struct larder_counter_options *counter = &incr->options;

	incr->delta = 1;
	if (incr->by && number(ctl, incr, "--by", incr->by, &incr->delta))
		return CTL_USAGE;
	if (incr->with_sign && incr->decr && incr->delta == (uint64_t)INT64_MIN)
		return ctl_usage(ctl, "--by: -2^63 cannot be subtracted");
	if (incr->init && number(ctl, incr, "--init", incr->init, &counter->initial))
		return CTL_USAGE;
	if (incr->ttl && !incr->init)
		return ctl_usage(ctl, "--ttl is for a counter that --init creates");
	counter->create = incr->init != NULL;
	return incr->ttl ? ctl_duration(ctl, "--ttl", incr->ttl, &counter->ttl_ms) : CTL_OK;
}

/* @valuep: a negative number in two's complement if the counter is a signed one */
static int add(struct ctl *ctl, const struct ctl_key *key, const struct incr *incr,
	       uint64_t *valuep)
{
	int64_t delta = (int64_t)incr->delta, value = 0;
	int r;

	if (!incr->with_sign) {
		if (incr->decr)
			return larder_decr(ctl->larder, key->bytes, key->len, incr->delta,
					   &incr->options, valuep);
		return larder_incr(ctl->larder, key->bytes, key->len, incr->delta, &incr->options,
				   valuep);
	}
	r = larder_incr_signed(ctl->larder, key->bytes, key->len, incr->decr ? -delta : delta,
			       &incr->options, &value);
	*valuep = (uint64_t)value;
	return r;
}

static void print(struct ctl *ctl, const struct ctl_key *key, bool with_sign, uint64_t value)
{
	struct out_field fields[2];

	fields[0] = OUT_MEM("key", key->bytes, key->len);
	fields[1] = with_sign ? OUT_I64("value", value) : OUT_U64("value", value);
	out_begin(ctl, NULL);
	if (out_row(ctl, fields, 2) && with_sign)
		printf("%" PRId64 "\n", (int64_t)value);
	else if (ctl->mode == CTL_HUMAN)
		printf("%" PRIu64 "\n", value);
	out_end(ctl, "ok");
}

int cmd_incr(struct ctl *ctl, int argc, char **argv)
{
	struct incr incr = {.options = {.size = sizeof(incr.options)}};
	struct ctl_key key;
	uint64_t value = 0;
	int status;

	if (read_options(ctl, argc, argv, &incr) || convert(ctl, &incr) ||
	    ctl_key(ctl, argv[optind], &key))
		return CTL_USAGE;
	status = ctl_attach(ctl, 0);
	if (status == CTL_OK)
		status = ctl_result(ctl, &key, add(ctl, &key, &incr, &value));
	if (status == CTL_OK)
		print(ctl, &key, incr.with_sign, value);
	return status;
}
