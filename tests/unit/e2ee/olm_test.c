/*
 * The face to libolm: published vectors, and two devices that talk whatever is lost, late, repeated, changed, or stored in between.
 */
#include "tests/unit/base/check.h"

#include "e2ee/olm.h"

static const struct rng *os(void)
{
	static struct rng rng;
	rng = rng_os();
	return &rng;
}

struct device {
	struct ratchet_account *account;
	struct ratchet_identity identity;
	struct ratchet_key key; /* one that others may claim */
};

static struct device new_device(struct arena *arena)
{
	struct device device = {.account = ratchet_account_create(os())};
	struct ratchet_key *keys;
	device.identity = ratchet_account_identity(arena, device.account);
	ratchet_account_make_keys(device.account, os(), 1);
	assert_int_equal(ratchet_account_new_keys(arena, device.account, &keys), 1);
	device.key = keys[0];
	ratchet_account_published(device.account);
	return device;
}

static struct ratchet_message encrypt(struct arena *arena, struct ratchet_session *session,
	struct str text)
{
	struct ratchet_message message;
	assert_int_equal(ratchet_session_encrypt(arena, session, os(), text, &message), RATCHET_OK);
	return message;
}

static void assert_reads(struct arena *arena, struct ratchet_session *session,
	const struct ratchet_message *message, struct str text)
{
	struct str plain;
	assert_int_equal(ratchet_session_decrypt(arena, session, message->type, message->body, &plain),
		RATCHET_OK);
	assert_true(str_equals(plain, text));
}

/* --- vectors -------------------------------------------------------------------------------------------------- */

/* Of libolm's own tests (Apache License 2.0): a key and a message that other implementations are held to as well. */
#define VECTOR_KEY \
	"AgAAAAAwMTIzNDU2Nzg5QUJERUYwMTIzNDU2Nzg5QUJDREVGMDEyMzQ1Njc4OUFCREVGM" \
	"DEyMzQ1Njc4OUFCQ0RFRjAxMjM0NTY3ODlBQkRFRjAxMjM0NTY3ODlBQkNERUYwMTIzND" \
	"U2Nzg5QUJERUYwMTIzNDU2Nzg5QUJDREVGMDEyMw0bdg1BDq4Px/slBow06q8n/B9WBfw" \
	"WYyNOB8DlUmXGGwrFmaSb9bR/eY8xgERrxmP07hFmD9uqA2p8PMHdnV5ysmgufE6oLZ5+" \
	"8/mWQOW3VVTnDIlnwd8oHUYRuk8TCQ"
#define VECTOR_MESSAGE \
	"AwgAEhAcbh6UpbByoyZxufQ+h2B+8XHMjhR69G8F4+qjMaFlnIXusJZX3r8LnRORG9T3D" \
	"XFdbVuvIWrLyRfm4i8QRbe8VPwGRFG57B1CtmxanuP8bHtnnYqlwPsD"

static void megolm__published_message__reads(void **state)
{
	(void)state;
	struct arena *arena CLEANUP(arena_cleanup) = arena_create();
	struct megolm_in *session;
	struct str plain;
	uint32_t index;
	assert_int_equal(megolm_in_create(STR(VECTOR_KEY), &session), RATCHET_OK);
	assert_int_equal(megolm_in_first_index(session), 0);
	assert_int_equal(megolm_in_decrypt(arena, session, STR(VECTOR_MESSAGE), &plain, &index),
		RATCHET_OK);
	assert_text(plain, "Message");
	assert_int_equal(index, 0);
	megolm_in_destroy(session);
}

static void megolm__each_byte_changed__never_reads(void **state)
{
	(void)state;
	struct megolm_in *session;
	assert_int_equal(megolm_in_create(STR(VECTOR_KEY), &session), RATCHET_OK);
	for (size_t i = 0; i < sizeof(VECTOR_MESSAGE) - 1; i++) {
		struct arena *arena CLEANUP(arena_cleanup) = arena_create();
		char *text = arena_dup(arena, VECTOR_MESSAGE, sizeof(VECTOR_MESSAGE) - 1);
		struct str plain;
		uint32_t index;
		/* The last character has bits that belong to no byte. */
		text[i] = text[i] == 'A' ? 'Q' : 'A';
		assert_int_not_equal(megolm_in_decrypt(arena, session,
								 str_from(text, sizeof(VECTOR_MESSAGE) - 1), &plain, &index),
			RATCHET_OK);
	}
	megolm_in_destroy(session);
}

