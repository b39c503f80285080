/**
 * Adding and removing application services, on the database alone: for the command line, and for the folder that is read at the start.
 * A server that runs follows within seconds.
 */
#ifndef BELFRY_APPSERVICES_MANAGE_H
#define BELFRY_APPSERVICES_MANAGE_H

#include "appservices/registry.h"
#include "homeserver/account/accounts.h"

enum appservice_change { APPSERVICE_ADDED, APPSERVICE_REPLACED, APPSERVICE_UNCHANGED };

/**
 * Adds a service, or takes another registration for one, and makes the account of its sender if there is none.
 *
 * @param name      of the file, for messages
 * @param replaces  whether the one with the same id may be replaced
 * Errors: CONFLICT, text "NAME: …" (its id, token, sender or an exclusive part of its namespaces is another's; its sender is a person; a sender of
 * notices would be its);
 * LIMIT (too many); STORE
 */
MUST_CHECK enum err as_add(struct ctx *ctx, const struct account_desk *desk,
	const struct registration *registration, const char *name, bool replaces,
	enum appservice_change *out);

/** Reads a registration file. Errors: as registration_parse(); INPUT (there is no such file, too large); STORE */
MUST_CHECK enum err as_read_file(struct ctx *ctx, const char *path, struct registration *out);

/** Takes a service away; its users stay. Errors: MISSING; STORE */
MUST_CHECK enum err as_remove(struct ctx *ctx, const struct account_desk *desk, struct str id);

/** All that are registered, as of now. Released by the caller. Errors: STORE */
MUST_CHECK enum err as_list(struct ctx *ctx, const struct account_desk *desk,
	struct appservice_set **out);

/**
 * Adds every *.yaml and *.yml of a folder, or replaces what has the same id.
 * Errors: INPUT, CONFLICT, text with file and line; LIMIT; STORE. Cost: a transaction for each file
 */
MUST_CHECK enum err as_add_folder(struct ctx *ctx, const struct account_desk *desk,
	const char *folder);

#endif
