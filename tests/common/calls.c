/* SPDX-License-Identifier: MIT
 *
 * calls.c - one call of each kind, on a small region
 */
#include "calls.h"

#include <stdio.h>
#include <stdlib.h>

#include "index.h"

#define LARGE 9000u
#define ROOM 16384u
#define ITEM_MIN 24u /* what a set of the subject takes */

static const char subject[][9] = {"subject", "subject2", "subject3"};

static uint64_t version;   /* of the subject before the call */
static char crowd_key[16]; /* one that finds both its buckets full */

static size_t fill_large(uint8_t *p, const char *text)
{
	size_t len = strlen(text);

	memset(p, text[0], LARGE);
	for (size_t i = 0; i < len; i++)
		p[i] = (uint8_t)text[i];
	return LARGE;
}

static int set_value(struct larder *h, const char *key, const char *text, bool large)
{
	static uint8_t big[LARGE];

	if (large)
		return larder_set(h, key, strlen(key), big, fill_large(big, text), 0);
	return larder_set(h, key, strlen(key), text, strlen(text), 0);
}

/* ------------------------------------------------------------------ the calls */

static int run_set(struct larder *h)
{
	return larder_set(h, subject[0], 7, "new", 3, 0);
}

static int run_add(struct larder *h)
{
	return larder_add(h, subject[0], 7, "new", 3, 0);
}

static int run_cas(struct larder *h)
{
	return larder_cas(h, subject[0], 7, "new", 3, 0, version);
}

static int run_delete(struct larder *h)
{
	return larder_delete(h, subject[0], 7);
}

static int run_touch(struct larder *h)
{
	return larder_touch(h, subject[0], 7, 1000000);
}

static int run_get(struct larder *h)
{
	char buf[32];
	size_t len = sizeof(buf);

	return larder_get(h, subject[0], 7, buf, &len);
}

static int run_incr(struct larder *h)
{
	uint64_t value;

	return larder_incr(h, subject[0], 7, 1, NULL, &value);
}

static int run_mset(struct larder *h)
{
	struct larder_op ops[3] = {0};

	for (unsigned i = 0; i < 3; i++) {
		static char value[] = "new";

		ops[i].key = subject[i];
		ops[i].klen = strlen(subject[i]);
		ops[i].buf = value;
		ops[i].len = 3;
	}
	return larder_mset(h, ops, 3);
}

static int run_flush(struct larder *h)
{
	return larder_flush(h);
}

static int run_large(struct larder *h)
{
	return set_value(h, subject[0], "new", true);
}

static int run_crowd(struct larder *h)
{
	return larder_set(h, crowd_key, strlen(crowd_key), "new", 3, 0);
}

/* Did the call do what it is here for? Beside a peer it need not. */
static int counted(struct larder *h, enum counter stat, uint64_t before, int r)
{
	return r != 0 ? r : load_private(&h->slot->count[stat]) == before ? 2 : 0;
}

static int run_clean(struct larder *h)
{
	uint64_t before = load_private(&h->slot->count[STAT_cleaned]);

	return counted(h, STAT_cleaned, before, run_set(h));
}

static int run_split(struct larder *h)
{
	uint64_t before = load_private(&h->slot->count[STAT_splits]);

	return counted(h, STAT_splits, before, run_crowd(h));
}

/* ------------------------------------------------------------------ preparing */

static void note_version(struct larder *h, struct tiny *t)
{
	struct larder_meta meta;

	(void)t;
	if (larder_get_meta(h, subject[0], 7, NULL, NULL, &meta) < 0)
		abort();
	version = meta.version;
}

static void make_counter(struct larder *h, struct tiny *t)
{
	struct larder_counter_options opt = {.size = sizeof(opt), .create = 1, .initial = 5};

	(void)t;
	if (larder_delete(h, subject[0], 7) < 0 ||
	    larder_incr(h, subject[0], 7, 1, &opt, NULL) != 0)
		abort();
}

/* Until a writer has to make room itself, and its next item needs a new lease. A set of a key that is there
 * takes what it needs and no more, so that a lease can be filled to the end. */
