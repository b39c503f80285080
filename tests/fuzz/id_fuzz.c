/*
 * Identifiers: whatever is accepted has parts that make it up, and keeps to the limits.
 */
#include "base/utf8.h"
#include "matrix/id.h"

static void check_server(struct server_name name)
{
	struct str host = server_name_host(name);
	int port = server_name_port(name);
	invariant(host.n > 0 && host.n <= ID_MAX_BYTES);
	invariant(port >= -1 && port <= 99999);
	invariant(port < 0 ? host.n == name.s.n : host.n < name.s.n && name.s.p[host.n] == ':');
	struct server_name again;
	invariant(server_name_parse(name.s, &again) && server_name_equals(name, again));
}

static void check_id(struct str id, struct str local, struct server_name server)
{
	invariant(id.n <= ID_MAX_BYTES && utf8_is_valid(id));
	invariant(id.n == 1 + local.n + 1 + server.s.n);
	invariant(str_find_byte(local, ':') == SIZE_MAX && str_find_byte(local, '\0') == SIZE_MAX);
	check_server(server);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct str text = str_from((const char *)data, size);
	struct server_name server;
	struct user_id user;
	struct room_id room;
	struct event_id event;
	struct room_alias alias;
	struct str first;
	struct str second;
	if (server_name_parse(text, &server)) {
		check_server(server);
	}
	if (user_id_parse(text, &user)) {
		check_id(text, user_id_localpart(user), user_id_server(user));
	}
	if (room_alias_parse(text, &alias)) {
		check_id(text, room_alias_localpart(alias), room_alias_server(alias));
	}
	if (room_id_parse(text, &room) && room_id_server(room, &server)) {
		check_server(server);
	}
	if (event_id_parse(text, &event) && event_id_server(event, &server)) {
		check_server(server);
	}
	if (key_id_parse(text, &first, &second)) {
		invariant(first.n > 0 && second.n > 0 && first.n + 1 + second.n == size);
	}
	if (mxc_parse(text, &server, &first)) {
		check_server(server);
		invariant(first.n > 0 && str_find_byte(first, '/') == SIZE_MAX);
	}
	return 0;
}
