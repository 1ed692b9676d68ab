/* SPDX-License-Identifier: MIT
 *
 * larder.h - a cache in memory that all processes of one host share
 *
 *	struct larder *cache;
 *	char buf[64];
 *	size_t len = sizeof(buf);
 *
 *	if (larder_open(&cache, "main", NULL) < 0)
 *		return 1;
 *	larder_set(cache, "greeting", 8, "hello", 5, 60 * 1000);
 *	if (larder_get(cache, "greeting", 8, buf, &len) == LARDER_OK)
 *		fwrite(buf, 1, len, stdout);
 *	larder_close(cache);
 *
 * Conventions
 *
 * Results	Every call returns an int unless it says otherwise. 0 (LARDER_OK) is success. A
 *		positive value is an outcome that the call documents (LARDER_MISS and so on). A
 *		negative value is -errno. The library never sets errno, prints, aborts, installs
 *		signal handlers or starts threads.
 *		Three results can come from every call that takes a handle, and are not repeated:
 *		-EINVAL  a NULL or zero-length key, a NULL where none is allowed;
 *		-ENAMETOOLONG  a key over 65,535 bytes;
 *		-EBUSY   the handle is already inside a call (a signal handler used it).
 * Keys		Any bytes, 1 to 65,535 of them. A key lives in the namespace that is selected on
 *		the handle (larder_select; 0, the default one, after open). A region under 32 MiB has
 *		segments (larder_info) under 256 KiB, in which not every key fits: a key longer than
 *		half a segment less 64 bytes, and less 8 for each segment that its value fills, can
 *		be -E2BIG in every write that would store it.
 * Values	Any bytes, from none to an eighth of the region, at most 64 MiB.
 * Time		ttl_ms: 0 = never expires; > 0 = milliseconds from now; < 0 = already expired (the
 *		call behaves as if the item had been stored and had expired at once). A TTL beyond
 *		30 years is kept as "never expires".
 *		Expiry counts time in suspend (CLOCK_BOOTTIME) and is exact on every read. All
 *		processes of a cache must be in one time namespace (time_namespaces(7)).
 * Version	64 bits that change whenever a user changes the item, and only then. 0 is never
 *		a version.
 * Ownership	The library keeps no pointer of the caller's after a call returns. Buffers that
 *		it allocates are released with free().
 * Threads	A handle belongs to one thread at a time. Threads each take a handle of their own
 *		with larder_clone(), which shares the mapping.
 * Processes	Handles of any number of processes work on one cache. No process ever waits for
 *		another one: a process that is killed or stopped at any instruction, the daemon
 *		included, blocks nobody.
 * fork		A handle used in the child of a fork attaches anew, by itself, in its first call
 *		there; the parent's handle is not disturbed. Close it in the child or not, as you
 *		like. exec drops the handle (all descriptors are close-on-exec). A vfork child may use
 *		the handle; if it is killed inside a call, the parent's handle stays -EBUSY.
 * Signals	Reads (get, exists, mget, mexists) are async-signal-safe on a handle that is not
 *		inside a call; everything else is not. A call on a busy handle returns -EBUSY.
 * System calls	None in get, exists, set, add, replace, cas, touch, delete, incr, decr, mget, mset,
 *		mdelete, mexists. Exceptions: a value over half a segment (larder_info tells its
 *		size) is put together in memory from malloc(); the first call after a fork; one membarrier(2) for
 *		each segment that the caller must recycle itself because the daemon is away; and,
 *		at most once a second, a non-blocking reconnect after the daemon was lost.
 *
 * Caveats
 *
 * - Every process that can write to the cache can forge or destroy its contents (not crash or hang
 *   the others). Processes that do not trust each other need separate caches; read-only handles
 *   are enforced by the kernel only across different users.
 * - It is a cache: when memory is full, old items are evicted. Each eviction is counted.
 * - A set that returned an error has left the old value.
 * - A child that was forked by a signal handler which interrupted a write of this handle gets -EAGAIN
 *   when the handler returns. The library looks for that before each of its stores, not between a
 *   look and the store that follows it: such a fork in just that instruction can damage the item that
 *   the parent is writing. Fork outside of signal handlers.
 * - Resident size counts the whole region in every process that touched it; look at PSS.
 */
