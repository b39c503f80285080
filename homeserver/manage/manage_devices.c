/*
 * Devices: the list, one of them, its end. When one was last seen is told as a time that has passed, so that nobody has to know a time
 * zone.
 */
#include "homeserver/manage/manage_inner.h"

#include "homeserver/device/device.h"
#include "homeserver/web_page.h"

#include <inttypes.h>
#include <stdlib.h>

enum { DEVICES_SHOWN = 100 };

/* "3 小時前" and "3 hours ago". */
static void seen_text(struct call *call, const struct device_row *row, struct str *out_zh,
	struct str *out_en)
{
	static const struct {
		int64_t ms;
		const char *zh;
		const char *en;
	} units[] = {
		{INT64_C(24) * 60 * 60 * 1000, "天", "day"},
		{INT64_C(60) * 60 * 1000, "小時", "hour"},
		{INT64_C(60) * 1000, "分鐘", "minute"},
	};
	struct arena *arena = call->ctx.arena;
	int64_t past_ms = clock_wall_ms(&hs_of(call)->clock) - row->last_seen_ms;
	for (size_t i = 0; i < COUNT_OF(units); i++) {
		int64_t count = past_ms / units[i].ms;
		if (count > 0) {
			*out_zh = str_printf(arena, "%" PRId64 " %s前使用", count, units[i].zh);
			*out_en = str_printf(arena, "Used %" PRId64 " %s%s ago", count, units[i].en,
				count > 1 ? "s" : "");
			return;
		}
	}
	*out_zh = STR("剛才使用");
	*out_en = STR("Used just now");
}

static struct str name_of(const struct device_row *row)
{
	return row->display_name.n > 0 ? row->display_name : row->device_id;
}

static int newer_first(const void *a, const void *b)
{
	const struct device_row *first = a;
	const struct device_row *second = b;
	return (first->last_seen_ms < second->last_seen_ms) -
		(first->last_seen_ms > second->last_seen_ms);
}

enum err manage_show_devices(struct call *call, const struct web_session *session)
{
	struct device_row *rows;
	size_t count;
	struct web_page page;
	TRY(devices_list(&call->ctx, hs_of(call), session->user_id, &rows, &count));
	if (count > 0) {
		qsort(rows, count, sizeof(*rows), newer_first);
	}
	web_page_begin(&page, call, "裝置", "Devices");
	manage_write_done(&page);
	web_page_value(&page, session->user_id);
	web_page_text(&page,
		count > 0 ? "這個帳號在下列裝置登入了。點選一個可以查看、改名或登出。"
				  : "這個帳號沒有在任何裝置登入。",
		count > 0
			? "This account is signed in on these devices. Choose one to look at it, rename it or sign it out."
			: "This account is signed in on no device.");
	web_page_list(&page);
	for (size_t i = 0; i < MIN_OF(count, (size_t)DEVICES_SHOWN); i++) {
		struct str zh;
		struct str en;
		seen_text(call, &rows[i], &zh, &en);
		web_page_named_list_item(&page,
			manage_url(call, MANAGE_DEVICE_VIEW, rows[i].device_id, NULL), name_of(&rows[i]), zh,
			en);
	}
	web_page_list_end(&page);
	if (count > DEVICES_SHOWN) {
		web_page_text(&page, "更久沒有使用的沒有列出。",
			"Those that were not used for longer are not shown.");
	}
	manage_write_back(&page);
	return web_page_reply(&page, 200);
}

static enum err answer_no_device(struct call *call)
{
	struct web_page page;
	call->ctx.fault = (struct fault){0};
	web_page_begin(&page, call, "沒有這個裝置", "There is no such device");
	web_page_text(&page, "它可能已經登出了。", "It may have been signed out already.");
	web_page_link(&page, manage_url(call, MANAGE_DEVICES_LIST, STR(""), NULL), "裝置", "Devices");
	return web_page_reply(&page, 404);
}

