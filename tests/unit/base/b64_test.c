/*
 * Base64: the specification's vectors, both alphabets, padding, and what is refused.
 */
#include "check.h"

#include "base/b64.h"
#include "base/ctx.h"
#include "base/file.h"
#include "base/json.h"

static void encode__published_vectors__equal(void **state)
{
	(void)state;
	struct arena *arena CLEANUP(arena_cleanup) = arena_create();
	const char *folder = getenv("BELFRY_SPEC_VECTORS");
	if (folder == NULL) {
		skip();
	}
	struct ctx ctx;
	ctx_init(&ctx, arena);
	struct str text;
	struct json root;
	assert_int_equal(
		file_read(&ctx, arena_printf(arena, "%s/unpadded_base64.json", folder), 1 << 20, &text),
		ERR_OK);
	assert_int_equal(json_parse(arena, text, NULL, &root, NULL), JSON_OK);
	const struct json *cases = json_at(&root, "cases");
	assert_true(json_is(cases, JSON_ARRAY));
	assert_true(cases->count > 0);
	for (size_t i = 0; i < cases->count; i++) {
		struct str bytes = json_get_str(&cases->items[i], STR("bytes_utf8"));
		struct str base64 = json_get_str(&cases->items[i], STR("base64"));
		struct str decoded;
		assert_true(str_equals(b64_encode(arena, bytes), base64));
		assert_true(b64_decode(arena, base64, &decoded));
		assert_true(str_equals(decoded, bytes));
	}
}

static void encode__rfc_4648__equal_without_padding(void **state)
{
	(void)state;
	struct arena *arena CLEANUP(arena_cleanup) = arena_create();
	assert_text(b64_encode(arena, STR("")), "");
	assert_text(b64_encode(arena, STR("f")), "Zg");
	assert_text(b64_encode(arena, STR("fo")), "Zm8");
	assert_text(b64_encode(arena, STR("foo")), "Zm9v");
	assert_text(b64_encode(arena, STR("foob")), "Zm9vYg");
	assert_text(b64_encode(arena, STR("fooba")), "Zm9vYmE");
	assert_text(b64_encode(arena, STR("foobar")), "Zm9vYmFy");
}

static void encode__last_letters__differ_by_alphabet(void **state)
{
	(void)state;
	struct arena *arena CLEANUP(arena_cleanup) = arena_create();
	assert_text(b64_encode(arena, STR("\xfb\xff\xbf")), "+/+/");
	assert_text(b64_encode_url(arena, STR("\xfb\xff\xbf")), "-_-_");
}

static void decode__either_alphabet_and_padding__accepted(void **state)
{
	(void)state;
	struct arena *arena CLEANUP(arena_cleanup) = arena_create();
	static const char *const texts[] = {"+/+/", "-_-_", "+_-/"};
	for (size_t i = 0; i < COUNT_OF(texts); i++) {
		struct str out;
		assert_true(b64_decode(arena, str_of(texts[i]), &out));
		assert_text(out, "\xfb\xff\xbf");
	}
	struct str out;
	assert_true(b64_decode(arena, STR("Zg=="), &out));
	assert_text(out, "f");
	assert_true(b64_decode(arena, STR("Zm8="), &out));
	assert_text(out, "fo");
}

static void decode__every_character__its_bits_in_either_alphabet_or_refused(void **state)
{
	(void)state;
	struct arena *arena CLEANUP(arena_cleanup) = arena_create();
	struct str first = STR("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/");
	struct str second = STR("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_");
	for (int c = 0; c < 256; c++) {
		size_t bits = MIN_OF(str_find_byte(first, (char)c), str_find_byte(second, (char)c));
		for (unsigned at = 0; at < 7 && c != '='; at++) {
			char text[] = {'A', 'A', 'A', 'A', 'A', 'A', 'A'};
			struct str bytes;
			text[at] = (char)c;
			assert_int_equal(b64_decode(arena, str_from(text, 7), &bytes), bits != SIZE_MAX);
			if (bits != SIZE_MAX) {
				uint64_t all = 0;
				assert_int_equal(bytes.n, 5);
				for (size_t i = 0; i < bytes.n; i++) {
					all = (all << 8) | (unsigned char)bytes.p[i];
				}
				assert_int_equal(all, ((uint64_t)bits << (6 * (6 - at))) >> 2);
			}
		}
	}
}

