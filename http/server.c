/*
 * Putting the parts together, in the order in which they need each other, and taking them apart in
 * reverse. Stopping has its own order: no new connections; wake the parked; wait; answer for those
 * that did not finish; let libmicrohttpd send; end the threads.
 */
#include "http/server.h"

#include "base/clock.h"
#include "base/log.h"
#include "base/mem.h"
#include "http/at_once.h"
#include "http/body_writer.h"
#include "http/budget.h"
#include "http/dispatch.h"
#include "http/listener.h"
#include "http/metrics_routes.h"
#include "http/observe.h"
#include "http/state.h"
#include "http/tls.h"

#include <string.h>
#include <sys/resource.h>

enum {
	KIB = 1024,
	MIB = 1024 * 1024,
	DEFAULT_QUEUE = 1024,
	METRICS_CONNECTIONS = 64,
	SPARE_FILES = 128,      /* at the least, for database, disk and outgoing connections */
	OUTGOING_FILES = 4096,  /* if they can be had; and a file for each connection */
	LAST_SENDING_MS = 150,  /* for answers that were made at the end of the time for stopping */
	LAST_WORKING_MS = 1000, /* for workers to end after their answers; idle ones do at once */
	RESUMING_MS = 60000,    /* all have been resumed; this waits for the last to return from it */
	TICK_MS = 2000,
	SMALL_BODY_BYTES = 8 * 1024,    /* most requests: what is large keeps none of them out */
	SMALL_ANSWER_BYTES = 16 * 1024, /* not more than the kernel takes at once, as a rule */
	PARKED_BYTES = 64 << 20, /* a query for keys of thousands of users takes some megabytes */
	SHORTEST_TICK_MS = 20,
};

static struct metric bodies_gauge =
	METRIC_GAUGE("belfry_http_body_bytes", "Memory of requests' bodies, but small ones");
static struct metric answers_gauge = METRIC_GAUGE("belfry_http_answer_bytes",
	"Memory of answers until they are sent, but small ones");
static struct metric parked_gauge = METRIC_GAUGE("belfry_http_parked_bytes",
	"Memory of requests that wait without a thread, where they may take much");

/* --- configuration ------------------------------------------------------------------------------------ */

static void default_size(size_t *value, size_t otherwise)
{
	*value = *value != 0 ? *value : otherwise;
}

static void default_ms(int64_t *value, int64_t otherwise)
{
	*value = *value != 0 ? *value : otherwise;
}

static void default_lane(struct http_lane_config *lane, size_t workers)
{
	default_size(&lane->workers, workers);
	default_size(&lane->queue_limit, DEFAULT_QUEUE);
}

static void fill_defaults(struct http_config *config)
{
	default_size(&config->io_threads, 2);
	default_lane(&config->local, 8);
	default_lane(&config->slow, 2);
	default_lane(&config->remote, 16);
	default_size(&config->body_ceiling_bytes, (size_t)256 * KIB);
	default_size(&config->body_budget_bytes, (size_t)256 * MIB);
	default_size(&config->answer_budget_bytes, (size_t)1024 * MIB);
	default_size(&config->stream_ceiling_bytes, (size_t)50 * MIB);
	default_size(&config->reply_ceiling_bytes, (size_t)512 * MIB);
	default_size(&config->header_ceiling_bytes, (size_t)16 * KIB);
	default_ms(&config->idle_timeout_ms, 65000);
	default_ms(&config->header_timeout_ms, 15000);
	default_ms(&config->body_timeout_ms, 30000);
	default_ms(&config->send_timeout_ms, 60000);
	default_size(&config->send_bytes_per_s, (size_t)16 * KIB);
	default_ms(&config->call_timeout_ms, 60000);
	default_ms(&config->stop_timeout_ms, 700);
	default_size(&config->max_connections, 16384);
	default_size(&config->max_connections_per_address, config->max_connections / 2);
}

static const char *copy_text(struct arena *arena, const char *text)
{
	return text != NULL ? str_cstr(arena, str_of(text)) : NULL;
}

