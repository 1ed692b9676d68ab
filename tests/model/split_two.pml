/* SPDX-License-Identifier: MIT
 *
 * split_two.pml - insert and delete over two buckets that are split at different times.
 *
 * Key A may lie in its home bucket (one word) or its second bucket, alt (NA words). Each of the
 * two is split by helpers: word[] holds home, home's child that A belongs to, alt, alt's child;
 * VIRGIN is the child's state before the copy. ovf[] is the overflow byte of home, of A's child
 * and of the other child: {F frozen | n + 1}, 0 VIRGIN. Key Z has its home in the other child
 * and an alt word elsewhere, which a process removes.
 *
 * split: freeze every word (PENDING becomes EMPTY) and the overflow byte by CAS, then copy word
 * i to child[i] and the byte to both children by CAS(VIRGIN -> x). Everybody starts at the old
 * bucket (the stalest hint), helps when it meets a frozen word, and goes on in the child.
 * Overflow: +1 before an alt word is placed, -1 by whoever's CAS removed it (a freeze that kills
 * a PENDING included), always a CAS that fails on a frozen byte. +1 that meets a frozen byte
 * starts again; -1 copies the byte to both children (no word needs to be frozen for that) and
 * counts down in the child that the removed word's hash selects.
 *
 * Claims: never two visible committed words of A; once a set has returned (no deleter) every
 * later get hits, even in the middle of a split; after a delete that began when all setters had
 * ended nothing of A is visible, whatever late helpers do; overflow of each child >= its alt
 * words.
 *
 * Mutants: DECTWICE (with ZHOME=1) the count goes down in the frozen byte and in the child: the
 * copy is too low and a live alt word is hidden; NOCOPY children start with count 0; EMPTYCHILD
 * children start EMPTY: a late helper puts back what was deleted; NOFROZEN a frozen word in the
 * rescan is taken as EMPTY; INCLATE +1 after placing.
 *
 * Not bugs (they hold): KEEPPENDING a PENDING word is frozen and copied as it is; BYTEFIRST
 * freezes the byte before the words; WORDONLY a setter that met no frozen word trusts a frozen
 * overflow byte (its own place is frozen by then, so it cannot commit); BLINDRMW fetch_add/sub
 * whatever the frozen bit says (the rescan meets the frozen words; a count that is lost that way
 * stays too high, never too low).
 */
#ifndef NA
#define NA 1
#endif
#ifndef KILLS
#define KILLS 0
#endif
#ifndef TRIES
#define TRIES 2
#endif
#ifndef SETTERS
#define SETTERS 2
#endif
#ifndef HOME0
#define HOME0 OTHER
#endif
#ifndef ALT0
#define ALT0 EMPTY
#endif
#ifndef HELPERS
#define HELPERS 1
#endif

#define VIRGIN 0
#define EMPTY 1
#define OTHER 2
#define OLD 3 /* an item of A there from the start; setters write 4, 5.. */
#define PEND 16
#define F 128

#define HOME 0
#define ALT 2
#define CHILD(b) (b == HOME -> 1 : ALT + NA)
#define LEN(b) (b == HOME -> 1 : NA)
#define NWORDS (2 + 2 * NA)

#define FROZEN(w) (w >= F)
#define BARE(w) (w & 127)
#define ISA(w) (BARE(w) > OTHER)
#define PENDING(w) ((w & PEND) != 0)
#define COMMITTED(w) (ISA(w) && !PENDING(w))

#ifndef ZHOME
#define ZHOME 2 /* ovf of the child that Z belongs to */
#endif

byte word[NWORDS];
byte ovf[3];
byte kills = 0, ended = 0, helped = 0;
bool returned = false, zalt = true;

#ifdef EMPTYCHILD
#define UNUSED EMPTY
#else
#define UNUSED VIRGIN
#endif

#define SEEN(b, i) ((!FROZEN(word[b + i]) && COMMITTED(word[b + i])) || \
		    (FROZEN(word[b + i]) && word[CHILD(b) + i] == VIRGIN && \
		     COMMITTED(word[b + i])) || \
		    (word[CHILD(b) + i] != VIRGIN && COMMITTED(word[CHILD(b) + i])))
