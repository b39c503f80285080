/*
 * Configuration files and assignments: whatever they contain, there is an error with a text or the
 * values are of their type and range.
 */
#include <stdio.h>
#include <sys/mman.h>
#include <unistd.h>

#include "base/arena.h"
#include "base/conf.h"

static const struct conf_row rows[] = {
	{.key = "server_name", .type = CONF_STRING, .help = "Name."},
	{.key = "listen.client",
		.type = CONF_INT,
		.fallback = "8008",
		.min = 1,
		.max = 65535,
		.help = "P."},
	{.key = "listen.tls.on", .type = CONF_BOOL, .fallback = "no", .help = "TLS."},
	{.key = "listen.tls.key", .type = CONF_STRING, .is_secret = true, .help = "Key."},
	{.key = "media.size",
		.type = CONF_SIZE,
		.fallback = "1MiB",
		.min = 1,
		.max = 1 << 30,
		.help = "S."},
	{.key = "media.keep", .type = CONF_TIME, .fallback = "7d", .help = "T."},
	{.key = "media.kind",
		.type = CONF_ENUM,
		.fallback = "disk",
		.choices = "disk|s3",
		.help = "K."},
	{.key = "media.hosts", .type = CONF_LIST, .fallback = "a, b", .help = "H."},
};

static void check_values(const struct conf *conf)
{
	int64_t port = conf_int(conf, "listen.client");
	invariant(port >= 1 && port <= 65535);
	int64_t size = conf_int(conf, "media.size");
	invariant(size >= 1 && size <= 1 << 30);
	invariant(conf_int(conf, "media.keep") >= 0);
	struct str kind = conf_str(conf, "media.kind");
	invariant(str_equals(kind, STR("disk")) || str_equals(kind, STR("s3")));
	struct conf_list hosts = conf_list(conf, "media.hosts");
	for (size_t i = 0; i < hosts.n; i++) {
		invariant(str_find_byte(hosts.items[i], '\0') == SIZE_MAX);
	}
	invariant(str_find_byte(conf_str(conf, "server_name"), '\0') == SIZE_MAX);
	(void)conf_bool(conf, "listen.tls.on");
}

static void check_result(const struct ctx *ctx, enum err err)
{
	invariant(err == ERR_OK || (err == ERR_INPUT && ctx->fault.text.n > 0));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static int fd = -1;
	static char path[32];
	if (fd < 0) {
		fd = memfd_create("conf", MFD_CLOEXEC);
		invariant(fd >= 0);
		(void)snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
	}
	invariant(ftruncate(fd, 0) == 0);
	invariant(pwrite(fd, data, size, 0) == (ssize_t)size);
	struct arena *arena CLEANUP(arena_cleanup) = arena_create();
	struct ctx ctx;
	ctx_init(&ctx, arena);
	struct conf *conf = conf_create(arena, rows, COUNT_OF(rows));
	check_result(&ctx, conf_read_yaml(&ctx, conf, path));
	check_values(conf);
	check_result(&ctx, conf_set(&ctx, conf, str_cstr(arena, str_from((const char *)data, size))));
	check_values(conf);
	return 0;
}
