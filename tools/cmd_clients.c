/* SPDX-License-Identifier: MIT
 *
 * cmd_clients.c - larderctl clients
 */
#include <inttypes.h>
#include <string.h>

#include "out.h"

static const char *state_name(uint32_t state)
{
	switch (state) {
	case 1:
		return "attached";
	case 2:
		return "reaping";
	default:
		return "unknown";
	}
}

static int print(void *ctx, const struct larder_client *client)
{
	struct ctl *ctl = ctx;
	const char *state = state_name(client->state), *access = client->rdonly ? "ro" : "rw";
	const struct out_field fields[] = {
		OUT_U64("slot", client->slot), OUT_I64("pid", client->pid),
		OUT_I64("uid", client->uid),   OUT_TEXT("state", state),
		OUT_TEXT("access", access),    OUT_U64("attached_ms", client->attached_ms),
		OUT_U64("ops", client->ops),   OUT_U64("held", client->n_hazards),
	};
	char attached[32];

	if (out_row(ctl, fields, OUT_N(fields)))
		printf("%5" PRIu32 " %8" PRId64 " %8" PRId64 " %-8s %-6s %10s %14" PRIu64
		       " %5" PRIu32 "\n",
		       client->slot, client->pid, client->uid, state, access,
		       out_duration(attached, (int64_t)client->attached_ms), client->ops,
		       client->n_hazards);
	return 0;
}

int cmd_clients(struct ctl *ctl, int argc, char **argv)
{
	int status;

	if (ctl_getopt_none(ctl, argc, argv, 0, 0))
		return CTL_USAGE;
	status = ctl_attach(ctl, LARDER_RDONLY);
	if (status != CTL_OK)
		return status;
	out_begin(ctl, "clients");
	if (ctl->mode == CTL_HUMAN)
		printf("%s%5s %8s %8s %-8s %-6s %10s %14s %5s%s\n", out_style(ctl, OUT_BOLD),
		       "slot", "pid", "uid", "state", "access", "attached", "ops", "held",
		       out_style(ctl, OUT_PLAIN));
	status = larder_clients(ctl->larder, print, ctl);
	out_end(ctl, status == 0 ? "ok" : "error");
	return ctl_result(ctl, NULL, status);
}
