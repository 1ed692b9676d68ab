/* SPDX-License-Identifier: MIT
 *
 * open.c - handles come and go: larder_open, larder_clone, larder_close
 */
#include <stdlib.h>

#include "attach.h"
#include "clock.h"

#define TIMEOUT_MS 1000u
#define RETRY_MS 100u /* a handle that starts detached tries again after this */
#define ORPHAN_AFTER_MS 60000u

static uint64_t orphan_after_ms(void)
{
	const char *s = secure_getenv("LARDER_ORPHAN_AFTER_MS");
	unsigned long ms = s != NULL ? strtoul(s, NULL, 10) : 0;

	return ms != 0 ? ms : ORPHAN_AFTER_MS;
}

static struct larder *new_handle(uint32_t flags, uint32_t timeout_ms)
{
	struct larder *h = handle_new();
	struct attachment *at = calloc(1, sizeof(*at));

	if (h == NULL || at == NULL) {
		free(at);
		if (h != NULL)
			handle_free(h);
		return NULL;
	}
	at->fd = -1;
	at->pending = -1;
	at->flags = flags;
	at->timeout_ms = timeout_ms != 0 ? timeout_ms : TIMEOUT_MS;
	at->orphan_after_ms = orphan_after_ms();
	h->attachment = at;
	h->rdonly = (flags & LARDER_RDONLY) != 0;
	return h;
}

/* Attach a new handle, or leave it detached where the caller allows that; else free it. */
static int start_handle(struct larder *h, struct mapping *known, struct larder **hp)
{
	struct attachment *at = h->attachment;
	int r;

	h->busy = 1;
	r = attach_within(h, known, at->timeout_ms);
	h->busy = 0;
	if ((at->flags & LARDER_MAY_DETACH) != 0 &&
	    (r == -ENOENT || r == -ECONNREFUSED || r == -ETIMEDOUT)) {
		at->next_try_ms = clock_coarse_ms() + RETRY_MS;
		r = handle_arm(h);
	}
	if (r < 0)
		larder_close(h);
	else
		*hp = h;
	return r;
}

int larder_open(struct larder **hp, const char *name, const struct larder_open_options *opt)
{
	static const struct larder_open_options defaults = {.size = sizeof(defaults)};
	struct sockaddr_un addr;
	struct larder *h;
	int r;

	if (hp == NULL)
		return -EINVAL;
	*hp = NULL;
	if (opt == NULL)
		opt = &defaults;
	if (opt->size != sizeof(*opt) || (opt->flags & ~(LARDER_RDONLY | LARDER_MAY_DETACH)) != 0)
		return -EINVAL;
	r = socket_path(&addr, name);
	if (r < 0)
		return r;
	h = new_handle(opt->flags, opt->timeout_ms);
	if (h == NULL)
		return -ENOMEM;
	h->attachment->addr = addr;
	return start_handle(h, NULL, hp);
}

int larder_clone(struct larder *h, struct larder **hp)
{
	const struct attachment *at;
	struct larder *copy;
	int entered, r;

	if (h == NULL || hp == NULL || h->attachment == NULL)
		return -EINVAL;
	*hp = NULL;
	entered = handle_enter(h);
	if (entered < 0)
		return entered;
	at = h->attachment;
	copy = new_handle(at->flags, at->timeout_ms);
	if (copy != NULL) {
		copy->attachment->addr = at->addr;
		r = start_handle(copy, h->map, hp);
	} else {
		r = -ENOMEM;
	}
	if (entered == 0) {
		if (r == 0 && copy->map == h->map)
			handle_select(copy, h->ns);
		handle_leave(h);
	}
	return r;
}

void larder_close(struct larder *h)
{
	if (h == NULL)
		return;
	if (h->attachment != NULL)
		attach_end(h);
	free(h->attachment);
	handle_free(h);
}