/* --- the keys of a device --------------------------------------------------------------------------------------- */

static void account__pickled_and_opened__same_keys(void **state)
{
	(void)state;
	struct arena *arena CLEANUP(arena_cleanup) = arena_create();
	struct device device = new_device(arena);
	struct ratchet_account *again;
	struct str pickle = ratchet_account_pickle(arena, device.account);
	assert_int_equal(ratchet_account_open(pickle, &again), RATCHET_OK);
	struct ratchet_identity identity = ratchet_account_identity(arena, again);
	assert_true(str_equals(identity.curve25519, device.identity.curve25519));
	assert_true(str_equals(identity.ed25519, device.identity.ed25519));
	assert_true(str_equals(ratchet_account_sign(arena, again, STR("x")),
		ratchet_account_sign(arena, device.account, STR("x"))));
	assert_int_equal(ratchet_account_open(str_slice(pickle, 0, pickle.n - 4), &again),
		RATCHET_BAD_PICKLE);
	assert_int_equal(ratchet_account_open(STR(""), &again), RATCHET_BAD_PICKLE);
	ratchet_account_destroy(again);
	ratchet_account_destroy(device.account);
}

static void account__keys__new_until_published(void **state)
{
	(void)state;
	struct arena *arena CLEANUP(arena_cleanup) = arena_create();
	struct ratchet_account *account = ratchet_account_create(os());
	struct ratchet_key *keys;
	struct ratchet_key fallback;
	assert_int_equal(ratchet_account_new_keys(arena, account, &keys), 0);
	assert_false(ratchet_account_new_fallback(arena, account, &fallback));
	ratchet_account_make_keys(account, os(), 5);
	ratchet_account_make_fallback(account, os());
	assert_int_equal(ratchet_account_new_keys(arena, account, &keys), 5);
	for (size_t i = 1; i < 5; i++) {
		assert_true(str_compare(keys[i - 1].key_id, keys[i].key_id) < 0);
	}
	assert_true(ratchet_account_new_fallback(arena, account, &fallback));
	assert_int_equal(fallback.curve25519.n, 43);
	ratchet_account_published(account);
	assert_int_equal(ratchet_account_new_keys(arena, account, &keys), 0);
	assert_false(ratchet_account_new_fallback(arena, account, &fallback));
	ratchet_account_destroy(account);
}

/* --- two devices --------------------------------------------------------------------------------------------------- */

static void session__used_one_time_key__begins_no_second(void **state)
{
	(void)state;
	struct arena *arena CLEANUP(arena_cleanup) = arena_create();
	struct device alice = new_device(arena);
	struct device bob = new_device(arena);
	struct ratchet_session *out;
	struct ratchet_session *in;
	struct ratchet_session *second;
	assert_int_equal(ratchet_session_create(alice.account, os(), bob.identity.curve25519,
						 bob.key.curve25519, &out),
		RATCHET_OK);
	struct ratchet_message message = encrypt(arena, out, STR("hello"));
	assert_int_equal(message.type, RATCHET_PRE_KEY);
	/* Somebody else's message is not Alice's. */
	assert_int_equal(
		ratchet_session_accept(arena, bob.account, bob.identity.curve25519, message.body, &second),
		RATCHET_BAD_KEY_ID);
	assert_int_equal(
		ratchet_session_accept(arena, bob.account, alice.identity.curve25519, message.body, &in),
		RATCHET_OK);
	assert_reads(arena, in, &message, STR("hello"));
	assert_true(ratchet_session_is_of(arena, in, alice.identity.curve25519, message.body));
	assert_true(str_equals(ratchet_session_id(arena, in), ratchet_session_id(arena, out)));
	ratchet_session_use_up(bob.account, in);
	assert_int_equal(ratchet_session_accept(arena, bob.account, alice.identity.curve25519,
						 message.body, &second),
		RATCHET_BAD_KEY_ID);
	struct ratchet_message answer = encrypt(arena, in, STR("hi"));
	assert_int_equal(answer.type, RATCHET_NORMAL);
	assert_reads(arena, out, &answer, STR("hi"));
	assert_int_equal(encrypt(arena, out, STR("x")).type, RATCHET_NORMAL);
	struct str plain;
	assert_int_equal(ratchet_session_decrypt(arena, in, message.type, message.body, &plain),
		RATCHET_BAD_MAC);
	ratchet_session_destroy(out);
	ratchet_session_destroy(in);
	ratchet_account_destroy(alice.account);
	ratchet_account_destroy(bob.account);
}

