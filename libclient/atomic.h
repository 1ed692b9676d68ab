/* SPDX-License-Identifier: MIT
 *
 * atomic.h - the one door to shared memory: every load, store and compare-and-swap of the region
 *
 * The order is in the name. Nothing else in the project names a C11 order or touches a shared word
 * directly (tests/lint/order.sh). Two reasons: a review sees each order, and a build with LARDER_SIM
 * turns each access into a scheduling point (sim_point) and each load into a value that a test may
 * replace (sim_value), so that the real code runs under a deterministic scheduler and against hostile
 * memory.
 *
 * Payload (item bytes, written before and read around a generation check) goes through copy_out(),
 * copy_in() and shared_equal(). Under ThreadSanitizer these are loops of relaxed atomic bytes. In
 * other builds they are memcpy and memcmp: a reader can see torn bytes, and throws them away when
 * the segment's generation has moved; a torn byte never becomes an index or a length, because those
 * are loaded as words.
 */
#ifndef LARDER_ATOMIC_H
#define LARDER_ATOMIC_H

#include <larder/layout.h>
#include <stdbool.h>
#include <string.h>

#define LIKELY(x) __builtin_expect(!!(x), 1)
#define UNLIKELY(x) __builtin_expect(!!(x), 0)

#if defined(__SANITIZE_THREAD__)
#define LARDER_TSAN 1
#elif defined(__has_feature)
#if __has_feature(thread_sanitizer)
#define LARDER_TSAN 1
#endif
#endif
#ifndef LARDER_TSAN
#define LARDER_TSAN 0
#endif

#ifdef LARDER_SIM
/* Provided by the test: may switch to another simulated process, or not return at all. */
void sim_point(uintptr_t addr);
/* Provided by the test: what this load sees. */
uint64_t sim_value(uintptr_t addr, uint64_t value);
#else
static inline void sim_point(uintptr_t addr)
{
	(void)addr;
}
static inline uint64_t sim_value(uintptr_t addr, uint64_t value)
{
	(void)addr;
	return value;
}
#endif

#define ATOMIC_ACCESSORS(suffix, type, shm)                                                          \
	static inline type load_relaxed##suffix(const shm *p)                                        \
	{                                                                                            \
		sim_point((uintptr_t)p);                                                             \
		return (type)sim_value((uintptr_t)p,                                                 \
				       atomic_load_explicit(p, memory_order_relaxed));               \
	}                                                                                            \
	static inline type load_acquire##suffix(const shm *p)                                        \
	{                                                                                            \
		sim_point((uintptr_t)p);                                                             \
		return (type)sim_value((uintptr_t)p,                                                 \
				       atomic_load_explicit(p, memory_order_acquire));               \
	}                                                                                            \
	static inline void store_relaxed##suffix(shm *p, type v)                                     \
	{                                                                                            \
		sim_point((uintptr_t)p);                                                             \
		atomic_store_explicit(p, v, memory_order_relaxed);                                   \
	}                                                                                            \
	static inline void store_release##suffix(shm *p, type v)                                     \
	{                                                                                            \
		sim_point((uintptr_t)p);                                                             \
		atomic_store_explicit(p, v, memory_order_release);                                   \
	}                                                                                            \
	/* Release on success, so that what was written before is seen with the new value;         \
	 * acquire on both paths, because the caller goes on from what it found. */ \
	static inline bool cas##suffix(shm *p, type old, type new_value)                             \
	{                                                                                            \
		sim_point((uintptr_t)p);                                                             \
		return atomic_compare_exchange_strong_explicit(                                      \
			p, &old, new_value, memory_order_acq_rel, memory_order_acquire);             \
	}

ATOMIC_ACCESSORS(, uint64_t, shm_u64)
ATOMIC_ACCESSORS(_u32, uint32_t, shm_u32)
ATOMIC_ACCESSORS(_u8, uint8_t, shm_u8)

static inline uint64_t fetch_add(shm_u64 *p, uint64_t n)
{
	sim_point((uintptr_t)p);
	return atomic_fetch_add_explicit(p, n, memory_order_acq_rel);
}

/* Reference counts. */
static inline uint32_t fetch_add_u32(shm_u32 *p, uint32_t n)
{
	sim_point((uintptr_t)p);
	return atomic_fetch_add_explicit(p, n, memory_order_acq_rel);
}

static inline uint32_t fetch_sub_u32(shm_u32 *p, uint32_t n)
{
	sim_point((uintptr_t)p);
	return atomic_fetch_sub_explicit(p, n, memory_order_acq_rel);
}

/* A word of this process that the kernel zeroes in the child of a fork. */
static inline uint64_t load_private(const shm_u64 *p)
{
	/* relaxed: no other thread stores here */
	return sim_value((uintptr_t)p, atomic_load_explicit(p, memory_order_relaxed));
}

