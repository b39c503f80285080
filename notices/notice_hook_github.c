/*
 * One line of who, what and where for each event, with links; commits of a push below it. Actions that nobody waits for (labels,
 * assignments, edits) say nothing.
 */
#include "notices/notice_hook_forms.h"
#include "notices/notice_plain.h"

enum { COMMIT_ID_CHARS = 7 };

/* An event being told. */
struct telling {
	struct arena *arena;
	const struct json *payload;
	struct buf *out;
};

static struct str text_at(const struct json *object, const char *member)
{
	return json_get_str(object, str_of(member));
}

static void add_line(struct telling *telling, struct str text)
{
	hook_add_plain(telling->out, notice_plain_line(telling->arena, text, HOOK_LINE_MAX_BYTES));
}

static void add_link(struct telling *telling, struct str label, struct str address)
{
	hook_add_link(telling->out, notice_plain_line(telling->arena, label, HOOK_LINE_MAX_BYTES),
		address);
}

/* "**owner/name** · " */
static void begin(struct telling *telling)
{
	const struct json *repository = json_at(telling->payload, "repository");
	struct str name = text_at(repository, "full_name");
	if (name.n > 0) {
		buf_add_lit(telling->out, "**");
		add_link(telling, name, text_at(repository, "html_url"));
		buf_add_lit(telling->out, "** · ");
	}
}

/* " — who" */
static void end(struct telling *telling)
{
	struct str login = text_at(json_at(telling->payload, "sender"), "login");
	if (login.n > 0) {
		buf_add_lit(telling->out, " — ");
		add_line(telling, login);
	}
}

/* --- pushes ------------------------------------------------------------------------------------------------------ */

/* The beginning of a commit's id, as people write it. */
static struct str short_id(struct str id)
{
	size_t n = 0;
	while (n < MIN_OF(id.n, (size_t)COMMIT_ID_CHARS) && id.p[n] > ' ' && id.p[n] <= '~') {
		n++;
	}
	return str_slice(id, 0, n);
}

static void add_commits(struct telling *telling, const struct json *commits)
{
	for (size_t i = 0; i < MIN_OF(commits->count, (size_t)HOOK_COMMITS_MAX); i++) {
		const struct json *commit = &commits->items[i];
		struct str title;
		struct str rest;
		(void)str_split(text_at(commit, "message"), '\n', &title, &rest);
		if (title.n == 0) {
			continue; /* an item without anything would make a heading of the line before it */
		}
		buf_add_lit(telling->out, "\n- ");
		add_link(telling, short_id(text_at(commit, "id")), text_at(commit, "url"));
		buf_add_lit(telling->out, " ");
		add_line(telling, title);
	}
	if (commits->count > HOOK_COMMITS_MAX) {
		buf_printf(telling->out, "\n- … +%u", commits->count - HOOK_COMMITS_MAX);
	}
}

static void tell_push(struct telling *telling)
{
	static const struct json none = {.type = JSON_ARRAY};
	const struct json *commits = json_at(telling->payload, "commits");
	struct str ref = text_at(telling->payload, "ref");
	size_t slash = str_starts_with(ref, STR("refs/")) ? str_find_byte(str_slice(ref, 5, ref.n), '/')
													  : SIZE_MAX;
	commits = json_is(commits, JSON_ARRAY) ? commits : &none;
	begin(telling);
	add_link(telling, slash != SIZE_MAX ? str_slice(ref, 5 + slash + 1, ref.n) : ref,
		text_at(telling->payload, "compare"));
	if (json_get_bool(telling->payload, STR("deleted"), false)) {
		buf_add_lit(telling->out, " · deleted");
	} else if (commits->count == 0) {
		buf_add_lit(telling->out, " · created");
	} else {
		buf_printf(telling->out, " · +%u", commits->count);
	}
	end(telling);
	add_commits(telling, commits);
}

/* --- issues, pull requests, and what is said of them ------------------------------------------------------------- */

/* "#12 title · action — who" */
static void tell_numbered(struct telling *telling, const struct json *thing, struct str action,
	struct str address)
{
	int64_t number = 0;
	(void)!json_get_int(thing, STR("number"), 0, INT64_MAX, &number);
	begin(telling);
	add_link(telling,
		str_printf(telling->arena, "#%lld %.*s", (long long)number,
			STR_ARG(text_at(thing, "title"))),
		address.n > 0 ? address : text_at(thing, "html_url"));
	buf_add_lit(telling->out, " · ");
	add_line(telling, action);
	end(telling);
}

