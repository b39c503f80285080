/**
 * Logs: one line an event on standard error: time, level, request id, name, then key=value.
 *
 *     log_info(req, "room.created", "version=%.*s members=%d", STR_ARG(version), n);
 *
 * Never contents of messages, tokens, keys, passwords or mail addresses; user ids only at debug.
 */
#ifndef BELFRY_BASE_LOG_H
#define BELFRY_BASE_LOG_H

#include "base/defs.h"

enum log_level { LOG_ERROR, LOG_WARN, LOG_INFO, LOG_DEBUG };

/** Lines above this level are dropped. Default: LOG_INFO. */
void log_set_level(enum log_level level);
bool log_is_on(enum log_level level);
/** "error" … "debug" to level. @return false for other words */
MUST_CHECK bool log_level_parse(const char *word, enum log_level *out);

/**
 * @param request_id  0: none
 * @param name        constant, `area.what` (e.g. "db.reconnected")
 * @param format      key=value pairs, printf-like; values with spaces or control bytes are quoted by log_quote rules:
 *                    control bytes are escaped before the line is written
 */
void log_line(enum log_level level, uint64_t request_id, const char *name, const char *format, ...)
	PRINTF_LIKE(4, 5);

#define log_error(request_id, name, ...) log_line(LOG_ERROR, (request_id), (name), __VA_ARGS__)
#define log_warn(request_id, name, ...) log_line(LOG_WARN, (request_id), (name), __VA_ARGS__)
#define log_info(request_id, name, ...) log_line(LOG_INFO, (request_id), (name), __VA_ARGS__)
#define log_debug(request_id, name, ...) \
	do { \
		if (log_is_on(LOG_DEBUG)) { \
			log_line(LOG_DEBUG, (request_id), (name), __VA_ARGS__); \
		} \
	} while (0)

#endif
