/* SPDX-License-Identifier: MIT
 *
 * cmd_check.c - larderctl check
 */
#include <inttypes.h>
#include <string.h>

#include "out.h"

struct check {
	struct ctl *ctl;
	uint64_t n_findings;
};

static void print(void *ctx, unsigned invariant, const char *text)
{
	struct check *check = ctx;
	struct ctl *ctl = check->ctl;
	const struct out_field fields[] = {
		OUT_U64("invariant", invariant),
		OUT_TEXT("text", text),
	};

	check->n_findings++;
	if (out_row(ctl, fields, OUT_N(fields)))
		printf("%sI%u%s  %s\n", out_style(ctl, OUT_RED), invariant,
		       out_style(ctl, OUT_PLAIN), text);
}

static const char *result_word(int result)
{
	switch (result) {
	case LARDER_OK:
		return "ok";
	case LARDER_DAMAGED:
		return "damaged";
	default:
		return "error";
	}
}

int cmd_check(struct ctl *ctl, int argc, char **argv)
{
	struct check check = {.ctl = ctl};
	int r, status;

	if (ctl_getopt_none(ctl, argc, argv, 0, 0))
		return CTL_USAGE;
	status = ctl_attach(ctl, LARDER_RDONLY);
	if (status != CTL_OK)
		return status;
	out_begin(ctl, "findings");
	r = larder_check(ctl->larder, print, &check);
	out_end(ctl, result_word(r));
	if (r != LARDER_OK && r != LARDER_DAMAGED)
		return ctl_result(ctl, NULL, r);
	if (ctl->mode == CTL_HUMAN && r == LARDER_OK)
		puts("clean: every invariant holds");
	else if (ctl->mode == CTL_HUMAN)
		printf("damaged: %" PRIu64 " finding%s\n", check.n_findings,
		       check.n_findings == 1 ? "" : "s");
	return r == LARDER_OK ? CTL_OK : CTL_OUTCOME;
}
