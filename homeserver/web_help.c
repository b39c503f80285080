/*
 * "Ask your school's administrator" helps those alone who know how that one is reached.
 */
#include "homeserver/web_help.h"

#include "homeserver/homeserver.h"
#include "homeserver/support.h"

static void write_contact(struct web_page *page, const struct support_contact *contact)
{
	struct arena *arena = page->call->ctx.arena;
	if (contact->email.p != NULL) {
		web_page_named_text_link(page, str_printf(arena, "mailto:%.*s", STR_ARG(contact->email)),
			contact->email, STR(""));
	}
	if (contact->matrix_id.p != NULL) {
		web_page_value(page, contact->matrix_id);
	}
}

void web_help_write(struct web_page *page)
{
	const struct account_settings *settings = &hs_of(page->call)->settings.account;
	bool is_first = true;
	for (size_t i = 0; i < settings->support_contacts.n; i++) {
		struct support_contact contact;
		if (!support_contact_parse(settings->support_contacts.items[i], &contact) ||
			!str_equals(contact.role, STR("m.role.admin"))) {
			continue; /* the others are for who runs servers, not for who uses this one */
		}
		if (is_first) {
			web_page_text(page, "學校的管理員：", "Your school's administrator:");
		}
		write_contact(page, &contact);
		is_first = false;
	}
	if (settings->support_page.n > 0) {
		web_page_quiet_link(page, settings->support_page, "取得協助", "Get help");
	}
}
