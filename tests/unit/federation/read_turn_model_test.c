/*
 * Turns to read large answers, in any order of who comes, goes on, wants a second one, gives up and is stopped: a model of the line and of what is held says
 * each time who reads and who waits.
 *
 * BELFRY_TEST_SEED chooses other orders than the usual ones, BELFRY_TEST_ROUNDS how many.
 */
#include "tests/unit/http/loopback.h"

#include "federation/read_turn.h"
#include "http/memo.h"

enum {
	HALF_MIB = 512 * 1024,
	ALL = 20,        /* half MiB */
	SHARE = ALL / 4, /* of a caller */
	SMALL = 2,       /* less is not counted */
	CALLERS = 3,
	READERS = 60, /* in a round */
	AT_ONCE = 12,
	STEPS = 80,
	VERY_LONG_MS = 600 * 1000,
	TURN_MS = 30 * 1000, /* nobody waits longer; as read_turn.c has it */
};

/* How far a reader has come. */
enum stage { COMES, READS_ONE, READS_TWO, IS_OVER };

/* What its handler says. */
struct told {
	enum stage stage;       /* guarded by service.lock, as all of it */
	int late;               /* answers that are read without a turn */
	struct memo_wait *hold; /* until the test wants it to go on; NULL: it is not there */
};

static struct service {
	struct lock lock;
	struct cond changed;
	struct told told[READERS];
	_Atomic int64_t patience_ms; /* of who joins the line now */
} service;

static int64_t mono_ms(void *self)
{
	(void)self;
	return clock_os_ms() - TURN_MS + atomic_load(&service.patience_ms);
}

/* What the test knows of a reader. Sizes are in half MiB. */
struct reader {
	int fd;     /* -1: it has hung up, or is no request */
	int caller; /* -1: nobody who has a share */
	enum stage stage;
	int late;
	size_t sizes[2];     /* of its answers, one after the other */
	size_t held;         /* by all of them */
	struct arena *arena; /* of one that is no request; NULL */
};

/* Who waits: a reader's first or second answer. */
struct waiting {
	int number;
	int nth;
};

static struct homeserver hs;
static struct federation federation;
static struct http_server *server;
static struct arena *arena;
static struct reader readers[READERS];
static int reader_count;
static struct waiting line[READERS * 2];
static size_t line_n;
static uint64_t dice;

static uint64_t throw_dice(uint64_t sides)
{
	dice = dice * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
	return (dice >> 33) % sides;
}

/* --- handlers --------------------------------------------------------------------------------------------------------- */

/* Notes where it is, and waits until it may go on. */
static enum err hold(struct call *call, int number, enum stage stage, int late)
{
	struct str key = str_printf(call->ctx.arena, "stage %d", (int)stage);
	struct memo_wait *wait = memo_get(call->ctx.memo, key);
	if (wait == NULL) {
		wait = memo_wait_create(call->ctx.memo);
		memo_put(call->ctx.memo, key, wait);
		lock_take(&service.lock);
		service.told[number].stage = stage;
		service.told[number].late += late;
		service.told[number].hold = wait;
		cond_broadcast(&service.changed);
		lock_give(&service.lock);
	}
	return memo_park(&call->ctx, wait, clock_os_ms() + VERY_LONG_MS);
}

/* @param out_late  1 when it reads without a turn */
static enum err take(struct call *call, const char *key, int64_t size, int *out_late)
{
	enum err err = read_turn_take(&call->ctx, &federation, str_of(key), (size_t)size * HALF_MIB);
	*out_late = err == ERR_TIMEOUT;
	return err == ERR_TIMEOUT ? ERR_OK : err;
}

/* Reads an answer of ?one, then one of ?two if there is one. */
static enum err read_both(struct call *call)
{
	int64_t number = 0;
	int64_t one = 0;
	int64_t two = 0;
	int late = 0;
	call_begin_memo(call);
	TRY(ctx_may_ask(&call->ctx));
	TRY(call_query_int(call, "number", 0, READERS - 1, 0, &number));
	TRY(call_query_int(call, "one", 0, 100, 0, &one));
	TRY(call_query_int(call, "two", 0, 100, 0, &two));
	TRY(take(call, "one", one, &late));
	TRY(hold(call, (int)number, READS_ONE, late));
	TRY(take(call, "two", two, &late));
	TRY(hold(call, (int)number, READS_TWO, late));
	return reply_empty(call);
}

static const struct route rows[] = {
	{"read", "GET", "/read", AUTH_NONE, LANE_REMOTE, RATE_NONE, 0, read_both},
};

/* --- the model -------------------------------------------------------------------------------------------------------- */

static size_t held_by_others(int number, int caller)
{
	size_t held = 0;
	for (int i = 0; i < reader_count; i++) {
		if (i != number && (caller < 0 || readers[i].caller == caller)) {
			held += readers[i].held;
		}
	}
	return held;
}

/* One alone fits, however large. */
static bool fits(size_t others, size_t size, size_t limit)
{
	return others == 0 || others + size <= limit;
}

