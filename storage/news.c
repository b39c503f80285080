#include "storage/news.h"

#include "base/buf.h"
#include "base/vec.h"
#include "storage/write.h"

#include <inttypes.h>
#include <stdlib.h>

/* --- writing --------------------------------------------------------------------------------------------------- */

static bool names_room(enum news_kind kind)
{
	return kind == NEWS_MESSAGE || kind == NEWS_ROOM || kind == NEWS_REWRITTEN ||
		kind == NEWS_RECEIPTS;
}

static int compare(const void *a, const void *b)
{
	const struct news *x = a;
	const struct news *y = b;
	if (x->kind != y->kind) {
		return x->kind < y->kind ? -1 : 1;
	}
	if (x->room_nid != y->room_nid) {
		return x->room_nid < y->room_nid ? -1 : 1;
	}
	return str_compare(x->user_id, y->user_id);
}

typedef VEC(struct news) news_list;

static void add_row(struct arena *arena, const struct write_row *row, news_list *out)
{
	const struct stmt_def *def = &stmt_table[row->stmt];
	for (size_t i = 0; i < COUNT_OF(def->tells) && def->tells[i].kind != 0; i++) {
		int condition = def->tells[i].condition;
		const struct db_value *value = &row->values[def->tells[i].column - 1];
		if (condition != 0 && row->values[condition - 1].integer == 0) {
			continue;
		}
		struct news item = {.kind = (enum news_kind)def->tells[i].kind};
		if (names_room(item.kind)) {
			item.room_nid = value->integer;
		} else {
			item.user_id = value->text;
		}
		VEC_PUSH(arena, out, item);
	}
}

uint32_t news_kinds(const struct news *list, size_t count)
{
	uint32_t kinds = count == 0 ? NEWS_ALL : 0;
	for (size_t i = 0; i < count; i++) {
		kinds |= list[i].kind == NEWS_EVERYTHING ? NEWS_ALL : NEWS_BIT(list[i].kind);
	}
	return kinds;
}

struct str news_write(struct arena *arena, int64_t writer_id, struct write *const *writes,
	size_t count, int64_t *positions, uint32_t *out_kinds)
{
	news_list list = {0};
	for (size_t i = 0; i < count; i++) {
		for (size_t k = 0; k < writes[i]->rows.n; k++) {
			add_row(arena, &writes[i]->rows.p[k], &list);
		}
	}
	if (list.n > 1) {
		qsort(list.p, list.n, sizeof(*list.p), compare);
	}
	*positions = MAX_OF(*positions, list.n > 0 ? INT64_C(1) : INT64_C(0));
	*out_kinds = news_kinds(list.p, list.n);
	struct buf text;
	buf_init(&text, NEWS_MAX_BYTES);
	buf_printf(&text, "%" PRId64 " %" PRId64, *positions, writer_id);
	for (size_t i = 0; i < list.n; i++) {
		if (i > 0 && compare(&list.p[i - 1], &list.p[i]) == 0) {
			continue;
		}
		buf_add_byte(&text, '\n');
		buf_add_byte(&text, (char)list.p[i].kind);
		if (names_room(list.p[i].kind)) {
			buf_add_int(&text, list.p[i].room_nid);
		} else {
			buf_add(&text, list.p[i].user_id);
		}
	}
	struct str out = buf_ok(&text)
		? str_dup(arena, buf_str(&text))
		: str_printf(arena, "%" PRId64 " %" PRId64 "\n%c", *positions, writer_id, NEWS_EVERYTHING);
	buf_fini(&text);
	return out;
}

bool news_add_line(struct buf *text, enum news_kind kind, struct str line)
{
	if (buf_str(text).n + line.n + 2 > NEWS_MAX_BYTES) {
		return false;
	}
	buf_add_byte(text, '\n');
	buf_add_byte(text, (char)kind);
	buf_add(text, line);
	return true;
}

/* --- reading --------------------------------------------------------------------------------------------------- */

