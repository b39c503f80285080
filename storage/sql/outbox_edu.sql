-- name: outbox_edus_servers
-- Destinations for which EDUs are stored: one look into the index for each. Once a second. Index: outbox_edus_pkey.
WITH RECURSIVE found AS (
	(SELECT server FROM outbox_edus ORDER BY server LIMIT 1)
	UNION ALL
	SELECT (SELECT e.server FROM outbox_edus e WHERE e.server > f.server ORDER BY e.server LIMIT 1)
	FROM found f WHERE f.server IS NOT NULL
)
SELECT server FROM found WHERE server IS NOT NULL;

-- name: outbox_edus_next hot
-- The first $2 EDUs of a destination: number, type, content. Index: outbox_edus_pkey.
SELECT edu_id, edu_type, content FROM outbox_edus WHERE server = $1 ORDER BY edu_id LIMIT $2;

-- name: outbox_edus_by_id hot
-- EDUs of a destination by number, as above. Index: outbox_edus_pkey.
SELECT edu_id, edu_type, content FROM outbox_edus WHERE server = $1 AND edu_id = ANY($2::bigint[]) ORDER BY edu_id;

-- name: outbox_edus_add
-- EDUs: server, key, type, content. One with a key that waits already is left alone. Index: outbox_edus_key_key.
INSERT INTO outbox_edus (server, key, edu_type, content)
SELECT u.server, u.key, u.edu_type, u.content FROM unnest($1::text[], $2::text[], $3::text[], $4::text[])
	WITH ORDINALITY AS u(server, key, edu_type, content, n)
ORDER BY u.n
ON CONFLICT (server, key) DO NOTHING;

-- name: outbox_edus_replace
-- The same; one that waits gives its place to the newer one with its key, which comes last. Index: outbox_edus_key_key.
INSERT INTO outbox_edus (server, key, edu_type, content)
SELECT u.server, u.key, u.edu_type, u.content FROM unnest($1::text[], $2::text[], $3::text[], $4::text[])
	WITH ORDINALITY AS u(server, key, edu_type, content, n)
ORDER BY u.n
ON CONFLICT (server, key) DO UPDATE SET edu_id = DEFAULT, content = excluded.content;

-- name: outbox_edus_delete
-- EDUs of a destination that have arrived. Index: outbox_edus_pkey.
DELETE FROM outbox_edus WHERE server = $1 AND edu_id = ANY($2::bigint[]);

-- name: outbox_edus_trim
-- Of a destination's EDUs the newest $2 stay. Index: outbox_edus_pkey.
DELETE FROM outbox_edus WHERE server = $1 AND edu_id <= (
	SELECT edu_id FROM outbox_edus WHERE server = $1 ORDER BY edu_id DESC OFFSET $2 LIMIT 1);

-- name: device_list_changes_in_stream hot
-- Users of ours ($4 is our name) whose keys changed, for everybody to see, with $1 < position <= $2, in order, up to $3: user, position.
-- Index: device_list_changes_position_idx.
SELECT user_id, position FROM device_list_changes
WHERE position > $1 AND position <= $2 AND seen_by = ''
	AND substr(user_id, strpos(user_id, ':') + 1) = $4 ORDER BY position LIMIT $3;

-- name: device_list_told hot
-- What was told of users' ($1) devices: user, device, digest, position. Index: device_list_told_pkey.
SELECT user_id, device_id, digest, position FROM device_list_told WHERE user_id = ANY($1::text[]) ORDER BY user_id, device_id;

-- name: device_list_tell
-- Told of a user ($1) now: devices, digests, positions; what is not among them is forgotten. Index: device_list_told_pkey.
WITH now AS (
	SELECT * FROM unnest($2::text[], $3::text[], $4::bigint[]) AS u(device_id, digest, position)
), gone AS (
	DELETE FROM device_list_told t WHERE t.user_id = $1 AND t.device_id NOT IN (SELECT device_id FROM now)
)
INSERT INTO device_list_told (user_id, device_id, digest, position) SELECT $1, device_id, digest, position FROM now
ON CONFLICT (user_id, device_id) DO UPDATE SET digest = excluded.digest, position = excluded.position;
