-- name: notice_sender_insert
-- At most one row changed: none when it is one already.
INSERT INTO notice_senders (user_id, created_at_ms) VALUES ($1, $2) ON CONFLICT DO NOTHING;

-- name: notice_sender_find hot
-- At most one row. Index: notice_senders_pkey.
SELECT 1::bigint FROM notice_senders WHERE user_id = $1;

-- name: notice_sender_list
-- All, by name.
SELECT user_id FROM notice_senders ORDER BY user_id;

-- name: notice_token_insert
-- One row: the number.
INSERT INTO notice_tokens (hash, sender, targets, name, created_at_ms, is_hook, is_signed) VALUES ($1, $2, $3, $4, $5, $6, $7)
RETURNING token_id;

-- name: notice_token_find hot
-- At most one row: none when the sender's account is closed. Index: notice_tokens_hash_key, accounts_pkey.
SELECT t.token_id, t.sender, t.targets, t.name, t.created_at_ms, t.is_hook, t.is_signed
FROM notice_tokens AS t JOIN accounts AS a ON a.user_id = t.sender AND a.state = 'active'
WHERE t.hash = $1 AND t.is_hook = $2;

-- name: notice_token_list
-- All, oldest first.
SELECT token_id, sender, targets, name, created_at_ms, is_hook, is_signed FROM notice_tokens ORDER BY token_id;

-- name: notice_token_delete
-- At most one row. Index: notice_tokens_pkey.
DELETE FROM notice_tokens WHERE token_id = $1;

-- name: notice_insert
-- One row: the number. None when the sender has $12 that are still due or drafts, or the token has sent this request before.
-- Index: notices_sender_idx, notices_request_key.
WITH made AS (
	INSERT INTO notices (sender, texts, state, start_at, zone, rule, except_at, next_at_ms, expires_at_ms, created_at_ms, token_id,
		request_key, request_hash, is_pinned)
	SELECT $1, $2, $16, $3, $4, $5, $6, $7, $8, $9, $10, $11, $15, $17
	WHERE (SELECT count(*) FROM notices WHERE sender = $1 AND (next_at_ms IS NOT NULL OR state = 'draft')) < $12
	ON CONFLICT (token_id, request_key) DO NOTHING
	RETURNING notice_id
), targets AS (
	INSERT INTO notice_targets (notice_id, ordinal, target, languages)
	SELECT made.notice_id, t.ordinal, t.target, t.languages
	FROM made, unnest($13::text[], $14::text[]) WITH ORDINALITY AS t (target, languages, ordinal)
), files AS (
	INSERT INTO notice_attachments (notice_id, ordinal, media_id)
	SELECT made.notice_id, t.ordinal, t.media_id FROM made, unnest($18::text[]) WITH ORDINALITY AS t (media_id, ordinal)
)
SELECT notice_id FROM made;

-- name: notice_find_request hot
-- At most one row. Index: notices_request_key.
SELECT notice_id, request_hash FROM notices WHERE token_id = $1 AND request_key = $2;

-- name: notice_get hot
-- At most one row. Index: notices_pkey.
SELECT notice_id, sender, texts, state, start_at, zone, rule, except_at, next_at_ms, expires_at_ms, created_at_ms, is_pinned, edits,
	token_id
FROM notices
WHERE notice_id = $1;

-- name: notice_list
-- The newest $3 before $2, of the sender $1 or of all, that go to none but $4 (null: to any). Index: notices_pkey,
-- notice_deliveries_pkey.
SELECT notice_id, sender, texts, state, start_at, zone, rule, except_at, next_at_ms, expires_at_ms, created_at_ms, is_pinned, edits,
	token_id, (SELECT count(*) FROM notice_deliveries AS d WHERE d.notice_id = notices.notice_id AND d.event_id IS NULL
		AND d.next_try_ms IS NULL AND d.reason <> 'cancelled')
FROM notices
WHERE ($1::text IS NULL OR sender = $1) AND notice_id < $2 AND ($4::text[] IS NULL OR NOT EXISTS (
	SELECT 1 FROM notice_targets AS t WHERE t.notice_id = notices.notice_id AND t.target <> ALL ($4)))
ORDER BY notice_id DESC LIMIT $3;

-- name: notice_attachments hot
-- Of a notice, in order. Index: notice_attachments_pkey.
SELECT media_id FROM notice_attachments WHERE notice_id = $1 ORDER BY ordinal;

