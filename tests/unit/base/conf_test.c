/*
 * Configuration: defaults, every type, every refusal with its line, example and reference.
 */
#include "check.h"

#include "base/conf.h"

static const struct conf_row rows[] = {
	{.key = "server_name", .type = CONF_STRING, .help = "Name.", .example = "school.example"},
	{.key = "listen.client",
		.type = CONF_INT,
		.fallback = "8008",
		.min = 1,
		.max = 65535,
		.help = "Port for clients."},
	{.key = "listen.tls.on", .type = CONF_BOOL, .fallback = "no", .help = "Whether TLS | not."},
	{.key = "listen.tls.key",
		.type = CONF_STRING,
		.fallback = "",
		.is_secret = true,
		.help = "Key."},
	{.key = "media.max_bytes",
		.type = CONF_SIZE,
		.fallback = "10MiB",
		.min = 1,
		.max = 1LL << 30,
		.help = "Largest upload."},
	{.key = "media.keep", .type = CONF_TIME, .fallback = "7d", .help = "How long media are kept."},
	{.key = "media.kind",
		.type = CONF_ENUM,
		.fallback = "disk",
		.choices = "disk|s3",
		.help = "Where media lie."},
	{.key = "media.hosts", .type = CONF_LIST, .fallback = "a.example, b.example", .help = "Hosts."},
	{.key = "pin",
		.type = CONF_INT,
		.fallback = "5",
		.min = -5,
		.max = INT64_MAX,
		.is_secret = true,
		.help = "Secret number."},
};

static struct arena *arena;
static struct ctx ctx;
static struct conf *conf;
static char path[64];

static int set_up(void **state)
{
	(void)state;
	arena = arena_create();
	ctx_init(&ctx, arena);
	conf = conf_create(arena, rows, COUNT_OF(rows));
	(void)snprintf(path, sizeof(path), "/tmp/belfry-conf-test-XXXXXX");
	int fd = mkstemp(path);
	return fd < 0 || close(fd) != 0;
}

static int tear_down(void **state)
{
	(void)state;
	(void)unlink(path);
	arena_destroy(arena);
	return 0;
}

static enum err read_yaml(struct str text)
{
	FILE *file = fopen(path, "w");
	assert_non_null(file);
	(void)fwrite(text.p, 1, text.n, file);
	(void)fclose(file);
	return conf_read_yaml(&ctx, conf, path);
}

static void create__nothing_read__defaults(void **state)
{
	(void)state;
	assert_text(conf_str(conf, "server_name"), "");
	assert_true(conf_int(conf, "listen.client") == 8008);
	assert_false(conf_bool(conf, "listen.tls.on"));
	assert_true(conf_int(conf, "media.max_bytes") == 10 << 20);
	assert_true(conf_int(conf, "media.keep") == 7LL * 86400000);
	assert_text(conf_str(conf, "media.kind"), "disk");
	struct conf_list hosts = conf_list(conf, "media.hosts");
	assert_int_equal(hosts.n, 2);
	assert_text(hosts.items[0], "a.example");
	assert_text(hosts.items[1], "b.example");
	assert_false(conf_is_set(conf, "listen.client"));
}

static void read__every_type__typed_and_marked_set(void **state)
{
	(void)state;
	assert_int_equal(read_yaml(STR("server_name: \"x: y\"\n"
								   "listen:\n"
								   "  client: 80\n"
								   "  tls:\n"
								   "    on: Yes\n"
								   "media:\n"
								   "  max_bytes: 64 KiB\n"
								   "  keep: 90s\n"
								   "  kind: s3\n"
								   "  hosts:\n"
								   "    - one\n"
								   "    - 'two, three'\n")),
		ERR_OK);
	assert_text(conf_str(conf, "server_name"), "x: y");
	assert_true(conf_int(conf, "listen.client") == 80);
	assert_true(conf_bool(conf, "listen.tls.on"));
	assert_true(conf_int(conf, "media.max_bytes") == 65536);
	assert_true(conf_int(conf, "media.keep") == 90000);
	assert_text(conf_str(conf, "media.kind"), "s3");
	struct conf_list hosts = conf_list(conf, "media.hosts");
	assert_int_equal(hosts.n, 2);
	assert_text(hosts.items[1], "two, three");
	assert_true(conf_is_set(conf, "media.kind"));
	assert_false(conf_is_set(conf, "pin"));
}

