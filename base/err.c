/*
 * Names and statuses of the error kinds, and the end of a process whose own guarantees do not hold.
 */
#include "base/err.h"

#include <stdio.h>
#include <stdlib.h>

static const struct {
	const char *name;
	int http_status;
	bool transient;
} err_rows[] = {
#define ERR_ROW(name, status, retry) {#name, status, retry},
	ERR_TABLE(ERR_ROW)
#undef ERR_ROW
};

const char *err_name(enum err err)
{
	return err_rows[err].name;
}

int err_http_status(enum err err)
{
	return err_rows[err].http_status;
}

bool err_is_transient(enum err err)
{
	return err_rows[err].transient;
}

bool err_is_unanswered(enum err err)
{
	return err == ERR_REMOTE || err == ERR_TIMEOUT || err == ERR_LIMIT;
}

void invariant_failed(const char *condition, const char *file, int line)
{
	(void)fprintf(stderr, "belfry: invariant failed: %s (%s:%d)\n", condition, file, line);
	abort();
}