#if NA > 1
#define VISIBLE (SEEN(HOME, 0) + SEEN(ALT, 0) + SEEN(ALT, 1))
#else
#define VISIBLE (SEEN(HOME, 0) + SEEN(ALT, 0))
#endif

#define KILL if :: atomic { kills < KILLS -> kills++; goto dead } :: skip fi

/* count down overflow(home); c is the child that the removed word's key belongs to */
inline dec(c)
{
	ob = 0;
	do
	:: o = ovf[ob];
	   if
#ifdef BLINDRMW
	   :: true -> atomic { ovf[0] = ovf[0] - 1 }; break
#else
	   :: o >= F ->
#ifdef DECTWICE
		o = o - 1; ovf[0] = o;
#endif
		copy_byte(o);
		ob = c
	   :: o < F && o <= 1 -> break
	   :: else ->
		if
		:: atomic { ovf[ob] == o -> ovf[ob] = o - 1 }; break
		:: else
		fi
#endif
	   fi
	od;
	o = 0; ob = 0
}

/* the frozen byte fo to both children */
inline copy_byte(fo)
{
	d_step { if :: ovf[1] == VIRGIN -> ovf[1] = BARE(fo) :: else fi };
	d_step { if :: ovf[2] == VIRGIN -> ovf[2] = BARE(fo) :: else fi }
}

inline freeze_byte()
{
	do
	:: o = ovf[0];
	   if
	   :: o >= F -> break
	   :: else -> if :: d_step { ovf[0] == o -> ovf[0] = o | F }; break :: else fi
	   fi
	od;
	o = 0
}

inline freeze_words(b)
{
	j = 0;
	do
	:: j == LEN(b) -> break
	:: else ->
		u = word[b + j];
		if
		:: FROZEN(u) -> j++
		:: else ->
			if
#ifdef KEEPPENDING
			:: d_step { word[b + j] == u -> word[b + j] = F + u }; j++
#else
			:: atomic { word[b + j] == u -> word[b + j] = F + (PENDING(u) -> EMPTY : u) };
				if :: PENDING(u) && b == ALT -> dec(1) :: else fi;
				j++
#endif
			:: else
			fi
		fi
	od;
	u = 0; j = 0
}

inline split(b)
{
#ifdef BYTEFIRST
	if :: b == HOME -> freeze_byte() :: else fi;
	freeze_words(b);
#else
	freeze_words(b);
	if :: b == HOME -> freeze_byte() :: else fi;
#endif
	KILL;
	j = 0;
	do
	:: j == LEN(b) -> break
	:: else ->
		u = BARE(word[b + j]);
		d_step { if :: word[CHILD(b) + j] == UNUSED -> word[CHILD(b) + j] = u :: else fi };
		j++
	od;
	u = 0; j = 0;
	KILL;
	if
	:: b == HOME -> o = ovf[0]; copy_byte(o); o = 0
	:: else
	fi
}

#if NA > 1
#define ANYFROZEN(b) (FROZEN(word[b]) || (b == ALT && FROZEN(word[b + 1])))
#else
#define ANYFROZEN(b) FROZEN(word[b])
#endif

/* where the bucket lives now: old, or the child after helping */
inline enter(b, at)
{
	if
	:: ANYFROZEN(b) -> split(b); at = CHILD(b)
	:: else -> at = b
	fi
}

proctype Helper(byte b)
{
	byte u, j, o, ob;

	split(b);
dead:	helped++
}

/* Z leaves its alt word, then counts down */
proctype Zdel()
{
	byte o, ob;

	zalt = false;
	dec(ZHOME);
	helped++
}

#define TRYAGAIN goto again
#define HOMEBYTE(h) ovf[h] /* h is 0 for the old home, 1 for the child */

