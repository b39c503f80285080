/*
 * Authorization headers: what is accepted has all that is required, and is accepted when written anew.
 */
#include "base/arena.h"
#include "matrix/x_matrix.h"

static struct str quoted(struct arena *arena, struct str value)
{
	char *text = arena_alloc(arena, value.n * 2 + 2);
	size_t n = 0;
	text[n++] = '"';
	for (size_t i = 0; i < value.n; i++) {
		text[n++] = '\\';
		text[n++] = value.p[i];
	}
	text[n++] = '"';
	return str_from(text, n);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct arena *arena CLEANUP(arena_cleanup) = arena_create();
	struct x_matrix header;
	if (!x_matrix_parse(arena, str_from((const char *)data, size), &header)) {
		return 0;
	}
	struct server_name origin;
	invariant(server_name_parse(header.origin.s, &origin));
	invariant(header.key_id.n > 0 && header.signature.n > 0);
	struct str destination = quoted(arena, header.destination);
	struct str signature = quoted(arena, header.signature);
	struct str text = str_printf(arena, "x-matrix sig=%.*s,key=%.*s,origin=%.*s,destination=%.*s",
		STR_ARG(signature), STR_ARG(header.key_id), STR_ARG(header.origin.s), STR_ARG(destination));
	struct x_matrix again;
	invariant(x_matrix_parse(arena, text, &again));
	invariant(str_equals(again.origin.s, header.origin.s));
	invariant(str_equals(again.key_id, header.key_id));
	invariant(str_equals(again.signature, header.signature));
	invariant(str_equals(again.destination, header.destination));
	struct x_matrix_request request = {.method = STR("GET"),
		.uri = STR("/"),
		.origin = header.origin,
		.destination = {STR("b.example")}};
	bool verified =
		x_matrix_verify(arena, &header, &request, STR("12345678901234567890123456789012"));
	invariant(!verified);
	return 0;
}
