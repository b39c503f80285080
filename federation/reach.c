/*
 * A step that fails ends the way, unless another address is left. A certificate that is no good is looked at once more without believing it, since
 * what stands in it is what whoever repairs it wants to know.
 */
#include "federation/reach.h"

#include "base/lock.h"
#include "federation/discovery.h"
#include "http/dns.h"
#include "http/uri.h"
#include "matrix/errcode.h"
#include "matrix/server_keys.h"
#include "matrix/server_route.h"
#include "matrix/x_matrix.h"

enum { ANSWER_CEILING_BYTES = 256 * 1024, TIMEOUT_MS = 10 * 1000, MOST_OF_A_TEXT_BYTES = 200 };

struct reach {
	struct arena *arena;
	const struct reach_wish *wish;
	struct server_route route;
	struct server_target target; /* that answers */
	bool is_bad;
};

struct advice {
	const char *en;
	const char *zh;
};
static const struct advice none = {NULL, NULL};

static void tell(struct reach *reach, enum reach_mark mark, const char *step, struct str seen,
	struct advice advice)
{
	reach->is_bad = reach->is_bad || mark == REACH_BAD;
	reach->wish->tell(reach->wish->data,
		&(struct reach_note){mark, step, seen, advice.en, advice.zh});
}

/* What others wrote, so much of it as a line takes. */
static struct str excerpt(struct reach *reach, struct str text)
{
	return text.n <= MOST_OF_A_TEXT_BYTES
		? text
		: str_printf(reach->arena, "%.*s …", (int)MOST_OF_A_TEXT_BYTES, text.p);
}

static struct str place(struct reach *reach, const struct server_target *target)
{
	bool is_ipv6 = str_find_byte(target->host, ':') != SIZE_MAX;
	return str_printf(reach->arena, is_ipv6 ? "[%.*s]:%u" : "%.*s:%u", STR_ARG(target->host),
		(unsigned)target->port);
}

/* --- one question ----------------------------------------------------------------------------------------- */

struct answer {
	enum err err;
	struct str cause; /* of a failure */
	struct fetched fetched;
};

static struct answer ask(struct reach *reach, const struct fetch *fetch)
{
	struct ctx ctx;
	struct answer answer = {0};
	ctx_init(&ctx, reach->arena);
	answer.err = http_client_fetch(&ctx, reach->wish->client, fetch, &answer.fetched);
	answer.cause = ctx.fault.cause;
	return answer;
}

/* A question to the server at the place that the route led to. */
static struct fetch question(struct reach *reach, const struct server_target *target,
	struct str path)
{
	return (struct fetch){.method = "GET",
		.url = str_printf(reach->arena, "https://%.*s%.*s", STR_ARG(reach->route.authority),
			STR_ARG(path)),
		.answer_ceiling_bytes = ANSWER_CEILING_BYTES,
		.timeout_ms = TIMEOUT_MS,
		.is_https_only = true,
		.is_administrators = reach->wish->is_own,
		.connect_host = target->host,
		.connect_port = target->port};
}

/* --- where it is ------------------------------------------------------------------------------------------- */

static const struct advice not_well_known = {
	"There is a file, but not of the form {\"m.server\": \"matrix.school.example:443\"}: nobody finds the "
	"server by it. Correct or remove it.",
	"該檔案的內容不是 {\"m.server\": \"matrix.school.example:443\"} 的形式，無法用來尋找伺服器，請修正或移除。"};

