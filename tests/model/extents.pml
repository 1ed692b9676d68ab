/* SPDX-License-Identifier: MIT
 *
 * extents.pml - a large value: a head that lists NEXT body segments, one key.
 *
 * Shared words: slot (the head that is linked, 0 none); each body segment's word {st, ow, gen},
 * its table entry birth (the head it was written for) and content (the head whose bytes it
 * holds). A head is written once and lists {segment, generation} of each extent; heads are
 * numbered and lie in ordinary segments, whose reuse is in publish.pml.
 *
 * Writer: for each extent FREE -> LEASED(me), H0, birth, bytes, SEALED; then the head is
 * published by CAS. Then it reads every extent's word again: anything but {SEALED, gen} -> it
 * takes its own head away and the set did not happen. The winner of a CAS that removed a head
 * drops its bodies, best effort. Cleaner: revokes leases; takes a body SEALED -> CLEANING(me)
 * FIRST, then looks whether a linked head of that birth lists it: yes -> SEALED again, no ->
 * orphan: gen + 1, LIMBO. Nothing depends on the age of a body: an age limit is a hint that
 * makes false alarms rare. Reader: per extent copy, then gen(segment) == listed gen, else a
 * miss.
 *
 * Claims: a read returns the bytes of one head or misses; the bodies of a head whose set
 * returned are never reclaimed while it is linked; at the end a sweep leaves no body that is
 * neither FREE nor listed by the linked head (no leak), also after a kill anywhere.
 *
 * Mutants: HEADONLY the reader does not check the extents; NOBUMP bodies are dropped without gen
 * + 1; LOOKFIRST the cleaner looks for the head before it takes CLEANING; NOCHECK the writer
 * does not look at its extents after the publish; GENONLY it compares generations only: a
 * cleaner that looked before the publish still holds CLEANING; NOH0 bytes are stored into the
 * next incarnation.
 */
#ifndef NEXT
#define NEXT 1
#endif
#ifndef NBODY
#define NBODY 2
#endif
#ifndef WRITERS
#define WRITERS 2
#endif
#ifndef ROUNDS
#define ROUNDS 3
#endif
#ifndef KILLS
#define KILLS 0
#endif

#define FREE 1
#define LEASED 2
#define SEALED 3
#define CLEANING 4
#define LIMBO 5
#define NP 4 /* 1, 2 writers (also their heads), 3 cleaner */
#define NONE 9

byte slot = 0;
byte st[NBODY], ow[NBODY], gen[NBODY], birth[NBODY], content[NBODY];
byte lseg[NP * NEXT], lgen[NP * NEXT]; /* the extents of head h: h * NEXT .. */
byte H0[NP];
byte kills = 0, victim = 0, done = 0;
bool returned[NP]; /* ghost */

#define KILL if :: atomic { kills < KILLS -> kills++; victim = me; done++; goto dead } :: skip fi

#if NEXT > 1
#define LISTS(h, c) (h != 0 && ((lseg[h * NEXT] == c && lgen[h * NEXT] == gen[c]) || \
		     (lseg[h * NEXT + 1] == c && lgen[h * NEXT + 1] == gen[c])))
#else
#define LISTS(h, c) (h != 0 && lseg[h] == c && lgen[h] == gen[c])
#endif
#define UNNAMED(c) (H0[1] != c + 1 && H0[2] != c + 1)
#define TAKE(i) st[i] == FREE -> st[i] = LEASED; ow[i] = me; S = i; g = gen[i]

inline lease()
{
	d_step {
		S = NONE;
		if
		:: TAKE(0)
		:: else ->
			if
			:: TAKE(1)
#if NBODY > 2
			:: TAKE(2)
#endif
#if NBODY > 3
			:: TAKE(3)
#endif
			:: else
			fi
		fi
	}
}

/* CLEANING(me) -> LIMBO(gen + 1) */
inline reclaim(c)
{
	atomic {
		assert(!(LISTS(slot, c) && returned[slot]));
#ifndef NOBUMP
		gen[c] = gen[c] + 1;
#endif
		st[c] = LIMBO
	}
}

/* the bodies of head h, which I unlinked */
inline drop_bodies(h)
{
	j = 0;
	do
	:: j == NEXT -> break
	:: else ->
		c = lseg[h * NEXT + j];
		if
		:: atomic { st[c] == SEALED && gen[c] == lgen[h * NEXT + j] -> st[c] = CLEANING;
			ow[c] = me };
			KILL;
			reclaim(c)
		:: else
		fi;
		j++
	od
}