static bool read_number(struct str *rest, char end, int64_t *out)
{
	struct str word;
	(void)str_split(*rest, end, &word, rest);
	return str_to_int(word, 0, INT64_MAX, out);
}

/* What is said: a word, or how many positions a group has. */
static bool read_what(struct str *rest, struct news_group *out)
{
	static const struct {
		struct str word;
		enum news_what what;
	} words[] = {{STR_INIT("heard"), NEWS_HEARD}, {STR_INIT("bye"), NEWS_BYE},
		{STR_INIT("tell"), NEWS_TELL}};
	struct str word;
	(void)str_split(*rest, ' ', &word, rest);
	for (size_t i = 0; i < COUNT_OF(words); i++) {
		if (str_equals(word, words[i].word)) {
			out->what = words[i].what;
			return true;
		}
	}
	return str_to_int(word, 0, INT64_MAX, &out->positions);
}

static bool read_head(struct str head, struct news_group *out)
{
	bool is_good = read_number(&head, ' ', &out->position) && read_what(&head, out) &&
		read_number(&head, ' ', &out->writer_id);
	if (is_good && out->what == NEWS_HEARD) {
		is_good = read_number(&head, ' ', &out->serial);
	} else if (is_good && out->what == NEWS_TELL) {
		out->serial = out->position;
		out->position = 0;
		is_good = read_number(&head, ' ', &out->number);
	}
	return is_good && head.n == 0;
}

static bool read_ack(struct str line, struct news_ack *out)
{
	struct str rest = str_slice(line, 1, line.n);
	return line.p[0] == 'a' && read_number(&rest, ' ', &out->writer_id) &&
		read_number(&rest, ' ', &out->number) && rest.n == 0;
}

static bool read_item(struct str line, struct news *out)
{
	struct str which = str_slice(line, 1, line.n);
	*out = (struct news){.kind = (enum news_kind)line.p[0]};
	switch (out->kind) {
	case NEWS_EVERYTHING:
		return which.n == 0;
	case NEWS_MESSAGE:
	case NEWS_ROOM:
	case NEWS_REWRITTEN:
	case NEWS_RECEIPTS:
		return str_to_int(which, 0, INT64_MAX, &out->room_nid);
	case NEWS_USER:
	case NEWS_OWN:
	case NEWS_DEVICE:
	case NEWS_KEYS:
		out->user_id = which;
		return which.n > 0;
	case NEWS_TYPING:
	case NEWS_PRESENCE:
	case NEWS_SESSION:
	case NEWS_NONCE:
	case NEWS_MEDIA:
	case NEWS_PUSH:
	case NEWS_DELAYED:
	case NEWS_ERASED:
	case NEWS_FEDERATION:
	case NEWS_APPSERVICE:
	case NEWS_LOOK:
		out->text = which;
		return which.n > 0;
	}
	return false;
}

typedef VEC(struct news_ack) ack_list;

static bool read_line(struct arena *arena, struct str line, enum news_what what, news_list *list,
	ack_list *acks)
{
	struct news item = {0};
	struct news_ack ack = {0};
	if (line.n == 0) {
		return false;
	}
	if (what == NEWS_HEARD) {
		bool is_good = read_ack(line, &ack);
		VEC_PUSH(arena, acks, ack);
		return is_good;
	}
	bool is_good = read_item(line, &item);
	VEC_PUSH(arena, list, item);
	return is_good;
}

bool news_read(struct arena *arena, struct str text, struct news_group *out)
{
	news_list list = {0};
	ack_list acks = {0};
	struct str rest;
	struct str head;
	(void)str_split(text, '\n', &head, &rest);
	*out = (struct news_group){.what = NEWS_GROUP};
	if (!read_head(head, out)) {
		return false;
	}
	while (rest.n > 0) {
		struct str line;
		(void)str_split(rest, '\n', &line, &rest);
		if (!read_line(arena, line, out->what, &list, &acks)) {
			return false;
		}
	}
	out->list = list.p;
	out->count = list.n;
	out->acks = acks.p;
	out->ack_n = acks.n;
	return true;
}
