/*
 * A channel of c-ares belongs to the thread; look-ups are handed over through a list under a lock, an eventfd wakes it.
 * The thread sleeps in poll(2) with the channel's few sockets and its timer. The library reads the system's file once, for a channel; so
 * when that has changed there is a new one, of which everything is asked again that the old one had under way.
 */
#include "http/dns.h"

#include <ares.h>
#include <arpa/nameser.h>
#include <errno.h>
#include <poll.h>
#include <stdlib.h>
#include <sys/eventfd.h>
#include <sys/stat.h>
#include <sys/time.h>
#include <unistd.h>

#include "base/lock.h"
#include "base/log.h"
#include "base/mem.h"

enum {
	TRY_MS = 1000,      /* the first; the second waits twice as long */
	TRIES = 2,          /* of each name server */
	MAX_AT_ONCE = 8192, /* two questions each, of which the library can tell 65,536 apart */
	MAX_RECORDS = 16,   /* more are not looked at */
};

struct look_up {
	struct dns *dns;
	struct look_up *next;
	char *name;
	dns_srv_finished *finished_srv; /* NULL: it is addresses that are wanted */
	dns_addresses_finished *finished_addresses;
	void *data;
};

struct dns {
	struct str servers; /* on the heap */
	struct dns_system system;
	struct rng rng;
	int wake_fd;
	struct lock lock;
	pthread_t thread;
	bool is_started;       /* guarded by lock */
	bool is_stopping;      /* guarded by lock */
	struct look_up *first; /* queued; guarded by lock */
	struct look_up **last; /* guarded by lock */
	/* The thread's own: */
	ares_channel channel;
	struct stat file; /* as it was when the channel was made */
	size_t under_way;
	bool is_renewing;
};

/* --- order ------------------------------------------------------------------------------------------------- */

static void swap(struct dns_srv *a, struct dns_srv *b)
{
	struct dns_srv kept = *a;
	*a = *b;
	*b = kept;
}

/* RFC 2782: one after the other is drawn from those of the lowest priority that are left, its chance being its weight. */
void dns_srv_order(struct dns_srv *records, size_t count, const struct rng *rng)
{
	for (size_t i = 0; i < count; i++) {
		uint16_t priority = UINT16_MAX;
		for (size_t j = i; j < count; j++) {
			priority = MIN_OF(priority, records[j].priority);
		}
		uint64_t sum = 0;
		for (size_t j = i; j < count; j++) {
			/* A weight of 0 has a very small chance, not none. */
			sum += records[j].priority == priority ? (uint64_t)records[j].weight * 100 + 1 : 0;
		}
		uint64_t drawn = rng_u64(rng) % MAX_OF(sum, 1);
		size_t chosen = i;
		for (size_t j = i; j < count; j++) {
			uint64_t share = (uint64_t)records[j].weight * 100 + 1;
			if (records[j].priority != priority) {
				continue;
			}
			chosen = j;
			if (drawn < share) {
				break;
			}
			drawn -= share;
		}
		swap(&records[i], &records[chosen]);
	}
}

/* --- a look-up's end ---------------------------------------------------------------------------------------- */

static void look_up_free(struct look_up *look_up)
{
	mem_free(look_up->name);
	mem_free(look_up);
}

/* Ends one that nobody is asked for any more. */
static void give_up(struct look_up *look_up)
{
	if (look_up->finished_srv != NULL) {
		look_up->finished_srv(look_up->data, &(struct dns_srv_end){.is_certain = false});
	} else {
		look_up->finished_addresses(look_up->data, &(struct dns_addresses_end){.count = 0});
	}
	look_up_free(look_up);
}

/* @return false when the resolver has stopped */
static bool enqueue(struct look_up *look_up)
{
	struct dns *dns = look_up->dns;
	LOCK_SCOPE(&dns->lock);
	if (dns->is_stopping) {
		return false;
	}
	look_up->next = NULL;
	*dns->last = look_up;
	dns->last = &look_up->next;
	return true;
}

/* @return whether it ended with its channel only, and is asked for again of the next one */
static bool is_postponed(struct look_up *look_up, int status)
{
	look_up->dns->under_way--;
	return status == ARES_EDESTRUCTION && look_up->dns->is_renewing && enqueue(look_up);
}

static void on_records(void *data, int status, int timeouts, unsigned char *bytes, int length)
{
	(void)timeouts;
	struct look_up *look_up = data;
	if (is_postponed(look_up, status)) {
		return;
	}
	struct dns_srv records[MAX_RECORDS];
	struct dns_srv_end end = {.records = records};
	struct ares_srv_reply *reply = NULL;
	if (status == ARES_SUCCESS) {
		status = ares_parse_srv_reply(bytes, length, &reply);
	}
	for (const struct ares_srv_reply *at = reply; at != NULL && end.count < MAX_RECORDS;
		 at = at->next) {
		records[end.count++] = (struct dns_srv){
			.host = str_of(at->host),
			.port = at->port,
			.priority = at->priority,
			.weight = at->weight,
		};
	}
	end.is_certain = status == ARES_SUCCESS || status == ARES_ENODATA || status == ARES_ENOTFOUND;
	if (end.count > 0) {
		dns_srv_order(records, end.count, &look_up->dns->rng);
	}
	look_up->finished_srv(look_up->data, &end);
	look_up_free(look_up);
	if (reply != NULL) {
		ares_free_data(reply);
	}
}

