/*
 * A new event. Its keys are known, so the canonical text is written key by key in sorted order, once, with
 * the offsets of the keys remembered: this is what the content hash covers. The final text is the same with
 * `hashes` and `signatures` put in at their places. What is signed is the redacted form, which is short for
 * all events but a few; its SHA-256 is the reference hash, so it serves as the event id too.
 */
#include "matrix/event_build.h"

#include "base/b64.h"
#include "base/buf.h"
#include "base/json_out.h"
#include "base/utf8.h"
#include "matrix/canonical.h"
#include "matrix/event_inner.h"
#include "matrix/sign.h"

enum { MAX_MEMBERS = 14 };

struct builder {
	struct arena *arena;
	const struct event_intent *intent;
	const struct event_signer *signer;
	struct event *event;
	struct json_member *members; /* room for MAX_MEMBERS, sorted */
	size_t count;
	size_t offsets[MAX_MEMBERS +
		1]; /* where each member's text begins; then where the last one ends */
};

/* --- the members ------------------------------------------------------------------------------- */

static void add(struct builder *b, struct str key, struct json value)
{
	invariant(b->count < MAX_MEMBERS);
	b->members[b->count++] = (struct json_member){.key = key, .value = value};
}

static struct json one_member(struct arena *arena, struct str key, struct json value)
{
	struct json object = json_object(arena, 1);
	object.members[0] = (struct json_member){.key = key, .value = value};
	object.count = 1;
	return object;
}

static struct json reference(struct arena *arena, struct event_id id, struct str hash)
{
	struct json *pair = ARENA_NEW_ARRAY(arena, struct json, 2);
	pair[0] = json_string(id.s);
	pair[1] = hash.p != NULL ? one_member(arena, STR("sha256"), json_string(hash))
							 : json_object(arena, 0);
	return (struct json){.type = JSON_ARRAY, .items = pair, .count = 2};
}

static struct json references(struct arena *arena, const struct room_version *version,
	const struct event_id *ids, size_t count, const struct str *hashes)
{
	struct json *items = ARENA_NEW_ARRAY(arena, struct json, count);
	for (size_t i = 0; i < count; i++) {
		items[i] = version->event_format == EVENT_FORMAT_V1
			? reference(arena, ids[i], hashes != NULL ? hashes[i] : str_from(NULL, 0))
			: json_string(ids[i].s);
	}
	return json_array_of(items, count);
}

/* All members but hashes and signatures, in canonical order. */
static void add_members(struct builder *b)
{
	const struct event_intent *in = b->intent;
	const struct room_version *version = in->version;
	bool has_redacts = in->redacts.p != NULL;
	struct json content = *in->content;
	if (has_redacts && version->redacts_in_content) {
		content = json_with(b->arena, &content, STR("redacts"), json_string(in->redacts));
	}
	add(b, STR("auth_events"),
		references(b->arena, version, in->auth_events, in->auth_count, in->auth_hashes));
	add(b, STR("content"), content);
	add(b, STR("depth"), json_integer(in->depth));
	if (version->event_id_encoding == EVENT_ID_EXPLICIT) {
		add(b, STR("event_id"), json_string(in->explicit_event_id));
	}
	if (in->names_origin) {
		add(b, STR("origin"), json_string(b->signer->server.s));
	}
	add(b, STR("origin_server_ts"), json_integer(in->origin_server_ts));
	add(b, STR("prev_events"),
		references(b->arena, version, in->prev_events, in->prev_count, in->prev_hashes));
	if (has_redacts && !version->redacts_in_content) {
		add(b, STR("redacts"), json_string(in->redacts));
	}
	if (in->room_id.s.p != NULL) {
		add(b, STR("room_id"), json_string(in->room_id.s));
	}
	add(b, STR("sender"), json_string(in->sender.s));
	if (in->is_state) {
		add(b, STR("state_key"), json_string(in->state_key));
	}
	add(b, STR("type"), json_string(in->type));
}

/* Index of the first member whose key is not before `key`. */
static size_t place_of(const struct builder *b, struct str key)
{
	size_t at = 0;
	while (at < b->count && str_compare(b->members[at].key, key) < 0) {
		at++;
	}
	return at;
}

