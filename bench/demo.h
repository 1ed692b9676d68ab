/* SPDX-License-Identifier: MIT */
/* demo.h - the command that shows a cache which survives kill -9 of its daemon */
#ifndef BENCH_DEMO_H
#define BENCH_DEMO_H

/* Return: an exit code. */
int demo_command(int argc, char **argv);

#endif
