/* SPDX-License-Identifier: MIT
 *
 * memory.c - how much memory this process may still take
 *
 * Asked before the region is allocated: a memory cgroup answers an allocation that is too large with
 * the OOM killer, and a host with swapping, where a sentence is wanted. It is a forecast; the answer
 * of fallocate(2) counts.
 *
 * cgroup v2: each level from ours to the root has memory.max, memory.current and memory.stat; v1: the
 * memory controller has memory.limit_in_bytes and memory.usage_in_bytes. Page cache of files that is
 * charged to the group can be dropped, so it counts as available. (Shared memory is on the anonymous
 * lists, so these two do not contain it.)
 */
#include "memory.h"

#include <inttypes.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define PATH_ROOM 1024
#define GROUP_ROOM 512

/* The number after @key in a file of "key number" lines; without key the file is the number. */
static bool read_number(const char *path, const char *key, uint64_t *np)
{
	FILE *f = fopen(path, "re");
	char line[256];
	bool found = false;

	if (!f)
		return false;
	while (!found && fgets(line, sizeof(line), f)) {
		size_t len = key ? strlen(key) : 0;
		const char *at = line + len;

		if (key && (strncmp(line, key, len) != 0 || (*at != ' ' && *at != ':')))
			continue;
		at += strspn(at, ": ");
		found = *at >= '0' && *at <= '9';
		if (found)
			*np = strtoull(at, NULL, 10);
		if (!key)
			break;
	}
	fclose(f);
	return found;
}

static void lower_to(struct memory_limit *limit, uint64_t bytes, const char *what)
{
	if (bytes >= limit->available)
		return;
	limit->available = bytes;
	snprintf(limit->what, sizeof(limit->what), "%s", what);
}

struct group_files {
	const char *max, *current, *inactive, *active;
};

static const struct group_files files_v2 = {"memory.max", "memory.current", "inactive_file",
					    "active_file"};
static const struct group_files files_v1 = {"memory.limit_in_bytes", "memory.usage_in_bytes",
					    "total_inactive_file", "total_active_file"};

static void look_at_group(struct memory_limit *limit, const char *dir, const char *group,
			  const struct group_files *files)
{
	char path[PATH_ROOM + 64], what[160];
	uint64_t max, current, n, droppable = 0;

	snprintf(path, sizeof(path), "%s/%s", dir, files->max);
	if (!read_number(path, NULL, &max))
		return;
	snprintf(path, sizeof(path), "%s/%s", dir, files->current);
	if (!read_number(path, NULL, &current))
		return;
	snprintf(path, sizeof(path), "%s/memory.stat", dir);
	if (read_number(path, files->inactive, &n))
		droppable += n;
	if (read_number(path, files->active, &n))
		droppable += n;
	current -= droppable < current ? droppable : current;
	snprintf(what, sizeof(what), "the memory limit of cgroup %.100s", *group ? group : "/");
	lower_to(limit, max > current ? max - current : 0, what);
}

/* From our own group to the root of what we see. */
static void look_up_the_tree(struct memory_limit *limit, const char *mount, char *group,
			     const struct group_files *files)
{
	char dir[PATH_ROOM];

	for (;;) {
		char *slash = strrchr(group, '/');

		snprintf(dir, sizeof(dir), "%s%s", mount, group);
		look_at_group(limit, dir, group, files);
		if (!slash)
			return;
		*slash = '\0';
	}
}

static bool has_word(const char *list, const char *word)
{
	size_t len = strlen(word);

	for (const char *at = list; at; at = strchr(at, ',')) {
		at += *at == ',';
		if (strncmp(at, word, len) == 0 && (at[len] == ',' || at[len] == '\0'))
			return true;
	}
	return false;
}

/* A line of /proc/self/cgroup: "0::/path" (v2) or "4:memory:/path" (v1). */
static void look_at_line(struct memory_limit *limit, const char *root, char *line)
{
	char *controllers = strchr(line, ':');
	char *group = controllers ? strchr(controllers + 1, ':') : NULL;
	char mount[GROUP_ROOM];

	if (!group)
		return;
	line[strcspn(line, "\n")] = '\0';
	*controllers++ = '\0';
	*group++ = '\0';
	if (strlen(group) >= GROUP_ROOM)
		return;
	if (*controllers == '\0') {
		snprintf(mount, sizeof(mount), "%s/sys/fs/cgroup", root);
		look_up_the_tree(limit, mount, group, &files_v2);
	} else if (has_word(controllers, "memory")) {
		snprintf(mount, sizeof(mount), "%s/sys/fs/cgroup/memory", root);
		look_up_the_tree(limit, mount, group, &files_v1);
	}
}

void memory_available(struct memory_limit *limit, const char *root)
{
	char path[PATH_ROOM], line[GROUP_ROOM + 64];
	uint64_t kib;
	FILE *f;

	limit->available = UINT64_MAX;
	snprintf(limit->what, sizeof(limit->what), "nothing");
	snprintf(path, sizeof(path), "%s/proc/meminfo", root);
	if (read_number(path, "MemAvailable", &kib))
		lower_to(limit, kib << 10, "this host");
	snprintf(path, sizeof(path), "%s/proc/self/cgroup", root);
	f = fopen(path, "re");
	if (!f)
		return;
	while (fgets(line, sizeof(line), f))
		look_at_line(limit, root, line);
	fclose(f);
}
