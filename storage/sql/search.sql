-- name: search_add
-- Texts: room, position, target, key, sender, time, has a url, terms as text; those that are there already stay. Index: search_texts_pkey.
INSERT INTO search_texts (room_nid, position, target_position, key, sender, origin_server_ts, has_url, terms)
SELECT u.room_nid, u.position, u.target, u.key::smallint, u.sender, u.ts, u.has_url <> 0, u.terms::tsvector
FROM unnest($1::bigint[], $2::bigint[], $3::bigint[], $4::bigint[], $5::text[], $6::bigint[],
	$7::bigint[], $8::text[]) AS u(room_nid, position, target, key, sender, ts, has_url, terms)
ON CONFLICT DO NOTHING;

-- name: search_remove
-- The texts of redacted events, and all edits of them: rooms, positions. One row for each event whose texts changed.
-- Index: search_texts_pkey, search_texts_target_idx.
WITH gone AS (
	DELETE FROM search_texts t USING unnest($1::bigint[], $2::bigint[]) AS u(room_nid, position)
	WHERE t.room_nid = u.room_nid AND (t.position = u.position OR t.target_position = u.position)
	RETURNING t.room_nid, t.target_position
)
SELECT DISTINCT room_nid, target_position FROM gone;

-- name: search_remove_rooms
-- All texts of some rooms. Index: search_texts_pkey.
DELETE FROM search_texts WHERE room_nid = ANY ($1::bigint[]);

-- name: search_supersede
-- Which text of an event is superseded by which: rooms, target positions. Index: search_texts_target_idx, search_texts_pkey.
UPDATE search_texts t SET superseded_at = n.next
FROM (
	SELECT s.room_nid, s.position,
		lead(s.position) OVER (PARTITION BY s.room_nid, s.target_position ORDER BY s.position) AS next
	FROM (SELECT DISTINCT * FROM unnest($1::bigint[], $2::bigint[])) AS u(room_nid, target)
	JOIN search_texts s ON s.room_nid = u.room_nid AND s.target_position = u.target
) AS n
WHERE t.room_nid = n.room_nid AND t.position = n.position AND t.superseded_at IS DISTINCT FROM n.next;

-- name: search_clear
-- Up to 20,000 of them: the terms are of another version.
DELETE FROM search_texts WHERE ctid = ANY (ARRAY(SELECT ctid FROM search_texts LIMIT 20000));

-- name: search_encrypted hot
-- Those of some rooms that are encrypted. Index: states_pkey.
SELECT DISTINCT room_nid FROM states
WHERE room_nid = ANY ($1::bigint[]) AND type = 'm.room.encryption' AND state_key = '';

-- name: search_scope hot
-- What decides which events of some rooms a user may see, by room, oldest first: the user's memberships, and the history visibilities with
-- their events. Index: states_pkey, events_pkey.
SELECT s.room_nid, s.from_position, s.membership, NULL
FROM states s WHERE s.room_nid = ANY ($1::bigint[]) AND s.type = 'm.room.member' AND s.state_key = $2
UNION ALL
SELECT s.room_nid, s.from_position, NULL, e.json
FROM states s LEFT JOIN events e ON e.room_nid = s.room_nid AND e.position = s.event_position
WHERE s.room_nid = ANY ($1::bigint[]) AND s.type = 'm.room.history_visibility' AND s.state_key = ''
ORDER BY 1, 2;

-- name: search_by_recency hot
-- Up to $14 texts that match $1 in spans of rooms ($3 … $6), the newest first, from below position $12; with the number of all that match (one row with no text when none
-- is left).
-- The terms are looked up first, whatever the planner thinks of them: they are what narrows. Index: search_texts_terms_idx.
WITH found AS MATERIALIZED (
	SELECT e.room_nid, e.position, e.target_position, e.superseded_at
	FROM search_texts e
	WHERE e.terms @@ $1::text::tsquery AND e.key = ANY ($7::bigint[])
		AND ($8::text[] IS NULL OR e.sender = ANY ($8::text[]))
		AND e.sender <> ALL ($9::text[])
		AND ($10::boolean IS NULL OR e.has_url = $10)
), matched AS MATERIALIZED (
	SELECT e.room_nid, e.target_position
	FROM unnest($3::bigint[], $4::bigint[], $5::bigint[], $6::bigint[]) AS s(room_nid, after, up_to, horizon)
	JOIN found e ON e.room_nid = s.room_nid AND e.position > s.after AND e.position <= s.up_to
		AND (e.superseded_at IS NULL OR e.superseded_at > s.horizon)
), page AS (
	SELECT m.room_nid, m.target_position
	FROM matched m
	WHERE m.target_position < $12 AND $11::bigint IS NOT NULL AND $13::bigint IS NOT NULL AND $2::text IS NOT NULL
	ORDER BY m.target_position DESC LIMIT $14
)
SELECT p.room_nid, p.target_position, 0::bigint, m.n
FROM (SELECT count(*) AS n FROM matched) AS m LEFT JOIN page p ON true
ORDER BY p.target_position DESC;

-- name: search_by_rank hot
-- The same, the most relevant first, from below rank $11 and position $12. Of the newest 1,000 that match; relevant is what has the
-- terms ($2: without those of rooms) close together and often for its length, and is new: at $13, a message of a week counts for six
-- tenths of one of now. The rank is in millionths. Index: search_texts_terms_idx; rows by their place.
WITH found AS MATERIALIZED (
	SELECT e.room_nid, e.position, e.target_position, e.superseded_at, e.ctid AS place
	FROM search_texts e
	WHERE e.terms @@ $1::text::tsquery AND e.key = ANY ($7::bigint[])
		AND ($8::text[] IS NULL OR e.sender = ANY ($8::text[]))
		AND e.sender <> ALL ($9::text[])
		AND ($10::boolean IS NULL OR e.has_url = $10)
), matched AS MATERIALIZED (
	SELECT e.room_nid, e.target_position, e.place
	FROM unnest($3::bigint[], $4::bigint[], $5::bigint[], $6::bigint[]) AS s(room_nid, after, up_to, horizon)
	JOIN found e ON e.room_nid = s.room_nid AND e.position > s.after AND e.position <= s.up_to
		AND (e.superseded_at IS NULL OR e.superseded_at > s.horizon)
), newest AS MATERIALIZED (
	SELECT place FROM matched ORDER BY target_position DESC LIMIT 1000
), ranked AS MATERIALIZED (
	SELECT e.room_nid, e.target_position, (1000000 * ts_rank_cd(e.terms, $2::text::tsquery, 1)
		/ (1 + ln(1 + greatest($13::bigint - e.origin_server_ts, 0)::float8 / 604800000)))::bigint AS rank
	FROM search_texts e WHERE e.ctid = ANY (ARRAY(SELECT place FROM newest))
), page AS (
	SELECT r.room_nid, r.target_position, r.rank
	FROM ranked r
	WHERE r.rank < $11 OR (r.rank = $11 AND r.target_position < $12)
	ORDER BY r.rank DESC, r.target_position DESC LIMIT $14
)
SELECT p.room_nid, p.target_position, p.rank, m.n
FROM (SELECT count(*) AS n FROM matched) AS m LEFT JOIN page p ON true
ORDER BY p.rank DESC, p.target_position DESC;