static void tell_issue(struct telling *telling)
{
	tell_numbered(telling, json_at(telling->payload, "issue"), text_at(telling->payload, "action"),
		STR(""));
}

static void tell_pull_request(struct telling *telling)
{
	const struct json *pull = json_at(telling->payload, "pull_request");
	struct str action = text_at(telling->payload, "action");
	bool is_merged = json_get_bool(pull, STR("merged"), false);
	tell_numbered(telling, pull,
		is_merged && str_equals(action, STR("closed")) ? STR("merged") : action, STR(""));
}

static void add_quote(struct telling *telling, struct str text)
{
	if (text.n > 0) {
		buf_add_lit(telling->out, "\n> ");
		add_line(telling, text);
	}
}

static void tell_comment(struct telling *telling)
{
	const struct json *comment = json_at(telling->payload, "comment");
	tell_numbered(telling, json_at(telling->payload, "issue"), STR("💬"),
		text_at(comment, "html_url"));
	add_quote(telling, text_at(comment, "body"));
}

static void tell_review(struct telling *telling)
{
	const struct json *review = json_at(telling->payload, "review");
	tell_numbered(telling, json_at(telling->payload, "pull_request"), text_at(review, "state"),
		text_at(review, "html_url"));
	add_quote(telling, text_at(review, "body"));
}

/* --- releases, runs ------------------------------------------------------------------------------------------------ */

static void tell_release(struct telling *telling)
{
	const struct json *release = json_at(telling->payload, "release");
	struct str name = text_at(release, "name");
	begin(telling);
	add_link(telling, name.n > 0 ? name : text_at(release, "tag_name"),
		text_at(release, "html_url"));
	buf_add_lit(telling->out, " · released");
	end(telling);
}

static void tell_run(struct telling *telling)
{
	const struct json *run = json_at(telling->payload, "workflow_run");
	struct str conclusion = text_at(run, "conclusion");
	begin(telling);
	add_link(telling, text_at(run, "name"), text_at(run, "html_url"));
	buf_add_lit(telling->out, " · ");
	add_line(telling, text_at(run, "head_branch"));
	buf_add(telling->out, str_equals(conclusion, STR("success")) ? STR(" · ✓ ") : STR(" · ✗ "));
	add_line(telling, conclusion);
	end(telling);
}

static void tell_ping(struct telling *telling)
{
	begin(telling);
	buf_add_lit(telling->out, "✓ webhook");
	end(telling);
}

void hook_form_github(struct ctx *ctx, struct str event, const struct json *payload,
	struct str *out)
{
	static const struct {
		struct str event;
		struct str action; /* empty: any */
		void (*tell)(struct telling *telling);
	} rows[] = {
		{STR_INIT("push"), STR_INIT(""), tell_push},
		{STR_INIT("issues"), STR_INIT("opened"), tell_issue},
		{STR_INIT("issues"), STR_INIT("closed"), tell_issue},
		{STR_INIT("issues"), STR_INIT("reopened"), tell_issue},
		{STR_INIT("pull_request"), STR_INIT("opened"), tell_pull_request},
		{STR_INIT("pull_request"), STR_INIT("closed"), tell_pull_request},
		{STR_INIT("pull_request"), STR_INIT("reopened"), tell_pull_request},
		{STR_INIT("pull_request"), STR_INIT("ready_for_review"), tell_pull_request},
		{STR_INIT("issue_comment"), STR_INIT("created"), tell_comment},
		{STR_INIT("pull_request_review"), STR_INIT("submitted"), tell_review},
		{STR_INIT("release"), STR_INIT("published"), tell_release},
		{STR_INIT("workflow_run"), STR_INIT("completed"), tell_run},
		{STR_INIT("ping"), STR_INIT(""), tell_ping},
	};
	struct buf text CLEANUP(buf_fini) = {0};
	buf_init(&text, HOOK_TEXT_MAX_BYTES);
	struct telling telling = {.arena = ctx->arena, .payload = payload, .out = &text};
	struct str action = text_at(payload, "action");
	for (size_t i = 0; i < COUNT_OF(rows); i++) {
		if (str_equals(event, rows[i].event) &&
			(rows[i].action.n == 0 || str_equals(action, rows[i].action))) {
			rows[i].tell(&telling);
		}
	}
	*out = buf_ok(&text) ? str_dup(ctx->arena, buf_str(&text)) : STR("");
}
