-- name: relations_bundled hot
-- What is bundled with events: parents, their senders and types, newest position, reader, ignored users. For each parent at most
-- one row for its thread, 1,000 references (oldest first) and 5 edits by its own sender (newest first). OFFSET 0 keeps the events from being
-- walked first: of a room that has grown since the statistics were made the planner believes that it has one event.
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
SELECT p.parent_id, 'm.reference', t.position, e.event_id, 0, false
FROM unnest($2::text[]) AS p(parent_id)
CROSS JOIN LATERAL (
	SELECT r.position FROM relations r
	WHERE r.room_nid = $1 AND r.parent_id = p.parent_id AND r.rel_type = 'm.reference'
		AND r.position <= $5 AND r.sender <> ALL ($7::text[])
	ORDER BY r.position LIMIT 1000
) AS t
CROSS JOIN LATERAL (SELECT event_id FROM events WHERE room_nid = $1 AND position = t.position OFFSET 0) AS e
UNION ALL
SELECT p.parent_id, 'm.replace', t.position, NULL, 0, false
FROM unnest($2::text[], $3::text[], $4::text[]) AS p(parent_id, sender, type)
CROSS JOIN LATERAL (
	SELECT r.position
	FROM (
		SELECT position FROM relations WHERE room_nid = $1 AND parent_id = p.parent_id AND rel_type = 'm.replace'
			AND position <= $5 AND sender = p.sender AND type = p.type OFFSET 0
	) AS r
	CROSS JOIN LATERAL (SELECT origin_server_ts, event_id FROM events WHERE room_nid = $1 AND position = r.position OFFSET 0) AS e
	ORDER BY e.origin_server_ts DESC, e.event_id DESC LIMIT 5
) AS t;

-- name: relations_kinds hot
-- Who relates how to each of some events: a row for each kind and sender. Index: relations_pkey.
SELECT DISTINCT parent_id, rel_type, sender
FROM relations WHERE room_nid = $1 AND parent_id = ANY ($2::text[]);

-- name: relations_page hot
-- Positions of up to $9 events that relate to $2, with $3 < position <= $4, of one relation type and event type (NULL: any), without
-- ignored senders: the newest ones, newest first, when $8, else the oldest, oldest first. Index: relations_pkey.
SELECT t.position FROM (
	(SELECT r.position FROM relations r
	WHERE $8::boolean AND r.room_nid = $1 AND r.parent_id = $2 AND r.position > $3 AND r.position <= $4
		AND ($5::text IS NULL OR r.rel_type = $5) AND ($6::text IS NULL OR r.type = $6)
		AND r.sender <> ALL ($7::text[])
	ORDER BY r.position DESC LIMIT $9)
	UNION ALL
	(SELECT r.position FROM relations r
	WHERE NOT $8::boolean AND r.room_nid = $1 AND r.parent_id = $2 AND r.position > $3 AND r.position <= $4
		AND ($5::text IS NULL OR r.rel_type = $5) AND ($6::text IS NULL OR r.type = $6)
		AND r.sender <> ALL ($7::text[])
	ORDER BY r.position LIMIT $9)
) AS t ORDER BY CASE WHEN $8 THEN -t.position ELSE t.position END;

-- name: relations_page_deep hot
-- The same with what relates to those, over $10 levels. Types are of the events returned, not of those between. Reads all
-- descendants. In order of position, for where one thread has most of all relations the planner else reads the whole table for each event.
-- Index: relations_pkey, events_pkey.
WITH RECURSIVE family AS (
	(SELECT r.position, r.rel_type, r.type, r.sender, 1 AS level
	FROM relations r WHERE r.room_nid = $1 AND r.parent_id = $2 ORDER BY r.position OFFSET 0)
	UNION
	SELECT r.position, r.rel_type, r.type, r.sender, f.level + 1
	FROM family f
	CROSS JOIN LATERAL (SELECT event_id FROM events WHERE room_nid = $1 AND position = f.position OFFSET 0) AS e
	CROSS JOIN LATERAL (SELECT * FROM relations WHERE room_nid = $1 AND parent_id = e.event_id ORDER BY position OFFSET 0) AS r
	WHERE f.level < $10::bigint
)
SELECT DISTINCT ON (CASE WHEN $8::boolean THEN -f.position ELSE f.position END) f.position
FROM family f
WHERE f.position > $3 AND f.position <= $4 AND ($5::text IS NULL OR f.rel_type = $5)
	AND ($6::text IS NULL OR f.type = $6) AND f.sender <> ALL ($7::text[])
ORDER BY CASE WHEN $8::boolean THEN -f.position ELSE f.position END LIMIT $9;

-- name: threads_page hot
-- Up to $6 threads of a room with their newest event up to $3 that nobody ignored ($5) sent, where that event's position is <= $2, newest
-- first; with $4 only those in which that user took part. Steps over the roots one by one, so it costs two look-ups for each
-- thread, whatever their length. Index: events_thread_idx, relations_pkey, events_event_id_key.
WITH RECURSIVE roots AS (
	(SELECT e.thread_root FROM events e
	WHERE e.room_nid = $1 AND e.thread_root IS NOT NULL ORDER BY e.thread_root LIMIT 1)
	UNION ALL
	SELECT (SELECT e.thread_root FROM events e
		WHERE e.room_nid = $1 AND e.thread_root > roots.thread_root ORDER BY e.thread_root LIMIT 1)
	FROM roots WHERE roots.thread_root IS NOT NULL
)
SELECT roots.thread_root, t.position
FROM roots
CROSS JOIN LATERAL (
	SELECT r.position FROM relations r
	WHERE r.room_nid = $1 AND r.parent_id = roots.thread_root AND r.rel_type = 'm.thread'
		AND r.position <= $3 AND r.sender <> ALL ($5::text[])
	ORDER BY r.position DESC LIMIT 1
) AS t
WHERE t.position <= $2 AND ($4::text IS NULL
	OR EXISTS (SELECT 1 FROM relations r WHERE r.room_nid = $1 AND r.parent_id = roots.thread_root
		AND r.rel_type = 'm.thread' AND r.sender = $4 OFFSET 0)
	OR EXISTS (SELECT 1 FROM events e WHERE e.event_id = roots.thread_root AND e.room_nid = $1
		AND e.sender = $4 OFFSET 0))
ORDER BY t.position DESC LIMIT $6;
