-- name: relations_bundled hot
-- What is bundled with events: parents, their senders and types, newest position, reader, ignored users. For each parent at most
-- one row for its thread, 1,000 references (oldest first) and 5 edits by its own sender (newest first).
-- Index: relations_pkey, events_pkey.
SELECT p.parent_id, 'm.thread', t.latest, NULL, t.n, t.participated
FROM unnest($2::text[]) AS p(parent_id)
CROSS JOIN LATERAL (
	SELECT max(r.position) AS latest, count(*) AS n, bool_or(r.sender = $6::text) AS participated
	FROM relations r
	WHERE r.room_nid = $1 AND r.parent_id = p.parent_id AND r.rel_type = 'm.thread'
		AND r.position <= $5 AND r.sender <> ALL ($7::text[])
) AS t
WHERE t.n > 0
UNION ALL
SELECT p.parent_id, 'm.reference', t.position, t.event_id, 0, false
FROM unnest($2::text[]) AS p(parent_id)
CROSS JOIN LATERAL (
	SELECT r.position, e.event_id
	FROM relations r JOIN events e ON e.room_nid = r.room_nid AND e.position = r.position
	WHERE r.room_nid = $1 AND r.parent_id = p.parent_id AND r.rel_type = 'm.reference'
		AND r.position <= $5 AND r.sender <> ALL ($7::text[])
	ORDER BY r.position LIMIT 1000
) AS t
UNION ALL
SELECT p.parent_id, 'm.replace', t.position, NULL, 0, false
FROM unnest($2::text[], $3::text[], $4::text[]) AS p(parent_id, sender, type)
CROSS JOIN LATERAL (
	SELECT r.position
	FROM relations r JOIN events e ON e.room_nid = r.room_nid AND e.position = r.position
	WHERE r.room_nid = $1 AND r.parent_id = p.parent_id AND r.rel_type = 'm.replace'
		AND r.position <= $5 AND r.sender = p.sender AND r.type = p.type
	ORDER BY e.origin_server_ts DESC, e.event_id DESC LIMIT 5
) AS t;

-- name: relations_kinds hot
-- Who relates how to each of some events: a row for each kind and sender. Index: relations_pkey.
SELECT DISTINCT parent_id, rel_type, sender
FROM relations WHERE room_nid = $1 AND parent_id = ANY ($2::text[]);
