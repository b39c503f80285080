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
SELECT type, state_key, from_position, event_position, event_id, membership
FROM states WHERE room_nid = $1 AND type = 'm.room.member' AND state_key = ANY($3::text[]) AND from_position <= $2
	AND to_position > $2;

-- name: state_one_at hot
-- One entry of the state after a position: at most one row. Index: states_pkey.
SELECT type, state_key, from_position, event_position, event_id, membership
FROM states WHERE room_nid = $1 AND type = $2 AND state_key = $3 AND from_position <= $4
	AND to_position > $4;

-- name: state_changes hot
-- What differs between two positions: the entries at $3 that began after $2. Index: states_to_idx.
SELECT type, state_key, from_position, event_position, event_id, membership
FROM states WHERE room_nid = $1 AND to_position > $3 AND from_position <= $3 AND from_position > $2;

-- name: state_memberships hot
-- Every membership that a user had in a room, oldest first. Index: states_pkey.
SELECT type, state_key, from_position, event_position, event_id, membership
FROM states WHERE room_nid = $1 AND type = 'm.room.member' AND state_key = $2
ORDER BY from_position;

-- name: state_viewer_server
-- Every membership that users of a server ($2) had in a room, and every history visibility of it, oldest first. Reads all memberships of
-- the room: only for servers that were not there all along. Index: states_pkey, twice.
SELECT type, state_key, from_position, event_position, event_id, membership
FROM states WHERE room_nid = $1 AND type = 'm.room.member' AND substr(state_key, strpos(state_key, ':') + 1) = $2
UNION ALL
SELECT type, state_key, from_position, event_position, event_id, membership
FROM states WHERE room_nid = $1 AND type = 'm.room.history_visibility' AND state_key = ''
ORDER BY 3;

-- name: state_viewer hot
-- Every membership that a user had in a room, and every history visibility of it, oldest first. Index: states_pkey, twice.
SELECT type, state_key, from_position, event_position, event_id, membership
FROM states WHERE room_nid = $1 AND type = 'm.room.member' AND state_key = $2
UNION ALL
SELECT type, state_key, from_position, event_position, event_id, membership
FROM states WHERE room_nid = $1 AND type = 'm.room.history_visibility' AND state_key = ''
ORDER BY 3;
