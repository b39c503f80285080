/**
 * Files of other servers, for ours: the port of the content repository.
 * Spec: server-server API, "Content Repository"
 */
#ifndef BELFRY_FEDERATION_REMOTE_MEDIA_H
#define BELFRY_FEDERATION_REMOTE_MEDIA_H

#include "federation/federation.h"

/** Fills the port of media; hs->media exists already. */
void remote_media_fill_port(struct federation *federation);

#endif
