-- name: pusher_set
-- Makes a pusher or changes it; no row when the user has $12 others already. One of kind email keeps its first token ($13), and when
-- its next mail is due. Index: pushers_pushkey_key, pushers_device_idx.
INSERT INTO pushers (user_id, app_id, pushkey, kind, app_display_name, device_display_name, profile_tag, lang, data,
	device_id, set_at_ms, since_position, unsubscribe_token)
SELECT $1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, position, $13 FROM stream_head
WHERE (SELECT count(*) FROM pushers WHERE user_id = $1 AND NOT (app_id = $2 AND pushkey = $3)) < $12
ON CONFLICT (app_id, pushkey, user_id) DO UPDATE SET kind = excluded.kind,
	app_display_name = excluded.app_display_name, device_display_name = excluded.device_display_name,
	profile_tag = excluded.profile_tag, lang = excluded.lang, data = excluded.data, device_id = excluded.device_id,
	set_at_ms = excluded.set_at_ms, badge = -1, failures = 0, failing_since_ms = 0,
	unsubscribe_token = coalesce(pushers.unsubscribe_token, excluded.unsubscribe_token),
	next_try_ms = CASE WHEN pushers.next_try_ms IS NULL OR excluded.kind = 'email' THEN pushers.next_try_ms
		ELSE least(pushers.next_try_ms, excluded.set_at_ms) END;

-- name: pusher_delete_others
-- Those of other users with the same key. Index: pushers_pushkey_key.
DELETE FROM pushers WHERE app_id = $1 AND pushkey = $2 AND user_id <> $3;

-- name: pusher_delete
-- At most one. Index: pushers_pushkey_key.
DELETE FROM pushers WHERE app_id = $1 AND pushkey = $2 AND user_id = $3;

-- name: pusher_reject
-- All with a key that the gateway calls invalid. Index: pushers_pushkey_key.
DELETE FROM pushers WHERE app_id = $1 AND pushkey = $2;

-- name: pusher_unsubscribe_peek hot
-- At most one row: the address that a token in its mails stands for. Index: pushers_pkey.
SELECT pushkey FROM pushers WHERE pusher_nid = $1 AND kind = 'email' AND unsubscribe_token = $2;

-- name: pusher_unsubscribe
-- At most one. Index: pushers_pkey.
DELETE FROM pushers WHERE pusher_nid = $1 AND kind = 'email' AND unsubscribe_token = $2;

-- name: pusher_list hot
-- A user's, oldest first. Index: pushers_device_idx.
SELECT pusher_nid, app_id, pushkey, kind, app_display_name, device_display_name, profile_tag, lang, data
FROM pushers WHERE user_id = $1 ORDER BY pusher_nid;

-- name: push_candidates
-- Of up to $3 events with $1 < position <= $2, each with each local member (or invited user) who has a pusher and did not send it, and
-- where it is stored. Among them invites to rooms that this server is not in: those are stored elsewhere. The newest event of the span is
-- in the last row, whose user is NULL, and whose room is 1 when one with a pusher read something. Index: events_stream_idx, members_pkey
-- or members_room_idx, members_position_idx, states_pkey, pushers_device_idx, receipts_stream_idx.
WITH span AS MATERIALIZED (
	SELECT room_nid, position, sender FROM events WHERE position > 0 AND position > $1 AND position <= $2 ORDER BY position LIMIT $3
), pushed AS MATERIALIZED (
	SELECT DISTINCT user_id FROM pushers
), reached AS MATERIALIZED (
	SELECT CASE WHEN count(*) < $3 THEN $2 ELSE max(position) END AS position FROM span
)
(SELECT s.room_nid, s.position, m.user_id, s.position AS event_position
FROM span AS s JOIN members AS m ON m.room_nid = s.room_nid AND m.membership IN ('join', 'invite')
	JOIN pushed AS p ON p.user_id = m.user_id
WHERE s.sender <> m.user_id
UNION ALL
SELECT m.room_nid, m.position, m.user_id, s.event_position
FROM (SELECT room_nid, position, user_id, membership FROM members
		WHERE is_local AND position > $1 AND position <= (SELECT position FROM reached) OFFSET 0) AS m
	CROSS JOIN LATERAL (SELECT event_position FROM states WHERE room_nid = m.room_nid AND type = (SELECT 'm.room.member')
		AND state_key = m.user_id AND from_position >= m.position AND from_position <= m.position ORDER BY from_position LIMIT 1) AS s
WHERE m.membership = 'invite' AND s.event_position < 0
	AND EXISTS (SELECT 1 FROM pushers AS p WHERE p.user_id = m.user_id OFFSET 0)
ORDER BY 2)
UNION ALL
SELECT (EXISTS (SELECT 1 FROM receipts AS r JOIN pushed AS p ON p.user_id = r.user_id
		WHERE r.position > 0 AND r.position > $1 AND r.position <= $2))::int::bigint,
	coalesce(max(position), 0), CASE WHEN count(*) < $3 THEN 'all' END, 0 FROM span;

