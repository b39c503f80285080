/*
 * Who may answer: everybody who has an answer does atomic_exchange(&request->is_answered), and only
 * the first one sets the response and resumes the connection. That is the handler's runner, except
 * when the server stops and does not want to wait for it any longer.
 *
 * A connection is suspended before its request is visible to any other thread, and resumed once by
 * the winner of that exchange, or by the winner of park_wake() for inline routes.
 */
#include "http/dispatch.h"

#include "base/clock.h"
#include "base/log.h"
#include "base/map.h"
#include "http/admission.h"
#include "http/call_state.h"
#include "http/held.h"
#include "http/io_loop.h"
#include "http/observe.h"

#include <inttypes.h>
#include <poll.h>

enum { LONG_WAIT_MS = 1000 }; /* for a worker */

static const struct refusal queue_is_full = {.status = 429,
	.errcode = "M_LIMIT_EXCEEDED",
	.text = "The server is busy; try again soon",
	.retry_after_ms = 1000};
static const struct refusal is_stopping = {.status = 503,
	.errcode = "M_UNKNOWN",
	.text = "The server is stopping; try again soon",
	.retry_after_ms = 1000};

/* --- answers and suspension ------------------------------------------------------------------------- */

static void stop_reading(struct request *request)
{
	if (!request->conn->is_held) {
		request->is_suspended = true;
		request->is_ready = false;
		MHD_suspend_connection(request->connection);
	}
}

static void suspend(struct request *request)
{
	atomic_fetch_add(&request->server->suspended, 1);
	stop_reading(request);
}

void dispatch_leave(struct request *request)
{
	if (!request->conn->is_held && !held_take(request)) {
		stop_reading(request);
	}
}

/*
 * After this the I/O thread may complete the request, and a stopping server may be freed: neither may be
 * touched by threads that are not the server's own (wakers).
 */
static void resume_in(struct request *request, bool is_batch)
{
	struct http_server *server = request->server;
	io_loop_resume(request->loop, request, is_batch);
	atomic_fetch_sub(&server->suspended, 1);
}

static void resume(struct request *request)
{
	resume_in(request, false);
}

/* @return whether this was the first answer; else it is dropped */
static bool set_answer(struct request *request, struct answer answer)
{
	if (atomic_exchange(&request->is_answered, true)) {
		answer_fini(&answer);
		return false;
	}
	const struct router_entry *entry = request->match.entry;
	int64_t duration_us = clock_mono_us() - request->started_us;
	request->answer = answer;
	route_stats_count(entry != NULL ? entry->stats : request->server->other_stats, answer.status,
		duration_us);
	log_debug(request->id, "http.request.answered", "route=%s status=%d us=%" PRId64,
		entry != NULL ? entry->route->id : "other", answer.status, duration_us);
	return true;
}

static bool set_refusal(struct request *request, const struct refusal *refusal)
{
	const char *allow = refusal->status == 405 ? request->match.allow : NULL;
	bool close_after = request->close_after || server_is_stopping(request->server);
	return set_answer(request, reply_refusal(refusal, allow, close_after));
}

void dispatch_refuse(struct request *request, const struct refusal *refusal)
{
	(void)set_refusal(request, refusal);
}

void dispatch_abandon(struct request *request)
{
	if (set_refusal(request, &is_stopping)) {
		resume(request);
	}
}

/* --- one run of a handler ----------------------------------------------------------------------------- */

/* What a run came to. */
enum outcome {
	OUTCOME_ANSWER,
	OUTCOME_PARK,
};

/* Settles what the handler (or what stands before it) returned. */
static enum outcome settle(struct call *call, enum err err)
{
	struct call_state *state = call->state;
	if (err != ERR_OK) {
		if (call->ctx.fault.err != err) {
			(void)fail_cause(&call->ctx, err, "failure not described: %s", err_name(err));
		}
		state->is_replied = false;
		return OUTCOME_ANSWER;
	}
	if (state->is_replied && state->handover == NULL) {
		return OUTCOME_ANSWER;
	}
	if (state->park != NULL && (state->is_replied || state->handover == NULL)) {
		return OUTCOME_PARK;
	}
	(void)fail_cause(&call->ctx, ERR_INTERNAL, "the handler gave no answer");
	return OUTCOME_ANSWER;
}

