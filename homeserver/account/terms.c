/*
 * Policies. The list is short and read where it is needed, so that nothing has to be kept.
 */
#include "homeserver/account/terms.h"

#include "base/file.h"
#include "base/vec.h"
#include "matrix/errcode.h"

#include <string.h>
#include <time.h>

static bool is_word(struct str text)
{
	bool is_good = text.n > 0;
	for (size_t i = 0; i < text.n; i++) {
		char c = text.p[i];
		bool is_letter = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
		bool is_digit = c >= '0' && c <= '9';
		is_good = is_good && (is_letter || is_digit || c == '.' || c == '_' || c == '-');
	}
	return is_good;
}

static struct str next_word(struct str *rest)
{
	struct str word;
	(void)str_split(str_trim(*rest), ' ', &word, rest);
	return word;
}

static bool is_url(struct str text)
{
	return str_starts_with(text, STR("https://")) || str_starts_with(text, STR("http://"));
}

bool policy_parse(struct str text, struct policy *out)
{
	struct str rest = text;
	out->id = next_word(&rest);
	out->version = next_word(&rest);
	out->language = next_word(&rest);
	out->source = next_word(&rest);
	out->name = str_trim(rest);
	bool is_source =
		policy_is_file(out) || (is_url(out->source) && web_page_url_is_safe(out->source));
	return is_word(out->id) && is_word(out->version) && is_word(out->language) &&
		!str_equals(out->language, STR("version")) && is_source && out->name.n > 0;
}

int64_t terms_day_ms(struct str text)
{
	char copy[sizeof("2026-09-01")];
	struct tm fields = {0};
	if (text.n != sizeof(copy) - 1) {
		return -1;
	}
	memcpy(copy, text.p, text.n);
	copy[text.n] = '\0';
	const char *end = strptime(copy, "%Y-%m-%d", &fields);
	int day = fields.tm_mday;
	/* timegm() makes the 1st of March of the 30th of February. */
	int64_t seconds = end != NULL && *end == '\0' ? (int64_t)timegm(&fields) : -1;
	return seconds > 0 && fields.tm_mday == day ? seconds * 1000 : -1;
}

bool policy_is_file(const struct policy *policy)
{
	return str_starts_with(policy->source, STR("/"));
}

bool terms_are_on(const struct settings *settings)
{
	return settings->account.policies.n > 0;
}

static struct str url_of(struct arena *arena, const struct settings *settings,
	const struct policy *policy)
{
	if (!policy_is_file(policy)) {
		return policy->source;
	}
	struct str base = settings->public_base_url;
	return str_printf(arena, "%.*s" TERMS_PATH "/%.*s/%.*s", STR_ARG(base), STR_ARG(policy->id),
		STR_ARG(policy->language));
}

static bool stands_before(struct conf_list list, size_t at, struct str id)
{
	struct policy policy;
	for (size_t i = 0; i < at; i++) {
		if (policy_parse(list.items[i], &policy) && str_equals(policy.id, id)) {
			return true;
		}
	}
	return false;
}

struct str terms_current(struct arena *arena, const struct settings *settings)
{
	struct conf_list list = settings->account.policies;
	struct str text = STR("");
	struct policy policy;
	for (size_t i = 0; i < list.n; i++) {
		if (policy_parse(list.items[i], &policy) && !stands_before(list, i, policy.id)) {
			text = str_printf(arena, "%.*s%s%.*s=%.*s", STR_ARG(text), text.n > 0 ? " " : "",
				STR_ARG(policy.id), STR_ARG(policy.version));
		}
	}
	return text;
}

struct terms_versions terms_parse(struct arena *arena, struct str text)
{
	VEC(struct str) ids = {0};
	VEC(struct str) versions = {0};
	struct str rest = text;
	while (rest.n > 0) {
		struct str id;
		struct str version;
		struct str word = next_word(&rest);
		if (str_split(word, '=', &id, &version)) {
			VEC_PUSH(arena, &ids, id);
			VEC_PUSH(arena, &versions, version);
		}
	}
	return (struct terms_versions){.ids = ids.p, .versions = versions.p, .count = ids.n};
}

void terms_write_params(struct json_out *out, struct arena *arena, const struct settings *settings)
{
	struct conf_list list = settings->account.policies;
	struct policy policy;
	struct policy other;
	json_out_key_object(out, "m.login.terms");
	json_out_key_object(out, "policies");
	for (size_t i = 0; i < list.n; i++) {
		if (!policy_parse(list.items[i], &policy) || stands_before(list, i, policy.id)) {
			continue;
		}
		json_out_key(out, policy.id);
		json_out_object(out);
		json_out_key_str(out, "version", policy.version);
		for (size_t j = i; j < list.n; j++) {
			if (policy_parse(list.items[j], &other) && str_equals(other.id, policy.id)) {
				json_out_key(out, other.language);
				json_out_object(out);
				json_out_key_str(out, "name", other.name);
				json_out_key_str(out, "url", url_of(arena, settings, &other));
				json_out_end(out);
			}
		}
		json_out_end(out);
	}
	json_out_end(out);
	json_out_end(out);
}

void terms_write_links(struct web_page *page, const struct settings *settings)
{
	struct conf_list list = settings->account.policies;
	struct policy policy;
	for (size_t i = 0; i < list.n; i++) {
		if (policy_parse(list.items[i], &policy)) {
			web_page_named_text_link(page, url_of(page->call->ctx.arena, settings, &policy),
				policy.name, policy.language);
		}
	}
}

enum err terms_text(struct ctx *ctx, const struct settings *settings, struct str id,
	struct str language, struct str *out_name, struct str *out_text)
{
	struct conf_list list = settings->account.policies;
	struct policy policy;
	for (size_t i = 0; i < list.n; i++) {
		if (policy_parse(list.items[i], &policy) && policy_is_file(&policy) &&
			str_equals(policy.id, id) && str_equals(policy.language, language)) {
			*out_name = policy.name;
			return file_read(ctx, str_cstr(ctx->arena, policy.source), TERMS_FILE_MAX_BYTES,
				out_text);
		}
	}
	return fail(ctx, ERR_MISSING, M_NOT_FOUND, "There is no such document");
}
