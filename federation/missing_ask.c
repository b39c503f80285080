/*
 * Requests for what is missing. Each costs something of the search's budget, so that no answer can lead to more and more of them.
 */
#include "federation/missing_inner.h"

#include "base/vec.h"
#include "federation/fed_gather.h"
#include "http/uri.h"

enum {
	SIDE_BY_SIDE = 10,
	WAITS_MAX = 2, /* of one server in one search */
	QUICK_MS = MISSING_REQUEST_MS / 2,
	EVENT_ANSWER_MAX_BYTES = 4 * EVENT_MAX_BYTES,
	EVENT_ANSWER_MAX_VALUES =
		EVENT_MAX_BYTES / 2 + 64, /* as many as there can be in an event, and around it */
};

bool missing_is_general(enum err err)
{
	return err == ERR_STORE || err == ERR_SHUTDOWN || err == ERR_TIMEOUT;
}

/* --- whom to ask --------------------------------------------------------------------------------------------- */

/* Who answers one kind of question slowly or never may well answer the next, but nobody else has to wait for it. @return count */
static size_t in_turn(struct search *search, struct asked_server *out[MISSING_SERVERS])
{
	size_t n = 0;
	for (int waits = 0; waits < WAITS_MAX; waits++) {
		for (size_t i = 0; i < search->server_n; i++) {
			if (search->servers[i].waits == waits) {
				out[n++] = &search->servers[i];
			}
		}
	}
	return n;
}

static int64_t now_ms(const struct search *search)
{
	return clock_mono_ms(&search->federation->hs->clock);
}

static void note_asked(const struct search *search, struct asked_server *server, bool has_answered,
	int64_t began_ms)
{
	server->was_asked = true;
	server->waits += !has_answered && now_ms(search) - began_ms >= QUICK_MS;
}

/* --- any question ---------------------------------------------------------------------------------------------- */

static enum err ask_one(struct search *search, struct asked_server *server,
	const struct fed_request *question, struct fed_answer *out)
{
	int64_t began_ms = now_ms(search);
	struct fed_request request = *question;
	request.server = server->name;
	request.timeout_ms = MISSING_REQUEST_MS;
	request.ignores_backoff = server->was_asked;
	search->requests_left--;
	enum err err = fed_ask(search->ctx, search->federation, &request, out, NULL);
	note_asked(search, server, err == ERR_OK, began_ms);
	return err;
}

enum err missing_ask(struct search *search, struct str target, const struct json *body,
	size_t ceiling_bytes, struct json *out)
{
	struct ctx *ctx = search->ctx;
	const struct fed_request question = {
		.method = body != NULL ? "POST" : "GET",
		.target = target,
		.body = body,
		.answer_ceiling_bytes = ceiling_bytes,
		.is_of_events = true,
	};
	struct asked_server *servers[MISSING_SERVERS];
	size_t count = in_turn(search, servers);
	for (size_t i = 0; i < count && search->requests_left > 0; i++) {
		struct fed_answer answer;
		enum err err = ask_one(search, servers[i], &question, &answer);
		if (err == ERR_SHUTDOWN || err == ERR_STORE) {
			return err;
		}
		ctx->fault = (struct fault){0};
		if (err == ERR_OK && answer.json.type == JSON_OBJECT) {
			*out = answer.json;
			return ERR_OK;
		}
	}
	return ERR_MISSING;
}

/* --- events by id ------------------------------------------------------------------------------------------ */

/* The event in an answer, if it is the one that was asked for. */
static bool read_answer(struct search *search, const struct fed_gathered *answer,
	struct event_id id, struct pdu *out)
{
	const struct json *pdus = json_at(&answer->json, "pdus");
	if (answer->err != ERR_OK || !json_is(pdus, JSON_ARRAY) || pdus->count != 1) {
		return false;
	}
	pdu_read(search->ctx->arena, &search->room, &pdus->items[0], out);
	return out->event != NULL && str_equals(out->event_id.s, id.s);
}

/* Some events of one server. @param pdus  `event` is NULL where none came */
static enum err ask_some(struct search *search, struct asked_server *server,
	const struct event_id *ids, size_t count, struct pdu *pdus)
{
	struct arena *arena = search->ctx->arena;
	int64_t began_ms = now_ms(search);
	bool has_answered = false;
	struct fed_request requests[SIDE_BY_SIDE];
	struct fed_gathered answers[SIDE_BY_SIDE];
	for (size_t i = 0; i < count; i++) {
		requests[i] = (struct fed_request){
			.server = server->name,
			.method = "GET",
			.target = str_printf(arena, "/_matrix/federation/v1/event/%.*s",
				STR_ARG(uri_encode(arena, ids[i].s))),
			.answer_ceiling_bytes = EVENT_ANSWER_MAX_BYTES,
			.answer_max_values = EVENT_ANSWER_MAX_VALUES,
			.timeout_ms = MISSING_REQUEST_MS,
			.ignores_backoff = server->was_asked,
		};
	}
	search->requests_left -= (int64_t)count;
	TRY(fed_gather(search->ctx, search->federation, STR(""), requests, count, answers));
	for (size_t i = 0; i < count; i++) {
		if (!read_answer(search, &answers[i], ids[i], &pdus[i])) {
			pdus[i].event = NULL;
		}
		has_answered = has_answered || answers[i].err == ERR_OK;
	}
	note_asked(search, server, has_answered, began_ms);
	return pdu_check_signatures(search->ctx, search->federation, pdus, count);
}

struct found_events {
	VEC(const struct event *) list;
};

/* Asks one server for those that are not there. @param ids  those that came are taken out */
static enum err ask_server(struct search *search, struct asked_server *server, struct event_id *ids,
	size_t *count, struct found_events *found)
{
	size_t left = 0;
	size_t all = *count;
	for (size_t done = 0; done < all;) {
		struct pdu pdus[SIDE_BY_SIDE] = {0};
		size_t n = MIN_OF(all - done, (size_t)SIDE_BY_SIDE);
		if (search->requests_left >= (int64_t)n && server->waits < WAITS_MAX) {
			TRY(ask_some(search, server, ids + done, n, pdus));
		}
		for (size_t i = 0; i < n; i++) {
			if (pdus[i].event != NULL) {
				VEC_PUSH(search->ctx->arena, &found->list, pdus[i].event);
			} else {
				ids[left++] = ids[done + i];
			}
		}
		done += n;
	}
	*count = left;
	return ERR_OK;
}

enum err missing_ask_events(struct search *search, const struct event_id *ids, size_t count,
	const struct event ***out, size_t *out_count)
{
	struct found_events found = {0};
	struct event_id *left = ARENA_NEW_ARRAY(search->ctx->arena, struct event_id, count);
	for (size_t i = 0; i < count; i++) {
		left[i] = ids[i];
	}
	struct asked_server *servers[MISSING_SERVERS];
	size_t server_n = in_turn(search, servers);
	for (size_t i = 0; i < server_n && count > 0; i++) {
		TRY(ask_server(search, servers[i], left, &count, &found));
	}
	*out = found.list.p;
	*out_count = found.list.n;
	return ERR_OK;
}
