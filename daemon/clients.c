/* SPDX-License-Identifier: MIT
 *
 * clients.c - the handshake, the slots, and the deaths of clients
 *
 *	           HELLO                    hang-up                 pidfd
 *	(no slot) -------> USED (connected) -------> ORPHAN --------------> DEAD -> FREE
 *	                     |    ^                    |  HELLO of the owner
 *	                     |    +--------------------+
 *	                     | BYE: FREE     pidfd: DEAD -> FREE
 *
 * Two things decide about a slot, and neither is a timeout: its owner says BYE, or the kernel says by
 * pidfd that the process is gone. Hanging up says nothing: exec and closefrom(3) close the socket,
 * and after closefrom(3) the mapping is still there and in use. After an exec the memory is gone, but
 * no system call tells the two apart, so an orphan waits for its process.
 *
 * HOSTILE INPUT  A message that is not exactly a ctl_msg of our version is answered by CTL_ERROR and
 *                the end of the connection. Descriptors that somebody sends are dropped by the
 *                kernel, because nobody asks for them. A peer that does not read its answers is cut
 *                off; one that says nothing has HALF_OPEN_MS; of such there are at most WAITING_MAX,
 *                the oldest goes. Each round reads at most MESSAGES from one connection.
 */
#include "clients.h"

#include <errno.h>
#include <fcntl.h>
#include <larder/control.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "ctlpage.h"
#include "daemon.h"
#include "log.h"
#include "process.h"
#include "slots.h"

#define HALF_OPEN_MS 2000u
#define WAITING_MAX 256u
#define MESSAGES 8
#define ACCEPTS 64

struct conn {
	struct loop_grave grave; /* first: see loop_free() */
	struct source src;
	struct conn *next, *prev; /* newest first */
	struct process peer;	  /* pidfd: until a slot watches it */
	uint32_t slot;		  /* CTL_NO_SLOT: none yet */
	uint64_t deadline_ms;	  /* without a slot */
};

/* ------------------------------------------------------------------ connections */

static void conn_link(struct clients *cl, struct conn *c)
{
	c->prev = NULL;
	c->next = cl->conns;
	if (c->next)
		c->next->prev = c;
	cl->conns = c;
}

static void conn_unlink(struct clients *cl, struct conn *c)
{
	if (c->next)
		c->next->prev = c->prev;
	if (c->prev)
		c->prev->next = c->next;
	else
		cl->conns = c->next;
}

static void close_peer(struct conn *c)
{
	if (c->peer.pidfd >= 0)
		close(c->peer.pidfd);
	c->peer.pidfd = -1;
}

/* The connection ends; a slot that it spoke for is an orphan. */
static void conn_close(struct clients *cl, struct conn *c)
{
	if (c->slot == CTL_NO_SLOT) {
		cl->n_waiting--;
	} else {
		cl->slots[c->slot].conn = NULL;
		if (slots_state(cl->d, c->slot) == CTL_SLOT_USED)
			slots_set_state(cl->d, c->slot, CTL_SLOT_ORPHAN);
	}
	close_peer(c);
	conn_unlink(cl, c);
	loop_del(&cl->d->loop, &c->src);
	loop_free(&cl->d->loop, c);
}

/* A slot is about to be free: its connection must not make an orphan of the next owner. */
static void conn_forget_slot(struct clients *cl, struct conn *c)
{
	cl->slots[c->slot].conn = NULL;
	c->slot = CTL_NO_SLOT;
	cl->n_waiting++;
}

static void message_init(const struct daemon *d, struct ctl_msg *msg, enum ctl_type type)
{
	memset(msg, 0, sizeof(*msg));
	msg->type = type;
	msg->size = sizeof(*msg);
	msg->major = LAYOUT_MAJOR;
	msg->signature = LAYOUT_SIGNATURE;
	memcpy(msg->uuid, d->map->uuid, sizeof(msg->uuid));
}

