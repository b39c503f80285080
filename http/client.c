/*
 * The thread: epoll tells libcurl which of its sockets are ready, an eventfd tells the thread that something was
 * queued. Requests are handed over through a list under a lock; everything of libcurl's multi interface is touched by the
 * thread alone. Deadlines are libcurl's, but for requests that still wait for a connection of their host: it has no
 * eye on those, so the thread looks through all once a second.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/file.h"
#include "base/lock.h"
#include "base/log.h"
#include "base/mem.h"
#include "base/metrics.h"
#include "http/client_inner.h"
#include "http/dns.h"

enum {
	MAX_HOST_CONNECTIONS = 8,
	MAX_CONNECTIONS = 4096, /* open at once; further requests wait */
	MAX_IDLE_CONNECTIONS = 256,
	SWEEP_MS = 1000,
	EVENTS = 128,
	MAX_CA_BYTES = 16 << 20,
	PATH_BYTES = 64,
};

static struct metric under_way =
	METRIC_GAUGE("belfry_http_client_under_way", "Outgoing requests that are not answered yet");

struct http_client {
	struct http_client_config config;
	CURLM *multi;
	int epoll_fd;
	int wake_fd;
	int ca_fd; /* memory with all authorities; -1: none */
	char ca_path[PATH_BYTES];
	pthread_t thread;
	struct lock lock;
	struct transfer *first;     /* queued; guarded by lock */
	struct transfer **last;     /* guarded by lock */
	struct name_look_up *found; /* that have ended; guarded by lock */
	bool is_stopping;           /* guarded by lock */
	bool is_joined;
	struct dns *dns;
	/* The thread's own: */
	struct transfer *newest; /* under way */
	int64_t timer_ms;        /* when libcurl wants to be called; -1: not */
	int64_t sweep_ms;
};

const struct http_client_config *client_config(const struct http_client *client)
{
	return &client->config;
}

const char *client_ca_path(const struct http_client *client)
{
	return client->ca_fd >= 0 ? client->ca_path : NULL;
}

struct dns *http_client_dns(const struct http_client *client)
{
	return client->dns;
}

bool http_client_allows(const struct http_client *client, struct str host)
{
	struct address address;
	bool is_bracketed = str_starts_with(host, STR("[")) && str_ends_with(host, STR("]"));
	return address_parse(is_bracketed ? str_slice(host, 1, host.n - 1) : host, &address) &&
		address_in_ranges(&address, client->config.allow, client->config.allow_count);
}

/* --- waiting -------------------------------------------------------------------------------------------- */

struct client_waiter {
	struct ctx *ctx;
	struct lock lock;
	struct cond done;
	bool is_done; /* guarded by lock, and so is what follows until then */
	enum err err;
	struct fetched answer;
};

int64_t client_time_left_ms(const struct ctx *ctx, int64_t timeout_ms)
{
	int64_t left_ms = timeout_ms;
	if (ctx->deadline_ms != 0) {
		left_ms = MIN_OF(left_ms, ctx->deadline_ms - clock_os_ms());
	}
	return MAX_OF(left_ms, (int64_t)1);
}

struct client_waiter *client_waiter_new(struct ctx *ctx)
{
	lock_assert_none_held();
	struct client_waiter *waiter = ARENA_NEW(ctx->arena, struct client_waiter);
	waiter->ctx = ctx;
	lock_init(&waiter->lock, RANK_LEAF);
	cond_init(&waiter->done);
	return waiter;
}

struct fetched client_copy_answer(struct arena *arena, const struct fetched *from)
{
	struct fetched to = *from;
	struct fetch_header *headers = ARENA_NEW_ARRAY(arena, struct fetch_header, from->header_count);
	for (size_t i = 0; i < from->header_count; i++) {
		headers[i].name = str_dup(arena, from->headers[i].name);
		headers[i].value = str_dup(arena, from->headers[i].value);
	}
	to.headers = headers;
	to.body = str_dup(arena, from->body);
	to.final_url = str_dup(arena, from->final_url);
	return to;
}

enum err client_fail(struct ctx *ctx, enum err err, struct str cause)
{
	(void)fail_cause(ctx, err, "%.*s", STR_ARG(cause));
	ctx->fault.text = err == ERR_INPUT ? STR("That is no address that can be asked")
									   : STR("Another server could not be asked");
	return err;
}

