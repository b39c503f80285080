/*
 * Proofs of addresses. The token in the mail confirms, the client's secret uses the confirmation: whoever intercepts one of
 * the two has nothing. A link is followed by many programs that are not its reader, so following it changes nothing; the
 * button on its page does.
 */
#include "homeserver/account/email/email_proof.h"

#include "homeserver/account/email/email_text.h"
#include "homeserver/account/grant.h"
#include "homeserver/web_page.h"
#include "http/client_mail.h"
#include "storage/threepid.h"

#include <inttypes.h>

enum { SID_CHARS = 24, TOKEN_CHARS = 32, SECRET_MAX_BYTES = 255, HOUR_MS = 3600 * 1000 };

/* It stands in an answer's headers, for which there is no more room than 64 KiB. */
enum { NEXT_LINK_MAX_BYTES = 2000 };

bool email_is_on(const struct homeserver *hs)
{
	return hs->settings.public_base_url.n > 0 && mail_is_on(hs->http_client);
}

/* --- what is asked --------------------------------------------------------------------------------------- */

/* Whether a client's secret, or a session id, has the grammar: 1 to 255 of 0-9 a-z A-Z . = _ - */
static bool is_secret(struct str text)
{
	bool is_good = text.n > 0 && text.n <= SECRET_MAX_BYTES;
	for (size_t i = 0; i < text.n; i++) {
		char c = text.p[i];
		bool is_letter = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
		bool is_digit = c >= '0' && c <= '9';
		is_good =
			is_good && (is_letter || is_digit || c == '.' || c == '=' || c == '_' || c == '-');
	}
	return is_good;
}

bool email_next_link_is_allowed(struct conf_list allowed, struct str url)
{
	bool is_web = str_starts_with(url, STR("https://")) || str_starts_with(url, STR("http://"));
	if (!is_web || url.n > NEXT_LINK_MAX_BYTES || !web_page_url_is_safe(url)) {
		return false;
	}
	for (size_t i = 0; i < allowed.n; i++) {
		if (web_page_url_is_below(url, allowed.items[i])) {
			return true;
		}
	}
	return false;
}

static enum err check_ask(struct ctx *ctx, const struct homeserver *hs, const struct email_ask *ask)
{
	if (!email_is_on(hs)) {
		return fail(ctx, ERR_INPUT, M_THREEPID_MEDIUM_NOT_SUPPORTED,
			"This server confirms no e-mail addresses");
	}
	if (!is_secret(ask->client_secret)) {
		return fail(ctx, ERR_INPUT, M_INVALID_PARAM,
			"'client_secret' must have 1 to 255 characters of 0-9 a-z A-Z . = _ -");
	}
	if (!mail_address_is_valid(ask->address)) {
		return fail(ctx, ERR_INPUT, M_INVALID_PARAM, "This is no e-mail address");
	}
	if (ask->next_link.n > 0 &&
		!email_next_link_is_allowed(hs->settings.account.email_next_links, ask->next_link)) {
		return fail(ctx, ERR_INPUT, M_INVALID_PARAM,
			"'next_link' leads where this server does not");
	}
	return ERR_OK;
}

/* --- the mail --------------------------------------------------------------------------------------------- */

/* What the mail has to say: an address that has an account is no use for a new one, and the other way round. */
static enum err find_kind(struct ctx *ctx, struct homeserver *hs, const struct email_ask *ask,
	struct str address, enum email_kind *out)
{
	struct threepid_row row;
	enum err err = store_threepid_find(ctx, hs->db, STR("email"), address, &row);
	if (err != ERR_OK && err != ERR_MISSING) {
		return err;
	}
	bool is_known = err == ERR_OK;
	*out = ask->page != NULL ? EMAIL_KIND_PAGE : EMAIL_KIND_LINK;
	if (ask->purpose == EMAIL_PASSWORD && !is_known) {
		*out = EMAIL_KIND_UNKNOWN;
	} else if (ask->purpose != EMAIL_PASSWORD && is_known) {
		*out = EMAIL_KIND_IN_USE;
	}
	return ERR_OK;
}

static enum err check_limit(struct ctx *ctx, struct homeserver *hs, struct str address)
{
	int64_t count;
	int64_t now_ms = clock_wall_ms(&hs->clock);
	TRY(store_email_validation_mails(ctx, hs->db, address, now_ms - HOUR_MS, &count));
	if (count < EMAIL_MAILS_PER_HOUR) {
		return ERR_OK;
	}
	enum err err =
		fail(ctx, ERR_LIMIT, M_LIMIT_EXCEEDED, "This address got many mails; wait an hour");
	ctx->fault.retry_after_ms = HOUR_MS;
	return err;
}

