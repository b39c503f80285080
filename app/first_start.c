/*
 * It is printed also when standard output is no terminal: the one who starts a server by hand, through tee or in
 * a container, sees it there and nowhere else. Servers started by scripts have a shared secret, or --quiet.
 */
#include "app/first_start.h"

#include <errno.h>
#include <stdio.h>

#include "app/command.h"
#include "base/log.h"
#include "gen/version.h"
#include "homeserver/account/accounts.h"

static const char rule[] =
	"────────────────────────────────────────────────────────────────────────";

const char *app_version(void)
{
	return BELFRY_VERSION;
}

/* Where a client on this machine finds the server. */
static struct str url_of(struct arena *arena, const struct first_start *start)
{
	static const char *const all[] = {"*", "0.0.0.0", "[::]", ""};
	size_t colon = str_find_last_byte(start->listen, ':');
	struct str host = str_slice(start->listen, 0, colon == SIZE_MAX ? 0 : colon);
	for (size_t i = 0; i < COUNT_OF(all); i++) {
		if (str_equals(host, str_of(all[i]))) {
			host = STR("127.0.0.1");
		}
	}
	return str_printf(arena, "http://%.*s:%u", STR_ARG(host), (unsigned)start->port);
}

static void print_box(struct arena *arena, const struct first_start *start, struct str user_id,
	struct str password)
{
	struct str url = url_of(arena, start);
	(void)fprintf(stdout,
		"\n%s\n"
		"  Belfry is running.   Belfry 已啟動。\n\n"
		"  Homeserver    伺服器   %.*s\n"
		"  Administrator 管理員   %.*s\n"
		"  Password      密碼     %.*s\n\n"
		"  The password is shown this once; write it down now.\n"
		"  密碼只顯示這一次，請立刻記下來。\n\n"
		"  Next: log in with any Matrix client (Element, nheko, FluffyChat …), with the address\n"
		"  above as the homeserver. Further accounts, in a second terminal, in the same folder:\n"
		"  下一步：用任何 Matrix 用戶端登入，伺服器網址填上面那一行。\n"
		"  新增其他帳號請另開終端機，在同一資料夾執行：\n\n"
		"      %s user add NAME%s\n"
		"%s\n\n",
		rule, STR_ARG(url), STR_ARG(user_id), STR_ARG(password),
		command_word(arena, program_invocation_name), start->same_server, rule);
	(void)fflush(stdout);
}

static enum err make_administrator(struct ctx *ctx, struct homeserver *hs,
	const struct first_start *start)
{
	struct account_desk desk = {.db = hs->db,
		.settings = &hs->settings,
		.clock = hs->clock,
		.rng = hs->rng,
		.appservices = &hs->ports.appservices};
	struct account_row *rows;
	size_t count;
	TRY(account_list(ctx, &desk, STR(""), 1, &rows, &count));
	if (count > 0) {
		return ERR_OK;
	}
	struct str password = account_random_password(ctx, &desk);
	struct str user_id;
	TRY(account_create(ctx, &desk,
		&(struct account_new){.name = STR("admin"), .password = password, .is_admin = true},
		&user_id));
	print_box(ctx->arena, start, user_id, password);
	return ERR_OK;
}

void first_start_administrator(struct ctx *ctx, struct homeserver *hs,
	const struct first_start *start)
{
	if (make_administrator(ctx, hs, start) != ERR_OK) {
		log_error(0, "serve.no_administrator",
			"hint=\"belfry user add NAME --admin\" text=%.*s cause=%.*s", STR_ARG(ctx->fault.text),
			STR_ARG(ctx->fault.cause));
	}
}
