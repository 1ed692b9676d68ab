/* SPDX-License-Identifier: MIT
 *
 * fake.h - a daemon for the tests of the client side: one thread that assigns slots, or misbehaves
 */
#ifndef FAKE_H
#define FAKE_H

#include <larder/control.h>
#include <pthread.h>
#include <stdbool.h>

#define FAKE_CONNECTIONS 64
#define FAKE_FIRST_SLOT 1u

enum fake_fault {
	FAKE_HONEST = 0,
	FAKE_SILENT,	/* reads, never answers */
	FAKE_ERROR,	/* CTL_ERROR with .status */
	FAKE_HANG_UP,	/* closes instead of an answer */
	FAKE_SHORT,	/* a message of another size */
	FAKE_TYPE,	/* an answer of another type */
	FAKE_SIGNATURE, /* a message of another layout */
	FAKE_SLOT,	/* a slot beyond the last */
	FAKE_ONE_FD,
	FAKE_THREE_FDS,
	FAKE_MANY_FDS,
	FAKE_UNSEALED,	 /* the region can shrink */
	FAKE_NOT_MEMFD,	 /* a pipe as the region */
	FAKE_LONG_FILE,	 /* a region of another size than its geometry says */
	FAKE_NO_MAGIC,	 /* a sealed file of zeros */
	FAKE_OTHER_UUID, /* CTL_WELCOME names another region */
	FAKE_CTL_SMALL,
	FAKE_CTL_UNSEALED,
	FAKE_CTL_NO_MAGIC,
	FAKE_CTL_OTHER_UUID,
	FAKE_FAULTS,
};

struct fake {
	char path[108];
	pthread_t thread;
	pthread_mutex_t lock;
	bool running;
	int stop_fd;
	int listen_fd;
	int conn[FAKE_CONNECTIONS];
	int region_fd, ctl_fd;
	uint64_t file_bytes;
	struct shm_header *hdr;
	struct ctl_page *ctl;
	/* what to do, under the lock */
	enum fake_fault fault;
	int status;
	bool lose_slots; /* give another slot than the one that is asked for */
	/* what was seen, under the lock */
	uint32_t next_slot;
	unsigned hellos, byes, pings, hangups;
	struct ctl_msg last_hello;
};

/* In $TMPDIR; with a region of 1 MiB; not yet listening. Aborts the test on failure. */
void fake_init(struct fake *fake, const char *name);
void fake_deinit(struct fake *fake);

/* Replace region and control page by new ones. */
void fake_new_region(struct fake *fake);

/* Replace the control page only, as an upgraded daemon does. */
void fake_new_control(struct fake *fake);

/* Come and go as a daemon does: all connections end with it, the region stays. */
void fake_start(struct fake *fake);
void fake_stop(struct fake *fake);

/* fake_stop() and fake_start() as a takeover: raises ctl_epoch. */
void fake_restart(struct fake *fake);

void fake_set_fault(struct fake *fake, enum fake_fault fault, int status);

/* A heartbeat of now plus @later_ms. */
void fake_beat(struct fake *fake, int64_t later_ms);

unsigned fake_count(struct fake *fake, const unsigned *what);

/* Wait until a counter has reached @n. Return: false after five seconds. */
bool fake_wait(struct fake *fake, const unsigned *what, unsigned n);

#endif
