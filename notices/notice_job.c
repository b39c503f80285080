/*
 * A round: notices that are due get their deliveries, deliveries that wait are sent, one after the other. What fails is tried again
 * by itself, and never holds up the others.
 */
#include "notices/notice_job.h"

#include "base/backoff.h"
#include "base/log.h"
#include "base/mem.h"
#include "base/metrics.h"
#include "base/rounds.h"
#include "notices/notice_commands.h"
#include "notices/notice_follow_up.h"
#include "notices/notice_remind.h"
#include "notices/notice_rooms.h"
#include "notices/notice_round.h"
#include "notices/notice_send.h"
#include "notices/notices.h"
#include "notices/schedule.h"
#include "storage/consumer.h"

#include <inttypes.h>

enum {
	POLL_MS = 1000, /* what other processes and the command line stored */
	NOT_OURS_MS = 5000,
	ROUND_LIMIT_MS = 60 * 1000,
	DELIVERY_LIMIT_MS = 30 * 1000,
	AT_ONCE = 50,
	LATE_MS = 2 * 60 * 1000, /* from then on people are told */
	RETRY_FIRST_MS = 5 * 1000,
	RETRY_MAX_MS = 60 * 60 * 1000,
	LONGEST_PAUSE_MS = 2 * RETRY_MAX_MS, /* with what chance adds */
	SET_BACK_MS = 1000,
	GIVE_UP_MS = 24 * 60 * 60 * 1000,
};

#define OUTCOME(word) \
	{ \
		.kind = METRIC_KIND_COUNTER, .name = "belfry_notice_deliveries_total", \
		.help = "Notices of the school, each room by itself", .labels = "outcome=\"" word "\"" \
	}
static struct metric sent = OUTCOME("sent");
static struct metric failed = OUTCOME("failed");

struct notice_job {
	struct homeserver *hs;
	struct db *leases;
	struct rounds *rounds;
	int64_t
		lead_ms; /* of the thread: of the wall clock before the monotonic one, at the round before */
};

static bool is_stopping(const struct notice_job *job)
{
	return rounds_is_stopping(job->rounds);
}

/* --- what is due ------------------------------------------------------------------------------------------------ */

static enum err open_schedule(struct ctx *ctx, const struct notice_row *notice,
	struct schedule **out)
{
	struct schedule_text text = {.start = notice->start_at,
		.zone = notice->zone,
		.rule = notice->rule};
	struct str *except;
	notice_words_read(ctx, notice->except_at, &except, &text.except_count);
	text.except = except;
	return schedule_open(ctx, &text, out);
}

/* The newest time that has come, and the next one. */
static enum err find_times(struct ctx *ctx, const struct notice_row *notice, int64_t now_ms,
	struct notice_step *step)
{
	struct schedule *schedule;
	step->due_ms = notice->next_at_ms;
	step->next_at_ms = 0;
	if (notice->rule.p == NULL) {
		return ERR_OK;
	}
	TRY(open_schedule(ctx, notice, &schedule));
	struct schedule_moments moments;
	TRY(schedule_around(ctx, schedule, now_ms, &moments));
	step->due_ms = MAX_OF(moments.last_ms, notice->next_at_ms);
	step->next_at_ms = moments.next_ms > 0 ? moments.next_ms : 0;
	return ERR_OK;
}

static void set_rooms(struct ctx *ctx, struct notice_step *step, const struct notice_room *rooms,
	size_t count)
{
	struct str *ids = ARENA_NEW_ARRAY(ctx->arena, struct str, count);
	struct str *languages = ARENA_NEW_ARRAY(ctx->arena, struct str, count);
	struct str *reasons = ARENA_NEW_ARRAY(ctx->arena, struct str, count);
	for (size_t i = 0; i < count; i++) {
		ids[i] = rooms[i].room_id;
		languages[i] = rooms[i].languages;
		reasons[i] = rooms[i].reason;
	}
	step->rooms = ids;
	step->languages = languages;
	step->reasons = reasons;
	step->room_count = count;
}

static enum err move_on(struct ctx *ctx, struct homeserver *hs, const struct notice_row *notice)
{
	int64_t now_ms = clock_wall_ms(&hs->clock);
	struct notice_target_row *targets;
	struct notice_room *rooms;
	size_t count;
	struct notice_step step = {.notice_id = notice->notice_id, .was_due_ms = notice->next_at_ms};
	if (notice->expires_at_ms != 0 && notice->expires_at_ms <= now_ms) {
		step.state = STR("expired");
		return store_notice_move_on(ctx, hs->db, &step);
	}
	enum err err = find_times(ctx, notice, now_ms, &step);
	if (err == ERR_INPUT) {
		log_error(0, "notices.schedule_broken", "notice=%" PRId64 " text=%.*s", notice->notice_id,
			STR_ARG(ctx->fault.text));
		ctx->fault = (struct fault){0};
		step.state = STR("cancelled");
		return store_notice_move_on(ctx, hs->db, &step);
	}
	TRY(err);
	if (notice->expires_at_ms != 0 && step.next_at_ms >= notice->expires_at_ms) {
		step.next_at_ms = 0;
	}
	step.state = step.next_at_ms != 0 ? STR("scheduled") : STR("sent");
	TRY(store_notice_targets(ctx, hs->db, notice->notice_id, &targets, &count));
	TRY(notice_rooms_find(ctx, hs, targets, count, &rooms, &count));
	set_rooms(ctx, &step, rooms, count);
	return store_notice_move_on(ctx, hs->db, &step);
}

