-- name: receipts_of_room hot
-- All receipts of a room, newest first. Index: receipts_position_idx.
SELECT user_id, receipt_type, thread_id, event_id, event_position, ts, position
FROM receipts WHERE room_nid = $1 ORDER BY position DESC;
