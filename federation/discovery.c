/*
 * A search takes one step after the other, each begun by the callback of the one before; who asks for the same server
 * meanwhile hangs on. Two caches answer before anybody is asked: what hosts say in /.well-known/matrix/server, for as long
 * as they allow, and SRV records, for some minutes. A failure is kept too, longer each time; a host that said
 * something within the last two days is taken at its word while it cannot be asked.
 */
#include "federation/discovery.h"

#include "base/arena_sized.h"
#include "base/cache.h"
#include "base/lock.h"
#include "base/map.h"
#include "base/mem.h"
#include "base/refc.h"
#include "http/dns.h"

enum {
	WELL_KNOWN_CEILING_BYTES = 50 * 1024,
	WELL_KNOWN_TIMEOUT_MS = 10 * 1000,
	REDIRECTS = 5,
	CACHE_BYTES = 4 << 20, /* of each */
	FIRST_FAILURE_S = 60,
	LONGEST_FAILURE_S = 3600,
	MAX_DOUBLINGS = 6,
	SRV_S = 5 * 60,
	SRV_FAILURE_S = 60,
};

/* What a host says. Immutable. */
struct well_known {
	struct refc refc;
	struct str delegated; /* on the heap; empty: nothing of use */
	int64_t until_ms;     /* monotonic */
	int64_t told_ms;      /* when it said `delegated` */
	int failures;         /* in a row */
};

/* SRV records of a name. Immutable. */
struct srv {
	struct refc refc;
	struct arena *arena;
	struct server_target *targets;
	size_t count;
	int64_t until_ms;
};

struct hearer {
	struct hearer *next;
	discovery_finished *finished;
	void *data;
};

struct search {
	struct discovery *discovery;
	struct arena *arena;
	struct server_name server;
	struct server_route route;
	struct hearer *hearers; /* guarded by the discovery's lock */
};

struct discovery {
	struct homeserver *hs;
	struct cache *well_knowns; /* by host */
	struct cache *srvs;        /* by name */
	struct lock lock;
	struct map searches; /* server → struct search; guarded by lock */
};

/* --- what is kept ------------------------------------------------------------------------------------------ */

static void well_known_ref(void *value)
{
	refc_take(&((struct well_known *)value)->refc);
}

static void well_known_unref(void *value)
{
	struct well_known *entry = value;
	if (entry != NULL && refc_drop(&entry->refc)) {
		str_free(entry->delegated);
		mem_free(entry);
	}
}

static void srv_ref(void *value)
{
	refc_take(&((struct srv *)value)->refc);
}

static void srv_unref(void *value)
{
	struct srv *entry = value;
	if (entry != NULL && refc_drop(&entry->refc)) {
		arena_destroy(entry->arena);
		mem_free(entry);
	}
}

struct discovery *discovery_create(struct homeserver *hs)
{
	struct discovery *discovery = mem_alloc(sizeof(*discovery));
	discovery->hs = hs;
	discovery->well_knowns = cache_create("well_known", CACHE_BYTES,
		(struct cache_ops){.ref = well_known_ref, .unref = well_known_unref});
	discovery->srvs = cache_create("server_srv", CACHE_BYTES,
		(struct cache_ops){.ref = srv_ref, .unref = srv_unref});
	lock_init(&discovery->lock, RANK_LEAF);
	map_init(&discovery->searches);
	return discovery;
}

void discovery_destroy(struct discovery *discovery)
{
	if (discovery == NULL) {
		return;
	}
	invariant(discovery->searches.n == 0);
	cache_destroy(discovery->well_knowns);
	cache_destroy(discovery->srvs);
	map_fini(&discovery->searches);
	lock_fini(&discovery->lock);
	mem_free(discovery);
}

static int64_t mono_ms(const struct discovery *discovery)
{
	return clock_mono_ms(&discovery->hs->clock);
}

/* --- the end of a search --------------------------------------------------------------------------------------- */

static void finish(struct search *search, const struct discovery_end *end)
{
	struct discovery *discovery = search->discovery;
	lock_take(&discovery->lock);
	(void)map_remove(&discovery->searches, search->server.s);
	struct hearer *hearer = search->hearers;
	lock_give(&discovery->lock);
	while (hearer != NULL) {
		struct hearer *next = hearer->next;
		hearer->finished(hearer->data, end);
		mem_free(hearer);
		hearer = next;
	}
	arena_destroy(search->arena);
	mem_free(search);
}

static void take_step(struct search *search);

/* --- /.well-known/matrix/server ---------------------------------------------------------------------------------- */

/* Goes on with what a host says; takes the reference. */
static void go_on_well_known(struct search *search, struct well_known *entry)
{
	struct server_name delegated;
	bool delegates = entry->delegated.n > 0 &&
		server_name_parse(str_dup(search->arena, entry->delegated), &delegated);
	well_known_unref(entry);
	server_route_well_known(&search->route, delegates ? &delegated : NULL);
	take_step(search);
}

/* @return how long a failure is kept: longer the more there were */
static int64_t failure_ms(int failures)
{
	int64_t seconds = (int64_t)FIRST_FAILURE_S << MIN_OF(failures, (int)MAX_DOUBLINGS);
	return MIN_OF(seconds, (int64_t)LONGEST_FAILURE_S) * 1000;
}

/* What counts after an answer of no use: for some time still what the host said before. */
static void fill_failure(const struct discovery *discovery, struct str host,
	struct well_known *entry)
{
	struct well_known *before = cache_get(discovery->well_knowns, host);
	int64_t now_ms = mono_ms(discovery);
	if (before != NULL) {
		entry->failures = before->failures;
		entry->told_ms = before->told_ms;
		if (before->delegated.n > 0 &&
			now_ms - before->told_ms < (int64_t)WELL_KNOWN_MOST_S * 1000) {
			entry->delegated = str_heap(before->delegated);
		}
		well_known_unref(before);
	}
	entry->until_ms = now_ms + failure_ms(entry->failures);
	entry->failures++;
}

