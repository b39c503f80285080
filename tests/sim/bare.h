/**
 * A homeserver without HTTP on a database of the test's: rooms, users and the writer. Whoever wants more of it makes that behind
 * `bare_start`, and destroys it between `bare_stop_writer` and `bare_stop`.
 */
#ifndef BELFRY_TESTS_SIM_BARE_H
#define BELFRY_TESTS_SIM_BARE_H

#include "homeserver/homeserver.h"

/** The database that the test has got, with our tables. */
struct str bare_database(void);

/** Our tables in a database. */
void bare_migrate(struct str url);

/**
 * The server hs. `settings` are as they will be; without a cache for events it gets one of 4 MiB. `published` is called with the
 * homeserver and what was committed; NULL: who waits in rooms is told, and no more.
 */
void bare_start(struct homeserver *hs, struct str url, const struct settings *settings,
	void (*published)(void *self, int64_t position, uint32_t kinds));

/** Nothing is committed or told any more; `bare_stop` does it, too. */
void bare_stop_writer(struct homeserver *hs);

void bare_stop(struct homeserver *hs);

/** A number that the database says, by room id; a wrong statement fails the test. */
int64_t bare_ask(struct str url, struct str room_id, const char *sql);

/** Has the database do something that has no answer. */
void bare_do(struct str url, const char *sql);

#endif
