/**
 * Objects of a bucket in an S3-compatible service: put, get, delete, from and to files, by the outgoing client. Signed by
 * libcurl (AWS Signature Version 4), addressed by path: ENDPOINT/BUCKET/KEY.
 *
 * The service is named by the configuration, so it may stand in one's own network. Waits like http_client_fetch(), but as
 * long as the object's size needs, whatever the ctx's deadline.
 */
#ifndef BELFRY_HTTP_CLIENT_S3_H
#define BELFRY_HTTP_CLIENT_S3_H

#include "http/client.h"

/** Texts are borrowed. */
struct s3_bucket {
	struct str endpoint; /**< "https://host" or "http://host:port", no slash at the end */
	struct str region;
	struct str bucket;
	struct str access_key;
	struct str secret_key;
};

/**
 * Stores a file under a key; one that is there is replaced.
 *
 * @param key     characters that need no encoding in a path; slashes too
 * @param fd      read from its beginning by offset; not shared with others meanwhile
 * @param sha256  of the content, 64 hexadecimal digits: the service checks it
 * Errors: REMOTE (the cause says: unreachable, refused); TIMEOUT; SHUTDOWN
 */
MUST_CHECK enum err s3_put(struct ctx *ctx, struct http_client *client,
	const struct s3_bucket *bucket, struct str key, int fd, int64_t size_bytes, struct str sha256);

struct s3_piece {
	int fd;             /**< an empty file */
	int64_t begin, end; /**< what is wanted */
	bool is_whole;      /**< that is all of the object */
};

/**
 * Writes an object, or a part of it, into a file, each byte where it lies in the object.
 * Errors: MISSING (no fault text); CONFLICT (the service gives all of it where a part is asked for: broken off at the first byte);
 * REMOTE (also: the object is shorter); LIMIT (it is longer); STORE (the file cannot be written); TIMEOUT; SHUTDOWN
 */
MUST_CHECK enum err s3_get(struct ctx *ctx, struct http_client *client,
	const struct s3_bucket *bucket, struct str key, const struct s3_piece *piece);

/** One that is not there is fine. Errors: as s3_put(). */
MUST_CHECK enum err s3_delete(struct ctx *ctx, struct http_client *client,
	const struct s3_bucket *bucket, struct str key);

#endif
