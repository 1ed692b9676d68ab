/* SPDX-License-Identifier: MIT
 *
 * flush.pml - O(1) flush against set, derived operations and the cleaner's move, one key.
 *
 * Shared words: seq (flush_seq), flushed (flushed_at of the namespace), the slot word, and for
 * each item its origin: epoch[] of its segment in the default namespace, or with STAMP its own
 * stamp (modelled as a segment of one item). valid(item) = epoch[seg(item)] >= flushed.
 *
 * Fresh (set, add): after the load of the slot word, the writer leases another segment unless
 * the lease's epoch equals flushed; the lessee loads flushed and stores epoch before the first
 * publish; with STAMP the stamp is seq loaded after the slot word. So the new item is never
 * older than the one that it replaces, and nothing has to be looked at after the commit: a set
 * that a flush overtakes is born flushed, as if the flush came right after it. Derived (incr,
 * append, touch, replace, cas): publishes only if the source's epoch equals the lease's: higher
 * -> another lease; lower -> the source was flushed: absent. With STAMP it copies the stamp. The
 * cleaner moves an item under the same rule. Flush: v = ++seq; flushed = max(v).
 *
 * Claims: a get that begins after a flush returned never sees an item whose set returned before
 * the flush began, nor anything derived from one; when all is over and a set began after the
 * last flush returned, the key is there; a fresh item never hides a valid one that is newer; a
 * derived or moved item is valid exactly when its source is; who treats an item as absent is
 * right about it when its CAS succeeds.
 *
 * Mutants: DERIVEDFRESH a derived item takes the lease's epoch (or seq) if its source was valid
 * when it was read; EPOCHLATE epoch stored after the publish; MOVESEQ a move into a lease with
 * epoch = seq; MOVEANY a move into whatever lease there is; FRAMEFIRST epoch or stamp chosen
 * before the slot word is loaded: the set may replace a newer item by a flushed one, and with
 * REDO (look at flushed after the commit, again if newer) only for a while, but for good if it
 * is killed there.
 */
#ifndef FLUSHES
#define FLUSHES 1
#endif
/* the item there from the start was set under the current epoch (stamps: the current seq) */
#ifdef STAMP
#define START 1
#else
#define START 0
#endif
#define FLUSHED0 0
#ifndef MOVES
#define MOVES 1
#endif
#define NONE 255
#define NITEM 16
#define NSEG 16

byte seq = 1, flushed = 0;
byte slot = 1;
byte nitem = 2, nseg = 2;
byte root[NITEM], seg[NITEM]; /* item 0: none */
byte epoch[NSEG];
/* ghosts, by root: 1 there from the start, 2 setter, 3 incr, 4 late set, 5 second incr */
bool returned[8], gone[8];
byte flushes = 0, done = 0;
bool late = false;

#define VALID(i) (i != 0 && epoch[seg[i]] >= flushed)
#define FRESH 0

/* a segment whose epoch equals flushed; with STAMP a new stamp */
inline frame()
{
#ifdef STAMP
	e = seq;
	d_step { S = nseg; nseg++; epoch[S] = e };
#else
	do
	:: f = flushed;
	   if
	   :: S != NONE && e == f -> break
	   :: else ->
		d_step { S = nseg; nseg++ };
		e = flushed;
#ifndef EPOCHLATE
		epoch[S] = e
#endif
	   fi
	od
#endif
}

inline build(r)
{
	d_step { n = nitem; nitem++; root[n] = r; seg[n] = S }
}

/* after the commit */
inline committed()
{
#ifdef EPOCHLATE
	epoch[S] = e;
#endif
#ifdef REDO
	ok = !(flushed > epoch[S])
#else
	ok = true
#endif
}

inline set(r)
{
	do
	::
#ifdef FRAMEFIRST
	   frame();
	   s = slot;
#else
	   s = slot;
	   frame();
#endif
	   build(r);
	   if
	   :: atomic { slot == s -> assert(!VALID(s) || VALID(n)); slot = n }; committed();
		if :: ok -> break
		:: else fi
	   :: else
	   fi
	od;
	returned[r] = true
}

