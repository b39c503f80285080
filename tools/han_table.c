/*
 * Prints, as C, which traditional characters of the Han script fold to which simplified ones, as ICU's transform
 * "Traditional-Simplified" (CLDR) has it. Run at build time: opening the transform takes longer than starting the server.
 *
 *     han_table > gen/han_table.h
 */
#include <stdio.h>
#include <stdlib.h>

#include <unicode/ustring.h>
#include <unicode/utrans.h>

enum { FIRST = 0x3400, LAST = 0x9fff, COUNT = LAST - FIRST + 1, ID_UNITS = 64 };

static UChar before[2 * COUNT];
static UChar after[2 * COUNT];

static void check(UErrorCode status, const char *what)
{
	if (U_FAILURE(status)) {
		fprintf(stderr, "han_table: %s: %s\n", what, u_errorName(status));
		exit(1);
	}
}

int main(void)
{
	UErrorCode status = U_ZERO_ERROR;
	UChar id[ID_UNITS];
	u_uastrncpy(id, "Traditional-Simplified", ID_UNITS);
	UTransliterator *transform = utrans_openU(id, -1, UTRANS_FORWARD, NULL, 0, NULL, &status);
	check(status, "Traditional-Simplified");
	/* One character a line: what ICU does to words does not matter here. */
	for (size_t i = 0; i < COUNT; i++) {
		before[2 * i] = after[2 * i] = (UChar)(FIRST + i);
		before[2 * i + 1] = after[2 * i + 1] = '\n';
	}
	int32_t length = 2 * COUNT;
	int32_t limit = length;
	utrans_transUChars(transform, after, &length, 2 * COUNT, 0, &limit, &status);
	check(status, "transform");
	if (length != 2 * COUNT) {
		fprintf(stderr, "han_table: a character became several\n");
		return 1;
	}
	for (size_t i = 0; i < COUNT; i++) {
		if (before[2 * i] != after[2 * i]) {
			printf("{0x%04x, 0x%04x},\n", (unsigned)before[2 * i], (unsigned)after[2 * i]);
		}
	}
	utrans_close(transform);
	return 0;
}
