/* SPDX-License-Identifier: MIT
 *
 * insert.pml - two-phase insert of one key A over its home bucket and its second bucket.
 *
 * Shared words: word[0] is the home bucket (one entry), word[1] and word[2] the second bucket
 * (alt), cnt the overflow count of home. Values: EMPTY, OTHER (another key), an item number n
 * (COMMITTED), PEND + n (PENDING). dropped[n] says that item n's segment is gone: its word is
 * stale.
 *
 * Set: scan home, then alt if cnt > 0 (read after the home scan); replace a COMMITTED word, kill
 * a PENDING one, clear a stale one; else choose a place (alt: cnt++ first), place PENDING,
 * rescan the others, commit. Whoever removes an alt word counts down. Incr has validated item 5
 * and replaces it by CAS; Drop makes item 5 stale at any time. Del removes COMMITTED and PENDING
 * words. Leave is another key's removal: home gets room at any time. KILLS processes may die
 * anywhere.
 *
 * Claims: never two valid committed words of A; at the end cnt >= number of alt words; one more
 * delete, which looks into alt only if cnt > 0, leaves no valid word anywhere (nothing
 * resurfaces); without deleter, drop and kill, a set that returned leaves the key visible to a
 * get.
 *
 * Mutants: NORESCAN commit without looking again; NOREREAD a failed kill is not read again: its
 * owner may have committed; INCLATE cnt++ after placing: a scan skips alt; NOSTALE stale words
 * are taken as EMPTY but not cleared: Incr revives one beside an insert; NOWITHDRAW a PENDING
 * word in a lower position is ignored. SWAP reverses the order in all processes; it is not a
 * bug: any total order that all use will do.
 */
#ifndef KILLS
#define KILLS 0
#endif
#ifndef SETTERS
#define SETTERS 2
#endif
#ifndef TRIES
#define TRIES 2
#endif
#ifndef HOME0
#define HOME0 OTHER
#endif
#ifndef ALT0
#define ALT0 EMPTY
#endif

#define N 3
#define EMPTY 0
#define OTHER 9
#define PEND 16
#define NONE 7
#define OLD 5 /* item there from the start */
#define NEW 6 /* what Incr makes of it */

#define ISA(w) (w != EMPTY && w != OTHER)
#define PENDING(w) (w >= PEND)
#define STALE(w) (w == OLD && dropped)
#define VALID(w) (ISA(w) && !PENDING(w) && !STALE(w))
#define ISALT(i) (i > 0)
#ifdef SWAP
#define BEATS(i, j) (i > j)
#else
#define BEATS(i, j) (i < j)
#endif

byte word[N];
byte cnt = 0, kills = 0, done = 0;
bool dropped = false, returned = false;

#define KILL if :: atomic { kills < KILLS -> kills++; goto dead } :: skip fi
#define ONE (VALID(word[0]) + VALID(word[1]) + VALID(word[2]) <= 1)
#define DEC(i) if :: ISALT(i) -> cnt-- :: else fi

/* CAS(word[i]: w -> EMPTY); the winner counts down, in a later step */
inline remove(i, w)
{
	if
	:: atomic { word[i] == w -> word[i] = EMPTY }; KILL; DEC(i); won = true
	:: else -> won = false
	fi
}

