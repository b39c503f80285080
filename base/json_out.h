/**
 * Streaming JSON writer into a buf; puts commas by itself and splices ready-made text.
 *
 *     struct json_out out;
 *     json_out_init(&out, &buf);
 *     json_out_object(&out);
 *     json_out_key_str(&out, "user_id", user_id);
 *     json_out_key_raw(&out, "content", content_text);
 *     json_out_end(&out);
 */
#ifndef BELFRY_BASE_JSON_OUT_H
#define BELFRY_BASE_JSON_OUT_H

#include "base/buf.h"
#include "base/json.h"

enum { JSON_OUT_MAX_DEPTH = 128 };

struct json_out {
	struct buf *buf;
	size_t depth;
	bool need_comma;
	bool is_array[JSON_OUT_MAX_DEPTH];
};

/** Writes to `buf`, which the caller owns. Errors are the buffer's (buf_ok). */
void json_out_init(struct json_out *out, struct buf *buf);

/** Opens an object or array, as a value or after json_out_key(). */
void json_out_object(struct json_out *out);
void json_out_array(struct json_out *out);
/** Closes the innermost object or array. */
void json_out_end(struct json_out *out);

/** A member's name; a value must follow. */
void json_out_key(struct json_out *out, struct str key);

/** A string, escaped; what is not UTF-8 is the caller's fault and is written as it is. */
void json_out_str(struct json_out *out, struct str text);
/** A whole number. */
void json_out_int(struct json_out *out, int64_t value);
/** true or false. */
void json_out_bool(struct json_out *out, bool value);
/** null. */
void json_out_null(struct json_out *out);
/** JSON text that is ready, written as it is. */
void json_out_raw(struct json_out *out, struct str json_text);
/** A tree: its raw text where it has one, else written compactly in the tree's order. */
void json_out_value(struct json_out *out, const struct json *value);

/** An array of strings. */
void json_out_strs(struct json_out *out, const struct str *texts, size_t count);

/** A name that stands ready: ',"name":'; see the macros below. */
void json_out_name(struct json_out *out, struct str text);
/** The same for a member that is a container: `text` ends with how that begins. */
void json_out_opening(struct json_out *out, struct str text, bool is_array);

/** A member's name, and name and value in one; `key` is a literal in which nothing has to be escaped. */
#define json_out_key_lit(out, key) json_out_name((out), STR(",\"" key "\":"))
#define json_out_key_str(out, key, text) (json_out_key_lit(out, key), json_out_str((out), (text)))
#define json_out_key_int(out, key, value) (json_out_key_lit(out, key), json_out_int((out), (value)))
#define json_out_key_bool(out, key, value) \
	(json_out_key_lit(out, key), json_out_bool((out), (value)))
#define json_out_key_raw(out, key, text) (json_out_key_lit(out, key), json_out_raw((out), (text)))
#define json_out_key_value(out, key, value) \
	(json_out_key_lit(out, key), json_out_value((out), (value)))
#define json_out_key_strs(out, key, texts, count) \
	(json_out_key_lit(out, key), json_out_strs((out), (texts), (count)))
#define json_out_key_object(out, key) json_out_opening((out), STR(",\"" key "\":{"), false)
#define json_out_key_array(out, key) json_out_opening((out), STR(",\"" key "\":["), true)

/** A string with quotes, escaped as canonical JSON wants it. */
void json_escape(struct buf *buf, struct str text);

#endif
