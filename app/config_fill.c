/*
 * From the values of the options, read and checked, to the structs of the layers.
 */
#include "app/config.h"

#include "homeserver/account/terms.h"
#include "http/address.h"
#include "http/detour.h"

static enum registration_mode mode_of(struct str word)
{
	if (str_equals(word, STR("open"))) {
		return REGISTRATION_OPEN;
	}
	return str_equals(word, STR("token")) ? REGISTRATION_TOKEN : REGISTRATION_CLOSED;
}

static enum email_at_registration email_of(struct str word)
{
	if (str_equals(word, STR("required"))) {
		return EMAIL_REQUIRED;
	}
	return str_equals(word, STR("optional")) ? EMAIL_OPTIONAL : EMAIL_OFF;
}

static struct account_settings account_settings_of(const struct conf *conf)
{
	return (struct account_settings){
		.turn = {.uris = conf_list(conf, "turn.uris"),
			.shared_secret = conf_str(conf, "turn.shared_secret"),
			.username = conf_str(conf, "turn.username"),
			.password = conf_str(conf, "turn.password"),
			.lifetime_ms = conf_int(conf, "turn.lifetime")},
		.support_page = conf_str(conf, "support.page"),
		.support_contacts = conf_list(conf, "support.contacts"),
		.policies = conf_list(conf, "terms.policies"),
		.terms_enforced_from_ms =
			MAX_OF(terms_day_ms(conf_str(conf, "terms.enforced_from")), (int64_t)0),
		.terms_enforced_from = conf_str(conf, "terms.enforced_from"),
		.terms_notices = conf_bool(conf, "terms.notices"),
		.passwords_are_on = conf_bool(conf, "password.login"),
		.login_token_lifetime_ms = conf_int(conf, "sessions.login_token_lifetime"),
		.registration_email = email_of(conf_str(conf, "registration.email")),
		.email_token_lifetime_ms = conf_int(conf, "email.token_lifetime"),
		.email_next_links = conf_list(conf, "email.next_links"),
		.sso_clients = conf_list(conf, "sso.client_whitelist"),
		.sso_folder = conf_str(conf, "sso.folder"),
		.oauth_is_on = conf_bool(conf, "oauth.enabled"),
		.qr_login_is_on = conf_bool(conf, "oauth.qr_login"),
	};
}

static struct media_settings media_of(const struct conf *conf)
{
	struct str word = conf_str(conf, "media.unauthenticated");
	return (struct media_settings){
		.max_upload_bytes = conf_int(conf, "media.max_upload_size"),
		.quota_per_user_bytes = conf_int(conf, "media.quota_per_user"),
		.files_per_user = conf_int(conf, "media.files_per_user"),
		.pending_per_user = conf_int(conf, "media.pending_per_user"),
		.pending_lifetime_ms = conf_int(conf, "media.pending_lifetime"),
		.unauthenticated = str_equals(word, STR("all")) ? MEDIA_UNAUTHENTICATED_ALL
			: str_equals(word, STR("frozen"))           ? MEDIA_UNAUTHENTICATED_FROZEN
														: MEDIA_UNAUTHENTICATED_OFF,
		.s3 = {.endpoint = conf_str(conf, "media.s3.endpoint"),
			.bucket = conf_str(conf, "media.s3.bucket"),
			.region = conf_str(conf, "media.s3.region"),
			.access_key = conf_str(conf, "media.s3.access_key"),
			.secret_key = conf_str(conf, "media.s3.secret_key"),
			.cache_bytes = conf_int(conf, "media.s3.cache")},
		.remote_cache_bytes = conf_int(conf, "media.remote_cache_size"),
		.remote_cache_age_ms = conf_int(conf, "media.remote_cache_age"),
		.previews_enabled = conf_bool(conf, "previews.enabled"),
		.preview_page_bytes = conf_int(conf, "previews.max_page"),
		.preview_image_bytes = conf_int(conf, "previews.max_image"),
		.preview_lifetime_ms = conf_int(conf, "previews.lifetime"),
		.preview_language = conf_str(conf, "previews.language"),
	};
}

static enum partner_policy policy_of(struct str word)
{
	enum partner_policy policy;
	bool is_known = partner_policy_parse(word, &policy);
	invariant(is_known); /* its choices */
	return policy;
}

