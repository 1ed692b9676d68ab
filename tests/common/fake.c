/* SPDX-License-Identifier: MIT
 *
 * fake.c - a daemon for the tests of the client side
 */
#include "fake.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <sys/random.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

#include "atomic.h"
#include "geometry.h"

#define MEMORY (1ULL << 20)
#define SEALS (F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_SEAL)

static void need(bool ok, const char *what)
{
	if (!ok) {
		perror(what);
		abort();
	}
}

static int make_memfd(const char *name, uint64_t bytes)
{
	int fd = memfd_create(name, MFD_CLOEXEC | MFD_ALLOW_SEALING);

	need(fd >= 0 && ftruncate(fd, (off_t)bytes) == 0, "memfd");
	return fd;
}

static void *map_fd(int fd, uint64_t bytes)
{
	void *p = mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);

	need(p != MAP_FAILED, "mmap");
	return p;
}

static void make_region(struct fake *fake)
{
	const struct geometry_options opt = {.max_memory = MEMORY, .test_clock = true};
	struct shm_geometry geo;
	uint8_t uuid[16];

	need(getrandom(uuid, sizeof(uuid), 0) == sizeof(uuid), "getrandom");
	need(geometry_plan(&geo, &opt) == 0, "geometry_plan");
	fake->file_bytes = geo.file_bytes;
	fake->region_fd = make_memfd("fake-region", geo.file_bytes);
	fake->hdr = map_fd(fake->region_fd, geo.file_bytes);
	region_format(fake->hdr, &geo, uuid, 42);
	need(fcntl(fake->region_fd, F_ADD_SEALS, SEALS) == 0, "seal");
	fake->next_slot = FAKE_FIRST_SLOT;
}

static void make_control(struct fake *fake)
{
	fake->ctl_fd = make_memfd("fake-control", sizeof(struct ctl_page));
	fake->ctl = map_fd(fake->ctl_fd, sizeof(struct ctl_page));
	fake->ctl->major = LAYOUT_MAJOR;
	memcpy(fake->ctl->uuid, fake->hdr->uuid, 16);
	strcpy(fake->ctl->name, "fake");
	store_relaxed(&fake->ctl->daemon_pid, (uint64_t)getpid());
	store_relaxed(&fake->ctl->magic, CTL_MAGIC);
	fake_beat(fake, 0);
	need(fcntl(fake->ctl_fd, F_ADD_SEALS, SEALS | F_SEAL_FUTURE_WRITE) == 0, "seal");
}

static void drop_control(struct fake *fake)
{
	munmap(fake->ctl, sizeof(*fake->ctl));
	close(fake->ctl_fd);
}

static void drop_region(struct fake *fake)
{
	munmap(fake->hdr, fake->file_bytes);
	close(fake->region_fd);
}

void fake_new_control(struct fake *fake)
{
	pthread_mutex_lock(&fake->lock);
	drop_control(fake);
	make_control(fake);
	pthread_mutex_unlock(&fake->lock);
}

void fake_new_region(struct fake *fake)
{
	pthread_mutex_lock(&fake->lock);
	drop_control(fake);
	drop_region(fake);
	make_region(fake);
	make_control(fake);
	pthread_mutex_unlock(&fake->lock);
}

void fake_init(struct fake *fake, const char *name)
{
	const char *dir = getenv("TMPDIR");

	memset(fake, 0, sizeof(*fake));
	snprintf(fake->path, sizeof(fake->path), "%s/%s-%d.sock", dir != NULL ? dir : "/tmp", name,
		 (int)getpid());
	pthread_mutex_init(&fake->lock, NULL);
	for (unsigned i = 0; i < FAKE_CONNECTIONS; i++)
		fake->conn[i] = -1;
	make_region(fake);
	make_control(fake);
}

void fake_deinit(struct fake *fake)
{
	if (fake->running)
		fake_stop(fake);
	drop_control(fake);
	drop_region(fake);
	pthread_mutex_destroy(&fake->lock);
}

/* ------------------------------------------------------------------ answers */

static void send_with_fds(int conn, const struct ctl_msg *msg, size_t bytes, const int *fds,
			  unsigned n_fds)
{
	char room[CMSG_SPACE(16 * sizeof(int))] __attribute__((aligned(8))) = {0};
	struct msghdr hdr = {0};
	struct iovec iov;

	iov.iov_base = (void *)(uintptr_t)msg;
	iov.iov_len = bytes;
	hdr.msg_iov = &iov;
	hdr.msg_iovlen = 1;
	if (n_fds > 0) {
		struct cmsghdr *c;

		hdr.msg_control = room;
		hdr.msg_controllen = CMSG_SPACE(n_fds * sizeof(int));
		c = CMSG_FIRSTHDR(&hdr);
		c->cmsg_level = SOL_SOCKET;
		c->cmsg_type = SCM_RIGHTS;
		c->cmsg_len = CMSG_LEN(n_fds * sizeof(int));
		memcpy(CMSG_DATA(c), fds, n_fds * sizeof(int));
	}
	sendmsg(conn, &hdr, MSG_NOSIGNAL);
}

