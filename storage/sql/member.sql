-- name: member_rooms hot
-- All rooms of a user with what a sync asks first. Index: members_pkey.
SELECT m.room_nid, m.membership, m.position, m.is_forgotten, m.stripped, r.room_id, r.version, r.last_position,
	coalesce((SELECT max(c.position) FROM receipts c WHERE c.room_nid = r.room_nid), 0)
FROM members m JOIN rooms r ON r.room_nid = m.room_nid WHERE m.user_id = $1;

-- name: member_thrown_out hot
-- Rooms out of which others have put a user by a position, the newest first, some at the most; not what was forgotten, and unless $5 not those in which the
-- user never was: banned without a join, or with no word of an invite or a knock before. Who has left many rooms
-- has the events of the newest looked at. Index: members_pkey, states_pkey, events_event_id_key.
SELECT m.room_nid
FROM (SELECT user_id, room_nid, membership, position FROM members
	WHERE user_id = $1 AND membership IN ('leave', 'ban') AND NOT is_forgotten AND position <= $2
	ORDER BY position DESC LIMIT $4) m
LEFT JOIN LATERAL (SELECT event_id, to_position FROM states WHERE room_nid = m.room_nid AND type = 'm.room.member'
	AND state_key = m.user_id ORDER BY from_position DESC LIMIT 1) s ON m.membership = 'leave' AND s.to_position = 9223372036854775807
LEFT JOIN events e ON e.event_id = s.event_id
WHERE (m.membership = 'ban' OR e.sender <> m.user_id)
	AND ($5 OR (SELECT true FROM states j WHERE j.room_nid = m.room_nid AND j.type = 'm.room.member' AND j.state_key = m.user_id
		AND (j.membership = 'join' OR m.membership = 'leave' AND j.membership IN ('invite', 'knock')) ORDER BY j.from_position DESC LIMIT 1))
ORDER BY m.position DESC LIMIT $3;

-- name: member_joined hot
-- Rooms that users are joined to. Index: members_pkey.
SELECT m.user_id, m.room_nid FROM members m
WHERE m.user_id = ANY($1::text[]) AND m.membership = 'join' ORDER BY m.user_id, m.room_nid;

-- name: member_of_room hot
-- One user's newest membership in a room. Index: members_pkey.
SELECT membership, position, is_forgotten, stripped FROM members WHERE user_id = $2 AND room_nid = $1;

-- name: member_forget
-- At most one row: who has come back meanwhile has not forgotten. Index: members_pkey.
UPDATE members SET is_forgotten = true
WHERE user_id = $2 AND room_nid = $1 AND membership IN ('leave', 'ban');

-- name: member_shared_room
-- Whether two users are joined to a common room: one row if so. Index: members_pkey.
SELECT 1 FROM members a JOIN members b ON b.room_nid = a.room_nid
WHERE a.user_id = $1 AND b.user_id = $2 AND a.membership = 'join' AND b.membership = 'join' LIMIT 1;
