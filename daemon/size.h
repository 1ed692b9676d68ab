/* SPDX-License-Identifier: MIT
 *
 * size.h - bytes as people write and read them
 */
#ifndef LARDERD_SIZE_H
#define LARDERD_SIZE_H

#include <stdint.h>

#define SIZE_TEXT_MAX 32

/*
 * size_parse - "64M" to bytes; units B K M G T, powers of 1,024, also as KB and KiB
 * Return: 0; -EINVAL not a size; -ERANGE more than 64 bits; -ENOMSG a number without a unit.
 */
int size_parse(const char *text, uint64_t *bytesp);

/* "64 MiB", for sentences: rounded down to four digits or fewer. */
const char *size_text(uint64_t bytes, char buf[SIZE_TEXT_MAX]);

#endif
