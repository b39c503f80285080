/*
 * Small files, each written once. The lock is flock(2): the kernel gives it back however the process ends, so
 * nothing stale can stay behind.
 */
#include "app/data_folder.h"

#include <errno.h>
#include <fcntl.h>
#include <fts.h>
#include <grp.h>
#include <limits.h>
#include <pwd.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "app/command.h"
#include "app/postgres/pg_account.h"
#include "base/b64.h"
#include "base/file.h"
#include "base/vec.h"

enum { SMALL_FILE_BYTES = 4096, OLD_KEYS_BYTES = 1 << 20, KEY_VERSION_CHARACTERS = 6 };

static const char *path_in(struct ctx *ctx, const struct data_folder *folder, const char *name)
{
	return arena_printf(ctx->arena, "%s/%s", folder->path, name);
}

/* Whether the one has the file, or the folder and all below it; true if there is none. */
static bool has_all(uid_t uid, const char *path)
{
	char *const paths[] = {(char *)(uintptr_t)path, NULL};
	FTS *walk = fts_open(paths, FTS_COMFOLLOW | FTS_PHYSICAL | FTS_NOCHDIR, NULL);
	bool has = walk != NULL;
	for (const FTSENT *entry = NULL; has && (entry = fts_read(walk)) != NULL;) {
		has = entry->fts_info == FTS_NS || entry->fts_statp->st_uid == uid;
	}
	if (walk != NULL) {
		(void)fts_close(walk);
	}
	return has;
}

/*
 * Whose the server is: the one who has the folder and what a server keeps in it. That one could not use what another made there, such as
 * root, by serving before or by putting a copy back.
 * @return false if nobody has all of it
 */
static bool find_account(struct arena *arena, const char *folder, uid_t *out_uid, gid_t *out_gid)
{
	static const char *const parts[] = {"signing.key", "secrets.key", "postgres", "media"};
	struct stat status;
	if (stat(folder, &status) != 0) {
		return false;
	}
	*out_uid = status.st_uid;
	*out_gid = status.st_gid;
	bool is_whole = status.st_uid != 0;
	for (size_t i = 0; is_whole && i < COUNT_OF(parts); i++) {
		is_whole = has_all(status.st_uid, arena_printf(arena, "%s/%s", folder, parts[i]));
	}
	return is_whole;
}

enum err data_folder_become_account(struct ctx *ctx, const char *folder, const char **out_account)
{
	struct pg_account account = {.is_other = true};
	if (out_account != NULL) {
		*out_account = NULL;
	}
	if (geteuid() != 0 || !find_account(ctx->arena, folder, &account.uid, &account.gid) ||
		!pg_account_can_enter(&account, folder)) {
		return ERR_OK;
	}
	char text[4096];
	struct passwd entry;
	struct passwd *found = NULL;
	bool is_known =
		getpwuid_r(account.uid, &entry, text, sizeof(text), &found) == 0 && found != NULL;
	gid_t gid = is_known ? found->pw_gid : account.gid;
	const char *home = is_known ? found->pw_dir : "/";
	if ((is_known ? initgroups(found->pw_name, gid) : setgroups(0, NULL)) != 0 ||
		setresgid(gid, gid, gid) != 0 || setresuid(account.uid, account.uid, account.uid) != 0 ||
		/* libpq fails at a file below a home that it may not enter */
		setenv("HOME", home, 1) != 0 || // NOLINT(concurrency-mt-unsafe): before there are threads
		/* as a program is that this account starts itself */
		prctl(PR_SET_DUMPABLE, 1, 0, 0, 0) != 0) {
		return fail(ctx, ERR_DENIED, NULL,
			"cannot become the account that %s belongs to (uid %u): %s", folder,
			(unsigned)account.uid, file_error_text(ctx->arena, errno));
	}
	if (out_account != NULL) {
		*out_account = is_known ? arena_printf(ctx->arena, "%s", found->pw_name)
								: arena_printf(ctx->arena, "%u", (unsigned)account.uid);
	}
	return ERR_OK;
}