static void on_well_known(void *data, const struct fetch_end *end)
{
	struct search *search = data;
	struct discovery *discovery = search->discovery;
	struct server_name delegated;
	struct well_known *entry = mem_alloc(sizeof(*entry));
	refc_init(&entry->refc);
	if (end->err == ERR_OK && end->answer.status == 200 &&
		server_well_known_parse(search->arena, str_dup(search->arena, end->answer.body),
			&delegated)) {
		int64_t lifetime_s = server_well_known_lifetime_s(
			fetched_header(&end->answer, "Cache-Control"), fetched_header(&end->answer, "Expires"),
			clock_wall_ms(&discovery->hs->clock) / 1000);
		entry->delegated = str_heap(delegated.s);
		entry->told_ms = mono_ms(discovery);
		entry->until_ms = entry->told_ms + lifetime_s * 1000;
	} else {
		fill_failure(discovery, search->route.subject, entry);
	}
	cache_put(discovery->well_knowns, search->route.subject, entry,
		sizeof(*entry) + entry->delegated.n + search->route.subject.n);
	go_on_well_known(search, entry);
}

struct fetch discovery_question(struct arena *arena, struct str host)
{
	return (struct fetch){.method = "GET",
		.url = str_printf(arena, "https://%.*s/.well-known/matrix/server", STR_ARG(host)),
		.answer_ceiling_bytes = WELL_KNOWN_CEILING_BYTES,
		.timeout_ms = WELL_KNOWN_TIMEOUT_MS,
		.redirects_allowed = REDIRECTS,
		.is_https_only = true};
}

static void ask_well_known(struct search *search)
{
	struct discovery *discovery = search->discovery;
	struct well_known *known = cache_get(discovery->well_knowns, search->route.subject);
	if (known != NULL && mono_ms(discovery) < known->until_ms) {
		go_on_well_known(search, known);
		return;
	}
	well_known_unref(known);
	const struct fetch question = discovery_question(search->arena, search->route.subject);
	http_client_start(discovery->hs->http_client, &question, on_well_known, search);
}

/* --- SRV records ---------------------------------------------------------------------------------------------------- */

/* Goes on with the records of a name; takes the reference. */
static void go_on_srv(struct search *search, struct srv *entry)
{
	struct server_target *targets =
		ARENA_NEW_ARRAY(search->arena, struct server_target, entry->count);
	for (size_t i = 0; i < entry->count; i++) {
		targets[i] = entry->targets[i];
		targets[i].host = str_dup(search->arena, entry->targets[i].host);
	}
	size_t count = entry->count;
	srv_unref(entry);
	server_route_srv(&search->route, targets, count);
	take_step(search);
}

static void on_srv(void *data, const struct dns_srv_end *end)
{
	struct search *search = data;
	struct discovery *discovery = search->discovery;
	struct srv *entry = mem_alloc(sizeof(*entry));
	refc_init(&entry->refc);
	entry->arena = arena_create();
	entry->targets = ARENA_NEW_ARRAY(entry->arena, struct server_target, end->count);
	for (size_t i = 0; i < end->count; i++) {
		if (end->records[i].port != 0) {
			entry->targets[entry->count++] = (struct server_target){
				.host = str_dup(entry->arena, end->records[i].host),
				.port = end->records[i].port,
			};
		}
	}
	entry->until_ms =
		mono_ms(discovery) + (int64_t)(end->is_certain ? SRV_S : SRV_FAILURE_S) * 1000;
	cache_put(discovery->srvs, search->route.subject, entry,
		sizeof(*entry) + arena_held_bytes(entry->arena) + search->route.subject.n);
	go_on_srv(search, entry);
}

static void ask_srv(struct search *search)
{
	struct discovery *discovery = search->discovery;
	struct srv *known = cache_get(discovery->srvs, search->route.subject);
	if (known != NULL && mono_ms(discovery) < known->until_ms) {
		go_on_srv(search, known);
		return;
	}
	srv_unref(known);
	dns_srv_start(http_client_dns(discovery->hs->http_client), search->route.subject, on_srv,
		search);
}

/* --- a search ---------------------------------------------------------------------------------------------------------- */

static void take_step(struct search *search)
{
	switch (search->route.step) {
	case ROUTE_WELL_KNOWN:
		ask_well_known(search);
		return;
	case ROUTE_SRV:
		ask_srv(search);
		return;
	case ROUTE_FOUND:
		finish(search, &(struct discovery_end){.err = ERR_OK, .route = &search->route});
		return;
	case ROUTE_NONE:
		finish(search,
			&(struct discovery_end){.err = ERR_REMOTE, .cause = STR("it has no homeserver")});
		return;
	}
}

void discovery_start(struct discovery *discovery, struct server_name server,
	discovery_finished *finished, void *data)
{
	struct hearer *hearer = mem_alloc(sizeof(*hearer));
	*hearer = (struct hearer){.finished = finished, .data = data};
	lock_take(&discovery->lock);
	struct search *search = map_get(&discovery->searches, server.s);
	bool is_under_way = search != NULL;
	if (!is_under_way) {
		search = mem_alloc(sizeof(*search));
		search->discovery = discovery;
		search->arena = arena_create();
		search->server.s = str_dup(search->arena, server.s);
		(void)map_set(&discovery->searches, server.s, search);
	}
	hearer->next = search->hearers;
	search->hearers = hearer;
	lock_give(&discovery->lock);
	if (!is_under_way) {
		search->route = server_route_begin(search->arena, search->server);
		take_step(search);
	}
}