static void on_addresses(void *data, int status, int timeouts, struct ares_addrinfo *answer)
{
	(void)timeouts;
	struct look_up *look_up = data;
	if (is_postponed(look_up, status)) {
		return;
	}
	struct address addresses[MAX_RECORDS];
	struct dns_addresses_end end = {.addresses = addresses};
	for (const struct ares_addrinfo_node *at = answer != NULL ? answer->nodes : NULL;
		 at != NULL && end.count < MAX_RECORDS; at = at->ai_next) {
		end.count += address_of_socket(at->ai_addr, &addresses[end.count]) ? 1 : 0;
	}
	look_up->finished_addresses(look_up->data, &end);
	look_up_free(look_up);
	if (answer != NULL) {
		ares_freeaddrinfo(answer);
	}
}

/* --- the thread ---------------------------------------------------------------------------------------------- */

static void wake(struct dns *dns)
{
	uint64_t one = 1;
	ssize_t n = write(dns->wake_fd, &one, sizeof(one));
	invariant(n == (ssize_t)sizeof(one) || errno == EAGAIN);
}

/* @return false (logged) when there is no channel to be had */
static bool make_channel(const struct dns *dns, ares_channel *out)
{
	struct ares_options options = {.timeout = TRY_MS,
		.tries = TRIES,
		.udp_port = dns->system.port,
		.tcp_port = dns->system.port,
		.resolvconf_path = (char *)(uintptr_t)dns->system.file}; /* copied */
	ares_channel channel = NULL;
	int failed = ares_init_options(&channel, &options,
		ARES_OPT_TIMEOUTMS | ARES_OPT_TRIES | ARES_OPT_UDP_PORT | ARES_OPT_TCP_PORT |
			ARES_OPT_RESOLVCONF);
	if (failed == ARES_SUCCESS && dns->servers.n > 0) {
		failed = ares_set_servers_ports_csv(channel, dns->servers.p);
	}
	if (failed != ARES_SUCCESS) {
		log_warn(0, "dns.not_started", "cause=\"%s\"", ares_strerror(failed));
		return false;
	}
	*out = channel;
	return true;
}

static struct stat look_at_file(const struct dns *dns)
{
	struct stat status = {0};
	(void)stat(dns->system.file, &status);
	return status;
}

static bool is_same_file(const struct stat *a, const struct stat *b)
{
	return a->st_dev == b->st_dev && a->st_ino == b->st_ino && a->st_size == b->st_size &&
		a->st_mtim.tv_sec == b->st_mtim.tv_sec && a->st_mtim.tv_nsec == b->st_mtim.tv_nsec;
}

/* The machine has come into another network, or into one at all. */
static void renew_channel(struct dns *dns)
{
	struct stat now = look_at_file(dns);
	ares_channel channel;
	if (is_same_file(&now, &dns->file) || !make_channel(dns, &channel)) {
		return;
	}
	dns->is_renewing = true;
	ares_destroy(dns->channel);
	dns->is_renewing = false;
	dns->channel = channel;
	dns->file = now;
}

static void ask(struct look_up *look_up)
{
	struct dns *dns = look_up->dns;
	dns->under_way++;
	if (look_up->finished_srv != NULL) {
		ares_query(dns->channel, look_up->name, C_IN, T_SRV, on_records, look_up);
		return;
	}
	struct ares_addrinfo_hints hints = {.ai_family = AF_UNSPEC, .ai_socktype = SOCK_STREAM};
	ares_getaddrinfo(dns->channel, look_up->name, NULL, &hints, on_addresses, look_up);
}

/* The queue's first as far as there is room. */
static struct look_up *take_some(struct dns *dns)
{
	LOCK_SCOPE(&dns->lock);
	struct look_up *taken = dns->first;
	struct look_up **end = &dns->first;
	for (size_t room = MAX_AT_ONCE - dns->under_way; room > 0 && *end != NULL; room--) {
		end = &(*end)->next;
	}
	struct look_up *rest = *end;
	*end = NULL;
	taken = end == &dns->first ? NULL : taken;
	dns->first = rest;
	dns->last = rest == NULL ? &dns->first : dns->last;
	return taken;
}

/* @return false when it is time to end */
static bool take_queue(struct dns *dns)
{
	struct look_up *look_up = take_some(dns);
	while (look_up != NULL) {
		renew_channel(dns);
		while (look_up != NULL) {
			struct look_up *next = look_up->next;
			ask(look_up);
			look_up = next;
		}
		look_up = take_some(dns); /* some of these may have ended at once */
	}
	LOCK_SCOPE(&dns->lock);
	return !dns->is_stopping;
}

static int sleep_ms(struct dns *dns)
{
	struct timeval time;
	const struct timeval *wanted = ares_timeout(dns->channel, NULL, &time);
	return wanted != NULL ? (int)(wanted->tv_sec * 1000 + wanted->tv_usec / 1000 + 1) : -1;
}

