/* SPDX-License-Identifier: MIT */
/*
 * attach_lost.c - daemon and keeper are killed, a new daemon makes a new region: within five seconds
 * every client is there and none serves the old one, however seldom it calls
 */
#include "larderd.h"

#include <stdatomic.h>
#include <stdbool.h>

#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#define CLIENTS 6u
#define LIMIT_MS 5000u
#define OLD 1u
#define NEW 2u

/* Shared with the clients. */
struct board {
	_Atomic unsigned ready;
	_Atomic unsigned go;		 /* the new region has its values */
	_Atomic unsigned found[CLIENTS]; /* ms after that */
	uint64_t start_ms;
};

struct client {
	const struct larderd *d;
	struct board *board;
	unsigned number;
	unsigned flags;
	unsigned pause_ms; /* between calls */
	bool sleeper;	   /* no call until the new region has been there for a while */
};

static void sleep_through(const struct board *board, struct larder *h)
{
	unsigned value;

	while (board->go == 0)
		sleep_ms(10);
	sleep_ms(500);
	/* The first call sees it; a busy daemon's answer may be a few calls away. */
	while (get_number(h, OLD, &value) != LARDER_MISS) {
		CHECK(now_ms() - board->start_ms < 1500);
		sleep_ms(10);
	}
}

static int client_main(void *arg)
{
	const struct client *self = arg;
	struct board *board = self->board;
	struct larder *h = larderd_open(self->d, self->flags);
	unsigned value;

	/* A burst first, so that the next look is as far away as it can be. */
	for (unsigned i = 0; i < 1000; i++)
		CHECK(get_number(h, OLD, &value) == 0 && value == OLD);
	board->ready++;
	if (self->sleeper)
		sleep_through(board, h);
	for (;;) {
		bool known = board->go != 0;
		int r = get_number(h, OLD, &value);

		CHECK(r == LARDER_MISS || value == OLD);
		if (get_number(h, NEW, &value) == 0)
			break;
		CHECK(!known || now_ms() - board->start_ms < LIMIT_MS);
		if (self->pause_ms > 0)
			sleep_ms(self->pause_ms);
	}
	board->found[self->number] = (unsigned)(now_ms() - board->start_ms);
	/* There for good. */
	CHECK(get_number(h, OLD, &value) == LARDER_MISS);
	if ((self->flags & LARDER_RDONLY) == 0)
		put_number(h, 100 + self->number, self->number);
	larder_close(h);
	return 0;
}

static pid_t start_client(const struct client *client)
{
	struct client copy = *client;
	pid_t pid = fork();

	CHECK(pid >= 0);
	if (pid == 0)
		_exit(client_main(&copy));
	return pid;
}

int main(void)
{
	static const struct client kinds[CLIENTS] = {
		{.pause_ms = 0},   {.pause_ms = 0, .flags = LARDER_RDONLY},
		{.pause_ms = 10},  {.pause_ms = 40, .flags = LARDER_RDONLY},
		{.pause_ms = 200}, {.sleeper = true},
	};
	static struct larderd d;
	struct board *board = mmap(NULL, sizeof(*board), PROT_READ | PROT_WRITE,
				   MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	pid_t pid[CLIENTS];
	struct larder *h;
	unsigned value;

	CHECK(board != MAP_FAILED);
	larderd_start(&d, NULL);
	h = larderd_open(&d, 0);
	put_number(h, OLD, OLD);
	larder_close(h);
	for (unsigned i = 0; i < CLIENTS; i++) {
		struct client client = kinds[i];

		client.d = &d;
		client.board = board;
		client.number = i;
		pid[i] = start_client(&client);
	}
	while (board->ready < CLIENTS)
		sleep_ms(10);
	sleep_ms(300); /* the slow ones find their pace */
	larderd_kill_both(&d);
	larderd_start(&d, NULL);
	h = larderd_open(&d, 0);
	put_number(h, NEW, NEW);
	board->start_ms = now_ms();
	board->go = 1;
	for (unsigned i = 0; i < CLIENTS; i++) {
		int status;

		CHECK(waitpid(pid[i], &status, 0) == pid[i] && status == 0);
		printf("a call every %u ms: there after %u ms\n", kinds[i].pause_ms,
		       board->found[i]);
		CHECK((kinds[i].flags & LARDER_RDONLY) != 0 ||
		      (get_number(h, 100 + i, &value) == 0 && value == i));
	}
	CHECK(larder_check(h, NULL, NULL) == 0);
	larder_close(h);
	larderd_stop(&d);
	return 0;
}
