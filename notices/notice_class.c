/*
 * Nothing but what is wanted is stored, so the same command again, or a server that ended in the middle, only finds less to do.
 */
#include "notices/notice_class.h"

#include "base/backoff.h"
#include "base/log.h"
#include "base/utf8.h"
#include "matrix/errcode.h"
#include "notices/class_room.h"
#include "notices/notices.h"

#include <inttypes.h>

enum {
	AT_ONCE = 20,
	LIMIT_MS = 5 * 60 * 1000, /* a class of hundreds, with users of servers that do not answer */
	RETRY_FIRST_MS = 5 * 1000,
	RETRY_MAX_MS = 60 * 60 * 1000,
};

/* --- for the command ------------------------------------------------------------------------------------------------ */

/* "class-3b", "#class-3b", "#class-3b:school.example" */
static enum err read_alias(struct ctx *ctx, const struct account_desk *desk, struct str text,
	struct str *out)
{
	struct room_alias alias;
	struct server_name server = desk->settings->server_name;
	struct str whole =
		str_starts_with(text, STR("#")) ? text : str_printf(ctx->arena, "#%.*s", STR_ARG(text));
	if (str_find_byte(whole, ':') == SIZE_MAX) {
		whole = str_printf(ctx->arena, "%.*s:%.*s", STR_ARG(whole), STR_ARG(server.s));
	}
	if (str_find_byte(whole, ' ') != SIZE_MAX || !room_alias_parse(whole, &alias) ||
		!server_name_equals(room_alias_server(alias), server)) {
		return fail(ctx, ERR_INPUT, M_INVALID_PARAM,
			"'%.*s' is no alias of this server, such as class-3b", STR_ARG(text));
	}
	*out = whole;
	return ERR_OK;
}

static enum err read_people(struct ctx *ctx, const struct account_desk *desk,
	const struct notice_class_person *people, size_t count, struct notice_class_person **out)
{
	*out = ARENA_NEW_ARRAY(ctx->arena, struct notice_class_person, count);
	if (count > NOTICE_CLASS_PEOPLE_MAX) {
		return fail(ctx, ERR_INPUT, M_INVALID_PARAM, "More than %d people at once",
			(int)NOTICE_CLASS_PEOPLE_MAX);
	}
	for (size_t i = 0; i < count; i++) {
		struct str text = people[i].user_id;
		struct user_id user;
		struct str whole =
			str_starts_with(text, STR("@")) ? text : str_printf(ctx->arena, "@%.*s", STR_ARG(text));
		if (str_find_byte(whole, ':') == SIZE_MAX) {
			whole = str_printf(ctx->arena, "%.*s:%.*s", STR_ARG(whole),
				STR_ARG(desk->settings->server_name.s));
		}
		if (!user_id_parse(whole, &user)) {
			return fail(ctx, ERR_INPUT, M_INVALID_PARAM, "'%.*s' is no user, such as @lin",
				STR_ARG(text));
		}
		for (size_t j = 0; j < i; j++) {
			if (str_equals((*out)[j].user_id, whole)) {
				return fail(ctx, ERR_INPUT, M_INVALID_PARAM, "%.*s is named twice", STR_ARG(whole));
			}
		}
		(*out)[i] = (struct notice_class_person){.user_id = whole, .role = people[i].role};
	}
	return ERR_OK;
}

enum err notice_class_want(struct ctx *ctx, const struct account_desk *desk,
	const struct notice_class_wish *wish)
{
	struct notice_class_row row = {.sender = wish->sender,
		.template_name = wish->template_name,
		.name = wish->name,
		.is_encrypted = wish->is_encrypted};
	struct notice_class_person *people;
	int64_t class_id;
	struct tx *tx CLEANUP(tx_cleanup) = NULL;
	TRY(read_alias(ctx, desk, wish->alias, &row.alias));
	TRY(read_people(ctx, desk, wish->people, wish->people_count, &people));
	TRY(wish->space.p != NULL ? notice_target_read(ctx, desk, wish->space, &row.space) : ERR_OK);
	if (wish->template_name.p != NULL && !class_template_is_one(wish->template_name)) {
		return fail(ctx, ERR_INPUT, M_INVALID_PARAM,
			"'%.*s' is no template; there are class, notices and space",
			STR_ARG(wish->template_name));
	}
	if (wish->name.n > NOTICE_CLASS_NAME_MAX_BYTES || !utf8_is_valid(wish->name)) {
		return fail(ctx, ERR_INPUT, M_INVALID_PARAM, "The name has more than %d bytes",
			(int)NOTICE_CLASS_NAME_MAX_BYTES);
	}
	TRY(tx_begin(ctx, desk->db, &tx));
	enum err err = store_notice_class_put(ctx, tx, &row, clock_wall_ms(&desk->clock), &class_id);
	if (err == ERR_CONFLICT) {
		return fail(ctx, err, M_ROOM_IN_USE, "%.*s is another sender's class", STR_ARG(row.alias));
	}
	TRY(err);
	TRY(store_notice_class_people_put(ctx, tx, class_id, people, wish->people_count));
	return tx_commit(ctx, &tx);
}

