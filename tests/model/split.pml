/* SPDX-License-Identifier: MIT
 *
 * split.pml - one bucket is split, with setters, a deleter, helpers and kills; then its child is
 * split too and the child's memory is punched.
 *
 * Shared words: old[i], kid[i] (the child that key A belongs to) and, with PUNCH, kid2[i] (the
 * child's child). frozen words keep their value and never change again; VIRGIN is a word never
 * written.
 *
 * split: freeze every old word by CAS (PENDING becomes EMPTY), then kid[i]: CAS(VIRGIN -> word
 * i). Whoever meets a frozen word helps to the end and goes on in the child. A bucket in which
 * any word is VIRGIN is not in use. Setters insert in two phases (insert.pml).
 *
 * PUNCH: when the child's split is over, the child's memory is given back and reads VIRGIN
 * again. A helper of the first split that was stopped before its CAS(VIRGIN -> w) would succeed
 * then, and a user with an old hint would find a deleted word. Rule: helpers announce themselves
 * (mark); the memory is punched only after a membarrier and a scan that found no mark.
 *
 * Claims: never two visible committed words of A; a set that returned is visible (no deleter);
 * after a delete that began when the setters had ended nothing of A is visible, in any level.
 *
 * Mutants: EMPTYKID children start EMPTY, copied by CAS(EMPTY -> w): a late helper puts back
 * what was deleted; EARLY a writer that met a frozen word uses the child without helping first
 * and takes VIRGIN as EMPTY; NOMARK the child is punched at once. Not a bug: KEEPPENDING a
 * PENDING word is frozen and copied as it is (its owner's CAS fails, the next one kills the
 * copy).
 */
#ifndef KILLS
#define KILLS 0
#endif
#ifndef TRIES
#define TRIES 2
#endif
#ifndef SETTERS
#define SETTERS 1
#endif
#ifndef HELPERS
#define HELPERS 1
#endif
#ifndef WORD0
#define WORD0 OLD
#endif

#define N 2
#define VIRGIN 0
#define EMPTY 1
#define OTHER 2 /* a word that belongs to the other child */
#define OLD 3
#define PEND 16
#define F 128
#ifdef EMPTYKID
#define UNUSED EMPTY
#else
#define UNUSED VIRGIN
#endif

#define FROZEN(w) (w >= F)
#define BARE(w) (w & 127)
#define ISA(w) (BARE(w) > OTHER)
#define PENDING(w) ((w & PEND) != 0)
#define COMMITTED(w) (ISA(w) && !PENDING(w))

byte old[N], kid[N];
byte kid2 = 0;      /* 1: the child was split and holds nothing of A any more */
byte marks = 0;     /* helpers inside split() */
byte kills = 0, ended = 0, helped = 0;
bool returned = false, deleted = false;

#define KILL if :: atomic { kills < KILLS -> kills++; marks--; goto dead } :: skip fi

#define SEEN(i) ((COMMITTED(old[i]) && (!FROZEN(old[i]) || kid[i] == VIRGIN) && kid2 == 0) + \
		 (COMMITTED(kid[i])))
#define VISIBLE (SEEN(0) + SEEN(1))

inline split()
{
	marks++;
	i = 0;
	do
	:: i == N -> break
	:: else ->
		w = old[i];
		if
		:: FROZEN(w) -> i++
		:: w == VIRGIN -> break /* punched: over long ago */
		:: else ->
#ifdef KEEPPENDING
			d_step { if :: old[i] == w -> old[i] = F + w; i++ :: else fi }
#else
			d_step { if :: old[i] == w -> old[i] = F + (PENDING(w) -> EMPTY : w); i++
				:: else fi }
#endif
		fi;
	od;
	KILL;
	i = 0;
	do
	:: i == N -> break
	:: else ->
		w = BARE(old[i]);
		if :: w == OTHER -> w = EMPTY :: w == VIRGIN -> break :: else fi;
		d_step { if :: kid[i] == UNUSED -> kid[i] = w :: else fi };
		i++
	od;
	w = 0; i = 0;
	marks--
}