static void session__bad_keys__named(void **state)
{
	(void)state;
	struct arena *arena CLEANUP(arena_cleanup) = arena_create();
	struct device alice = new_device(arena);
	struct ratchet_session *session;
	struct str good = alice.identity.curve25519;
	assert_int_equal(ratchet_session_create(alice.account, os(), good, STR("AAAA"), &session),
		RATCHET_BAD_BASE64);
	assert_int_equal(ratchet_session_accept(arena, alice.account, good, STR(""), &session),
		RATCHET_BAD_FORMAT);
	assert_int_equal(ratchet_session_accept(arena, alice.account, good, STR("!!!!!"), &session),
		RATCHET_BAD_BASE64);
	assert_int_equal(ratchet_session_accept(arena, alice.account, good, STR("AwgA"), &session),
		RATCHET_BAD_FORMAT);
	ratchet_account_destroy(alice.account);
}

/* Stored and read again, as a server does between any two messages. */
static void store(struct arena *arena, struct ratchet_session **session)
{
	struct str pickle = ratchet_session_pickle(arena, *session);
	ratchet_session_destroy(*session);
	assert_int_equal(ratchet_session_open(pickle, session), RATCHET_OK);
}

/* A letter is never so late that its chain is forgotten: libolm keeps five. */
enum { TALK = 400, ON_THE_WAY = 4 };

struct letter {
	struct ratchet_message message;
	struct str text;
};
/* Letters to one end: taken in any order, sometimes lost, sometimes twice. */
struct post {
	struct letter letters[ON_THE_WAY];
	size_t n;
};

static void deliver_one(struct arena *arena, struct post *post, struct ratchet_session **session,
	uint64_t *seed)
{
	size_t i = next_random(seed) % post->n;
	struct letter letter = post->letters[i];
	post->letters[i] = post->letters[--post->n];
	if (next_random(seed) % 8 == 0) {
		return; /* lost */
	}
	assert_reads(arena, *session, &letter.message, letter.text);
	store(arena, session);
	struct str plain; /* whoever sends it again has nothing of it */
	assert_int_not_equal(
		ratchet_session_decrypt(arena, *session, letter.message.type, letter.message.body, &plain),
		RATCHET_OK);
}

static void session__lost_late_and_repeated__talk_goes_on(void **state)
{
	(void)state;
	uint64_t seed = 20260907;
	struct arena *arena CLEANUP(arena_cleanup) = arena_create();
	struct device devices[2] = {new_device(arena), new_device(arena)};
	struct ratchet_session *ends[2];
	struct post posts[2] = {{.n = 0}, {.n = 0}};
	assert_int_equal(ratchet_session_create(devices[0].account, os(),
						 devices[1].identity.curve25519, devices[1].key.curve25519, &ends[0]),
		RATCHET_OK);
	struct ratchet_message first = encrypt(arena, ends[0], STR("first"));
	assert_int_equal(ratchet_session_accept(arena, devices[1].account,
						 devices[0].identity.curve25519, first.body, &ends[1]),
		RATCHET_OK);
	assert_reads(arena, ends[1], &first, STR("first"));
	for (int i = 0; i < TALK; i++) {
		size_t from = next_random(&seed) % 2;
		struct post *post = &posts[1 - from];
		if (post->n == ON_THE_WAY) {
			deliver_one(arena, post, &ends[1 - from], &seed);
		}
		struct str text = str_printf(arena, "message %d", i);
		struct letter letter = {encrypt(arena, ends[from], text), text};
		store(arena, &ends[from]);
		post->letters[post->n++] = letter;
		if (next_random(&seed) % 2 == 0) {
			deliver_one(arena, post, &ends[1 - from], &seed);
		}
	}
	for (size_t i = 0; i < 2; i++) {
		ratchet_session_destroy(ends[i]);
		ratchet_account_destroy(devices[i].account);
	}
}

/* --- one sender ------------------------------------------------------------------------------------------------------ */

static struct str say(struct arena *arena, struct megolm_out *out, int number)
{
	struct str message;
	struct str text = str_printf(arena, "notice %d", number);
	assert_int_equal(megolm_out_encrypt(arena, out, text, &message), RATCHET_OK);
	return message;
}

