/*
 * Notes and how they are put together to EDUs. A receipt's *layer* is the number of earlier receipts of the same user in the same
 * room: those of one layer make one EDU.
 */
#include "federation/edu_out.h"

#include "base/mem.h"
#include "base/refc.h"

struct edu_note {
	struct refc refc;
	enum edu_note_kind kind;
	struct str room_id; /* heap, like all below; empty: none */
	struct str user_id;
	struct str thread_id;
	struct str json; /* content; of receipts what stands for the user; of presence an entry */
};

enum { NOTE_CEILING_BYTES = 65536 };

static struct edu_note *note_create(enum edu_note_kind kind, struct str room_id, struct str user_id,
	struct str thread_id, struct str json)
{
	struct edu_note *note = mem_alloc(sizeof(*note));
	refc_init(&note->refc);
	note->kind = kind;
	note->room_id = str_heap(room_id);
	note->user_id = str_heap(user_id);
	note->thread_id = str_heap(thread_id);
	note->json = str_heap(json);
	return note;
}

void edu_note_ref(struct edu_note *note)
{
	refc_take(&note->refc);
}

void edu_note_unref(struct edu_note *note)
{
	if (!refc_drop(&note->refc)) {
		return;
	}
	str_free(note->room_id);
	str_free(note->user_id);
	str_free(note->thread_id);
	str_free(note->json);
	mem_free(note);
}

struct edu_note *edu_note_typing(struct str room_id, struct str user_id, bool is_typing)
{
	struct buf buf CLEANUP(buf_fini);
	struct json_out out;
	buf_init(&buf, NOTE_CEILING_BYTES);
	json_out_init(&out, &buf);
	json_out_object(&out);
	json_out_key_str(&out, "room_id", room_id);
	json_out_key_bool(&out, "typing", is_typing);
	json_out_key_str(&out, "user_id", user_id);
	json_out_end(&out);
	return note_create(EDU_NOTE_TYPING, room_id, user_id, STR(""), buf_str(&buf));
}

struct edu_note *edu_note_receipt(const struct outbox_receipt *receipt)
{
	struct buf buf CLEANUP(buf_fini);
	struct json_out out;
	buf_init(&buf, NOTE_CEILING_BYTES);
	json_out_init(&out, &buf);
	json_out_object(&out);
	json_out_key_object(&out, "data");
	if (receipt->thread_id.n > 0) {
		json_out_key_str(&out, "thread_id", receipt->thread_id);
	}
	json_out_key_int(&out, "ts", receipt->ts_ms);
	json_out_end(&out);
	json_out_key_array(&out, "event_ids");
	json_out_str(&out, receipt->event_id);
	json_out_end(&out);
	json_out_end(&out);
	return note_create(EDU_NOTE_RECEIPT, receipt->room_id, receipt->user_id, receipt->thread_id,
		buf_str(&buf));
}

struct edu_note *edu_note_presence(struct str user_id, struct str entry)
{
	return note_create(EDU_NOTE_PRESENCE, STR(""), user_id, STR(""), entry);
}

static bool is_same_place(const struct edu_note *a, const struct edu_note *b)
{
	return a->kind == b->kind && str_equals(a->room_id, b->room_id) &&
		str_equals(a->user_id, b->user_id);
}

bool edu_note_replaces(const struct edu_note *note, const struct edu_note *older)
{
	return is_same_place(note, older) && str_equals(note->thread_id, older->thread_id);
}

/* --- putting together -------------------------------------------------------------------------------------- */

static size_t layer_of(struct edu_note *const *notes, size_t index)
{
	size_t layer = 0;
	for (size_t i = 0; i < index; i++) {
		layer += is_same_place(notes[i], notes[index]) ? 1 : 0;
	}
	return layer;
}