/* @return whether it is refused */
static bool settle_admission(struct call *call, enum err err)
{
	if (err != ERR_OK) {
		(void)settle(call, err);
	}
	return err != ERR_OK;
}

/* Builds the answer. @return whether this was the request's first answer */
static bool answer_call(struct call *call)
{
	const struct call_state *state = call->state;
	return set_answer(state->request, state->is_replied ? reply_answer(call) : reply_fault(call));
}

/* What a call handed over lies in its arena: it ends with the request. */
static void end_call(struct call *call)
{
	if (call->state->request->handed_over != call) {
		call_end(call);
	}
}

/*
 * Parks a request whose handler has returned and whose connection is suspended. A server that is
 * stopping runs it once more, so that the handler can answer; one that knew and parked all the same
 * is answered for.
 */
static void park(struct call *call)
{
	struct request *request = call->state->request;
	struct http_server *server = request->server;
	struct park *parked = call->state->park;
	bool knew = call->state->is_stopping;
	call->state->park = NULL;
	end_call(call);
	if (atomic_load(&request->is_answered) || knew) {
		park_cancel(parked);
		dispatch_abandon(request);
		return;
	}
	request_ref(request);
	park_ref(parked);
	if (!park_commit(parked)) {
		dispatch_wake(server, request, false);
	} else if (server_is_stopping(server)) {
		park_wake(parked);
	}
	park_unref(parked);
	request_unref(request);
}

/* --- on the I/O thread -------------------------------------------------------------------------------- */

/*
 * Whose share of a lane it takes: of what need not be anybody's its address's. Before it is known who asks it takes nobody's (0).
 */
static uint64_t caller_of(struct call *call)
{
	struct str key = call->state->is_known ? admission_key(call) : (struct str){0};
	return key.n > 0 ? hash_bytes(key) | 1 : 0;
}

/* Whose worker does what an I/O thread may not. */
static enum route_lane worker_lane(enum route_lane lane)
{
	return lane == LANE_INLINE ? LANE_LOCAL : lane;
}

/* Hands a suspended request to a worker; a full queue answers at once. */
static void push(struct request *request, enum route_lane lane, bool is_admitted)
{
	request_ref(request); /* the lane's */
	if (lane_push(request->server->lanes[lane], &request->job, is_admitted)) {
		return;
	}
	bool stopping = server_is_stopping(request->server);
	if (set_refusal(request, stopping ? &is_stopping : &queue_is_full)) {
		resume(request);
	}
	request_unref(request);
}

static void submit(struct request *request, enum route_lane lane, bool is_admitted)
{
	suspend(request);
	push(request, lane, is_admitted);
}

/* Runs as much as an I/O thread may. */
static bool run_inline(struct request *request, struct call *call, enum err err)
{
	bool is_inline = call->route->lane == LANE_INLINE;
	if (err == ERR_OK) {
		err = admission_check(call);
	}
	if (err == ERR_OK && is_inline) {
		err = call->route->handler(call);
	}
	if (err == ERR_DEFER || (err == ERR_OK && !is_inline)) {
		request->job.caller = caller_of(call);
		call_rewind(call);
		request->call = call;
		submit(request, worker_lane(call->route->lane), request->is_resumed);
		return false;
	}
	switch (settle(call, err)) {
	case OUTCOME_ANSWER:
		(void)answer_call(call);
		end_call(call);
		return true;
	case OUTCOME_PARK:
		atomic_fetch_add(&request->server->suspended, 1);
		dispatch_leave(request);
		park(call);
		return false;
	}
	return false;
}

