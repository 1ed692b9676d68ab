/* SPDX-License-Identifier: MIT
 *
 * kill_storm.c - clients are killed and stopped all the time, and the cache does not notice
 *
 * Workers do nothing but calls: set, delete, cas, touch, incr, mset, flush, large values, get. A parent kills
 * them with SIGKILL, or stops them first, and starts others in their place, 2,000 times. Around each call
 * stands a word in memory outside the cache, which says after a kill whether it came inside a call.
 *
 * Each worker place owns its keys. What it stored, and what it was storing when it was killed, is written
 * down outside the cache, so that its successor knows what a get may return: the last acknowledged state,
 * or that of the call that was cut short; a miss instead of a value is an eviction, and there must not be
 * more of these than were counted (a kill may lose one count). Other workers' keys are read too, and
 * every byte of a value is compared. In the end larder_check() is clean and nothing belongs to the dead.
 * test-timeout: 90
 */
#include <larder/larder.h>
#include <signal.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include "handle.h"
#include "larderd.h"
#include "segment.h"

#define WORKERS 4u
#define KEYS 1088u /* of each worker; the last ones in a namespace that it flushes */
#define PLAIN 1024u
#define STRIKES 2000u
#define LARGE_MAX 300000u
#define CALL_MS 5000u /* a call that takes longer hangs */
#define POOL_WORDS (1u << 19)
#define BATCH 16u
#define ABSENT 0u

/* What a key may be: one of two states. A state is the number of the call that made it, or ABSENT. */
struct record {
	shm_u64 acked;
	shm_u64 cut; /* the state after the call in progress; equal to acked between calls */
};

struct place {
	shm_u64 inside; /* a call is running */
	shm_u64 calls;
	shm_u64 misses; /* of acknowledged values: evictions */
	shm_u64 next;	/* number of the next call */
	struct record key[KEYS];
	shm_u64 count_acked; /* of the own counter, since it was created */
	shm_u64 count_cut;   /* 1: an increment may or may not have happened */
	shm_u64 wrong;	     /* line of the check that failed */
};

static struct place *places;
static struct larderd d;

struct worker {
	struct larder *h;
	struct place *p;
	unsigned number;
	uint16_t space;
	uint64_t random;
	uint64_t version[KEYS];
	uint8_t in[LARGE_MAX];
};

static struct worker me;

