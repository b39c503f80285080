/**
 * PostgreSQL's programs as children of this process.
 */
#ifndef BELFRY_APP_POSTGRES_PG_CHILD_H
#define BELFRY_APP_POSTGRES_PG_CHILD_H

#include "app/postgres/pg_account.h"
#include "base/str.h"

struct pg_command {
	const char *program;
	const char *const *
		arguments; /**< with the program's path first, by which PostgreSQL's find each other, and NULL last */
	const struct pg_account *account;
	int folder_fd;    /**< the child has it open under the same number; -1: none */
	int output_fd;    /**< for its standard output and error */
	int death_signal; /**< sent to it when this process dies in whatever way */
};

/**
 * Starts it in a session of its own, so that Ctrl-C at a terminal does not reach it, with nothing open but what
 * the command names. To be called by the thread that lives as long as the process: the death signal is bound to it.
 * @return its process id; -1 when there can be no more processes
 */
MUST_CHECK pid_t pg_child_start(const struct pg_command *command);

/** Waits for its end. @return true when its exit status is 0 */
bool pg_child_wait(pid_t child);

/** Runs a short program as ourselves. @return true when it succeeded; its first output in *out */
MUST_CHECK bool pg_child_output(struct arena *arena, const char *program,
	const char *const *arguments, struct str *out);

#endif