/* --- sending ---------------------------------------------------------------------------------------------------- */

static enum err compose(struct ctx *ctx, struct homeserver *hs,
	const struct notice_delivery_row *delivery, struct json *out)
{
	struct notice_text *texts;
	struct str *wanted;
	struct schedule *clock;
	struct notice_message message = {0};
	TRY(notice_texts_read(ctx, delivery->texts, &texts, &message.count));
	message.texts = texts;
	notice_words_read(ctx, delivery->languages, &wanted, &message.wanted_count);
	message.wanted = wanted;
	if (clock_wall_ms(&hs->clock) - delivery->due_at_ms > LATE_MS) {
		const struct schedule_text text = {.start = STR("2000-01-01T00:00"),
			.zone = delivery->zone};
		TRY(schedule_open(ctx, &text, &clock));
		message.late_since = schedule_show(ctx, clock, delivery->due_at_ms);
	}
	return notice_message_compose(ctx, &message, out);
}

static enum err send(struct ctx *ctx, struct homeserver *hs,
	const struct notice_delivery_row *delivery, struct str *out_event_id)
{
	struct json content;
	struct notice_words words = {
		.room_id = delivery->room_id,
		.type = STR("m.room.message"),
		.content = &content,
		.txn_key = delivery->txn_key,
	};
	if (!user_id_parse(delivery->sender, &words.sender)) {
		return fail_cause(ctx, ERR_INTERNAL, "the sender of a notice is none");
	}
	words.txn_id =
		str_printf(ctx->arena, "%" PRId64 "-%" PRId64, delivery->notice_id, delivery->due_at_ms);
	TRY(compose(ctx, hs, delivery, &content));
	return notice_say(ctx, hs, &words, out_event_id);
}

static int64_t pause_ms(struct homeserver *hs, int64_t failures)
{
	int64_t interval_ms =
		MIN_OF((int64_t)RETRY_FIRST_MS << MIN_OF(failures, 16), (int64_t)RETRY_MAX_MS);
	return backoff_pause_ms(interval_ms, rng_u64(&hs->rng));
}

static enum err note_failure(struct ctx *ctx, struct homeserver *hs,
	const struct notice_delivery_row *delivery)
{
	int64_t now_ms = clock_wall_ms(&hs->clock);
	bool gives_up = now_ms - delivery->due_at_ms > GIVE_UP_MS && delivery->failures > 0;
	struct str reason = ctx->fault.text.n > 0 ? ctx->fault.text : STR("The server is in trouble");
	metric_add(&failed, 1);
	log_info(0, "notices.not_sent", "notice=%" PRId64 " kind=%s failures=%" PRId64 " cause=%.*s",
		delivery->notice_id, err_name(ctx->fault.err), delivery->failures + 1,
		STR_ARG(ctx->fault.cause));
	ctx->fault = (struct fault){0};
	ctx->deadline_ms = clock_os_ms() + DELIVERY_LIMIT_MS; /* the old one may be why it failed */
	return store_notice_delivery_failed(ctx, hs->db, delivery,
		gives_up ? 0 : now_ms + pause_ms(hs, delivery->failures), reason);
}

static enum err deliver(struct ctx *ctx, struct homeserver *hs,
	const struct notice_delivery_row *delivery)
{
	struct str event_id;
	ctx->deadline_ms = clock_os_ms() + DELIVERY_LIMIT_MS;
	enum err err = send(ctx, hs, delivery, &event_id);
	if (err == ERR_STORE || err == ERR_SHUTDOWN) {
		return err; /* nothing can be written down either */
	}
	if (err != ERR_OK) {
		return note_failure(ctx, hs, delivery);
	}
	metric_add(&sent, 1);
	return store_notice_delivery_sent(ctx, hs->db, delivery, event_id, clock_wall_ms(&hs->clock));
}

/* --- rounds ------------------------------------------------------------------------------------------------------- */

static enum err move_all_on(struct ctx *ctx, struct notice_job *job, bool *out_more)
{
	struct homeserver *hs = job->hs;
	struct notice_row *notices;
	size_t count;
	struct notice_round round = {0};
	bool goes_on = true;
	TRY(store_notice_due(ctx, hs->db, clock_wall_ms(&hs->clock), AT_ONCE, &notices, &count));
	for (size_t i = 0; i < count && goes_on && !is_stopping(job); i++) {
		goes_on = notice_round_note(ctx, &round, "move on", move_on(ctx, hs, &notices[i]));
	}
	*out_more = *out_more || count == AT_ONCE;
	return round.err;
}

