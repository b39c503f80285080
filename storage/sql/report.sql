-- name: report_insert
-- One row: time, reporter, room, event, user, reason, event text.
INSERT INTO reports (created_at_ms, reporter, room_id, event_id, user_id, reason, event_json)
VALUES ($1, $2, $3, $4, $5, $6, $7);

-- name: report_list hot
-- The newest $1 reports, newest first. Index: reports_pkey.
SELECT report_id, created_at_ms, reporter, room_id, event_id, user_id, reason, event_json
FROM reports ORDER BY report_id DESC LIMIT $1;

-- name: report_find hot
-- At most one row. Index: reports_pkey.
SELECT report_id, created_at_ms, reporter, room_id, event_id, user_id, reason, event_json
FROM reports WHERE report_id = $1;

-- name: report_delete
-- At most one row. Index: reports_pkey.
DELETE FROM reports WHERE report_id = $1;
