/**
 * The configuration as the homeserver's domains read it: typed, checked, const. app/wire.c fills it from
 * app/config.def.
 */
#ifndef BELFRY_HOMESERVER_SETTINGS_H
#define BELFRY_HOMESERVER_SETTINGS_H

#include "homeserver/account_settings.h"
#include "matrix/id.h"
#include "matrix/partner.h"
#include "matrix/room_version.h"

enum registration_mode { REGISTRATION_CLOSED, REGISTRATION_TOKEN, REGISTRATION_OPEN };

enum media_unauthenticated {
	MEDIA_UNAUTHENTICATED_OFF,    /**< nothing */
	MEDIA_UNAUTHENTICATED_FROZEN, /**< what was uploaded, or fetched from others, while it was ALL */
	MEDIA_UNAUTHENTICATED_ALL,    /**< the same, new uploads, and all files of other servers */
};

/** A bucket of an S3-compatible service. */
struct media_s3_settings {
	struct str endpoint; /**< empty: media lie in the data folder */
	struct str bucket;
	struct str region;
	struct str access_key;
	struct str secret_key;
	int64_t cache_bytes; /**< of the data folder, for what was used lately */
};

struct media_settings {
	int64_t max_upload_bytes;
	int64_t quota_per_user_bytes;
	int64_t files_per_user;
	int64_t pending_per_user; /**< ids without content */
	int64_t pending_lifetime_ms;
	enum media_unauthenticated unauthenticated;
	struct media_s3_settings s3;
	int64_t remote_cache_bytes;  /**< of copies of other servers' files */
	int64_t remote_cache_age_ms; /**< copies that nobody wanted for so long go */
	bool previews_enabled;
	int64_t preview_page_bytes;  /**< that are read of a page */
	int64_t preview_image_bytes; /**< largest image of a preview */
	int64_t preview_lifetime_ms;
	struct str preview_language; /**< Accept-Language; empty: none */
};

struct federation_settings {
	enum partner_policy policy; /**< until another is set at run time */
	struct conf_list partners;  /**< patterns */
	struct conf_list
		notaries; /**< server names, asked in this order for keys of servers that do not answer */
	int64_t transaction_timeout_ms;  /**< that another server gets to take one */
	size_t transaction_budget_bytes; /**< of those under way */
	int64_t retry_first_ms;          /**< pause after the first failure; it doubles with each */
	int64_t retry_longest_ms;
	size_t max_join_answer_bytes; /**< of send_join */
	struct str announce;          /**< "NAME[:PORT]" for .well-known/matrix/server; empty: none */
};

struct appservice_settings {
	int64_t transaction_timeout_ms; /**< that a service gets to take one */
	int64_t retry_first_ms;         /**< pause after the first failure; it doubles with each */
	int64_t retry_longest_ms;
};

struct settings {
	struct server_name server_name;
	struct str
		public_base_url; /**< where clients reach this server, without a slash at its end; empty: not said */
	struct str identity_server; /**< empty: none */
	struct str livekit_url;     /**< of meetings; empty: none */
	enum registration_mode registration_mode;
	struct str registration_shared_secret; /**< empty: the endpoint is off */
	bool guests_allowed;
	const struct room_version *default_room_version;
	int64_t password_min_length;
	uint32_t argon2_memory_kib;
	uint32_t argon2_iterations;
	int64_t access_token_lifetime_ms;    /**< of sessions with refresh tokens; 0: they never end */
	int64_t refresh_token_lifetime_ms;   /**< 0: never */
	struct str server_notices_localpart; /**< of who sends server notices */
	struct str server_notices_display_name;
	struct str server_notices_room_name;
	bool presence_enabled;
	int64_t presence_idle_ms;    /**< without an action: unavailable */
	int64_t presence_offline_ms; /**< without a sync: offline */
	bool mentions_in_text;       /**< push rules look for names and @room in the text */
	bool forgets_on_leave;       /**< capability m.forget_forced_upon_leave */
	int64_t delayed_max_ms;      /**< how long an event may be put off; 0: not at all */
	int64_t delayed_per_user;    /**< events of one user that are to be sent later */
	bool rate_limits_enabled;
	int64_t sync_max_timeout_ms;
	int64_t to_device_limit;  /**< messages kept for a device */
	int64_t inbox_per_server; /**< PDUs and EDUs of one other server that may wait */
	int64_t inbox_total;      /**< the same of all of them */
	int64_t set_aside_max;    /**< rejected and soft-failed events of a room that are kept */
	size_t event_cache_bytes;
	size_t room_cache_count; /**< rooms whose content is kept loaded */
	size_t user_cache_count;
	bool user_directory_all;         /**< every local user is found, also by who shares no room */
	bool room_directory_needs_login; /**< published rooms are not shown to everybody */
	/* What other servers get when they ask. */
	bool room_directory_for_servers; /**< published rooms */
	bool profiles_for_servers;       /**< names and pictures of users whose ids they know */
	bool device_names_for_servers;
	struct account_settings account;
	struct media_settings media;
	struct federation_settings federation;
	struct appservice_settings appservices;
	int64_t mail_unread_after_ms; /**< how long a message is unread before a mail tells of it */
	int64_t mail_unread_pause_ms; /**< between two such mails, the first time; doubles */
	struct str notices_time_zone; /**< of the school's clock */
	int64_t notices_source_timeout_ms; /**< that a feed or calendar gets to answer */
	struct str
		notices_keys; /**< whose devices can read notices in encrypted rooms: "all", "cross_signed", "listed" */
	struct conf_list notices_keys_listed; /**< Ed25519 keys of devices, and master keys */
};

#endif
