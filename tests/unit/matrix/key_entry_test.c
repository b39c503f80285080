/*
 * One-time keys as they are stored: every byte comes back, whatever the form; the ordinary one takes no more than its bytes.
 */
#include "tests/unit/base/check.h"

#include "base/b64.h"
#include "base/mem.h"
#include "matrix/key_entry.h"

#include <string.h>

enum { PAIR_BYTES = 96, HEAD_BYTES = 3, MANY = 24, MOST_TEXT = 600 };

static struct arena *arena;
static struct key_frame frame;

static int set_up(void **state)
{
	(void)state;
	arena = arena_create();
	frame = key_frame_of(arena, STR("@ann:hs"), STR("PHONE"));
	return 0;
}

static int tear_down(void **state)
{
	(void)state;
	arena_destroy(arena);
	return 0;
}

static struct str random_bytes(uint64_t *seed, size_t n)
{
	char *bytes = arena_alloc(arena, n + 1);
	for (size_t i = 0; i < n; i++) {
		bytes[i] = (char)next_random(seed);
	}
	return str_from(bytes, n);
}

static struct str signed_key(struct str key, struct str signature)
{
	return str_printf(arena,
		"{\"key\":\"%.*s\",\"signatures\":{\"@ann:hs\":{\"ed25519:PHONE\":\"%.*s\"}}}",
		STR_ARG(key), STR_ARG(signature));
}

/* One alone, there and back. @return what it takes without its id */
static size_t assert_comes_back(struct str text)
{
	struct key_entry found;
	struct key_entry entry = key_entry_of(arena, &frame, STR("AAAAAQ"), text);
	struct str entries = key_entries_write(arena, &entry, 1);
	assert_int_equal(entries.n, key_entry_bytes(&entry));
	assert_true(key_entries_read(entries, 1, 0, &found));
	assert_text(found.id, "AAAAAQ");
	const struct key_entry as_text = {.id = found.id, .content = text, .is_text = true};
	const struct key_entry other = {.id = found.id, .content = STR("\"other\""), .is_text = true};
	assert_true(key_entry_has_same_text(arena, &frame, &found, &entry));
	assert_true(key_entry_has_same_text(arena, &frame, &found, &as_text));
	assert_false(key_entry_has_same_text(arena, &frame, &found, &other));
	assert_true(str_equals(key_entry_text(arena, &frame, &found), text));
	return entries.n - 6;
}

static void entry__ordinary_key__its_bytes_alone(void **state)
{
	(void)state;
	uint64_t seed = 5;
	for (int i = 0; i < 200; i++) {
		struct str key = b64_encode(arena, random_bytes(&seed, 32));
		struct str signature = b64_encode(arena, random_bytes(&seed, 64));
		assert_int_equal(assert_comes_back(signed_key(key, signature)), HEAD_BYTES + PAIR_BYTES);
	}
}

static void entry__of_names_that_have_to_be_escaped__its_bytes_alone(void **state)
{
	(void)state;
	uint64_t seed = 4;
	frame = key_frame_of(arena, STR("@a\"n\x01:hs"), STR("PH\\ONE"));
	struct str key = b64_encode(arena, random_bytes(&seed, 32));
	struct str signature = b64_encode(arena, random_bytes(&seed, 64));
	struct str text = key_frame_text(arena, &frame, key, signature);
	assert_true(str_starts_with(text,
		str_printf(arena,
			"{\"key\":\"%.*s\",\"signatures\":{\"@a\\\"n\\u0001:hs\":{\"ed25519:PH\\\\ONE\":\"",
			STR_ARG(key))));
	assert_int_equal(assert_comes_back(text), HEAD_BYTES + PAIR_BYTES);
}

/* One character of an ordinary key is another one: it is found again, be it Base64 of the same bytes or not. */
static void entry__any_character_changed__comes_back(void **state)
{
	(void)state;
	uint64_t seed = 6;
	const char others[] = "-_+/=AQgwhB\" }\\0\x01\xc3";
	struct str ordinary = signed_key(b64_encode(arena, random_bytes(&seed, 32)),
		b64_encode(arena, random_bytes(&seed, 64)));
	for (size_t at = 0; at < ordinary.n; at++) {
		for (size_t i = 0; i < sizeof(others); i++) {
			char *text = arena_dup(arena, ordinary.p, ordinary.n);
			text[at] = others[i];
			(void)assert_comes_back(str_from(text, ordinary.n));
		}
		(void)assert_comes_back(str_slice(ordinary, 0, at + 1));
		(void)assert_comes_back(str_slice(ordinary, at, ordinary.n));
	}
}

static void entry__other_forms__come_back(void **state)
{
	(void)state;
	uint64_t seed = 7;
	struct str key = b64_encode(arena, random_bytes(&seed, 32));
	struct str signature = b64_encode(arena, random_bytes(&seed, 64));
	const struct str texts[] = {
		STR("\"text\""),
		STR("{}"),
		STR("0"),
		str_printf(arena, "{\"fallback\":true,\"key\":\"%.*s\"}", STR_ARG(key)),
		signed_key(STR(""), STR("")),
		signed_key(signature, key),
		signed_key(key, b64_encode_url(arena, random_bytes(&seed, 64))),
		str_printf(arena,
			"{\"key\":\"%.*s\",\"signatures\":{\"@ann:hs\":{\"ed25519:OTHER\":\"%.*s\"}}}",
			STR_ARG(key), STR_ARG(signature)),
	};
	for (size_t i = 0; i < COUNT_OF(texts); i++) {
		assert_true(assert_comes_back(texts[i]) == HEAD_BYTES + texts[i].n);
	}
	char *long_text = arena_alloc(arena, UINT16_MAX);
	memset(long_text, 'x', UINT16_MAX);
	(void)assert_comes_back(str_from(long_text, UINT16_MAX));
}

