/*
 * libpq gives no code for what a server says while a connection is made. But it writes it instead of the text if it is asked to, in any language:
 * "connection to server at …, port … failed: FATAL:  28P01". Asked, it has to be before a try; so a second one tells what the first met.
 */
#include "storage/reach.h"

#include "storage/pg.h"

/* The code at the end of a line; empty: it has none. */
static struct str code_of(struct str line)
{
	enum { CODE_BYTES = 5 };
	size_t colon = str_find_last_byte(line, ':');
	struct str code = colon == SIZE_MAX ? STR("") : str_trim(str_slice(line, colon + 1, line.n));
	return code.n == CODE_BYTES ? code : STR("");
}

/* SQLSTATE: authorisation, no such database, no right to connect to it. */
static bool is_refusal(struct str code)
{
	return str_starts_with(code, STR("28")) || str_equals(code, STR("3D000")) ||
		str_equals(code, STR("42501"));
}

static bool may_come(PGconn *conn)
{
	struct str text = str_of(PQerrorMessage(conn));
	/* Whoever finds fault with the connection string has not got as far as a server. */
	bool has_looked = str_contains(text, STR("connection to server")) ||
		str_contains(text, STR("translate host name"));
	bool is_refused = !has_looked || PQconnectionNeedsPassword(conn) != 0;
	while (text.n > 0 && !is_refused) {
		struct str line;
		(void)str_split(text, '\n', &line, &text);
		is_refused = is_refusal(code_of(line));
	}
	return !is_refused;
}

bool store_may_come(struct ctx *ctx, struct str url)
{
	PGconn *conn = pg_connect(ctx, url, (struct pg_server){0});
	if (PQstatus(conn) != CONNECTION_OK) {
		(void)PQsetErrorVerbosity(conn, PQERRORS_SQLSTATE);
		PQreset(conn);
	}
	bool result = PQstatus(conn) == CONNECTION_OK || may_come(conn);
	PQfinish(conn);
	return result;
}
