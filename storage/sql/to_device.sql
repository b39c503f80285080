-- name: device_message_next hot
-- What has arrived goes (up to $3); the oldest of the rest up to a position, at most $5 rows. Index: device_messages_pkey.
WITH arrived AS (
	DELETE FROM device_messages d WHERE d.user_id = $1 AND d.device_id = $2 AND d.position <= $3
)
SELECT m.position, m.message FROM device_messages m
WHERE m.user_id = $1 AND m.device_id = $2 AND m.position > $3 AND m.position <= $4
ORDER BY m.position LIMIT $5;

-- name: device_message_all hot
-- All devices of users. Index: devices_pkey.
SELECT d.user_id, d.device_id FROM devices d WHERE d.user_id = ANY($1::text[]) ORDER BY d.user_id, d.device_id;
