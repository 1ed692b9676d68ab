/* SPDX-License-Identifier: MIT
 *
 * attach.c - how a handle gets to a region, keeps its slot, and moves to another one
 *
 * DESIGN       A handle is detached (no region, every read misses) or attached (a slot of a region,
 *              and a connection whose end tells the daemon). It moves between the two in
 *              attach_enter_slow(), in the frame of a caller's call, so nothing here waits for
 *              long: a reconnect is non-blocking, at most one a second, and waits 2 ms for the
 *              answer. An answer that takes longer is picked up by a later try.
 *
 *              event seen by                          handle does
 *              wipe page reads 0                      forget the parent's slot, attach with its own
 *              ctl.retired                            detach, attach to the successor
 *              ctl_epoch moved, or the guard died     reconnect. Same region: take the slot back.
 *              and the connection is hung up          Another one: move there. No answer: go on,
 *                                                     detach after orphan_after
 *              heartbeat old, the guard lives         go on, without a system call: the region is
 *                                                     kept, the daemon stopped, slow or about to come
 *
 * BUDGET       The look costs a read of the coarse clock and comes after `granted` calls: at most
 *              HANDLE_BUDGET, fewer when the recent calls came so slowly that 250 ms would pass.
 * GUARD        A handle that slept has calls left when it wakes, and must not serve a region that is
 *              lost. So every call loads ctl.guard: the kernel marks it when the keeper dies, without
 *              which no region is lost. Marked, every call looks, until a new keeper stands there.
 *              A page without a guard (0) is judged by its heartbeat.
 * NAMESPACE    An id means nothing in another region. A handle that moves finds its namespace
 *              there by name, or creates it; where that fails (no room; the handle is read-only),
 *              it stays detached and tries again: it must not read or write another namespace. So a
 *              detached handle selects no id whose name it does not know: it could not attach.
 * SIGNALS      The slow path uses no malloc(): the first read after a fork may come in a handler.
 * FAILURE      Killed anywhere here: R14; the connection ends with the process. A slot that was
 *              asked for and is not wanted any more is given back by CTL_BYE on that connection,
 *              which the daemon reads behind the CTL_HELLO.
 */
#include "attach.h"

#include <poll.h>
#include <unistd.h>

#include "clock.h"
#include "mapping.h"
#include "ns.h"

#define STALE_MS 1000u	      /* four heartbeats */
#define RETRY_MS 1000u	      /* between reconnects */
#define RETRY_PENDING_MS 100u /* between looks at an answer that is due */
#define WAIT_MS 2u	      /* for the answer, inside somebody's call */
#define FORK_WAIT_MS 250u     /* for the answer, in the first call after a fork */
#define LOOK_EVERY_MS 250u
#define BYE_WAIT_MS 100u

/* ------------------------------------------------------------------ connections */

static void close_fd(int *fdp)
{
	if (*fdp >= 0)
		close(*fdp);
	*fdp = -1;
}

static void send_bye(int fd)
{
	struct ctl_msg msg;

	socket_message(&msg, CTL_BYE);
	/* Nobody there: then nobody has a slot to free. */
	(void)!socket_send(fd, &msg);
}

static void say_bye(int *fdp)
{
	if (*fdp >= 0)
		send_bye(*fdp);
	close_fd(fdp);
}

/* A bound handle's pending connection names the slot in use, which CTL_BYE would give away. */
static void drop_pending(struct larder *h, struct attachment *at)
{
	if (h->map == NULL)
		say_bye(&at->pending);
	close_fd(&at->pending);
}

/* Does the path lead to another socket than the one that was connected to? */
static bool path_replaced(const struct attachment *at)
{
	struct stat st;

	return stat(at->addr.sun_path, &st) == 0 &&
	       (st.st_ino != at->seen.st_ino || st.st_dev != at->seen.st_dev);
}

