/* SPDX-License-Identifier: MIT
 *
 * control.h - the control page and the messages of the handshake: NORMATIVE, not API
 *
 * The control page is the second memfd of a cache. The keeper maps it writable, seals it
 * (SHRINK | GROW | FUTURE_WRITE | SEAL) and forks the daemons, which inherit the mapping: nobody else
 * can ever store into it. Clients map it read-only. Nothing that a client needs for safety lives here:
 * a client whose page has stopped moving goes on at full speed.
 *
 * Fields are written by the daemon alone (keeper_pid by the keeper), one word at a time, and read by
 * clients as hints; the slot table is the daemon's own memory across its restarts.
 *
 * Handshake (SOCK_SEQPACKET, one connection for each handle, open as long as the handle):
 *
 *	client  CTL_HELLO { version, flags, the slot it had }
 *	daemon  CTL_WELCOME { slot, uuid } + SCM_RIGHTS [region fd, control fd]      or an error status
 *	client  checks seals, size, magic, geometry; maps; registers; works
 *	client  CTL_BYE: hazards are clear, the mapping is gone; the daemon frees the slot
 *
 * A read-only client receives a region descriptor that was opened O_RDONLY. Hang-up without CTL_BYE
 * while the process lives (exec, closefrom) makes the slot an orphan: it is freed when the process is
 * gone. Every message has a fixed size; a message of another size, type or version gets CTL_ERROR and
 * the connection is closed.
 */
#ifndef LARDER_CONTROL_H
#define LARDER_CONTROL_H

#include <larder/layout.h>

#define CTL_MAGIC 0x3163726c72614cULL /* "Larlrc1" */
#define CTL_EVENTS 256u
#define CTL_EVENT_TEXT 112u
#define CTL_NAME_MAX 64u
#define CTL_GUARD_DIED 0x40000000u /* FUTEX_OWNER_DIED */

enum ctl_slot_state {
	CTL_SLOT_FREE = 0,
	CTL_SLOT_USED = 1,
	CTL_SLOT_ORPHAN = 2, /* hung up, process alive */
	CTL_SLOT_DEAD = 3,   /* being reaped */
};

/* One client slot as the daemon knows it. */
struct ctl_slot {
	shm_u32 state; /* enum ctl_slot_state */
	shm_u32 rdonly;
	shm_u64 pid;
	shm_u64 uid;
	shm_u64 start_time;  /* field 22 of /proc/PID/stat: tells a reused pid */
	shm_u64 attached_ms; /* CLOCK_BOOTTIME */
	shm_u64 incarnation; /* counts owners of this slot */
	uint8_t reserved[16];
};
static_assert(sizeof(struct ctl_slot) == 64, "ctl_slot");

struct ctl_event {
	shm_u64 seq;	 /* stored last, release; 0 = never used */
	shm_u64 time_ms; /* CLOCK_REALTIME */
	shm_u8 text[CTL_EVENT_TEXT];
};
static_assert(sizeof(struct ctl_event) == 128, "ctl_event");

struct ctl_page {
	shm_u64 magic; /* stored last, release */
	uint32_t major;
	uint32_t minor;
	uint8_t uuid[16]; /* the region's */
	char name[72];	  /* of the cache, zero-terminated */
	shm_u64 daemon_pid;
	shm_u64 keeper_pid;
	shm_u64 daemon_starts;
	shm_u64 heartbeat_ms;	/* CLOCK_MONOTONIC; every 250 ms */
	shm_u64 event_seq;	/* the last event's */
	shm_u64 committed;	/* bytes of the region that are allocated */
	shm_u64 retired;	/* 1: this cache has ended; attach anew */
	shm_u64 boot_offset_ms; /* CLOCK_BOOTTIME - CLOCK_MONOTONIC at the last heartbeat; a hint */
	uint8_t reserved0[24];
	/* 192: its own line, which every call loads. 0, or the thread that stands for the region (the
	 * keeper; without one the daemon). The kernel sets CTL_GUARD_DIED when that thread ends, by
	 * whatever means: the word is on its robust list. */
	shm_u32 guard;
	uint8_t reserved[3900];
	struct ctl_event events[CTL_EVENTS];
	struct ctl_slot slots[SHM_SLOTS_MAX];
};
static_assert(offsetof(struct ctl_page, guard) == 192, "guard has a line");
static_assert(offsetof(struct ctl_page, events) == SHM_PAGE, "ctl_page");

enum ctl_type {
	CTL_HELLO = 1,
	CTL_WELCOME = 2,
	CTL_BYE = 3,
	CTL_PING = 4,
	CTL_PONG = 5,
	CTL_SHUTDOWN = 6, /* answered by CTL_PONG, then the daemon and the keeper end */
	CTL_ERROR = 7,
};

#define CTL_FLAG_RDONLY 1u
#define CTL_FLAG_NO_MEMBARRIER                                                                     \
	2u /* the client's membarrier(2) does not work: it uses full fences */
#define CTL_NO_SLOT 0xffffffffu

/* Every message. Unused fields are 0. */
struct ctl_msg {
	uint32_t type;	    /* enum ctl_type */
	uint32_t size;	    /* sizeof(struct ctl_msg) */
	uint32_t major;	    /* LAYOUT_MAJOR */
	uint32_t flags;	    /* CTL_FLAG_* */
	uint64_t signature; /* LAYOUT_SIGNATURE */
	int32_t status;	    /* CTL_ERROR: -errno */
	uint32_t slot; /* HELLO: the slot that the handle already has, else CTL_NO_SLOT; WELCOME */
	uint64_t incarnation; /* HELLO with a slot; WELCOME */
	uint8_t uuid[16];     /* HELLO with a slot: of the region that it is in; WELCOME */
};
static_assert(sizeof(struct ctl_msg) == 56, "ctl_msg");

#endif