static struct federation_settings federation_of(const struct conf *conf)
{
	return (struct federation_settings){
		.policy = policy_of(conf_str(conf, "federation.policy")),
		.partners = conf_list(conf, "federation.partners"),
		.notaries = conf_list(conf, "federation.notaries"),
		.announce = conf_str(conf, "federation.announce"),
		.transaction_timeout_ms = conf_int(conf, "federation.transaction_timeout"),
		.transaction_budget_bytes = (size_t)conf_int(conf, "federation.transaction_budget"),
		.retry_first_ms = conf_int(conf, "federation.retry_first"),
		.retry_longest_ms = conf_int(conf, "federation.retry_longest"),
		.max_join_answer_bytes = (size_t)conf_int(conf, "federation.max_join_answer"),
	};
}

static struct appservice_settings appservices_of(const struct conf *conf)
{
	return (struct appservice_settings){
		.transaction_timeout_ms = conf_int(conf, "appservices.transaction_timeout"),
		.retry_first_ms = conf_int(conf, "appservices.retry_first"),
		.retry_longest_ms = conf_int(conf, "appservices.retry_longest"),
	};
}

/* Paths of ours begin with a slash, which is not to be there twice. */
static struct str without_last_slash(struct str url)
{
	return str_slice(url, 0, url.n - (str_ends_with(url, STR("/")) ? 1 : 0));
}

void config_to_settings(const struct conf *conf, struct settings *out)
{
	*out = (struct settings){
		.server_name = {conf_str(conf, "server_name")},
		.public_base_url = without_last_slash(conf_str(conf, "public_base_url")),
		.identity_server = conf_str(conf, "identity_server"),
		.livekit_url = conf_str(conf, "rtc.livekit_url"),
		.registration_mode = mode_of(conf_str(conf, "registration.mode")),
		.registration_shared_secret = conf_str(conf, "registration.shared_secret"),
		.guests_allowed = conf_bool(conf, "registration.guests"),
		.notices_time_zone = conf_str(conf, "notices.time_zone"),
		.notices_source_timeout_ms = conf_int(conf, "notices.source_timeout"),
		.notices_keys = conf_str(conf, "notices.keys"),
		.notices_keys_listed = conf_list(conf, "notices.keys_listed"),
		.server_notices_localpart = conf_str(conf, "server_notices.localpart"),
		.server_notices_display_name = conf_str(conf, "server_notices.display_name"),
		.server_notices_room_name = conf_str(conf, "server_notices.room_name"),
		.presence_enabled = conf_bool(conf, "presence.enabled"),
		.presence_idle_ms = conf_int(conf, "presence.idle_after"),
		.presence_offline_ms = conf_int(conf, "presence.offline_after"),
		.mentions_in_text = conf_bool(conf, "push.mentions_in_text"),
		.forgets_on_leave = conf_bool(conf, "rooms.forget_on_leave"),
		.default_room_version = room_version_find(conf_str(conf, "rooms.default_version")),
		.password_min_length = conf_int(conf, "password.min_length"),
		.argon2_memory_kib = (uint32_t)(conf_int(conf, "password.memory") / 1024),
		.argon2_iterations = (uint32_t)conf_int(conf, "password.iterations"),
		.access_token_lifetime_ms = conf_int(conf, "sessions.access_token_lifetime"),
		.refresh_token_lifetime_ms = conf_int(conf, "sessions.refresh_token_lifetime"),
		.delayed_max_ms = conf_int(conf, "delayed_events.max_delay"),
		.delayed_per_user = conf_int(conf, "delayed_events.per_user"),
		.rate_limits_enabled = conf_bool(conf, "rate_limits.enabled"),
		.sync_max_timeout_ms = conf_int(conf, "sync.max_timeout"),
		.to_device_limit = conf_int(conf, "to_device.limit"),
		.inbox_per_server = conf_int(conf, "federation.inbox_per_server"),
		.inbox_total = conf_int(conf, "federation.inbox_total"),
		.set_aside_max = conf_int(conf, "federation.set_aside_max"),
		.event_cache_bytes = (size_t)conf_int(conf, "caches.events"),
		.room_cache_count = (size_t)conf_int(conf, "caches.rooms"),
		.user_cache_count = (size_t)conf_int(conf, "caches.users"),
		.user_directory_all = conf_bool(conf, "user_directory.search_all_users"),
		.room_directory_needs_login = conf_bool(conf, "room_directory.needs_login"),
		.room_directory_for_servers = conf_bool(conf, "room_directory.for_servers"),
		.profiles_for_servers = conf_bool(conf, "profiles.for_servers"),
		.device_names_for_servers = conf_bool(conf, "devices.names_for_servers"),
		.mail_unread_after_ms = conf_int(conf, "mail.unread_after"),
		.mail_unread_pause_ms = conf_int(conf, "mail.unread_pause"),
		.account = account_settings_of(conf),
		.media = media_of(conf),
		.federation = federation_of(conf),
		.appservices = appservices_of(conf),
	};
}