static void insert(struct builder *b, struct str key, struct json value)
{
	invariant(b->count < MAX_MEMBERS);
	size_t at = place_of(b, key);
	for (size_t i = b->count++; i > at; i--) {
		b->members[i] = b->members[i - 1];
	}
	b->members[at] = (struct json_member){.key = key, .value = value};
}

static struct json members_object(const struct builder *b)
{
	return (struct json){.type = JSON_OBJECT, .members = b->members, .count = (uint32_t)b->count};
}

/* --- the texts --------------------------------------------------------------------------------- */

/* Canonical text of the members, offsets noted. */
static void write_members(struct builder *b, struct buf *buf)
{
	buf_add_byte(buf, '{');
	for (size_t i = 0; i < b->count; i++) {
		if (i > 0) {
			buf_add_byte(buf, ',');
		}
		b->offsets[i] = buf->n;
		json_escape(buf, b->members[i].key);
		buf_add_byte(buf, ':');
		canonical_write(buf, &b->members[i].value);
	}
	b->offsets[b->count] = buf->n;
	buf_add_byte(buf, '}');
}

static void write_member(struct buf *buf, struct str key, const struct json *value)
{
	json_escape(buf, key);
	buf_add_byte(buf, ':');
	canonical_write(buf, value);
	buf_add_byte(buf, ','); /* neither of the two is the last: `type` is */
}

/* The text with hashes and signatures put in; offsets of `text` are those before they were inserted. */
static void write_final(struct buf *buf, struct str text, size_t hashes_at, size_t signatures_at,
	const struct json *hashes, const struct json *signatures)
{
	buf_add(buf, str_slice(text, 0, hashes_at));
	write_member(buf, STR("hashes"), hashes);
	buf_add(buf, str_slice(text, hashes_at, signatures_at));
	write_member(buf, STR("signatures"), signatures);
	buf_add(buf, str_slice(text, signatures_at, text.n));
}

static struct str encode_hash(struct arena *arena, const unsigned char hash[SHA256_BYTES])
{
	return b64_encode(arena, str_from((const char *)hash, SHA256_BYTES));
}

struct str event_reference_text(struct arena *arena, const struct event *event)
{
	unsigned char hash[SHA256_BYTES];
	if (event->version->event_format != EVENT_FORMAT_V1) {
		return str_from(NULL, 0);
	}
	event_reference_hash(arena, event->version, event_json(arena, event), hash);
	return encode_hash(arena, hash);
}

static struct json sign_text(struct arena *arena, const struct event_signer *signer,
	struct str text)
{
	unsigned char signature[ED25519_SIGNATURE_BYTES];
	ed25519_sign(signer->key, text, signature);
	struct str encoded = b64_encode(arena, str_from((const char *)signature, sizeof(signature)));
	return one_member(arena, signer->server.s,
		one_member(arena, signer->key_id, json_string(encoded)));
}

/* The event id, and the room id of a create event that makes it. */
static void name_event(struct builder *b, struct str essential)
{
	struct event *event = b->event;
	if (event->version->event_id_encoding == EVENT_ID_EXPLICIT) {
		event->event_id.s = b->intent->explicit_event_id;
		return;
	}
	unsigned char hash[SHA256_BYTES];
	crypto_sha256(essential, hash);
	event->event_id = event_id_of_hash(b->arena, event->version, hash);
	if (event->room_id.s.p == NULL) {
		event->room_id = event_room_of_create(b->arena, event->event_id);
	}
}

/* --- the event --------------------------------------------------------------------------------- */

/* NUL is legal in events of others; this server makes none, since few programs bear it in a key. */
static bool is_plain_text(struct str text)
{
	return utf8_is_valid(text) && str_find_byte(text, '\0') == SIZE_MAX;
}