/* Never -EAGAIN, which read_message() uses for "nothing to read": no room means that the peer does not
 * read. */
static int reply(const struct conn *c, const struct ctl_msg *msg)
{
	ssize_t n = send(c->src.fd, msg, sizeof(*msg), MSG_DONTWAIT | MSG_NOSIGNAL);

	return n == (ssize_t)sizeof(*msg) ? 0 : -ECONNABORTED;
}

static int reply_error(const struct daemon *d, const struct conn *c, int status)
{
	struct ctl_msg msg;

	message_init(d, &msg, CTL_ERROR);
	msg.status = status;
	return reply(c, &msg);
}

/* ------------------------------------------------------------------ slots */

static void forget_owner(struct clients *cl, uint32_t slot)
{
	struct slot_owner *o = &cl->slots[slot];

	if (o->conn)
		conn_forget_slot(cl, o->conn);
	loop_del(&cl->d->loop, &o->pidfd);
}

static void bury_owner(struct clients *cl, uint32_t slot)
{
	struct daemon *d = cl->d;
	uint64_t pid = load_relaxed(&d->ctl->slots[slot].pid);
	struct conn *c = cl->slots[slot].conn;
	unsigned n;

	forget_owner(cl, slot);
	n = slots_release(d, slot);
	ctlpage_event(d->ctl, n > 0 ? LEVEL_INFO : LEVEL_DEBUG,
		      "client %lu (slot %u) is gone; %u segments given back", (unsigned long)pid,
		      slot, n);
	if (c)
		conn_close(cl, c);
}

static void on_pidfd(struct source *s, uint32_t events)
{
	struct daemon *d = s->ctx;
	struct slot_owner *o = LOOP_OBJECT(s, struct slot_owner, pidfd);

	(void)events;
	/* Asked again: the event may be of the descriptor that was here before (loop.c). */
	if (process_ended(s->fd))
		bury_owner(&d->clients, (uint32_t)(o - d->clients.slots));
}

/* ------------------------------------------------------------------ HELLO */

static int send_welcome(const struct daemon *d, const struct conn *c, uint32_t slot, bool rdonly)
{
	const struct region *r = &d->cache->region;
	int fds[2] = {rdonly ? r->fd_rdonly : r->fd, r->ctl_fd};
	union {
		struct cmsghdr align;
		char room[CMSG_SPACE(sizeof(fds))];
	} control;
	struct ctl_msg msg;
	struct iovec iov = {.iov_base = &msg, .iov_len = sizeof(msg)};
	struct msghdr mh = {.msg_iov = &iov,
			    .msg_iovlen = 1,
			    .msg_control = control.room,
			    .msg_controllen = sizeof(control.room)};
	struct cmsghdr *cm;

	message_init(d, &msg, CTL_WELCOME);
	msg.slot = slot;
	msg.incarnation = load_relaxed(&d->ctl->slots[slot].incarnation);
	memset(&control, 0, sizeof(control));
	cm = CMSG_FIRSTHDR(&mh);
	cm->cmsg_level = SOL_SOCKET;
	cm->cmsg_type = SCM_RIGHTS;
	cm->cmsg_len = CMSG_LEN(sizeof(fds));
	memcpy(CMSG_DATA(cm), fds, sizeof(fds));
	return sendmsg(c->src.fd, &mh, MSG_DONTWAIT | MSG_NOSIGNAL) < 0 ? -errno : 0;
}

/* The slot watches the process from here on. */
static int own_slot(struct clients *cl, struct conn *c, uint32_t slot)
{
	struct slot_owner *o = &cl->slots[slot];
	int fd = c->peer.pidfd, r = 0;

	c->peer.pidfd = -1;
	if (o->pidfd.fd < 0)
		r = loop_add(&cl->d->loop, &o->pidfd, fd, on_pidfd, cl->d);
	else
		close(fd);
	if (r < 0)
		return r;
	c->slot = slot;
	cl->n_waiting--;
	o->conn = c;
	return 0;
}

