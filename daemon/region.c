/* SPDX-License-Identifier: MIT
 *
 * region.c - the two memfds of a cache
 *
 * The region is mapped by each daemon anew: its seals (SHRINK | GROW | SEAL) allow that. The control
 * page must be mapped before F_SEAL_FUTURE_WRITE and the mapping inherited by fork, because with that
 * seal no writable mapping and no write(2) is possible any more, for us neither.
 *
 * Clients get descriptors that were opened O_RDONLY by way of /proc/self/fd, where they may not write.
 * A memfd has mode 0666, so that a client of another uid could open it again for writing; mode 0600
 * ends that. Core dumps leave the region out (MADV_DONTDUMP); ptrace of a process of the same user is
 * not prevented, because that user may attach anyway.
 *
 * FAILURE  Whatever a client stored into the constant part of the header, a new daemon restores it
 *          from the keeper's private copy. The rest of the region is checked where it is used.
 */
#include "region.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <unistd.h>

#include "geometry.h"
#include "log.h"
#include "mapping.h"
#include "memory.h"
#include "size.h"

#define COMMIT_STEP (64ULL << 20)
#define REGION_SEALS (F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_SEAL)
#define CTL_SEALS (REGION_SEALS | F_SEAL_FUTURE_WRITE)
#ifndef MFD_NOEXEC_SEAL
#define MFD_NOEXEC_SEAL 0x0008U /* Linux 6.3 */
#endif

/* ------------------------------------------------------------------ commit */

int region_commit(const struct region *r, uint64_t off, uint64_t len)
{
	if (fallocate(r->fd, 0, (off_t)off, (off_t)len) < 0)
		return errno == EINTR ? -EAGAIN : -errno;
	return 0;
}

int region_punch(const struct region *r, uint64_t off, uint64_t len)
{
	int mode = FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE;

	return fallocate(r->fd, mode, (off_t)off, (off_t)len) < 0 ? -errno : 0;
}

int region_commit_slot(const struct region *r, uint32_t slot)
{
	uint64_t off = r->geo.off_slots + slot * sizeof(struct shm_slot);

	return region_commit(r, off & ~(uint64_t)(SHM_PAGE - 1), SHM_PAGE);
}

/* SIGTERM is blocked until a role waits for it; an allocation of many GiB asks by itself. */
static bool asked_to_end(void)
{
	sigset_t set;

	return sigpending(&set) == 0 && (sigismember(&set, SIGTERM) || sigismember(&set, SIGINT) ||
					 sigismember(&set, SIGHUP));
}

static int commit_range(const struct region *r, uint64_t off, uint64_t len)
{
	while (len > 0) {
		uint64_t n = len < COMMIT_STEP ? len : COMMIT_STEP;
		int err = asked_to_end() ? -ECANCELED : region_commit(r, off, n);

		if (err < 0)
			return err;
		off += n;
		len -= n;
	}
	return 0;
}

/* All that layout.h calls committed from the start, and the page of our own slot. */
static int commit_all(const struct region *r)
{
	const struct shm_geometry *geo = &r->geo;
	uint64_t level0 = geometry_buckets(geo, 0) * sizeof(struct shm_bucket);
	int err = commit_range(r, 0, geo->off_slots + SHM_PAGE);

	if (err == 0)
		err = commit_range(r, geo->off_level[0], level0);
	if (err == 0)
		err = commit_range(r, geo->off_data, (uint64_t)geo->n_segs << geo->seg_shift);
	return err;
}

static int check_room(const struct config *cfg)
{
	struct memory_limit limit;
	char want[SIZE_TEXT_MAX], have[SIZE_TEXT_MAX];

	memory_available(&limit, "");
	if (cfg->region.max_memory <= limit.available)
		return 0;
	log_error("memory = %s is more than the %s that %s leaves; lower memory, or make room",
		  size_text(cfg->region.max_memory, want), size_text(limit.available, have),
		  limit.what);
	return -ENOMEM;
}

/* ------------------------------------------------------------------ create */

static int memfd_new(const struct config *cfg, const char *kind, uint64_t bytes)
{
	unsigned flags = MFD_CLOEXEC | MFD_ALLOW_SEALING;
	char name[CTL_NAME_MAX + 32];
	int fd = -1, err;

	snprintf(name, sizeof(name), "larder-%s-%s", kind, cfg->name);
	if (!(cfg->hide & HIDE_MFD_NOEXEC))
		fd = memfd_create(name, flags | MFD_NOEXEC_SEAL);
	if (fd < 0)
		fd = memfd_create(name, flags);
	if (fd < 0)
		return -errno;
	if (fchmod(fd, 0600) == 0 && ftruncate(fd, (off_t)bytes) == 0)
		return fd;
	err = errno;
	close(fd);
	return -err;
}

static int reopen_rdonly(int fd)
{
	char path[40];
	int ro;

	snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
	ro = open(path, O_RDONLY | O_CLOEXEC);
	if (ro < 0)
		return -errno;
	return ro;
}

static int format(struct region *r)
{
	void *base = mmap(NULL, r->geo.file_bytes, PROT_READ | PROT_WRITE, MAP_SHARED, r->fd, 0);

	if (base == MAP_FAILED)
		return -errno;
	region_format(base, &r->geo, r->uuid, r->seed);
	munmap(base, r->geo.file_bytes);
	return fcntl(r->fd, F_ADD_SEALS, REGION_SEALS) < 0 ? -errno : 0;
}

