/*
 * The tree below a space, depth first. A stack holds what is still to be visited; a room is visited once, so loops end. A page walks
 * from the root and leaves out what earlier pages had: up to the room that its token names, or, when that is gone from the tree, as
 * many rooms as there were. So nothing is kept between pages, and a token cannot ask for more than the walk's own limits.
 * While another server is asked about a room the request is parked, and the walk stays in its memo, where it goes on then.
 */
#include "base/map.h"
#include "base/vec.h"
#include "http/memo.h"
#include "homeserver/space/space_inner.h"

/* A room to be visited. */
struct visit {
	struct str room_id;
	int64_t depth;
	const struct json *via; /* who else knows it; NULL: not told */
};

/* A room of the answer. */
struct found {
	struct space_summary summary;
	struct space_children children;
};

struct walk {
	struct ctx *ctx; /* of the run that is under way */
	struct homeserver *hs;
	struct space_ask ask;
	struct elsewhere *elsewhere; /* NULL: it has not begun */
	VEC(struct visit) stack;
	struct map seen; /* room ids that were visited */
	VEC(struct found) rooms;
	struct str behind; /* room id where the page before ended; p == NULL: this is the first page */
	size_t start;      /* the page's first room */
	bool has_start;
};

/* --- tokens: "<suggested>.<depth>.<count>.<room id>" ------------------------------------------------------------- */

static struct str token_of(const struct walk *walk, size_t end)
{
	return str_printf(walk->ctx->arena, "%d.%lld.%zu.%.*s", walk->ask.suggested_only ? 1 : 0,
		(long long)walk->ask.max_depth, end, STR_ARG(walk->rooms.p[end - 1].summary.room_id));
}

static enum err read_token(struct walk *walk)
{
	struct str text = walk->ask.from;
	int64_t numbers[3] = {0};
	struct room_id id;
	bool is_ours = true;
	walk->has_start = text.p == NULL;
	if (walk->has_start) {
		return ERR_OK;
	}
	for (size_t i = 0; i < COUNT_OF(numbers) && is_ours; i++) {
		struct str part;
		is_ours =
			str_split(text, '.', &part, &text) && str_to_int(part, 0, SPACE_ROOMS_MAX, &numbers[i]);
	}
	if (!is_ours || !room_id_parse(text, &id)) {
		return fail(walk->ctx, ERR_INPUT, M_INVALID_PARAM, "from is not from an earlier answer");
	}
	if (numbers[0] != (walk->ask.suggested_only ? 1 : 0) || numbers[1] != walk->ask.max_depth) {
		return fail(walk->ctx, ERR_INPUT, M_INVALID_PARAM,
			"suggested_only and max_depth cannot change between pages");
	}
	walk->behind = text;
	walk->start = (size_t)numbers[2];
	return ERR_OK;
}

/* --- walking ------------------------------------------------------------------------------------------------------ */

/* The last child lies deepest in the stack. */
static void push_children(struct walk *walk, const struct found *found, int64_t depth)
{
	for (size_t i = found->children.n; i > 0 && depth < walk->ask.max_depth; i--) {
		const struct space_child *child = &found->children.p[i - 1];
		const struct visit visit = {child->room_id, depth + 1, child->via};
		VEC_PUSH(walk->ctx->arena, &walk->stack, visit);
	}
}

/* *out is NULL when nothing is known of the room here. */
static enum err find_here(struct walk *walk, struct str room_id, struct room **out)
{
	enum err err = rooms_get(walk->ctx, walk->hs, room_id, out);
	if (err == ERR_MISSING) {
		walk->ctx->fault = (struct fault){0};
		*out = NULL;
		return ERR_OK;
	}
	return err;
}

/* Who can tell of the room: as the tree says, else whoever invited the user. NULL: nobody known */
static enum err who_knows(struct walk *walk, const struct visit *visit, struct room *room,
	const struct json **out)
{
	struct stored_event *member = NULL;
	*out = visit->via;
	if (*out == NULL && room != NULL) {
		TRY(room_state_event(walk->ctx, walk->hs, room, STR("m.room.member"), walk->ask.user_id,
			POSITION_NOW, &member));
	}
	if (member != NULL) {
		struct json *server = ARENA_NEW(walk->ctx->arena, struct json);
		struct json *via = ARENA_NEW(walk->ctx->arena, struct json);
		*server = json_string(user_id_server(member->event->sender).s);
		*via = (struct json){.type = JSON_ARRAY, .items = server, .count = 1};
		*out = via;
	}
	return ERR_OK;
}

/*
 * *out_shown is false for rooms that nobody tells of or the user may not know of. What is known here of a room that this server is not in is of
 * long ago, or of an invite: others are asked first.
 */
