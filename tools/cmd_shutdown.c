/* SPDX-License-Identifier: MIT
 *
 * cmd_shutdown.c - larderctl shutdown
 */
#include "out.h"

#define TIMEOUT_MS 5000

int cmd_shutdown(struct ctl *ctl, int argc, char **argv)
{
	int status;

	if (ctl_getopt_none(ctl, argc, argv, 0, 0))
		return CTL_USAGE;
	status = ctl_attach(ctl, LARDER_RDONLY);
	if (status == CTL_OK)
		status = ctl_result(ctl, NULL,
				    larder_shutdown(ctl->larder, ctl->timeout_ms ? ctl->timeout_ms
										 : TIMEOUT_MS));
	if (status != CTL_OK)
		return status;
	out_begin(ctl, NULL);
	if (ctl->mode == CTL_HUMAN)
		puts("the daemon is shutting down");
	out_end(ctl, "ok");
	return CTL_OK;
}
