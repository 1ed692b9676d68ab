/* SPDX-License-Identifier: MIT
 *
 * size.c - bytes as people write and read them
 */
#include "size.h"

#include <ctype.h>
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static int size_unit(const char *unit, unsigned *shiftp)
{
	static const char letters[] = "KMGT";
	const char *at;

	if (strcmp(unit, "B") == 0) {
		*shiftp = 0;
		return 0;
	}
	at = *unit ? strchr(letters, toupper((unsigned char)*unit)) : NULL;
	if (!at || (unit[1] && strcmp(unit + 1, "B") != 0 && strcmp(unit + 1, "iB") != 0))
		return -EINVAL;
	*shiftp = 10u * (unsigned)(at - letters + 1);
	return 0;
}

int size_parse(const char *text, uint64_t *bytesp)
{
	unsigned long long n;
	unsigned shift;
	char *end;

	if (!isdigit((unsigned char)*text))
		return -EINVAL;
	errno = 0;
	n = strtoull(text, &end, 10);
	if (errno)
		return -ERANGE;
	while (*end == ' ')
		end++;
	if (!*end)
		return -ENOMSG;
	if (size_unit(end, &shift) < 0)
		return -EINVAL;
	if (n > UINT64_MAX >> shift)
		return -ERANGE;
	*bytesp = (uint64_t)n << shift;
	return 0;
}

const char *size_text(uint64_t bytes, char buf[SIZE_TEXT_MAX])
{
	static const char *const units[] = {"bytes", "KiB", "MiB", "GiB", "TiB"};
	unsigned i = 0;
	uint64_t whole = bytes;

	while (i < 4 && whole >= 10240) {
		whole >>= 10;
		i++;
	}
	while (i < 4 && whole >= 1024 && bytes % (1ULL << (10 * (i + 1))) == 0) {
		whole >>= 10;
		i++;
	}
	snprintf(buf, SIZE_TEXT_MAX, "%" PRIu64 " %s", whole, units[i]);
	return buf;
}
