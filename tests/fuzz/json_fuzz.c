/*
 * The JSON parser: what it accepts is written anew, read again and must be equal; raw spans lie in the
 * source and are JSON themselves; what is passed over and read later is the same.
 */
#include "base/arena.h"
#include "base/json.h"
#include "base/json_out.h"
#include "base/utf8.h"

/* Takes the raw texts away, so that the writer has to write; checks them on the way. */
static void strip_raw(struct json *value, struct str source)
{
	invariant(json_raw(value).n > 0);
	invariant(json_raw(value).p >= source.p &&
		json_raw(value).p + json_raw(value).n <= source.p + source.n);
	invariant(utf8_is_valid(json_text(value)));
	json_set_raw(value, str_from(NULL, 0));
	for (size_t i = 0; i < value->count; i++) {
		if (value->type == JSON_ARRAY) {
			strip_raw(&value->items[i], source);
		} else {
			invariant(utf8_is_valid(value->members[i].key));
			strip_raw(&value->members[i].value, source);
		}
	}
}

static void check_again(struct arena *arena, struct json *value, struct str source)
{
	struct json copy = json_dup(arena, value);
	struct json from_raw;
	invariant(json_parse(arena, json_raw(value), NULL, &from_raw, NULL) == JSON_OK);
	invariant(json_equals(value, &from_raw));
	strip_raw(value, source);
	struct buf buf CLEANUP(buf_fini);
	buf_init(&buf, source.n * 8 + 64);
	struct json_out out;
	json_out_init(&out, &buf);
	json_out_value(&out, value);
	invariant(buf_ok(&buf));
	struct json again;
	invariant(json_parse(arena, buf_str(&buf), NULL, &again, NULL) == JSON_OK);
	invariant(json_equals(&copy, &again));
}

/* Reads what was passed over, all the way down. @return false when something in it is no JSON */
static bool fill_in(struct arena *arena, struct json *value)
{
	struct json whole;
	if (json_read(arena, value, NULL, &whole) != JSON_OK) {
		return false;
	}
	*value = whole;
	for (size_t i = 0; i < value->count; i++) {
		if (!fill_in(arena,
				value->type == JSON_ARRAY ? &value->items[i] : &value->members[i].value)) {
			return false;
		}
	}
	return true;
}

/* Passed over or not, the whole is the same, or is none. @param whole  NULL: the source is no JSON */
static void check_levels(struct arena *arena, struct str source, const struct json *whole)
{
	for (size_t levels = 1; levels < 4; levels++) {
		const struct json_limits limits = {.levels = levels};
		struct json value;
		bool is_good =
			json_parse(arena, source, &limits, &value, NULL) == JSON_OK && fill_in(arena, &value);
		invariant(whole == NULL || (is_good && json_equals(&value, whole)));
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct arena *arena CLEANUP(arena_cleanup) = arena_create();
	struct str source = str_from((const char *)data, size);
	struct json value;
	size_t at = 0;
	if (json_parse(arena, source, NULL, &value, &at) == JSON_OK) {
		check_levels(arena, source, &value);
		check_again(arena, &value, source);
	} else {
		invariant(at <= size);
		check_levels(arena, source, NULL);
	}
	return 0;
}
