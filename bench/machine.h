/* SPDX-License-Identifier: MIT */
/* machine.h - where a figure was measured */
#ifndef BENCH_MACHINE_H
#define BENCH_MACHINE_H

#include "report.h"

/* One object: processor, processors, memory, kernel, huge pages, date, version of the library. */
void machine_json(struct json *json, const char *key);
/* One line. */
void machine_text(FILE *file);

#endif
