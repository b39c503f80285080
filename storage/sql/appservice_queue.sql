-- name: appservice_look
-- Up to $3 events with $1 < position <= $2, in order: position, room, room id, sender, for m.room.member the state key, whether that user is
-- joined after it and was before it, whether by it another member's state changed (events met on a fork), where it is stored. Among them
-- memberships of local users in rooms that this server is not in: those have no sender, and are stored elsewhere.
-- Index: events_stream_idx, rooms_pkey, states_pkey, states_to_idx, members_position_idx.
WITH span AS MATERIALIZED (
	SELECT room_nid, position, sender, state_key, CASE WHEN type = 'm.room.member' THEN state_key END AS target
	FROM events WHERE position > 0 AND position > $1 AND position <= $2 ORDER BY position LIMIT $3
)
(SELECT e.position, e.room_nid, r.room_id, e.sender, e.target,
	coalesce((SELECT s.membership = 'join' AND s.to_position > e.position FROM states s WHERE s.room_nid = e.room_nid
		AND s.type = 'm.room.member' AND s.state_key = e.target AND s.from_position <= e.position
		ORDER BY s.from_position DESC LIMIT 1), false),
	coalesce((SELECT s.membership = 'join' AND s.to_position >= e.position FROM states s WHERE s.room_nid = e.room_nid
		AND s.type = 'm.room.member' AND s.state_key = e.target AND s.from_position < e.position
		ORDER BY s.from_position DESC LIMIT 1), false),
	EXISTS (SELECT 1 FROM states s WHERE s.room_nid = e.room_nid AND s.to_position = e.position
		AND s.to_position > $1 AND s.to_position <= $2
		AND s.type = (SELECT 'm.room.member') AND s.state_key IS DISTINCT FROM e.state_key),
	e.position
FROM span e JOIN rooms r ON r.room_nid = e.room_nid)
UNION ALL
SELECT m.position, m.room_nid, r.room_id, '', m.user_id, false, false, false, s.event_position
FROM members m JOIN rooms r ON r.room_nid = m.room_nid
	CROSS JOIN LATERAL (SELECT event_position FROM states WHERE room_nid = m.room_nid AND type = (SELECT 'm.room.member')
		AND state_key = m.user_id AND from_position >= m.position AND from_position <= m.position ORDER BY from_position LIMIT 1) AS s
WHERE m.is_local AND m.position > $1 AND m.position <= $2 AND s.event_position < 0 AND m.membership <> 'join'
ORDER BY 1;

-- name: appservice_members hot
-- Users of a server ($3) who were joined to rooms ($1) after a position ($2): room, user. Grows with the server's members.
-- Index: states_servers_idx.
SELECT u.room_nid, s.state_key FROM unnest($1::bigint[]) AS u(room_nid)
CROSS JOIN LATERAL (SELECT state_key FROM states WHERE room_nid = u.room_nid AND type = 'm.room.member'
	AND membership = 'join' AND from_position + 0 <= $2 AND to_position > $2 AND substr(state_key, strpos(state_key, ':') + 1) = $3 OFFSET 0) AS s;

-- name: appservice_aliases hot
-- Aliases of rooms ($1): room, alias. Index: aliases_room_idx.
SELECT room_nid, alias FROM aliases WHERE room_nid = ANY($1::bigint[]);

-- name: appservice_look_receipts hot
-- Receipts with $1 < position <= $2, in order, up to $3: position, room, room id, user, whether it is private.
-- Index: receipts_stream_idx, rooms_pkey.
SELECT c.position, c.room_nid, r.room_id, c.user_id, c.receipt_type = 'm.read.private'
FROM receipts c JOIN rooms r ON r.room_nid = c.room_nid WHERE c.position > 0 AND c.position > $1 AND c.position <= $2 ORDER BY c.position LIMIT $3;

-- name: appservice_look_devices
-- What concerns devices with $1 < position <= $2, in order, up to $3: position, user, whether it is a change of keys, else messages.
-- Index: device_messages_position_idx, device_list_changes_position_idx.
SELECT DISTINCT position, user_id, false AS is_change FROM device_messages WHERE position > $1 AND position <= $2
UNION ALL
SELECT position, user_id, true FROM device_list_changes WHERE position > $1 AND position <= $2 AND seen_by = ''
ORDER BY 1, 2 LIMIT $3;

-- name: appservice_look_whole hot
-- Rooms whose members have become known with $1 < position <= $2: position, room. Index: rooms_whole_idx.
SELECT whole_at, room_nid FROM rooms WHERE whole_at > 0 AND whole_at > $1 AND whole_at <= $2 ORDER BY whole_at;

