/* SPDX-License-Identifier: MIT
 *
 * cmd_ttl.c - larderctl ttl
 */
#include "out.h"

static void print(struct ctl *ctl, const struct ctl_key *key, int64_t ttl_ms)
{
	const struct out_field fields[] = {
		OUT_MEM("key", key->bytes, key->len),
		OUT_I64("ttl_ms", ttl_ms),
	};
	char text[32];

	out_begin(ctl, NULL);
	if (out_row(ctl, fields, OUT_N(fields)))
		puts(ttl_ms ? out_duration(text, ttl_ms) : "never expires");
	out_end(ctl, "ok");
}

static int show(struct ctl *ctl, const struct ctl_key *key)
{
	struct larder_meta about;
	int status;

	status = ctl_attach(ctl, LARDER_RDONLY);
	if (status == CTL_OK)
		status = ctl_result(
			ctl, key,
			larder_get_meta(ctl->larder, key->bytes, key->len, NULL, NULL, &about));
	if (status == CTL_OK)
		print(ctl, key, about.ttl_ms);
	return status;
}

static int touch(struct ctl *ctl, const struct ctl_key *key, int64_t ttl_ms)
{
	int status;

	status = ctl_attach(ctl, 0);
	if (status == CTL_OK)
		status = ctl_result(ctl, key,
				    larder_touch(ctl->larder, key->bytes, key->len, ttl_ms));
	if (status == CTL_OK)
		print(ctl, key, ttl_ms);
	return status;
}

int cmd_ttl(struct ctl *ctl, int argc, char **argv)
{
	struct ctl_key key;
	int64_t ttl_ms;

	if (ctl_getopt_none(ctl, argc, argv, 1, 2) || ctl_key(ctl, argv[optind], &key))
		return CTL_USAGE;
	if (argc - optind == 1)
		return show(ctl, &key);
	if (ctl_duration(ctl, "TIME", argv[optind + 1], &ttl_ms))
		return CTL_USAGE;
	return touch(ctl, &key, ttl_ms);
}