static enum err deliver_all(struct ctx *ctx, struct notice_job *job, bool *out_more)
{
	struct homeserver *hs = job->hs;
	struct notice_delivery_row *deliveries;
	size_t count;
	struct notice_round round = {0};
	bool goes_on = true;
	TRY(store_notice_delivery_due(ctx, hs->db, clock_wall_ms(&hs->clock), AT_ONCE, &deliveries,
		&count));
	for (size_t i = 0; i < count && goes_on && !is_stopping(job); i++) {
		goes_on = notice_round_note(ctx, &round, "deliver", deliver(ctx, hs, &deliveries[i]));
	}
	*out_more = *out_more || count == AT_ONCE;
	return round.err;
}

static enum err follow_all_up(struct ctx *ctx, struct notice_job *job, bool *out_more)
{
	struct homeserver *hs = job->hs;
	struct notice_follow_up_row *rows;
	size_t count;
	struct notice_round round = {0};
	bool goes_on = true;
	TRY(store_notice_follow_up_due(ctx, hs->db, clock_wall_ms(&hs->clock), AT_ONCE, &rows, &count));
	for (size_t i = 0; i < count && goes_on && !is_stopping(job); i++) {
		goes_on =
			notice_round_note(ctx, &round, "follow up", notice_follow_up_do(ctx, hs, &rows[i]));
	}
	*out_more = *out_more || count == AT_ONCE;
	return round.err;
}

/*
 * Due times are on the wall clock. At the start, and when it was set back since the round before, what was put off by the clock that was
 * ahead is due again.
 */
static enum err follow_clock(struct ctx *ctx, struct notice_job *job)
{
	struct homeserver *hs = job->hs;
	int64_t now_ms = clock_wall_ms(&hs->clock);
	int64_t lead_ms = now_ms - clock_mono_ms(&hs->clock);
	if (lead_ms < job->lead_ms - SET_BACK_MS) {
		TRY(store_notice_delivery_recall(ctx, hs->db, now_ms, LONGEST_PAUSE_MS));
	}
	job->lead_ms = lead_ms;
	return ERR_OK;
}

static enum err run_round(void *self, struct ctx *ctx, int64_t *out_pause_ms)
{
	struct notice_job *job = self;
	bool is_ours = false;
	bool has_more = false;
	int64_t next_ms;
	struct homeserver *hs = job->hs;
	TRY(follow_clock(ctx, job));
	TRY(store_notice_next(ctx, hs->db, &next_ms));
	int64_t wait_ms = next_ms == INT64_MAX ? POLL_MS : next_ms - clock_wall_ms(&hs->clock);
	*out_pause_ms = MIN_OF(MAX_OF(wait_ms, (int64_t)1), (int64_t)POLL_MS);
	if (wait_ms > 0) {
		return ERR_OK;
	}
	TRY(store_consumer_lease(ctx, job->leases, STR("notices"), &is_ours));
	if (!is_ours) {
		*out_pause_ms = NOT_OURS_MS;
		return ERR_OK;
	}
	struct notice_round round = {0};
	bool goes_on =
		notice_round_note(ctx, &round, "commands", notice_commands_run(ctx, hs, &has_more)) &&
		notice_round_note(ctx, &round, "moving on", move_all_on(ctx, job, &has_more)) &&
		notice_round_note(ctx, &round, "deliveries", deliver_all(ctx, job, &has_more)) &&
		notice_round_note(ctx, &round, "what follows", follow_all_up(ctx, job, &has_more)) &&
		notice_round_note(ctx, &round, "reminders", notice_remind_send(ctx, hs, &has_more));
	*out_pause_ms = has_more && goes_on ? 0 : 1;
	return round.err;
}

/* --- its life ------------------------------------------------------------------------------------------------------- */

struct notice_job *notice_job_create(struct homeserver *hs)
{
	struct notice_job *job = mem_alloc(sizeof(*job));
	job->hs = hs;
	job->lead_ms = INT64_MAX;
	job->leases = store_leases_create(hs->db);
	job->rounds = rounds_create(&(struct rounds_def){.name = "notices",
		.limit_ms = ROUND_LIMIT_MS,
		.run = run_round,
		.self = job});
	notice_text_start();
	return job;
}

void notice_job_start(struct notice_job *job)
{
	rounds_start(job->rounds);
}

void notice_job_wake(struct notice_job *job)
{
	rounds_wake(job->rounds);
}

void notice_job_stop(struct notice_job *job)
{
	if (job != NULL) {
		rounds_stop(job->rounds);
	}
}

void notice_job_destroy(struct notice_job *job)
{
	if (job == NULL) {
		return;
	}
	rounds_destroy(job->rounds);
	db_destroy(job->leases);
	mem_free(job);
}
