/*
 * Published rooms, the largest first. A token is a place in the list and a direction: rooms that come or go between two pages
 * neither repeat nor hide others.
 */
#include "homeserver/consumer.h"
#include "homeserver/directory/directory.h"
#include "homeserver/room/rooms.h"
#include "matrix/power.h"
#include "storage/room.h"

enum { MATCHES_MAX = 16, INDEX_WAIT_MS = 1500 };

/* --- tokens: "n.<members>.<room>" goes on, "p.<members>.<room>" goes back ----------------------------------------- */

static struct str place_token(struct ctx *ctx, char direction, struct directory_place place)
{
	return str_printf(ctx->arena, "%c.%lld.%lld", direction, (long long)place.joined_members,
		(long long)place.room_nid);
}

static enum err read_since(struct ctx *ctx, struct str since, struct directory_room_ask *ask)
{
	struct str head;
	struct str members;
	struct str rest;
	ask->place = (struct directory_place){.joined_members = INT64_MAX};
	if (since.p == NULL || since.n == 0) {
		return ERR_OK;
	}
	bool is_ours = str_split(since, '.', &head, &rest) && str_split(rest, '.', &members, &rest) &&
		str_to_int(members, 0, INT64_MAX, &ask->place.joined_members) &&
		str_to_int(rest, 0, INT64_MAX, &ask->place.room_nid);
	ask->is_backwards = is_ours && str_equals(head, STR("p"));
	if (!is_ours || (!ask->is_backwards && !str_equals(head, STR("n")))) {
		return fail(ctx, ERR_INPUT, M_INVALID_PARAM, "since is not from an earlier answer");
	}
	return ERR_OK;
}

/* --- the list ------------------------------------------------------------------------------------------------------- */

static void turn_round(struct directory_room_row *rows, size_t count)
{
	for (size_t i = 0; i < count / 2; i++) {
		struct directory_room_row row = rows[i];
		rows[i] = rows[count - 1 - i];
		rows[count - 1 - i] = row;
	}
}

static void write_rooms(struct ctx *ctx, const struct directory_room_row *rows, size_t count,
	bool has_next, bool has_previous, struct json_out *out)
{
	json_out_key_array(out, "chunk");
	for (size_t i = 0; i < count; i++) {
		json_out_object(out);
		json_out_key_str(out, "room_id", rows[i].room_id);
		json_out_key_int(out, "num_joined_members", rows[i].place.joined_members);
		room_summary_write(&rows[i].summary, out);
		json_out_end(out);
	}
	json_out_end(out);
	if (has_next && count > 0) {
		json_out_key_str(out, "next_batch", place_token(ctx, 'n', rows[count - 1].place));
	}
	if (has_previous && count > 0) {
		json_out_key_str(out, "prev_batch", place_token(ctx, 'p', rows[0].place));
	}
}

enum err public_rooms_list(struct ctx *ctx, struct homeserver *hs,
	const struct public_rooms_ask *wanted, struct json_out *out)
{
	struct term_match *matches = NULL;
	struct directory_room_ask ask = {
		.types = wanted->types,
		.type_count = wanted->type_count,
		.network = wanted->network,
		.has_all_networks = wanted->has_all_networks,
		.limit = (int64_t)wanted->limit + 1,
	};
	struct directory_room_row *rows;
	size_t count;
	int64_t total;
	TRY(read_since(ctx, wanted->since, &ask));
	if (wanted->term.p != NULL) {
		terms_query_names(ctx->arena, wanted->term, MATCHES_MAX, &matches, &ask.match_count);
		ask.matches = matches;
	}
	(void)consumers_await_stored(hs->consumers, DIRECTORY_CONSUMER, writer_position(hs->writer),
		clock_mono_ms(&hs->clock) + INDEX_WAIT_MS);
	TRY(store_directory_rooms(ctx, hs->db, &ask, &rows, &count, &total));
	bool has_more = count > wanted->limit;
	size_t n = MIN_OF(count, wanted->limit);
	if (ask.is_backwards) {
		turn_round(rows, n);
	}
	bool is_first = wanted->since.p == NULL || wanted->since.n == 0;
	json_out_object(out);
	write_rooms(ctx, rows, n, ask.is_backwards || has_more, ask.is_backwards ? has_more : !is_first,
		out);
	json_out_key_int(out, "total_room_count_estimate", total);
	json_out_end(out);
	return ERR_OK;
}

/* --- one room ------------------------------------------------------------------------------------------------------- */

/* As rooms_get() says of a room that there is not. */
static enum err no_room(struct ctx *ctx)
{
	return fail(ctx, ERR_MISSING, M_NOT_FOUND, "Unknown room");
}

enum err public_rooms_get(struct ctx *ctx, struct homeserver *hs, const struct principal *who,
	struct str room_id, bool *out_is_published)
{
	struct room *room;
	struct str membership = STR("");
	TRY(rooms_get(ctx, hs, room_id, &room));
	TRY(store_room_is_published(ctx, hs->db, room_nid(room), out_is_published));
	if (*out_is_published || (who != NULL && who->is_admin)) {
		return ERR_OK;
	}
	if (who != NULL) {
		TRY(room_membership(ctx, hs, room, who->user.s, &membership));
	}
	return membership.n > 0 ? ERR_OK : no_room(ctx);
}

/* Whether the user may change m.room.canonical_alias, which is what makes a room public. */
static enum err may_publish(struct ctx *ctx, struct homeserver *hs, struct room *room,
	const struct principal *who, bool *out)
{
	static const struct state_ask asks[] = {{STR_INIT("m.room.power_levels"), STR_INIT("")},
		{STR_INIT("m.room.create"), STR_INIT("")}};
	struct state_view view;
	struct str membership;
	*out = who->is_admin;
	if (*out) {
		return ERR_OK;
	}
	TRY(room_state_view(ctx, hs, room, asks, COUNT_OF(asks), &view));
	TRY(room_membership(ctx, hs, room, who->user.s, &membership));
	const struct room_version *version = room_version_of(room);
	*out = str_equals(membership, STR("join")) &&
		power_of_user(version, &view, who->user) >=
			power_for_state(version, &view, STR("m.room.canonical_alias"));
	return ERR_OK;
}

enum err public_rooms_set(struct ctx *ctx, struct homeserver *hs, const struct principal *who,
	struct str room_id, bool is_published)
{
	struct room *room;
	bool was_published;
	bool is_allowed;
	TRY(public_rooms_get(ctx, hs, who, room_id, &was_published));
	TRY(rooms_get(ctx, hs, room_id, &room));
	TRY(may_publish(ctx, hs, room, who, &is_allowed));
	if (!is_allowed) {
		return fail(ctx, ERR_DENIED, M_FORBIDDEN,
			"Only moderators of the room and administrators may change this");
	}
	return was_published == is_published
		? ERR_OK
		: store_room_set_published(ctx, hs->db, room_nid(room), is_published);
}
