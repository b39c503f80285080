-- name: notice_manager_insert
-- At most one row: sender, user.
INSERT INTO notice_managers (sender, user_id) VALUES ($1, $2) ON CONFLICT DO NOTHING;

-- name: notice_manager_delete
-- At most one row. Index: notice_managers_pkey.
DELETE FROM notice_managers WHERE sender = $1 AND user_id = $2;

-- name: notice_manager_list hot
-- All of a sender, by name. Index: notice_managers_pkey.
SELECT user_id FROM notice_managers WHERE sender = $1 ORDER BY user_id;

-- name: notice_manager_find hot
-- One row: whether a user may command a sender. Index: notice_managers_pkey, accounts_pkey.
SELECT EXISTS (SELECT 1 FROM notice_managers WHERE sender = $1 AND user_id = $2)
	OR EXISTS (SELECT 1 FROM accounts WHERE user_id = $2 AND is_admin AND state = 'active');

-- name: notice_commands_take
-- A row for each that was queued: of the stream after $1 up to $2, at $3: messages in direct rooms of a sender, and invitations of senders. What is
-- new is due whatever the time, so that a clock that is set back between two of them does not change their order.
-- A direct room: one of the two was invited to it as that, nobody else is there, and it has no name. Index: events_stream_idx,
-- members_pkey, members_room_idx, states_pkey, events_pkey.
WITH news AS MATERIALIZED (
	SELECT e.event_id, e.room_nid, e.position, e.sender, e.type, e.state_key FROM events AS e
	WHERE e.position > 0 AND e.position > $1 AND e.position <= $2 AND e.fate = 0
		AND (e.type IN ('m.room.message', 'm.room.encrypted') OR (e.type = 'm.room.member' AND e.state_key <> e.sender))
		AND NOT EXISTS (SELECT 1 FROM notice_senders AS q WHERE q.user_id = e.sender)
)
INSERT INTO notice_commands (event_id, sender, room_id, user_id, kind, queued_at_ms, next_try_ms)
SELECT n.event_id, o.user_id, r.room_id, n.sender, CASE WHEN n.state_key IS NULL THEN 'message' ELSE 'invite' END, $3, 0
FROM news AS n CROSS JOIN notice_senders AS o
CROSS JOIN LATERAL (SELECT membership, position FROM members WHERE user_id = o.user_id AND room_nid = n.room_nid OFFSET 0) AS s
CROSS JOIN LATERAL (SELECT room_id FROM rooms WHERE room_nid = n.room_nid OFFSET 0) AS r
WHERE (n.state_key = o.user_id AND s.membership = 'invite' AND s.position = n.position)
	OR (n.state_key IS NULL AND s.membership = 'join'
		AND NOT EXISTS (SELECT 1 FROM members AS x WHERE x.room_nid = n.room_nid AND x.membership = 'join'
			AND x.user_id <> o.user_id AND x.user_id <> n.sender)
		AND NOT EXISTS (SELECT 1 FROM states AS t WHERE t.room_nid = n.room_nid AND t.state_key = '' AND t.to_position = 9223372036854775807
			AND t.type IN ('m.room.name', 'm.room.canonical_alias', 'm.room.tombstone'))
		AND EXISTS (SELECT 1 FROM unnest(ARRAY[o.user_id, n.sender]) AS k(user_id)
			CROSS JOIN LATERAL (SELECT event_position FROM states WHERE room_nid = n.room_nid AND type = 'm.room.member'
				AND state_key = k.user_id AND membership = 'invite' OFFSET 0) AS t
			CROSS JOIN LATERAL (SELECT json FROM events WHERE room_nid = n.room_nid AND position = t.event_position OFFSET 0) AS e
			WHERE e.json ~ '"is_direct"\s*:\s*true' OFFSET 0))
ON CONFLICT DO NOTHING
RETURNING event_id;

-- name: notice_commands_due hot
-- Up to $2, longest first; those of one time in the order of the stream. Index: notice_commands_waiting_idx, events_event_id_key.
SELECT c.event_id, c.sender, c.room_id, c.user_id, c.kind, c.queued_at_ms FROM notice_commands AS c
LEFT JOIN LATERAL (SELECT position FROM events WHERE event_id = c.event_id OFFSET 0) AS e ON true
WHERE c.next_try_ms <= $1 ORDER BY c.next_try_ms, e.position, c.sender LIMIT $2;

-- name: notice_commands_later
-- One row: event, sender, when to look again. Index: notice_commands_pkey.
UPDATE notice_commands SET next_try_ms = $3 WHERE event_id = $1 AND sender = $2;

-- name: notice_commands_done
-- One row: event, sender. Index: notice_commands_pkey.
DELETE FROM notice_commands WHERE event_id = $1 AND sender = $2;

-- name: notice_command_find hot
-- At most one row: the notice that a command, by its event, has made. Index: notices_command_key.
SELECT notice_id FROM notices WHERE sender = $1 AND request_key = $2 AND token_id IS NULL;
