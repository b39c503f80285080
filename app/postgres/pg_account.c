/*
 * Accounts for the private cluster. A folder that is there decides: whoever made it goes on with it, also
 * when the server is started by root this time.
 */
#include "app/postgres/pg_account.h"

#include <grp.h>
#include <pwd.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

static bool find_named(const char *name, struct pg_account *out)
{
	struct passwd entry;
	struct passwd *found = NULL;
	char text[4096];
	if (getpwnam_r(name, &entry, text, sizeof(text), &found) != 0 || found == NULL ||
		found->pw_uid == 0) {
		return false;
	}
	*out = (struct pg_account){.uid = found->pw_uid, .gid = found->pw_gid, .is_other = true};
	return true;
}

enum err pg_account_find(struct ctx *ctx, const char *folder, struct pg_account *out)
{
	struct stat status;
	bool is_there = stat(folder, &status) == 0;
	if (geteuid() != 0) {
		if (is_there && status.st_uid != geteuid()) {
			return fail(ctx, ERR_DENIED, NULL,
				"%s belongs to another account (uid %u): start the server as that one, or as root",
				folder, (unsigned)status.st_uid);
		}
		*out = (struct pg_account){.uid = geteuid(), .gid = getegid()};
		return ERR_OK;
	}
	if (is_there && status.st_uid != 0) {
		*out = (struct pg_account){.uid = status.st_uid, .gid = status.st_gid, .is_other = true};
		return ERR_OK;
	}
	if (find_named("belfry", out) || find_named("postgres", out)) {
		return ERR_OK;
	}
	return fail(ctx, ERR_MISSING, NULL,
		"started as root, the server needs an account for its database: useradd --system belfry");
}

bool pg_account_become(const struct pg_account *account)
{
	return !account->is_other ||
		(setgroups(0, NULL) == 0 && setresgid(account->gid, account->gid, account->gid) == 0 &&
			setresuid(account->uid, account->uid, account->uid) == 0);
}

bool pg_account_can_enter(const struct pg_account *account, const char *folder)
{
	if (!account->is_other) {
		return true;
	}
	pid_t child = fork();
	if (child == 0) {
		_exit(pg_account_become(account) && access(folder, R_OK | X_OK) == 0 ? 0 : 1);
	}
	int status = 1;
	return child > 0 && waitpid(child, &status, 0) == child && status == 0;
}