bool dispatch_begin(struct request *request)
{
	request->phase = REQUEST_RUNNING;
	request->is_counted = true;
	atomic_fetch_add(&request->server->under_way, 1);
	conn_set_deadline(request->conn, 0);
	request->started_us = clock_mono_us();
	if (request->refusal.status != 0) {
		dispatch_refuse(request, &request->refusal);
		return true;
	}
	if (str_equals(request->method, STR("OPTIONS"))) {
		return set_answer(request, reply_options());
	}
	if (server_is_stopping(request->server)) {
		dispatch_refuse(request, &is_stopping);
		return true;
	}
	return dispatch_again(request);
}

bool dispatch_admit(struct request *request)
{
	struct call *call = NULL;
	request->started_us = clock_mono_us();
	enum err err = call_begin(request, true, &call);
	if (err == ERR_OK) {
		err = admission_check(call);
	}
	if (err == ERR_DEFER) {
		call_rewind(call);
		request->call = call;
		request->is_admission = true;
		submit(request, LANE_LOCAL, false);
		return false;
	}
	if (settle_admission(call, err)) {
		(void)answer_call(call);
	}
	call_end(call);
	return true;
}

bool dispatch_again(struct request *request)
{
	struct call *call = NULL;
	request->run_inline = false;
	enum err err = call_begin(request, true, &call);
	return run_inline(request, call, err);
}

/* --- on a worker ---------------------------------------------------------------------------------------- */

/*
 * Who asks is often known on the worker only (a homeserver, by its signature; a user whose session was not in memory). If it has all workers of
 * the remote lane that it may have, the request goes back into the queue.
 * Errors: DEFER (may_not_ask: not with this worker)
 */
static enum err check_share(struct call *call)
{
	struct request *request = call->state->request;
	uint64_t caller = call->ctx.may_not_ask || request->job.caller != 0 ? 0 : caller_of(call);
	if (caller == 0 ||
		lane_name_caller(request->server->lanes[LANE_REMOTE], &request->job, caller)) {
		return ERR_OK;
	}
	call->ctx.may_not_ask = true;
	return ERR_DEFER;
}

/*
 * Whether nobody waits for it any more. Where a lane is full those whose clients have given up stand before those that are waited for. Asked only
 * of what has stood there for long, and only of a GET: others may have been promised to be done. Of one that is answered already, by a stop, the
 * socket may be another's: what is said of it is not used.
 */
static bool is_abandoned(const struct request *request)
{
	struct pollfd client = {.fd = request->fd, .events = POLLRDHUP};
	int64_t waited_us = clock_mono_us() - request->started_us;
	return waited_us > (int64_t)LONG_WAIT_MS * 1000 && str_equals(request->method, STR("GET")) &&
		poll(&client, 1, 0) == 1;
}

static enum err run_on_worker(struct call *call, enum err err)
{
	TRY(err);
	if (is_abandoned(call->state->request)) {
		return fail(&call->ctx, ERR_TIMEOUT, NULL, "The client has hung up");
	}
	err = admission_check(call);
	if (err == ERR_DEFER && call->state->park != NULL) {
		call->state->request->waited_for_admission = true;
		return ERR_OK; /* parked before its handler: comes again as if for the first time */
	}
	TRY(err);
	if (call->ctx.deadline_ms < clock_os_ms()) {
		return fail(&call->ctx, ERR_TIMEOUT, NULL, "The server is too busy; try again soon");
	}
	TRY(check_share(call));
	return call->route->handler(call);
}

/* Once it is admitted, the job's release resumes it: no stop can answer for it any more then. */
static void admit_on_worker(struct request *request, struct call *call)
{
	enum err err = admission_check(call);
	if (settle_admission(call, err) && answer_call(call)) {
		resume(request);
	}
	call_end(call);
}

/* What has to ask another server, and may not here, begins anew in the remote lane's queue; while it waits there it has no arena. */
static void move_to_remote(struct request *request, struct call *call)
{
	request->is_moved = true;
	request->job.caller = caller_of(call);
	call_end(call);
	push(request, LANE_REMOTE, false);
}

/*
 * Has the I/O thread take the connection of an inline route's request. The server does not stop meanwhile: it counts the request as
 * suspended until it is answered, and from before that until this has ended. `may_be_held` is settled before any handler runs.
 */