static enum err send_mail(struct ctx *ctx, struct homeserver *hs,
	const struct email_validation_row *row, enum email_kind kind, const char *page,
	struct str token)
{
	struct str link = {0};
	struct mail mail = {
		.to = row->address,
		.id = rng_text(&hs->rng, ctx->arena, SID_CHARS),
		.date_ms = row->now_ms,
	};
	if (!row->is_refused) {
		struct str base =
			hs_public_url(ctx->arena, hs, page != NULL ? page : EMAIL_CONFIRM_PATH "?");
		link = str_printf(ctx->arena, "%.*ssid=%.*s&token=%.*s", STR_ARG(base), STR_ARG(row->sid),
			STR_ARG(token));
	}
	email_text_write(ctx->arena, kind, row->purpose, hs->settings.server_name.s, link, &mail);
	enum err err = mail_send(ctx, hs->http_client, &mail);
	if (err == ERR_DENIED || err == ERR_INPUT) {
		return fail(ctx, ERR_DENIED, M_THREEPID_DENIED, "No mail can be sent to this address");
	}
	return err;
}

enum err email_proof_request(struct ctx *ctx, struct homeserver *hs, const struct email_ask *ask,
	struct str *out_sid)
{
	enum email_kind kind;
	bool is_to_send = false;
	TRY(check_ask(ctx, hs, ask));
	struct str token = rng_text(&hs->rng, ctx->arena, TOKEN_CHARS);
	struct email_validation_row row = {
		.sid = rng_text(&hs->rng, ctx->arena, SID_CHARS),
		.purpose = ask->purpose,
		.address = str_lower(ctx->arena, ask->address),
		.client_secret_hash = token_hash(ctx->arena, ask->client_secret),
		.token_hash = token_hash(ctx->arena, token),
		.send_attempt = ask->send_attempt,
		.next_link = ask->next_link.p != NULL ? ask->next_link : STR(""),
		.now_ms = clock_wall_ms(&hs->clock),
	};
	row.expires_at_ms = row.now_ms + hs->settings.account.email_token_lifetime_ms;
	TRY(find_kind(ctx, hs, ask, row.address, &kind));
	row.is_refused = kind == EMAIL_KIND_IN_USE || kind == EMAIL_KIND_UNKNOWN;
	TRY(check_limit(ctx, hs, row.address));
	TRY(store_email_validation_begin(ctx, hs->db, &row, &row.sid, &is_to_send));
	*out_sid = row.sid;
	if (!is_to_send) {
		return ERR_OK;
	}
	enum err err = send_mail(ctx, hs, &row, kind, ask->page, token);
	if (err != ERR_OK) { /* so that the client's next try with the same attempt sends one */
		struct ctx again = *ctx;
		(void)!store_email_validation_unsent(&again, hs->db, row.sid, row.send_attempt);
	}
	return err;
}

/* --- the proof ---------------------------------------------------------------------------------------------- */

enum err email_proof_peek(struct ctx *ctx, struct homeserver *hs, struct str sid, struct str token,
	struct email_validation_row *out)
{
	return store_email_validation_peek(ctx, hs->db, sid, token_hash(ctx->arena, token),
		clock_wall_ms(&hs->clock), out);
}

enum err email_proof_confirm(struct ctx *ctx, struct homeserver *hs, struct str sid,
	struct str token)
{
	int64_t now_ms = clock_wall_ms(&hs->clock);
	return store_email_validation_confirm(ctx, hs->db, sid, token_hash(ctx->arena, token), now_ms,
		now_ms + EMAIL_CONFIRMED_LIFETIME_MS);
}

static enum err refuse_unproven(struct ctx *ctx, enum err err)
{
	return err != ERR_MISSING
		? err
		: fail(ctx, ERR_DENIED, M_THREEPID_AUTH_FAILED,
			  "The address is not confirmed yet, or this confirmation has been used");
}

enum err email_proof_find(struct ctx *ctx, struct homeserver *hs, enum email_purpose purpose,
	const struct email_claim *claim, struct email_validation_row *out)
{
	enum err err = ERR_MISSING;
	if (is_secret(claim->sid)) {
		err = store_email_validation_find(ctx, hs->db, purpose, claim->sid,
			token_hash(ctx->arena, claim->client_secret), clock_wall_ms(&hs->clock), out);
	}
	return refuse_unproven(ctx, err);
}

enum err email_proof_use(struct ctx *ctx, struct homeserver *hs, struct tx *tx,
	enum email_purpose purpose, const struct email_claim *claim, struct email_validation_row *out)
{
	enum err err = ERR_MISSING;
	if (is_secret(claim->sid)) {
		err = store_email_validation_take(ctx, tx, purpose, claim->sid,
			token_hash(ctx->arena, claim->client_secret), clock_wall_ms(&hs->clock), out);
	}
	return refuse_unproven(ctx, err);
}

enum err email_proof_use_link(struct ctx *ctx, struct homeserver *hs, struct tx *tx,
	enum email_purpose purpose, const struct email_link *link, struct email_validation_row *out)
{
	return store_email_validation_take_link(ctx, tx, purpose, link->sid,
		token_hash(ctx->arena, link->token), clock_wall_ms(&hs->clock), out);
}

/* No client has a secret for it: the mail alone goes on. */
enum err email_proof_mail_link(struct ctx *ctx, struct homeserver *hs, enum email_purpose purpose,
	struct str address, const char *page)
{
	struct str sid;
	return email_proof_request(ctx, hs,
		&(struct email_ask){
			.purpose = purpose,
			.address = address,
			.client_secret = rng_text(&hs->rng, ctx->arena, TOKEN_CHARS),
			.send_attempt = 1,
			.page = page,
		},
		&sid);
}
