/*
 * One caller's share of the remote lane: where only a worker finds out who asks, and where it may be anybody.
 */
#include "loopback.h"

#include "base/mem.h"

enum { WORKERS = 8, SHARE = 2, ASKED = 20, PLACES = 32, SHARE_OF_PLACES = 8 };

struct service {
	struct gate busy, other; /* handlers that run for each of the two */
	struct gate released;
	_Atomic int now, most; /* of the busy one's, or of those who do not say who they are */
};

static struct service service;
static struct arena *arena;
static struct http_server *server;

static enum err wait_for_release(struct call *call)
{
	const struct str *name = call_principal(call);
	bool is_busy = name == NULL || str_equals(*name, STR("busy"));
	int now = is_busy ? atomic_fetch_add(&service.now, 1) + 1 : 0;
	if (now > atomic_load(&service.most)) {
		atomic_store(&service.most, now);
	}
	gate_add(is_busy ? &service.busy : &service.other, 1);
	(void)gate_wait(&service.released, 1);
	if (is_busy) {
		atomic_fetch_sub(&service.now, 1);
	}
	return reply_empty(call);
}

static const struct route rows[] = {
	{"wait", "GET", "/wait", AUTH_SERVER, LANE_REMOTE, RATE_NONE, 0, wait_for_release},
	{"open", "GET", "/open", AUTH_NONE, LANE_REMOTE, RATE_NONE, 0, wait_for_release},
};

static void forget(void *name)
{
	str_free(*(struct str *)name);
	mem_free(name);
}

/* As of a homeserver, whose signature is never looked at on the I/O thread. */
static enum err authenticate(void *self, struct call *call)
{
	(void)self;
	TRY(ctx_may_wait(&call->ctx));
	if (call_principal(call) == NULL) {
		struct str *name = mem_alloc(sizeof(*name));
		*name = str_heap(call_header(call, "Authorization"));
		call_set_principal(call, name, forget);
	}
	return ERR_OK;
}

static struct str rate_key(void *self, struct call *call)
{
	(void)self;
	const struct str *name = call_principal(call);
	return name != NULL ? *name : call_client_network(call);
}

static const struct http_ports ports = {.authenticate = authenticate, .rate_key = rate_key};

static int start(void **state)
{
	(void)state;
	service = (struct service){0};
	gate_init(&service.busy);
	gate_init(&service.other);
	gate_init(&service.released);
	arena = arena_create();
	struct http_config config = loopback_config();
	config.ports = &ports;
	config.io_threads = 1; /* requests come in the order in which they were sent */
	config.remote = (struct http_lane_config){.workers = WORKERS, .queue_limit = PLACES};
	server = loopback_start(&config, rows, COUNT_OF(rows), &service);
	return 0;
}

static int stop(void **state)
{
	(void)state;
	loopback_stop(server);
	arena_destroy(arena);
	return 0;
}

static int ask(const char *target, const char *header)
{
	int fd = client_connect(http_server_port(server, 0));
	assert_true(client_request(fd, arena, "GET", target, header, NULL));
	return fd;
}

/* One asks for what takes long, again and again; then somebody else asks once. */
static void ask_for_much(const char *target, const char *header)
{
	int fds[ASKED];
	int answered = 0;
	for (size_t i = 0; i < ASKED; i++) {
		fds[i] = ask(target, header);
	}
	assert_true(gate_wait(&service.busy, SHARE));
	int other = ask("/wait", "Authorization: other\r\n");
	assert_true(gate_wait(&service.other, 1));
	gate_add(&service.released, 1);
	assert_int_equal(client_read(other, arena).status, 200);
	for (size_t i = 0; i < ASKED; i++) {
		int status = client_read(fds[i], arena).status;
		assert_true(status == 200 || status == 429);
		answered += status == 200 ? 1 : 0;
		assert_int_equal(close(fds[i]), 0);
	}
	assert_int_equal(close(other), 0);
	assert_int_equal(service.most, SHARE);
	/* Of the places of the queue it has a quarter, too. Who came before that was full may have ended by then. */
	assert_in_range(answered, SHARE + SHARE_OF_PLACES, ASKED);
}

static void share__homeserver_that_asks_for_much__others_find_a_worker(void **state)
{
	(void)state;
	ask_for_much("/wait", "Authorization: busy\r\n");
}

/* Mail to whoever, sign-on, files on old endpoints. */
static void share__address_that_asks_for_much_as_nobody__others_find_a_worker(void **state)
{
	(void)state;
	ask_for_much("/open", "");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(share__homeserver_that_asks_for_much__others_find_a_worker,
			start, stop),
		cmocka_unit_test_setup_teardown(
			share__address_that_asks_for_much_as_nobody__others_find_a_worker, start, stop),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
