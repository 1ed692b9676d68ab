/* SPDX-License-Identifier: MIT
 *
 * endpoint.h - the socket's path, its lock, and who may have it
 */
#ifndef LARDERD_ENDPOINT_H
#define LARDERD_ENDPOINT_H

#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

struct endpoint {
	const char *path; /* of the socket; not owned */
	int lock_fd;	  /* flock(2)ed as long as keeper or daemon lives */
	int listen_fd;
};
#define ENDPOINT_INIT                                                                              \
	{                                                                                          \
		NULL, -1, -1                                                                       \
	}

/*
 * endpoint_lock - make the directory, and become the only daemon of this path
 * endpoint_listen - replace a stale socket, bind and listen; after endpoint_lock()
 * Both log the sentence. Return: 0; -EBUSY another daemon is there; -errno.
 */
int endpoint_lock(struct endpoint *ep, const char *path);
int endpoint_listen(struct endpoint *ep, bool for_everybody);

/* Tell the next one who is here. */
void endpoint_write_pid(const struct endpoint *ep, pid_t pid);

/* Remove the socket and the lock file, if they are still ours. Any number of times. */
void endpoint_remove(const struct endpoint *ep);

/* Close the descriptors only. */
void endpoint_close(struct endpoint *ep);

#endif
