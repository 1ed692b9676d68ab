/* SPDX-License-Identifier: MIT
 *
 * local.c - a private region without a daemon
 *
 * The region is a memfd of the size that a daemon would make, so that growth can punch it and several
 * mappings can share it. Everything that is not punched is allocated when it is touched.
 */
#include "local.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include "geometry.h"
#include "ns.h"
#include "words.h"

#define MEMORY (1ULL << 20)
#define SEED 0x1234567812345678ULL
#define GROW_MAX 100000

static void need(bool ok, const char *what)
{
	if (!ok) {
		perror(what);
		abort();
	}
}

static struct mapping *map_region(struct local *l, bool rdonly)
{
	int prot = rdonly ? PROT_READ : PROT_READ | PROT_WRITE;
	void *p = mmap(NULL, l->file_bytes, prot, MAP_SHARED, l->fd, 0);
	struct mapping *map = NULL;

	need(p != MAP_FAILED, "mmap");
	need(mapping_new(&map, p, l->file_bytes, rdonly) == 0, "mapping_new");
	return map;
}

static int commit(void *ctx, uint64_t off, uint64_t len)
{
	struct local *l = ctx;

	if (l->fail_commit != 0)
		return l->fail_commit;
	l->commits++;
	return fallocate(l->fd, FALLOC_FL_KEEP_SIZE, (off_t)off, (off_t)len) == 0 ? 0 : -errno;
}

static int punch(void *ctx, uint64_t off, uint64_t len)
{
	struct local *l = ctx;

	l->punches++;
	return madvise(l->map->base + off, len, MADV_REMOVE) == 0 ? 0 : -errno;
}

static struct larder *open_on(struct local *l, struct mapping *map)
{
	struct shm_header *hdr = (struct shm_header *)(void *)l->map->base;
	struct larder *h = handle_new();

	need(h != NULL && l->n_handles < LOCAL_HANDLES, "handle_new");
	store_release_u32(&hdr->slots_high, l->next_slot + 1);
	need(handle_bind(h, map, l->next_slot++) == 0, "handle_bind");
	l->handle[l->n_handles++] = h;
	return h;
}

void local_init(struct local *l, const struct local_options *opt)
{
	struct local_options o = opt != NULL ? *opt : (struct local_options){.memory = 0};
	const struct geometry_options plan = {
		.max_memory = o.memory != 0 ? o.memory : MEMORY,
		.segment_bytes = o.segment_bytes,
		.test_clock = !o.real_clock,
	};
	static const uint8_t uuid[16] = "a local region";
	struct shm_geometry geo;
	void *p;

	memset(l, 0, sizeof(*l));
	need(geometry_plan(&geo, &plan) == 0, "geometry_plan");
	l->file_bytes = geo.file_bytes;
	l->fd = memfd_create("local", MFD_CLOEXEC);
	need(l->fd >= 0 && ftruncate(l->fd, (off_t)geo.file_bytes) == 0, "memfd");
	p = mmap(NULL, geo.file_bytes, PROT_READ | PROT_WRITE, MAP_SHARED, l->fd, 0);
	need(p != MAP_FAILED, "mmap");
	region_format(p, &geo, uuid, SEED);
	munmap(p, geo.file_bytes);
	l->map = map_region(l, false);
	l->ops = (struct growth_ops){.commit = commit, .punch = punch, .ctx = l};
	l->daemon = open_on(l, l->map);
}

void local_close(struct local *l, struct larder *h)
{
	unsigned i = 0;

	while (i < l->n_handles && l->handle[i] != h)
		i++;
	need(i < l->n_handles, "handle of another region");
	l->handle[i] = l->handle[--l->n_handles];
	handle_unbind(h);
	handle_free(h);
}

uint32_t local_kill(struct local *l, struct larder *h)
{
	uint32_t slot = h->me;

	handle_forget(h);
	local_close(l, h);
	return slot;
}

void local_deinit(struct local *l)
{
	while (l->n_handles > 0)
		local_close(l, l->handle[l->n_handles - 1]);
	mapping_put(l->other);
	mapping_put(l->map);
	close(l->fd);
}

struct larder *local_open(struct local *l)
{
	return open_on(l, l->map);
}