-- name: appservice_enqueue
-- Rows for services that there are: service, position, kind, room, where the event is. Index: appservice_deliveries_pkey.
INSERT INTO appservice_queue (appservice_id, position, kind, room_nid, event_position)
SELECT u.appservice_id, u.position, u.kind, u.room_nid, u.event_position
FROM unnest($1::text[], $2::bigint[], $3::bigint[], $4::bigint[], $5::bigint[]) AS
	u(appservice_id, position, kind, room_nid, event_position)
JOIN appservice_deliveries d ON d.appservice_id = u.appservice_id
ON CONFLICT (appservice_id, position, kind) DO NOTHING;

-- name: appservice_deliveries
-- One row for each service: id, since when it hears, id of its newest transaction, whether that one is not taken yet, failures, interval,
-- next try, whether something waits. Once a start, and when services change. Index: appservice_queue_pkey.
SELECT d.appservice_id, d.since_position, d.txn_id, d.body IS NOT NULL, d.failures, d.interval_ms, d.retry_at_ms,
	EXISTS (SELECT 1 FROM appservice_queue q WHERE q.appservice_id = d.appservice_id)
FROM appservice_deliveries d ORDER BY d.appservice_id;

-- name: appservice_queue_next hot
-- What waits for a service ($1), oldest first, up to $2: position, kind, room, where the event is. Index: appservice_queue_pkey.
SELECT position, kind, room_nid, event_position FROM appservice_queue WHERE appservice_id = $1 ORDER BY position, kind LIMIT $2;

-- name: appservice_receipts hot
-- Receipts at positions ($1), in order: room id, user, type, thread, event, time. Index: receipts_stream_idx, rooms_pkey.
SELECT r.room_id, c.user_id, c.receipt_type, c.thread_id, c.event_id, c.ts
FROM receipts c JOIN rooms r ON r.room_nid = c.room_nid WHERE c.position > 0 AND c.position = ANY($1::bigint[]) ORDER BY c.position;

-- name: appservice_messages hot
-- Messages to devices at positions ($1), in order: user, device, position, text. Index: device_messages_position_idx.
SELECT user_id, device_id, position, message FROM device_messages WHERE position = ANY($1::bigint[])
ORDER BY position, user_id, device_id;

-- name: appservice_key_changes hot
-- Users whose keys changed at positions ($1), in order. Index: device_list_changes_position_idx.
SELECT user_id FROM device_list_changes WHERE position = ANY($1::bigint[]) AND seen_by = '' ORDER BY position;

-- name: appservice_crossings
-- Users who came into rooms or went, at a position: rooms ($1), positions ($2), kinds of news ($3; 4: who joined, 5: all who are in, 6: who left, 7: all
-- who were in). Whether they went, user; each once. Of kinds 5 and 7 it grows with the room. Index: events_pkey, states_to_idx.
WITH news AS MATERIALIZED (
	SELECT * FROM unnest($1::bigint[], $2::bigint[], $3::bigint[]) AS u(room_nid, position, kind)
)
SELECT false AS is_gone, e.state_key AS user_id FROM news n JOIN events e ON e.room_nid = n.room_nid AND e.position = n.position
WHERE n.kind = 4 AND e.state_key IS NOT NULL
UNION
SELECT false, s.state_key FROM news n JOIN states s ON s.room_nid = n.room_nid AND s.to_position > n.position AND s.from_position <= n.position
WHERE n.kind = 5 AND s.type = 'm.room.member' AND s.membership = 'join'
UNION
SELECT true, s.state_key FROM news n JOIN states s ON s.room_nid = n.room_nid AND s.to_position = n.position
WHERE n.kind = 6 AND s.type = 'm.room.member' AND s.membership = 'join'
UNION
SELECT true, s.state_key FROM news n JOIN states s ON s.room_nid = n.room_nid AND s.to_position >= n.position AND s.from_position <= n.position
WHERE n.kind = 7 AND s.type = 'm.room.member' AND s.membership = 'join'
ORDER BY 1, 2;

-- name: appservice_stripped hot
-- Stripped state of invites and knocks of local users that stand at positions ($1): position, user, text. Index: members_position_idx.
SELECT position, user_id, stripped FROM members
WHERE is_local AND position = ANY($1::bigint[]) AND membership IN ('invite', 'knock') AND stripped IS NOT NULL;