-- name: notice_targets hot
-- Of a notice, in order. Index: notice_targets_pkey.
SELECT target, languages FROM notice_targets WHERE notice_id = $1 ORDER BY ordinal;

-- name: notice_cancel
-- One row when there was something to cancel: a time to come, a draft, a delivery or what follows it that waits, or a pin. Index:
-- notices_pkey, notice_deliveries_pkey, notice_follow_ups_pkey.
WITH mine AS (
	SELECT notice_id, is_pinned, next_at_ms IS NOT NULL OR state = 'draft' AS is_due FROM notices
	WHERE notice_id = $1 AND ($2::text IS NULL OR sender = $2) FOR UPDATE
), stopped AS (
	UPDATE notice_deliveries SET next_try_ms = NULL, reason = 'cancelled'
	WHERE notice_id = (SELECT notice_id FROM mine) AND next_try_ms IS NOT NULL
	RETURNING 1
), dropped AS (
	UPDATE notice_follow_ups SET next_try_ms = NULL, reason = 'cancelled'
	WHERE notice_id = (SELECT notice_id FROM mine) AND next_try_ms IS NOT NULL AND kind <> 'unpin'
	RETURNING 1
), unpinned AS (
	INSERT INTO notice_follow_ups (notice_id, due_at_ms, room_id, kind, ordinal, txn_key, next_try_ms, failures)
	SELECT d.notice_id, d.due_at_ms, d.room_id, 'unpin', 0, '', 0, 0
	FROM mine JOIN notice_deliveries AS d ON d.notice_id = mine.notice_id
	WHERE mine.is_pinned AND d.event_id IS NOT NULL
	ON CONFLICT (notice_id, due_at_ms, room_id, kind, ordinal) DO UPDATE SET next_try_ms = 0
		WHERE notice_follow_ups.done_at_ms IS NULL
	RETURNING 1
)
UPDATE notices SET state = 'cancelled', next_at_ms = NULL
WHERE notice_id = (SELECT notice_id FROM mine WHERE is_due OR EXISTS (SELECT 1 FROM stopped) OR EXISTS (SELECT 1 FROM dropped)
	OR EXISTS (SELECT 1 FROM unpinned))
RETURNING notice_id;

-- name: notice_reschedule
-- One row when a notice $1 was due at $2, or a draft (0): it begins at $3, is due next at $4, and is a draft no more. Index: notices_pkey.
UPDATE notices SET start_at = $3, next_at_ms = $4, state = 'scheduled'
WHERE notice_id = $1 AND CASE WHEN $2::bigint = 0 THEN state = 'draft' ELSE next_at_ms = $2::bigint END
RETURNING notice_id;

-- name: notice_due hot
-- Up to $2 that are due, longest first; those of one time as they were made. Index: notices_next_idx.
SELECT notice_id, sender, texts, state, start_at, zone, rule, except_at, next_at_ms, expires_at_ms, created_at_ms, is_pinned, edits,
	token_id
FROM notices
WHERE next_at_ms <= $1 ORDER BY next_at_ms, notice_id LIMIT $2;

-- name: notice_next hot
-- One row: when something is due next, null for never. Index: notices_next_idx, notice_deliveries_waiting_idx,
-- notice_reminders_waiting_idx, notice_commands_waiting_idx, notice_follow_ups_waiting_idx.
SELECT least((SELECT min(next_at_ms) FROM notices WHERE next_at_ms IS NOT NULL),
	(SELECT min(next_try_ms) FROM notice_deliveries WHERE next_try_ms IS NOT NULL),
	(SELECT min(next_try_ms) FROM notice_reminders WHERE next_try_ms IS NOT NULL),
	(SELECT min(next_try_ms) FROM notice_commands),
	(SELECT min(next_try_ms) FROM notice_follow_ups WHERE next_try_ms IS NOT NULL));

