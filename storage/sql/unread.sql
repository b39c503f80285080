-- name: unread_load hot
-- Everything that a user's unread counts in a room are made from; $3 is how many events are looked through. Rows: one of
-- kind 0 (what is outside threads, and the room as a whole), one of kind 1 for each thread with events after what is read, one of
-- kind 2 for each mention after it. Index: states_members_idx, states_pkey, receipts_pkey, events_pkey (backwards, up to $3 rows),
-- events_threaded_idx, events_thread_idx, mentions_pkey.
WITH joined AS MATERIALIZED (
	SELECT coalesce(
		(SELECT max(s.to_position) FROM unnest('{leave,invite,knock,ban}'::text[]) AS k(membership) CROSS JOIN LATERAL (
			SELECT to_position FROM states WHERE room_nid = $1 AND type = 'm.room.member' AND state_key = $2
				AND membership = k.membership ORDER BY from_position DESC LIMIT 1) AS s),
		(SELECT from_position FROM states WHERE room_nid = $1 AND type = 'm.room.member' AND state_key = $2
			ORDER BY from_position LIMIT 1),
		0) AS position
), marked AS MATERIALIZED (
	SELECT thread_id, max(event_position) AS position
	FROM receipts WHERE room_nid = $1 AND user_id = $2 GROUP BY thread_id
), base AS MATERIALIZED (
	SELECT greatest((SELECT position FROM joined),
		(SELECT position FROM marked WHERE thread_id = '')) AS position
), main_marked AS MATERIALIZED (
	SELECT greatest((SELECT position FROM base),
		(SELECT position FROM marked WHERE thread_id = 'main')) AS position
), main_sent AS MATERIALIZED (
	SELECT max(w.position) AS position FROM (
		SELECT position, sender, thread_root, type, state_key FROM events
		WHERE room_nid = $1 AND position > (SELECT position FROM main_marked)
		ORDER BY position DESC LIMIT $3
	) AS w
	WHERE w.sender = $2 AND w.thread_root IS NULL
		AND NOT (w.type = 'm.room.member' AND w.state_key IS NOT DISTINCT FROM $2)
), main_mark AS MATERIALIZED (
	SELECT greatest((SELECT position FROM main_marked), (SELECT position FROM main_sent)) AS position
), recent AS MATERIALIZED (
	SELECT position, thread_root, sender, notify_seq, highlight_seq FROM events
	WHERE room_nid = $1 AND thread_root IS NOT NULL AND position > (SELECT position FROM base)
	ORDER BY position DESC LIMIT $3
), threads AS MATERIALIZED (
	SELECT thread_root, max(position) AS last_position, max(notify_seq) AS notify_seq,
		max(highlight_seq) AS highlight_seq,
		greatest((SELECT position FROM base),
			(SELECT k.position FROM marked AS k WHERE k.thread_id = recent.thread_root),
			max(position) FILTER (WHERE sender = $2)) AS mark
	FROM recent GROUP BY thread_root
)
SELECT 0::bigint, NULL::text, r.last_position, (SELECT position FROM main_mark), r.notify_seq,
	r.highlight_seq, coalesce(c.notify_seq, 0), coalesce(c.highlight_seq, 0),
	(SELECT position FROM base)
FROM rooms AS r LEFT JOIN LATERAL (
	SELECT e.notify_seq, e.highlight_seq FROM events AS e
	WHERE e.room_nid = $1 AND e.thread_root IS NULL AND e.position <= (SELECT position FROM main_mark)
		AND e.position > -1152921504606846976
	ORDER BY e.position DESC LIMIT 1
) AS c ON true
WHERE r.room_nid = $1
UNION ALL
SELECT 1, t.thread_root, t.last_position, t.mark, t.notify_seq, t.highlight_seq,
	coalesce(c.notify_seq, 0), coalesce(c.highlight_seq, 0), 0
FROM threads AS t LEFT JOIN LATERAL (
	SELECT e.notify_seq, e.highlight_seq FROM events AS e
	WHERE e.room_nid = $1 AND e.thread_root = t.thread_root AND e.position <= t.mark
	ORDER BY e.position DESC LIMIT 1
) AS c ON true
UNION ALL
SELECT 2, n.thread_root, n.position, 0, n.is_counted::integer, 0, 0, 0, 0
FROM (
	SELECT thread_root, position, is_counted FROM mentions
	WHERE user_id = $2 AND room_nid = $1 AND position > (SELECT position FROM base)
	ORDER BY position DESC LIMIT $3
) AS n;