static void hello_message(const struct larder *h, const struct attachment *at, struct ctl_msg *msg)
{
	socket_message(msg, CTL_HELLO);
	msg->flags = ((at->flags & LARDER_RDONLY) != 0 ? CTL_FLAG_RDONLY : 0) |
		     (h->full_fence ? CTL_FLAG_NO_MEMBARRIER : 0);
	if (h->map != NULL) {
		msg->slot = h->me;
		msg->incarnation = at->incarnation;
		memcpy(msg->uuid, h->map->uuid, sizeof(msg->uuid));
	}
}

static int send_hello(struct larder *h, struct attachment *at, uint64_t deadline)
{
	struct ctl_msg msg;
	int r = handle_arm(h);

	if (r < 0)
		return r;
	r = socket_connect(&at->addr, deadline, &at->pending);
	if (r < 0)
		return r;
	if (stat(at->addr.sun_path, &at->seen) != 0)
		memset(&at->seen, 0, sizeof(at->seen));
	hello_message(h, at, &msg);
	return socket_send(at->pending, &msg);
}

/* ------------------------------------------------------------------ moving between regions */

/* Before the handle leaves its region: what namespace is it in? */
static void remember_namespace(const struct larder *h, struct attachment *at)
{
	const struct shm_ns_name *entry;

	memcpy(at->uuid, h->map->uuid, sizeof(at->uuid));
	at->ns = h->ns;
	at->ns_len = 0;
	if (h->ns == 0)
		return;
	entry = ns_name(h, h->ns);
	/* [N2] acquire, pairs with [N1] where the name is written */
	at->ns_len = load_acquire_u8(&entry->len);
	copy_out(at->ns_name, entry->name, at->ns_len);
}

static void leave_region(struct larder *h, struct attachment *at)
{
	struct mapping *map = h->map;

	if (map == NULL)
		return;
	remember_namespace(h, at);
	handle_unbind(h);
	mapping_put(map);
	say_bye(&at->fd);
	at->lost_ms = 0;
}

bool attach_names(const struct larder *h, uint16_t id)
{
	const struct attachment *at = h->attachment;

	return id == 0 || (at != NULL && at->ns == id && at->ns_len != 0);
}

/* Bound to another region, with the default namespace: select the one that had this id there. */
static int find_namespace(struct larder *h, const struct attachment *at, uint16_t old)
{
	uint16_t id;
	int r;

	if (!attach_names(h, old))
		return -ENOENT; /* its creator was killed before it had a name */
	h->busy = 0;		/* a public call, made for the caller of this one */
	r = larder_namespace(h, at->ns_name, at->ns_len, &id);
	h->busy = 1;
	if (r == 0)
		handle_select(h, id);
	return r;
}

/* @map: a reference that the handle takes over, also on failure */
static int enter_region(struct larder *h, struct attachment *at, struct mapping *map, uint32_t slot)
{
	bool same = memcmp(at->uuid, map->uuid, sizeof(at->uuid)) == 0;
	uint16_t ns = h->ns;
	int r;

	if (!same)
		h->ns = 0;
	r = handle_bind(h, map, slot);
	if (r < 0) {
		h->ns = ns;
		mapping_put(map);
		return r;
	}
	r = same || ns == 0 ? 0 : find_namespace(h, at, ns);
	if (r != 0) {
		handle_unbind(h);
		mapping_put(map);
		handle_select(h, ns);
		return r < 0 ? r : -EAGAIN;
	}
	memcpy(at->uuid, map->uuid, sizeof(at->uuid));
	return 0;
}

/* ------------------------------------------------------------------ the handshake */

/*
 * The slot is confirmed. A daemon that came between its answer and here has raised the epoch after
 * the older one was gone, so a connection that still stands after the epoch was read is the one
 * that belongs to it. If it does not stand, no epoch fits, and the next look reconnects.
 */
static void confirm(struct larder *h, struct attachment *at, uint64_t incarnation)
{
	at->fd = at->pending;
	at->pending = -1;
	at->incarnation = incarnation;
	at->confirmed = true;
	at->ctl_epoch = load_acquire_u32(&h->hdr->ctl_epoch);
	if (socket_hung_up(at->fd))
		at->ctl_epoch--;
	at->lost_ms = 0;
	at->looked_ms = clock_coarse_ms();
	at->granted = 1;
	h->budget = 1;
}

