/* SPDX-License-Identifier: MIT
 *
 * loop.c - the daemon's one epoll loop
 *
 * Level-triggered. A callback may remove any source while events of the same round still name it:
 * loop_del() makes it deaf (fd -1), and its memory lives to the end of the round. A source that was
 * removed and is in use again within one round may get an event of its old descriptor, so callbacks
 * ask the kernel instead of believing @events.
 */
#include "loop.h"

#include <errno.h>
#include <stddef.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <unistd.h>

#define ROUND_EVENTS 64

int loop_init(struct loop *l)
{
	*l = (struct loop){.epfd = epoll_create1(EPOLL_CLOEXEC)};
	return l->epfd < 0 ? -errno : 0;
}

static void bury(struct loop *l)
{
	while (l->graves) {
		struct loop_grave *g = l->graves;

		l->graves = g->next;
		free(g);
	}
}

void loop_deinit(struct loop *l)
{
	bury(l);
	if (l->epfd >= 0)
		close(l->epfd);
	l->epfd = -1;
}

static int control(const struct loop *l, int op, struct source *s, uint32_t events)
{
	struct epoll_event ev = {.events = events, .data.ptr = s};

	return epoll_ctl(l->epfd, op, s->fd, &ev) < 0 ? -errno : 0;
}

int loop_add(struct loop *l, struct source *s, int fd, source_fn *ready, void *ctx)
{
	int r;

	*s = (struct source){.fd = fd, .ready = ready, .ctx = ctx};
	r = control(l, EPOLL_CTL_ADD, s, EPOLLIN);
	if (r < 0) {
		close(fd);
		s->fd = -1;
	}
	return r;
}

void loop_del(struct loop *l, struct source *s)
{
	if (s->fd < 0)
		return;
	/* Closing alone is not enough: a child may hold the same open file for a moment. */
	(void)control(l, EPOLL_CTL_DEL, s, 0);
	close(s->fd);
	s->fd = -1;
}

int loop_pause(struct loop *l, struct source *s, bool paused)
{
	return control(l, EPOLL_CTL_MOD, s, paused ? 0 : EPOLLIN);
}

void loop_free(struct loop *l, void *p)
{
	struct loop_grave *g = p;

	g->next = l->graves;
	l->graves = g;
}

int loop_run(struct loop *l)
{
	struct epoll_event events[ROUND_EVENTS];

	while (!l->stop) {
		int n = epoll_wait(l->epfd, events, ROUND_EVENTS, l->busy ? 0 : -1);

		if (n < 0 && errno != EINTR)
			return -errno;
		for (int i = 0; i < n && !l->stop; i++) {
			struct source *s = events[i].data.ptr;

			if (s->fd >= 0)
				s->ready(s, events[i].events);
		}
		bury(l);
		if (l->busy && !l->stop)
			l->busy = l->work(l->work_ctx);
	}
	return 0;
}
