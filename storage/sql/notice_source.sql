-- name: notice_source_insert
-- One row: the number. None when there are $8 already.
INSERT INTO notice_sources (sender, targets, url, language, every_ms, days_before, at_time, created_at_ms, next_at_ms, is_primed, title,
	failures)
SELECT $1, $2, $3, $4, $5, $6, $7, $9, $9, false, '', 0 WHERE (SELECT count(*) FROM notice_sources) < $8
RETURNING source_id;

-- name: notice_source_list
-- All, oldest first.
SELECT source_id, sender, targets, url, language, every_ms, days_before, at_time, created_at_ms, next_at_ms, is_primed, title, etag,
	modified, asked_at_ms, failures, problem, (SELECT count(*) FROM notice_source_items AS i WHERE i.source_id = s.source_id AND i.is_posted)
FROM notice_sources AS s ORDER BY source_id;

-- name: notice_source_get hot
-- At most one row. Index: notice_sources_pkey, notice_source_items_pkey.
SELECT source_id, sender, targets, url, language, every_ms, days_before, at_time, created_at_ms, next_at_ms, is_primed, title, etag,
	modified, asked_at_ms, failures, problem, (SELECT count(*) FROM notice_source_items AS i WHERE i.source_id = s.source_id AND i.is_posted)
FROM notice_sources AS s WHERE source_id = $1;

-- name: notice_source_body hot
-- At most one row. Index: notice_sources_pkey.
SELECT body FROM notice_sources WHERE source_id = $1;

-- name: notice_source_delete
-- At most one row; what is known of its items goes too. Index: notice_sources_pkey.
DELETE FROM notice_sources WHERE source_id = $1;

-- name: notice_source_ask
-- At most one row: it is asked at once. Index: notice_sources_pkey.
UPDATE notice_sources SET next_at_ms = $2 WHERE source_id = $1;

-- name: notice_source_next hot
-- One row: when one is to be asked, null for never. Index: notice_sources_next_idx.
SELECT min(next_at_ms) FROM notice_sources;

-- name: notice_source_due hot
-- Up to $2 that are to be asked by $1, longest first. Index: notice_sources_next_idx.
SELECT source_id FROM notice_sources WHERE next_at_ms <= $1 ORDER BY next_at_ms LIMIT $2;

-- name: notice_source_items_find
-- Those of the keys $2 that are known. Index: notice_source_items_pkey.
SELECT item_key, version, is_posted FROM notice_source_items WHERE source_id = $1 AND item_key = ANY ($2::text[]);

-- name: notice_source_items_coming hot
-- Up to $3 events that people were told of and that begin after $2. Index: notice_source_items_coming_idx.
SELECT item_key, title, starts_at_ms FROM notice_source_items
WHERE source_id = $1 AND starts_at_ms IS NOT NULL AND starts_at_ms > $2 ORDER BY starts_at_ms LIMIT $3;

-- name: notice_source_post
-- An item $2 of the source $1 in the version $3 becomes known and a notice, both or neither: one row, the notice's number. None when it is
-- known in that version, when the source is gone, or when its sender has $10 notices that are still due. Index: notice_sources_pkey,
-- notice_source_items_pkey, notices_sender_idx.
WITH source AS (
	SELECT source_id, sender, targets FROM notice_sources AS s
	WHERE source_id = $1 AND (SELECT count(*) FROM notices AS n WHERE n.sender = s.sender AND n.next_at_ms IS NOT NULL) < $10
), item AS (
	INSERT INTO notice_source_items AS i (source_id, item_key, version, is_posted, title, starts_at_ms, seen_at_ms)
	SELECT source_id, $2, $3, true, $4, $5, $6::bigint FROM source
	ON CONFLICT (source_id, item_key) DO UPDATE SET version = excluded.version, is_posted = true, title = excluded.title,
		starts_at_ms = excluded.starts_at_ms, seen_at_ms = excluded.seen_at_ms
	WHERE i.version <> excluded.version
	RETURNING source_id
), made AS (
	INSERT INTO notices (sender, texts, state, zone, except_at, next_at_ms, expires_at_ms, created_at_ms)
	SELECT source.sender, $7, 'scheduled', $8, '', $6::bigint, $9, $6::bigint FROM item JOIN source USING (source_id)
	RETURNING notice_id
), targets AS (
	INSERT INTO notice_targets (notice_id, ordinal, target, languages)
	SELECT made.notice_id, t.ordinal, t.target, ''
	FROM made, source, unnest(string_to_array(source.targets, ' ')) WITH ORDINALITY AS t (target, ordinal)
)
SELECT notice_id FROM made;

-- name: notice_source_took
-- An answer of the source $1 was taken: items with the keys $2 and the versions $3 are known from now on, without a notice; what it calls
-- itself, ETag, Last-Modified, its body (null: as it is), what is wrong with it, when it was asked and is to be asked next. Index:
-- notice_sources_pkey, notice_source_items_pkey.
WITH took AS (
	UPDATE notice_sources SET title = $4, etag = $5, modified = $6, body = coalesce($7, body), problem = $8, asked_at_ms = $9,
		next_at_ms = $10, failures = 0, is_primed = true
	WHERE source_id = $1 RETURNING source_id
)
INSERT INTO notice_source_items (source_id, item_key, version, is_posted, title, seen_at_ms)
SELECT took.source_id, k.item_key, k.version, false, '', $9
FROM took, unnest($2::text[], $3::text[]) AS k (item_key, version)
ON CONFLICT DO NOTHING;

-- name: notice_source_failed
-- At most one row: it is asked again at $2. Index: notice_sources_pkey.
UPDATE notice_sources SET failures = failures + 1, next_at_ms = $2, problem = $3 WHERE source_id = $1;
