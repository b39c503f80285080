/*
 * A load generator that costs little: one thread, many kept connections. What it asks is a plan on standard input (bench/load.py).
 *
 * usage: bench-load loop PORT CONNECTIONS MILLISECONDS FIRST    each connection asks its lines again and again, once at least
 *        bench-load once PORT CONNECTIONS 0 FIRST               each line once; the answers' bodies follow the figures
 *        bench-load wake PORT CONNECTIONS 0 FIRST               line 0 sends, the others wait in /sync for what it sends
 *
 * It speaks to 127.0.0.1 only. FIRST is the first number that "{n}" stands for. A plan ends with an empty line. `wake` says "ready" when
 * all wait, and then reads how many messages to send, line by line. Figures are one line of JSON; times are in microseconds. A server may
 * end a connection that was idle: the next request makes a new one, and "reopened" says how many did. In the middle of a request it may not.
 */
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/resource.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/mem.h"
#include "bench/load_connection.h"

enum {
	LINE_MAX_BYTES = 16 << 20,
	LINES_MAX = 1 << 20,
	CONNECTIONS_MAX = 20000,
	EVENTS = 256,
	STARTING = 8,     /* first syncs at a time */
	IDLE_US = 500000, /* so long after its last request a connection may have been ended */
	QUIET_MS = 300,   /* so long nobody has answered: all wait */
	WAKE_LIMIT_US = 120 * 1000 * 1000,
};

struct samples {
	int64_t *p;
	size_t n, capacity;
};

struct load {
	uint16_t port;
	int epoll;
	struct request *lines;
	size_t lines_n;
	struct connection *connections;
	size_t connections_n;
	int64_t number;
	int64_t begun_us;
	size_t failed, reopened;
	uint64_t bytes;              /* of bodies */
	struct samples times, first; /* until the whole answer, until its first byte */
	/* once: */
	size_t asked;
	struct str *bodies; /* of each line's answer … */
	int64_t *took_us;   /* … and how long it took */
	/* wake, of the message under way: */
	char marker[64];
	int64_t answered_us,
		last_us;     /* when the sender had its answer, when the last follower had it */
	size_t having;   /* followers that have it */
	size_t starting; /* connections before it have begun */
	size_t answers;
};

static _Noreturn void end(const char *text)
{
	(void)fprintf(stderr, "bench-load: %s\n", text);
	exit(2);
}

static int64_t number_of(struct str text)
{
	int64_t value;
	if (!str_to_int(text, 0, INT64_MAX / 1000, &value)) {
		end("a number is wrong");
	}
	return value;
}

static void keep(struct samples *samples, int64_t value)
{
	if (samples->n == samples->capacity) {
		samples->capacity = samples->capacity * 2 + 1024;
		samples->p = mem_realloc(samples->p, samples->capacity * sizeof(*samples->p));
	}
	samples->p[samples->n++] = value;
}

static int by_value(const void *a, const void *b)
{
	const int64_t x = *(const int64_t *)a, y = *(const int64_t *)b;
	return (x > y) - (x < y);
}

/* Prints "NAME_p50", "NAME_p99" and "NAME_max". */
static void print_samples(const char *name, struct samples *samples)
{
	if (samples->n == 0) {
		return;
	}
	qsort(samples->p, samples->n, sizeof(*samples->p), by_value);
	(void)printf(", \"%s_p50\": %lld, \"%s_p99\": %lld, \"%s_max\": %lld", name,
		(long long)samples->p[samples->n / 2], name, (long long)samples->p[samples->n * 99 / 100],
		name, (long long)samples->p[samples->n - 1]);
}

static void print_figures(struct load *load, int64_t took_us)
{
	struct rusage used;
	(void)getrusage(RUSAGE_SELF, &used);
	(void)printf(
		"{\"count\": %zu, \"failed\": %zu, \"reopened\": %zu, \"seconds\": %.6f, \"bytes\": %llu, \"number\": %lld, \"own_cpu\": %.3f",
		load->times.n, load->failed, load->reopened, (double)took_us / 1e6,
		(unsigned long long)load->bytes, (long long)load->number,
		(double)(used.ru_utime.tv_sec + used.ru_stime.tv_sec) +
			(double)(used.ru_utime.tv_usec + used.ru_stime.tv_usec) / 1e6);
	print_samples("time", &load->times);
	print_samples("first", &load->first);
}

/* --- the plan and the connections ----------------------------------------------------------------------------- */

static void read_plan(struct load *load)
{
	char *text = NULL;
	size_t capacity = 0;
	load->lines = mem_alloc_array(LINES_MAX, sizeof(*load->lines));
	for (ssize_t n; (n = getline(&text, &capacity, stdin)) > 1;) {
		if (load->lines_n == LINES_MAX || n > LINE_MAX_BYTES) {
			end("the plan is too long");
		}
		struct request *line = &load->lines[load->lines_n++];
		struct str rest = str_from(mem_dup(text, (size_t)n), (size_t)n - 1);
		(void)str_split(rest, '\t', &line->method, &rest);
		(void)str_split(rest, '\t', &line->target, &rest);
		(void)str_split(rest, '\t', &line->token, &line->body);
	}
	mem_free(text);
	if (load->lines_n == 0) {
		end("the plan is empty");
	}
}