static enum err explain(struct ctx *ctx, enum err err, struct str alias)
{
	return err == ERR_MISSING
		? fail(ctx, err, M_NOT_FOUND, "There is no class %.*s", STR_ARG(alias))
		: err;
}

enum err notice_class_people_want(struct ctx *ctx, const struct account_desk *desk,
	struct str alias, const struct notice_class_person *people, size_t count)
{
	struct str whole;
	struct notice_class_person *read;
	int64_t class_id;
	struct tx *tx CLEANUP(tx_cleanup) = NULL;
	TRY(read_alias(ctx, desk, alias, &whole));
	TRY(read_people(ctx, desk, people, count, &read));
	TRY(tx_begin(ctx, desk->db, &tx));
	TRY(explain(ctx,
		store_notice_class_touch(ctx, tx, whole, clock_wall_ms(&desk->clock), &class_id), whole));
	TRY(store_notice_class_people_put(ctx, tx, class_id, read, count));
	return tx_commit(ctx, &tx);
}

enum err notice_class_get(struct ctx *ctx, const struct account_desk *desk, struct str alias,
	struct notice_class_row *out)
{
	struct str whole;
	TRY(read_alias(ctx, desk, alias, &whole));
	return explain(ctx, store_notice_class_find(ctx, desk->db, whole, out), whole);
}

/* --- working ------------------------------------------------------------------------------------------------------- */

static enum err note_failure(struct ctx *ctx, struct homeserver *hs,
	const struct notice_class_row *class)
{
	struct str reason = ctx->fault.text.n > 0 ? ctx->fault.text : STR("The server is in trouble");
	int64_t interval_ms =
		MIN_OF((int64_t)RETRY_FIRST_MS << MIN_OF(class->failures, 16), (int64_t)RETRY_MAX_MS);
	log_info(0, "notices.class_failed", "class=%" PRId64 " failures=%" PRId64 " cause=%.*s",
		class->class_id, class->failures + 1, STR_ARG(ctx->fault.cause));
	ctx->fault = (struct fault){0};
	ctx->deadline_ms = clock_os_ms() + LIMIT_MS; /* the old one may be why it failed */
	return store_notice_class_failed(ctx, hs->db, class->class_id,
		clock_wall_ms(&hs->clock) + backoff_pause_ms(interval_ms, rng_u64(&hs->rng)), reason);
}

static enum err work_on(struct ctx *ctx, struct homeserver *hs,
	const struct notice_class_row *class)
{
	struct notice_class_person *people;
	size_t count;
	struct class_room_end end;
	TRY(store_notice_class_people(ctx, hs->db, class->class_id, &people, &count));
	enum err err = class_room_bring(ctx, hs, class, people, count, &end);
	if (err == ERR_STORE || err == ERR_SHUTDOWN) {
		return err;
	}
	return err != ERR_OK ? note_failure(ctx, hs, class)
						 : store_notice_class_done(ctx, hs->db, class, end.room_id, end.gone,
							   end.gone_count, end.reason);
}

enum err notice_classes_run(struct ctx *ctx, struct homeserver *hs, bool (*is_stopping)(void *data),
	void *data)
{
	struct notice_class_row *due;
	size_t count;
	TRY(store_notice_class_due(ctx, hs->db, clock_wall_ms(&hs->clock), AT_ONCE, &due, &count));
	for (size_t i = 0; i < count && !is_stopping(data); i++) {
		ctx->deadline_ms = clock_os_ms() + LIMIT_MS;
		TRY(work_on(ctx, hs, &due[i]));
	}
	return ERR_OK;
}