/* Copies what the configuration points at into the server's own memory. */
static void copy_config(struct http_server *server, const struct http_config *config)
{
	struct arena *arena = server->memory;
	server->config = *config;
	fill_defaults(&server->config);
	struct http_listen *listen = ARENA_NEW_ARRAY(arena, struct http_listen, config->listen_count);
	for (size_t i = 0; i < config->listen_count; i++) {
		listen[i] = (struct http_listen){.kind = config->listen[i].kind,
			.address = copy_text(arena, config->listen[i].address)};
	}
	server->config.listen = listen;
	const char **proxies = ARENA_NEW_ARRAY(arena, const char *, config->trusted_proxy_count);
	for (size_t i = 0; i < config->trusted_proxy_count; i++) {
		proxies[i] = copy_text(arena, config->trusted_proxies[i]);
	}
	server->config.trusted_proxies = proxies;
	server->config.stream_folder = copy_text(arena, config->stream_folder);
	server->config.tls_certificate = copy_text(arena, config->tls_certificate);
	server->config.tls_key = copy_text(arena, config->tls_key);
}

struct http_server *http_server_create(const struct http_config *config)
{
	struct http_server *server = mem_alloc(sizeof(*server));
	server->memory = arena_create();
	copy_config(server, config);
	server->router = router_create();
	server->metrics_router = router_create();
	metrics_routes_add(server->metrics_router, server);
	server->other_stats = route_stats_of("other");
	server->listeners = ARENA_NEW_ARRAY(server->memory, struct listener *, config->listen_count);
	/* Ids differ between runs, so that a log of several starts can be searched by id. */
	atomic_init(&server->last_request_id, (uint64_t)clock_mono_us() << 20);
	return server;
}

static bool needs_ports(const struct http_server *server, const struct route *row)
{
	const struct http_ports *ports = server->config.ports;
	return route_asks_who(row) && (ports == NULL || ports->authenticate == NULL);
}

void http_server_add_table(struct http_server *server, const struct route_table *table)
{
	invariant(!server->is_started);
	for (size_t i = 0; i < table->count; i++) {
		const struct route *row = &table->rows[i];
		invariant(!needs_ports(server, row));
		invariant(row->body_ceiling_bytes != BODY_STREAMED || server->config.stream_folder != NULL);
	}
	router_add_table(server->router, table);
}

/* --- start ---------------------------------------------------------------------------------------------- */

static enum err parse_proxies(struct http_server *server, struct ctx *ctx)
{
	const struct http_config *config = &server->config;
	server->trusted =
		ARENA_NEW_ARRAY(server->memory, struct address_range, config->trusted_proxy_count);
	for (size_t i = 0; i < config->trusted_proxy_count; i++) {
		const char *text = config->trusted_proxies[i];
		if (!address_parse_range(str_of(text), &server->trusted[i])) {
			return fail(ctx, ERR_INPUT, NULL, "'%s' is no address or range of addresses", text);
		}
	}
	return ERR_OK;
}

static void tick(void *self, int64_t now)
{
	struct http_server *server = self;
	conns_enforce(server->conns, now);
}

static int64_t tick_interval(const struct http_config *config)
{
	int64_t shortest = MIN_OF(config->body_timeout_ms, config->send_timeout_ms);
	shortest = MIN_OF(shortest, config->idle_timeout_ms + config->header_timeout_ms);
	return MAX_OF(MIN_OF(shortest / 4, (int64_t)TICK_MS), (int64_t)SHORTEST_TICK_MS);
}

static struct lane *start_lane(struct http_server *server, const char *name,
	const struct http_lane_config *config)
{
	const struct lane_deps deps = {.name = name,
		.workers = config->workers,
		.queue_limit = config->queue_limit,
		.is_shared_out = config == &server->config.remote, /* others are soon done */
		.run = dispatch_run_job,
		.release = dispatch_release_job,
		.self = server};
	return lane_create(&deps);
}

static void start_parts(struct http_server *server)
{
	const struct http_config *config = &server->config;
	const struct conns_limits limits = {.max_per_address = config->max_connections_per_address,
		.trusted = server->trusted,
		.trusted_count = config->trusted_proxy_count};
	server->arenas = arenas_create();
	server->conns = conns_create(&limits);
	server->bodies = budget_create(&(struct budget_limits){.all_bytes = config->body_budget_bytes,
		.small_bytes = SMALL_BODY_BYTES,
		.held = &bodies_gauge});
	server->answers =
		budget_create(&(struct budget_limits){.all_bytes = config->answer_budget_bytes,
			.small_bytes = SMALL_ANSWER_BYTES,
			.held = &answers_gauge});
	server->parked =
		budget_create(&(struct budget_limits){.all_bytes = PARKED_BYTES, .held = &parked_gauge});
	if (config->rate_limits_enabled) {
		server->rates = rate_create(config->rates);
		server->at_once = at_once_create(config->rates);
	}
	server->lanes[LANE_LOCAL] = start_lane(server, "local", &config->local);
	server->lanes[LANE_SLOW] = start_lane(server, "slow", &config->slow);
	server->lanes[LANE_REMOTE] = start_lane(server, "remote", &config->remote);
	const struct park_deps parks = {.wake = dispatch_wake,
		.batch_begin = dispatch_batch_begin,
		.batch_end = dispatch_batch_end,
		.tick = tick,
		.tick_ms = tick_interval(config),
		.self = server};
	server->parks = park_set_create(&parks);
	server->body_writer = config->stream_folder != NULL ? body_writer_create() : NULL;
}