static void megolm__receiver_that_came_later__reads_from_there_on(void **state)
{
	(void)state;
	struct arena *arena CLEANUP(arena_cleanup) = arena_create();
	struct megolm_out *out = megolm_out_create(os());
	struct megolm_in *early;
	struct megolm_in *late;
	struct str plain;
	uint32_t index;
	assert_int_equal(megolm_in_create(megolm_out_key(arena, out), &early), RATCHET_OK);
	struct str messages[3];
	messages[0] = say(arena, out, 0);
	messages[1] = say(arena, out, 1);
	assert_int_equal(megolm_in_create(megolm_out_key(arena, out), &late), RATCHET_OK);
	assert_int_equal(megolm_out_index(out), 2);
	assert_int_equal(megolm_in_first_index(late), 2);
	messages[2] = say(arena, out, 2);
	for (size_t i = COUNT_OF(messages); i > 0; i--) { /* in any order */
		assert_int_equal(megolm_in_decrypt(arena, early, messages[i - 1], &plain, &index),
			RATCHET_OK);
		assert_int_equal(index, i - 1);
	}
	assert_int_equal(megolm_in_decrypt(arena, late, messages[2], &plain, &index), RATCHET_OK);
	assert_text(plain, "notice 2");
	assert_int_equal(megolm_in_decrypt(arena, late, messages[1], &plain, &index),
		RATCHET_INDEX_UNKNOWN);
	assert_true(megolm_in_agrees(arena, early, late));
	megolm_in_destroy(early);
	megolm_in_destroy(late);
	megolm_out_destroy(out);
}

static void megolm__keys__checked_and_kept_apart(void **state)
{
	(void)state;
	struct arena *arena CLEANUP(arena_cleanup) = arena_create();
	struct megolm_out *out = megolm_out_create(os());
	struct megolm_out *other = megolm_out_create(os());
	struct megolm_in *in;
	struct megolm_in *foreign;
	struct str key = megolm_out_key(arena, out);
	char *forged = arena_dup(arena, key.p, key.n);
	forged[100] = forged[100] == 'A' ? 'B' : 'A';
	assert_int_equal(megolm_in_create(str_from(forged, key.n), &in), RATCHET_BAD_SIGNATURE);
	assert_int_equal(megolm_in_create(STR("AgAA"), &in), RATCHET_BAD_KEY);
	assert_int_equal(megolm_in_create(key, &in), RATCHET_OK);
	assert_int_equal(megolm_in_create(megolm_out_key(arena, other), &foreign), RATCHET_OK);
	assert_false(megolm_in_agrees(arena, in, foreign));
	struct str pickle = megolm_in_pickle(arena, in);
	megolm_in_destroy(in);
	assert_int_equal(megolm_in_open(pickle, &in), RATCHET_OK);
	assert_true(str_equals(megolm_in_id(arena, in), megolm_out_id(arena, out)));
	struct str plain;
	uint32_t index;
	struct str message = say(arena, out, 7);
	assert_int_not_equal(megolm_in_decrypt(arena, foreign, message, &plain, &index), RATCHET_OK);
	assert_int_equal(megolm_in_decrypt(arena, in, message, &plain, &index), RATCHET_OK);
	megolm_in_destroy(in);
	megolm_in_destroy(foreign);
	megolm_out_destroy(out);
	megolm_out_destroy(other);
}

static void messages__too_large__refused(void **state)
{
	(void)state;
	struct arena *arena CLEANUP(arena_cleanup) = arena_create();
	struct megolm_out *out = megolm_out_create(os());
	char *large = arena_alloc(arena, RATCHET_MESSAGE_MAX_BYTES + 1);
	struct str text = str_from(large, RATCHET_MESSAGE_MAX_BYTES + 1);
	struct str message;
	assert_int_equal(megolm_out_encrypt(arena, out, text, &message), RATCHET_BAD_FORMAT);
	assert_int_equal(megolm_out_index(out), 0);
	assert_int_equal(megolm_out_encrypt(arena, out, str_slice(text, 0, text.n - 1), &message),
		RATCHET_OK);
	megolm_out_destroy(out);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(megolm__published_message__reads),
		cmocka_unit_test(megolm__each_byte_changed__never_reads),
		cmocka_unit_test(account__pickled_and_opened__same_keys),
		cmocka_unit_test(account__keys__new_until_published),
		cmocka_unit_test(session__used_one_time_key__begins_no_second),
		cmocka_unit_test(session__bad_keys__named),
		cmocka_unit_test(session__lost_late_and_repeated__talk_goes_on),
		cmocka_unit_test(megolm__receiver_that_came_later__reads_from_there_on),
		cmocka_unit_test(megolm__keys__checked_and_kept_apart),
		cmocka_unit_test(messages__too_large__refused),
	};
	return RUN_ALL(tests);
}
