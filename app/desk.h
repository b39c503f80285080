/**
 * Where the commands work that need the database: beside a running server through its database, or without one,
 * for which they run the private cluster themselves for the moment.
 */
#ifndef BELFRY_APP_DESK_H
#define BELFRY_APP_DESK_H

#include "app/command.h"
#include "app/data_folder.h"
#include "app/database.h"
#include "homeserver/account/accounts.h"

struct desk {
	struct settings settings;
	struct account_desk accounts;    /**< points into `settings` and `port` */
	struct appservices *appservices; /**< not read yet: see appservices_follow() */
	struct appservice_port port;
	struct signals signals;
	struct data_folder folder;
	struct database database;
	pid_t server; /**< that runs beside us; 0: none */
	bool is_closed;
};

/** Opens it; on failure nothing is left open. The desk must not move. Errors: as its parts; the text says what to do. */
MUST_CHECK enum err desk_open(struct command_line *line, struct desk *desk);

/**
 * Closes it, and tells a server that runs beside that accounts may have changed. Who goes on for long does it early, so that a server can start
 * meanwhile; another time does nothing.
 */
void desk_close(struct desk *desk);

/** What a command does at the desk. Errors: any; the text is for whoever typed it. */
typedef enum err desk_work(struct command_line *line, struct desk *desk);
/** Opens the desk, does it, closes the desk, and says what went wrong. @return exit status */
int desk_do(struct command_line *line, desk_work *work);

/** One of a command's words, such as `list`. */
struct desk_action {
	const char *name;
	size_t arguments; /**< behind the name: just as many */
	desk_work *run;
};
/**
 * Does what the first argument says, at the desk.
 * @param words  what to type, when nothing was: "list or remove?"
 * @return       exit status
 */
int desk_run(struct command_line *line, const struct desk_action *actions, size_t count,
	const char *words);

#endif
