/*
 * Lines are "<word> <what>". Whoever sends has the pauses; who hears that a server is there may be another. That a server fails is said by
 * who finds out, each time its pause grows; the first who hears of it says so, and nothing more is said until it fails again.
 */
#include "federation/processes.h"

#include <inttypes.h>
#include <stdatomic.h>

#include "base/lock.h"
#include "base/mem.h"
#include "federation/fed_client.h"
#include "federation/handshake_rooms.h"
#include "federation/inbox.h"
#include "federation/outbox.h"
#include "federation/policy.h"
#include "homeserver/troubled.h"
#include "storage/destination.h"

struct processes {
	struct troubled *troubled; /* servers that some process could not reach */
	atomic_bool is_unread;     /* the database may know of more */
	struct lock lock;          /* guards below */
	struct cond said;
	int64_t
		stays_position; /* up to which the process that sends knows which servers are in rooms */
	bool is_stopping;
};

struct processes *processes_create(void)
{
	struct processes *processes = mem_alloc(sizeof(*processes));
	processes->troubled = troubled_create();
	atomic_init(&processes->is_unread, true);
	lock_init(&processes->lock, RANK_LEAF);
	cond_init(&processes->said);
	return processes;
}

void processes_stop(struct processes *processes)
{
	LOCK_SCOPE(&processes->lock);
	processes->is_stopping = true;
	cond_broadcast(&processes->said);
}

void processes_destroy(struct processes *processes)
{
	if (processes != NULL) {
		cond_fini(&processes->said);
		lock_fini(&processes->lock);
		troubled_destroy(processes->troubled);
		mem_free(processes);
	}
}

/* --- saying ------------------------------------------------------------------------------------------------------ */

static void tell(struct federation *federation, const char *word, struct str what)
{
	struct writer *writer = federation->hs->writer;
	if (writer_has_peers(writer)) {
		struct arena *arena CLEANUP(arena_cleanup) = arena_create();
		writer_tell(writer, NEWS_FEDERATION, str_printf(arena, "%s %.*s", word, STR_ARG(what)));
	}
}

void processes_heard_of(struct federation *federation, struct server_name server)
{
	fed_client_heard(federation, server);
	outbox_heard_of(federation->outbox, server);
	if (troubled_take(federation->processes->troubled, server.s)) {
		tell(federation, "there", server.s);
	}
}

void processes_note_trouble(struct federation *federation, struct server_name server)
{
	tell(federation, "away", server.s);
}

void processes_note_edus(struct federation *federation, struct str server)
{
	tell(federation, "edus", server);
}

void processes_note_arrival(struct federation *federation, struct server_name server)
{
	tell(federation, "came", server.s);
}

static void tell_number(struct federation *federation, const char *word, int64_t number)
{
	struct arena *arena CLEANUP(arena_cleanup) = arena_create();
	tell(federation, word, str_printf(arena, "%" PRId64, number));
}

void processes_note_shared(struct federation *federation, int64_t room_nid)
{
	tell_number(federation, "shared", room_nid);
}

void processes_note_stays(struct federation *federation, int64_t position)
{
	tell_number(federation, "stays", position);
}

static bool are_stays_known(struct processes *processes, int64_t position)
{
	LOCK_SCOPE(&processes->lock);
	return processes->stays_position >= position;
}

bool processes_await_stays(struct federation *federation, int64_t position,
	int64_t deadline_mono_ms)
{
	struct processes *processes = federation->processes;
	if (are_stays_known(processes, position)) {
		return true;
	}
	if (!writer_has_peers(federation->hs->writer)) {
		return false;
	}
	tell_number(federation, "stays?", position);
	LOCK_SCOPE(&processes->lock);
	while (!processes->is_stopping && processes->stays_position < position &&
		cond_wait_until(&processes->said, &processes->lock, deadline_mono_ms)) {
	}
	return processes->stays_position >= position;
}

static void tell_all(struct federation *federation, struct str line)
{
	if (writer_has_peers(federation->hs->writer)) {
		writer_tell_all(federation->hs->writer, NEWS_FEDERATION, line);
	}
}

/* An id of a room may have spaces in it. */
static struct str handshake_line(struct arena *arena, struct str room_id, struct str version,
	struct str event_id)
{
	return str_printf(arena, "handshake %.*s %.*s %.*s", STR_ARG(version), STR_ARG(event_id),
		STR_ARG(room_id));
}

void processes_note_handshake(struct federation *federation, struct str room_id, struct str version,
	struct str event_id)
{
	struct arena *arena CLEANUP(arena_cleanup) = arena_create();
	tell_all(federation, handshake_line(arena, room_id, version, event_id));
}

