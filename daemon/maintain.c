/* SPDX-License-Identifier: MIT
 *
 * maintain.c - what the daemon does by itself
 *
 * A tick looks whether anybody has leased a segment since the last one. While that goes on, ticks come
 * every millisecond; when it stops, the distance doubles up to the heartbeat's. Work that a tick finds
 * (cleaning, growth) runs in slices of about a millisecond between rounds of the loop, so that a
 * client that attaches never waits longer than one slice.
 *
 * Cleaning has two marks, so that it comes in batches: a batch shares its two membarriers. Above the
 * low mark writers find a FREE segment without cleaning themselves; the reserve, which only cleaners
 * may lease, is not counted on.
 *
 * Huge pages: MADV_COLLAPSE works without root and without sysfs (Linux 6.1), takes 3 to 5 ms for
 * 2 MiB and makes random reads about 10 % faster. One at a time, only in ticks in which nobody
 * leased, only where every segment is committed, because a huge page is allocated whole.
 */
#include "maintain.h"

#include <errno.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/timerfd.h>
#include <unistd.h>

#include "cleaner.h"
#include "ctlpage.h"
#include "daemon.h"
#include "geometry.h"
#include "growth.h"
#include "log.h"
#include "segment.h"
#include "words.h"

#define BEAT_MS 250u
#define SLICE_US 1000u
#define START_US 20000u
#define VICTIMS 4u
#define SCAN_SEGS_PER_MS 16384u /* counting 1 M segments takes milliseconds: larger ticks there */
#define GROWTH_RETRY_MS 1000u
#define COLLAPSE_FROM (64ULL << 20)
#define COLLAPSE_EVERY_MS 10u
#define COLLAPSE_GIVE_UP 16u
#define HUGE_PAGE (2ULL << 20)
#ifndef MADV_COLLAPSE
#define MADV_COLLAPSE 25
#endif

static uint64_t now_us(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (uint64_t)ts.tv_sec * 1000000 + (uint64_t)ts.tv_nsec / 1000;
}

/* ------------------------------------------------------------------ cleaning */

static uint32_t count_free(const struct daemon *d)
{
	struct segment_counts counts;

	segment_count(d->h, &counts);
	return counts.by_state[SEG_FREE];
}

/* Return: is there more to do now? */
static bool clean(struct daemon *d, uint64_t until_us)
{
	struct maintain *m = &d->maintain;
	uint32_t n_free = count_free(d);

	if (!m->filling && n_free >= m->low)
		return false;
	if (!m->filling)
		m->victims = 0;
	m->filling = true;
	while (n_free < m->high) {
		uint32_t want = m->high - n_free < VICTIMS ? m->high - n_free : VICTIMS;
		/* Once round without getting there: too much survives. */
		bool harsh = m->victims > d->h->n_segs;

		m->victims += want;
		if (cleaner_step(d->h, want, harsh) == 0)
			return false; /* all are held; the next tick looks again */
		if (now_us() >= until_us)
			return true;
		n_free = count_free(d);
	}
	m->filling = false;
	return false;
}

/* ------------------------------------------------------------------ growth */

static int commit(void *ctx, uint64_t off, uint64_t len)
{
	const struct daemon *d = ctx;

	return region_commit(&d->cache->region, off, len);
}

static int punch(void *ctx, uint64_t off, uint64_t len)
{
	const struct daemon *d = ctx;

	return region_punch(&d->cache->region, off, len);
}

/* Return: is there more to do now? *released: segments came back. */
static bool grow(struct daemon *d, bool *released)
{
	struct maintain *m = &d->maintain;
	struct growth_ops ops = {.commit = commit, .punch = punch, .ctx = d};
	int r;

	*released = false;
	if (ctlpage_now_ms() < m->growth_at_ms)
		return false;
	r = growth_run(d->h, &ops);
	if (r < 0) {
		if (m->growth_at_ms == 0)
			ctlpage_event(d->ctl, LEVEL_WARNING,
				      "the index cannot grow: %s; trying again every second",
				      strerror(-r));
		m->growth_at_ms = ctlpage_now_ms() + GROWTH_RETRY_MS;
		return false;
	}
	m->growth_at_ms = 0;
	m->committed_moved |= r > 0;
	*released = r == GROWTH_RELEASED;
	return r > 0;
}

/* A region that is new has all that its index may need before the first client can stop us. */
static void grow_at_start(struct daemon *d)
{
	uint64_t until_us = now_us() + START_US;
	bool released;

	while (grow(d, &released) && now_us() < until_us)
		;
}

static bool work(void *ctx)
{
	struct daemon *d = ctx;
	struct maintain *m = &d->maintain;
	bool released = false;

	/* Memory that the index gives back comes before memory that items are driven from. */
	if (m->grow)
		m->grow = grow(d, &released);
	if (m->look && !released)
		m->look = clean(d, now_us() + SLICE_US);
	return m->look || m->grow;
}

/* ------------------------------------------------------------------ huge pages */

/* All of it index level 0, or all of it segments in service. */
static bool can_collapse(const struct daemon *d, uint64_t off)
{
	const struct shm_geometry *geo = &d->map->geo;
	uint64_t level0_end =
		geo->off_level[0] + geometry_buckets(geo, 0) * sizeof(struct shm_bucket);
	uint64_t first, last;

	if (off + HUGE_PAGE <= level0_end)
		return true;
	if (off < geo->off_data || off + HUGE_PAGE > geo->file_bytes)
		return false;
	first = (off - geo->off_data) >> geo->seg_shift;
	last = (off + HUGE_PAGE - 1 - geo->off_data) >> geo->seg_shift;
	for (uint64_t i = first; i <= last; i++)
		if (seg_state(load_relaxed(&d->h->segs[i].word)) == SEG_OFFLINE)
			return false;
	return true;
}

