/* SPDX-License-Identifier: MIT
 *
 * mapping.c - a region and its control page in this address space
 *
 * The daemon is not trusted further than needed: a region that could shrink would make every read a
 * possible SIGBUS, so it must be sealed; a geometry that does not follow from its own sizes would
 * lead out of the mapping.
 *
 * The region is mapped on a 2 MiB boundary, so that the kernel may use huge pages, and stays out of
 * core dumps. A mapping lives in a page of its own, not on the heap: the first read after a fork
 * may map a region and come in a signal handler.
 *
 * FAILURE      Every error unwinds what was done; descriptors stay the caller's until success.
 * ORDER        label  store           load                     orders
 *              U3     mapping_put()   itself, last reference   uses -> munmap
 */
#include "mapping.h"

#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "geometry.h"

#define HUGE_PAGE (2ULL << 20)
#define SEALS (F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_SEAL)

int mapping_new(struct mapping **mapp, void *base, uint64_t file_bytes, bool rdonly)
{
	struct mapping *map;
	int r;

	map = mmap(NULL, sizeof(*map), PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	if (map == MAP_FAILED)
		return -ENOMEM;
	r = region_header_check(base, file_bytes, &map->geo, map->uuid, &map->seed);
	if (r < 0) {
		munmap(map, sizeof(*map));
		return r;
	}
	map->base = base;
	map->region_fd = -1;
	map->rdonly = rdonly;
	store_relaxed_u32(&map->refs, 1);
	*mapp = map;
	return 0;
}

struct mapping *mapping_get(struct mapping *map)
{
	/* [U3] the count only; whoever adds a reference holds one */
	fetch_add_u32(&map->refs, 1);
	return map;
}

void mapping_put(struct mapping *map)
{
	/* [U3] release and acquire: the last one unmaps after every other handle's last use */
	if (map == NULL || fetch_sub_u32(&map->refs, 1) != 1)
		return;
	munmap(map->base, map->geo.file_bytes);
	if (map->ctl != NULL)
		munmap((void *)(uintptr_t)map->ctl, sizeof(*map->ctl));
	if (map->region_fd >= 0)
		close(map->region_fd);
	munmap(map, sizeof(*map));
}

/* Return: 0, a memfd whose size cannot change; -EBADF. */
static int check_sealed(int fd, struct stat *st)
{
	int seals = fcntl(fd, F_GET_SEALS);

	if (seals < 0 || (seals & SEALS) != SEALS)
		return -EBADF;
	if (fstat(fd, st) < 0)
		return -errno;
	return st->st_size > 0 ? 0 : -EBADF;
}

static int map_region(uint8_t **basep, int fd, size_t bytes, bool rdonly)
{
	int prot = PROT_READ | (rdonly ? 0 : PROT_WRITE);
	size_t room = bytes + HUGE_PAGE;
	uint8_t *start, *base, *end;

	if (room < bytes)
		return -EBADF;
	start = mmap(NULL, room, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
	if (start == MAP_FAILED)
		return -errno;
	base = start + (-(uintptr_t)start & (HUGE_PAGE - 1));
	end = base + ((bytes + SHM_PAGE - 1) & ~(size_t)(SHM_PAGE - 1));
	if (mmap(base, bytes, prot, MAP_SHARED | MAP_FIXED, fd, 0) == MAP_FAILED) {
		int r = -errno;

		munmap(start, room);
		return r;
	}
	if (base > start)
		munmap(start, (size_t)(base - start));
	munmap(end, (size_t)(start + room - end));
	madvise(base, bytes, MADV_DONTDUMP);
	*basep = base;
	return 0;
}

static int map_control(struct mapping *map, int fd)
{
	const struct ctl_page *ctl;
	struct stat st;
	uint8_t uuid[16];
	int r = check_sealed(fd, &st);

	if (r < 0)
		return r;
	if (st.st_size != sizeof(*ctl))
		return -EBADF;
	ctl = mmap(NULL, sizeof(*ctl), PROT_READ, MAP_SHARED, fd, 0);
	if (ctl == MAP_FAILED)
		return -errno;
	/* From here on mapping_put() unmaps it. */
	map->ctl = ctl;
	map->ctl_inode = st.st_ino;
	if (load_acquire(&ctl->magic) != CTL_MAGIC || ctl->major != LAYOUT_MAJOR)
		return -EPROTO;
	copy_out(uuid, ctl->uuid, sizeof(uuid));
	return memcmp(uuid, map->uuid, sizeof(uuid)) == 0 ? 0 : -EBADF;
}

int mapping_open(struct mapping **mapp, int fds[2], const uint8_t uuid[16], bool rdonly)
{
	struct mapping *map;
	struct stat st;
	uint8_t *base = NULL;
	int r = check_sealed(fds[0], &st);

	if (r < 0)
		return r;
	r = map_region(&base, fds[0], (size_t)st.st_size, rdonly);
	if (r < 0)
		return r;
	r = mapping_new(&map, base, (uint64_t)st.st_size, rdonly);
	if (r < 0) {
		munmap(base, (size_t)st.st_size);
		return r;
	}
	r = memcmp(map->uuid, uuid, sizeof(map->uuid)) == 0 ? map_control(map, fds[1]) : -EBADF;
	if (r < 0) {
		mapping_put(map);
		return r;
	}
	/* A namespace commits its page itself, through the descriptor. */
	if (!rdonly) {
		map->region_fd = fds[0];
		fds[0] = -1;
	}
	*mapp = map;
	return 0;
}

bool mapping_same(const struct mapping *map, const int fds[2], const uint8_t uuid[16])
{
	struct stat st;

	return memcmp(map->uuid, uuid, sizeof(map->uuid)) == 0 && fstat(fds[1], &st) == 0 &&
	       st.st_ino == map->ctl_inode;
}