-- name: notice_move_on
-- A notice $1 that was due at $2 is due next at $3 (null: never again) and has the state $4; at $5 it is due in rooms $6, in
-- languages $7, but for those with a reason in $8. One row when it was so; nothing happens when somebody was first.
-- Index: notices_pkey.
WITH moved AS (
	UPDATE notices SET next_at_ms = $3, state = $4 WHERE notice_id = $1 AND next_at_ms = $2 RETURNING notice_id
), made AS (
	INSERT INTO notice_deliveries (notice_id, due_at_ms, room_id, languages, txn_key, next_try_ms, failures, reason)
	SELECT moved.notice_id, $5::bigint, r.room_id, r.languages,
		substr(sha256(convert_to('notice ' || moved.notice_id || ' ' || $5::bigint || ' ' || r.room_id, 'UTF8')), 1, 16),
		CASE WHEN r.reason = '' THEN $5::bigint END, 0, nullif(r.reason, '')
	FROM moved, unnest($6::text[], $7::text[], $8::text[]) AS r (room_id, languages, reason)
	ON CONFLICT DO NOTHING
)
SELECT notice_id FROM moved;

-- name: notice_delivery_due hot
-- Up to $2 that are to be sent, longest first; those of one time as the notices were made. Index: notice_deliveries_waiting_idx, notices_pkey.
SELECT d.notice_id, d.due_at_ms, d.room_id, d.languages, d.txn_key, d.failures, n.sender, n.texts, n.zone
FROM notice_deliveries AS d JOIN notices AS n ON n.notice_id = d.notice_id
WHERE d.next_try_ms <= $1 ORDER BY d.next_try_ms, d.notice_id, d.room_id LIMIT $2;

-- name: notice_delivery_recall
-- Deliveries that failed and wait for longer than any pause ($2) from now ($1) were put off by a clock that has been set back: due now.
-- Index: notice_deliveries_waiting_idx.
UPDATE notice_deliveries SET next_try_ms = $1 WHERE next_try_ms > $1::bigint + $2::bigint AND failures > 0;

-- name: notice_delivery_sent
-- The event $4 is there since $5; what follows it is to be done. What was sent may be older than an edit of a time when it was already due.
-- An edit under way is waited for. Index: notice_deliveries_pkey, notices_pkey, notice_attachments_pkey.
WITH n AS (
	SELECT notice_id, state, is_pinned, expires_at_ms, edits, edited_at_ms FROM notices WHERE notice_id = $1 FOR SHARE
), sent AS (
	UPDATE notice_deliveries AS d SET event_id = $4, sent_at_ms = $5, next_try_ms = NULL, reason = NULL
	FROM n WHERE d.notice_id = n.notice_id AND d.due_at_ms = $2 AND d.room_id = $3
	RETURNING d.notice_id, d.due_at_ms, d.room_id
)
INSERT INTO notice_follow_ups (notice_id, due_at_ms, room_id, kind, ordinal, txn_key, next_try_ms, failures)
SELECT sent.notice_id, sent.due_at_ms, sent.room_id, f.kind, f.ordinal,
	substr(sha256(convert_to(concat_ws(' ', 'notice', sent.notice_id, sent.due_at_ms, sent.room_id, f.kind, f.ordinal), 'UTF8')), 1, 16),
	f.at_ms, 0
FROM sent JOIN n ON n.notice_id = sent.notice_id CROSS JOIN LATERAL (
	SELECT 'file' AS kind, a.ordinal, $5::bigint AS at_ms, n.state <> 'cancelled' AS is_wanted
		FROM notice_attachments AS a WHERE a.notice_id = sent.notice_id
	UNION ALL VALUES
		('pin', 0, $5::bigint, n.is_pinned AND n.state <> 'cancelled' AND coalesce(n.expires_at_ms > $5::bigint, true)),
		('unpin', 0, n.expires_at_ms, n.is_pinned AND n.expires_at_ms IS NOT NULL),
		('amend', n.edits, $5::bigint, sent.due_at_ms <= n.edited_at_ms)
) AS f (kind, ordinal, at_ms, is_wanted)
WHERE f.is_wanted
ON CONFLICT DO NOTHING;

-- name: notice_delivery_failed
-- At most one row: it is tried again at $4, null: not any more. One that was cancelled or sent meanwhile stays as it is. Index:
-- notice_deliveries_pkey.
UPDATE notice_deliveries SET failures = failures + 1, next_try_ms = $4, reason = $5
WHERE notice_id = $1 AND due_at_ms = $2 AND room_id = $3 AND next_try_ms IS NOT NULL;

-- name: notice_delivery_list hot
-- The newest $2 of a notice, by time, then by room. Index: notice_deliveries_pkey.
SELECT due_at_ms, room_id, next_try_ms, failures, reason, event_id, sent_at_ms FROM notice_deliveries
WHERE notice_id = $1 ORDER BY due_at_ms DESC, room_id LIMIT $2;
