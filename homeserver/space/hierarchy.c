/*
 * The tree below a space, depth first. A stack holds what is still to be visited; a room is visited once, so loops end. A page walks
 * from the root and leaves out what earlier pages had: up to the room that its token names, or, when that is gone from the tree, as
 * many rooms as there were. So nothing is kept between pages, and a token cannot ask for more than the walk's own limits.
 */
#include "base/map.h"
#include "base/vec.h"
#include "homeserver/space/space.h"
#include "matrix/space_child.h"

/* A room to be visited. */
struct visit {
	struct str room_id;
	int64_t depth;
};

/* A room of the answer. */
struct found {
	struct space_summary summary;
	struct space_child *children;
	size_t child_n;
};

struct walk {
	struct ctx *ctx;
	struct homeserver *hs;
	const struct space_ask *ask;
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
	return str_printf(walk->ctx->arena, "%d.%lld.%zu.%.*s", walk->ask->suggested_only ? 1 : 0,
		(long long)walk->ask->max_depth, end,
		STR_ARG(room_id_of(walk->rooms.p[end - 1].summary.room).s));
}

static enum err read_token(struct walk *walk)
{
	struct str text = walk->ask->from;
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
	if (numbers[0] != (walk->ask->suggested_only ? 1 : 0) || numbers[1] != walk->ask->max_depth) {
		return fail(walk->ctx, ERR_INPUT, M_INVALID_PARAM,
			"suggested_only and max_depth cannot change between pages");
	}
	walk->behind = text;
	walk->start = (size_t)numbers[2];
	return ERR_OK;
}

/* --- walking ------------------------------------------------------------------------------------------------------ */

static enum err load_children(struct walk *walk, struct found *found)
{
	struct ctx *ctx = walk->ctx;
	const struct state_query query = {.without_members = true};
	struct state_item *items;
	size_t count;
	bool is_space = found->summary.content.room_type.p != NULL &&
		str_equals(found->summary.content.room_type, STR("m.space"));
	if (!is_space) {
		return ERR_OK;
	}
	TRY(room_state_list(ctx, walk->hs, found->summary.room, POSITION_NOW, &query, &items, &count));
	found->children = ARENA_NEW_ARRAY(ctx->arena, struct space_child, count);
	for (size_t i = 0; i < count; i++) {
		const struct event *event = items[i].event->event;
		struct space_child child;
		bool is_child = str_equals(items[i].type, STR("m.space.child")) &&
			space_child_read(items[i].state_key, event->sender.s, event->origin_server_ts,
				event->content, &child);
		if (is_child && (child.is_suggested || !walk->ask->suggested_only)) {
			found->children[found->child_n++] = child;
		}
	}
	space_child_sort(found->children, found->child_n);
	found->child_n = MIN_OF(found->child_n, (size_t)SPACE_CHILDREN_MAX);
	return ERR_OK;
}

/* The last child lies deepest in the stack. */
static void push_children(struct walk *walk, const struct found *found, int64_t depth)
{
	for (size_t i = found->child_n; i > 0 && depth < walk->ask->max_depth; i--) {
		const struct visit visit = {found->children[i - 1].room_id, depth + 1};
		VEC_PUSH(walk->ctx->arena, &walk->stack, visit);
	}
}

/* *out_shown is false for rooms that this server does not know or the user may not know of. */
static enum err look_at(struct walk *walk, const struct visit *visit, struct found *out,
	bool *out_shown)
{
	struct room *room;
	*out = (struct found){0};
	*out_shown = false;
	enum err err = rooms_get(walk->ctx, walk->hs, visit->room_id, &room);
	if (err == ERR_MISSING) {
		return ERR_OK;
	}
	TRY(err);
	TRY(space_summary_load(walk->ctx, walk->hs, room, walk->ask->user_id, &out->summary));
	*out_shown = out->summary.is_accessible;
	return *out_shown ? load_children(walk, out) : ERR_OK;
}

static enum err visit_next(struct walk *walk)
{
	struct visit visit = walk->stack.p[--walk->stack.n];
	struct found found;
	bool shown;
	if (map_set(&walk->seen, visit.room_id, walk) != NULL) {
		return ERR_OK;
	}
	TRY(look_at(walk, &visit, &found, &shown));
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
	const struct visit root = {walk->ask->room_id, 0};
	VEC_PUSH(walk->ctx->arena, &walk->stack, root);
	while (walk->stack.n > 0 && walk->seen.n < SPACE_ROOMS_MAX &&
		(!walk->has_start || walk->rooms.n <= walk->start + walk->ask->limit)) {
		TRY(visit_next(walk));
	}
	walk->start = MIN_OF(walk->start, walk->rooms.n);
	return ERR_OK;
}

/* --- the answer --------------------------------------------------------------------------------------------------- */

static void write_child(const struct space_child *child, struct json_out *out)
{
	json_out_object(out);
	json_out_key_str(out, "type", STR("m.space.child"));
	json_out_key_str(out, "state_key", child->room_id);
	json_out_key_value(out, "content", child->content);
	json_out_key_str(out, "sender", child->sender);
	json_out_key_int(out, "origin_server_ts", child->origin_server_ts);
	json_out_end(out);
}

static void write_room(const struct found *found, struct json_out *out)
{
	json_out_object(out);
	space_summary_write(&found->summary, out);
	json_out_key_array(out, "children_state");
	for (size_t i = 0; i < found->child_n; i++) {
		write_child(&found->children[i], out);
	}
	json_out_end(out);
	json_out_end(out);
}

static void write_page(const struct walk *walk, struct json_out *out)
{
	size_t end = MIN_OF(walk->start + walk->ask->limit, walk->rooms.n);
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

enum err space_write_hierarchy(struct ctx *ctx, struct homeserver *hs, const struct space_ask *ask,
	struct json_out *out)
{
	struct walk walk = {.ctx = ctx, .hs = hs, .ask = ask};
	TRY(read_token(&walk));
	map_init(&walk.seen);
	enum err err = walk_tree(&walk);
	map_fini(&walk.seen);
	TRY(err);
	write_page(&walk, out);
	return ERR_OK;
}