/* A client that comes back, after a daemon's restart or on another connection. */
static int take_back(struct clients *cl, struct conn *c, uint32_t slot)
{
	if (cl->slots[slot].conn)
		conn_close(cl, cl->slots[slot].conn);
	slots_set_state(cl->d, slot, CTL_SLOT_USED);
	return own_slot(cl, c, slot);
}

static int take_new(struct clients *cl, struct conn *c, bool rdonly)
{
	int slot = slots_take(cl->d, &c->peer, rdonly), r;

	if (slot < 0)
		return slot;
	r = own_slot(cl, c, (uint32_t)slot);
	if (r < 0)
		(void)slots_release(cl->d, (uint32_t)slot);
	return r;
}

static int welcome(struct clients *cl, struct conn *c, const struct ctl_msg *hello)
{
	bool rdonly = hello->flags & CTL_FLAG_RDONLY;
	bool back = slots_match(cl->d, hello, &c->peer);
	int r = back ? take_back(cl, c, hello->slot) : take_new(cl, c, rdonly);
	uint32_t slot = c->slot;

	if (r == 0)
		r = send_welcome(cl->d, c, slot, rdonly);
	if (r == 0) {
		log_debug("client %d (uid %u) has slot %u%s%s", (int)c->peer.pid,
			  (unsigned)c->peer.uid, slot, rdonly ? ", read-only" : "",
			  back ? ", again" : "");
		return 0;
	}
	/* Nobody was told of a new slot. An old one is its owner's, whatever becomes of this. */
	if (!back && slot != CTL_NO_SLOT) {
		forget_owner(cl, slot);
		(void)slots_release(cl->d, slot);
	}
	return r;
}

static int on_hello(struct clients *cl, struct conn *c, const struct ctl_msg *msg)
{
	bool rdonly = msg->flags & CTL_FLAG_RDONLY;
	int r = -EPROTO;

	if (c->slot != CTL_NO_SLOT || (msg->flags & ~(CTL_FLAG_RDONLY | CTL_FLAG_NO_MEMBARRIER)))
		goto out_refuse;
	r = -EACCES;
	if (!config_allows(cl->d->cache->cfg, c->peer.uid, rdonly)) {
		log_info("uid %u (process %d) may not attach; see allow_uids and readonly_uids",
			 (unsigned)c->peer.uid, (int)c->peer.pid);
		goto out_refuse;
	}
	r = welcome(cl, c, msg);
	if (r == 0)
		return 0;
	if (r == -EUSERS)
		log_warning("no free slot for process %d: all %u are in use", (int)c->peer.pid,
			    cl->n_slots - 1);
out_refuse:
	(void)reply_error(cl->d, c, r);
	return r;
}

/* ------------------------------------------------------------------ messages */

static int on_ping(const struct clients *cl, const struct conn *c)
{
	struct ctl_msg msg;

	if (!config_allows(cl->d->cache->cfg, c->peer.uid, true)) {
		(void)reply_error(cl->d, c, -EACCES);
		return -EACCES;
	}
	message_init(cl->d, &msg, CTL_PONG);
	return reply(c, &msg);
}

static int on_shutdown(const struct clients *cl, const struct conn *c)
{
	struct ctl_msg msg;

	/* The handle goes on: this answer does not end the connection. */
	if (c->peer.uid != 0 && c->peer.uid != geteuid())
		return reply_error(cl->d, c, -EACCES);
	message_init(cl->d, &msg, CTL_PONG);
	(void)reply(c, &msg);
	ctlpage_event(cl->d->ctl, LEVEL_NOTICE, "ended by request of process %d (uid %u)",
		      (int)c->peer.pid, (unsigned)c->peer.uid);
	daemon_end(cl->d);
	return 0;
}

static int on_bye(struct clients *cl, struct conn *c)
{
	uint32_t slot = c->slot;

	if (slot != CTL_NO_SLOT) {
		forget_owner(cl, slot);
		(void)slots_release(cl->d, slot);
		log_debug("client %d left slot %u", (int)c->peer.pid, slot);
	}
	return -ECONNRESET;
}

