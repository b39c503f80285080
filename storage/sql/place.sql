-- name: events_shown_after hot
-- Up to $4 events of the timeline with $2 < place <= $3, in the order of places, with their places, and whether nothing relates to them that
-- is bundled. Index: events_pkey, event_places_pkey, event_places_position_key, relations_pkey.
SELECT *, NOT EXISTS (SELECT FROM relations r WHERE r.room_nid = $1 AND r.parent_id = e.event_id
	AND r.rel_type IN ('m.thread', 'm.reference', 'm.replace') OFFSET 0)
FROM (
	(SELECT e.position, e.event_id, e.json, e.replaces_position, e.thread_root, e.txn, e.notify_seq, e.highlight_seq,
		e.redacted_by, e.room_nid, e.fate, e.position AS place
	FROM events e WHERE e.room_nid = $1 AND e.position > $2 AND e.position <= $3
		AND NOT EXISTS (SELECT FROM event_places m WHERE m.room_nid = $1 AND m.position = e.position)
	ORDER BY e.position LIMIT $4)
	UNION ALL
	(SELECT e.position, e.event_id, e.json, e.replaces_position, e.thread_root, e.txn, e.notify_seq, e.highlight_seq,
		e.redacted_by, e.room_nid, e.fate, p.place
	FROM event_places p CROSS JOIN LATERAL (SELECT * FROM events WHERE room_nid = $1 AND position = p.position OFFSET 0) AS e
	WHERE p.room_nid = $1 AND p.place > $2 AND p.place <= $3
	ORDER BY p.place LIMIT $4)
) AS e ORDER BY place LIMIT $4;

-- name: events_shown_before hot
-- The same backwards.
SELECT *, NOT EXISTS (SELECT FROM relations r WHERE r.room_nid = $1 AND r.parent_id = e.event_id
	AND r.rel_type IN ('m.thread', 'm.reference', 'm.replace') OFFSET 0)
FROM (
	(SELECT e.position, e.event_id, e.json, e.replaces_position, e.thread_root, e.txn, e.notify_seq, e.highlight_seq,
		e.redacted_by, e.room_nid, e.fate, e.position AS place
	FROM events e WHERE e.room_nid = $1 AND e.position > $2 AND e.position <= $3
		AND NOT EXISTS (SELECT FROM event_places m WHERE m.room_nid = $1 AND m.position = e.position)
	ORDER BY e.position DESC LIMIT $4)
	UNION ALL
	(SELECT e.position, e.event_id, e.json, e.replaces_position, e.thread_root, e.txn, e.notify_seq, e.highlight_seq,
		e.redacted_by, e.room_nid, e.fate, p.place
	FROM event_places p CROSS JOIN LATERAL (SELECT * FROM events WHERE room_nid = $1 AND position = p.position OFFSET 0) AS e
	WHERE p.room_nid = $1 AND p.place > $2 AND p.place <= $3
	ORDER BY p.place DESC LIMIT $4)
) AS e ORDER BY place DESC LIMIT $4;

-- name: event_places_of hot
-- Places of those of these positions that have another. Index: event_places_position_key.
SELECT position, place FROM event_places WHERE room_nid = $1 AND position = ANY ($2::bigint[]);

-- name: event_places_behind hot
-- Events by id and what they stand on, as far as that stands at $3 or above it, and what is right under that: up to $4 rows, in no order.
-- Those that were set aside (below the timeline) are walked through: what they stand on comes before what stands on them.
-- Index: events_pkey, events_event_id_key, event_places_position_key.
WITH RECURSIVE behind(position, place) AS (
	SELECT e.position, coalesce(p.place, e.position)
	FROM events e LEFT JOIN LATERAL (SELECT place FROM event_places WHERE room_nid = $1 AND position = e.position OFFSET 0) AS p ON true
	WHERE e.event_id = ANY ($2::text[]) AND e.room_nid + 0 = $1 AND (e.position > -1152921504606846976 OR e.fate IN (2, 3))
	UNION
	SELECT e.position, coalesce(p.place, e.position)
	FROM behind b CROSS JOIN LATERAL (SELECT json FROM events WHERE room_nid = $1 AND position = b.position OFFSET 0) AS s
	CROSS JOIN LATERAL json_array_elements(s.json::json -> 'prev_events') AS a(ref)
	CROSS JOIN LATERAL (SELECT room_nid, position, fate FROM events
		WHERE event_id = CASE WHEN position('\u0000' IN a.ref::text) > 0 THEN NULL
			WHEN json_typeof(a.ref) = 'array' THEN a.ref ->> 0 ELSE a.ref #>> '{}' END OFFSET 0) AS e
	LEFT JOIN LATERAL (SELECT place FROM event_places WHERE room_nid = $1 AND position = e.position OFFSET 0) AS p ON true
	WHERE (b.place >= $3 OR b.position <= -1152921504606846976)
		AND e.room_nid = $1 AND (e.position > -1152921504606846976 OR e.fate IN (2, 3))
)
SELECT position, place FROM behind LIMIT $4;
