/*
 * A channel of c-ares belongs to the thread; look-ups are handed over through a list under a lock, an eventfd wakes it.
 * The thread sleeps in poll(2) with the channel's few sockets and its timer.
 */
#include "http/dns.h"

#include <ares.h>
#include <arpa/nameser.h>
#include <errno.h>
#include <poll.h>
#include <stdlib.h>
#include <sys/eventfd.h>
#include <sys/time.h>
#include <unistd.h>

#include "base/lock.h"
#include "base/log.h"
#include "base/mem.h"
#include "base/vec.h"

enum {
	TRY_MS = 1000, /* the first; the second waits twice as long */
	TRIES = 2,     /* of each name server */
	MAX_LOOK_UPS = 4096,
	MAX_RECORDS = 16, /* more are not looked at */
};

struct look_up {
	struct dns *dns;
	struct look_up *next;
	char *name;
	dns_srv_finished *finished;
	void *data;
};

struct dns {
	struct str servers; /* on the heap */
	struct rng rng;
	int wake_fd;
	struct lock lock;
	pthread_t thread;
	bool is_started;       /* guarded by lock */
	bool is_stopping;      /* guarded by lock */
	struct look_up *first; /* queued; guarded by lock */
	size_t count;          /* queued and under way; guarded by lock */
	ares_channel channel;  /* the thread's own */
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

static void finish(struct look_up *look_up, const struct dns_srv_end *end)
{
	struct dns *dns = look_up->dns;
	lock_take(&dns->lock);
	dns->count--;
	lock_give(&dns->lock);
	look_up->finished(look_up->data, end);
	mem_free(look_up->name);
	mem_free(look_up);
}

static void on_answer(void *data, int status, int timeouts, unsigned char *bytes, int length)
{
	(void)timeouts;
	struct look_up *look_up = data;
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
	finish(look_up, &end);
	if (reply != NULL) {
		ares_free_data(reply);
	}
}

/* --- the thread ---------------------------------------------------------------------------------------------- */

static void wake(struct dns *dns)
{
	uint64_t one = 1;
	ssize_t n = write(dns->wake_fd, &one, sizeof(one));
	invariant(n == (ssize_t)sizeof(one) || errno == EAGAIN);
}

/* @return false when it is time to end */
static bool take_queue(struct dns *dns)
{
	lock_take(&dns->lock);
	struct look_up *look_up = dns->first;
	dns->first = NULL;
	bool goes_on = !dns->is_stopping;
	lock_give(&dns->lock);
	while (look_up != NULL) {
		struct look_up *next = look_up->next;
		ares_query(dns->channel, look_up->name, C_IN, T_SRV, on_answer, look_up);
		look_up = next;
	}
	return goes_on;
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
	return NULL;
}

/* --- making ---------------------------------------------------------------------------------------------------- */

struct dns *dns_create(struct str servers, const struct rng *rng)
{
	struct dns *dns = mem_alloc(sizeof(*dns));
	dns->servers = str_heap(servers);
	dns->rng = *rng;
	dns->wake_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	invariant(dns->wake_fd >= 0);
	lock_init(&dns->lock, RANK_LEAF);
	return dns;
}

/* @return false (logged) when there is no name server to ask */
static bool start_locked(struct dns *dns)
{
	struct ares_options options = {.timeout = TRY_MS, .tries = TRIES};
	int failed = ares_library_init(ARES_LIB_INIT_ALL);
	if (failed == ARES_SUCCESS) {
		failed = ares_init_options(&dns->channel, &options, ARES_OPT_TIMEOUTMS | ARES_OPT_TRIES);
	}
	if (failed == ARES_SUCCESS && dns->servers.n > 0) {
		failed = ares_set_servers_ports_csv(dns->channel, dns->servers.p);
	}
	if (failed != ARES_SUCCESS) {
		log_warn(0, "dns.not_started", "cause=\"%s\"", ares_strerror(failed));
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

void dns_srv_start(struct dns *dns, struct str name, dns_srv_finished *finished, void *data)
{
	struct look_up *look_up = mem_alloc(sizeof(*look_up));
	look_up->dns = dns;
	look_up->name = mem_dup(name.p, name.n);
	look_up->finished = finished;
	look_up->data = data;
	lock_take(&dns->lock);
	dns->count++;
	bool is_taken =
		!dns->is_stopping && dns->count <= MAX_LOOK_UPS && (dns->is_started || start_locked(dns));
	if (is_taken) {
		look_up->next = dns->first;
		dns->first = look_up;
	}
	lock_give(&dns->lock);
	if (is_taken) {
		wake(dns);
	} else {
		finish(look_up, &(struct dns_srv_end){.is_certain = false});
	}
}
