/* SPDX-License-Identifier: MIT
 *
 * log.h - lines for the operator on stderr
 */
#ifndef LARDERD_LOG_H
#define LARDERD_LOG_H

/* The numbers are those of syslog and of systemd's "<N>" prefix. */
enum log_level {
	LEVEL_ERROR = 3,
	LEVEL_WARNING = 4,
	LEVEL_NOTICE = 5,
	LEVEL_INFO = 6,
	LEVEL_DEBUG = 7,
};

/* Lines less urgent than @level are dropped. Finds out whether stderr is the journal. */
void log_init(enum log_level level);

/* From now on lines carry the time: the start is over, and whoever reads them comes later. */
void log_stamp(void);

/* Never blocks: a line that stderr does not take at once is dropped, and counted in the next one. */
void log_line(enum log_level level, const char *fmt, ...) __attribute__((format(printf, 2, 3)));

#define log_error(...) log_line(LEVEL_ERROR, __VA_ARGS__)
#define log_warning(...) log_line(LEVEL_WARNING, __VA_ARGS__)
#define log_notice(...) log_line(LEVEL_NOTICE, __VA_ARGS__)
#define log_info(...) log_line(LEVEL_INFO, __VA_ARGS__)
#define log_debug(...) log_line(LEVEL_DEBUG, __VA_ARGS__)

#endif
