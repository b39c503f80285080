/*
 * Programs follow links that nobody asked them to, so only the page's button accepts. Whoever made the browser press it would
 * need the link, which is the user's; and pressing it again changes nothing.
 */
#include "homeserver/account/consent_routes.h"

#include "homeserver/account/consent.h"
#include "homeserver/account/terms.h"

static enum err answer_bad_link(struct call *call)
{
	struct web_page page;
	web_page_begin(&page, call, "這個連結已失效", "This link has ended");
	web_page_text(&page, "使用條款可能已經更新。請回到原來的程式再試一次，會得到新的連結。",
		"The terms may have changed since. Go back to the program that you came from and try again: it gets a new link.");
	return web_page_reply(&page, 403);
}

static enum err answer_accepted(struct call *call)
{
	struct web_page page;
	web_page_begin(&page, call, "謝謝您", "Thank you");
	web_page_text(&page, "您已同意現行的使用條款。可以關閉此頁，回到原來的程式繼續使用。",
		"You have accepted the terms as they are now. You can close this page, go back to the program that you came "
		"from, and go on.");
	return web_page_reply(&page, 200);
}

/* Whose link it is. @return false when it is none */
static bool user_of_link(struct call *call, struct str *out_user_id)
{
	*out_user_id = call_query(call, "user");
	return consent_link_is_good(call->ctx.arena, hs_of(call), *out_user_id,
		call_query(call, "signature"));
}

static enum err get_consent(struct call *call)
{
	struct str user_id;
	bool is_lacking;
	if (!user_of_link(call, &user_id)) {
		return answer_bad_link(call);
	}
	TRY(consent_is_lacking(&call->ctx, hs_of(call), user_id, &is_lacking));
	if (!is_lacking) {
		return answer_accepted(call);
	}
	struct web_page page;
	web_page_begin(&page, call, "使用條款", "Terms");
	web_page_text(&page, "請閱讀下列文件。同意後，這個帳號就能繼續發言、加入聊天室和上傳檔案。",
		"Please read these documents. Once you accept them, this account can write, join and upload again.");
	web_page_value(&page, user_id);
	terms_write_links(&page, &hs_of(call)->settings);
	web_page_form(&page, STR(""));
	web_page_button(&page, "我同意", "I accept");
	web_page_form_end(&page);
	return web_page_reply(&page, 200);
}

static enum err post_consent(struct call *call)
{
	struct str user_id;
	if (!user_of_link(call, &user_id)) {
		return answer_bad_link(call);
	}
	TRY(consent_give(&call->ctx, hs_of(call), user_id));
	return answer_accepted(call);
}

const struct route consent_routes[] = {
	{"consentPage", "GET", CONSENT_PATH, AUTH_PAGE, LANE_LOCAL, RATE_READ, 0, get_consent},
	{"consentGive", "POST", CONSENT_PATH, AUTH_PAGE, LANE_LOCAL, RATE_WRITE, 0, post_consent},
};
const size_t consent_route_count = COUNT_OF(consent_routes);
