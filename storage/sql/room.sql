-- name: room_nid_next
-- One row: the first of 100 room numbers that are now ours.
SELECT nextval('room_nids');

-- name: room_find hot
-- At most one row. Index: rooms_room_id_key.
SELECT r.room_nid, r.room_id, r.version, r.event_seq, r.depth, r.extremities, r.last_position,
	r.notify_seq, r.highlight_seq,
	coalesce((SELECT max(c.position) FROM receipts c WHERE c.room_nid = r.room_nid), 0), r.whole_at,
	r.ground_position
FROM rooms r WHERE r.room_id = $1;

-- name: room_find_nid hot
-- At most one row. Index: rooms_pkey.
SELECT r.room_nid, r.room_id, r.version, r.event_seq, r.depth, r.extremities, r.last_position,
	r.notify_seq, r.highlight_seq,
	coalesce((SELECT max(c.position) FROM receipts c WHERE c.room_nid = r.room_nid), 0), r.whole_at,
	r.ground_position
FROM rooms r WHERE r.room_nid = $1;

-- name: room_set_published
-- One row. Index: rooms_pkey.
UPDATE rooms SET is_published = $2 WHERE room_nid = $1;

-- name: room_is_published
-- At most one row. Index: rooms_pkey.
SELECT is_published FROM rooms WHERE room_nid = $1;

-- name: transaction_find hot
-- At most one row. Index: transactions_pkey.
SELECT event_id FROM transactions WHERE key = $1;

-- name: transaction_delete_old
-- As many as are old, but for those of notices that may have been sent without anybody having written it down. Index:
-- transactions_created_idx, notice_deliveries_waiting_idx, notice_reminders_waiting_idx, notice_follow_ups_waiting_idx.
DELETE FROM transactions WHERE created_at_ms < $1
	AND key <> ALL (ARRAY(SELECT txn_key FROM notice_deliveries WHERE next_try_ms IS NOT NULL
		UNION ALL SELECT txn_key FROM notice_reminders WHERE next_try_ms IS NOT NULL
		UNION ALL SELECT txn_key FROM notice_follow_ups WHERE next_try_ms IS NOT NULL));