/* Return: 0; < 0 the connection ends. */
static int on_message(struct clients *cl, struct conn *c, const struct ctl_msg *msg)
{
	c->deadline_ms = ctlpage_now_ms() + HALF_OPEN_MS;
	switch (msg->type) {
	case CTL_HELLO:
		return on_hello(cl, c, msg);
	case CTL_BYE:
		return on_bye(cl, c);
	case CTL_PING:
		return on_ping(cl, c);
	case CTL_SHUTDOWN:
		return on_shutdown(cl, c);
	default:
		(void)reply_error(cl->d, c, -EPROTO);
		return -EPROTO;
	}
}

static int check_message(const struct ctl_msg *msg, ssize_t len)
{
	if (len != (ssize_t)sizeof(*msg) || msg->size != sizeof(*msg))
		return -EPROTO;
	return msg->major == LAYOUT_MAJOR && msg->signature == LAYOUT_SIGNATURE ? 0 : -EPROTO;
}

/* One message. Return: 0; -EAGAIN no more; < 0 the connection ends. */
static int read_message(struct clients *cl, struct conn *c)
{
	struct ctl_msg msg;
	ssize_t n = recv(c->src.fd, &msg, sizeof(msg), MSG_DONTWAIT | MSG_TRUNC);

	if (n < 0)
		return errno == EINTR ? -EAGAIN : -errno;
	if (n == 0)
		return -ECONNRESET;
	if (check_message(&msg, n) < 0) {
		log_debug("process %d sent something else than a message of this version",
			  (int)c->peer.pid);
		(void)reply_error(cl->d, c, -EPROTO);
		return -EPROTO;
	}
	return on_message(cl, c, &msg);
}

static void on_conn(struct source *s, uint32_t events)
{
	struct daemon *d = s->ctx;
	struct conn *c = LOOP_OBJECT(s, struct conn, src);
	int r = 0;

	(void)events;
	for (int i = 0; i < MESSAGES && r == 0 && !d->loop.stop; i++)
		r = read_message(&d->clients, c);
	if (r < 0 && r != -EAGAIN)
		conn_close(&d->clients, c);
}

/* ------------------------------------------------------------------ accept */

static void drop_oldest_waiting(struct clients *cl)
{
	struct conn *oldest = NULL;

	for (struct conn *c = cl->conns; c; c = c->next)
		if (c->slot == CTL_NO_SLOT)
			oldest = c;
	if (oldest)
		conn_close(cl, oldest);
}

static void conn_new(struct clients *cl, int fd)
{
	struct conn *c = calloc(1, sizeof(*c));
	bool hide = cl->d->cache->cfg->hide & HIDE_PIDFD_GETPEER;
	int r = c ? process_of_peer(&c->peer, fd, hide) : -ENOMEM;

	if (r < 0) {
		log_info("a client was refused: %s",
			 r == -ESRCH ? "its process is gone, or in a pid namespace that is not ours"
				     : strerror(-r));
		close(fd);
		free(c);
		return;
	}
	if (loop_add(&cl->d->loop, &c->src, fd, on_conn, cl->d) < 0) {
		close_peer(c);
		free(c);
		return;
	}
	if (cl->n_waiting >= WAITING_MAX)
		drop_oldest_waiting(cl);
	c->slot = CTL_NO_SLOT;
	c->deadline_ms = ctlpage_now_ms() + HALF_OPEN_MS;
	cl->n_waiting++;
	conn_link(cl, c);
}