static void look_at_well_known(struct reach *reach)
{
	struct server_name delegated;
	struct str host = reach->route.subject;
	struct fetch fetch = discovery_question(reach->arena, host);
	fetch.is_administrators = reach->wish->is_own;
	struct answer answer = ask(reach, &fetch);
	bool has_answer = answer.err == ERR_OK && answer.fetched.status == 200;
	bool delegates =
		has_answer && server_well_known_parse(reach->arena, answer.fetched.body, &delegated);
	struct str said = delegates ? str_printf(reach->arena, "leads to %.*s", STR_ARG(delegated.s))
		: has_answer            ? STR("is not understood")
		: answer.err == ERR_OK
		? str_printf(reach->arena, "is not there (status %d)", answer.fetched.status)
		: str_printf(reach->arena, "is not there (%.*s)", STR_ARG(answer.cause));
	tell(reach,
		delegates        ? REACH_GOOD
			: has_answer ? REACH_BAD
						 : REACH_ASIDE,
		"well-known",
		str_printf(reach->arena, "https://%.*s/.well-known/matrix/server %.*s", STR_ARG(host),
			STR_ARG(said)),
		has_answer && !delegates ? not_well_known : none);
	server_route_well_known(&reach->route, delegates ? &delegated : NULL);
}

/* Who waits for SRV records. */
struct srv_waiter {
	struct arena *arena;
	struct lock lock;
	struct cond done;
	bool is_done; /* guarded by lock, as what follows until then */
	bool is_certain;
	struct server_target *targets;
	size_t count;
};

static void on_srv(void *data, const struct dns_srv_end *end)
{
	struct srv_waiter *waiter = data;
	waiter->targets = ARENA_NEW_ARRAY(waiter->arena, struct server_target, end->count);
	for (size_t i = 0; i < end->count; i++) {
		if (end->records[i].port != 0) {
			waiter->targets[waiter->count++] = (struct server_target){
				str_dup(waiter->arena, end->records[i].host), end->records[i].port};
		}
	}
	waiter->is_certain = end->is_certain;
	LOCK_SCOPE(&waiter->lock);
	waiter->is_done = true;
	cond_signal(&waiter->done);
}

static const struct advice no_name_server = {
	"No name server answers this machine: look at /etc/resolv.conf, the network and the firewall.",
	"本機查不到網域名稱，請檢查 /etc/resolv.conf、網路與防火牆。"};

static void look_at_srv(struct reach *reach)
{
	struct arena *arena = reach->arena;
	struct srv_waiter waiter = {.arena = arena};
	lock_init(&waiter.lock, RANK_LEAF);
	cond_init(&waiter.done);
	dns_srv_start(http_client_dns(reach->wish->client), reach->route.subject, on_srv, &waiter);
	lock_take(&waiter.lock);
	while (!waiter.is_done) {
		cond_wait(&waiter.done, &waiter.lock);
	}
	lock_give(&waiter.lock);
	cond_fini(&waiter.done);
	lock_fini(&waiter.lock);
	struct str list = STR("");
	for (size_t i = 0; i < waiter.count; i++) {
		list = str_printf(arena, "%.*s %.*s:%u", STR_ARG(list), STR_ARG(waiter.targets[i].host),
			(unsigned)waiter.targets[i].port);
	}
	bool is_unknown = !waiter.is_certain && waiter.count == 0;
	tell(reach, waiter.count > 0 ? REACH_GOOD : REACH_ASIDE, "SRV",
		str_printf(arena, "%.*s%s%.*s", STR_ARG(reach->route.subject),
			waiter.count > 0 ? " leads to"
				: is_unknown ? ": no name server could tell"
							 : " is not there",
			STR_ARG(list)),
		is_unknown ? no_name_server : none);
	server_route_srv(&reach->route, waiter.targets, waiter.count);
}

static const struct advice no_service = {
	"The name is no server's: its port is none, or its owner says in the SRV record that there is no such service. Ask "
	"for the right name: it stands in the user ids behind the colon.",
	"這個名稱不是伺服器：埠號不對，或其 SRV 紀錄表示沒有這項服務。請確認名稱，也就是使用者 ID 冒號後面的部分。"};

static bool find_route(struct reach *reach)
{
	reach->route = server_route_begin(reach->arena, reach->wish->server);
	for (;;) {
		switch (reach->route.step) {
		case ROUTE_WELL_KNOWN:
			look_at_well_known(reach);
			break;
		case ROUTE_SRV:
			look_at_srv(reach);
			break;
		case ROUTE_FOUND:
			return true;
		case ROUTE_NONE:
			tell(reach, REACH_BAD, "name", STR("it has no homeserver"), no_service);
			return false;
		}
	}
}

