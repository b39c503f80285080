/*
 * The table of options lies in config.def. Here are the checks that its rows name. What concerns two options at once is
 * checked last.
 */
#include "app/config.h"

#include "base/zone.h"
#include "homeserver/account/sso/provider.h"
#include "homeserver/account/terms.h"
#include "homeserver/support.h"
#include "http/address.h"
#include "http/detour.h"
#include "http/mail_text.h"
#include "matrix/device_key.h"
#include "matrix/id.h"
#include "matrix/room_version.h"

static const char *check_time_zone(struct arena *arena, struct str text)
{
	struct zone *zone;
	return zone_open(arena, text, &zone) ? NULL : "is no time zone, like Asia/Taipei or UTC";
}

static const char *check_public_key(struct arena *arena, struct str text)
{
	struct str bytes;
	return text.n == 0 || public_key_decode(arena, text, &bytes)
		? NULL
		: "is no public key of 43 letters and digits, as clients show it in a session's details (without spaces)";
}

static const char *check_server_name(struct arena *arena, struct str text)
{
	(void)arena;
	struct server_name name;
	return text.n == 0 || server_name_parse(text, &name)
		? NULL
		: "is no server name, like school.example or localhost:8008";
}

static const char *check_url(struct arena *arena, struct str text)
{
	(void)arena;
	bool is_url = (str_starts_with(text, STR("https://")) && text.n > STR("https://").n) ||
		(str_starts_with(text, STR("http://")) && text.n > STR("http://").n);
	return text.n == 0 || is_url ? NULL : "is no URL that begins with https:// or http://";
}

static const char *check_smtp_url(struct arena *arena, struct str text)
{
	(void)arena;
	bool is_url = (str_starts_with(text, STR("smtp://")) && text.n > STR("smtp://").n) ||
		(str_starts_with(text, STR("smtps://")) && text.n > STR("smtps://").n);
	return text.n == 0 || is_url ? NULL : "is no URL that begins with smtp:// or smtps://";
}

static const char *check_mailbox(struct arena *arena, struct str text)
{
	(void)arena;
	struct str name;
	struct str address;
	return text.n == 0 || mail_mailbox_parse(text, &name, &address)
		? NULL
		: "is no sender of mails, like School <matrix@school.example>";
}

static const char *check_listen(struct arena *arena, struct str text)
{
	(void)arena;
	struct sockaddr_storage address;
	socklen_t length;
	return text.n == 0 || address_parse_listen(text, &address, &length)
		? NULL
		: "is no address to listen on, like 127.0.0.1:8008 (this machine alone), [::1]:8008 or *:8008 (all networks, as a port alone was once)";
}

static const char *check_range(struct arena *arena, struct str text)
{
	(void)arena;
	struct address_range range;
	return address_parse_range(text, &range) ? NULL : "is no address and no range like 10.0.0.0/8";
}

static const char *check_pattern(struct arena *arena, struct str text)
{
	(void)arena;
	return partner_pattern_is_valid(text) ? NULL
										  : "is no server name or pattern like *.school.example";
}

static const char *check_detour(struct arena *arena, struct str text)
{
	(void)arena;
	struct detour detour;
	return detour_parse(text, &detour) ? NULL : "is no way like partner.example:443=10.0.0.5:443";
}

static const char *check_dns_server(struct arena *arena, struct str text)
{
	(void)arena;
	struct sockaddr_storage where;
	socklen_t length;
	struct address address;
	bool has_port = str_starts_with(text, STR("[")) ||
		str_find_byte(text, ':') == str_find_last_byte(text, ':');
	return address_parse(text, &address) ||
			(has_port && str_find_byte(text, ':') != SIZE_MAX && !str_starts_with(text, STR("*")) &&
				address_parse_listen(text, &where, &length))
		? NULL
		: "is no address of a name server, like 10.0.0.1 or [::1]:53";
}

static const char *check_room_version(struct arena *arena, struct str text)
{
	(void)arena;
	return room_version_find(text) != NULL ? NULL : "is no room version that this server knows";
}

static const char *check_turn_uri(struct arena *arena, struct str text)
{
	(void)arena;
	bool is_uri = (str_starts_with(text, STR("turn:")) && text.n > STR("turn:").n) ||
		(str_starts_with(text, STR("turns:")) && text.n > STR("turns:").n);
	return is_uri ? NULL : "is no TURN URI like turn:turn.school.example:3478?transport=udp";
}

static const char *check_contact(struct arena *arena, struct str text)
{
	(void)arena;
	struct support_contact contact;
	return support_contact_parse(text, &contact)
		? NULL
		: "is no contact like 'm.role.admin @admin:school.example office@school.example'";
}

static const char *check_policy(struct arena *arena, struct str text)
{
	(void)arena;
	struct policy policy;
	return policy_parse(text, &policy)
		? NULL
		: "is no policy like 'terms 1.2 en https://school.example/terms Terms of use'";
}

static const char *check_day(struct arena *arena, struct str text)
{
	(void)arena;
	return text.n == 0 || terms_day_ms(text) > 0 ? NULL : "is no day like 2026-09-01";
}

static const char *check_page_url(struct arena *arena, struct str text)
{
	return text.n > 0 && web_page_url_is_safe(text)
		? check_url(arena, text)
		: "is no URL that begins with https:// or http://";
}

static const char *check_client_url(struct arena *arena, struct str text)
{
	(void)arena;
	return web_page_url_is_safe(text) ? NULL : "is no beginning of a client's address";
}

static const char *check_localpart(struct arena *arena, struct str text)
{
	(void)arena;
	return localpart_is_valid_for_new_user(text) ? NULL : "is no local part of a user id";
}

