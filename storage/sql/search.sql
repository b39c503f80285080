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
	DELETE FROM search_texts t USING unnest($1::bigint[], $2::bigint[]) AS u(room_nid, position) CROSS JOIN LATERAL (
		SELECT position FROM search_texts WHERE room_nid = u.room_nid AND position = u.position
		UNION SELECT position FROM search_texts WHERE room_nid = u.room_nid AND target_position = u.position
	) AS g
	WHERE t.room_nid = u.room_nid AND t.position = g.position
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
SELECT s.room_nid FROM unnest($1::bigint[]) AS r(room_nid) CROSS JOIN LATERAL (SELECT room_nid FROM states
	WHERE room_nid = r.room_nid AND type = (SELECT 'm.room.encryption') AND state_key = '' ORDER BY from_position LIMIT 1) AS s;

-- name: search_scope hot
-- What decides which events of some rooms a user may see where members see all, by room, oldest first: when the user was joined last, and left
-- then (a row each), and the history visibilities with their events. Index: states_pkey, events_pkey.
WITH stays AS MATERIALIZED (
	SELECT s.* FROM unnest($1::bigint[]) AS r(room_nid) CROSS JOIN LATERAL (
		SELECT room_nid, from_position, to_position FROM states
		WHERE room_nid = r.room_nid AND type = 'm.room.member' AND state_key = $2 AND membership = 'join'
		ORDER BY from_position DESC LIMIT 1
	) AS s
)
SELECT room_nid, from_position, 'join', NULL FROM stays
UNION ALL
SELECT room_nid, to_position, 'leave', NULL FROM stays WHERE to_position < 9223372036854775807
UNION ALL
SELECT s.room_nid, s.from_position, NULL, e.json
FROM states s LEFT JOIN events e ON e.room_nid = s.room_nid AND e.position = s.event_position
WHERE s.room_nid = ANY ($1::bigint[]) AND s.type = 'm.room.history_visibility' AND s.state_key = ''
ORDER BY 1, 2;

-- name: search_memberships hot
-- The newest memberships of a user in some rooms, up to $3 in each. Index: states_pkey.
SELECT s.room_nid, s.from_position, s.membership, NULL
FROM unnest($1::bigint[]) AS r(room_nid) CROSS JOIN LATERAL (
	SELECT room_nid, from_position, membership FROM states
	WHERE room_nid = r.room_nid AND type = 'm.room.member' AND state_key = $2
	ORDER BY from_position DESC LIMIT $3
) AS s;

-- name: search_by_recency hot
-- Up to $14 texts that match $1 in spans of rooms ($4 … $7), the newest first, from below position $12; with the number of all that match, at most
-- $13, and the position of the last of these (one row with no text when none is left).
-- The windows of the timeline ($2) are looked through one after another, the newest first, until $13 are found: so what is read does not grow
-- with the matches. A window, the terms and the rooms ($3, NULL: any) are conditions of their own, since an index look-up skips from one
-- to the next by each of them. A text counts until a later one of the same event stands in the spans. Index: search_texts_terms_idx,
-- search_texts_target_idx.
WITH found AS MATERIALIZED (
	SELECT m.room_nid, m.target_position, m.position
	FROM unnest($2::text[]) AS w(term) CROSS JOIN LATERAL (
		SELECT e.room_nid, e.target_position, e.position
		FROM (
			SELECT t.room_nid, t.position, t.target_position, t.superseded_at
			FROM search_texts t
			WHERE t.terms @@ $1::text::tsquery AND t.terms @@ w.term::tsquery
				AND t.terms @@ coalesce($3::text, w.term)::tsquery AND t.key = ANY ($8::bigint[])
				AND ($9::text[] IS NULL OR t.sender = ANY ($9::text[]))
				AND t.sender <> ALL ($10::text[]) AND ($11::boolean IS NULL OR t.has_url = $11)
			OFFSET 0
		) AS e
		JOIN unnest($4::bigint[], $5::bigint[], $6::bigint[], $7::bigint[]) AS s(room_nid, after, up_to, horizon)
			ON e.room_nid = s.room_nid AND e.position > s.after AND e.position <= s.up_to
			AND (e.superseded_at IS NULL OR e.superseded_at > s.horizon OR NOT EXISTS (
				SELECT FROM search_texts l JOIN unnest($4::bigint[], $5::bigint[], $6::bigint[]) AS v(room_nid, after, up_to)
					ON l.room_nid = v.room_nid AND l.position > v.after AND l.position <= v.up_to
				WHERE l.room_nid = e.room_nid AND l.target_position = e.target_position AND l.position > e.position))
		WHERE e.target_position < $12
		ORDER BY e.target_position DESC
	) AS m
	LIMIT $13
), page AS (
	SELECT f.room_nid, f.target_position, f.position FROM found f ORDER BY f.target_position DESC LIMIT $14
)
SELECT p.room_nid, p.target_position, 0::bigint, m.n, m.last, p.position
FROM (SELECT count(*) AS n, min(target_position) AS last FROM found) AS m LEFT JOIN page p ON true
ORDER BY p.target_position DESC;