struct larder *local_open_other(struct local *l)
{
	if (l->other == NULL)
		l->other = map_region(l, false);
	return open_on(l, l->other);
}

struct larder *local_open_rdonly(struct local *l)
{
	if (l->other == NULL)
		l->other = map_region(l, true);
	need(l->other->rdonly, "the other mapping is writable");
	return open_on(l, l->other);
}

int local_grow(struct local *l)
{
	int r = 1;

	for (int i = 0; r > 0 && i < GROW_MAX; i++)
		r = growth_run(l->daemon, &l->ops);
	return r;
}

uint64_t local_stat(struct local *l, enum counter stat)
{
	uint64_t values[STAT_COUNT];

	need(larder_stats(l->daemon, values, STAT_COUNT) == 0, "larder_stats");
	return values[stat];
}

/* ------------------------------------------------------------------ trouble */

#define SLEEPER 1u /* any slot */

void local_hold(struct local *l)
{
	struct larder *h = l->daemon;

	for (uint32_t seg = 0; seg < h->n_segs; seg++) {
		uint64_t w = load_acquire(&h->segs[seg].word);

		store_release(&h->segs[seg].word,
			      seg_make(SEG_CLEANING, seg_body(w), SLEEPER, seg_gen(w)));
	}
}

void local_release(struct local *l)
{
	struct larder *h = l->daemon;

	for (uint32_t seg = 0; seg < h->n_segs; seg++) {
		uint64_t w = load_acquire(&h->segs[seg].word);

		store_release(&h->segs[seg].word, seg_make(SEG_SEALED, seg_body(w), 0, seg_gen(w)));
	}
}

void local_lose_bucket(struct larder *h, const void *key, size_t klen)
{
	struct shm_bucket *b;
	struct key k;

	key_init(h, &k, key, klen);
	b = index_locate(h, k.hash);
	need(b != NULL, "no bucket");
	for (unsigned i = 0; i < SHM_WORDS; i++)
		store_release(&b->word[i], 0);
}

void local_key(const struct larder *h, struct key *k, const void *data, size_t len)
{
	key_init(h, k, data, len);
}

size_t local_key_at(const struct larder *h, uint64_t home, unsigned *from, char text[16],
		    struct key *k)
{
	size_t len;

	do {
		len = (size_t)snprintf(text, 16, "%u", (*from)++);
		key_init(h, k, text, len);
	} while ((k->hash & h->bucket_mask0) != home);
	return len;
}

void local_no_memory(void)
{
	const struct rlimit limit = {.rlim_cur = 0, .rlim_max = RLIM_INFINITY};

	need(setrlimit(RLIMIT_AS, &limit) == 0, "setrlimit");
	/* What the heap still has. It is lost on purpose, in a process that ends soon. */
	for (size_t n = 1 << 20; n >= 16; n /= 2)
		/* cppcheck-suppress leakReturnValNotUsed */
		while (malloc(n) != NULL)
			;
}

int local_in_child(int (*fn)(void))
{
#if defined(__SANITIZE_ADDRESS__) || LARDER_TSAN
	(void)fn;
	return 0;
#else
	int status = 0;
	pid_t pid;

	fflush(NULL);
	pid = fork();
	if (pid == 0)
		_exit(fn());
	need(pid > 0 && waitpid(pid, &status, 0) == pid, "fork");
	return WIFEXITED(status) ? WEXITSTATUS(status) : -WTERMSIG(status);
#endif
}

/* ------------------------------------------------------------------ accounts */

struct counted {
	struct local_census *census;
	size_t n, room; /* room is a power of two */
	uint64_t *versions;
};

static void grow_set(struct counted *c)
{
	size_t old = c->room;
	uint64_t *from = c->versions;

	c->room = old == 0 ? 1024 : old * 2;
	c->versions = calloc(c->room, sizeof(*c->versions));
	need(c->versions != NULL, "calloc");
	for (size_t i = 0; i < old; i++) {
		size_t at = from[i] * 0x9E3779B97F4A7C15ULL >> 20 & (c->room - 1);

		if (from[i] == 0)
			continue;
		while (c->versions[at] != 0)
			at = (at + 1) & (c->room - 1);
		c->versions[at] = from[i];
	}
	free(from);
}

