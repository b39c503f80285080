/*
 * Lanes by themselves: limits, closing, what is running.
 */
#include "loopback.h"

#include "http/lane.h"

enum { JOBS = 2000 };

struct job {
	struct lane_job link;
	_Atomic int runs;
	_Atomic int releases;
};

struct fixture {
	struct gate arrived;
	struct gate released; /* what jobs wait for; ahead by JOBS: they do not wait */
	struct gate done;
};

static struct fixture fixture;
static struct job jobs[JOBS];

static void run(void *self, struct lane_job *link)
{
	(void)self;
	gate_add(&fixture.arrived, 1);
	(void)gate_wait(&fixture.released, 1);
	atomic_fetch_add(&CONTAINER_OF(link, struct job, link)->runs, 1);
}

static void release(void *self, struct lane_job *link)
{
	(void)self;
	atomic_fetch_add(&CONTAINER_OF(link, struct job, link)->releases, 1);
	gate_add(&fixture.done, 1);
}

static struct lane *create_of(size_t workers, size_t queue_limit, bool is_shared_out)
{
	gate_init(&fixture.arrived);
	gate_init(&fixture.released);
	gate_init(&fixture.done);
	memset(jobs, 0, sizeof(jobs));
	const struct lane_deps deps = {.name = "local",
		.workers = workers,
		.queue_limit = queue_limit,
		.is_shared_out = is_shared_out,
		.run = run,
		.release = release};
	return lane_create(&deps);
}

static struct lane *create(size_t workers, size_t queue_limit)
{
	return create_of(workers, queue_limit, false);
}

static void push__beyond_the_limit__refused_unless_admitted(void **state)
{
	(void)state;
	struct lane *lane = create(1, 2);
	assert_true(lane_push(lane, &jobs[0].link, false));
	assert_true(gate_wait(&fixture.arrived, 1));
	assert_true(lane_push(lane, &jobs[1].link, false));
	assert_true(lane_push(lane, &jobs[2].link, false));
	assert_false(lane_push(lane, &jobs[3].link, false));
	assert_true(lane_push(lane, &jobs[4].link, true));
	gate_add(&fixture.released, 1);
	assert_true(gate_wait(&fixture.done, 4));
	assert_null(lane_close(lane));
	lane_destroy(lane);
	assert_int_equal(jobs[3].runs, 0);
	assert_int_equal(jobs[4].runs, 1);
}

static void count_running(void *data, struct lane_job *link)
{
	assert_ptr_equal(link, &jobs[0].link);
	(*(int *)data)++;
}

static void close__queued_jobs__come_back_and_the_running_one_ends(void **state)
{
	(void)state;
	struct lane *lane = create(1, 10);
	for (size_t i = 0; i < 4; i++) {
		assert_true(lane_push(lane, &jobs[i].link, false));
	}
	assert_true(gate_wait(&fixture.arrived, 1));
	const struct lane_job *left = lane_close(lane);
	size_t n = 0;
	for (; left != NULL; left = left->next) {
		assert_ptr_equal(left, &jobs[++n].link);
	}
	assert_int_equal(n, 3);
	assert_false(lane_push(lane, &jobs[5].link, true));
	int running = 0;
	lane_each_running(lane, count_running, &running);
	assert_int_equal(running, 1);
	assert_false(lane_wait_ended(lane, clock_os_ms()));
	gate_add(&fixture.released, 1);
	assert_true(lane_wait_ended(lane, clock_os_ms() + CLIENT_TIMEOUT_MS));
	lane_destroy(lane);
	assert_int_equal(jobs[0].runs, 1);
	assert_int_equal(jobs[0].releases, 1);
}

static void *push_many(void *data)
{
	struct lane *lane = data;
	static _Atomic size_t next;
	size_t i = 0;
	while ((i = atomic_fetch_add(&next, 1)) < JOBS) {
		assert_true(lane_push(lane, &jobs[i].link, true));
	}
	return NULL;
}

static void push__from_many_threads__each_runs_once(void **state)
{
	(void)state;
	struct lane *lane = create(4, 1);
	gate_add(&fixture.released, 1);
	pthread_t threads[4];
	for (size_t i = 0; i < COUNT_OF(threads); i++) {
		threads[i] = thread_start("pusher", push_many, lane);
	}
	assert_true(gate_wait(&fixture.done, JOBS));
	for (size_t i = 0; i < COUNT_OF(threads); i++) {
		assert_int_equal(pthread_join(threads[i], NULL), 0);
	}
	assert_null(lane_close(lane));
	lane_destroy(lane);
	for (size_t i = 0; i < JOBS; i++) {
		assert_int_equal(jobs[i].runs, 1);
		assert_int_equal(jobs[i].releases, 1);
	}
}

