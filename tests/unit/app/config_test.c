/*
 * The table of options: whole, in order, and turned into what the layers want.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>
#undef fail
#undef fail_msg

#include "app/config.h"
#include "base/buf.h"
#include "base/conf_inner.h"

static struct arena *arena;
static struct ctx ctx;

static int set_up(void **state)
{
	(void)state;
	arena = arena_create();
	ctx_init(&ctx, arena);
	return 0;
}

static int tear_down(void **state)
{
	(void)state;
	arena_destroy(arena);
	return 0;
}

static enum err read_assignments(const char *const *assignments, size_t count, struct conf **out)
{
	return config_read(&ctx,
		&(struct config_sources){.assignments = assignments, .assignment_count = count}, out);
}

static bool same_text(struct str a, const char *b)
{
	return str_equals(a, str_of(b));
}

static void rows__each__has_key_and_help_once(void **state)
{
	(void)state;
	size_t count;
	const struct conf_row *rows = config_rows(&count);
	assert_true(count > 40);
	for (size_t i = 0; i < count; i++) {
		struct str help = str_of(rows[i].help);
		if (!str_ends_with(help, STR(".")) || rows[i].fallback == NULL) {
			print_error("%s: the help is no sentence, or there is no default\n", rows[i].key);
			assert_true(false);
		}
		for (size_t j = 0; j < i; j++) {
			assert_string_not_equal(rows[i].key, rows[j].key);
		}
	}
}

/* At a start defaults are taken as they are. */
static void rows__defaults__can_be_meant(void **state)
{
	(void)state;
	size_t count;
	const struct conf_row *rows = config_rows(&count);
	for (size_t i = 0; i < count; i++) {
		struct conf_value value;
		const char *problem = conf_parse_value(arena, &rows[i], str_of(rows[i].fallback), &value);
		if (problem != NULL) {
			print_error("%s: its default %s\n", rows[i].key, problem);
			assert_true(false);
		}
	}
}

/* As somebody would write them: who is refused is told. */
static void rows__ranges_of_time__in_units_that_are_read(void **state)
{
	(void)state;
	size_t count;
	const struct conf_row *rows = config_rows(&count);
	for (size_t i = 0; i < count; i++) {
		int64_t limits[] = {rows[i].min, rows[i].max};
		for (size_t j = 0; j < COUNT_OF(limits) && rows[i].type == CONF_TIME; j++) {
			struct str text = conf_quantity(arena, CONF_TIME, limits[j]);
			if (text.n > strlen("3650d")) {
				print_error("%s: %.*s\n", rows[i].key, STR_ARG(text));
				assert_true(false);
			}
		}
	}
}

/* The file's sections and the page's headings come from the order of the rows. */
static void rows__sections__stand_together(void **state)
{
	(void)state;
	size_t count;
	const struct conf_row *rows = config_rows(&count);
	for (size_t i = 1; i < count; i++) {
		size_t length = strcspn(rows[i].key, ".");
		bool is_first = strncmp(rows[i].key, rows[i - 1].key, length + 1) != 0;
		for (size_t j = 0; is_first && rows[i].key[length] == '.' && j < i; j++) {
			assert_int_not_equal(strncmp(rows[i].key, rows[j].key, length + 1), 0);
		}
	}
}

static void rows__secrets__marked(void **state)
{
	(void)state;
	size_t count;
	const struct conf_row *rows = config_rows(&count);
	for (size_t i = 0; i < count; i++) {
		struct str key = str_of(rows[i].key);
		bool is_secret = str_equals(key, STR("database.url")) ||
			str_ends_with(key, STR("secret")) || str_ends_with(key, STR(".password")) ||
			str_ends_with(key, STR("secret_key"));
		assert_int_equal(rows[i].is_secret, is_secret);
	}
}

static void example__read_back__accepted(void **state)
{
	(void)state;
	size_t count;
	const struct conf_row *rows = config_rows(&count);
	struct buf text CLEANUP(buf_fini) = {0};
	buf_init(&text, 1 << 20);
	conf_write_example(rows, count, &text);
	char path[] = "/tmp/belfry-config-test-XXXXXX";
	int fd = mkstemp(path);
	assert_true(fd >= 0);
	assert_int_equal(write(fd, text.p, text.n), text.n);
	(void)close(fd);
	struct conf *conf = NULL;
	enum err err = config_read(&ctx, &(struct config_sources){.file = path}, &conf);
	(void)unlink(path);
	assert_int_equal(err, ERR_OK);
}