static int make_identity(struct region *r)
{
	if (getrandom(r->uuid, sizeof(r->uuid), 0) != (ssize_t)sizeof(r->uuid) ||
	    getrandom(&r->seed, sizeof(r->seed), 0) != (ssize_t)sizeof(r->seed))
		return -EIO;
	r->uuid[6] = (uint8_t)((r->uuid[6] & 0x0f) | 0x40); /* RFC 4122: version 4 */
	r->uuid[8] = (uint8_t)((r->uuid[8] & 0x3f) | 0x80);
	return 0;
}

static int make_region(struct region *r, const struct config *cfg)
{
	int err = geometry_plan(&r->geo, &cfg->region);

	if (err == 0)
		err = make_identity(r);
	if (err < 0)
		return err;
	r->fd = memfd_new(cfg, "region", r->geo.file_bytes);
	if (r->fd < 0)
		return r->fd;
	err = commit_all(r);
	if (err == 0)
		err = format(r);
	if (err < 0)
		return err;
	r->fd_rdonly = reopen_rdonly(r->fd);
	return r->fd_rdonly < 0 ? r->fd_rdonly : 0;
}

static int make_control(struct region *r, const struct config *cfg)
{
	int err, fd = memfd_new(cfg, "control", sizeof(struct ctl_page));

	if (fd < 0)
		return fd;
	r->ctl = mmap(NULL, sizeof(struct ctl_page), PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	if (r->ctl == MAP_FAILED)
		r->ctl = NULL;
	if (!r->ctl || fallocate(fd, 0, 0, sizeof(struct ctl_page)) < 0 ||
	    fcntl(fd, F_ADD_SEALS, CTL_SEALS) < 0)
		err = -errno;
	else
		err = r->ctl_fd = reopen_rdonly(fd);
	close(fd);
	return err < 0 ? err : 0;
}

int region_create(struct region *r, const struct config *cfg)
{
	char size[SIZE_TEXT_MAX];
	int err = check_room(cfg);

	if (err < 0)
		return err;
	err = make_region(r, cfg);
	if (err == 0)
		err = make_control(r, cfg);
	if (err == 0)
		return 0;
	region_close(r);
	if (err == -ECANCELED)
		log_error("ended by a signal before the cache was ready");
	else
		log_error(
			"cannot allocate memory = %s for the cache: %s; lower memory, or make room",
			size_text(cfg->region.max_memory, size), strerror(-err));
	return err;
}

static void close_fd(int *fd)
{
	if (*fd >= 0)
		close(*fd);
	*fd = -1;
}

void region_close(struct region *r)
{
	close_fd(&r->fd);
	close_fd(&r->fd_rdonly);
	close_fd(&r->ctl_fd);
	if (r->ctl)
		munmap(r->ctl, sizeof(*r->ctl));
	r->ctl = NULL;
}

/* ------------------------------------------------------------------ adopt */

static int check_file(const struct region *r)
{
	struct stat st;
	int seals = fcntl(r->fd, F_GET_SEALS);

	if (fstat(r->fd, &st) < 0 || seals < 0)
		return -errno;
	if ((uint64_t)st.st_size != r->geo.file_bytes || (seals & REGION_SEALS) != REGION_SEALS)
		return -EPROTO;
	return 0;
}

/* The constant part, up to what every call loads. Clients copied it when they attached. */
static int repair_header(const struct region *r, struct shm_header *hdr)
{
	struct shm_header good;
	size_t from = offsetof(struct shm_header, major);
	size_t len = offsetof(struct shm_header, reserved0) - from;

	memset(&good, 0, sizeof(good));
	good.major = LAYOUT_MAJOR;
	good.minor = LAYOUT_MINOR;
	good.signature = LAYOUT_SIGNATURE;
	memcpy(good.uuid, r->uuid, sizeof(good.uuid));
	good.seed = r->seed;
	good.geo = r->geo;
	if (load_acquire(&hdr->magic) == LAYOUT_MAGIC &&
	    shared_equal((uint8_t *)hdr + from, (uint8_t *)&good + from, len))
		return 0;
	copy_in((uint8_t *)hdr + from, (uint8_t *)&good + from, len);
	/* [M1] release, pairs with [M2] in region_header_check() */
	store_release(&hdr->magic, LAYOUT_MAGIC);
	return 1;
}

/* Through a mapping of the first page alone: mapping_open() wants a sound header. */
static int repair_file(const struct region *r)
{
	void *page = mmap(NULL, SHM_PAGE, PROT_READ | PROT_WRITE, MAP_SHARED, r->fd, 0);
	int repaired;

	if (page == MAP_FAILED)
		return -errno;
	repaired = repair_header(r, page);
	munmap(page, SHM_PAGE);
	return repaired;
}

int region_adopt(const struct region *r, struct mapping **mapp)
{
	int fds[2] = {fcntl(r->fd, F_DUPFD_CLOEXEC, 0), fcntl(r->ctl_fd, F_DUPFD_CLOEXEC, 0)};
	int err = fds[0] < 0 || fds[1] < 0 ? -errno : check_file(r);
	int repaired = err < 0 ? err : repair_file(r);

	err = repaired < 0 ? repaired : mapping_open(mapp, fds, r->uuid, false);
	close_fd(&fds[0]);
	close_fd(&fds[1]);
	if (err < 0)
		return err;
	if (memcmp(&(*mapp)->geo, &r->geo, sizeof(r->geo)) == 0 && (*mapp)->seed == r->seed)
		return repaired;
	/* Somebody stores into the header right now. The next start may have better luck. */
	mapping_put(*mapp);
	*mapp = NULL;
	return -EPROTO;
}