proctype Set(byte id)
{
	byte h, a, i, w, at, t, u, j, o, ob;

again:
	at = 255; w = 0;
	t++; if :: t > TRIES -> goto dead :: else fi;
	enter(HOME, h);
	w = word[h];
	if
	:: FROZEN(w) -> TRYAGAIN
	:: !FROZEN(w) && COMMITTED(w) ->
		if
		:: atomic { word[h] == w -> word[h] = id; returned = true }; goto dead
		:: else -> TRYAGAIN
		fi
	:: !FROZEN(w) && ISA(w) && PENDING(w) ->
		atomic { if :: word[h] == w -> word[h] = EMPTY :: else -> TRYAGAIN fi };
		at = h
	:: w == EMPTY -> at = h
	:: else
	fi;
	w = HOMEBYTE(h);
#ifndef WORDONLY
	if :: w >= F -> TRYAGAIN :: else fi;
#endif
	if
	:: BARE(w) > 1 || at == 255 ->
		enter(ALT, a);
		i = 0;
		do
		:: i == NA -> break
		:: else ->
			w = word[a + i];
			if
			:: FROZEN(w) -> TRYAGAIN
			:: !FROZEN(w) && COMMITTED(w) ->
				if
				:: atomic { word[a + i] == w -> word[a + i] = id; returned = true };
					goto dead
				:: else -> TRYAGAIN
				fi
			:: !FROZEN(w) && ISA(w) && PENDING(w) ->
				if
				:: atomic { word[a + i] == w -> word[a + i] = EMPTY }; dec(1)
				:: else -> TRYAGAIN
				fi;
				if :: at == 255 -> at = a + i :: else fi
			:: w == EMPTY && at == 255 -> at = a + i
			:: else
			fi;
			i++
		od
	:: else
	fi;
	if :: at == 255 -> goto dead :: else fi;
	KILL;
#ifndef INCLATE
	/* +1 before an alt word is placed */
	if
	:: at >= ALT ->
#ifdef BLINDRMW
		atomic { ovf[h] = ovf[h] + 1 }
#else
		w = HOMEBYTE(h);
		if :: w >= F -> TRYAGAIN :: else fi;
		if :: d_step { HOMEBYTE(h) == w -> HOMEBYTE(h) = w + 1 } :: else -> TRYAGAIN fi
#endif
	:: else
	fi;
	KILL;
#endif
	if
	:: atomic { word[at] == EMPTY -> word[at] = PEND + id }
	:: else ->
#ifndef INCLATE
		if :: at >= ALT -> dec(1) :: else fi;
#endif
		TRYAGAIN
	fi;
	/* rescan the others: home, then alt if the count says so */
	if
	:: at >= ALT ->
		w = word[h];
		if
#ifdef NOFROZEN
		:: !FROZEN(w) && ISA(w) -> goto withdraw
#else
		:: FROZEN(w) || ISA(w) -> goto withdraw
#endif
		:: else
		fi
	:: else
	fi;
	w = HOMEBYTE(h);
#ifndef NOFROZEN
#ifndef WORDONLY
	if :: w >= F -> goto withdraw :: else fi;
#endif
#endif
	if
	:: BARE(w) > 1 ->
		if :: at < ALT -> enter(ALT, a) :: else fi;
		i = 0;
		do
		:: i == NA -> break
		:: a + i == at -> i++
		:: else ->
			w = word[a + i];
			if
#ifdef NOFROZEN
			:: FROZEN(w) -> i++
#else
			:: FROZEN(w) -> goto withdraw
#endif
			:: !FROZEN(w) && ISA(w) && (!PENDING(w) || a + i < at) -> goto withdraw
			:: !FROZEN(w) && ISA(w) && PENDING(w) && a + i > at ->
				if
				:: atomic { word[a + i] == w -> word[a + i] = EMPTY }; dec(1); i++
				:: else
				fi
			:: else -> i++
			fi
		od
	:: else
	fi;
	KILL;
	if
	:: atomic { word[at] == PEND + id ->
		word[at] = id;
		assert(VISIBLE <= 1);
#ifndef INCLATE
		returned = true
#endif
		}
	:: else -> TRYAGAIN
	fi;
#ifdef INCLATE
	if :: at >= ALT -> atomic { if :: HOMEBYTE(h) < F ->
			HOMEBYTE(h) = HOMEBYTE(h) + 1 :: else fi }
		:: else fi;
	returned = true;
#endif
	goto dead;
withdraw:
	if
	:: atomic { word[at] == PEND + id -> word[at] = EMPTY };
		if :: at >= ALT -> dec(1) :: else fi
	:: else
	fi;
	TRYAGAIN;
dead:
	ended++
}