static bool may_read(const struct waiting *one)
{
	const struct reader *reader = &readers[one->number];
	size_t size = reader->held + reader->sizes[one->nth];
	bool has_share =
		reader->caller < 0 || fits(held_by_others(one->number, reader->caller), size, SHARE);
	return has_share && fits(held_by_others(one->number, -1), size, ALL);
}

/* Those whose turn it is leave the line. */
static void move_line(void)
{
	size_t n = 0;
	for (size_t i = 0; i < line_n; i++) {
		struct reader *reader = &readers[line[i].number];
		if (may_read(&line[i])) {
			reader->held += reader->sizes[line[i].nth];
			reader->stage = MAX_OF(reader->stage, READS_ONE);
		} else {
			line[n++] = line[i];
		}
	}
	line_n = n;
}

/* Takes it out, if it is there. */
static bool leave_line(int number, int nth)
{
	size_t n = 0;
	for (size_t i = 0; i < line_n; i++) {
		if (line[i].number != number || line[i].nth != nth) {
			line[n++] = line[i];
		}
	}
	bool was_there = n < line_n;
	line_n = n;
	return was_there;
}

/* It wants an answer. @return whether it is its turn */
static bool join_line(int number, int nth)
{
	if (readers[number].sizes[nth] < SMALL) {
		return true;
	}
	line[line_n++] = (struct waiting){number, nth};
	move_line();
	return line_n == 0 || line[line_n - 1].number != number || line[line_n - 1].nth != nth;
}

/* All that it holds and waits for is given up, the last first. */
static void give_up(int number)
{
	struct reader *reader = &readers[number];
	reader->stage = IS_OVER;
	for (int nth = 1; nth >= 0; nth--) {
		if (reader->sizes[nth] >= SMALL && !leave_line(number, nth)) {
			reader->held = 0;
			move_line();
		}
	}
}

/* --- what really is ---------------------------------------------------------------------------------------------------- */

static void await_stage(int number)
{
	const struct told *told = &service.told[number];
	const struct reader *reader = &readers[number];
	int64_t deadline_ms = clock_os_ms() + CLIENT_TIMEOUT_MS;
	bool is_in_time = true;
	lock_take(&service.lock);
	while (told->stage != reader->stage && is_in_time) {
		is_in_time = cond_wait_until(&service.changed, &service.lock, deadline_ms);
	}
	enum stage stage = told->stage;
	int late = told->late;
	lock_give(&service.lock);
	assert_int_equal(stage, reader->stage);
	assert_int_equal(late, reader->late);
}

/* All is as the model says. */
static void await_model(void)
{
	size_t held = 0;
	for (int i = 0; i < reader_count; i++) {
		held += readers[i].held;
		if (readers[i].arena == NULL && readers[i].stage != IS_OVER) {
			await_stage(i);
		}
	}
	await_metric("belfry_federation_answers_waiting", (int64_t)line_n);
	await_metric("belfry_federation_answers_read_bytes", (int64_t)(held * HALF_MIB));
}

static void let_go_on(int number)
{
	lock_take(&service.lock);
	struct memo_wait *wait = service.told[number].hold;
	service.told[number].hold = NULL;
	lock_give(&service.lock);
	memo_wake(wait);
}

/* --- steps ------------------------------------------------------------------------------------------------------------- */

static size_t throw_size(void)
{
	return throw_dice(20) == 0 ? (size_t)2 * ALL : throw_dice(9);
}

/* A request, which waits for long or not at all. */
static void come(void)
{
	int number = reader_count++;
	struct reader *reader = &readers[number];
	bool is_patient = throw_dice(3) > 0;
	*reader = (struct reader){.caller = (int)throw_dice(CALLERS),
		.sizes = {throw_size(), throw_dice(3) == 0 ? throw_size() : 0},
		.fd = client_connect(http_server_port(server, 0))};
	atomic_store(&service.patience_ms, is_patient ? VERY_LONG_MS : 0);
	struct str target = str_printf(arena, "/read?number=%d&one=%zu&two=%zu", number,
		reader->sizes[0], reader->sizes[1]);
	struct str headers = str_printf(arena, "X-Forwarded-For: 203.0.113.%d\r\n", reader->caller);
	assert_true(client_request(reader->fd, arena, "GET", str_cstr(arena, target),
		str_cstr(arena, headers), NULL));
	bool reads = join_line(number, 0);
	reader->late = !reads && !is_patient;
	reader->stage = reads || !is_patient ? READS_ONE : COMES;
}

/* A thread that does not wait: it has its turn at once, or leaves the line. */
static void come_without_request(void)
{
	int number = reader_count++;
	struct reader *reader = &readers[number];
	struct ctx ctx;
	*reader = (struct reader){.fd = -1,
		.caller = -1,
		.sizes = {throw_size(), 0},
		.arena = arena_create()};
	ctx_init(&ctx, reader->arena);
	atomic_store(&service.patience_ms, 0);
	enum err err =
		read_turn_take(&ctx, &federation, STR("one"), reader->sizes[0] * (size_t)HALF_MIB);
	bool reads = join_line(number, 0);
	assert_int_equal(err, reads ? ERR_OK : ERR_TIMEOUT);
	reader->stage = READS_ONE;
	if (!reads) {
		(void)leave_line(number, 0);
	}
}

