/*
 * Tokens are plain numbers: what they may show is decided where it is shown.
 */
#include "homeserver/timeline/token.h"

#include "homeserver/room/rooms.h"
#include "storage/stream.h"

enum { TOKEN_MAX_BYTES = 96 }; /* four numbers of at most 19 digits, and what stands between */

/* "-0" would be zero too, but no token is written so. */
static bool read_number(struct str text, int64_t *out)
{
	return text.n > 0 && text.p[0] != '-' && str_to_int(text, 0, INT64_MAX - 1, out);
}

/* In history positions are negative. */
static bool read_position(struct str text, bool is_history, int64_t *out)
{
	if (!is_history) {
		return read_number(text, out);
	}
	if (!read_number(text, out) || *out == 0 || *out > -ROOM_OUTLIERS) {
		return false;
	}
	*out = -*out;
	return true;
}

bool token_parse(struct str text, struct token *out)
{
	struct str position;
	struct str ephemeral;
	struct str messages;
	struct str connection;
	struct token token = {0};
	if (str_split(text, '~', &text, &connection) &&
		(!read_number(connection, &token.connection) || token.connection == 0)) {
		return false;
	}
	if (text.n < 2 || (text.p[0] != 's' && text.p[0] != 'h') ||
		!str_split(str_slice(text, 1, text.n), '_', &position, &ephemeral)) {
		return false;
	}
	bool has_messages = str_split(ephemeral, '_', &ephemeral, &messages);
	if (!read_position(position, text.p[0] == 'h', &token.position) ||
		!read_number(ephemeral, &token.ephemeral) ||
		(has_messages &&
			(!read_number(messages, &token.messages) || token.messages == 0 ||
				token.messages >= token.position))) {
		return false;
	}
	*out = token;
	return true;
}

/* Writes a number that ends before `end`. @return where it begins */
static char *write_before(char *end, int64_t number)
{
	do {
		*--end = (char)('0' + number % 10);
		number /= 10;
	} while (number > 0);
	return end;
}

/* From its end to its beginning; each sync writes two of them, so without printf. */
struct str token_text(struct arena *arena, struct token token)
{
	char text[TOKEN_MAX_BYTES];
	char *end = text + sizeof(text);
	char *at = end;
	bool is_history = token.position < 0;
	if (token.connection != 0) {
		at = write_before(at, token.connection);
		*--at = '~';
	}
	if (token.messages != 0) {
		at = write_before(at, token.messages);
		*--at = '_';
	}
	at = write_before(at, token.ephemeral);
	*--at = '_';
	at = write_before(at, is_history ? -token.position : token.position);
	*--at = is_history ? 'h' : 's';
	return str_dup(arena, str_from(at, (size_t)(end - at)));
}

static enum err refuse(struct ctx *ctx)
{
	return fail(ctx, ERR_INPUT, M_INVALID_PARAM, "Not a token of this server");
}

/* Whether the position was given out; another process may have, of which this one has not heard yet. */
static enum err is_past(struct ctx *ctx, const struct homeserver *hs, int64_t position, bool *out)
{
	int64_t newest = writer_position(hs->writer);
	if (position > newest) {
		TRY(ctx_may_wait(ctx));
		TRY(store_stream_position(ctx, hs->db, &newest));
		TRY(position <= newest ? writer_await(ctx, hs->writer, position) : ERR_OK);
	}
	*out = position <= newest;
	return ERR_OK;
}

enum err token_read(struct ctx *ctx, const struct homeserver *hs, struct str text,
	struct token *out)
{
	struct token token;
	bool is_known = token_parse(text, &token);
	if (is_known) {
		TRY(is_past(ctx, hs, token.position, &is_known));
	}
	if (!is_known) {
		return refuse(ctx);
	}
	*out = token;
	return ERR_OK;
}

enum err token_query(struct call *call, const char *name, bool *out_has, struct token *out)
{
	struct str text = call_query(call, name);
	*out_has = text.p != NULL;
	return *out_has ? token_read(&call->ctx, hs_of(call), text, out) : ERR_OK;
}

enum err token_read_since(struct ctx *ctx, const struct homeserver *hs, struct str text,
	struct token *out)
{
	struct token token;
	bool is_known;
	if (!token_parse(text, &token)) {
		return refuse(ctx);
	}
	TRY(is_past(ctx, hs, token.position, &is_known));
	*out = is_known ? token : (struct token){0};
	return ERR_OK;
}
