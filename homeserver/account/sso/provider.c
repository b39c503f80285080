/*
 * Files of identity providers, by the same table-driven reader as the configuration's own.
 */
#include "homeserver/account/sso/provider.h"

#include "base/buf.h"
#include "matrix/errcode.h"
#include "matrix/id.h"

#include <dirent.h>
#include <errno.h>
#include <stdlib.h>

#include "base/file.h"

enum { ID_MAX_CHARS = 64 };

static const char *check_issuer(struct arena *arena, struct str text)
{
	(void)arena;
	bool is_url = str_starts_with(text, STR("https://")) || str_starts_with(text, STR("http://"));
	return text.n == 0 || is_url ? NULL : "is no URL that begins with https:// or http://";
}

static const char *check_icon(struct arena *arena, struct str text)
{
	(void)arena;
	return text.n == 0 || str_starts_with(text, STR("mxc://")) ? NULL : "is no mxc:// URI";
}

static const struct conf_row rows[] = {
	{.key = "name", .type = CONF_STRING, .fallback = "", .help = "Name for people."},
	{.key = "brand", .type = CONF_STRING, .fallback = "", .help = "Brand that clients know."},
	{.key = "icon", .type = CONF_STRING, .fallback = "", .check = check_icon, .help = "Picture."},
	{.key = "issuer",
		.type = CONF_STRING,
		.fallback = "",
		.check = check_issuer,
		.help = "Issuer."},
	{.key = "client_id", .type = CONF_STRING, .fallback = "", .help = "This server's name there."},
	{.key = "client_secret",
		.type = CONF_STRING,
		.fallback = "",
		.is_secret = true,
		.help = "This server's secret there."},
	{.key = "client_auth",
		.type = CONF_ENUM,
		.fallback = "basic",
		.choices = "basic|post",
		.help = "How the secret is shown."},
	{.key = "scopes",
		.type = CONF_LIST,
		.fallback = "openid, profile, email",
		.help = "What is asked for."},
	{.key = "localpart",
		.type = CONF_STRING,
		.fallback = "{preferred_username}",
		.help = "User name of a new account."},
	{.key = "display_name", .type = CONF_STRING, .fallback = "{name}", .help = "Its shown name."},
	{.key = "email", .type = CONF_STRING, .fallback = "{email}", .help = "Its address."},
	{.key = "link_existing",
		.type = CONF_BOOL,
		.fallback = "false",
		.help = "Whether an account of that name that is there already is taken over."},
	{.key = "make_accounts",
		.type = CONF_BOOL,
		.fallback = "true",
		.help = "Whether new users get an account."},
};

static struct str join(struct arena *arena, struct conf_list list)
{
	struct str text = STR("");
	for (size_t i = 0; i < list.n; i++) {
		text = str_printf(arena, "%.*s%s%.*s", STR_ARG(text), i > 0 ? " " : "",
			STR_ARG(list.items[i]));
	}
	return text;
}

static struct provider provider_of(struct arena *arena, const struct conf *conf, struct str id)
{
	struct str issuer = conf_str(conf, "issuer");
	return (struct provider){
		.id = id,
		.name = conf_str(conf, "name"),
		.brand = conf_str(conf, "brand"),
		.icon = conf_str(conf, "icon"),
		.issuer = issuer,
		.client_id = conf_str(conf, "client_id"),
		.client_secret = conf_str(conf, "client_secret"),
		.secret_in_body = str_equals(conf_str(conf, "client_auth"), STR("post")),
		.scopes = join(arena, conf_list(conf, "scopes")),
		.localpart = conf_str(conf, "localpart"),
		.display_name = conf_str(conf, "display_name"),
		.email = conf_str(conf, "email"),
		.links_existing = conf_bool(conf, "link_existing"),
		.makes_accounts = conf_bool(conf, "make_accounts"),
	};
}

