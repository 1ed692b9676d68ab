/* SPDX-License-Identifier: MIT
 *
 * cmd_version.c - larderctl version
 */
#include <string.h>

#include "out.h"

int cmd_version(struct ctl *ctl, int argc, char **argv)
{
	const char *library = larder_version();
	const struct out_field fields[] = {
		OUT_TEXT("larderctl", LARDER_VERSION),
		OUT_TEXT("liblarder", library),
	};

	if (ctl_getopt_none(ctl, argc, argv, 0, 0))
		return CTL_USAGE;
	out_begin(ctl, NULL);
	if (out_row(ctl, fields, OUT_N(fields)))
		printf("larderctl %s, liblarder %s\n", LARDER_VERSION, library);
	out_end(ctl, "ok");
	return CTL_OK;
}
