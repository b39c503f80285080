/**
 * What the files of account management share; not for others.
 */
#ifndef BELFRY_HOMESERVER_MANAGE_MANAGE_INNER_H
#define BELFRY_HOMESERVER_MANAGE_MANAGE_INNER_H

#include "homeserver/account/accounts.h"

#define MANAGE_PROFILE "org.matrix.profile"
#define MANAGE_DEVICES_LIST "org.matrix.devices_list"
#define MANAGE_DEVICE_VIEW "org.matrix.device_view"
#define MANAGE_DEVICE_DELETE "org.matrix.device_delete"
#define MANAGE_DEACTIVATE "org.matrix.account_deactivate"
/** Ours: the specification has none. */
#define MANAGE_PASSWORD "belfry.password"
#define MANAGE_EMAIL "belfry.email"
/** Where the form for a new address posts to. */
#define MANAGE_MAIL_PATH OAUTH_ACCOUNT_PATH "/mail"

/** Shows a page, or does what its form says. The session is that of the browser, and of an active account. */
typedef enum err manage_handler(struct call *call, const struct web_session *session);

manage_handler manage_show_overview;
manage_handler manage_show_profile, manage_set_profile;
manage_handler manage_show_devices;
manage_handler manage_show_device, manage_rename_device;
manage_handler manage_show_sign_out, manage_sign_out;
manage_handler manage_show_password, manage_set_password;
manage_handler manage_show_email, manage_set_email, manage_mail_address;
manage_handler manage_show_end, manage_end;
manage_handler manage_show_reset, manage_reset;

/** Address of the page of an action; in the arena. @param device_id  empty: none. @param done  NULL: nothing was done */
struct str manage_url(struct call *call, const char *action, struct str device_id,
	const char *done);
/** Says on a page what was done right before, if the address names it. */
void manage_write_done(struct web_page *page);
/** Why a form was not taken. */
struct manage_trouble {
	const char *zh;
	const char *en;
};
/** Says it on the page; nothing for NULL. */
void manage_write_trouble(struct web_page *page, const struct manage_trouble *trouble);
/** The way back to the overview. */
void manage_write_back(struct web_page *page);
/** Whether the account has a password that counts here; who has none signs in by a provider. */
bool manage_has_password(const struct homeserver *hs, const struct web_session *session);

#endif
