/*
 * The routes of all domains.
 */
#include "app/wire_tables.h"

#include "appservices/ping_routes.h"
#include "appservices/thirdparty_routes.h"
#include "e2ee/cross_signing_routes.h"
#include "e2ee/key_backup_routes.h"
#include "e2ee/keys_routes.h"
#include "e2ee/to_device_routes.h"
#include "federation/fed_media_routes.h"
#include "federation/history_routes.h"
#include "federation/inbox_routes.h"
#include "federation/key_query_routes.h"
#include "federation/membership_routes.h"
#include "federation/policy_routes.h"
#include "federation/query_routes.h"
#include "federation/server_info_routes.h"
#include "federation/server_key_routes.h"
#include "homeserver/account/account_routes.h"
#include "homeserver/account/consent_routes.h"
#include "homeserver/account/email/email_routes.h"
#include "homeserver/account/fallback_routes.h"
#include "homeserver/account/moderation_routes.h"
#include "homeserver/account/oauth/authorize_routes.h"
#include "homeserver/account/oauth/link_routes.h"
#include "homeserver/account/oauth/web_login_routes.h"
#include "homeserver/account/oauth/web_register_routes.h"
#include "homeserver/account/oauth/web_reset_routes.h"
#include "homeserver/account/oauth/oauth_routes.h"
#include "homeserver/account/oauth/rendezvous_routes.h"
#include "homeserver/account/sso/sso_routes.h"
#include "homeserver/device/device_routes.h"
#include "homeserver/directory/directory_routes.h"
#include "homeserver/initial_sync/initial_sync_routes.h"
#include "homeserver/manage/manage_routes.h"
#include "homeserver/media/media_admin_routes.h"
#include "homeserver/media/media_routes.h"
#include "homeserver/meta/meta_routes.h"
#include "homeserver/person/person_routes.h"
#include "homeserver/presence/presence_routes.h"
#include "homeserver/push/push_routes.h"
#include "homeserver/pusher/pusher_routes.h"
#include "homeserver/receipt/receipt_routes.h"
#include "homeserver/report/report_routes.h"
#include "homeserver/room/delayed_routes.h"
#include "homeserver/room/member_routes.h"
#include "homeserver/room/room_routes.h"
#include "homeserver/room/state_routes.h"
#include "homeserver/search/search_routes.h"
#include "homeserver/server_notice/server_notice_routes.h"
#include "homeserver/space/space_routes.h"
#include "homeserver/sync/sync_routes.h"
#include "homeserver/timeline/relation_routes.h"
#include "homeserver/timeline/timeline_routes.h"
#include "homeserver/typing/typing_routes.h"
#include "homeserver/voip/voip_routes.h"
#include "notices/notice_confirm.h"
#include "notices/notice_hooks.h"
#include "notices/notice_routes.h"

static const struct wire_table tables[] = {
	{"meta", meta_routes, &meta_route_count},
	{"account", account_routes, &account_route_count},
	{"email", email_routes, &email_route_count},
	{"fallback", fallback_routes, &fallback_route_count},
	{"consent", consent_routes, &consent_route_count},
	{"sso", sso_routes, &sso_route_count},
	{"authorize", authorize_routes, &authorize_route_count},
	{"link", link_routes, &link_route_count},
	{"web_register", web_register_routes, &web_register_route_count},
	{"web_reset", web_reset_routes, &web_reset_route_count},
	{"web_login", web_login_routes, &web_login_route_count},
	{"manage", manage_routes, &manage_route_count},
	{"oauth", oauth_routes, &oauth_route_count},
	{"rendezvous", rendezvous_routes, &rendezvous_route_count},
	{"moderation", moderation_routes, &moderation_route_count},
	{"server_notice", server_notice_routes, &server_notice_route_count},
	{"notice", notice_confirm_routes, &notice_confirm_route_count},
	{"device", device_routes, &device_route_count},
	{"person", person_routes, &person_route_count},
	{"presence", presence_routes, &presence_route_count},
	{"room", room_routes, &room_route_count},
	{"member", member_routes, &member_route_count},
	{"delayed", delayed_routes, &delayed_route_count},
	{"state", state_routes, &state_route_count},
	{"timeline", timeline_routes, &timeline_route_count},
	{"relation", relation_routes, &relation_route_count},
	{"report", report_routes, &report_route_count},
	{"ping", ping_routes, &ping_route_count},
	{"thirdparty", thirdparty_routes, &thirdparty_route_count},
	{"sync", sync_routes, &sync_route_count},
	{"initial_sync", initial_sync_routes, &initial_sync_route_count},
	{"push", push_routes, &push_route_count},
	{"pusher", pusher_routes, &pusher_route_count},
	{"receipt", receipt_routes, &receipt_route_count},
	{"space", space_routes, &space_route_count},
	{"directory", directory_routes, &directory_route_count},
	{"search", search_routes, &search_route_count},
	{"typing", typing_routes, &typing_route_count},
	{"voip", voip_routes, &voip_route_count},
	{"media", media_routes, &media_route_count},
	{"media_admin", media_admin_routes, &media_admin_route_count},
	{"keys", keys_routes, &keys_route_count},
	{"cross_signing", cross_signing_routes, &cross_signing_route_count},
	{"key_backup", key_backup_routes, &key_backup_route_count},
	{"to_device", to_device_routes, &to_device_route_count},
	{"policy", policy_routes, &policy_route_count},
	{"server_info", server_info_routes, &server_info_route_count},
	{"server_key", server_key_routes, &server_key_route_count},
	{"query", query_routes, &query_route_count},
	{"key_query", key_query_routes, &key_query_route_count},
	{"fed_media", fed_media_routes, &fed_media_route_count},
	{"membership", membership_routes, &membership_route_count},
	{"inbox", inbox_routes, &inbox_route_count},
	{"history", history_routes, &history_route_count},
	{"notice", notice_routes, &notice_route_count},
	{"notice_hook", notice_hook_routes, &notice_hook_route_count},
};

const struct wire_table *wire_tables(size_t *out_count)
{
	*out_count = COUNT_OF(tables);
	return tables;
}