/* Nobody notices before it has an answer. */
static void hang_up(int number)
{
	if (readers[number].fd >= 0) {
		assert_int_equal(close(readers[number].fd), 0);
		readers[number].fd = -1;
	}
}

/* Reads its second answer, for which it does not wait, or is through with both. */
static void go_on(int number)
{
	struct reader *reader = &readers[number];
	if (reader->arena != NULL) {
		arena_destroy(reader->arena);
		give_up(number);
		return;
	}
	atomic_store(&service.patience_ms, 0);
	let_go_on(number);
	if (reader->stage == READS_ONE) {
		reader->late += !join_line(number, 1);
		reader->stage = READS_TWO;
		return;
	}
	if (reader->fd >= 0) {
		assert_int_equal(client_read(reader->fd, arena).status, 200);
	}
	hang_up(number);
	give_up(number);
}

/* One that reads; -1: none does. */
static int choose_reading(void)
{
	int chosen = -1;
	uint64_t count = 0;
	for (int i = 0; i < reader_count; i++) {
		bool reads = readers[i].stage == READS_ONE || readers[i].stage == READS_TWO;
		if (reads && throw_dice(++count) == 0) {
			chosen = i;
		}
	}
	return chosen;
}

static int count_under_way(void)
{
	int count = 0;
	for (int i = 0; i < reader_count; i++) {
		count += readers[i].stage != IS_OVER;
	}
	return count;
}

static void take_step(void)
{
	bool may_come = reader_count < READERS && count_under_way() < AT_ONCE;
	int reading = choose_reading();
	uint64_t what = throw_dice(10);
	if (what < 5 && may_come) {
		come();
	} else if (what == 5 && may_come) {
		come_without_request();
	} else if (what == 6 && reader_count > 0) {
		hang_up((int)throw_dice((uint64_t)reader_count));
	} else if (reading >= 0) {
		go_on(reading);
	}
	await_model();
}

/* --- rounds ------------------------------------------------------------------------------------------------------------ */

static void start_server(void)
{
	static const char *const proxies[] = {"127.0.0.0/8"};
	struct http_config config = loopback_config();
	config.remote.workers = 2;
	config.call_timeout_ms = (int64_t)2 * VERY_LONG_MS;
	config.trusted_proxies = proxies;
	config.trusted_proxy_count = COUNT_OF(proxies);
	server = loopback_start(&config, rows, COUNT_OF(rows), NULL);
}

/* All go on to their end; or the server stops, and whoever waits is told so. */
static void end_round(void)
{
	bool stops = throw_dice(2) == 0;
	int reading;
	while (!stops && (reading = choose_reading()) >= 0) {
		go_on(reading);
		await_model();
	}
	assert_true(stops || line_n == 0);
	for (int i = 0; i < reader_count; i++) {
		hang_up(i);
		if (readers[i].arena != NULL && readers[i].stage != IS_OVER) {
			arena_destroy(readers[i].arena);
		}
	}
	read_turns_stop(federation.read_turns);
	(void)!http_server_stop(server);
	http_server_destroy(server);
	for (int i = 0; i < reader_count; i++) {
		if (service.told[i].hold != NULL) {
			memo_wake(service.told[i].hold); /* its request is gone */
		}
	}
	assert_int_equal(metric_now("belfry_federation_answers_waiting"), 0);
	assert_int_equal(metric_now("belfry_federation_answers_read_bytes"), 0);
}

static void run_round(uint64_t seed)
{
	print_message("seed %llu\n", (unsigned long long)seed);
	dice = seed;
	arena = arena_create();
	memset(service.told, 0, sizeof(service.told));
	reader_count = 0;
	line_n = 0;
	federation.read_turns = read_turns_create((size_t)ALL * HALF_MIB);
	start_server();
	for (int i = 0; i < STEPS; i++) {
		take_step();
	}
	end_round();
	read_turns_destroy(federation.read_turns);
	arena_destroy(arena);
}

static int64_t number_of(const char *variable, int64_t fallback)
{
	const char *text = getenv(variable);
	return text != NULL ? strtoll(text, NULL, 10) : fallback;
}

static void turns__in_any_order_of_what_happens__who_reads_is_as_the_model_says(void **state)
{
	(void)state;
	lock_init(&service.lock, RANK_LEAF);
	cond_init(&service.changed);
	hs.clock = (struct clock){.mono_ms = mono_ms};
	federation.hs = &hs;
	int64_t first = number_of("BELFRY_TEST_SEED", 1);
	int64_t rounds = number_of("BELFRY_TEST_ROUNDS", 10);
	for (int64_t i = 0; i < rounds; i++) {
		run_round((uint64_t)(first + i));
	}
	cond_fini(&service.changed);
	lock_fini(&service.lock);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(turns__in_any_order_of_what_happens__who_reads_is_as_the_model_says),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