static void add_listener(struct http_listen *listen, size_t *count, enum http_listen_kind kind,
	struct str address)
{
	if (!str_is_empty(address)) {
		/* Values of the conf are NUL-terminated: str_dup() made them. */
		listen[(*count)++] = (struct http_listen){.kind = kind, .address = address.p};
	}
}

static void fill_listeners(const struct conf *conf, struct arena *arena, struct http_config *out)
{
	enum { MAX_LISTENERS = 3 };
	struct http_listen *listen = ARENA_NEW_ARRAY(arena, struct http_listen, MAX_LISTENERS);
	bool has_tls = !str_is_empty(conf_str(conf, "tls.certificate"));
	size_t count = 0;
	add_listener(listen, &count, HTTP_LISTEN_PLAIN, conf_str(conf, "listen.client"));
	add_listener(listen, &count, has_tls ? HTTP_LISTEN_TLS : HTTP_LISTEN_PLAIN,
		conf_str(conf, "listen.federation"));
	add_listener(listen, &count, HTTP_LISTEN_METRICS, conf_str(conf, "listen.metrics"));
	out->listen = listen;
	out->listen_count = count;
	if (has_tls) {
		out->tls_certificate = conf_str(conf, "tls.certificate").p;
		out->tls_key = conf_str(conf, "tls.key").p;
	}
}

struct str config_listener_text(struct arena *arena, const struct http_listen *listen)
{
	static const char *const kinds[] = {[HTTP_LISTEN_PLAIN] = "for clients and servers, plain HTTP",
		[HTTP_LISTEN_TLS] = "for clients and servers, TLS",
		[HTTP_LISTEN_METRICS] = "for metrics, plain HTTP"};
	return str_printf(arena, "%s, %s, open to %s", listen->address, kinds[listen->kind],
		address_open_to(str_of(listen->address)));
}

static void fill_proxies(const struct conf *conf, struct arena *arena, struct http_config *out)
{
	struct conf_list list = conf_list(conf, "http.trusted_proxies");
	const char **texts = ARENA_NEW_ARRAY(arena, const char *, list.n);
	for (size_t i = 0; i < list.n; i++) {
		texts[i] = str_cstr(arena, list.items[i]);
	}
	out->trusted_proxies = texts;
	out->trusted_proxy_count = list.n;
}

/*
 * Requests of one server that wait for their turn. A server that comes back from an outage asks about many rooms side by side; of
 * transactions there is one at a time, but for those that it has given up on, and each holds its body.
 */
enum { HEAVY_WAITING = 200, TRANSACTIONS_WAITING = 8 };

static void fill_rates(const struct conf *conf, struct http_config *out)
{
	static const struct {
		enum route_rate rate;
		const char *per_minute;
		const char *burst;
	} classes[] = {
		{RATE_READ, "rate_limits.read.per_minute", "rate_limits.read.burst"},
		{RATE_WRITE, "rate_limits.write.per_minute", "rate_limits.write.burst"},
		{RATE_MESSAGE, "rate_limits.message.per_minute", "rate_limits.message.burst"},
		{RATE_JOIN, "rate_limits.join.per_minute", "rate_limits.join.burst"},
		{RATE_LOGIN, "rate_limits.login.per_minute", "rate_limits.login.burst"},
		{RATE_WRONG_PASSWORD, "rate_limits.wrong_password.per_minute",
			"rate_limits.wrong_password.burst"},
		{RATE_REGISTER, "rate_limits.register.per_minute", "rate_limits.register.burst"},
		{RATE_SERVER, "rate_limits.server.per_minute", "rate_limits.server.burst"},
		{RATE_SERVER_HEAVY, "rate_limits.server_heavy.per_minute",
			"rate_limits.server_heavy.burst"},
		{RATE_NOTICE, "rate_limits.notice.per_minute", "rate_limits.notice.burst"},
		{RATE_UNPROVEN, "rate_limits.server_unproven.per_minute",
			"rate_limits.server_unproven.burst"},
	};
	out->rate_limits_enabled = conf_bool(conf, "rate_limits.enabled");
	for (size_t i = 0; i < COUNT_OF(classes); i++) {
		out->rates[classes[i].rate] = (struct rate_class){
			.per_second = (double)conf_int(conf, classes[i].per_minute) / 60,
			.burst = conf_int(conf, classes[i].burst),
		};
	}
	struct rate_class *heavy = &out->rates[RATE_SERVER_HEAVY];
	heavy->at_once = (size_t)conf_int(conf, "rate_limits.server_heavy.at_once");
	heavy->waiting = HEAVY_WAITING;
	struct rate_class *transaction = &out->rates[RATE_TRANSACTION];
	transaction->at_once = (size_t)conf_int(conf, "rate_limits.transaction.at_once");
	transaction->waiting = TRANSACTIONS_WAITING;
}

