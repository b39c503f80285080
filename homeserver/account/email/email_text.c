/*
 * Texts of mails. Nothing of what somebody typed stands in them but the server's own link, so that nobody can make
 * this server write to others what they like.
 */
#include "homeserver/account/email/email_text.h"

struct text {
	const char *subject;
	const char *zh;
	const char *en;
};

static const struct text link_texts[] = {
	[EMAIL_REGISTER] = {"確認電子郵件 / Confirm your e-mail address",
		"有人（應該是您）要以這個電子郵件地址註冊帳號。請開啟下方連結並按「確認」。",
		"Somebody, probably you, is registering an account with this e-mail address. Open the link below and press "
		"“Confirm”."},
	[EMAIL_ADD] = {"確認電子郵件 / Confirm your e-mail address",
		"有人（應該是您）要把這個電子郵件地址加入帳號。請開啟下方連結並按「確認」。",
		"Somebody, probably you, is adding this e-mail address to an account. Open the link below and press "
		"“Confirm”."},
	[EMAIL_PASSWORD] = {"重設密碼 / Reset your password",
		"有人（應該是您）要為這個電子郵件地址的帳號重設密碼。請開啟下方連結並按「確認」，再回到原來的程式。",
		"Somebody, probably you, wants a new password for the account with this e-mail address. Open the link below, "
		"press “Confirm”, and go back to the program that you came from."},
};

/* EMAIL_PASSWORD, where the page takes the new one. */
static const struct text page_text = {"重設密碼 / Reset your password",
	"有人（應該是您）要為這個電子郵件地址的帳號重設密碼。請開啟下方連結，設定新密碼。",
	"Somebody, probably you, wants a new password for the account with this e-mail address. Open the link below and "
	"choose one."};

static const struct text in_use = {"您已有帳號 / You have an account already",
	"有人（可能是您）要使用這個電子郵件地址，但它已屬於一個帳號。如果忘記密碼，請在登入畫面選擇「忘記密碼」。",
	"Somebody, perhaps you, wanted to use this e-mail address, but it belongs to an account already. If you have "
	"forgotten the password, choose “Forgot password” where you log in."};

static const struct text unknown = {"沒有這個帳號 / No such account",
	"有人（可能是您）要為這個電子郵件地址重設密碼，但這裡沒有使用它的帳號。您可能用了另一個地址。",
	"Somebody, perhaps you, asked for a new password for this e-mail address, but no account here uses it. Perhaps you "
	"gave another address."};

void email_text_write(struct arena *arena, enum email_kind kind, enum email_purpose purpose,
	struct str server_name, struct str link, struct mail *out)
{
	const struct text *text = &link_texts[purpose];
	if (kind == EMAIL_KIND_IN_USE || kind == EMAIL_KIND_UNKNOWN) {
		text = kind == EMAIL_KIND_IN_USE ? &in_use : &unknown;
	} else if (kind == EMAIL_KIND_PAGE && purpose == EMAIL_PASSWORD) {
		text = &page_text;
	}
	struct str line = link.n > 0 ? str_printf(arena, "%.*s\n\n", STR_ARG(link)) : STR("");
	out->subject = str_printf(arena, "[%.*s] %s", STR_ARG(server_name), text->subject);
	out->text = str_printf(arena,
		"%s\n\n%.*s如果不是您，不必理會這封信。\n\n----\n\n%s\n\n%.*sIf it was not you, ignore this mail.\n\n%.*s\n",
		text->zh, STR_ARG(line), text->en, STR_ARG(line), STR_ARG(server_name));
}