/* The one who waits does nothing with its arena meanwhile. */
void client_wait_finished(void *data, const struct fetch_end *end)
{
	struct client_waiter *waiter = data;
	struct ctx *ctx = waiter->ctx;
	if (end->err == ERR_OK) {
		waiter->answer = client_copy_answer(ctx->arena, &end->answer);
	} else {
		(void)client_fail(ctx, end->err, end->cause);
	}
	LOCK_SCOPE(&waiter->lock);
	waiter->err = end->err;
	waiter->is_done = true;
	cond_signal(&waiter->done);
}

enum err client_wait(struct client_waiter *waiter, struct fetched *out)
{
	lock_take(&waiter->lock);
	while (!waiter->is_done) {
		cond_wait(&waiter->done, &waiter->lock);
	}
	lock_give(&waiter->lock);
	cond_fini(&waiter->done);
	lock_fini(&waiter->lock);
	if (waiter->err == ERR_OK) {
		*out = waiter->answer;
	}
	return waiter->err;
}

/* --- the thread ----------------------------------------------------------------------------------------- */

static void wake(struct http_client *client)
{
	uint64_t one = 1;
	ssize_t n = write(client->wake_fd, &one, sizeof(one));
	invariant(n == (ssize_t)sizeof(one) || errno == EAGAIN);
}

static void stop_transfer(struct transfer *transfer)
{
	transfer_end(transfer, CURLE_ABORTED_BY_CALLBACK);
	transfer_destroy(transfer);
}

void client_submit(struct http_client *client, struct transfer *transfer)
{
	lock_take(&client->lock);
	bool is_taken = !client->is_stopping;
	if (is_taken) {
		*client->last = transfer;
		client->last = &transfer->next;
	}
	lock_give(&client->lock);
	if (is_taken) {
		wake(client);
	} else {
		stop_transfer(transfer);
	}
}

static void unlink_transfer(struct http_client *client, struct transfer *transfer)
{
	if (transfer->newer != NULL) {
		transfer->newer->older = transfer->older;
	} else {
		client->newest = transfer->older;
	}
	if (transfer->older != NULL) {
		transfer->older->newer = transfer->newer;
	}
	metric_add(&under_way, -1);
}

static void finish(struct http_client *client, struct transfer *transfer, CURLcode code)
{
	if (transfer->look_up != NULL) {
		transfer->look_up->transfer = NULL;
	} else {
		(void)curl_multi_remove_handle(client->multi, transfer->easy);
	}
	unlink_transfer(client, transfer);
	transfer_end(transfer, code);
	transfer_destroy(transfer);
}

static void add(struct http_client *client, struct transfer *transfer)
{
	CURLMcode code = curl_multi_add_handle(client->multi, transfer->easy);
	invariant(code == CURLM_OK);
}

void client_name_found(struct http_client *client, struct name_look_up *look_up)
{
	lock_take(&client->lock);
	look_up->next = client->found;
	client->found = look_up;
	lock_give(&client->lock);
	wake(client);
}

static struct name_look_up *take_found(struct http_client *client)
{
	LOCK_SCOPE(&client->lock);
	struct name_look_up *found = client->found;
	client->found = NULL;
	return found;
}

/* Transfers whose name was looked up go on, or end. */
static void go_on_found(struct http_client *client)
{
	struct name_look_up *found = take_found(client);
	while (found != NULL) {
		struct name_look_up *next = found->next;
		struct transfer *transfer = found->transfer;
		if (transfer != NULL) {
			transfer->look_up = NULL;
			if (names_take(transfer, found)) {
				add(client, transfer);
			} else {
				finish(client, transfer, CURLE_COULDNT_RESOLVE_HOST);
			}
		}
		names_look_up_free(found);
		found = next;
	}
}

/* @return false when it is time to end */
static bool take_queue(struct http_client *client)
{
	lock_take(&client->lock);
	struct transfer *queue = client->first;
	client->first = NULL;
	client->last = &client->first;
	bool goes_on = !client->is_stopping;
	lock_give(&client->lock);
	while (queue != NULL) {
		struct transfer *transfer = queue;
		queue = transfer->next;
		transfer->next = NULL;
		transfer->older = client->newest;
		if (client->newest != NULL) {
			client->newest->newer = transfer;
		}
		client->newest = transfer;
		metric_add(&under_way, 1);
		add(client, transfer);
	}
	return goes_on;
}