/* incr: r is its own root when it found nothing */
inline derive(r)
{
	do
	:: frame();
	   s = slot;
	   if
	   :: s == 0 -> build(r); how = FRESH
	   :: else ->
		es = epoch[seg[s]];
#ifdef STAMP
		if
		:: es < flushed -> build(r); how = FRESH
		:: else ->
#ifndef DERIVEDFRESH
			epoch[S] = es;
#endif
			build(root[s]); how = s
		fi
#else
#ifdef DERIVEDFRESH
		if
		:: es < flushed -> build(r); how = FRESH
		:: else -> build(root[s]); how = s
		fi
#else
		if
		:: es == e -> build(root[s]); how = s
		:: es < e -> build(r); how = FRESH
		:: es > e -> how = NONE; S = NONE
		fi
#endif
#endif
	   fi;
	   if
	   :: how == NONE
	   :: else ->
		if
		:: atomic { slot == s ->
			assert(how == FRESH -> !VALID(s) : VALID(s) == VALID(n));
			slot = n };
			committed(); if :: ok -> break :: else fi
		:: else
		fi
	   fi
	od;
	returned[r] = (how == FRESH)
}

proctype Setter()
{
	byte S = NONE, e, f, n, s;
	bool ok;

	set(2);
	done++
}

proctype Incr(byte r)
{
	byte S = NONE, e, f, n, s, es, how;
	bool ok;

	derive(r);
	done++
}

/* begins after the last flush returned */
proctype LateSetter()
{
	byte S = NONE, e, f, n, s;
	bool ok;

	flushes == FLUSHES;
	late = true;
	set(4);
	done++
}

/* the cleaner: its lease is older than what it moves, or not */
proctype Mover()
{
	byte S = NONE, e, n, s, es, t;

	do
	:: t == MOVES -> break
	:: else ->
		t++;
		if
		:: S == NONE ->
			d_step { S = nseg; nseg++ };
#ifdef MOVESEQ
			e = seq;
#else
			e = flushed;
#endif
			epoch[S] = e
		:: else
		fi;
		s = slot;
		if
		:: s == 0
		:: else ->
			es = epoch[seg[s]];
			if
#ifdef STAMP
			:: es < flushed ->
#else
#if defined(MOVEANY) || defined(MOVESEQ)
			:: es < flushed ->
#else
			:: es > e -> S = NONE
			:: es < e ->
#endif
#endif
				atomic { if :: slot == s -> assert(!VALID(s)); slot = 0 :: else fi }
			:: else ->
#ifdef STAMP
				d_step { S = nseg; nseg++; epoch[S] = es };
#endif
				build(root[s]);
				atomic { if :: slot == s -> assert(VALID(s) == VALID(n)); slot = n
					:: else fi }
			fi
		fi
	od;
	done++
}

proctype Flusher()
{
	byte v, i;

	do
	:: flushes == FLUSHES -> break
	:: else ->
		/* the flush begins */
		d_step {
			i = 0;
			do
			:: i == 8 -> break
			:: else -> if :: returned[i] -> gone[i] = true :: else fi; i++
			od;
			i = 0
		};
		atomic { seq++; v = seq };
		atomic { if :: flushed < v -> flushed = v :: else fi };
		flushes++
	od;
	done++
}

/* a get after the last flush returned */
proctype Get()
{
	byte s;

	flushes == FLUSHES;
	s = slot;
	if
	:: atomic { s != 0 && epoch[seg[s]] >= flushed -> assert(!gone[root[s]]) }
	:: else
	fi;
	done++
}

#ifdef NOLATE
#define NLATE 0
#else
#define NLATE 1
#endif
#ifdef SET
#define NSET 1
#else
#define NSET 0
#endif
#ifdef INCR
#define NINCR 1
#else
#define NINCR 0
#endif
#ifdef INCR2
#define NINCR2 1
#else
#define NINCR2 0
#endif
#ifdef MOVE
#define NMOVE 1
#else
#define NMOVE 0
#endif

init {
	atomic {
		root[1] = 1; seg[1] = 1; epoch[1] = START; flushed = FLUSHED0; returned[1] = true;
		run Flusher(); run Get();
#if NLATE
		run LateSetter();
#endif
#ifdef SET
		run Setter();
#endif
#ifdef INCR
		run Incr(3);
#endif
#ifdef INCR2
		run Incr(5);
#endif
#ifdef MOVE
		run Mover();
#endif
	}
	done == 2 + NLATE + NSET + NINCR + NINCR2 + NMOVE;
	assert(!VALID(slot) || !gone[root[slot]]);
#if NLATE
	assert(VALID(slot));
#endif
}