#ifndef LARDER_LARDER_H
#define LARDER_LARDER_H

#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

#define LARDER_VERSION "0.1.0"
#define LARDER_API __attribute__((visibility("default")))
#define LARDER_CHECKED __attribute__((warn_unused_result))

/* Outcomes. */
enum larder_result {
	LARDER_OK = 0,
	LARDER_MISS = 1,      /* the key is absent, expired or flushed */
	LARDER_EXISTS = 2,    /* add: the key is present; cas, delete_if: another version is */
	LARDER_TRUNC = 3,     /* the value is longer than the buffer; *lenp tells its length */
	LARDER_UNCHANGED = 4, /* get_if_changed: still the version that the caller named */
	LARDER_DETACHED = 5,  /* a write on a detached handle: nothing stored, counted */
	LARDER_DAMAGED = 6,   /* larder_check: at least one invariant does not hold */
};

#define LARDER_KEY_MAX 65535
#define LARDER_NAMESPACE_MAX 255 /* bytes in a namespace's name */
#define LARDER_BATCH_MAX 65536	 /* operations in one mget, mset, mdelete, mexists */

struct larder; /* a handle */

/*
 * larder_version - the version of the library that is running ("0.1.0")
 * Static storage, never NULL.
 */
LARDER_API const char *larder_version(void);

/*
 * larder_strerror - one sentence for any result of any call
 * @result: 0, an outcome or -errno
 * Static storage, never NULL; thread-safe and async-signal-safe. Unknown values get a generic text.
 */
LARDER_API const char *larder_strerror(int result);

/* ------------------------------------------------------------------ open and close */

enum larder_open_flags {
	LARDER_RDONLY = 1,     /* map read-only: a store faults, writes return -EROFS */
	LARDER_MAY_DETACH = 2, /* no daemon at open: a detached handle instead of an error */
};

struct larder_open_options {
	size_t size;	     /* sizeof(struct larder_open_options) */
	unsigned flags;	     /* enum larder_open_flags */
	uint32_t timeout_ms; /* for connecting and the handshake; 0 = 1,000 */
};

/*
 * larder_open - attach to a cache
 * @hp: out: the handle; NULL on error
 * @name: a cache name (1 to 64 of A-Z a-z 0-9 . _ -) or, if it holds a '/', the path of the
 *	socket; NULL = "main"
 * @opt: NULL for the defaults
 *
 * The socket of a name is $LARDER_SOCKET if set; else $XDG_RUNTIME_DIR/larder/NAME.sock; else, and
 * always for root, /run/larder/NAME.sock. larderd applies the same rule.
 * A detached handle (LARDER_MAY_DETACH, or a region that was lost) misses every read, counts every
 * write as a no-op (LARDER_DETACHED), and attaches by itself within a second of a daemon's start.
 * In another region than before (info.uuid has changed) its namespace has another id: the handle
 * finds it there by name, or creates it. Where it cannot (a read-only handle, and nobody has created
 * it yet; -ENOSPC; -ENOMEM), it stays detached and tries again each second: it never works on another
 * namespace than the selected one. All other ids must be fetched again with larder_namespace().
 * Return: 0; -EINVAL; -ENOENT or -ECONNREFUSED no daemon; -EACCES not on the daemon's allow-list;
 * -EUSERS no free client slot; -EPROTO another layout version; -EBADF the daemon passed something
 * that is not a sealed region; -ETIMEDOUT; -ENOMEM; any errno of socket(2), connect(2), mmap(2).
 * Since: 0.1
 */
LARDER_API LARDER_CHECKED int larder_open(struct larder **hp, const char *name,
					  const struct larder_open_options *opt);

/*
 * larder_clone - a second handle for another thread, on the same mapping
 * @h: an open handle of this process, not inside a call
 * @hp: out: the new handle; NULL on error
 * The two are closed independently. Return: 0; the errors of larder_open().
 * Since: 0.1
 */
