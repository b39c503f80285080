-- name: media_insert
-- One row: origin, media id, user (null: none), type, name, size, hash, now, open, a copy of another server's, used. What is quarantined stays so under another id. Its one
-- row says whether the content was removed a moment ago. Index: media_garbage_pkey, media_sha256_idx.
WITH wanted AS (
	DELETE FROM media_garbage WHERE sha256 = $7 RETURNING is_removed
)
INSERT INTO media (origin, media_id, user_id, content_type, file_name, size_bytes, sha256, created_ms,
	expires_ms, is_open, is_remote, used_ms, is_quarantined)
VALUES ($1, $2, $3, $4, $5, $6, $7, $8, 0, $9, $10, $11,
	EXISTS (SELECT 1 FROM media AS m WHERE m.sha256 = $7 AND m.is_quarantined))
RETURNING coalesce((SELECT is_removed FROM wanted), false);

-- name: media_reserve hot
-- One row when the user has fewer than $6 ids without content, else none: origin, media id, user, now, expiry, limit, open.
-- Index: media_user_idx.
INSERT INTO media (origin, media_id, user_id, created_ms, expires_ms, is_open)
SELECT $1, $2, $3, $4, $5, $7
WHERE (SELECT count(*) FROM media m WHERE m.user_id = $3 AND m.sha256 IS NULL AND m.expires_ms > $4) < $6
RETURNING media_id;

-- name: media_fill hot
-- Gives an id its content, once: origin, media id, user, type, name, size, hash, now. Its one row is as that of media_insert. Index:
-- media_pkey, media_garbage_pkey, media_sha256_idx.
WITH wanted AS (
	DELETE FROM media_garbage WHERE sha256 = $7 RETURNING is_removed
)
UPDATE media SET content_type = $4, file_name = $5, size_bytes = $6, sha256 = $7, is_quarantined = is_quarantined
	OR EXISTS (SELECT 1 FROM media AS m WHERE m.sha256 = $7 AND m.is_quarantined)
WHERE origin = $1 AND media_id = $2 AND user_id = $3 AND sha256 IS NULL AND expires_ms > $8
RETURNING coalesce((SELECT is_removed FROM wanted), false);

-- name: media_find hot
-- At most one row. Index: media_pkey.
SELECT user_id, content_type, file_name, size_bytes, sha256, created_ms, expires_ms, is_open, is_quarantined,
	is_remote, used_ms
FROM media WHERE origin = $1 AND media_id = $2;

-- name: media_usage hot
-- One row: files and bytes of a user. Index: media_user_idx.
SELECT count(*), coalesce(sum(size_bytes), 0)::bigint FROM media WHERE user_id = $1;

-- name: media_quarantine hot
-- Sets or lifts the quarantine of a file, and of all others with the same content. Index: media_pkey, media_sha256_idx.
UPDATE media SET is_quarantined = $3
WHERE (origin = $1 AND media_id = $2) OR sha256 = (SELECT m.sha256 FROM media AS m WHERE m.origin = $1 AND m.media_id = $2);

-- name: media_quarantine_user
-- All files of a user, and others with the same content. Index: media_user_idx, media_sha256_idx.
UPDATE media SET is_quarantined = true
WHERE NOT is_quarantined AND (user_id = $1 OR sha256 IN (SELECT m.sha256 FROM media AS m WHERE m.user_id = $1));

-- name: media_delete
-- At most one row: the id. Its content may be garbage then: origin, media id, now. Index: media_pkey.
WITH gone AS (
	DELETE FROM media WHERE origin = $1 AND media_id = $2 RETURNING media_id, sha256
), garbage AS (
	INSERT INTO media_garbage (sha256, since_ms) SELECT DISTINCT sha256, $3::bigint FROM gone WHERE sha256 IS NOT NULL
	ON CONFLICT (sha256) DO UPDATE SET is_removed = false, since_ms = excluded.since_ms
)
SELECT media_id FROM gone;

-- name: media_delete_user
-- The same for the oldest $3 of a user: user, now, limit. Index: media_user_idx.
WITH oldest AS (
	SELECT origin, media_id FROM media WHERE user_id = $1 ORDER BY created_ms, media_id LIMIT $3
), gone AS (
	DELETE FROM media USING oldest WHERE media.origin = oldest.origin AND media.media_id = oldest.media_id
	RETURNING media.media_id, media.sha256
), garbage AS (
	INSERT INTO media_garbage (sha256, since_ms) SELECT DISTINCT sha256, $2::bigint FROM gone WHERE sha256 IS NOT NULL
	ON CONFLICT (sha256) DO UPDATE SET is_removed = false, since_ms = excluded.since_ms
)
SELECT media_id FROM gone;

