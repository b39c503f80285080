/*
 * belfry key
 */
#include <stdio.h>
#include <string.h>

#include "app/command.h"
#include "app/data_folder.h"
#include "app/show.h"
#include "base/b64.h"
#include "base/clock.h"

static void print_key(struct arena *arena, struct str key_id,
	const unsigned char public_key[ED25519_PUBLIC_BYTES], const char *state)
{
	struct str encoded =
		b64_encode(arena, str_from((const char *)public_key, ED25519_PUBLIC_BYTES));
	(void)printf("%-24.*s %.*s  %s\n", STR_ARG(key_id), STR_ARG(encoded), state);
}

static enum err list(struct ctx *ctx, struct data_folder *folder)
{
	struct rng rng = rng_os();
	struct event_signer signer;
	struct old_key *old_keys;
	size_t count;
	unsigned char public_key[ED25519_PUBLIC_BYTES];
	TRY(data_folder_signing_key(ctx, folder, &rng, &signer));
	ed25519_public(signer.key, public_key);
	ed25519_key_destroy((struct ed25519_key *)(uintptr_t)signer.key);
	print_key(ctx->arena, signer.key_id, public_key, "in use");
	TRY(data_folder_old_keys(ctx, folder, &old_keys, &count));
	for (size_t i = 0; i < count; i++) {
		print_key(ctx->arena, old_keys[i].key_id, old_keys[i].public_key,
			arena_printf(ctx->arena, "until %s", show_time(ctx->arena, old_keys[i].expired_ts)));
	}
	return ERR_OK;
}

static enum err rotate(struct ctx *ctx, struct data_folder *folder)
{
	struct rng rng = rng_os();
	struct clock clock = clock_os();
	TRY(data_folder_lock(ctx, folder));
	TRY(data_folder_rotate_key(ctx, folder, &rng, clock_wall_ms(&clock)));
	(void)printf("The server signs with a new key from its next start on.\n");
	return list(ctx, folder);
}

static int run(struct command_line *line)
{
	const char *word = command_argument(line, 0);
	bool is_rotate = word != NULL && strcmp(word, "rotate") == 0;
	if (line->argument_count != 1 || word == NULL || (!is_rotate && strcmp(word, "list") != 0)) {
		return command_misused(line, "list or rotate?");
	}
	struct data_folder folder = {.lock_fd = -1};
	enum err err = data_folder_become_account(line->ctx, line->data, NULL);
	if (err == ERR_OK) {
		err = data_folder_open(line->ctx, line->data, false, &folder);
	}
	if (err == ERR_OK) {
		err = is_rotate ? rotate(line->ctx, &folder) : list(line->ctx, &folder);
		data_folder_close(&folder);
	}
	return err == ERR_OK ? STATUS_OK : command_failed(line->ctx);
}

const struct command cmd_key = {
	.name = "key",
	.summary = "Shows and changes the key that the server signs with.",
	.usage =
		"usage: belfry key list\n"
		"       belfry key rotate\n"
		"\n"
		"Events and requests to other servers are signed. 'rotate' makes a new key, for instance when\n"
		"somebody may have read the old one; the server must be stopped for that. The old public key\n"
		"stays listed, since events that were signed with it are checked by it for ever.\n"
		"\n"
		"  --data FOLDER      the server's data folder; ./data\n"
		"  --config FILE      its options; FOLDER/belfry.yaml if it is there\n"
		"  --set KEY=VALUE    one option\n"
		"\n"
		"examples:\n"
		"  belfry key list --data /var/lib/belfry\n"
		"  systemctl stop belfry && belfry key rotate --data /var/lib/belfry && systemctl start belfry\n",
	.run = run,
};
