-- name: outlier_block_next
-- $1 rows: numbers of blocks of 1,000 positions below the timeline that are now ours.
SELECT nextval('outlier_blocks') FROM generate_series(1, $1::bigint);

-- name: event_keep
-- Events that are no part of the timeline: nid, position, id, type, state_key, sender, time, depth, text, fate. Those that are known stay as
-- they are. Index: events_event_id_key.
INSERT INTO events (room_nid, position, event_id, type, state_key, sender, origin_server_ts, depth, json, fate,
	notify_seq, highlight_seq)
SELECT u.*, 0, 0 FROM unnest($1::bigint[], $2::bigint[], $3::text[], $4::text[], $5::text[], $6::text[],
	$7::bigint[], $8::bigint[], $9::text[], $10::bigint[]) AS
	u(room_nid, position, event_id, type, state_key, sender, origin_server_ts, depth, json, fate)
ON CONFLICT (event_id) DO NOTHING;

-- name: event_set_aside
-- One event that was judged and is no part of the timeline, with the state after it: as above, one each, then base position and
-- difference. An outlier becomes it; no row when it was judged before, else its position.
-- Index: events_event_id_key, event_states_pkey.
WITH kept AS (
	INSERT INTO events (room_nid, position, event_id, type, state_key, sender, origin_server_ts, depth, json, fate,
		notify_seq, highlight_seq)
	VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10::bigint, 0, 0)
	ON CONFLICT (event_id) DO UPDATE SET fate = excluded.fate WHERE events.fate = 1
	RETURNING room_nid, position
)
INSERT INTO event_states (room_nid, position, base_position, difference)
SELECT room_nid, position, $11::bigint, $12::text FROM kept
ON CONFLICT (room_nid, position) DO NOTHING RETURNING position;

-- name: event_states_at hot
-- The stored differences of events that have one. Index: event_states_pkey.
SELECT position, base_position, difference FROM event_states WHERE room_nid = $1 AND position = ANY ($2::bigint[]);

-- name: event_hold
-- Others rest on these from now on, if they are outside of the timeline. Index: events_event_id_key.
UPDATE events SET hold = 1 WHERE event_id = ANY ($2::text[]) AND room_nid = $1 AND position <= -1152921504606846976 AND hold = 0;

-- name: event_hold_all
-- These are held, and all on which they rest. By id: where most rooms are small, the planner reads all of the room for positions; and not by where
-- they lie, for another process may redact or move one meanwhile. Index: events_event_id_key.
UPDATE events SET hold = 2 WHERE event_id = ANY ($2::text[]) AND room_nid + 0 = $1;

-- name: events_aside hot
-- What is outside of a room's timeline and may be given up, oldest first: position, id, text, difference of the state after it (NULL: none),
-- whether others rest on it. Index: events_pkey, event_states_pkey, states_pkey.
SELECT e.position, e.event_id, e.json, s.difference, e.hold > 0 OR EXISTS (
	SELECT FROM states st WHERE st.room_nid = e.room_nid AND st.type = e.type AND st.state_key = e.state_key
	AND st.event_position = e.position OFFSET 0)
FROM events e LEFT JOIN LATERAL (
	SELECT difference FROM event_states WHERE room_nid = e.room_nid AND position = e.position OFFSET 0
) AS s ON true
WHERE e.room_nid = $1 AND e.position < (SELECT ground_position FROM rooms WHERE room_nid = $1) AND e.hold < 2
ORDER BY e.position DESC;

-- name: events_aside_forget
-- Some of these are given up. Index: events_pkey, event_states_pkey.
WITH gone AS (DELETE FROM events WHERE room_nid = $1 AND position = ANY ($2::bigint[]) RETURNING position)
DELETE FROM event_states WHERE room_nid = $1 AND position IN (SELECT position FROM gone);

-- name: room_ground hot
-- All that is outside of the timeline by now is never given up; one row: from where. Index: rooms_pkey, events_pkey.
UPDATE rooms SET ground_position = least(ground_position, (SELECT e.position FROM events e
	WHERE e.room_nid = $1 AND e.position < -1152921504606846976 ORDER BY e.position LIMIT 1))
WHERE room_nid = $1 RETURNING ground_position;

-- name: state_ended_since hot
-- What ended after a position: one row for each interval, in no order. Index: states_to_idx.
SELECT type, state_key, from_position, to_position, event_position, event_id, membership
FROM states WHERE room_nid = $1 AND to_position > $2 AND to_position < 9223372036854775807;

-- name: state_intervals hot
-- All intervals of some keys, oldest first: types, state keys. Index: states_pkey.
SELECT s.type, s.state_key, s.from_position, s.to_position, s.event_position, s.event_id, s.membership
FROM (SELECT DISTINCT type, state_key FROM unnest($2::text[], $3::text[]) AS u(type, state_key)) AS k
JOIN states s ON s.room_nid = $1 AND s.type = k.type AND s.state_key = k.state_key
ORDER BY s.from_position;

-- name: auth_chain hot
-- Events of a room by id, and all from which they descend by auth_events. Index: events_event_id_key for each.
WITH RECURSIVE chain(event_id) AS (
	SELECT unnest($2::text[])
	UNION
	SELECT CASE json_typeof(a.ref) WHEN 'array' THEN a.ref ->> 0 ELSE a.ref #>> '{}' END
	FROM chain c CROSS JOIN LATERAL (SELECT json FROM events WHERE event_id = c.event_id AND room_nid + 0 = $1 OFFSET 0) AS e
	CROSS JOIN LATERAL json_array_elements(e.json::json -> 'auth_events') AS a(ref)
)
SELECT e.position, e.event_id, e.json, e.replaces_position, e.thread_root, e.txn, e.notify_seq, e.highlight_seq,
	e.redacted_by, e.room_nid, e.fate
