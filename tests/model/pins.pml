/* SPDX-License-Identifier: MIT
 *
 * pins.pml - hazards against a store buffer: one segment, one client, one cleaner.
 *
 * Shared words: the segment word {st, gen}; the slot word {linked, lgen}; content (the bytes, as
 * the generation that stored them); hazards H0 (own lease), H1 (old item), PIN. The client's
 * plain stores (hazards, content) wait in a buffer and reach memory later, each hazard on its
 * own (weaker than TSO), except that a hazard is cleared by a release store: after the content.
 * membarrier() by the cleaner empties the client's buffer; so does the client's own CAS.
 *
 * Client, each round one of: pin (PIN = seg; check slot and gen; use the bytes twice; unpin);
 * old item (H1 = seg; check; read; CAS expecting the word); own lease (H0 = seg; check
 * LEASED(me, gen); store bytes; publish by CAS). Cleaner: revoke, CLEANING, membarrier, scan H0
 * (named: back to SEALED), unlink, gen + 1, LIMBO; membarrier, scan of all, then reuse.
 *
 * Claims: bytes that are pinned or read under H1 and a passed check stay those of that
 * generation; bytes are stored only before the reuse; nothing is published after the walk.
 *
 * Mutants: CHECKFIRST the client checks, then sets its hazard; SCANFIRST the cleaner scans
 * before it unlinks, not after; NOBARRIER no membarrier at all; NOPREBARRIER none before the
 * scan of H0; NOSCAN LIMBO -> FREE without looking. FENCE (with NOBARRIER) is fence mode,
 * hazards by xchg, and holds; RELAXED with it lets a hazard be cleared before the content is out
 * (a second membarrier would hide that).
 */
#ifndef ROUNDS
#define ROUNDS 2
#endif
#define LEASED 1
#define SEALED 2
#define CLEANING 3
#define LIMBO 4

#define NH 3
#define H0 0
#define H1 1
#define PIN 2

byte st = LEASED, gen = 0, content = 0, lgen = 0;
bool linked = false, done = false;
bool haz[NH];          /* in memory */
bool wait[NH], to[NH]; /* in the buffer, and its value */
bool cwait = false;    /* a content store of generation 0 is in the buffer */
bool walked = false;   /* ghost: generation 0 was walked */

/* the next owner has it: not the incarnation, nor its LIMBO, that was ours */
#define REUSED (gen > 1 || (gen == 1 && st != LIMBO))

#define OUT_CONTENT cwait -> assert(!REUSED); content = 0; cwait = false
#define OUT(h) haz[h] = to[h]; wait[h] = false
inline drain()
{
	d_step {
		if :: OUT_CONTENT :: else fi;
		if :: wait[0] -> OUT(0) :: else fi;
		if :: wait[1] -> OUT(1) :: else fi;
		if :: wait[2] -> OUT(2) :: else fi
	}
}
#ifdef NOBARRIER
#define MEMBARRIER skip
#else
#define MEMBARRIER drain()
#endif
#ifdef FENCE
#define AFTER drain()
#else
#define AFTER skip
#endif
#define SET(h) d_step { wait[h] = true; to[h] = true }; AFTER
#define CLEAR(h) d_step { wait[h] = true; to[h] = false }
#ifdef RELAXED
#define MAYGO(h) wait[h]
#else
#define MAYGO(h) wait[h] && (to[h] || !cwait)
#endif

active proctype Buffer()
{
	do
	:: d_step { OUT_CONTENT }
	:: d_step { MAYGO(0) -> OUT(0) }
	:: d_step { MAYGO(1) -> OUT(1) }
	:: d_step { MAYGO(2) -> OUT(2) }
	:: done && !cwait && !wait[0] && !wait[1] && !wait[2] -> break
	od
}

#define SLOT_IS(g) (linked && lgen == g && gen == g)

inline pin()
{
	d_step { ok = linked; g = lgen };
	if
	:: ok ->
#ifdef CHECKFIRST
		ok = SLOT_IS(g); SET(PIN);
#else
		SET(PIN); ok = SLOT_IS(g);
#endif
		if :: ok -> assert(content == g); assert(content == g) :: else fi;
		CLEAR(PIN)
	:: else
	fi
}

inline old_item()
{
	d_step { ok = linked; g = lgen };
	if
	:: ok ->
#ifdef CHECKFIRST
		ok = SLOT_IS(g); SET(H1);
#else
		SET(H1); ok = SLOT_IS(g);
#endif
		if
		:: ok ->
			assert(content == g);
			drain(); /* by the CAS */
			assert(gen == g || (gen == g + 1 && st == LIMBO));
			d_step { if :: linked && lgen == g -> linked = false :: else fi }
		:: else
		fi;
		CLEAR(H1)
	:: else
	fi
}

inline own_lease()
{
#ifdef CHECKFIRST
	ok = (st == LEASED && gen == 0); SET(H0);
#else
	SET(H0); ok = (st == LEASED && gen == 0);
#endif
	if
	:: ok ->
		cwait = true;
		if
		:: drain();
		   d_step { if :: !linked -> assert(!walked); linked = true; lgen = 0 :: else fi }
		:: skip /* the CAS was lost before: no publish */
		fi
	:: else
	fi;
	CLEAR(H0)
}

active proctype Client()
{
	byte g, n;
	bool ok;

	do
	:: n == ROUNDS -> break
	:: else ->
		n++;
		if :: pin() :: old_item() :: own_lease() fi
	od;
	done = true
}

#define UNNAMED (!haz[H0] && !haz[H1] && !haz[PIN])

inline unlink()
{
	d_step {
		if :: linked && lgen == gen -> linked = false :: else fi;
		if :: gen == 0 -> walked = true :: else fi
	};
	d_step { gen++; st = LIMBO }
}

active proctype Cleaner()
{
	byte n;

	do
	:: n == 2 -> break
	:: else ->
		n++;
		d_step { if :: st == LEASED -> st = SEALED :: else fi };
		st = CLEANING;
#ifndef NOPREBARRIER
		MEMBARRIER;
#endif
		if :: haz[H0] -> st = SEALED; goto next :: else fi;
#ifdef SCANFIRST
		MEMBARRIER;
		if :: UNNAMED :: else -> st = SEALED; goto next fi;
		unlink();
#else
		unlink();
again:
		MEMBARRIER;
#ifndef NOSCAN
		if :: UNNAMED :: else -> if :: goto again :: goto out fi fi;
#endif
#endif
		/* the next owner: FREE, LEASED, filled, published, SEALED */
		d_step { st = SEALED; content = gen; linked = true; lgen = gen };
next:		skip
	od;
out:	skip
}