LARDER_API LARDER_CHECKED int larder_clone(struct larder *h, struct larder **hp);

/*
 * larder_close - release a handle
 * @h: a handle, or NULL
 * Since: 0.1
 */
LARDER_API void larder_close(struct larder *h);

enum larder_state { LARDER_ATTACHED = 1, LARDER_STATE_DETACHED = 2 };

struct larder_info {
	uint8_t uuid[16];	  /* of the region; zeros when detached */
	uint32_t state;		  /* enum larder_state */
	uint32_t slot;		  /* this handle's slot number */
	uint64_t region_bytes;	  /* the cache's max_memory: what all parts together may use */
	uint64_t committed_bytes; /* memory that is really allocated */
	uint64_t data_bytes;	  /* of it, segments for items */
	uint64_t index_bytes;	  /* of it, index */
	uint64_t segment_bytes;	  /* size of one segment */
	uint64_t n_segments, n_free_segments, n_offline_segments;
	uint64_t max_value_bytes;
	uint64_t n_slots;   /* client slots */
	int64_t daemon_pid; /* as the control page says */
	int64_t keeper_pid;
	uint64_t daemon_starts; /* how often a daemon took the region over */
	uint64_t heartbeat_age_ms;
	uint32_t layout_major, layout_minor;
	char policy[16];
	char cache_name[72];
};

/*
 * larder_info - what the handle is attached to
 * Return: 0; -EINVAL. A detached handle returns 0 and state LARDER_STATE_DETACHED.
 * Since: 0.1
 */
LARDER_API LARDER_CHECKED int larder_info(struct larder *h, struct larder_info *info);

/* ------------------------------------------------------------------ namespaces */

/*
 * larder_namespace - the id of a namespace, created if it does not exist
 * @name: 0 to LARDER_NAMESPACE_MAX bytes; length 0 is the default namespace, id 0
 * @idp: out: the id, valid as long as the region lives: fetch it again when info.uuid has changed
 * One CAS when new. Namespaces are never removed; a cache holds 65,535 of them beside the default.
 * Return: 0; -ENAMETOOLONG; -ENOSPC all taken; -EROFS new and the handle is read-only;
 * LARDER_DETACHED; -ENOMEM.
 * Since: 0.1
 */
LARDER_API LARDER_CHECKED int larder_namespace(struct larder *h, const char *name, size_t len,
					       uint16_t *idp);

/*
 * larder_select - the namespace that all later calls on this handle use
 * @id: from larder_namespace() on any handle of the same cache; 0 = the default one
 * After an error the old selection stands. A detached handle knows no ids: it selects the default
 * namespace, and the one that was selected when it lost its region.
 * Return: 0; -EINVAL no such namespace; LARDER_DETACHED nothing selected: try again when attached.
 * Since: 0.1
 */
LARDER_API LARDER_CHECKED int larder_select(struct larder *h, uint16_t id);

/*
 * larder_flush - drop every item of the selected namespace, in O(1)
 * A set that returned before the flush began is gone; one that begins after it returned stays.
 * Return: 0; -EROFS; LARDER_DETACHED.
 * Since: 0.1
 */
LARDER_API LARDER_CHECKED int larder_flush(struct larder *h);

/*
 * larder_flush_all - drop every item of every namespace, one CAS a segment
 * Return: 0; -EROFS; LARDER_DETACHED.
 * Since: 0.1
 */
LARDER_API LARDER_CHECKED int larder_flush_all(struct larder *h);

/* ------------------------------------------------------------------ reads
 *
 * Wait-free: at most 4 rounds when the item changes underfoot, then a counted miss. Nothing that
 * another process reads or writes is stored, except one byte of recency when the recency tick has
 * moved since the item's last hit. Expected O(key + value).
 */

struct larder_meta {
	uint64_t version;
	int64_t ttl_ms;	  /* what is left; 0 = never expires */
	int64_t age_ms;	  /* upper bound of the time since the item was stored; -1 = not known */
	uint64_t length;  /* of the value */
	uint32_t flags;	  /* as stored with the item */
	uint32_t counter; /* 0 plain value, 1 unsigned counter, 2 signed counter */
};