static void open_connection(struct load *load, struct connection *c)
{
	connection_open(c, load->port);
	struct epoll_event event = {.events = EPOLLIN, .data.u64 = (uint64_t)(c - load->connections)};
	(void)epoll_ctl(load->epoll, EPOLL_CTL_ADD, c->fd, &event);
}

static void open_connections(struct load *load)
{
	load->epoll = epoll_create1(EPOLL_CLOEXEC);
	load->connections = mem_alloc_array(load->connections_n, sizeof(*load->connections));
	for (size_t i = 0; i < load->connections_n; i++) {
		open_connection(load, &load->connections[i]);
	}
}

/* The server ended it while nothing was asked. */
static void reopen(struct load *load, struct connection *c)
{
	(void)close(c->fd);
	open_connection(load, c);
	load->reopened++;
}

static void listen_to(struct load *load, struct connection *c, uint32_t events)
{
	struct epoll_event event = {.events = events, .data.u64 = (uint64_t)(c - load->connections)};
	(void)epoll_ctl(load->epoll, EPOLL_CTL_MOD, c->fd, &event);
}

static void ask(struct load *load, struct connection *c, size_t line)
{
	const int64_t now_us = clock_mono_us();
	if (now_us - c->begun_us > IDLE_US && connection_is_ended(c)) {
		reopen(load, c);
	}
	c->line = line;
	connection_ask(c, &load->lines[line], load->number++, now_us);
	if (!connection_flush(c)) {
		listen_to(load, c, EPOLLIN | EPOLLOUT);
	}
}

static void note_failure(struct load *load, const struct connection *c)
{
	if (c->status / 100 != 2 && load->failed++ == 0) {
		const struct str target = load->lines[c->line].target, body = connection_body(c);
		(void)fprintf(stderr, "bench-load: %d for %.*s: %.*s\n", c->status, STR_ARG(target),
			STR_ARG(str_slice(body, 0, 300)));
	}
}

/* What has come on a connection. @return whether it was an answer */
static bool hear(struct load *load, struct connection *c, uint32_t events)
{
	if (!c->is_busy) { /* idle for too long */
		reopen(load, c);
		return false;
	}
	if ((events & EPOLLOUT) != 0 && connection_flush(c)) {
		listen_to(load, c, EPOLLIN);
	}
	return (events & ~(uint32_t)EPOLLOUT) != 0 && connection_read(c, clock_mono_us());
}

/* Waits for answers and calls `done` for each. @return how many connections had something */
static int step(struct load *load, int wait_ms, void (*done)(struct load *, struct connection *))
{
	struct epoll_event events[EVENTS];
	const int n = epoll_wait(load->epoll, events, EVENTS, wait_ms);
	for (int i = 0; i < n; i++) {
		struct connection *c = &load->connections[events[i].data.u64];
		if (hear(load, c, events[i].events)) {
			load->bytes += c->body_bytes;
			note_failure(load, c);
			done(load, c);
		}
	}
	return n;
}

/* --- loop, once ----------------------------------------------------------------------------------------------- */

static void keep_times(struct load *load, const struct connection *c)
{
	keep(&load->times, clock_mono_us() - c->begun_us);
	keep(&load->first, c->first_us - c->begun_us);
}

static void ask_again(struct load *load, struct connection *c)
{
	keep_times(load, c);
	ask(load, c, (c->line + load->connections_n) % load->lines_n);
}

static void run_loop(struct load *load, int64_t limit_us)
{
	open_connections(load);
	load->begun_us = clock_mono_us();
	for (size_t i = 0; i < load->connections_n; i++) {
		ask(load, &load->connections[i], i % load->lines_n);
	}
	int64_t now_us = load->begun_us;
	while (now_us - load->begun_us < limit_us || load->times.n < load->connections_n) {
		(void)step(load, 100, ask_again);
		now_us = clock_mono_us();
	}
	print_figures(load, now_us - load->begun_us);
	(void)printf("}\n");
}

static void ask_next(struct load *load, struct connection *c)
{
	keep_times(load, c);
	const struct str body = connection_body(c);
	load->bodies[c->line] = str_from(mem_dup(body.p, body.n), body.n);
	load->took_us[c->line] = load->times.p[load->times.n - 1];
	if (load->asked < load->lines_n) {
		ask(load, c, load->asked++);
	}
}