static void read__other_writings__accepted(void **state)
{
	(void)state;
	static const struct str texts[] = {STR_INIT(""), STR_INIT("# nothing\n"),
		STR_INIT("---\n...\n"), STR_INIT("listen.client: 80\n"),
		STR_INIT("{listen: {client: 80, tls: {on: true}}}\n"),
		STR_INIT("listen:\nmedia:\n  # all commented out\n"), STR_INIT("media: {hosts: []}\n"),
		STR_INIT("\"listen\":\n  'client': \"80\"\n"), STR_INIT("server_name: \"\"\n"),
		STR_INIT("null\n"), STR_INIT("listen: &l {client: 80}\n")};
	for (size_t i = 0; i < COUNT_OF(texts); i++) {
		if (read_yaml(texts[i]) != ERR_OK) {
			fail_msg("%.*s: %.*s", STR_ARG(texts[i]), STR_ARG(ctx.fault.text));
		}
	}
	assert_int_equal(conf_list(conf, "media.hosts").n, 0);
}

static void read__wrong__refused_with_line_and_reason(void **state)
{
	(void)state;
	static const struct {
		struct str text;
		const char *problem;
	} cases[] = {
		{STR_INIT("listen:\n  cleint: 1\n"),
			":2: unknown key listen.cleint (did you mean listen.client?)"},
		{STR_INIT("lisen:\n  client: 1\n"), ":1: unknown key lisen (did you mean listen?)"},
		{STR_INIT("server-name: x\n"), ":1: unknown key server-name (did you mean server_name?)"},
		{STR_INIT("keep: 1d\n"), ":1: unknown key keep (did you mean media.keep?)"},
		{STR_INIT("\n\nsomething_else: 1\n"), ":3: unknown key something_else"},
		{STR_INIT("listen:\n  client: 0\n"), ":2: listen.client: 0 is not within 1 to 65535"},
		{STR_INIT("listen:\n  client: 8O\n"), ":2: listen.client: \"8O\" is not a whole number"},
		{STR_INIT("listen:\n  client: 1s\n"), ":2: listen.client: \"1s\" is not a whole number"},
		{STR_INIT("listen:\n  client: [1]\n"),
			":2: listen.client: wants one whole number, not a list"},
		{STR_INIT("listen:\n  client:\n    a: 1\n"),
			":3: listen.client: wants a whole number, not a section"},
		{STR_INIT("listen:\n  client:\n"), ":2: listen.client: the value is missing"},
		{STR_INIT("listen: 80\n"), ":1: listen is a section: its keys follow, indented"},
		{STR_INIT("listen: [a]\n"), ":1: listen is a section"},
		{STR_INIT("listen.client: 1\nlisten:\n  client: 2\n"), ":3: listen.client stands twice"},
		{STR_INIT("listen: {client: 1}\nlisten: {}\n"), ":2: listen stands twice"},
		{STR_INIT("media:\n  kind: ftp\n"), ":2: media.kind: \"ftp\" is none of disk|s3"},
		{STR_INIT("media:\n  kind: disk|s3\n"), ":2: media.kind: \"disk|s3\" is none of"},
		{STR_INIT("media:\n  max_bytes: 2GiB\n"),
			":2: media.max_bytes: 2GiB is not within 1B to 1GiB"},
		{STR_INIT("media:\n  max_bytes: 1MB\n"), ":2: media.max_bytes: \"1MB\" is not a size"},
		{STR_INIT("media:\n  max_bytes: 9999999999GiB\n"), ":2: media.max_bytes: "},
		{STR_INIT("media:\n  keep: -1s\n"), ":2: media.keep: -1s is not within 0 to "},
		{STR_INIT("media:\n  keep: 1w\n"), ":2: media.keep: \"1w\" is not a time"},
		{STR_INIT("media:\n  hosts: x\n"), ":2: media.hosts: wants a list"},
		{STR_INIT("media:\n  hosts: [a, [b]]\n"),
			":2: media.hosts: the items of this list are texts"},
		{STR_INIT("media:\n  hosts:\n  - a\n  -\n"), ":4: media.hosts: the items"},
		{STR_INIT("listen:\n  tls:\n    on: maybe\n"),
			":3: listen.tls.on: \"maybe\" is not true or false"},
		{STR_INIT("[a]: 1\n"), ":1: a key must be a word"},
		{STR_INIT("- a\n"), ":1: the file must consist of"},
		{STR_INIT("text\n"), ":1: the file must consist of"},
		{STR_INIT("server_name: a\n---\nserver_name: b\n"), ":3: a second document"},
		{STR_INIT("server_name: \"a\n"), ": not valid YAML: "},
		{STR_INIT("listen:\n\tclient: 1\n"), ":2: not valid YAML: "},
		{STR_INIT("server_name: a\nlisten:\n  tls: \xb4\xfa\n"), ":3: not valid YAML: "},
		{STR_INIT("server_name: \xff\n"), "(save the file as plain text in UTF-8"},
		{STR_INIT("server_name: \"a\\0b\"\n"),
			":1: server_name: a value cannot contain a NUL byte"},
		{STR_INIT("media: {hosts: [\"\\0\"]}\n"),
			":1: media.hosts: a value cannot contain a NUL byte"},
		{STR_INIT("listen: &l {tls: *l}\n"), ":1: unknown key listen.tls.tls"},
		{STR_INIT("\"\": 1\n"), ":1: unknown key "},
	};
	for (size_t i = 0; i < COUNT_OF(cases); i++) {
		if (read_yaml(cases[i].text) != ERR_INPUT ||
			!str_starts_with(ctx.fault.text, str_of(path)) ||
			!str_contains(ctx.fault.text, str_of(cases[i].problem))) {
			fail_msg("%.*s gives %.*s", STR_ARG(cases[i].text), STR_ARG(ctx.fault.text));
		}
	}
}

