/* SPDX-License-Identifier: MIT
 *
 * publish.pml - one key, NSEG segments of one item each: publish, clean, recycle.
 *
 * Shared words: the slot word {ss seg, sg gen}; the segment word {st, ow, gen}; fill, the
 * dead-byte counter (sum) and its baseline (base) of each segment; hazards H0 (own lease) and H1
 * (old item). The memory model is sequential consistency; the barrier is in pins.pml.
 *
 * Writers increment the item (absent: store 1). The cleaner picks any segment: revokes a lease,
 * takes SEALED -> CLEANING(me), then: drop at once (expired; no scan), or scan H0 and give up if
 * one names the victim, or drop because it counts as all dead, or walk (evict or move). LIMBO ->
 * FREE after a scan of H0 and H1. The lessee stores fill = 0 and base = sum inside the writer
 * frame.
 *
 * Claims: every publish is the current value + 1 (no lost update); a move keeps the value; bytes
 * are stored only into memory owned in this incarnation; a validated read returns the value at
 * its slot load; a commit never lands in a segment that was walked; when a segment goes away
 * without an expired drop, no live word names it any more (evictions are counted exactly); the
 * dead count of an incarnation is between 0 and its real dead items.
 *
 * Mutants: NOH1 (with GM=2) a word comes back: lost update; NOH0 reuse under a writer; NOGEN
 * slot word without generation; NOLIMBO reuse without waiting; NOG2 reader without the second
 * check; NOPRESCAN walk without the scan of H0: an item published after the walk disappears
 * uncounted; WRITERSONLY (with CLEANERS=2) the scan leaves out the leases of other cleaners;
 * LATEBUMP dead bytes counted after H1 is cleared: the next incarnation inherits them; BASEPROM
 * (with PROMOTERS=1) baseline stored by whoever moves LIMBO -> FREE: a late one is stale.
 *
 * STAGED is the scope in which BASEPROM shows soon: one writer, cleaning and promotion of
 * segment 1, which starts in LIMBO; the cleaner takes only segment ONLY and drops nothing as
 * expired.
 */
#ifdef STAGED
#define WRITERS 1
#define OPS 3
#define ROUNDS 4
#define ONLY 1
#define NOEXPIRY
#define START1 LIMBO
#endif
#ifndef OPS
#define OPS 1
#endif
#ifndef OPS0
#define OPS0 OPS /* of writer 0 */
#endif
#ifndef WRITERS
#define WRITERS 2
#endif
#ifndef CLEANERS
#define CLEANERS 1
#endif
#ifndef ROUNDS
#define ROUNDS 3
#endif
#ifndef KILLS
#define KILLS 0
#endif
#ifndef GM
#define GM 16 /* generations kept in a slot word */
#endif
#ifndef PROMOTERS
#define PROMOTERS 0
#endif
#define NSEG 3
#define NP 4 /* writers 0 and 1, cleaners 2 and 3 */

#define FREE 1
#define LEASED 2
#define SEALED 3
#define CLEANING 4
#define LIMBO 5
#define NONE 9
#ifndef START1
#define START1 FREE
#endif

byte st[NSEG], ow[NSEG], gen[NSEG], val[NSEG], fill[NSEG], sum[NSEG], base[NSEG];
byte ss = NONE, sg = 0;
byte H0[NP], H1[NP];
byte kills = 0, victim = NONE;
/* ghosts: value of the linked item; real dead items; baseline taken; expired drop */
byte cur = 0;
byte real[NSEG];
bool based[NSEG], expired[NSEG];

#ifdef NOGEN
#define SAME(s, x) (ss == s)
#define STALE(s, x) (false)
#else
#define SAME(s, x) (ss == s && sg == x)
#define STALE(s, x) (gen[s] % GM != x)
#endif
#define LIVE(c) (ss == c && sg == gen[c] % GM)
#define MINE(S, g) (st[S] == LEASED && ow[S] == me && gen[S] == g)
#define UNNAMED(c) (H0[0] != c + 1 && H0[1] != c + 1 && H0[2] != c + 1 && H0[3] != c + 1 && \
		    H1[0] != c + 1 && H1[1] != c + 1)
