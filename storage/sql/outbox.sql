-- name: outbox_look
-- Of up to $3 events with $1 < position <= $2, those by which servers come to rooms or go, as far as the events alone tell: position, room,
-- server (NULL: all of the room have to be looked at), whether it is there after the event, whether it is known as being there. $4 is our
-- own name. The last row: position of the newest event of the span (0: none), NULL unless something of it may go to others, whether
-- the limit cut it short, whether there are receipts in it, whether users of ours come or go where others are. Stays, and states of a key, follow each other: what began last is what can hold. Index:
-- events_stream_idx, server_stays_pkey, server_stays_to_idx, states_pkey, states_to_idx, states_servers_idx, receipts_stream_idx.
WITH span AS MATERIALIZED (
	SELECT room_nid, position, type, state_key, sender, CASE WHEN type = 'm.room.member' AND state_key IS NOT NULL
		THEN substr(state_key, strpos(state_key, ':') + 1) END AS target
	FROM events WHERE position > 0 AND position > $1 AND position <= $2 ORDER BY position LIMIT $3
), looked AS MATERIALIZED (
	SELECT e.*, coalesce((SELECT o.to_position FROM server_stays o WHERE o.room_nid = e.room_nid AND o.server = $4
			ORDER BY o.from_position DESC LIMIT 1) = 9223372036854775807, false) AS is_tracked,
		-- The range says nothing new, but tells the planner that these are few; the inner SELECT keeps indexes of members alone out.
		EXISTS (SELECT 1 FROM states s WHERE s.room_nid = e.room_nid AND s.to_position = e.position
			AND s.to_position > $1 AND s.to_position <= $2
			AND s.type = (SELECT 'm.room.member') AND s.state_key IS DISTINCT FROM e.state_key) AS is_resolved,
		e.target IS NOT NULL AND coalesce((SELECT s.membership = 'join' AND s.to_position > e.position FROM states s
			WHERE s.room_nid = e.room_nid AND s.type = 'm.room.member' AND s.state_key = e.state_key
				AND s.from_position <= e.position
			ORDER BY s.from_position DESC LIMIT 1), false) AS is_joined
	FROM span e
)
(SELECT l.position, l.room_nid, CASE WHEN l.is_tracked AND NOT l.is_resolved THEN l.target END,
	l.is_joined OR EXISTS (SELECT 1 FROM states s WHERE s.room_nid = l.room_nid AND s.type = 'm.room.member'
		AND s.membership = 'join' AND s.from_position <= l.position AND s.to_position > l.position
		AND substr(s.state_key, strpos(s.state_key, ':') + 1) = l.target),
	coalesce((SELECT o.to_position FROM server_stays o WHERE o.room_nid = l.room_nid AND o.server = l.target
		ORDER BY o.from_position DESC LIMIT 1) = 9223372036854775807, false),
	false
FROM looked l
WHERE (NOT l.is_tracked AND l.type <> 'm.room.create') OR l.is_resolved
	OR (l.target IS NOT NULL AND (l.target <> $4 OR NOT l.is_joined))
ORDER BY l.position)
UNION ALL
SELECT (SELECT coalesce(max(position), 0) FROM span), (SELECT count(*) FROM span),
	CASE WHEN EXISTS (SELECT 1 FROM span e WHERE e.target <> $4 OR (SELECT o.to_position FROM server_stays o
		WHERE o.room_nid = e.room_nid AND o.server <> $4 ORDER BY o.to_position DESC LIMIT 1) >= e.position) THEN 'events' END,
	(SELECT count(*) FROM span) = $3,
	EXISTS (SELECT 1 FROM receipts r WHERE r.position > 0 AND r.position > $1 AND r.position <= $2 AND r.receipt_type = 'm.read'),
	EXISTS (SELECT 1 FROM span e WHERE e.target = $4 AND (SELECT o.to_position FROM server_stays o
		WHERE o.room_nid = e.room_nid AND o.server <> $4 ORDER BY o.to_position DESC LIMIT 1) = 9223372036854775807);

-- name: outbox_stays_open
-- A server has come to a room: room, server, position. Index: server_stays_pkey.
INSERT INTO server_stays (room_nid, server, from_position) VALUES ($1, $2, $3) ON CONFLICT DO NOTHING;

-- name: outbox_stays_close
-- A server has left a room: room, server, position. Index: server_stays_to_idx.
UPDATE server_stays SET to_position = $3 WHERE room_nid = $1 AND server = $2 AND to_position = 9223372036854775807;

