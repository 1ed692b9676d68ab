/* SPDX-License-Identifier: MIT
 *
 * memory.h - how much memory this process may still take
 */
#ifndef LARDERD_MEMORY_H
#define LARDERD_MEMORY_H

#include <stdint.h>

/* What limits us, for the sentence. */
struct memory_limit {
	uint64_t available; /* bytes */
	char what[160];	    /* "this host", "the memory limit of cgroup /system.slice/x" */
};

/*
 * memory_available - the smallest of MemAvailable and what our cgroups leave
 * @root: "" for this machine; tests give a directory with proc/ and sys/
 * Files that are missing or unreadable limit nothing.
 */
void memory_available(struct memory_limit *limit, const char *root);

#endif
