/* SPDX-License-Identifier: MIT
 *
 * loop.h - the daemon's one epoll loop
 */
#ifndef LARDERD_LOOP_H
#define LARDERD_LOOP_H

#include <stdbool.h>
#include <stdint.h>

struct source;
typedef void source_fn(struct source *s, uint32_t events);

/*
 * A descriptor that is watched; part of a larger object (LOOP_OBJECT). fd < 0: not in use. The object
 * may be destroyed in its own callback or in another one's: memory goes to loop_free(), which waits
 * for the end of the round.
 */
struct source {
	int fd;
	source_fn *ready;
	void *ctx;
};
#define SOURCE_INIT                                                                                \
	{                                                                                          \
		-1, 0, 0                                                                           \
	}
#define LOOP_OBJECT(s, type, member) ((type *)(void *)((char *)(s)-offsetof(type, member)))

struct loop_grave {
	struct loop_grave *next;
};

struct loop {
	int epfd;
	bool stop; /* set by anybody: loop_run() returns after this round */
	bool busy; /* there is work: rounds do not wait */
	/* Called once a round while busy, after all events. Return: is there more to do now? */
	bool (*work)(void *ctx);
	void *work_ctx;
	struct loop_grave *graves;
};

int loop_init(struct loop *l);
void loop_deinit(struct loop *l);

/* Return: 0; -errno. The source owns @fd from here on, also on failure. */
int loop_add(struct loop *l, struct source *s, int fd, source_fn *ready, void *ctx);
/* Stop watching and close. Harmless when not in use. */
void loop_del(struct loop *l, struct source *s);
/* Stop or resume watching without closing. */
int loop_pause(struct loop *l, struct source *s, bool paused);

/* free(@p) at the end of the round; @p begins with room for a struct loop_grave. */
void loop_free(struct loop *l, void *p);

/* Return: 0 stopped; -errno of epoll_wait(2). */
int loop_run(struct loop *l);

#endif