/*
 * larder_get - copy the value of a key
 * @buf: room for the value; may be NULL if *lenp is 0
 * @lenp: in: the room in @buf; out: the length of the value, also with LARDER_TRUNC; 0 on a miss
 * A counter reads as decimal text. With LARDER_TRUNC the first bytes that fit are in @buf.
 * Return: 0; LARDER_MISS; LARDER_TRUNC.
 * Since: 0.1
 */
LARDER_API LARDER_CHECKED int larder_get(struct larder *h, const void *key, size_t klen, void *buf,
					 size_t *lenp);

/*
 * larder_get_alloc - copy the value of a key into a buffer that grows
 * @bufp: in: NULL or a buffer from malloc(); out: the same or a larger one, the caller's to free()
 * @roomp: in and out: the size of *bufp
 * @lenp: out: the length of the value; 0 on a miss
 * Return: 0; LARDER_MISS; -ENOMEM (buffer unchanged).
 * Since: 0.1
 */
LARDER_API LARDER_CHECKED int larder_get_alloc(struct larder *h, const void *key, size_t klen,
					       void **bufp, size_t *roomp, size_t *lenp);

/*
 * larder_get_meta - larder_get(), and what is known about the item
 * @buf, @lenp: as larder_get(); @lenp NULL reads no value
 * @meta: out; zeros on a miss
 * Return: as larder_get().
 * Since: 0.1
 */
LARDER_API LARDER_CHECKED int larder_get_meta(struct larder *h, const void *key, size_t klen,
					      void *buf, size_t *lenp, struct larder_meta *meta);

/*
 * larder_get_if_changed - larder_get_meta(), unless the item still has the version that is known
 * @version: from an earlier read; 0 = none
 * Return: as larder_get(), or LARDER_UNCHANGED (then @buf and *lenp are untouched, @meta is filled).
 * Since: 0.1
 */
LARDER_API LARDER_CHECKED int larder_get_if_changed(struct larder *h, const void *key, size_t klen,
						    uint64_t version, void *buf, size_t *lenp,
						    struct larder_meta *meta);

/*
 * larder_exists - is the key present?
 * Return: 0; LARDER_MISS.
 * Since: 0.1
 */
LARDER_API LARDER_CHECKED int larder_exists(struct larder *h, const void *key, size_t klen);

/* ------------------------------------------------------------------ writes
 *
 * The new item is written into memory that only the caller owns and becomes visible by one
 * compare-and-swap: a reader sees the old value or the new one. A dead or stopped process never
 * blocks a write. Live writers of one key slow each other down but one of them always proceeds.
 *
 * Common results: 0; LARDER_DETACHED; -EROFS; -E2BIG the value is too large; -ENOMEM no segment could
 * be freed (all are pinned or held by stopped processes); -EAGAIN 64 rounds were lost to other
 * writers of this very key. After an error the old value stands.
 */

enum larder_put_mode {
	LARDER_PUT_SET = 0,
	LARDER_PUT_ADD = 1,	/* only if absent, else LARDER_EXISTS */
	LARDER_PUT_REPLACE = 2, /* only if present, else LARDER_MISS */
	LARDER_PUT_CAS = 3, /* only if .version is the present one, else LARDER_EXISTS or _MISS */
};

struct larder_put_options {
	size_t size;	     /* sizeof(struct larder_put_options) */
	uint32_t mode;	     /* enum larder_put_mode */
	uint32_t flags;	     /* 32 bits of the caller's, stored with the item */
	int64_t ttl_ms;	     /* see Conventions; ignored if deadline_ms is set */
	int64_t deadline_ms; /* milliseconds of CLOCK_REALTIME; 0 = none, use ttl_ms */
	uint64_t version;    /* in: LARDER_PUT_CAS; out, on success: the new version */
};

/*
 * larder_set - store a value, whether or not the key is present
 * Return: the common results.
 * Since: 0.1
 */
LARDER_API LARDER_CHECKED int larder_set(struct larder *h, const void *key, size_t klen,
					 const void *val, size_t vlen, int64_t ttl_ms);

