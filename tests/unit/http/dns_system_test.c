/*
 * The system's name servers, which become others when the machine comes into another network: those of the file as it is now are asked, also for
 * what was asked of others before.
 */
#include "loopback.h"

#include "http/dns.h"

enum { HEAD_BYTES = 12, MESSAGE_BYTES = 512, TYPE_A = 1 };

/* --- name servers -------------------------------------------------------------------------------------------- */

/* At 127.0.0.<number>. It says of each name that it is at 10.0.0.<number>. */
struct name_server {
	int fd;
	struct sockaddr_in where;
	unsigned char number;
	bool is_silent;
	pthread_t thread;
	struct gate asked; /* by each question */
};

/* @return where the question ends that begins behind the head */
static size_t question_end(const unsigned char *message, size_t n)
{
	size_t at = HEAD_BYTES;
	while (at < n && message[at] != 0) {
		at += (size_t)message[at] + 1;
	}
	assert_true(at + 5 <= n);
	return at + 5;
}

static void answer(const struct name_server *self, unsigned char *message, size_t n,
	const struct sockaddr_in *from)
{
	const unsigned char record[] = {0xc0, HEAD_BYTES, 0, TYPE_A, 0, 1, 0, 0, 0, 60, 0, 4, 10, 0, 0,
		self->number};
	size_t end = question_end(message, n);
	bool is_told = message[end - 3] == TYPE_A;
	const unsigned char rest_of_head[] = {0x81, 0x80, 0, 1, 0, is_told, 0, 0, 0, 0};
	memcpy(message + 2, rest_of_head, sizeof(rest_of_head));
	if (is_told) {
		memcpy(message + end, record, sizeof(record));
		end += sizeof(record);
	}
	assert_int_equal(
		sendto(self->fd, message, end, 0, (const struct sockaddr *)from, sizeof(*from)), end);
}

static void *serve(void *data)
{
	struct name_server *self = data;
	unsigned char message[2 * MESSAGE_BYTES];
	struct sockaddr_in from;
	socklen_t from_n = sizeof(from);
	ssize_t n = 0;
	while ((n = recvfrom(self->fd, message, MESSAGE_BYTES, 0, (struct sockaddr *)&from, &from_n)) >
		HEAD_BYTES) {
		if (!self->is_silent) {
			answer(self, message, (size_t)n, &from);
		}
		gate_add(&self->asked, 1);
	}
	return NULL;
}

/* @param port  0: any; all at one have to be stopped before the one that had any */
static void name_server_start(struct name_server *self, unsigned char number, uint16_t port,
	bool is_silent)
{
	*self = (struct name_server){.number = number, .is_silent = is_silent};
	self->where = (struct sockaddr_in){.sin_family = AF_INET,
		.sin_port = htons(port),
		.sin_addr = {.s_addr = htonl((127U << 24) + number)}};
	socklen_t where_n = sizeof(self->where);
	self->fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	assert_true(self->fd >= 0);
	assert_int_equal(bind(self->fd, (struct sockaddr *)&self->where, where_n), 0);
	assert_int_equal(getsockname(self->fd, (struct sockaddr *)&self->where, &where_n), 0);
	gate_init(&self->asked);
	self->thread = thread_start("name_server", serve, self);
}

static void name_server_stop(struct name_server *self)
{
	assert_int_equal(
		sendto(self->fd, "", 0, 0, (const struct sockaddr *)&self->where, sizeof(self->where)), 0);
	assert_int_equal(pthread_join(self->thread, NULL), 0);
	assert_int_equal(close(self->fd), 0);
}

/* --- the setting ----------------------------------------------------------------------------------------------- */

struct world {
	char folder[64];
	char file[96];
	struct name_server first;
	struct name_server second;
	struct rng rng;
	struct dns *dns;
};

/* The file is another one, with the name server as often as it is to be asked before it is given up: for 3 s each time. */
static void use(const struct world *world, const struct name_server *server)
{
	enum { TIMES = 8 };
	char fresh[128];
	(void)snprintf(fresh, sizeof(fresh), "%s.new", world->file);
	FILE *file = fopen(fresh, "we");
	assert_non_null(file);
	for (int i = 0; i < TIMES; i++) {
		assert_true(fprintf(file, "nameserver 127.0.0.%d\n", server->number) > 0);
	}
	assert_int_equal(fclose(file), 0);
	assert_int_equal(rename(fresh, world->file), 0);
}

static void world_init(struct world *world, bool is_first_silent)
{
	name_server_start(&world->first, 1, 0, is_first_silent);
	uint16_t port = ntohs(world->first.where.sin_port);
	name_server_start(&world->second, 2, port, false);
	(void)snprintf(world->folder, sizeof(world->folder), "/tmp/belfry-dns.XXXXXX");
	assert_non_null(mkdtemp(world->folder));
	(void)snprintf(world->file, sizeof(world->file), "%s/resolv.conf", world->folder);
	use(world, &world->first);
	world->rng = rng_os();
	const struct dns_system system = {world->file, port};
	world->dns = dns_create(STR(""), &system, &world->rng);
}

static void world_fini(struct world *world)
{
	dns_destroy(world->dns);
	assert_int_equal(unlink(world->file), 0);
	assert_int_equal(rmdir(world->folder), 0);
	name_server_stop(&world->second);
	name_server_stop(&world->first);
}

/* A look-up, and the last number of the address that it found. */
struct look {
	struct gate ended;
	int number; /* -1: none was found */
};

static void on_addresses(void *data, const struct dns_addresses_end *end)
{
	struct look *look = data;
	char text[ADDRESS_TEXT_BYTES];
	int64_t number = -1;
	if (end->count > 0) {
		(void)address_write(&end->addresses[0], text);
		struct str last = str_of(text);
		assert_true(str_starts_with(last, STR("10.0.0.")));
		assert_true(str_to_int(str_slice(last, 7, last.n), 0, 255, &number));
	}
	look->number = (int)number;
	gate_add(&look->ended, 1);
}

static void look_up(const struct world *world, const char *name, struct look *look)
{
	gate_init(&look->ended);
	dns_addresses_start(world->dns, str_of(name), on_addresses, look);
}

static void assert_found(struct look *look, int number)
{
	assert_true(gate_wait(&look->ended, 1));
	assert_int_equal(look->number, number);
}

/* --- tests -------------------------------------------------------------------------------------------------------- */

static void system_file__another_name_server__that_one_is_asked(void **state)
{
	(void)state;
	struct world world;
	struct look looks[3];
	world_init(&world, false);
	look_up(&world, "a.example", &looks[0]);
	assert_found(&looks[0], 1);
	use(&world, &world.second);
	look_up(&world, "a.example", &looks[1]);
	assert_found(&looks[1], 2);
	look_up(&world, "b.example", &looks[2]);
	assert_found(&looks[2], 2);
	world_fini(&world);
}

static void system_file__another_while_a_name_is_looked_up__asked_again_there(void **state)
{
	(void)state;
	struct world world;
	struct look looks[2];
	world_init(&world, true);
	look_up(&world, "a.example", &looks[0]);
	assert_true(gate_wait(&world.first.asked, 1));
	use(&world, &world.second);
	look_up(&world, "b.example", &looks[1]);
	assert_found(&looks[1], 2);
	assert_found(&looks[0], 2);
	world_fini(&world);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(system_file__another_name_server__that_one_is_asked),
		cmocka_unit_test(system_file__another_while_a_name_is_looked_up__asked_again_there),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
