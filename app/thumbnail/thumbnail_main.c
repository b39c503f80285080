/*
 * belfry-thumbnail: makes one thumbnail, in a process of its own, so that a mistake in a decoder meets nothing: no file but
 * the two that it was given, no network, no other program, bounded memory and time.
 *
 *     belfry-thumbnail TYPE WIDTH HEIGHT scale|crop still|animated <SOURCE >RESULT
 *
 * TYPE is what the server found in the first bytes; only that decoder is reachable. The exit status tells the outcome, see
 * base/thumbnail_status.h. The result is PNG when the source is or has transparency, else JPEG, and WebP when it moves; turned
 * upright, in sRGB, without metadata.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <vips/vips.h>

#include <vips/vector.h> /* needs what the above declares */

#include "app/thumbnail/confine.h"
#include "base/thumbnail_status.h"

enum {
	ARGUMENTS = 6,
	JPEG_QUALITY = 82,
	WEBP_QUALITY = 75,
	WEBP_EFFORT = 2,
	MAX_FRAMES = 600,
	GIF_HEAD_BYTES = 10, /* with the canvas's size */
};

/* Of an image, and of all frames of one that moves, together. */
static const int64_t max_pixels = 120000000;
/* Of all frames of the result, which lie in memory and are encoded: some seconds of work at the worst. */
static const int64_t max_moving_pixels = 48000000;

struct job {
	const char *type;
	int width;
	int height;
	bool is_crop;
	bool is_animated; /* wanted; then: will be made */
	int fit_width;    /* of an animation: what each frame is scaled into, before it is cropped */
	int fit_height;
	bool has_profile; /* its colours are to be converted; the others' would only be blurred by it */
};

static const struct {
	const char *type;
	const char *loader;
} loaders[] = {
	{"image/jpeg", "VipsForeignLoadJpeg"},
	{"image/png", "VipsForeignLoadPng"},
	{"image/gif", "VipsForeignLoadNsgif"},
	{"image/webp", "VipsForeignLoadWebp"},
};

/* All loaders off but the one. */
static bool allow_only(const char *type)
{
	vips_operation_block_set("VipsForeignLoad", TRUE);
	for (size_t i = 0; i < COUNT_OF(loaders); i++) {
		if (strcmp(loaders[i].type, type) == 0) {
			vips_operation_block_set(loaders[i].loader, FALSE);
			return true;
		}
	}
	return false;
}

static bool read_side(const char *text, int *out)
{
	char *end = NULL;
	long value = strtol(text, &end, 10);
	*out = (int)value;
	return *end == '\0' && value >= 1 && value <= THUMBNAIL_MAX_SIDE;
}

static bool read_job(char **arguments, struct job *out)
{
	out->type = arguments[1];
	out->is_crop = strcmp(arguments[4], "crop") == 0;
	out->is_animated = strcmp(arguments[5], "animated") == 0;
	return read_side(arguments[2], &out->width) && read_side(arguments[3], &out->height);
}

/* For "crop": the size that just covers what is cut out. */
static void fit_frames(struct job *job, int64_t width, int64_t height)
{
	job->fit_width = job->width;
	job->fit_height = job->height;
	if (job->is_crop) {
		double scale = MIN_OF(1.0,
			MAX_OF((double)job->width / (double)width, (double)job->height / (double)height));
		job->fit_width = MAX_OF(job->width, (int)((double)width * scale + 0.5));
		job->fit_height = MAX_OF(job->height, (int)((double)height * scale + 0.5));
	}
}

/* Whether an animation is worth its price; else its first frame has to do. */
static bool may_move(const struct job *job, int64_t width, int64_t height, int64_t frames)
{
	int64_t result = MIN_OF(width, job->fit_width) * MIN_OF(height, job->fit_height) * frames;
	return frames <= MAX_FRAMES && width * height * frames <= max_pixels &&
		result <= max_moving_pixels;
}

/* libvips does not believe in some canvases of GIF; who shows the original would. */
static bool is_canvas_small(const unsigned char *head, const struct job *job)
{
	int width = head[6] | head[7] << 8;
	int height = head[8] | head[9] << 8;
	return width <= job->width && height <= job->height;
}

/* Whether the image is no larger than its thumbnail, and may serve as its own. */
static bool is_own_thumbnail(VipsSource *source, const struct job *job, int64_t width,
	int64_t height)
{
	/* A PNG may move without saying so (APNG), so it is always made anew. */
	if (strcmp(job->type, "image/png") == 0 || width > job->width || height > job->height) {
		return false;
	}
	const unsigned char *head = vips_source_sniff(source, GIF_HEAD_BYTES);
	return head != NULL && (strcmp(job->type, "image/gif") != 0 || is_canvas_small(head, job));
}

/* Sizes as the header tells them, before anything is decoded. */
static enum thumbnail_status look_at_header(VipsSource *source, struct job *job)
{
	VipsImage *image =
		vips_image_new_from_source(source, "", "access", VIPS_ACCESS_SEQUENTIAL, NULL);
	if (image == NULL) {
		return THUMBNAIL_IMPOSSIBLE;
	}
	int64_t width = vips_image_get_width(image);
	int64_t height = vips_image_get_height(image);
	int64_t frames = vips_image_get_n_pages(image);
	job->has_profile = vips_image_get_typeof(image, VIPS_META_ICC_NAME) != 0 ||
		vips_image_get_interpretation(image) == VIPS_INTERPRETATION_CMYK;
	g_object_unref(image);
	if (width * height > max_pixels) {
		return THUMBNAIL_TOO_LARGE;
	}
	bool moves = frames > 1;
	fit_frames(job, width, height);
	job->is_animated = job->is_animated && moves && may_move(job, width, height, frames);
	bool may_stay = job->is_animated || !moves;
	return may_stay && is_own_thumbnail(source, job, width, height) ? THUMBNAIL_IS_ORIGINAL
																	: THUMBNAIL_MADE;
}

