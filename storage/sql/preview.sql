-- name: preview_find hot
-- At most one row. Index: url_previews_pkey.
SELECT answer FROM url_previews WHERE url_sha256 = $1 AND expires_ms > $2;

-- name: preview_set
-- One row; the newest counts: hash, answer, expiry.
INSERT INTO url_previews (url_sha256, answer, expires_ms) VALUES ($1, $2, $3)
ON CONFLICT (url_sha256) DO UPDATE SET answer = excluded.answer, expires_ms = excluded.expires_ms;

-- name: preview_delete_expired hot
-- Index: url_previews_expires_idx.
DELETE FROM url_previews WHERE expires_ms < $1;
