/* SPDX-License-Identifier: MIT
 *
 * kill_each.c - killed at every instruction of every call
 *
 * A child makes one call, one instruction at a time. After each one the whole region is compared with what
 * it was; each distinct image is what a kill at that instruction leaves behind. On a copy of it the
 * daemon reaps the child's slot, larder_check() looks, the key is old or new, all other keys are what
 * they were, and the next calls on the key behave. Instructions that store nothing leave the image of
 * the one before, so this covers 100 % of the boundaries. Skipped where ptrace(2) is forbidden.
 * test-timeout: 60
 */
#include <stdio.h>
#include <stdlib.h>

#include "calls.h"
#include "cleaner.h"
#include "segment.h"
#include "step.h"

#define CLIENT 1u
#define DAEMON 0u

static struct tiny tiny;
static uint8_t *image; /* of the child's region */
static struct larder *child_handle;
static unsigned n_found;

static void prepare(void *arg)
{
	child_handle = tiny_enter(&tiny, CLIENT, 7);
	calls_prepare(arg, child_handle, &tiny);
}

static int run(void *arg)
{
	const struct call *call = arg;

	return call->run(child_handle);
}

static void finding(void *ctx, unsigned invariant, const char *text)
{
	(void)ctx;
	n_found++;
	fprintf(stderr, "  I%u: %s\n", invariant, text);
}

static const char *nothing_left(struct larder *h)
{
	for (uint32_t i = 0; i < h->n_segs; i++) {
		uint64_t w = load_acquire(&h->segs[i].word);

		if ((seg_state(w) == SEG_LEASED || seg_state(w) == SEG_CLEANING) &&
		    seg_owner(w) == CLIENT)
			return "a segment of the dead was not given back";
	}
	return NULL;
}

/* On the image of now, which is restored. Return: NULL; what is wrong. */
static const char *examine(const struct call *call)
{
	struct larder *h = tiny_enter(&tiny, DAEMON, 3);
	const char *wrong;

	cleaner_reap(h, CLIENT);
	n_found = 0;
	wrong = larder_check(h, finding, NULL) != 0 || n_found != 0 ? "larder_check() found damage"
								    : NULL;
	if (wrong == NULL)
		wrong = nothing_left(h);
	if (wrong == NULL)
		wrong = calls_check(call, h);
	if (wrong == NULL)
		wrong = calls_use(call, h);
	handle_unbind(h);
	tiny_leave(h);
	tiny_load(&tiny, image);
	return wrong;
}

/* Return: 0; 1 a violation; 77. */
static int kill_each(const struct call *call)
{
	union {
		const struct call *in;
		void *out;
	} arg = {.in = call};
	struct step_part part = {.prepare = prepare, .run = run, .arg = arg.out};
	unsigned images = 0;
	const char *wrong = NULL;
	struct step s;
	bool more = true;

	tiny_init(&tiny, &call->region);
	image = malloc(tiny.image_bytes);
	if (image == NULL)
		abort();
	if (!step_start(&s, &part))
		return 77;
	for (tiny_save(&tiny, image); more && wrong == NULL; more = step_one(&s)) {
		if (images != 0 && tiny_same(&tiny, image))
			continue;
		tiny_save(&tiny, image);
		images++;
		wrong = examine(call);
	}
	if (wrong != NULL) {
		fprintf(stderr, "%s, killed after %llu instructions: %s\n", call->name,
			(unsigned long long)s.steps, wrong);
		step_kill(&s);
	} else if (s.exit_code != 0) {
		fprintf(stderr, "%s: ended with %d\n", call->name, s.exit_code);
		wrong = call->name;
	}
	printf("%-22s %6llu instructions, %4u images\n", call->name, (unsigned long long)s.steps,
	       images);
	free(image);
	tiny_deinit(&tiny);
	return wrong != NULL;
}

int main(void)
{
	int failed = 0;

	setvbuf(stdout, NULL, _IOLBF, 0);
	for (unsigned i = 0; i < n_calls; i++) {
		int r = kill_each(&calls[i]);

		if (r == 77) {
			puts("ptrace(2) is forbidden here");
			return 77;
		}
		failed |= r;
	}
	return failed;
}