static void read__error_on_last_line__nothing_taken_over(void **state)
{
	(void)state;
	struct conf *fresh = conf_create(arena, rows, COUNT_OF(rows));
	conf = fresh;
	assert_int_equal(read_yaml(STR("listen:\n  client: 81\nserver_nam: x\n")), ERR_INPUT);
	assert_true(conf_int(conf, "listen.client") == 8008);
	assert_int_equal(read_yaml(STR("listen:\n  client: 81\n---\n- x\n")), ERR_INPUT);
	assert_true(conf_int(conf, "listen.client") == 8008);
	assert_false(conf_is_set(conf, "listen.client"));
}

static void read__secret_wrong__value_not_shown(void **state)
{
	(void)state;
	assert_int_equal(read_yaml(STR("pin: hunter2\n")), ERR_INPUT);
	assert_false(str_contains(ctx.fault.text, STR("hunter2")));
	assert_true(str_contains(ctx.fault.text, STR(":1: pin: ")));
	assert_int_equal(conf_set(&ctx, conf, "pin=hunter2"), ERR_INPUT);
	assert_false(str_contains(ctx.fault.text, STR("hunter2")));
}

static void read__no_file__missing_with_path(void **state)
{
	(void)state;
	assert_int_equal(conf_read_yaml(&ctx, conf, "/tmp/belfry-no-such-file"), ERR_MISSING);
	assert_true(str_contains(ctx.fault.text, STR("/tmp/belfry-no-such-file")));
}

static void set__assignments__typed_over_the_file(void **state)
{
	(void)state;
	assert_int_equal(read_yaml(STR("listen:\n  client: 80\n")), ERR_OK);
	assert_int_equal(conf_set(&ctx, conf, "listen.client=81"), ERR_OK);
	assert_true(conf_int(conf, "listen.client") == 81);
	assert_int_equal(conf_set(&ctx, conf, "server_name=a=b c"), ERR_OK);
	assert_text(conf_str(conf, "server_name"), "a=b c");
	assert_int_equal(conf_set(&ctx, conf, "media.hosts=x, y"), ERR_OK);
	assert_int_equal(conf_list(conf, "media.hosts").n, 2);
	assert_text(conf_list(conf, "media.hosts").items[1], "y");
	assert_int_equal(conf_set(&ctx, conf, "media.hosts="), ERR_OK);
	assert_int_equal(conf_list(conf, "media.hosts").n, 0);
	assert_int_equal(conf_set(&ctx, conf, "media.keep=2h"), ERR_OK);
	assert_true(conf_int(conf, "media.keep") == 7200000);
	assert_int_equal(conf_set(&ctx, conf, "pin=-5"), ERR_OK);
	assert_true(conf_int(conf, "pin") == -5);
}

