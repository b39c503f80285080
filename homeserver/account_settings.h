/**
 * The part of the configuration that concerns accounts, log-in and what the server tells about itself; in struct settings.
 * Lists are as they were written, their items checked at start.
 */
#ifndef BELFRY_HOMESERVER_ACCOUNT_SETTINGS_H
#define BELFRY_HOMESERVER_ACCOUNT_SETTINGS_H

#include "base/conf.h"

/** TURN server for calls. */
struct turn_settings {
	struct conf_list uris; /**< none: there is no TURN server */
	struct str
		shared_secret; /**< for credentials with an end; empty: username and password are used */
	struct str username;
	struct str password;
	int64_t lifetime_ms;
};

/** Whether a new account needs an e-mail address. */
enum email_at_registration { EMAIL_OFF, EMAIL_OPTIONAL, EMAIL_REQUIRED };

struct account_settings {
	struct turn_settings turn;
	struct str support_page;           /**< empty: none */
	struct conf_list support_contacts; /**< "ROLE ADDRESS…" */
	struct conf_list policies;         /**< "ID VERSION LANGUAGE SOURCE NAME" (account/terms.h) */
	int64_t terms_enforced_from_ms; /**< who lacks policies does not act from then on; 0: never */
	struct str terms_enforced_from; /**< the same as it was written */
	bool terms_notices;             /**< whether who lacks policies gets a server notice */
	bool passwords_are_on;          /**< whether people log in by password */
	int64_t login_token_lifetime_ms;
	enum email_at_registration registration_email;
	int64_t email_token_lifetime_ms;
	struct conf_list email_next_links; /**< beginnings of addresses that a validation may lead to */
	struct conf_list
		sso_clients;       /**< beginnings of addresses that get a login token without asking */
	struct str sso_folder; /**< of the identity providers' files; empty: none */
	bool oauth_is_on;      /**< whether clients may log people in by the OAuth 2.0 API */
	bool qr_login_is_on; /**< where they may, whether a device signs in another one by a QR code */
};

#endif
