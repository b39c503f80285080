/*
 * A text is cut where normalization cannot reach across (mostly before each character), each piece is normalized to
 * NFKC_Casefold by ICU, and the results know the bytes of the piece. So half-width, full-width and circled forms, ligatures, Hangul
 * letters and combining marks all come out as one would type them. ASCII and the common Chinese characters, which normalization
 * leaves alone, take a short way.
 */
#include "base/fold.h"

#include <unicode/uchar.h>
#include <unicode/unorm2.h>
#include <unicode/uscript.h>
#include <unicode/utf16.h>

#include "base/arena.h"
#include "base/utf8.h"
#include "gen/late_icu_uc.h"

enum {
	TEXT_MAX = 1 << 20,
	PIECE_CHARS = 32,   /* a longer pile of marks is cut */
	PIECE_UNITS = 2048, /* a character becomes 18 units at the most */
	COMMON_HAN_FIRST = 0x4e00,
	COMMON_HAN_LAST = 0x9fff,
};

struct han_pair {
	uint16_t traditional;
	uint16_t simplified;
};

static const struct han_pair han_table[] = {
#include "gen/han_table.h"
};

uint32_t fold_han(uint32_t code_point)
{
	size_t low = 0;
	size_t high = COUNT_OF(han_table);
	while (low < high) {
		size_t middle = (low + high) / 2;
		if (han_table[middle].traditional < code_point) {
			low = middle + 1;
		} else {
			high = middle;
		}
	}
	bool found = low < COUNT_OF(han_table) && han_table[low].traditional == code_point;
	return found ? han_table[low].simplified : code_point;
}

static bool is_common_han(uint32_t c)
{
	return c >= COMMON_HAN_FIRST && c <= COMMON_HAN_LAST;
}

static bool has_no_spaces(uint32_t c)
{
	UErrorCode status = U_ZERO_ERROR;
	switch (uscript_getScript((UChar32)c, &status)) {
	case USCRIPT_HAN:
	case USCRIPT_HIRAGANA:
	case USCRIPT_KATAKANA:
	case USCRIPT_KATAKANA_OR_HIRAGANA:
	case USCRIPT_HANGUL:
	case USCRIPT_BOPOMOFO:
	case USCRIPT_YI:
	case USCRIPT_THAI:
	case USCRIPT_LAO:
	case USCRIPT_KHMER:
	case USCRIPT_MYANMAR:
	case USCRIPT_TIBETAN:
		return true;
	default:
		return c == 0x30fc; /* the long vowel of Kana, which several scripts share */
	}
}

static enum fold_kind kind_of(uint32_t c)
{
	if (is_common_han(c)) {
		return FOLD_GRAM;
	}
	if (c == '\'' || c == 0x2019) {
		return FOLD_QUOTE;
	}
	if (c < 0x80) {
		return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') ? FOLD_WORD : FOLD_NONE;
	}
	uint32_t mask = U_MASK(u_charType((UChar32)c));
	if ((mask & U_GC_M_MASK) != 0) {
		return FOLD_MARK;
	}
	if ((mask & (U_GC_L_MASK | U_GC_N_MASK)) == 0) {
		return FOLD_NONE;
	}
	return has_no_spaces(c) ? FOLD_GRAM : FOLD_WORD;
}

struct folding {
	const UNormalizer2 *normalizer; /* NULL: nothing has needed it yet */
	struct str text;
	size_t at;
	struct fold_char *out;
	size_t n;
	size_t capacity;
	struct arena *arena;
};

static void put(struct folding *folding, uint32_t c, size_t start)
{
	if (folding->n == folding->capacity) {
		size_t capacity = 2 * folding->capacity;
		struct fold_char *larger = ARENA_NEW_ARRAY(folding->arena, struct fold_char, capacity);
		for (size_t i = 0; i < folding->n; i++) {
			larger[i] = folding->out[i];
		}
		folding->out = larger;
		folding->capacity = capacity;
	}
	folding->out[folding->n++] = (struct fold_char){
		.code_point = fold_han(c),
		.start = (uint32_t)start,
		.end = (uint32_t)folding->at,
		.kind = kind_of(c),
	};
}

