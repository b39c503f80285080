-- name: events_by_position hot
-- One row for each position that exists, in order. Each is looked up by itself: where most rooms are small, the planner else reads all of the room.
-- Index: events_pkey.
SELECT e.* FROM (SELECT DISTINCT unnest($2::bigint[]) AS position) AS u CROSS JOIN LATERAL (
	SELECT position, event_id, json, replaces_position, thread_root, txn, notify_seq, highlight_seq, redacted_by, room_nid, fate
	FROM events WHERE room_nid = $1 AND position = u.position OFFSET 0
) AS e ORDER BY e.position;

-- name: events_by_id hot
-- One row for each id that exists, in the timeline or not. Index: events_event_id_key.
SELECT position, event_id, json, replaces_position, thread_root, txn, notify_seq, highlight_seq, redacted_by, room_nid, fate
FROM events WHERE event_id = ANY($1::text[]);

-- name: events_standing hot
-- Where those of a room's events stand that exist and were not rejected: which of the ids, position. Index: events_event_id_key.
SELECT u.n, e.position FROM unnest($2::text[]) WITH ORDINALITY AS u(event_id, n) CROSS JOIN LATERAL (
	SELECT position FROM events WHERE event_id = u.event_id AND room_nid + 0 = $1 AND fate <> 3 OFFSET 0) AS e;

-- name: events_after hot
-- Up to $4 events with $2 < position <= $3, oldest first; when $5, whether nothing relates to them that is bundled.
-- Index: events_pkey, relations_pkey.
SELECT position, event_id, json, replaces_position, thread_root, txn, notify_seq, highlight_seq, redacted_by, room_nid, fate,
	$5::boolean AND NOT EXISTS (SELECT FROM relations r WHERE r.room_nid = $1 AND r.parent_id = e.event_id
		AND r.rel_type IN ('m.thread', 'm.reference', 'm.replace') OFFSET 0)
FROM events e WHERE room_nid = $1 AND position > $2 AND position <= $3 ORDER BY position LIMIT $4;

-- name: events_before hot
-- The same backwards, newest first.
SELECT position, event_id, json, replaces_position, thread_root, txn, notify_seq, highlight_seq, redacted_by, room_nid, fate,
	$5::boolean AND NOT EXISTS (SELECT FROM relations r WHERE r.room_nid = $1 AND r.parent_id = e.event_id
		AND r.rel_type IN ('m.thread', 'm.reference', 'm.replace') OFFSET 0)
FROM events e WHERE room_nid = $1 AND position > $2 AND position <= $3 ORDER BY position DESC LIMIT $4;

-- name: event_newest_of hot
-- One row: position of the newest event of types $4 among the newest $5 with $2 < position <= $3, and, where it has none, of the oldest of these.
-- Index: events_pkey.
SELECT n.position, CASE WHEN n.position IS NULL THEN (SELECT min(l.position) FROM (
	SELECT position FROM events WHERE room_nid = $1 AND position > $2 AND position <= $3 ORDER BY position DESC LIMIT $5) AS l) END
FROM (SELECT (SELECT l.position FROM (
	SELECT position, type FROM events WHERE room_nid = $1 AND position > $2 AND position <= $3 ORDER BY position DESC LIMIT $5) AS l
	WHERE l.type = ANY($4::text[]) ORDER BY l.position DESC LIMIT 1) AS position OFFSET 0) AS n;

-- name: events_around hot
-- The event at $2 and up to $4 before it, and up to $5 behind it up to $3, in order, with whether nothing relates to them that is bundled.
-- Index: events_pkey, relations_pkey.
SELECT position, event_id, json, replaces_position, thread_root, txn, notify_seq, highlight_seq, redacted_by, room_nid, fate,
	NOT EXISTS (SELECT FROM relations r WHERE r.room_nid = $1 AND r.parent_id = e.event_id
		AND r.rel_type IN ('m.thread', 'm.reference', 'm.replace') OFFSET 0)
FROM (
	(SELECT * FROM events WHERE room_nid = $1 AND position > -1152921504606846976 AND position <= $2 ORDER BY position DESC LIMIT $4::bigint + 1)
	UNION ALL
	(SELECT * FROM events WHERE room_nid = $1 AND position > $2 AND position <= $3 ORDER BY position LIMIT $5)
) AS e ORDER BY position;

-- name: events_from_ts hot
-- Positions and times of up to $5 events of the timeline that come after ($2, $3) in the order of time, up to position $4. By the time alone
-- the index gives the order; those of one time are put in order afterwards. Index: events_ts_idx.
SELECT position, origin_server_ts FROM (
	SELECT position, origin_server_ts FROM events
	WHERE room_nid = $1 AND origin_server_ts >= $2 AND (origin_server_ts, position) > ($2, $3) AND position + 0 <= $4
		AND position + 0 > -1152921504606846976
	ORDER BY origin_server_ts FETCH FIRST $5 ROWS WITH TIES
) AS t ORDER BY origin_server_ts, position LIMIT $5;

-- name: events_until_ts hot
-- The same backwards: those before ($2, $3), newest first. Index: events_ts_idx.
SELECT position, origin_server_ts FROM (
	SELECT position, origin_server_ts FROM events
	WHERE room_nid = $1 AND origin_server_ts <= $2 AND (origin_server_ts, position) < ($2, $3) AND position + 0 <= $4
		AND position + 0 > -1152921504606846976
	ORDER BY origin_server_ts DESC FETCH FIRST $5 ROWS WITH TIES
) AS t ORDER BY origin_server_ts DESC, position DESC LIMIT $5;

-- name: thread_counts_at hot
-- The thread's running counts at its newest event up to a position: at most one row. The order is one that only this index gives, and not that of
-- all threads' events. Index: events_thread_idx.
SELECT notify_seq, highlight_seq FROM events
WHERE room_nid = $1 AND (thread_root, position) <= ($2, $3) AND thread_root >= $2 ORDER BY thread_root DESC, position DESC LIMIT 1;

-- name: main_counts_at
-- The running counts outside threads at the newest such event up to a position. Index: events_pkey, backwards; stops at
-- the first event that is in no thread.
SELECT notify_seq, highlight_seq FROM events
WHERE room_nid = $1 AND thread_root IS NULL AND position <= $2 AND position > -1152921504606846976
ORDER BY position DESC LIMIT 1;

-- name: relations_by_sender hot
-- Positions of a user's events that relate to an event in one way. Index: relations_pkey.
SELECT position FROM relations
WHERE room_nid = $1 AND parent_id = $2 AND rel_type = $3 AND sender = $4 ORDER BY position;

-- name: events_in_stream hot
-- Up to $3 events of all rooms with $1 < position <= $2, oldest first. Index: events_stream_idx.
SELECT position, event_id, json, replaces_position, thread_root, txn, notify_seq, highlight_seq, redacted_by, room_nid, fate
FROM events WHERE position > 0 AND position > $1 AND position <= $2 ORDER BY position LIMIT $3;
