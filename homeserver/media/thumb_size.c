/*
 * Few sizes, so that few thumbnails of a file exist. Those of the specification, squares and small ones for clients that show
 * such, those for screens of twice as many dots, and one for what asks for more: "Servers MUST NOT return a smaller thumbnail than
 * requested, unless the original content makes that impossible." Most images are no larger than that, and stand for themselves.
 */
#include "base/thumbnail_status.h"
#include "homeserver/media/thumb.h"

static const struct thumb_size sizes[] = {
	{32, 32, true},
	{96, 96, true},
	{320, 240, true},
	{320, 320, true},
	{640, 480, true},
	{640, 640, true},
	{800, 600, true},
	{800, 800, true},
	{1600, 1200, true},
	{1600, 1600, true},
	{THUMBNAIL_MAX_SIDE, THUMBNAIL_MAX_SIDE, true},
	{96, 96, false},
	{320, 240, false},
	{640, 480, false},
	{800, 600, false},
	{1600, 1200, false},
	{THUMBNAIL_MAX_SIDE, THUMBNAIL_MAX_SIDE, false},
};

/* How far the shapes differ, in hundredths of the wish's. */
static int64_t shape_distance(const struct thumb_size *size, int64_t width, int64_t height)
{
	int64_t difference = size->width * height - size->height * width;
	return (difference < 0 ? -difference : difference) * 100 / (size->height * width);
}

static bool is_better(const struct thumb_size *size, const struct thumb_size *best, int64_t width,
	int64_t height)
{
	bool covers = size->width >= width && size->height >= height;
	bool best_covers = best->width >= width && best->height >= height;
	int64_t area = (int64_t)size->width * size->height;
	int64_t best_area = (int64_t)best->width * best->height;
	if (covers != best_covers) {
		return covers;
	}
	if (size->is_crop && covers) {
		int64_t distance = shape_distance(size, width, height);
		int64_t best_distance = shape_distance(best, width, height);
		if (distance != best_distance) {
			return distance < best_distance;
		}
	}
	return covers ? area < best_area : area > best_area;
}

struct thumb_size thumb_choose(int64_t width, int64_t height, bool is_crop)
{
	const struct thumb_size *best = NULL;
	for (size_t i = 0; i < COUNT_OF(sizes); i++) {
		if (sizes[i].is_crop == is_crop &&
			(best == NULL || is_better(&sizes[i], best, width, height))) {
			best = &sizes[i];
		}
	}
	invariant(best != NULL);
	return *best;
}
