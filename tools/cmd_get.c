/* SPDX-License-Identifier: MIT
 *
 * cmd_get.c - larderctl get
 */
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "out.h"

enum { OPT_RAW = CTL_OPT_COMMAND, OPT_META };

static const struct option options[] = {
	{"raw", no_argument, NULL, OPT_RAW},
	{"meta", no_argument, NULL, OPT_META},
	{NULL, 0, NULL, 0},
};

struct get {
	bool raw, meta;
	void *value;
	size_t len;
	struct larder_meta about;
};

/* Value and metadata of one version: between two calls the item may have grown. */
static int fetch(struct ctl *ctl, const struct ctl_key *key, struct get *get)
{
	size_t room = 4096;
	void *larger;
	int r;

	do {
		larger = realloc(get->value, room);
		if (!larger)
			return ctl_error(ctl, "out of memory");
		get->value = larger;
		get->len = room;
		r = larder_get_meta(ctl->larder, key->bytes, key->len, get->value, &get->len,
				    &get->about);
		room = get->len;
	} while (r == LARDER_TRUNC);
	return ctl_result(ctl, key, r);
}

static void print_about(const struct larder_meta *about)
{
	static const char *const kinds[] = {"plain", "counter", "signed counter"};
	char text[32];

	printf("version  %" PRIu64 "\n", about->version);
	printf("ttl      %s\n", about->ttl_ms ? out_duration(text, about->ttl_ms) : "never");
	if (about->age_ms >= 0)
		printf("age      at most %s\n", out_duration(text, about->age_ms));
	printf("length   %" PRIu64 "\n", about->length);
	printf("flags    %" PRIu32 "\n", about->flags);
	printf("type     %s\n", about->counter < 3 ? kinds[about->counter] : "unknown");
}

static void print(struct ctl *ctl, const struct ctl_key *key, const struct get *get)
{
	const struct out_field fields[] = {
		OUT_MEM("key", key->bytes, key->len),	OUT_MEM("value", get->value, get->len),
		OUT_U64("version", get->about.version), OUT_I64("ttl_ms", get->about.ttl_ms),
		OUT_I64("age_ms", get->about.age_ms),	OUT_U64("flags", get->about.flags),
		OUT_U64("counter", get->about.counter),
	};

	if (get->raw) {
		fwrite(get->value, 1, get->len, stdout);
		return;
	}
	out_begin(ctl, NULL);
	if (out_row(ctl, fields, OUT_N(fields)) && get->meta) {
		print_about(&get->about);
	} else if (ctl->mode == CTL_HUMAN) {
		out_escape(stdout, get->value, get->len, true);
		putchar('\n');
	}
	out_end(ctl, "ok");
}

int cmd_get(struct ctl *ctl, int argc, char **argv)
{
	struct get get = {.raw = false};
	struct ctl_key key;
	int option, status;

	while ((option = ctl_getopt(ctl, argc, argv, options, false)) != CTL_GETOPT_END) {
		if (option == OPT_RAW)
			get.raw = true;
		else if (option == OPT_META)
			get.meta = true;
		else
			return CTL_USAGE;
	}
	if (ctl_arguments(ctl, argc, 1, 1) || ctl_key(ctl, argv[optind], &key))
		return CTL_USAGE;
	if (get.raw && (get.meta || ctl->mode != CTL_HUMAN))
		return ctl_usage(ctl, "--raw excludes --meta, --json and --porcelain");
	status = ctl_attach(ctl, LARDER_RDONLY);
	if (status == CTL_OK)
		status = fetch(ctl, &key, &get);
	if (status == CTL_OK)
		print(ctl, &key, &get);
	free(get.value);
	return status;
}
