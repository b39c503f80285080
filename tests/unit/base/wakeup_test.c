/*
 * One sleeper and one waker.
 */
#include "check.h"

#include "base/lock.h"
#include "base/mem.h"
#include "base/wakeup.h"

enum { TIMES = 300 };

struct pair {
	struct wakeup there;
	struct wakeup back;
	int ball; /* guarded by nothing but the order of the two */
};

static void *play_back(void *data)
{
	struct pair *pair = data;
	for (int i = 0; i < TIMES; i++) {
		wakeup_wait(&pair->there);
		pair->ball++;
		wakeup_send(&pair->back);
	}
	return NULL;
}

static void wait__sent_by_another_thread__sees_what_it_did(void **state)
{
	(void)state;
	struct pair pair = {.ball = 0};
	wakeup_init(&pair.there);
	wakeup_init(&pair.back);
	pthread_t thread = thread_start("test-wakeup", play_back, &pair);
	for (int i = 0; i < TIMES; i++) {
		assert_int_equal(pair.ball, 2 * i);
		pair.ball++;
		wakeup_send(&pair.there);
		wakeup_wait(&pair.back);
	}
	assert_int_equal(pair.ball, 2 * TIMES);
	assert_int_equal(pthread_join(thread, NULL), 0);
	wakeup_fini(&pair.there);
	wakeup_fini(&pair.back);
}

static void wait__sent_before__does_not_sleep(void **state)
{
	(void)state;
	struct wakeup wakeup;
	wakeup_init(&wakeup);
	wakeup_send(&wakeup);
	wakeup_wait(&wakeup);
	wakeup_fini(&wakeup);
}

struct post {
	struct wakeup wanted;
	struct wakeup *box; /* whose owner frees it as soon as it is woken */
};

static void *send_to_box(void *data)
{
	struct post *post = data;
	for (int i = 0; i < TIMES; i++) {
		wakeup_wait(&post->wanted);
		wakeup_send(post->box);
	}
	return NULL;
}

static void send__freed_at_once_by_who_is_woken__touches_it_no_more(void **state)
{
	(void)state;
	struct post post = {.box = NULL};
	wakeup_init(&post.wanted);
	pthread_t thread = thread_start("test-wakeup", send_to_box, &post);
	for (int i = 0; i < TIMES; i++) {
		struct wakeup *box = mem_alloc(sizeof(*box));
		wakeup_init(box);
		post.box = box;
		wakeup_send(&post.wanted);
		wakeup_wait(box);
		wakeup_fini(box);
		mem_free(box);
	}
	assert_int_equal(pthread_join(thread, NULL), 0);
	wakeup_fini(&post.wanted);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(wait__sent_by_another_thread__sees_what_it_did),
		cmocka_unit_test(wait__sent_before__does_not_sleep),
		cmocka_unit_test(send__freed_at_once_by_who_is_woken__touches_it_no_more),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
