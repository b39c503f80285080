/*
 * Levels in all the shapes that old rooms contain. Numbers with a point or an exponent are cut off in
 * decimal, digit by digit: going through a double would round 0.99999999999999999999 up, and the
 * specification says to truncate.
 */
#include "matrix/power_value.h"

#include "matrix/canonical.h"

enum {
	EXPONENT_LIMIT = 1000000, /* more than any event has digits */
	DOUBLE_MAX_DIGITS = 309,
	INT64_MAX_DIGITS = 19,
};

#define LEVEL_MAX (INT64_MAX - 1) /* INT64_MAX is the creators' */
#define LEVEL_MIN (-LEVEL_MAX)

/* The decimal digits of a number, without sign, point and leading zeros. */
struct decimal {
	struct str before; /* digits before the point */
	struct str after;  /* digits behind it */
	int64_t point; /* how many digits of before+after stand before the point, exponent included */
	bool is_negative;
};

static int64_t clamp_level(int64_t value)
{
	return value > LEVEL_MAX ? LEVEL_MAX : value < LEVEL_MIN ? LEVEL_MIN : value;
}

static bool is_digit(char c)
{
	return c >= '0' && c <= '9';
}

/* Takes the digits that `text` begins with. */
static struct str take_digits(struct str *text)
{
	size_t n = 0;
	while (n < text->n && is_digit(text->p[n])) {
		n++;
	}
	const struct str digits = str_slice(*text, 0, n);
	*text = str_slice(*text, n, text->n);
	return digits;
}

static bool take_byte(struct str *text, char c)
{
	if (text->n == 0 || text->p[0] != c) {
		return false;
	}
	*text = str_slice(*text, 1, text->n);
	return true;
}

static struct str without_leading_zeros(struct str digits)
{
	size_t n = 0;
	while (n < digits.n && digits.p[n] == '0') {
		n++;
	}
	return str_slice(digits, n, digits.n);
}

/* Value of a run of digits, at most `limit`. */
static int64_t digits_value(struct str digits, int64_t limit)
{
	int64_t value = 0;
	for (size_t i = 0; i < digits.n; i++) {
		const int64_t digit = digits.p[i] - '0';
		if (value > (limit - digit) / 10) {
			return limit;
		}
		value = value * 10 + digit;
	}
	return value;
}

static bool parse_string(struct str text, int64_t *out)
{
	struct str rest = str_trim(text);
	const bool is_negative = take_byte(&rest, '-');
	if (!is_negative) {
		(void)take_byte(&rest, '+');
	}
	const struct str digits = take_digits(&rest);
	if (digits.n == 0 || rest.n != 0) {
		return false;
	}
	const int64_t value = digits_value(digits, LEVEL_MAX);
	*out = is_negative ? -value : value;
	return true;
}

/* Splits a JSON number, whose grammar the parser has checked. */
static struct decimal split_number(struct str text)
{
	struct decimal number = {.is_negative = take_byte(&text, '-')};
	number.before = without_leading_zeros(take_digits(&text));
	if (take_byte(&text, '.')) {
		number.after = take_digits(&text);
	}
	int64_t exponent = 0;
	if (take_byte(&text, 'e') || take_byte(&text, 'E')) {
		const bool is_down = take_byte(&text, '-');
		if (!is_down) {
			(void)take_byte(&text, '+');
		}
		exponent = digits_value(take_digits(&text), EXPONENT_LIMIT);
		exponent = is_down ? -exponent : exponent;
	}
	number.point = (int64_t)number.before.n + exponent;
	if (number.before.n == 0) {
		const struct str significant = without_leading_zeros(number.after);
		number.point = exponent - (int64_t)(number.after.n - significant.n);
		number.after = significant;
	}
	return number;
}

/* The i-th significant digit; zeros behind the last. */
static int digit_at(const struct decimal *number, size_t i)
{
	if (i < number->before.n) {
		return number->before.p[i] - '0';
	}
	i -= number->before.n;
	return i < number->after.n ? number->after.p[i] - '0' : 0;
}

/* Whether it is beyond what an IEEE 754 double can hold (where rounding gives infinity). */
static bool exceeds_double(const struct decimal *number)
{
	static const char largest[] = "179769313486231580793"; /* × 10^288: halfway above DBL_MAX */
	if (number->point != DOUBLE_MAX_DIGITS) {
		return number->point > DOUBLE_MAX_DIGITS;
	}
	for (size_t i = 0; i < sizeof(largest) - 1; i++) {
		const int difference = digit_at(number, i) - (largest[i] - '0');
		if (difference != 0) {
			return difference > 0;
		}
	}
	return true;
}

static bool parse_number(struct str text, int64_t *out)
{
	const struct decimal number = split_number(text);
	if (number.before.n + number.after.n == 0 || number.point <= 0) {
		*out = 0;
		return true;
	}
	if (exceeds_double(&number)) {
		return false;
	}
	int64_t value = number.point > INT64_MAX_DIGITS ? LEVEL_MAX : 0;
	for (size_t i = 0; (int64_t)i < number.point && value < LEVEL_MAX; i++) {
		const int64_t digit = digit_at(&number, i);
		value = value > (LEVEL_MAX - digit) / 10 ? LEVEL_MAX : value * 10 + digit;
	}
	*out = number.is_negative ? -value : value;
	return true;
}

bool power_value_parse(const struct room_version *version, const struct json *value, int64_t *out)
{
	if (value == NULL) {
		return false;
	}
	switch (value->type) {
	case JSON_INT:
		*out = clamp_level(value->integer);
		return true;
	case JSON_NUMBER:
		return !version->strict_canonical_json && parse_number(json_text(value), out);
	case JSON_STRING:
		return !version->strict_power_levels && parse_string(json_text(value), out);
	case JSON_NULL:
	case JSON_BOOL:
	case JSON_ARRAY:
	case JSON_OBJECT:
		return false;
	}
	return false;
}

const struct str power_level_names[7] = {
	STR_INIT("users_default"),
	STR_INIT("events_default"),
	STR_INIT("state_default"),
	STR_INIT("ban"),
	STR_INIT("redact"),
	STR_INIT("kick"),
	STR_INIT("invite"),
};

static bool is_plain(const struct json *value)
{
	return value->type == JSON_INT && value->integer >= -CANONICAL_INT_MAX &&
		value->integer <= CANONICAL_INT_MAX;
}

bool power_levels_are_plain(const struct json *content)
{
	static const char *const maps[] = {"events", "users", "notifications"};
	for (size_t i = 0; i < COUNT_OF(power_level_names); i++) {
		const struct json *level = json_get(content, power_level_names[i]);
		if (level != NULL && !is_plain(level)) {
			return false;
		}
	}
	for (size_t i = 0; i < COUNT_OF(maps); i++) {
		const struct json *map = json_get(content, str_of(maps[i]));
		for (size_t k = 0; json_is(map, JSON_OBJECT) && k < map->count; k++) {
			if (!is_plain(&map->members[k].value)) {
				return false;
			}
		}
	}
	return true;
}