size_t edu_notes_that_fit(struct edu_note *const *notes, size_t count, size_t edus)
{
	size_t typing = 0;
	size_t layers = 0;
	size_t presence = 0;
	for (size_t i = 0; i < count; i++) {
		switch (notes[i]->kind) {
		case EDU_NOTE_TYPING:
			typing++;
			break;
		case EDU_NOTE_PRESENCE:
			presence = 1;
			break;
		case EDU_NOTE_RECEIPT:
			layers = MAX_OF(layers, layer_of(notes, i) + 1);
			break;
		}
		if (typing + layers + presence > edus) {
			return i;
		}
	}
	return count;
}

static void open_edu(struct json_out *out, struct str type)
{
	json_out_object(out);
	json_out_key_str(out, "edu_type", type);
	json_out_key(out, STR("content"));
}

static size_t write_typing(struct json_out *out, struct edu_note *const *notes, size_t count)
{
	size_t n = 0;
	for (size_t i = 0; i < count; i++) {
		if (notes[i]->kind == EDU_NOTE_TYPING) {
			open_edu(out, STR("m.typing"));
			json_out_raw(out, notes[i]->json);
			json_out_end(out);
			n++;
		}
	}
	return n;
}

static size_t write_presence(struct json_out *out, struct edu_note *const *notes, size_t count)
{
	bool is_open = false;
	for (size_t i = 0; i < count; i++) {
		if (notes[i]->kind != EDU_NOTE_PRESENCE) {
			continue;
		}
		if (!is_open) {
			open_edu(out, STR("m.presence"));
			json_out_object(out);
			json_out_key_array(out, "push");
			is_open = true;
		}
		json_out_raw(out, notes[i]->json);
	}
	if (is_open) {
		json_out_end(out);
		json_out_end(out);
		json_out_end(out);
	}
	return is_open ? 1 : 0;
}

/* Receipts with their layers. */
struct layered {
	struct edu_note *const *notes;
	size_t *layers; /* SIZE_MAX: no receipt */
	size_t count;
};

static bool is_in_room(const struct layered *list, size_t index, size_t layer, struct str room_id)
{
	return list->layers[index] == layer && str_equals(list->notes[index]->room_id, room_id);
}

/* Those of one room that belong to the layer; `first` is the room's first one. */
static void write_receipt_room(struct json_out *out, const struct layered *list, size_t first,
	size_t layer)
{
	struct str room_id = list->notes[first]->room_id;
	json_out_key(out, room_id);
	json_out_object(out);
	json_out_key_object(out, "m.read");
	for (size_t i = first; i < list->count; i++) {
		if (is_in_room(list, i, layer, room_id)) {
			json_out_key(out, list->notes[i]->user_id);
			json_out_raw(out, list->notes[i]->json);
		}
	}
	json_out_end(out);
	json_out_end(out);
}

static bool is_first_of_room(const struct layered *list, size_t index, size_t layer)
{
	for (size_t i = 0; i < index; i++) {
		if (is_in_room(list, i, layer, list->notes[index]->room_id)) {
			return false;
		}
	}
	return true;
}

static bool write_receipt_layer(struct json_out *out, const struct layered *list, size_t layer)
{
	bool is_open = false;
	for (size_t i = 0; i < list->count; i++) {
		if (list->layers[i] != layer || !is_first_of_room(list, i, layer)) {
			continue;
		}
		if (!is_open) {
			open_edu(out, STR("m.receipt"));
			json_out_object(out);
			is_open = true;
		}
		write_receipt_room(out, list, i, layer);
	}
	if (is_open) {
		json_out_end(out);
		json_out_end(out);
	}
	return is_open;
}

size_t edu_notes_write(struct arena *arena, struct json_out *out, struct edu_note *const *notes,
	size_t count)
{
	struct layered list = {notes, ARENA_NEW_ARRAY(arena, size_t, count), count};
	for (size_t i = 0; i < count; i++) {
		list.layers[i] = notes[i]->kind == EDU_NOTE_RECEIPT ? layer_of(notes, i) : SIZE_MAX;
	}
	size_t n = write_typing(out, notes, count);
	for (size_t layer = 0; write_receipt_layer(out, &list, layer); layer++) {
		n++;
	}
	return n + write_presence(out, notes, count);
}