/* A shell or service manager that says nothing gives 1,024, but lets the process have more. Its children have them from before. */
static void allow_files(rlim_t wanted)
{
	struct rlimit files = {0};
	if (getrlimit(RLIMIT_NOFILE, &files) == 0 && files.rlim_cur < wanted) {
		files.rlim_cur = MIN_OF(wanted, files.rlim_max);
		(void)setrlimit(RLIMIT_NOFILE, &files);
	}
}

/* The limit that the process's file descriptors allow. */
static size_t connection_limit(const struct http_config *config)
{
	struct rlimit files = {0};
	allow_files(config->max_connections * 2 + OUTGOING_FILES);
	size_t limit = config->max_connections;
	if (getrlimit(RLIMIT_NOFILE, &files) == 0 && files.rlim_cur != RLIM_INFINITY) {
		size_t spare = MIN_OF((size_t)SPARE_FILES, (size_t)files.rlim_cur / 2);
		size_t room = files.rlim_cur - spare;
		if (room < limit) {
			log_warn(0, "http.connections.limited", "wanted=%zu possible=%zu", limit, room);
			limit = room;
		}
	}
	return limit;
}

static size_t count_api_listeners(const struct http_config *config)
{
	size_t n = 0;
	for (size_t i = 0; i < config->listen_count; i++) {
		n += config->listen[i].kind != HTTP_LISTEN_METRICS;
	}
	return MAX_OF(n, (size_t)1);
}

static enum err read_certificate(struct http_server *server, struct ctx *ctx)
{
	const struct http_config *config = &server->config;
	bool needed = false;
	for (size_t i = 0; i < config->listen_count; i++) {
		needed = needed || config->listen[i].kind == HTTP_LISTEN_TLS;
	}
	if (!needed) {
		return ERR_OK;
	}
	if (config->tls_certificate == NULL || config->tls_key == NULL) {
		return fail(ctx, ERR_INPUT, NULL, "a TLS listener needs a certificate and a key");
	}
	const struct clock clock = clock_os();
	return tls_create(ctx, config->tls_certificate, config->tls_key, &clock, &server->tls);
}

void http_server_reload_tls(struct http_server *server)
{
	if (server->tls != NULL) {
		tls_reload(server->tls);
	}
}

static enum err start_listeners(struct http_server *server, struct ctx *ctx)
{
	const struct http_config *config = &server->config;
	TRY(read_certificate(server, ctx));
	server->max_connections = connection_limit(config);
	bool is_alone = count_api_listeners(config) == 1;
	/* None may take all from the others. */
	size_t share = is_alone ? server->max_connections : server->max_connections / 4 * 3;
	for (size_t i = 0; i < config->listen_count; i++) {
		bool is_metrics = config->listen[i].kind == HTTP_LISTEN_METRICS;
		const struct listener_deps deps = {.server = server,
			.router = is_metrics ? server->metrics_router : server->router,
			.listen = config->listen[i],
			.io_threads = is_metrics ? 1 : config->io_threads,
			.max_connections = is_metrics ? METRICS_CONNECTIONS : MAX_OF(share, (size_t)1),
			.tls = config->listen[i].kind == HTTP_LISTEN_TLS ? server->tls : NULL};
		TRY(listener_start(ctx, &deps, &server->listeners[i]));
		log_info(0, "http.listening", "address=%s port=%u", config->listen[i].address,
			(unsigned)listener_port(server->listeners[i]));
	}
	return ERR_OK;
}

enum err http_server_start(struct http_server *server, struct ctx *ctx)
{
	invariant(!server->is_started);
	TRY(parse_proxies(server, ctx));
	start_parts(server);
	server->is_started = true;
	enum err err = start_listeners(server, ctx);
	if (err != ERR_OK) {
		(void)http_server_stop(server);
	}
	return err;
}