static enum err read_one(struct ctx *ctx, struct str folder, struct str id, struct provider *out)
{
	struct conf *conf = conf_create(ctx->arena, rows, COUNT_OF(rows));
	struct str path = str_printf(ctx->arena, "%.*s/%.*s.yaml", STR_ARG(folder), STR_ARG(id));
	TRY(conf_read_yaml(ctx, conf, path.p));
	*out = provider_of(ctx->arena, conf, id);
	if (out->name.n == 0 || out->issuer.n == 0 || out->client_id.n == 0 || out->localpart.n == 0) {
		return fail(ctx, ERR_INPUT, NULL, "%s: name, issuer, client_id and localpart are needed",
			path.p);
	}
	return ERR_OK;
}

static bool is_id(struct str text)
{
	bool is_good = text.n > 0 && text.n <= ID_MAX_CHARS;
	for (size_t i = 0; i < text.n; i++) {
		char c = text.p[i];
		is_good = is_good &&
			((c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
				c == '_' || c == '-');
	}
	return is_good;
}

static int by_id(const void *a, const void *b)
{
	const struct provider *one = a;
	const struct provider *two = b;
	return str_compare(one->id, two->id);
}

static enum err read_all(struct ctx *ctx, struct str folder, DIR *entries, struct provider *out,
	size_t *count)
{
	struct dirent *entry;
	while ((entry = readdir(entries)) != NULL) {
		struct str name = str_of(entry->d_name);
		if (!str_ends_with(name, STR(".yaml")) || str_starts_with(name, STR("."))) {
			continue;
		}
		struct str id = str_dup(ctx->arena, str_slice(name, 0, name.n - STR(".yaml").n));
		if (!is_id(id) || *count == PROVIDERS_MAX) {
			return fail(ctx, ERR_INPUT, NULL,
				"sso.folder: at most %d files with names of A-Z a-z 0-9 _ - can be read, not '%s'",
				PROVIDERS_MAX, entry->d_name);
		}
		TRY(read_one(ctx, folder, id, &out[*count]));
		(*count)++;
	}
	return ERR_OK;
}

enum err providers_read(struct ctx *ctx, struct str folder, struct provider **out,
	size_t *out_count)
{
	*out_count = 0;
	*out = ARENA_NEW_ARRAY(ctx->arena, struct provider, PROVIDERS_MAX);
	if (folder.n == 0) {
		return ERR_OK;
	}
	DIR *entries = opendir(str_cstr(ctx->arena, folder));
	if (entries == NULL) {
		return fail(ctx, ERR_INPUT, NULL, "sso.folder: '%.*s' cannot be read: %s", STR_ARG(folder),
			file_error_text(ctx->arena, errno));
	}
	enum err err = read_all(ctx, folder, entries, *out, out_count);
	(void)closedir(entries);
	qsort(*out, *out_count, sizeof(**out), by_id);
	return err;
}

/* --- claims -------------------------------------------------------------------------------------------- */

static struct str claim_text(struct arena *arena, const struct json *claims, struct str name)
{
	const struct json *value = json_get(claims, name);
	if (json_is(value, JSON_STRING)) {
		return json_text(value);
	}
	return json_is(value, JSON_INT) ? str_printf(arena, "%lld", (long long)value->integer)
									: (struct str){0};
}

struct str provider_template(struct arena *arena, struct str text, const struct json *claims)
{
	struct str out = STR("");
	struct str before;
	while (str_split(text, '{', &before, &text)) {
		struct str name;
		if (!str_split(text, '}', &name, &text)) {
			return (struct str){0};
		}
		struct str value = claim_text(arena, claims, name);
		if (value.p == NULL) {
			return (struct str){0};
		}
		out = str_printf(arena, "%.*s%.*s%.*s", STR_ARG(out), STR_ARG(before), STR_ARG(value));
	}
	return str_printf(arena, "%.*s%.*s", STR_ARG(out), STR_ARG(before));
}

struct str provider_localpart(struct arena *arena, struct str text)
{
	struct str out = STR("");
	struct str lower = str_lower(arena, text);
	for (size_t i = 0; i < lower.n; i++) {
		struct str one = str_slice(lower, i, i + 1);
		bool is_plain = localpart_is_valid_for_new_user(one) && !str_equals(one, STR("="));
		out = is_plain
			? str_printf(arena, "%.*s%c", STR_ARG(out), lower.p[i])
			: str_printf(arena, "%.*s=%02x", STR_ARG(out), (unsigned)(unsigned char)lower.p[i]);
	}
	return out;
}