static void on_listener(struct source *s, uint32_t events)
{
	struct daemon *d = s->ctx;

	(void)events;
	for (int i = 0; i < ACCEPTS; i++) {
		/* cppcheck-suppress nullPointer ; accept4() takes NULL */
		int fd = accept4(s->fd, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);

		if (fd >= 0) {
			conn_new(&d->clients, fd);
			continue;
		}
		if (errno == EAGAIN || errno == EINTR || errno == ECONNABORTED)
			return;
		/* Out of descriptors or memory: the event would come again at once, for ever. */
		log_warning("cannot accept a client: %s; raise RLIMIT_NOFILE?", strerror(errno));
		d->clients.paused = loop_pause(&d->loop, s, true) == 0;
		return;
	}
}

/* ------------------------------------------------------------------ restart */

/* Find the owner of a slot that the last daemon knew. */
static void find_owner(struct clients *cl, uint32_t slot)
{
	const struct ctl_slot *e = &cl->d->ctl->slots[slot];
	struct process p;
	int r = process_reopen(&p, (pid_t)load_relaxed(&e->pid), load_relaxed(&e->start_time));

	if (slots_state(cl->d, slot) == CTL_SLOT_DEAD && r == 0) {
		close(p.pidfd);
		r = -ESRCH; /* the last daemon knew it and did not get to the end */
	}
	if (r == 0)
		r = loop_add(&cl->d->loop, &cl->slots[slot].pidfd, p.pidfd, on_pidfd, cl->d);
	if (r == -ESRCH)
		bury_owner(cl, slot);
	else if (r < 0)
		cl->unwatched = true; /* nothing is known; clients_tick() comes again */
}

static void find_owners(struct clients *cl)
{
	cl->unwatched = false;
	for (uint32_t i = 1; i < cl->n_slots; i++)
		if (slots_state(cl->d, i) != CTL_SLOT_FREE && cl->slots[i].pidfd.fd < 0)
			find_owner(cl, i);
}

static void close_half_open(struct clients *cl, uint64_t now_ms)
{
	struct conn *next;

	for (struct conn *c = cl->conns; c; c = next) {
		next = c->next;
		if (c->slot == CTL_NO_SLOT && now_ms >= c->deadline_ms)
			conn_close(cl, c);
	}
}

void clients_tick(struct clients *cl, uint64_t now_ms)
{
	if (cl->n_waiting > 0)
		close_half_open(cl, now_ms);
	if (cl->paused && loop_pause(&cl->d->loop, &cl->listener, false) == 0)
		cl->paused = false;
	if (cl->unwatched)
		find_owners(cl);
}

unsigned clients_count(const struct clients *cl)
{
	unsigned n = 0;

	for (uint32_t i = 1; i < cl->n_slots; i++)
		n += slots_state(cl->d, i) != CTL_SLOT_FREE;
	return n;
}

int clients_init(struct clients *cl, struct daemon *d)
{
	int fd, r;

	cl->d = d;
	cl->n_slots = d->map->geo.n_slots;
	cl->slots = calloc(cl->n_slots, sizeof(*cl->slots));
	if (!cl->slots)
		return -ENOMEM;
	for (uint32_t i = 0; i < cl->n_slots; i++)
		cl->slots[i].pidfd.fd = -1;
	slots_init(d);
	find_owners(cl);
	/* A descriptor of our own: the cache keeps the other one for the next daemon. */
	fd = fcntl(d->cache->ep.listen_fd, F_DUPFD_CLOEXEC, 0);
	r = fd < 0 ? -errno : loop_add(&d->loop, &cl->listener, fd, on_listener, d);
	return r;
}

void clients_deinit(struct clients *cl, bool forked)
{
	struct conn *next;

	if (!cl->d)
		return; /* never initialised */
	for (struct conn *c = cl->conns; c; c = next) {
		next = c->next;
		if (!forked) {
			close_peer(c);
			loop_del(&cl->d->loop, &c->src);
		}
		free(c);
	}
	cl->conns = NULL;
	for (uint32_t i = 0; cl->slots && i < cl->n_slots && !forked; i++)
		loop_del(&cl->d->loop, &cl->slots[i].pidfd);
	if (!forked)
		loop_del(&cl->d->loop, &cl->listener);
	free(cl->slots);
	cl->slots = NULL;
}