-- name: appservice_key_news
-- Up to $2 devices of a service's ($1) users whose keys were claimed, by user: user, device, claims. Index: appservice_key_news_pkey,
-- accounts_pkey.
SELECT n.user_id, n.device_id, n.claims FROM appservice_key_news n JOIN accounts a ON a.user_id = n.user_id
WHERE a.appservice_id = $1 ORDER BY n.user_id, n.device_id LIMIT $2;

-- name: appservice_key_news_takers
-- Services of which there are such devices. Few rows. Index: accounts_pkey.
SELECT DISTINCT a.appservice_id FROM appservice_key_news n JOIN accounts a ON a.user_id = n.user_id WHERE a.appservice_id IS NOT NULL;

-- name: appservice_transaction_make
-- The next transaction of a service ($1) is written: its id ($3), its text ($4; NULL: there is nothing to send); what it is made of, up to a position ($5),
-- waits no more, and so do messages to devices: user, device ($7, $8), position ($9); and claims of keys of devices ($10, $11), unless there
-- were others than those ($12). The one before ($2) was taken, at a time ($6; 0: it was already known). One that is not the newest divides by
-- zero. Index: appservice_deliveries_pkey, appservice_queue_pkey, device_messages_pkey, appservice_key_news_pkey.
WITH made AS (
	UPDATE appservice_deliveries SET txn_id = $3, body = $4, failures = 0, interval_ms = 0, retry_at_ms = 0,
		failing_since_ms = 0, cause = '', reached_at_ms = greatest(reached_at_ms, $6)
	WHERE appservice_id = $1 AND txn_id IS NOT DISTINCT FROM $2 RETURNING 1
), taken AS (
	DELETE FROM appservice_queue q USING made WHERE q.appservice_id = $1 AND q.position <= $5
), arrived AS (
	DELETE FROM device_messages m USING made, unnest($7::text[], $8::text[], $9::bigint[]) AS u(user_id, device_id, position)
	WHERE m.user_id = u.user_id AND m.device_id = u.device_id AND m.position = u.position
), counted AS (
	DELETE FROM appservice_key_news n USING made, unnest($10::text[], $11::text[], $12::bigint[]) AS u(user_id, device_id, claims)
	WHERE n.user_id = u.user_id AND n.device_id = u.device_id AND n.claims = u.claims
)
SELECT 1 / count(*) FROM made;

-- name: appservice_transaction_open hot
-- The transaction of a service that it has not taken: id, text. Index: appservice_deliveries_pkey.
SELECT txn_id, body FROM appservice_deliveries WHERE appservice_id = $1 AND body IS NOT NULL;

-- name: appservice_transaction_taken
-- A service ($1) has taken a transaction ($2) at a time ($3). Not worth a flush: forgotten, it is sent once more.
-- Index: appservice_deliveries_pkey.
WITH unflushed AS MATERIALIZED (
	SELECT set_config('synchronous_commit', 'off', true) AS value
)
UPDATE appservice_deliveries SET body = NULL, failures = 0, interval_ms = 0, retry_at_ms = 0, failing_since_ms = 0, cause = '',
	reached_at_ms = $3
FROM unflushed u WHERE appservice_id = $1 AND txn_id = $2 AND u.value IS NOT NULL;

-- name: appservice_transaction_failed
-- A service ($1) did not take its transaction: interval, next try, time, cause. Index: appservice_deliveries_pkey.
UPDATE appservice_deliveries SET failures = failures + 1, interval_ms = $2, retry_at_ms = $3,
	failing_since_ms = CASE WHEN failing_since_ms = 0 THEN $4 ELSE failing_since_ms END, cause = $5
WHERE appservice_id = $1;

-- name: appservice_retry
-- A failing service is tried at once; the version grows, so that whoever sends reads it. Index: appservice_deliveries_pkey.
WITH retried AS (UPDATE appservice_deliveries SET retry_at_ms = 0 WHERE appservice_id = $1 AND failures > 0 RETURNING 1)
UPDATE appservice_version SET version = version + 1 WHERE EXISTS (SELECT 1 FROM retried);

-- name: appservice_delivery_list
-- How it goes, for administrators: service, what waits in its queue (counted up to 10,000) and in its open transaction (0 or 1), failures, next try,
-- failing since, last reached, cause. Index: appservice_queue_pkey.
SELECT d.appservice_id, (SELECT count(*) FROM (SELECT 1 FROM appservice_queue q WHERE q.appservice_id = d.appservice_id LIMIT 10000) AS waiting),
	d.body IS NOT NULL, d.failures, d.retry_at_ms, d.failing_since_ms, d.reached_at_ms, d.cause
FROM appservice_deliveries d ORDER BY d.appservice_id;