static int take_welcome(struct larder *h, struct attachment *at, struct mapping *known,
			const struct ctl_msg *msg, int fds[2])
{
	struct mapping *map = known;
	int r = 0;

	if (known != NULL && mapping_same(known, fds, msg->uuid))
		mapping_get(known);
	else
		r = mapping_open(&map, fds, msg->uuid, (at->flags & LARDER_RDONLY) != 0);
	if (r < 0)
		return r;
	if (msg->slot >= map->geo.n_slots || load_relaxed(&map->ctl->retired) != 0) {
		r = msg->slot >= map->geo.n_slots ? -EPROTO : -ECONNREFUSED;
		mapping_put(map);
		return r;
	}
	if (map == h->map && msg->slot == h->me) {
		mapping_put(map);
		close_fd(&at->fd);
	} else {
		leave_region(h, at);
		r = enter_region(h, at, map, msg->slot);
		if (r == 0)
			stat_add(h, STAT_reattached, at->confirmed);
	}
	if (r == 0)
		confirm(h, at, msg->incarnation);
	return r;
}

/*
 * One try to get a slot, or to get the one that the handle has confirmed.
 * @known: a mapping that need not be made again if the daemon passes the same; may be NULL
 * Return: 0; -ETIMEDOUT no answer yet: call again; else the handle is as it was, or detached.
 */
static int try_attach(struct larder *h, struct attachment *at, struct mapping *known,
		      uint64_t deadline)
{
	struct ctl_msg msg;
	int fds[2];
	int r = 0;

	if (at->pending >= 0 && path_replaced(at))
		drop_pending(h, at);
	if (at->pending < 0)
		r = send_hello(h, at, deadline);
	if (r == 0) {
		r = socket_receive(at->pending, CTL_WELCOME, &msg, fds, deadline);
		if (r == -ETIMEDOUT)
			return r;
	}
	if (r == 0) {
		r = take_welcome(h, at, known, &msg, fds);
		close_fd(&fds[0]);
		close_fd(&fds[1]);
	}
	if (r < 0)
		drop_pending(h, at);
	return r;
}

int attach_within(struct larder *h, struct mapping *known, uint32_t wait_ms)
{
	uint64_t deadline = clock_coarse_ms() + wait_ms;
	bool reset = false;
	int r;

	/* A daemon that died between two messages has a successor soon. */
	while ((r = try_attach(h, h->attachment, known, deadline)) == -ECONNRESET &&
	       clock_coarse_ms() < deadline) {
		reset = true;
		poll(NULL, 0, 1);
	}
	return r == -ECONNRESET || (r == -ETIMEDOUT && reset) ? -ECONNREFUSED : r;
}

/* ------------------------------------------------------------------ the slow path of a call */

static void attach_again(struct larder *h, struct attachment *at, uint64_t now)
{
	if (now < at->next_try_ms)
		return;
	(void)!try_attach(h, at, h->map, now + WAIT_MS);
	at->next_try_ms = now + (at->pending >= 0 ? RETRY_PENDING_MS : RETRY_MS);
}

static void attach_forked(struct larder *h, struct attachment *at)
{
	struct mapping *map = h->map;

	close_fd(&at->fd);
	close_fd(&at->pending);
	if (map != NULL) {
		remember_namespace(h, at);
		handle_forget(h);
	}
	(void)!attach_within(h, map, FORK_WAIT_MS);
	at->next_try_ms = clock_coarse_ms() + RETRY_MS;
	mapping_put(map);
}

/* So many calls that, at the rate since the last look, LOOK_EVERY_MS pass; at most twice as many as
 * before, because a burst says nothing about what follows it. */