/* For words that only this process writes: statistics, hints. */
static inline void add_own(shm_u64 *p, uint64_t n)
{
	/* relaxed: one writer; readers want any recent value */
	atomic_store_explicit(p, atomic_load_explicit(p, memory_order_relaxed) + n,
			      memory_order_relaxed);
}

/* Raise a monotone word to at least v. */
static inline void raise_to(shm_u64 *p, uint64_t v)
{
	for (int i = 0; i < 64; i++) {
		uint64_t old = load_acquire(p);

		if (old >= v || cas(p, old, v))
			return;
	}
}

/* Between the payload copy and the second look at the generation. */
static inline void fence_acquire(void)
{
	atomic_thread_fence(memory_order_acquire);
}

/* Before the first payload store into a fresh lease: it must not be seen before the lease is. */
static inline void fence_release(void)
{
	atomic_thread_fence(memory_order_release);
}

/* Full fence, for hazards where membarrier(2) is not available. */
static inline void fence_full(void)
{
	/* seq_cst: store-load order between a hazard and the check that follows it */
	atomic_thread_fence(memory_order_seq_cst);
}

/* Keeps the compiler from moving the check above the hazard store; the CPU is held by the
 * reclaimer's membarrier(2). */
static inline void fence_compiler(void)
{
	atomic_signal_fence(memory_order_seq_cst);
}

#if LARDER_TSAN
static inline void copy_out(void *dst, const void *src, size_t n)
{
	uint8_t *d = dst;
	const shm_u8 *s = src;

	for (size_t i = 0; i < n; i++)
		d[i] = atomic_load_explicit(&s[i], memory_order_relaxed);
}

static inline void copy_in(void *dst, const void *src, size_t n)
{
	shm_u8 *d = dst;
	const uint8_t *s = src;

	for (size_t i = 0; i < n; i++)
		atomic_store_explicit(&d[i], s[i], memory_order_relaxed);
}

static inline bool shared_equal(const void *shared, const void *own, size_t n)
{
	const shm_u8 *s = shared;
	const uint8_t *o = own;

	for (size_t i = 0; i < n; i++)
		if (atomic_load_explicit(&s[i], memory_order_relaxed) != o[i])
			return false;
	return true;
}
#else
/* Short copies and comparisons without a call: most keys and many values are a few dozen bytes. The two
 * halves overlap where n is no power of two; nothing outside [0, n) is touched. */
static inline void copy_inline(uint8_t *d, const uint8_t *s, size_t n)
{
	if (n > 256) {
		memcpy(d, s, n);
	} else if (n >= 32) {
		for (size_t i = 0; i < n - 32; i += 32) {
			memcpy(d + i, s + i, 32);
			/* keeps the loop from becoming a call of memcpy() */
			fence_compiler();
		}
		/* It takes the n of one caller with the buffer of another. */
		/* cppcheck-suppress pointerOutOfBoundsCond */
		memcpy(d + (n - 32), s + (n - 32), 32);
	} else if (n >= 16) {
		memcpy(d, s, 16);
		memcpy(d + (n - 16), s + (n - 16), 16);
	} else if (n >= 8) {
		uint64_t head, tail;

		memcpy(&head, s, 8);
		memcpy(&tail, s + (n - 8), 8);
		memcpy(d, &head, 8);
		memcpy(d + (n - 8), &tail, 8);
	} else {
		for (size_t i = 0; i < n; i++) {
			d[i] = s[i];
			fence_compiler();
		}
	}
}

static inline void copy_out(void *dst, const void *src, size_t n)
{
	sim_point((uintptr_t)src);
	copy_inline(dst, src, n);
}

static inline void copy_in(void *dst, const void *src, size_t n)
{
	sim_point((uintptr_t)dst);
	copy_inline(dst, src, n);
}

static inline bool equal8(const uint8_t *a, const uint8_t *b)
{
	uint64_t x, y;

	memcpy(&x, a, 8);
	memcpy(&y, b, 8);
	return x == y;
}

static inline bool shared_equal(const void *shared, const void *own, size_t n)
{
	const uint8_t *s = shared, *o = own;

	sim_point((uintptr_t)shared);
	if (LIKELY(n - 8 <= 8))
		return (int)equal8(s, o) & (int)equal8(s + (n - 8), o + (n - 8));
	if (n < 8 || n > 64)
		return memcmp(s, o, n) == 0;
	for (size_t i = 0; i + 8 < n; i += 8)
		if (!equal8(s + i, o + i))
			return false;
	return equal8(s + (n - 8), o + (n - 8));
}
#endif

#endif
