/**
 * Has the devices of users of other servers fetched to be kept (remote_devices.h), beside whoever asked for them.
 */
#ifndef BELFRY_FEDERATION_REMOTE_LEARN_H
#define BELFRY_FEDERATION_REMOTE_LEARN_H

#include "federation/federation.h"

/**
 * Begins it; it ends in seconds, with whatever error.
 * @return the errand; NULL where very many are about to be learned: who asks for the user's keys comes again
 */
struct errand *remote_learn(struct ctx *ctx, struct federation *federation, struct user_id user);

#endif