static void read__nothing__defaults_of_every_layer(void **state)
{
	(void)state;
	struct conf *conf = NULL;
	assert_int_equal(read_assignments(NULL, 0, &conf), ERR_OK);
	struct settings settings;
	config_to_settings(conf, &settings);
	assert_int_equal(settings.registration_mode, REGISTRATION_CLOSED);
	assert_true(same_text(settings.default_room_version->id, "12"));
	assert_int_equal(settings.argon2_memory_kib, 19 * 1024);
	assert_true(settings.rate_limits_enabled);
	struct http_config http;
	config_to_http(conf, arena, &http);
	assert_int_equal(http.listen_count, 1);
	assert_int_equal(http.listen[0].kind, HTTP_LISTEN_PLAIN);
	assert_string_equal(http.listen[0].address, "127.0.0.1:8008");
	assert_int_equal(http.trusted_proxy_count, 2);
	for (int rate = RATE_NONE + 1; rate < RATE_CLASS_COUNT; rate++) {
		const struct rate_class *class = &http.rates[rate];
		bool has_budget = class->per_second > 0 && class->burst > 0;
		bool has_turns = class->at_once > 0 && class->waiting > 0;
		assert_true(has_budget || has_turns);
		assert_true(has_turns == (rate == RATE_SERVER_HEAVY || rate == RATE_TRANSACTION));
	}
	struct db_config db;
	config_to_db(conf, &db);
	assert_true(str_is_empty(db.url));
	assert_int_equal(db.pool_size, 8);
}

static void read__line_of_a_harness__accepted(void **state)
{
	(void)state;
	static const char *const line[] = {"server_name=hs1", "listen.client=127.0.1.1:8008",
		"listen.federation=127.0.1.1:8448", "tls.certificate=FILE", "tls.key=FILE",
		"federation.ca_file=FILE", "registration.mode=open", "registration.shared_secret=SECRET",
		"rate_limits.enabled=false", "appservices.folder=DIR", "rooms.default_version=11",
		"network.allow_addresses=127.0.0.0/8", "database.url=postgresql://"};
	struct conf *conf = NULL;
	assert_int_equal(read_assignments(line, COUNT_OF(line), &conf), ERR_OK);
	struct settings settings;
	config_to_settings(conf, &settings);
	assert_true(same_text(settings.server_name.s, "hs1"));
	assert_true(same_text(settings.default_room_version->id, "11"));
	assert_int_equal(settings.registration_mode, REGISTRATION_OPEN);
	struct http_config http;
	config_to_http(conf, arena, &http);
	assert_int_equal(http.listen_count, 2);
	assert_int_equal(http.listen[1].kind, HTTP_LISTEN_TLS);
	assert_false(http.rate_limits_enabled);
}

static void read__federation_without_certificate__plain(void **state)
{
	(void)state;
	static const char *const line[] = {"listen.federation=*:8448", "listen.metrics=[::1]:9008"};
	struct conf *conf = NULL;
	assert_int_equal(read_assignments(line, COUNT_OF(line), &conf), ERR_OK);
	struct http_config http;
	config_to_http(conf, arena, &http);
	assert_int_equal(http.listen_count, 3);
	assert_int_equal(http.listen[1].kind, HTTP_LISTEN_PLAIN);
	assert_int_equal(http.listen[2].kind, HTTP_LISTEN_METRICS);
}

static void read__impossible__refused_naming_the_key(void **state)
{
	(void)state;
	static const char *const wrong[][2] = {
		{"server_name=not a name", "server_name"},
		{"public_base_url=matrix.example", "public_base_url"},
		{"listen.client=nowhere", "listen.client"},
		{"listen.client=8008", "*:8008 (all networks, as a port alone was once)"},
		{"listen.client=127.0.0.1:99999", "listen.client"},
		{"rooms.default_version=99", "rooms.default_version"},
		{"network.allow_addresses=10.0.0.0/8,all", "network.allow_addresses"},
		{"http.trusted_proxies=proxy.example", "http.trusted_proxies"},
		{"password.memory=1KiB", "password.memory"},
		{"registration.mode=sometimes", "registration.mode"},
		{"tls.key=FILE", "tls.certificate"},
		{"listen.client=", "listen.client"},
	};
	for (size_t i = 0; i < COUNT_OF(wrong); i++) {
		struct conf *conf = NULL;
		const char *const line[] = {wrong[i][0]};
		enum err err = read_assignments(line, 1, &conf);
		if (err != ERR_INPUT || !str_contains(ctx.fault.text, str_of(wrong[i][1]))) {
			print_error("%s: %d %.*s\n", wrong[i][0], (int)err, STR_ARG(ctx.fault.text));
			assert_true(false);
		}
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(rows__each__has_key_and_help_once, set_up, tear_down),
		cmocka_unit_test_setup_teardown(rows__defaults__can_be_meant, set_up, tear_down),
		cmocka_unit_test_setup_teardown(rows__ranges_of_time__in_units_that_are_read, set_up,
			tear_down),
		cmocka_unit_test_setup_teardown(rows__sections__stand_together, set_up, tear_down),
		cmocka_unit_test_setup_teardown(rows__secrets__marked, set_up, tear_down),
		cmocka_unit_test_setup_teardown(example__read_back__accepted, set_up, tear_down),
		cmocka_unit_test_setup_teardown(read__nothing__defaults_of_every_layer, set_up, tear_down),
		cmocka_unit_test_setup_teardown(read__line_of_a_harness__accepted, set_up, tear_down),
		cmocka_unit_test_setup_teardown(read__federation_without_certificate__plain, set_up,
			tear_down),
		cmocka_unit_test_setup_teardown(read__impossible__refused_naming_the_key, set_up,
			tear_down),
	};
	return cmocka_run_group_tests_name(__FILE__, tests, NULL, NULL);
}