static void take_finished(struct http_client *client)
{
	int left = 0;
	CURLMsg *message = curl_multi_info_read(client->multi, &left);
	while (message != NULL) {
		struct transfer *transfer = NULL;
		CURLcode code = message->data.result;
		(void)curl_easy_getinfo(message->easy_handle, CURLINFO_PRIVATE, (char **)&transfer);
		if (names_are_missing(transfer, code)) {
			(void)curl_multi_remove_handle(client->multi, transfer->easy);
			names_look_up(transfer);
		} else {
			finish(client, transfer, code);
		}
		message = curl_multi_info_read(client->multi, &left);
	}
}

static void sweep(struct http_client *client)
{
	int64_t now = clock_os_ms();
	if (now < client->sweep_ms) {
		return;
	}
	client->sweep_ms = now + SWEEP_MS;
	struct transfer *transfer = client->newest;
	while (transfer != NULL) {
		struct transfer *older = transfer->older;
		if (now > transfer->deadline_ms) {
			finish(client, transfer, CURLE_OPERATION_TIMEDOUT);
		}
		transfer = older;
	}
}

static int sleep_ms(const struct http_client *client)
{
	int64_t until_ms = client->newest != NULL ? client->sweep_ms : INT64_MAX;
	if (client->timer_ms >= 0) {
		until_ms = MIN_OF(until_ms, client->timer_ms);
	}
	if (until_ms == INT64_MAX) {
		return -1;
	}
	return (int)MIN_OF(MAX_OF(until_ms - clock_os_ms(), (int64_t)0), (int64_t)SWEEP_MS);
}

static void handle_event(struct http_client *client, const struct epoll_event *event)
{
	if (event->data.fd == client->wake_fd) {
		uint64_t ignored = 0;
		ssize_t n = read(client->wake_fd, &ignored, sizeof(ignored));
		invariant(n == (ssize_t)sizeof(ignored) || errno == EAGAIN);
		return;
	}
	int ready = 0;
	ready |= (event->events & EPOLLIN) != 0 ? CURL_CSELECT_IN : 0;
	ready |= (event->events & EPOLLOUT) != 0 ? CURL_CSELECT_OUT : 0;
	ready |= (event->events & (EPOLLERR | EPOLLHUP)) != 0 ? CURL_CSELECT_ERR : 0;
	int running = 0;
	(void)curl_multi_socket_action(client->multi, event->data.fd, ready, &running);
}

static void run_timer(struct http_client *client)
{
	if (client->timer_ms >= 0 && client->timer_ms <= clock_os_ms()) {
		client->timer_ms = -1;
		int running = 0;
		(void)curl_multi_socket_action(client->multi, CURL_SOCKET_TIMEOUT, 0, &running);
	}
}

static void *run(void *data)
{
	struct http_client *client = data;
	struct epoll_event events[EVENTS];
	while (take_queue(client)) {
		go_on_found(client);
		int count = epoll_wait(client->epoll_fd, events, EVENTS, sleep_ms(client));
		invariant(count >= 0 || errno == EINTR);
		for (int i = 0; i < count; i++) {
			handle_event(client, &events[i]);
		}
		run_timer(client);
		take_finished(client);
		sweep(client);
	}
	while (client->newest != NULL) {
		finish(client, client->newest, CURLE_ABORTED_BY_CALLBACK);
	}
	return NULL;
}

/* libcurl says which sockets it waits for. */
static int on_socket(CURL *easy, curl_socket_t fd, int what, void *data, void *socket_data)
{
	(void)easy;
	(void)socket_data;
	struct http_client *client = data;
	if (what == CURL_POLL_REMOVE) {
		/* It may have been closed already, and so be gone. */
		(void)epoll_ctl(client->epoll_fd, EPOLL_CTL_DEL, fd, NULL);
		return 0;
	}
	struct epoll_event event = {.data = {.fd = fd}};
	event.events |= (what & CURL_POLL_IN) != 0 ? (uint32_t)EPOLLIN : 0;
	event.events |= (what & CURL_POLL_OUT) != 0 ? (uint32_t)EPOLLOUT : 0;
	if (epoll_ctl(client->epoll_fd, EPOLL_CTL_MOD, fd, &event) != 0) {
		int failed = epoll_ctl(client->epoll_fd, EPOLL_CTL_ADD, fd, &event);
		invariant(failed == 0);
	}
	return 0;
}

static int on_timer(CURLM *multi, long timeout_ms, void *data)
{
	(void)multi;
	struct http_client *client = data;
	client->timer_ms = timeout_ms < 0 ? -1 : clock_os_ms() + timeout_ms;
	return 0;
}

/* --- making --------------------------------------------------------------------------------------------- */

