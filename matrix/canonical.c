/*
 * Canonical JSON without recursion: open containers stand in a stack, which begins on the C stack and
 * moves to the heap when a tree is deeper than usual. An object whose members are in order already
 * (ours, and everything that was stored) is written straight; for others pointers to the members are
 * sorted on a second stack.
 */
#include "matrix/canonical.h"

#include <stdlib.h>
#include <string.h>

#include "base/json_out.h"
#include "base/mem.h"

enum { LOCAL_FRAMES = 32, LOCAL_ORDER = 128, FEW_MEMBERS = 12 };

/* --- numbers ----------------------------------------------------------------------------------- */

/* Value of digits with an exponent and no fraction ("1e10", "-20E+3"), when it is a strict integer. */
static bool expand_exponent(struct str text, int64_t *out)
{
	size_t e = str_find_byte(text, 'e');
	if (e == SIZE_MAX) {
		e = str_find_byte(text, 'E');
	}
	if (e == SIZE_MAX) {
		return false;
	}
	struct str exponent = str_slice(text, e + 1, text.n);
	if (str_starts_with(exponent, STR("+"))) {
		exponent = str_slice(exponent, 1, exponent.n);
	}
	while (exponent.n > 1 && exponent.p[0] == '0') {
		exponent = str_slice(exponent, 1, exponent.n);
	}
	struct str digits = str_slice(text, 0, e);
	int64_t power;
	int64_t value = 0;
	if (!str_equals(digits, STR("-0")) &&
		!str_to_int(digits, -CANONICAL_INT_MAX, CANONICAL_INT_MAX, &value)) {
		return false; /* with a fraction it stays as it stands, like "1.0" */
	}
	if (!str_to_int(exponent, 0, INT32_MAX, &power)) {
		return false;
	}
	for (; power > 0 && value != 0; power--) {
		value *= 10;
		if (value < -CANONICAL_INT_MAX || value > CANONICAL_INT_MAX) {
			return false;
		}
	}
	*out = value;
	return true;
}

static void write_number(struct buf *out, struct str text)
{
	int64_t value;
	if (str_equals(text, STR("-0"))) {
		buf_add_byte(out, '0');
	} else if (expand_exponent(text, &value)) {
		buf_add_int(out, value);
	} else {
		buf_add(out, text);
	}
}

/* --- writing ----------------------------------------------------------------------------------- */

struct frame {
	const struct json *container;
	size_t next;  /* child to be written next */
	size_t order; /* where its sorted members begin in writer.order; SIZE_MAX: in order already */
};

struct writer {
	struct buf *out;
	struct frame *frames;
	size_t depth;
	size_t frame_capacity;
	const struct json_member **order;
	size_t order_n;
	size_t order_capacity;
	struct frame local_frames[LOCAL_FRAMES];
	const struct json_member *local_order[LOCAL_ORDER];
};

/* A larger copy on the heap of an array that may still be the local one. */
static void *move_to_heap(void *array, const void *local, size_t used_bytes, size_t new_bytes)
{
	if (array != local) {
		return mem_realloc(array, new_bytes);
	}
	void *heap = mem_realloc(NULL, new_bytes);
	memcpy(heap, local, used_bytes);
	return heap;
}

static bool is_sorted(const struct json *object)
{
	for (size_t i = 1; i < object->count; i++) {
		if (str_compare(object->members[i - 1].key, object->members[i].key) > 0) {
			return false;
		}
	}
	return true;
}

static void sort_members(const struct json_member **members, size_t count)
{
	if (count > FEW_MEMBERS) {
		qsort(members, count, sizeof(const struct json_member *), json_compare_keys);
		return;
	}
	for (size_t i = 1; i < count; i++) {
		const struct json_member *member = members[i];
		size_t at = i;
		for (; at > 0 && str_compare(members[at - 1]->key, member->key) > 0; at--) {
			members[at] = members[at - 1];
		}
		members[at] = member;
	}
}

/* Pushes sorted pointers to the members; returns where they begin. */
static size_t push_order(struct writer *w, const struct json *object)
{
	size_t begin = w->order_n;
	size_t need = begin + object->count;
	if (need > w->order_capacity) {
		size_t capacity = MAX_OF(w->order_capacity * 2, need);
		w->order = move_to_heap((void *)w->order, (void *)w->local_order,
			begin * sizeof(const struct json_member *),
			capacity * sizeof(const struct json_member *));
		w->order_capacity = capacity;
	}
	for (size_t i = 0; i < object->count; i++) {
		w->order[begin + i] = &object->members[i];
	}
	w->order_n = need;
	sort_members(w->order + begin, object->count);
	return begin;
}

static void push_frame(struct writer *w, const struct json *container)
{
	if (w->depth == w->frame_capacity) {
		size_t capacity = w->frame_capacity * 2;
		w->frames = move_to_heap(w->frames, w->local_frames, w->depth * sizeof(struct frame),
			capacity * sizeof(struct frame));
		w->frame_capacity = capacity;
	}
	bool sorted = container->type == JSON_ARRAY || is_sorted(container);
	w->frames[w->depth++] = (struct frame){
		.container = container,
		.order = sorted ? SIZE_MAX : push_order(w, container),
	};
	buf_add_byte(w->out, container->type == JSON_ARRAY ? '[' : '{');
}