/* A memfd with what a fault wants in it, made for one answer. Return: -1 for other faults. */
static int bad_region(const struct fake *fake)
{
	uint64_t bytes = fake->file_bytes + (fake->fault == FAKE_LONG_FILE ? SHM_PAGE : 0);
	struct shm_header *hdr;
	int fd;

	if (fake->fault != FAKE_UNSEALED && fake->fault != FAKE_LONG_FILE &&
	    fake->fault != FAKE_NO_MAGIC)
		return -1;
	fd = make_memfd("fake-bad", bytes);
	hdr = map_fd(fd, SHM_PAGE);
	if (fake->fault != FAKE_NO_MAGIC)
		memcpy(hdr, fake->hdr, SHM_PAGE);
	munmap(hdr, SHM_PAGE);
	if (fake->fault != FAKE_UNSEALED)
		need(fcntl(fd, F_ADD_SEALS, SEALS) == 0, "seal");
	return fd;
}

static int bad_control(const struct fake *fake)
{
	size_t bytes = fake->fault == FAKE_CTL_SMALL ? SHM_PAGE : sizeof(struct ctl_page);
	struct ctl_page *ctl;
	int fd;

	if (fake->fault < FAKE_CTL_SMALL)
		return -1;
	fd = make_memfd("fake-bad", bytes);
	ctl = map_fd(fd, bytes);
	memcpy(ctl, fake->ctl, SHM_PAGE);
	if (fake->fault == FAKE_CTL_NO_MAGIC)
		store_relaxed(&ctl->magic, 0);
	if (fake->fault == FAKE_CTL_OTHER_UUID)
		ctl->uuid[3] ^= 1;
	munmap(ctl, bytes);
	if (fake->fault != FAKE_CTL_UNSEALED)
		need(fcntl(fd, F_ADD_SEALS, SEALS) == 0, "seal");
	return fd;
}

static uint32_t assign_slot(struct fake *fake, const struct ctl_msg *hello)
{
	if (hello->slot != CTL_NO_SLOT && !fake->lose_slots &&
	    memcmp(hello->uuid, fake->hdr->uuid, 16) == 0)
		return hello->slot;
	store_relaxed_u32(&fake->hdr->slots_high, fake->next_slot + 1);
	return fake->next_slot++;
}

static void welcome(struct fake *fake, int conn, const struct ctl_msg *hello)
{
	int region = bad_region(fake), ctl = bad_control(fake), pipes[2] = {-1, -1};
	int fds[12];
	unsigned n_fds = 2;
	struct ctl_msg msg = {.type = CTL_WELCOME,
			      .size = sizeof(msg),
			      .major = LAYOUT_MAJOR,
			      .signature = LAYOUT_SIGNATURE};

	msg.slot = assign_slot(fake, hello);
	msg.incarnation = 7;
	memcpy(msg.uuid, fake->hdr->uuid, 16);
	for (unsigned i = 0; i < 12; i++)
		fds[i] = fake->ctl_fd;
	fds[0] = region >= 0 ? region : fake->region_fd;
	fds[1] = ctl >= 0 ? ctl : fake->ctl_fd;
	if (fake->fault == FAKE_NOT_MEMFD && pipe(pipes) == 0)
		fds[0] = pipes[0];
	if (fake->fault == FAKE_ONE_FD)
		n_fds = 1;
	if (fake->fault == FAKE_THREE_FDS)
		n_fds = 3;
	if (fake->fault == FAKE_MANY_FDS)
		n_fds = 12;
	if (fake->fault == FAKE_OTHER_UUID)
		msg.uuid[0] ^= 1;
	if (fake->fault == FAKE_SLOT)
		msg.slot = SHM_SLOTS_MAX;
	if (fake->fault == FAKE_TYPE)
		msg.type = CTL_PONG;
	if (fake->fault == FAKE_SIGNATURE)
		msg.signature++;
	send_with_fds(conn, &msg, sizeof(msg) - (fake->fault == FAKE_SHORT ? 8 : 0), fds, n_fds);
	close(region);
	close(ctl);
	close(pipes[0]);
	close(pipes[1]);
}

static void simple_answer(int conn, enum ctl_type type, int status)
{
	struct ctl_msg msg = {.type = type,
			      .size = sizeof(msg),
			      .major = LAYOUT_MAJOR,
			      .signature = LAYOUT_SIGNATURE,
			      .status = status};

	send_with_fds(conn, &msg, sizeof(msg), NULL, 0);
}