-- name: outbox_stays_sync
-- All servers of a room ($1) as its state after a position ($2) has them, or as was said to us as long as it has no members; none, when ours ($3)
-- is not among them. Of each server that ever had a member the index is asked for one that is joined, so it grows with those servers, not with
-- members nor with their past. Index: states_servers_idx, server_stays_to_idx, partial_joins_pkey.
WITH RECURSIVE met AS (
	(SELECT substr(state_key, strpos(state_key, ':') + 1) AS server FROM states
	WHERE room_nid = $1 AND type = 'm.room.member' ORDER BY 1 LIMIT 1)
	UNION ALL
	SELECT (SELECT substr(s.state_key, strpos(s.state_key, ':') + 1) FROM states s
		WHERE s.room_nid = $1 AND s.type = 'm.room.member' AND substr(s.state_key, strpos(s.state_key, ':') + 1) > m.server
		ORDER BY 1 LIMIT 1)
	FROM met m WHERE m.server IS NOT NULL
), joined AS MATERIALIZED (
	SELECT m.server FROM met m WHERE m.server IS NOT NULL AND (SELECT true FROM states s WHERE s.room_nid = $1
		AND s.type = 'm.room.member' AND substr(s.state_key, strpos(s.state_key, ':') + 1) = m.server
		AND s.membership = 'join' AND s.to_position > $2 AND s.from_position <= $2 LIMIT 1)
	UNION SELECT json_array_elements_text(servers::json) FROM partial_joins WHERE room_nid = $1
), present AS MATERIALIZED (
	SELECT server FROM joined WHERE EXISTS (SELECT 1 FROM joined WHERE server = $3)
), closed AS (
	UPDATE server_stays SET to_position = $2 WHERE room_nid = $1 AND to_position = 9223372036854775807
		AND server NOT IN (SELECT server FROM present)
)
INSERT INTO server_stays (room_nid, server, from_position)
SELECT $1, p.server, $2 FROM present p WHERE NOT EXISTS (SELECT 1 FROM server_stays o
	WHERE o.room_nid = $1 AND o.server = p.server AND o.to_position = 9223372036854775807)
ON CONFLICT DO NOTHING;

-- name: outbox_targets
-- Which events with $1 < position <= $2 go to which servers: position, room, server; in order. $3 is our own name. Events of our own users,
-- unless marked otherwise, to all servers that are in the room, and to the one whose user is invited, kicked, banned.
-- Index: events_stream_idx, outbox_marks_pkey, server_stays_to_idx.
WITH span AS MATERIALIZED (
	SELECT e.room_nid, e.position, substr(e.sender, strpos(e.sender, ':') + 1) AS origin,
		CASE WHEN e.type = 'm.room.member' AND e.state_key IS NOT NULL
			THEN substr(e.state_key, strpos(e.state_key, ':') + 1) END AS target
	FROM events e LEFT JOIN outbox_marks k ON k.event_id = e.event_id
	WHERE e.position > 0 AND e.position > $1 AND e.position <= $2 AND coalesce(k.is_sent, substr(e.sender, strpos(e.sender, ':') + 1) = $3)
)
SELECT s.position, s.room_nid, o.server FROM span s CROSS JOIN LATERAL (
	-- The offset says nothing, but keeps the planner from a hash of the stays of all rooms.
	SELECT server FROM server_stays WHERE room_nid = s.room_nid AND from_position <= s.position AND to_position >= s.position OFFSET 0
) AS o
WHERE o.server <> $3 AND o.server <> s.origin
UNION
SELECT position, room_nid, target FROM span WHERE target <> $3 AND target <> origin
ORDER BY 1, 3;

-- name: outbox_receipts
-- Public receipts of our users ($3 is our own name) with $1 < position <= $2, for each server in the room: server, room, room id, user,
-- thread, event, time. Index: receipts_stream_idx, server_stays_to_idx, rooms_pkey.
SELECT o.server, r.room_nid, m.room_id, r.user_id, r.thread_id, r.event_id, r.ts
FROM receipts r JOIN server_stays o ON o.room_nid = r.room_nid AND o.to_position = 9223372036854775807 AND o.server <> $3
	JOIN rooms m ON m.room_nid = r.room_nid
WHERE r.position > 0 AND r.position > $1 AND r.position <= $2 AND r.receipt_type = 'm.read'
	AND substr(r.user_id, strpos(r.user_id, ':') + 1) = $3
ORDER BY r.position;

-- name: outbox_rooms hot
-- Servers besides ours ($2) that are in rooms ($1): room, server. Index: server_stays_to_idx.
SELECT room_nid, server FROM server_stays
WHERE room_nid = ANY($1::bigint[]) AND server <> $2 AND to_position = 9223372036854775807;

-- name: outbox_shared_rooms
-- Rooms in which there are other servers than ours ($1). A pass over the table, once a start.
SELECT DISTINCT room_nid FROM server_stays WHERE server <> $1 AND to_position = 9223372036854775807;

