/*
 * Bodies that go to a file, and files that are sent: ceilings, refusals before the body, uploads that break off.
 */
#include "loopback.h"

#include <dirent.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/stat.h>

#include "base/mem.h"

enum { CEILING = 3 * 1024 * 1024, LARGE = 2 * 1024 * 1024 + 77 };

static struct arena *arena;
static struct http_server *server;
static char folder[] = "/tmp/belfry_stream_XXXXXX";
static struct gate blocking; /* authentications on a worker */
static struct gate released; /* lets them go on */
static _Atomic int handled;

/* --- handlers and ports --------------------------------------------------------------------------------- */

static void write_hex(struct json_out *out, const unsigned char *bytes)
{
	char text[2 * SHA256_BYTES + 1];
	for (size_t i = 0; i < SHA256_BYTES; i++) {
		(void)snprintf(text + 2 * i, 3, "%02x", bytes[i]);
	}
	json_out_key_str(out, "sha256", str_of(text));
}

static enum err take(struct call *call)
{
	const struct body_file *file = call_body_file(call);
	struct stat found;
	assert_int_equal(fstat(file->fd, &found), 0);
	assert_int_equal(found.st_size, file->size_bytes);
	assert_int_equal(access(file->path, R_OK), 0);
	atomic_fetch_add(&handled, 1);
	struct json_out *out = reply_json(call, 200);
	json_out_object(out);
	json_out_key_int(out, "size", file->size_bytes);
	write_hex(out, file->sha256);
	json_out_end(out);
	return ERR_OK;
}

