/**
 * Meetings of several people: clients are told of a LiveKit server, whose own service gives them tokens after it asked this server who they are
 * (OpenID, "GET /openid/userinfo").
 * Spec: MSC4143 (MatrixRTC), MSC4195 (LiveKit)
 */
#ifndef BELFRY_HOMESERVER_VOIP_VOIP_H
#define BELFRY_HOMESERVER_VOIP_VOIP_H

#include "base/json_out.h"

/** A member `key` of the open object: the list of transports. @param livekit_url  empty: an empty list */
void voip_write_transports(struct json_out *out, struct str key, struct str livekit_url);

#endif
