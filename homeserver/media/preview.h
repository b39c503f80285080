/**
 * Previews of web pages: fetched for users, at most once in a while for all of them.
 *
 * Which addresses may be reached is the outgoing client's business (http/client.h): none that only this machine or its network
 * reaches, by whatever name, notation or redirect.
 */
#ifndef BELFRY_HOMESERVER_MEDIA_PREVIEW_H
#define BELFRY_HOMESERVER_MEDIA_PREVIEW_H

#include "homeserver/media/media.h"

struct previews;

struct previews *previews_create(void);
/** NULL does nothing. */
void previews_destroy(struct previews *previews);

/**
 * The preview of a URL; while another request fetches it, or too many are under way, the request is parked. Its image
 * becomes a file of the user who asked first.
 *
 * Cost: 1 round trip when it is known; else up to three requests to the page's server, 2 round trips, and an upload.
 * Errors: INPUT M_INVALID_PARAM (no http(s) URL); REMOTE 502 M_UNKNOWN (the page cannot be fetched); TIMEOUT; STORE
 * @param out_answer  a JSON object, in the call's arena
 */
MUST_CHECK enum err preview_await(struct call *call, struct str url, struct str *out_answer,
	bool *out_is_parked);

#endif