inline delete_all()
{
	skip;
retry:
	enter(HOME, h);
	w = word[h];
	if
	:: FROZEN(w) -> goto retry
	:: !FROZEN(w) && ISA(w) ->
		atomic { if :: word[h] == w -> word[h] = EMPTY :: else -> goto retry fi }
	:: else
	fi;
	w = HOMEBYTE(h);
	if :: w >= F -> goto retry :: else fi;
	if
	:: w > 1 ->
		enter(ALT, a);
		i = 0;
		do
		:: i == NA -> break
		:: else ->
			w = word[a + i];
			if
			:: FROZEN(w) -> goto retry
			:: !FROZEN(w) && ISA(w) ->
				if
				:: atomic { word[a + i] == w -> word[a + i] = EMPTY }; dec(1)
				:: else -> goto retry
				fi
			:: else
			fi;
			i++
		od
	:: else
	fi
}

proctype Del()
{
	byte h, a, i, w, u, j, o, ob;

	delete_all();
dead:	ended++
}

/* reads word i of bucket b: a frozen word counts while its place in the child is VIRGIN */
#define LOOK(b, i) \
	w = word[b + i]; \
	if \
	:: FROZEN(w) -> u = word[CHILD(b) + i]; \
		if :: u != VIRGIN -> w = u :: else fi \
	:: else \
	fi; \
	if :: COMMITTED(w) -> goto hit :: else fi

/* begins after a set returned; nothing removes A, so it must hit */
proctype Get()
{
	byte w, u;

	returned || ended == SETTERS;
	if :: !returned -> goto hit :: else fi;
	LOOK(HOME, 0);
	w = ovf[0];
	if
	:: w >= F -> u = ovf[1]; if :: u != VIRGIN -> w = u :: else fi
	:: else
	fi;
	if
	:: BARE(w) > 1 ->
		LOOK(ALT, 0);
#if NA > 1
		LOOK(ALT, 1);
#endif
		assert(false)
	:: else -> assert(false)
	fi;
hit:	ended++
}

proctype Leave()
{
	d_step { if :: word[0] == OTHER -> word[0] = EMPTY :: else fi };
	helped++
}

#ifdef DEL
#define NDEL 1
#else
#define NDEL 0
#endif
#ifdef LEAVE
#define NLEAVE 1
#else
#define NLEAVE 0
#endif
#ifdef Z
#define NZ 1
#else
#define NZ 0
#endif
#ifdef GET
#define NGET 1
#else
#define NGET 0
#endif
#ifdef SPLITHOME
#define NHOME 1
#else
#define NHOME 0
#endif
#ifdef SPLITALT
#define NALT 1
#else
#define NALT 0
#endif

init {
	byte h, a, i, w, u, j, o, ob;

	atomic {
		word[HOME] = HOME0; word[ALT] = ALT0; ovf[0] = 1 + NZ;
		word[1] = UNUSED; word[ALT + NA] = UNUSED;
#if NA > 1
		word[ALT + 1] = EMPTY; word[ALT + NA + 1] = UNUSED;
#endif
#ifdef NOCOPY
		ovf[1] = 1; ovf[2] = 1;
#endif
		if :: word[ALT] != EMPTY -> ovf[0] = 2 + NZ :: else fi;
		if :: ISA(word[ALT]) || ISA(word[HOME]) -> returned = true :: else fi;
		run Set(4);
#if SETTERS > 1
		run Set(5);
#endif
#if NHOME
		run Helper(HOME);
#if HELPERS > 1
		run Helper(HOME);
#endif
#endif
#if NALT
		run Helper(ALT);
#endif
#ifdef LEAVE
		run Leave();
#endif
#ifdef Z
		run Zdel();
#endif
#ifdef DEL
		run Del();
#endif
#ifdef GET
		run Get();
#endif
	}
	ended == SETTERS + NDEL + NGET;
	assert(VISIBLE <= 1);
	delete_all();
	helped == NHOME * HELPERS + NALT + NLEAVE + NZ;
	assert(VISIBLE == 0);
	assert(kills > 0 || ovf[0] < F || (ovf[1] != VIRGIN && ovf[2] != VIRGIN));
dead:	skip
}