-- name: outbox_sharing hot
-- Servers besides ours ($2) that share a room with users ($1): user, server. Index: members_pkey, server_stays_to_idx.
SELECT DISTINCT m.user_id, o.server FROM members m JOIN server_stays o ON o.room_nid = m.room_nid
WHERE m.user_id = ANY($1::text[]) AND m.membership = 'join' AND o.server <> $2 AND o.to_position = 9223372036854775807;

-- name: outbox_introduced
-- Who of our users ($3 is our own name) has come into a room with $1 < position <= $2, with servers there that share no other room with the
-- user: user, server. Index: events_stream_idx, server_stays_to_idx, members_pkey.
SELECT DISTINCT e.state_key, o.server FROM events e JOIN server_stays o ON o.room_nid = e.room_nid
	AND o.from_position <= e.position AND o.to_position = 9223372036854775807
WHERE e.position > 0 AND e.position > $1 AND e.position <= $2 AND e.type = 'm.room.member' AND o.server <> $3
	AND substr(e.state_key, strpos(e.state_key, ':') + 1) = $3
	AND EXISTS (SELECT 1 FROM members m WHERE m.user_id = e.state_key AND m.room_nid = e.room_nid
		AND m.position = e.position AND m.membership = 'join')
	AND NOT EXISTS (SELECT 1 FROM members n JOIN server_stays p ON p.room_nid = n.room_nid
		WHERE n.user_id = e.state_key AND n.membership = 'join' AND n.room_nid <> e.room_nid
			AND p.server = o.server AND p.to_position = 9223372036854775807);

-- name: outbox_newest hot
-- Of rooms ($2) with the first position that a server ($1) missed ($3): the newest $4 events that it should have got, as in
-- outbox_targets: room, position, whether there are older ones. $5 is our own name. Index: events_pkey, outbox_marks_pkey, server_stays_pkey.
SELECT u.room_nid, n.position, n.place > $4::bigint FROM unnest($2::bigint[], $3::bigint[]) AS u(room_nid, from_position)
JOIN LATERAL (
	SELECT e.position, row_number() OVER (ORDER BY e.position DESC) AS place
	FROM events e LEFT JOIN outbox_marks k ON k.event_id = e.event_id
	WHERE e.room_nid = u.room_nid AND e.position >= u.from_position
		AND coalesce(k.is_sent, substr(e.sender, strpos(e.sender, ':') + 1) = $5)
		AND substr(e.sender, strpos(e.sender, ':') + 1) <> $1
		AND ((SELECT o.to_position FROM server_stays o WHERE o.room_nid = e.room_nid AND o.server = $1
			AND o.from_position <= e.position ORDER BY o.from_position DESC LIMIT 1) >= e.position
			OR (e.type = 'm.room.member' AND substr(e.state_key, strpos(e.state_key, ':') + 1) = $1))
	ORDER BY e.position DESC LIMIT $4::bigint + 1
) AS n ON true
ORDER BY u.room_nid, n.position DESC;

-- name: outbox_mark
-- Whether an event goes to others, whoever sent it. Index: outbox_marks_pkey.
INSERT INTO outbox_marks (event_id, is_sent, created_at_ms) VALUES ($1, $2, $3)
ON CONFLICT (event_id) DO UPDATE SET is_sent = excluded.is_sent;

-- name: outbox_marks_delete_old
-- As many as are old. Index: outbox_marks_created_idx.
DELETE FROM outbox_marks WHERE created_at_ms < $1;

-- name: outbox_missed_add
-- Destinations miss rooms from positions on: server, room, position. What was missed before stays. Index: outbox_missed_pkey.
INSERT INTO outbox_missed (server, room_nid, from_position)
SELECT u.server, u.room_nid, min(u.from_position) FROM unnest($1::text[], $2::bigint[], $3::bigint[]) AS
	u(server, room_nid, from_position)
GROUP BY u.server, u.room_nid
ON CONFLICT (server, room_nid) DO UPDATE SET from_position = least(outbox_missed.from_position, excluded.from_position);

-- name: outbox_missed_done
-- A destination ($1) has got what it missed of rooms ($2) up to positions ($3; the largest bigint: all). Index: outbox_missed_pkey.
WITH got AS (
	SELECT * FROM unnest($2::bigint[], $3::bigint[]) AS u(room_nid, up_to)
), gone AS (
	DELETE FROM outbox_missed m USING got g WHERE m.server = $1 AND m.room_nid = g.room_nid AND g.up_to = 9223372036854775807
)
UPDATE outbox_missed m SET from_position = greatest(m.from_position, g.up_to + 1) FROM got g
WHERE m.server = $1 AND m.room_nid = g.room_nid AND g.up_to <> 9223372036854775807;

-- name: outbox_missed_all
-- All that destinations miss: server, room, position. Once a start.
SELECT server, room_nid, from_position FROM outbox_missed ORDER BY server, room_nid;
