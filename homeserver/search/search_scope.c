/*
 * Between two changes of the user's membership or of the room's visibility nothing changes, so each stretch between them is visible as a
 * whole or not at all. An event stands on the state before it: a change holds from the event behind it on.
 */
#include "homeserver/search/search_scope.h"

#include <stdlib.h>
#include <string.h>

#include "homeserver/user/users.h"
#include "matrix/filter.h"
#include "matrix/visibility.h"

/* What a user saw who came and went more often in a room where that matters is no longer found. */
enum { SEARCH_MEMBERSHIPS_MAX = 1000 };

/* What holds in a stretch. */
struct stretch {
	enum visibility visibility;
	enum membership membership;
};

static enum visibility visibility_from(struct arena *arena, struct str json)
{
	struct json event;
	if (json.p == NULL || json_parse(arena, json, NULL, &event, NULL) != JSON_OK) {
		return VISIBILITY_SHARED;
	}
	return visibility_parse(json_get_str(json_at(&event, "content"), STR("history_visibility")));
}

/* Whether what is sent under it is not for all members. */
static bool is_for_some(struct arena *arena, const struct search_scope_row *row)
{
	enum visibility visibility = visibility_from(arena, row->json);
	return visibility == VISIBILITY_JOINED || visibility == VISIBILITY_INVITED;
}

static void step(struct arena *arena, const struct search_scope_row *row, struct stretch *stretch)
{
	if (row->membership.p != NULL) {
		stretch->membership = membership_parse(row->membership);
	} else {
		stretch->visibility = visibility_from(arena, row->json);
	}
}

static bool is_join(const struct search_scope_row *row)
{
	return row->membership.p != NULL && membership_parse(row->membership) == MEMBERSHIP_JOIN;
}

/* Positions of the last join, and of the leaving after it (INT64_MAX: the user is joined). @return false when there was no join */
static bool find_last_stay(const struct search_scope_row *rows, size_t count, int64_t *out_joined,
	int64_t *out_left)
{
	bool found = false;
	*out_joined = 0;
	*out_left = INT64_MAX;
	for (size_t i = 0; i < count; i++) {
		if (is_join(&rows[i])) {
			found = true;
			*out_joined = rows[i].from_position;
			*out_left = INT64_MAX;
		} else if (found && rows[i].membership.p != NULL && *out_left == INT64_MAX) {
			*out_left = rows[i].from_position;
		}
	}
	return found;
}

static void add_span(struct search_span *spans, size_t *n, const struct search_span *span)
{
	if (*n > 0 && spans[*n - 1].up_to == span->after) {
		spans[*n - 1].up_to = span->up_to;
	} else {
		spans[(*n)++] = *span;
	}
}

size_t search_scope_spans(struct arena *arena, const struct search_scope_row *rows, size_t count,
	int64_t up_to, struct search_span *out)
{
	struct stretch stretch = {VISIBILITY_SHARED, MEMBERSHIP_NONE};
	size_t n = 0;
	int64_t joined;
	int64_t left;
	if (!find_last_stay(rows, count, &joined, &left)) {
		return 0;
	}
	int64_t horizon = MIN_OF(left, up_to);
	for (size_t i = 0; i <= count; i++) {
		struct search_span span = {
			.room_nid = rows[0].room_nid,
			.after = i == 0 ? 0 : rows[i - 1].from_position,
			.up_to = i == count ? horizon : MIN_OF(rows[i].from_position, horizon),
			.horizon = horizon,
		};
		if (i > 0) {
			step(arena, &rows[i - 1], &stretch);
		}
		const struct visibility_facts facts = visibility_facts_plain(stretch.visibility,
			stretch.membership, i < count && joined >= rows[i].from_position);
		if (span.after < span.up_to && visibility_allows(&facts)) {
			add_span(out, &n, &span);
		}
	}
	return n;
}

/* --- all rooms ------------------------------------------------------------------------------------------------- */

