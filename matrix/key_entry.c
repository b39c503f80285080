/*
 * An entry: how long the id is (1 byte), how long the text is (2, the greater first; 0: key and signature follow), the id, the content, zeroes.
 */
#include "matrix/key_entry.h"

#include "base/b64.h"
#include "base/crypto.h"
#include "base/json_out.h"

#include <string.h>

enum {
	HEAD_BYTES = 3,
	KEY_BYTES = ED25519_PUBLIC_BYTES, /* a Curve25519 key has as many */
	PAIR_BYTES = KEY_BYTES + ED25519_SIGNATURE_BYTES,
	KEY_CHARACTERS = 43,
	SIGNATURE_CHARACTERS = 86,
};

struct key_frame key_frame_of(struct arena *arena, struct str user_id, struct str device_id)
{
	struct buf middle CLEANUP(buf_fini);
	buf_init(&middle, SIZE_MAX / 2);
	buf_add_lit(&middle, "\",\"signatures\":{");
	json_escape(&middle, user_id);
	buf_add_lit(&middle, ":{");
	json_escape(&middle, str_printf(arena, "ed25519:%.*s", STR_ARG(device_id)));
	buf_add_lit(&middle, ":\"");
	return (struct key_frame){
		.head = STR("{\"key\":\""),
		.middle = str_dup(arena, buf_str(&middle)),
		.tail = STR("\"}}}"),
	};
}

struct str key_frame_text(struct arena *arena, const struct key_frame *frame, struct str key,
	struct str signature)
{
	const struct str pieces[] = {frame->head, key, frame->middle, signature, frame->tail};
	return str_concat(arena, pieces, COUNT_OF(pieces));
}

/* The next bytes of a text. @return false when there are not as many */
static bool cut(struct str *text, size_t n, struct str *out)
{
	if (text->n < n) {
		return false;
	}
	*out = str_slice(*text, 0, n);
	*text = str_slice(*text, n, text->n);
	return true;
}

static bool cut_same(struct str *text, struct str wanted)
{
	struct str found;
	return cut(text, wanted.n, &found) && str_equals(found, wanted);
}

/* What stands in a text of the frame, if it is one. */
static bool read_frame(const struct key_frame *frame, struct str text, struct str *out_key,
	struct str *out_signature)
{
	return cut_same(&text, frame->head) && cut(&text, KEY_CHARACTERS, out_key) &&
		cut_same(&text, frame->middle) && cut(&text, SIGNATURE_CHARACTERS, out_signature) &&
		str_equals(text, frame->tail);
}

bool key_entry_of_pair(struct arena *arena, struct str id, struct str key, struct str signature,
	struct key_entry *out)
{
	invariant(id.n > 0 && id.n <= UINT8_MAX);
	char *pair = arena_alloc(arena, PAIR_BYTES);
	if (!b64_decode_exact(key, pair, KEY_BYTES) ||
		!b64_decode_exact(signature, pair + KEY_BYTES, ED25519_SIGNATURE_BYTES)) {
		return false;
	}
	*out = (struct key_entry){.id = id, .content = str_from(pair, PAIR_BYTES)};
	return true;
}

struct key_entry key_entry_of(struct arena *arena, const struct key_frame *frame, struct str id,
	struct str text)
{
	invariant(id.n > 0 && id.n <= UINT8_MAX && text.n > 0 && text.n <= UINT16_MAX);
	struct str key;
	struct str signature;
	struct key_entry entry;
	if (!read_frame(frame, text, &key, &signature) ||
		!key_entry_of_pair(arena, id, key, signature, &entry)) {
		entry = (struct key_entry){.id = id, .content = text, .is_text = true};
	}
	return entry;
}

struct str key_entry_text(struct arena *arena, const struct key_frame *frame,
	const struct key_entry *entry)
{
	return entry->is_text
		? entry->content
		: key_frame_text(arena, frame, b64_encode(arena, str_slice(entry->content, 0, KEY_BYTES)),
			  b64_encode(arena, str_slice(entry->content, KEY_BYTES, PAIR_BYTES)));
}

bool key_entry_has_same_text(struct arena *arena, const struct key_frame *frame,
	const struct key_entry *a, const struct key_entry *b)
{
	return a->is_text == b->is_text
		? str_equals(a->content, b->content)
		: str_equals(key_entry_text(arena, frame, a), key_entry_text(arena, frame, b));
}

/* The character of Base64 whose byte has the rank that this one has by value. */
static char rank_of(char c)
{
	static const char by_byte[] =
		"+/0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";
	if (c >= 'A' && c <= 'Z') {
		return by_byte[c - 'A'];
	}
	if (c >= 'a' && c <= 'z') {
		return by_byte[26 + c - 'a'];
	}
	if (c >= '0' && c <= '9') {
		return by_byte[52 + c - '0'];
	}
	return c == '+' ? by_byte[62] : c == '/' ? by_byte[63] : c;
}

struct str key_id_rank(struct arena *arena, struct str id)
{
	char *rank = arena_alloc(arena, id.n);
	for (size_t i = 0; i < id.n; i++) {
		rank[i] = rank_of(id.p[i]);
	}
	return str_from(rank, id.n);
}

size_t key_entry_bytes(const struct key_entry *entry)
{
	return HEAD_BYTES + entry->id.n + entry->content.n;
}

static void write_entry(const struct key_entry *entry, char *out)
{
	size_t text_n = entry->is_text ? entry->content.n : 0;
	out[0] = (char)entry->id.n;
	out[1] = (char)(text_n >> 8);
	out[2] = (char)(text_n & 0xFF);
	memcpy(out + HEAD_BYTES, entry->id.p, entry->id.n);
	memcpy(out + HEAD_BYTES + entry->id.n, entry->content.p, entry->content.n);
}

struct str key_entries_write(struct arena *arena, const struct key_entry *entries, size_t count)
{
	size_t size = 0;
	for (size_t i = 0; i < count; i++) {
		size = MAX_OF(size, key_entry_bytes(&entries[i]));
	}
	char *out = arena_alloc_array(arena, count, size);
	for (size_t i = 0; i < count; i++) {
		write_entry(&entries[i], out + i * size);
	}
	return str_from(out, count * size);
}

bool key_entries_read(struct str entries, size_t count, size_t n, struct key_entry *out)
{
	size_t size = count > 0 ? entries.n / count : 0;
	if (n >= count || size < HEAD_BYTES || size * count != entries.n) {
		return false;
	}
	struct str entry = str_slice(entries, n * size, (n + 1) * size);
	const unsigned char *head = (const unsigned char *)entry.p;
	size_t id_n = head[0];
	size_t text_n = (size_t)head[1] << 8 | head[2];
	struct str id;
	struct str content;
	entry = str_slice(entry, HEAD_BYTES, size);
	if (id_n == 0 || !cut(&entry, id_n, &id) ||
		!cut(&entry, text_n > 0 ? text_n : PAIR_BYTES, &content)) {
		return false;
	}
	*out = (struct key_entry){.id = id, .content = content, .is_text = text_n > 0};
	return true;
}
