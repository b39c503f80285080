/*
 * Which thumbnail a request asks for, and what it is called.
 */
#include "homeserver/media/thumb.h"

static enum err read_side(struct call *call, const char *name, int64_t *out)
{
	if (call_query(call, name).p == NULL) {
		return fail(&call->ctx, ERR_INPUT, M_MISSING_PARAM, "'%s' is missing", name);
	}
	return call_query_int(call, name, 1, INT32_MAX, 0, out);
}

enum err thumb_read_wish(struct call *call, struct thumb_wish *out)
{
	int64_t width;
	int64_t height;
	bool is_animated;
	struct str method = call_query(call, "method");
	bool is_crop = str_equals(method, STR("crop"));
	if (method.p != NULL && !is_crop && !str_equals(method, STR("scale"))) {
		return fail(&call->ctx, ERR_INPUT, M_INVALID_PARAM, "'method' must be 'crop' or 'scale'");
	}
	TRY(read_side(call, "width", &width));
	TRY(read_side(call, "height", &height));
	TRY(call_query_bool(call, "animated", false, &is_animated));
	*out = (struct thumb_wish){.size = thumb_choose(width, height, is_crop),
		.is_animated = is_animated};
	return ERR_OK;
}

struct str thumb_file_name(struct arena *arena, struct str content_type)
{
	/* "image/png": thumbnail.png */
	return str_printf(arena, "thumbnail.%.*s",
		STR_ARG(str_slice(content_type, STR("image/").n, content_type.n)));
}