static bool is_wanted(const struct search_scope_ask *ask, const struct user_room *room)
{
	struct str room_id = room_id_of(room->room).s;
	return !room->is_forgotten &&
		(ask->only_room.p == NULL || str_equals(ask->only_room, room_id)) &&
		(ask->filter == NULL || event_filter_allows_room(ask->filter, room_id));
}

static enum err list_rooms(struct ctx *ctx, struct homeserver *hs,
	const struct search_scope_ask *ask, int64_t **out, size_t *out_count)
{
	struct user *user;
	struct user_room *rooms;
	size_t count;
	TRY(users_get(ctx, hs, ask->user_id, &user));
	user_rooms(user, ctx->arena, &rooms, &count);
	int64_t *nids = ARENA_NEW_ARRAY(ctx->arena, int64_t, count);
	size_t n = 0;
	for (size_t i = 0; i < count; i++) {
		if (is_wanted(ask, &rooms[i])) {
			nids[n++] = room_nid(rooms[i].room);
		}
	}
	*out = nids;
	*out_count = n;
	return ERR_OK;
}

static int compare_rows(const void *a, const void *b)
{
	const struct search_scope_row *left = a;
	const struct search_scope_row *right = b;
	int by_room = (left->room_nid > right->room_nid) - (left->room_nid < right->room_nid);
	return by_room != 0 ? by_room
						: (left->from_position > right->from_position) -
			(left->from_position < right->from_position);
}

/* Where members see all history, the last stay decides; elsewhere the memberships do, of which the newest are looked at. */
static enum err add_memberships(struct ctx *ctx, struct homeserver *hs, struct str user_id,
	struct search_scope_row **rows, size_t *count)
{
	int64_t *nids = ARENA_NEW_ARRAY(ctx->arena, int64_t, *count);
	size_t nid_n = 0;
	for (size_t i = 0; i < *count; i++) {
		const struct search_scope_row *row = &(*rows)[i];
		bool is_listed = nid_n > 0 && nids[nid_n - 1] == row->room_nid;
		if (row->membership.p == NULL && !is_listed && is_for_some(ctx->arena, row)) {
			nids[nid_n++] = row->room_nid;
		}
	}
	if (nid_n == 0) {
		return ERR_OK;
	}
	struct search_scope_row *memberships;
	size_t membership_n;
	TRY(store_search_memberships(ctx, hs->db, nids, nid_n, user_id, SEARCH_MEMBERSHIPS_MAX,
		&memberships, &membership_n));
	struct search_scope_row *all =
		ARENA_NEW_ARRAY(ctx->arena, struct search_scope_row, *count + membership_n);
	memcpy(all, *rows, *count * sizeof(*all));
	memcpy(all + *count, memberships, membership_n * sizeof(*all));
	*rows = all;
	*count += membership_n;
	qsort(all, *count, sizeof(*all), compare_rows);
	return ERR_OK;
}

enum err search_scope_load(struct ctx *ctx, struct homeserver *hs,
	const struct search_scope_ask *ask, struct search_span **out, size_t *out_count)
{
	int64_t *nids;
	size_t nid_n;
	struct search_scope_row *rows;
	size_t count;
	*out = NULL;
	*out_count = 0;
	TRY(list_rooms(ctx, hs, ask, &nids, &nid_n));
	if (nid_n == 0) {
		return ERR_OK;
	}
	TRY(store_search_scope(ctx, hs->db, nids, nid_n, ask->user_id, &rows, &count));
	TRY(add_memberships(ctx, hs, ask->user_id, &rows, &count));
	*out = ARENA_NEW_ARRAY(ctx->arena, struct search_span, 2 * count + 1);
	for (size_t i = 0; i < count;) {
		size_t end = i + 1;
		while (end < count && rows[end].room_nid == rows[i].room_nid) {
			end++;
		}
		*out_count +=
			search_scope_spans(ctx->arena, &rows[i], end - i, ask->up_to, *out + *out_count);
		i = end;
	}
	return ERR_OK;
}