static void write_device(struct web_page *page, const struct device_row *row)
{
	struct str zh;
	struct str en;
	seen_text(page->call, row, &zh, &en);
	web_page_value(page, name_of(row));
	web_page_text(page, str_cstr(page->call->ctx.arena, zh), str_cstr(page->call->ctx.arena, en));
	if (row->last_seen_user_agent.n > 0) {
		web_page_text(page, "程式", "App");
		web_page_value(page, row->last_seen_user_agent);
	}
	if (row->last_seen_ip.n > 0) {
		web_page_text(page, "網路位址", "Network address");
		web_page_value(page, row->last_seen_ip);
	}
	web_page_text(page, "裝置代碼", "Device ID");
	web_page_value(page, row->device_id);
}

static enum err answer_device(struct call *call, const struct web_session *session, struct str name,
	const struct manage_trouble *trouble)
{
	struct device_row row;
	struct web_page page;
	enum err err = devices_find(&call->ctx, hs_of(call), session->user_id,
		call_query(call, "device_id"), &row);
	if (err == ERR_MISSING) {
		return answer_no_device(call);
	}
	TRY(err);
	web_page_begin(&page, call, "裝置", "Device");
	manage_write_done(&page);
	manage_write_trouble(&page, trouble);
	write_device(&page, &row);
	web_session_form(&page, session);
	web_page_field(&page,
		&(struct web_field){.kind = "text",
			.name = "name",
			.zh = "名稱",
			.en = "Name",
			.value = trouble != NULL ? name : row.display_name});
	web_page_button(&page, "改名", "Rename");
	web_page_form_end(&page);
	web_page_quiet_link(&page, manage_url(call, MANAGE_DEVICE_DELETE, row.device_id, NULL),
		"登出這個裝置", "Sign this device out");
	web_page_quiet_link(&page, manage_url(call, MANAGE_DEVICES_LIST, STR(""), NULL), "回到裝置",
		"Back to the devices");
	return web_page_reply(&page, trouble != NULL ? 400 : 200);
}

enum err manage_show_device(struct call *call, const struct web_session *session)
{
	return answer_device(call, session, STR(""), NULL);
}

enum err manage_rename_device(struct call *call, const struct web_session *session)
{
	static const struct manage_trouble too_long = {"名稱最多 100 個字。",
		"A name has 100 characters at most."};
	struct str device_id = call_query(call, "device_id");
	struct str name = str_trim(web_page_posted(call, "name"));
	enum err err = devices_rename(&call->ctx, hs_of(call), session->user_id, device_id,
		name.n > 0 ? name : (struct str){0});
	if (err == ERR_MISSING) {
		return answer_no_device(call);
	}
	if (err == ERR_INPUT) {
		call->ctx.fault = (struct fault){0};
		return answer_device(call, session, name, &too_long);
	}
	TRY(err);
	return web_page_redirect(call, manage_url(call, MANAGE_DEVICE_VIEW, device_id, "saved"));
}

enum err manage_show_sign_out(struct call *call, const struct web_session *session)
{
	struct device_row row;
	struct web_page page;
	enum err err = devices_find(&call->ctx, hs_of(call), session->user_id,
		call_query(call, "device_id"), &row);
	if (err == ERR_MISSING) {
		return answer_no_device(call);
	}
	TRY(err);
	web_page_begin(&page, call, "登出這個裝置？", "Sign this device out?");
	write_device(&page, &row);
	web_page_text(&page,
		"登出後，這個裝置不能再使用您的帳號。加密訊息如果只存在這個裝置上，就讀不到了。",
		"The device can no longer use your account then. Encrypted messages that only this device can read are lost.");
	web_session_form(&page, session);
	web_page_choice(&page, WEB_BUTTON_DANGER, "sure", "1", "登出", "Sign out");
	web_page_form_end(&page);
	web_page_quiet_link(&page, manage_url(call, MANAGE_DEVICES_LIST, STR(""), NULL), "取消",
		"Cancel");
	return web_page_reply(&page, 200);
}

/* One that is gone already is signed out, as is wanted. */
enum err manage_sign_out(struct call *call, const struct web_session *session)
{
	struct str device_id = call_query(call, "device_id");
	TRY(devices_delete(&call->ctx, hs_of(call), session->user_id, &device_id, 1));
	return web_page_redirect(call, manage_url(call, MANAGE_DEVICES_LIST, STR(""), "signed_out"));
}