/* Part of the second in which the server ends; the rest is the database's. */
enum { STOP_TIMEOUT_MS = 400 };

void config_to_http(const struct conf *conf, struct arena *arena, struct http_config *out)
{
	size_t queue_limit = (size_t)conf_int(conf, "http.queue_limit");
	*out = (struct http_config){
		.io_threads = (size_t)conf_int(conf, "http.io_threads"),
		.local = {(size_t)conf_int(conf, "http.local_workers"), queue_limit},
		.slow = {(size_t)conf_int(conf, "password.parallel"), queue_limit},
		.remote = {(size_t)conf_int(conf, "http.remote_workers"), queue_limit},
		.body_ceiling_bytes = (size_t)conf_int(conf, "http.max_body"),
		.body_budget_bytes = (size_t)conf_int(conf, "http.body_budget"),
		.answer_budget_bytes = (size_t)conf_int(conf, "http.answer_budget"),
		.stream_ceiling_bytes = (size_t)conf_int(conf, "media.max_upload_size"),
		.idle_timeout_ms = conf_int(conf, "http.idle_timeout"),
		.header_timeout_ms = conf_int(conf, "http.header_timeout"),
		.body_timeout_ms = conf_int(conf, "http.body_timeout"),
		.send_timeout_ms = conf_int(conf, "http.send_timeout"),
		.call_timeout_ms = conf_int(conf, "http.call_timeout"),
		.stop_timeout_ms = STOP_TIMEOUT_MS,
		.max_connections = (size_t)conf_int(conf, "http.max_connections"),
		.max_connections_per_address = (size_t)conf_int(conf, "http.max_connections_per_address"),
	};
	fill_listeners(conf, arena, out);
	fill_proxies(conf, arena, out);
	fill_rates(conf, out);
}

void config_to_http_client(const struct conf *conf, struct arena *arena,
	struct http_client_config *out)
{
	struct conf_list list = conf_list(conf, "network.allow_addresses");
	struct address_range *allow = ARENA_NEW_ARRAY(arena, struct address_range, list.n);
	for (size_t i = 0; i < list.n; i++) {
		bool is_range = address_parse_range(list.items[i], &allow[i]);
		invariant(is_range); /* check_range() looked */
	}
	struct conf_list ways = conf_list(conf, "network.connect_to");
	struct detour *detours = ARENA_NEW_ARRAY(arena, struct detour, ways.n);
	for (size_t i = 0; i < ways.n; i++) {
		bool is_detour = detour_parse(ways.items[i], &detours[i]);
		invariant(is_detour); /* check_detour() looked */
	}
	struct conf_list servers = conf_list(conf, "network.dns_servers");
	struct str server_list = STR("");
	for (size_t i = 0; i < servers.n; i++) {
		server_list = str_printf(arena, "%.*s%s%.*s", STR_ARG(server_list), i > 0 ? "," : "",
			STR_ARG(servers.items[i]));
	}
	*out = (struct http_client_config){
		.dns_servers = server_list,
		.detours = detours,
		.detour_count = ways.n,
		.ca_file = conf_str(conf, "federation.ca_file"),
		.allow = allow,
		.allow_count = list.n,
		.mail = {.url = conf_str(conf, "mail.smtp_url"),
			.user = conf_str(conf, "mail.user"),
			.password = conf_str(conf, "mail.password"),
			.from = conf_str(conf, "mail.from"),
			.allows_cleartext = conf_bool(conf, "mail.allow_cleartext")},
	};
}

void config_to_db(const struct conf *conf, struct db_config *out)
{
	*out = (struct db_config){
		.url = conf_str(conf, "database.url"),
		.pool_size = (int)conf_int(conf, "database.pool_size"),
		.statement_timeout_ms = conf_int(conf, "database.statement_timeout"),
		.acquire_timeout_ms = conf_int(conf, "database.acquire_timeout"),
	};
}