-- name: push_enqueue
-- Notifications: user, position, room, tweaks; and users who read something after $5 and up to $6, with its position: their counts
-- have changed. Mails do not tell counts: reading ends the pause between two of them, and the first is due after $8. Index:
-- receipts_stream_idx, pushers_device_idx, push_queue_pkey.
WITH news AS (
	SELECT * FROM unnest($1::text[], $2::bigint[], $3::bigint[], $4::text[]) AS u(user_id, position, room_nid, tweaks)
), readers AS (
	SELECT r.user_id, max(r.position) AS position FROM receipts AS r
	WHERE r.position > 0 AND r.position > $5 AND r.position <= $6 AND EXISTS (SELECT 1 FROM pushers AS p WHERE p.user_id = r.user_id)
	GROUP BY r.user_id
), wanted AS (
	SELECT * FROM news UNION ALL SELECT user_id, position, 0, NULL FROM readers
), concerned AS (
	SELECT user_id, max(position) AS newest, max(position) FILTER (WHERE room_nid <> 0) AS newest_event,
		bool_or(room_nid = 0) AS has_read
	FROM wanted GROUP BY user_id
), woken AS (
	UPDATE pushers SET mail_pause_ms = CASE WHEN c.has_read THEN 0 ELSE mail_pause_ms END,
		next_try_ms = CASE
			WHEN kind = 'http' THEN coalesce(next_try_ms, $7)
			WHEN next_try_ms IS NULL AND coalesce(c.newest_event, 0) <= since_position THEN NULL
			WHEN c.has_read THEN least(next_try_ms, $7::bigint + $8::bigint)
			ELSE coalesce(next_try_ms, $7::bigint + $8::bigint) END,
		try_pause_ms = CASE
			WHEN kind = 'http' THEN CASE WHEN next_try_ms IS NULL THEN 0 ELSE try_pause_ms END
			WHEN next_try_ms IS NULL OR (c.has_read AND next_try_ms > $7::bigint + $8::bigint) THEN $8::bigint
			ELSE try_pause_ms END
	FROM concerned AS c
	WHERE pushers.user_id = c.user_id AND c.newest > pushers.since_position
	RETURNING pushers.pusher_nid, pushers.user_id, pushers.kind, pushers.since_position
)
INSERT INTO push_queue (pusher_nid, position, room_nid, tweaks, queued_at_ms)
SELECT p.pusher_nid, w.position, w.room_nid, w.tweaks, $7
FROM wanted AS w JOIN woken AS p ON p.user_id = w.user_id
WHERE w.position > p.since_position AND (p.kind = 'http' OR w.room_nid <> 0)
ON CONFLICT DO NOTHING;

-- name: push_due hot
-- Up to $3 pushers (but those of $2, and of the users $4) for which something waits at $1, each with the oldest that waits, and whether it was read
-- meanwhile. Index: pushers_due_idx, push_queue_pkey, events_pkey, receipts_pkey.
SELECT p.pusher_nid, p.user_id, p.app_id, p.pushkey, p.kind, p.data, p.set_at_ms, p.badge, p.failures, p.failing_since_ms,
	q.position, q.room_nid, q.tweaks,
	EXISTS (SELECT 1 FROM receipts AS r LEFT JOIN events AS e ON e.room_nid = q.room_nid AND e.position = q.position
		WHERE r.room_nid = q.room_nid AND r.user_id = p.user_id AND r.event_position >= q.position
			AND r.thread_id IN ('', coalesce(e.thread_root, 'main'))),
	p.unsubscribe_token, p.mailed_at_ms, p.mail_pause_ms
FROM pushers AS p JOIN LATERAL (
	SELECT * FROM push_queue WHERE pusher_nid = p.pusher_nid ORDER BY position LIMIT 1
) AS q ON true
WHERE p.next_try_ms <= $1 AND p.pusher_nid <> ALL($2::bigint[]) AND p.user_id <> ALL($4::text[])
ORDER BY p.next_try_ms LIMIT $3;

-- name: push_next hot
-- One row: when the next pusher but those of $1, and of the users $2, is due; NULL when nothing waits. Index: pushers_due_idx, push_queue_pkey.
SELECT (SELECT next_try_ms FROM pushers WHERE next_try_ms IS NOT NULL AND pusher_nid <> ALL($1::bigint[])
		AND user_id <> ALL($2::text[])
		AND EXISTS (SELECT 1 FROM push_queue AS q WHERE q.pusher_nid = pushers.pusher_nid)
	ORDER BY next_try_ms LIMIT 1);