enum err data_folder_open(struct ctx *ctx, const char *given, bool may_create,
	struct data_folder *out)
{
	/* Root's database runs as another account, which has to pass through to its own folder. */
	unsigned mode = geteuid() == 0 ? 0711 : 0700;
	if (may_create && file_make_folder(ctx, given, mode) != ERR_OK) {
		struct str cause = ctx->fault.cause;
		return fail(ctx, ERR_STORE, NULL, "cannot make the data folder %s: %.*s", given,
			STR_ARG(cause));
	}
	TRY(command_check_account(ctx, given, R_OK | W_OK));
	char real[PATH_MAX];
	if (realpath(given, real) == NULL) {
		return errno == ENOENT
			? fail(ctx, ERR_MISSING, NULL,
				  "there is no data folder %s; start the server first, or give --data", given)
			: fail(ctx, ERR_STORE, NULL, "cannot use the data folder %s: %s", given,
				  file_error_text(ctx->arena, errno));
	}
	*out = (struct data_folder){
		.given = given,
		.path = str_cstr(ctx->arena, str_of(real)),
		.lock_fd = -1,
	};
	return ERR_OK;
}

void data_folder_close(struct data_folder *folder)
{
	if (folder->path != NULL && folder->lock_fd >= 0) {
		(void)close(folder->lock_fd);
		folder->lock_fd = -1;
	}
}

static enum err fail_locked(struct ctx *ctx, const struct data_folder *folder)
{
	pid_t holder = data_folder_holder(ctx, folder);
	if (holder == 0) {
		return fail(ctx, ERR_CONFLICT, NULL, "the data folder %s is in use by another process",
			folder->given);
	}
	return fail(ctx, ERR_CONFLICT, NULL,
		"the data folder %s is in use by process %d; stop that server first, or give another --data",
		folder->given, (int)holder);
}

