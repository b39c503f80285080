/*
 * Registration files: whatever they contain, there is an error with file and line, or a registration that is stored and read back as
 * it was, and whose expressions answer.
 */
#include <stdlib.h>

#include "appservices/registration.h"
#include "base/arena.h"

static void check_rules(const struct namespace_rules *rules, const struct namespace_rules *again)
{
	invariant(rules->count == again->count && rules->count <= REGISTRATION_MAX_RULES);
	for (size_t i = 0; i < rules->count; i++) {
		invariant(rules->items[i].is_exclusive == again->items[i].is_exclusive);
		invariant(str_equals(rules->items[i].pattern, again->items[i].pattern));
	}
	struct str id = STR("@_irc_lin:school.example");
	bool is_claimed = namespace_has_exclusively(rules, id);
	invariant(!is_claimed || namespace_has(rules, id));
	invariant(namespace_has(again, id) == namespace_has(rules, id));
}

static void check_stored(struct ctx *ctx, const struct registration *found)
{
	struct registration again;
	struct str json = registration_to_json(ctx->arena, found);
	enum err err = registration_from_json(ctx, json, &again);
	invariant(err == ERR_OK);
	invariant(str_equals(registration_to_json(ctx->arena, &again), json));
	invariant(str_equals(again.id, found->id) && str_equals(again.url, found->url));
	invariant(again.as_token.p == NULL && again.hs_token.p == NULL);
	invariant(again.is_rate_limited == found->is_rate_limited);
	invariant(again.receives_ephemeral == found->receives_ephemeral);
	invariant(again.protocol_count == found->protocol_count);
	check_rules(&found->users, &again.users);
	check_rules(&found->aliases, &again.aliases);
	check_rules(&found->rooms, &again.rooms);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct arena *arena CLEANUP(arena_cleanup) = arena_create();
	struct ctx ctx;
	struct registration found;
	ctx_init(&ctx, arena);
	enum err err = registration_parse(&ctx, str_from((const char *)data, size), "f.yaml", &found);
	if (err != ERR_OK) {
		invariant(err == ERR_INPUT && str_starts_with(ctx.fault.text, STR("f.yaml:")));
		return 0;
	}
	invariant(found.id.n > 0 && found.as_token.n > 0 && found.hs_token.n > 0);
	invariant(appservice_localpart_is_valid(found.sender_localpart));
	check_stored(&ctx, &found);
	return 0;
}
