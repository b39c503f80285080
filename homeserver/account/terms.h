/**
 * Policies that people accept when they register: terms of use, privacy. They come from the configuration, one item for
 * each policy and language:
 *
 *     ID VERSION LANGUAGE SOURCE NAME…
 *     terms 1.2 zh-Hant https://school.example/terms 使用條款
 *     terms 1.2 en /etc/belfry/terms.en.txt Terms of use
 *
 * A source is a URL, or the path of a text file that this server shows itself.
 * Spec: client-server API, "Terms of service at registration"
 */
#ifndef BELFRY_HOMESERVER_ACCOUNT_TERMS_H
#define BELFRY_HOMESERVER_ACCOUNT_TERMS_H

#include "base/json_out.h"
#include "homeserver/web_page.h"
#include "homeserver/settings.h"
#include "storage/terms.h"

enum { TERMS_FILE_MAX_BYTES = 128 * 1024 };

/** Path of the pages of policies that lie in a file; id and language follow. */
#define TERMS_PATH "/_matrix/client/belfry/terms"

struct policy {
	struct str id;
	struct str version;
	struct str language;
	struct str source;
	struct str name;
};

/** Reads one item. @return false when it is not of that form */
MUST_CHECK bool policy_parse(struct str text, struct policy *out);
/** Beginning of a day like "2026-09-01", UTC, in milliseconds; -1: no such day. */
int64_t terms_day_ms(struct str text);
/** Whether the source is a file of this machine. */
bool policy_is_file(const struct policy *policy);

/** The policies as they are now, "ID=VERSION …", each once; in the arena. */
struct str terms_current(struct arena *arena, const struct settings *settings);
/** Such a text as a list; views it. */
struct terms_versions terms_parse(struct arena *arena, struct str text);

/** Whether there are any. */
bool terms_are_on(const struct settings *settings);
/** The member "m.login.terms" of the params. */
void terms_write_params(struct json_out *out, struct arena *arena, const struct settings *settings);
/** A link to each policy, for a page. */
void terms_write_links(struct web_page *page, const struct settings *settings);

/**
 * Text of a policy that lies in a file.
 * Errors: MISSING M_NOT_FOUND; STORE     Reads the file each time.
 */
MUST_CHECK enum err terms_text(struct ctx *ctx, const struct settings *settings, struct str id,
	struct str language, struct str *out_name, struct str *out_text);

#endif