-- name: push_waiting hot
-- The newest $2 events that wait for a pusher, newest first, and whether they were read meanwhile. Index: push_queue_pkey, events_pkey,
-- receipts_pkey.
SELECT q.position, q.room_nid, q.queued_at_ms,
	EXISTS (SELECT 1 FROM receipts AS r LEFT JOIN events AS e ON e.room_nid = q.room_nid AND e.position = q.position
		WHERE r.room_nid = q.room_nid AND r.user_id = p.user_id AND r.event_position >= q.position
			AND r.thread_id IN ('', coalesce(e.thread_root, 'main')))
FROM pushers AS p JOIN push_queue AS q ON q.pusher_nid = p.pusher_nid
WHERE p.pusher_nid = $1 AND q.room_nid <> 0
ORDER BY q.position DESC LIMIT $2;

-- name: push_mailed
-- A mail with what waited up to $2 was sent at $3; none is sent for $4 after it. Index: push_queue_pkey, pushers_pkey.
WITH gone AS (
	DELETE FROM push_queue WHERE pusher_nid = $1 AND position <= $2
)
UPDATE pushers SET mailed_at_ms = $3, mail_pause_ms = $4, try_pause_ms = $4, failures = 0, failing_since_ms = 0,
	next_try_ms = (SELECT $3::bigint + $4::bigint FROM push_queue WHERE pusher_nid = $1 AND position > $2 LIMIT 1)
WHERE pusher_nid = $1;

-- name: push_postpone
-- Nothing is sent for $3 from $2 on. Index: pushers_pkey.
UPDATE pushers SET next_try_ms = $2::bigint + $3::bigint, try_pause_ms = $3
WHERE pusher_nid = $1 AND next_try_ms IS NOT NULL;

-- name: push_set_back hot
-- What would wait at $1 for longer than its own pause (and a fifth, as base/backoff.h) is due: the clock was set back. Index:
-- pushers_set_back_idx.
UPDATE pushers SET next_try_ms = $1
WHERE next_try_ms IS NOT NULL AND next_try_ms - try_pause_ms - try_pause_ms / 5 > $1;

-- name: push_lock
-- The pusher's row stays locked until the transaction ends, so that what comes meanwhile is seen. Index: pushers_pkey.
SELECT 1 FROM pushers WHERE pusher_nid = $1 FOR UPDATE;

-- name: push_done
-- What waited up to $2 is dealt with; $3 is the count that was told (-1: none). More is due at $4, behind who waits already. Index: push_queue_pkey, pushers_pkey.
WITH gone AS (
	DELETE FROM push_queue WHERE pusher_nid = $1 AND position <= $2
)
UPDATE pushers SET badge = CASE WHEN $3::bigint >= 0 THEN $3::bigint ELSE badge END, failures = 0, failing_since_ms = 0,
	next_try_ms = (SELECT $4::bigint FROM push_queue WHERE pusher_nid = $1 AND position > $2 LIMIT 1), try_pause_ms = 0
WHERE pusher_nid = $1;

-- name: push_failed
-- It failed at $2, and is tried again after $3. Index: pushers_pkey.
UPDATE pushers SET failures = failures + 1, next_try_ms = $2::bigint + $3::bigint, try_pause_ms = $3,
	failing_since_ms = CASE WHEN failing_since_ms = 0 THEN $2 ELSE failing_since_ms END
WHERE pusher_nid = $1;

-- name: push_give_up
-- Of what waits only the newest $2 stay. Index: push_queue_pkey.
DELETE FROM push_queue WHERE pusher_nid = $1 AND position < (
	SELECT position FROM push_queue WHERE pusher_nid = $1 ORDER BY position DESC OFFSET $2::bigint - 1 LIMIT 1);

-- name: notification_scan hot
-- Up to $3 newest events before $2 of all rooms that the user has joined, without own ones, newest first: room, position, whether a receipt
-- covers it. What stands in the stream only, without the words by which the stream's index is offered. Index: members_pkey, events_pkey (backwards, up to $3 rows of each room), receipts_pkey.
SELECT e.room_nid, e.position, EXISTS (SELECT 1 FROM receipts AS r
	WHERE r.room_nid = e.room_nid AND r.user_id = $1 AND r.event_position >= e.position
		AND r.thread_id IN ('', coalesce(e.thread_root, 'main')))
FROM members AS m JOIN LATERAL (
	SELECT room_nid, position, thread_root FROM events
	WHERE room_nid = m.room_nid AND position > -1 AND position < $2 AND sender <> $1 ORDER BY position DESC LIMIT $3
) AS e ON true
WHERE m.user_id = $1 AND m.membership = 'join'
ORDER BY e.position DESC LIMIT $3;