static void leave_later(struct request *request, const struct route *route)
{
	struct http_server *server = request->server;
	atomic_fetch_add(&server->suspended, 1);
	if (route->lane == LANE_INLINE && request->may_be_held && !atomic_load(&request->is_answered)) {
		io_loop_leave(request->loop, request);
	}
	atomic_fetch_sub(&server->suspended, 1);
}

/* What its answer waits for; NULL: nothing (any more). */
static struct handover *awaited(const struct request *request)
{
	return request->handed_over != NULL ? request->handed_over->state->handover : NULL;
}

/*
 * What was handed over has failed; or the server stops, and it is waited for here. @return whether that is the answer; else the handler runs
 * from its beginning
 */
static bool answer_awaited(struct request *request)
{
	struct call *call = request->handed_over;
	const struct handover *handover = awaited(request);
	if (handover == NULL) {
		return false;
	}
	call->ctx.may_not_wait = false; /* no I/O thread any more */
	enum err err = handover->wait(&call->ctx, handover->data);
	call->state->handover = NULL;
	if (err == ERR_CONFLICT) {
		return false;
	}
	(void)settle(call, err);
	if (answer_call(call)) {
		resume(request);
	}
	return true;
}

void dispatch_run_job(void *self, struct lane_job *job)
{
	(void)self;
	struct request *request = CONTAINER_OF(job, struct request, job);
	if (atomic_load(&request->is_answered)) {
		return;
	}
	struct call *call = request->call;
	request->call = NULL;
	if (request->is_admission) {
		admit_on_worker(request, call);
		return;
	}
	if (answer_awaited(request)) {
		return;
	}
	enum err err = ERR_OK;
	if (call == NULL) {
		err = call_begin(request, false, &call);
	}
	err = run_on_worker(call, err);
	if (err == ERR_DEFER && call->state->park != NULL) {
		call->state->is_replied = false;
		err = ERR_OK; /* memo_park(): it runs again when what it waits for has come */
	}
	if (err == ERR_DEFER && call->ctx.may_not_ask) {
		move_to_remote(request, call);
		return;
	}
	switch (settle(call, err)) {
	case OUTCOME_ANSWER:
		if (answer_call(call)) {
			if (request->is_of_held) {
				held_send_early(request);
			}
			resume(request);
		}
		end_call(call); /* after the answer is on its way */
		return;
	case OUTCOME_PARK:
		leave_later(request, call->route);
		park(call);
		return;
	}
}

void dispatch_release_job(void *self, struct lane_job *job)
{
	(void)self;
	struct request *request = CONTAINER_OF(job, struct request, job);
	if (request->is_admission && !atomic_load(&request->is_answered)) {
		request->is_admission = false;
		resume(request);
	}
	request_unref(request);
}

void dispatch_wake(void *self, struct request *request, bool is_batch)
{
	struct http_server *server = self;
	const struct handover *handover = awaited(request);
	if (handover != NULL && atomic_load(&handover->is_done_well)) {
		if (answer_call(request->handed_over)) {
			resume_in(request, is_batch);
		}
		return;
	}
	request->is_resumed = request->is_resumed || request->is_admitted;
	if (handover == NULL) {
		request->started_us = clock_mono_us();
	}
	enum route_lane lane = request->is_moved ? LANE_REMOTE : request->match.entry->route->lane;
	if (lane == LANE_INLINE && handover == NULL) {
		request->run_inline = true;
		resume_in(request, is_batch);
		return;
	}
	request_ref(request); /* the lane's */
	if (!lane_push(server->lanes[worker_lane(lane)], &request->job, true)) {
		request_unref(request);
		dispatch_abandon(request); /* the suspended connection still holds it */
	}
}

void dispatch_batch_begin(void *self)
{
	struct http_server *server = self;
	atomic_fetch_add(&server->suspended, 1);
}

void dispatch_batch_end(void *self)
{
	struct http_server *server = self;
	io_loops_flush(server);
	atomic_fetch_sub(&server->suspended, 1);
}
