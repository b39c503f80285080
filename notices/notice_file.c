/*
 * The ciphertext of a file is an upload of the sender like any other. Where it is, and its key, are written down before anything is said:
 * a second try says the same.
 */
#include "notices/notice_file.h"

#include <fcntl.h>
#include <inttypes.h>
#include <unistd.h>

#include "base/b64.h"
#include "base/crypto.h"
#include "e2ee/vault.h"
#include "homeserver/media/media.h"
#include "homeserver/room/rooms.h"
#include "matrix/canonical.h"
#include "matrix/json_make.h"
#include "notices/notice_send.h"

enum { PIECE_BYTES = 64 * 1024, RANDOM_IV_BYTES = 8, NAME_BYTES = 32 };

static struct str uri_of(struct ctx *ctx, const struct homeserver *hs, struct str media_id)
{
	return str_printf(ctx->arena, "mxc://%.*s/%.*s", STR_ARG(hs->signer.server.s),
		STR_ARG(media_id));
}

/* --- ciphertext -------------------------------------------------------------------------------------------------- */

/* A file on its way through the cipher. */
struct passage {
	struct aes_ctr *cipher;
	struct sha256 *sum;
	char *piece;
	int in, out;
};

static void passage_fini(struct passage *passage)
{
	aes_ctr_destroy(passage->cipher);
	sha256_destroy(passage->sum);
	if (passage->in >= 0) {
		(void)close(passage->in);
	}
	if (passage->out >= 0) {
		(void)close(passage->out);
	}
}

static enum err pass_through(struct ctx *ctx, struct passage *passage, int64_t *out_size)
{
	ssize_t n;
	*out_size = 0;
	while ((n = read(passage->in, passage->piece, PIECE_BYTES)) > 0) {
		aes_ctr_apply(passage->cipher, passage->piece, (size_t)n);
		sha256_add(passage->sum, str_from(passage->piece, (size_t)n));
		for (ssize_t at = 0; at < n;) {
			ssize_t written = write(passage->out, passage->piece + at, (size_t)(n - at));
			if (written < 0) {
				return fail_cause(ctx, ERR_STORE, "the ciphertext of a file cannot be written");
			}
			at += written;
		}
		*out_size += n;
	}
	return n == 0 ? ERR_OK : fail_cause(ctx, ERR_STORE, "a file cannot be read");
}

/* Spec: EncryptedFile, v2 */
static struct json describe(struct ctx *ctx, struct str uri,
	const unsigned char key[AES_CTR_KEY_BYTES], const unsigned char iv[AES_CTR_IV_BYTES],
	const unsigned char sum[SHA256_BYTES])
{
	struct arena *arena = ctx->arena;
	struct json *uses = ARENA_NEW_ARRAY(arena, struct json, 2);
	struct json jwk = json_object(arena, 5);
	struct json file = json_object(arena, 5);
	uses[0] = json_string(STR("encrypt"));
	uses[1] = json_string(STR("decrypt"));
	json_put(&jwk, STR("kty"), json_string(STR("oct")));
	json_put(&jwk, STR("key_ops"), json_array_of(uses, 2));
	json_put(&jwk, STR("alg"), json_string(STR("A256CTR")));
	json_put(&jwk, STR("k"),
		json_string(b64_encode_url(arena, str_from((const char *)key, AES_CTR_KEY_BYTES))));
	json_put(&jwk, STR("ext"), json_boolean(true));
	json_put(&file, STR("v"), json_string(STR("v2")));
	json_put(&file, STR("url"), json_string(uri));
	json_put(&file, STR("key"), jwk);
	json_put(&file, STR("iv"),
		json_string(b64_encode(arena, str_from((const char *)iv, AES_CTR_IV_BYTES))));
	json_put(&file, STR("hashes"),
		json_object_of(arena, STR("sha256"),
			json_string(b64_encode(arena, str_from((const char *)sum, SHA256_BYTES)))));
	return file;
}

