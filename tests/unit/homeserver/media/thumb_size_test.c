/*
 * Which thumbnail is made for what a client asks; and how a file is told to it.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>

#include <cmocka.h>
#undef fail

#include "homeserver/media/media_type.h"
#include "homeserver/media/thumb.h"

static void thumb_choose__every_wish__at_least_as_large(void **state)
{
	(void)state;
	static const struct {
		int64_t width;
		int64_t height;
		bool is_crop;
		int chosen_width;
		int chosen_height;
	} cases[] = {
		{1, 1, true, 32, 32},
		{32, 32, true, 32, 32},
		{33, 32, true, 96, 96},
		{96, 96, true, 96, 96},
		{97, 97, true, 320, 320},
		{320, 240, true, 320, 240},
		{300, 225, true, 320, 240},
		{640, 480, true, 640, 480},
		{800, 600, true, 800, 600},
		{800, 800, true, 800, 800},
		{801, 601, true, 1600, 1200},
		{900, 900, true, 1600, 1600},
		{1601, 1200, true, 4096, 4096},
		{5000, 3750, true, 4096, 4096},
		{INT32_MAX, INT32_MAX, true, 4096, 4096},
		{1, 1, false, 96, 96},
		{97, 10, false, 320, 240},
		{320, 240, false, 320, 240},
		{320, 241, false, 640, 480},
		{640, 480, false, 640, 480},
		{641, 1, false, 800, 600},
		{800, 601, false, 1600, 1200},
		{1, 1201, false, 4096, 4096},
		{INT32_MAX, 1, false, 4096, 4096},
	};
	for (size_t i = 0; i < COUNT_OF(cases); i++) {
		struct thumb_size size = thumb_choose(cases[i].width, cases[i].height, cases[i].is_crop);
		if (size.width != cases[i].chosen_width || size.height != cases[i].chosen_height) {
			print_error("case %zu: %dx%d\n", i, size.width, size.height);
		}
		assert_int_equal(size.width, cases[i].chosen_width);
		assert_int_equal(size.height, cases[i].chosen_height);
		assert_int_equal(size.is_crop, cases[i].is_crop);
	}
}

static void media_type__clean_and_inline__by_the_list(void **state)
{
	(void)state;
	assert_true(str_equals(media_type_clean(STR(" image/png ")), STR("image/png")));
	assert_null(media_type_clean(STR("nonsense")).p);
	assert_null(media_type_clean(STR("text/plain\r\nX: y")).p);
	assert_null(media_type_clean(STR("text/\xC3\xA9")).p);
	assert_true(media_type_is_inline(STR("IMAGE/PNG; x=y")));
	assert_false(media_type_is_inline(STR("image/svg+xml")));
	assert_false(media_type_is_inline(STR("text/html")));
	assert_false(media_type_is_inline(STR("image/png/x")));
	assert_false(media_type_is_inline(STR("")));
}

static void media_disposition__names__quoted_or_encoded(void **state)
{
	(void)state;
	struct arena *arena CLEANUP(arena_cleanup) = arena_create();
	assert_true(str_equals(media_disposition(arena, true, (struct str){0}), STR("inline")));
	assert_true(str_equals(media_disposition(arena, false, STR("a \"b\\.txt")),
		STR("attachment; filename=\"a \\\"b\\\\.txt\"")));
	assert_true(str_equals(media_disposition(arena, true, STR("\xE5\x9C\x96 1.png")),
		STR("inline; filename*=utf-8''%E5%9C%96%201.png")));
}

static void media_type_sniff__first_bytes__four_types(void **state)
{
	(void)state;
	assert_true(str_equals(media_type_sniff(STR("\xFF\xD8\xFF\xE0")), STR("image/jpeg")));
	assert_true(str_equals(media_type_sniff(STR("\x89PNG\r\n\x1A\n")), STR("image/png")));
	assert_true(str_equals(media_type_sniff(STR("GIF89a..")), STR("image/gif")));
	assert_true(str_equals(media_type_sniff(STR("RIFF\0\0\0\0WEBPVP8 ")), STR("image/webp")));
	assert_null(media_type_sniff(STR("RIFF\0\0\0\0WAVE")).p);
	assert_null(media_type_sniff(STR("<svg")).p);
	assert_null(media_type_sniff(STR("")).p);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(thumb_choose__every_wish__at_least_as_large),
		cmocka_unit_test(media_type__clean_and_inline__by_the_list),
		cmocka_unit_test(media_disposition__names__quoted_or_encoded),
		cmocka_unit_test(media_type_sniff__first_bytes__four_types),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