proctype Helper()
{
	byte i, w;

	split();
dead:	helped++
}

#define GET(x, i) x = (inkid -> kid[i] : old[i])
/* CAS on word i of the bucket that I work in */
inline cas(i, from, to)
{
	d_step {
		ok = false;
		if
		:: inkid && kid[i] == from -> kid[i] = to; ok = true
		:: !inkid && old[i] == from -> old[i] = to; ok = true
		:: else
		fi
	}
}

inline enter()
{
	if
	:: FROZEN(old[0]) || FROZEN(old[1]) ->
#ifndef EARLY
		split();
#endif
		inkid = true
	:: else -> inkid = false
	fi
}

proctype Set(byte id)
{
	byte i, w, at, t, free;
	bool inkid, ok;

again:
	at = N; t++; if :: t > TRIES -> goto dead :: else fi;
	enter();
	i = 0;
	do
	:: i == N -> break
	:: else ->
		GET(w, i);
		if
#ifdef EARLY
		:: FROZEN(w) -> goto again
		:: w == VIRGIN -> at = i; free = w
#else
		:: FROZEN(w) || w == VIRGIN -> goto again
#endif
		:: !FROZEN(w) && COMMITTED(w) -> cas(i, w, id);
			if :: ok -> returned = true; goto dead :: else -> goto again fi
		:: !FROZEN(w) && PENDING(w) -> cas(i, w, EMPTY);
			if :: ok -> at = i; free = EMPTY :: else -> goto again fi
		:: w == EMPTY -> at = i; free = w
		:: else
		fi;
		i++
	od;
	if :: at == N -> goto dead :: else fi;
	cas(at, free, PEND + id);
	if :: ok :: else -> goto again fi;
	i = 1 - at;
	GET(w, i);
	if
	:: FROZEN(w) || (ISA(w) && (!PENDING(w) || i < at)) -> cas(at, PEND + id, EMPTY); goto again
	:: !FROZEN(w) && PENDING(w) && i > at -> cas(i, w, EMPTY);
		if :: ok :: else -> cas(at, PEND + id, EMPTY); goto again fi
	:: else
	fi;
	atomic {
		cas(at, PEND + id, id);
		if :: ok -> assert(VISIBLE <= 1); returned = true :: else -> goto again fi
	};
dead:	ended++
}

proctype Del()
{
	byte i, w;
	bool inkid, ok;

	ended == SETTERS;
again:	enter();
	i = 0;
	do
	:: i == N -> break
	:: else ->
		GET(w, i);
		if
		:: FROZEN(w) || w == VIRGIN -> goto again
		:: !FROZEN(w) && ISA(w) -> cas(i, w, EMPTY);
			if :: ok :: else -> goto again fi
		:: else
		fi;
		i++
	od;
#ifdef PUNCH
	/* A is deleted for good: the child's own split copies EMPTY;
		old and then child are punched */
	split();
	d_step { kid2 = 1; old[0] = VIRGIN; old[1] = VIRGIN };
#ifndef NOMARK
	marks == 0;
#endif
	d_step { kid[0] = VIRGIN; kid[1] = VIRGIN };
#endif
	deleted = true;
dead:	helped++
}

#ifdef NODEL
#define NDEL 0
#else
#define NDEL 1
#endif

init {
	atomic {
		old[0] = WORD0; old[1] = EMPTY; kid[0] = UNUSED; kid[1] = UNUSED;
		if :: ISA(old[0]) -> returned = true :: else fi;
		run Helper();
#if HELPERS > 1
		run Helper();
#endif
		run Set(4);
#if SETTERS > 1
		run Set(5);
#endif
#if NDEL
		run Del();
#endif
	}
	ended == SETTERS && helped == HELPERS + NDEL;
#if NDEL
	assert(VISIBLE <= 1 && (!deleted || VISIBLE == 0));
#else
	assert(VISIBLE <= 1 && (!returned || VISIBLE == 1));
#endif
}
