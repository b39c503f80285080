/*
 * What the server says about itself. All from memory, so on the I/O threads.
 */
#include "homeserver/meta/meta_routes.h"

#include "homeserver/account/accounts.h"
#include "homeserver/homeserver.h"
#include "homeserver/support.h"
#include "homeserver/web_help.h"
#include "homeserver/voip/voip.h"
#include "homeserver/web_page.h"

static const char *const spec_versions[] = {"r0.6.0", "r0.6.1", "v1.1", "v1.2", "v1.3", "v1.4",
	"v1.5", "v1.6", "v1.7", "v1.8", "v1.9", "v1.10", "v1.11", "v1.12", "v1.13", "v1.14", "v1.15",
	"v1.16", "v1.17", "v1.18", "v1.19"};

static enum err get_versions(struct call *call)
{
	struct json_out *out = reply_json(call, 200);
	json_out_object(out);
	json_out_key_array(out, "versions");
	for (size_t i = 0; i < COUNT_OF(spec_versions); i++) {
		json_out_str(out, str_of(spec_versions[i]));
	}
	json_out_end(out);
	json_out_key_object(out, "unstable_features");
	json_out_key_bool(out, "org.matrix.simplified_msc3575", true);
	json_out_key_bool(out, "org.matrix.msc4108", accounts_take_qr_login(hs_of(call)));
	json_out_key_bool(out, "org.matrix.msc4140", hs_of(call)->settings.delayed_max_ms > 0);
	json_out_end(out);
	json_out_end(out);
	return ERR_OK;
}

static void write_base_url(struct json_out *out, struct str key, struct str url)
{
	json_out_key(out, key);
	json_out_object(out);
	json_out_key_str(out, "base_url", url);
	json_out_end(out);
}

static enum err get_well_known(struct call *call)
{
	const struct settings *settings = &hs_of(call)->settings;
	if (settings->public_base_url.n == 0) {
		return fail(&call->ctx, ERR_MISSING, M_NOT_FOUND, "No public address is configured");
	}
	struct json_out *out = reply_json(call, 200);
	json_out_object(out);
	write_base_url(out, STR("m.homeserver"), settings->public_base_url);
	if (settings->identity_server.n > 0) {
		write_base_url(out, STR("m.identity_server"), settings->identity_server);
	}
	if (settings->livekit_url.n > 0) {
		voip_write_transports(out, STR("org.matrix.msc4143.rtc_foci"), settings->livekit_url);
	}
	json_out_end(out);
	return ERR_OK;
}

static enum err get_support(struct call *call)
{
	const struct account_settings *settings = &hs_of(call)->settings.account;
	if (settings->support_page.n == 0 && settings->support_contacts.n == 0) {
		return fail(&call->ctx, ERR_MISSING, M_NOT_FOUND, "No contacts are configured");
	}
	struct json_out *out = reply_json(call, 200);
	json_out_object(out);
	support_write(out, settings);
	json_out_end(out);
	return ERR_OK;
}

/* A policy server is a service of its own: rooms name one in m.room.policy. */
static enum err get_policy_server(struct call *call)
{
	return fail(&call->ctx, ERR_MISSING, M_NOT_FOUND, "This server is no policy server");
}

static void write_room_versions(struct json_out *out, const struct room_version *default_version)
{
	size_t count;
	const struct room_version *versions = room_versions_all(&count);
	json_out_key_object(out, "m.room_versions");
	json_out_key_str(out, "default", default_version->id);
	json_out_key_object(out, "available");
	for (size_t i = 0; i < count; i++) {
		json_out_key(out, versions[i].id);
		json_out_str(out, versions[i].is_stable ? STR("stable") : STR("unstable"));
	}
	json_out_end(out);
	json_out_end(out);
}

static void write_flag(struct json_out *out, const char *name, bool is_enabled)
{
	json_out_key(out, str_of(name));
	json_out_object(out);
	json_out_key_bool(out, "enabled", is_enabled);
	json_out_end(out);
}

