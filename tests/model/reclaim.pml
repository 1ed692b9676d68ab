/* SPDX-License-Identifier: MIT
 *
 * reclaim.pml - the segment state machine when processes die: clients, the daemon, slot numbers.
 *
 * Shared words: the segment words {st, ow, gen}; H0 of client slot 1; the slot table (slotpid:
 * the client process that slot 1 belongs to, 0 none), which only the daemon writes. Owner 0 is
 * the daemon.
 *
 * Clients lease and write under H0, or clean. The daemon cleans, promotes LIMBO, and reaps:
 * after the pidfd of a dead client it clears the hazards, puts LEASED(1) and CLEANING(1) back to
 * SEALED, and only then gives the slot number to the next client. A daemon that dies is reaped
 * by the keeper (waitpid), which only then starts another one; that one first puts words of
 * owner 0 back to SEALED, and reaps again what its predecessor left half done.
 *
 * Claims: one walker a segment, and nobody takes CLEANING from it; memory is not reused under a
 * writer; when all is over no segment is held by a dead process.
 *
 * Mutants: STEAL the daemon resets CLEANING of a client without its pidfd; REUSEFIRST the slot
 * number is given away before the sweep; LATECLEAR hazards are cleared after that; EARLYDAEMON a
 * new daemon starts while the old one only hangs; NOSWEEP the new daemon does not look for owner
 * 0.
 */
#ifndef KILLS
#define KILLS 2
#endif
#ifndef ROUNDS
#define ROUNDS 2
#endif
#define NSEG 2
#define FREE 1
#define LEASED 2
#define SEALED 3
#define CLEANING 4
#define LIMBO 5
#define DAEMON 0
#define CLIENT 1

byte st[NSEG], ow[NSEG], gen[NSEG];
byte H0 = 0;
byte slotpid = 1;      /* client processes are 1 and 2 */
bool alive[3] = true;
bool lives = true;     /* the daemon process lives */
byte walkers[NSEG];    /* ghost */
byte kills = 0, over = 0;

inline take_victim(me)
{
	if
	:: c = 0 :: c = 1
	fi;
	d_step { if :: st[c] == LEASED -> st[c] = SEALED :: else fi };
	ok = false;
	d_step {
		if
		:: st[c] == SEALED -> st[c] = CLEANING; ow[c] = me; ok = true;
			assert(walkers[c] == 0); walkers[c]++
		:: else
		fi
	}
}

inline walk(me)
{
	assert(st[c] == CLEANING && ow[c] == me);
	d_step {
		assert(st[c] == CLEANING && ow[c] == me);
		walkers[c]--; gen[c]++; st[c] = LIMBO
	}
}

inline promote()
{
	if
	:: c = 0 :: c = 1
	fi;
	g = gen[c];
	if
	:: st[c] == LIMBO && gen[c] == g && H0 != c + 1 ->
		d_step { if :: st[c] == LIMBO && gen[c] == g -> st[c] = FREE :: else fi }
	:: else
	fi
}

#define DIE atomic { kills < KILLS -> kills++; alive[who] = false; goto dead }
#define DIE_WALKING atomic { kills < KILLS -> kills++; alive[who] = false; walkers[c]--; goto dead }

proctype Client(byte who)
{
	byte c, g, r;
	bool ok;

	slotpid == who || over == 1;
	do
	:: r == ROUNDS -> break
	:: else ->
		r++;
		if
		:: take_victim(CLIENT);
			if
			:: !ok
			:: ok -> if :: DIE_WALKING :: skip fi; walk(CLIENT)
			fi
		:: promote()
		:: /* lease and write */
			if :: c = 0 :: c = 1 fi;
			ok = false;
			d_step { if :: st[c] == FREE ->
				st[c] = LEASED; ow[c] = CLIENT; g = gen[c]; ok = true
				:: else fi };
			if
			:: !ok
			:: ok ->
				if :: DIE :: skip fi;
				H0 = c + 1;
				if
				:: st[c] == LEASED && ow[c] == CLIENT && gen[c] == g ->
					assert(gen[c] == g || (gen[c] == g + 1 && st[c] == LIMBO));
					if :: DIE :: skip fi;
					assert(gen[c] == g || (gen[c] == g + 1 && st[c] == LIMBO))
				:: else
				fi;
				H0 = 0
			fi
		fi
	od;
	if :: DIE :: alive[who] = false fi; /* it exits, its segment stays LEASED */
dead:	skip
}

#define DDIE atomic { kills < KILLS -> kills++; lives = false; goto dead }
#define DDIE_WALKING atomic { kills < KILLS -> kills++; lives = false; walkers[c]--; goto dead }

inline sweep(owner)
{
	c = 0;
	do
	:: c == NSEG -> break
	:: else ->
		d_step {
			if
			:: (st[c] == LEASED ||
				st[c] == CLEANING) && ow[c] == owner -> st[c] = SEALED
			:: else
			fi;
			c++
		}
	od;
	c = 0
}

/* slot 1 belongs to a process whose pidfd is readable */
inline reap()
{
#ifdef REUSEFIRST
	slotpid = g + 1;
	H0 = 0;
	sweep(CLIENT)
#else
#ifdef LATECLEAR
	sweep(CLIENT);
	slotpid = g + 1;
	H0 = 0
#else
	H0 = 0;
	if :: DDIE :: skip fi;
	sweep(CLIENT);
	if :: DDIE :: skip fi;
	slotpid = g + 1
#endif
#endif
}

proctype Daemon()
{
	byte c, g, r;
	bool ok;

#ifndef NOSWEEP
	sweep(DAEMON);
#endif
	do
	:: r < ROUNDS -> r++;
		if
		:: take_victim(DAEMON);
			if
			:: !ok
			:: ok -> if :: DDIE_WALKING :: skip fi; walk(DAEMON)
			fi
		:: promote()
#ifdef STEAL
		:: sweep(CLIENT)
#endif
		fi
	:: atomic { slotpid < 3 && !alive[slotpid] -> g = slotpid }; reap()
	:: slotpid == 3 && r == ROUNDS -> over = 1; break
#ifdef EARLYDAEMON
	:: over == 1 -> break
#endif
	od;
	lives = false;
dead:	skip
}

/* waitpid, then the next incarnation */
proctype Keeper()
{
#ifdef EARLYDAEMON
	run Daemon();
#else
	do
	:: lives == false && over == 0 -> lives = true; run Daemon()
	:: over == 1 -> break
	od
#endif
}

init {
	byte i;

	atomic {
		st[0] = SEALED; st[1] = FREE; alive[0] = true; alive[1] = true; alive[2] = true;
		run Client(1); run Client(2); run Daemon(); run Keeper();
	}
	over == 1 && _nr_pr == 1;
	do
	:: i == NSEG -> break
	:: else -> assert(st[i] == FREE || st[i] == SEALED || st[i] == LIMBO); i++
	od
}