#define MUST(what)                                                                                 \
	do {                                                                                       \
		if (!(what)) {                                                                     \
			fprintf(stderr, "worker %u, line %d: %s\n", me.number, __LINE__, #what);   \
			store_release(&me.p->wrong, __LINE__);                                     \
			_exit(1);                                                                  \
		}                                                                                  \
	} while (0)

static uint32_t draw(uint32_t n)
{
	me.random ^= me.random << 13; /* xorshift64 */
	me.random ^= me.random >> 7;
	me.random ^= me.random << 17;
	return (uint32_t)(me.random >> 16) % n;
}

/* ------------------------------------------------------------------ values */

struct key_name {
	char text[16];
	size_t len;
};

static struct key_name name_of(unsigned worker, unsigned k)
{
	struct key_name n = {.text = "w00-k0000", .len = 9};

	n.text[2] = (char)('0' + worker);
	for (unsigned i = 8; i > 4; i--, k /= 10)
		n.text[i] = (char)('0' + k % 10);
	return n;
}

/* All values are pieces of this, so that making and comparing them takes less time than the calls.
 * Each word tells its place. */
static uint64_t pool[POOL_WORDS + LARGE_MAX / 8];

static void fill_pool(void)
{
	for (uint64_t i = 0; i < sizeof(pool) / sizeof(pool[0]); i++)
		pool[i] = (i + 1) * 0x9E3779B97F4A7C15ULL;
}

struct value {
	const void *bytes;
	size_t len;
};

/* Place and length follow from the number of the call. */
static struct value value_of(unsigned worker, unsigned k, uint64_t number)
{
	uint64_t x = (number * 0x9E3779B97F4A7C15ULL ^ worker ^ (uint64_t)k << 8) *
		     0xBF58476D1CE4E5B9ULL;
	size_t len = 8 + (x >> 20) % 3000;

	if (k % 64 == 0 && x >> 62 == 0)
		len = 100000 + (x >> 20) % (LARGE_MAX - 100000);
	return (struct value){&pool[(x ^ x >> 32) % POOL_WORDS], len};
}

/* Is what was read a piece of the pool? */
static bool is_whole(size_t len)
{
	uint64_t word, i;

	if (len < 8 || len > LARGE_MAX)
		return false;
	memcpy(&word, me.in, 8);
	i = word * 0xF1DE83E19937733DULL - 1; /* the inverse of fill_pool()'s factor */
	return i < POOL_WORDS && memcmp(&pool[i], me.in, len) == 0;
}

static bool is_value(unsigned k, uint64_t number, size_t len)
{
	struct value v = value_of(me.number, k, number);

	return number != ABSENT && v.len == len && memcmp(v.bytes, me.in, len) == 0;
}

/* ------------------------------------------------------------------ calls */

static void enter(void)
{
	store_release(&me.p->inside, 1);
}

static void leave(void)
{
	store_release(&me.p->inside, 0);
	store_relaxed(&me.p->calls, load_relaxed(&me.p->calls) + 1);
}

static uint64_t announce(struct record *r, bool absent)
{
	uint64_t number = load_relaxed(&me.p->next);

	store_relaxed(&me.p->next, number + 1);
	store_release(&r->cut, absent ? ABSENT : number);
	return number;
}

static void acknowledge(struct record *r)
{
	store_release(&r->acked, load_relaxed(&r->cut));
}

/* No effect. */
static void withdraw(struct record *r)
{
	store_release(&r->cut, load_relaxed(&r->acked));
}

static void settle(struct record *r, int result)
{
	if (result == LARDER_OK)
		acknowledge(r);
	else
		withdraw(r);
}

static void select_for(unsigned k)
{
	MUST(larder_select(me.h, k < PLAIN ? 0 : me.space) == 0);
}

/* After a get of an own key: what is there now is known. */
static void learn(unsigned k, int result, size_t len)
{
	struct record *r = &me.p->key[k];
	uint64_t acked = load_relaxed(&r->acked), cut = load_relaxed(&r->cut);
	uint64_t found = ABSENT;

	MUST(result == LARDER_OK || result == LARDER_MISS);
	if (result == LARDER_OK) {
		MUST(is_whole(len));
		MUST(is_value(k, acked, len) || is_value(k, cut, len));
		found = is_value(k, cut, len) ? cut : acked;
	} else if (acked != ABSENT && cut != ABSENT) {
		store_relaxed(&me.p->misses, load_relaxed(&me.p->misses) + 1);
	}
	store_relaxed(&r->cut, found);
	store_release(&r->acked, found);
}

static void call_get(unsigned k)
{
	struct key_name n = name_of(me.number, k);
	struct larder_meta meta;
	size_t len = LARGE_MAX;
	int r;

	enter();
	r = larder_get_meta(me.h, n.text, n.len, me.in, &len, &meta);
	leave();
	learn(k, r, len);
	me.version[k] = meta.version;
}

/* Somebody else's: whole, whatever it is. */
static void call_get_other(void)
{
	unsigned worker = draw(WORKERS), k = draw(PLAIN);
	struct key_name n = name_of(worker, k);
	size_t len = LARGE_MAX;
	int r;

	enter();
	r = larder_get(me.h, n.text, n.len, me.in, &len);
	leave();
	MUST(r == LARDER_OK || r == LARDER_MISS);
	if (r == LARDER_OK)
		MUST(is_whole(len));
}

static void call_set(unsigned k)
{
	struct key_name n = name_of(me.number, k);
	struct record *rec = &me.p->key[k];
	struct value v = value_of(me.number, k, announce(rec, false));
	int r;

	enter();
	r = larder_set(me.h, n.text, n.len, v.bytes, v.len, 0);
	leave();
	MUST(r == LARDER_OK || r == -ENOMEM || r == -EAGAIN);
	settle(rec, r);
}

static void call_cas(unsigned k)
{
	struct key_name n = name_of(me.number, k);
	struct record *rec = &me.p->key[k];
	struct value v;
	int r;

	call_get(k);
	if (me.version[k] == 0)
		return;
	v = value_of(me.number, k, announce(rec, false));
	enter();
	r = larder_cas(me.h, n.text, n.len, v.bytes, v.len, 0, me.version[k]);
	leave();
	/* A miss is an eviction since the get, and is counted by the next get. */
	MUST(r == LARDER_OK || r == LARDER_MISS || r == -ENOMEM || r == -EAGAIN);
	settle(rec, r);
}

static void call_delete(unsigned k)
{
	struct key_name n = name_of(me.number, k);
	struct record *rec = &me.p->key[k];
	int r;

	announce(rec, true);
	enter();
	r = larder_delete(me.h, n.text, n.len);
	leave();
	MUST(r == LARDER_OK || r == LARDER_MISS);
	acknowledge(rec);
}

static void call_touch(unsigned k)
{
	struct key_name n = name_of(me.number, k);
	int r;

	enter();
	r = larder_touch(me.h, n.text, n.len, 3600000);
	leave();
	MUST(r == LARDER_OK || r == LARDER_MISS || r == -ENOMEM || r == -EAGAIN);
}

static void call_mset(void)
{
	struct larder_op ops[BATCH] = {0};
	struct key_name n[BATCH];
	unsigned first = draw(PLAIN - BATCH);

	for (unsigned i = 0; i < BATCH; i++) {
		unsigned k = first + i;
		struct value v = value_of(me.number, k, announce(&me.p->key[k], false));

		n[i] = name_of(me.number, k);
		ops[i].key = n[i].text;
		ops[i].klen = n[i].len;
		ops[i].buf = (void *)(uintptr_t)v.bytes;
		ops[i].len = v.len;
	}
	enter();
	MUST(larder_mset(me.h, ops, BATCH) >= 0);
	leave();
	for (unsigned i = 0; i < BATCH; i++)
		settle(&me.p->key[first + i], ops[i].result);
}

static void call_flush(void)
{
	for (unsigned k = PLAIN; k < KEYS; k++)
		announce(&me.p->key[k], true);
	select_for(PLAIN);
	enter();
	MUST(larder_flush(me.h) == 0);
	leave();
	for (unsigned k = PLAIN; k < KEYS; k++)
		acknowledge(&me.p->key[k]);
}

/* An own counter: no increment is lost, none happens twice. */
static void call_incr(void)
{
	static const struct larder_counter_options create = {.size = sizeof(create), .create = 1};
	struct key_name n = name_of(me.number, 9999);
	uint64_t acked = load_relaxed(&me.p->count_acked), cut = load_relaxed(&me.p->count_cut);
	uint64_t value = 0;
	int r;

	store_release(&me.p->count_cut, cut + 1);
	enter();
	r = larder_incr(me.h, n.text, n.len, 1, &create, &value);
	leave();
	if (r != LARDER_OK) {
		MUST(r == -ENOMEM || r == -EAGAIN);
		store_release(&me.p->count_cut, cut);
		return;
	}
	/* 0: it was created. */
	MUST(value == 0 || (value > acked && value <= acked + cut + 1));
	if (value == 0 && load_relaxed(&me.p->calls) != 0 && acked + cut != 0)
		store_relaxed(&me.p->misses, load_relaxed(&me.p->misses) + 1);
	store_release(&me.p->count_cut, 0);
	store_release(&me.p->count_acked, value);
}

static void one_call(void)
{
	unsigned k = draw(KEYS);

	select_for(k);
	switch (draw(16)) {
	case 0:
	case 1:
		call_get(k);
		break;
	case 2:
		select_for(0);
		call_get_other();
		break;
	case 3:
	case 4:
		call_delete(k);
		break;
	case 5:
		call_cas(k);
		break;
	case 6:
		call_touch(k);
		break;
	case 7:
		select_for(0);
		call_mset();
		break;
	case 8:
	case 9:
		select_for(0);
		call_incr();
		break;
	case 10:
		if (draw(8) == 0)
			call_flush();
		break;
	default:
		call_set(k);
	}
}

static _Noreturn void worker_main(unsigned number, uint64_t seed)
{
	struct key_name space = name_of(number, 0);

	prctl(PR_SET_PDEATHSIG, SIGKILL);
	me.number = number;
	me.p = &places[number];
	me.random = seed * 0x9E3779B97F4A7C15ULL | 1;
	me.h = larderd_open(&d, 0);
	MUST(larder_namespace(me.h, space.text, space.len, &me.space) == 0);
	/* What the predecessor left. */
	for (unsigned k = 0; k < KEYS; k++) {
		if (load_relaxed(&me.p->key[k].acked) != load_relaxed(&me.p->key[k].cut)) {
			select_for(k);
			call_get(k);
		}
	}
	for (;;)
		one_call();
}

/* ------------------------------------------------------------------ the parent */

struct tally {
	unsigned kills, stops, inside;
	uint64_t seed;
	pid_t pid[WORKERS];
	uint64_t calls[WORKERS], moved_ms[WORKERS];
};

static void start(struct tally *t, unsigned i)
{
	store_relaxed(&places[i].inside, 0);
	t->pid[i] = fork();
	CHECK(t->pid[i] >= 0);
	if (t->pid[i] == 0)
		worker_main(i, ++t->seed * 4 + i);
	t->seed++;
}

static void look_for_hangs(struct tally *t)
{
	for (unsigned i = 0; i < WORKERS; i++) {
		uint64_t calls = load_acquire(&places[i].calls);

		if (load_acquire(&places[i].wrong) != 0)
			exit(1);
		if (calls != t->calls[i] || load_acquire(&places[i].inside) == 0) {
			t->calls[i] = calls;
			t->moved_ms[i] = now_ms();
		} else if (now_ms() > t->moved_ms[i] + CALL_MS) {
			fprintf(stderr, "worker %u (%d) hangs in a call\n", i, (int)t->pid[i]);
			exit(1);
		}
	}
}

static void kill_worker(struct tally *t, unsigned i)
{
	int status;

	CHECK(kill(t->pid[i], SIGKILL) == 0);
	CHECK(waitpid(t->pid[i], &status, 0) == t->pid[i]);
	CHECK(WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL);
	t->kills++;
	t->inside += load_acquire(&places[i].inside) != 0;
}

static void stop_worker(struct tally *t, unsigned i, unsigned ms)
{
	if (kill(t->pid[i], SIGSTOP) != 0)
		exit(1);
	sleep_ms(ms);
	t->stops++;
}

/* Kill one, or stop it, let the others go on, and then kill it or let it go on too. */
static void strike(struct tally *t, unsigned n)
{
	unsigned i = n % WORKERS;

	usleep(1500 + (unsigned)(t->seed * 7919 % 3000));
	if (n % 4 == 0)
		stop_worker(t, i, 2 + n % 10);
	if (n % 8 == 0) {
		kill(t->pid[i], SIGCONT);
		return;
	}
	kill_worker(t, i);
	start(t, i);
}

static uint64_t counter(struct larder *h, enum counter which)
{
	uint64_t values[STAT_COUNT];

	CHECK(larder_stats(h, values, STAT_COUNT) == 0);
	return values[which];
}

static void finding(void *ctx, unsigned invariant, const char *text)
{
	(void)ctx;
	fprintf(stderr, "I%u: %s\n", invariant, text);
}

static int count_client(void *ctx, const struct larder_client *client)
{
	(void)client;
	++*(unsigned *)ctx;
	return 0;
}

static unsigned clients(struct larder *h)
{
	unsigned n = 0;

	CHECK(larder_clients(h, count_client, &n) == 0);
	return n;
}

/* Segments that are leased or being cleaned, but for the daemon's. */
static unsigned held(const struct larder *h)
{
	unsigned n = 0;

	for (uint32_t i = 0; i < h->n_segs; i++) {
		uint64_t w = load_acquire(&h->segs[i].word);

		n += (seg_state(w) == SEG_LEASED || seg_state(w) == SEG_CLEANING) &&
		     seg_owner(w) != 0 && seg_owner(w) != h->me;
	}
	return n;
}

static void check_end(const struct tally *t)
{
	struct larder *h = larderd_open(&d, 0);
	uint64_t misses = 0, calls = 0, evicted, until = now_ms() + 5000;

	while ((clients(h) > 1 || held(h) != 0) && now_ms() < until)
		sleep_ms(2);
	CHECK(clients(h) == 1);
	CHECK(held(h) == 0);
	CHECK(larder_check(h, finding, NULL) == 0);
	for (unsigned i = 0; i < WORKERS; i++) {
		misses += load_relaxed(&places[i].misses);
		calls += load_relaxed(&places[i].calls);
	}
	evicted = counter(h, STAT_evicted) + counter(h, STAT_evicted_index) +
		  counter(h, STAT_get_contended);
	printf("%u kills and %u stops, %u kills inside a call; %llu calls, %llu evictions met, %llu "
	       "counted\n",
	       t->kills, t->stops, t->inside, (unsigned long long)calls, (unsigned long long)misses,
	       (unsigned long long)evicted);
	CHECK(misses <= evicted + t->kills);
	CHECK(counter(h, STAT_damage) == 0);
	CHECK(t->inside * 2 >= t->kills);
	larder_close(h);
}

int main(void)
{
	static const char *const settings[] = {"memory=8M", NULL};
	struct tally t = {.seed = 1};

	places = mmap(NULL, sizeof(*places) * WORKERS, PROT_READ | PROT_WRITE,
		      MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	CHECK(places != MAP_FAILED);
	for (unsigned i = 0; i < WORKERS; i++)
		store_relaxed(&places[i].next, 1);
	fill_pool();
	larderd_start(&d, settings);
	for (unsigned i = 0; i < WORKERS; i++)
		start(&t, i);
	for (unsigned n = 0; t.kills + t.stops < STRIKES; n++) {
		look_for_hangs(&t);
		strike(&t, n);
	}
	for (unsigned i = 0; i < WORKERS; i++)
		kill_worker(&t, i);
	look_for_hangs(&t);
	check_end(&t);
	larderd_stop(&d);
	return 0;
}