proctype Writer(byte me)
{
	byte S, g, k, s, c, j;
	bool ok;

	do
	:: k == NEXT -> break
	:: else ->
		lease();
		if :: S == NONE -> done++; goto dead :: else fi;
#ifndef NOH0
		H0[me] = S + 1;
#endif
		if :: !(st[S] == LEASED && ow[S] == me && gen[S] == g) ->
			H0[me] = 0; done++; goto dead
			:: else fi;
		KILL;
		birth[S] = me;
		content[S] = me;
		lseg[me * NEXT + k] = S; lgen[me * NEXT + k] = g;
		atomic { if :: st[S] == LEASED && ow[S] == me && gen[S] == g -> st[S] = SEALED
			:: else fi };
		H0[me] = 0;
		k++
	od;
	KILL;
	do
	:: s = slot; if :: atomic { slot == s -> slot = me }; break :: else fi
	od;
	KILL;
	ok = true;
#ifndef NOCHECK
	k = 0;
	do
	:: k == NEXT -> break
	:: else ->
		S = lseg[me * NEXT + k];
		if
#ifdef GENONLY
		:: gen[S] == lgen[me * NEXT + k]
#else
		:: gen[S] == lgen[me * NEXT + k] && st[S] == SEALED
#endif
		:: else -> ok = false
		fi;
		k++
	od;
#endif
	if
	:: ok ->
		atomic {
#ifdef NOCHECK
			returned[me] = true
#else
			/* replaced meanwhile: not my bodies' concern any more */
			returned[me] = (slot == me)
#endif
		}
	:: else -> atomic { if :: slot == me -> slot = 0 :: else -> ok = true fi };
		if :: !ok -> drop_bodies(me) :: else fi
	fi;
	if :: s != 0 -> drop_bodies(s) :: else fi;
	done++;
dead:	skip
}

inline examine(c)
{
#ifdef LOOKFIRST
	s = slot;
	linked = (birth[c] == s && LISTS(s, c));
#endif
	if
	:: atomic { st[c] == SEALED -> st[c] = CLEANING; ow[c] = me };
		KILL;
#ifndef LOOKFIRST
		s = slot;
		linked = (birth[c] == s && LISTS(s, c));
#endif
		if :: linked -> st[c] = SEALED :: else -> reclaim(c) fi
	:: else
	fi
}

proctype Cleaner(byte me)
{
	byte c, r, s, j;
	bool linked;

	do
	:: r == ROUNDS -> break
	:: else ->
		r++;
		if
		:: c = 0 :: c = 1
#if NBODY > 2
		:: c = 2
#endif
#if NBODY > 3
		:: c = 3
#endif
		fi;
		if
		:: st[c] == LIMBO && UNNAMED(c) -> atomic { if :: st[c] == LIMBO -> st[c] = FREE
			:: else fi }
		:: else ->
			atomic { if :: st[c] == LEASED -> st[c] = SEALED :: else fi };
			examine(c)
		fi
	od;
#ifdef EVICT
	/* eviction of the head, then of its bodies */
	s = slot;
	if
	:: s != 0 -> atomic { if :: slot == s -> slot = 0 :: else -> s = 0 fi };
		KILL;
		if :: s != 0 -> drop_bodies(s) :: else fi
	:: else
	fi;
#endif
	done++;
dead:	skip
}

proctype Reader()
{
	byte s, k, v;

	s = slot;
	if
	:: s == 0
	:: else ->
		do
		:: k == NEXT -> break
		:: else ->
			v = content[lseg[s * NEXT + k]];
#ifdef HEADONLY
			assert(v == s);
#else
			if :: gen[lseg[s * NEXT + k]] != lgen[s * NEXT + k] -> break :: else fi;
			assert(v == s);
#endif
			k++
		od
	fi;
	done++
}

#ifdef READ
#define NREAD 1
#else
#define NREAD 0
#endif

init {
	byte i;

	atomic {
		do
		:: i == NBODY -> break
		:: else -> st[i] = FREE; i++
		od;
		run Writer(1);
#if WRITERS > 1
		run Writer(2);
#endif
		run Cleaner(3);
#if NREAD
		run Reader();
#endif
	}
	done == WRITERS + 1 + NREAD;
	/* the daemon after the victim's pidfd, then a sweep */
	d_step {
		H0[victim] = 0;
		i = 0;
		do
		:: i == NBODY -> break
		:: else ->
			assert(!(st[i] == CLEANING && ow[i] != victim));
			if
			:: st[i] == LEASED || st[i] == CLEANING -> st[i] = SEALED
			:: else
			fi;
			if
			:: st[i] == SEALED && !(birth[i] == slot && LISTS(slot, i)) -> gen[i]++;
				st[i] = LIMBO
			:: else
			fi;
			if :: st[i] == LIMBO && UNNAMED(i) -> st[i] = FREE :: else fi;
			assert(st[i] == FREE || LISTS(slot, i));
			i++
		od
	}
}
