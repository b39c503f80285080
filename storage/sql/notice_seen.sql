-- name: notice_occurrences hot
-- Times at which a notice went to at least one room, in order: due, rooms that have it, rooms in all. Index: notice_deliveries_pkey.
SELECT due_at_ms, count(event_id), count(*) FROM notice_deliveries WHERE notice_id = $1
GROUP BY due_at_ms HAVING count(event_id) > 0 ORDER BY due_at_ms;

-- name: notice_seen
-- A row for each person in each room that an occurrence (notice, due) went to: members and invited but senders of notices, by name. A
-- notice that was edited is delivered and read when its newest text is. Index: notice_deliveries_pkey, events_event_id_key,
-- members_room_idx, devices_pkey, receipts_pkey, relations_pkey, room_summaries_pkey.
WITH sent AS MATERIALIZED (
	SELECT d.room_id, d.event_id, e.room_nid, coalesce(edit.position, e.position) AS text_position, edit.origin_server_ts AS edited_at_ms,
		y.name AS room_name, y.canonical_alias AS room_alias
	FROM notice_deliveries AS d JOIN events AS e ON e.event_id = d.event_id
	LEFT JOIN LATERAL (
		SELECT x.position, x.origin_server_ts FROM relations AS t JOIN events AS x ON x.room_nid = t.room_nid AND x.position = t.position
		WHERE t.room_nid = e.room_nid AND t.parent_id = e.event_id AND t.rel_type = 'm.replace' AND t.sender = e.sender
		ORDER BY t.position DESC LIMIT 1
	) AS edit ON true
	LEFT JOIN LATERAL (SELECT name, canonical_alias FROM room_summaries WHERE room_nid = e.room_nid OFFSET 0) AS y ON true
	WHERE d.notice_id = $1 AND d.due_at_ms = $2
), reacted AS (
	SELECT s.room_nid, t.sender, max(x.origin_server_ts) AS at_ms, max(t.position) >= s.text_position AS is_current
	FROM sent AS s JOIN relations AS t ON t.room_nid = s.room_nid AND t.parent_id = s.event_id AND t.rel_type = 'm.annotation'
	JOIN events AS x ON x.room_nid = t.room_nid AND x.position = t.position
	GROUP BY s.room_nid, t.sender, s.text_position
), readers AS (
	SELECT s.room_nid, r.user_id, min(r.ts) AS at_ms
	FROM sent AS s JOIN receipts AS r ON r.room_nid = s.room_nid AND r.event_position >= s.text_position
	WHERE r.receipt_type = 'm.read' AND r.thread_id IN ('', 'main')
	GROUP BY s.room_nid, r.user_id
)
SELECT m.user_id, u.display_name, s.room_id, (a.user_id IS NOT NULL AND a.appservice_id IS NULL) AS is_ours,
	EXISTS (SELECT 1 FROM devices AS v WHERE v.user_id = m.user_id AND v.synced_position >= s.text_position
		AND m.membership = 'join') AS is_delivered,
	readers.at_ms, reacted.at_ms, reacted.is_current, c.confirmed_at_ms,
	c.confirmed_at_ms >= coalesce(s.edited_at_ms, 0), s.room_name, s.room_alias
FROM sent AS s JOIN members AS m ON m.room_nid = s.room_nid AND m.membership IN ('join', 'invite')
LEFT JOIN accounts AS a ON a.user_id = m.user_id
LEFT JOIN directory_users AS u ON u.user_id = m.user_id
LEFT JOIN readers ON readers.room_nid = s.room_nid AND readers.user_id = m.user_id
LEFT JOIN reacted ON reacted.room_nid = s.room_nid AND reacted.sender = m.user_id
LEFT JOIN notice_confirmations AS c ON c.notice_id = $1 AND c.due_at_ms = $2 AND c.user_id = m.user_id
WHERE NOT EXISTS (SELECT 1 FROM notice_senders AS o WHERE o.user_id = m.user_id)
ORDER BY coalesce(u.folded_name, m.user_id), m.user_id, s.room_id;

-- name: notice_confirm
-- One row unless there is no such delivered occurrence: notice, due, user, milliseconds. The first time stays. Index: notice_deliveries_pkey.
INSERT INTO notice_confirmations (notice_id, due_at_ms, user_id, confirmed_at_ms)
SELECT $1, $2, $3, $4 WHERE EXISTS (SELECT 1 FROM notice_deliveries WHERE notice_id = $1 AND due_at_ms = $2)
ON CONFLICT (notice_id, due_at_ms, user_id) DO UPDATE SET confirmed_at_ms = notice_confirmations.confirmed_at_ms
RETURNING confirmed_at_ms;

-- name: notice_confirm_show
-- At most one row: what a link of (notice, due, user) is about: sender, its name, texts, zone, whether any of its rooms is encrypted, when
-- it was confirmed (null: not). Index: notices_pkey, notice_deliveries_pkey, notice_edits_pkey, states_pkey.
SELECT n.sender, u.display_name,
	coalesce((SELECT e.texts FROM notice_edits AS e WHERE e.notice_id = $1 AND e.is_later AND e.replaced_at_ms > (SELECT min(d.sent_at_ms)
		FROM notice_deliveries AS d WHERE d.notice_id = $1 AND d.due_at_ms = $2)
		ORDER BY e.ordinal LIMIT 1), n.texts),
	n.zone,
	EXISTS (SELECT 1 FROM notice_deliveries AS d JOIN rooms AS r ON r.room_id = d.room_id
		JOIN states AS s ON s.room_nid = r.room_nid AND s.type = 'm.room.encryption' AND s.state_key = ''
		WHERE d.notice_id = $1 AND d.due_at_ms = $2),
	(SELECT confirmed_at_ms FROM notice_confirmations WHERE notice_id = $1 AND due_at_ms = $2 AND user_id = $3)
FROM notices AS n LEFT JOIN directory_users AS u ON u.user_id = n.sender
WHERE n.notice_id = $1;