proctype Set(byte id)
{
	byte i, w, at, top, t;
	bool won;

again:
	t++; if :: t > TRIES -> goto dead :: else fi;
	KILL;
	i = 0; at = NONE; top = 1;
	do
	:: i == top -> break
	:: else ->
		w = word[i];
		if
		:: VALID(w) ->
			if
			:: atomic { word[i] == w -> word[i] = id; assert(ONE) }; returned = true;
				goto dead
			:: else -> goto again
			fi
		:: PENDING(w) -> remove(i, w); if :: won :: else -> goto again fi
#ifdef NOSTALE
		:: STALE(w)
#else
		:: STALE(w) -> remove(i, w); if :: won :: else -> goto again fi
#endif
		:: else
		fi;
		i++;
		if :: i == 1 && cnt > 0 -> top = N :: else fi
	od;
	/* choose a place; w is what it holds */
	i = 0;
	do
	:: i == N -> goto dead
	:: else ->
		w = word[i];
		if
		:: w == EMPTY -> at = i; break
#ifdef NOSTALE
		:: STALE(w) -> at = i; break
#endif
		:: else -> i++
		fi
	od;
#ifndef INCLATE
	if :: ISALT(at) -> cnt++ :: else fi;
	KILL;
#endif
	if
	:: atomic { word[at] == w -> word[at] = PEND + id }
	:: else ->
#ifndef INCLATE
		DEC(at);
#endif
		goto again
	fi;
#ifdef NOSTALE
	if :: w != EMPTY -> DEC(at) :: else fi;
#endif
	KILL;
#ifndef NORESCAN
	i = 0; top = 1;
	do
	:: i == top -> break
	:: i != top && i == at -> i++; if :: i == 1 && cnt > 0 -> top = N :: else fi
	:: else ->
		w = word[i];
		if
#ifdef NOWITHDRAW
		:: VALID(w) ->
#else
		:: VALID(w) || (PENDING(w) && BEATS(i, at)) ->
#endif
			remove(at, PEND + id); goto again
#ifdef NOSTALE
		:: PENDING(w) && !BEATS(i, at) ->
#else
		:: STALE(w) || (PENDING(w) && !BEATS(i, at)) ->
#endif
			remove(i, w);
#ifdef NOREREAD
			i++
#else
			if :: won -> i++ :: else fi
#endif
		:: else -> i++
		fi;
		if :: i == 1 && cnt > 0 -> top = N :: else fi
	od;
	KILL;
#endif
	if
	:: atomic { word[at] == PEND + id -> word[at] = id; assert(ONE) }
	:: else -> goto again
	fi;
#ifdef INCLATE
	KILL;
	if :: ISALT(at) -> cnt++ :: else fi;
#endif
	returned = true;
dead:
	done++
}

proctype Incr()
{
	byte i;

	if :: word[0] == OLD -> i = 0 :: word[1] == OLD -> i = 1 :: else -> goto out fi;
	if :: dropped -> goto out :: else fi;
	atomic { if :: word[i] == OLD -> word[i] = NEW; assert(ONE) :: else fi };
out:	done++
}

proctype Drop()
{
	dropped = true;
	done++
}

inline delete_all()
{
	i = 0; top = 1;
	do
	:: i == top -> break
	:: else ->
		w = word[i];
#ifdef NOSTALE
		if :: VALID(w) || PENDING(w) -> remove(i, w); if :: won -> i++ :: else fi
#else
		if :: ISA(w) -> remove(i, w); if :: won -> i++ :: else fi
#endif
		:: else -> i++
		fi;
		if :: i == 1 && cnt > 0 -> top = N :: else fi
	od
}

proctype Del()
{
	byte i, w, top;
	bool won;

	delete_all();
dead:	done++
}

proctype Leave()
{
	atomic { if :: word[0] == OTHER -> word[0] = EMPTY :: else fi };
	if
	:: atomic { word[0] == EMPTY -> word[0] = OTHER };
		atomic { word[0] == OTHER -> word[0] = EMPTY }
	:: skip
	fi;
	done++
}

#ifdef DEL
#define NDEL 1
#else
#define NDEL 0
#endif
#ifdef DROP
#define NDROP 2
#else
#define NDROP 0
#endif

init {
	byte i, w, top;
	bool won;

	atomic {
		word[0] = HOME0; word[1] = ALT0;
		if :: word[1] != EMPTY -> cnt = 1 :: else fi;
		run Set(1);
#if SETTERS > 1
		run Set(2);
#endif
#if SETTERS > 2
		run Set(3);
#endif
		run Leave();
#ifdef DEL
		run Del();
#endif
#ifdef DROP
		run Drop(); run Incr();
#endif
	}
	done == SETTERS + 1 + NDEL + NDROP;
	assert(ONE && cnt >= ISA(word[1]) + ISA(word[2]));
#if !NDEL
	assert(!returned || kills > 0 || VALID(word[0]) || (cnt > 0 && (VALID(word[1]) ||
		VALID(word[2]))));
#endif
	delete_all();
	assert(!VALID(word[0]) && !VALID(word[1]) && !VALID(word[2]));
dead:	skip
}