static bool push_of(struct lane *lane, size_t index, uint64_t caller, bool is_admitted)
{
	jobs[index].link.caller = caller;
	return lane_push(lane, &jobs[index].link, is_admitted);
}

static void note_running(void *data, struct lane_job *link)
{
	bool *running = data;
	running[CONTAINER_OF(link, struct job, link) - jobs] = true;
}

static void shares__one_caller_with_many__a_quarter_of_workers_and_places(void **state)
{
	(void)state;
	struct lane *lane = create_of(8, 12, true);
	bool running[JOBS] = {false};
	assert_true(push_of(lane, 0, 7, false));
	assert_true(push_of(lane, 1, 7, false));
	assert_true(gate_wait(&fixture.arrived, 2));
	for (size_t i = 2; i < 5; i++) {
		assert_true(push_of(lane, i, 7, false));
	}
	assert_false(push_of(lane, 5, 7, false));
	assert_true(push_of(lane, 6, 7, true));
	assert_true(push_of(lane, 8, 9, false));
	assert_true(push_of(lane, 9, 0, false));
	assert_true(push_of(lane, 10, 0, false));
	assert_true(push_of(lane, 11, 0, false));
	assert_true(gate_wait(&fixture.arrived, 6));
	lane_each_running(lane, note_running, running);
	assert_true(running[0] && running[1] && running[8] && running[9] && running[10] && running[11]);
	assert_false(running[2]);
	gate_add(&fixture.released, 1);
	assert_true(gate_wait(&fixture.done, 10));
	assert_null(lane_close(lane));
	lane_destroy(lane);
	assert_int_equal(jobs[5].runs, 0);
	assert_int_equal(jobs[6].runs, 1);
}

/* Notes which began last; the first job ends before the others may. */
static _Atomic size_t newest;
static struct gate others_released;

static void run_step(void *self, struct lane_job *link)
{
	(void)self;
	size_t index = (size_t)(CONTAINER_OF(link, struct job, link) - jobs);
	atomic_store(&newest, index);
	gate_add(&fixture.arrived, 1);
	(void)gate_wait(index == 0 ? &fixture.released : &others_released, 1);
}

/* Four have two workers each, all that they may have, and two more jobs each before the one who comes last; an unknown one is before that one, too. */
static void shares__all_workers_taken__the_next_is_the_first_that_may_run(void **state)
{
	(void)state;
	gate_init(&fixture.arrived);
	gate_init(&fixture.released);
	gate_init(&fixture.done);
	gate_init(&others_released);
	memset(jobs, 0, sizeof(jobs));
	const struct lane_deps deps = {.name = "local",
		.workers = 8,
		.queue_limit = 100,
		.is_shared_out = true,
		.run = run_step,
		.release = release};
	struct lane *lane = lane_create(&deps);
	for (size_t i = 0; i < 8; i++) {
		assert_true(push_of(lane, i, 1 + i % 4, false));
	}
	assert_true(gate_wait(&fixture.arrived, 8));
	assert_true(push_of(lane, 8, 2, false));
	assert_true(push_of(lane, 9, 5, false));
	assert_true(push_of(lane, 10, 0, false));
	assert_true(push_of(lane, 11, 1, false));
	gate_add(&fixture.released, 1);
	assert_true(gate_wait(&fixture.arrived, 9));
	assert_int_equal(atomic_load(&newest), 9);
	gate_add(&others_released, 1);
	assert_true(gate_wait(&fixture.done, 12));
	assert_null(lane_close(lane));
	lane_destroy(lane);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(push__beyond_the_limit__refused_unless_admitted),
		cmocka_unit_test(close__queued_jobs__come_back_and_the_running_one_ends),
		cmocka_unit_test(push__from_many_threads__each_runs_once),
		cmocka_unit_test(shares__one_caller_with_many__a_quarter_of_workers_and_places),
		cmocka_unit_test(shares__all_workers_taken__the_next_is_the_first_that_may_run),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