static void set__wrong__refused_naming_the_key(void **state)
{
	(void)state;
	assert_int_equal(conf_set(&ctx, conf, "listen.client"), ERR_INPUT);
	assert_true(str_contains(ctx.fault.text, STR("key=value")));
	assert_int_equal(conf_set(&ctx, conf, "listen.clent=1"), ERR_INPUT);
	assert_text(ctx.fault.text, "unknown key listen.clent (did you mean listen.client?)");
	assert_int_equal(conf_set(&ctx, conf, "listen.client=x"), ERR_INPUT);
	assert_text(ctx.fault.text, "listen.client: \"x\" is not a whole number");
	assert_int_equal(conf_set(&ctx, conf, "listen=1"), ERR_INPUT);
}

static void example__written__read_back_without_error(void **state)
{
	(void)state;
	conf = conf_create(arena, rows, COUNT_OF(rows));
	struct buf out CLEANUP(buf_fini);
	buf_init(&out, 1 << 20);
	conf_write_example(rows, COUNT_OF(rows), &out);
	assert_true(buf_ok(&out));
	if (read_yaml(buf_str(&out)) != ERR_OK) {
		fail_msg("%.*s", STR_ARG(ctx.fault.text));
	}
	assert_text(conf_str(conf, "server_name"), "school.example");
	assert_true(conf_int(conf, "media.max_bytes") == 10 << 20);
	assert_int_equal(conf_list(conf, "media.hosts").n, 2);
	for (size_t i = 0; i < COUNT_OF(rows); i++) {
		assert_true(conf_is_set(conf, rows[i].key));
	}
	assert_true(str_contains(buf_str(&out),
		STR("\nlisten:\n"
			"  # Port for clients.\n"
			"  # Allowed: 1 to 65535.\n"
			"  client: 8008\n"
			"  tls:\n"
			"    # Whether TLS | not.\n"
			"    on: no\n")));
}

static void reference__written__a_row_each(void **state)
{
	(void)state;
	struct buf out CLEANUP(buf_fini);
	buf_init(&out, 1 << 20);
	conf_write_reference(rows, COUNT_OF(rows), &out);
	static const struct str parts[] = {
		STR_INIT("\n## listen\n\n| key | type | default | range | help |\n"),
		STR_INIT(
			"\n| `listen.client` | whole number | `8008` | `1 to 65535` | Port for clients. |\n"),
		STR_INIT("\n| `listen.tls.on` | true or false | `no` |  | Whether TLS \\| not. |\n"),
		STR_INIT("\n| `media.kind` | word | `disk` | `disk\\|s3` | Where media lie. |\n"),
		STR_INIT("\n| `media.keep` | time | `7d` | `0 or more` | How long media are kept. |\n"),
		STR_INIT("| `-5 or more` | Secret number. (Secret: never shown.) |\n"),
	};
	for (size_t i = 0; i < COUNT_OF(parts); i++) {
		if (!str_contains(buf_str(&out), parts[i])) {
			fail_msg("no %.*s in %.*s", STR_ARG(parts[i]), STR_ARG(buf_str(&out)));
		}
	}
}

static void ask_unknown(void *data)
{
	(void)conf_int(data, "no.such");
}

static void ask_other_type(void *data)
{
	(void)conf_bool(data, "listen.client");
}

static void get__not_in_table__ends_process(void **state)
{
	(void)state;
	assert_true(ends_process(ask_unknown, conf));
	assert_true(ends_process(ask_other_type, conf));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(create__nothing_read__defaults),
		cmocka_unit_test(read__every_type__typed_and_marked_set),
		cmocka_unit_test(read__other_writings__accepted),
		cmocka_unit_test(read__wrong__refused_with_line_and_reason),
		cmocka_unit_test(read__error_on_last_line__nothing_taken_over),
		cmocka_unit_test(read__secret_wrong__value_not_shown),
		cmocka_unit_test(read__no_file__missing_with_path),
		cmocka_unit_test(set__assignments__typed_over_the_file),
		cmocka_unit_test(set__wrong__refused_naming_the_key),
		cmocka_unit_test(example__written__read_back_without_error),
		cmocka_unit_test(reference__written__a_row_each),
		cmocka_unit_test(get__not_in_table__ends_process),
	};
	return cmocka_run_group_tests_name(__FILE__, tests, set_up, tear_down);
}
