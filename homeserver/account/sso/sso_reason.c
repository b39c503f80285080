/*
 * A fault has one text, in English, which also goes to programs; the page finds the row again by it.
 */
#include "homeserver/account/sso/sso_reason.h"

#include "matrix/errcode.h"

static const struct {
	enum err err;
	const char *errcode;
	const char *zh;
	const char *en;
} reasons[] = {
	[SSO_NO_PROVIDER] = {ERR_MISSING, M_NOT_FOUND, "本伺服器沒有這個登入方式。",
		"There is no such identity provider"},
	[SSO_NO_CLIENT] = {ERR_INPUT, M_INVALID_PARAM, "程式給的返回網址（redirectUrl）不能使用。",
		"'redirectUrl' is no address of a client"},
	[SSO_PROVIDER_AWAY] = {ERR_REMOTE, NULL, "目前連不上學校的登入系統，請稍後再試。",
		"The identity provider could not be reached"},
	[SSO_PROVIDER_UNCLEAR] = {ERR_REMOTE, NULL, "學校登入系統的回應無法使用，請洽管理員。",
		"The identity provider gave no usable answer"},
	[SSO_PROVIDER_REFUSED] = {ERR_DENIED, M_FORBIDDEN, "學校的登入系統沒有讓您登入，或登入已取消。",
		"The identity provider let nobody in"},
	[SSO_NOT_CONFIRMED] = {ERR_DENIED, M_FORBIDDEN, "無法確認這次登入。",
		"The sign-in could not be confirmed"},
	[SSO_ENDED] = {ERR_DENIED, M_FORBIDDEN,
		"這次登入是從別的瀏覽器開始的，或已經逾時；請重新登入。",
		"This sign-in was begun elsewhere or has ended; begin again"},
	[SSO_PAGE_ENDED] = {ERR_MISSING, M_NOT_FOUND, "這一頁已失效。", "This page has ended"},
	[SSO_OTHER_ACCOUNT] = {ERR_DENIED, M_FORBIDDEN, "您登入的不是提出要求的那個帳號。",
		"That is not the account that asked for it"},
	[SSO_NO_ACCOUNT] = {ERR_DENIED, M_FORBIDDEN, "您在本伺服器還沒有帳號，請洽管理員。",
		"You have no account on this server yet"},
	[SSO_NAME_RESERVED] = {ERR_DENIED, M_EXCLUSIVE,
		"您的使用者名稱在本伺服器是保留的，請洽管理員。",
		"Your user name is reserved on this server; ask its administrator"},
	[SSO_NAME_TAKEN] = {ERR_DENIED, M_FORBIDDEN, "您的使用者名稱在本伺服器已有人使用，請洽管理員。",
		"Your user name is taken on this server; ask its administrator"},
	[SSO_NO_NAME] = {ERR_DENIED, M_FORBIDDEN, "學校的登入系統沒有給使用者名稱，請洽管理員。",
		"The sign-in says no user name"},
	[SSO_UNUSABLE_NAME] = {ERR_DENIED, M_FORBIDDEN,
		"學校的登入系統給的使用者名稱不能使用，請洽管理員。",
		"The sign-in says no usable user name"},
	[SSO_DEACTIVATED] = {ERR_DENIED, M_FORBIDDEN, "這個帳號已停用。",
		"This account has been deactivated"},
	[SSO_LOCKED] = {ERR_DENIED, M_USER_LOCKED, "這個帳號已被鎖定，請洽管理員。",
		"This account has been locked"},
};

enum err sso_refuse(struct ctx *ctx, enum sso_reason reason)
{
	return fail(ctx, reasons[reason].err, reasons[reason].errcode, "%s", reasons[reason].en);
}

void sso_explain(struct ctx *ctx, enum sso_reason reason)
{
	ctx->fault.text = str_of(reasons[reason].en);
}

const char *sso_reason_zh(struct str text)
{
	for (size_t i = 0; i < COUNT_OF(reasons); i++) {
		if (str_equals(text, str_of(reasons[i].en))) {
			return reasons[i].zh;
		}
	}
	return NULL;
}
