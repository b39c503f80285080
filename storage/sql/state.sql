-- name: state_current hot
-- The room's current state, all of it. Index: states_to_idx.
SELECT type, state_key, from_position, event_position, event_id, membership
FROM states WHERE room_nid = $1 AND to_position = 9223372036854775807;

-- name: state_at hot
-- The state after the event at a position. Index: states_to_idx.
SELECT type, state_key, from_position, event_position, event_id, membership
FROM states WHERE room_nid = $1 AND to_position > $2 AND from_position <= $2;

-- name: state_without_members hot
-- The same without memberships but those of users ($3). Index: states_others_idx, states_pkey.
SELECT type, state_key, from_position, event_position, event_id, membership
FROM states WHERE room_nid = $1 AND type <> 'm.room.member' AND to_position > $2 AND from_position <= $2
UNION ALL
SELECT s.type, s.state_key, s.from_position, s.event_position, s.event_id, s.membership
FROM (SELECT DISTINCT u FROM unnest($3::text[]) AS u) AS m CROSS JOIN LATERAL (
	SELECT * FROM states WHERE room_nid = $1 AND type = 'm.room.member' AND state_key = m.u AND from_position <= $2
	ORDER BY from_position DESC LIMIT 1
) AS s
WHERE s.to_position > $2;

-- name: state_one_at hot
-- One entry of the state after a position: at most one row. Index: states_pkey.
SELECT type, state_key, from_position, event_position, event_id, membership
FROM (
	SELECT * FROM states WHERE room_nid = $1 AND type = $2 AND state_key = $3 AND from_position <= $4
	ORDER BY from_position DESC LIMIT 1
) AS s
WHERE to_position > $4;

-- name: state_changes hot
-- What differs between two positions: the entries at $3 that began after $2. Index: states_began_idx.
SELECT type, state_key, from_position, event_position, event_id, membership
FROM states WHERE room_nid = $1 AND from_position + 0 > $2 AND from_position + 0 <= $3 AND to_position > $3;

-- name: state_last_join hot
-- The last interval that began up to a position and in which a user was joined: at most one row. Index: states_members_idx.
SELECT type, state_key, from_position, event_position, event_id, membership, to_position
FROM states WHERE room_nid = $1 AND type = 'm.room.member' AND state_key = $2 AND from_position <= $3
	AND membership = 'join'
ORDER BY from_position DESC LIMIT 1;

-- name: state_viewer_server
-- Every membership that users of a server ($2) had in a room, and every history visibility of it, oldest first. Grows with the past of that
-- server's users: only for servers that were not there all along. The type stands in a SELECT, so that no index of all state but members is offered. Index: states_servers_idx, states_pkey.
SELECT type, state_key, from_position, event_position, event_id, membership
FROM states WHERE room_nid = $1 AND type = 'm.room.member' AND substr(state_key, strpos(state_key, ':') + 1) = $2
UNION ALL
SELECT type, state_key, from_position, event_position, event_id, membership
FROM states WHERE room_nid = $1 AND type = (SELECT 'm.room.history_visibility') AND state_key = ''
ORDER BY 3;

-- name: state_viewer hot
-- What a user was in a room, and what its history visibility was, at some positions ($3): the intervals in which these lie (one before all others
-- has none), and the last one in which the user was joined; oldest first. Goes back from an interval to the one of the next older position: reads
-- no more rows than it gives, however many there ever were. Index: states_pkey.
WITH RECURSIVE held AS (
	SELECT s.* FROM (VALUES ('m.room.member', $2::text), ('m.room.history_visibility', '')) AS k (type, state_key)
	CROSS JOIN LATERAL (
		SELECT type, state_key, from_position, event_position, event_id, membership, to_position
		FROM states WHERE room_nid = $1 AND type = k.type AND state_key = k.state_key
			AND from_position <= (SELECT max(p) FROM unnest($3::bigint[]) AS p)
		ORDER BY from_position DESC LIMIT 1
	) AS s
	UNION ALL
	SELECT s.* FROM held CROSS JOIN LATERAL (
		SELECT type, state_key, from_position, event_position, event_id, membership, to_position
		FROM states WHERE room_nid = $1 AND type = held.type AND state_key = held.state_key
			AND from_position <= (SELECT max(p) FROM unnest($3::bigint[]) AS p WHERE p < held.from_position)
		ORDER BY from_position DESC LIMIT 1
	) AS s
)
SELECT type, state_key, from_position, event_position, event_id, membership, to_position FROM held
UNION ALL
(SELECT type, state_key, from_position, event_position, event_id, membership, to_position
FROM states WHERE room_nid = $1 AND type = 'm.room.member' AND state_key = $2 AND membership = 'join'
ORDER BY from_position DESC LIMIT 1)
ORDER BY 3;

-- name: state_kinds hot
-- Of each of some rooms ($1) that has an m.room.create: its place in the list, that event's PDU, and whether it is encrypted now. Index: states_pkey, events_pkey.
SELECT u.n, e.json, coalesce((
	SELECT n.to_position = 9223372036854775807 FROM states n
	WHERE n.room_nid = u.room_nid AND n.type = 'm.room.encryption' AND n.state_key = '' ORDER BY n.from_position DESC LIMIT 1
), false)
FROM unnest($1::bigint[]) WITH ORDINALITY AS u(room_nid, n) CROSS JOIN LATERAL (
	SELECT s.event_position FROM states s WHERE s.room_nid = u.room_nid AND s.type = 'm.room.create' AND s.state_key = ''
	ORDER BY s.from_position DESC LIMIT 1
) AS c
JOIN events e ON e.room_nid = u.room_nid AND e.position = c.event_position;