void http_server_share_rates(struct http_server *server, size_t processes)
{
	if (server->rates != NULL) {
		rate_share(server->rates, processes);
	}
}

uint16_t http_server_port(const struct http_server *server, size_t index)
{
	invariant(index < server->config.listen_count && server->listeners[index] != NULL);
	return listener_port(server->listeners[index]);
}

/* --- stop ----------------------------------------------------------------------------------------------- */

bool server_is_stopping(const struct http_server *server)
{
	return atomic_load(&server->is_stopping);
}

int64_t server_head_deadline(const struct http_server *server)
{
	return clock_mono_about_ms() + server->config.idle_timeout_ms +
		server->config.header_timeout_ms;
}

/*
 * Waits until a counter is zero, by looking at it every millisecond: whoever counts down last must
 * not touch the server afterwards, not even to signal, because it may be gone by then.
 *
 * @return whether it was in time
 */
static bool wait_for_zero(const _Atomic int64_t *counter, int64_t deadline_ms)
{
	while (atomic_load(counter) > 0 && clock_os_ms() < deadline_ms) {
		clock_os_pause(1);
	}
	return atomic_load(counter) <= 0;
}

static void abandon_running(void *data, struct lane_job *job)
{
	size_t *abandoned = data;
	dispatch_abandon(CONTAINER_OF(job, struct request, job));
	(*abandoned)++;
}

/* Closes the lanes and answers for everything that is still in them. */
static void abandon_lanes(struct http_server *server)
{
	size_t abandoned = 0;
	for (size_t i = 0; i < LANE_COUNT; i++) {
		if (server->lanes[i] == NULL) {
			continue;
		}
		struct lane_job *job = lane_close(server->lanes[i]);
		while (job != NULL) {
			struct lane_job *next = job->next;
			abandon_running(&abandoned, job);
			dispatch_release_job(server, job);
			job = next;
		}
		lane_each_running(server->lanes[i], abandon_running, &abandoned);
	}
	if (abandoned > 0) {
		log_warn(0, "http.stop.unfinished", "requests=%zu", abandoned);
	}
}

bool http_server_stop(struct http_server *server)
{
	if (!server->is_started) {
		return true;
	}
	int64_t deadline_ms = clock_os_ms() + server->config.stop_timeout_ms;
	atomic_store(&server->is_stopping, true);
	for (size_t i = 0; i < server->config.listen_count; i++) {
		listener_close(server->listeners[i]);
	}
	park_set_wake_all(server->parks);
	bool drained = wait_for_zero(&server->under_way, deadline_ms);
	abandon_lanes(server);
	bool resumed = wait_for_zero(&server->suspended, clock_os_ms() + RESUMING_MS);
	invariant(resumed); /* libmicrohttpd would end the process, less clearly */
	if (!drained) {
		deadline_ms = clock_os_ms() + LAST_SENDING_MS;
		(void)wait_for_zero(&server->under_way, deadline_ms);
	}
	for (size_t i = 0; i < server->config.listen_count; i++) {
		listener_stop(server->listeners[i]);
		server->listeners[i] = NULL;
	}
	bool ended = true;
	deadline_ms = clock_os_ms() + LAST_WORKING_MS;
	for (size_t i = 0; i < LANE_COUNT; i++) {
		struct lane *lane = server->lanes[i];
		ended = (lane == NULL || lane_wait_ended(lane, deadline_ms)) && ended;
	}
	return wait_for_zero(&server->handed_over, deadline_ms) && ended;
}

void http_server_destroy(struct http_server *server)
{
	if (server == NULL) {
		return;
	}
	invariant(!server->is_started || server_is_stopping(server));
	for (size_t i = 0; i < LANE_COUNT; i++) {
		lane_destroy(server->lanes[i]);
	}
	park_set_destroy(server->parks);
	body_writer_destroy(server->body_writer);
	rate_destroy(server->rates);
	at_once_destroy(server->at_once);
	budget_destroy(server->bodies);
	budget_destroy(server->answers);
	budget_destroy(server->parked);
	conns_destroy(server->conns);
	arenas_destroy(server->arenas);
	tls_destroy(server->tls);
	router_destroy(server->router);
	router_destroy(server->metrics_router);
	arena_destroy(server->memory);
	mem_free(server);
}