/* --- who is there ------------------------------------------------------------------------------------------- */

static const struct advice connect_advices[] = {
	[FETCH_NO_ADDRESS] =
		{"The name has no address. If it is spelt right, its owner has to repair the name's DNS records.",
			"這個名稱查不到位址。若名稱沒有打錯，須由對方修正 DNS 紀錄。"},
	[FETCH_NO_CONNECTION] =
		{"Nobody answers at that address and port: their server is down, their firewall lets nobody in "
		 "at that port, or a firewall here lets nobody out to it.",
			"該位址與埠沒有回應：對方伺服器未啟動、對方防火牆未開放這個埠，或本校防火牆不讓連線出去。"},
	[FETCH_NO_TLS] =
		{"Somebody answers, but their certificate is no good, or TLS is not spoken there. Its owner has to put in a "
		 "certificate that is good, with all certificates between, for the name that is said here. (If only the dates are "
		 "wrong: this machine's clock, timedatectl.)",
			"對方有回應，但憑證有問題，或該埠未使用 TLS。須由對方換上適用於此名稱、含中繼憑證的有效憑證。（若只是日期不符，也請檢查本機時鐘：timedatectl。）"},
	[FETCH_NO_ANSWER] =
		{"A connection comes about, but no answer: a proxy or firewall in between, or their server hangs.",
			"連線成功但沒有收到回應：可能是中間的代理或防火牆，或對方伺服器停住了。"},
	[FETCH_ANSWERED] = {NULL, NULL},
};

static const struct advice own_network = {
	"That is an address of a network of one's own, which this server does not reach unless network.allow_addresses "
	"names it.",
	"那是內部網路的位址；除非列在 network.allow_addresses，本伺服器不會連到那裡。"};

static const struct advice status_advice = {
	"A web server answers, but no homeserver behind it: the reverse proxy there must hand on /_matrix, and the homeserver run.",
	"有網頁伺服器回應，但後面沒有 Matrix 伺服器：對方的反向代理須轉送 /_matrix，並確認 Matrix 伺服器已啟動。"};

static const struct str version_path = STR_INIT("/_matrix/federation/v1/version");

static void tell_certificate(struct reach *reach, enum reach_mark mark, const struct fetch_way *way)
{
	if (way->until.n == 0) {
		return;
	}
	struct str names = way->names.n > 0
		? str_printf(reach->arena, " (%.*s)", STR_ARG(excerpt(reach, way->names)))
		: STR("");
	tell(reach, mark, "certificate",
		str_printf(reach->arena, "of %.*s%.*s, by %.*s, until %.*s: %s",
			STR_ARG(excerpt(reach, way->subject)), STR_ARG(names),
			STR_ARG(excerpt(reach, way->issuer)), STR_ARG(way->until),
			mark == REACH_GOOD ? "trusted" : "not trusted"),
		none);
}

/* The certificate of whoever did not answer; the one that was not good enough has to be asked for. */
static void look_at_certificate(struct reach *reach, enum reach_mark mark,
	const struct server_target *target, struct fetch_way *way)
{
	if (way->reach == FETCH_NO_TLS && way->until.n == 0) {
		struct fetch again = question(reach, target, version_path);
		again.way = way;
		again.trusts_anybody = true;
		(void)ask(reach, &again);
	}
	tell_certificate(reach, mark, way);
}

static void tell_connected(struct reach *reach, const struct server_target *target,
	const struct fetch_way *way)
{
	tell(reach, REACH_GOOD, "address",
		str_printf(reach->arena, "%.*s is %.*s, port %u; there it is %.*s",
			STR_ARG(place(reach, target)), STR_ARG(way->address), (unsigned)way->port,
			STR_ARG(reach->route.authority)),
		none);
	tell_certificate(reach, REACH_GOOD, way);
}