FROM chain c CROSS JOIN LATERAL (SELECT * FROM events WHERE event_id = c.event_id AND room_nid + 0 = $1 OFFSET 0) AS e;

-- name: gap_newest hot
-- The newest gap whose event on this side is in ($2, $3], and which may be asked for at $4, or waits for longer than gap_postpone lets any,
-- for the clock was set back: a row for each event that is missing.
-- Index: room_gaps_pkey.
SELECT g.position, g.prev_id FROM room_gaps g WHERE g.room_nid = $1 AND g.position = (
	SELECT max(n.position) FROM room_gaps n
	WHERE n.room_nid = $1 AND n.position > $2 AND n.position <= $3
		AND (n.retry_at_ms <= $4 OR n.retry_at_ms - 86400000 > $4));

-- name: gap_postpone
-- Nobody could fill it: the pause begins at $4 milliseconds ($3 is now), and doubles up to $5. Index: room_gaps_pkey.
UPDATE room_gaps SET attempts = attempts + 1,
	retry_at_ms = $3 + least($4::bigint * (1::bigint << least(attempts, 20)::integer), $5::bigint)
WHERE room_nid = $1 AND position = $2;

-- name: gap_named hot
-- Which of these ids are missing at a gap, and the place of the lowest one. Index: room_gaps_prev_idx.
SELECT prev_id, min(position) FROM room_gaps WHERE room_nid = $1 AND prev_id = ANY ($2::text[]) GROUP BY prev_id;

-- name: gap_oldest hot
-- Of the oldest gap whose event on this side is in ($2, $3]. Index: room_gaps_pkey.
SELECT g.position FROM room_gaps g WHERE g.room_nid = $1 AND g.position > $2 AND g.position <= $3
ORDER BY g.position LIMIT 1;

-- name: gap_over hot
-- The oldest gap whose event on this side is deeper than $2: what has that depth and is missing, is missing there. Index: room_gaps_pkey,
-- event_places_pkey, events_pkey.
SELECT g.position FROM room_gaps g
LEFT JOIN LATERAL (SELECT position FROM event_places WHERE room_nid = $1 AND place = g.position OFFSET 0) AS p ON true
CROSS JOIN LATERAL (
	SELECT origin_server_ts, depth FROM events WHERE room_nid = $1 AND position = coalesce(p.position, g.position) OFFSET 0
) AS e
WHERE g.room_nid = $1 AND e.depth > $2 ORDER BY g.position LIMIT 1;

-- name: gap_in_time hot
-- The newest gap in which events of $2 to $3 may be missing: by the times of the event on this side and of the one before the gap.
-- Index: room_gaps_pkey, event_places_pkey, events_pkey.
SELECT g.position FROM room_gaps g
LEFT JOIN LATERAL (SELECT position FROM event_places WHERE room_nid = $1 AND place = g.position OFFSET 0) AS p ON true
CROSS JOIN LATERAL (
	SELECT origin_server_ts, depth FROM events WHERE room_nid = $1 AND position = coalesce(p.position, g.position) OFFSET 0
) AS e
WHERE g.room_nid = $1 AND e.origin_server_ts >= $2 AND coalesce((
	SELECT b.origin_server_ts FROM events b
	WHERE b.room_nid = $1 AND b.position < g.position AND b.position > -1152921504606846976
	ORDER BY b.position DESC LIMIT 1), 0) <= $3
ORDER BY g.position DESC LIMIT 1;

-- name: room_graph_summary hot
-- One row: place of the newest gap; newest position that history shows elsewhere; whether redactions wait. Index: room_gaps_pkey,
-- event_places_position_key, waiting_redactions_pkey.
SELECT coalesce((SELECT max(position) FROM room_gaps WHERE room_nid = $1), -9223372036854775807),
	coalesce((SELECT max(position) FROM event_places WHERE room_nid = $1), -9223372036854775807),
	EXISTS (SELECT 1 FROM waiting_redactions WHERE room_nid = $1);

-- name: waiting_redactions_of hot
-- Positions of the redactions that wait for an event, oldest first. Index: waiting_redactions_pkey.
SELECT position FROM waiting_redactions WHERE room_nid = $1 AND redacts = $2 ORDER BY position;

-- name: state_import
-- State since ever of a room that this server comes into: nid, type, state_key, event position, event id, membership. It holds until what
-- is known of a key begins, which stays. Index: states_pkey.
INSERT INTO states (room_nid, type, state_key, from_position, to_position, event_position, event_id, membership)
SELECT u.room_nid, u.type, u.state_key, -9223372036854775807, coalesce((SELECT min(s.from_position) FROM states s
		WHERE s.room_nid = u.room_nid AND s.type = u.type AND s.state_key = u.state_key), 9223372036854775807),
	u.event_position, u.event_id, u.membership
FROM unnest($1::bigint[], $2::text[], $3::text[], $4::bigint[], $5::text[], $6::text[]) AS
	u(room_nid, type, state_key, event_position, event_id, membership)
ON CONFLICT (room_nid, type, state_key, from_position) DO NOTHING;

-- name: member_import
-- Memberships since ever: nid, user, membership, is_local. Index: members_pkey.
INSERT INTO members (room_nid, user_id, membership, position, is_local)
SELECT u.room_nid, u.user_id, u.membership, 0, u.is_local <> 0
FROM unnest($1::bigint[], $2::text[], $3::text[], $4::bigint[]) AS u(room_nid, user_id, membership, is_local)
ON CONFLICT (user_id, room_nid) DO NOTHING;
