/*
 * Validations of e-mail addresses on a real PostgreSQL: whose, for what and for how long one is good.
 */
#include "storage/email_validation.h"

#include "storage/secret.h"
#include "storage/threepid.h"
#include "tests/storage/world.h"

enum { NOW_MS = 1000, END_MS = 2000, LONG_MS = 5000 };

/* As somebody asks for a mail to an address, with secret and token called like it. */
static struct email_validation_row row_of(struct str sid, struct str address)
{
	return (struct email_validation_row){
		.sid = sid,
		.purpose = EMAIL_PASSWORD,
		.address = address,
		.client_secret_hash = STR("secret"),
		.token_hash = STR("token"),
		.send_attempt = 1,
		.next_link = STR(""),
		.now_ms = NOW_MS,
		.expires_at_ms = END_MS,
	};
}

/* @return whether a mail is to be sent */
static bool begin(struct world *world, const struct email_validation_row *row)
{
	struct str sid;
	bool is_to_send;
	assert_int_equal(store_email_validation_begin(&world->ctx, world->db, row, &sid, &is_to_send),
		ERR_OK);
	assert_true(str_equals(sid, row->sid));
	return is_to_send;
}

static enum err peek(struct world *world, struct str sid, struct str token, int64_t now_ms)
{
	struct email_validation_row row;
	return store_email_validation_peek(&world->ctx, world->db, sid, token, now_ms, &row);
}

static enum err confirm(struct world *world, struct str sid, struct str token, int64_t now_ms)
{
	return store_email_validation_confirm(&world->ctx, world->db, sid, token, now_ms, LONG_MS);
}

/* As somebody uses it up who has found it first: both take the same. */
static enum err take(struct world *world, enum email_purpose purpose, struct str sid,
	struct str secret, int64_t now_ms)
{
	struct email_validation_row row;
	enum err found =
		store_email_validation_find(&world->ctx, world->db, purpose, sid, secret, now_ms, &row);
	enum err err = IN_TX(world,
		store_email_validation_take(&world->ctx, tx, purpose, sid, secret, now_ms, &row));
	assert_int_equal(found, err);
	return err;
}

static void validation__begun_again__one_mail_for_each_attempt_until_it_is_confirmed(void **state)
{
	struct world *world = *state;
	struct email_validation_row row = row_of(STR("again"), STR("again@a.example"));
	assert_true(begin(world, &row));
	assert_false(begin(world, &row));
	row.send_attempt = 2;
	assert_true(begin(world, &row));
	assert_int_equal(confirm(world, row.sid, row.token_hash, NOW_MS), ERR_OK);
	row.send_attempt = 3;
	assert_false(begin(world, &row));
	assert_int_equal(take(world, EMAIL_PASSWORD, row.sid, STR("secret"), NOW_MS), ERR_OK);
}

static void validation__begun_anew_after_its_end__has_to_be_confirmed_anew(void **state)
{
	struct world *world = *state;
	struct email_validation_row row = row_of(STR("anew"), STR("anew@a.example"));
	assert_true(begin(world, &row));
	assert_int_equal(confirm(world, row.sid, row.token_hash, NOW_MS), ERR_OK);
	row.now_ms = LONG_MS;
	row.expires_at_ms = 2 * (int64_t)LONG_MS;
	assert_true(begin(world, &row));
	assert_int_equal(take(world, EMAIL_PASSWORD, row.sid, STR("secret"), LONG_MS), ERR_MISSING);
}

static void validation__refused_ended_or_of_another_token__not_confirmed(void **state)
{
	struct world *world = *state;
	struct email_validation_row refused = row_of(STR("refused"), STR("refused@a.example"));
	struct email_validation_row row = row_of(STR("good"), STR("good@a.example"));
	refused.is_refused = true;
	assert_true(begin(world, &refused));
	assert_true(begin(world, &row));
	assert_int_equal(peek(world, refused.sid, refused.token_hash, NOW_MS), ERR_MISSING);
	assert_int_equal(confirm(world, refused.sid, refused.token_hash, NOW_MS), ERR_MISSING);
	assert_int_equal(peek(world, row.sid, STR("other"), NOW_MS), ERR_MISSING);
	assert_int_equal(confirm(world, row.sid, STR("other"), NOW_MS), ERR_MISSING);
	assert_int_equal(peek(world, row.sid, row.token_hash, END_MS), ERR_MISSING);
	assert_int_equal(confirm(world, row.sid, row.token_hash, END_MS), ERR_MISSING);
	assert_int_equal(peek(world, row.sid, row.token_hash, END_MS - 1), ERR_OK);
	assert_int_equal(take(world, EMAIL_PASSWORD, row.sid, STR("secret"), NOW_MS), ERR_MISSING);
}