static enum err look_at(struct walk *walk, const struct visit *visit, struct found *out,
	bool *out_shown)
{
	struct room *room;
	*out = (struct found){0};
	TRY(find_here(walk, visit->room_id, &room));
	if (room == NULL || !room_is_resident(room)) {
		const struct json *via;
		TRY(who_knows(walk, visit, room, &via));
		TRY(elsewhere_find(walk->ctx, walk->elsewhere, visit->room_id, via, &out->summary,
			&out->children));
		*out_shown = out->summary.is_accessible;
		if (*out_shown || room == NULL) {
			return ERR_OK;
		}
	}
	const struct space_viewer viewer = {.user_id = walk->ask.user_id};
	TRY(space_summary_load(walk->ctx, walk->hs, room, &viewer, &out->summary));
	*out_shown = out->summary.is_accessible;
	return *out_shown ? space_children_load(walk->ctx, walk->hs, &out->summary,
							walk->ask.suggested_only, &out->children)
					  : ERR_OK;
}

static enum err visit_next(struct walk *walk)
{
	const struct visit visit = walk->stack.p[walk->stack.n - 1];
	struct found found;
	bool shown = false;
	bool is_new = map_get(&walk->seen, visit.room_id) == NULL;
	if (is_new) {
		TRY(look_at(walk, &visit, &found, &shown)); /* DEFER: it is visited again */
		(void)map_set(&walk->seen, visit.room_id, walk);
	}
	walk->stack.n--;
	if (!shown && visit.depth == 0) {
		return fail(walk->ctx, ERR_DENIED, M_FORBIDDEN,
			"You may not see that room, or there is none");
	}
	if (!shown) {
		return ERR_OK;
	}
	push_children(walk, &found, visit.depth);
	VEC_PUSH(walk->ctx->arena, &walk->rooms, found);
	if (!walk->has_start && str_equals(walk->behind, visit.room_id)) {
		walk->has_start = true;
		walk->start = walk->rooms.n;
	}
	return ERR_OK;
}

/* As far as the page needs, and one room more. */
static enum err walk_tree(struct walk *walk)
{
	while (walk->stack.n > 0 && walk->seen.n < SPACE_ROOMS_MAX &&
		(!walk->has_start || walk->rooms.n <= walk->start + walk->ask.limit)) {
		TRY(visit_next(walk));
	}
	walk->start = MIN_OF(walk->start, walk->rooms.n);
	return ERR_OK;
}

/* --- the answer --------------------------------------------------------------------------------------------------- */

static void write_room(const struct found *found, struct json_out *out)
{
	json_out_object(out);
	space_summary_write(&found->summary, out);
	space_children_write(&found->children, out);
	json_out_end(out);
}

static void write_page(const struct walk *walk, struct json_out *out)
{
	size_t end = MIN_OF(walk->start + walk->ask.limit, walk->rooms.n);
	json_out_object(out);
	json_out_key_array(out, "rooms");
	for (size_t i = walk->start; i < end; i++) {
		write_room(&walk->rooms.p[i], out);
	}
	json_out_end(out);
	if (end < walk->rooms.n && end > 0) {
		json_out_key_str(out, "next_batch", token_of(walk, end));
	}
	json_out_end(out);
}

static void walk_fini(void *data)
{
	struct walk *walk = data;
	map_fini(&walk->seen);
}

/* What is a run's own is copied. Errors: INPUT */
static enum err begin(struct walk *walk, struct homeserver *hs, const struct space_ask *ask)
{
	struct ctx *ctx = walk->ctx;
	walk->hs = hs;
	walk->ask = *ask;
	walk->ask.user_id = str_dup(ctx->arena, ask->user_id);
	walk->ask.room_id = str_dup(ctx->arena, ask->room_id);
	TRY(read_token(walk));
	const struct visit root = {walk->ask.room_id, 0, NULL};
	VEC_PUSH(ctx->arena, &walk->stack, root);
	map_init(&walk->seen);
	arena_on_reset(ctx->arena, walk_fini, walk);
	walk->elsewhere = elsewhere_create(ctx, hs, walk->ask.user_id, ask->suggested_only);
	return ERR_OK;
}

enum err space_write_hierarchy(struct ctx *ctx, struct homeserver *hs, const struct space_ask *ask,
	struct json_out *out)
{
	struct walk *walk = MEMO_FIND(ctx, STR("walk through a space"), struct walk);
	walk->ctx = ctx;
	if (walk->elsewhere == NULL) {
		TRY(begin(walk, hs, ask));
	}
	TRY(walk_tree(walk));
	write_page(walk, out);
	return ERR_OK;
}