static void tell_failed(struct reach *reach, enum reach_mark mark,
	const struct server_target *target, struct fetch_way *way, const struct answer *answer)
{
	enum fetch_reach failed_at = way->reach;
	look_at_certificate(reach, failed_at == FETCH_NO_ANSWER ? REACH_GOOD : mark, target, way);
	tell(reach, mark, failed_at == FETCH_NO_TLS ? "TLS" : "address",
		str_printf(reach->arena, "%.*s: %.*s", STR_ARG(place(reach, target)),
			STR_ARG(answer->cause)),
		answer->err == ERR_DENIED ? own_network : connect_advices[failed_at]);
}

static bool tell_version(struct reach *reach, const struct fetched *fetched)
{
	struct json json;
	const struct json *server = NULL;
	if (fetched->status == 200 &&
		json_parse(reach->arena, fetched->body, NULL, &json, NULL) == JSON_OK &&
		json.type == JSON_OBJECT) {
		server = json_at(&json, "server");
	}
	if (server == NULL || server->type != JSON_OBJECT) {
		tell(reach, REACH_BAD, "version",
			str_printf(reach->arena, "%.*s is answered by status %d, and not by a homeserver",
				STR_ARG(version_path), fetched->status),
			status_advice);
		return false;
	}
	struct str name = json_get_str(server, STR("name"));
	struct str version = json_get_str(server, STR("version"));
	tell(reach, REACH_GOOD, "version",
		str_printf(reach->arena, "%.*s %.*s", STR_ARG(excerpt(reach, name)),
			STR_ARG(excerpt(reach, version))),
		none);
	return true;
}

/* The first of the places that is reached. Requests (fed_client) pass over who fails, but end with who is silent. */
static bool find_answerer(struct reach *reach)
{
	for (size_t i = 0; i < reach->route.target_count; i++) {
		const struct server_target *target = &reach->route.targets[i];
		struct fetch_way way = {.arena = reach->arena};
		struct fetch fetch = question(reach, target, version_path);
		fetch.way = &way;
		struct answer answer = ask(reach, &fetch);
		if (answer.err == ERR_OK) {
			reach->target = *target;
			tell_connected(reach, target, &way);
			return tell_version(reach, &answer.fetched);
		}
		bool is_passed_over = (answer.err == ERR_REMOTE || answer.err == ERR_DENIED) &&
			i + 1 < reach->route.target_count;
		tell_failed(reach, is_passed_over ? REACH_ASIDE : REACH_BAD, target, &way, &answer);
	}
	return false;
}

/* --- who it says it is ----------------------------------------------------------------------------------------- */

static const struct advice keys_advice = {
	"Another server, or one with another server_name, answers under this name: its owner has to look at server_name and at "
	"what the name leads to.",
	"以這個名稱回應的是另一台伺服器，或其 server_name 設定不同。須由對方檢查 server_name 與網域指向。"};

static const struct advice clock_advice = {
	"The keys have ended by this machine's clock: look at both clocks, here and there (timedatectl).",
	"依本機時鐘，金鑰已過期：請檢查雙方的時鐘（timedatectl）。"};

static bool look_at_keys(struct reach *reach)
{
	struct server_keys keys;
	struct json json = {0};
	int64_t until_ms = 0;
	struct fetch fetch = question(reach, &reach->target, STR("/_matrix/key/v2/server"));
	struct answer answer = ask(reach, &fetch);
	if (answer.err != ERR_OK || answer.fetched.status != 200 ||
		json_parse(reach->arena, answer.fetched.body, NULL, &json, NULL) != JSON_OK) {
		tell(reach, REACH_BAD, "keys",
			answer.err == ERR_OK
				? str_printf(reach->arena, "no keys (status %d)", answer.fetched.status)
				: answer.cause,
			status_advice);
		return false;
	}
	struct verdict verdict =
		server_keys_parse(reach->arena, &json, reach->wish->server, reach->wish->now_ms, &keys);
	if (!verdict.allowed) {
		tell(reach, REACH_BAD, "keys", str_of(verdict.text), keys_advice);
		return false;
	}
	if (json_get_int(&json, STR("valid_until_ts"), INT64_MIN, INT64_MAX, &until_ms) &&
		until_ms < reach->wish->now_ms) {
		tell(reach, REACH_BAD, "keys", STR("signed, but they have ended"), clock_advice);
		return false;
	}
	tell(reach, REACH_GOOD, "keys",
		str_printf(reach->arena, "%.*s%s, signed", STR_ARG(excerpt(reach, keys.keys[0].key_id)),
			keys.count > 1 ? " and others" : ""),
		none);
	return true;
}

