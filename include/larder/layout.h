/* SPDX-License-Identifier: MIT
 *
 * layout.h - the region, to the byte: NORMATIVE. Code follows this file. Installed for debuggers and
 * other implementations; it is not API and changes with LAYOUT_MAJOR.
 *
 * 1. PURPOSE AND LIFETIME
 *
 * A cache is two memfds. The *region* holds everything that the data plane needs; read-write clients
 * map it writable. The *control page* (control.h) holds what only the daemon writes. The daemon's
 * keeper makes both, seals them (SHRINK | GROW | SEAL) and keeps them while daemons come and go; they
 * end with the keeper. Words are native-endian because nothing here outlives the boot; what goes to
 * disk does not use this format.
 *
 * Every process that maps the region writable can scribble over it. So every reader, the daemon
 * included, loads a value once, checks it against its private copy of the geometry, and only then
 * uses it; no loop is bounded by a shared value. A scribbler destroys data, nothing else.
 *
 * 2. MAP (offsets from the start of the file; all parts start on 4 KiB; sizes from the geometry)
 *
 *	0            struct shm_header                                    4 KiB
 *	off_segs     n_segs x struct shm_segment     truth word + epoch   16 B each
 *	off_table    n_segs x struct shm_table       hints                32 B each
 *	off_slots    n_slots x struct shm_slot       hazards, counters    1 KiB each   [sparse]
 *	off_ns       65,536 x struct shm_ns          namespaces           16 B each    [sparse]
 *	off_ns_name  65,536 x struct shm_ns_name     their names          256 B each   [sparse]
 *	off_level[i] index level i, i = 0..3         buckets              64 B each    [sparse, level 0 not]
 *	off_data     n_segs x segment                items                             [committed by segment]
 *
 * Committed = allocated by fallocate(2) before use: no SIGBUS later. Sparse parts are committed piece
 * by piece: a slot by the daemon before it hands it out, a namespace by its creator, an index chunk
 * by the daemon before its split begins (it takes segments OFFLINE to stay within max_memory).
 *
 * 3. WORDS
 *
 * Slot word (an entry of the index), 64 bits:
 *
 *	 63 62   61    60    59 58  57      46 45      34 33                    0
 *	+-----+------+-----+------+----------+----------+-----------------------+
 *	|kind |frozen| alt | size |   tag    |   gen    |         place         |
 *	+-----+------+-----+------+----------+----------+-----------------------+
 *	kind   0 VIRGIN never written (all bits 0): the bucket is not in use at this level
 *	       1 COMMITTED  2 PENDING (an insert in progress, invisible to readers)  3 EMPTY
 *	frozen the bucket is being split or was; the word never changes again
 *	alt    the word lies in the key's second bucket
 *	size   64-byte lines that the item touches, less 1; 3 = four or more (what to prefetch)
 *	tag    12 bits of the key's hash; bits 0..2 of it are the split bits (section 6)
 *	gen    low 12 bits of the segment's generation
 *	place  offset in the data area in units of 1 << unit_shift bytes
 *
 * A COMMITTED or PENDING word is *stale* when gen differs from its segment's: it is EMPTY for
 * everybody. valid(word) = COMMITTED and not stale.
 *
 * Segment word, 64 bits:
 *
 *	 63  61   60   59          48 47                         0
 *	+------+------+--------------+----------------------------+
 *	|state | body |    owner     |         generation         |
 *	+------+------+--------------+----------------------------+
 *	state  0 OFFLINE not backed by memory, never handed out   1 FREE   2 LEASED to slot `owner`
 *	       3 SEALED  4 CLEANING by slot `owner`  5 LIMBO dropped; waits until no hazard names it
 *	body   the segment holds an extent of one large value, not items
 *
 *	                daemon                any slot c                     c | any cleaner (revoke) | daemon
 *	 OFFLINE(g) ------------> FREE(g) ----------------> LEASED(c,g) ---------------------------> SEALED(g)
 *	     ^        daemon       | ^                                                                 |  ^
 *	     +---------------------+ | any, after membarrier                            any slot x     |  | x, or
 *	                             | and a scan of all hazards            x           (CAS)          v  | daemon (x dead)
 *	                             +------------------------- LIMBO(g+1) <------------------ CLEANING(x,g)
 *
 * No other edge exists; each is one CAS on the full word. Between CLEANING and the walk lies a
 * membarrier and a scan of all H0: a segment that one of them names goes back to SEALED, so the walk
 * sees every item that will ever be published in it, and every item that leaves the cache is counted.
 *
 * Index hint word (header.index): { level 8 | split 56 }: bucket numbers below `split` are at level
 * + 1. A hint: the truth is the frozen bits and VIRGIN words of the buckets (section 6).
 *
 * Version (what users see): { generation 30 | place 34 } of the place where the item was born; kept
 * in ORIG when the cleaner moves the item.
 *
 * 4. ITEM (in a segment, 8-byte aligned for unit_shift 3, else aligned to the unit)
 *
 *	word 0  header: { check 24 | type 8 | flags 8 | klen 8 | vlen 16 }
 *	        check   low 24 bits of XXH3(key) with the region's seed, xor the lengths: tells an item
 *	                from garbage in sweeps and `check`; not a defence
 *	        type    0 plain; 1 unsigned counter; 2 signed counter; 3 extents. Bits 4..6: tags (0..4)
 *	        flags   1 LONG 2 META 4 TAGS 8 ORIG
 *	        klen    key bytes, 0 is never valid; vlen value bytes (both 0 if LONG)
 *	[LONG]  +8   { klen 16 | 0 8 | vlen 40 }   keys over 255 or values over 65,535 bytes, extents
 *	[META]  +16  word 0 { expiry 40 | ns 16 | uflags low 8 }  word 1 { stamp 40 | uflags high 24 }
 *	             expiry  ms since boot (CLOCK_BOOTTIME); 0 none, 1 already expired
 *	[TAGS]  +16  four u32 tag numbers (0 unused)
 *	[ORIG]  +8   version of birth
 *	key, value; then up to 7 (unit - 1) bytes of padding
 *
 * An item of type 3 holds, as its value bytes, extents of 8 bytes { segment 20 | gen 44 } and the
 * value's rest modulo the segment size, unless 39 + unit + key + 8 * (whole segments) + rest exceed
 * half a segment. The first extents are whole segments; a rest that is not in the item is one more
 * extent. vlen (in LONG) is the value's full length. A body segment is never walked as items.
 *
 * Items of the default namespace without TTL, flags and tags have no META: 8 bytes of overhead.
 *
 * 5. FIELDS: who writes what
 *
 *	field                writer · when                                     readers
 *	header.magic..seed   daemon, before the region is handed out           all, copied at attach
 *	header.index         daemon (monotone)                                 all: hint
 *	header.commit[]      daemon                                            inserters, announced as
 *	                                                                       splitting
 *	header.punched       daemon                                            daemon
 *	header.tick          whoever leases (= lease_seq * 64 / n_segs)        all: hint
 *	header.ctl_epoch     daemon at takeover                                all: hint
 *	header.slots_high    daemon, before it hands out the slot; monotone    all who scan hazards
 *	header.flushed_all,
 *	  .flushed_at0       flush: RMW max                                    all
 *	header.flush_seq     flush: RMW add                                    writers of META items
 *	header.lease_seq     whoever leases, but for survivors: RMW add        cleaners: order of age
 *	header.clock_shift   test clock only: RMW add                          all, test regions only
 *	segment.word         state machine above, CAS only                     all
 *	segment.epoch        lessee, after its lease CAS, before first publish all, between two loads of word
 *	table.fill           lessee, before each publish                       cleaner after CLEANING + H0 scan
 *	table.items,expiry,
 *	  .lease_seq         lessee                                            cleaners: hints
 *	table.dead           lessee: 0; any writer under H1, plain add         cleaners: hint
 *	slot.h0,h1,splitting the slot's handle; zeroed by the daemon after     cleaners after membarrier
 *	                     its process died
 *	slot.mode            daemon before it hands the slot out, its handle   cleaners
 *	slot.count[]         the slot's handle, only adds                      statistics
 *	slot.ns[]            the slot's handle                                 statistics
 *	ns.word              creator, CAS(0 -> hash), never changes again      all
 *	ns.flushed_at        flush: RMW max                                    all
 *	ns_name              creator (idempotent)                              all
 *	bucket.word          inserters, removers, cleaners, splitters: CAS     all
 *	bucket.recency       readers and writers: byte store                   cleaners: hint
 *	bucket.overflow      byte CAS: +1 before an alt word is placed, -1 by  all, after the home scan
 *	                     whoever's CAS removed one; frozen by a splitter
 *	segment bytes        the lessee under H0, before publishing; never     all, validated by generation
 *	                     after
 *
 * The lessee stores segment.epoch and its table entry only after it has announced the segment in H0
 * and seen its own lease again: one that was stopped before and revoked must not overwrite the next
 * lessee's.
 *
 * Flush. A flush takes v = ++flush_seq and then raises flushed_at (of its namespace; flushed_at0 for
 *	namespace 0; flushed_all and flushed_at0 for everything) to v. An item of namespace 0 is valid
 *	while segment.epoch >= flushed_at0, another one while META.stamp >= ns.flushed_at and
 *	>= flushed_all. segment.epoch is flushed_at0 as loaded before the first item in the segment; a
 *	write whose lease has an older epoch than the header takes another lease. The stamp of a fresh
 *	item is flush_seq at the start of the try. An item that depends on another one (incr, touch,
 *	cas, replace, a survivor) keeps that one's stamp, and in namespace 0 is published only from a
 *	segment of the same epoch as that one's: a flush between read and publish hits it too.
 *
 * 6. INDEX
 *
 * Level i has n_buckets0 << i buckets. hash = XXH3_64(key, seed ^ namespace). Bucket at level i:
 * hash & (n_buckets_i - 1). tag = bits 52..63 of a permuted hash such that tag bits 0..2 equal the
 * hash bits log2(n_buckets0) + 0..2: a bucket splits by bits that its words carry. The second bucket
 * is home ^ spread(tag), where spread(tag) mod n_buckets0 != 0; it follows at every level from the
 * word alone. A bucket b of level i splits into b and b + n_buckets_i of level i + 1: freeze all 7
 * words and the overflow byte, then copy entry j to entry j of the child that its next bit selects
 * and EMPTY to the other, each by CAS(VIRGIN -> x). Anybody helps. A word of the old bucket counts
 * while its place in the child is still VIRGIN. A chunk of buckets whose splits are all done is
 * punched (reads VIRGIN). Both children inherit the overflow count, so counts are upper bounds. Before
 * a chunk is punched, a membarrier and a scan of slot.splitting make sure that no
 * stopped helper can still store into a child that was itself split and punched: a helper announces
 * itself and then sees that the parent is not VIRGIN; parents are punched before their children.
 * The live bucket of a hash is therefore the first from level 0 up that is not VIRGIN, read through
 * to its child where frozen.
 *
 * 7. INVARIANTS (numbers that `larderctl check` reports; each decidable from the bytes)
 *
 *	I1   magic, version, geometry and signature are those of this file
 *	I2   a segment word's state is 0..5, its owner < n_slots, unused bits 0
 *	I3   LEASED and CLEANING name an owner that is attached (control page)
 *	I4   a valid word's place lies in the data area, in a segment that is not FREE or OFFLINE, and not body
 *	I5   the item there lies inside its segment and below its fill
 *	I6   the item's key hashes to the word's bucket (home, or second if alt) and tag
 *	I7   a key has at most one valid word that a reader can choose
 *	I8   overflow of a bucket >= number of valid alt words of it in its second buckets (unless saturated)
 *	I9   a bucket is all VIRGIN, or has no VIRGIN word; all words frozen or none (after a finished split)
 *	I10  a frozen bucket's children exist (no VIRGIN) if the hint says the split is past it
 *	I11  a hazard word is 0 or names a segment
 *	I12  fill <= segment size; walking the headers from 0 ends exactly at fill
 *	I13  each extent of a valid head names a body segment of that generation, or the value is a miss
 *	I14  FREE + LEASED + SEALED + CLEANING + LIMBO + OFFLINE = n_segs (by construction)
 *	I15  a namespace id in an item has an entry; an entry has its name
 *	I16  flushed_at <= flush_seq everywhere
 *
 * 8. RECOVERY: killed while ... and who repairs
 *
 *	R1   holding a lease, outside a call        the word says LEASED(c): daemon seals it; or any cleaner
 *	                                            revokes it; the items in it stay
 *	R2   after writing an item, before publish  dead bytes; the walk skips what no word names
 *	R3   between PENDING and COMMITTED          the key is unchanged; the word is killed by the next writer
 *	                                            of the key, the cleaner of its segment, a split or a sweep
 *	R4   after overflow + 1, before placing     one too many: an extra line on a miss
 *	R5   after removing an alt word, before - 1 as R4
 *	R6   after publish, before clearing H0, H1  the update is done. The daemon clears the hazards; until
 *	                                            then two segments cannot be reused
 *	R7   in a walk: CLEANING(c)                 daemon: back to SEALED; the walk is idempotent
 *	R8   after LIMBO(g+1)                       anybody moves it on
 *	R9   in a split                             the next writer that meets a frozen word finishes it
 *	R10  between body segments of a large value no head lists them: cleaned as orphans
 *	R11  after unlinking a large value's head   as R10
 *	R12  creating a namespace                   the entry exists; the next opener of the name writes it
 *	R13  between flush_seq and flushed_at       the flush did not happen
 *	R14  attaching: slot assigned, not yet used the daemon's pidfd frees the slot
 *	R15  displacing an entry (displace.c)       that entry's item is gone as if evicted; the counters
 *	                                            miss one eviction; its PENDING word is R3's
 *
 * 9. VERSION RULES
 *
 * magic is stored last (release). Another major or signature: attach refuses (-EPROTO). The minor
 * may only use reserved fields, which are written 0 and ignored by older readers.
 */
