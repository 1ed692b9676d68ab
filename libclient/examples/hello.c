/* SPDX-License-Identifier: MIT */
/* hello.c - store a greeting for a minute, and read it back */
#include <larder/larder.h>
#include <stdio.h>

int main(void)
{
	struct larder *cache;
	char buf[64] = "";
	size_t len = sizeof(buf);
	int r = larder_open(&cache, "main", NULL);

	if (r == 0)
		r = larder_set(cache, "greeting", 8, "hello", 5, 60000);
	if (r == 0)
		r = larder_get(cache, "greeting", 8, buf, &len);
	puts(r == 0 ? buf : larder_strerror(r));
	larder_close(cache);
	return r != 0;
}