static enum err give(struct call *call)
{
	struct str path = str_printf(call->ctx.arena, "%s.given", folder);
	int fd = open(path.p, O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
	assert_true(fd >= 0);
	struct buf text CLEANUP(buf_fini);
	buf_init(&text, 1 << 20);
	for (int i = 0; i < 100000; i++) {
		buf_printf(&text, "%09d,", i);
	}
	assert_int_equal(write(fd, text.p, text.n), (ssize_t)text.n);
	assert_int_equal(unlink(path.p), 0);
	TRY(reply_file(call,
		&(struct reply_file){.fd = fd,
			.size_bytes = (int64_t)text.n,
			.content_type = "image/png",
			.etag = STR("\"tag\"")}));
	if (call_query(call, "fail").p != NULL) {
		return fail(&call->ctx, ERR_MISSING, "M_NOT_FOUND", "Gone");
	}
	return ERR_OK;
}

/* "Bearer good": known in memory; "slow": only to the database; "late": the same, and refused. */
static enum err authenticate(void *self, struct call *call)
{
	(void)self;
	struct str token = call_header(call, "Authorization");
	if (str_equals(token, STR("Bearer good"))) {
		return ERR_OK;
	}
	bool is_slow = str_equals(token, STR("Bearer slow"));
	if (is_slow || str_equals(token, STR("Bearer late"))) {
		TRY(ctx_may_wait(&call->ctx));
	}
	if (!call_is_inline(call)) {
		gate_add(&blocking, 1);
		assert_true(gate_wait(&released, 1));
	}
	return is_slow ? ERR_OK
				   : fail_status(&call->ctx, ERR_DENIED, 401, "M_UNKNOWN_TOKEN", "Who is this?");
}

static const struct http_ports ports = {.authenticate = authenticate};

static const struct route rows[] = {
	{"take", "POST", "/take", AUTH_USER, LANE_LOCAL, RATE_NONE, BODY_STREAMED, take},
	{"give", "GET", "/give", AUTH_NONE, LANE_LOCAL, RATE_NONE, 0, give},
	{"givePosted", "POST", "/give", AUTH_NONE, LANE_LOCAL, RATE_NONE, 0, give},
	{"giveInline", "GET", "/inline", AUTH_NONE, LANE_INLINE, RATE_NONE, 0, give},
};

/* --- help ----------------------------------------------------------------------------------------------- */

static size_t files_left(void)
{
	size_t n = 0;
	DIR *entries = opendir(folder);
	assert_non_null(entries);
	for (const struct dirent *entry = readdir(entries); entry != NULL; entry = readdir(entries)) {
		n += entry->d_name[0] != '.';
	}
	assert_int_equal(closedir(entries), 0);
	return n;
}

/* Waits: a file goes when its connection has been taken down. */
static void assert_no_files(void)
{
	for (int i = 0; i < 2000 && files_left() > 0; i++) {
		(void)usleep(10000);
	}
	assert_int_equal(files_left(), 0);
}

static char *pattern(size_t n)
{
	char *bytes = arena_alloc(arena, n + 1);
	for (size_t i = 0; i < n; i++) {
		bytes[i] = (char)('a' + i * 7 % 26 + (i / 4096) % 3);
	}
	bytes[n] = '\0';
	return bytes;
}

static struct str hex_of(const char *bytes, size_t n)
{
	unsigned char hash[SHA256_BYTES];
	crypto_sha256(str_from(bytes, n), hash);
	char *text = arena_alloc(arena, 2 * SHA256_BYTES + 1);
	for (size_t i = 0; i < SHA256_BYTES; i++) {
		(void)snprintf(text + 2 * i, 3, "%02x", hash[i]);
	}
	return str_of(text);
}

static struct client_reply upload(const char *headers, const char *body)
{
	return client_call(server, arena, "POST", "/take", headers, body);
}

static void assert_taken(const struct client_reply *reply, const char *bytes, size_t n)
{
	assert_int_equal(reply->status, 200);
	assert_str_equal(reply->body,
		str_printf(arena, "{\"size\":%zu,\"sha256\":\"%.*s\"}", n, STR_ARG(hex_of(bytes, n))).p);
}

/* --- tests ---------------------------------------------------------------------------------------------- */

static void upload__any_size__arrives_whole_and_is_removed(void **state)
{
	(void)state;
	static const size_t sizes[] = {0, 1, (size_t)12 * 1024, LARGE, CEILING};
	for (size_t i = 0; i < COUNT_OF(sizes); i++) {
		const char *bytes = pattern(sizes[i]);
		struct client_reply reply = upload("Authorization: Bearer good\r\n", bytes);
		assert_taken(&reply, bytes, sizes[i]);
	}
	assert_no_files();
}

static void upload__chunked__arrives_whole(void **state)
{
	(void)state;
	const char *bytes = pattern(100000);
	int fd = client_connect(http_server_port(server, 0));
	assert_true(client_request(fd, arena, "POST", "/take",
		"Authorization: Bearer good\r\nTransfer-Encoding: chunked\r\n", NULL));
	for (size_t at = 0; at < 100000; at += 40000) {
		struct str piece = str_from(bytes + at, MIN_OF((size_t)40000, 100000 - at));
		assert_true(client_send(fd, str_printf(arena, "%zx\r\n", piece.n)));
		assert_true(client_send(fd, piece));
		assert_true(client_send(fd, STR("\r\n")));
	}
	assert_true(client_send(fd, STR("0\r\n\r\n")));
	struct client_reply reply = client_read(fd, arena);
	assert_taken(&reply, bytes, 100000);
	assert_int_equal(close(fd), 0);
}

static void upload__too_large__413_and_nothing_stays(void **state)
{
	(void)state;
	int before = atomic_load(&handled);
	struct client_reply reply = upload("Authorization: Bearer good\r\n", pattern(CEILING + 1));
	assert_errcode(reply, 413, "M_TOO_LARGE");
	int fd = client_connect(http_server_port(server, 0));
	assert_true(client_request(fd, arena, "POST", "/take",
		"Authorization: Bearer good\r\nTransfer-Encoding: chunked\r\n", NULL));
	assert_true(client_send(fd, str_printf(arena, "%x\r\n", (unsigned)CEILING + 1)));
	assert_true(client_send(fd, str_from(pattern(CEILING + 1), CEILING + 1)));
	assert_true(client_send(fd, STR("\r\n0\r\n\r\n")));
	reply = client_read(fd, arena);
	assert_errcode(reply, 413, "M_TOO_LARGE");
	assert_int_equal(close(fd), 0);
	assert_no_files();
	assert_int_equal(atomic_load(&handled), before);
}

static void upload__unknown_caller__refused_before_a_byte_is_kept(void **state)
{
	(void)state;
	int before = atomic_load(&handled);
	struct client_reply reply = upload("Authorization: Bearer bad\r\n", pattern(LARGE));
	assert_errcode(reply, 401, "M_UNKNOWN_TOKEN");
	/* What waits for leave to send gets the answer instead. */
	int fd = client_connect(http_server_port(server, 0));
	assert_true(client_request(fd, arena, "POST", "/take",
		"Authorization: Bearer bad\r\nExpect: 100-continue\r\nContent-Length: 1000000\r\n", NULL));
	reply = client_read(fd, arena);
	assert_errcode(reply, 401, "M_UNKNOWN_TOKEN");
	assert_int_equal(close(fd), 0);
	assert_int_equal(files_left(), 0);
	assert_int_equal(atomic_load(&handled), before);
}

static void upload__known_to_the_database_only__waits_for_it(void **state)
{
	(void)state;
	static const char *const tokens[] = {"slow", "late"};
	for (size_t i = 0; i < COUNT_OF(tokens); i++) {
		const char *bytes = pattern(LARGE);
		int fd = client_connect(http_server_port(server, 0));
		assert_true(client_request(fd, arena, "POST", "/take",
			str_printf(arena, "Authorization: Bearer %s\r\nContent-Length: %d\r\n", tokens[i],
				LARGE)
				.p,
			NULL));
		assert_true(gate_wait(&blocking, (int)i + 1));
		assert_int_equal(files_left(), 0);
		gate_add(&released, 1);
		(void)client_send(fd, str_from(bytes, LARGE));
		struct client_reply reply = client_read(fd, arena);
		if (i == 0) {
			assert_taken(&reply, bytes, LARGE);
		} else {
			assert_errcode(reply, 401, "M_UNKNOWN_TOKEN");
		}
		assert_int_equal(close(fd), 0);
	}
	assert_no_files();
}

static void upload__broken_off__leaves_nothing(void **state)
{
	(void)state;
	int before = atomic_load(&handled);
	int fd = client_connect(http_server_port(server, 0));
	assert_true(client_request(fd, arena, "POST", "/take",
		"Authorization: Bearer good\r\nContent-Length: 2000000\r\n", NULL));
	assert_true(client_send(fd, str_from(pattern(1000000), 1000000)));
	for (int i = 0; i < 2000 && files_left() == 0; i++) {
		(void)usleep(10000);
	}
	assert_int_equal(files_left(), 1);
	assert_int_equal(close(fd), 0);
	assert_no_files();
	assert_int_equal(atomic_load(&handled), before);
}

static void upload__folder_gone__503(void **state)
{
	(void)state;
	struct str other = str_printf(arena, "%s.away", folder);
	assert_int_equal(rename(folder, other.p), 0);
	struct client_reply reply = upload("Authorization: Bearer good\r\n", pattern(1000));
	assert_int_equal(rename(other.p, folder), 0);
	assert_errcode(reply, 503, "M_UNKNOWN");
}

static void download__whole_part_and_head__as_asked(void **state)
{
	(void)state;
	struct client_reply reply = client_call(server, arena, "GET", "/give", "", NULL);
	assert_int_equal(reply.status, 200);
	assert_int_equal(reply.body.n, 1000000);
	assert_str_equal(reply_head(&reply, "content-type"), "image/png");
	assert_str_equal(reply_head(&reply, "etag"), "\"tag\"");
	assert_str_equal(reply_head(&reply, "accept-ranges"), "bytes");
	reply = client_call(server, arena, "GET", "/give", "Range: bytes=500000-500019\r\n", NULL);
	assert_int_equal(reply.status, 206);
	assert_str_equal(reply.body, "000050000,000050001,");
	assert_str_equal(reply_head(&reply, "content-range"), "bytes 500000-500019/1000000");
	reply = client_call(server, arena, "GET", "/give", "Range: bytes=1000000-\r\n", NULL);
	assert_int_equal(reply.status, 416);
	assert_str_equal(reply_head(&reply, "content-range"), "bytes */1000000");
	reply = client_call(server, arena, "GET", "/give", "If-None-Match: \"tag\"\r\n", NULL);
	assert_int_equal(reply.status, 304);
	reply = client_call(server, arena, "HEAD", "/give", "", NULL);
	assert_int_equal(reply.status, 200);
	assert_str_equal(reply_head(&reply, "content-length"), "1000000");
}

static void download__failed_after_all__error_and_file_closed(void **state)
{
	(void)state;
	for (int i = 0; i < 3; i++) {
		struct client_reply reply = client_call(server, arena, "GET", "/give?fail=1", "", NULL);
		assert_errcode(reply, 404, "M_NOT_FOUND");
	}
	int fd = open("/dev/null", O_RDONLY | O_CLOEXEC);
	assert_true(fd >= 0 && fd < 64);
	assert_int_equal(close(fd), 0);
}

/* Their connections may be held, where no file is sent. */
static void download__by_a_post_or_inline__error_and_file_closed(void **state)
{
	(void)state;
	static const char *const plain = "";
	static const char *const of_library = "Cookie: a=b\r\n";
	for (int i = 0; i < 4; i++) {
		bool is_post = i < 2;
		struct client_reply reply = client_call(server, arena, is_post ? "POST" : "GET",
			is_post ? "/give" : "/inline", i % 2 == 0 ? plain : of_library, is_post ? "{}" : NULL);
		assert_errcode(reply, 500, "M_UNKNOWN");
	}
	int fd = open("/dev/null", O_RDONLY | O_CLOEXEC);
	assert_true(fd >= 0 && fd < 64);
	assert_int_equal(close(fd), 0);
}

static int set_up(void **state)
{
	(void)state;
	arena = arena_create();
	gate_init(&blocking);
	gate_init(&released);
	assert_non_null(mkdtemp(folder));
	struct http_config config = loopback_config();
	config.ports = &ports;
	config.stream_folder = folder;
	config.stream_ceiling_bytes = CEILING;
	config.body_timeout_ms = 3000; /* until a client that went away is noticed */
	server = loopback_start(&config, rows, COUNT_OF(rows), NULL);
	return 0;
}

static int tear_down(void **state)
{
	(void)state;
	loopback_stop(server);
	assert_int_equal(rmdir(folder), 0);
	arena_destroy(arena);
	return 0;
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(upload__any_size__arrives_whole_and_is_removed),
		cmocka_unit_test(upload__chunked__arrives_whole),
		cmocka_unit_test(upload__too_large__413_and_nothing_stays),
		cmocka_unit_test(upload__unknown_caller__refused_before_a_byte_is_kept),
		cmocka_unit_test(upload__known_to_the_database_only__waits_for_it),
		cmocka_unit_test(upload__broken_off__leaves_nothing),
		cmocka_unit_test(upload__folder_gone__503),
		cmocka_unit_test(download__whole_part_and_head__as_asked),
		cmocka_unit_test(download__failed_after_all__error_and_file_closed),
		cmocka_unit_test(download__by_a_post_or_inline__error_and_file_closed),
	};
	return cmocka_run_group_tests(tests, set_up, tear_down);
}