static void validation__confirmed__used_once_by_whose_it_is_and_for_what_it_is(void **state)
{
	struct world *world = *state;
	struct email_validation_row row = row_of(STR("used"), STR("used@a.example"));
	assert_true(begin(world, &row));
	assert_int_equal(confirm(world, row.sid, row.token_hash, NOW_MS), ERR_OK);
	assert_int_equal(take(world, EMAIL_ADD, row.sid, STR("secret"), NOW_MS), ERR_MISSING);
	assert_int_equal(take(world, EMAIL_PASSWORD, row.sid, STR("guess"), NOW_MS), ERR_MISSING);
	assert_int_equal(take(world, EMAIL_PASSWORD, row.sid, STR("secret"), LONG_MS), ERR_MISSING);
	assert_int_equal(take(world, EMAIL_PASSWORD, row.sid, STR("secret"), LONG_MS - 1), ERR_OK);
	assert_int_equal(take(world, EMAIL_PASSWORD, row.sid, STR("secret"), NOW_MS), ERR_MISSING);
}

static void add_address(struct world *world, struct str user_id, struct str address)
{
	const struct threepid_row row = {.medium = STR("email"),
		.address = address,
		.user_id = user_id,
		.validated_at_ms = NOW_MS,
		.added_at_ms = NOW_MS};
	assert_int_equal(IN_TX(world, store_threepid_insert(&world->ctx, tx, &row)), ERR_OK);
}

static void validation__all_secrets_of_a_user_end__no_mail_resets_that_password(void **state)
{
	struct world *world = *state;
	const struct email_validation_row own[] = {row_of(STR("first"), STR("first@a.example")),
		row_of(STR("second"), STR("second@a.example"))};
	struct email_validation_row other = row_of(STR("other"), STR("other@a.example"));
	struct email_validation_row adding = row_of(STR("adding"), STR("first@a.example"));
	adding.purpose = EMAIL_ADD;
	world_add_account(world, STR("@ann:hs"));
	world_add_account(world, STR("@bob:hs"));
	for (size_t i = 0; i < COUNT_OF(own); i++) {
		add_address(world, STR("@ann:hs"), own[i].address);
		assert_true(begin(world, &own[i]));
	}
	add_address(world, STR("@bob:hs"), other.address);
	assert_true(begin(world, &other));
	assert_true(begin(world, &adding));
	assert_int_equal(confirm(world, own[0].sid, own[0].token_hash, NOW_MS), ERR_OK);
	assert_int_equal(IN_TX(world, store_secret_delete_user(&world->ctx, tx, STR("@ann:hs"))),
		ERR_OK);
	assert_int_equal(take(world, EMAIL_PASSWORD, own[0].sid, STR("secret"), NOW_MS), ERR_MISSING);
	assert_int_equal(peek(world, own[1].sid, own[1].token_hash, NOW_MS), ERR_MISSING);
	assert_int_equal(peek(world, other.sid, other.token_hash, NOW_MS), ERR_OK);
	assert_int_equal(peek(world, adding.sid, adding.token_hash, NOW_MS), ERR_OK);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(validation__begun_again__one_mail_for_each_attempt_until_it_is_confirmed),
		TEST(validation__begun_anew_after_its_end__has_to_be_confirmed_anew),
		TEST(validation__refused_ended_or_of_another_token__not_confirmed),
		TEST(validation__confirmed__used_once_by_whose_it_is_and_for_what_it_is),
		TEST(validation__all_secrets_of_a_user_end__no_mail_resets_that_password),
	};
	return cmocka_run_group_tests(tests, world_set_up_all, NULL);
}