-- name: media_list
-- $2 files from the $3rd on, newest first, those of one millisecond by their names, of a user or (null) of all. Index: media_user_idx; all are
-- sorted where there is no user.
SELECT origin, media_id, user_id, content_type, file_name, size_bytes, created_ms, is_quarantined
FROM media WHERE ($1::text IS NULL OR user_id = $1) AND sha256 IS NOT NULL
ORDER BY created_ms DESC, media_id, origin LIMIT $2 OFFSET $3;

-- name: media_garbage_take
-- The oldest that is to be removed; nobody else has it until the transaction ends. Index: media_garbage_since_idx.
SELECT sha256 FROM media_garbage WHERE NOT is_removed ORDER BY since_ms LIMIT 1 FOR UPDATE SKIP LOCKED;

-- name: media_garbage_judge
-- One row: whether something refers to content ($1). If no file does, its thumbnails go, and may be garbage then ($2: now). Index:
-- media_sha256_idx, media_thumbnails_pkey, media_thumbnails_sha256_idx.
WITH used AS MATERIALIZED (
	SELECT EXISTS (SELECT 1 FROM media WHERE sha256 = $1) AS by_file,
		EXISTS (SELECT 1 FROM media_thumbnails WHERE sha256 = $1 AND source <> $1) AS by_thumbnail
), thumbnails AS (
	DELETE FROM media_thumbnails USING used WHERE source = $1 AND NOT used.by_file RETURNING media_thumbnails.sha256
), more AS (
	INSERT INTO media_garbage (sha256, since_ms)
	SELECT DISTINCT sha256, $2::bigint FROM thumbnails WHERE sha256 IS NOT NULL AND sha256 <> $1
	ON CONFLICT (sha256) DO UPDATE SET is_removed = false, since_ms = excluded.since_ms
)
SELECT by_file OR by_thumbnail FROM used;

-- name: media_garbage_keep
-- It is wanted. Index: media_garbage_pkey.
DELETE FROM media_garbage WHERE sha256 = $1;

-- name: media_garbage_removed
-- It is gone. Index: media_garbage_pkey.
UPDATE media_garbage SET is_removed = true, since_ms = $2 WHERE sha256 = $1;

-- name: media_garbage_forget
-- What was removed before a time. Index: media_garbage_since_idx.
DELETE FROM media_garbage WHERE is_removed AND since_ms < $1;

-- name: media_delete_expired hot
-- Ids that never got content. Index: media_expires_idx.
DELETE FROM media WHERE sha256 IS NULL AND expires_ms < $1;

-- name: media_set_used hot
-- Somebody wanted a copy. Index: media_pkey.
UPDATE media SET used_ms = $3 WHERE origin = $1 AND media_id = $2 AND is_remote AND used_ms < $3;

-- name: media_remote_total
-- One row: bytes of all copies. An index-only scan of media_remote_idx: hourly, and when the budget is spent.
SELECT coalesce(sum(size_bytes), 0)::bigint FROM media WHERE is_remote;

-- name: media_remote_oldest hot
-- Copies by when they were last used; quarantined ones stay, so that they are not fetched again. Index: media_remote_idx.
SELECT origin, media_id, size_bytes, sha256, used_ms FROM media WHERE is_remote AND NOT is_quarantined
ORDER BY used_ms LIMIT $1;

-- name: media_remote_delete hot
-- A copy. Index: media_pkey.
DELETE FROM media WHERE origin = $1 AND media_id = $2 AND is_remote AND NOT is_quarantined;

-- name: media_thumbnails_delete hot
-- All of one image: where their contents lie. Index: media_thumbnails_pkey.
DELETE FROM media_thumbnails WHERE source = $1 RETURNING sha256;

-- name: media_thumbnail_find hot
-- At most one row. Index: media_thumbnails_pkey.
SELECT content_type, size_bytes, sha256, is_too_large FROM media_thumbnails WHERE source = $1 AND variant = $2;

-- name: media_thumbnail_insert
-- One row while a file has the source; whoever was first stays. Else the thumbnail is garbage ($7: now). Its one row is as that of
-- media_insert. Index: media_sha256_idx, media_garbage_pkey.
WITH used AS MATERIALIZED (
	SELECT EXISTS (SELECT 1 FROM media WHERE sha256 = $1) AS by_file
), wanted AS (
	DELETE FROM media_garbage USING used WHERE sha256 = $5 AND used.by_file RETURNING is_removed
), made AS (
	INSERT INTO media_thumbnails (source, variant, content_type, size_bytes, sha256, is_too_large)
	SELECT $1, $2, $3, $4, $5, $6 FROM used WHERE used.by_file
	ON CONFLICT DO NOTHING
), unwanted AS (
	INSERT INTO media_garbage (sha256, since_ms) SELECT $5::bytea, $7::bigint FROM used WHERE NOT used.by_file AND $5::bytea IS NOT NULL
	ON CONFLICT (sha256) DO UPDATE SET is_removed = false, since_ms = excluded.since_ms
)
SELECT coalesce((SELECT is_removed FROM wanted), false);
