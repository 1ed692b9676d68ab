/* SPDX-License-Identifier: MIT
 *
 * cmd_events.c - larderctl events
 */
#include <inttypes.h>
#include <string.h>
#include <time.h>

#include "out.h"

enum { OPT_AFTER = CTL_OPT_COMMAND };

static const struct option options[] = {
	{"after", required_argument, NULL, OPT_AFTER},
	{NULL, 0, NULL, 0},
};

static int print(void *ctx, const struct larder_event *event)
{
	struct ctl *ctl = ctx;
	const struct out_field fields[] = {
		OUT_U64("seq", event->seq),
		OUT_I64("time_ms", event->time_ms),
		OUT_TEXT("text", event->text),
	};
	time_t seconds = (time_t)(event->time_ms / 1000);
	char when[32];
	struct tm tm;

	if (!out_row(ctl, fields, OUT_N(fields)))
		return 0;
	if (!localtime_r(&seconds, &tm) || !strftime(when, sizeof(when), "%F %T", &tm))
		strcpy(when, "?");
	printf("%s%s.%03d%s  %s\n", out_style(ctl, OUT_DIM), when, (int)(event->time_ms % 1000),
	       out_style(ctl, OUT_PLAIN), event->text);
	return 0;
}

int cmd_events(struct ctl *ctl, int argc, char **argv)
{
	uint64_t after = 0;
	int option, status;

	while ((option = ctl_getopt(ctl, argc, argv, options, false)) != CTL_GETOPT_END)
		if (option != OPT_AFTER || ctl_u64(ctl, "--after", optarg, &after))
			return CTL_USAGE;
	if (ctl_arguments(ctl, argc, 0, 0))
		return CTL_USAGE;
	status = ctl_attach(ctl, LARDER_RDONLY);
	if (status != CTL_OK)
		return status;
	out_begin(ctl, "events");
	status = larder_events(ctl->larder, after, print, ctl);
	out_end(ctl, status == 0 ? "ok" : "error");
	return ctl_result(ctl, NULL, status);
}