/*
 * larder_add - store a value if the key is absent
 * Return: the common results; LARDER_EXISTS.
 * Since: 0.1
 */
LARDER_API LARDER_CHECKED int larder_add(struct larder *h, const void *key, size_t klen,
					 const void *val, size_t vlen, int64_t ttl_ms);

/*
 * larder_replace - store a value if the key is present
 * Return: the common results; LARDER_MISS.
 * Since: 0.1
 */
LARDER_API LARDER_CHECKED int larder_replace(struct larder *h, const void *key, size_t klen,
					     const void *val, size_t vlen, int64_t ttl_ms);

/*
 * larder_cas - store a value if nobody changed the item since @version was read
 * Return: the common results; LARDER_EXISTS another version is there; LARDER_MISS the key is absent.
 * Since: 0.1
 */
LARDER_API LARDER_CHECKED int larder_cas(struct larder *h, const void *key, size_t klen,
					 const void *val, size_t vlen, int64_t ttl_ms,
					 uint64_t version);

/*
 * larder_put - the general form of set, add, replace and cas
 * @opt: never NULL
 * Return: the common results; LARDER_EXISTS; LARDER_MISS, as the mode says; -EINVAL unknown mode.
 * Since: 0.1
 */
LARDER_API LARDER_CHECKED int larder_put(struct larder *h, const void *key, size_t klen,
					 const void *val, size_t vlen,
					 struct larder_put_options *opt);

/*
 * larder_touch - give an item a new TTL
 * Value and flags stay; the version changes (an item is immutable: this stores a new one).
 * Return: the common results; LARDER_MISS.
 * Since: 0.1
 */
LARDER_API LARDER_CHECKED int larder_touch(struct larder *h, const void *key, size_t klen,
					   int64_t ttl_ms);

/*
 * larder_delete - remove a key
 * Return: 0 it existed; LARDER_MISS it did not; LARDER_DETACHED; -EROFS; -EAGAIN.
 * Since: 0.1
 */
LARDER_API LARDER_CHECKED int larder_delete(struct larder *h, const void *key, size_t klen);

/*
 * larder_delete_if - remove a key if nobody changed it since @version was read
 * Return: 0; LARDER_MISS; LARDER_EXISTS another version is there; LARDER_DETACHED; -EROFS; -EAGAIN.
 * Since: 0.1
 */
LARDER_API LARDER_CHECKED int larder_delete_if(struct larder *h, const void *key, size_t klen,
					       uint64_t version);

/* ------------------------------------------------------------------ counters
 *
 * A counter is an item of 8 bytes that every read shows as decimal text. A plain value that is a
 * decimal number (at most 20 digits, a sign for the signed form) is taken over as one. TTL and flags
 * of an existing item are kept. The unsigned form follows memcached: up wraps at 2^64, down stops
 * at 0. The signed form refuses to overflow.
 */

struct larder_counter_options {
	size_t size;	  /* sizeof(struct larder_counter_options) */
	uint32_t create;  /* 0: an absent key is LARDER_MISS; 1: it is created as .initial */
	uint32_t flags;	  /* for a created item */
	uint64_t initial; /* the value that a created counter has after the call */
	int64_t ttl_ms;	  /* for a created item */
};

/*
 * larder_incr - add to an unsigned counter
 * @opt: NULL = an absent key is LARDER_MISS
 * @valuep: out: the new value; may be NULL
 * Return: the common results; LARDER_MISS; -EDOM the value is not a number in 0..2^64-1.
 * Since: 0.1
 */
LARDER_API LARDER_CHECKED int larder_incr(struct larder *h, const void *key, size_t klen,
					  uint64_t delta, const struct larder_counter_options *opt,
					  uint64_t *valuep);

/*
 * larder_decr - subtract from an unsigned counter, not below 0
 * Return: as larder_incr().
 * Since: 0.1
 */
LARDER_API LARDER_CHECKED int larder_decr(struct larder *h, const void *key, size_t klen,
					  uint64_t delta, const struct larder_counter_options *opt,
					  uint64_t *valuep);

