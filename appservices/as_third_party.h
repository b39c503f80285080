/**
 * Networks behind bridges: what the services tell of their protocols, and whom and what they know there.
 *
 * A service is asked for the protocols of its registration only. What a protocol is like is kept for a minute, also that nobody told it;
 * who and what is on a network is asked for each time. Services that do not answer, or answer nonsense, are left out.
 * Spec: application-service API, "Third-party networks"; client-server API, "Third-party networks"
 */
#ifndef BELFRY_APPSERVICES_AS_THIRD_PARTY_H
#define BELFRY_APPSERVICES_AS_THIRD_PARTY_H

#include "homeserver/homeserver.h"

struct as_third_party;

/** Fills hs->ports.third_party. */
struct as_third_party *as_third_party_create(struct homeserver *hs);
/** NULL does nothing. */
void as_third_party_destroy(struct as_third_party *third_party);

#endif