/* A key may be visited twice while a split is under way; a version belongs to one item. */
static int count_one(void *ctx, const void *key, size_t klen, const struct larder_meta *meta)
{
	struct counted *c = ctx;
	size_t at;

	(void)key;
	if (c->n * 2 >= c->room)
		grow_set(c);
	at = meta->version * 0x9E3779B97F4A7C15ULL >> 20 & (c->room - 1);
	while (c->versions[at] != 0 && c->versions[at] != meta->version)
		at = (at + 1) & (c->room - 1);
	if (c->versions[at] == meta->version)
		return 0;
	c->versions[at] = meta->version;
	c->n++;
	c->census->items++;
	c->census->bytes += klen + (meta->counter != 0 ? 8 : meta->length);
	return 0;
}

void local_census(struct larder *h, struct local_census *census)
{
	struct counted c = {.census = census};
	uint16_t ns = h->ns;

	memset(census, 0, sizeof(*census));
	for (uint32_t id = 0; id < SHM_NAMESPACES; id++) {
		uint64_t cursor = 0;

		if (id != 0 && load_acquire(&ns_entry(h, id)->word) == 0)
			continue;
		need(larder_select(h, (uint16_t)id) == 0, "larder_select");
		do {
			need(larder_scan(h, &cursor, 4096, count_one, &c) == 0, "larder_scan");
		} while (cursor != 0);
	}
	need(larder_select(h, ns) == 0, "larder_select");
	free(c.versions);
}

/* Others are not touched: it would allocate them. */
static bool backed(const struct larder *h, unsigned level, uint64_t number)
{
	return level == 0 ||
	       (number & index_mask(h, level - 1)) < load_acquire(&h->hdr->commit[level - 1]);
}

/* Items that the index names, whether or not they are expired or flushed. */
static void count_linked(struct larder *h, struct local_census *census)
{
	memset(census, 0, sizeof(*census));
	for (unsigned level = 0; level < h->n_levels; level++) {
		for (uint64_t number = 0; number <= index_mask(h, level); number++) {
			const struct shm_bucket *b = &h->level[level][number];

			if (index_hinted_level(h, number) > level || !backed(h, level, number))
				continue;
			for (unsigned i = 0; i < SHM_WORDS; i++) {
				uint64_t w = load_acquire(&b->word[i]);
				struct hit hit;

				if (slot_kind(w) != SLOT_COMMITTED || slot_frozen(w) ||
				    index_load(h, w, &hit) != FIND_HIT)
					continue;
				census->items++;
				census->bytes += hit.it.klen + hit.it.vlen;
			}
		}
	}
}

static void print_finding(void *ctx, unsigned invariant, const char *text)
{
	(void)ctx;
	fprintf(stderr, "I%u: %s\n", invariant, text);
}

bool local_sound(struct local *l)
{
	uint64_t v[STAT_COUNT];
	struct local_census linked;
	bool sums;

	need(larder_stats(l->daemon, v, STAT_COUNT) == 0, "larder_stats");
	count_linked(l->daemon, &linked);
	sums = v[STAT_items_in] - v[STAT_items_out] == linked.items &&
	       v[STAT_bytes_in] - v[STAT_bytes_out] == linked.bytes;
	if (!sums)
		fprintf(stderr, "counted %lld items, %lld bytes; linked %lld items, %lld bytes\n",
			(long long)(v[STAT_items_in] - v[STAT_items_out]),
			(long long)(v[STAT_bytes_in] - v[STAT_bytes_out]), (long long)linked.items,
			(long long)linked.bytes);
	return larder_check(l->daemon, print_finding, NULL) == 0 && sums;
}

/* ------------------------------------------------------------------ bytes */

static uint8_t byte_at(size_t i, uint64_t seed)
{
	return (uint8_t)((seed * 0x9E3779B97F4A7C15ULL >> (i % 7 * 8)) + i * 31 + (i >> 8));
}

void local_fill(void *buf, size_t n, uint64_t seed)
{
	uint8_t *p = buf;

	for (size_t i = 0; i < n; i++)
		p[i] = byte_at(i, seed);
}

bool local_filled(const void *buf, size_t n, uint64_t seed)
{
	const uint8_t *p = buf;

	for (size_t i = 0; i < n; i++)
		if (p[i] != byte_at(i, seed))
			return false;
	return true;
}
