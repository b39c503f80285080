/**
 * Devices that the server itself runs for some of its users, so that its services can speak and read in encrypted rooms.
 *
 * Such a device is a row of `devices` without tokens, with keys like any other's, signed by cross-signing keys that the server made for
 * the user: others see it as verified by its owner. What it knows is in the database, sealed (vault.h), and changed only in
 * transactions that begin by locking it; so several processes may use it at once.
 *
 * No state of a ratchet is used twice, whenever a process ends:
 * - Megolm sessions that send are in memory only. They end with the process; the next one begins new ones.
 * - An Olm session is committed as it is after a message before that message is sent. A crash in between loses the message, and the
 *   Megolm session that it was about with it.
 * - An Olm session sends only in the run of the process in which it began. So a database that comes back from a backup, older than what
 *   was sent since, repeats nothing: everything is begun anew with one-time keys.
 * - A message to the device, what came of it (sessions, room keys, the one-time key that is used up), and its deletion are one
 *   transaction.
 * - New one-time keys are committed before they are published. A crash in between publishes the same ones later.
 *
 * Spec: client-server API, "End-to-End Encryption"
 */
#ifndef BELFRY_E2EE_OWN_DEVICE_H
#define BELFRY_E2EE_OWN_DEVICE_H

#include "e2ee/e2ee.h"
#include "e2ee/olm.h"

struct own_devices;
struct own_devices *own_devices_create(struct homeserver *hs);
void own_devices_destroy(struct own_devices *own);

/** An own device. In the ctx's arena. */
struct own_device {
	struct user_id user;
	struct str device_id;
	struct ratchet_identity identity;
};

/**
 * The device of a user; makes it when there is none, with its keys and, unless the user has cross-signing keys of other origin, with
 * those. A device that was deleted comes back as a new one.
 *
 * @param display_name  of a new device
 * Errors: MISSING M_NOT_FOUND (no such account here, or deactivated); INTERNAL (sealed under another key); STORE
 * Cost: one round trip; some twenty when it is made, some ten when a process meets it first.
 */
MUST_CHECK enum err own_device_open(struct ctx *ctx, struct homeserver *hs, struct user_id user,
	struct str display_name, struct own_device *out);

/**
 * For the housekeeper, at each round: devices that have given away many one-time keys, or their fallback key, get new ones. Failures
 * are logged; a later call tries again.
 * Cost: one round trip, and one for each own device.
 */
void own_devices_tidy(struct ctx *ctx, struct homeserver *hs);

#endif
