/*
 * What is not understood counts as absent, as RFC 9110 wants it; so do several ranges, which nobody needs of media.
 */
#include "http/range.h"

/* An entity tag as If-None-Match compares it: weakly, so without the mark of weakness. */
static struct str without_weakness(struct str tag)
{
	return str_starts_with(tag, STR("W/")) ? str_slice(tag, 2, tag.n) : tag;
}

bool range_has_etag(struct str if_none_match, struct str etag)
{
	struct str list = if_none_match;
	if (str_equals(str_trim(list), STR("*"))) {
		return true;
	}
	bool found = false;
	while (list.n > 0 && !found) {
		struct str item;
		struct str rest;
		(void)str_split(list, ',', &item, &rest);
		found = str_equals(without_weakness(str_trim(item)), etag);
		list = rest;
	}
	return found;
}

enum verdict { IGNORED, FITS, OUTSIDE };

static bool parse_position(struct str text, uint64_t *out)
{
	int64_t value = 0;
	if (text.n == 0) {
		return false;
	}
	for (size_t i = 0; i < text.n; i++) {
		if (text.p[i] < '0' || text.p[i] > '9') {
			return false;
		}
	}
	while (text.n > 1 && text.p[0] == '0') {
		text = str_slice(text, 1, text.n);
	}
	/* A number too large for us lies behind the end of every file. */
	*out = str_to_int(text, 0, INT64_MAX, &value) ? (uint64_t)value : (uint64_t)INT64_MAX;
	return true;
}

/* "-N": the last N bytes. */
static enum verdict choose_suffix(struct str text, uint64_t size, struct range *out)
{
	uint64_t length = 0;
	if (!parse_position(text, &length)) {
		return IGNORED;
	}
	if (length == 0 || size == 0) {
		return OUTSIDE;
	}
	out->bytes = MIN_OF(length, size);
	out->begin = size - out->bytes;
	return FITS;
}

static enum verdict choose(struct str header, uint64_t size, struct range *out)
{
	struct str unit;
	struct str spec;
	struct str first;
	struct str last;
	if (!str_split(header, '=', &unit, &spec) || !str_equals_nocase(str_trim(unit), STR("bytes")) ||
		!str_split(str_trim(spec), '-', &first, &last)) {
		return IGNORED;
	}
	if (first.n == 0) {
		return choose_suffix(last, size, out);
	}
	uint64_t begin = 0;
	uint64_t end = (uint64_t)INT64_MAX;
	if (!parse_position(first, &begin) || (last.n > 0 && !parse_position(last, &end)) ||
		end < begin) {
		return IGNORED;
	}
	if (begin >= size) {
		return OUTSIDE;
	}
	out->begin = begin;
	out->bytes = MIN_OF(end, size - 1) - begin + 1;
	return FITS;
}

struct range range_choose(const struct range_request *request, struct str etag, uint64_t size_bytes)
{
	struct range all = {.status = 200, .bytes = size_bytes};
	if (etag.p != NULL && range_has_etag(request->if_none_match, etag)) {
		return (struct range){.status = 304};
	}
	bool is_other = request->if_range.p != NULL && !str_equals(request->if_range, etag);
	if (request->range.p == NULL || is_other) {
		return all;
	}
	struct range part = {.status = 206};
	switch (choose(request->range, size_bytes, &part)) {
	case FITS:
		return part;
	case OUTSIDE:
		return (struct range){.status = 416};
	case IGNORED:
		break;
	}
	return all;
}
