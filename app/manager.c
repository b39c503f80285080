/*
 * The protocol is stable and small, and its library would bring four others with it. A socket is a path, or begins with '@', which
 * stands for a NUL: an abstract name. One that cannot be reached is no fault of ours: the manager itself sees that nothing comes.
 */
#include "app/manager.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "base/str.h"

enum { TEXT_MAX = 1024 };

static bool send_to(const char *name, const char *text, size_t n)
{
	struct sockaddr_un address = {.sun_family = AF_UNIX};
	size_t length = strlen(name);
	if ((name[0] != '/' && name[0] != '@') || length >= sizeof(address.sun_path)) {
		return false;
	}
	memcpy(address.sun_path, name, length);
	if (name[0] == '@') {
		address.sun_path[0] = '\0';
	}
	int fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	if (fd < 0) {
		return false;
	}
	ssize_t sent = sendto(fd, text, n, MSG_NOSIGNAL, (const struct sockaddr *)&address,
		(socklen_t)(offsetof(struct sockaddr_un, sun_path) + length));
	(void)close(fd);
	return sent == (ssize_t)n;
}

bool manager_tell(const char *format, ...)
{
	char text[TEXT_MAX];
	const char *name = getenv("NOTIFY_SOCKET");
	if (name == NULL) {
		return false;
	}
	va_list args;
	va_start(args, format);
	int n = vsnprintf(text, sizeof(text), format, args);
	va_end(args);
	return n > 0 && n < TEXT_MAX && send_to(name, text, (size_t)n);
}

int64_t manager_watchdog_us(void)
{
	const char *pid = getenv("WATCHDOG_PID");
	const char *interval = getenv("WATCHDOG_USEC");
	int64_t number = 0;
	if (pid != NULL && (!str_to_int(str_of(pid), 1, INT32_MAX, &number) || number != getpid())) {
		return 0;
	}
	bool is_wanted = interval != NULL && str_to_int(str_of(interval), 1, INT64_MAX, &number);
	return is_wanted ? number : 0;
}
