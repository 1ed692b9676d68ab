/* SPDX-License-Identifier: MIT */
/* machine.c - where a figure was measured */
#include "machine.h"

#include <string.h>
#include <sys/utsname.h>
#include <time.h>
#include <unistd.h>

#include <larder/larder.h>

/* What follows ": " on the first line that begins with @name; "unknown" if there is none. */
static void machine_field(const char *path, const char *name, char *value, size_t room)
{
	FILE *file = fopen(path, "re");
	char line[256];

	snprintf(value, room, "unknown");
	while (file && fgets(line, sizeof(line), file)) {
		char *colon = strstr(line, ": ");

		if (strncmp(line, name, strlen(name)) != 0 || (!colon && *name))
			continue;
		snprintf(value, room, "%.120s", *name ? colon + 2 : line);
		value[strcspn(value, "\n")] = '\0';
		break;
	}
	if (file)
		fclose(file);
}

static uint64_t machine_memory(void)
{
	return (uint64_t)sysconf(_SC_PHYS_PAGES) * (uint64_t)sysconf(_SC_PAGESIZE);
}

static void machine_date(char *date, size_t room)
{
	time_t now = time(NULL);
	struct tm tm;

	gmtime_r(&now, &tm);
	strftime(date, room, "%Y-%m-%d", &tm);
}

void machine_json(struct json *json, const char *key)
{
	char cpu[128], huge[128], date[16];
	struct utsname name;

	machine_field("/proc/cpuinfo", "model name", cpu, sizeof(cpu));
	machine_field("/sys/kernel/mm/transparent_hugepage/shmem_enabled", "", huge, sizeof(huge));
	machine_date(date, sizeof(date));
	uname(&name);
	json_begin_object(json, key);
	json_string(json, "cpu", cpu);
	json_uint(json, "cpus", (uint64_t)sysconf(_SC_NPROCESSORS_ONLN));
	json_uint(json, "memory_bytes", machine_memory());
	json_string(json, "kernel", name.release);
	json_string(json, "arch", name.machine);
	json_string(json, "shmem_huge_pages", huge);
	json_string(json, "larder", larder_version());
	json_string(json, "date", date);
	json_end_object(json);
}

void machine_text(FILE *file)
{
	char cpu[128], date[16];
	struct utsname name;

	machine_field("/proc/cpuinfo", "model name", cpu, sizeof(cpu));
	machine_date(date, sizeof(date));
	uname(&name);
	fprintf(file, "%s, %ld processors, %.0f GiB, Linux %s, larder %s, %s\n", cpu,
		sysconf(_SC_NPROCESSORS_ONLN), (double)machine_memory() / (1 << 30), name.release,
		larder_version(), date);
}
