-- name: device_upsert
-- One row; a device that is known keeps its name. The device's row stays locked until the transaction ends.
-- Index: devices_pkey.
INSERT INTO devices (user_id, device_id, display_name, last_seen_ms, last_seen_ip, last_seen_user_agent, created_at_ms)
VALUES ($1, $2, $3, $4, $5, $6, $4)
ON CONFLICT (user_id, device_id) DO UPDATE SET last_seen_ms = excluded.last_seen_ms,
	last_seen_ip = excluded.last_seen_ip, last_seen_user_agent = excluded.last_seen_user_agent;

-- name: device_lock
-- At most one row. Index: devices_pkey.
SELECT device_id FROM devices WHERE user_id = $1 AND device_id = $2 FOR UPDATE;

-- name: device_list hot
-- All devices of a user. Index: devices_pkey.
SELECT device_id, display_name, last_seen_ms, last_seen_ip, last_seen_user_agent, created_at_ms
FROM devices WHERE user_id = $1 ORDER BY created_at_ms, device_id;

-- name: device_find hot
-- At most one row. Index: devices_pkey.
SELECT device_id, display_name, last_seen_ms, last_seen_ip, last_seen_user_agent, created_at_ms
FROM devices WHERE user_id = $1 AND device_id = $2;

-- name: device_rename
-- One row unless there is no such device; who has its keys is told (device_list_pending). Index: devices_pkey, device_keys_pkey.
WITH told AS (
	INSERT INTO device_list_pending (user_id)
	SELECT k.user_id FROM device_keys k JOIN devices d ON d.user_id = k.user_id AND d.device_id = k.device_id
	WHERE k.user_id = $1 AND k.device_id = $2 AND d.display_name IS DISTINCT FROM $3
	ON CONFLICT DO NOTHING
)
UPDATE devices SET display_name = $3 WHERE user_id = $1 AND device_id = $2;

-- name: device_delete
-- Those of the list that there are; their tokens, keys and messages go with them, and who has the keys is told (device_list_pending). All
-- devices are held first, in the order of device_message_insert, then all their counters in that of one_time_key_claim: so nobody waits in a
-- ring. What else goes with a device is changed by who holds it, or by who holds nothing besides. Index: devices_pkey, device_keys_pkey, one_time_key_counters_pkey.
WITH held AS MATERIALIZED (
	SELECT device_id FROM devices WHERE user_id = $1 AND device_id = ANY($2::text[]) ORDER BY device_id FOR UPDATE
), counters AS MATERIALIZED (
	SELECT algorithm FROM one_time_key_counters WHERE user_id = $1 AND device_id = ANY(ARRAY(SELECT h.device_id FROM held h))
	ORDER BY device_id, algorithm FOR UPDATE
), told AS (
	INSERT INTO device_list_pending (user_id)
	SELECT DISTINCT k.user_id FROM device_keys k WHERE k.user_id = $1 AND k.device_id = ANY($2::text[])
	ON CONFLICT DO NOTHING
)
DELETE FROM devices WHERE user_id = $1 AND device_id = ANY(ARRAY(SELECT h.device_id FROM held h)) AND (SELECT count(*) FROM counters) >= 0;

-- name: device_hold_but
-- All devices of a user but one ('' or NULL: all) until the transaction ends, in the order of device_message_insert. Index: devices_pkey.
SELECT device_id FROM devices WHERE user_id = $1 AND device_id IS DISTINCT FROM $2::text ORDER BY device_id FOR UPDATE;

-- name: device_delete_but
-- They end, as by device_delete, behind device_hold_but: a counter that was made while that one waited is seen here, and none is made any more.
-- Index: devices_pkey, device_keys_pkey, one_time_key_counters_pkey.
WITH counters AS MATERIALIZED (
	SELECT algorithm FROM one_time_key_counters WHERE user_id = $1 AND device_id IS DISTINCT FROM $2::text
	ORDER BY device_id, algorithm FOR UPDATE
), told AS (
	INSERT INTO device_list_pending (user_id)
	SELECT DISTINCT k.user_id FROM device_keys k WHERE k.user_id = $1 AND k.device_id IS DISTINCT FROM $2::text
	ON CONFLICT DO NOTHING
)
DELETE FROM devices WHERE user_id = $1 AND device_id IS DISTINCT FROM $2::text AND (SELECT count(*) FROM counters) >= 0;

-- name: device_seen
-- The last request of each: user, device, milliseconds, address, user agent, position of its sync. Another process may have seen a later one,
-- or a sync that got further: the newest of each stays, also of a device that is named twice. Index: devices_pkey.
UPDATE devices SET last_seen_ms = greatest(devices.last_seen_ms, n.at_ms),
	last_seen_ip = CASE WHEN devices.last_seen_ms <= n.at_ms THEN n.ip ELSE devices.last_seen_ip END,
	last_seen_user_agent = CASE WHEN devices.last_seen_ms <= n.at_ms THEN nullif(n.user_agent, '')
		ELSE devices.last_seen_user_agent END,
	synced_position = greatest(devices.synced_position, n.synced_position)
FROM (
	SELECT DISTINCT ON (user_id, device_id) user_id, device_id, at_ms, ip, user_agent,
		max(synced_position) OVER (PARTITION BY user_id, device_id) AS synced_position
	FROM unnest($1::text[], $2::text[], $3::bigint[], $4::text[], $5::text[], $6::bigint[])
		AS s(user_id, device_id, at_ms, ip, user_agent, synced_position)
	ORDER BY user_id, device_id, at_ms DESC
) AS n
WHERE devices.user_id = n.user_id AND devices.device_id = n.device_id
	AND (devices.last_seen_ms <= n.at_ms OR devices.synced_position < n.synced_position);
