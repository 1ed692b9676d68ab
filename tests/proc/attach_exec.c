/* SPDX-License-Identifier: MIT */
/* attach_exec.c - an exec drops the handle: no descriptor, no mapping, and the new image attaches anew */
#include "larderd.h"

#include <dirent.h>
#include <string.h>
#include <unistd.h>

static unsigned count_fds(void)
{
	DIR *dir = opendir("/proc/self/fd");
	unsigned n = 0;

	CHECK(dir != NULL);
	while (readdir(dir) != NULL)
		n++;
	closedir(dir);
	return n;
}

static int new_image(const struct larderd *d, unsigned fds)
{
	struct larder *h;
	unsigned value;

	CHECK(count_fds() == fds);
	h = larderd_open(d, 0);
	CHECK(get_number(h, 1, &value) == 0 && value == 10);
	put_number(h, 2, 20);
	larder_close(h);
	return 0;
}

static int exec_with_handle(void *arg)
{
	const struct larderd *d = arg;
	char fds[16];
	struct larder *h;

	snprintf(fds, sizeof(fds), "%u", count_fds());
	h = larderd_open(d, 0);
	put_number(h, 1, 10);
	execl("/proc/self/exe", "attach_exec", d->socket, fds, (char *)NULL);
	return 1;
}

int main(int argc, char **argv)
{
	static struct larderd d;
	struct larder *h;
	unsigned value;

	if (argc == 3) {
		snprintf(d.socket, sizeof(d.socket), "%s", argv[1]);
		return new_image(&d, (unsigned)strtoul(argv[2], NULL, 10));
	}
	larderd_start(&d, NULL);
	run_child(exec_with_handle, &d);
	h = larderd_open(&d, 0);
	CHECK(get_number(h, 2, &value) == 0 && value == 20);
	CHECK(larder_check(h, NULL, NULL) == 0);
	larder_close(h);
	larderd_stop(&d);
	return 0;
}