static uint64_t next_huge(const struct daemon *d, uint64_t off)
{
	uint64_t end = d->map->geo.file_bytes;

	while (off < end && !can_collapse(d, off))
		off += HUGE_PAGE;
	return off;
}

/* Return: is there another page? */
static bool collapse_one(struct daemon *d, uint64_t now)
{
	struct maintain *m = &d->maintain;
	uint8_t *page;

	m->collapse_off = next_huge(d, m->collapse_off);
	if (m->collapse_off >= d->map->geo.file_bytes)
		return false;
	if (now < m->collapse_at_ms)
		return true;
	m->collapse_at_ms = now + COLLAPSE_EVERY_MS;
	page = d->map->base + m->collapse_off;
	if (madvise(page, HUGE_PAGE, MADV_COLLAPSE) == 0) {
		m->collapse_failures = 0;
		/* It is in our page table now, where we do not need it: the daemon would seem to
		 * occupy the whole region. The page stays in the file. */
		(void)madvise(page, HUGE_PAGE, MADV_DONTNEED);
	} else if (errno == EINVAL || ++m->collapse_failures == COLLAPSE_GIVE_UP) {
		log_debug("no huge pages: MADV_COLLAPSE: %s", strerror(errno));
		m->collapse_off = d->map->geo.file_bytes;
		return false;
	}
	m->collapse_off += HUGE_PAGE;
	return true;
}

static void collapse_begin(struct daemon *d)
{
	const struct shm_geometry *geo = &d->map->geo;
	bool wanted =
		geo->max_memory >= COLLAPSE_FROM && !(d->cache->cfg->hide & HIDE_MADV_COLLAPSE);

	d->maintain.collapse_off =
		wanted ? (geo->off_level[0] + HUGE_PAGE - 1) & ~(HUGE_PAGE - 1) : geo->file_bytes;
}

/* ------------------------------------------------------------------ ticks */

static void set_timer(const struct maintain *m)
{
	struct itimerspec ts = {
		.it_interval = {.tv_sec = 0, .tv_nsec = (long)m->tick_ms * 1000000},
		.it_value = {.tv_sec = 0, .tv_nsec = (long)m->tick_ms * 1000000},
	};

	(void)timerfd_settime(m->timer.fd, 0, &ts, NULL);
}

static void beat(struct daemon *d, uint64_t now)
{
	struct maintain *m = &d->maintain;

	m->beat_ms = now;
	ctlpage_beat(d->ctl);
	clients_tick(&d->clients, now);
	daemon_check_keeper(d);
	if (!m->committed_moved)
		return;
	m->committed_moved = false;
	/* relaxed: a figure for people */
	store_relaxed(&d->ctl->committed, growth_committed(d->h));
}

static void adapt(struct maintain *m, bool moved, bool collapsing)
{
	uint32_t max = collapsing ? COLLAPSE_EVERY_MS : BEAT_MS;
	uint32_t tick = moved ? m->tick_min_ms : m->tick_ms * 2;

	if (tick > max)
		tick = max;
	if (tick == m->tick_ms)
		return;
	m->tick_ms = tick;
	set_timer(m);
}

static void on_tick(struct source *s, uint32_t events)
{
	struct daemon *d = s->ctx;
	struct maintain *m = &d->maintain;
	uint64_t now = ctlpage_now_ms(), count, seq;
	bool moved;

	(void)events;
	if (read(s->fd, &count, sizeof(count)) != (ssize_t)sizeof(count))
		return;
	/* relaxed: any change counts, none is relied on */
	seq = load_relaxed(&d->h->hdr->lease_seq);
	moved = seq != m->lease_seq;
	m->lease_seq = seq;
	m->committed_moved |= moved;
	/* Writing has paused: up to the high mark, to meet the next burst with all that there is. */
	if (!moved && m->tick_ms == m->tick_min_ms && !m->filling) {
		m->victims = 0;
		m->filling = true;
	}
	m->look |= moved || m->filling;
	m->grow = true;
	d->loop.busy = true;
	if (now + 1 >= m->beat_ms + BEAT_MS)
		beat(d, now);
	adapt(m, moved, !moved && collapse_one(d, now));
}

int maintain_init(struct maintain *m, struct daemon *d)
{
	uint32_t n = d->h->n_segs;
	int fd = timerfd_create(CLOCK_MONOTONIC, TFD_CLOEXEC | TFD_NONBLOCK);
	int r = fd < 0 ? -errno : loop_add(&d->loop, &m->timer, fd, on_tick, d);

	if (r < 0)
		return r;
	m->low = d->map->geo.reserve + 2 > n / 128 ? d->map->geo.reserve + 2 : n / 128;
	m->high = m->low + (n / 256 > 2 ? n / 256 : 2);
	m->tick_min_ms = 1 + n / SCAN_SEGS_PER_MS;
	m->tick_ms = m->tick_min_ms;
	m->look = true;
	m->committed_moved = true;
	grow_at_start(d);
	d->loop.work = work;
	d->loop.work_ctx = d;
	collapse_begin(d);
	set_timer(m);
	beat(d, ctlpage_now_ms());
	return 0;
}

void maintain_deinit(struct maintain *m, bool forked)
{
	struct daemon *d = m->timer.ctx;

	if (m->timer.fd >= 0 && !forked)
		loop_del(&d->loop, &m->timer);
	m->timer.fd = -1;
}
