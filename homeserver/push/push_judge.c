/*
 * What a user's rules make of an event. Whoever changed nothing is judged by the predefined rules as code, the others rule by
 * rule.
 */
#include "homeserver/push/push.h"

#include "base/glob.h"
#include "homeserver/room/rooms.h"

enum { ACTIONS_CEILING_BYTES = 65536 };

enum err push_scene_init(struct ctx *ctx, struct homeserver *hs, struct room *room,
	struct push_scene *out)
{
	static const struct state_ask keys[] = {{STR_INIT("m.room.power_levels"), STR_INIT("")},
		{STR_INIT("m.room.create"), STR_INIT("")}};
	out->room = room;
	out->member_count = room_member_counts(room).joined;
	return room_state_view(ctx, hs, room, keys, COUNT_OF(keys), &out->state);
}

static enum err display_name(struct ctx *ctx, struct homeserver *hs, struct room *room,
	struct user_id user, struct str *out)
{
	struct stored_event *member;
	TRY(room_state_event(ctx, hs, room, STR("m.room.member"), user.s, POSITION_NOW, &member));
	*out = member != NULL ? json_get_str(member->event->content, STR("displayname"))
						  : str_from(NULL, 0);
	return ERR_OK;
}

enum err push_judge(struct ctx *ctx, struct homeserver *hs, const struct push_scene *scene,
	const struct push_rules *rules, struct user_id user, const struct stored_event *event,
	struct push_result *out)
{
	const struct push_facts facts = {
		.event = event->event,
		.state = &scene->state,
		.member_count = scene->member_count,
	};
	if (rules->is_generic) {
		struct push_generic generic = push_eval_generic(ctx->arena, &facts);
		*out = push_generic_for(&generic, user);
		return ERR_OK;
	}
	struct str name;
	TRY(display_name(ctx, hs, scene->room, user, &name));
	*out = push_eval(ctx->arena, &rules->set, &facts, user, name);
	return ERR_OK;
}

/* --- what cannot notify --------------------------------------------------------------------------------- */

static bool is_about_room(const struct push_condition *condition)
{
	return condition->kind == PUSH_EVENT_MATCH && condition->path.count == 1 &&
		str_equals(condition->path.segments[0], STR("room_id"));
}

enum reach { REACHES_NOTHING, REACHES_SOME, REACHES_ALL };

/* Which events of a room a rule may match. */
static enum reach reach_of(const struct push_rule *rule, struct str room_id)
{
	if (!rule->is_enabled) {
		return REACHES_NOTHING;
	}
	if (rule->kind == PUSH_ROOM) {
		return str_equals(rule->rule_id, room_id) ? REACHES_ALL : REACHES_NOTHING;
	}
	if (rule->kind == PUSH_CONTENT || rule->kind == PUSH_SENDER) {
		return REACHES_SOME;
	}
	enum reach reach = REACHES_ALL;
	for (size_t i = 0; i < rule->condition_count; i++) {
		const struct push_condition *condition = &rule->conditions[i];
		if (condition->kind == PUSH_NEVER ||
			(is_about_room(condition) && !glob_match(condition->pattern, room_id, true))) {
			return REACHES_NOTHING;
		}
		reach = is_about_room(condition) ? reach : REACHES_SOME;
	}
	return reach;
}

bool push_rules_are_silent(const struct push_rules *rules, struct str room_id)
{
	if (rules->is_generic) {
		return false;
	}
	for (size_t kind = 0; kind < PUSH_KINDS; kind++) {
		for (size_t i = 0; i < rules->set.count[kind]; i++) {
			const struct push_rule *rule = rules->set.rules[kind][i];
			enum reach reach = reach_of(rule, room_id);
			if (reach != REACHES_NOTHING && rule->actions.notify) {
				return false;
			}
			if (reach == REACHES_ALL) {
				return true;
			}
		}
	}
	return true;
}

/* --- results as JSON ---------------------------------------------------------------------------------- */

static struct str done(struct arena *arena, struct json_out *out)
{
	json_out_end(out);
	struct str text = str_dup(arena, buf_str(out->buf));
	buf_fini(out->buf);
	return text;
}

struct str push_result_actions(struct arena *arena, const struct push_result *result)
{
	struct buf buf;
	struct json_out out;
	if (result->rule != NULL) {
		buf_init(&buf, ACTIONS_CEILING_BYTES);
		json_out_init(&out, &buf);
		json_out_value(&out, &result->rule->actions.json);
		struct str text = str_dup(arena, buf_str(&buf));
		buf_fini(&buf);
		return text;
	}
	buf_init(&buf, ACTIONS_CEILING_BYTES);
	json_out_init(&out, &buf);
	json_out_array(&out);
	if (result->notify) {
		json_out_str(&out, STR("notify"));
	}
	if (result->sound.p != NULL) {
		json_out_object(&out);
		json_out_key_str(&out, "set_tweak", STR("sound"));
		json_out_key_str(&out, "value", result->sound);
		json_out_end(&out);
	}
	if (result->highlight) {
		json_out_object(&out);
		json_out_key_str(&out, "set_tweak", STR("highlight"));
		json_out_end(&out);
	}
	return done(arena, &out);
}

/* The last of those with one name counts; a tweak without a value says nothing, but for highlight, which is true. */
static void write_tweaks(struct json_out *out, const struct push_actions *actions)
{
	for (size_t i = 0; i < actions->tweak_count; i++) {
		const struct push_tweak *tweak = &actions->tweaks[i];
		bool is_last = true;
		for (size_t k = i + 1; k < actions->tweak_count; k++) {
			is_last = is_last && !str_equals(actions->tweaks[k].name, tweak->name);
		}
		if (is_last && tweak->value != NULL) {
			json_out_key(out, tweak->name);
			json_out_value(out, tweak->value);
		} else if (is_last && str_equals(tweak->name, STR("highlight"))) {
			json_out_key_bool(out, "highlight", true);
		}
	}
}

struct str push_result_tweaks(struct arena *arena, const struct push_result *result)
{
	struct buf buf;
	struct json_out out;
	buf_init(&buf, ACTIONS_CEILING_BYTES);
	json_out_init(&out, &buf);
	json_out_object(&out);
	if (result->rule != NULL) {
		write_tweaks(&out, &result->rule->actions);
		return done(arena, &out);
	}
	if (result->sound.p != NULL) {
		json_out_key_str(&out, "sound", result->sound);
	}
	if (result->highlight) {
		json_out_key_bool(&out, "highlight", true);
	}
	return done(arena, &out);
}