static bool append_file(int fd, struct arena *arena, const char *path)
{
	struct ctx ctx;
	ctx_init(&ctx, arena);
	struct str text;
	if (file_read(&ctx, path, MAX_CA_BYTES, &text) != ERR_OK) {
		log_warn(0, "http_client.no_authorities", "file=%s cause=%.*s", path,
			STR_ARG(ctx.fault.cause.n > 0 ? ctx.fault.cause : ctx.fault.text));
		return false;
	}
	return write(fd, text.p, text.n) == (ssize_t)text.n && write(fd, "\n", 1) == 1;
}

/*
 * The system's authorities and the configured ones as one file that lives in memory only: given a single file, libcurl keeps
 * what it read.
 */
static void collect_authorities(struct http_client *client)
{
	client->ca_fd = -1;
	const char *system_file = curl_version_info(CURLVERSION_NOW)->cainfo;
	if (system_file == NULL) {
		return;
	}
	int fd = memfd_create("belfry-ca", MFD_CLOEXEC);
	invariant(fd >= 0);
	struct arena *arena CLEANUP(arena_cleanup) = arena_create();
	bool is_whole = append_file(fd, arena, system_file);
	if (client->config.ca_file.n > 0) {
		is_whole = append_file(fd, arena, str_cstr(arena, client->config.ca_file)) || is_whole;
	}
	if (!is_whole) {
		(void)close(fd);
		return;
	}
	client->ca_fd = fd;
	(void)snprintf(client->ca_path, sizeof(client->ca_path), "/proc/self/fd/%d", fd);
}

struct http_client *http_client_create(const struct http_client_config *config)
{
	struct http_client *client = mem_alloc(sizeof(*client));
	client->config = *config;
	CURLcode failed = curl_global_init(CURL_GLOBAL_DEFAULT);
	invariant(failed == CURLE_OK);
	collect_authorities(client);
	client->epoll_fd = epoll_create1(EPOLL_CLOEXEC);
	client->wake_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	client->multi = curl_multi_init();
	invariant(client->epoll_fd >= 0 && client->wake_fd >= 0 && client->multi != NULL);
	struct epoll_event event = {.events = EPOLLIN, .data = {.fd = client->wake_fd}};
	int refused = epoll_ctl(client->epoll_fd, EPOLL_CTL_ADD, client->wake_fd, &event);
	invariant(refused == 0);
	client->timer_ms = -1;
	CURLM *multi = client->multi;
	(void)curl_multi_setopt(multi, CURLMOPT_SOCKETFUNCTION, on_socket);
	(void)curl_multi_setopt(multi, CURLMOPT_SOCKETDATA, client);
	(void)curl_multi_setopt(multi, CURLMOPT_TIMERFUNCTION, on_timer);
	(void)curl_multi_setopt(multi, CURLMOPT_TIMERDATA, client);
	(void)curl_multi_setopt(multi, CURLMOPT_MAX_HOST_CONNECTIONS, (long)MAX_HOST_CONNECTIONS);
	(void)curl_multi_setopt(multi, CURLMOPT_MAX_TOTAL_CONNECTIONS, (long)MAX_CONNECTIONS);
	(void)curl_multi_setopt(multi, CURLMOPT_MAXCONNECTS, (long)MAX_IDLE_CONNECTIONS);
	lock_init(&client->lock, RANK_LEAF);
	client->last = &client->first;
	struct rng rng = rng_os();
	client->dns = dns_create(config->dns_servers, NULL, &rng);
	client->thread = thread_start("http-client", run, client);
	return client;
}

void http_client_stop(struct http_client *client)
{
	lock_take(&client->lock);
	client->is_stopping = true;
	lock_give(&client->lock);
	if (!client->is_joined) {
		wake(client);
		(void)pthread_join(client->thread, NULL);
		client->is_joined = true;
		dns_stop(client->dns);
	}
}

void http_client_destroy(struct http_client *client)
{
	if (client == NULL) {
		return;
	}
	http_client_stop(client);
	dns_destroy(client->dns);
	struct name_look_up *found = client->found;
	while (found != NULL) {
		struct name_look_up *next = found->next;
		names_look_up_free(found);
		found = next;
	}
	(void)curl_multi_cleanup(client->multi);
	curl_global_cleanup();
	(void)close(client->epoll_fd);
	(void)close(client->wake_fd);
	if (client->ca_fd >= 0) {
		(void)close(client->ca_fd);
	}
	lock_fini(&client->lock);
	mem_free(client);
}
