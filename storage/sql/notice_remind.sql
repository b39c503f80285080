-- name: notice_remind
-- A row for each who is reminded: notice, due, users, rooms, level, now, and before when an earlier reminder must have been asked for.
-- Who waits for one already, or had one since, is left as it is. Index: notice_reminders_pkey.
INSERT INTO notice_reminders (notice_id, due_at_ms, user_id, room_id, level, asked_at_ms, txn_key, next_try_ms, failures)
SELECT $1, $2, n.user_id, n.room_id, $5, $6,
	substr(sha256(convert_to('reminder ' || $1::bigint || ' ' || $2::bigint || ' ' || $6::bigint || ' ' || n.user_id, 'UTF8')), 1, 16), $6, 0
FROM unnest($3::text[], $4::text[]) AS n(user_id, room_id)
ORDER BY n.user_id
ON CONFLICT (notice_id, due_at_ms, user_id) DO UPDATE SET room_id = excluded.room_id, level = excluded.level,
	asked_at_ms = excluded.asked_at_ms, txn_key = excluded.txn_key, next_try_ms = excluded.next_try_ms, failures = 0,
	reason = NULL, sent_as = NULL
WHERE notice_reminders.next_try_ms IS NULL AND notice_reminders.asked_at_ms < $7
RETURNING user_id;

-- name: notice_remind_due hot
-- Up to $2 that are to be sent, longest first, with what they are about, as it says; an address where the person has none of our devices that
-- ever synced. Index: notice_reminders_waiting_idx, notice_deliveries_pkey, notices_pkey, notice_edits_pkey, states_pkey, threepids_user_idx,
-- devices_pkey.
SELECT m.notice_id, m.due_at_ms, m.user_id, m.room_id, m.level, m.asked_at_ms, m.txn_key, m.failures, n.sender, u.display_name,
	coalesce((SELECT e.texts FROM notice_edits AS e WHERE e.notice_id = m.notice_id AND e.is_later AND e.replaced_at_ms > d.sent_at_ms
		ORDER BY e.ordinal LIMIT 1), n.texts),
	d.languages, d.event_id,
	EXISTS (SELECT 1 FROM rooms AS r JOIN states AS s ON s.room_nid = r.room_nid
		WHERE r.room_id = m.room_id AND s.type = 'm.room.encryption' AND s.state_key = ''),
	(SELECT t.address FROM threepids AS t JOIN accounts AS a ON a.user_id = t.user_id
		WHERE t.user_id = m.user_id AND t.medium = 'email' AND a.state <> 'deactivated'
			AND NOT EXISTS (SELECT 1 FROM devices AS v WHERE v.user_id = m.user_id AND v.synced_position > 0)
		ORDER BY t.added_at_ms, t.address LIMIT 1)
FROM notice_reminders AS m JOIN notices AS n ON n.notice_id = m.notice_id
JOIN notice_deliveries AS d ON d.notice_id = m.notice_id AND d.due_at_ms = m.due_at_ms AND d.room_id = m.room_id
LEFT JOIN directory_users AS u ON u.user_id = n.sender
WHERE m.next_try_ms <= $1 ORDER BY m.next_try_ms LIMIT $2;

-- name: notice_remind_sent
-- At most one row: notice, due, user, when it was asked for, how it was sent. Index: notice_reminders_pkey.
UPDATE notice_reminders SET next_try_ms = NULL, reason = NULL, sent_as = $5
WHERE notice_id = $1 AND due_at_ms = $2 AND user_id = $3 AND asked_at_ms = $4;

-- name: notice_remind_failed
-- At most one row: notice, due, user, when it was asked for, the next try (null: none), why. Index: notice_reminders_pkey.
UPDATE notice_reminders SET next_try_ms = $5, failures = failures + 1, reason = $6
WHERE notice_id = $1 AND due_at_ms = $2 AND user_id = $3 AND asked_at_ms = $4;

-- name: notice_direct_room hot
-- At most one row: the newest direct room of $1, joined, and $2, joined or invited: one was invited to it as that, nobody else is there, and it
-- has no name. Index: members_pkey, members_room_idx, states_pkey, events_pkey.
SELECT r.room_id FROM members AS s
JOIN members AS p ON p.user_id = $2 AND p.room_nid = s.room_nid AND p.membership IN ('join', 'invite')
JOIN rooms AS r ON r.room_nid = s.room_nid
WHERE s.user_id = $1 AND s.membership = 'join'
	AND NOT EXISTS (SELECT 1 FROM members AS o WHERE o.room_nid = s.room_nid AND o.membership IN ('join', 'invite')
		AND o.user_id <> $1 AND o.user_id <> $2)
	AND NOT EXISTS (SELECT 1 FROM states AS t WHERE t.room_nid = s.room_nid AND t.state_key = '' AND t.to_position = 9223372036854775807
		AND t.type IN ('m.room.name', 'm.room.canonical_alias', 'm.room.tombstone'))
	AND EXISTS (SELECT 1 FROM unnest(ARRAY[$1, $2]) AS k(user_id)
		CROSS JOIN LATERAL (SELECT event_position FROM states WHERE room_nid = s.room_nid AND type = 'm.room.member'
			AND state_key = k.user_id AND membership = 'invite' OFFSET 0) AS t
		CROSS JOIN LATERAL (SELECT json FROM events WHERE room_nid = s.room_nid AND position = t.event_position OFFSET 0) AS e
		WHERE e.json ~ '"is_direct"\s*:\s*true' OFFSET 0)
ORDER BY s.position DESC LIMIT 1;