void processes_repeat_handshake(struct federation *federation, struct str room_id,
	struct str version, struct str event_id)
{
	struct arena *arena CLEANUP(arena_cleanup) = arena_create();
	writer_tell(federation->hs->writer, NEWS_FEDERATION,
		handshake_line(arena, room_id, version, event_id));
}

/* Whether anybody hears it or not: a new process does not know yet who is there. */
void processes_ask_for_handshakes(struct federation *federation)
{
	writer_tell(federation->hs->writer, NEWS_FEDERATION, STR("handshakes?"));
}

void processes_note_handshake_end(struct federation *federation, struct str event_id)
{
	tell(federation, "shaken", event_id);
}

void processes_policy_changed(struct federation *federation)
{
	tell_all(federation, STR("policy changed"));
}

/* --- hearing ----------------------------------------------------------------------------------------------------- */

static void heard_away(struct federation *federation, struct str server)
{
	troubled_add(federation->processes->troubled, server);
}

static void heard_there(struct federation *federation, struct str server)
{
	(void)troubled_take(federation->processes->troubled, server);
	fed_client_heard(federation, (struct server_name){server});
	outbox_heard_of(federation->outbox, (struct server_name){server});
}

static void heard_edus(struct federation *federation, struct str server)
{
	outbox_take_edus(federation->outbox, server);
}

static void heard_came(struct federation *federation, struct str server)
{
	if (inbox_is_ours(federation->inbox, server)) {
		inbox_wake(federation->inbox, server);
	}
}

static void heard_shared(struct federation *federation, struct str text)
{
	int64_t nid;
	if (str_to_int(text, 0, INT64_MAX, &nid)) {
		outbox_share_room(federation->outbox, nid);
	}
}

static void heard_stays_wanted(struct federation *federation, struct str text)
{
	int64_t position;
	if (str_to_int(text, 0, INT64_MAX, &position)) {
		outbox_want_stays(federation->outbox, position);
	}
}

static void heard_stays(struct federation *federation, struct str text)
{
	struct processes *processes = federation->processes;
	int64_t position;
	if (str_to_int(text, 0, INT64_MAX, &position)) {
		LOCK_SCOPE(&processes->lock);
		processes->stays_position = MAX_OF(processes->stays_position, position);
		cond_broadcast(&processes->said);
	}
}

static void heard_handshake(struct federation *federation, struct str text)
{
	struct str version;
	struct str event_id;
	struct str room_id;
	if (str_split(text, ' ', &version, &text) && str_split(text, ' ', &event_id, &room_id) &&
		room_version_find(version) != NULL) {
		handshake_rooms_add(federation, room_id, room_version_find(version), event_id, false);
	}
}

static void heard_handshakes_wanted(struct federation *federation, struct str text)
{
	(void)text;
	handshake_rooms_tell(federation);
}

static void heard_shaken(struct federation *federation, struct str event_id)
{
	handshake_rooms_remove(federation, event_id);
}

static void heard_policy(struct federation *federation, struct str text)
{
	(void)text;
	fed_policy_changed(federation);
}

static const struct {
	struct str word;
	void (*heard)(struct federation *federation, struct str what);
} words[] = {
	{STR_INIT("away"), heard_away},
	{STR_INIT("there"), heard_there},
	{STR_INIT("edus"), heard_edus},
	{STR_INIT("came"), heard_came},
	{STR_INIT("shared"), heard_shared},
	{STR_INIT("stays?"), heard_stays_wanted},
	{STR_INIT("stays"), heard_stays},
	{STR_INIT("handshake"), heard_handshake},
	{STR_INIT("handshakes?"), heard_handshakes_wanted},
	{STR_INIT("shaken"), heard_shaken},
	{STR_INIT("policy"), heard_policy},
};

void processes_heard(struct federation *federation, struct str line)
{
	struct str word;
	struct str what;
	(void)str_split(line, ' ', &word, &what);
	for (size_t i = 0; i < COUNT_OF(words); i++) {
		if (str_equals(words[i].word, word)) {
			words[i].heard(federation, what);
		}
	}
}

void processes_deaf(struct federation *federation)
{
	atomic_store(&federation->processes->is_unread, true);
	fed_policy_changed(federation);
	processes_ask_for_handshakes(federation);
}

enum err processes_tidy(struct ctx *ctx, struct federation *federation)
{
	struct destination_trouble *trouble;
	size_t count;
	if (!atomic_exchange(&federation->processes->is_unread, false)) {
		return ERR_OK;
	}
	enum err err = store_destination_trouble(ctx, federation->hs->db, &trouble, &count);
	if (err != ERR_OK) {
		atomic_store(&federation->processes->is_unread, true);
		return err;
	}
	for (size_t i = 0; i < count; i++) {
		if (trouble[i].failures > 0) {
			troubled_add(federation->processes->troubled, trouble[i].server);
		}
	}
	return ERR_OK;
}