/* The two options of a class of requests. */
#define RATE_ROWS(name, who, per_minute, burst_size) \
	{.key = "rate_limits." name ".per_minute", \
		.type = CONF_INT, \
		.fallback = per_minute, \
		.min = 1, \
		.max = 1 << 24, \
		.help = who " Requests a minute in the long run."}, \
	{ \
		.key = "rate_limits." name ".burst", .type = CONF_INT, .fallback = burst_size, .min = 1, \
		.max = 1 << 24, .help = "How many of these at once." \
	}

static const struct conf_row rows[] = {
#include "app/config.def"
};

const struct conf_row *config_rows(size_t *out_count)
{
	*out_count = COUNT_OF(rows);
	return rows;
}

/* Documents of one policy share its version; those that this server shows itself need its address. */
static enum err check_policies(struct ctx *ctx, struct conf_list list, bool has_address)
{
	struct policy policy;
	struct policy other;
	for (size_t i = 0; i < list.n; i++) {
		if (!policy_parse(list.items[i], &policy)) {
			continue; /* refused already */
		}
		if (policy_is_file(&policy) && !has_address) {
			return fail(ctx, ERR_INPUT, NULL, "terms.policies with a file needs public_base_url");
		}
		for (size_t j = 0; j < i; j++) {
			if (policy_parse(list.items[j], &other) && str_equals(policy.id, other.id) &&
				!str_equals(policy.version, other.version)) {
				return fail(ctx, ERR_INPUT, NULL, "terms.policies: '%.*s' has two versions",
					STR_ARG(policy.id));
			}
		}
	}
	return ERR_OK;
}

static enum err check_accounts(struct ctx *ctx, const struct conf *conf)
{
	bool has_address = !str_is_empty(conf_str(conf, "public_base_url"));
	bool has_turn_user = !str_is_empty(conf_str(conf, "turn.username"));
	bool has_turn_secret = !str_is_empty(conf_str(conf, "turn.shared_secret"));
	if (conf_list(conf, "turn.uris").n > 0 && !has_turn_user && !has_turn_secret) {
		return fail(ctx, ERR_INPUT, NULL,
			"turn.uris needs turn.shared_secret, or turn.username and turn.password");
	}
	if (!str_equals(conf_str(conf, "registration.email"), STR("off")) &&
		(!has_address || str_is_empty(conf_str(conf, "mail.smtp_url")))) {
		return fail(ctx, ERR_INPUT, NULL,
			"registration.email needs mail.smtp_url and public_base_url");
	}
	struct provider *providers;
	size_t provider_count;
	TRY(providers_read(ctx, conf_str(conf, "sso.folder"), &providers, &provider_count));
	if (provider_count == 0 && !conf_bool(conf, "password.login")) {
		return fail(ctx, ERR_INPUT, NULL,
			"password.login is off and sso.folder has no identity provider: nobody could log in");
	}
	if (provider_count > 0 && !has_address) {
		return fail(ctx, ERR_INPUT, NULL, "sso.folder needs public_base_url");
	}
	if (!str_is_empty(conf_str(conf, "terms.enforced_from")) &&
		(!has_address || conf_list(conf, "terms.policies").n == 0)) {
		return fail(ctx, ERR_INPUT, NULL,
			"terms.enforced_from needs terms.policies and public_base_url");
	}
	return check_policies(ctx, conf_list(conf, "terms.policies"), has_address);
}

static enum err check_s3(struct ctx *ctx, const struct conf *conf)
{
	bool is_wanted = !str_is_empty(conf_str(conf, "media.s3.endpoint"));
	bool is_complete = !str_is_empty(conf_str(conf, "media.s3.bucket")) &&
		!str_is_empty(conf_str(conf, "media.s3.access_key")) &&
		!str_is_empty(conf_str(conf, "media.s3.secret_key"));
	return !is_wanted || is_complete
		? ERR_OK
		: fail(ctx, ERR_INPUT, NULL,
			  "media.s3.endpoint needs media.s3.bucket, media.s3.access_key and media.s3.secret_key");
}

static enum err check_together(struct ctx *ctx, const struct conf *conf)
{
	TRY(check_s3(ctx, conf));
	bool has_certificate = !str_is_empty(conf_str(conf, "tls.certificate"));
	bool has_key = !str_is_empty(conf_str(conf, "tls.key"));
	if (has_certificate != has_key) {
		return fail(ctx, ERR_INPUT, NULL, "tls.certificate and tls.key: give both or neither");
	}
	if (!str_is_empty(conf_str(conf, "mail.smtp_url")) &&
		str_is_empty(conf_str(conf, "mail.from"))) {
		return fail(ctx, ERR_INPUT, NULL, "mail.smtp_url needs mail.from");
	}
	if (str_is_empty(conf_str(conf, "listen.client")) &&
		str_is_empty(conf_str(conf, "listen.federation"))) {
		return fail(ctx, ERR_INPUT, NULL,
			"listen.client and listen.federation are both empty: the server would listen nowhere");
	}
	return check_accounts(ctx, conf);
}

enum err config_read(struct ctx *ctx, const struct config_sources *sources, struct conf **out)
{
	struct conf *conf = conf_create(ctx->arena, rows, COUNT_OF(rows));
	if (sources->file != NULL) {
		TRY(conf_read_yaml(ctx, conf, sources->file));
	}
	for (size_t i = 0; i < sources->assignment_count; i++) {
		TRY(conf_set(ctx, conf, sources->assignments[i]));
	}
	TRY(check_together(ctx, conf));
	*out = conf;
	return ERR_OK;
}

bool config_name_has_capitals(struct arena *arena, struct str server_name)
{
	return !str_equals(str_lower(arena, server_name), server_name);
}