static void use_up(struct larder *h, struct tiny *t)
{
	static uint8_t value[1900];
	char key[16];
	unsigned i = 0;

	while (tiny_stat(t, STAT_leased) < t->geo.n_segs - t->geo.reserve ||
	       h->lease.off + ITEM_MIN <= h->seg_bytes) {
		size_t room = h->lease.seg == NO_SEGMENT ? 0 : h->seg_bytes - h->lease.off;
		size_t len = room < ITEM_MIN || room > 4000 ? 1900 : room > 1900 ? 1000 : room - 16;

		snprintf(key, sizeof(key), "fill%04u", i % 16);
		if (larder_set(h, key, 8, value, len, 0) < 0 || i++ > 1000) {
			fprintf(stderr, "cannot use up the region\n");
			abort();
		}
	}
}

static bool is_full(struct larder *h, uint64_t hash)
{
	const struct shm_bucket *b = index_locate(h, hash);

	for (unsigned i = 0; i < SHM_WORDS; i++)
		if (slot_kind(load_acquire(&b->word[i])) != SLOT_COMMITTED)
			return false;
	return true;
}

/* Fill buckets, until a key finds both of its full. @all: no entry has room in its other bucket. */
static void crowd_buckets(struct larder *h, bool all)
{
	char key[16];

	for (unsigned i = 0; i < 100000; i++) {
		bool home, second;
		struct key k;

		snprintf(key, sizeof(key), "crowd%05u", i);
		key_init(h, &k, key, strlen(key));
		home = is_full(h, k.hash);
		second = is_full(h, k.hash2);
		if (home && second) {
			memcpy(crowd_key, key, sizeof(key));
			if (!all ||
			    (is_full(h, 0) && is_full(h, 1) && is_full(h, 2) && is_full(h, 3)))
				return;
		} else if (all || (!home && (k.hash & 3) < 2)) {
			if (larder_set(h, key, strlen(key), "x", 1, 0) < 0)
				abort();
		}
	}
	abort();
}

static void crowd(struct larder *h, struct tiny *t)
{
	(void)t;
	crowd_buckets(h, false);
}

static void crowd_and_commit(struct larder *h, struct tiny *t)
{
	struct growth_ops ops = tiny_growth(t);

	for (unsigned i = 0; i < 8 && load_acquire(&h->hdr->commit[0]) == 0; i++)
		if (growth_run(h, &ops) < 0)
			abort();
	crowd_buckets(h, true);
}

#define SMALL                                                                                      \
	.subjects = 1,                                                                             \
	.region = {.n_segs = 8, .bucket_shift = 2, .n_levels = 1, .n_slots = 4, .seed = 1}
#define WIDE(levels)                                                                               \
	.subjects = 1,                                                                             \
	.region = {.n_segs = 20, .bucket_shift = 2, .n_levels = levels, .n_slots = 4, .seed = 1}

const struct call calls[] = {
	{.name = "set, replacing", .before = "old", .after = "new", .run = run_set, SMALL},
	{.name = "set, inserting", .after = "new", .run = run_set, SMALL},
	{.name = "add", .after = "new", .run = run_add, SMALL},
	{.name = "incr",
	 .before = "5",
	 .after = "6",
	 .counter = true,
	 .prepare = make_counter,
	 .run = run_incr,
	 SMALL},
	{.name = "delete", .before = "old", .run = run_delete, SMALL},
	{.name = "cas",
	 .before = "old",
	 .after = "new",
	 .prepare = note_version,
	 .run = run_cas,
	 SMALL},
	{.name = "touch", .before = "old", .after = "old", .run = run_touch, SMALL},
	{.name = "get", .before = "old", .after = "old", .run = run_get, SMALL},
	{.name = "mset of 3",
	 .before = "old",
	 .after = "new",
	 .run = run_mset,
	 .subjects = 3,
	 .region = {.n_segs = 8, .bucket_shift = 2, .n_levels = 1, .n_slots = 4, .seed = 1}},
	{.name = "flush", .before = "old", .others = OTHERS_FLUSHED, .run = run_flush, SMALL},
	{.name = "set of a large value",
	 .before = "old",
	 .after = "new",
	 .large = true,
	 .run = run_large,
	 WIDE(1)},
	{.name = "set that cleans",
	 .before = "old",
	 .after = "new",
	 .others = OTHERS_EVICTED,
	 .prepare = use_up,
	 .run = run_clean,
	 WIDE(1)},
	{.name = "set that displaces",
	 .before = "old",
	 .after = "old",
	 .others = OTHERS_EVICTED,
	 .prepare = crowd,
	 .run = run_crowd,
	 WIDE(1)},
	{.name = "set that splits",
	 .before = "old",
	 .after = "old",
	 .prepare = crowd_and_commit,
	 .run = run_split,
	 WIDE(2)},
};
const unsigned n_calls = sizeof(calls) / sizeof(calls[0]);

