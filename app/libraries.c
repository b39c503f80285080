/*
 * The child loads all of them and ends, so that the server carries none, and waits for none: its database takes longer.
 */
#include "app/libraries.h"

#include <sys/resource.h>
#include <unistd.h>

#include "app/postgres/pg_child.h"
#include "gen/late_icu_i18n.h"
#include "gen/late_icu_uc.h"
#include "gen/late_olm.h"
#include "gen/late_stemmer.h"
#include "gen/late_xml.h"

static _Noreturn void load_all(void)
{
	const struct rlimit nothing = {0};
	(void)setrlimit(RLIMIT_CORE, &nothing);
	(void)late_icu_uc(); /* first what others need, so that the right one is named */
	(void)late_icu_i18n();
	(void)late_olm();
	(void)late_stemmer();
	(void)late_xml();
	_exit(0);
}

pid_t libraries_begin(void)
{
	pid_t child = fork();
	if (child == 0) {
		load_all();
	}
	return child;
}

enum err libraries_end(struct ctx *ctx, pid_t child)
{
	/* Where there is no room for a child, nothing was seen. */
	return child < 0 || pg_child_wait(child)
		? ERR_OK
		: fail(ctx, ERR_INTERNAL, NULL,
			  "A library is missing that the server was built with; the log names it");
}