/* nobody can still publish into c: neither a writer nor a cleaner that moves an item there */
#ifdef WRITERSONLY
#define NOWRITER(c) (H0[0] != c + 1 && H0[1] != c + 1)
#else
#define NOWRITER(c) (H0[0] != c + 1 && H0[1] != c + 1 && H0[2] != c + 1 && H0[3] != c + 1)
#endif
#define KILL if :: atomic { kills < KILLS -> kills++; victim = me; goto dead } :: skip fi

/* FREE -> LEASED(me): the first FREE segment, NONE if there is none */
#define TAKE(i) st[i] == FREE -> st[i] = LEASED; ow[i] = me; S = i; g = gen[i]; \
		based[i] = false; expired[i] = false; real[i] = 0
inline lease()
{
	d_step {
		if
		:: TAKE(0)
		:: else ->
			if
			:: TAKE(1)
			:: else -> if :: TAKE(2) :: else -> S = NONE fi
			fi
		fi
	}
}

/* the lessee's first stores, inside the frame */
inline open_lease()
{
	d_step {
		fill[S] = 0;
#ifndef BASEPROM
		base[S] = sum[S]; based[S] = true;
#endif
	}
}

proctype Writer(byte me)
{
	byte S, g, s, x, v, t, n;

	do
	:: n >= (me == 0 -> OPS0 : OPS) -> break
	:: else ->
		n++; t = 0;
		lease();
		if :: S == NONE -> goto dead :: else fi;
		KILL;
#ifndef NOH0
		H0[me] = S + 1;
#endif
		if :: !MINE(S, g) -> goto clear :: else fi;
		open_lease();
retry:
		t++; if :: t > 2 -> goto clear :: else fi;
		d_step { s = ss; x = sg; v = 0 };
		if
		:: s == NONE -> goto build
		:: else
		fi;
#ifndef NOH1
		H1[me] = s + 1; /* for a stale word too: it must not turn valid before the CAS */
#endif
		if
		:: !SAME(s, x) -> goto retry
		:: SAME(s, x) && STALE(s, x) -> goto build
		:: else
		fi;
		v = val[s];
		if :: STALE(s, x) -> goto retry :: else fi;
build:
		KILL;
		assert(gen[S] == g || st[S] == LIMBO);
		d_step { val[S] = v + 1; fill[S] = 1 };
		KILL;
		/* the publishing CAS */
		if
		:: atomic { SAME(s, x) || (s == NONE && ss == NONE) ->
			assert(gen[S] == g || expired[S]);
			if
			:: v == 0 -> assert(s == NONE || STALE(s, x)); cur = 1
			:: else ->
				assert(v == cur); cur = v + 1;
				if :: !STALE(s, x) -> real[s]++ :: else fi
			fi;
			ss = S; sg = g % GM }
		:: else -> goto retry
		fi;
		KILL;
#ifdef LATEBUMP
		H1[me] = 0;
#endif
		if
#ifndef NOH1
		:: v > 0 -> t = sum[s]; sum[s] = t + 1 /* plain add into a shared stripe */
#endif
		:: else
		fi;
clear:
		H1[me] = 0;
		if :: atomic { S != NONE && MINE(S, g) -> st[S] = SEALED } :: else fi;
		H0[me] = 0
	od;
dead:	skip
}

/* move the item of word {c, x} into an own lease, by CAS */
inline survive()
{
	lease();
	if
	:: S == NONE
	:: else ->
		H0[me] = S + 1;
		if
		:: MINE(S, g) ->
			open_lease();
			d_step { val[S] = val[c]; fill[S] = 1 };
			atomic { if :: SAME(c, x) -> assert(val[S] == cur); ss = S; sg = g % GM
				    :: else fi };
			atomic { if :: MINE(S, g) -> st[S] = SEALED :: else fi }
		:: else
		fi;
		H0[me] = 0
	fi
}

