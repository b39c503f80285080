/*
 * What a service manager hears, by a path and by an abstract name; and whether its watchdog is meant for us.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <cmocka.h>
#undef fail
#undef fail_msg

#include "app/manager.h"

static int manager = -1;
static char folder[64];
static char path[96];

static int set_up(void **state)
{
	(void)state;
	(void)snprintf(folder, sizeof(folder), "/tmp/belfry-manager-test-XXXXXX");
	if (mkdtemp(folder) == NULL) {
		return 1;
	}
	(void)snprintf(path, sizeof(path), "%s/notify", folder);
	return 0;
}

static int tear_down(void **state)
{
	(void)state;
	(void)unlink(path);
	(void)rmdir(folder);
	(void)unsetenv("NOTIFY_SOCKET");
	(void)unsetenv("WATCHDOG_PID");
	(void)unsetenv("WATCHDOG_USEC");
	if (manager >= 0) {
		(void)close(manager);
		manager = -1;
	}
	return 0;
}

static void listen_at(const char *name)
{
	struct sockaddr_un address = {.sun_family = AF_UNIX};
	size_t n = strlen(name);
	memcpy(address.sun_path, name, n);
	if (name[0] == '@') {
		address.sun_path[0] = '\0';
	}
	manager = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	assert_true(manager >= 0);
	assert_int_equal(bind(manager, (struct sockaddr *)&address,
						 (socklen_t)(offsetof(struct sockaddr_un, sun_path) + n)),
		0);
	assert_int_equal(setenv("NOTIFY_SOCKET", name, 1), 0);
}

static void assert_heard(const char *expected)
{
	char text[2048] = {0};
	ssize_t n = recv(manager, text, sizeof(text) - 1, MSG_DONTWAIT);
	assert_true(n > 0);
	assert_string_equal(text, expected);
}

static void tell__path__heard(void **state)
{
	(void)state;
	listen_at(path);
	assert_true(manager_tell("READY=1\nSTATUS=Serving %s", "hs1"));
	assert_heard("READY=1\nSTATUS=Serving hs1");
	assert_true(manager_tell("WATCHDOG=1"));
	assert_heard("WATCHDOG=1");
}

static void tell__abstract_name__heard(void **state)
{
	(void)state;
	char name[96];
	(void)snprintf(name, sizeof(name), "@belfry-manager-test-%d", (int)getpid());
	listen_at(name);
	assert_true(manager_tell("STOPPING=1"));
	assert_heard("STOPPING=1");
}

static void tell__nobody_there__false(void **state)
{
	(void)state;
	char longest[200];
	assert_false(manager_tell("READY=1"));
	(void)setenv("NOTIFY_SOCKET", path, 1);
	assert_false(manager_tell("READY=1"));
	(void)setenv("NOTIFY_SOCKET", "relative", 1);
	assert_false(manager_tell("READY=1"));
	memset(longest, 'x', sizeof(longest) - 1);
	longest[0] = '/';
	longest[sizeof(longest) - 1] = '\0';
	(void)setenv("NOTIFY_SOCKET", longest, 1);
	assert_false(manager_tell("READY=1"));
}

static void tell__too_long__nothing_sent(void **state)
{
	(void)state;
	char byte;
	listen_at(path);
	assert_false(manager_tell("STATUS=%2000d", 1));
	assert_int_equal(recv(manager, &byte, 1, MSG_DONTWAIT), -1);
}

static void watchdog__only_where_it_is_ours(void **state)
{
	(void)state;
	char pid[32];
	assert_int_equal(manager_watchdog_us(), 0);
	(void)setenv("WATCHDOG_USEC", "30000000", 1);
	assert_int_equal(manager_watchdog_us(), 30000000);
	(void)snprintf(pid, sizeof(pid), "%d", (int)getpid());
	(void)setenv("WATCHDOG_PID", pid, 1);
	assert_int_equal(manager_watchdog_us(), 30000000);
	(void)snprintf(pid, sizeof(pid), "%d", (int)getppid());
	(void)setenv("WATCHDOG_PID", pid, 1);
	assert_int_equal(manager_watchdog_us(), 0);
	(void)unsetenv("WATCHDOG_PID");
	(void)setenv("WATCHDOG_USEC", "often", 1);
	assert_int_equal(manager_watchdog_us(), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(tell__path__heard, set_up, tear_down),
		cmocka_unit_test_setup_teardown(tell__abstract_name__heard, set_up, tear_down),
		cmocka_unit_test_setup_teardown(tell__nobody_there__false, set_up, tear_down),
		cmocka_unit_test_setup_teardown(tell__too_long__nothing_sent, set_up, tear_down),
		cmocka_unit_test_setup_teardown(watchdog__only_where_it_is_ours, set_up, tear_down),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