/* Whether normalization treats the character alone whatever follows, and leaves it as it is but for ASCII's case. */
static bool is_simple(uint32_t c)
{
	return c < 0x80 || is_common_han(c);
}

static const UNormalizer2 *normalizer_of(struct folding *folding)
{
	UErrorCode status = U_ZERO_ERROR;
	if (folding->normalizer == NULL) {
		folding->normalizer = unorm2_getNFKCCasefoldInstance(&status);
		invariant(U_SUCCESS(status));
	}
	return folding->normalizer;
}

static bool begins_piece(struct folding *folding, uint32_t c)
{
	return is_simple(c) || unorm2_hasBoundaryBefore(normalizer_of(folding), (UChar32)c);
}

/* Characters from `at` on that have to be normalized together. */
static int32_t read_piece(struct folding *folding, UChar *units)
{
	int32_t n = 0;
	for (int count = 0; folding->at < folding->text.n && count < PIECE_CHARS; count++) {
		size_t next = folding->at;
		uint32_t c = utf8_next(folding->text, &next);
		if (count > 0 && begins_piece(folding, c)) {
			break;
		}
		folding->at = next;
		U16_APPEND_UNSAFE(units, n, (UChar32)c);
	}
	return n;
}

/* Reads well-formed UTF-16. */
static uint32_t next_of(const UChar *units, int32_t length, int32_t *at)
{
	uint32_t c = units[(*at)++];
	if (U16_IS_LEAD(c) && *at < length) {
		c = 0x10000 + ((c - 0xd800) << 10) + (units[(*at)++] - 0xdc00U);
	}
	return c;
}

static void fold_piece(struct folding *folding)
{
	UChar before[2 * PIECE_CHARS];
	UChar after[PIECE_UNITS];
	size_t start = folding->at;
	int32_t n = read_piece(folding, before);
	UErrorCode status = U_ZERO_ERROR;
	int32_t length =
		unorm2_normalize(normalizer_of(folding), before, n, after, PIECE_UNITS, &status);
	if (U_FAILURE(status)) {
		put(folding, ' ', start);
		return;
	}
	for (int32_t i = 0; i < length;) {
		put(folding, next_of(after, length, &i), start);
	}
}

/* The short way; @return false when the character has to be normalized, maybe with those behind it */
static bool fold_simple(struct folding *folding)
{
	size_t start = folding->at;
	size_t next = start;
	uint32_t c = utf8_next(folding->text, &next);
	if (!is_simple(c)) {
		return false;
	}
	size_t behind = next;
	if (next < folding->text.n && !begins_piece(folding, utf8_next(folding->text, &behind))) {
		return false;
	}
	folding->at = next;
	put(folding, c >= 'A' && c <= 'Z' ? c + ('a' - 'A') : c, start);
	return true;
}

void fold_text(struct arena *arena, struct str text, struct fold_char **out, size_t *out_count)
{
	struct folding folding = {
		.text = str_from(text.p, MIN_OF(text.n, (size_t)TEXT_MAX)),
		.arena = arena,
		.capacity = 64,
	};
	folding.out = ARENA_NEW_ARRAY(arena, struct fold_char, folding.capacity);
	while (folding.at < folding.text.n) {
		if (!fold_simple(&folding)) {
			fold_piece(&folding);
		}
	}
	*out = folding.out;
	*out_count = folding.n;
}

struct str fold_whole(struct arena *arena, struct str text)
{
	struct fold_char *chars;
	size_t count;
	fold_text(arena, text, &chars, &count);
	char *bytes = arena_alloc(arena, 4 * count + 1);
	size_t n = 0;
	for (size_t i = 0; i < count; i++) {
		n += utf8_encode(chars[i].code_point, bytes + n);
	}
	return str_from(bytes, n);
}