/* read LIMBO(gen) first, then (barrier,) scan, then CAS on the full word */
inline promote()
{
	x = gen[c];
	if
	:: st[c] == LIMBO && gen[c] == x && UNNAMED(c) ->
#ifdef BASEPROM
		v = sum[c];
		d_step { base[c] = v; based[c] = true };
#endif
		atomic { if :: st[c] == LIMBO && gen[c] == x -> st[c] = FREE :: else fi }
	:: else
	fi
}

proctype Cleaner(byte me)
{
	byte c, S, g, x, r, v;

	do
	:: r >= ROUNDS -> break
	:: else ->
		r++;
#ifdef ONLY
		c = ONLY;
#else
		if :: c = 0 :: c = 1 :: c = 2 fi;
#endif
		if
		:: st[c] == LIMBO -> promote(); goto next
		:: else
		fi;
		atomic { if :: st[c] == LEASED -> st[c] = SEALED :: else fi };
		if
		:: atomic { st[c] == SEALED -> st[c] = CLEANING; ow[c] = me }
		:: else -> goto next
		fi;
		KILL;
#ifndef NOEXPIRY
		if
		:: expired[c] = true; goto limbo
		:: skip
		fi;
#endif
#ifndef NOPRESCAN
		if :: !NOWRITER(c) -> st[c] = SEALED; goto next :: else fi;
#endif
		if
		:: fill[c] > 0 && sum[c] - base[c] >= fill[c] -> /* all dead: no walk */
			assert(!based[c] || (sum[c] >= base[c] && sum[c] - base[c] <= real[c]));
			assert(!LIVE(c)); goto limbo
		:: else
		fi;
		assert(!based[c] || (sum[c] >= base[c] && sum[c] - base[c] <= real[c]));
		/* the walk */
		x = gen[c] % GM;
		if
		:: fill[c] > 0 && ss == c && sg == x ->
			if
			:: atomic { if :: SAME(c, x) -> ss = NONE; cur = 0 :: else fi }
			:: survive(); atomic { if :: SAME(c, x) -> ss = NONE; cur = 0 :: else fi }
			fi
		:: else
		fi;
		KILL;
#ifndef NOGEN
		assert(!LIVE(c));
#endif
limbo:
		atomic {
			/* the sweep rule: no word of the generation that comes (again) is left */
			if :: ss == c && sg == (gen[c] + 1) % GM -> ss = NONE; cur = 0 :: else fi;
			gen[c] = gen[c] + 1;
			based[c] = false;
#ifdef NOLIMBO
			st[c] = FREE
#else
			st[c] = LIMBO
#endif
		};
next:		skip
	od;
dead:	skip
}

/* a second process that only moves LIMBO -> FREE */
proctype Promoter()
{
	byte c, v, x;

	do
	:: c < NSEG -> promote(); c++
	:: break
	od
}

proctype Reader()
{
	byte s, x, v, g, vs;

	d_step { s = ss; x = sg; vs = cur };
	if
	:: s == NONE -> skip
	:: else ->
		g = gen[s];
		if
#ifdef NOGEN
		:: ss != s -> skip
#else
		:: g % GM != x -> skip
#endif
		:: else ->
			v = val[s];
#ifdef NOG2
			assert(v == vs)
#else
			if :: gen[s] == g -> assert(v == vs) :: else fi
#endif
		fi
	fi
}

/* the daemon, after the pidfd of the victim */
proctype Reaper()
{
	byte c;

end:	victim != NONE ->
	H1[victim] = 0;
	H0[victim] = 0;
	do
	:: c == NSEG -> break
	:: else ->
		atomic {
			if
			:: (st[c] == LEASED ||
				st[c] == CLEANING) && ow[c] == victim -> st[c] = SEALED
			:: else
			fi;
			c++
		}
	od
}

init {
	atomic {
		st[0] = SEALED; st[1] = START1; st[2] = FREE;
		val[0] = 1; fill[0] = 1; based[0] = true; cur = 1; ss = 0;
		run Writer(0);
#if WRITERS > 1
		run Writer(1);
#endif
		run Cleaner(2);
#if CLEANERS > 1
		run Cleaner(3);
#endif
#ifdef READER
		run Reader();
#endif
#if PROMOTERS > 0
		run Promoter();
#endif
#if KILLS > 0
		run Reaper();
#endif
	}
}
