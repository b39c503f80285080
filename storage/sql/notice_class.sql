-- name: notice_class_put
-- A class by its alias $1, of the sender $2, with template $3, name $4, whether it is encrypted, space $6 (null: as they were), at $7: one
-- row, its number. None when the alias is another sender's. Index: notice_classes_alias_key.
INSERT INTO notice_classes AS c (alias, sender, template, name, is_encrypted, space, created_at_ms, version, next_try_ms, failures)
VALUES ($1, $2, coalesce($3, 'class'), $4, $5, $6, $7::bigint, 1, $7::bigint, 0)
ON CONFLICT (alias) DO UPDATE SET template = coalesce($3, c.template), name = coalesce($4, c.name),
	is_encrypted = c.is_encrypted OR $5, space = coalesce($6, c.space), version = c.version + 1, next_try_ms = $7::bigint, failures = 0
WHERE c.sender = $2
RETURNING class_id;

-- name: notice_class_people_put
-- The people $2 have the roles $3 in the class $1. Index: notice_class_people_pkey.
INSERT INTO notice_class_people (class_id, user_id, role) SELECT $1, p.user_id, p.role FROM unnest($2::text[], $3::text[]) AS p (user_id, role)
ON CONFLICT (class_id, user_id) DO UPDATE SET role = excluded.role;

-- name: notice_class_touch
-- At most one row: the class with the alias $1 is to be brought into its state at $2; its number. Index: notice_classes_alias_key.
UPDATE notice_classes SET version = version + 1, next_try_ms = $2, failures = 0 WHERE alias = $1 RETURNING class_id;

-- name: notice_class_list
-- All, by alias.
SELECT class_id, alias, sender, template, name, is_encrypted, space, version, room_id, next_try_ms, failures, reason FROM notice_classes
ORDER BY alias;

-- name: notice_class_find hot
-- At most one row, by alias. Index: notice_classes_alias_key.
SELECT class_id, alias, sender, template, name, is_encrypted, space, version, room_id, next_try_ms, failures, reason FROM notice_classes
WHERE alias = $1;

-- name: notice_class_people hot
-- Of a class, by user. Index: notice_class_people_pkey.
SELECT user_id, role FROM notice_class_people WHERE class_id = $1 ORDER BY user_id;

-- name: notice_class_next hot
-- One row: when one is to be worked on, null for never. Index: notice_classes_next_idx.
SELECT min(next_try_ms) FROM notice_classes WHERE next_try_ms IS NOT NULL;

-- name: notice_class_due hot
-- Up to $2 that are to be worked on by $1, longest first. Index: notice_classes_next_idx.
SELECT class_id, alias, sender, template, name, is_encrypted, space, version, room_id, next_try_ms, failures, reason FROM notice_classes
WHERE next_try_ms <= $1 ORDER BY next_try_ms LIMIT $2;

-- name: notice_class_done
-- The room $3 of the class $1 is as it was wanted in version $2, but for $5 (null: nothing); who is no longer to be in it, $4, is forgotten. What
-- was wanted meanwhile stays to be done. Index: notice_classes_pkey, notice_class_people_pkey.
WITH done AS (
	UPDATE notice_classes SET room_id = $3, reason = $5, failures = 0, next_try_ms = CASE WHEN version = $2 THEN NULL ELSE next_try_ms END
	WHERE class_id = $1 RETURNING class_id
)
DELETE FROM notice_class_people AS p USING done
WHERE p.class_id = done.class_id AND p.role = 'gone' AND p.user_id = ANY ($4::text[]);

-- name: notice_class_failed
-- At most one row: it is tried again at $2, because of $3. Index: notice_classes_pkey.
UPDATE notice_classes SET failures = failures + 1, next_try_ms = $2, reason = $3 WHERE class_id = $1;