enum err data_folder_lock(struct ctx *ctx, struct data_folder *folder)
{
	int fd = open(path_in(ctx, folder, "lock"), O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
	if (fd < 0) {
		return fail(ctx, ERR_STORE, NULL, "cannot write in the data folder %s: %s", folder->given,
			file_error_text(ctx->arena, errno));
	}
	if (flock(fd, LOCK_EX | LOCK_NB) != 0) {
		bool is_taken = errno == EWOULDBLOCK;
		const char *reason = file_error_text(ctx->arena, errno);
		(void)close(fd);
		return is_taken ? fail_locked(ctx, folder)
						: fail(ctx, ERR_STORE, NULL, "cannot lock the data folder %s: %s",
							  folder->given, reason);
	}
	struct str pid = str_printf(ctx->arena, "%d\n", (int)getpid());
	if (ftruncate(fd, 0) != 0 || pwrite(fd, pid.p, pid.n, 0) != (ssize_t)pid.n) {
		const char *reason = file_error_text(ctx->arena, errno);
		(void)close(fd);
		return fail(ctx, ERR_STORE, NULL, "cannot write in the data folder %s: %s", folder->given,
			reason);
	}
	/* Root at work in somebody's folder leaves nothing there that its owner could not use. */
	struct stat status;
	if (geteuid() == 0 && stat(folder->path, &status) == 0) {
		(void)!fchown(fd, status.st_uid, status.st_gid);
	}
	folder->lock_fd = fd;
	return ERR_OK;
}

/* @return false when the file is missing */
static enum err read_small(struct ctx *ctx, const char *path, struct str *out, bool *out_is_there)
{
	*out_is_there = file_exists(path);
	if (!*out_is_there) {
		return ERR_OK;
	}
	struct str text;
	TRY(file_read(ctx, path, SMALL_FILE_BYTES, &text));
	*out = str_trim(text);
	return ERR_OK;
}

pid_t data_folder_holder(struct ctx *ctx, const struct data_folder *folder)
{
	struct ctx quiet;
	ctx_init(&quiet, ctx->arena);
	struct str text;
	bool is_there;
	int64_t pid = 0;
	if (read_small(&quiet, path_in(ctx, folder, "lock"), &text, &is_there) == ERR_OK && is_there) {
		(void)!str_to_int(text, 1, INT32_MAX, &pid);
	}
	return (pid_t)pid;
}

enum err data_folder_server_name(struct ctx *ctx, const struct data_folder *folder,
	struct str configured, struct server_name *out, bool *out_is_new)
{
	const char *path = path_in(ctx, folder, "server_name");
	struct str known;
	bool is_there;
	TRY(read_small(ctx, path, &known, &is_there));
	if (is_there && configured.n > 0 && !str_equals(known, configured)) {
		return fail(ctx, ERR_CONFLICT, NULL,
			"server_name is %.*s, but the data folder %s belongs to %.*s; a server's name cannot be "
			"changed, since users, rooms and events carry it. For another server give another --data",
			STR_ARG(configured), folder->given, STR_ARG(known));
	}
	struct str text = is_there ? known : configured.n > 0 ? configured : STR("localhost");
	if (!server_name_parse(text, out)) {
		return fail(ctx, ERR_INPUT, NULL, "%s does not hold a server name", path);
	}
	if (out_is_new != NULL) {
		*out_is_new = !is_there;
	}
	return is_there
		? ERR_OK
		: file_write_atomic(ctx, path, str_printf(ctx->arena, "%.*s\n", STR_ARG(text)), 0644);
}

static enum err make_key(struct ctx *ctx, const char *path, const struct rng *rng, struct str *out)
{
	unsigned char seed[ED25519_SEED_BYTES];
	rng_fill(rng, seed, sizeof(seed));
	struct str encoded = b64_encode(ctx->arena, str_from((const char *)seed, sizeof(seed)));
	crypto_wipe(seed, sizeof(seed));
	struct str version = rng_text(rng, ctx->arena, KEY_VERSION_CHARACTERS);
	*out = str_printf(ctx->arena, "ed25519 a_%.*s %.*s", STR_ARG(version), STR_ARG(encoded));
	return file_write_atomic(ctx, path, str_printf(ctx->arena, "%.*s\n", STR_ARG(*out)), 0600);
}

enum err data_folder_signing_key(struct ctx *ctx, const struct data_folder *folder,
	const struct rng *rng, struct event_signer *out)
{
	const char *path = path_in(ctx, folder, "signing.key");
	struct str text;
	bool is_there;
	TRY(read_small(ctx, path, &text, &is_there));
	if (!is_there) {
		TRY(make_key(ctx, path, rng, &text));
	}
	struct str algorithm;
	struct str version = {0};
	struct str encoded = {0};
	struct str seed = {0};
	struct str key_id;
	struct str rest;
	struct str unused;
	bool is_good =
		str_split(text, ' ', &algorithm, &rest) && str_split(rest, ' ', &version, &encoded);
	key_id = str_printf(ctx->arena, "%.*s:%.*s", STR_ARG(algorithm), STR_ARG(version));
	is_good = is_good && str_equals(algorithm, STR("ed25519")) &&
		key_id_parse(key_id, &unused, &version) && b64_decode(ctx->arena, encoded, &seed) &&
		seed.n == ED25519_SEED_BYTES;
	if (!is_good) {
		return fail(ctx, ERR_INPUT, NULL,
			"%s is not of the form \"ed25519 VERSION SEED\", the seed in base64", path);
	}
	struct ed25519_key *key = ed25519_key_create((const unsigned char *)seed.p);
	crypto_wipe((char *)(uintptr_t)seed.p, seed.n);
	unsigned char public_key[ED25519_PUBLIC_BYTES];
	ed25519_public(key, public_key);
	if (server_key_is_leaked(public_key)) {
		ed25519_key_destroy(key);
		return fail(ctx, ERR_INPUT, NULL,
			"%s holds a key that everybody knows; move it away, and a new one will be made", path);
	}
	out->key_id = key_id;
	out->key = key;
	return ERR_OK;
}

enum err data_folder_secrets_key(struct ctx *ctx, const struct data_folder *folder,
	const struct rng *rng, unsigned char out[SEAL_KEY_BYTES])
{
	const char *path = path_in(ctx, folder, "secrets.key");
	struct str text;
	struct str bytes;
	bool is_there;
	TRY(read_small(ctx, path, &text, &is_there));
	if (!is_there) {
		rng_fill(rng, out, SEAL_KEY_BYTES);
		text = b64_encode(ctx->arena, str_from((const char *)out, SEAL_KEY_BYTES));
		return file_write_atomic(ctx, path, str_printf(ctx->arena, "%.*s\n", STR_ARG(text)), 0600);
	}
	if (!b64_decode(ctx->arena, text, &bytes) || bytes.n != SEAL_KEY_BYTES) {
		return fail(ctx, ERR_INPUT, NULL, "%s does not hold a key of 32 bytes in base64", path);
	}
	memcpy(out, bytes.p, SEAL_KEY_BYTES);
	crypto_wipe((char *)(uintptr_t)bytes.p, bytes.n);
	return ERR_OK;
}

/* --- keys before it ------------------------------------------------------------------------------------- */

static bool parse_old_key(struct ctx *ctx, struct str line, struct old_key *out)
{
	struct str algorithm;
	struct str version;
	struct str encoded;
	struct str until;
	struct str rest;
	struct str bytes;
	bool is_good = str_split(line, ' ', &algorithm, &rest) &&
		str_split(rest, ' ', &version, &rest) && str_split(rest, ' ', &encoded, &until) &&
		str_to_int(until, 0, INT64_MAX, &out->expired_ts) &&
		b64_decode(ctx->arena, encoded, &bytes) && bytes.n == ED25519_PUBLIC_BYTES;
	if (!is_good) {
		return false;
	}
	out->key_id = str_printf(ctx->arena, "%.*s:%.*s", STR_ARG(algorithm), STR_ARG(version));
	memcpy(out->public_key, bytes.p, ED25519_PUBLIC_BYTES);
	return str_equals(algorithm, STR("ed25519")) && key_id_parse(out->key_id, &algorithm, &version);
}

static enum err read_old_keys(struct ctx *ctx, const char *path, struct str *out)
{
	*out = STR("");
	return file_exists(path) ? file_read(ctx, path, OLD_KEYS_BYTES, out) : ERR_OK;
}

enum err data_folder_old_keys(struct ctx *ctx, const struct data_folder *folder,
	struct old_key **out, size_t *out_count)
{
	const char *path = path_in(ctx, folder, "old_keys");
	struct str text;
	VEC(struct old_key) keys = {0};
	TRY(read_old_keys(ctx, path, &text));
	while (text.n > 0) {
		struct str line;
		struct old_key key;
		(void)str_split(text, '\n', &line, &text);
		line = str_trim(line);
		if (line.n == 0) {
			continue;
		}
		if (!parse_old_key(ctx, line, &key)) {
			return fail(ctx, ERR_INPUT, NULL,
				"%s is not of the form \"ed25519 VERSION PUBLIC_KEY UNTIL\", a line for each key",
				path);
		}
		VEC_PUSH(ctx->arena, &keys, key);
	}
	*out = keys.p;
	*out_count = keys.n;
	return ERR_OK;
}

/* The old one is listed first: should the rest fail, it is both, which does no harm. */
enum err data_folder_rotate_key(struct ctx *ctx, const struct data_folder *folder,
	const struct rng *rng, int64_t now_ms)
{
	struct event_signer signer;
	struct str others;
	struct str unused;
	unsigned char public_key[ED25519_PUBLIC_BYTES];
	const char *path = path_in(ctx, folder, "old_keys");
	TRY(data_folder_signing_key(ctx, folder, rng, &signer));
	ed25519_public(signer.key, public_key);
	ed25519_key_destroy((struct ed25519_key *)(uintptr_t)signer.key);
	TRY(read_old_keys(ctx, path, &others));
	struct str encoded =
		b64_encode(ctx->arena, str_from((const char *)public_key, sizeof(public_key)));
	struct str version = str_slice(signer.key_id, STR("ed25519:").n, signer.key_id.n);
	TRY(file_write_atomic(ctx, path,
		str_printf(ctx->arena, "ed25519 %.*s %.*s %lld\n%.*s", STR_ARG(version), STR_ARG(encoded),
			(long long)now_ms, STR_ARG(others)),
		0644));
	return make_key(ctx, path_in(ctx, folder, "signing.key"), rng, &unused);
}