/* @return how many of `files` are set */
static nfds_t watch(struct dns *dns, struct pollfd *files)
{
	ares_socket_t sockets[ARES_GETSOCK_MAXNUM];
	unsigned bits = (unsigned)ares_getsock(dns->channel, sockets, ARES_GETSOCK_MAXNUM);
	files[0] = (struct pollfd){.fd = dns->wake_fd, .events = POLLIN};
	nfds_t count = 1;
	for (unsigned i = 0; i < ARES_GETSOCK_MAXNUM; i++) {
		/* What the library's own macros do, which shift a bit out of an int. */
		bool reads = (bits >> i & 1U) != 0;
		bool writes = (bits >> (i + ARES_GETSOCK_MAXNUM) & 1U) != 0;
		if (reads || writes) {
			files[count++] = (struct pollfd){.fd = sockets[i],
				.events = (short)((reads ? POLLIN : 0) | (writes ? POLLOUT : 0))};
		}
	}
	return count;
}

static void *run(void *data)
{
	struct dns *dns = data;
	while (take_queue(dns)) {
		struct pollfd files[ARES_GETSOCK_MAXNUM + 1];
		nfds_t count = watch(dns, files);
		int ready = poll(files, count, sleep_ms(dns));
		invariant(ready >= 0 || errno == EINTR);
		uint64_t ignored = 0;
		if ((files[0].revents & POLLIN) != 0) {
			ssize_t n = read(dns->wake_fd, &ignored, sizeof(ignored));
			invariant(n == (ssize_t)sizeof(ignored) || errno == EAGAIN);
		}
		for (nfds_t i = 1; i < count; i++) {
			bool reads = (files[i].revents & (POLLIN | POLLERR | POLLHUP)) != 0;
			bool writes = (files[i].revents & (POLLOUT | POLLERR | POLLHUP)) != 0;
			ares_process_fd(dns->channel, reads ? files[i].fd : ARES_SOCKET_BAD,
				writes ? files[i].fd : ARES_SOCKET_BAD);
		}
		ares_process_fd(dns->channel, ARES_SOCKET_BAD, ARES_SOCKET_BAD); /* timers */
	}
	ares_destroy(dns->channel); /* ends what is under way */
	lock_take(&dns->lock);
	struct look_up *look_up = dns->first;
	dns->first = NULL;
	lock_give(&dns->lock);
	while (look_up != NULL) {
		struct look_up *next = look_up->next;
		give_up(look_up);
		look_up = next;
	}
	return NULL;
}

/* --- making ---------------------------------------------------------------------------------------------------- */

struct dns *dns_create(struct str servers, const struct dns_system *system, const struct rng *rng)
{
	static const struct dns_system usual = {"/etc/resolv.conf", 53};
	struct dns *dns = mem_alloc(sizeof(*dns));
	dns->servers = str_heap(servers);
	dns->system = system != NULL ? *system : usual;
	dns->rng = *rng;
	dns->wake_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	invariant(dns->wake_fd >= 0);
	lock_init(&dns->lock, RANK_LEAF);
	dns->last = &dns->first;
	return dns;
}

/* @return false (logged) when there is no channel to be had */
static bool start_locked(struct dns *dns)
{
	dns->file = look_at_file(dns);
	if (ares_library_init(ARES_LIB_INIT_ALL) != ARES_SUCCESS || !make_channel(dns, &dns->channel)) {
		return false;
	}
	dns->thread = thread_start("dns", run, dns);
	dns->is_started = true;
	return true;
}

void dns_stop(struct dns *dns)
{
	lock_take(&dns->lock);
	bool was_running = dns->is_started && !dns->is_stopping;
	dns->is_stopping = true;
	lock_give(&dns->lock);
	if (was_running) {
		wake(dns);
		(void)pthread_join(dns->thread, NULL);
		ares_library_cleanup();
	}
}

void dns_destroy(struct dns *dns)
{
	if (dns == NULL) {
		return;
	}
	dns_stop(dns);
	(void)close(dns->wake_fd);
	lock_fini(&dns->lock);
	str_free(dns->servers);
	mem_free(dns);
}

static void start(struct dns *dns, struct str name, struct look_up wish)
{
	invariant((wish.finished_srv != NULL) != (wish.finished_addresses != NULL));
	struct look_up *look_up = mem_alloc(sizeof(*look_up));
	*look_up = wish;
	look_up->dns = dns;
	look_up->name = mem_dup(name.p, name.n);
	lock_take(&dns->lock);
	bool is_started = dns->is_started || (!dns->is_stopping && start_locked(dns));
	lock_give(&dns->lock);
	if (is_started && enqueue(look_up)) {
		wake(dns);
	} else {
		give_up(look_up);
	}
}

void dns_srv_start(struct dns *dns, struct str name, dns_srv_finished *finished, void *data)
{
	start(dns, name, (struct look_up){.finished_srv = finished, .data = data});
}

void dns_addresses_start(struct dns *dns, struct str host, dns_addresses_finished *finished,
	void *data)
{
	start(dns, host, (struct look_up){.finished_addresses = finished, .data = data});
}
