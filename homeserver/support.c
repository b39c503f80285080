/*
 * Contacts are written in the configuration as words: a role, then addresses, told apart by how they look.
 */
#include "homeserver/support.h"

#include "matrix/id.h"

/* The roles of the specification, or a name like a Java package. */
static bool is_role(struct str text)
{
	bool is_good = text.n > 0 && str_find_byte(text, '.') != SIZE_MAX;
	if (str_starts_with(text, STR("m."))) {
		return str_equals(text, STR("m.role.admin")) || str_equals(text, STR("m.role.security"));
	}
	for (size_t i = 0; i < text.n; i++) {
		char c = text.p[i];
		is_good = is_good &&
			((c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '.' || c == '_' || c == '-');
	}
	return is_good;
}

static bool is_email(struct str text)
{
	size_t at = str_find_last_byte(text, '@');
	return at != SIZE_MAX && at > 0 && at + 1 < text.n;
}

bool support_contact_parse(struct str text, struct support_contact *out)
{
	struct str rest;
	*out = (struct support_contact){0};
	(void)str_split(str_trim(text), ' ', &out->role, &rest);
	while ((rest = str_trim(rest)).n > 0) {
		struct str word;
		struct user_id id;
		(void)str_split(rest, ' ', &word, &rest);
		if (str_starts_with(word, STR("@")) && user_id_parse(word, &id) &&
			out->matrix_id.p == NULL) {
			out->matrix_id = word;
		} else if (is_email(word) && !str_starts_with(word, STR("@")) && out->email.p == NULL) {
			out->email = word;
		} else {
			return false;
		}
	}
	return is_role(out->role) && (out->matrix_id.p != NULL || out->email.p != NULL);
}

void support_write(struct json_out *out, const struct account_settings *settings)
{
	if (settings->support_contacts.n > 0) {
		json_out_key_array(out, "contacts");
	}
	for (size_t i = 0; i < settings->support_contacts.n; i++) {
		struct support_contact contact;
		if (!support_contact_parse(settings->support_contacts.items[i], &contact)) {
			continue; /* checked at start */
		}
		json_out_object(out);
		if (contact.matrix_id.p != NULL) {
			json_out_key_str(out, "matrix_id", contact.matrix_id);
		}
		if (contact.email.p != NULL) {
			json_out_key_str(out, "email_address", contact.email);
		}
		json_out_key_str(out, "role", contact.role);
		json_out_end(out);
	}
	if (settings->support_contacts.n > 0) {
		json_out_end(out);
	}
	if (settings->support_page.n > 0) {
		json_out_key_str(out, "support_page", settings->support_page);
	}
}
