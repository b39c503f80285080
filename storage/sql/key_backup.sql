-- name: key_backup_create
-- The next version: user, algorithm, auth data, most versions alive. One row unless there are that many. Index: key_backups_pkey.
INSERT INTO key_backups (user_id, version, algorithm, auth_data)
SELECT $1::text, coalesce(max(b.version), 0) + 1, $2::text, $3::text FROM key_backups b WHERE b.user_id = $1
HAVING count(*) FILTER (WHERE NOT b.is_deleted) < $4::bigint
RETURNING version;

-- name: key_backup_find hot
-- A version, or the newest alive (0): at most one row. Index: key_backups_pkey.
SELECT b.version, b.algorithm, b.auth_data, b.etag, b.key_count, b.is_deleted FROM key_backups b
WHERE b.user_id = $1 AND (b.version = $2 OR ($2 = 0 AND NOT b.is_deleted)) ORDER BY b.version DESC LIMIT 1;

-- name: key_backup_update
-- One row unless it is gone. Index: key_backups_pkey.
UPDATE key_backups SET auth_data = $3 WHERE user_id = $1 AND version = $2 AND NOT is_deleted;

-- name: key_backup_delete
-- One row if there is, or was, such a version; its keys go. Index: key_backups_pkey, key_backup_keys_pkey.
WITH keys AS (DELETE FROM key_backup_keys WHERE user_id = $1 AND version = $2)
UPDATE key_backups SET is_deleted = true, auth_data = '{}', key_count = 0 WHERE user_id = $1 AND version = $2;

-- name: key_backup_put
-- Keys for the newest version: user, version, rooms, sessions, first indexes, forwarded counts, verified (0, 1), data, most keys.
-- A better key takes the place of a stored one. One row: the newest version (NULL: none), and etag and count when it was that
-- one. Too many keys divide by zero. Index: key_backups_pkey, key_backup_keys_pkey.
WITH newest AS (
	SELECT max(b.version) AS version FROM key_backups b WHERE b.user_id = $1 AND NOT b.is_deleted
), put AS (
	INSERT INTO key_backup_keys AS k (user_id, version, room_id, session_id, first_message_index, forwarded_count,
		is_verified, session_data)
	SELECT $1::text, n.version, u.room_id, u.session_id, u.first_message_index, u.forwarded_count, u.is_verified <> 0,
		u.session_data
	FROM unnest($3::text[], $4::text[], $5::bigint[], $6::bigint[], $7::bigint[], $8::text[]) AS
		u(room_id, session_id, first_message_index, forwarded_count, is_verified, session_data)
	JOIN newest n ON n.version = $2::bigint
	ORDER BY u.room_id, u.session_id
	ON CONFLICT (user_id, version, room_id, session_id) DO UPDATE SET first_message_index = excluded.first_message_index,
		forwarded_count = excluded.forwarded_count, is_verified = excluded.is_verified,
		session_data = excluded.session_data
	WHERE (excluded.is_verified, - excluded.first_message_index, - excluded.forwarded_count)
		> (k.is_verified, - k.first_message_index, - k.forwarded_count)
	RETURNING (k.xmax = 0) AS is_new
), counted AS (
	UPDATE key_backups b SET key_count = b.key_count + (SELECT count(*) FROM put WHERE is_new),
		etag = b.etag + CASE WHEN EXISTS (SELECT 1 FROM put) THEN 1 ELSE 0 END
	FROM newest n WHERE b.user_id = $1 AND b.version = $2 AND n.version = $2
	RETURNING b.etag, b.key_count
)
SELECT n.version, c.etag, c.key_count / CASE WHEN c.key_count <= $9::bigint THEN 1 ELSE 0 END
FROM newest n LEFT JOIN counted c ON true;

-- name: key_backup_all hot
-- All keys of a version. Index: key_backup_keys_pkey.
SELECT k.room_id, k.session_id, k.first_message_index, k.forwarded_count, k.is_verified, k.session_data
FROM key_backup_keys k WHERE k.user_id = $1 AND k.version = $2 ORDER BY k.room_id, k.session_id;

-- name: key_backup_room hot
-- Keys of one room. Index: key_backup_keys_pkey.
SELECT k.room_id, k.session_id, k.first_message_index, k.forwarded_count, k.is_verified, k.session_data
FROM key_backup_keys k WHERE k.user_id = $1 AND k.version = $2 AND k.room_id = $3 ORDER BY k.session_id;

-- name: key_backup_session hot
-- One key. Index: key_backup_keys_pkey.
SELECT k.room_id, k.session_id, k.first_message_index, k.forwarded_count, k.is_verified, k.session_data
FROM key_backup_keys k WHERE k.user_id = $1 AND k.version = $2 AND k.room_id = $3 AND k.session_id = $4;

-- name: key_backup_clear
-- Keys of a version, of one room (NULL: all), of one session (NULL: all), go. One row, etag and count, unless the version is gone.
-- Index: key_backup_keys_pkey, key_backups_pkey.
WITH gone AS (
	DELETE FROM key_backup_keys k WHERE k.user_id = $1 AND k.version = $2
		AND ($3::text IS NULL OR k.room_id = $3) AND ($4::text IS NULL OR k.session_id = $4)
	RETURNING 1
)
UPDATE key_backups b SET key_count = b.key_count - (SELECT count(*) FROM gone),
	etag = b.etag + CASE WHEN EXISTS (SELECT 1 FROM gone) THEN 1 ELSE 0 END
WHERE b.user_id = $1 AND b.version = $2 AND NOT b.is_deleted
RETURNING b.etag, b.key_count;