static void entries__of_many_sizes__each_where_it_is_looked_for(void **state)
{
	(void)state;
	uint64_t seed = 8;
	struct str ids[MANY];
	struct str texts[MANY];
	struct key_entry all[MANY];
	for (size_t i = 0; i < MANY; i++) {
		ids[i] = random_bytes(&seed, 1 + next_random(&seed) % UINT8_MAX);
		texts[i] = i % 3 == 0 ? random_bytes(&seed, 1 + next_random(&seed) % MOST_TEXT)
							  : signed_key(b64_encode(arena, random_bytes(&seed, 32)),
									b64_encode(arena, random_bytes(&seed, 64)));
		all[i] = key_entry_of(arena, &frame, ids[i], texts[i]);
	}
	struct str entries = key_entries_write(arena, all, MANY);
	size_t size = entries.n / MANY;
	for (size_t i = 0; i < MANY; i++) {
		struct key_entry found;
		struct str alone = str_slice(entries, i * size, (i + 1) * size);
		assert_true(key_entries_read(entries, MANY, i, &found));
		assert_true(str_equals(found.id, ids[i]));
		assert_true(str_equals(key_entry_text(arena, &frame, &found), texts[i]));
		assert_true(key_entries_read(alone, 1, 0, &found));
		assert_true(str_equals(found.id, ids[i]));
		assert_true(str_equals(key_entry_text(arena, &frame, &found), texts[i]));
	}
}

/* Nothing outside of them is read (which AddressSanitizer would tell), and what is no entry is none. */
static void entries__of_any_bytes__read_or_refused(void **state)
{
	(void)state;
	uint64_t seed = 9;
	struct key_entry entry;
	for (int i = 0; i < 20000; i++) {
		size_t n = next_random(&seed) % 150;
		char *bytes = mem_alloc(n + 1);
		for (size_t k = 0; k < n; k++) {
			bytes[k] = (char)(next_random(&seed) % (k < HEAD_BYTES ? 40 : 256));
		}
		struct str entries = str_from(n > 0 ? mem_realloc(bytes, n) : bytes, n);
		size_t count = next_random(&seed) % 4;
		size_t at = next_random(&seed) % 4;
		bool is_read = key_entries_read(entries, count, at, &entry);
		assert_false(is_read &&
			(at >= count || entry.id.n == 0 || key_entry_text(arena, &frame, &entry).n == 0 ||
				n % count != 0));
		mem_free((void *)(uintptr_t)entries.p);
	}
	assert_false(key_entries_read(STR("\0\0\1aa"), 1, 0, &entry));
	assert_false(key_entries_read(STR("\1\0\2aa"), 1, 0, &entry));
	assert_true(key_entries_read(STR("\1\0\2abb"), 1, 0, &entry));
	assert_text(entry.id, "a");
	assert_text(key_entry_text(arena, &frame, &entry), "bb");
}
/* libolm counts in four bytes, vodozemac in eight. */
static void rank__ids_that_count_in_base64__sorted_as_they_count(void **state)
{
	(void)state;
	for (size_t bytes = 4; bytes <= 8; bytes += 4) {
		struct str last = STR("");
		for (uint32_t n = 0; n < 5000; n++) {
			const char counter[8] = {[2] = (char)(n >> 8), [3] = (char)(n & 0xFF)};
			const char wide[8] = {[6] = (char)(n >> 8), [7] = (char)(n & 0xFF)};
			struct str rank =
				key_id_rank(arena, b64_encode(arena, str_from(bytes == 4 ? counter : wide, bytes)));
			assert_true(str_compare(last, rank) < 0);
			last = rank;
		}
	}
}

static void rank__any_bytes__another_for_each(void **state)
{
	(void)state;
	bool is_taken[256] = {false};
	for (int byte = 0; byte < 256; byte++) {
		char id[2] = {(char)byte, '.'};
		struct str rank = key_id_rank(arena, str_from(id, 2));
		assert_int_equal(rank.n, 2);
		assert_int_equal(rank.p[1], '.');
		assert_false(is_taken[(unsigned char)rank.p[0]]);
		is_taken[(unsigned char)rank.p[0]] = true;
	}
}

int main(void)
{
#define ENTRY_TEST(function) cmocka_unit_test_setup_teardown(function, set_up, tear_down)
	const struct CMUnitTest tests[] = {
		ENTRY_TEST(entry__ordinary_key__its_bytes_alone),
		ENTRY_TEST(entry__of_names_that_have_to_be_escaped__its_bytes_alone),
		ENTRY_TEST(entry__any_character_changed__comes_back),
		ENTRY_TEST(entry__other_forms__come_back),
		ENTRY_TEST(entries__of_many_sizes__each_where_it_is_looked_for),
		ENTRY_TEST(entries__of_any_bytes__read_or_refused),
		ENTRY_TEST(rank__ids_that_count_in_base64__sorted_as_they_count),
		ENTRY_TEST(rank__any_bytes__another_for_each),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
