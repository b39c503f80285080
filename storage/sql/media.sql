-- name: media_insert
-- One row: origin, media id, user (null: none), type, name, size, hash, now, open, a copy of another server's, used.
INSERT INTO media (origin, media_id, user_id, content_type, file_name, size_bytes, sha256, created_ms,
	expires_ms, is_open, is_remote, used_ms)
VALUES ($1, $2, $3, $4, $5, $6, $7, $8, 0, $9, $10, $11);

-- name: media_reserve hot
-- One row when the user has fewer than $6 ids without content, else none: origin, media id, user, now, expiry, limit, open.
-- Index: media_user_idx.
INSERT INTO media (origin, media_id, user_id, created_ms, expires_ms, is_open)
SELECT $1, $2, $3, $4, $5, $7
WHERE (SELECT count(*) FROM media m WHERE m.user_id = $3 AND m.sha256 IS NULL AND m.expires_ms > $4) < $6
RETURNING media_id;

-- name: media_fill hot
-- Gives an id its content, once: origin, media id, user, type, name, size, hash, now. Index: media_pkey.
UPDATE media SET content_type = $4, file_name = $5, size_bytes = $6, sha256 = $7
WHERE origin = $1 AND media_id = $2 AND user_id = $3 AND sha256 IS NULL AND expires_ms > $8;

-- name: media_find hot
-- At most one row. Index: media_pkey.
SELECT user_id, content_type, file_name, size_bytes, sha256, created_ms, expires_ms, is_open, is_quarantined,
	is_remote, used_ms
FROM media WHERE origin = $1 AND media_id = $2;

-- name: media_usage hot
-- One row: files and bytes of a user. Index: media_user_idx.
SELECT count(*), coalesce(sum(size_bytes), 0)::bigint FROM media WHERE user_id = $1;

-- name: media_quarantine hot
-- Sets or lifts the quarantine of one file. Index: media_pkey.
UPDATE media SET is_quarantined = $3 WHERE origin = $1 AND media_id = $2;

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
-- One row; whoever was first stays.
INSERT INTO media_thumbnails (source, variant, content_type, size_bytes, sha256, is_too_large)
VALUES ($1, $2, $3, $4, $5, $6) ON CONFLICT DO NOTHING;