/* Guests have a display name and no other field. Spec: guest_access.md, "Client behaviour" */
static void write_profile_fields(struct json_out *out, bool is_guest)
{
	json_out_key_object(out, "m.profile_fields");
	json_out_key_bool(out, "enabled", true);
	if (is_guest) {
		json_out_key_array(out, "allowed");
		json_out_str(out, STR("displayname"));
		json_out_end(out);
	}
	json_out_end(out);
	write_flag(out, "m.set_displayname", true);
	write_flag(out, "m.set_avatar_url", !is_guest);
}

static enum err get_capabilities(struct call *call)
{
	const struct principal *who = principal_of(call);
	struct json_out *out = reply_json(call, 200);
	json_out_object(out);
	json_out_key_object(out, "capabilities");
	write_flag(out, "m.change_password",
		!who->is_guest && hs_of(call)->settings.account.passwords_are_on);
	write_room_versions(out, hs_of(call)->settings.default_room_version);
	write_profile_fields(out, who->is_guest);
	write_flag(out, "m.3pid_changes", !who->is_guest && accounts_take_email(hs_of(call)));
	write_flag(out, "m.get_login_token", !who->is_guest);
	write_flag(out, "m.forget_forced_upon_leave", hs_of(call)->settings.forgets_on_leave);
	json_out_key_object(out, "org.matrix.msc4140.delayed_events");
	json_out_key_int(out, "max_delay_ms", hs_of(call)->settings.delayed_max_ms);
	json_out_key_int(out, "max_scheduled", hs_of(call)->settings.delayed_per_user);
	json_out_end(out);
	if (who->is_admin) {
		json_out_key_object(out, "m.account_moderation");
		json_out_key_bool(out, "suspend", true);
		json_out_key_bool(out, "lock", true);
		json_out_end(out);
	}
	json_out_end(out);
	json_out_end(out);
	return ERR_OK;
}

/* For people who open the server's address in a browser. */
static enum err get_home_page(struct call *call)
{
	const struct settings *settings = &hs_of(call)->settings;
	struct web_page page;
	web_page_begin(&page, call, "這是 Matrix 聊天伺服器", "This is a Matrix homeserver");
	web_page_text(&page, "伺服器名稱：", "Its name:");
	web_page_value(&page, settings->server_name.s);
	if (settings->public_base_url.n > 0) {
		web_page_text(&page,
			"請用 Matrix 應用程式（例如 Element、Element X、FluffyChat、nheko）登入；"
			"「主伺服器（homeserver）」請填下列網址，帳號與密碼請洽學校的管理員。",
			"To connect, use a Matrix client (such as Element, Element X, FluffyChat or nheko) and give the address "
			"below as the homeserver. Ask your school's administrator for an account.");
		web_page_value(&page, settings->public_base_url);
	} else {
		web_page_text(&page,
			"請用 Matrix 應用程式（例如 Element、Element X、FluffyChat、nheko）登入；"
			"「主伺服器（homeserver）」請填本頁在瀏覽器網址列的網址，帳號與密碼請洽學校的管理員。",
			"To connect, use a Matrix client (such as Element, Element X, FluffyChat or nheko) and give the address "
			"of this page, as your browser shows it, as the homeserver. Ask your school's administrator for an "
			"account.");
	}
	accounts_write_ways(&page);
	web_help_write(&page);
	return web_page_reply(&page, 200);
}

const struct route meta_routes[] = {
	{"homePage", "GET", "/", AUTH_PAGE, LANE_INLINE, RATE_NONE, 0, get_home_page},
	{"getVersions", "GET", "/_matrix/client/versions", AUTH_NONE, LANE_INLINE, RATE_NONE, 0,
		get_versions},
	{"getWellknown", "GET", "/.well-known/matrix/client", AUTH_NONE, LANE_INLINE, RATE_NONE, 0,
		get_well_known},
	{"getWellknownSupport", "GET", "/.well-known/matrix/support", AUTH_NONE, LANE_INLINE, RATE_NONE,
		0, get_support},
	{"getWellknownPolicy", "GET", "/.well-known/matrix/policy_server", AUTH_NONE, LANE_INLINE,
		RATE_NONE, 0, get_policy_server},
	{"getCapabilities", "GET", "/_matrix/client/(r0|v3)/capabilities", AUTH_GUEST, LANE_INLINE,
		RATE_READ, 0, get_capabilities},
};
const size_t meta_route_count = COUNT_OF(meta_routes);