#ifndef LARDER_LAYOUT_H
#define LARDER_LAYOUT_H

#include <assert.h>
#include <stdatomic.h>
#include <stddef.h>
#include <stdint.h>

#define LAYOUT_MAGIC 0x3164726c72614cULL /* "Larlrd1" */
#define LAYOUT_MAJOR 1u
#define LAYOUT_MINOR 0u

#define SHM_LINE 64u
#define SHM_PAGE 4096u
#define SHM_WORDS 7u	      /* entries of a bucket */
#define SHM_LEVELS 4u	      /* 1/64, 1/32, 1/16, 1/8 of the region */
#define SHM_SLOTS_MAX 4096u   /* owner has 12 bits */
#define SHM_NAMESPACES 65536u /* ids have 16 bits; 0 is the default namespace */
#define SHM_PINS 5u
#define SHM_COUNTERS 48u
#define SHM_NS_COUNTED 8u /* entry 7 counts all others */

typedef _Atomic uint64_t shm_u64;
typedef _Atomic uint32_t shm_u32;
typedef _Atomic uint8_t shm_u8;

static_assert(sizeof(shm_u64) == 8 && sizeof(shm_u8) == 1 && ATOMIC_LLONG_LOCK_FREE == 2,
	      "words of the region are address-free atomics");
