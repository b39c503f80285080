-- name: notice_edit
-- One row: how many edits there were. A notice $1 gets the texts $2 at $3; what the newest occurrence sent is to be edited unless $4. Locks the notice
-- and then its deliveries, as notice_delivery_sent does: of the two the later one sees what the earlier one did. Index: notices_pkey,
-- notice_deliveries_pkey.
WITH old AS (
	SELECT notice_id, texts, edits FROM notices WHERE notice_id = $1 FOR UPDATE
), kept AS (
	INSERT INTO notice_edits (notice_id, ordinal, texts, replaced_at_ms, is_later)
	SELECT notice_id, edits, texts, $3::bigint, $4 FROM old
), changed AS (
	UPDATE notices AS n SET texts = $2, edits = n.edits + 1, edited_at_ms = CASE WHEN $4 THEN n.edited_at_ms ELSE $3::bigint END
	FROM old WHERE n.notice_id = old.notice_id
	RETURNING n.notice_id, n.edits
), newest AS (
	SELECT c.edits, d.notice_id, d.due_at_ms, d.room_id, d.event_id
	FROM changed AS c JOIN notice_deliveries AS d ON d.notice_id = c.notice_id
	WHERE d.due_at_ms = (SELECT max(due_at_ms) FROM notice_deliveries WHERE notice_id = $1)
	FOR UPDATE OF d
), told AS (
	INSERT INTO notice_follow_ups (notice_id, due_at_ms, room_id, kind, ordinal, txn_key, next_try_ms, failures)
	SELECT notice_id, due_at_ms, room_id, 'edit', edits,
		substr(sha256(convert_to(concat_ws(' ', 'notice', notice_id, due_at_ms, room_id, 'edit', edits), 'UTF8')), 1, 16), $3, 0
	FROM newest WHERE NOT $4 AND event_id IS NOT NULL
)
SELECT edits FROM changed;

-- name: notice_edit_list hot
-- What a notice $1 said before, oldest first. Index: notice_edits_pkey.
SELECT texts, replaced_at_ms FROM notice_edits WHERE notice_id = $1 ORDER BY ordinal;

-- name: notice_follow_up_due hot
-- Up to $2 that are to be done, longest first; the texts are the newest but for edits since that are for what was still to come. Index:
-- notice_follow_ups_waiting_idx, notices_pkey, notice_deliveries_pkey, notice_attachments_pkey, notice_edits_pkey.
SELECT f.notice_id, f.due_at_ms, f.room_id, f.kind, f.ordinal, f.txn_key, f.failures, d.event_id, d.languages, n.sender,
	coalesce((SELECT e.texts FROM notice_edits AS e WHERE e.notice_id = f.notice_id AND e.ordinal >= f.ordinal AND e.is_later
		ORDER BY e.ordinal LIMIT 1), n.texts),
	a.media_id, f.sealed
FROM notice_follow_ups AS f
	JOIN notices AS n ON n.notice_id = f.notice_id
	JOIN notice_deliveries AS d ON d.notice_id = f.notice_id AND d.due_at_ms = f.due_at_ms AND d.room_id = f.room_id
	LEFT JOIN notice_attachments AS a ON f.kind = 'file' AND a.notice_id = f.notice_id AND a.ordinal = f.ordinal
WHERE f.next_try_ms <= $1 ORDER BY f.next_try_ms, f.kind, f.ordinal LIMIT $2;

-- name: notice_follow_up_seal
-- At most one row: its ciphertext is made. Index: notice_follow_ups_pkey.
UPDATE notice_follow_ups SET sealed = $6
WHERE notice_id = $1 AND due_at_ms = $2 AND room_id = $3 AND kind = $4 AND ordinal = $5;

-- name: notice_follow_up_done
-- At most one row. Index: notice_follow_ups_pkey.
UPDATE notice_follow_ups SET done_at_ms = $6, next_try_ms = NULL, reason = NULL
WHERE notice_id = $1 AND due_at_ms = $2 AND room_id = $3 AND kind = $4 AND ordinal = $5;

-- name: notice_follow_up_failed
-- At most one row: it is tried again at $6, null: not any more. One that was cancelled meanwhile stays as it is. Index:
-- notice_follow_ups_pkey.
UPDATE notice_follow_ups SET failures = failures + 1, next_try_ms = $6, reason = $7
WHERE notice_id = $1 AND due_at_ms = $2 AND room_id = $3 AND kind = $4 AND ordinal = $5 AND next_try_ms IS NOT NULL;

-- name: notice_follow_up_list hot
-- The newest $2 of a notice. Index: notice_follow_ups_pkey.
SELECT due_at_ms, room_id, kind, next_try_ms, reason, done_at_ms FROM notice_follow_ups
WHERE notice_id = $1 ORDER BY due_at_ms DESC, room_id, kind, ordinal LIMIT $2;
