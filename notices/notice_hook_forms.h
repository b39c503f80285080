/**
 * What other programs send to webhooks in forms that are common, as Markdown. Pure: all that they say is theirs, so it is text and
 * nothing else, but for the marks that their form has.
 */
#ifndef BELFRY_NOTICES_NOTICE_HOOK_FORMS_H
#define BELFRY_NOTICES_NOTICE_HOOK_FORMS_H

#include "base/buf.h"
#include "base/ctx.h"
#include "base/json.h"

enum {
	HOOK_TEXT_MAX_BYTES = 256 * 1024, /**< of Markdown; a notice takes less */
	HOOK_COMMITS_MAX = 10,            /**< of a push that are named */
	HOOK_LINE_MAX_BYTES = 200,        /**< of a title, or of a commit's first line */
};

/**
 * An incoming webhook of Slack: `text`, else `blocks`; then `attachments`. What is there for looks, channels and names is left alone.
 * Spec: docs.slack.dev, "Formatting message text", "Blocks", "Secondary message attachments"
 *
 * @param out  Markdown in the ctx's arena
 * Errors: INPUT M_MISSING_PARAM (nothing to say); INPUT M_TOO_LARGE
 */
MUST_CHECK enum err hook_form_slack(struct ctx *ctx, const struct json *payload, struct str *out);

/**
 * An event of GitHub: pushes, issues, pull requests and what is said about them, releases, workflow runs that ended, ping. In words that
 * are GitHub's own, so they are the same in all languages.
 * Spec: docs.github.com, "Webhook events and payloads"
 *
 * @param event  of the X-GitHub-Event header
 * @param out    Markdown in the ctx's arena; empty: nothing that a room wants to hear of
 */
void hook_form_github(struct ctx *ctx, struct str event, const struct json *payload,
	struct str *out);

/** Appends a text so that it is shown as it is. */
void hook_add_plain(struct buf *out, struct str text);
/** Appends a link, or its label alone where the address leads to neither http nor https. Both are plain texts. */
void hook_add_link(struct buf *out, struct str label, struct str address);

#endif