static void grant_budget(struct larder *h, struct attachment *at, uint64_t now)
{
	uint64_t elapsed = now - at->looked_ms;
	uint64_t calls = at->granted * 2ULL;

	if (elapsed > 0 && at->granted * (uint64_t)LOOK_EVERY_MS / elapsed < calls)
		calls = at->granted * (uint64_t)LOOK_EVERY_MS / elapsed;
	if (calls > HANDLE_BUDGET)
		calls = HANDLE_BUDGET;
	at->granted = calls > 0 ? (uint32_t)calls : 1;
	at->looked_ms = now;
	h->budget = at->granted;
}

static bool daemon_gone(const struct larder *h, const struct attachment *at)
{
	return at->pending >= 0 || load_acquire_u32(&h->hdr->ctl_epoch) != at->ctl_epoch ||
	       socket_hung_up(at->fd) || path_replaced(at);
}

static void reconnect(struct larder *h, struct attachment *at, uint64_t now)
{
	if (now < at->next_try_ms)
		return;
	if (!daemon_gone(h, at)) {
		at->next_try_ms = now + RETRY_MS;
		at->lost_ms = 0;
		return;
	}
	if (at->lost_ms == 0)
		at->lost_ms = now;
	attach_again(h, at, now);
	if (at->lost_ms != 0 && now - at->lost_ms >= at->orphan_after_ms)
		leave_region(h, at);
}

/* Is there a sign that the region is lost? A stopped daemon gives none, and costs no system call. */
static bool looks_lost(const struct larder *h, uint64_t now)
{
	uint32_t guard = load_relaxed_u32(h->guard);

	if (guard != 0)
		return (guard & CTL_GUARD_DIED) != 0;
	return now > load_relaxed(&h->map->ctl->heartbeat_ms) + STALE_MS;
}

static void look(struct larder *h, struct attachment *at)
{
	uint64_t now = clock_coarse_ms();

	grant_budget(h, at, now);
	if (UNLIKELY(load_relaxed(&h->map->ctl->retired) != 0)) {
		leave_region(h, at);
		attach_again(h, at, now);
	} else if (looks_lost(h, now) || load_relaxed_u32(&h->hdr->ctl_epoch) != at->ctl_epoch) {
		reconnect(h, at, now);
	}
}

int attach_enter_slow(struct larder *h)
{
	struct attachment *at = h->attachment;

	if (h->busy)
		return -EBUSY;
	h->busy = 1;
	fence_compiler();
	if (at == NULL)
		h->budget = HANDLE_BUDGET;
	else if (handle_forked(h))
		attach_forked(h, at);
	else if (h->map == NULL)
		attach_again(h, at, clock_coarse_ms());
	else
		look(h, at);
	if (handle_alive(h)) {
		handle_hint(h);
		return 0;
	}
	handle_leave(h);
	return LARDER_DETACHED;
}

/* ------------------------------------------------------------------ the end */

/* A new daemon holds the slot for a handle that it has not heard of: be heard, then leave. */
static void bye_to_successor(const struct attachment *at, const struct ctl_msg *hello)
{
	struct ctl_msg msg;
	int fds[2];
	int fd;

	if (socket_connect(&at->addr, 0, &fd) < 0)
		return;
	if (socket_send(fd, hello) == 0) {
		(void)!socket_receive(fd, CTL_WELCOME, &msg, fds, clock_coarse_ms() + BYE_WAIT_MS);
		close_fd(&fds[0]);
		close_fd(&fds[1]);
		send_bye(fd);
	}
	close(fd);
}

static void forget_region(struct larder *h, struct attachment *at)
{
	struct mapping *map = h->map;

	handle_forget(h);
	mapping_put(map);
	close_fd(&at->fd);
	close_fd(&at->pending);
}

void attach_end(struct larder *h)
{
	struct attachment *at = h->attachment;
	struct ctl_msg hello;
	bool orphan;

	if (handle_forked(h)) {
		forget_region(h, at);
		return;
	}
	orphan = h->map != NULL && at->pending < 0 && socket_hung_up(at->fd);
	hello_message(h, at, &hello);
	leave_region(h, at);
	drop_pending(h, at);
	if (orphan)
		bye_to_successor(at, &hello);
}