/* --- whether it knows us ---------------------------------------------------------------------------------------- */

static const struct advice unknown_here = {
	"They cannot verify this server's signature, mostly because they cannot reach it: have them check this server's name, or "
	"run this command with it.",
	"對方無法驗證本伺服器的簽章，多半是因為對方連不到本伺服器：請對方檢查本校的名稱，或在本機以本校名稱執行這個指令。"};
static const struct advice silent_here = {
	"They answer other questions, but not one that is signed: mostly they look for this server's keys meanwhile and cannot "
	"reach it. Have them check this server's name, or run this command with it.",
	"對方會回應其他查詢，卻沒有回應已簽章的查詢，多半是對方要取得本伺服器的金鑰時連不到本伺服器：請對方檢查本校的名稱，或在本機以本校"
	"名稱執行這個指令。"};
static const struct advice refused_here = {
	"They are reached and refuse this server: their administrator has to allow it.",
	"已連到對方，但對方拒絕本伺服器，須由對方的管理員開放。"};

/* 404 with M_NOT_FOUND is what a server says who takes the question; a reverse proxy that does not hand it on says 404, too. */
static void tell_welcome(struct reach *reach, struct answer answer)
{
	struct json json;
	int status = answer.err == ERR_OK ? answer.fetched.status : 0;
	bool is_object = status != 0 &&
		json_parse(reach->arena, answer.fetched.body, NULL, &json, NULL) == JSON_OK &&
		json.type == JSON_OBJECT;
	struct str error = is_object ? json_get_str(&json, STR("error")) : STR("");
	bool is_unknown_alias =
		is_object && str_equals(json_get_str(&json, STR("errcode")), STR(M_NOT_FOUND));
	if (is_object && (status == 200 || (status == 404 && is_unknown_alias))) {
		tell(reach, REACH_GOOD, "signed question", STR("they know this server and answer it"),
			none);
		return;
	}
	tell(reach, REACH_BAD, "signed question",
		status == 0
			? answer.cause
			: str_printf(reach->arena, "status %d %.*s", status, STR_ARG(excerpt(reach, error))),
		status == 0         ? silent_here
			: status == 401 ? unknown_here
			: status == 403 ? refused_here
			: !is_object    ? status_advice
							: none);
}

/* Asks for an alias that nobody has. */
static void look_at_welcome(struct reach *reach)
{
	const struct event_signer *signer = reach->wish->signer;
	struct arena *arena = reach->arena;
	struct str alias =
		uri_encode(arena, str_printf(arena, "#belfry-check:%.*s", STR_ARG(reach->wish->server.s)));
	struct str path =
		str_printf(arena, "/_matrix/federation/v1/query/directory?room_alias=%.*s", STR_ARG(alias));
	struct fetch_header header = {STR("Authorization"),
		x_matrix_sign(arena,
			&(struct x_matrix_request){.method = STR("GET"),
				.uri = path,
				.origin = signer->server,
				.destination = reach->wish->server},
			signer)};
	struct fetch fetch = question(reach, &reach->target, path);
	fetch.headers = &header;
	fetch.header_count = 1;
	tell_welcome(reach, ask(reach, &fetch));
}

bool fed_reach(struct arena *arena, const struct reach_wish *wish)
{
	struct reach reach = {.arena = arena, .wish = wish};
	if (find_route(&reach) && find_answerer(&reach) && look_at_keys(&reach) &&
		wish->signer != NULL) {
		look_at_welcome(&reach);
	}
	return !reach.is_bad;
}
