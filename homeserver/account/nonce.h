/**
 * Numbers that are good once and for a minute, for the shared-secret registration. Giving one out costs no memory: it
 * carries its time (milliseconds since 1970) and a signature; only those that were used are remembered.
 */
#ifndef BELFRY_HOMESERVER_ACCOUNT_NONCE_H
#define BELFRY_HOMESERVER_ACCOUNT_NONCE_H

#include "base/arena.h"
#include "base/rand.h"

enum { NONCE_LIFETIME_MS = 60 * 1000 };

struct nonces;

/** @param secret  the same in all processes of a server: what one gives out is good at the others */
struct nonces *nonces_create(const struct rng *rng, struct str secret);
void nonces_destroy(struct nonces *nonces);

/** A new one: lower-case hexadecimal, in the arena. */
struct str nonce_new(struct nonces *nonces, struct arena *arena, int64_t now_ms);

/** Whether it is ours, not too old and not used. */
MUST_CHECK bool nonce_is_good(struct nonces *nonces, struct str nonce, int64_t now_ms);

/** Uses it up. @return false when it was not good (any more): of two at once one gets true */
MUST_CHECK bool nonce_use(struct nonces *nonces, struct str nonce, int64_t now_ms);

/** It was used at another process. One that is none is let go. */
void nonce_note_used(struct nonces *nonces, struct str nonce, int64_t now_ms);

#endif
