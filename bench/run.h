/* SPDX-License-Identifier: MIT */
/* run.h - the command that puts a chosen load on a cache */
#ifndef BENCH_RUN_H
#define BENCH_RUN_H

/* Return: an exit code. */
int run_command(int argc, char **argv);

#endif
