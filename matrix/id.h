/**
 * Identifiers: each kind is a type of its own, made only by its `_parse`. Inside the server a value of
 * the type is valid. All are views of the text that was parsed.
 * Spec: appendices, "Identifier Grammar"
 */
#ifndef BELFRY_MATRIX_ID_H
#define BELFRY_MATRIX_ID_H

#include "base/str.h"

enum { ID_MAX_BYTES = 255 };

/** Hostname, IPv4 or [IPv6], with optional port of up to five digits. */
struct server_name {
	struct str s;
};
struct user_id {
	struct str s;
};
struct room_id {
	struct str s;
};
struct event_id {
	struct str s;
};
struct room_alias {
	struct str s;
};

/** A view of the text. @return false when it is none. Spec: appendices, "Server Name" */
MUST_CHECK bool server_name_parse(struct str text, struct server_name *out);
/** Host without port; brackets kept for IPv6. */
struct str server_name_host(struct server_name name);
/** -1 when no port is given. */
int server_name_port(struct server_name name);
/**
 * Byte for byte: names that differ in case are different servers ("Server names must be treated
 * case-sensitively"). Only server ACLs ignore case; they match with base/glob.
 */
bool server_name_equals(struct server_name a, struct server_name b);

/**
 * Any user id that may occur in the network: historical characters and an empty localpart included,
 * ≤ 255 bytes.
 */
MUST_CHECK bool user_id_parse(struct str text, struct user_id *out);
/**
 * Whether the localpart is of the characters U+0021 to U+007E, and not empty: others are told to clients in events only.
 * Spec: appendices, "Historical User IDs"
 */
bool user_id_is_compliant(struct user_id id);
/** Between '@' and the first ':'. */
struct str user_id_localpart(struct user_id id);
struct server_name user_id_server(struct user_id id);
/** The strict grammar for new local users: a–z 0–9 . _ = - / +, not empty. */
MUST_CHECK bool localpart_is_valid_for_new_user(struct str localpart);

/** '!' opaque [':' server]; versions 12 and later have no server part. ≤ 255 bytes. */
MUST_CHECK bool room_id_parse(struct str text, struct room_id *out);
/** @return false when the id has no server part */
bool room_id_server(struct room_id id, struct server_name *out);

/** '$' opaque [':' server], ≤ 255 bytes. */
MUST_CHECK bool event_id_parse(struct str text, struct event_id *out);
/** @return false when the id has no server part (versions 3 and later) */
bool event_id_server(struct event_id id, struct server_name *out);

/** '#' localpart ':' server, ≤ 255 bytes. */
MUST_CHECK bool room_alias_parse(struct str text, struct room_alias *out);
struct str room_alias_localpart(struct room_alias alias);
struct server_name room_alias_server(struct room_alias alias);

/** "ed25519:abc": algorithm and version [a-zA-Z0-9_]+. */
MUST_CHECK bool key_id_parse(struct str text, struct str *out_algorithm, struct str *out_version);

/** The opaque part of an mxc:// URI: [A-Za-z0-9_-]+, ≤ 255 bytes. */
MUST_CHECK bool media_id_is_valid(struct str media_id);

/** "mxc://server/media" with media id [A-Za-z0-9_-]+. */
MUST_CHECK bool mxc_parse(struct str text, struct server_name *out_server,
	struct str *out_media_id);

#endif