#define SHM_OFFSET(type, field, off)                                                               \
	static_assert(offsetof(struct type, field) == (off), #type "." #field " moved: new major")

/* Everything that a client copies at attach and checks once. Sizes in bytes, offsets in the file. */
struct shm_geometry {
	uint64_t file_bytes; /* of the memfd, sparse parts included */
	uint64_t max_memory; /* what may be committed */
	uint64_t off_segs, off_table, off_slots, off_ns, off_ns_name;
	uint64_t off_level[SHM_LEVELS];
	uint64_t off_data;
	uint64_t max_value; /* bytes */
	uint32_t n_segs;
	uint32_t n_slots;
	uint32_t seg_shift;    /* log2 of the segment's bytes */
	uint32_t unit_shift;   /* log2 of the unit of `place` */
	uint32_t bucket_shift; /* log2 of n_buckets0 */
	uint32_t n_levels;     /* levels that may be used, 1 to SHM_LEVELS */
	uint32_t chunk_shift;  /* log2 of the level-i buckets that a growth step splits */
	uint32_t policy;       /* 0 lru */
	uint32_t test_clock;   /* 1: header.clock_shift counts */
	uint32_t reserve;      /* FREE segments that only cleaners may lease */
};
static_assert(sizeof(struct shm_geometry) == 144, "geometry");

struct shm_header {
	shm_u64 magic;		 /*    0  stored last, release */
	uint32_t major;		 /*    8  */
	uint32_t minor;		 /*   12  */
	uint64_t signature;	 /*   16  LAYOUT_SIGNATURE */
	uint8_t uuid[16];	 /*   24  */
	uint64_t seed;		 /*   40  of XXH3; random for each region */
	struct shm_geometry geo; /* 48 .. 191 */
	uint8_t reserved0[64];

	/* 256: one line that every call loads */
	shm_u64 index;			/*  256  { level 8 | split 56 } */
	shm_u64 flushed_all;		/*  264  flush of everything */
	shm_u64 flushed_at0;		/*  272  flush of the default namespace */
	shm_u64 clock_shift;		/*  280  test clock: ms */
	shm_u64 commit[SHM_LEVELS - 1]; /* 288  level-i buckets whose children are committed */
	shm_u32 ctl_epoch;		/*  312  */
	shm_u32 tick;			/*  316  recency, 0..255 */

	/* 320: written by flushes, leases and the daemon */
	shm_u64 flush_seq;  /*  320  40 bits used */
	shm_u64 lease_seq;  /*  328  */
	shm_u64 punched;    /*  336  { level 8 | buckets of it that are punched 56 } */
	shm_u32 slots_high; /*  344  slots at and above it were never handed out */
	uint8_t reserved2[36];

	uint8_t reserved3[3712]; /* 384 .. 4095 */
};
SHM_OFFSET(shm_header, geo, 48);
SHM_OFFSET(shm_header, index, 256);
SHM_OFFSET(shm_header, tick, 316);
SHM_OFFSET(shm_header, slots_high, 344);
SHM_OFFSET(shm_header, flush_seq, 320);
static_assert(sizeof(struct shm_header) == SHM_PAGE, "header is one page");

struct shm_segment {
	shm_u64 word;  /* 0 */
	shm_u64 epoch; /* 8  flushed_at0 when it was leased */
};
static_assert(sizeof(struct shm_segment) == 16, "segment entry");

/* Hints for the cleaner. Bounds-checked; a wrong value costs efficiency. */
struct shm_table {
	shm_u32 fill;  /*  0  bytes in use */
	shm_u32 items; /*  4  */
	shm_u64 expiry; /*  8  latest expiry in it; UINT64_MAX: one never expires. Body: hash of the head's key */
	shm_u64 lease_seq; /* 16  age. Body: when it was last seen linked */
	shm_u32 dead;	   /* 24  bytes of replaced and deleted items; updates may get lost */
	shm_u32 born_s;	   /* 28  no item in it was stored before: seconds since boot */
};
static_assert(sizeof(struct shm_table) == 32, "table entry");

/* Per-namespace counters of one handle; entry SHM_NS_COUNTED - 1 is "others". */
struct shm_ns_count {
	shm_u64 id_plus_1, hits, misses, sets, deletes, reserved;
};

/* One handle. */
struct shm_slot {
	shm_u64 h0;	       /*   0  own segment + 1 while inside a write */
	shm_u64 h1;	       /*   8  the old item's segment + 1 */
	shm_u64 splitting;     /*  16  1 while inside a bucket split */
	shm_u64 pin[SHM_PINS]; /*  24  for zero-copy reads; 0 */
	shm_u64 mode;	  /*  64  0 membarrier, 1 every hazard store is followed by a full fence */
	shm_u64 base_ops; /*  72  sum of the call counters when the handle attached */
	uint8_t reserved[48];
	shm_u64 count[SHM_COUNTERS];		/* 128  stats.def, cumulative over all owners */
	struct shm_ns_count ns[SHM_NS_COUNTED]; /* 512  */
	uint8_t pad[128];
};
SHM_OFFSET(shm_slot, mode, 64);
SHM_OFFSET(shm_slot, count, 128);
SHM_OFFSET(shm_slot, ns, 512);
static_assert(sizeof(struct shm_slot) == 1024, "slot is a quarter page");

struct shm_ns {
	shm_u64 word; /* hash of the name, never 0 once taken; entry 0 is the default namespace */
	shm_u64 flushed_at;
};
struct shm_ns_name {
	shm_u8 len; /* 0: not yet written; stored last, release */
	shm_u8 name[255];
};
static_assert(sizeof(struct shm_ns) == 16 && sizeof(struct shm_ns_name) == 256, "namespace entry");

/* One line. The last 8 bytes are accessed as bytes only: mixing sizes stalls store forwarding. */
struct shm_bucket {
	shm_u64 word[SHM_WORDS];
	shm_u8 recency[SHM_WORDS];
	shm_u8 overflow; /* { frozen 1 | value 7 }: 0 VIRGIN, n + 1 = n alt words, 127 saturated */
};
static_assert(sizeof(struct shm_bucket) == SHM_LINE, "bucket is one line");

/* What the compiler made of this file; two binaries that disagree refuse to share. */
#define LAYOUT_SIGNATURE                                                                           \
	((uint64_t)LAYOUT_MAJOR << 56 | (uint64_t)sizeof(struct shm_header) << 40 |                \
	 (uint64_t)sizeof(struct shm_slot) << 28 | (uint64_t)sizeof(struct shm_bucket) << 20 |     \
	 (uint64_t)sizeof(struct shm_table) << 12 | (uint64_t)sizeof(struct shm_segment) << 6 |    \
	 (uint64_t)sizeof(struct shm_ns_count))

/* ------------------------------------------------------------------ slot words */

enum slot_kind { SLOT_VIRGIN = 0, SLOT_COMMITTED = 1, SLOT_PENDING = 2, SLOT_EMPTY = 3 };

#define SLOT_KIND_SHIFT 62
#define SLOT_FROZEN (1ULL << 61)
#define SLOT_ALT (1ULL << 60)
#define SLOT_SIZE_SHIFT 58
#define SLOT_TAG_SHIFT 46
#define SLOT_GEN_SHIFT 34
#define SLOT_PLACE_MASK ((1ULL << 34) - 1)
#define SLOT_GEN_MASK 0xfffu
#define SLOT_TAG_MASK 0xfffu
#define SLOT_KIND_MASK (3ULL << SLOT_KIND_SHIFT)
#define SLOT_EMPTY_WORD ((uint64_t)SLOT_EMPTY << SLOT_KIND_SHIFT)
/* What a lookup compares: kind, frozen, alt, tag. */
#define SLOT_MATCH_MASK (SLOT_KIND_MASK | SLOT_FROZEN | SLOT_ALT | (0xfffULL << SLOT_TAG_SHIFT))

#define OVERFLOW_FROZEN 0x80u
#define OVERFLOW_VALUE 0x7fu
#define OVERFLOW_NONE 1u /* in use, count 0 */
#define OVERFLOW_SATURATED 127u

/* ------------------------------------------------------------------ segment words */

enum seg_state {
	SEG_OFFLINE = 0,
	SEG_FREE = 1,
	SEG_LEASED = 2,
	SEG_SEALED = 3,
	SEG_CLEANING = 4,
	SEG_LIMBO = 5,
};

#define SEG_STATE_SHIFT 61
#define SEG_BODY (1ULL << 60)
#define SEG_OWNER_SHIFT 48
#define SEG_OWNER_MASK 0xfffu
#define SEG_GEN_MASK ((1ULL << 48) - 1)

/* ------------------------------------------------------------------ items */

enum item_type { ITEM_PLAIN = 0, ITEM_COUNTER = 1, ITEM_COUNTER_SIGNED = 2, ITEM_EXTENTS = 3 };

#define ITEM_TYPE_MASK 0x0fu
#define ITEM_TAGS_SHIFT 4
#define ITEM_LONG 1u
#define ITEM_META 2u
#define ITEM_TAGS 4u
#define ITEM_ORIG 8u
#define ITEM_FLAGS_MASK 15u

#define ITEM_EXPIRY_MASK ((1ULL << 40) - 1)
#define ITEM_EXPIRED 1ULL
#define ITEM_STAMP_MASK ((1ULL << 40) - 1)
#define EXTENT_GEN_MASK ((1ULL << 44) - 1)
#define EXTENT_SEG_SHIFT 44
#define VERSION_PLACE_BITS 34
#define VERSION_GEN_MASK ((1ULL << 30) - 1)

#endif