/*
 * larder_incr_signed - add a positive or negative number to a signed counter
 * An unsigned counter below 2^63 is taken over.
 * Return: the common results; LARDER_MISS; -EDOM not a number of 64 bits with sign; -EOVERFLOW the
 * sum would leave them (unchanged).
 * Since: 0.1
 */
LARDER_API LARDER_CHECKED int larder_incr_signed(struct larder *h, const void *key, size_t klen,
						 int64_t delta,
						 const struct larder_counter_options *opt,
						 int64_t *valuep);

/* ------------------------------------------------------------------ batches
 *
 * Each operation succeeds or fails by itself; nothing is atomic across keys. The memory of 16 keys
 * is prefetched at a time: the only way to work at the speed of DRAM.
 */

struct larder_op {
	const void *key;
	size_t klen;
	void *buf;	  /* mget: room; mset: the value (not written to) */
	size_t len;	  /* mget: in: room, out: the value's length; mset: the value's length */
	int64_t ttl_ms;	  /* mset */
	uint64_t version; /* mget, mset: out */
	uint32_t flags;	  /* mget: out; mset: in */
	int32_t result;	  /* out: what the single call would have returned */
};

/*
 * larder_mget, larder_mset, larder_mdelete, larder_mexists - many keys in one call
 * @n: at most LARDER_BATCH_MAX; 0 is allowed
 * Keys may repeat; mset applies them in order. A bad key fails only its own operation.
 * Return: 0 all results are LARDER_OK; LARDER_MISS otherwise (look at .result); -EINVAL @ops NULL or
 * @n too large.
 * Since: 0.1
 */
LARDER_API LARDER_CHECKED int larder_mget(struct larder *h, struct larder_op *ops, size_t n);
LARDER_API LARDER_CHECKED int larder_mset(struct larder *h, struct larder_op *ops, size_t n);
LARDER_API LARDER_CHECKED int larder_mdelete(struct larder *h, struct larder_op *ops, size_t n);
LARDER_API LARDER_CHECKED int larder_mexists(struct larder *h, struct larder_op *ops, size_t n);

/* ------------------------------------------------------------------ scan */

/*
 * A callback of larder_scan(). @key is valid until it returns. It may use other handles, and not
 * the scanning one. Non-zero ends the step after this bucket.
 */
typedef int larder_scan_fn(void *ctx, const void *key, size_t klen, const struct larder_meta *meta);

/*
 * larder_scan - visit some keys of the selected namespace
 * @cursor: in: 0 to begin, else as the last call left it; out: 0 when the scan is complete
 * @steps: buckets to visit in this call, 1 to 65,536; each holds at most 56 keys
 * A key that is present from the first call to the last is visited at least once, whatever grows,
 * moves or is evicted meanwhile. A key may be visited more than once. Blocks nobody.
 * Return: 0; -EINVAL a cursor that no scan of this cache returned; LARDER_DETACHED; -ENOMEM.
 * Since: 0.1
 */
LARDER_API LARDER_CHECKED int larder_scan(struct larder *h, uint64_t *cursor, uint32_t steps,
					  larder_scan_fn *fn, void *ctx);

/* ------------------------------------------------------------------ statistics */

/*
 * larder_stat_count, larder_stat_name, larder_stat_help - the counters of a cache
 * @i: 0 to larder_stat_count() - 1. Names are stable and match [a-z_]+. NULL beyond the end.
 */
LARDER_API unsigned larder_stat_count(void);
LARDER_API const char *larder_stat_name(unsigned i);
LARDER_API const char *larder_stat_help(unsigned i);

/*
 * larder_stats - the counters of the whole cache since the region was made
 * @values: out: room for @n numbers, in the order of larder_stat_name()
 * The sums include handles that are closed or dead. O(client slots). A read-only handle cannot
 * store into the region: what it counts, here and in larder_stats_ns(), is seen by that handle
 * alone, and is lost when it is closed.
 * Return: 0; LARDER_DETACHED (zeros).
 * Since: 0.1
 */