/* Return: false when the connection is to be closed. */
static bool answer(struct fake *fake, int conn)
{
	struct ctl_msg msg;

	if (recv(conn, &msg, sizeof(msg), MSG_DONTWAIT) != sizeof(msg)) {
		fake->hangups++;
		return false;
	}
	fake->hellos += msg.type == CTL_HELLO;
	fake->byes += msg.type == CTL_BYE;
	fake->pings += msg.type == CTL_PING || msg.type == CTL_SHUTDOWN;
	if (msg.type == CTL_HELLO)
		fake->last_hello = msg;
	if (msg.type == CTL_BYE || fake->fault == FAKE_SILENT)
		return msg.type != CTL_BYE;
	if (fake->fault == FAKE_HANG_UP)
		return false;
	if (fake->fault == FAKE_ERROR)
		simple_answer(conn, CTL_ERROR, fake->status);
	else if (msg.type == CTL_HELLO)
		welcome(fake, conn, &msg);
	else
		simple_answer(conn, CTL_PONG, 0);
	return true;
}

/* ------------------------------------------------------------------ the loop */

static void take_connection(struct fake *fake)
{
	int conn = accept4(fake->listen_fd, NULL, NULL, SOCK_CLOEXEC);

	for (unsigned i = 0; i < FAKE_CONNECTIONS && conn >= 0; i++)
		if (fake->conn[i] < 0) {
			fake->conn[i] = conn;
			return;
		}
	close(conn);
}

static void *serve(void *arg)
{
	struct fake *fake = arg;
	struct pollfd p[FAKE_CONNECTIONS + 2];

	for (;;) {
		p[0] = (struct pollfd){.fd = fake->stop_fd, .events = POLLIN};
		p[1] = (struct pollfd){.fd = fake->listen_fd, .events = POLLIN};
		for (unsigned i = 0; i < FAKE_CONNECTIONS; i++)
			p[i + 2] = (struct pollfd){.fd = fake->conn[i], .events = POLLIN};
		poll(p, FAKE_CONNECTIONS + 2, -1);
		if (p[0].revents != 0)
			return NULL;
		pthread_mutex_lock(&fake->lock);
		for (unsigned i = 0; i < FAKE_CONNECTIONS; i++)
			if (p[i + 2].revents != 0 && !answer(fake, fake->conn[i])) {
				close(fake->conn[i]);
				fake->conn[i] = -1;
			}
		if (p[1].revents != 0)
			take_connection(fake);
		pthread_mutex_unlock(&fake->lock);
	}
}

void fake_start(struct fake *fake)
{
	struct sockaddr_un addr = {.sun_family = AF_UNIX};

	snprintf(addr.sun_path, sizeof(addr.sun_path), "%s", fake->path);
	fake->stop_fd = eventfd(0, EFD_CLOEXEC);
	fake->listen_fd = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0);
	need(bind(fake->listen_fd, (struct sockaddr *)&addr, sizeof(addr)) == 0, "bind");
	need(listen(fake->listen_fd, 64) == 0, "listen");
	need(pthread_create(&fake->thread, NULL, serve, fake) == 0, "thread");
	fake->running = true;
}

void fake_stop(struct fake *fake)
{
	uint64_t one = 1;

	need(write(fake->stop_fd, &one, sizeof(one)) == sizeof(one), "stop");
	pthread_join(fake->thread, NULL);
	close(fake->stop_fd);
	close(fake->listen_fd);
	for (unsigned i = 0; i < FAKE_CONNECTIONS; i++) {
		if (fake->conn[i] >= 0)
			close(fake->conn[i]);
		fake->conn[i] = -1;
	}
	unlink(fake->path);
	fake->running = false;
}

void fake_restart(struct fake *fake)
{
	fake_stop(fake);
	store_relaxed_u32(&fake->hdr->ctl_epoch, load_relaxed_u32(&fake->hdr->ctl_epoch) + 1);
	fake_start(fake);
	fake_beat(fake, 0);
}

/* ------------------------------------------------------------------ knobs */

void fake_set_fault(struct fake *fake, enum fake_fault fault, int status)
{
	pthread_mutex_lock(&fake->lock);
	fake->fault = fault;
	fake->status = status;
	pthread_mutex_unlock(&fake->lock);
}

void fake_beat(struct fake *fake, int64_t later_ms)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	store_relaxed(&fake->ctl->heartbeat_ms,
		      (uint64_t)(now.tv_sec * 1000 + now.tv_nsec / 1000000 + later_ms));
}

unsigned fake_count(struct fake *fake, const unsigned *what)
{
	unsigned n;

	pthread_mutex_lock(&fake->lock);
	n = *what;
	pthread_mutex_unlock(&fake->lock);
	return n;
}

bool fake_wait(struct fake *fake, const unsigned *what, unsigned n)
{
	for (unsigned i = 0; i < 5000; i++) {
		if (fake_count(fake, what) >= n)
			return true;
		poll(NULL, 0, 1);
	}
	return false;
}