static enum err encrypt(struct ctx *ctx, struct homeserver *hs, struct str user_id,
	const struct media_row *media, struct json *out)
{
	unsigned char key[AES_CTR_KEY_BYTES];
	unsigned char iv[AES_CTR_IV_BYTES] = {0}; /* the rest is the counter */
	struct str media_id;
	struct body_file file;
	rng_fill(&hs->rng, key, sizeof(key));
	rng_fill(&hs->rng, iv, RANDOM_IV_BYTES);
	struct str name = rng_text(&hs->rng, ctx->arena, NAME_BYTES);
	file.path = str_cstr(ctx->arena,
		str_printf(ctx->arena, "%s/%.*s", media_incoming_folder(hs->media), STR_ARG(name)));
	struct passage passage CLEANUP(passage_fini) = {.cipher = aes_ctr_create(key, iv),
		.sum = sha256_create(),
		.piece = arena_alloc(ctx->arena, PIECE_BYTES),
		.in = -1,
		.out = -1};
	TRY(media_open(ctx, hs, media, &passage.in));
	passage.out = open(file.path, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
	if (passage.out < 0) {
		return fail_cause(ctx, ERR_STORE, "the ciphertext of a file cannot be made");
	}
	file.fd = passage.out;
	enum err err = pass_through(ctx, &passage, &file.size_bytes);
	sha256_end(passage.sum, file.sha256);
	const struct media_upload upload = {.user_id = user_id,
		.content_type = STR("application/octet-stream"),
		.file = &file};
	err = err == ERR_OK ? media_upload(ctx, hs, &upload, &media_id) : err;
	(void)unlink(file.path); /* unless the store took it by that name */
	TRY(err);
	*out = describe(ctx, uri_of(ctx, hs, media_id), key, iv, file.sha256);
	crypto_wipe(key, sizeof(key));
	return ERR_OK;
}

/* What was written down by an earlier try, or a new one that is. */
static enum err get_encrypted(struct ctx *ctx, struct homeserver *hs,
	const struct notice_follow_up_row *row, const struct media_row *media, struct json *out)
{
	struct str text;
	struct str context = str_printf(ctx->arena, "notice file %" PRId64 " %" PRId64 " %.*s %" PRId64,
		row->notice_id, row->due_at_ms, STR_ARG(row->room_id), row->ordinal);
	if (row->sealed.p != NULL) {
		TRY(vault_open(ctx, hs, context, row->sealed, &text));
		return json_parse(ctx->arena, text, NULL, out, NULL) == JSON_OK
			? ERR_OK
			: fail_cause(ctx, ERR_INTERNAL, "the sealed key of a file is none");
	}
	TRY(encrypt(ctx, hs, row->sender, media, out));
	return store_notice_follow_up_seal(ctx, hs->db, row,
		vault_seal(ctx->arena, hs, context, canonical_text(ctx->arena, out)));
}

/* --- the message ------------------------------------------------------------------------------------------------- */

static struct str kind_of(struct str content_type)
{
	static const struct {
		struct str prefix, msgtype;
	} kinds[] = {{STR_INIT("image/"), STR_INIT("m.image")},
		{STR_INIT("audio/"), STR_INIT("m.audio")}, {STR_INIT("video/"), STR_INIT("m.video")}};
	for (size_t i = 0; i < COUNT_OF(kinds); i++) {
		if (str_starts_with(content_type, kinds[i].prefix)) {
			return kinds[i].msgtype;
		}
	}
	return STR("m.file");
}

static struct json make_content(struct ctx *ctx, const struct media_row *media)
{
	struct json info = json_object(ctx->arena, 2);
	struct json content = json_object(ctx->arena, 6);
	struct str type =
		media->content_type.p != NULL ? media->content_type : STR("application/octet-stream");
	struct str name = media->file_name.n > 0 ? media->file_name : STR("file");
	json_put(&info, STR("mimetype"), json_string(type));
	json_put(&info, STR("size"), json_integer(media->size_bytes));
	json_put(&content, STR("msgtype"), json_string(kind_of(type)));
	json_put(&content, STR("body"), json_string(name));
	json_put(&content, STR("filename"), json_string(name));
	json_put(&content, STR("info"), info);
	json_put(&content, STR("m.mentions"), json_object(ctx->arena, 1));
	return content;
}

enum err notice_file_say(struct ctx *ctx, struct homeserver *hs, struct user_id sender,
	const struct notice_follow_up_row *row)
{
	struct room *room;
	struct stored_event *encryption;
	struct media_row media;
	struct json file;
	struct str event_id;
	const struct media_query query = {.origin = hs->signer.server, .media_id = row->media_id};
	TRY(notice_enter_room(ctx, hs, sender, row->room_id, &room));
	TRY(room_state_event(ctx, hs, room, STR("m.room.encryption"), STR(""), POSITION_NOW,
		&encryption));
	TRY(media_find(ctx, hs, &query, &media));
	struct json content = make_content(ctx, &media);
	if (encryption != NULL) {
		TRY(get_encrypted(ctx, hs, row, &media, &file));
		json_put(&content, STR("file"), file);
	} else {
		json_put(&content, STR("url"), json_string(uri_of(ctx, hs, row->media_id)));
	}
	const struct notice_words words = {.sender = sender,
		.room_id = row->room_id,
		.type = STR("m.room.message"),
		.content = &content,
		.holds_clear_file = encryption == NULL,
		.txn_key = row->txn_key};
	return notice_say(ctx, hs, &words, &event_id);
}
