/* SPDX-License-Identifier: MIT
 *
 * log.c - lines for the operator on stderr
 *
 * One write(2) a line. The daemon's one thread must never wait for whoever reads its stderr, so a line
 * is written only when poll(2) says that there is room; a pipe then takes up to PIPE_BUF bytes
 * without blocking. O_NONBLOCK would do it too, but it would change the terminal of the shell that
 * started the daemon, because it belongs to the open file and not to the descriptor.
 */
#include "log.h"

#include <poll.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#define LINE_MAX_BYTES 1024

static enum log_level log_threshold = LEVEL_INFO;
static bool log_to_journal;
static bool log_with_time;
static unsigned long log_dropped;

/* systemd sets JOURNAL_STREAM to device:inode of the stream that it connected; children inherit the
 * variable also when their stderr goes elsewhere. */
static bool stderr_is_journal(void)
{
	const char *stream = getenv("JOURNAL_STREAM");
	unsigned long long dev;
	char *colon;
	struct stat st;

	if (!stream || fstat(STDERR_FILENO, &st) < 0)
		return false;
	dev = strtoull(stream, &colon, 10);
	return *colon == ':' && st.st_dev == dev && st.st_ino == strtoull(colon + 1, NULL, 10);
}

void log_init(enum log_level level)
{
	log_threshold = level;
	log_to_journal = stderr_is_journal();
}

void log_stamp(void)
{
	log_with_time = true;
}

static size_t line_begin(char *line, size_t room, enum log_level level)
{
	static const char *const words[] = {
		[LEVEL_WARNING] = "warning: ", [LEVEL_DEBUG] = "debug: "};
	const char *word = level < sizeof(words) / sizeof(words[0]) ? words[level] : NULL;
	struct timespec ts;
	struct tm tm;
	char when[40] = "";

	if (log_to_journal)
		return (size_t)snprintf(line, room, "<%d>", level);
	if (log_with_time) {
		clock_gettime(CLOCK_REALTIME, &ts);
		gmtime_r(&ts.tv_sec, &tm);
		strftime(when, sizeof(when), "%Y-%m-%dT%H:%M:%SZ ", &tm);
	}
	return (size_t)snprintf(line, room, "%slarderd: %s", when, word ? word : "");
}

void log_line(enum log_level level, const char *fmt, ...)
{
	struct pollfd out = {.fd = STDERR_FILENO, .events = POLLOUT};
	char line[LINE_MAX_BYTES];
	size_t len;
	va_list ap;
	int n;

	if (level > log_threshold)
		return;
	len = line_begin(line, sizeof(line), level);
	if (log_dropped > 0)
		len += (size_t)snprintf(line + len, sizeof(line) - len, "(%lu lines dropped) ",
					log_dropped);
	va_start(ap, fmt);
	n = vsnprintf(line + len, sizeof(line) - len - 1, fmt, ap);
	va_end(ap);
	if (n < 0)
		return;
	len = (size_t)n < sizeof(line) - len - 1 ? len + (size_t)n : sizeof(line) - 2;
	line[len++] = '\n';
	if (poll(&out, 1, 0) != 1 || write(STDERR_FILENO, line, len) != (ssize_t)len)
		log_dropped++;
	else
		log_dropped = 0;
}