static struct verdict check_intent(const struct event_intent *in, const struct event *event)
{
	struct event_id event_id;
	struct verdict verdict = event_check_sizes(event, EVENT_OF_OURS);
	if (!verdict.allowed) {
		return verdict;
	}
	if (!is_plain_text(in->type)) {
		return verdict_deny("event.type", "The event type is not UTF-8, or holds NUL");
	}
	if (in->is_state && !is_plain_text(in->state_key)) {
		return verdict_deny("event.state_key", "The state key is not UTF-8, or holds NUL");
	}
	if (!json_is(in->content, JSON_OBJECT)) {
		return verdict_deny("event.content", "content must be an object");
	}
	if (in->redacts.p != NULL && !event_id_parse(in->redacts, &event_id)) {
		return verdict_deny("event.redacts", "redacts must be an event id");
	}
	if (in->depth < 0 || in->depth > event_depth_max(in->version)) {
		return verdict_deny("event.depth", "The depth is out of range");
	}
	if (in->version->strict_canonical_json &&
		(in->origin_server_ts > CANONICAL_INT_MAX || in->origin_server_ts < -CANONICAL_INT_MAX)) {
		return verdict_deny("event.origin_server_ts", "The time is out of range");
	}
	return event_check_values(in->version, in->content, 1);
}

static struct event *start_event(struct arena *arena, const struct event_intent *in)
{
	struct event *event = ARENA_NEW(arena, struct event);
	event->version = in->version;
	event->room_id = in->room_id;
	event->sender = in->sender;
	event->type = in->type;
	event->is_state = in->is_state;
	event->state_key = in->is_state ? in->state_key : str_from(NULL, 0);
	event->origin_server_ts = in->origin_server_ts;
	event->depth = in->depth;
	event->prev_events = in->prev_events;
	event->prev_count = in->prev_count;
	event->auth_events = in->auth_events;
	event->auth_count = in->auth_count;
	event->redacts =
		str_equals(in->type, STR("m.room.redaction")) ? in->redacts : str_from(NULL, 0);
	return event;
}

/* Publishes the tree. Its texts are set to the canonical ones, which can be spliced into answers. */
static void finish_event(struct builder *b, struct str raw)
{
	struct json *json = ARENA_NEW(b->arena, struct json);
	*json = members_object(b);
	json_set_raw(json, raw);
	b->event->tree = json;
	b->event->raw = raw;
	struct json *content = &b->members[place_of(b, STR("content"))].value;
	/* `content` stands before both keys that were put in, so its offset holds. */
	size_t at = b->offsets[1] + sizeof("\"content\":") - 1;
	json_set_raw(content, str_slice(raw, at, b->offsets[2] - 1));
	b->event->content = content;
}

struct verdict event_build(struct arena *arena, const struct event_intent *intent,
	const struct event_signer *signer, struct event **out)
{
	struct builder b = {
		.arena = arena,
		.intent = intent,
		.signer = signer,
		.event = start_event(arena, intent),
	};
	struct verdict verdict = check_intent(intent, b.event);
	if (!verdict.allowed) {
		return verdict;
	}
	b.members = ARENA_NEW_ARRAY(arena, struct json_member, MAX_MEMBERS);
	add_members(&b);
	struct buf covered CLEANUP(buf_fini);
	buf_init(&covered, EVENT_MAX_BYTES);
	write_members(&b, &covered);
	if (!buf_ok(&covered)) {
		return event_too_large();
	}
	unsigned char content_hash[SHA256_BYTES];
	crypto_sha256(buf_str(&covered), content_hash);
	size_t hashes_at = b.offsets[place_of(&b, STR("hashes"))];
	size_t signatures_at = b.offsets[place_of(&b, STR("signatures"))];
	struct json hashes =
		one_member(arena, STR("sha256"), json_string(encode_hash(arena, content_hash)));
	insert(&b, STR("hashes"), hashes);
	struct json hashed = members_object(&b);
	struct str essential = event_essential_text(arena, intent->version, &hashed);
	name_event(&b, essential);
	struct json signatures = sign_text(arena, signer, essential);
	insert(&b, STR("signatures"), signatures);

	struct buf final CLEANUP(buf_fini);
	buf_init(&final, EVENT_MAX_BYTES);
	write_final(&final, buf_str(&covered), hashes_at, signatures_at, &hashes, &signatures);
	if (!buf_ok(&final)) {
		return event_too_large();
	}
	finish_event(&b, str_dup(arena, buf_str(&final)));
	*out = b.event;
	return verdict_allow();
}
