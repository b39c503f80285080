/**
 * Has the devices of users of other servers fetched to be kept (remote_devices.h), beside whoever asked for them.
 */
#ifndef BELFRY_FEDERATION_REMOTE_LEARN_H
#define BELFRY_FEDERATION_REMOTE_LEARN_H

#include "federation/federation.h"

/** Nobody waits for it, or hears how it ends. Where very many are about to be learned nothing happens: who asks for the user's keys comes again. */
void remote_learn(struct ctx *ctx, struct federation *federation, struct user_id user);

#endif
