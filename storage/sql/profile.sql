-- name: profile_all hot
-- A user's fields, by name. Index: profiles_pkey.
SELECT field, value FROM profiles WHERE user_id = $1 ORDER BY field;

-- name: profile_set hot
-- One row. Index: profiles_pkey.
INSERT INTO profiles (user_id, field, value) VALUES ($1, $2, $3)
ON CONFLICT (user_id, field) DO UPDATE SET value = excluded.value;

-- name: profile_delete hot
-- At most one row. Index: profiles_pkey.
DELETE FROM profiles WHERE user_id = $1 AND field = $2;

-- name: profile_delete_all hot
-- All of a user's. Index: profiles_pkey.
DELETE FROM profiles WHERE user_id = $1;