static void pop_frame(struct writer *w)
{
	const struct frame *frame = &w->frames[--w->depth];
	if (frame->order != SIZE_MAX) {
		w->order_n = frame->order;
	}
	buf_add_byte(w->out, frame->container->type == JSON_ARRAY ? ']' : '}');
}

/* Writes a scalar, or opens a container. */
static void write_value(struct writer *w, const struct json *value)
{
	switch (value->type) {
	case JSON_NULL:
		buf_add_lit(w->out, "null");
		return;
	case JSON_BOOL:
		buf_add(w->out, value->boolean ? STR("true") : STR("false"));
		return;
	case JSON_INT:
		buf_add_int(w->out, value->integer);
		return;
	case JSON_NUMBER:
		write_number(w->out, json_text(value));
		return;
	case JSON_STRING:
		json_escape(w->out, json_text(value));
		return;
	case JSON_ARRAY:
	case JSON_OBJECT:
		push_frame(w, value);
		return;
	}
}

/* Writes the next child of the innermost container, or closes it. */
static void step(struct writer *w)
{
	struct frame *frame = &w->frames[w->depth - 1];
	if (frame->next == frame->container->count) {
		pop_frame(w);
		return;
	}
	size_t i = frame->next++;
	if (i > 0) {
		buf_add_byte(w->out, ',');
	}
	if (frame->container->type == JSON_ARRAY) {
		write_value(w, &frame->container->items[i]);
		return;
	}
	const struct json_member *member =
		frame->order == SIZE_MAX ? &frame->container->members[i] : w->order[frame->order + i];
	json_escape(w->out, member->key);
	buf_add_byte(w->out, ':');
	write_value(w, &member->value);
}

void canonical_write(struct buf *out, const struct json *value)
{
	struct writer w;
	w.out = out;
	w.frames = w.local_frames;
	w.depth = 0;
	w.frame_capacity = LOCAL_FRAMES;
	w.order = w.local_order;
	w.order_n = 0;
	w.order_capacity = LOCAL_ORDER;
	write_value(&w, value);
	while (w.depth > 0 && buf_ok(out)) {
		step(&w);
	}
	if (w.frames != w.local_frames) {
		mem_free(w.frames);
	}
	if (w.order != w.local_order) {
		mem_free((void *)w.order);
	}
}

struct str canonical_text(struct arena *arena, const struct json *value)
{
	struct buf buf CLEANUP(buf_fini);
	buf_init(&buf, SIZE_MAX / 2);
	canonical_write(&buf, value);
	return str_dup(arena, buf_str(&buf));
}

/* --- checking ---------------------------------------------------------------------------------- */

/* What a walk refuses. */
struct demand {
	size_t max_levels;
	bool strict_numbers;
};

struct checker {
	const struct demand *demand;
	struct frame *frames;
	size_t depth;
	size_t capacity;
	struct frame local[LOCAL_FRAMES];
};

/* Looks at one value; a container is pushed. */
static bool check_value(struct checker *c, const struct json *value)
{
	if (value->type == JSON_NUMBER) {
		return !c->demand->strict_numbers;
	}
	if (value->type == JSON_INT) {
		return !c->demand->strict_numbers ||
			(value->integer >= -CANONICAL_INT_MAX && value->integer <= CANONICAL_INT_MAX);
	}
	if (value->type != JSON_ARRAY && value->type != JSON_OBJECT) {
		return true;
	}
	if (c->depth >= c->demand->max_levels) {
		return false;
	}
	if (c->depth == c->capacity) {
		c->frames = move_to_heap(c->frames, c->local, c->depth * sizeof(struct frame),
			c->capacity * 2 * sizeof(struct frame));
		c->capacity *= 2;
	}
	c->frames[c->depth++] = (struct frame){.container = value};
	return true;
}

static bool check_tree(struct checker *c, const struct json *root)
{
	if (!check_value(c, root)) {
		return false;
	}
	while (c->depth > 0) {
		struct frame *frame = &c->frames[c->depth - 1];
		if (frame->next == frame->container->count) {
			c->depth--;
			continue;
		}
		size_t i = frame->next++;
		const struct json *child = frame->container->type == JSON_ARRAY
			? &frame->container->items[i]
			: &frame->container->members[i].value;
		if (!check_value(c, child)) {
			return false;
		}
	}
	return true;
}

static bool fulfils(const struct json *root, const struct demand *demand)
{
	struct checker c;
	c.demand = demand;
	c.frames = c.local;
	c.depth = 0;
	c.capacity = LOCAL_FRAMES;
	bool good = check_tree(&c, root);
	if (c.frames != c.local) {
		mem_free(c.frames);
	}
	return good;
}

bool canonical_is_strict(const struct json *value)
{
	const struct demand demand = {.max_levels = SIZE_MAX, .strict_numbers = true};
	return fulfils(value, &demand);
}

bool canonical_nests_at_most(const struct json *value, size_t levels)
{
	const struct demand demand = {.max_levels = levels};
	return fulfils(value, &demand);
}
