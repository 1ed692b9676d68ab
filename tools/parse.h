/* SPDX-License-Identifier: MIT
 *
 * parse.h - numbers, durations, sizes and hexadecimal bytes as users write them
 *
 * Every function returns true and stores, or returns false and stores nothing. White space, empty
 * strings and anything after the number are refused, and so is what does not fit.
 */
#ifndef LARDER_TOOLS_PARSE_H
#define LARDER_TOOLS_PARSE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

bool parse_u64(const char *text, uint64_t *valuep);
bool parse_i64(const char *text, int64_t *valuep);

/* parse_duration - milliseconds from "500ms", "30s", "5m", "2h", "7d", "500" or "never" (0) */
bool parse_duration(const char *text, int64_t *msp);

/* parse_size - bytes from "100", "64K", "64KiB", "10M", "1G", "8T"; units are powers of 1024 */
bool parse_size(const char *text, uint64_t *bytesp);

/* parse_hex - decode "00ff7a" in place; *lenp becomes the number of bytes */
bool parse_hex(char *text, size_t *lenp);

#endif