LARDER_API LARDER_CHECKED int larder_stats(struct larder *h, uint64_t *values, unsigned n);

struct larder_ns_stats {
	uint16_t id;
	uint16_t reserved[3];
	uint64_t gets, hits, sets, deletes;
};

/*
 * larder_stats_ns - the counters of one namespace
 * @name_id: from larder_namespace(), or LARDER_NS_OTHER
 * Each handle counts the first 7 namespaces that it uses apart and the rest under LARDER_NS_OTHER.
 * Return: 0; LARDER_DETACHED (zeros).
 * Since: 0.1
 */
#define LARDER_NS_OTHER 0x10000u
LARDER_API LARDER_CHECKED int larder_stats_ns(struct larder *h, uint32_t name_id,
					      struct larder_ns_stats *out);

struct larder_client {
	uint32_t slot;
	uint32_t state; /* 1 attached, 2 being reaped */
	int64_t pid, uid;
	uint64_t attached_ms; /* since it attached */
	uint64_t ops;	      /* calls since it attached, each key of a batch; 0 if read-only */
	uint32_t rdonly;
	uint32_t n_hazards; /* segments that it holds now */
};

/*
 * larder_clients - the attached handles
 * @fn: called for each; non-zero ends the listing. Return: 0; LARDER_DETACHED.
 * Since: 0.1
 */
typedef int larder_client_fn(void *ctx, const struct larder_client *client);
LARDER_API LARDER_CHECKED int larder_clients(struct larder *h, larder_client_fn *fn, void *ctx);

struct larder_event {
	uint64_t seq;	 /* 1, 2, ... */
	int64_t time_ms; /* CLOCK_REALTIME */
	char text[112];	 /* what, about whom, the outcome; printable, zero-terminated */
};

/*
 * larder_events - repairs, recoveries and administrative actions, oldest first
 * @after: only events with a larger seq. The daemon keeps the last 256.
 * Return: 0; LARDER_DETACHED.
 * Since: 0.1
 */
typedef int larder_event_fn(void *ctx, const struct larder_event *event);
LARDER_API LARDER_CHECKED int larder_events(struct larder *h, uint64_t after, larder_event_fn *fn,
					    void *ctx);

/* ------------------------------------------------------------------ operation */

/*
 * larder_check - validate the invariants of the region (I1 to I16 in layout.h)
 * @fn: called for each finding with the invariant's number and one sentence; may be NULL
 * Safe while clients work; what a running operation can explain is not reported. O(region).
 * Return: 0 all hold; LARDER_DAMAGED; LARDER_DETACHED; -ENOMEM.
 * Since: 0.1
 */
typedef void larder_check_fn(void *ctx, unsigned invariant, const char *text);
LARDER_API LARDER_CHECKED int larder_check(struct larder *h, larder_check_fn *fn, void *ctx);

/*
 * larder_ping - ask the daemon for an answer over its socket
 * @timeout_ms: 0 = 1,000
 * @usp: out: microseconds of the round trip; may be NULL
 * Return: 0; -ECONNREFUSED, -ENOENT nobody there; -ETIMEDOUT after @timeout_ms.
 * Since: 0.1
 */
LARDER_API LARDER_CHECKED int larder_ping(struct larder *h, uint32_t timeout_ms, uint64_t *usp);

/*
 * larder_shutdown - ask the daemon and its keeper to end
 * @timeout_ms: 0 = 1,000
 * The region goes with them; attached handles become detached.
 * Return: 0 accepted; -EACCES only the daemon's user and root may; as larder_ping().
 * Since: 0.1
 */
LARDER_API LARDER_CHECKED int larder_shutdown(struct larder *h, uint32_t timeout_ms);

/*
 * larder_advance_clock - move the clock of a cache that was made with a test clock
 * @ms: forward. All handles of the cache see it. Return: 0; -EPERM the cache has the real clock;
 * -EROFS; LARDER_DETACHED.
 * Since: 0.1
 */
LARDER_API LARDER_CHECKED int larder_advance_clock(struct larder *h, uint64_t ms);

#ifdef __cplusplus
}
#endif
#endif