-- name: search_by_rank hot
-- The same, the most relevant first, from below rank $14 and position $12, up to $16. Of the newest $13 that match; relevant is what has the
-- terms close together and often for its length, and is new: at $15, a message of a week counts for six tenths of one of now. The rank is
-- in millionths. Index: search_texts_terms_idx; rows by their place.
WITH found AS MATERIALIZED (
	SELECT m.target_position, m.place
	FROM unnest($2::text[]) AS w(term) CROSS JOIN LATERAL (
		SELECT e.target_position, e.place
		FROM (
			SELECT t.room_nid, t.position, t.target_position, t.superseded_at, t.ctid AS place
			FROM search_texts t
			WHERE t.terms @@ $1::text::tsquery AND t.terms @@ w.term::tsquery
				AND t.terms @@ coalesce($3::text, w.term)::tsquery AND t.key = ANY ($8::bigint[])
				AND ($9::text[] IS NULL OR t.sender = ANY ($9::text[]))
				AND t.sender <> ALL ($10::text[]) AND ($11::boolean IS NULL OR t.has_url = $11)
			OFFSET 0
		) AS e
		JOIN unnest($4::bigint[], $5::bigint[], $6::bigint[], $7::bigint[]) AS s(room_nid, after, up_to, horizon)
			ON e.room_nid = s.room_nid AND e.position > s.after AND e.position <= s.up_to
			AND (e.superseded_at IS NULL OR e.superseded_at > s.horizon OR NOT EXISTS (
				SELECT FROM search_texts l JOIN unnest($4::bigint[], $5::bigint[], $6::bigint[]) AS v(room_nid, after, up_to)
					ON l.room_nid = v.room_nid AND l.position > v.after AND l.position <= v.up_to
				WHERE l.room_nid = e.room_nid AND l.target_position = e.target_position AND l.position > e.position))
		ORDER BY e.target_position DESC
	) AS m
	LIMIT $13
), ranked AS MATERIALIZED (
	SELECT e.room_nid, e.target_position, e.position, (1000000 * ts_rank_cd(e.terms, $1::text::tsquery, 1)
		/ (1 + ln(1 + greatest($15::bigint::float8 - e.origin_server_ts, 0) / 604800000)))::bigint AS rank
	FROM search_texts e WHERE e.ctid = ANY (ARRAY(SELECT place FROM found))
), page AS (
	SELECT r.room_nid, r.target_position, r.position, r.rank
	FROM ranked r
	WHERE r.rank < $14 OR (r.rank = $14 AND r.target_position < $12)
	ORDER BY r.rank DESC, r.target_position DESC LIMIT $16
)
SELECT p.room_nid, p.target_position, p.rank, m.n, m.last, p.position
FROM (SELECT count(*) AS n, min(target_position) AS last FROM found) AS m LEFT JOIN page p ON true
ORDER BY p.rank DESC, p.target_position DESC;
