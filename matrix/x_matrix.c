/*
 * X-Matrix. The parser is a cursor over the header: scheme, then name=value pairs. Values without quotes
 * may hold more than a token, because older servers put colons and base64 there.
 */
#include "matrix/x_matrix.h"

#include "base/b64.h"
#include "matrix/canonical.h"

/* --- reading ----------------------------------------------------------------------------------- */

struct cursor {
	struct arena *arena;
	struct str text;
	size_t at;
};

/* No control bytes but tabs: RFC 9110 has none in a header, quoted or not. */
static bool is_text(struct str header)
{
	for (size_t i = 0; i < header.n; i++) {
		unsigned char c = (unsigned char)header.p[i];
		if ((c < 0x20 && c != '\t') || c == 0x7F) {
			return false;
		}
	}
	return true;
}

/* The byte at the cursor; NUL at the end (is_text() has seen that there is none inside). */
static char peek(const struct cursor *c)
{
	return c->at < c->text.n ? c->text.p[c->at] : '\0';
}

static bool skip_byte(struct cursor *c, char byte)
{
	if (peek(c) != byte) {
		return false;
	}
	c->at++;
	return true;
}

static size_t skip_space(struct cursor *c)
{
	size_t begin = c->at;
	while (peek(c) == ' ' || peek(c) == '\t') {
		c->at++;
	}
	return c->at - begin;
}

/* RFC 9110, "token". */
static bool is_token_byte(char c)
{
	static const struct str marks = STR_INIT("!#$%&'*+-.^_`|~");
	return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') ||
		str_find_byte(marks, c) != SIZE_MAX;
}

static bool is_bare_byte(char c)
{
	static const struct str more = STR_INIT(":/=[]");
	return is_token_byte(c) || str_find_byte(more, c) != SIZE_MAX;
}

static struct str take_while(struct cursor *c, bool (*accepts)(char c))
{
	size_t begin = c->at;
	while (c->at < c->text.n && accepts(c->text.p[c->at])) {
		c->at++;
	}
	return str_slice(c->text, begin, c->at);
}

/* The cursor stands behind the opening quote. */
static bool read_quoted(struct cursor *c, struct str *out)
{
	char *value = arena_alloc(c->arena, c->text.n - c->at + 1);
	size_t n = 0;
	while (c->at < c->text.n) {
		char byte = c->text.p[c->at++];
		if (byte == '"') {
			*out = str_from(value, n);
			return true;
		}
		if (byte == '\\') {
			if (c->at == c->text.n) {
				return false;
			}
			byte = c->text.p[c->at++];
		}
		value[n++] = byte;
	}
	return false;
}

static bool read_parameter(struct cursor *c, struct str *name, struct str *value)
{
	*name = take_while(c, is_token_byte);
	(void)skip_space(c);
	if (name->n == 0 || !skip_byte(c, '=')) {
		return false;
	}
	(void)skip_space(c);
	if (skip_byte(c, '"')) {
		return read_quoted(c, value);
	}
	*value = take_while(c, is_bare_byte);
	return value->n > 0;
}

/* The four parameters that matter, as text. */
struct parameters {
	struct str origin;
	struct str destination;
	struct str key;
	struct str sig;
};

/* @return false when it was set before */
static bool set_parameter(struct parameters *parameters, struct str name, struct str value)
{
	struct str *field = str_equals_nocase(name, STR("origin")) ? &parameters->origin
		: str_equals_nocase(name, STR("destination"))          ? &parameters->destination
		: str_equals_nocase(name, STR("key"))                  ? &parameters->key
		: str_equals_nocase(name, STR("sig"))                  ? &parameters->sig
															   : NULL;
	if (field == NULL) {
		return true;
	}
	if (field->p != NULL) {
		return false;
	}
	*field = value;
	return true;
}

static bool read_parameters(struct cursor *c, struct parameters *out)
{
	for (;;) {
		(void)skip_space(c);
		if (skip_byte(c, ',')) {
			continue; /* RFC 9110 lets lists have empty elements */
		}
		if (c->at == c->text.n) {
			return true;
		}
		struct str name;
		struct str value;
		if (!read_parameter(c, &name, &value) || !set_parameter(out, name, value)) {
			return false;
		}
		(void)skip_space(c);
		if (c->at < c->text.n && peek(c) != ',') {
			return false;
		}
	}
}

bool x_matrix_parse(struct arena *arena, struct str header, struct x_matrix *out)
{
	struct cursor c = {.arena = arena, .text = header};
	struct str scheme = take_while(&c, is_token_byte);
	struct parameters parameters = {0};
	struct server_name origin;
	struct str algorithm;
	struct str version;
	if (!is_text(header) || !str_equals_nocase(scheme, STR("X-Matrix")) || skip_space(&c) == 0 ||
		!read_parameters(&c, &parameters) || !server_name_parse(parameters.origin, &origin) ||
		!key_id_parse(parameters.key, &algorithm, &version) || parameters.sig.n == 0) {
		return false;
	}
	*out = (struct x_matrix){
		.origin = origin,
		.destination = parameters.destination,
		.key_id = parameters.key,
		.signature = parameters.sig,
	};
	return true;
}

bool x_matrix_is_for(const struct x_matrix *header, struct server_name own)
{
	return header->destination.p == NULL || str_equals(header->destination, own.s);
}

/* --- signing ----------------------------------------------------------------------------------- */

struct str x_matrix_signed_text(struct arena *arena, const struct x_matrix_request *request)
{
	struct json object = json_object(arena, 5);
	if (request->content != NULL) {
		object = json_with(arena, &object, STR("content"), *request->content);
	}
	object = json_with(arena, &object, STR("destination"), json_string(request->destination.s));
	object = json_with(arena, &object, STR("method"), json_string(request->method));
	object = json_with(arena, &object, STR("origin"), json_string(request->origin.s));
	object = json_with(arena, &object, STR("uri"), json_string(request->uri));
	return canonical_text(arena, &object);
}

bool x_matrix_verify(struct arena *arena, const struct x_matrix *header,
	const struct x_matrix_request *request, struct str public_key)
{
	struct str signature;
	return str_starts_with(header->key_id, STR("ed25519:")) &&
		server_name_equals(header->origin, request->origin) &&
		b64_decode(arena, header->signature, &signature) &&
		ed25519_verify(public_key, x_matrix_signed_text(arena, request), signature);
}

struct str x_matrix_sign(struct arena *arena, const struct x_matrix_request *request,
	const struct event_signer *signer)
{
	unsigned char signature[ED25519_SIGNATURE_BYTES];
	ed25519_sign(signer->key, x_matrix_signed_text(arena, request), signature);
	struct str encoded = b64_encode(arena, str_from((const char *)signature, sizeof(signature)));
	return str_printf(arena,
		"X-Matrix origin=\"%.*s\",destination=\"%.*s\",key=\"%.*s\",sig=\"%.*s\"",
		STR_ARG(request->origin.s), STR_ARG(request->destination.s), STR_ARG(signer->key_id),
		STR_ARG(encoded));
}