static VipsImage *make_still(VipsSource *source, const struct job *job)
{
	VipsImage *scaled = NULL;
	if (vips_thumbnail_source(source, &scaled, job->width, "height", job->height, "size",
			VIPS_SIZE_DOWN, "crop", job->is_crop ? VIPS_INTERESTING_CENTRE : VIPS_INTERESTING_NONE,
			"export_profile", job->has_profile ? "srgb" : NULL, "fail_on", VIPS_FAIL_ON_TRUNCATED,
			NULL) != 0) {
		return NULL;
	}
	VipsImage *out = NULL;
	bool is_grey = vips_image_get_bands(scaled) < 3;
	(void)vips_colourspace(scaled, &out,
		is_grey ? VIPS_INTERPRETATION_B_W : VIPS_INTERPRETATION_sRGB, NULL);
	g_object_unref(scaled);
	return out;
}

/* Cuts the middle out of each frame. The image lies in memory: each cut of one that does not would decode it anew. */
static VipsImage *crop_frames(VipsImage *image, const struct job *job)
{
	VipsImage *frames[MAX_FRAMES] = {NULL};
	VipsImage *out = NULL;
	int count = vips_image_get_n_pages(image);
	int page = vips_image_get_page_height(image);
	int width = MIN_OF(job->width, vips_image_get_width(image));
	int height = MIN_OF(job->height, page);
	int left = (vips_image_get_width(image) - width) / 2;
	int top = (page - height) / 2;
	int failed = count <= MAX_FRAMES ? 0 : -1;
	for (int i = 0; i < count && failed == 0; i++) {
		failed = vips_extract_area(image, &frames[i], left, i * page + top, width, height, NULL);
	}
	if (failed == 0 && vips_arrayjoin(frames, &out, count, "across", 1, NULL) == 0) {
		vips_image_set_int(out, VIPS_META_PAGE_HEIGHT, height);
	}
	for (int i = 0; i < MIN_OF(count, (int)MAX_FRAMES); i++) {
		g_clear_object(&frames[i]);
	}
	return out;
}

static VipsImage *make_animated(VipsSource *source, const struct job *job)
{
	VipsImage *scaled = NULL;
	if (vips_thumbnail_source(source, &scaled, job->fit_width, "height", job->fit_height, "size",
			VIPS_SIZE_DOWN, "export_profile", job->has_profile ? "srgb" : NULL, "option_string",
			"n=-1", NULL) != 0 ||
		!job->is_crop) {
		return scaled;
	}
	VipsImage *decoded = vips_image_copy_memory(scaled);
	g_object_unref(scaled);
	VipsImage *out = decoded != NULL ? crop_frames(decoded, job) : NULL;
	g_clear_object(&decoded);
	return out;
}

static enum thumbnail_status write_result(VipsImage *image, const struct job *job)
{
	VipsTarget *target = vips_target_new_to_descriptor(STDOUT_FILENO);
	int failed = 0;
	if (target == NULL) {
		return THUMBNAIL_IMPOSSIBLE;
	}
	if (job->is_animated) {
		failed = vips_webpsave_target(image, target, "Q", WEBP_QUALITY, "effort", WEBP_EFFORT,
			"strip", TRUE, NULL);
	} else if (strcmp(job->type, "image/png") == 0 || vips_image_hasalpha(image)) {
		/* Drawings and screenshots too: what is PNG has edges that JPEG would blur. */
		failed = vips_pngsave_target(image, target, "strip", TRUE, NULL);
	} else {
		failed = vips_jpegsave_target(image, target, "Q", JPEG_QUALITY, "strip", TRUE,
			"optimize_coding", TRUE, NULL);
	}
	g_object_unref(target);
	return failed == 0 ? THUMBNAIL_MADE : THUMBNAIL_IMPOSSIBLE;
}

static enum thumbnail_status run(struct job *job)
{
	VipsSource *source = vips_source_new_from_descriptor(STDIN_FILENO);
	if (source == NULL) {
		return THUMBNAIL_IMPOSSIBLE;
	}
	enum thumbnail_status status = look_at_header(source, job);
	if (status != THUMBNAIL_MADE) {
		return status;
	}
	VipsImage *image = job->is_animated ? make_animated(source, job) : make_still(source, job);
	return image != NULL ? write_result(image, job) : THUMBNAIL_IMPOSSIBLE;
}

int main(int count, char **arguments)
{
	struct job job;
	if (count != ARGUMENTS || !read_job(arguments, &job)) {
		(void)fputs("belfry-thumbnail: only belfry starts this, with two files\n", stderr);
		return THUMBNAIL_BAD_CALL;
	}
	confine_resources();
	if (VIPS_INIT("belfry-thumbnail") != 0 || !allow_only(job.type)) {
		return THUMBNAIL_BAD_CALL;
	}
	vips_concurrency_set(1);
	vips_cache_set_max(0);
	vips_vector_set_enabled(FALSE); /* it makes machine code, which needs memory that can be run */
	if (!confine_calls()) {
		return THUMBNAIL_BAD_CALL;
	}
	/* Not by way of exit handlers: nothing is left to tidy up, and much of what they would do is not allowed. */
	_exit((int)run(&job));
}
