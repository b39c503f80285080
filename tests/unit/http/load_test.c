/*
 * Many clients at once, of every kind of route, while other threads wake what is parked; then a stop
 * in the middle of it. For the sanitizers as much as for its assertions.
 */
#include "loopback.h"

#include <sched.h>

#include "base/mem.h"

enum { CLIENTS = 12, ROUNDS = 60, SLOTS = 64 };

static struct http_server *server;
static _Atomic(struct park *) slots[SLOTS]; /* a reference each; a full slot's old park is woken */
static _Atomic size_t next_slot;
static atomic_bool is_over;
static _Atomic int answered;
static _Atomic int kept_alive;

static void put_in_slot(struct park *park)
{
	size_t at = atomic_fetch_add(&next_slot, 1) % SLOTS;
	struct park *old = atomic_exchange(&slots[at], park);
	if (old != NULL) {
		park_wake(old);
		park_unref(old);
	}
}

static void *wake_slots(void *data)
{
	(void)data;
	while (!atomic_load(&is_over)) {
		for (size_t i = 0; i < SLOTS; i++) {
			struct park *park = atomic_exchange(&slots[i], NULL);
			if (park != NULL) {
				park_wake(park);
				park_unref(park);
			}
		}
		(void)sched_yield();
	}
	return NULL;
}

static void drop_kept(void *value)
{
	mem_free(value);
	atomic_fetch_sub(&kept_alive, 1);
}

/* Parks a few times, then echoes. */
static enum err wait_and_echo(struct call *call)
{
	int *rounds = call_kept(call);
	if (rounds == NULL) {
		rounds = mem_alloc(sizeof(*rounds));
		atomic_fetch_add(&kept_alive, 1);
		call_keep(call, rounds, drop_kept);
	}
	if (call_is_inline(call) && *rounds == 1) {
		(*rounds)++;
		return ERR_DEFER;
	}
	if (*rounds < 3 && !call_is_stopping(call)) {
		(*rounds)++;
		put_in_slot(call_park(call, clock_os_ms() + 5));
		return ERR_OK;
	}
	struct json_out *out = reply_json(call, 200);
	json_out_object(out);
	json_out_key_str(out, "n", call_path(call, "n"));
	json_out_key_str(out, "body", call_body(call));
	json_out_end(out);
	return ERR_OK;
}

static enum err echo(struct call *call)
{
	struct json_out *out = reply_json(call, 200);
	json_out_object(out);
	json_out_key_str(out, "n", call_path(call, "n"));
	json_out_key_str(out, "body", call_body(call));
	json_out_end(out);
	return ERR_OK;
}

static const struct route rows[] = {
	{"inline", "PUT", "/inline/{n}", AUTH_NONE, LANE_INLINE, RATE_NONE, 0, echo},
	{"local", "PUT", "/local/{n}", AUTH_NONE, LANE_LOCAL, RATE_NONE, 0, echo},
	{"slow", "PUT", "/slow/{n}", AUTH_NONE, LANE_SLOW, RATE_MESSAGE, 0, echo},
	{"park", "PUT", "/park/{n}", AUTH_NONE, LANE_LOCAL, RATE_NONE, 0, wait_and_echo},
	{"parkInline", "PUT", "/parkinline/{n}", AUTH_NONE, LANE_INLINE, RATE_NONE, 0, wait_and_echo},
};

static const char *const targets[] = {"inline", "local", "slow", "park", "parkinline"};

/* Keeps asking, on one connection, until ROUNDS or the end. @return whether all was answered rightly */
static bool ask_in_turn(struct arena *arena, int fd, int id)
{
	for (int i = 0; i < ROUNDS; i++) {
		const char *kind = targets[(size_t)(i + id) % COUNT_OF(targets)];
		int n = id * ROUNDS + i;
		if (!client_request(fd, arena, "PUT", arena_printf(arena, "/%s/%d", kind, n), "",
				arena_printf(arena, "b%d", n))) {
			return false;
		}
		struct client_reply reply = client_read(fd, arena);
		if (reply.status != 200) {
			return false;
		}
		struct str wanted = str_printf(arena, "{\"n\":\"%d\",\"body\":\"b%d\"}", n, n);
		invariant(str_equals(reply.body, wanted));
		atomic_fetch_add(&answered, 1);
	}
	return true;
}

struct client {
	int id;
	uint16_t port;
	bool all_answered;
};

static void *run_client(void *data)
{
	struct client *client = data;
	struct arena *arena = arena_create();
	int fd = client_try_connect(client->port); /* refused when the stop was quicker */
	client->all_answered = fd >= 0 && ask_in_turn(arena, fd, client->id);
	if (fd >= 0) {
		(void)close(fd);
	}
	arena_destroy(arena);
	return NULL;
}

static struct http_config config_of_test(void)
{
	struct http_config config = loopback_config();
	config.rate_limits_enabled = true;
	config.rates[RATE_MESSAGE] = (struct rate_class){.per_second = 1e6, .burst = 1000000};
	return config;
}

static void start_all(struct client *clients, pthread_t *threads)
{
	for (int i = 0; i < CLIENTS; i++) {
		clients[i] = (struct client){.id = i, .port = http_server_port(server, 0)};
		threads[i] = thread_start("client", run_client, &clients[i]);
	}
}

static void join_all(const pthread_t *threads)
{
	for (int i = 0; i < CLIENTS; i++) {
		assert_int_equal(pthread_join(threads[i], NULL), 0);
	}
}

static void drop_slots(void)
{
	for (size_t i = 0; i < SLOTS; i++) {
		struct park *park = atomic_exchange(&slots[i], NULL);
		if (park != NULL) {
			park_unref(park);
		}
	}
}

static void load__all_kinds__each_answer_goes_to_its_request(void **state)
{
	(void)state;
	struct http_config config = config_of_test();
	struct client clients[CLIENTS];
	pthread_t threads[CLIENTS];
	atomic_store(&answered, 0);
	atomic_store(&is_over, false);
	server = loopback_start(&config, rows, COUNT_OF(rows), NULL);
	pthread_t waker = thread_start("waker", wake_slots, NULL);
	start_all(clients, threads);
	join_all(threads);
	for (int i = 0; i < CLIENTS; i++) {
		assert_true(clients[i].all_answered);
	}
	assert_int_equal(answered, CLIENTS * ROUNDS);
	loopback_stop(server);
	atomic_store(&is_over, true);
	assert_int_equal(pthread_join(waker, NULL), 0);
	drop_slots();
	assert_int_equal(kept_alive, 0);
}

static void load__stop_in_the_middle__everything_is_freed(void **state)
{
	(void)state;
	for (int round = 1; round <= 8; round++) {
		struct http_config config = config_of_test();
		struct client clients[CLIENTS];
		pthread_t threads[CLIENTS];
		atomic_store(&answered, 0);
		atomic_store(&is_over, false);
		server = loopback_start(&config, rows, COUNT_OF(rows), NULL);
		pthread_t waker = thread_start("waker", wake_slots, NULL);
		start_all(clients, threads);
		while (atomic_load(&answered) < round * CLIENTS) {
			(void)sched_yield();
		}
		assert_true(http_server_stop(server));
		join_all(threads);
		http_server_destroy(server);
		atomic_store(&is_over, true);
		assert_int_equal(pthread_join(waker, NULL), 0);
		drop_slots();
		assert_int_equal(kept_alive, 0);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(load__all_kinds__each_answer_goes_to_its_request),
		cmocka_unit_test(load__stop_in_the_middle__everything_is_freed),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
