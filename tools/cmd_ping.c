/* SPDX-License-Identifier: MIT
 *
 * cmd_ping.c - larderctl ping
 */
#include <inttypes.h>

#include "out.h"

#define TIMEOUT_MS 1000

int cmd_ping(struct ctl *ctl, int argc, char **argv)
{
	struct out_field field;
	uint64_t us = 0;
	int status;

	if (ctl_getopt_none(ctl, argc, argv, 0, 0))
		return CTL_USAGE;
	status = ctl_attach(ctl, LARDER_RDONLY);
	if (status == CTL_OK)
		status = ctl_result(ctl, NULL,
				    larder_ping(ctl->larder,
						ctl->timeout_ms ? ctl->timeout_ms : TIMEOUT_MS,
						&us));
	if (status != CTL_OK)
		return status;
	field = OUT_U64("us", us);
	out_begin(ctl, NULL);
	if (out_row(ctl, &field, 1))
		printf("the daemon answered in %" PRIu64 " us\n", us);
	out_end(ctl, "ok");
	return CTL_OK;
}