static void decode__wrong_texts__refused_and_out_untouched(void **state)
{
	(void)state;
	struct arena *arena CLEANUP(arena_cleanup) = arena_create();
	static const struct str texts[] = {STR_INIT("Z"), STR_INIT("Zm9vY"), STR_INIT("Zg="),
		STR_INIT("Zm8=="), STR_INIT("Zg==="), STR_INIT("===="), STR_INIT("="), STR_INIT("=="),
		STR_INIT("Z=g="), STR_INIT("Zm 9"), STR_INIT("Zm9v\n"), STR_INIT("Zm9\0"),
		STR_INIT("Zm\xc3\xa4"), STR_INIT("Zm9v====")};
	for (size_t i = 0; i < COUNT_OF(texts); i++) {
		struct str out = STR("untouched");
		assert_false(b64_decode(arena, texts[i], &out));
		assert_text(out, "untouched");
	}
}

static void decode__stray_bits__ignored_as_others_do(void **state)
{
	(void)state;
	struct arena *arena CLEANUP(arena_cleanup) = arena_create();
	struct str out;
	assert_true(b64_decode(arena, STR("Zh"), &out));
	assert_text(out, "f");
}

static void decode_exact__what_encode_makes_of_so_many_bytes__and_nothing_else(void **state)
{
	(void)state;
	struct arena *arena CLEANUP(arena_cleanup) = arena_create();
	uint64_t seed = 3;
	const char characters[] = "+/-_=AQgwhBZ09 ";
	for (size_t n = 0; n < 70; n++) {
		char bytes[70];
		char found[70];
		for (size_t i = 0; i < n; i++) {
			bytes[i] = (char)next_random(&seed);
		}
		struct str text = b64_encode(arena, str_from(bytes, n));
		assert_true(b64_decode_exact(text, found, n));
		assert_memory_equal(found, bytes, n);
		assert_false(b64_decode_exact(text, found, n + 1));
		for (size_t i = 0; i < text.n * sizeof(characters); i++) {
			char *other = arena_dup(arena, text.p, text.n);
			other[i % text.n] = characters[i / text.n];
			bool is_exact = b64_decode_exact(str_from(other, text.n), found, n);
			assert_true(!is_exact ||
				str_equals(b64_encode(arena, str_from(found, n)), str_from(other, text.n)));
			struct str lenient;
			assert_true(is_exact || !b64_decode(arena, str_from(other, text.n), &lenient) ||
				lenient.n != n || !str_equals(b64_encode(arena, lenient), str_from(other, text.n)));
		}
	}
}

static void round_trip__all_lengths_and_bytes__identity(void **state)
{
	(void)state;
	struct arena *arena CLEANUP(arena_cleanup) = arena_create();
	uint64_t seed = 1;
	for (size_t n = 0; n < 300; n++) {
		char *bytes = arena_alloc(arena, n + 1);
		for (size_t i = 0; i < n; i++) {
			bytes[i] = (char)next_random(&seed);
		}
		struct str whole = str_from(bytes, n);
		struct str out;
		assert_true(b64_decode(arena, b64_encode(arena, whole), &out));
		assert_true(str_equals(out, whole));
		assert_true(b64_decode(arena, b64_encode_url(arena, whole), &out));
		assert_true(str_equals(out, whole));
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(encode__published_vectors__equal),
		cmocka_unit_test(encode__rfc_4648__equal_without_padding),
		cmocka_unit_test(encode__last_letters__differ_by_alphabet),
		cmocka_unit_test(decode__either_alphabet_and_padding__accepted),
		cmocka_unit_test(decode__every_character__its_bits_in_either_alphabet_or_refused),
		cmocka_unit_test(decode__wrong_texts__refused_and_out_untouched),
		cmocka_unit_test(decode__stray_bits__ignored_as_others_do),
		cmocka_unit_test(decode_exact__what_encode_makes_of_so_many_bytes__and_nothing_else),
		cmocka_unit_test(round_trip__all_lengths_and_bytes__identity),
	};
	return RUN_ALL(tests);
}