static void run_once(struct load *load)
{
	load->connections_n = load->connections_n < load->lines_n ? load->connections_n : load->lines_n;
	open_connections(load);
	load->bodies = mem_alloc_array(load->lines_n, sizeof(*load->bodies));
	load->took_us = mem_alloc_array(load->lines_n, sizeof(*load->took_us));
	load->begun_us = clock_mono_us();
	for (size_t i = 0; i < load->connections_n; i++) {
		ask(load, &load->connections[i], load->asked++);
	}
	while (load->times.n < load->lines_n) {
		(void)step(load, 1000, ask_next);
	}
	print_figures(load, clock_mono_us() - load->begun_us);
	for (size_t i = 0; i < load->lines_n; i++) {
		(void)printf("%s%lld", i == 0 ? ", \"times\": [" : ", ", (long long)load->took_us[i]);
	}
	(void)printf("]}\n");
	for (size_t i = 0; i < load->lines_n; i++) {
		for (size_t k = 0; k < load->bodies[i].n; k++) {
			(void)putchar(load->bodies[i].p[k] == '\n' ? ' ' : load->bodies[i].p[k]);
		}
		(void)putchar('\n');
	}
}

/* --- wake ----------------------------------------------------------------------------------------------------- */

static void follow(struct load *load, struct connection *c)
{
	const size_t index = (size_t)(c - load->connections);
	if (index == 0) {
		load->answered_us = clock_mono_us();
		return;
	}
	load->answers++;
	const struct str body = connection_body(c);
	if (load->marker[0] != '\0' && c->seen == 0 &&
		memmem(body.p, body.n, load->marker, strlen(load->marker)) != NULL) {
		c->seen = load->last_us = clock_mono_us();
		load->having++;
	}
	const bool is_first = c->since.n == 0;
	connection_keep_since(c);
	ask(load, c, c->line);
	if (is_first && load->starting < load->connections_n) {
		ask(load, &load->connections[load->starting], load->starting % load->lines_n);
		load->starting++;
	}
}

static void rest(struct load *load)
{
	while (load->starting < load->connections_n || step(load, QUIET_MS, follow) > 0) {
		if (load->starting < load->connections_n) {
			(void)step(load, QUIET_MS, follow);
		}
	}
}

/* One message. @return whether all had it in time */
static bool wake(struct load *load, struct samples *after, struct samples *all)
{
	for (size_t i = 1; i < load->connections_n; i++) {
		load->connections[i].seen = 0;
	}
	load->having = 0;
	load->answered_us = 0;
	(void)snprintf(load->marker, sizeof(load->marker), "bench-%lld-", (long long)load->number);
	const int64_t begun_us = clock_mono_us();
	ask(load, &load->connections[0], 0);
	while ((load->answered_us == 0 || load->having < load->connections_n - 1) &&
		clock_mono_us() - begun_us < WAKE_LIMIT_US) {
		(void)step(load, 1000, follow);
	}
	if (load->answered_us == 0 || load->having < load->connections_n - 1) {
		return false;
	}
	keep(&load->times, load->answered_us - begun_us);
	keep(after, load->last_us > load->answered_us ? load->last_us - load->answered_us : 0);
	keep(all, load->last_us - begun_us);
	return true;
}

/* Messages as standard input asks for: how many, a line each time. */
static void run_wake(struct load *load)
{
	open_connections(load);
	for (load->starting = 1; load->starting < load->connections_n && load->starting <= STARTING;
		 load->starting++) {
		ask(load, &load->connections[load->starting], load->starting % load->lines_n);
	}
	rest(load);
	(void)printf("ready\n");
	(void)fflush(stdout);
	for (char line[32]; fgets(line, sizeof(line), stdin) != NULL;) {
		const int64_t sends = number_of(str_trim(str_of(line)));
		struct samples after = {0}, all = {0};
		load->reopened = 0;
		rest(load); /* who waited too long asks again */
		load->times.n = load->answers = 0;
		load->begun_us = clock_mono_us();
		bool is_whole = true;
		for (int64_t i = 0; i < sends && is_whole; i++) {
			is_whole = wake(load, &after, &all);
			rest(load);
		}
		print_figures(load, clock_mono_us() - load->begun_us);
		print_samples("after", &after);
		print_samples("all", &all);
		(void)printf(", \"answers\": %zu, \"missing\": %zu}\n", load->answers,
			is_whole ? 0 : load->connections_n - 1 - load->having);
		(void)fflush(stdout);
		mem_free(after.p);
		mem_free(all.p);
	}
}

int main(int argc, char **argv)
{
	if (argc != 6) {
		end("usage: bench-load loop|once|wake PORT CONNECTIONS MILLISECONDS FIRST");
	}
	static struct load load; /* until the process ends: nothing of it is given back */
	load.port = (uint16_t)number_of(str_of(argv[2]));
	load.connections_n = (size_t)number_of(str_of(argv[3]));
	load.number = number_of(str_of(argv[5]));
	const struct rlimit files = {CONNECTIONS_MAX + 100, CONNECTIONS_MAX + 100};
	(void)setrlimit(RLIMIT_NOFILE, &files);
	read_plan(&load);
	if (load.connections_n == 0 || load.connections_n > CONNECTIONS_MAX) {
		end("so many connections cannot be");
	}
	if (strcmp(argv[1], "loop") == 0) {
		run_loop(&load, number_of(str_of(argv[4])) * 1000);
	} else if (strcmp(argv[1], "once") == 0) {
		run_once(&load);
	} else if (strcmp(argv[1], "wake") == 0) {
		run_wake(&load);
	} else {
		end("unknown kind of load");
	}
	return 0;
}