static void other_key(char key[16], unsigned i)
{
	snprintf(key, 16, "other%u", i);
}

void calls_prepare(const struct call *call, struct larder *h, struct tiny *t)
{
	char key[16];

	for (unsigned i = 0; i < CALLS_OTHERS; i++) {
		other_key(key, i);
		if (set_value(h, key, key, false) != 0)
			abort();
	}
	for (unsigned i = 0; i < call->subjects && call->before != NULL; i++)
		if (set_value(h, subject[i], call->before, call->large) != 0)
			abort();
	if (call->prepare != NULL)
		call->prepare(h, t);
}

/* ------------------------------------------------------------------ checking */

/* Return: 0 it is @text; 1 it is absent; -1 it is something else. */
static int compare(struct larder *h, const char *key, const char *text, bool large)
{
	static uint8_t buf[ROOM], want[LARGE];
	size_t len = sizeof(buf);
	int r = larder_get(h, key, strlen(key), buf, &len);

	if (r == LARDER_MISS)
		return 1;
	if (r != LARDER_OK || text == NULL)
		return -1;
	if (large)
		return len == fill_large(want, text) && memcmp(buf, want, len) == 0 ? 0 : -1;
	return len == strlen(text) && memcmp(buf, text, len) == 0 ? 0 : -1;
}

static bool is_state(struct larder *h, const char *key, const char *text, bool large)
{
	return compare(h, key, text, large) == (text == NULL);
}

const char *calls_check(const struct call *call, struct larder *h)
{
	unsigned gone = 0;
	char key[16];

	for (unsigned i = 0; i < call->subjects; i++) {
		if (tiny_count_words(h, subject[i], strlen(subject[i])) > 1)
			return "the subject has two committed words";
		if (!is_state(h, subject[i], call->before, call->large) &&
		    !is_state(h, subject[i], call->after, call->large) &&
		    !(call->others == OTHERS_EVICTED && is_state(h, subject[i], NULL, false)))
			return "the subject is neither old nor new";
	}
	for (unsigned i = 0; i < CALLS_OTHERS; i++) {
		int r;

		other_key(key, i);
		r = compare(h, key, key, false);
		if (r < 0)
			return "another key has a wrong value";
		gone += r == 1;
	}
	if (gone != 0 && call->others == OTHERS_STAY)
		return "another key is gone";
	if (call->others == OTHERS_FLUSHED &&
	    gone != (compare(h, subject[0], call->before, false) == 0 ? 0 : CALLS_OTHERS))
		return "a flush hit some keys and not all";
	return NULL;
}

bool calls_subject_is(struct larder *h, const char *text, bool large)
{
	return is_state(h, subject[0], text, large);
}

const char *calls_use(const struct call *call, struct larder *h)
{
	const char *key = subject[0];

	(void)call;
	if (larder_set(h, key, 7, "probe", 5, 0) != 0)
		return "the next set of the subject failed";
	if (!is_state(h, key, "probe", false))
		return "the next get of the subject does not show the next set";
	if (larder_delete(h, key, 7) != 0 || !is_state(h, key, NULL, false))
		return "the next delete of the subject failed";
	if (larder_set(h, key, 7, "again", 5, 0) != 0 || !is_state(h, key, "again", false))
		return "the subject cannot be set once more";
	return tiny_count_words(h, key, 7) == 1 ? NULL : "the subject has two committed words";
}
